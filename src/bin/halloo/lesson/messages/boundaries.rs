//! Datagrams keep their boundaries; a stream has none.

use halloo::model::event::Role;
use halloo::model::lesson::Observed;

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, Stage, Trouble};
use crate::lesson::text::{Lang, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "boundaries",
    chapter: Chapter::Messages,
    core: true,
    needs: Needs::Loopback,
    title: text("One send is one receive", "发一次，就收一次"),
    question: Question {
        asks: text(
            "A program sends five datagrams: \"hello\", \"egg\", nothing at all, 1000 times \"x\", and \"bye\". \
             How many bytes does each read of the receiver give?",
            "一个程序发送五个数据报：“hello”、“egg”、一个空的、1000 个“x”、“bye”。接收方每次读到多少字节？",
        ),
        ask: Ask::Numbers("udp"),
    },
    hint: text("A datagram is a letter in its own envelope.", "数据报就像一封封装好的信。"),
    claim: text(
        "A datagram is read as it was sent: {udp_sends} sends, {udp_reads} reads, even of nothing. TCP kept every byte and \
         lost the edges: one read gave {tcp_first} bytes.",
        "数据报怎么发就怎么收：发 {udp_sends} 次，读 {udp_reads} 次，空的也算一次。TCP 一个字节都没丢，但边界没有了：\
         一次就读到 {tcp_first} 字节。",
    ),
    checks: &[
        Claim::linux(
            "udp",
            Rule::SameAs("sent"),
            text("each read gives one datagram, whole", "每次读到一个完整的数据报"),
        ),
        Claim::linux("tcp_reads", Rule::Is(1), text("over TCP one read gives all bytes", "TCP 一次读到全部字节")),
        // RFC 9293, 3.1: reliable, in order.
        Claim::same("tcp_bytes", Rule::SameAs("sent_bytes"), text("TCP loses no byte", "TCP 一个字节也没丢")),
    ],
    elsewhere: text("the same on macOS and Windows (not tried by us)", "macOS 和 Windows 上一样（我们没有试过）"),
    try_this: "halloo length --count 3 & halloo send 127.0.0.1 hello egg '' --count 2 --expect 3",
    why: text(
        "UDP puts a header with a length before every datagram, and the kernel keeps datagrams apart in its queue. TCP \
         numbers bytes, not messages: it may cut and join them as it likes, and a program that needs messages must mark \
         their ends itself (halloo learn framing).",
        "UDP 在每个数据报前面加上带长度的首部，内核的队列里数据报彼此分开。TCP 给字节编号，不给消息编号：它可以随意切开或合并。\
         需要消息的程序必须自己标出结尾（halloo learn framing）。",
    ),
    run,
    draw,
};

/// What is sent.
const SENT: [&[u8]; 5] = [b"hello", b"egg", b"", &[b'x'; 1000], b"bye"];

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    let total: usize = SENT.iter().map(|payload| payload.len()).sum();
    // Broken: cups that are too small for the longest.
    let cup = stage.sabotaged().then_some(100);
    observed.put("sent", SENT.map(<[u8]>::len).to_vec());
    observed.put("sent_bytes", total);
    over_udp(cup, &mut observed)?;
    let tcp = over_tcp(total, cup.unwrap_or(2 * total))?;
    observed.put("tcp_reads", tcp.len());
    observed.put("tcp_bytes", tcp.iter().sum::<usize>());
    observed.put("tcp_first", tcp.first().copied().unwrap_or_default());
    Ok(observed)
}

/// How often halloo's sender sent, and the sizes that its listener read.
fn over_udp(cup: Option<usize>, observed: &mut Observed) -> Result<(), Trouble> {
    let usual = Serves::a(Role::Listen);
    let serves = Serves { cup: cup.unwrap_or(usual.cup), ..usual };
    let listener = Server::start(&Place::Here, LOOPBACK, &serves)?;
    let told = actors::send(&Place::Here, listener.address(), &SENT, Sends::from(LOOPBACK))?;
    listener.has_heard(SENT.len());
    let reads: Vec<usize> = listener.heard().iter().map(|heard| heard.payload.len()).collect();
    observed.put("udp_sends", actors::sends_in(&told));
    observed.put("udp_reads", reads.len());
    observed.put("udp", reads);
    Ok(())
}

/// The sizes that a reader of a stream reads, when all has come.
fn over_tcp(total: usize, cup: usize) -> Result<Vec<usize>, Trouble> {
    let (mut alice, mut bob) = actors::stream_pair()?;
    for payload in SENT {
        alice.send(payload).doing("send over TCP")?;
    }
    alice.end().doing("end the stream")?;
    bob.has(total, PATIENCE).doing("wait for the bytes")?;
    let mut reads = Vec::new();
    while let Some(bytes) = bob.receive(cup, PATIENCE).doing("read")?.filter(|bytes| !bytes.is_empty()) {
        reads.push(bytes.len());
    }
    Ok(reads)
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let mut drawing = Drawing::of(["alice", "bob (UDP)", "bob (TCP)"]);
    let one_read = text("one read:", "一次读到：").raw(lang);
    let right = ["|".to_owned(), "|".to_owned(), one_read.to_owned(), observed.text("tcp_first"), "|".to_owned()];
    let sent = observed.list("sent").iter();
    for ((sent, read), right) in sent.zip(observed.list("udp")).zip(right) {
        drawing.arrow((0, 1), format!("sendto {sent}"), sent.to_string(), format!("recv {read}"));
        drawing.beside(2, right);
    }
    drawing
}
