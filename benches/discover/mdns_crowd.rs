//! Many hosts that speak mDNS (RFC 6762), in one process, for `scripts/bench discover`:
//! `bench-mdns-crowd COUNT FIRST_ADDRESS OWN_ADDRESS`. Each offers one service of type _chat._tcp, and keeps the rules for
//! shared records: 20 to 120 ms until it answers, 400 to 500 ms more where a question goes on in the next packet (TC), silence where it is
//! listed as known, one multicast a second, unicast where that is asked for (QU).
//!
//! What follows the names is asked for is with every answer (SRV, TXT, A). All leave from one address: clients go by the
//! content.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
const TYPE: &str = "_chat._tcp.local";

const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const SRV: u16 = 33;
const ANY: u16 = 255;

/// Reads a name at `at`; where it ends.
fn name(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut labels, mut end, mut jumps) = (Vec::new(), None, 0);
    loop {
        match *packet.get(at)? {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            length if length >= 0xc0 => {
                end = end.or(Some(at + 2));
                at = usize::from(length & 0x3f) << 8 | usize::from(*packet.get(at + 1)?);
                jumps += 1;
                if jumps > 20 {
                    return None;
                }
            }
            length => {
                let bytes = packet.get(at + 1..at + 1 + usize::from(length))?;
                labels.push(String::from_utf8_lossy(bytes).to_ascii_lowercase());
                at += 1 + usize::from(length);
            }
        }
    }
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]))
}

#[derive(Default)]
struct Query {
    goes_on: bool,
    questions: Vec<(String, u16, bool)>,
    known: Vec<String>,
}

fn query(packet: &[u8]) -> Option<Query> {
    let flags = word(packet, 2)?;
    if flags & 0x8000 != 0 {
        return None;
    }
    let mut query = Query { goes_on: flags & 0x0200 != 0, ..Query::default() };
    let mut at = 12;
    for _ in 0..word(packet, 4)? {
        let (asked, end) = name(packet, at)?;
        query.questions.push((asked, word(packet, end)?, word(packet, end + 2)? & 0x8000 != 0));
        at = end + 4;
    }
    for _ in 0..word(packet, 6)? {
        let (_, end) = name(packet, at)?;
        let (kind, length) = (word(packet, end)?, usize::from(word(packet, end + 8)?));
        if kind == PTR {
            query.known.push(name(packet, end + 10)?.0);
        }
        at = end + 10 + length;
    }
    Some(query)
}

/// One answer of one host: PTR, and behind it SRV, TXT and A; 161 bytes or so.
fn answer(host: u32, first: Ipv4Addr) -> Vec<u8> {
    let label = |out: &mut Vec<u8>, text: &str| {
        out.push(text.len() as u8);
        out.extend(text.as_bytes());
    };
    let own = format!("host-{host:05}");
    let mut out = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 3];
    // _chat at 12, local at 23.
    ["_chat", "_tcp", "local"].into_iter().for_each(|text| label(&mut out, text));
    out.push(0);
    let head = |out: &mut Vec<u8>, kind: u16, class: u16, ttl: u32| {
        out.extend(kind.to_be_bytes());
        out.extend(class.to_be_bytes());
        out.extend(ttl.to_be_bytes());
    };
    let sized = |out: &mut Vec<u8>, data: &[u8]| {
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    };
    head(&mut out, PTR, 1, 4500);
    let instance = (out.len() + 2) as u16 | 0xc000;
    let mut data = Vec::new();
    label(&mut data, &own);
    data.extend([0xc0, 12]);
    sized(&mut out, &data);
    out.extend(instance.to_be_bytes());
    head(&mut out, SRV, 0x8001, 120);
    let target = (out.len() + 2 + 6) as u16 | 0xc000;
    let mut data = vec![0, 0, 0, 0, 0x1b, 0x58];
    label(&mut data, &own);
    data.extend([0xc0, 23]);
    sized(&mut out, &data);
    out.extend(instance.to_be_bytes());
    head(&mut out, TXT, 0x8001, 4500);
    let mut data = Vec::new();
    ["version=1.4.2", "os=linux", "room=lab-2"].into_iter().for_each(|text| label(&mut data, text));
    sized(&mut out, &data);
    out.extend(target.to_be_bytes());
    head(&mut out, A, 0x8001, 120);
    sized(&mut out, &(u32::from(first) + host).to_be_bytes());
    out
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (count, first): (u32, Ipv4Addr) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
    socket.join_multicast_v4(&GROUP, &args[3].parse().unwrap()).unwrap();
    socket.set_multicast_ttl_v4(255).unwrap();
    socket.set_multicast_loop_v4(false).unwrap();
    socket.set_read_timeout(Some(Duration::from_micros(500))).unwrap();
    let answers: Vec<Vec<u8>> = (0..count).map(|host| answer(host, first)).collect();
    let mut by_name: HashMap<String, u32> = HashMap::new();
    for host in 0..count {
        by_name.insert(format!("host-{host:05}.{TYPE}"), host);
        by_name.insert(format!("host-{host:05}.local"), host);
    }
    println!("ready");

    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |micros: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        Duration::from_micros(seed % micros)
    };
    let everybody = SocketAddr::from((GROUP, PORT));
    // For each host: the answer that waits, by its moment; when it last went to everybody.
    let mut waiting: Vec<Option<Instant>> = vec![None; count as usize];
    let mut last: Vec<Option<Instant>> = vec![None; count as usize];
    let mut due: BinaryHeap<Reverse<(Instant, u32, SocketAddr)>> = BinaryHeap::new();
    let mut buffer = [0; 9000];
    loop {
        if let Ok((length, from)) = socket.recv_from(&mut buffer)
            && let Some(query) = query(&buffer[..length])
        {
            let now = Instant::now();
            for known in &query.known {
                if let Some(host) = by_name.get(known) {
                    waiting[*host as usize] = None;
                }
            }
            let known: std::collections::HashSet<u32> =
                query.known.iter().filter_map(|known| by_name.get(known)).copied().collect();
            for (asked, kind, unicast) in query.questions {
                let to = if unicast { from } else { everybody };
                let more = if query.goes_on { Duration::from_millis(400) } else { Duration::from_millis(20) };
                if asked == TYPE && (kind == PTR || kind == ANY) {
                    for host in (0..count).filter(|host| !known.contains(host)) {
                        let at = now + more + below(100_000);
                        waiting[host as usize] = Some(at);
                        due.push(Reverse((at, host, to)));
                    }
                } else if let Some(host) = by_name.get(&asked).filter(|_| matches!(kind, A | SRV | TXT | ANY)) {
                    waiting[*host as usize] = Some(now);
                    due.push(Reverse((now, *host, to)));
                }
            }
        }
        for _ in 0..64 {
            let now = Instant::now();
            let Some(Reverse((at, host, to))) = due.peek().copied().filter(|Reverse((at, ..))| *at <= now) else { break };
            due.pop();
            let host = host as usize;
            let recent = last[host].is_some_and(|last| now - last < Duration::from_secs(1));
            if waiting[host] != Some(at) || (to == everybody && recent) {
                continue;
            }
            waiting[host] = None;
            if to == everybody {
                last[host] = Some(now);
            }
            let _unheeded = socket.send_to(&answers[host], to);
        }
    }
}
