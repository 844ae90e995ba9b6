//! `length` and `echo` on real sockets.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

#[cfg(feature = "lab")]
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use support::catcher::Catcher;
use support::lan::{Lan, as_nobody, is_root, link_local};
use support::program::{HALLOO, Run, Server, halloo, number, numbers, public_copies, serve};
use support::{PATIENCE, Untold, pattern, portable, told};

const LIMIT: usize = 65_507;

/// Asks a server once with the first bytes of `whole`, for every length there is, and looks at each answer; there is one
/// for each. In several threads: there are 65,508 of them.
fn ask_every_length(command: &str, whole: &[u8], is_right: impl Fn(&[u8], &[u8]) -> bool + Sync) {
    let server = serve(&[command, "127.0.0.1:0", "-q"]);
    let (to, is_right) = (&server.address(), &is_right);
    std::thread::scope(|scope| {
        for start in 0..4 {
            scope.spawn(move || {
                let client = Catcher::new();
                client.0.connect(to).unwrap();
                let mut answer = vec![0; LIMIT + 1];
                for len in (start..=LIMIT).step_by(4) {
                    client.0.send(&whole[..len]).unwrap();
                    let got = client.0.recv(&mut answer).unwrap_or_else(|error| panic!("{len} bytes: {error}"));
                    assert!(is_right(&whole[..len], &answer[..got]), "{len} bytes");
                }
                assert!(client.all().is_empty(), "more answers than questions");
            });
        }
    });
    server.stop().expect_code(0).says(&["-- 65508 datagrams", "65508 answered"]);
}

#[test]
fn length_says_the_number_of_bytes_for_every_number_there_is() {
    let said = |asked: &[u8]| format!("your data was {} bytes long", asked.len());
    // Bytes that are not text.
    ask_every_length("length", &[0xff; LIMIT], |asked, answer| answer == said(asked).as_bytes());
}

#[test]
fn length_counts_bytes_and_not_characters() {
    let server = serve(&["length", "127.0.0.1:0"]);
    let client = Catcher::new();
    for (bytes, number) in [("".as_bytes(), 0), ("你好".as_bytes(), 6), (b"\0\n\xff", 3), (b"\x1b[2J", 4)] {
        let (answer, _) = client.ask(bytes, &server.address());
        assert_eq!(answer, format!("your data was {number} bytes long").as_bytes());
    }
    server.stop().expect_code(0);
}

#[test]
fn echo_returns_every_byte_at_every_size() {
    ask_every_length("echo", &pattern(LIMIT), |asked, answer| asked == answer);
}

#[test]
fn echo_returns_every_size_over_ipv6() {
    let server = serve(&["echo", "[::1]:0", "-q"]);
    let client = Catcher::on("[::1]:0");
    let whole = pattern(65_527);
    for len in [0, 1, 1452, 1453, LIMIT, 65_527] {
        let (answer, _) = client.ask(&whole[..len], &server.address());
        assert!(answer == whole[..len], "{len} bytes came back changed");
    }
    server.stop().expect_code(0);
}

#[test]
fn echo_in_upper_case_and_with_a_prefix() {
    let server = serve(&["echo", "127.0.0.1:0", "--upper", "--prefix", "you said: "]);
    let (answer, _) = Catcher::new().ask("straße 你\n", &server.address());
    assert_eq!(answer, "you said: STRAßE 你\n".as_bytes());
    server.stop().expect_code(0);
}

#[test]
fn one_socket_serves_many_clients_each_with_its_own_answer() {
    let server = serve(&["echo", "127.0.0.1:0", "--json"]);
    let clients: Vec<Catcher> = (0..100).map(|_| Catcher::new()).collect();
    let text = |number: usize, round: usize| format!("{number} in round {round}");
    for round in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            client.send(text(number, round), &server.address());
        }
        for (number, client) in clients.iter().enumerate() {
            assert_eq!(client.next().0, text(number, round).as_bytes());
        }
    }
    let summary = server.stop().expect_code(0).summary();
    assert_eq!((summary["received"].as_u64(), summary["peers"].as_u64()), (Some(300), Some(100)));
}

#[test]
fn a_client_that_vanished_does_not_end_the_service() {
    let server = serve(&["echo", "127.0.0.1:0", "--json"]);
    for _ in 0..50 {
        // Gone before the answer, which so meets a closed port (ICMP), or just after it.
        Catcher::new().send("anybody?", &server.address());
    }
    let honest = Catcher::new();
    assert_eq!(honest.ask("still there?", &server.address()).0, b"still there?");
    let summary = server.stop().expect_code(0).summary();
    assert_eq!(summary["received"], 51);
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    let server = serve(&["echo", "0.0.0.0:0"]);
    for address in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
        let asked = format!("{address}:{}", server.port());
        let client = Catcher::new();
        if portable(Untold::Source) {
            // The system chooses: for loopback its first address.
            assert_eq!(client.ask("hi", &asked).1.to_string(), format!("127.0.0.1:{}", server.port()));
            continue;
        }
        assert_eq!(client.ask("hi", &asked).1.to_string(), asked);
        // A connected socket hears nobody else.
        client.0.connect(&asked).unwrap();
        client.0.send(b"hi").unwrap();
        assert_eq!(client.next().0, b"hi");
    }
    server.stop().expect_code(0);
}

#[test]
fn a_datagram_that_is_not_answered_is_counted_with_its_reason_and_the_service_goes_on() {
    let server = serve(&["echo", "127.0.0.1:0", "--json", "--prefix", "x"]);
    let (own_port, client) = (Catcher::on(&format!("127.0.0.9:{}", server.port())), Catcher::new());
    // From another server of this kind, which would answer the answer.
    own_port.send("loop?", &server.address());
    // With the prefix it fits into no datagram.
    client.send(pattern(LIMIT), &server.address());
    // Nothing that could end a careless server.
    for bytes in [&b""[..], b"\0", b"\xff\xfe", b"\x1b]0;title\x07", b"%s%n", b"{\"event\":\"summary\"}\n"] {
        assert_eq!(client.ask(bytes, &server.address()).0, [b"x", bytes].concat());
    }
    let output = server.stop().expect_code(0);
    let reasons: Vec<_> = output.events("ignored").iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, ["own_port", "reply_too_long"]);
    let summary = output.summary();
    assert_eq!((summary["received"].as_u64(), summary["sent"].as_u64()), (Some(8), Some(6)));
    assert_eq!((&summary["ignored"]["own_port"], &summary["ignored"]["reply_too_long"]), (&1.into(), &1.into()));
    assert!(own_port.all().is_empty());
}

#[test]
fn two_length_servers_do_not_talk_to_each_other() {
    let server = serve(&["length", "127.0.0.1:0", "--json"]);
    let client = Catcher::new();
    client.send("your data was 27 bytes long", &server.address());
    assert_eq!(client.ask("your data was long", &server.address()).0, b"your data was 18 bytes long");
    let output = server.stop().expect_code(0);
    assert_eq!(output.events("ignored")[0]["reason"], "own_reply");
    assert_eq!(output.summary()["sent"], 1);
}

#[test]
fn a_server_says_one_line_for_each_datagram_and_less_when_quiet() {
    let said = |flags: &[&str]| {
        let server = serve(&[&["echo", "127.0.0.1:0"], flags].concat());
        let (client, own_port) = (Catcher::new(), Catcher::on(&format!("127.0.0.9:{}", server.port())));
        own_port.send("loop?", &server.address());
        client.ask("hi", &server.address());
        client.ask("", &server.address());
        server.stop().expect_code(0)
    };
    let plain = said(&[]);
    assert_eq!(plain.out().lines().count(), 3, "{plain}");
    plain.shows(&["2 B  \"hi\"", "0 B  (empty)"]).says(&["listening on 127.0.0.1:", "-- 3 datagrams, 7 B, 2 senders"]);
    let quiet = said(&["--quiet"]);
    assert_eq!(quiet.out(), "");
    assert_eq!(quiet.err().lines().next().map(|line| line.starts_with("listening on ")), Some(true));
    quiet.says(&["-- 3 datagrams"]);
    said(&["--verbose"]).says(&["not answered"]);
}

#[test]
fn the_end_of_a_server_is_as_it_was_asked() {
    for command in ["echo", "length", "listen"] {
        let counted = serve(&[command, "127.0.0.1:0", "--count", "2"]);
        let client = Catcher::new();
        client.send("one", &counted.address());
        client.send("two", &counted.address());
        counted.finish().expect_code(0).says(&["-- 2 datagrams"]);
        let output = halloo([command, "127.0.0.1:0", "--timeout", "50ms", "--json"]).output().expect_code(1);
        assert!(output.summary()["elapsed_s"].as_f64().unwrap() >= 0.05, "{output}");
        let quiet = serve(&[command, "127.0.0.1:0", "--idle", "200ms"]);
        client.send("one", &quiet.address());
        quiet.finish().expect_code(0).says(&["-- 1 datagram,"]);
    }
}

#[test]
fn a_port_that_is_in_use_is_the_system_s_refusal_unless_it_is_shared() {
    let first = serve(&["echo", "127.0.0.1:0"]);
    halloo(["echo", &first.address()]).output().expect_code(4).says(&[&first.address(), "in use", "--share"]);
    halloo(["listen", &first.address(), "--share"]).output().expect_code(4);
    let shared = serve(&["listen", "127.0.0.1:0", "--share"]);
    let second = serve(&["listen", &shared.address(), "--share"]);
    assert_eq!(shared.local, second.local);
}

/// How often each of the threads that serve has gone to sleep.
fn sleeps_of_workers(server: &Server) -> Vec<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.process.id())).unwrap();
    let of_task = |path: std::path::PathBuf| {
        let status = std::fs::read_to_string(path.join("status")).unwrap();
        let value = |key| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
        (value("Name:") == "halloo worker").then(|| value("voluntary_ctxt_switches:").parse().unwrap())
    };
    tasks.filter_map(|task| of_task(task.unwrap().path())).collect()
}

/// The same of two, once both are there: a thread gives itself its name, and may do so behind the line `listening`.
fn sleeps_of_both_workers(server: &Server) -> Vec<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sleeps = sleeps_of_workers(server);
        if sleeps.len() == 2 {
            return sleeps;
        }
        assert!(Instant::now() < deadline, "{sleeps:?}");
        std::thread::yield_now();
    }
}

#[test]
fn several_threads_share_the_clients_and_are_one_server() {
    let server = serve(&["echo", "127.0.0.1:0", "--threads", "2", "--json"]);
    let to = &server.address();
    let before = sleeps_of_both_workers(&server);
    // Which socket a client is given to is by its port: that all 32 meet at one happens once in 2^31 times.
    std::thread::scope(|scope| {
        for number in 0..32 {
            scope.spawn(move || {
                let client = Catcher::new();
                for round in 0..100 {
                    let text = format!("{number} in round {round}");
                    assert_eq!(client.ask(&text, to).0, text.as_bytes());
                }
            });
        }
    });
    let after = sleeps_of_workers(&server);
    assert!(before.iter().zip(&after).all(|(before, after)| after > before), "{before:?} {after:?}");
    let output = server.stop().expect_code(0);
    let summary = output.summary();
    assert_eq!(numbers(&summary, ["received", "sent", "peers", "unread"]), [3200, 3200, 32, 0]);
    assert_eq!(summary["kernel_drops"], told(Untold::Drops, 0));
    let seqs: Vec<u64> = output.events("recv").iter().map(|event| number(event, "seq")).collect();
    assert_eq!(seqs, (0..3200).collect::<Vec<_>>());
    assert_eq!(output.events("listening").len(), 1);
}

#[test]
fn several_threads_end_together_and_have_one_count() {
    let server = serve(&["length", "127.0.0.1:0", "--threads", "4", "--count", "10", "--json"]);
    let clients: Vec<Catcher> = (0..20).map(|_| Catcher::new()).collect();
    clients.iter().for_each(|client| client.send("x", &server.address()));
    let summary = server.finish().expect_code(0).summary();
    // Those that came when it had ended met a closed port.
    let [received, unread] = numbers(&summary, ["received", "unread"]);
    // Where drops are not told, there is room for these few.
    let drops = if portable(Untold::Drops) { 0 } else { number(&summary, "kernel_drops") };
    assert!(received == 10 && unread <= 10 && drops == 0, "{summary}");
    halloo(["echo", "127.0.0.1:0", "--threads", "3", "--timeout", "50ms"]).output().expect_code(1);
    let quiet = serve(&["echo", "127.0.0.1:0", "--threads", "3", "--idle", "200ms"]);
    clients[0].send("x", &quiet.address());
    quiet.finish().expect_code(0).says(&["-- 1 datagram,"]);
}

#[test]
fn several_threads_take_one_port_that_is_nobody_else_s() {
    let alone = serve(&["echo", "127.0.0.1:0"]);
    let shared = serve(&["echo", "127.0.0.1:0", "--share"]);
    let together = serve(&["echo", "127.0.0.1:0", "--threads", "2"]);
    for address in [alone.address(), shared.address(), together.address()] {
        halloo(["echo", &address, "--threads", "2"]).output().expect_code(4).says(&["in use"]);
        halloo(["echo", &address]).output().expect_code(4).says(&["in use"]);
    }
    let with_others = serve(&["echo", &shared.address(), "--threads", "2", "--share"]);
    assert_eq!(with_others.local, shared.local);
}

#[test]
fn a_broadcast_to_several_threads_is_one_datagram_and_has_one_answer() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host("h1");
    let ask = |to: &str, wait: &str| {
        let asked = client.run(&["send", to, "hi", "--interface", "e0", "--wait", wait, "--expect", "1", "--json"]);
        asked.expect_code(0)
    };
    for (local, everybody) in
        [("0.0.0.0:1060", &["10.77.0.255", "255.255.255.255"][..]), ("[::]:1060", &["[ff02::1%e0]:1060"])]
    {
        let server = lan.host("h2").serve(&["echo", local, "--answer-broadcast", "--threads", "4", "--json"]);
        let asked = everybody.len() as u64;
        for to in everybody {
            // It ends with the first answer.
            ask(to, "5s");
        }
        // What the other sockets were given was there before the answer.
        let output = server.stop().expect_code(0);
        assert_eq!(output.events("recv").len() as u64, asked);
        assert!(output.events("recv").iter().all(|event| event["cast"] != "unicast"));
        assert_eq!(numbers(&output.summary(), ["received", "sent", "unread"]), [asked, asked, 0]);
        assert_eq!(output.summary()["kernel_drops"], told(Untold::Drops, 0));
    }
}

#[test]
fn a_server_runs_without_any_rights() {
    let (_directory, [program]) = public_copies([Path::new(HALLOO)]);
    let command = || if is_root() { as_nobody(&program.display().to_string()) } else { Command::new(&program) };
    let run = |args: &[&str]| {
        let mut command = command();
        command.args(args);
        Run::new(command)
    };
    let server = run(&["length", "127.0.0.1:0"]).serve();
    let asked = run(&["send", &server.address(), "hello", "--expect", "1"]).output().expect_code(0);
    asked.shows(&["sent 5 B", "\"your data was 5 bytes long\""]);
    let listener = run(&["listen", "127.0.0.1:0", "--count", "1", "--json"]).serve();
    run(&["send", &listener.address(), "--empty"]).output().expect_code(0);
    let summary = listener.finish().expect_code(0).summary();
    assert_eq!(
        (&summary["received"], &summary["kernel_drops"]),
        (&1.into(), &told(Untold::Drops, 0)),
        "what the kernel counts is open to all"
    );
    run(&["interfaces"]).output().expect_code(0);
}

#[test]
fn by_default_a_server_is_for_this_host_alone_and_with_lan_it_says_who_can_reach_it() {
    // In hosts of their own, where port 1060 is free.
    let Some(lan) = Lan::new() else { return };
    for command in ["echo", "length"] {
        let own = lan.host("h2").serve(&[command]);
        assert_eq!(own.local.to_string(), "127.0.0.1:1060");
        let refused = lan.host("h1").run(&["send", "10.77.0.2", "hi", "--wait", "5s"]).expect_code(5);
        refused.shows(&["REFUSED 10.77.0.2:1060"]);
        drop(own);
        let open = lan.host("h2").serve(&[command, "--lan"]);
        assert_eq!(open.local.to_string(), "0.0.0.0:1060");
        lan.host("h1").run(&["send", "10.77.0.2", "hi", "--expect", "1"]).expect_code(0);
        open.stop().expect_code(0).says(&["reach"]);
    }
    assert_eq!(lan.host("h2").serve(&["listen"]).local.to_string(), "0.0.0.0:1060");
}

#[test]
fn an_alias_a_second_interface_and_a_broadcast_are_answered_from_the_right_address() {
    let Some(lan) = Lan::new() else { return };
    let server = lan.host("h3").serve(&["echo", "--lan", "--answer-broadcast", "--json"]);
    let client = lan.host("h1");
    for address in ["10.77.0.3", "10.77.0.33", "10.78.0.3"] {
        let output = client.run(&["send", address, "hi", "--expect", "1", "--json"]).expect_code(0);
        let reply = output.events("reply").remove(0);
        assert_eq!((&reply["src"], &reply["from_another"]), (&format!("{address}:1060").into(), &false.into()));
        // The other proof: a connected socket.
        client.run(&["send", address, "hi", "--expect", "1", "--connect"]).expect_code(0);
    }
    for (to, from) in [("10.77.0.255", "10.77.0.3:1060"), ("10.78.0.255", "10.78.0.3:1060")] {
        let output = client.run(&["send", to, "hi", "--expect", "1", "--json"]).expect_code(0);
        assert_eq!(output.events("reply")[0]["src"], from);
    }
    for interface in ["e0", "e1"] {
        let output = client.run(&["send", "255.255.255.255", "--interface", interface, "--expect", "1", "--json"]);
        let output = output.expect_code(0);
        let reply = &output.events("reply")[0];
        let address = if interface == "e0" { "10.77.0.3:1060" } else { "10.78.0.3:1060" };
        assert_eq!((&reply["src"], &reply["iface"]), (&address.into(), &interface.into()));
    }
    assert!(server.stop().expect_code(0).events("ignored").is_empty());
}

#[test]
fn over_ipv6_too_the_answer_comes_from_the_address_that_was_asked() {
    let Some(lan) = Lan::new() else { return };
    let (client, host) = (lan.host("h1"), lan.host("h3"));
    let server = host.serve(&["echo", "[::]:1060", "--answer-broadcast", "--json"]);
    let src = |to: &str| {
        let output = client.run(&["send", to, "hi", "--interface", "e0", "--expect", "1", "--json"]).expect_code(0);
        output.events("reply")[0]["src"].as_str().unwrap().to_owned()
    };
    // A group has no address of its own to answer from: it is that of the interface.
    let of_group = src("[ff02::1%e0]:1060");
    assert!(of_group.starts_with(&format!("[{}%", link_local("10.77.0.3"))), "{of_group}");
    for (host, number) in [(client, "1"), (host, "3"), (host, "33")] {
        host.ip(&format!("addr add fd77::{number}/64 dev e0 nodad")).expect_code(0);
        // The kernel has a worker make the address good to be reached at, and answers for it a moment earlier.
        let deadline = Instant::now() + PATIENCE;
        while !host.ip("-6 route show table local").out().contains(&format!("local fd77::{number} ")) {
            assert!(Instant::now() < deadline, "fd77::{number} does not come");
        }
    }
    for address in ["fd77::3", "fd77::33"] {
        let asked = format!("[{address}]:1060");
        assert_eq!(src(&asked), asked);
        client.run(&["send", &asked, "hi", "--expect", "1", "--connect"]).expect_code(0);
    }
    assert!(server.stop().expect_code(0).events("ignored").is_empty());
}

#[test]
fn who_is_a_neighbour_is_known_right_after_an_address_has_come() {
    let Some(lan) = Lan::new() else { return };
    let (h1, h2) = (lan.host("h1"), lan.host("h2"));
    let address = |text: &str| -> halloo::lab::Address { text.parse().unwrap() };
    h1.add_address("e0", address("10.99.0.1/24")).unwrap();
    let server = h2.serve(&["echo", "--lan", "--answer-broadcast", "--json"]);
    h2.add_address("e0", address("10.99.0.2/24")).unwrap();
    // Among strangers a broadcast is not answered.
    let asked = h1.run(&["send", "10.99.0.255", "hi", "--expect", "1", "--wait", "5s", "--json"]);
    let replies = asked.expect_code(0).events("reply");
    assert_eq!(replies[0]["src"], "10.99.0.2:1060");
    assert!(server.stop().expect_code(0).events("ignored").is_empty());
}

#[test]
fn a_broadcast_is_not_answered_unless_asked() {
    let Some(lan) = Lan::new() else { return };
    let server = lan.host("h2").serve(&["echo", "--lan", "--json"]);
    lan.host("h1").run(&["broadcast", "hi", "--interface", "e0", "--wait", "200ms"]).expect_code(1);
    lan.host("h1").run(&["send", "10.77.0.2", "hi", "--expect", "1"]).expect_code(0);
    let output = server.stop().expect_code(0);
    assert_eq!(output.events("ignored")[0]["reason"], "broadcast");
    assert_eq!(output.summary()["sent"], 1);
}

#[test]
fn a_source_that_asks_too_often_is_dropped_and_counted() {
    let Some(lan) = Lan::new() else { return };
    let server = lan.host("h2").serve(&["echo", "--lan", "--json", "-q", "--rate-limit", "10"]);
    let asked = lan.host("h1").run(&[
        "send",
        "10.77.0.2",
        "hi",
        "--count",
        "100",
        "--interval",
        "0",
        "--wait",
        "200ms",
        "--json",
    ]);
    let got = asked.expect_code(0).summary()["received"].as_u64().unwrap();
    let summary = server.stop().expect_code(0).summary();
    let (sent, dropped) = (summary["sent"].as_u64().unwrap(), summary["ignored"]["source_limit"].as_u64().unwrap());
    assert_eq!(sent + dropped, 100, "{summary}");
    assert_eq!(got, sent, "every answer arrived");
    // Ten at once, and ten more for every second that the hundred took.
    assert!((10..100).contains(&sent), "{summary}");
}

/// An ICMP message (RFC 792) of type 3 with this code, about the answer that went from a server to a client on loopback.
#[cfg(feature = "lab")]
fn unreachable(code: u8, server: u16, client: u16) -> Vec<u8> {
    let mut message = vec![3, code, 0, 0, 0, 0, 0, 0];
    // The header of the packet that it is about, and the first eight bytes behind: those of UDP.
    message.extend([0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    message.extend(server.to_be_bytes());
    message.extend(client.to_be_bytes());
    message.extend([0, 9, 0, 0]);
    let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
    message[2..4].copy_from_slice(&folded.to_be_bytes());
    message
}

#[cfg(feature = "lab")]
#[test]
fn no_forged_icmp_message_ends_a_server() {
    halloo::lab::enclosed(|| {
        let server = serve(&["echo", "127.0.0.1:0", "--rate-limit", "off"]);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.address()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let ask = || {
            // What is forged against the server reaches only its own socket.
            client.send(b"?").unwrap();
            assert_eq!(client.recv(&mut [0; 9]).unwrap(), 1);
        };
        let icmp = Some(socket2::Protocol::ICMPV4);
        let forger = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, icmp).unwrap();
        let there: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        for code in 0..=15 {
            ask();
            let message = unreachable(code, server.port(), client.local_addr().unwrap().port());
            forger.send_to(&message, &there.into()).unwrap();
        }
        ask();
        let output = server.stop().expect_code(0);
        // Port unreachable was believed: so the others were not lost on their way either.
        output.shows(&["REFUSED"]);
    });
}
