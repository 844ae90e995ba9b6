//! `ping` on a real LAN: everybody with an account each, the services of other people, and a firewall in the way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::Value;
use support::lan::{Host, Lan, link_local};
use support::program::{Output, Run, Server, number, numbers};

/// Three probes, a fifth of a second apart.
const ALL: [&str; 6] = ["ping", "--broadcast", "--count", "3", "--interval", "200ms"];

fn echoes(lan: &Lan, hosts: &[&str]) -> Vec<Server> {
    let serve = |host: &&str| lan.host(host).serve(&["echo", "--lan", "--answer-broadcast", "--rate-limit", "off"]);
    hosts.iter().map(serve).collect()
}

/// Address and interface of each responder, none of which has lost anything.
#[track_caller]
fn responders(output: &Output) -> Vec<(String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let whole = |event: &Value| number(event, "received") == number(event, "sent") && number(event, "received") > 0;
    let all = output.events("responder");
    assert!(all.iter().all(whole), "somebody has lost something: {output}");
    all.iter().map(|event| (text(event, "responder"), text(event, "iface"))).collect()
}

fn two(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn everybody_has_an_account_for_each_address_with_its_interface() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _servers) = (lan.host("h1"), echoes(&lan, &["h2", "h3", "h4"]));
    let output = h1.run(&[&ALL[..], &["--wait", "30s", "--expect", "4", "--json"]].concat()).expect_code(0);
    // h3 is on both subnets, and so two addresses.
    let both = [("10.77.0.2:1060", "e0"), ("10.77.0.3:1060", "e0"), ("10.78.0.3:1060", "e1"), ("10.78.0.4:1060", "e1")];
    assert_eq!(responders(&output), two(&both));
    let summary = output.summary();
    assert_eq!(numbers(&summary, ["sent", "replies", "responders", "lost", "duplicates"]), [6, 12, 4, 0, 0]);
    assert!(summary["elapsed_s"].as_f64().unwrap() < 30.0, "four who answered everything end it: {summary}");
    for event in output.events("responder") {
        assert_eq!(numbers(&event, ["sent", "received", "since_seq"]), [3, 3, 0], "{event}");
        assert_eq!((&event["self"], &event["from_another"]), (&false.into(), &false.into()));
    }
    let text = h1.run(&[&ALL[..], &["--wait", "200ms"]].concat()).expect_code(0);
    for (address, iface) in both {
        let row = |line: &str| line.starts_with(&format!("{address}  {iface} "));
        assert!(text.out().lines().any(row), "no row for {address}: {text}");
    }
    text.says(&["-- 3 probes (6 sent), 4 responders: 12 replies, 0 lost"]);
}

#[test]
fn it_waits_the_full_wait_and_fewer_than_expected_are_exit_code_1() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _servers) = (lan.host("h1"), echoes(&lan, &["h2"]));
    let args = ["ping", "--broadcast", "--count", "1", "--wait", "300ms", "--json"];
    for (expect, code) in [(&[][..], 0), (&["--expect", "2"], 1)] {
        let output = h1.run(&[&args, expect].concat()).expect_code(code);
        assert_eq!(responders(&output), two(&[("10.77.0.2:1060", "e0")]));
        assert!(output.summary()["elapsed_s"].as_f64().unwrap() >= 0.3, "{output}");
    }
}

#[test]
fn who_comes_later_has_lost_nothing_before() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _h2) = (lan.host("h1"), echoes(&lan, &["h2"]));
    let ping =
        h1.halloo(&["ping", "--broadcast", "--interface", "e0", "--flood", "--interval", "20ms", "--json"]).start();
    ping.wait_events("reply", 3);
    let _h3 = echoes(&lan, &["h3"]);
    ping.wait_line(|line| line.contains("\"10.77.0.3:1060\""));
    ping.signal("INT");
    let output = ping.finish().expect_code(0);
    let accounts = output.events("responder");
    assert_eq!(numbers(&accounts[0], ["since_seq", "lost"]), [0, 0], "{output}");
    assert!(number(&accounts[1], "since_seq") >= 3, "{output}");
    assert_eq!(number(&accounts[1], "lost"), 0, "{output}");
}

#[test]
fn this_host_itself_is_shown_and_not_counted() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _servers) = (lan.host("h1"), echoes(&lan, &["h1", "h2"]));
    let args = ["ping", "--broadcast", "--count", "1", "--wait", "300ms", "--expect", "2", "--json"];
    let output = h1.run(&args).expect_code(1);
    let summary = output.summary();
    assert_eq!(numbers(&summary, ["replies", "responders"]), [1, 1]);
    let own: Vec<_> = output.events("responder").iter().filter(|event| event["self"] == true).cloned().collect();
    let addresses: Vec<_> = own.iter().map(|event| event["responder"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["10.77.0.1:1060", "10.78.0.1:1060"], "{output}");
}

#[test]
fn limited_one_address_and_ipv6_reach_the_same_hosts() {
    let Some(lan) = Lan::new() else { return };
    let (h1, servers) = (lan.host("h1"), echoes(&lan, &["h2", "h3", "h4"]));
    let run =
        |args: &[&str]| responders(&h1.run(&[&ALL[..], &["--wait", "300ms", "--json"], args].concat()).expect_code(0));
    let e1 = [("10.78.0.3:1060", "e1"), ("10.78.0.4:1060", "e1")];
    assert_eq!(run(&["--limited"]).len(), 4);
    assert_eq!(run(&["--limited", "--interface", "e1"]), two(&e1));
    assert_eq!(run(&["--to", "10.78.0.255"]), two(&e1));
    drop(servers);
    // A server for everybody over IPv4 is none over IPv6, and the hint says so.
    let args = [&ALL[..], &["--wait", "100ms", "--ipv6"]].concat();
    let four = echoes(&lan, &["h2"]);
    h1.run(&args).expect_code(1).says(&["nobody answered", "over IPv6 only on '[::]'"]);
    drop(four);
    let _servers: Vec<_> =
        ["h2", "h3", "h4"].map(|host| lan.host(host).serve(&["echo", "[::]", "--answer-broadcast"])).into();
    let answered = run(&["--ipv6"]);
    // The loopback interface is 1, e0 is 2, e1 is 3: they were made in this order.
    let on =
        |address: &str, zone: u32, iface: &str| (format!("[{}%{zone}]:1060", link_local(address)), iface.to_owned());
    let (e0, e1) = (|address| on(address, 2, "e0"), |address| on(address, 3, "e1"));
    assert_eq!(answered, [e0("10.77.0.2"), e0("10.77.0.3"), e1("10.78.0.3"), e1("10.78.0.4")]);
}

// ---- the services of other people ----------------------------------------------------------------------------------

/// Pings it with three probes; every one is answered, unchanged, by the host itself.
#[track_caller]
fn answers(lan: &Lan, to: &str) {
    let args = ["ping", to, "--count", "3", "--interval", "200ms", "--wait", "30s", "--json"];
    let output = lan.host("h1").run(&args).expect_code(0);
    assert_eq!(responders(&output), two(&[(to, "e0")]));
    assert_eq!(numbers(&output.summary(), ["replies", "lost", "duplicates"]), [3, 0, 0]);
}

#[track_caller]
fn inetd_answers(lan: &Lan) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inetd.conf").display().to_string();
    std::fs::write(&path, "echo dgram udp wait root internal\n").unwrap();
    let _inetd = lan.host("h2").on_port(7, "inetd", &["-i", &path]);
    answers(lan, "10.77.0.2:7");
}

#[test]
fn the_echo_of_an_inetd_from_debian_answers() {
    let Some(lan) = Lan::new() else { return };
    inetd_answers(&lan);
}

#[test]
fn it_answers_in_a_lan_that_was_built_without_any_rights() {
    let Some(lan) = Lan::unprivileged() else { return };
    inetd_answers(&lan);
}

#[test]
fn socat_and_ncat_answer_as_their_manuals_make_them() {
    let Some(lan) = Lan::new() else { return };
    let _socat = lan.host("h2").on_port(1061, "socat", &["UDP4-RECVFROM:1061,fork", "EXEC:cat"]);
    answers(&lan, "10.77.0.2:1061");
    let _pipe = lan.host("h2").on_port(1062, "socat", &["UDP4-RECVFROM:1062,fork", "PIPE"]);
    answers(&lan, "10.77.0.2:1062");
    let _ncat =
        lan.host("h3").on_port(1063, "ncat", &["--udp", "--listen", "1063", "--keep-open", "--exec", "/bin/cat"]);
    answers(&lan, "10.77.0.3:1063");
}

#[test]
fn an_answer_from_the_wrong_address_is_marked_and_the_asked_one_has_none() {
    let Some(lan) = Lan::new() else { return };
    // Bound to every address, it answers from the first one, whichever was asked.
    let _naive = lan.host("h3").on_port(1061, "socat", &["UDP4-RECVFROM:1061,fork", "EXEC:cat"]);
    let args = ["ping", "10.77.0.33:1061", "--count", "2", "--flood", "--interval", "200ms", "--wait", "1s", "--json"];
    let output = lan.host("h1").run(&args).expect_code(1);
    assert_eq!(output.events("notice")[0]["notice"], "too_few");
    lan.host("h1").run(&[&args[..], &["--expect", "1"]].concat()).expect_code(0);
    assert!(output.events("reply").iter().all(|reply| reply["from_another"] == true), "{output}");
    let accounts = output.events("responder");
    assert_eq!((&accounts[0]["responder"], number(&accounts[0], "received")), (&"10.77.0.3:1061".into(), 2));
    assert_eq!((&accounts[1]["responder"], number(&accounts[1], "received")), (&"10.77.0.33:1061".into(), 0));
    assert_eq!([&accounts[0]["from_another"], &accounts[1]["from_another"]], [&true.into(), &Value::from(false)]);
}

#[test]
fn answers_to_a_broadcast_that_are_no_probes_are_said_and_no_firewall_is_blamed() {
    let Some(lan) = Lan::new() else { return };
    let _server = lan.host("h2").serve(&["echo", "--lan", "--answer-broadcast", "--upper"]);
    let args = ["ping", "--broadcast", "--interface", "e0", "--count", "2", "--interval", "200ms", "--wait", "300ms"];
    let output = lan.host("h1").run(&args).expect_code(1);
    output.says(&["2 datagrams came that are no probes of this run", "--match any"]);
    assert!(!output.err().contains("irewall"), "{output}");
}

// ---- a firewall ----------------------------------------------------------------------------------------------------

/// What lets in answers to what was sent, and nothing else: to the kernel, an answer from an address that was never
/// asked is none.
const STATEFUL: &str = "table inet wall {\n chain in {\n  type filter hook input priority 0; policy drop;\n  \
                        ct state established accept\n }\n}\n";

fn nft(host: Host<'_>, rules: &str) {
    Run::new(host.command("nft", &["-f", "-"])).stdin(rules).output().expect_code(0);
}

#[test]
fn a_stateful_firewall_drops_answers_to_a_broadcast_and_a_fixed_port_lets_them_in() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _servers) = (lan.host("h1"), echoes(&lan, &["h2", "h3"]));
    nft(h1, STATEFUL);
    let args = ["ping", "--broadcast", "--interface", "e0", "--count", "2", "--interval", "200ms", "--flood"];
    let run = |more: &[&str]| h1.run(&[&args[..], &["--wait", "300ms"], more].concat());
    // One host's answers come through.
    h1.run(&["ping", "10.77.0.2", "--count", "1", "--wait", "30s"]).expect_code(0);
    run(&[]).expect_code(1).says(&[
        "--answer-broadcast",
        "firewall",
        "--from :",
        "-- 2 probes, 0 responders: 0 replies, 0 lost",
    ]);
    let silent = run(&["--json", "--from", ":4747"]).expect_code(1);
    assert_eq!(numbers(&silent.summary(), ["sent", "received", "replies", "responders"]), [2, 0, 0, 0]);
    assert!(silent.events("notice").iter().any(|notice| notice["notice"] == "broadcast_silence"), "{silent}");
    nft(h1, "add rule inet wall in udp dport 4747 accept\n");
    let heard = run(&["--json", "--from", ":4747"]).expect_code(0);
    assert_eq!(responders(&heard), two(&[("10.77.0.2:1060", "e0"), ("10.77.0.3:1060", "e0")]));
    assert!(heard.events("notice").is_empty(), "{heard}");
    run(&["--json"]).expect_code(1);
}
