//! `send`: what it says, which answers it collects, and what it does when there are none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::thread;

use support::catcher::{Catcher, closed_port};
use support::lan::{Lan, link_local};
use support::program::{Output, halloo, number, serve};
use support::{Untold, portable, told};

fn send(to: &str, args: &[&str]) -> Output {
    halloo([&["send", to], args].concat()).output()
}

fn send_json(to: &str, args: &[&str]) -> Output {
    send(to, &[args, &["--json"]].concat())
}

/// Runs `send`, and meanwhile answers its first datagram with each of these from each socket.
fn answered(asked: &Catcher, answers: &[(&Catcher, &str)], args: &[&str]) -> Output {
    thread::scope(|scope| {
        let to = asked.address();
        let running = scope.spawn(move || send_json(&to, args));
        let (_, source) = asked.next();
        for (from, answer) in answers {
            from.send(answer, &source.to_string());
        }
        running.join().unwrap()
    })
}

#[test]
fn it_ends_at_the_last_answer_that_is_wanted_whoever_goes_on() {
    let asked = Catcher::new();
    let output = answered(&asked, &[(&asked, "again"); 40], &["hi", "--max", "1"]).expect_code(0);
    let summary = output.summary();
    assert_eq!((output.events("reply").len(), number(&summary, "received")), (1, 1), "{output}");
    assert!(number(&summary, "unread") < 40, "{output}");
}

#[test]
fn with_no_payload_it_says_the_time() {
    let catcher = Catcher::new();
    send(&catcher.address(), &[]).expect_code(0);
    let text = String::from_utf8(catcher.next().0).unwrap();
    let time = text.strip_prefix("The time is ").unwrap_or_else(|| panic!("{text:?}"));
    // RFC 3339: 2026-11-21T08:09:26.249421+01:00, with or without a fraction.
    let digits: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert!(digits.starts_with("0000-00-00T00:00:00"), "{text:?}");
    let zone = digits[19..].trim_start_matches(['.', '0']);
    assert!(["+00:00", "-00:00", "Z", "+", "-"].iter().any(|form| zone.starts_with(form)), "{text:?}");
}

#[test]
fn the_time_is_local() {
    let catcher = Catcher::new();
    for (zone, offset) in [("UTC0", "+00:00"), ("XYZ-5:30", "+05:30"), ("XYZ3", "-03:00")] {
        halloo(["send", &catcher.address()]).env("TZ", zone).output().expect_code(0);
        let text = String::from_utf8(catcher.next().0).unwrap();
        assert!(text.ends_with(offset) || (text.ends_with('Z') && offset == "+00:00"), "{text:?} in {zone}");
    }
}

#[test]
fn it_says_which_way_each_datagram_went() {
    let catcher = Catcher::new();
    let to = catcher.address();
    let output = send(&to, &["hello", ""]).expect_code(0);
    let sources = [catcher.next().1, catcher.next().1];
    let lines: Vec<String> = output.out().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], format!("sent 5 B {} -> {to} lo", sources[0]));
    assert_eq!(lines[1], format!("sent 0 B {} -> {to} lo", sources[1]));
    output.says(&["-- 2 sent"]);
    let sent = send_json(&to, &["hello"]).expect_code(0).events("sent").remove(0);
    assert_eq!((&sent["dst"], &sent["iface"], &sent["cast"]), (&to.into(), &"lo".into(), &"unicast".into()));
    assert_eq!(sent["src"], catcher.next().1.to_string());
}

#[test]
fn an_answer_is_shown_and_expected_ones_end_the_run() {
    let server = serve(&["length", "127.0.0.1:0"]);
    let output = send(&server.address(), &["hello", "--expect", "1", "--wait", "30s"]).expect_code(0);
    let way = if portable(Untold::Destination) { "" } else { "via lo  " };
    let reply = format!("REPLY   {}  {way}", server.address());
    output.shows(&["sent 5 B ", &reply, " ms  26 B  \"your data was 5 bytes long\""]).says(&["-- 1 sent; 1 reply"]);
    let output = send_json(&server.address(), &["a", "b", "c", "--expect", "3", "--wait", "30s"]).expect_code(0);
    let summary = output.summary();
    assert_eq!((number(&summary, "sent"), number(&summary, "received"), number(&summary, "replies")), (3, 3, 3));
    assert!(summary["elapsed_s"].as_f64().unwrap() < 30.0, "three answers end the run: {summary}");
}

#[test]
fn every_answer_until_the_deadline_is_collected() {
    let (asked, other) = (Catcher::new(), Catcher::on("127.0.0.2:0"));
    let answers = [(&asked, "one"), (&asked, "two"), (&other, "three"), (&asked, "one"), (&asked, "")];
    let output = answered(&asked, &answers, &["hi", "--wait", "300ms"]).expect_code(0);
    let replies = output.events("reply");
    let data: Vec<_> = replies.iter().map(|reply| reply["data"].as_str().unwrap()).collect();
    assert_eq!(data, ["one", "two", "three", "one", ""]);
    let from_another: Vec<_> = replies.iter().map(|reply| reply["from_another"] == true).collect();
    assert_eq!(from_another, [false, false, true, false, false]);
    let duplicate: Vec<_> = replies.iter().map(|reply| reply["duplicate"] == true).collect();
    assert_eq!(duplicate, [false, false, false, true, false]);
    assert_eq!(replies[2]["src"], other.address());
    let summary = output.summary();
    assert_eq!((number(&summary, "received"), number(&summary, "replies")), (5, 4), "a duplicate is no further answer");
    assert_eq!((number(&summary, "duplicates"), number(&summary, "responders")), (1, 2));
    assert!(summary["elapsed_s"].as_f64().unwrap() >= 0.3, "{summary}");
}

#[test]
fn an_answer_from_another_address_is_marked_or_dropped() {
    let (asked, other) = (Catcher::new(), Catcher::on("127.0.0.2:0"));
    thread::scope(|scope| {
        let to = asked.address();
        let running = scope.spawn(move || send(&to, &["hi", "--expect", "1", "--wait", "30s"]));
        let (_, source) = asked.next();
        other.send("not me", &source.to_string());
        running.join().unwrap().expect_code(0).shows(&[&other.address(), "from another address"]);
    });
    let answers = [(&other, "not me"), (&asked, "me")];
    let output =
        answered(&asked, &answers, &["hi", "--strict-source", "--expect", "1", "--wait", "30s"]).expect_code(0);
    assert_eq!(output.events("reply").len(), 1, "{output}");
    assert_eq!(number(&output.summary(), "filtered"), 1);
}

#[test]
fn a_connected_socket_hears_only_its_peer() {
    let (asked, other) = (Catcher::new(), Catcher::on("127.0.0.2:0"));
    let answers = [(&other, "not me"), (&asked, "me")];
    let output = answered(&asked, &answers, &["hi", "--connect", "--expect", "1", "--wait", "30s"]).expect_code(0);
    assert_eq!(output.events("reply").len(), 1, "{output}");
    assert_eq!(output.events("reply")[0]["data"], "me");
}

#[test]
fn too_few_answers_are_exit_code_1() {
    let silent = Catcher::new();
    let output = send_json(&silent.address(), &["hi", "--wait", "50ms"]).expect_code(1);
    assert!(output.summary()["elapsed_s"].as_f64().unwrap() >= 0.05);
    let server = serve(&["echo", "127.0.0.1:0"]);
    let output = send_json(&server.address(), &["hi", "--expect", "2", "--wait", "100ms"]).expect_code(1);
    assert_eq!(number(&output.summary(), "replies"), 1);
    assert_eq!(output.events("notice")[0]["notice"], "too_few_answers", "{output}");
    send(&server.address(), &["hi", "--expect", "2", "--wait", "100ms"])
        .expect_code(1)
        .says(&["note: too few: of 2 expected, 1 answer came"]);
    send(&server.address(), &["a", "b", "c", "--max", "2", "--wait", "30s"]).expect_code(0);
}

#[test]
fn a_wait_may_be_shorter_than_the_steps_of_a_socket_timeout() {
    let silent = Catcher::new();
    let elapsed = || {
        let summary = send_json(&silent.address(), &["hi", "--wait", "500us"]).expect_code(1).summary();
        summary["elapsed_s"].as_f64().unwrap()
    };
    // SO_RCVTIMEO would make it 4 or 8 ms every time. On a busy machine it may take that long, but not every time.
    let times: Vec<f64> = (0..50).map(|_| elapsed()).collect();
    assert!(times.iter().all(|time| *time >= 0.0005), "{times:?}");
    assert!(times.iter().any(|time| *time < 0.003), "{times:?}");
}

#[test]
fn a_closed_port_is_a_refusal_by_the_peer() {
    if portable(Untold::Refusals) {
        send(&closed_port(), &["hi"]).expect_code(0);
        send(&closed_port(), &["hi", "--wait", "50ms"]).expect_code(1);
    }
    // It hears of it anyway where a socket has one peer.
    let unconnected = [&[][..], &["--wait", "30s"], &["--expect", "1"]];
    let heard = unconnected.into_iter().filter(|_| !portable(Untold::Refusals));
    for flags in heard.chain([&["--connect"][..]]) {
        let to = closed_port();
        let output = send(&to, &[&["hi"], flags].concat()).expect_code(5);
        output.shows(&[&format!("REFUSED {to}"), "nobody listens"]).says(&["-- 1 sent"]);
        let output = send_json(&to, &[&["hi"], flags].concat()).expect_code(5);
        let refused = output.events("refused").remove(0);
        assert_eq!((&refused["dst"], &refused["reason"]), (&to.into(), &"port_unreachable".into()));
        assert_eq!(number(&output.summary(), "refused"), 1);
    }
    let to = Catcher::on("[::1]:0").address();
    assert_eq!(send_json(&to, &["hi", "--connect"]).expect_code(5).events("refused")[0]["dst"], to);
}

#[test]
fn a_refusal_does_not_end_a_series() {
    let closed = Catcher::new();
    let to = closed.address();
    drop(closed);
    let code = if portable(Untold::Refusals) { 0 } else { 5 };
    let output = send_json(&to, &["a", "b", "c", "--interval", "0", "--rate", "100/s"]).expect_code(code);
    assert_eq!(number(&output.summary(), "sent"), 3, "{output}");
}

#[test]
fn the_source_is_as_asked() {
    let catcher = Catcher::new();
    let free = Catcher::new().local().port();
    send(&catcher.address(), &["hi", "--from", &format!(":{free}")]).expect_code(0);
    assert_eq!(catcher.next().1.port(), free);
    send(&catcher.address(), &["hi", "--from", "127.0.0.3"]).expect_code(0);
    assert_eq!(catcher.next().1.ip().to_string(), "127.0.0.3");
    send(&catcher.address(), &["hi", "--from", &format!("127.0.0.4:{free}")]).expect_code(0);
    assert_eq!(catcher.next().1.to_string(), format!("127.0.0.4:{free}"));
    let taken = Catcher::new();
    send(&catcher.address(), &["hi", "--from", &taken.address()]).expect_code(4).says(&[
        "cannot send from",
        "in use",
        "without --from",
    ]);
    // An address of documentation (RFC 5737), which nobody has.
    send(&catcher.address(), &["hi", "--from", "192.0.2.1"]).expect_code(4).says(&[
        "cannot send from 192.0.2.1",
        "does not have",
        "--from :PORT",
    ]);
    assert!(catcher.all().is_empty());
}

#[test]
fn the_time_to_live_is_as_asked() {
    let listener = serve(&["listen", "127.0.0.1:0", "--json", "--count", "2"]);
    send(&listener.address(), &["hi", "--ttl", "7", "--tos", "0x10"]).expect_code(0);
    send(&listener.address(), &["hi", "--send-buffer", "64k", "--receive-buffer", "64k"]).expect_code(0);
    let events = listener.finish().expect_code(0).events("recv");
    let [seven, usual] = [7, 64].map(|ttl| told(Untold::Details, ttl));
    assert_eq!((&events[0]["ttl"], &events[1]["ttl"]), (&seven, &usual));
}

#[test]
fn a_broadcast_address_is_allowed_and_said_or_refused() {
    let listener = serve(&["listen", "0.0.0.0:0", "--json", "--count", "1"]);
    let to = format!("127.255.255.255:{}", listener.port());
    send(&to, &["hi", "--no-broadcast"])
        .expect_code(3)
        .says(&["127.255.255.255 is the broadcast address of lo", "othing was sent"]);
    let output = send(&to, &["hi"]).expect_code(0);
    output
        .says(&["127.255.255.255 is the broadcast address of lo", "--no-broadcast"])
        .shows(&["sent 2 B", "broadcast"]);
    let event = listener.finish().expect_code(0).events("recv").remove(0);
    let [cast, dst] = ["broadcast", &to].map(|value| told(Untold::Destination, value));
    assert_eq!((&event["cast"], &event["dst"]), (&cast, &dst));
    assert_eq!(number(&event, "seq"), 0, "what was refused was not sent");
}

#[test]
fn a_name_is_looked_up_once_and_its_address_said() {
    let catcher = Catcher::new();
    let output = send(&format!("localhost:{}", catcher.local().port()), &["hi", "-4"]).expect_code(0);
    output.says(&["localhost is 127.0.0.1:"]);
    assert_eq!(catcher.all(), [b"hi"]);
    // A name that cannot exist (RFC 6761 section 6.4).
    send("no-such-host.invalid", &["hi"]).expect_code(4).says(&["no-such-host.invalid"]);
}

#[test]
fn a_port_alone_is_this_host() {
    let catcher = Catcher::new();
    send(&format!(":{}", catcher.local().port()), &["hi"]).expect_code(0);
    assert_eq!(catcher.all(), [b"hi"]);
    let catcher = Catcher::on("[::1]:0");
    send(&format!(":{}", catcher.local().port()), &["hi", "-6"]).expect_code(0);
    assert_eq!(catcher.all(), [b"hi"]);
}

#[test]
fn what_is_no_destination_is_refused() {
    for (to, said) in [("0.0.0.0:9", "0.0.0.0"), ("127.0.0.1:0", "port 0"), ("[::]:9", "::")] {
        send(to, &["hi"]).expect_code(3).says(&[said, "othing was sent"]);
    }
}

#[test]
fn what_the_system_refuses_is_exit_code_4_with_the_reason() {
    // No default route leads there.
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let output = h1.run(&["send", "192.0.2.1", "hi", "--json"]).expect_code(4);
    let error = output.events("error").remove(0);
    assert_eq!(error["reason"], "network_unreachable", "{output}");
    output.says(&["no route"]);
    // Nobody there: the neighbours were asked in vain for three seconds (ARP).
    h1.run(&["send", "10.77.0.200", "hi", "--wait", "20s"])
        .expect_code(5)
        .shows(&["REFUSED 10.77.0.200:1060", "cannot be reached"]);
}

#[test]
fn without_fragments_what_exceeds_the_mtu_is_an_error_and_the_rest_goes() {
    let Some(lan) = Lan::new() else { return };
    let (h1, listener) = (lan.host("h1"), lan.host("h2").serve(&["listen", "--json"]));
    let (fits, exceeds) = ("a".repeat(1472), "a".repeat(1473));
    h1.run(&["send", "10.77.0.2", &fits, "--dont-fragment"]).expect_code(0);
    h1.run(&["send", "10.77.0.2", &exceeds, "--dont-fragment"]).expect_code(4).shows(&["1473 B", "MTU"]);
    h1.run(&["send", "10.77.0.2", &exceeds, "last", "--dont-fragment"]).expect_code(6);
    h1.run(&["send", "10.77.0.2", &exceeds, "last", "--dont-fragment", "--lenient"]).expect_code(0);
    h1.run(&["send", "10.77.0.2", &exceeds, "--interface", "e0"]).expect_code(0).says(&["2 pieces"]);
    listener.process.wait_events("recv", 4);
    let lens: Vec<_> = listener.stop().events("recv").iter().map(|event| number(event, "len")).collect();
    assert_eq!(lens, [1472, 4, 4, 1473]);
}

#[test]
fn link_local_addresses_need_an_interface() {
    let Some(lan) = Lan::new() else { return };
    let (h1, server) = (lan.host("h1"), lan.host("h3").serve(&["echo", "[::]:1060", "--lan"]));
    let (e0, e1) = (link_local("10.77.0.3"), link_local("10.78.0.3"));
    h1.run(&["send", &format!("[{e0}%e0]:1060"), "hi", "--expect", "1"]).expect_code(0);
    h1.run(&["send", &format!("[{e1}%e1]"), "hi", "--expect", "1"]).expect_code(0);
    h1.run(&["send", &format!("[{e1}]:1060"), "hi", "--interface", "e1", "--expect", "1"]).expect_code(0);
    h1.run(&["send", &format!("[{e0}]:1060"), "hi"]).expect_code(2).says(&["needs an interface", "e0", "e1"]);
    server.stop().expect_code(0).says(&["-- 3 datagrams"]);
}

#[test]
fn what_the_habits_of_other_programs_leave_behind_is_noted() {
    let catcher = Catcher::new();
    let port = catcher.address().rsplit(':').next().unwrap().to_owned();
    // "HOST PORT" is a payload here, and nothing listens on the port that it goes to.
    halloo(["send", "127.0.0.1", &port, "hello"]).output().says(&["as a payload", &format!("HOST:{port}")]);
    // A pipe that nobody reads.
    halloo(["send", &catcher.address()]).stdin("hi").output().expect_code(0).says(&["standard input is not read"]);
    assert!(catcher.next().0.starts_with(b"The time is "));
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_shown_by_luck() {
    let echo = serve(&["echo", "127.0.0.1:0"]);
    for _ in 0..20 {
        let output = halloo(["send", &echo.address(), "x", "--json"]).output().expect_code(0);
        assert!(output.events("reply").is_empty(), "{output}");
    }
}

#[test]
fn what_travels_in_pieces_is_said_by_whatever_interface_it_leaves() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _ear) = (lan.host("h1"), lan.host("h2").ear(1060));
    for way in [&[][..], &["--interface", "e0"], &["--from", "10.77.0.1"]] {
        let output = h1.run(&[&["send", "10.77.0.2", "--size", "3000"], way].concat()).expect_code(0);
        output.says(&["3000 B need 3 pieces over e0 (MTU 1500)"]);
        let whole = h1.run(&[&["send", "10.77.0.2", "--size", "1472"], way].concat()).expect_code(0);
        assert!(!whole.err().contains("pieces"), "{whole}");
    }
    let ping = h1.run(&["ping", "10.77.0.2", "--size", "3000", "--count", "1", "--wait", "10ms"]);
    ping.says(&["3000 B need 3 pieces over e0 (MTU 1500)"]);
    // To itself a host speaks over loopback, whose packets are as long as any.
    let own = h1.run(&["send", "10.77.0.1", "--size", "3000", "--linger", "0"]);
    assert!(!own.err().contains("pieces"), "{own}");
}
