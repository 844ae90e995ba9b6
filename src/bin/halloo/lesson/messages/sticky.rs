//! A stream has no boundaries, so the time of the reading decides what is read together.

use halloo::model::lesson::Observed;
use halloo::net::stream::Stream;

use crate::lesson::actors;
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule, Sight};
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
            "Over TCP alice sends \"hello\", then \"egg\". bob reads when both have come. Now alice turns Nagle's algorithm \
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
        "alice's sends went as {late_segments} segments, and yet one late read gave {late}: the bytes lay side by \
         side in bob's buffer. It takes no help from the sender, though with Nagle a sender may join small sends, \
         too.",
        "alice 发出的是 {late_segments} 个报文段，bob 晚一点读，还是一次读到 {late}：字节在 bob 的缓冲区里本来\
         就挨着。发送方什么都没合并，也会“粘”；有 Nagle 时，发送方也可能把小的发送合在一起。",
    ),
    checks: &[
        Claim::linux(
            "late",
            Rule::Say(&["helloegg"]),
            text("who reads late gets both in one read", "读得晚，一次就读到两个"),
        ),
        Claim::linux(
            "late_segments",
            Rule::Is(2),
            text("yet each send was a segment of its own", "可是每次发送都是单独的报文段"),
        )
        .needing(Sight::Counts),
        Claim::linux(
            "no_delay",
            Rule::SameAs("late"),
            text("with TCP_NODELAY he reads the same", "设置 TCP_NODELAY 以后，读到的也一样"),
        ),
        Claim::linux(
            "early",
            Rule::Say(&["hello", "egg"]),
            text("who reads each at once gets each alone", "来一个读一个，就分开了"),
        ),
        Claim::linux(
            "cups",
            Rule::Say(&["he", "llo egg"]),
            text(
                "of cups of {cup_sizes} bytes the small one leaves the rest",
                "杯子 {cup_sizes} 字节：小的装不下，剩下的留给下一次",
            ),
        ),
        Claim::wire(
            "on_wire",
            Rule::SameAs("late_segments"),
            text("on the wire each send is a segment, too", "线路上也是每次发送一个报文段"),
        ),
    ],
    elsewhere: text("the same on macOS and Windows (not tried by us)", "macOS 和 Windows 上一样（我们没有试过）"),
    try_this: "halloo echo --count 2 & halloo send 127.0.0.1 hello egg --count 2 --expect 2",
    why: text(
        "TCP promises the bytes in their order, nothing about where one send ended. Arriving segments are appended \
         to one buffer, and recv gives what is there, up to the size of its cup. Nagle's algorithm holds a small \
         segment back while earlier bytes are not confirmed. Here they were confirmed at once; later in a talk, \
         when confirmations are delayed, it does join small sends into one segment. TCP_NODELAY ends that, and not \
         what you saw here. Nor does sleeping between two sends: a busy reader glues all the same. Mark the ends \
         yourself (halloo learn framing), or use datagrams, which have ends (halloo learn boundaries).",
        "TCP 只保证字节和顺序，不记得一次发送在哪里结束。到达的报文段依次接进同一个缓冲区，recv 有多少给多少，\
         只受杯子（你给它的缓冲区）大小限制。网上常说“粘包”就是 Nagle 算法把小包攒在一起，这只说对了一部分：Nagle 只\
         在前面的数据还没得到确认时才攒住小的报文段。这里确认来得快，所以没攒；聊得久一些，确认会推迟，它确实\
         会把几次小的发送合成一个报文段。TCP_NODELAY 能让它不攒，却管不了接收方这一头的“粘”。两次发送之间 sleep 一\
         下也治不好：接收方一忙，还是连在一起。要么自己标出边界（halloo learn framing），要么用本来就有边界的\
         数据报（halloo learn boundaries）。",
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
    observed.put("words", WORDS.map(actors::as_text).to_vec());
    // Broken: who should read late reads as soon as something has come, and the other way round; and a cup holds all.
    let (first, last) =
        if stage.sabotaged() { (early as Reads, late as Reads) } else { (late as Reads, early as Reads) };
    let (phrase, [small, large]) = PHRASE;
    let cups = [if stage.sabotaged() { CUP } else { small }, large];
    let mut wire = stage.wire()?;
    let (mut alice, mut bob) = actors::stream_pair()?;
    first(&mut alice, &mut bob)?.put(&mut observed, "late", "late_lay");
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
    last(&mut alice, &mut bob)?.put(&mut observed, "early", "early_lay");
    let (mut alice, mut bob) = actors::stream_pair()?;
    small_cups(&mut alice, &mut bob, (phrase, cups), &mut observed)?;
    Ok(observed)
}

/// A way to send all words and to read them.
type Reads = fn(&mut Stream, &mut Stream) -> Result<Reading, Trouble>;

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
        self.lay.push(actors::as_text(&bob.look(CUP).doing("look at what is there")?));
        let bytes = bob.receive(cup, PATIENCE).doing("read")?.filter(|bytes| !bytes.is_empty()).doing("read")?;
        self.reads.push(actors::as_text(&bytes));
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
fn small_cups(
    alice: &mut Stream,
    bob: &mut Stream,
    (phrase, cups): (&[u8], [usize; 2]),
    observed: &mut Observed,
) -> Result<(), Trouble> {
    alice.send(phrase).doing("send")?;
    let (mut reading, mut left) = (Reading::default(), phrase.len());
    for cup in cups {
        if left > 0 {
            left -= reading.read(bob, left, cup)?;
        }
    }
    observed.put("phrase", actors::as_text(phrase));
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

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let lanes = ["alice".to_owned(), lang.say("bob's buffer", "bob 的缓冲区"), lang.say("bob reads", "bob 读到")];
    let mut drawing = Drawing::of(lanes);
    let words: Vec<String> = observed.list("words").iter().map(|word| format!("send \"{word}\"")).collect();
    let (late, soon) = (lang.say("late:", "晚点读"), lang.say("at once:", "马上读"));
    for (at, word) in words.iter().enumerate() {
        let last = at + 1 == words.len();
        drawing.arrow((0, 1), word, "", if last { quoted(observed, "late_lay") } else { String::new() });
    }
    drawing.beside(2, format!("{late} {}", quoted(observed, "late")));
    drawing.arrow((0, 1), lang.say("again, TCP_NODELAY", "再来，TCP_NODELAY"), "", quoted(observed, "no_delay_lay"));
    drawing.beside(2, format!("{late} {}", quoted(observed, "no_delay")));
    let readings = observed.list("early_lay").iter().zip(observed.list("early"));
    for (word, (lay, read)) in words.iter().zip(readings) {
        drawing.arrow((0, 1), word, "", format!("\"{lay}\"")).beside(2, format!("{soon} \"{read}\""));
    }
    let cups = observed.list("cup_sizes").iter().zip(observed.list("cups"));
    let cups: Vec<String> = cups.map(|(cup, read)| format!("{cup} B \"{read}\"")).collect();
    let lay = observed.list("cups_lay").first().map_or_else(String::new, |lay| format!("\"{lay}\""));
    drawing.arrow((0, 1), format!("send \"{}\"", observed.text("phrase")), "", lay);
    // A cup is said by its bytes.
    drawing.beside(2, cups.join(", "));
    drawing
}

/// Several of them, each in its quotation marks.
fn quoted(observed: &Observed, name: &str) -> String {
    observed.list(name).iter().map(|read| format!("\"{read}\"")).collect::<Vec<_>>().join(" ")
}
