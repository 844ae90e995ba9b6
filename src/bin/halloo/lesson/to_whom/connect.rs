//! What connect() does to a UDP socket, and what it does not do.

use std::time::Duration;

use halloo::model::lesson::Observed;
use halloo::net::bare::Bare;
use halloo::net::stream::{Listener, Stream};

use crate::lesson::actors;
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, SILENCE, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};
use crate::lesson::wire::Wire;

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "connect",
    chapter: Chapter::ToWhom,
    core: false,
    needs: Needs::Loopback,
    title: text("What connect() does for UDP", "UDP 的 connect() 做了什么"),
    question: Question {
        asks: text(
            "alice makes a UDP socket and calls connect() with the address of a port that nobody has opened. What happens?",
            "alice 创建一个 UDP 套接字，对一个没有人打开的端口调用 connect()。结果怎样？",
        ),
        ask: Ask::One(CHOICES, |observed| {
            match (observed.text("to_closed").as_str(), observed.flag("news"), observed.number("before_hi")) {
                ("ok", false, before_hi) => before_hi.map(|packets| if packets == 0 { 2 } else { 1 }),
                ("ok", true, _) => Some(1),
                _ => Some(0),
            }
        }),
    },
    hint: text("Whom would UDP have to ask, and what for?", "UDP 需要问谁？为什么要问？"),
    claim: text(
        "connect() on UDP only notes the peer in the socket, and alice's own address. Nobody else is told. From then on \
         send() needs no address.",
        "UDP 的 connect() 只是在套接字里记下对端，内核再补上 alice 自己的地址，没有通知任何人。之后 send() 不用再写地址。",
    ),
    checks: &[
        Claim::linux(
            "to_closed",
            Rule::Says("ok"),
            text("connect() to a closed port succeeds", "对关着的端口 connect() 成功"),
        ),
        Claim::linux("tcp", Rule::Says("ECONNREFUSED"), text("TCP to a closed port: {tcp}", "换成 TCP：{tcp}")),
        Claim::linux(
            "before_hi",
            Rule::Is(0),
            text("connect() to bob sends nothing either", "对 bob 调用 connect() 也什么都没发"),
        ),
        Claim::linux("named", Rule::Yes, text("it gives alice an address: {after}", "它给了 alice 一个地址：{after}")),
        Claim::linux(
            "bob",
            Rule::Says("hi"),
            text("send() without an address reaches bob", "不写地址的 send() 到了 bob 那里"),
        ),
        Claim::linux(
            "carol",
            Rule::Yes,
            text(
                "sendto() still reaches carol, another socket: {carol}",
                "还能 sendto() 给另一个套接字 carol 吗？{carol}",
            ),
        ),
        Claim::linux(
            "dissolved",
            Rule::Says("EDESTADDRREQ"),
            text("AF_UNSPEC dissolves it: send() says {dissolved}", "用 AF_UNSPEC 解除以后，send() 得到 {dissolved}"),
        ),
    ],
    elsewhere: text(
        "macOS refuses sendto() to another peer (EISCONN; not tried by us)",
        "macOS 不允许再 sendto() 给别人（EISCONN；我们没有试过）",
    ),
    try_this: "halloo echo --count 1 & halloo send 127.0.0.1 hello --connect --count 2 --expect 1",
    why: text(
        "There is nothing to agree on in UDP, so connect() has nobody to ask. It looks the route up, which gives \
         the own address, takes a port, and keeps the peer. Three things change: send() knows where to, it matters \
         who sends to it (halloo learn stranger), and errors that come back find the socket (halloo learn \
         refused). A later connect() takes another peer; one with the family AF_UNSPEC takes none.",
        "UDP 没有什么要和对方商量的，所以 connect() 谁也不问。它只查路由（于是有了自己的地址）、占一个端口、记下对端。此后有三点不同：\
         send() 知道发给谁；谁发来的，也有了分别（halloo learn stranger）；传回来的错误找得到这个套接字（halloo learn refused）。\
         再 connect() 一次可以换对端，地址族写 AF_UNSPEC 则解除对端。",
    ),
    run,
    draw,
};

const CHOICES: &[Text] = &[
    text("it fails", "失败"),
    text("ok, a packet goes out", "成功，发出一个包"),
    text("ok, nothing goes out", "成功，什么也没发出"),
];

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    to_a_closed_port(stage, &mut observed)?;
    to_bob(stage, &mut observed)?;
    Ok(observed)
}

/// The same call where nobody listens, for UDP and for TCP. If a datagram left, bad news would come back.
fn to_a_closed_port(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let closed = actors::nobody()?;
    let alice = Bare::unbound(true).doing("open a socket")?;
    observed.put("to_closed", actors::said(&alice.connect(closed)));
    let listener = Listener::bind(LOOPBACK, 1).doing("find a free port")?;
    let closed = listener.local().doing("find a free port")?;
    // Broken: it is not closed.
    let _open = stage.sabotaged().then_some(listener);
    observed.put("tcp", actors::said(&Stream::connect(closed, PATIENCE)));
    // TCP has its answer: that to an earlier datagram is not on its way any more.
    observed.put("news", alice.has_news(Duration::ZERO).doing("look for news")?);
    Ok(())
}

/// What a connected socket can do, and what it is after connect() is taken back.
fn to_bob(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let mut wire = stage.wire()?;
    let (bob, carol) = (actors::open()?, actors::open()?);
    let bobs = bob.local().doing("open bob's port")?;
    let alice = Bare::unbound(true).doing("open a socket")?;
    observed.put("before", address(&alice));
    observed.put("connects", !stage.sabotaged());
    // Broken: without connect().
    if !stage.sabotaged() {
        alice.connect(bobs).doing("connect")?;
    }
    observed.put("named", alice.local().is_ok_and(|local| local.port() > 0 && !local.ip().is_unspecified()));
    observed.put("after", address(&alice));
    let sent = alice.send(b"hi");
    observed.put("send", actors::said(&sent));
    let came = if sent.is_ok() { read_until_hi(&bob)? } else { Vec::new() };
    // Without her datagram nobody can say what came before it.
    if let Some((hi, before)) = came.split_last() {
        observed.put(
            "before_hi",
            match &mut wire {
                Some(wire) => {
                    packets_before_the_first_datagram(wire, alice.local().doing("look at the address")?.port())
                }
                None => before.len(),
            },
        );
        observed.put("bob", hi.as_str());
    }
    // Broken: it goes to where nobody is.
    let (carols, patience) = if stage.sabotaged() {
        (actors::nobody()?, SILENCE)
    } else {
        (carol.local().doing("open carol's port")?, PATIENCE)
    };
    let to_carol = alice.send_to(b"hi", carols);
    observed.put("carol", to_carol.is_ok() && carol.has_one(patience).doing("wait for carol's datagram")?);
    // Broken: one more connect() that does not dissolve.
    let (how, undone) =
        if stage.sabotaged() { ("bob", alice.connect(bobs)) } else { ("AF_UNSPEC", alice.disconnect()) };
    observed.put("last_connect", how);
    observed.put("dissolved", actors::said(&undone.and_then(|()| alice.send(b"hi"))));
    Ok(())
}

fn address(bare: &Bare) -> String {
    bare.local().map_or_else(|fault| actors::said::<()>(&Err(fault)), |local| local.to_string())
}

/// Everything that comes, up to what alice sends.
fn read_until_hi(bob: &Bare) -> Result<Vec<String>, Trouble> {
    let mut came: Vec<String> = Vec::new();
    while came.last().is_none_or(|payload| payload != "hi") {
        match bob.receive(64, PATIENCE).doing("read what came")? {
            Some(gulp) => came.push(actors::as_text(&gulp.bytes)),
            None => break,
        }
    }
    Ok(came)
}

/// The packets of this port that were on the wire before its first payload.
fn packets_before_the_first_datagram(wire: &mut Wire, port: u16) -> usize {
    let packets = wire.until(|packets| packets.iter().any(|packet| packet.is_at(port) && packet.payload_len > 0));
    packets.iter().filter(|packet| packet.is_at(port)).take_while(|packet| packet.payload_len == 0).count()
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let mut drawing = Drawing::of(["alice", "bob"]);
    let call = |name: &str, what: String| format!("{what}: {}", observed.text(name));
    let closed = lang.say("(the port is closed)", "（端口关着）");
    drawing.cells([call("to_closed", "UDP connect()".to_owned()), closed]);
    let fate = if observed.text("tcp") == "ok" { Fate::Arrives } else { Fate::Lost };
    drawing.go((0, 1), call("tcp", "TCP connect()".to_owned()), "", "", fate);
    drawing.cells([
        call("before", lang.say("UDP socket, alone", "UDP 套接字，起初")),
        lang.say("opens a port", "打开一个端口"),
    ]);
    let hears = if observed.number("before_hi") == Some(0) {
        lang.say("(hears nothing)", "（什么也没听到）")
    } else {
        String::new()
    };
    let then = if observed.flag("connects") {
        lang.say("after connect()", "connect() 之后")
    } else {
        lang.say("without connect()", "没有 connect()")
    };
    drawing.cells([call("after", then), hears]);
    let reads = format!("{} \"{}\"", lang.say("reads", "读到"), observed.text("bob"));
    match observed.text("send").as_str() {
        "ok" => drawing.arrow((0, 1), "send(\"hi\")", "", reads),
        // It never left.
        _ => drawing.cells([call("send", "send(\"hi\")".to_owned())]),
    };
    let [how, said] = ["last_connect", "dissolved"].map(|name| observed.text(name));
    drawing.cells([format!("connect({how}), send(): {said}")]);
    drawing
}
