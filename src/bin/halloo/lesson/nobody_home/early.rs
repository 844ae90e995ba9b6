//! A datagram to a port that nobody has opened is gone; one to an open port waits.

use halloo::model::event::Role;
use halloo::model::lesson::Observed;
use halloo::net::bare::Bare;
use halloo::net::stream::{Listener, Stream};

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, SILENCE, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "early",
    chapter: Chapter::NobodyHome,
    core: true,
    needs: Needs::Loopback,
    title: text("The sender was first", "发送方先到了"),
    question: Question {
        asks: text(
            "alice's plain program sends \"early\" to bob's port with sendto(). Only then does bob start his program, which \
             opens the port and reads. What becomes of \"early\"?",
            "alice 的普通程序用 sendto() 向 bob 的端口发送“early”。之后 bob 才启动程序，打开这个端口来读。\
             这个数据报会怎样？",
        ),
        ask: Ask::One(CHOICES, |observed| {
            Some(match (observed.flag("sent"), observed.flag("early")) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => 2,
            })
        }),
    },
    hint: text(
        "Who should keep a letter to a house that has not been built?",
        "一座还没盖好的房子，寄给它的信由谁来保管？",
    ),
    claim: text(
        "The send was fine, the datagram is gone: bob read only \"{heard}\". (halloo send waits for the bad news, \
         and says it.) What comes to an open port does wait, even for a reader who is asleep and from a sender who \
         is gone.",
        "发送成功了，数据报却没了：bob 只读到“{heard}”。（halloo send 会等坏消息，并且说出来。）端口一旦打开，\
         到达的数据报就会排队等着，接收方在睡觉、发送方已退出也没关系。",
    ),
    checks: &[
        Claim::linux("sent", Rule::Yes, text("the early send reports no error", "提前发送时没有报错")),
        Claim::linux("early", Rule::No, text("bob never reads the early datagram", "bob 永远读不到提前发来的数据报")),
        Claim::linux("tcp", Rule::Says("ECONNREFUSED"), text("TCP says at once: {tcp}", "TCP 当场就说：{tcp}")),
        Claim::linux(
            "waited",
            Rule::SameAs("letters"),
            text("at an open port everything waits, in order", "端口打开以后，数据报都按顺序等着"),
        ),
    ],
    elsewhere: text("the same on macOS and Windows (not tried by us)", "macOS 和 Windows 上应该也一样（我们没有试过）"),
    try_this: "halloo send 127.0.0.1 early; halloo listen --timeout 1s",
    why: text(
        "A datagram that arrives is put into the queue of the socket that owns the port. If there is no such socket there \
         is no queue, and the kernel drops the datagram; it sends an ICMP message back, which a plain program never sees \
         and halloo send reports (halloo learn refused). Once the port is open the queue belongs to the receiver: it does not matter whether \
         anybody is reading just now, nor whether the sender still exists. TCP has to agree with the other side before it \
         sends, so it notices.",
        "数据报到达以后，内核把它放进绑定了这个端口的套接字的队列。没有这样的套接字就没有队列，内核只好丢掉它，并发回一个 ICMP \
         报文，普通程序看不到，halloo send 会报告（halloo learn refused）。端口打开以后，队列属于接收方：此刻有没有人在读、发送方还在不在，都没有\
         关系。TCP 发送之前要先和对方谈妥，所以当场就知道。\n常听说“UDP 两端谁先启动都行，不会报错”，不报错是真的，可是提前发的\
         数据报永远没了；又说“UDP 的收发是同步的”，这里发送方早已退出，数据报照样等着。",
    ),
    run,
    draw,
};

const CHOICES: &[Text] = &[
    text("the send fails", "发送失败"),
    text("bob reads it later", "bob 稍后读到它"),
    text("it is lost, unnoticed", "悄悄丢了"),
];

/// What is sent to bob while he sleeps.
const LETTERS: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    before_the_reader(stage, &mut observed)?;
    observed.put("tcp", before_the_listener(stage)?);
    observed.put("letters", LETTERS.map(actors::as_text).to_vec());
    while_the_reader_sleeps(stage, &mut observed)?;
    Ok(observed)
}

/// One datagram of a plain program before halloo's own listener is there, one after.
fn before_the_reader(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let address = actors::nobody()?;
    let start = || Server::start(&Place::Here, address, &Serves::a(Role::Listen));
    let alice = actors::open()?;
    // Broken: bob is there before.
    let bob = stage.sabotaged().then(start).transpose()?;
    let sent = alice.send_to(b"early", address);
    let bob = bob.map_or_else(start, Ok)?;
    alice.send_to(b"late", address).doing("send again")?;
    let heard = || bob.heard().iter().map(|heard| actors::as_text(&heard.payload)).collect::<Vec<_>>();
    // One sender behind the other: when the second is there, the first is not on its way any more.
    actors::until(|| heard().iter().any(|payload| payload == "late"));
    observed.put("sent", sent.is_ok());
    observed.put("early", heard().iter().any(|payload| payload == "early"));
    observed.put("heard", heard());
    Ok(())
}

/// What a connection over TCP says, before anybody listens.
fn before_the_listener(stage: &Stage) -> Result<String, Trouble> {
    let listener = Listener::bind(LOOPBACK, 1).doing("find a free port")?;
    let address = listener.local().doing("find a free port")?;
    // Broken: bob is there.
    let _bob = stage.sabotaged().then_some(listener);
    Ok(actors::said(&Stream::connect(address, PATIENCE)))
}

/// What a reader reads who had the port open, and slept until the sender was gone.
fn while_the_reader_sleeps(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let address = actors::nobody()?;
    let open = || Bare::bind(address).doing("open bob's port");
    // Broken: he opens it when everything has been sent.
    let early = if stage.sabotaged() { None } else { Some(open()?) };
    observed.put("opened_before", early.is_some());
    // The socket of the sender is closed when this returns.
    actors::send(&Place::Here, address, &LETTERS, Sends::from(LOOPBACK))?;
    let bob = early.map_or_else(open, Ok)?;
    // Broken, nothing waits.
    let patience = if stage.sabotaged() { SILENCE } else { PATIENCE };
    let mut read = Vec::new();
    while read.len() < LETTERS.len() {
        let Some(gulp) = bob.receive(64, patience).doing("read what waited")? else { break };
        read.push(actors::as_text(&gulp.bytes));
    }
    observed.put("waited", read);
    Ok(())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let reads = lang.say("reads", "读到");
    let mut drawing = Drawing::of(["alice", "bob"]);
    let (fate, hears) = match observed.flag("early") {
        true => (Fate::Arrives, lang.say("has the port open", "端口已经打开")),
        false => (Fate::Lost, lang.say("(the port is not open)", "（端口还没打开）")),
    };
    drawing.go((0, 1), "sendto \"early\"", "", hears, fate);
    let (fate, tcp_port) = match observed.text("tcp").as_str() {
        "ok" => (Fate::Arrives, lang.say("(a TCP port, open)", "（TCP 端口，已经打开）")),
        _ => (Fate::Lost, lang.say("(a TCP port, not open either)", "（TCP 端口，也没打开）")),
    };
    drawing.go((0, 1), format!("TCP connect: {}", observed.text("tcp")), "", tcp_port, fate);
    drawing.cells(["", "halloo listen"]);
    drawing.arrow((0, 1), "sendto \"late\"", "", format!("{reads} {}", observed.text("heard")));
    let opens = [String::new(), lang.say("opens another port, sleeps", "打开另一个端口，睡觉")];
    let opened_before = observed.flag("opened_before");
    if opened_before {
        drawing.cells(opens.clone());
    }
    let fate = if observed.list("waited").is_empty() { Fate::Lost } else { Fate::Arrives };
    drawing.go((0, 1), format!("sendto {}", observed.text("letters")), "", "", fate);
    drawing.cells([lang.say("closes her socket, is gone", "关闭套接字，走了"), String::new()]);
    if !opened_before {
        drawing.cells(opens);
    }
    drawing
        .cells([String::new(), format!("{} {}", lang.say("wakes up, reads", "醒来，读到"), observed.text("waited"))]);
    drawing
}
