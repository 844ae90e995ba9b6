//! A reader with a small cup loses the rest of a datagram; over TCP it stays for the next read.

use halloo::model::event::Role;
use halloo::model::lesson::Observed;
use halloo::net::bare::Bare;

use std::net::SocketAddr;
use std::time::Duration;

use crate::lesson::actors::{self, NOTHING, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, SILENCE, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "truncate",
    chapter: Chapter::Messages,
    core: true,
    needs: Needs::Loopback,
    title: text("A cup that is too small", "杯子太小"),
    question: Question {
        asks: text(
            "alice sends one datagram, \"hello egg\". bob calls recvfrom with room for two bytes, then again with room for ten. \
             What does the second call give?",
            "alice 发一个数据报“hello egg”。bob 先用只装得下两字节的缓冲区调用 recvfrom，再用装得下十字节的调用一次。\
             第二次得到什么？",
        ),
        ask: Ask::One(CHOICES, which),
    },
    hint: text(
        "Does one read take a piece of a datagram, or a datagram?",
        "读一次，取走的是数据报的一段，还是一个数据报？",
    ),
    claim: text(
        "Each read takes a whole datagram, and what the cup does not hold is gone: bob got \"{first}\", then nothing. halloo got \
         no more into a cup of {cup}, but says so: {halloo_read} of {halloo_len} bytes.",
        "每读一次就取走一个数据报，杯子装不下的就没了：bob 得到“{first}”，后面什么也没有。halloo 用 {cup} 字节的杯子也装不下，\
         但它会说出来：{halloo_len} 字节只读到 {halloo_read}。",
    ),
    checks: &[
        Claim {
            // ponyc#5551: WSAEMSGSIZE.
            windows: Rule::Says("10040"),
            ..Claim::linux(
                "first",
                Rule::Says("he"),
                text("the first read fills the cup, without a word", "第一次读满杯子，没有任何提示"),
            )
        },
        Claim::linux("second", Rule::Says(NOTHING), text("the rest never comes", "剩下的再也读不到")),
        Claim::linux("halloo_says", Rule::Yes, text("halloo says that it was cut", "halloo 会说数据报被截断了")),
        Claim::linux(
            "ahead",
            Rule::SameAs("sent_len"),
            text(
                "MSG_PEEK with MSG_TRUNC tells the true length",
                "先看一眼（MSG_PEEK 加 MSG_TRUNC），能知道真正的长度",
            ),
        ),
        Claim::linux(
            "behind",
            Rule::Says("next"),
            text("a read of no bytes takes one, too", "读 0 字节，也取走一个数据报"),
        ),
        Claim::linux(
            "tcp",
            Rule::Say(&["he", "llo egg"]),
            text("TCP keeps the rest for the next read", "TCP 把剩下的留给下一次"),
        ),
    ],
    elsewhere: text(
        "Windows gives the first bytes and an error, WSAEMSGSIZE (not tried by us)",
        "Windows 给出前面的字节并报错 WSAEMSGSIZE（我们没有试过）",
    ),
    try_this: "halloo listen --max-size 2 --timeout 2s & halloo send 127.0.0.1 'hello egg' --count 2",
    why: text(
        "recvfrom takes one datagram from the queue whatever its cup holds, for the next call must begin with the next one. \
         Use a cup one byte larger than the largest message you expect: if it is filled to the brim, something is wrong. \
         recvmsg says in a flag, MSG_TRUNC, that something was cut; on Linux the flag asks for the true length, too.",
        "不管杯子多大，recvfrom 每次从队列里取走一个数据报：下一次调用要从下一个数据报开始。装不下的就丢掉，没有提示。杯子要比预期的最大消息再大一个字节：读满了就知道不对。\
         recvmsg 用 MSG_TRUNC 标志告诉你数据报被截断；在 Linux 上还能用它问出真正的长度。",
    ),
    run,
    draw,
};

/// The answers to choose from.
const CHOICES: &[Text] = &[
    text("the other bytes", "剩下的字节"),
    text("\"hello egg\" again", "又是“hello egg”"),
    text("nothing, it waits", "没有，它一直等"),
];

/// Which of the choices is right.
fn which(observed: &Observed) -> Option<usize> {
    let second = observed.text("second");
    Some(if second == NOTHING { 2 } else { usize::from(second == observed.text("sent")) })
}

/// What is sent, and the cups it is read with.
const SENT: (&[u8], [usize; 2]) = (b"hello egg", [2, 10]);

/// What is sent behind it to the reader who asks for nothing.
const NEXT: &[u8] = b"next";

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    let (payload, [small, large]) = SENT;
    // Broken: the cup is large enough.
    let cups = if stage.sabotaged() { [64, large] } else { [small, large] };
    observed.put("sent", actors::as_text(payload));
    observed.put("sent_len", payload.len());
    observed.put("cup", cups[0]);
    observed.put("second_cup", cups[1]);
    naive(stage, cups, &mut observed)?;
    ahead_and_behind(stage, &mut observed)?;
    careful(cups[0], &mut observed)?;
    over_tcp(cups, &mut observed)?;
    Ok(observed)
}

/// A socket with nothing added, and datagrams that wait for it.
fn reader_with(payloads: &[&[u8]]) -> Result<Bare, Trouble> {
    let bob = actors::open()?;
    let address: SocketAddr = bob.local().doing("bind a reader")?;
    actors::send(&Place::Here, address, payloads, Sends::from(LOOPBACK))?;
    bob.has_one(PATIENCE).doing("wait for the datagram")?;
    Ok(bob)
}

/// What one read gives.
fn read(bob: &Bare, cup: usize, patience: Duration) -> String {
    actors::read_as(bob.receive(cup, patience))
}

/// Reads twice, as a first program does.
fn naive(stage: &Stage, [first, second]: [usize; 2], observed: &mut Observed) -> Result<(), Trouble> {
    // Broken: there are two of them.
    let payloads = vec![SENT.0; if stage.sabotaged() { 2 } else { 1 }];
    observed.put("lens", payloads.iter().map(|payload| payload.len()).collect::<Vec<_>>());
    let bob = reader_with(&payloads)?;
    let (got, more) = (read(&bob, first, PATIENCE), read(&bob, second, SILENCE));
    let left = actors::as_text(SENT.0).strip_prefix(&*got).map(str::to_owned).unwrap_or_default();
    observed.put("spilt", if more == NOTHING { left } else { String::new() });
    observed.put("first", got);
    observed.put("second", more);
    Ok(())
}

/// Asks for the length first, then reads into no cup at all, and looks what is left.
fn ahead_and_behind(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    // Broken: they come the other way round.
    let payloads = if stage.sabotaged() { [NEXT, SENT.0] } else { [SENT.0, NEXT] };
    let bob = reader_with(&payloads)?;
    if let Some(len) = bob.next_len(PATIENCE).doing("look ahead")? {
        observed.put("ahead", len);
    }
    read(&bob, 0, PATIENCE);
    observed.put("behind", read(&bob, SENT.0.len(), PATIENCE));
    Ok(())
}

/// halloo's own listener with the same cup.
fn careful(cup: usize, observed: &mut Observed) -> Result<(), Trouble> {
    let listener = Server::start(&Place::Here, LOOPBACK, &Serves { cup, ..Serves::a(Role::Listen) })?;
    actors::send(&Place::Here, listener.address(), &[SENT.0], Sends::from(LOOPBACK))?;
    listener.has_heard(1);
    let heard = listener.heard().into_iter().next().doing("hear the datagram")?;
    observed.put("halloo_read", heard.payload.len());
    observed.put("halloo_len", heard.wire_len);
    observed.put("halloo_text", actors::as_text(&heard.payload));
    observed.put("halloo_says", heard.truncated);
    Ok(())
}

/// The same cups over TCP.
fn over_tcp(cups: [usize; 2], observed: &mut Observed) -> Result<(), Trouble> {
    let (mut alice, mut bob) = actors::stream_pair()?;
    alice.send(SENT.0).doing("send over TCP")?;
    bob.has(SENT.0.len(), PATIENCE).doing("wait for the bytes")?;
    let mut reads = Vec::new();
    for cup in cups {
        let bytes = bob.receive(cup, Duration::ZERO).doing("read from TCP")?;
        reads.push(bytes.map_or_else(|| NOTHING.to_owned(), |bytes| actors::as_text(&bytes)));
    }
    observed.put("tcp", reads);
    Ok(())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let say = |english: String, chinese: String| if lang == Lang::En { english } else { chinese };
    let [cup, second_cup, len] = ["cup", "second_cup", "sent_len"].map(|name| observed.text(name));
    let mut drawing = Drawing::of([
        format!("alice: \"{}\"", observed.text("sent")),
        say(format!("bob: room for {cup}"), format!("bob：装得下 {cup}")),
        say(format!("then room for {second_cup}"), format!("再来：装得下 {second_cup}")),
    ]);
    drawing.arrow((0, 1), "UDP", observed.text("lens"), shown(&observed.text("first"), lang));
    let spilt = Some(observed.text("spilt")).filter(|spilt| !spilt.is_empty());
    let spilt = spilt.map(|spilt| say(format!("; gone: \"{spilt}\""), format!("，\"{spilt}\" 洒了")));
    drawing.beside(2, shown(&observed.text("second"), lang) + &spilt.unwrap_or_default());
    let (text, read, whole) = (observed.text("halloo_text"), observed.text("halloo_read"), observed.text("halloo_len"));
    let says = say(format!("\"{text}\": {read} of {whole} bytes"), format!("\"{text}\"：{whole} 字节只读到 {read}"));
    drawing.arrow((0, 1), "UDP, halloo", &len, says);
    let mut tcp = observed.list("tcp").iter().map(|read| shown(&read.to_string(), lang));
    drawing.arrow((0, 1), "TCP", &len, tcp.next().unwrap_or_default());
    drawing.beside(2, tcp.next().unwrap_or_default());
    drawing
}

/// What a read gave.
fn shown(read: &str, lang: Lang) -> String {
    if read == NOTHING { text("nothing", "没有").raw(lang).to_owned() } else { format!("\"{read}\"") }
}
