//! What a stranger on the LAN can do to the servers with the addresses of neighbours that do not exist, and cannot: the answers
//! to them wait in the kernel, and leave room for those to honest ones.

#![cfg(all(target_os = "linux", feature = "lab"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests; the clock here is not the product's"
)]

mod support;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use halloo::lab::tables::{self, Table};
use halloo::wire::beacon::{LEAST_QUERY, Nonce, Query, Window};
use serde_json::Value;
use support::PATIENCE;
use support::catcher::Catcher;
use support::forge::{Forger, datagram, hardware};
use support::lan::{Host, Lan, link_local};
use support::program::{number, sum};

/// Datagrams of strangers who do not exist, at once: answers to a third of them fill the send buffer that Linux gives, even the
/// shortest.
const FORGED: u16 = 800;

/// The most that may wait for neighbours who are not known: half of the 212,992 bytes that Linux gives, or what `net/crowd.rs`
/// lends of a larger buffer.
const MOST_HELD: u32 = 128 << 10;

/// How many questions an honest client asks meanwhile, of which none may be lost.
const HONEST: usize = 20;

/// Of which neighbours: as few as a /24 has, or always others.
fn nobody(number: u16, six: bool) -> SocketAddr {
    let port = 20_000 + number;
    if six {
        SocketAddr::from((Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xdead, number), port))
    } else {
        SocketAddr::from((Ipv4Addr::new(10, 77, 0, 20 + (number % 200) as u8), port))
    }
}

/// What the kernel tells of the sockets on this port of a host, summed up: what waits to be read, and to be sent.
fn queues(host: Host<'_>, port: u16) -> (u32, u32) {
    let read = || [Table::Udp, Table::Udp6].map(|table| tables::read(table).unwrap());
    let all = host.within(read).unwrap();
    let its = all.iter().flatten().filter(|entry| entry.local.port() == port);
    its.fold((0, 0), |(receive, send), entry| (receive + entry.receive_queue, send + entry.send_queue))
}

/// Waits until all that came has been read.
fn all_is_read(host: Host<'_>, port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while queues(host, port).0 > 0 {
        assert!(Instant::now() < deadline, "the server on {port} reads no more");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Forges questions of neighbours who do not exist, and meanwhile asks what an honest client asks, who loses nothing. Says how
/// many questions those were.
fn attack(lan: &Lan, port: u16, six: bool, forged: &[u8], honest: impl Fn(usize) -> Vec<u8>) {
    let (stranger, client, victim) = (lan.host("h3"), lan.host("h1"), lan.host("h2"));
    let (bind, to, server) = if six {
        let address = link_local("10.77.0.2");
        ("[::]:0", SocketAddr::new(address.parse().unwrap(), port), format!("[{address}%2]:{port}"))
    } else {
        ("0.0.0.0:0", SocketAddr::from(([10, 77, 0, 2], port)), format!("10.77.0.2:{port}"))
    };
    let client = client.within(|| Catcher::on(bind)).unwrap();
    let (forger, hardware) = (Forger::new(stranger, "e0"), hardware(victim, "e0"));
    for number in 0..FORGED {
        forger.send(hardware, &datagram(nobody(number, six), to, forged));
        if number % 50 == 49 {
            // No more at once than fit into a receive buffer that is not raised, or an announcer keeps for their moment. What waits
            // for neighbours, waits for 3 s.
            all_is_read(victim, port);
        }
    }
    for number in 0..HONEST {
        // Lost is what comes 3 s later, too: by then no neighbour is waited for.
        client.ask(honest(number), &server);
        let (_, held) = queues(victim, port);
        assert!(held <= MOST_HELD, "{held} bytes wait for neighbours");
    }
}

/// That strangers met the limit, and that it was this limit alone.
fn held_back(summary: &Value) {
    let unknown = number(&summary["failed_by"], "neighbour_unknown");
    assert!(unknown > 0 && unknown == sum(&summary["failed_by"]), "{summary}");
}

#[test]
fn answers_to_neighbours_that_do_not_exist_leave_room_for_those_that_do() {
    let Some(lan) = Lan::new() else { return };
    let victim = lan.host("h2");
    // Long answers, which are few, and short ones; and several sockets, which have the neighbours of one host.
    for (command, len, six, threads) in [
        ("echo", 1_400, false, "1"),
        ("echo", 1, true, "1"),
        ("echo", 1, true, "8"),
        ("length", 1_400, true, "1"),
        ("length", 0, false, "8"),
    ] {
        let address = if six { "[::]:1060" } else { "0.0.0.0:1060" };
        let server = victim.serve(&[command, "--lan", address, "--json", "-q", "--threads", threads]);
        attack(&lan, 1060, six, &vec![b'x'; len], |number| number.to_string().into_bytes());
        let summary = server.stop().expect_code(0).summary();
        held_back(&summary);
        let [received, sent, failed] = ["received", "sent", "failed"].map(|key| number(&summary, key));
        assert_eq!((received, received), (u64::from(FORGED) + HONEST as u64, sent + failed), "{summary}");
    }
}

#[test]
fn one_question_from_many_who_do_not_exist_keeps_an_announcer_from_nobody() {
    let Some(lan) = Lan::new() else { return };
    let victim = lan.host("h2");
    let question = |number: usize| {
        let query = Query::to_everybody(Nonce([number as u8; 32]), Window::nearest(Duration::from_millis(1)));
        let mut bytes = Vec::new();
        query.write(LEAST_QUERY, None, &mut bytes);
        bytes
    };
    for six in [false, true] {
        let args = ["announce", "chat", "--port", "7000", "--name", "x", "--json", "-q"];
        let server =
            victim.halloo(&args).env("HALLOO_SECRET_FILE", "").env("XDG_STATE_HOME", "/dev/null/keeps/nothing");
        let server = server.serve();
        attack(&lan, 1061, six, &question(255), question);
        let summary = server.stop().expect_code(0).summary();
        held_back(&summary);
        assert!(number(&summary["answered"], "sent") >= HONEST as u64, "{summary}");
    }
}
