//! How many bytes one datagram carries, over IPv4 and over IPv6, and what becomes of one more.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use halloo::model::event::Role;
use halloo::model::lesson::{Observed, Value};
use halloo::model::{Family, Payload};
use halloo::net::bare::Bare;
use halloo::net::error_name;

use crate::lesson::actors::{self, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule, Sight};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, Place, Stage, Trouble};
use crate::lesson::text::{Lang, text};
use crate::lesson::wire::Packet;

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "limit",
    chapter: Chapter::Messages,
    core: true,
    needs: Needs::Loopback,
    title: text("How much fits into a datagram", "一个数据报装得下多少"),
    question: Question {
        asks: text(
            "The length of an IPv4 packet is a number of 16 bits, so the whole packet has 65535 bytes at most. How many \
             bytes can a program send in one UDP datagram over IPv4?",
            "IPv4 包的长度用 16 位表示，所以整个包最多 65535 字节。一个程序用 IPv4 上的 UDP，一个数据报最多能发多少字节？",
        ),
        ask: Ask::Number("largest"),
    },
    hint: text(
        "The headers are part of the packet. How long is that of IPv4, and how long that of UDP?",
        "首部也算在包里。IPv4 的首部有多长？UDP 的呢？",
    ),
    claim: text(
        "{packet} bytes of IPv4 less {headers} bytes of headers leave {largest}. What is longer is refused whole, and nothing \
         leaves.",
        "IPv4 包 {packet} 字节，减去首部 {headers} 字节，剩 {largest}。再长就整个被拒绝，一个字节也不发。",
    ),
    checks: &[
        Claim {
            // dotnet/corefx#23871: it takes 9216 bytes at most.
            macos: Rule::Say(&["EMSGSIZE", "EMSGSIZE", "EMSGSIZE", "EMSGSIZE"]),
            ..Claim::linux(
                "results",
                Rule::Say(&["EMSGSIZE", "EMSGSIZE", "ok", "ok"]),
                text("what does not fit is refused: EMSGSIZE", "装不下的被拒绝：EMSGSIZE"),
            )
        },
        Claim::linux("headers", Rule::Is(28), text("what is missing are the headers", "少掉的正好是首部")),
        Claim::linux(
            "arrived",
            Rule::SameAs("taken"),
            text("what was taken came whole, nothing else", "内核收下的都完整到达，别的都没来"),
        ),
        Claim::linux(
            "halloo",
            Rule::SameAs("taken"),
            text("halloo takes the same, and asks the kernel nothing", "halloo 不用问内核，也是这样判断"),
        ),
        Claim::linux(
            "results6",
            Rule::Say(&["EMSGSIZE", "ok"]),
            text("IPv6 does not count its own header, and takes more", "IPv6 不把自己的首部算进去，装得更多"),
        )
        .needing(Sight::Ipv6),
        Claim::wire("on_wire", Rule::SameAs("taken_count"), text("on the wire: not one more", "线路上：一个也不多")),
    ],
    elsewhere: text(
        "macOS takes 9216 bytes unless net.inet.udp.maxdgram is raised; Windows as here (not tried by us)",
        "macOS 默认最多 9216 字节（net.inet.udp.maxdgram）；Windows 和这里一样（我们没有试过）",
    ),
    try_this: "halloo send 127.0.0.1 --size 65508",
    why: text(
        "This limit is that of IPv4, and one byte more is not lost but refused: nothing is sent. That it can be sent does not make it wise: over Ethernet such a datagram is cut \
         into some 45 fragments, and if one is lost all are. About 1200 bytes pass almost everywhere. \
         halloo refuses what is too long before anything is sent, and never cuts it in silence.",
        "这个上限只对 IPv4；再大一个字节不是“丢包”，而是 sendto 报错，什么都没发出去。\
         能发不等于该发：走以太网时，这么大的数据报要切成 45 个左右的分片，丢一片就全丢。1200 字节左右几乎到处都能通过。\
         太长的数据，halloo 在发送之前就拒绝，绝不悄悄切开。",
    ),
    run,
    draw,
};

/// Bytes of an IPv4 packet at most: its length is a number of 16 bits (RFC 791).
const PACKET: usize = 65_535;

/// What is tried over IPv4, the longest first: were any of those that are refused on its way, it would come before the others.
const SIZES: [usize; 4] = [65_535, 65_508, 65_507, 65_506];

/// What is tried over IPv6, likewise.
const SIZES6: [usize; 2] = [65_528, 65_527];

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let mut observed = Observed::default();
    observed.put("packet", PACKET);
    over_ipv4(stage, &mut observed)?;
    over_ipv6(stage, &mut observed)?;
    Ok(observed)
}

/// What became of each size.
struct Tried {
    /// The bytes that were handed over.
    sizes: Vec<usize>,
    /// The error, or that it was taken.
    results: Vec<String>,
    /// The sizes that were taken.
    taken: Vec<usize>,
}

/// halloo's listener. Broken: its cup is too small.
fn listen(stage: &Stage, local: SocketAddr) -> Result<Server, Trouble> {
    let usual = Serves::a(Role::Listen);
    let cup = if stage.sabotaged() { 1000 } else { usual.cup };
    Server::start(&Place::Here, local, &Serves { cup, ..usual })
}

/// A first program sends each size to halloo's listener, which has heard all that were taken when this returns.
fn attempt(stage: &Stage, listener: &Server, bare: &Bare, sizes: &[usize]) -> Tried {
    // Broken: all of them are well below the limit.
    let less = if stage.sabotaged() { 1000 } else { 0 };
    let sizes: Vec<usize> = sizes.iter().map(|size| size - less).collect();
    let (mut results, mut taken) = (Vec::new(), Vec::new());
    for size in &sizes {
        let sent = bare.send_to(&vec![b'x'; *size], listener.address());
        results.push(actors::said(&sent));
        taken.extend(sent.is_ok().then_some(*size));
    }
    listener.has_heard(taken.len());
    Tried { sizes, results, taken }
}

fn over_ipv4(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let listener = listen(stage, LOOPBACK)?;
    let bare = actors::open()?;
    let mut wire = stage.wire()?;
    let tried = attempt(stage, &listener, &bare, &SIZES);
    observed.put("results", tried.results);
    observed.put("arrived", listener.heard().iter().map(|heard| heard.payload.len()).collect::<Vec<_>>());
    let fits = |size: &usize| Payload::pattern(*size, Family::V4).is_ok();
    observed.put("halloo", tried.sizes.iter().copied().filter(fits).collect::<Vec<_>>());
    observed.put("sizes", tried.sizes);
    if let Some(largest) = tried.taken.iter().max() {
        observed.put("largest", *largest);
        observed.put("headers", PACKET - largest);
    }
    if let Some(wire) = &mut wire {
        let port = listener.address().port();
        let count = |seen: &[Packet]| seen.iter().filter(|packet| packet.destination.port() == port).count();
        observed.put("on_wire", count(wire.until(|seen| count(seen) >= tried.taken.len())));
    }
    observed.put("taken_count", tried.taken.len());
    observed.put("taken", tried.taken);
    Ok(())
}

/// The same over IPv6, where this host has it.
fn over_ipv6(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let local = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
    let bare = match Bare::bind(local) {
        Err(fault) if NO_IPV6.contains(&error_name(fault).as_str()) => return Ok(()),
        bare => bare.doing("bind a sender of IPv6")?,
    };
    let listener = listen(stage, local)?;
    let tried = attempt(stage, &listener, &bare, &SIZES6);
    observed.put("sizes6", tried.sizes);
    observed.put("results6", tried.results);
    Ok(())
}

/// What a system says that has no IPv6, or no address for it: by name, and by the numbers of Windows.
const NO_IPV6: [&str; 4] = ["EAFNOSUPPORT", "EADDRNOTAVAIL", "10047", "10049"];

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let over_ipv6 = match observed.get("results6") {
        Some(_) => lang.say("over IPv6", "换成 IPv6"),
        None => lang.say("(no IPv6 here)", "（这里没有 IPv6）"),
    };
    let mut drawing = Drawing::of([lang.say("alice, over IPv4", "alice，IPv4"), "bob".to_owned(), over_ipv6]);
    let mut arrived = observed.list("arrived").iter();
    let mut over_ipv6 = rows(observed, "sizes6", "results6").into_iter();
    for (size, result) in observed.list("sizes").iter().zip(observed.list("results")) {
        if *result == Value::from("ok") {
            let recv = arrived.next().map_or_else(String::new, |len| format!("recv {len}"));
            drawing.arrow((0, 1), format!("sendto {size}"), "", recv);
        } else {
            drawing.cells([format!("sendto {size}: {result}")]);
        }
        drawing.beside(2, over_ipv6.next().unwrap_or_default());
    }
    let shape = text(
        "|{headers} headers|<-------- {largest} payload -------->| = {packet}",
        "|首部 {headers}|<---------- 载荷 {largest} ---------->| = {packet}",
    );
    drawing.cells([""]).line(shape.fill(observed, lang));
    drawing
}

/// Each size with what became of it.
fn rows(observed: &Observed, sizes: &str, results: &str) -> Vec<String> {
    let both = observed.list(sizes).iter().zip(observed.list(results));
    both.map(|(size, result)| format!("sendto {size}: {result}")).collect()
}
