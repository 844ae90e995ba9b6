//! The broadcast address follows from the address and the mask; who has another mask is deaf to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use halloo::engine::broadcast::Form;
use halloo::model::Interface;
use halloo::model::event::Role;
use halloo::model::interface::BroadcastFrom;
use halloo::model::lesson::{Observed, Value};
use halloo::net::interfaces;

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::lan::Lan;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, Place, Stage, Topology, Trouble};
use crate::lesson::text::{Lang, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "mask",
    chapter: Chapter::ToEveryone,
    core: false,
    needs: Needs::Lan,
    title: text("The last address, and whose", "最后一个地址，是谁的？"),
    question: Question {
        asks: text(
            "carol has the address 10.9.0.3 with the prefix 25 (mask 255.255.255.128). Her broadcast address is \
             10.9.0.X. Which number is X?",
            "carol 的地址是 10.9.0.3，前缀长度 25（子网掩码 255.255.255.128）。她的广播地址是 10.9.0.X，X 是多少？",
        ),
        ask: Ask::Number("last"),
    },
    hint: text(
        "The first 25 bits stay as they are. All bits behind them become ones.",
        "前 25 位不变，后面的位全部变成 1。",
    ),
    claim: text(
        "One switch, two masks: each side shouts to an address that the other takes for a stranger's. Never put .255 \
         behind an address yourself; ask the system.",
        "同一台交换机，两种掩码：一方喊的地址，另一方以为是别人的。不要自己在地址后面写 .255，要去问系统。",
    ),
    checks: &[
        Claim::linux(
            "kernel",
            Rule::SameAs("computed"),
            text(
                "carol's kernel has the address that the bits give: {kernel}",
                "carol 的内核里正是按位算出的地址：{kernel}",
            ),
        ),
        Claim::linux(
            "carol_hears_alice",
            Rule::No,
            text("carol does not hear what alice sends to {alice_to}", "alice 发往 {alice_to} 的，carol 听不见"),
        ),
        Claim::linux(
            "others_hear_carol",
            Rule::No,
            text("nobody else hears what carol sends to {carol_to}", "carol 发往 {carol_to} 的，别人听不见"),
        ),
        Claim::linux(
            "all_hear_limited",
            Rule::Yes,
            text("everybody hears what carol sends to {limited_to}", "carol 发往 {limited_to} 的，大家都听得见"),
        ),
        Claim::linux(
            "pair_has_one",
            Rule::No,
            text(
                "with the prefix {pair_prefix} there is no broadcast address",
                "前缀长度为 {pair_prefix} 时没有广播地址",
            ),
        ),
    ],
    elsewhere: text(
        "the arithmetic is the same everywhere; who is deaf to whom we have tried on Linux only",
        "计算方法到处都一样；谁听不见谁，我们只在 Linux 上试过",
    ),
    try_this: "halloo interfaces",
    why: text(
        "A receiver compares the destination with its own addresses, its own broadcast address and \
         255.255.255.255, and drops the rest. Its broadcast address is computed from its own mask (network = \
         address AND mask, broadcast = address OR NOT mask), and no host knows the mask of another. Programs that \
         take every network for a /24 work at home and fail in an office. 255.255.255.255 fits every mask; by \
         which cable it leaves is another question (halloo learn limited). A cable between two hosts may have the \
         prefix 31: both addresses are hosts, and none is left for everybody (RFC 3021).",
        "接收方拿目的地址同自己的地址、自己的广播地址和 255.255.255.255 相比，都不是就丢掉。广播地址由自己的掩码算出，谁也不知道别人的掩码。\
         网络地址 = IP 与 掩码，广播地址 = IP 或（掩码取反）。把所有网络都当成 /24 的程序，在家里能用，到了公司就失灵。\
         255.255.255.255 对任何掩码都合适，从哪根网线出去是另一个问题（halloo learn limited）。两台主机之间的线路可以用 /31：\
         两个地址都给了主机，没有剩下的给“所有人”（RFC 3021）。",
    ),
    run,
    draw,
};

/// Those on one switch.
const HOSTS: [&str; 3] = ["alice", "bob", "carol"];

/// What is said: to the own broadcast address, and by `carol` to that of everybody.
const FROM_ALICE: &[u8] = b"from alice";
const FROM_CAROL: &[u8] = b"from carol";
const LIMITED: &[u8] = b"from carol to whoever is there";

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    // Broken: all masks are the same.
    let lan = stage.lan(if stage.sabotaged() { Topology::Five } else { Topology::Masks })?;
    let mut observed = Observed::default();
    put_bits(&mut observed, &row(&lan, "carol")?)?;
    put_pair(&mut observed, &row(&lan, "dave")?);
    observed.put("alice_prefix", prefix(&row(&lan, "alice")?));
    speak(&mut observed, &lan, stage.sabotaged())?;
    Ok(observed)
}

/// What a host knows of its interface.
fn row(lan: &Lan, host: &str) -> Result<Interface, Trouble> {
    let address = lan.address(host, "e0")?;
    let table = lan.at(host)?.within(interfaces::list)?.doing("list the interfaces")?;
    table.owner(IpAddr::V4(address)).cloned().doing("find an interface")
}

fn prefix(row: &Interface) -> u64 {
    row.facts.address.map_or(0, |(_, prefix)| prefix.into())
}

/// The address of `carol`, and her broadcast address: as the kernel has it, and as the bits give it.
fn put_bits(observed: &mut Observed, carol: &Interface) -> Result<(), Trouble> {
    let address = carol.ipv4().doing("look for carol's address")?;
    let mask = mask(prefix(carol));
    observed.put("address", address.to_string());
    observed.put("prefix", prefix(carol));
    observed.put("mask", Ipv4Addr::from_bits(mask).to_string());
    observed.put("network", Ipv4Addr::from_bits(address.to_bits() & mask).to_string());
    observed.put("computed", Ipv4Addr::from_bits(address.to_bits() | !mask).to_string());
    if let Some((kernel, BroadcastFrom::System)) = carol.broadcast {
        let [.., last] = kernel.octets();
        observed.put("kernel", kernel.to_string());
        observed.put("last", u64::from(last));
    }
    Ok(())
}

fn mask(prefix: u64) -> u32 {
    let host_bits = u32::try_from(prefix).ok().and_then(|prefix| u32::MAX.checked_shr(prefix));
    !host_bits.unwrap_or(0)
}

/// Whether one of two who have a cable of their own has a broadcast address.
fn put_pair(observed: &mut Observed, dave: &Interface) {
    observed.put("pair_prefix", prefix(dave));
    observed.put("pair_has_one", dave.broadcast.is_some());
    observed.put("pair_to", dave.broadcast.map_or_else(String::new, |(address, _)| address.to_string()));
}

/// Everybody listens, `alice` and `carol` broadcast.
fn speak(observed: &mut Observed, lan: &Lan, sabotaged: bool) -> Result<(), Trouble> {
    let mut servers: Vec<Server> = Vec::new();
    let mut addresses = Vec::new();
    for host in HOSTS {
        let own = lan.address(host, "e0")?;
        // Broken: bob listens on his own address only.
        let bound = if sabotaged && host == "bob" { own } else { Ipv4Addr::UNSPECIFIED };
        let local = SocketAddr::from((bound, actors::port_of(&servers)));
        servers.push(Server::start(&lan.at(host)?, local, &Serves::a(Role::Listen))?);
        addresses.push(SocketAddr::from((own, actors::port_of(&servers))));
    }
    let port = actors::port_of(&servers);
    observed.put("alice_to", broadcast(&lan.at("alice")?, port, Form::Directed, FROM_ALICE)?);
    observed.put("carol_to", broadcast(&lan.at("carol")?, port, Form::Directed, FROM_CAROL)?);
    observed.put("limited_to", broadcast(&lan.at("carol")?, port, Form::Limited, LIMITED)?);
    let speakers = ["alice", "carol"];
    for speaker in speakers {
        actors::say_last(&lan.at(speaker)?, &addresses)?;
    }
    actors::have_heard_last(&servers.iter().collect::<Vec<_>>(), speakers.len())?;
    let heard =
        |said| HOSTS.into_iter().zip(&servers).filter(move |(_, server)| server.knows(said)).map(|(host, _)| host);
    let lists = [FROM_ALICE, FROM_CAROL, LIMITED].map(|said| heard(said).collect::<Vec<_>>());
    observed.put("carol_hears_alice", lists[0].contains(&"carol"));
    observed.put("others_hear_carol", lists[1].iter().any(|host| *host != "carol"));
    observed.put("all_hear_limited", lists[2] == HOSTS);
    let [alice, carol, limited] = lists;
    observed.put("alice_heard_by", alice);
    observed.put("carol_heard_by", carol);
    observed.put("limited_heard_by", limited);
    Ok(())
}

/// Broadcasts with halloo, and tells the address it was sent to.
fn broadcast(place: &Place, port: u16, form: Form, said: &[u8]) -> Result<String, Trouble> {
    let told = actors::broadcast(place, port, form, &[said], Sends::anyhow())?;
    actors::sent_to(&told).map(|to| to.ip().to_string()).doing("broadcast")
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let row = |label, name, beside: &str| bits_row(observed, label, name, beside);
    let mut drawing = Drawing::of(row(lang.say("address", "地址"), "address", "carol"));
    let [_, _, ones, ..] = row(String::new(), "mask", "");
    drawing.cells([lang.say("mask", "掩码"), format!("/{}", observed.text("prefix")), ones]);
    drawing.cells(row(lang.say("network", "网络地址"), "network", &lang.say("AND mask", "与 掩码")));
    drawing.cells(row(lang.say("broadcast", "广播地址"), "computed", &lang.say("OR NOT mask", "或 掩码取反")));
    let [alice, bob, carol] = HOSTS.map(str::to_owned);
    drawing.cells([lang.say("who says", "谁发"), lang.say("to", "发往"), String::new(), alice, bob, carol]);
    let who = |name: &str, prefix| format!("{name} /{}", observed.text(prefix));
    for (host, prefix, to, by) in [
        ("alice", "alice_prefix", "alice_to", "alice_heard_by"),
        ("carol", "prefix", "carol_to", "carol_heard_by"),
        ("carol", "prefix", "limited_to", "limited_heard_by"),
    ] {
        drawing.cells(hearing_row(observed, who(host, prefix), (to, by), lang));
    }
    let none = lang.say("none", "没有");
    let pair = Some(observed.text("pair_to")).filter(|to| !to.is_empty()).unwrap_or(none);
    drawing.cells([who("dave", "pair_prefix"), pair]);
    drawing
}

/// A label, an address, its bits with a bar where the host part begins, and a word.
fn bits_row(observed: &Observed, label: String, name: &str, beside: &str) -> [String; 6] {
    let address = observed.text(name);
    let bits = address.parse::<Ipv4Addr>().map_or(0, Ipv4Addr::to_bits);
    let prefix = observed.number("prefix").unwrap_or_default();
    let beside = beside.to_owned();
    [label, address, barred(bits, prefix), String::new(), String::new(), beside]
}

/// The bits of an address, with dots between bytes and a bar behind the prefix.
fn barred(bits: u32, prefix: u64) -> String {
    let mut barred = String::new();
    for place in 0..u32::BITS {
        match place {
            0 => {}
            _ if u64::from(place) == prefix => barred.push('|'),
            _ if place % 8 == 0 => barred.push('.'),
            _ => {}
        }
        barred.push(if bits & (1 << (u32::BITS - 1 - place)) == 0 { '0' } else { '1' });
    }
    barred
}

/// Who speaks, to which address, and who hears it.
fn hearing_row(observed: &Observed, who: String, (to, by): (&str, &str), lang: Lang) -> [String; 6] {
    let hears = text("hears", "听见").raw(lang);
    let mark = |host: &str| if observed.list(by).contains(&Value::from(host)) { hears } else { "-" };
    let [alice, bob, carol] = HOSTS.map(|host| mark(host).to_owned());
    [who, observed.text(to), String::new(), alice, bob, carol]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_stands_where_the_host_part_begins() {
        assert_eq!(barred(0x0a09_0003, 25), "00001010.00001001.00000000.0|0000011");
        assert_eq!(barred(mask(24), 24), "11111111.11111111.11111111|00000000");
        assert_eq!([mask(0), mask(31), mask(32)], [0, !1, !0]);
    }
}
