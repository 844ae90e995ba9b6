//! A stream has no boundaries, so the time of the reading decides what is read together.

use halloo::model::lesson::Observed;
use halloo::net::stream::Stream;

use crate::lesson::actors;
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, PATIENCE, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};
use crate::lesson::wire::{Packet, Wire};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "sticky",
    chapter: Chapter::Messages,
    core: true,
    needs: Needs::Loopback,
    title: text("Who glues the packets together?", "是谁把包“粘”在一起的？"),
    question: Question {
        asks: text(
            "Over TCP alice sends \"hello\", then \"egg\". Bob reads when both have come. Now alice turns Nagle's algorithm \
             off (TCP_NODELAY), so that nothing is held back, and does the same again. What does bob's first read give?",
            "alice 用 TCP 先发“hello”，再发“egg”，bob 等两个都到了才读。现在 alice 关掉 Nagle 算法（TCP_NODELAY），\
             数据不再攒着，再来一遍。bob 第一次读到什么？",
        ),
        ask: Ask::One(CHOICES, which),
    },
    hint: text(
        "Nagle's algorithm decides when a segment leaves. Where do the bytes wait until bob calls recv?",
        "Nagle 算法只管报文段什么时候发出去。bob 调用 recv 之前，字节在哪里？",
    ),
    claim: text(
        "Alice's sends went as {late_segments} segments, yet one late read gave {late}, with Nagle or without. The reader glues, \
         not the sender: the bytes lay side by side in bob's buffer.",
        "alice 发出的是 {late_segments} 个报文段，bob 晚一点读，一次就读到 {late}，有没有 Nagle 都一样。“粘”在一起不是发送方干的：\
         字节在 bob 的缓冲区里本来就挨着。",
    ),
    checks: &[
        Claim::same(
            "late",
            Rule::Say(&["helloegg"]),
            text("who reads late gets both in one read", "读得晚，一次就读到两个"),
        ),
        Claim::wire(
            "late_segments",
            Rule::Is(2),
            text("yet each send was a segment of its own", "可是每次发送都是单独的报文段"),
        ),
        Claim::same("no_delay", Rule::SameAs("late"), text("TCP_NODELAY changes nothing", "TCP_NODELAY 不改变结果")),
        Claim::same(
            "early",
            Rule::Say(&["hello", "egg"]),
            text("who reads each at once gets each alone", "来一个读一个，就分开了"),
        ),
        Claim::same(
            "cups",
            Rule::Say(&["he", "llo egg"]),
            text("a small cup leaves the rest for later", "杯子小，剩下的留给下一次"),
        ),
        Claim::wire(
            "on_wire",
            Rule::SameAs("late_segments"),
            text("on the wire there are as many", "线路上也是这么多个报文段"),
        ),
    ],
    elsewhere: text(
        "the same on macOS and Windows: a stream has no boundaries anywhere (not tried by us)",
        "macOS 和 Windows 上一样：字节流在哪里都没有边界（我们没有试过）",
    ),
    try_this: "halloo learn framing",
    why: text(
        "TCP promises the bytes in their order, nothing about where one send ended. Arriving segments are appended to one \
         buffer, and recv gives what is there, up to the size of its cup. Sleeping between two sends only makes it likely \
         that the reader wakes in between; a busy reader glues all the same. Mark the ends yourself (halloo learn \
         framing), or use datagrams, which have ends (halloo learn boundaries).",
        "TCP 只保证字节和顺序，不记得一次发送在哪里结束。到达的报文段依次接进同一个缓冲区，recv 有多少给多少，只受杯子（你给它的缓冲区）大小限制。\
         教程常说“粘包”是 Nagle 算法把小包攒在一起，还说发送方要等缓冲区满了才发：实际上第一个小报文段马上就走了，关掉 Nagle 也照样“粘”。\
         两次发送之间 sleep 一下也治不好：接收方一忙，还是连在一起。要么自己标出边界（halloo learn framing），\
         要么用本来就有边界的数据报（halloo learn boundaries）。",
    ),
    run,
    draw,
};

/// The answers to choose from.
const CHOICES: &[Text] = &[
    text("hello", "hello"),
    text("egg", "egg"),
    text("helloegg", "helloegg"),
    text("now one, now the other", "有时这样，有时那样"),
];

/// Which of the choices is right: what was read first without Nagle's algorithm.
fn which(observed: &Observed) -> Option<usize> {
    let first = observed.list("no_delay").first()?.to_string();
    CHOICES.iter().position(|choice| choice.en == first)
}

/// What is sent, one send for each.
const WORDS: [&[u8]; 2] = [b"hello", b"egg"];

/// What is sent at once to the reader with small cups, and the cups.
const PHRASE: (&[u8], [usize; 2]) = (b"hello egg", [2, 10]);

/// A cup that is larger than all that is sent.
const CUP: usize = 1024;

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    observed.put("words", WORDS.map(text_of).to_vec());
    // Broken: the reader reads as soon as something has come.
    let late = if stage.sabotaged() { early } else { late };
    let mut wire = stage.wire()?;
    let (mut alice, mut bob) = actors::stream_pair()?;
    late(&mut alice, &mut bob)?.put(&mut observed, "late", "late_lay");
    if let Some(segments) = bob.segments() {
        observed.put("late_segments", segments.data_received);
    }
    if let Some(wire) = &mut wire {
        let port = alice.local().doing("look at the address")?.port();
        observed.put("on_wire", segments_from(wire, port, observed.number("late_segments")));
    }
    let (mut alice, mut bob) = actors::stream_pair()?;
    alice.set_no_delay(true).doing("set TCP_NODELAY")?;
    late(&mut alice, &mut bob)?.put(&mut observed, "no_delay", "no_delay_lay");
    let (mut alice, mut bob) = actors::stream_pair()?;
    early(&mut alice, &mut bob)?.put(&mut observed, "early", "early_lay");
    let (mut alice, mut bob) = actors::stream_pair()?;
    small_cups(&mut alice, &mut bob, &mut observed)?;
    Ok(observed)
}

/// What lay in the reader's buffer whenever it began to read, and what each read gave.
#[derive(Default)]
struct Reading {
    lay: Vec<String>,
    reads: Vec<String>,
}

impl Reading {
    /// Waits for so many bytes, and reads once.
    fn read(&mut self, bob: &mut Stream, wanted: usize, cup: usize) -> Result<usize, Trouble> {
        bob.has(wanted, PATIENCE).doing("wait for the bytes")?;
        self.lay.push(text_of(&bob.look(CUP).doing("look at what is there")?));
        let bytes = bob.receive(cup, PATIENCE).doing("read")?.filter(|bytes| !bytes.is_empty()).doing("read")?;
        self.reads.push(text_of(&bytes));
        Ok(bytes.len())
    }

    fn put(self, observed: &mut Observed, reads: &'static str, lay: &'static str) {
        observed.put(reads, self.reads);
        observed.put(lay, self.lay);
    }
}

/// Reads once everything is there, as often as it takes to have it all.
fn late(alice: &mut Stream, bob: &mut Stream) -> Result<Reading, Trouble> {
    for word in WORDS {
        alice.send(word).doing("send")?;
    }
    let mut left = WORDS.iter().map(|word| word.len()).sum();
    let mut reading = Reading::default();
    while left > 0 {
        left -= reading.read(bob, left, left)?;
    }
    Ok(reading)
}

/// Reads each word as soon as it is there.
fn early(alice: &mut Stream, bob: &mut Stream) -> Result<Reading, Trouble> {
    let mut reading = Reading::default();
    for word in WORDS {
        alice.send(word).doing("send")?;
        reading.read(bob, word.len(), CUP)?;
    }
    Ok(reading)
}

/// Reads one phrase with cups that are smaller.
fn small_cups(alice: &mut Stream, bob: &mut Stream, observed: &mut Observed) -> Result<(), Trouble> {
    let (phrase, cups) = PHRASE;
    alice.send(phrase).doing("send")?;
    let (mut reading, mut left) = (Reading::default(), phrase.len());
    for cup in cups {
        left -= reading.read(bob, left, cup)?;
    }
    observed.put("phrase", text_of(phrase));
    observed.put("cup_sizes", cups.to_vec());
    reading.put(observed, "cups", "cups_lay");
    Ok(())
}

/// The segments with bytes from a port, as soon as there are so many.
fn segments_from(wire: &mut Wire, port: u16, wanted: Option<u64>) -> u64 {
    let count = |seen: &[Packet]| {
        let with_bytes = |packet: &&Packet| packet.source.port() == port && packet.payload_len > 0;
        seen.iter().filter(with_bytes).count() as u64
    };
    count(wire.until(|seen| wanted.is_none_or(|wanted| count(seen) >= wanted)))
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let say = |en, zh| text(en, zh).raw(lang).to_owned();
    let lanes = ["alice".to_owned(), say("bob's buffer", "bob 的缓冲区"), say("bob reads", "bob 读到")];
    let mut drawing = Drawing::of(lanes);
    let words: Vec<String> = observed.list("words").iter().map(|word| format!("send \"{word}\"")).collect();
    let (late, soon) = (say("late:", "晚点读"), say("at once:", "马上读"));
    for (at, word) in words.iter().enumerate() {
        let last = at + 1 == words.len();
        drawing.arrow((0, 1), word, "", if last { quoted(observed, "late_lay") } else { String::new() });
    }
    drawing.beside(2, format!("{late} {}", quoted(observed, "late")));
    drawing.arrow((0, 1), say("again, TCP_NODELAY", "再来，TCP_NODELAY"), "", quoted(observed, "no_delay_lay"));
    drawing.beside(2, format!("{late} {}", quoted(observed, "no_delay")));
    let readings = observed.list("early_lay").iter().zip(observed.list("early"));
    for (word, (lay, read)) in words.iter().zip(readings) {
        drawing.arrow((0, 1), word, "", format!("\"{lay}\"")).beside(2, format!("{soon} \"{read}\""));
    }
    let cups = observed.list("cup_sizes").iter().zip(observed.list("cups"));
    let cups: Vec<String> = cups.map(|(cup, read)| format!("{cup} \"{read}\"")).collect();
    let lay = observed.list("cups_lay").first().map_or_else(String::new, |lay| format!("\"{lay}\""));
    drawing.arrow((0, 1), format!("send \"{}\"", observed.text("phrase")), "", lay);
    drawing.beside(2, format!("{} {}", say("cup", "杯子"), cups.join(", ")));
    drawing
}

/// Several of them, each in its quotation marks.
fn quoted(observed: &Observed, name: &str) -> String {
    observed.list(name).iter().map(|read| format!("\"{read}\"")).collect::<Vec<_>>().join(" ")
}
