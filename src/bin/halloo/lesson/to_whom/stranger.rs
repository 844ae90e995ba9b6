//! Anybody may answer a question that was asked over UDP.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::thread::Builder;

use halloo::model::lesson::Observed;
use halloo::net::bare::{Bare, Gulp};

use crate::lesson::actors::{self, NOTHING, Sends};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, SILENCE, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "stranger",
    chapter: Chapter::ToWhom,
    core: true,
    needs: Needs::Loopback,
    title: text("Whose answer is this?", "这是谁的回答？"),
    question: Question {
        asks: text(
            "alice asks bob for the time with sendto(), and takes one answer with recvfrom(). mallory, whom she has not \
             asked, sends something to her port before bob does. What does alice take for the answer?",
            "alice 用 sendto() 问 bob 几点了，再用 recvfrom() 收一个回答。她没有问过的 mallory，抢在 bob 之前向她的端口发了点东西。\
             alice 会把什么当成回答？",
        ),
        ask: Ask::One(CHOICES, |observed| match observed.text("first_from").as_str() {
            "bob" => Some(0),
            "mallory" => Some(1),
            _ => Some(2),
        }),
    },
    hint: text("Who may put a letter into your letter box?", "谁可以往你的信箱里投信？"),
    claim: text(
        "A UDP port is open to all: alice took \"{first}\" from {first_from}. connect() lets only bob in from \
         then on; what was queued before stays. A number that only bob is told exposes the rest.",
        "UDP 端口对谁都开着：alice 收下了 {first_from} 的“{first}”。connect() 以后只听得到 bob，但它不管以前：\
         已经排在队列里的还在。靠只告诉 bob 的编号，才认得出剩下的。",
    ),
    checks: &[
        Claim::linux(
            "first_from",
            Rule::Says("mallory"),
            text("without connect the first to answer wins", "没有 connect：谁先到就算谁的"),
        ),
        Claim::linux(
            "connected",
            Rule::Say(&["noon"]),
            text("halloo send --connect hears only: {connected}", "halloo send --connect 只听到：{connected}"),
        ),
        Claim::linux(
            "mallory",
            Rule::Says("ECONNREFUSED"),
            text("mallory is turned away: {mallory}", "mallory 被拒之门外：{mallory}"),
        ),
        Claim::linux(
            "queued_from",
            Rule::Says("mallory"),
            text("what was queued before connect is read all the same", "connect 之前排进队列的，照样读到"),
        ),
        Claim::linux(
            "kept",
            Rule::Say(&["noon"]),
            text("with a number in each question only {kept} is kept", "给问题编号以后，只留下 {kept}"),
        ),
    ],
    elsewhere: text("the same on macOS and Windows (not tried by us)", "macOS 和 Windows 上应该也一样（我们没有试过）"),
    try_this: "halloo listen --timeout 3s & halloo send 127.0.0.1 time --from :1061 --count 2 --wait 1s & \
               halloo send 127.0.0.1:1061 midnight --count 2",
    why: text(
        "recvfrom() takes the next datagram of the queue, whoever sent it; the address it returns is for you to compare. A \
         connected socket lets the kernel compare, and others get ICMP as from a closed port. But the kernel sorts when a \
         datagram arrives, not when it is read, so connect before anybody can know your port. And a source address can be \
         forged, so what matters is asked with a random number that the answer must repeat. halloo ping does that with \
         every probe, and counts the rest as foreign.",
        "recvfrom() 取出队列里的下一个数据报，不管是谁发的；它返回的地址要你自己去比较。connect 过的套接字让内核来比较，别人会像碰到\
         关着的端口一样得到 ICMP 报文。但内核是在数据报到达时分拣，不是在读取时，所以要在别人知道你的端口之前 connect。源地址也可以伪造，\
         所以重要的问题要带一个随机编号，回答必须重复它。halloo ping 的每个探测都这样做，其余的记作外来的。",
    ),
    run,
    draw,
};

const CHOICES: &[Text] = &[
    text("what bob sends", "bob 发的"),
    text("what mallory sends", "mallory 发的"),
    text("none: recvfrom() fails", "都不是，recvfrom() 失败"),
];

const QUESTION: &[u8] = b"time?";
const GENUINE: &[u8] = b"noon";
const UNINVITED: &[u8] = b"midnight";

/// Those who may answer.
struct Town {
    bob: Bare,
    mallory: Bare,
    /// Broken: mallory holds her tongue where she could be the first, and knows what alice and bob know where she could not.
    broken: bool,
}

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let town = Town { bob: actors::open()?, mallory: actors::open()?, broken: stage.sabotaged() };
    let mut observed = Observed::default();
    observed.put("uninvited", actors::as_text(UNINVITED));
    observed.put("comes_first", !town.broken);
    observed.put("truth", actors::as_text(GENUINE));
    town.answers_a_plain_socket(&mut observed)?;
    town.answers_halloo(&mut observed)?;
    town.answers_one_that_connects_late(&mut observed)?;
    observed.put("kept", town.answers_a_numbered_question()?);
    Ok(observed)
}

/// Reads the next datagram, which has to come.
fn read(bare: &Bare) -> Result<Gulp, Trouble> {
    bare.receive(64, PATIENCE).doing("read the next datagram")?.doing("read the next datagram")
}

impl Town {
    fn bobs_address(&self) -> Result<SocketAddr, Trouble> {
        self.bob.local().doing("open bob's port")
    }

    /// Whose datagram it is.
    fn author(&self, gulp: &Gulp) -> Result<&'static str, Trouble> {
        Ok(if gulp.source == self.bobs_address()? { "bob" } else { "mallory" })
    }

    /// mallory sends to alice, and it is in her queue.
    fn intrude(&self, payload: &[u8], alice: &Bare, to: SocketAddr) -> Result<(), Trouble> {
        self.mallory.send_to(payload, to).doing("answer uninvited")?;
        alice.has_one(PATIENCE).doing("wait for the forged answer").map(|_| ())
    }

    /// The first answer is the forged one, the second is bob's.
    fn answers_a_plain_socket(&self, observed: &mut Observed) -> Result<(), Trouble> {
        let alice = actors::open()?;
        alice.send_to(QUESTION, self.bobs_address()?).doing("ask")?;
        let question = read(&self.bob)?;
        if !self.broken {
            self.intrude(UNINVITED, &alice, question.source)?;
        }
        self.bob.send_to(GENUINE, question.source).doing("answer")?;
        let first = read(&alice)?;
        observed.put("first", actors::as_text(&first.bytes));
        observed.put("first_from", self.author(&first)?);
        Ok(())
    }

    /// The same with halloo's sender, which is connected before it asks.
    fn answers_halloo(&self, observed: &mut Observed) -> Result<(), Trouble> {
        let bob = self.bobs_address()?;
        // Broken: it is not connected.
        let sends = Sends { connected: !self.broken, ..Sends::from(LOOPBACK).expecting(1) };
        observed.put("halloo_connects", sends.connected);
        let (told, mallory) = std::thread::scope(|scope| {
            let answer = || self.answer_when_mallory_is_turned_away();
            let mallory = Builder::new().spawn_scoped(scope, answer).doing("start a thread")?;
            Ok((actors::send(&Place::Here, bob, &[QUESTION], sends), mallory.join()))
        })?;
        // If alice did not ask, nobody heard her: hers is the reason.
        let replies = actors::replies_in(&told?);
        let mallory = mallory.map_err(|_| Trouble::Failed("answer: the thread is gone".to_owned()))??;
        observed.put("connected", replies.iter().map(|reply| actors::as_text(&reply.payload)).collect::<Vec<_>>());
        observed.put("mallory", mallory);
        Ok(())
    }

    /// Answers one question, after mallory has had the first word and knows what became of it. Says what she was told.
    fn answer_when_mallory_is_turned_away(&self) -> Result<String, Trouble> {
        let question = read(&self.bob)?;
        let mallory = actors::open()?;
        mallory.connect(question.source).doing("connect mallory")?;
        let patience = if self.broken { SILENCE } else { PATIENCE };
        mallory.send(UNINVITED).doing("answer uninvited")?;
        let told = mallory.receive(64, patience);
        self.bob.send_to(GENUINE, question.source).doing("answer")?;
        Ok(actors::read_as(told))
    }

    /// An uninvited answer is in the queue before alice connects, and asks.
    fn answers_one_that_connects_late(&self, observed: &mut Observed) -> Result<(), Trouble> {
        let alice = actors::open()?;
        if !self.broken {
            self.intrude(UNINVITED, &alice, alice.local().doing("open a port")?)?;
        }
        alice.connect(self.bobs_address()?).doing("connect")?;
        alice.send(QUESTION).doing("ask")?;
        let question = read(&self.bob)?;
        self.bob.send_to(GENUINE, question.source).doing("answer")?;
        let first = read(&alice)?;
        observed.put("queued", actors::as_text(&first.bytes));
        observed.put("queued_from", self.author(&first)?);
        Ok(())
    }

    /// What alice keeps of both answers when she asks with a number and wants it back. mallory can only guess it.
    fn answers_a_numbered_question(&self) -> Result<Vec<String>, Trouble> {
        let alice = actors::open()?;
        let number = some_number();
        alice.send_to(&numbered(number, QUESTION), self.bobs_address()?).doing("ask")?;
        let question = read(&self.bob)?;
        let asked = number_of(&question.bytes).doing("read the number")?;
        // Broken: she has been told.
        let guess = if self.broken { asked } else { some_number() };
        self.intrude(&numbered(guess, UNINVITED), &alice, question.source)?;
        self.bob.send_to(&numbered(asked, GENUINE), question.source).doing("answer")?;
        let mut kept = Vec::new();
        // bob's is the last that comes.
        while let Some(answer) = alice.receive(64, PATIENCE).doing("read the next answer")? {
            if number_of(&answer.bytes) == Some(number) {
                kept.push(actors::as_text(&answer.bytes[NUMBER..]));
            }
            if self.author(&answer)? == "bob" {
                break;
            }
        }
        Ok(kept)
    }
}

/// Bytes of the number in front of a question or an answer.
const NUMBER: usize = 8;

/// A number that nobody else knows: the standard library seeds its hash tables with such ones.
fn some_number() -> u64 {
    RandomState::new().hash_one(NUMBER)
}

fn numbered(number: u64, payload: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], payload].concat()
}

fn number_of(payload: &[u8]) -> Option<u64> {
    payload.first_chunk::<NUMBER>().map(|bytes| u64::from_be_bytes(*bytes))
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let reads = |name: &str| format!("{} \"{}\"", lang.say("reads", "读到"), observed.text(name));
    let quoted = |name: &str| format!("\"{}\"", observed.text(name));
    // Who is first is read; what comes behind it is not.
    let read_from = |who: &str| if observed.text("first_from") == who { reads("first") } else { String::new() };
    let mut drawing = Drawing::of(["alice", "bob", "mallory"]);
    drawing.arrow((0, 1), "sendto", "", lang.say("is asked", "收到问题"));
    if observed.flag("comes_first") {
        drawing.arrow((2, 0), quoted("uninvited"), lang.say("uninvited", "不请自来"), read_from("mallory"));
    }
    drawing.arrow((1, 0), quoted("truth"), "", read_from("bob"));
    let connects = if observed.flag("halloo_connects") { " --connect" } else { "" };
    drawing.cells([format!("halloo send{connects}")]);
    drawing.arrow((0, 1), "", "", lang.say("is asked", "收到问题"));
    // Whoever is not turned away is told nothing.
    let turned_away = observed.text("mallory") != NOTHING;
    let fate = if turned_away { Fate::Lost } else { Fate::Arrives };
    let reads_uninvited = observed.text("connected") == observed.text("uninvited");
    let [first, second] =
        if reads_uninvited { [reads("connected"), String::new()] } else { [String::new(), reads("connected")] };
    drawing.go((2, 0), observed.text("mallory"), lang.say("uninvited", "不请自来"), first, fate);
    drawing.arrow((1, 0), quoted("truth"), "", second);
    drawing
}
