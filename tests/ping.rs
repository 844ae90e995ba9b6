//! `ping` over loopback: what it counts over a path that spoils answers, how it ends, what it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::catcher::{Catcher, closed_port};
use support::program::{HALLOO, Output, Process, Run, Server, halloo, mortal, number, numbers, serve};
use support::relay::{Delivered, Relay};

fn echo() -> Server {
    serve(&["echo", "127.0.0.1:0", "--rate-limit", "off"])
}

fn ping(to: &str, args: &[&str]) -> Output {
    halloo([&["ping", to], args].concat()).output()
}

fn ping_json(to: &str, args: &[&str]) -> Output {
    ping(to, &[args, &["--json"]].concat())
}

/// A ping in the background.
fn start(to: &str, args: &[&str]) -> Process {
    let mut command = mortal(HALLOO);
    command.args(["ping", to]).args(args);
    Run::new(command).start()
}

/// The account of the one responder.
#[track_caller]
fn responder(output: &Output) -> Value {
    let mut all = output.events("responder");
    assert_eq!(all.len(), 1, "responders of {output}");
    all.remove(0)
}

/// What `responder` says, in the words of the relay.
fn told(output: &Output) -> Delivered {
    let keys = ["sent", "received", "lost", "duplicates", "reordered", "late", "corrupt"];
    let [sent, received, lost, duplicates, reordered, late, corrupt] = numbers(&responder(output), keys);
    Delivered { sent, received, lost, duplicates, reordered, late, corrupt }
}

// ---- a path that spoils answers ------------------------------------------------------------------------------------

const SEEDS: u64 = 20;

/// 200 probes in at least a second, each answered within a second or late.
const SPOILED: [&str; 8] = ["--count", "200", "--interval", "5ms", "--flood", "--wait", "1s", "--json"];

/// What the relay did, and what ping says it did.
fn spoil(seed: u64) -> (Delivered, Output) {
    let server = echo();
    let relay = Relay::start(seed, server.local, Duration::from_secs(1));
    let output = ping(&relay.address.to_string(), &SPOILED).expect_code(0);
    (relay.finish(), output)
}

#[test]
fn every_counter_is_that_of_the_path() {
    let seeds: Vec<_> = (1..=SEEDS).map(|seed| thread::spawn(move || spoil(seed))).collect();
    let mut all = Delivered::default();
    for (seed, spoiled) in (1..).zip(seeds) {
        let (did, output) = spoiled.join().unwrap();
        assert_eq!(told(&output), did, "seed {seed}");
        assert_eq!((did.sent, did.received + did.late + did.lost), (200, 200), "seed {seed}");
        let summary = output.summary();
        let keys = ["sent", "replies", "lost", "duplicates", "reordered", "late"];
        let expected = [200, did.received, did.lost, did.duplicates, did.reordered, did.late];
        assert_eq!(numbers(&summary, keys), expected, "seed {seed}");
        assert_eq!(summary["ignored"]["corrupt"].as_u64().unwrap_or(0), did.corrupt, "seed {seed}");
        assert_eq!(number(&summary, "received"), did.received + did.late + did.duplicates + did.corrupt, "seed {seed}");
        all.lost += did.lost;
        all.duplicates += did.duplicates;
        all.reordered += did.reordered;
        all.late += did.late;
        all.corrupt += did.corrupt;
    }
    let each = [all.lost, all.duplicates, all.reordered, all.late, all.corrupt];
    assert!(each.iter().all(|count| *count > 100), "the path hardly did anything: {all:?}");
}

// ---- whom ----------------------------------------------------------------------------------------------------------

#[test]
fn an_echo_service_answers_every_probe_and_the_run_ends_with_the_last() {
    let server = echo();
    let output = ping_json(&server.address(), &["--count", "5", "--interval", "10ms", "--wait", "30s"]).expect_code(0);
    let replies = output.events("reply");
    let seqs: Vec<u64> = replies.iter().map(|reply| number(reply, "seq")).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4]);
    for reply in &replies {
        assert_eq!(
            (&reply["ts_src"], &reply["late"], &reply["duplicate"]),
            (&"kernel".into(), &false.into(), &false.into())
        );
        assert!(reply["rtt_us"].as_f64().unwrap() > 0.0, "{reply}");
    }
    let account = responder(&output);
    assert_eq!(account["responder"], server.address());
    assert_eq!((&account["iface"], &account["self"]), (&"lo".into(), &false.into()));
    assert_eq!(numbers(&account, ["sent", "received", "lost", "since_seq"]), [5, 5, 0, 0]);
    assert!(output.summary()["elapsed_s"].as_f64().unwrap() < 30.0, "{output}");
}

#[test]
fn the_figures_are_those_of_the_answers() {
    let server = echo();
    let output = ping_json(&server.address(), &["--count", "50", "--interval", "1ms"]).expect_code(0);
    let mut times: Vec<f64> = output.events("reply").iter().map(|reply| reply["rtt_us"].as_f64().unwrap()).collect();
    let jitter = times.windows(2).fold(0.0, |jitter, two| jitter + ((two[0] - two[1]).abs() - jitter) / 16.0);
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let figures = &responder(&output)["rtt_us"];
    let near = |key: &str, exact: f64, within: f64| {
        let figure = figures[key].as_f64().unwrap();
        assert!((figure - exact).abs() <= within, "{key} is {figure}, and should be {exact}");
    };
    // What is shown is cut to nanoseconds; a percentile is within 1 %.
    near("min", times[0], 0.001);
    near("max", times[49], 0.001);
    near("mean", mean, 0.002);
    near("jitter", jitter, 0.002);
    near("p50", times[24], times[24] * 0.01 + 0.001);
    near("p90", times[44], times[44] * 0.01 + 0.001);
    near("p99", times[49], times[49] * 0.01 + 0.001);
}

#[test]
fn a_service_that_does_not_echo_counts_if_anything_does() {
    let server = serve(&["length", "127.0.0.1:0"]);
    let args = ["--count", "3", "--interval", "10ms"];
    let output =
        ping_json(&server.address(), &[&args[..], &["--match", "any", "--wait", "30s"]].concat()).expect_code(0);
    assert_eq!(numbers(&responder(&output), ["sent", "received", "lost"]), [3, 3, 0]);
    assert_eq!(output.events("reply")[0]["data"], "your data was 64 bytes long");
    let strict = ping_json(&server.address(), &["--count", "1", "--wait", "100ms"]).expect_code(1);
    assert_eq!(strict.summary()["ignored"]["foreign"], 1);
    assert_eq!(numbers(&responder(&strict), ["sent", "received", "lost"]), [1, 0, 1]);
}

#[test]
fn a_closed_port_refuses() {
    let to = closed_port();
    let output = ping(&to, &["--count", "1", "--wait", "200ms"]).expect_code(5);
    output.shows(&[&format!("REFUSED {to}"), "1 (100.0%)"]).says(&["-- 1 probe, 0 responders: 0 replies, 1 lost"]);
    // Every probe is refused, and once is enough to read; all of them are counted, and -v shows each.
    let three = ["--count", "3", "--interval", "10ms", "--flood", "--wait", "200ms"];
    let output = ping(&to, &three).expect_code(5);
    assert_eq!(output.out().matches("REFUSED").count(), 1, "{output}");
    output.says(&["3 refused by the network"]);
    let output = ping(&to, &[&three[..], &["-v"]].concat()).expect_code(5);
    assert_eq!(output.out().matches("REFUSED").count(), 3, "{output}");
    let output = ping_json(&to, &["--count", "1", "--wait", "200ms"]).expect_code(5);
    assert_eq!(output.events("refused")[0]["dst"], to);
    assert_eq!(numbers(&output.summary(), ["sent", "lost", "refused", "replies"]), [1, 1, 1, 0]);
}

#[test]
fn silence_is_exit_code_1_after_the_full_wait() {
    let silent = Catcher::new();
    let output = ping_json(&silent.address(), &["--count", "2", "--interval", "1ms", "--flood", "--wait", "300ms"]);
    let summary = output.expect_code(1).summary();
    assert_eq!(numbers(&summary, ["sent", "lost", "replies", "responders"]), [2, 2, 0, 0]);
    assert!(summary["elapsed_s"].as_f64().unwrap() >= 0.3, "{summary}");
    let probes = silent.all();
    assert_eq!(probes.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64]);
    assert_eq!(probes[0][8..24], probes[1][8..24], "one run");
}

#[test]
fn silence_slows_probes_down_and_that_is_said() {
    let silent = Catcher::new();
    let ping = start(&silent.address(), &["--interval", "10ms", "--deadline", "5s"]);
    // A second, then two, without an answer; over loopback the datagrams come as they were sent.
    ping.wait_note(|line| line.contains("nobody who was asked has answered"));
    let output = ping.finish().expect_code(1);
    assert_eq!(silent.all().len(), 3, "at 0 s, 1 s and 3 s: {output}");
}

#[test]
fn a_probe_waits_for_the_answer_to_the_one_before_and_that_is_said_once() {
    let slow = Catcher::new();
    let ping = start(&slow.address(), &["--interval", "10ms", "--count", "6"]);
    for _ in 0..6 {
        let (probe, source) = slow.next();
        assert!(slow.all().is_empty(), "one at a time");
        thread::sleep(Duration::from_millis(50));
        slow.send(probe, &source.to_string());
    }
    let output = ping.finish().expect_code(0);
    assert_eq!(output.err().matches("longer than the interval of 10.000 ms").count(), 1, "{output}");
    output.says(&["--flood"]);
}

#[test]
fn a_flood_ends_after_ten_seconds_whatever_its_count() {
    let silent = Catcher::new();
    let output = ping_json(&silent.address(), &["--flood", "--interval", "5s", "--count", "1000000"]).expect_code(1);
    let seconds = output.summary()["elapsed_s"].as_f64().unwrap();
    assert!((10.0..15.0).contains(&seconds), "{output}");
}

#[test]
fn answers_from_another_address_are_marked_and_are_not_those_that_were_asked_for() {
    let (asked, other) = (Catcher::new(), Catcher::on("127.0.0.2:0"));
    let run = |more: &[&str]| {
        let ping = start(&asked.address(), &[&["--count", "1"], more].concat());
        let (probe, source) = asked.next();
        other.send(&probe, &source.to_string());
        ping.finish()
    };
    // Whoever says how many are expected takes them from anywhere, and then need not wait for whom was asked.
    let output = run(&["--expect", "1", "--wait", "30s", "--json"]).expect_code(0);
    let reply = &output.events("reply")[0];
    assert_eq!((&reply["from_another"], &reply["seq"]), (&true.into(), &0.into()));
    let output = run(&["--wait", "300ms", "--json"]).expect_code(1);
    assert!(output.summary()["elapsed_s"].as_f64().unwrap() >= 0.3, "who was asked is waited for: {output}");
    let accounts = output.events("responder");
    let from = |address: String| accounts.iter().find(|account| account["responder"] == address).unwrap();
    assert_eq!(numbers(from(other.address()), ["sent", "received"]), [1, 1]);
    assert_eq!(from(other.address())["from_another"], true);
    assert_eq!(numbers(from(asked.address()), ["received"]), [0]);
    run(&["--wait", "300ms"]).expect_code(1).says(&["1 other address has", "--expect 1"]);
}

#[test]
fn a_stranger_s_bytes_are_no_answer() {
    let (asked, stranger) = (Catcher::new(), Catcher::on("127.0.0.2:0"));
    for (matching, bytes) in [("any", &[7; 64][..]), ("any", b"hi"), ("probe", &[7; 64])] {
        let ping = start(&asked.address(), &["--count", "1", "--match", matching, "--wait", "300ms", "--json"]);
        stranger.send(bytes, &asked.next().1.to_string());
        let output = ping.finish().expect_code(1);
        assert_eq!(output.summary()["ignored"], serde_json::json!({"foreign": 1}), "{matching}");
        assert_eq!(responder(&output)["responder"], asked.address());
    }
}

#[test]
fn two_runs_at_once_do_not_count_each_other_s_answers() {
    let middle = Catcher::new();
    let runs = [0, 1].map(|_| start(&middle.address(), &["--count", "1", "--wait", "1s", "--json"]));
    // Each is given the other's answer first, and then its own.
    let [(one, to_one), (two, to_two)] = [middle.next(), middle.next()];
    assert_ne!(one[8..24], two[8..24], "every run has its own number");
    for (answer, to) in [(&two, to_one), (&one, to_two), (&one, to_one), (&two, to_two)] {
        middle.send(answer, &to.to_string());
    }
    for run in runs {
        let output = run.finish().expect_code(0);
        assert_eq!(numbers(&responder(&output), ["sent", "received", "duplicates"]), [1, 1, 0]);
        assert_eq!(output.summary()["ignored"]["foreign"], 1);
    }
}

// ---- how much, how long --------------------------------------------------------------------------------------------

#[test]
fn sizes_have_two_ends() {
    let server = echo();
    let (to, count) = (server.address(), ["--count", "1", "--size"]);
    ping(&to, &[&count[..], &["39"]].concat()).expect_code(2).says(&["39", "40"]);
    for size in ["40", "65507"] {
        let output = ping_json(&to, &[&count[..], &[size, "--wait", "30s"]].concat()).expect_code(0);
        assert_eq!(output.events("reply")[0]["len"].to_string(), size);
    }
    let output = ping(&to, &[&count[..], &["65508"]].concat()).expect_code(3);
    output.says(&["65508", "65507", "othing was sent", "--size"]);
    assert!(!output.err().contains("--chunk"), "ping has no such option: {output}");
    assert_eq!(server.stop().expect_code(0).out().lines().count(), 2, "nothing else was sent");
}

#[test]
fn fewer_than_expected_are_exit_code_1() {
    let server = echo();
    let to = server.address();
    ping(&to, &["--count", "2", "--interval", "1ms", "--expect", "1", "--wait", "30s"]).expect_code(0);
    let output =
        ping_json(&to, &["--count", "2", "--interval", "1ms", "--expect", "2", "--wait", "200ms"]).expect_code(1);
    assert_eq!(numbers(&output.summary(), ["replies", "responders"]), [2, 1]);
    assert!(output.summary()["elapsed_s"].as_f64().unwrap() >= 0.2, "the second is waited for: {output}");
    assert_eq!(output.events("notice")[0]["notice"], "too_few");
    ping(&to, &["--count", "1", "--expect", "2", "--wait", "100ms"])
        .expect_code(1)
        .says(&["too few: of 2 expected, 1 address answered"]);
}

#[test]
fn a_deadline_ends_a_run_without_a_count() {
    let server = echo();
    let output = ping_json(&server.address(), &["--interval", "10ms", "--deadline", "300ms"]).expect_code(0);
    let summary = output.summary();
    assert!(number(&summary, "replies") > 1 && summary["elapsed_s"].as_f64().unwrap() >= 0.3, "{summary}");
}

#[test]
fn ctrl_c_ends_with_the_table_and_the_summary() {
    let server = echo();
    for signal in ["INT", "TERM"] {
        let ping = start(&server.address(), &["--interval", "10ms"]);
        ping.wait_lines(3, |line| line.contains(" seq "));
        ping.signal(signal);
        let output = ping.finish().expect_code(0);
        output.shows(&["responder  ", "received", "p99", &server.address()]).says(&["-- ", "1 responder", " 0 lost"]);
    }
    let silent = Catcher::new();
    let ping = start(&silent.address(), &["--json"]);
    silent.next();
    ping.signal("INT");
    let output = ping.finish().expect_code(1);
    let keys = ["sent", "received", "lost", "in_flight"];
    assert_eq!(numbers(&responder(&output), keys), [0, 0, 0, 1], "its answer could still come: {output}");
    assert_eq!(numbers(&output.summary(), ["sent", "lost", "in_flight"]), [1, 0, 1]);
    let ping = start(&silent.address(), &["--wait", "30s"]);
    silent.next();
    ping.signal("INT");
    ping.finish()
        .expect_code(1)
        .says(&["-- 1 probe, 0 responders: 0 replies, 0 lost, 1 in flight in "])
        .shows(&["1 in flight"]);
}

// ---- what it says --------------------------------------------------------------------------------------------------

#[test]
fn people_see_a_line_for_each_answer_and_a_table() {
    let server = echo();
    let to = server.address();
    let output = ping(&to, &["--count", "2", "--interval", "1ms"]).expect_code(0);
    let lines: Vec<String> = output.out().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4, "two answers, and a table of one: {output}");
    for (seq, line) in lines[..2].iter().enumerate() {
        assert!(line.starts_with(&format!("64 B from {to}  via lo  seq {seq}  ")) && line.ends_with(" ms"), "{line:?}");
    }
    assert!(lines[2].starts_with("responder") && lines[3].starts_with(&to), "{output}");
    output.says(&["-- 2 probes, 1 responder: 2 replies, 0 lost in "]);
    assert!(!output.out().contains("<0."), "no histogram unless asked");
}

#[test]
fn on_a_narrow_terminal_columns_of_nothing_but_zero_are_left_out() {
    let server = echo();
    let table = |columns: &str| {
        let typed = format!("stty rows 24 cols {columns}; {HALLOO} ping {} --count 1", server.address());
        let mut command = mortal("script");
        command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env("TERM", "xterm");
        let output = Run::new(command).output().expect_code(0).out();
        output.lines().find(|line| line.contains("responder  ")).unwrap().trim_end().to_owned()
    };
    let (narrow, wide) = (table("80"), table("200"));
    assert!(narrow.len() <= 80 && narrow.contains("lost") && narrow.contains("jitter"), "{narrow:?}");
    for column in ["dup", "reordered", "late", "corrupt"] {
        assert!(wide.contains(column) && !narrow.contains(column), "{column}\n{narrow}\n{wide}");
    }
}

#[test]
fn a_terminal_shows_how_far_it_is_and_takes_that_away_at_the_end() {
    let asked = Catcher::new();
    let typed = format!("exec {HALLOO} ping {} --count 2 --interval 100ms --flood --wait 30s", asked.address());
    let mut command = mortal("script");
    command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env("TERM", "xterm");
    let process = Run::new(command).start();
    process.wait_text("2 sent, 0 answered, 2 missing", 1);
    let [(first, source), (second, _)] = [asked.next(), asked.next()];
    asked.send(&first, &source.to_string());
    process.wait_text("2 sent, 1 answered, 1 missing", 1);
    asked.send(&second, &source.to_string());
    let output = process.finish().expect_code(0).out();
    let (_, end) = output.rsplit_once(" missing").unwrap();
    let blank = end.trim_start_matches('\r');
    assert!(blank.starts_with(' ') && end.contains("-- 2 probes, 1 responder: 2 replies, 0 lost"), "{end:?}");
}

#[test]
fn quiet_is_one_line() {
    let server = echo();
    let output = ping(&server.address(), &["--count", "2", "--interval", "1ms", "-q"]).expect_code(0);
    assert_eq!((output.out().lines().count(), output.err().lines().count()), (0, 1), "{output}");
    output.says(&["-- 2 probes, 1 responder: 2 replies, 0 lost"]);
    // A refusal is told by the code and counted in the line.
    let output = ping(&closed_port(), &["--count", "1", "--wait", "100ms", "-q"]).expect_code(5);
    assert_eq!((output.out().lines().count(), output.err().lines().count()), (0, 1), "{output}");
}

#[test]
fn a_histogram_holds_every_answer_in_time() {
    let server = echo();
    let output = ping(&server.address(), &["--count", "20", "--interval", "1ms", "--histogram"]).expect_code(0);
    let text = output.out();
    let (_, classes) = text.split_once("round-trip times of ").unwrap_or_else(|| panic!("no histogram in {output}"));
    let count = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    assert_eq!(classes.lines().skip(1).map(count).sum::<u64>(), 20, "{output}");
}

#[test]
fn an_answer_of_another_kind_is_told_with_what_takes_it() {
    let server = serve(&["length", "127.0.0.1:0"]);
    let output = ping(&server.address(), &["--count", "1", "--wait", "100ms"]).expect_code(1);
    output.says(&["does not echo: 1 datagram came that is no probe of this run as it was sent; --match any"]);
    output.shows(&["no answer"]);
    // Nor is it the probe where every letter comes back as a capital.
    let server = serve(&["echo", "127.0.0.1:0", "--upper"]);
    let output = ping(&server.address(), &["--count", "2", "--interval", "10ms", "--wait", "100ms"]).expect_code(1);
    output.says(&["2 datagrams came that are no probes of this run as they were sent; --match any"]);
}

#[test]
fn a_loss_is_a_failure_only_where_that_is_asked_for() {
    for (more, code) in [(&[][..], 0), (&["--fail-on-loss"], 1)] {
        let asked = Catcher::new();
        let ping = start(&asked.address(), &[&["--count", "2", "--interval", "1s", "--wait", "500ms"], more].concat());
        let (probe, source) = asked.next();
        asked.send(&probe, &source.to_string());
        let output = ping.finish().expect_code(code);
        output.says(&["1 reply, 1 lost"]);
        assert!(!output.err().contains("too few"), "{output}");
    }
    let server = echo();
    ping(&server.address(), &["--count", "2", "--interval", "1ms", "--fail-on-loss"]).expect_code(0);
}

#[test]
fn a_probe_that_has_to_wait_for_an_answer_is_said_to_even_where_few_are_sent() {
    let silent = Catcher::new();
    let output = ping(&silent.address(), &["--count", "2", "--interval", "100ms", "--wait", "100ms"]).expect_code(1);
    output.says(&["nobody who was asked has answered the last 2 probes"]);
    // At the pace that was asked for there is nothing to say.
    let output = ping(&silent.address(), &["--count", "2", "--interval", "1s", "--wait", "100ms"]).expect_code(1);
    assert!(!output.err().contains("nobody who was asked"), "{output}");
}

#[test]
fn answers_that_are_all_late_are_exit_code_1_and_it_is_said() {
    let asked = Catcher::new();
    let ping = start(&asked.address(), &["--count", "2", "--interval", "1s", "--wait", "100ms"]);
    let (probe, source) = asked.next();
    thread::sleep(Duration::from_millis(300));
    asked.send(&probe, &source.to_string());
    let output = ping.finish().expect_code(1);
    output.says(&["1 late", "0 addresses answered in time and 1 only later", "--wait"]);
}

#[test]
fn json_is_as_promised() {
    let server = echo();
    let output = ping_json(&server.address(), &["--count", "2", "--interval", "1ms"]).expect_code(0);
    let names: Vec<_> = output.json().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["sent", "reply", "sent", "reply", "responder", "summary"]);
    for event in output.json() {
        let (must, may) = support::schema::keys(event["event"].as_str().unwrap()).unwrap();
        let has: Vec<&str> =
            event.as_object().unwrap().keys().map(String::as_str).filter(|key| *key != "event").collect();
        assert!(must.iter().all(|key| has.contains(key)), "{event} lacks one of {must:?}");
        assert!(
            has.iter().all(|key| must.contains(key) || may.contains(key)),
            "{event} has more than {must:?} {may:?}"
        );
    }
}

#[test]
fn whom_to_ping_has_to_be_said() {
    halloo(["ping"]).output().expect_code(2).says(&["TARGET", "--broadcast"]);
    halloo(["ping", "127.0.0.1", "--broadcast"]).output().expect_code(2);
}
