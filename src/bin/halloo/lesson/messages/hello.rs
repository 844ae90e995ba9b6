//! A talk over UDP is one datagram there and one back; over TCP it has a beginning and an end of its own.

use halloo::model::Segments;
use halloo::model::event::Role;
use halloo::model::lesson::{Observed, Value};
use halloo::net::stream::Stream;

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule, Sight};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, Stage, Trouble};
use crate::lesson::text::{Lang, text};
use crate::lesson::wire::{Carries, Packet, Wire};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "hello",
    chapter: Chapter::Messages,
    core: true,
    needs: Needs::Loopback,
    title: text("A question and its answer", "一问一答"),
    question: Question {
        asks: text(
            "A client says \"hello\" to a server that answers in upper case. Over UDP that takes a datagram there and \
             one back. Over TCP, with connect and close, how many packets does it take, both directions together?",
            "客户端对一个“转成大写再发回来”的服务器说“hello”。用 UDP，去一个数据报，回一个数据报。用 TCP，连建立和\
             关闭连接在内，两个方向一共要多少个包？",
        ),
        ask: Ask::Number("tcp_packets"),
    },
    hint: text(
        "TCP makes a connection before the first word, confirms what it gets, and says goodbye in both directions.",
        "TCP 说第一个字之前先建立连接，收到的东西要确认，最后两个方向都要道别。",
    ),
    claim: text(
        "Over UDP a talk is {udp_packets} datagrams, there and back. The same words over TCP: {tcp_packets} packets, and \
         {opening} of them before the first word.",
        "用 UDP，一问一答就是 {udp_packets} 个数据报。同样的话用 TCP 要 {tcp_packets} 个包，其中 {opening} 个在说第一个字之前。",
    ),
    checks: &[
        Claim::linux("reply", Rule::Says("HELLO"), text("the answer comes back in upper case", "回答是大写的")),
        Claim::linux(
            "udp_packets",
            Rule::Is(2),
            text("UDP: the question, the answer, no more", "UDP：一问一答，没有别的"),
        ),
        Claim::linux("tcp_reply", Rule::SameAs("reply"), text("TCP brings the same answer", "TCP 带回同样的回答")),
        Claim::linux("opening", Rule::AtLeast(3), text("TCP opens before it speaks", "TCP 先建立连接，再说话"))
            .needing(Sight::Counts),
        Claim::linux(
            "tcp_packets",
            Rule::AtLeast(8),
            text(
                "TCP opens, confirms and closes: {tcp_packets} packets",
                "TCP 要建立、确认、关闭：共 {tcp_packets} 个包",
            ),
        )
        .needing(Sight::Counts),
        Claim::wire(
            "handshake",
            Rule::Says("S SA A"),
            text("on the wire TCP begins with its handshake", "线路上 TCP 以三次握手开头"),
        ),
        Claim::wire(
            "udp_wire",
            Rule::SameAs("udp_packets"),
            text("on the wire UDP is just that", "线路上 UDP 也就这几个包"),
        ),
    ],
    elsewhere: text(
        "the same talk on macOS and Windows; how often TCP confirms differs (not tried by us)",
        "macOS 和 Windows 上同样是这些步骤，TCP 确认的次数会有出入（我们没有试过）",
    ),
    try_this: "halloo echo --upper --count 1 & halloo send 127.0.0.1 hello --count 2 --expect 1",
    why: text(
        "UDP adds ports, a length and a checksum to your bytes and lets them go: nothing is agreed before, nothing \
         is confirmed after. That is why it suits one question and one answer, such as DNS: the wire is no faster, \
         but there are fewer journeys. TCP keeps a state at both ends, and packets without a word of yours open \
         it, confirm bytes and close it; for a long talk that is a small price. The packets of TCP were counted by \
         the kernel, at the client's end of the connection. Where the wire was seen, the drawing has the flags of \
         each packet: S (SYN) opens, F (FIN) closes, A (ACK) confirms, P (PSH) comes with bytes. S SA A is the \
         handshake, PA A some bytes and their confirmation, FA FA A the end of both directions.",
        "UDP 只给你的字节加上端口、长度和校验和，就发出去了：事先不约定，事后不确认，所以适合 DNS 这样的一问一答。TCP 在两端都保存状态，\
         要用一些不带数据的包来建立、确认和关闭；聊得久，这点代价不算什么。常听说“UDP 快”：快的不是线路，是少了来回。\
         TCP 的包数是内核在客户端这一头数的。看得到线路时，图里还有每个包的标志：S（SYN）建立连接，F（FIN）关闭，A（ACK）确认，\
         P（PSH）带着数据。S SA A 就是三次握手，PA A 是数据和对它的确认，FA FA A 是两个方向分别结束。",
    ),
    run,
    draw,
};

/// What is said.
const ASKED: &[u8] = b"hello";

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    observed.put("asked", actors::as_text(ASKED));
    over_udp(stage, &mut observed)?;
    over_tcp(stage, &mut observed)?;
    Ok(observed)
}

/// halloo's own client asks halloo's own server.
fn over_udp(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    // Broken: it answers as it was asked.
    let upper = !stage.sabotaged();
    let server = Server::start(&Place::Here, LOOPBACK, &Serves { upper, ..Serves::a(Role::Echo) })?;
    let mut wire = stage.wire()?;
    let told = actors::send(&Place::Here, server.address(), &[ASKED], Sends::from(LOOPBACK).expecting(1))?;
    let replies = actors::replies_in(&told);
    let sent = actors::sends_in(&told);
    observed.put("reply", replies.first().map_or_else(String::new, |reply| actors::as_text(&reply.payload)));
    observed.put("udp_packets", sent + replies.len());
    if let Some(wire) = &mut wire {
        observed.put("udp_wire", packets(wire, server.address().port(), sent + replies.len()).len());
    }
    Ok(())
}

/// The same words over TCP, counted step by step.
fn over_tcp(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    // Broken: the connection was there already, and stays.
    let stays = stage.sabotaged();
    let mut wire = if stays { None } else { stage.wire()? };
    let (mut alice, mut bob) = actors::stream_pair()?;
    if stays {
        wire = stage.wire()?;
    }
    let port = bob.local().doing("look at the address")?.port();
    let before = Count::of(&alice, &bob);
    let old = if stays { before.all() } else { Some(0) };
    let reply = talk(&mut alice, &mut bob)?;
    observed.put("tcp_reply", actors::as_text(&reply));
    let spoken = before.settled(&alice, &bob);
    if !stays {
        goodbye(&mut alice, &mut bob)?;
    }
    let ended = before.settled(&alice, &bob);
    if let (Some(old), Some(opened), Some(spoken), Some(ended)) = (old, before.all(), spoken, ended) {
        observed.put("opening", opened - old);
        observed.put("steps", vec![opened - old, spoken - opened, ended - spoken]);
        observed.put("tcp_packets", ended - old);
    }
    if let (Some(wire), Some(old), Some(ended)) = (&mut wire, old, ended) {
        let flags: Vec<String> = packets(wire, port, (ended - old) as usize).iter().filter_map(flags).collect();
        observed.put("handshake", flags.iter().take(3).cloned().collect::<Vec<_>>().join(" "));
        observed.put("flags", flags);
    }
    Ok(())
}

/// The question, and the answer in upper case.
fn talk(alice: &mut Stream, bob: &mut Stream) -> Result<Vec<u8>, Trouble> {
    alice.send(ASKED).doing("ask over TCP")?;
    let asked = bob.receive_exactly(ASKED.len(), PATIENCE).doing("hear over TCP")?.doing("hear over TCP")?;
    bob.send(&asked.to_ascii_uppercase()).doing("answer over TCP")?;
    alice.receive_exactly(ASKED.len(), PATIENCE).doing("get an answer")?.doing("get an answer")
}

/// Each end says that it has nothing more to say, and hears that of the other.
fn goodbye(alice: &mut Stream, bob: &mut Stream) -> Result<(), Trouble> {
    alice.end().doing("end")?;
    bob.receive(1, PATIENCE).doing("hear the end")?.doing("hear the end")?;
    bob.end().doing("end")?;
    alice.receive(1, PATIENCE).doing("hear the end")?.doing("hear the end")?;
    Ok(())
}

/// What both ends had counted when the connection stood. The one that accepted has not counted the packet that asked for it.
struct Count {
    alice: Option<Segments>,
    bob: Option<Segments>,
}

impl Count {
    fn of(alice: &Stream, bob: &Stream) -> Self {
        Self { alice: alice.segments(), bob: bob.segments() }
    }

    /// All packets of the connection so far.
    fn all(&self) -> Option<u64> {
        self.alice.map(Segments::all)
    }

    /// All packets, as soon as each end has counted what the other has sent since.
    fn settled(&self, alice: &Stream, bob: &Stream) -> Option<u64> {
        let (first, other) = (self.alice?, self.bob?);
        actors::until(|| match (alice.segments(), bob.segments()) {
            (Some(a), Some(b)) => {
                a.sent - first.sent == b.received - other.received && b.sent - other.sent == a.received - first.received
            }
            _ => true,
        });
        Self::of(alice, bob).all()
    }
}

/// The packets from and to a port, as soon as there are so many.
fn packets(wire: &mut Wire, port: u16, wanted: usize) -> Vec<Packet> {
    let count = |seen: &[Packet]| seen.iter().filter(|packet| packet.is_at(port)).count();
    let seen = wire.until(|seen| count(seen) >= wanted);
    seen.iter().filter(|packet| packet.is_at(port)).cloned().collect()
}

fn flags(packet: &Packet) -> Option<String> {
    if let Carries::Tcp(flags) = &packet.carries { Some(flags.clone()) } else { None }
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let mut drawing = Drawing::of([
        "alice".to_owned(),
        "bob (UDP)".to_owned(),
        lang.say("over TCP", "换成 TCP"),
        lang.say("packets", "包数"),
    ]);
    let mut counts = packets_of_steps(observed).into_iter();
    let mut count = || counts.next().unwrap_or_default();
    let (asked, reply) = (observed.text("asked"), observed.text("reply"));
    let spoken = format!("{asked}, {}", observed.text("tcp_reply"));
    drawing.arrow((0, 1), "", asked, "").beside(2, lang.say("open", "建立连接")).beside(3, count());
    drawing.arrow((1, 0), "", reply, "").beside(2, spoken).beside(3, count());
    let nothing = String::new;
    drawing.cells([nothing(), nothing(), lang.say("close", "关闭连接"), count()]);
    drawing.cells([nothing(), nothing(), lang.say("together", "一共"), observed.text("tcp_packets")]);
    drawing
}

/// How many packets each step took, and their flags where those were seen.
fn packets_of_steps(observed: &Observed) -> Vec<String> {
    let mut flags = observed.list("flags").iter();
    let mut of_step = |count: &Value| {
        let Value::Number(number) = count else { return String::new() };
        let its = flags.by_ref().take(*number as usize).map(ToString::to_string);
        let words: Vec<String> = std::iter::once(format!("{count} ")).chain(its).collect();
        words.join(" ").trim_end().to_owned()
    };
    observed.list("steps").iter().map(&mut of_step).collect()
}
