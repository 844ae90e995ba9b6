//! A full receive buffer: what the sender is told, and what is lost.

use std::net::SocketAddr;

use halloo::model::event::Role;
use halloo::model::lesson::Observed;
use halloo::net::bare::Bare;
use halloo::net::options::RECEIVE_BUFFER;
use halloo::net::pair::PairEnd;

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, Stage, Trouble};
use crate::lesson::text::{Lang, text};
use crate::lesson::wire::Packet;

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "overflow",
    chapter: Chapter::NoPromises,
    core: true,
    needs: Needs::Loopback,
    title: text("The reader takes a nap", "接收方打了个盹"),
    question: Question {
        asks: text(
            "bob's socket has a small receive buffer, and bob is not reading just now. alice, on the same machine, sends \
             him 200 datagrams, one sendto() each. How many of her 200 calls fail?",
            "bob 的套接字接收缓冲区很小，而且他此刻没有在读。alice 和他在同一台机器上，用 200 次 sendto() 给他发 200 个数据报。\
             她有多少次调用失败？",
        ),
        ask: Ask::Number("failed"),
    },
    hint: text("Whose buffer is full, and who could tell alice so?", "满的是谁的缓冲区？谁能告诉 alice？"),
    claim: text(
        "{sent} sends, {failed} failures, and yet bob got only {read}: his kernel threw {dropped} away, on a machine that no \
         datagram ever left. An AF_UNIX pair tells its sender to wait ({unix_says}): of {unix_sent}, {unix_read} were read.",
        "发送 {sent} 次，失败 {failed} 次，bob 却只读到 {read} 个：他的内核丢掉了 {dropped} 个，而数据报根本没离开过本机。\
         一对 AF_UNIX 套接字会让发送方等待（{unix_says}）：发了 {unix_sent} 个，读到 {unix_read} 个。",
    ),
    checks: &[
        Claim::linux("failed", Rule::Is(0), text("no send fails", "没有一次发送失败")),
        Claim::wire(
            "wire",
            Rule::SameAs("sent"),
            text("all {sent} datagrams were on the wire", "{sent} 个数据报都在线路上出现过"),
        ),
        Claim::linux(
            "dropped",
            Rule::AtLeast(1),
            text("the kernel drops what does not fit: {dropped}", "放不下的被内核丢掉：{dropped} 个"),
        ),
        Claim::linux(
            "prefix",
            Rule::Yes,
            text("what was kept is the beginning, in order", "留下的是最前面的，顺序不变"),
        ),
        Claim::linux(
            "accounted",
            Rule::SameAs("sent"),
            text(
                "{read} read and {dropped} dropped make {accounted}",
                "读到 {read} 加丢掉 {dropped}，一共 {accounted}",
            ),
        ),
        Claim::linux(
            "halloo",
            Rule::SameAs("sent"),
            text("halloo listen, with more room, hears {halloo}", "缓冲区大的 halloo listen 听到 {halloo} 个"),
        ),
        Claim::linux(
            "unix_read",
            Rule::SameAs("unix_sent"),
            text(
                "over an AF_UNIX pair {unix_read} of {unix_sent} are read",
                "AF_UNIX 发 {unix_sent} 个，读到 {unix_read} 个",
            ),
        ),
    ],
    elsewhere: text("macOS and Windows lose too (not tried by us)", "macOS 和 Windows 上同样会丢（我们没有试过）"),
    try_this: "halloo listen --receive-buffer 4096 --timeout 2s -q & halloo send 127.0.0.1 x --count 50000 --interval 0 -q",
    why: text(
        "Every UDP socket has a receive buffer (SO_RCVBUF). What arrives while it is full is dropped by the kernel of the \
         receiver: UDP has no window that slows the sender down, as TCP has. The buffer counts the memory that the kernel \
         spends on a datagram, several hundred bytes even for one of one byte, so few fit. So read fast, ask for a large \
         buffer, and count: halloo asks for 4 MiB and reports the drops of its own socket in its last line. AF_UNIX \
         datagrams keep their edges too, but where there is no room their sender is told to wait. How many go before \
         differs: this is a connected pair; at a socket bound to a name, net.unix.max_dgram_qlen sets a lower limit.",
        "每个 UDP 套接字都有接收缓冲区（SO_RCVBUF）。缓冲区满的时候，后到的数据报由接收方的内核丢掉：UDP 没有 TCP 那样能让发送方慢下来的\
         窗口。缓冲区按内核为每个数据报花的内存来算，一个字节的数据报也要占几百字节，所以装不了几个。因此：读得快一点，缓冲区要大一点，\
         还要计数。halloo 申请 4 MiB，并在最后一行报告自己的套接字丢了多少。AF_UNIX 的数据报同样保留边界，但放不下的时候，\
         会让发送方等待。能先发多少个要看情况：这里是一对互相连接的套接字；发给绑定了名字的套接字，\
         上限更低，由 net.unix.max_dgram_qlen 决定。",
    ),
    run,
    draw,
};

/// Datagrams that are sent: more than a small buffer holds, fewer than one of the usual size does.
const SENT: usize = 200;

/// Bytes of the small buffer.
const SMALL: usize = 4096;

/// AF_UNIX sends at most so many before its sender would have to wait, whatever its buffers are.
const MOST: usize = 100_000;

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    observed.put("sent", SENT);
    to_a_sleeper(stage, &mut observed)?;
    observed.put("halloo", to_halloo()?);
    // Where there is no AF_UNIX, there is nothing to compare with.
    if let Ok((alice, bob)) = PairEnd::pair() {
        within_this_host(stage, (&alice, &bob), &mut observed)?;
    }
    Ok(observed)
}

/// Numbered datagrams to a socket with a small buffer that nobody reads until all are sent.
fn to_a_sleeper(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let mut wire = stage.wire()?;
    let bob = actors::open()?;
    let address = bob.local().doing("open bob's port")?;
    // Broken: there is room for all.
    let bytes = if stage.sabotaged() { RECEIVE_BUFFER } else { SMALL };
    bob.set_receive_buffer(bytes).doing("choose the size of the buffer")?;
    observed.put("failed", send_numbered(address)?);
    if stage.sabotaged() {
        // And somebody else has read one.
        bob.receive(64, PATIENCE).doing("read the first")?;
    }
    let read = read_all(&bob)?;
    let ends = read.first().zip(read.last());
    let kept = ends.map(|(first, last)| format!("{}..{}", actors::as_text(first), actors::as_text(last)));
    observed.put("kept", kept.unwrap_or_else(|| actors::NOTHING.to_owned()));
    observed.put("read", read.len());
    observed.put("prefix", read.iter().zip(1..).all(|(payload, number)| *payload == numbered(number)));
    if let Some(dropped) = bob.drops() {
        observed.put("dropped", dropped);
        observed.put("accounted", read.len() as u64 + dropped);
    }
    if let Some(wire) = &mut wire {
        let count =
            |packets: &[Packet]| packets.iter().filter(|packet| packet.destination.port() == address.port()).count();
        observed.put("wire", count(wire.until(|packets| count(packets) >= SENT)));
    }
    Ok(())
}

fn numbered(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Sends all, and says how many sends failed.
fn send_numbered(to: SocketAddr) -> Result<usize, Trouble> {
    let alice = actors::open()?;
    Ok((1..=SENT).filter(|number| alice.send_to(&numbered(*number), to).is_err()).count())
}

/// Reads until there is nothing left. Over loopback a datagram is in the buffer, or dropped, when its send returns.
fn read_all(bob: &Bare) -> Result<Vec<Vec<u8>>, Trouble> {
    let mut read = Vec::new();
    while let Some(gulp) = bob.receive(64, std::time::Duration::ZERO).doing("read what was kept")? {
        read.push(gulp.bytes);
    }
    Ok(read)
}

/// How many halloo's own listener hears, with the buffer that it asks for.
fn to_halloo() -> Result<usize, Trouble> {
    let bob = Server::start(&Place::Here, LOOPBACK, &Serves::a(Role::Listen))?;
    let payloads: Vec<Vec<u8>> = (1..=SENT).map(numbered).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    actors::send(&Place::Here, bob.address(), &payloads, Sends::from(LOOPBACK))?;
    bob.has_heard(SENT);
    Ok(bob.heard().len())
}

/// Sends until the sender is told to wait, then reads all.
fn within_this_host(stage: &Stage, (alice, bob): (&PairEnd, &PairEnd), observed: &mut Observed) -> Result<(), Trouble> {
    let (mut sent, mut says) = (0usize, "ok".to_owned());
    while says == "ok" && sent < MOST {
        says = actors::said(&alice.send(b"x"));
        sent += usize::from(says == "ok");
    }
    if stage.sabotaged() {
        // Broken: somebody else has read one.
        bob.receive(1).doing("read over AF_UNIX")?;
    }
    let mut read = 0usize;
    while bob.receive(1).doing("read over AF_UNIX")?.is_some() {
        read += 1;
    }
    observed.put("unix_says", says);
    observed.put("unix_sent", sent);
    observed.put("unix_read", read);
    Ok(())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let number = |name: &str| observed.number(name).unwrap_or_default();
    let (sent, read) = (number("sent"), number("read"));
    let mut drawing = Drawing::of([
        "alice".to_owned(),
        lang.say("bob's buffer", "bob 的缓冲区"),
        lang.say("bob (asleep)", "bob（睡着了）"),
    ]);
    // What is missing may have been read by somebody else.
    let lost = read < sent && observed.number("dropped") != Some(0);
    drawing.arrow((0, 1), format!("sendto 1..{}", if lost { read } else { sent }), "", lang.say("kept", "留下"));
    if lost {
        let full = lang.say("full: dropped", "满了：丢掉");
        drawing.go((0, 1), format!("sendto {}..{sent}", read + 1), "", full, Fate::Lost);
    }
    drawing.arrow((1, 2), "", "", format!("{} {}", lang.say("wakes up, reads", "醒来，读到"), observed.text("kept")));
    drawing.arrow((0, 2), format!("halloo send 1..{sent}"), "", format!("halloo listen: {}", number("halloo")));
    let unix = format!("AF_UNIX {}, {} {}", number("unix_sent"), lang.say("then", "然后"), observed.text("unix_says"));
    drawing.arrow((0, 2), unix, "", format!("{} {}", lang.say("reads", "读到"), number("unix_read")));
    drawing
}
