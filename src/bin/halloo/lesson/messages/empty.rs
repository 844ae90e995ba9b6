//! An empty datagram is a message. An empty send over TCP is nothing, and nothing read from TCP is its end.

use halloo::model::event::Role;
use halloo::model::lesson::Observed;
use halloo::net::stream::Stream;

use crate::lesson::actors::{self, Sends, Server, Serves, Told};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule, Sight};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, SILENCE, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "empty",
    chapter: Chapter::Messages,
    core: true,
    needs: Needs::Loopback,
    title: text("Nothing, as a message", "把“空”发出去"),
    question: Question {
        asks: text(
            "A program sends a message of no bytes, once over UDP, once over an open TCP connection. Both readers wait in \
             recv. Whose recv returns?",
            "一个程序发送一条 0 字节的消息：一次用 UDP，一次用已经建立的 TCP 连接。两边的接收方都在 recv 里等着。谁的 recv 会返回？",
        ),
        ask: Ask::One(CHOICES, who),
    },
    hint: text(
        "A datagram is a header and what follows it. What would TCP have to number?",
        "数据报是首部加上后面的内容。TCP 给字节编号，这里有什么可编的？",
    ),
    claim: text(
        "The empty datagram came, and halloo answered it with {echoed} bytes. TCP took {tcp_sent} bytes and its reader went on \
         waiting; when recv gave {at_end} bytes at last, it was the end.",
        "空数据报到了，halloo 也回了一个 {echoed} 字节的。TCP 收下 {tcp_sent} 字节，接收方还在等；后来 recv 返回 {at_end} 字节，\
         意思是对方已经发完了。",
    ),
    checks: &[
        Claim::linux("heard", Rule::Are(&[0]), text("UDP: the empty datagram is read", "UDP：读到了空数据报")),
        Claim::linux("heard_from", Rule::SameAs("sent_from"), text("and its sender is known", "而且知道是谁发的")),
        Claim::linux("echoed", Rule::Is(0), text("its echo is as empty", "它的回显也是空的")),
        Claim::linux("tcp_came", Rule::No, text("TCP: the reader still waits", "TCP：接收方还在等")),
        Claim::linux("tcp_segments", Rule::Is(0), text("TCP: not one segment was sent", "TCP：一个报文段也没发出"))
            .needing(Sight::Counts),
        Claim::linux("at_end", Rule::Is(0), text("TCP: reading nothing means the end", "TCP：recv 返回空，就是结束")),
        Claim::wire("ip_len", Rule::Is(28), text("on the wire: headers alone", "线路上：只有首部")),
    ],
    elsewhere: text("the same on macOS and Windows (not tried by us)", "macOS 和 Windows 上一样（我们没有试过）"),
    try_this: "halloo echo --count 1 & halloo send 127.0.0.1 --empty --count 2 --expect 1",
    why: text(
        "A datagram exists by its headers: no payload is a payload like any other. So a UDP server must not take nothing \
         for the end: \"if not data: break\" lets any stranger stop it. TCP carries only bytes: an empty send has none to \
         number and nothing is sent, so a client that sends an empty line and then waits for its answer waits for ever.",
        "有首部就有数据报，载荷是空的也一样。所以 UDP 服务器不能把“空”当成结束：一句 if not data: break，谁发个空数据报都能让它停下。\
         TCP 只运送字节：空的 send 没有字节可编号，什么也没发出去；\
         客户端发了空行再等回答，就会一直等下去：两边都在等。",
    ),
    run,
    draw,
};

/// The answers to choose from.
const CHOICES: &[Text] = &[
    text("the UDP reader's", "UDP 接收方的"),
    text("the TCP reader's", "TCP 接收方的"),
    text("both", "两个都会"),
    text("neither", "都不会"),
];

/// Which of the choices is right.
fn who(observed: &Observed) -> Option<usize> {
    let udp = !observed.list("heard").is_empty();
    Some(match (udp, observed.flag("tcp_came")) {
        (true, false) => 0,
        (false, true) => 1,
        (true, true) => 2,
        (false, false) => 3,
    })
}

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    // Broken: it is not empty.
    let payload: &[u8] = if stage.sabotaged() { b" " } else { b"" };
    observed.put("len", payload.len());
    over_udp(stage, payload, &mut observed)?;
    over_tcp(payload, &mut observed)?;
    Ok(observed)
}

/// halloo sends it to halloo, which reads it and answers.
fn over_udp(stage: &Stage, payload: &[u8], observed: &mut Observed) -> Result<(), Trouble> {
    let server = Server::start(&Place::Here, LOOPBACK, &Serves::a(Role::Echo))?;
    let port = server.address().port();
    let mut wire = stage.wire()?;
    let told = actors::send(&Place::Here, server.address(), &[payload], Sends::from(LOOPBACK).expecting(1))?;
    server.has_heard(1);
    let heard = server.heard();
    observed.put("sent_from", told.iter().find_map(sender).unwrap_or_default());
    if let Some(first) = heard.first() {
        observed.put("heard_from", first.source.to_string());
    }
    observed.put("heard", heard.iter().map(|heard| heard.payload.len()).collect::<Vec<_>>());
    if let Some(reply) = actors::replies_in(&told).first() {
        observed.put("echoed", reply.payload.len());
    }
    if let Some(wire) = &mut wire {
        let seen = wire.until(|seen| seen.iter().any(|packet| packet.destination.port() == port));
        let ip_len = seen.iter().find(|packet| packet.destination.port() == port).map(|packet| packet.ip_len);
        observed.put("ip_len", ip_len.doing("see the packet")?);
    }
    Ok(())
}

/// The address that a datagram left from.
fn sender(told: &Told) -> Option<String> {
    if let Told::Sent { source: Some(source), .. } = told { Some(source.to_string()) } else { None }
}

/// The same over a connection, and then its end.
fn over_tcp(payload: &[u8], observed: &mut Observed) -> Result<(), Trouble> {
    let (mut alice, mut bob) = actors::stream_pair()?;
    let before = alice.segments();
    observed.put("tcp_sent", alice.send_once(payload).doing("send over TCP")?);
    let came = bob.receive(1, SILENCE).doing("read from TCP")?;
    observed.put("tcp_came", came.is_some());
    if let (Some(before), Some(after)) = (before, alice.segments()) {
        observed.put("tcp_segments", after.sent - before.sent);
    }
    let empty = payload.is_empty();
    // Broken: it is not the end, but more of the same.
    let last = if empty { alice.end() } else { alice.send(payload) };
    last.doing("end the stream")?;
    observed.put("last_call", if empty { "shutdown" } else { "send" });
    observed.put("at_end", read_end(&mut bob)?);
    Ok(())
}

/// How many bytes recv gives when the peer has ended.
fn read_end(bob: &mut Stream) -> Result<usize, Trouble> {
    Ok(bob.receive(1, PATIENCE).doing("read the end")?.doing("read the end")?.len())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let mut drawing = Drawing::of(["alice", "bob"]);
    let (len, sent) = (observed.text("len"), observed.text("tcp_sent"));
    let heard = observed.list("heard");
    let fate = if heard.is_empty() { Fate::Lost } else { Fate::Arrives };
    let recv = heard.first().map_or_else(String::new, |read| match lang {
        Lang::En => format!("recv {read}, from {}", observed.text("heard_from")),
        Lang::Zh => format!("recv {read}，来自 {}", observed.text("heard_from")),
    });
    drawing.go((0, 1), format!("UDP  sendto {len}"), &len, recv, fate);
    if observed.get("echoed").is_some() {
        drawing.arrow((1, 0), lang.say("echo", "回显"), observed.text("echoed"), "     recv");
    }
    drawing.cells([""]);
    let sends = match lang {
        Lang::En => format!("TCP  send {len} (returns {sent})"),
        Lang::Zh => format!("TCP  send {len}（返回 {sent}）"),
    };
    if observed.flag("tcp_came") {
        drawing.arrow((0, 1), sends, len, lang.say("recv returns", "recv 返回了"));
    } else {
        drawing.cells([sends, lang.say("recv waits ...", "recv 还在等……")]);
    }
    let last = format!("     {}", observed.text("last_call"));
    drawing.arrow((0, 1), last, "", format!("recv {}", observed.text("at_end")));
    drawing
}
