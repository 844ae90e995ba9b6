//! A stream needs frames: a length before every message, and a reader that takes exactly so many bytes.

use halloo::model::event::Role;
use halloo::model::lesson::Observed;
use halloo::net::stream::Stream;

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, Stage, Trouble};
use crate::lesson::text::{Lang, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "framing",
    chapter: Chapter::Messages,
    core: false,
    needs: Needs::Loopback,
    title: text("Over TCP you draw the borders", "用 TCP，边界要自己画"),
    question: Question {
        asks: text(
            "Over TCP a length comes before each message; this one says 3893, and all its bytes are there already. A \
             well-known loop reads them:\n    while counter < 3893:\n        data += recv(1024)\n        counter += \
             len(data)\nHow many bytes are in data when the loop stops?",
            "TCP 上每条消息前面先发长度，这次是 3893，数据已经全部到了。网上常见的一个循环这样收：\n    \
             while counter < 3893:\n        data += recv(1024)\n        counter += len(data)\n\
             循环结束时，data 里有多少字节？",
        ),
        ask: Ask::Number("loop_read"),
    },
    hint: text(
        "Go through the first rounds with pencil and paper, one column for each of the two variables.",
        "拿纸笔把头几圈走一遍，两个变量各写一列。",
    ),
    claim: text(
        "The loop counted bytes twice and stopped at {loop_read} of {first}. The rest stayed in the stream, and its bytes were \
         read as the next length: {next_len}. Whoever takes exactly what was announced keeps the borders.",
        "这个循环把字节重复计数，{first} 字节只收到 {loop_read} 就停了。剩下的留在流里，被当成下一条的长度：{next_len}。\
         说多长就收多长，不多不少，边界才不会乱。",
    ),
    checks: &[
        Claim::linux(
            "exact",
            Rule::SameAs("sent_whole"),
            text("reading exactly so many keeps every message", "说多长收多长，每条消息都完整"),
        ),
        Claim::linux("loop_read", Rule::AtMost(3892), text("the loop stops too early", "这个循环停得太早")),
        Claim::linux(
            "next_right",
            Rule::No,
            text("and what it takes for the next length is none", "它读到的下一个“长度”根本不是长度"),
        ),
        Claim::linux(
            "datagram",
            Rule::SameAs("first"),
            text("a datagram needs none of this: one read, all of it", "数据报用不着这些：读一次就是一条"),
        ),
    ],
    elsewhere: text("the same on macOS and Windows (not tried by us)", "macOS 和 Windows 上一样（我们没有试过）"),
    try_this: "halloo listen --raw --frame len32 --timeout 2s | od -c & halloo send 127.0.0.1 hello --count 2",
    why: text(
        "Four bytes of length, the most significant first (in Python struct.pack('!I', n)), and then so many \
         bytes: that is a frame. The well-known loop adds len(data), everything so far, where it should add what \
         is new; a message short enough for one round hides it. Send all of it (a single send may take less), read \
         until you have exactly so many, and never ask for more than is left, or you take the next frame's \
         beginning. Believe no length above your own limit: it may come from a stranger, or from a bug like this. \
         A header with more in it, such as JSON, needs a length before it as well.",
        "四个字节的长度，高位字节在前（大端，Python 里写 struct.pack('!I', n)），后面跟这么多字节，这就是一帧。\
         网上常见的这个循环，每圈加的是 len(data)，也就是到现在为止的全部；该加的只是新来的。消息短到一圈就收\
         完时，看不出错。要全部发完（send 一次可能只收下一部分），要收到正好这么多，也不要多要，否则会读走下一\
         帧的开头。收到的长度要先和自己的上限比：它可能来自陌生人，也可能来自这样的错误。内容更多的首部，比如 JSON，\
         前面也要有长度。",
    ),
    run,
    draw,
};

/// The bytes of each message.
const SENT: [usize; 2] = [3893, 3];

/// The messages: each of a letter of its own, so that one can see whose bytes were read.
const MESSAGES: [(u8, usize); 2] = [(b'x', SENT[0]), (b'y', SENT[1])];

/// Bytes of a length.
const LENGTH: usize = 4;

/// The cup of first programs.
const CUP: usize = 1024;

/// The longest message that is believed.
const MOST: u32 = 1 << 20;

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    observed.put("sent", SENT.to_vec());
    observed.put("sent_whole", MESSAGES.map(|(letter, len)| content(&vec![letter; len])).to_vec());
    observed.put("first", SENT[0]);
    exactly(stage, &mut observed)?;
    tutorials_loop(stage, &mut observed)?;
    observed.put("datagram", as_a_datagram(stage)?);
    Ok(observed)
}

/// What a message is made of: its letters in order, each with how often it stands there.
fn content(message: &[u8]) -> String {
    let runs = message.chunk_by(|one, next| one == next);
    runs.map(|run| format!("{} x {}", run.len(), actors::as_text(&run[..1]))).collect::<Vec<_>>().join(" + ")
}

/// A frame: the length, the most significant byte first, and then the message. The length may be too small.
fn frame((letter, len): (u8, usize), less: usize) -> Result<Vec<u8>, Trouble> {
    let length = u32::try_from(len - less).doing("write a length")?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(LENGTH + len, letter);
    Ok(frame)
}

/// A connection on which all frames have arrived, and nothing was read.
fn frames_arrived(less: usize) -> Result<(Stream, Stream), Trouble> {
    let (mut alice, bob) = actors::stream_pair()?;
    let frames = MESSAGES.map(|message| frame(message, less));
    let frames: Vec<u8> = frames.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    alice.send(&frames).doing("send the frames")?;
    bob.has(frames.len(), PATIENCE).doing("wait for the frames")?;
    Ok((alice, bob))
}

/// The length that comes next.
fn read_length(bob: &mut Stream) -> Result<u32, Trouble> {
    let bytes = bob.receive_exactly(LENGTH, PATIENCE).doing("read a length")?.doing("read a length")?;
    bytes.first_chunk().copied().map(u32::from_be_bytes).doing("read a length")
}

/// The message of this length; none if the length is not to be believed.
fn read_message(bob: &mut Stream, len: u32) -> Result<Option<Vec<u8>>, Trouble> {
    if len > MOST {
        return Ok(None);
    }
    bob.receive_exactly(len as usize, PATIENCE).doing("read a message")
}

/// Reads each length, and then exactly so many bytes.
fn exactly(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    // Broken: each length is one too small.
    let (_alice, mut bob) = frames_arrived(usize::from(stage.sabotaged()))?;
    let mut messages = Vec::new();
    for _ in SENT {
        let len = read_length(&mut bob)?;
        // A length that is not to be believed ends it.
        let Some(message) = read_message(&mut bob, len)? else { break };
        messages.push(message);
    }
    observed.put("exact_sizes", messages.iter().map(Vec::len).collect::<Vec<_>>());
    observed.put("exact", messages.iter().map(|message| content(message)).collect::<Vec<_>>());
    Ok(())
}

/// Reads as the tutorials do, and then what comes where the next length should be.
fn tutorials_loop(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let (_alice, mut bob) = frames_arrived(0)?;
    let len = read_length(&mut bob)? as usize;
    let (mut data, mut counter) = (Vec::new(), 0);
    let (mut has, mut counts) = (Vec::new(), Vec::new());
    while counter < len {
        // Broken: the loop is mended, counts only what is new, and asks for no more than is left.
        let cup = if stage.sabotaged() { CUP.min(len - counter) } else { CUP };
        let piece = bob.receive(cup, PATIENCE).doing("read a piece")?.doing("read a piece")?;
        data.extend_from_slice(&piece);
        counter += if stage.sabotaged() { piece.len() } else { data.len() };
        has.push(data.len());
        counts.push(counter);
    }
    observed.put("loop_has", has);
    observed.put("loop_counts", counts);
    observed.put("loop_read", data.len());
    let next = read_length(&mut bob)?;
    observed.put("next_len", u64::from(next));
    observed.put("next_right", read_message(&mut bob, next)?.is_some_and(|message| message.len() == SENT[1]));
    Ok(())
}

/// The first message as one datagram, from halloo to halloo: the bytes of its only read.
fn as_a_datagram(stage: &Stage) -> Result<usize, Trouble> {
    let usual = Serves::a(Role::Listen);
    // Broken: the cup of first programs.
    let cup = if stage.sabotaged() { CUP } else { usual.cup };
    let listener = Server::start(&Place::Here, LOOPBACK, &Serves { cup, ..usual })?;
    actors::send(&Place::Here, listener.address(), &[&[b'x'; SENT[0]]], Sends::from(LOOPBACK))?;
    listener.has_heard(1);
    let heard = listener.heard().into_iter().next().doing("hear the datagram")?;
    Ok(heard.payload.len())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let heads =
        ["alice".to_owned(), lang.say("reads exactly", "说多长收多长"), lang.say("the well-known loop", "常见的循环")];
    let mut drawing = Drawing::of(heads);
    let bytes = lang.say("bytes", "字节");
    let mut exact = observed.list("exact_sizes").iter();
    let in_the_loop = [
        format!("{} {bytes}", observed.text("loop_read")),
        lang.say("next length: ", "下一个长度：") + &observed.text("next_len"),
    ];
    for (sent, in_the_loop) in observed.list("sent").iter().zip(in_the_loop) {
        let exact = exact.next().map_or_else(|| "?".to_owned(), |exact| format!("{exact} {bytes}"));
        drawing.arrow((0, 1), format!("[{sent}] {sent} {bytes}"), "", exact).beside(2, in_the_loop);
    }
    let (datagram, heard) = (lang.say("a datagram", "一个数据报"), observed.text("datagram"));
    drawing.arrow((0, 1), datagram, observed.text("first"), format!("{heard} {bytes} (halloo listen)"));
    let [has, counts] = ["loop_has", "loop_counts"].map(|name| steps(observed, name));
    drawing
        .cells([""])
        .line(lang.say("the loop has: ", "循环里有：") + &has)
        .line(lang.say("it counts:    ", "计数器是：") + &counts);
    drawing
}

/// Several numbers, each right-aligned in a column.
fn steps(observed: &Observed, name: &str) -> String {
    observed.list(name).iter().map(|number| format!("{:>8}", number.to_string())).collect()
}
