//! What the system says when a datagram does not leave, each on real sockets: its kind, its counter, its text, its exit code;
//! and that nothing spins.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::lan::{Host, Lan, two_hosts};
use support::program::{Output, Run, mortal, number, program};

/// Every datagram failed, for this reason; it was told once, with this text.
#[track_caller]
fn all_fail(output: &Output, count: u64, reason: &str, text: &str) {
    let summary = output.summary();
    let counted = (number(&summary, "attempted"), number(&summary, "sent"), number(&summary, "failed"));
    assert_eq!(counted, (count, 0, count), "{output}");
    assert_eq!(summary["failed_by"], serde_json::json!({ reason: count }), "{output}");
    let told = output.events("error");
    assert_eq!((told.len(), &told[0]["reason"]), (1, &reason.into()), "{output}");
    output.says(&[text]);
}

/// A series of 20 in no time.
const SERIES: [&str; 5] = ["--count", "20", "--interval", "0", "--json"];

fn series(host: Host<'_>, to: &[&str]) -> Output {
    host.run(&[&["send"], to, &["hi"], &SERIES[..]].concat())
}

#[test]
fn a_firewall_that_drops_what_leaves_says_so() {
    let Some(lan) = Lan::of(&two_hosts()) else { return };
    let h1 = lan.host("h1");
    let wall = "table ip wall {\nchain out {\ntype filter hook output priority 0;\nudp dport 1060 drop\n}\n}\n";
    Run::new(h1.command("nft", &["-f", "-"])).stdin(wall).output().expect_code(0);
    let output = series(h1, &["10.77.0.2"]).expect_code(4);
    all_fail(&output, 20, "not_permitted", "firewall");
    assert_eq!(output.events("error")[0]["errno"], 1);
    h1.run(&["ping", "10.77.0.2", "--count", "2", "--interval", "10ms", "--flood", "--wait", "10ms"]).expect_code(4);
    // The first ends it, where that is wanted.
    let output = h1.run(&["send", "10.77.0.2", "a", "b", "c", "--fail-fast", "--json"]).expect_code(4);
    assert_eq!(number(&output.summary(), "attempted"), 1, "{output}");
    h1.run(&["ping", "10.77.0.2", "--fail-fast"]).expect_code(4);
    h1.run(&["broadcast", "a", "--fail-fast"]).expect_code(4);
}

#[test]
fn a_full_queue_is_waited_for_and_never_counted_as_sent() {
    let Some(lan) = Lan::of(&two_hosts()) else { return };
    let (h1, listener) = (lan.host("h1"), lan.host("h2").serve(&["listen", "--json", "--show", "none"]));
    slow_down(h1, "rate 1mbit burst 3000 limit 5000");
    // A second and more, where a quarter of one is waited for each time: behind the first 64, and behind the rest.
    let output = h1.run(&["send", "10.77.0.2", "--size", "1400", "--count", "100", "--interval", "0", "--json"]);
    let summary = output.summary();
    let (sent, failed) = (number(&summary, "sent"), number(&summary, "failed"));
    assert_eq!((sent + failed, number(&summary, "attempted")), (100, 100), "{output}");
    assert_eq!(summary["failed_by"]["queue_full"].as_u64().unwrap_or(0), failed, "{output}");
    // More than the burst and the queue hold, which is what leaves where nothing is waited for.
    assert!(failed > 0 && sent > 10, "{output}");
    h1.run(&["send", "10.77.0.2", "end"]).expect_code(0);
    listener.process.wait_line(|line| line.contains("\"len\":3,"));
    let heard = listener.stop().expect_code(0).summary();
    assert_eq!(number(&heard, "received"), sent + 1, "what is said to be sent arrives: {output}");
}

/// Makes a queue of what leaves by `e0`.
fn slow_down(host: Host<'_>, queue: &str) {
    let add = format!("qdisc add dev e0 root tbf {queue}");
    Run::new(host.command("tc", &add.split(' ').collect::<Vec<_>>())).output().expect_code(0);
}

/// A datagram in more than a second: a queue that holds two, and one that holds more than the send buffer.
const QUEUES: [&str; 2] = ["rate 8kbit burst 1500 limit 3000", "rate 8kbit burst 1500 limit 100000000"];

/// A run looks whether it is to end before it sends again. Far above the time that one flush waits for room, and far below
/// what 64 datagrams take on such a line, or would take if each waited for itself.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn a_run_ends_soon_though_its_queue_is_full() {
    for queue in QUEUES {
        let Some(lan) = Lan::of(&two_hosts()) else { return };
        let h1 = lan.host("h1");
        slow_down(h1, queue);
        let forever = ["send", "10.77.0.2", "--size", "1400", "--count", "1000000", "--interval", "0", "--json"];
        // By a signal.
        let series = h1.halloo(&forever).start();
        series.wait_line(|line| line.contains("queue_full"));
        let told = Instant::now();
        let output = series.stop();
        assert!(told.elapsed() < SOON, "{queue}: {:?}", told.elapsed());
        let summary = output.summary();
        assert_eq!(summary["failed_by"]["queue_full"], summary["failed"], "{output}");
        // By the time.
        let began = Instant::now();
        let flood = ["--size", "1400", "--count", "1000000", "--interval", "0", "--flood", "--deadline", "500ms"];
        let output = h1.run(&[&["broadcast", "--json"], &flood[..]].concat());
        assert!(began.elapsed() < SOON + Duration::from_millis(500), "{queue}: {:?}", began.elapsed());
        assert!(number(&output.summary(), "failed") > 0, "{output}");
    }
}

#[test]
fn a_neighbour_that_does_not_answer_is_a_host_that_cannot_be_reached() {
    let Some(lan) = Lan::of(&two_hosts()) else { return };
    let h1 = lan.host("h1");
    let series = h1.run(&["send", "10.77.0.9", "hi", "--count", "8", "--interval", "800ms", "--json"]);
    let summary = series.summary();
    // The first wait for the neighbour, and are refused behind their backs; then the system does not take any more.
    assert!(number(&summary, "refused") + number(&summary, "failed") >= 1, "{series}");
    assert_eq!(number(&summary, "attempted"), 8, "{series}");
    assert_eq!(number(&summary, "sent") + number(&summary, "failed"), 8, "{series}");
    let failed = summary["failed_by"]["host_unreachable"].as_u64().unwrap_or(0);
    assert_eq!(failed, number(&summary, "failed"), "{series}");
}

#[test]
fn an_interface_that_is_down_is_said_and_nothing_is_tried() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    h1.link_down("e0").unwrap();
    // By the route: that is gone with the interface, and there is another one.
    all_fail(&series(h1, &["10.77.0.2"]).expect_code(4), 20, "network_unreachable", "no route");
    let output = h1.run(&["send", "10.77.0.2", "hi", "--interface", "e0", "--json"]).expect_code(3);
    let summary = output.summary();
    assert_eq!((number(&summary, "sent"), &summary["unsent"]), (0, &serde_json::json!({ "down": 1 })), "{output}");
    let told = |notice: &Value| notice["notice"] == "way_lost" && notice["text"].as_str().unwrap().contains("is down");
    assert_eq!(output.events("notice").iter().filter(|notice| told(notice)).count(), 1, "{output}");
    lan.unplug("h1", "e1");
    let output = h1.run(&["send", "10.78.0.4", "hi", "--interface", "e1"]).expect_code(3);
    output.says(&["10.78.0.4:1060 by e1: no carrier", "-- 0 sent, 1 not sent (no carrier)"]);
    h1.run(&["ping", "10.78.0.4", "--interface", "e1", "--count", "1", "--wait", "10ms"]).expect_code(3);
}

#[test]
fn without_descriptors_there_is_no_run_and_it_is_said_why() {
    let Some(lan) = Lan::of(&two_hosts()) else { return };
    let halloo = program();
    for command in ["send 10.77.0.2 hi --wait 1s", "ping 10.77.0.2", "broadcast hi --wait 1s", "echo 127.0.0.1"] {
        let limited = format!("ulimit -n 4; exec '{}' {command}", halloo.display());
        let output = Run::new(lan.host("h1").command("sh", &["-c", &limited])).output().expect_code(4);
        output.says(&["out of memory or file descriptors"]);
    }
}

#[test]
fn a_server_that_says_that_it_listens_has_the_descriptors_to_do_so() {
    let halloo = program();
    let run = |limit: u32, threads: u32| {
        let command = format!("echo 127.0.0.1:0 --json -q --timeout 20ms --threads {threads}");
        let limited = format!("ulimit -n {limit}; exec '{}' {command}", halloo.display());
        let mut shell = mortal("sh");
        shell.args(["-c", &limited]);
        let output = Run::new(shell).output();
        let listens = !output.events("listening").is_empty();
        // Nobody has sent anything in that time.
        output.expect_code(if listens { 1 } else { 4 });
        listens
    };
    for (threads, limits) in [(1, 5..12), (4, 12..30)] {
        let listening: Vec<bool> = limits.map(|limit| run(limit, threads)).collect();
        assert!(listening.contains(&false) && listening.contains(&true), "{threads}: {listening:?}");
    }
}

#[test]
fn sends_that_all_fail_do_not_spin() {
    let Some(lan) = Lan::of(&two_hosts()) else { return };
    let h1 = lan.host("h1");
    let forever = ["--count", "1000000000", "--interval", "0", "--json"];
    let series = h1.halloo(&[&["send", "10.9.9.9", "x"], &forever[..]].concat()).start();
    let slowed = series.wait_line(|line| line.contains("sends_slowed"));
    assert!(slowed.contains("the last 64 sends failed") && slowed.contains("3 s apart"), "{slowed}");
    thread::sleep(Duration::from_secs(1));
    let output = series.stop().expect_code(4);
    let summary = output.summary();
    // 64, and then at 0.1, 0.3, 0.7 and 1.5 s.
    assert!((64..=70).contains(&number(&summary, "attempted")), "{summary}");
    assert_eq!(summary["failed_by"]["network_unreachable"], summary["attempted"], "{summary}");
    assert!(output.out().lines().count() + output.err().lines().count() < 20, "{output}");
    // A route is there: the series is what it was.
    let series = h1.halloo(&[&["send", "10.9.9.9", "x"], &forever[..]].concat()).start();
    series.wait_line(|line| line.contains("sends_slowed"));
    h1.add_address("e0", "10.9.0.1/16".parse::<halloo::lab::Address>().unwrap()).unwrap();
    series.wait_events("sent", 200);
    series.stop().expect_code(6);
}
