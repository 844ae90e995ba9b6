//! `listen` on loopback: what it shows of a datagram, which it lets in, and that it accounts for every one.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::catcher::Catcher;
use support::lan::{Host, Lan};
use support::program::{HALLOO, Output, Run, Server, halloo, mortal, serve};
use support::{PATIENCE, Untold, pattern, portable, told};

/// A listener that ends after so many datagrams.
fn listen(count: usize, flags: &[&str]) -> Server {
    serve(&[&["listen", "127.0.0.1:0", "--count", &count.to_string()], flags].concat())
}

/// What it shows of these payloads.
fn shown(payloads: &[&[u8]], flags: &[&str]) -> Output {
    let listener = listen(payloads.len(), flags);
    let catcher = Catcher::new();
    for payload in payloads {
        catcher.send(payload, &listener.address());
    }
    listener.finish().expect_code(0)
}

#[test]
fn a_line_says_when_whence_where_how_and_how_long() {
    let listener = listen(3, &[]);
    let catcher = Catcher::new();
    for payload in ["hi", "", "你好"] {
        catcher.send(payload, &listener.address());
    }
    let untold = portable(Untold::Destination);
    let to = if untold { "unknown".to_owned() } else { format!("{}%lo", listener.address()) };
    let (way, cast) = (format!("{} -> {to}", catcher.address()), if untold { "         " } else { "unicast" });
    let output = listener.finish().expect_code(0);
    let text = output.out();
    let lines: Vec<&str> = text.lines().collect();
    for (line, end) in lines.iter().zip(["   2 B  \"hi\"", "   0 B  (empty)", "   6 B  \"你好\""]) {
        let end = &format!("{cast}{end}");
        let (time, rest) = line.split_once(' ').unwrap();
        let digits: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(digits, "00:00:00.000000", "{line}");
        assert!(rest.starts_with(&way) && rest.ends_with(end), "{line}");
    }
    output.says(&["listening on 127.0.0.1:", "-- 3 datagrams, 8 B, 1 sender, 0 truncated"]);
    assert_eq!(output.err().contains("0 dropped by the kernel"), !portable(Untold::Drops), "{output}");
}

#[test]
fn every_fact_of_a_datagram_is_in_its_object() {
    let listener = listen(1, &["--json"]);
    let catcher = Catcher::new();
    let before = this_second();
    catcher.send("hi", &listener.address());
    let (local, event) = (listener.address(), listener.finish().expect_code(0).events("recv").remove(0));
    let facts = [
        ("src", catcher.address().into()),
        ("dst", told(Untold::Destination, local)),
        ("iface", told(Untold::Destination, "lo")),
        ("ifindex", told(Untold::Destination, 1)),
        ("cast", told(Untold::Destination, "unicast")),
        ("self", false.into()),
        ("len", 2.into()),
        ("truncated", false.into()),
        ("ttl", told(Untold::Details, 64)),
        ("seq", 0.into()),
        ("data", "hi".into()),
        ("ts_src", clock().into()),
    ];
    for (key, value) in facts {
        let value: Value = value;
        assert_eq!(event[key], value, "{key} in {event}");
    }
    let ts = event["ts"].as_str().unwrap();
    assert_eq!((ts.len(), &ts[10..11], &ts[29..]), ("2026-11-21T08:09:26.249421123Z".len(), "T", "Z"), "{ts}");
    assert!(ts[..19] >= before[..19], "{ts} is not before {before}");
}

/// Whose time a datagram has.
const fn clock() -> &'static str {
    if portable(Untold::Details) { "user" } else { "kernel" }
}

/// This second, as RFC 3339 in UTC.
fn this_second() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn payloads_that_are_not_text_are_base64() {
    let output = shown(&[b"\xff\x00", b"text\n", b""], &["--json"]);
    let events = output.events("recv");
    assert_eq!((&events[0]["data_b64"], &events[0]["data"]), (&"/wA=".into(), &Value::Null));
    assert_eq!((&events[1]["data"], &events[1]["data_b64"]), (&"text\n".into(), &Value::Null));
    assert_eq!((&events[2]["data"], &events[2]["len"]), (&"".into(), &0.into()));
}

#[test]
fn a_small_buffer_shows_truncation_with_the_true_length() {
    let output = shown(&[b"1234567", b"1234", b""], &["--max-size", "4", "--json"]);
    let events = output.events("recv");
    let facts = |event: &Value| (event["len"].clone(), event["truncated"].clone(), event["wire_len"].clone());
    assert_eq!(facts(&events[0]), (4.into(), true.into(), 7.into()));
    assert_eq!(facts(&events[1]), (4.into(), false.into(), Value::Null));
    assert_eq!(facts(&events[2]), (0.into(), false.into(), Value::Null));
    let summary = output.summary();
    assert_eq!((&summary["truncated"], &summary["bytes"]), (&1.into(), &11.into()));
    shown(&[b"1234567"], &["--max-size", "4"]).shows(&["truncated: 4 of 7 B  \"1234\""]).says(&["1 truncated"]);
}

#[test]
fn the_largest_datagram_is_whole() {
    let whole = pattern(65_507);
    let output = shown(&[&whole], &["--json"]);
    let event = output.events("recv").remove(0);
    assert_eq!((&event["len"], &event["truncated"]), (&65_507.into(), &false.into()));
}

#[test]
fn nothing_from_the_network_reaches_a_terminal_unescaped() {
    let hostile: Vec<u8> = (0..=255).collect();
    let tricks = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}6n\u{202e}\u{200b}\r\n\t\"quoted\" \u{feff}";
    let server = serve(&["echo", "127.0.0.1:0"]);
    let asked = halloo(["send", &server.address(), tricks, "--expect", "1"]).output().expect_code(0);
    for text in [
        shown(&[&hostile, tricks.as_bytes()], &[]).out(),
        shown(&[&hostile, tricks.as_bytes()], &["--show", "hex"]).out(),
        shown(&[&hostile, tricks.as_bytes()], &["--json"]).out(),
        asked.out(),
        server.stop().out(),
    ] {
        let harmful = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{200b}\u{feff}".contains(c);
        assert!(!text.chars().any(harmful), "{:?}", text.chars().find(|c| harmful(*c)));
    }
}

#[test]
fn payloads_are_shown_as_asked() {
    let hex = shown(&[b"\x00\x1bAZ", b""], &["--show", "hex"]);
    hex.shows(&["00 1b 41 5a", "4 B", "0 B  (empty)"]);
    let none = shown(&[b"secret", b""], &["--show", "none"]);
    none.shows(&["6 B\n", "0 B  (empty)"]);
    assert!(!none.out().contains("secret"));
}

#[test]
fn raw_payloads_and_nothing_else_go_to_standard_output() {
    let payloads: [&[u8]; 3] = [b"one\xff", b"", b"t\nwo"];
    for (flags, expected) in [
        (&["--raw"][..], &b"one\xfft\nwo"[..]),
        (&["--raw", "--frame", "none"], b"one\xfft\nwo"),
        (&["--raw", "--frame", "newline"], b"one\xff\n\nt\nwo\n"),
        (&["--raw", "--frame", "null"], b"one\xff\0\0t\nwo\0"),
        (&["--raw", "--frame", "len32"], b"\0\0\0\x04one\xff\0\0\0\0\0\0\0\x04t\nwo"),
    ] {
        let output = shown(&payloads, flags);
        assert_eq!(output.stdout.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{flags:?}");
        output.says(&["listening on", "-- 3 datagrams"]);
    }
}

#[test]
fn bound_to_one_address_it_warns_that_broadcasts_are_not_heard() {
    let one = serve(&["listen", "127.0.0.1:0"]);
    one.stop().says(&["127.0.0.1", "not hear broadcasts", "--interface"]);
    let all = serve(&["listen", "0.0.0.0:0"]);
    assert!(!all.stop().err().contains("broadcasts"));
    // And so it is.
    let (one, all) = (serve(&["listen", "127.0.0.1:0", "--json"]), serve(&["listen", "0.0.0.0:0", "--json"]));
    for server in [&one, &all] {
        let broadcast = format!("127.255.255.255:{}", server.port());
        halloo(["send", &broadcast, "to all"]).output().expect_code(0);
        Catcher::new().send("to one", &server.address());
    }
    all.process.wait_events("recv", 2);
    one.process.wait_events("recv", 1);
    let casts =
        |server: Server| server.stop().events("recv").iter().map(|event| event["cast"].clone()).collect::<Vec<_>>();
    let [unicast, broadcast] = ["unicast", "broadcast"].map(|cast| told(Untold::Destination, cast));
    assert_eq!((casts(one), casts(all)), (vec![unicast.clone()], vec![broadcast, unicast]));
}

#[test]
fn only_what_is_asked_for_is_let_in_and_the_rest_is_counted() {
    // From 127.0.0.1 and 127.0.0.2, to one and to all; then the datagram that ends the run.
    let heard = |flags: &[&str], last: &Catcher, to_all: bool| {
        let listener = serve(&[&["listen", "0.0.0.0:0", "--json"], flags].concat());
        let (to_one, broadcast) = (listener.address(), format!("127.255.255.255:{}", listener.port()));
        let other = Catcher::on("127.0.0.2:0");
        for from in [&Catcher::new(), &other] {
            from.0.set_broadcast(true).unwrap();
            from.send("to one", &to_one);
            from.send("to all", &broadcast);
        }
        last.0.set_broadcast(true).unwrap();
        last.send("end", if to_all { &broadcast } else { &to_one });
        listener.process.wait_line(|line| line.contains("\"end\""));
        let output = listener.stop();
        (output.events("recv").len() - 1, output.summary()["filtered"].as_u64().unwrap())
    };
    let (first, second) = (Catcher::new(), Catcher::on("127.0.0.2:0"));
    assert_eq!(heard(&[], &first, false), (4, 0));
    assert_eq!(heard(&["--from", "127.0.0.2"], &second, false), (2, 2));
    assert_eq!(heard(&["--from", "10.0.0.0/8", "--from", "127.0.0.0/8"], &first, false), (4, 0));
    if portable(Untold::Destination) {
        for (flags, what) in
            [(["--only", "unicast"], "broadcasts from unicast"), (["--interface", "lo"], "by interface")]
        {
            let refused = halloo([&["listen", "127.0.0.1:0"], &flags[..]].concat()).output().expect_code(4);
            refused.says(&[what, "not possible on this system"]);
        }
        return;
    }
    assert_eq!(heard(&["--only", "unicast"], &first, false), (2, 2));
    assert_eq!(heard(&["--only", "broadcast"], &first, true), (2, 2));
    assert_eq!(heard(&["--from", "127.0.0.2/31", "--only", "broadcast"], &second, true), (1, 3));
    assert_eq!(heard(&["--interface", "lo"], &first, false), (4, 0));
    // On loopback everything is this host's own, so the word is kept for what went to all.
    assert_eq!(heard(&["--no-self"], &first, false), (2, 2));
}

#[test]
fn it_asks_for_4_mib_and_says_what_it_got() {
    let output = serve(&["listen", "127.0.0.1:0", "--json"]).stop();
    let listening = output.events("listening").remove(0);
    assert_eq!(listening["receive_buffer"], 4 << 20);
    let granted = listening["receive_buffer_granted"].as_u64().unwrap();
    // The kernel grants no more than net.core.rmem_max (socket(7)); what it adds for itself is not told.
    let most: u64 = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
    assert_eq!(granted, most.min(4 << 20));
    let warned = output.events("notice").iter().any(|notice| notice["notice"] == "small_receive_buffer");
    assert_eq!(warned, most < 4 << 20);
    let small =
        serve(&["listen", "127.0.0.1:0", "--json", "--receive-buffer", "64k"]).stop().events("listening").remove(0);
    assert_eq!((&small["receive_buffer"], &small["receive_buffer_granted"]), (&65_536.into(), &65_536.into()));
}

/// Sends so many datagrams to a listener that cannot read them meanwhile.
fn flood(flags: &[&str], sent: usize) -> Output {
    let listener = serve(&[&["listen", "127.0.0.1:0", "--receive-buffer", "4096", "--idle", "3s"], flags].concat());
    let catcher = Catcher::new();
    listener.process.signal("STOP");
    for number in 0..sent {
        catcher.send(format!("datagram number {number}"), &listener.address());
    }
    listener.process.signal("CONT");
    listener.finish()
}

#[test]
fn what_the_kernel_drops_is_counted_exactly() {
    let output = flood(&["--json"], 2000).expect_code(0);
    let summary = output.summary();
    if portable(Untold::Drops) {
        // Not known is not none.
        assert_eq!(summary["kernel_drops"], Value::Null);
        assert!(summary["received"].as_u64().unwrap() < 2000, "{summary}");
        return;
    }
    let (received, drops) = (summary["received"].as_u64().unwrap(), summary["kernel_drops"].as_u64().unwrap());
    assert_eq!(received + drops, 2000, "{summary}");
    assert!(drops > 0 && received > 0, "{summary}");
    // The first ones are those that came.
    for (number, event) in output.events("recv").iter().enumerate() {
        assert_eq!(event["data"], format!("datagram number {number}"));
    }
    let noted = output.events("notice").into_iter().find(|notice| notice["notice"] == "kernel_drops").unwrap();
    assert!(noted["text"].as_str().unwrap().contains(&format!("({drops} in all)")), "{noted}");
    let text = flood(&[], 2000).expect_code(0);
    let (datagrams, err) = (text.out().lines().count(), text.err());
    text.says(&[&format!("-- {datagrams} datagrams")]);
    assert!(err.contains(&format!("{} dropped by the kernel", 2000 - datagrams)), "{text}");
}

/// Sends so many datagrams to a server that cannot read them meanwhile, and tells it to end if `signal` says so: what it
/// counted as received, unread and dropped.
fn end_behind(sent: u64, args: &[&str], signal: Option<&str>) -> [u64; 3] {
    let server = serve(args);
    let catcher = Catcher::new();
    server.process.signal("STOP");
    for _ in 0..sent {
        catcher.send("x", &server.address());
    }
    signal.into_iter().chain(["CONT"]).for_each(|signal| server.process.signal(signal));
    let output = server.finish().expect_code(0);
    let summary = output.summary();
    let [received, unread] = ["received", "unread"].map(|key| summary[key].as_u64().unwrap());
    if portable(Untold::Drops) {
        assert!(received + unread <= sent, "{output}");
        return [received, unread, 0];
    }
    let counts = [received, unread, summary["kernel_drops"].as_u64().unwrap()];
    assert_eq!(counts.iter().sum::<u64>(), sent, "{output}");
    counts
}

#[test]
fn what_is_in_the_socket_at_the_end_is_in_a_counter() {
    let [received, unread, _] = end_behind(600, &["listen", "127.0.0.1:0", "--count", "1", "--json"], None);
    assert!(received == 1 && unread > 0);
    end_behind(3000, &["listen", "127.0.0.1:0", "--json"], Some("TERM"));
    end_behind(3000, &["echo", "127.0.0.1:0", "--json"], Some("TERM"));
}

#[test]
fn a_loss_is_exit_code_1_where_that_is_asked_for() {
    if portable(Untold::Drops) {
        let refused = halloo(["listen", "127.0.0.1:0", "--fail-on-loss"]).output().expect_code(4);
        refused.says(&["count what the kernel drops", "not possible on this system"]);
        return;
    }
    let lossy = flood(&["--json", "--fail-on-loss"], 2000).expect_code(1);
    assert!(lossy.summary()["kernel_drops"].as_u64().unwrap() > 0);
    flood(&["--fail-on-loss"], 1).expect_code(0);
}

#[test]
fn a_stream_of_datagrams_is_received_whole() {
    let listener = listen(20_000, &["--json"]);
    let catcher = Catcher::new();
    for number in 0..20_000 {
        catcher.send(format!("{number}"), &listener.address());
        // Not more at once than the smallest default buffer holds (RELIABILITY.md R8: 256).
        if number % 200 == 199 {
            listener.process.wait_lines(number + 1, |line| line.contains("\"recv\""));
        }
    }
    let summary = listener.finish().expect_code(0).summary();
    assert_eq!((&summary["received"], &summary["kernel_drops"]), (&20_000.into(), &told(Untold::Drops, 0)));
}

#[test]
fn ipv4_over_ipv6_is_not_mixed_and_ipv6_is_heard() {
    let listener = serve(&["listen", "[::1]:0", "--json", "--count", "1"]);
    let catcher = Catcher::on("[::1]:0");
    catcher.send("hi", &listener.address());
    let local = listener.address();
    let event = listener.finish().expect_code(0).events("recv").remove(0);
    let [dst, lo] = [&*local, "lo"].map(|value| told(Untold::Destination, value));
    assert_eq!((&event["src"], &event["dst"], &event["iface"]), (&catcher.address().into(), &dst, &lo));
    assert_eq!((&event["ttl"], &event["ts_src"]), (&told(Untold::Details, 64), &clock().into()));
}

#[test]
fn a_multicast_group_that_was_joined_is_heard() {
    let Some(lan) = Lan::new() else { return };
    let (h1, h2) = (lan.host("h1"), lan.host("h2"));
    for (group, way_out) in [("239.77.1.2", "e0"), ("ff12::77", "e0")] {
        let to = if group.contains(':') { format!("[{group}%{way_out}]:1060") } else { format!("{group}:1060") };
        let listener = h2.serve(&["listen", "--join", group, "--json", "--count", "1"]);
        let joined = listener.process.wait_event("listening")["groups"].clone();
        assert!(joined.to_string().contains(group) && joined.to_string().contains("e0"), "{joined}");
        h1.run(&["send", &to, "hi", "--interface", way_out]).expect_code(0);
        let event = listener.finish().expect_code(0).events("recv").remove(0);
        assert_eq!(
            (&event["cast"], &event["iface"], &event["data"]),
            (&"multicast".into(), &"e0".into(), &"hi".into())
        );
        assert!(event["dst"].as_str().unwrap().contains(group), "{event}");
        assert_eq!(event["ttl"], 1, "a multicast stays on the link unless told otherwise");
    }
}

#[test]
fn one_interface_of_two_is_heard_when_asked() {
    let Some(lan) = Lan::new() else { return };
    let (h1, h3) = (lan.host("h1"), lan.host("h3"));
    let listener = h3.serve(&["listen", "--interface", "e1", "--json"]);
    h1.run(&["broadcast", "hi"]).expect_code(0);
    h1.run(&["send", "10.77.0.3", "not this"]).expect_code(0);
    h1.run(&["send", "10.78.0.3", "end"]).expect_code(0);
    listener.process.wait_line(|line| line.contains("\"end\""));
    let output = listener.stop();
    let heard: Vec<_> = output.events("recv").iter().map(|event| event["dst"].clone()).collect();
    assert_eq!(heard, ["10.78.0.255:1060", "10.78.0.3:1060"]);
    assert_eq!(output.summary()["filtered"], 2);
}

/// A cable from `v0` in one host to `v1` in another, where this process runs.
fn lay_cable(from: Host<'_>, to: Host<'_>, process: u32) {
    from.ip(&format!("link add v0 type veth peer name v1 netns {process}")).expect_code(0);
    for (host, interface, number) in [(from, "v0", 1), (to, "v1", 2)] {
        // An address that nobody has to be asked about first.
        host.ip(&format!("link set {interface} addrgenmode none")).expect_code(0);
        host.ip(&format!("addr add 10.90.0.{number}/24 dev {interface}")).expect_code(0);
        host.ip(&format!("addr add fe80::{number}/64 dev {interface} nodad")).expect_code(0);
        host.ip(&format!("link set {interface} up")).expect_code(0);
    }
}

#[test]
fn an_interface_that_is_made_again_is_heard_again() {
    let Some(lan) = Lan::new() else { return };
    let (h1, h2) = (lan.host("h1"), lan.host("h2"));
    let guest = h2.serve(&["listen", ":9"]);
    lay_cable(h1, h2, guest.process.id());
    for (flags, to) in [
        (&["--interface", "v1"][..], "10.90.0.2:1060"),
        (&["--join", "239.77.1.2"], "239.77.1.2:1060"),
        (&["--join", "239.77.1.2", "--interface", "v1"], "239.77.1.2:1060"),
        (&["--join", "ff12::77"], "[ff12::77%v0]:1060"),
        (&["[::]:1060"], "[ff02::1%v0]:1060"),
    ] {
        let send = || {
            // It may fail: the interface has just been made.
            h1.run(&["send", to, "hi", "--interface", "v0"]);
        };
        let listener = h2.serve(&[&["listen", "--json"], flags].concat());
        let heard = |count: usize, since: Instant, within: Duration| {
            while listener.process.events_so_far("recv") < count {
                assert!(since.elapsed() < within, "{flags:?} is deaf after {within:?}");
                send();
            }
        };
        heard(1, Instant::now(), PATIENCE);
        h1.ip("link del v0").expect_code(0);
        let before = listener.process.events_so_far("recv");
        lay_cable(h1, h2, guest.process.id());
        heard(before + 1, Instant::now(), Duration::from_secs(2));
        let last = listener.stop().expect_code(0).events("recv").pop().unwrap();
        assert_eq!(last["iface"], "v1", "{last}");
    }
}

#[test]
fn on_a_terminal_no_payload_looks_like_a_row() {
    let typed = format!("stty rows 24 cols 60; {HALLOO} listen 127.0.0.1:0 --count 2");
    let mut command = mortal("script");
    command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env("TERM", "xterm");
    let listener = Run::new(command).start();
    let note = listener.wait_line(|line| line.contains("listening on "));
    let (address, catcher) = (note.split_whitespace().nth(2).unwrap(), Catcher::new());
    for blanks in [0, 17] {
        catcher.send(" ".repeat(blanks) + "08:09:26.249421 10.0.0.1:7 -> 10.0.0.2:1060%e0 unicast", address);
    }
    let output = listener.finish().expect_code(0);
    let shown = output.out();
    let lines: Vec<&str> = shown.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    assert!(lines.iter().all(|line| line.len() <= 60), "{output}");
    let rows = lines.iter().filter(|line| line.as_bytes()[2] == b':' && line.contains(" -> ")).count();
    let beneath = lines.iter().filter(|line| line.starts_with("    ")).count();
    assert!(rows == 2 && beneath >= 2, "{output}");
}
