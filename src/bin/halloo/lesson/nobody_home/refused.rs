//! A closed port answers with ICMP: who is told of it, and when.

use halloo::model::lesson::Observed;
use halloo::net::bare::Bare;

use crate::lesson::actors::{self, NOTHING, Sends, Told};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, SILENCE, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};
use crate::lesson::wire::{Carries, Packet};

use std::net::SocketAddr;
use std::time::Duration;

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "refused",
    chapter: Chapter::NobodyHome,
    core: true,
    needs: Needs::Loopback,
    title: text("Who hears of a closed port?", "端口关着，谁会知道？"),
    question: Question {
        asks: text(
            "alice has called connect() on her UDP socket. bob's port is closed. She sends, reads, and sends again. Now \
             bob opens his port, and she sends a third time. Which of her calls fail?",
            "alice 对 UDP 套接字调用了 connect()。bob 的端口关着。她发送、读取、再发送。这时 bob 打开了端口，她第三次发送。\
             她的哪些调用会失败？",
        ),
        ask: Ask::Any(CHOICES, |observed| {
            let failed = |(place, call): (usize, &&str)| is_error(&observed.text(call)).then_some(place);
            CALLS.iter().enumerate().filter_map(failed).collect()
        }),
    },
    hint: text(
        "The news of a closed port comes back after the send has returned.",
        "端口关着的消息，要等发送调用返回以后才传回来。",
    ),
    claim: text(
        "Bad news comes with the next call, whatever that call is about. The third send failed for the sake of the second, \
         and sent nothing, though bob was there by then.",
        "坏消息在下一次调用时才到，不管那次调用要做什么。第三次发送失败，说的其实是第二次的事：bob 明明已经在了，这一次却什么也没发出。",
    ),
    checks: &[
        Claim::wire(
            "icmp",
            Rule::SameAs("sent_before"),
            text(
                "an ICMP for each of {sent_before} datagrams, those not drawn included",
                "{sent_before} 个数据报（包括没画出来的）各换回一个 ICMP 报文",
            ),
        ),
        Claim::linux(
            "plain",
            Rule::No,
            text("without connect a socket is told nothing", "没有 connect 的套接字什么也不知道"),
        ),
        Claim::linux(
            "read",
            Rule::Says("ECONNREFUSED"),
            text("with connect the next read says {read}", "connect 过的套接字，下一次读就得到 {read}"),
        ),
        Claim::linux(
            "send3",
            Rule::Says("ECONNREFUSED"),
            text("or the next send says it: {send3}", "或者由下一次发送说出来：{send3}"),
        ),
        Claim::linux(
            "bob",
            Rule::Says("4"),
            text("and that send sends nothing: bob reads \"{bob}\"", "而且那次什么也没发出：bob 读到“{bob}”"),
        ),
        Claim::linux(
            "halloo",
            Rule::SameAs("closed"),
            text("halloo send learns without connect: {halloo}", "halloo send 不用 connect 也知道：{halloo}"),
        ),
    ],
    elsewhere: text(
        "Windows: error 10054 even without connect (not tried by us)",
        "Windows 上不用 connect 也会读到错误 10054（我们没有试过）",
    ),
    try_this: "halloo send 127.0.0.1:1061 hello",
    why: text(
        "UDP asks nobody before it sends, so a closed port is found out only later: the other kernel sends back an ICMP \
         \"port unreachable\" (type 3, code 3) that quotes the datagram. A socket without connect may have sent to many, and \
         an error number could not say which one it was about, so Linux does not give it one. A connected socket has one \
         peer: the error waits in it, and the next call takes it, whatever that call is about. halloo sets IP_RECVERR: the \
         kernel then keeps the quoted address in a queue of its own, and halloo names who refused, and sends again what an \
         old error kept from leaving.",
        "UDP 发送之前不问任何人，所以端口关着要晚一点才知道：对方内核发回 ICMP“端口不可达”（类型 3，代码 3），里面引用了原来的数据报。\
         没有 connect 的套接字可能发给过很多人，光一个错误号说不清是谁，所以 Linux 不告诉它。connect 过的套接字只有一个对端：\
         错误先记在套接字上，下一次调用不管要做什么，都会拿到它。halloo 设置了 IP_RECVERR，内核把引用的地址放在单独的队列里，\
         所以 halloo 能说出是谁拒绝的，被旧错误挡住的数据报也会重发。\n常听说“UDP 没有连接，谁先启动都不会报错”，这只对没有 connect \
         的套接字成立；又说“客户端被杀掉不会影响 UDP 服务器”，据微软的文档，在 Windows 上服务器的下一次 recvfrom 就会出错 10054。",
    ),
    run,
    draw,
};

const CHOICES: &[Text] = &[
    text("the first send", "第一次发送"),
    text("the read", "读取"),
    text("the second send", "第二次发送"),
    text("the third send, when the port is open", "第三次发送，这时端口已经打开"),
];

/// Whether this is what a call says that failed.
fn is_error(said: &str) -> bool {
    said != "ok" && said != NOTHING
}

/// The calls of the question, by the names that their results have in the record.
const CALLS: [&str; 4] = ["send1", "read", "send2", "send3"];

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    let mut wire = stage.wire()?;
    let closed = actors::nobody()?;
    // Broken: bob is at home from the beginning.
    let bob = stage.sabotaged().then(|| Bare::bind(closed)).transpose().doing("open bob's port")?;
    // How long to wait for bad news; broken, none will come.
    let patience = if bob.is_some() { SILENCE } else { PATIENCE };
    observed.put("closed", closed.to_string());
    let (plain, sent_plainly) = without_connect(closed, stage.sabotaged())?;
    let sent_by_halloo = by_halloo(closed, patience, &mut observed)?;
    // Bad news of a later datagram has come: that of an earlier one is not on its way any more.
    observed.put("plain", plain.has_news(Duration::ZERO).doing("look for news")?);
    let sent = sent_plainly + sent_by_halloo + connected(closed, bob, patience, &mut observed)?;
    observed.put("sent_before", sent);
    if let Some(wire) = &mut wire {
        let refusals = |packets: &[Packet]| refusals(packets, closed.port());
        let seen = wire.until(|packets| stage.sabotaged() || refusals(packets) >= sent);
        observed.put("icmp", refusals(seen));
    }
    Ok(observed)
}

/// ICMP messages that say "port unreachable" (RFC 792) of this port.
fn refusals(packets: &[Packet], port: u16) -> usize {
    packets.iter().filter(|packet| packet.carries == Carries::Icmp(3, 3) && packet.is_at(port)).count()
}

/// A socket without connect that has sent to a closed port, and how many datagrams have left.
fn without_connect(closed: SocketAddr, broken: bool) -> Result<(Bare, usize), Trouble> {
    let alice = actors::open()?;
    let sent = if broken {
        // Broken: she does connect, to another port that is closed.
        alice.connect(actors::nobody()?).doing("connect")?;
        alice.send(b"hi")
    } else {
        alice.send_to(b"hi", closed)
    };
    sent.doing("send without connect")?;
    Ok((alice, 1))
}

/// The address that halloo says has refused, on a socket without connect. Says how many datagrams left.
fn by_halloo(closed: SocketAddr, patience: Duration, observed: &mut Observed) -> Result<usize, Trouble> {
    let sends = Sends { wait: Some(patience), ..Sends::from(LOOPBACK) };
    let told = actors::send(&Place::Here, closed, &[b"hi"], sends)?;
    let refused = told.iter().find_map(|told| if let Told::Refused(by) = told { Some(by.to_string()) } else { None });
    observed.put("halloo", refused.unwrap_or_else(|| NOTHING.to_owned()));
    Ok(actors::sends_in(&told))
}

/// What the calls of a connected socket say, and what bob reads when he is there. Says how many datagrams left before he
/// opened his port.
fn connected(
    closed: SocketAddr,
    bob: Option<Bare>,
    patience: Duration,
    observed: &mut Observed,
) -> Result<usize, Trouble> {
    let alice = actors::open()?;
    alice.connect(closed).doing("connect")?;
    let first = alice.send(b"1");
    observed.put("send1", actors::said(&first));
    observed.put("read", actors::read_as(alice.receive(64, patience)));
    let second = alice.send(b"2");
    observed.put("send2", actors::said(&second));
    // Not earlier than that: the news of the second datagram is there.
    alice.has_news(patience).doing("wait for news")?;
    let bob = bob.map_or_else(|| Bare::bind(closed), Ok).doing("open bob's port")?;
    observed.put("send3", actors::said(&alice.send(b"3")));
    observed.put("send4", actors::said(&alice.send(b"4")));
    // What was sent first is read first: that he reads the fourth says that the third never left.
    observed.put("bob", actors::read_as(bob.receive(64, PATIENCE)));
    Ok([first, second].iter().filter(|sent| sent.is_ok()).count())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let call = |name: &str, what: String| format!("{what}: {}", observed.text(name));
    let fate = |name: &str| if observed.text(name) == "ok" { Fate::Arrives } else { Fate::Lost };
    let is_refused = is_error(&observed.text("read"));
    let at_first = if is_refused { Fate::Lost } else { Fate::Arrives };
    let mut drawing = Drawing::of(["alice (connect)", "bob"]);
    let closed = if is_refused { lang.say("(the port is closed)", "（端口关着）") } else { String::new() };
    drawing.go((0, 1), call("send1", lang.say("a) send 1", "a) 发送 1")), "", closed, at_first);
    if is_refused {
        let unreachable = lang.say("port unreachable", "端口不可达");
        drawing.arrow((1, 0), unreachable, "ICMP", call("read", lang.say("b) read", "b) 读")));
    }
    drawing.go((0, 1), call("send2", lang.say("c) send 2", "c) 发送 2")), "", "", at_first);
    if is_refused {
        drawing.cells([String::new(), lang.say("opens his port", "打开端口")]);
    }
    match fate("send3") {
        Fate::Arrives => drawing.arrow((0, 1), call("send3", lang.say("d) send 3", "d) 发送 3")), "", ""),
        // It never left.
        Fate::Lost => drawing
            .cells([call("send3", lang.say("d) send 3", "d) 发送 3")), lang.say("(nothing comes)", "（什么也没来）")]),
    };
    let read = format!("{} \"{}\"", lang.say("reads", "读到"), observed.text("bob"));
    drawing.go((0, 1), call("send4", lang.say("send 4", "发送 4")), "", read, fate("send4"));
    drawing
}
