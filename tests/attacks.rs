//! What a stranger on the LAN can do to the servers, and cannot: loops, forged sources, floods, forged ICMP messages, and
//! bytes that a terminal would obey.

#![cfg(all(target_os = "linux", feature = "lab"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests; the clock here is not the product's"
)]

mod support;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use halloo::lab::tables::{self, Table};
use halloo::lab::wire::{Tap, Way};
use halloo::lab::{HostPlan, Plan, Plug};
use halloo::wire::beacon::{Message, Nonce, Query, Window, read};
use serde_json::Value;
use support::PATIENCE;
use support::catcher::Catcher;
use support::flood;
use support::forge::{EVERYBODY, Forger, Naive, datagram, hardware, icmp};
use support::lan::{Host, Lan, link_local};
use support::program::{Output, Process, Run, Server, number, sum};

/// The program in a host, where nothing is kept.
fn halloo(host: Host<'_>, args: &[&str]) -> Run {
    host.halloo(args).env("HALLOO_SECRET_FILE", "").env("XDG_STATE_HOME", "/dev/null/keeps/nothing")
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The summary of a server, in which everything that came is in one counter.
fn account(output: Output) -> Value {
    let summary = output.expect_code(0).summary();
    let [received, sent, failed] = ["received", "sent", "failed"].map(|key| number(&summary, key));
    assert_eq!(received, sent + failed + sum(&summary["ignored"]), "{summary}");
    summary
}

/// Asks from a socket of its own in this host.
fn ask(host: Host<'_>, address: &str) {
    host.within(|| Catcher::on("0.0.0.0:0")).unwrap().ask("still there?", address);
}

/// The same, again and again until there is an answer.
fn is_served(host: Host<'_>, address: &str) {
    let client = host.within(|| Catcher::on("0.0.0.0:0")).unwrap();
    client.0.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let served = (0..50).any(|_| {
        client.send("still there?", address);
        client.0.recv(&mut [0; 100]).is_ok()
    });
    assert!(served, "an honest client is not served by {address} any more");
}

// ---- loops ---------------------------------------------------------------------------------------------------------

/// The most answers to one trigger: what one source may have at once, which is also how often the same bytes are answered.
const BURST: u64 = 1_000;

/// A server in `host` that tells of every datagram.
fn server(host: Host<'_>, command: &str, port: u16, rate: u64) -> Server {
    let (address, rate) = (format!(":{port}"), rate.to_string());
    host.serve(&[command, "--lan", &address, "--rate-limit", &rate, "--json"])
}

/// Waits until two looks, a second apart, see the same: all have come to rest.
fn come_to_rest(count: impl Fn() -> Vec<usize>) {
    let deadline = Instant::now() + PATIENCE;
    let mut before = count();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = count();
        if now == before {
            return;
        }
        assert!(Instant::now() < deadline, "they still keep each other busy: {before:?} {now:?}");
        before = now;
    }
}

#[test]
fn no_two_servers_keep_each_other_busy() {
    let Some(lan) = Lan::new() else { return };
    let (stranger, victims, peers) = (lan.host("h1"), lan.host("h2"), lan.host("h3"));
    let naive = [
        // As fast as it can; slower than the limit per second; and one that says something else each time.
        Naive::on(peers, 7_101, Duration::ZERO, |bytes, _| bytes.to_vec()),
        Naive::on(peers, 7_102, Duration::from_micros(1_500), |bytes, _| bytes.to_vec()),
        Naive::on(peers, 7_103, Duration::ZERO, |bytes, _| format!("{} bytes", bytes.len()).into_bytes()),
        Naive::on(peers, 7_104, Duration::ZERO, |_, round| format!("round {round}").into_bytes()),
    ];
    let _socat = peers.on_port(7_105, "socat", &["UDP4-RECVFROM:7105,fork", "PIPE"]);
    let others = [server(peers, "echo", 7_106, BURST), server(peers, "length", 7_107, BURST)];
    let servers: Vec<(Server, u16, u16, &str)> = (0..14u16)
        .map(|n| {
            let (command, port) = (["echo", "length"][usize::from(n % 2)], 7_001 + n);
            let peer = 7_101 + n / 2;
            // What says something else each time is for the limit per second alone, which is met on a slow machine too.
            let rate = if peer == 7_104 { 50 } else { BURST };
            (server(victims, command, port, rate), port, peer, command)
        })
        .collect();
    let (forger, to) = (Forger::new(stranger, "e0"), hardware(victims, "e0"));
    for (_, port, peer, _) in &servers {
        let (source, destination) = (format!("10.77.0.3:{peer}"), format!("10.77.0.2:{port}"));
        forger.send(to, &datagram(at(&source), at(&destination), b"x"));
    }
    for (server, ..) in &servers {
        server.process.wait_event("recv");
    }
    come_to_rest(|| {
        let all = servers.iter().map(|(server, ..)| server).chain(&others);
        all.map(|server| server.process.events_so_far("recv")).collect()
    });
    for (server, _, peer, command) in servers {
        let summary = account(server.stop());
        let sent = number(&summary, "sent");
        // Two more where what goes round changes at first.
        assert!((1..=BURST + 2).contains(&sent), "{command} and {peer}: {summary}");
        let echoes = command == "length" && [7_101, 7_102, 7_105, 7_106].contains(&peer);
        assert!(!echoes || sent == 1, "a length server answered its own sentence, echoed by {peer}: {summary}");
    }
    for other in others {
        assert!(number(&account(other.stop()), "sent") <= 2 * BURST, "two triggers");
    }
    assert!(naive.iter().map(Naive::rounds).all(|rounds| rounds >= 1), "every trigger worked");
}

#[test]
fn what_a_single_frame_could_start_does_not_begin() {
    let Some(lan) = Lan::new() else { return };
    let (stranger, victim) = (lan.host("h1"), lan.host("h2"));
    let servers = [victim, lan.host("h3")].map(|host| {
        let flags = ["--answer-broadcast", "--answer-any-port", "--share", "--json"];
        host.serve(&[&["echo", "--lan"], &flags[..]].concat())
    });
    // A service for its own host alone.
    let own = victim.within(|| Catcher::on("127.0.0.1:9999")).unwrap();
    let mut tap = Tap::open(&stranger, Some("e0")).unwrap();
    let (forger, to) = (Forger::new(stranger, "e0"), hardware(victim, "e0"));
    for (source, destination, hardware) in [
        ("0.0.0.0:1060", "255.255.255.255:1060", EVERYBODY),
        ("0.0.0.0:9999", "255.255.255.255:1060", EVERYBODY),
        ("10.77.0.255:7001", "10.77.0.2:1060", to),
        ("10.77.0.255:1060", "255.255.255.255:1060", EVERYBODY),
        ("10.77.0.3:1060", "10.77.0.2:1060", to),
    ] {
        forger.send(hardware, &datagram(at(source), at(destination), b"x"));
    }
    // And without any forgery: its own broadcast, from its own port.
    let share = ["broadcast", "x", "--from", ":1060", "--share"];
    victim.run(&share).expect_code(0);
    let expected = [
        ("10.77.0.2:1060", r#"{"bad_source":2,"own_port":4}"#),
        ("10.77.0.3:1060", r#"{"bad_source":1,"own_port":3}"#),
    ];
    for (server, (address, expected)) in servers.into_iter().zip(expected) {
        ask(stranger, address);
        let summary = account(server.stop());
        assert_eq!((number(&summary, "sent"), summary["ignored"].to_string()), (1, expected.to_owned()), "{summary}");
    }
    assert!(own.all().is_empty(), "a stranger reached a service on loopback");
    // Nobody said again to everybody what came by broadcast (RFC 922): there is only the one that was sent on purpose.
    let came = tap.take().unwrap().into_iter().filter(|frame| frame.way == Way::Broadcast);
    assert_eq!(came.filter(|frame| frame.packet.udp().is_some()).count(), 1);
}

// ---- forged sources ------------------------------------------------------------------------------------------------

/// What a frame looks like, and what becomes of it. `h1` sends it, at an interface whose address it has or not.
struct Specimen {
    source: &'static str,
    destination: &'static str,
    to_everybody: bool,
    /// What a server says; `""` where it answers, `"-"` where the kernel lets nothing through.
    server: &'static str,
    /// The same of one that answers broadcasts.
    broadcasts: &'static str,
    /// The same of one who announces.
    announcer: &'static str,
}

/// `source -> destination` by unicast, and what it gets.
const fn to_one(source: &'static str, gets: &'static str) -> Specimen {
    specimen(source, "10.77.0.2", false, [gets; 3])
}

const fn specimen(
    source: &'static str,
    destination: &'static str,
    to_everybody: bool,
    [server, broadcasts, announcer]: [&'static str; 3],
) -> Specimen {
    Specimen { source, destination, to_everybody, server, broadcasts, announcer }
}

/// The sources that a stranger can choose, with those that no host may have (RFC 1122 3.2.1.3).
const SPECIMENS: [Specimen; 18] = [
    to_one("10.77.0.1:0", "port_zero"),
    to_one("10.77.0.1:7", "risky_port"),
    // The server's own port.
    to_one("10.77.0.1:PORT", "own_port"),
    to_one("10.77.0.255:7001", "bad_source"),
    // Who announces asks first who is a neighbour.
    specimen("240.0.0.1:7001", "10.77.0.2", false, ["bad_source", "bad_source", "off_link"]),
    // The kernel takes these for martians (RFC 1812 5.3.7).
    to_one("255.255.255.255:7001", "-"),
    to_one("224.0.0.251:7001", "-"),
    to_one("127.0.0.1:7001", "-"),
    to_one("10.77.0.2:7001", "-"),
    to_one("0.0.0.0:7001", "-"),
    // Nobody has the address of the net itself, but it could be somebody's.
    to_one("10.77.0.0:7001", ""),
    // There is no way back.
    specimen("192.0.2.9:7001", "10.77.0.2", false, ["", "", "off_link"]),
    specimen("0.0.0.0:9999", "255.255.255.255", true, ["bad_source", "bad_source", "off_link"]),
    specimen("0.0.0.0:9999", "10.77.0.255", true, ["-"; 3]),
    specimen("10.77.0.255:7001", "255.255.255.255", true, ["bad_source"; 3]),
    specimen("10.77.0.4:7001", "255.255.255.255", true, ["broadcast", "", ""]),
    specimen("192.0.2.9:7001", "255.255.255.255", true, ["broadcast", "off_link", "off_link"]),
    // To everybody's hardware, and yet to one address: that is what counts (RFC 1122 3.3.6).
    specimen("10.77.0.5:7001", "10.77.0.2", true, [""; 3]),
];

/// Sends every specimen to a port, each with a payload of its own.
fn send_specimens(stranger: Host<'_>, victim: Host<'_>, port: u16, payload: impl Fn(u8) -> Vec<u8>) {
    let (forger, to) = (Forger::new(stranger, "e0"), hardware(victim, "e0"));
    for (specimen, number) in SPECIMENS.iter().zip(0..) {
        let source = specimen.source.replace("PORT", &port.to_string());
        let destination = SocketAddr::new(specimen.destination.parse().unwrap(), port);
        let hardware = if specimen.to_everybody { EVERYBODY } else { to };
        forger.send(hardware, &datagram(at(&source), destination, &payload(number)));
    }
}

/// What all specimens together should get: how many an answer, and how many are ignored for which reason.
fn expected(gets: impl Fn(&Specimen) -> &'static str) -> (u64, BTreeMap<String, u64>) {
    let (mut answers, mut reasons) = (0, BTreeMap::new());
    for specimen in &SPECIMENS {
        match gets(specimen) {
            "-" => {}
            "" => answers += 1,
            reason => *reasons.entry(reason.to_owned()).or_default() += 1,
        }
    }
    (answers, reasons)
}

fn reasons(summary: &Value) -> BTreeMap<String, u64> {
    summary["ignored"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(reason, count)| (reason.clone(), count.as_u64().unwrap()))
        .collect()
}

#[test]
fn every_forged_source_is_refused_for_its_reason_and_the_next_honest_one_served() {
    let Some(lan) = Lan::new() else { return };
    let (stranger, victim) = (lan.host("h1"), lan.host("h2"));
    let modes = [&["echo"][..], &["length"], &["echo", "--answer-broadcast"], &["length", "--answer-broadcast"]];
    for mode in modes {
        let server = victim.serve(&[mode, &["--lan", "--json", "-q"]].concat());
        for _ in 0..3 {
            send_specimens(stranger, victim, 1060, |_| b"x".to_vec());
        }
        ask(stranger, "10.77.0.2:1060");
        let summary = account(server.stop());
        let broadcasts = mode.contains(&"--answer-broadcast");
        let (answers, expected) = expected(|specimen| if broadcasts { specimen.broadcasts } else { specimen.server });
        let tripled = expected.into_iter().map(|(reason, count)| (reason, 3 * count)).collect();
        assert_eq!(reasons(&summary), tripled, "{mode:?}: {summary}");
        assert_eq!(number(&summary, "sent") + number(&summary, "failed"), 3 * answers + 1, "{mode:?}: {summary}");
    }
}

#[test]
fn a_listener_shows_every_forged_source_and_answers_none() {
    let Some(lan) = Lan::new() else { return };
    let (stranger, victim) = (lan.host("h1"), lan.host("h2"));
    let listener = victim.serve(&["listen", "--json"]);
    send_specimens(stranger, victim, 1060, |_| b"x".to_vec());
    stranger.run(&["send", "10.77.0.2", "last"]).expect_code(0);
    listener.process.wait_line(|line| line.contains("last"));
    let output = listener.stop().expect_code(0);
    let through = SPECIMENS.iter().filter(|specimen| specimen.server != "-").count() as u64;
    let summary = output.summary();
    assert_eq!((number(&summary, "received"), number(&summary, "sent")), (through + 1, 0), "{summary}");
    // What only the hardware was for everybody is not taken for a broadcast.
    let cast = |source: &str| output.events("recv").into_iter().find(|event| event["src"] == source).unwrap();
    assert_eq!(cast("10.77.0.5:7001")["cast"], "unicast");
    assert_eq!(cast("10.77.0.4:7001")["cast"], "limited");
}

#[test]
fn who_announces_answers_no_forged_source() {
    let Some(lan) = Lan::new() else { return };
    let (stranger, victim) = (lan.host("h1"), lan.host("h2"));
    let server = halloo(victim, &["announce", "chat", "--port", "7000", "--name", "x", "--json", "-q"]).serve();
    // A question of its own in each: a second answer to the same one is refused for another reason.
    send_specimens(stranger, victim, 1061, |number| {
        let window = Window::nearest(Duration::from_millis(1));
        let query = Query::to_everybody(Nonce([number; 32]), window);
        let mut bytes = Vec::new();
        query.write(0, None, &mut bytes);
        bytes
    });
    halloo(stranger, &["discover", "chat", "--expect", "1", "--interface", "e0"]).output().expect_code(0);
    let summary = server.stop().expect_code(0).summary();
    let (_, expected) = expected(|specimen| specimen.announcer);
    // An honest search asks by several ways and again, and a host hears its own announcements.
    let mut reasons = reasons(&summary);
    for honest in ["answered", "known", "ended", "wrong_kind"] {
        reasons.remove(honest);
    }
    assert_eq!(reasons, expected, "{summary}");
    let answered = &summary["answered"];
    assert_eq!(
        number(&summary, "received"),
        number(answered, "sent") + number(answered, "failed") + sum(&summary["ignored"])
    );
}

// ---- ports of services ---------------------------------------------------------------------------------------------

#[test]
fn no_port_of_a_service_is_answered_unless_that_is_asked_for() {
    let Some(lan) = Lan::new() else { return };
    let (client, host) = (lan.host("h1"), lan.host("h2"));
    let risky = [1, 7, 13, 19, 37, 53, 69, 123, 161, 389, 514, 1023, 1900, 2049, 3702, 5353, 5355, 11_211];
    let plain = [1024, 1899, 2050, 3701, 5354, 11_212];
    let (strict, lax) = (host.serve(&["echo", "--lan", "--json", "-q"]), &["echo", "--lan", ":1070", "--json", "-q"]);
    let lax = host.serve(&[lax, &["--answer-any-port"][..]].concat());
    for port in risky.into_iter().chain(plain) {
        let socket = client.within(|| Catcher::on(&format!("0.0.0.0:{port}"))).unwrap();
        assert_eq!(socket.ask("hi", "10.77.0.2:1070").0, b"hi");
        if plain.contains(&port) {
            assert_eq!(socket.ask("hi", "10.77.0.2:1060").0, b"hi");
        } else {
            socket.send("hi", "10.77.0.2:1060");
        }
    }
    ask(client, "10.77.0.2:1060");
    let summary = account(strict.stop());
    let counted = (number(&summary["ignored"], "risky_port"), number(&summary, "sent"));
    assert_eq!(counted, (risky.len() as u64, plain.len() as u64 + 1));
    assert_eq!(number(&account(lax.stop()), "sent"), (risky.len() + plain.len()) as u64);
}

// ---- floods --------------------------------------------------------------------------------------------------------

/// The most memory that a process ever had in RAM, in KiB (proc(5)).
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Neighbours that warm a server up until its tables have their last size: see `soak`.
const WARM: u32 = 60_000;

/// What it may have more of behind that, in KiB: what the allocator keeps. A byte kept of each that comes then is a sixth of
/// that.
const MOST_GROWTH: u64 = 1 << 10;

#[test]
fn a_flood_of_sources_takes_bounded_memory_and_leaves_the_service() {
    let host = |name, end| HostPlan::new(name).plug(Plug::new("e0", "br0").address(([10, 0, 0, end], 8)));
    let Some(lan) = Lan::of(&Plan::new().host(host("h1", 1)).host(host("h2", 2))) else { return };
    let (stranger, victim) = (lan.host("h1"), lan.host("h2"));
    // Lines that wait for their reader would take memory of their own, and are not the question here.
    let server = victim.serve(&["echo", "--lan", "-q"]);
    let (forger, to) = (Forger::new(stranger, "e0"), hardware(victim, "e0"));
    let neighbour = |n: u32| {
        let source = SocketAddr::from((Ipv4Addr::from_bits(0x0a01_0000 + n), 5000));
        forger.send(to, &datagram(source, at("10.0.0.2:1060"), b"x"));
    };
    let is_read = || victim.within(|| flood::read(&[1060], PATIENCE)).unwrap();
    for n in 0..WARM {
        neighbour(n);
        if n % 200 == 0 {
            is_read();
        }
    }
    // The batch that it reads into has its last size once more came at a time than it holds.
    (0..1_000).for_each(neighbour);
    is_read();
    is_served(stranger, "10.0.0.2:1060");
    let before = peak(&server);
    // 100,000 neighbours, each once.
    (WARM..WARM + 100_000).for_each(neighbour);
    // One of them from every port there is.
    for port in 0..=u16::MAX {
        forger.send(to, &datagram(SocketAddr::from(([10, 9, 9, 9], port)), at("10.0.0.2:1060"), b"x"));
    }
    is_served(stranger, "10.0.0.2:1060");
    let grown = peak(&server) - before;
    let output = server.stop().expect_code(0);
    let said = output.err();
    let ignored = said.lines().filter_map(|line| line.trim().split_once(" not answered: "));
    let ignored: u64 = ignored.map(|(count, _)| count.parse::<u64>().unwrap()).sum();
    let failed = if said.contains(" failed") { output.summed_up(" failed") } else { 0 };
    let received = output.summed_up(" datagrams, ");
    assert_eq!(received, output.summed_up(" answered, ") + failed + ignored, "{output}");
    assert!(received > u64::from(WARM) + 10_000, "no flood: {output}");
    output.says(&[" too often"]);
    assert!(grown <= MOST_GROWTH, "{grown} KiB more: {output}");
}

// ---- forged ICMP messages ------------------------------------------------------------------------------------------

/// Every message about a datagram that was not delivered: unreachable with all its codes, time exceeded, parameter problem
/// (RFC 792), and the same with packet too big (RFC 4443).
fn messages(v4: bool) -> impl Iterator<Item = (u8, u8)> {
    let kinds: &[(u8, u8)] = if v4 { &[(3, 15), (11, 1), (12, 2)] } else { &[(1, 8), (2, 0), (3, 1), (4, 3)] };
    kinds.iter().flat_map(|(kind, last)| (0..=*last).map(|code| (*kind, code)))
}

/// Forges all of them against every socket of `victim`, about datagrams to ports 1060 and 1070 of `stranger`, who says so.
fn forge_messages(stranger: Host<'_>, victim: Host<'_>) {
    let (forger, to) = (Forger::new(stranger, "e0"), hardware(victim, "e0"));
    let (own, other) = (stranger.link_local("e0").unwrap(), victim.link_local("e0").unwrap());
    for (table, own, other) in [
        (Table::Udp, stranger.address("e0").unwrap(), victim.address("e0").unwrap()),
        (Table::Udp6, own.into(), other.into()),
    ] {
        for socket in victim.within(|| tables::read(table)).unwrap().unwrap() {
            let all =
                [1060, 1070].into_iter().flat_map(|port| messages(own.is_ipv4()).map(move |message| (port, message)));
            for (port, (kind, code)) in all {
                let about = (SocketAddr::new(other, socket.local.port()), SocketAddr::new(own, port));
                forger.send(to, &icmp(own, kind, code, about));
            }
        }
    }
}

#[test]
fn no_forged_icmp_message_ends_anybody() {
    let Some(lan) = Lan::new() else { return };
    let (stranger, victim) = (lan.host("h1"), lan.host("h2"));
    let heard = |process: &Process, text: &str| process.wait_line(|line| line.contains(text));
    // A server that answers the probes, and one that answers once the messages were sent.
    let _echo = stranger.serve(&["echo", "--lan"]);
    let _echo6 = stranger.serve(&["echo", "[::]:1060"]);
    let late = stranger.within(|| Catcher::on("0.0.0.0:1070")).unwrap();
    let servers = ["0.0.0.0", "[::]"].map(|any| {
        let [echo, listen] = [1060, 1062].map(|port| format!("{any}:{port}"));
        (victim.serve(&["echo", &echo, "--json"]), victim.serve(&["listen", &listen, "--json"]))
    });
    let announcer = halloo(victim, &["announce", "chat", "--port", "7000", "--name", "victim", "--json"]).serve();
    let _printer = halloo(lan.host("h3"), &["announce", "print", "--port", "631", "--name", "before"]).serve();
    let watch = halloo(victim, &["discover", "print", "--watch", "--json"]).start();
    heard(&watch, "before");
    let there6 = format!("[{}%e0]:1060", link_local("10.77.0.1"));
    let [ping, ping6] = ["10.77.0.1:1060", &there6]
        .map(|to| victim.halloo(&["ping", to, "--interval", "100ms", "--wait", "1m", "--json"]).start());
    let send = victim.halloo(&["send", "10.77.0.1:1070", "hi", "--expect", "1", "--wait", "30s", "--json"]).start();
    let (_, asker) = late.next();
    for ping in [&ping, &ping6] {
        ping.wait_event("reply");
    }

    forge_messages(stranger, victim);

    late.send("HI", &asker.to_string());
    let to6 = |port: u16| format!("[{}%e0]:{port}", link_local("10.77.0.2"));
    for (n, (echo, listener)) in servers.into_iter().enumerate() {
        let [one, other] = [1060, 1062].map(|port| if n == 0 { format!("10.77.0.2:{port}") } else { to6(port) });
        stranger.run(&["send", &one, "hi", "--expect", "1"]).expect_code(0);
        stranger.run(&["send", &other, "still there?"]).expect_code(0);
        heard(&listener.process, "still there?");
        // Port unreachable was believed: so the others were not lost on their way either.
        let told = echo.stop().expect_code(0).summary();
        assert!(number(&told, "refused") > 0, "{told}");
        listener.stop().expect_code(0);
    }
    halloo(stranger, &["discover", "chat", "--expect", "1"]).output().expect_code(0);
    announcer.stop().expect_code(0);
    let _printer = halloo(stranger, &["announce", "print", "--port", "631", "--name", "behind"]).serve();
    heard(&watch, "behind");
    watch.stop().expect_code(0);
    for ping in [ping, ping6] {
        let summary = ping.stop().expect_code(0).summary();
        let [sent, replies, open, lost] = ["sent", "replies", "in_flight", "lost"].map(|key| number(&summary, key));
        assert_eq!((sent, lost), (replies + open, 0), "{summary}");
        assert!(number(&summary, "refused") > 0, "{summary}");
    }
    let summary = send.finish().expect_code(0).summary();
    assert!(number(&summary, "replies") == 1 && number(&summary, "refused") > 0, "{summary}");
}

// ---- bytes that a terminal would obey ------------------------------------------------------------------------------

/// ESC and CSI, C1, what turns text around, what is not seen, and what ends a line or a string.
const TRICKS: &str = "\u{1b}[2J\u{9b}6n\u{202e}\u{200b}\0\u{7}\r\n";

/// A head of CBOR and what follows (RFC 8949 section 3).
fn cbor(major: u8, length: usize, content: &[u8]) -> Vec<u8> {
    let head = match length {
        0..24 => vec![major << 5 | length as u8],
        24..256 => vec![major << 5 | 24, length as u8],
        _ => vec![major << 5 | 25, (length >> 8) as u8, length as u8],
    };
    [&head, content].concat()
}

fn text(text: &str) -> Vec<u8> {
    cbor(3, text.len(), text.as_bytes())
}

/// A reply of discovery, made by hand from the table in the documentation of `wire::beacon`.
fn reply(nonce: &Nonce, id: u8, kind: &str, name: &str, attribute: (&str, &str)) -> Vec<u8> {
    let pairs = [
        ("e", cbor(2, 8, &nonce.echo())),
        ("a", cbor(2, 4, &[10, 77, 0, 2])),
        ("id", cbor(2, 8, &[id; 8])),
        ("b", cbor(0, 1, &[])),
        ("q", cbor(0, 1, &[])),
        ("t", text(kind)),
        ("nm", text(name)),
        ("p", cbor(0, 80, &[])),
        ("at", [cbor(5, 1, &[]), text(attribute.0), text(attribute.1)].concat()),
        ("ttl", cbor(0, 60, &[])),
    ];
    let content: Vec<u8> = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    let body = cbor(5, pairs.len(), &content);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [b"HLO1\x02\x00", &length[..], &body].concat()
}

/// A host that answers every search with services that want to be obeyed.
fn answer_hostile(socket: &Catcher) {
    let mut buffer = [0; 1500];
    while let Ok((len, asker)) = socket.0.recv_from(&mut buffer) {
        let Ok((Message::Query(query), _)) = read(&buffer[..len]) else { return };
        for (id, kind, name, attribute) in [
            (1, "chat", TRICKS, ("key", TRICKS)),
            (2, TRICKS, "of a hostile type", ("key", "value")),
            (3, "chat", "with a hostile key", (TRICKS, "value")),
        ] {
            socket.send(reply(&query.nonce, id, kind, name, attribute), &asker.to_string());
        }
    }
}

#[track_caller]
fn obeys_nothing(shown: &Output) {
    for text in [shown.out(), shown.err()] {
        let harmful = |c: &char| (c.is_control() && *c != '\n') || "\u{202e}\u{200b}".contains(*c);
        assert_eq!(text.chars().find(harmful), None, "in {text:?}");
    }
}

#[test]
fn a_hostile_service_is_shown_and_not_obeyed() {
    let Some(lan) = Lan::new() else { return };
    let (hostile, client) = (lan.host("h2"), lan.host("h1"));
    let socket = hostile.within(|| Catcher::on("0.0.0.0:1061")).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| answer_hostile(&socket));
        let interface = ["--interface", "e0", "-4"];
        let discover = |flags: &[&str]| halloo(client, &[&["discover"], flags, &interface].concat());
        for flags in [&[][..], &["-v"], &["--full"], &["--json", "-v"]] {
            let shown = discover(flags).output();
            obeys_nothing(&shown);
            let name = if flags.contains(&"--json") { "\\u001b[2J" } else { "\\x1b[2J" };
            assert!(shown.out().contains(name), "{shown}");
            assert!(
                !shown.out().contains("of a hostile type") && !shown.out().contains("with a hostile key"),
                "{shown}"
            );
        }
        for flags in [&["--watch"][..], &["--watch", "--json"]] {
            let watch = discover(flags).start();
            watch.wait_line(|line| line.contains("[2J"));
            obeys_nothing(&watch.stop().expect_code(0));
        }
        // The end of who answers.
        client.within(|| Catcher::on("0.0.0.0:0")).unwrap().send("end", "10.77.0.2:1061");
    });
}

#[test]
fn a_hostile_payload_is_shown_and_not_obeyed() {
    let Some(lan) = Lan::new() else { return };
    let (hostile, client) = (lan.host("h2"), lan.host("h1"));
    for flags in [&[][..], &["--json"], &["--show", "hex"], &["-v"]] {
        let listener = client.serve(&[&["listen"], flags].concat());
        let socket = hostile.within(|| Catcher::on("0.0.0.0:0")).unwrap();
        let all: Vec<u8> = (0..=255).collect();
        for payload in [TRICKS.as_bytes(), &all, "end".as_bytes()] {
            socket.send(payload, "10.77.0.1:1060");
        }
        listener.process.wait_line(|line| line.contains("end") || line.contains("65 6e 64"));
        obeys_nothing(&listener.stop().expect_code(0));
    }
}
