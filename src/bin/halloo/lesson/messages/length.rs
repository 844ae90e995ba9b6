//! A datagram is bytes: how many characters they are is the affair of whoever reads them.

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
    name: "length",
    chapter: Chapter::Messages,
    core: true,
    needs: Needs::Loopback,
    title: text("Your data was N bytes long", "你的数据有多长"),
    question: Question {
        asks: text(
            "halloo length answers every datagram with the number of its bytes. It is sent 你好, two Chinese characters, as \
             UTF-8. Which number does it answer?",
            "halloo length 收到数据报，就回答它有多少字节。用 UTF-8 发给它“你好”两个字，它回答几？",
        ),
        ask: Ask::Number("nihao"),
    },
    hint: text(
        "In UTF-8 an English letter is one byte. There are far more Chinese characters than one byte has values.",
        "UTF-8 里一个英文字母占一个字节。一个字节只有 256 种值，汉字多得多。",
    ),
    claim: text(
        "{chars_of_nihao} characters, {nihao} bytes: the network carries bytes, and only the two programs know what they mean. \
         A reader of {cup} bytes of a longer text stopped inside a character: the piece that came, {torn_hex}, is no text.",
        "{chars_of_nihao} 个字，{nihao} 个字节：网络只运送字节，是什么意思由两头的程序约定。长的文字只读 {cup} 字节，\
         就停在了一个字的中间，最后来的一截 {torn_hex} 不成字。",
    ),
    checks: &[
        // RFC 3629: what UTF-8 makes of a character is the same everywhere.
        Claim::same(
            "nihao",
            Rule::Is(6),
            text("UTF-8 has several bytes for each of them", "UTF-8 里每个汉字占好几个字节"),
        ),
        Claim::linux(
            "answers",
            Rule::SameAs("bytes"),
            text("every answer counts the bytes that were sent", "每次回答的都是发出的字节数"),
        ),
        Claim::linux(
            "answered",
            Rule::Is(4),
            text("whatever the script, the server lives on", "不管什么文字，服务器照常工作"),
        ),
        Claim::linux(
            "torn",
            Rule::AtLeast(1),
            text("a cup of {cup} bytes tears a character apart", "只读 {cup} 字节，把一个字读断了"),
        ),
    ],
    elsewhere: text(
        "macOS and Windows count alike; a Chinese Windows console may send GBK, with fewer bytes (not tried by us)",
        "macOS 和 Windows 一样数；中文 Windows 的控制台可能发 GBK，字节更少（我们没有试过）",
    ),
    try_this: "halloo length --count 1 & halloo send 127.0.0.1 你好 --count 2 --expect 1",
    why: text(
        "A datagram has a length in bytes and no word about characters, so a server that only passes bytes on or counts \
         them works for every script. One that insists on ASCII is ended by the first stranger with another. Decode where \
         you must, decode whole messages only, and decide what to do with bytes that are none of your characters.",
        "数据报里只有以字节计的长度，没有“字符”。只转发、只数字节的服务器，什么文字都能应付。先用 ASCII 解码再数的服务器，\
         来一个汉字就抛出 UnicodeDecodeError，整个停掉；recv(1024) 之后马上解码，也会把一个汉字从中间切断。\
         所以：收齐一条完整的消息再解码，并且事先想好解不出来怎么办。",
    ),
    run,
    draw,
};

/// Two characters.
const NIHAO: &str = "你好";

/// One character, and how often it is said to make a long text.
const LONG: (&str, usize) = ("你", 400);

/// The cup that first programs read into.
const CUP: usize = 1024;

/// What is asked, and how it is shown. The empty one comes last: an answer to it shows that the server has survived the
/// others.
fn questions() -> [(String, String); 4] {
    let quoted = |text: &str| (text.to_owned(), format!("{text:?}"));
    let (one, times) = LONG;
    let long = (one.repeat(times), format!("{one:?} x {times}"));
    [quoted("hello"), quoted(NIHAO), long, quoted("")]
}

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    let questions = questions();
    observed.put("asked", questions.iter().map(|(_, shown)| shown.clone()).collect::<Vec<_>>());
    observed.put("characters", questions.iter().map(|(text, _)| text.chars().count()).collect::<Vec<_>>());
    observed.put("bytes", questions.iter().map(|(text, _)| text.len()).collect::<Vec<_>>());
    observed.put("chars_of_nihao", NIHAO.chars().count());
    ask_halloo(stage, &questions, &mut observed)?;
    read_into_a_cup(stage, &questions[2].0, &mut observed)?;
    Ok(observed)
}

/// The bytes of a text. Broken: a question mark for every character that is not ASCII.
fn encoded(stage: &Stage, text: &str) -> Vec<u8> {
    if stage.sabotaged() {
        text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
    } else {
        text.as_bytes().to_vec()
    }
}

/// Asks halloo's own server, one question after the other.
fn ask_halloo(stage: &Stage, questions: &[(String, String)], observed: &mut Observed) -> Result<(), Trouble> {
    let server = Server::start(&Place::Here, LOOPBACK, &Serves::a(Role::Length))?;
    let (mut sent, mut replies) = (Vec::new(), Vec::new());
    for (question, _) in questions {
        let payload = encoded(stage, question);
        let told = actors::send(&Place::Here, server.address(), &[&payload], Sends::from(LOOPBACK).expecting(1))?;
        sent.push(payload.len());
        // One that does not come is a value, too: the check says what is missing.
        let reply = actors::replies_in(&told).into_iter().next();
        replies.push(reply.map_or_else(|| actors::NOTHING.to_owned(), |reply| actors::as_text(&reply.payload)));
    }
    let answers: Vec<u64> = replies.iter().filter_map(|reply| number_in(reply)).collect();
    observed.put("sent", sent);
    if let Some(nihao) = replies.get(1).and_then(|reply| number_in(reply)) {
        observed.put("nihao", nihao);
    }
    observed.put("answered", answers.len());
    observed.put("answers", answers);
    observed.put("replies", replies);
    server.has_heard(questions.len());
    let heard = server.heard().into_iter().nth(1).doing("look at what came")?;
    observed.put("hex", hex_of_characters(&heard.payload));
    Ok(())
}

/// The number in an answer.
fn number_in(reply: &str) -> Option<u64> {
    reply.split(' ').find_map(|word| word.parse().ok())
}

/// The bytes of each character.
fn hex_of_characters(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let hex = |c: char| c.to_string().bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    text.chars().map(|c| format!("{c} = {}", hex(c))).collect()
}

/// A reader whose cup is smaller than the text.
fn read_into_a_cup(stage: &Stage, text: &str, observed: &mut Observed) -> Result<(), Trouble> {
    let reader = actors::open()?;
    let address = reader.local().doing("bind a reader")?;
    actors::send(&Place::Here, address, &[&encoded(stage, text)], Sends::from(LOOPBACK))?;
    let gulp = reader.receive(CUP, PATIENCE).doing("read")?.doing("read")?;
    let whole = std::str::from_utf8(&gulp.bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let (good, torn) = gulp.bytes.split_at(whole);
    observed.put("cup", CUP);
    observed.put("whole", String::from_utf8_lossy(good).chars().count());
    observed.put("torn", torn.len());
    observed.put("torn_hex", torn.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>());
    Ok(())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let mut drawing = Drawing::of(["alice", "halloo length"]);
    let sent = observed.list("asked").iter().zip(observed.list("characters")).zip(observed.list("sent"));
    for (((asked, characters), bytes), reply) in sent.zip(observed.list("replies")) {
        let label = match lang {
            Lang::En => format!("{characters} char., {bytes} B"),
            Lang::Zh => format!("{characters} 字符，{bytes} 字节"),
        };
        drawing.arrow((0, 1), asked.to_string(), label, reply.to_string());
    }
    let hex: Vec<String> = observed.list("hex").iter().map(ToString::to_string).collect();
    drawing.cells([""]).line(hex.join("     "));
    let cup = text(
        "{cup} bytes of the long one: {whole} whole characters, then {torn_hex}",
        "长的那条只读 {cup} 字节：{whole} 个完整的字，然后是 {torn_hex}",
    );
    drawing.line(cup.fill(observed, lang));
    drawing
}
