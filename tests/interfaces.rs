//! `interfaces`: every address, its broadcast address and where that comes from, usable or why not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use halloo::lab::{HostPlan, Plan, Plug};
use serde_json::{Value, json};
use support::lan::Lan;
use support::program::{Output, halloo};

/// The IPv4 rows and those without an address: interface, address with prefix, broadcast, its origin, reason.
fn rows(output: &Output) -> Vec<Value> {
    let row = |event: &Value| {
        let address = event["addr"].as_str().map(|address| format!("{address}/{}", event["prefix"]));
        assert_eq!(event["usable"] == true, event["reason"].is_null(), "{event}");
        assert_eq!(event["reason"].is_null(), event["why"].is_null(), "{event}");
        json!([event["iface"], address, event["broadcast"], event["broadcast_from"], event["reason"]])
    };
    let ipv4 = |event: &&Value| !event["addr"].as_str().is_some_and(|address| address.contains(':'));
    output.events("interface").iter().filter(ipv4).map(row).collect()
}

#[test]
fn every_trap_is_told_for_what_it_is() {
    let Some(lan) = Lan::with_traps() else { return };
    let output = lan.host("h1").run(&["interfaces", "--json"]).expect_code(0);
    let expected = json!([
        ["lo", "127.0.0.1/8", "127.255.255.255", "computed", "loopback"],
        ["e0", "10.77.0.1/24", "10.77.0.255", "system", null],
        ["e0", "10.77.0.11/24", "10.77.0.255", "system", null],
        ["e1", "10.78.0.1/24", "10.78.0.255", "system", null],
        ["pair0", "10.79.0.0/31", null, null, "too_small"],
        ["down0", "10.80.0.1/24", "10.80.0.255", "system", "down"],
        ["dead0", "10.84.0.1/24", "10.84.0.255", "system", "no_carrier"],
        ["bare0", null, null, null, "no_address"],
        // The usual calls would give 10.82.0.1, its own address.
        ["plain0", "10.82.0.1/24", "10.82.0.255", "computed", null],
        ["odd0", "10.83.0.1/24", "10.83.0.127", "system", null],
    ]);
    assert_eq!(Value::from(rows(&output)), expected, "{output}");
    let alias = output.events("interface").into_iter().find(|event| event["addr"] == "10.77.0.11").unwrap();
    assert_eq!((&alias["label"], &alias["mtu"]), (&"e0:lab".into(), &1500.into()));
    let ipv6 = output.events("interface").into_iter().find(|event| event["addr"] == "fe80::10:77:0:1").unwrap();
    assert_eq!((&ipv6["iface"], &ipv6["prefix"], &ipv6["broadcast"]), (&"e0".into(), &64.into(), &Value::Null));
}

#[test]
fn people_read_the_same() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    let output = h1.run(&["interfaces"]).expect_code(0);
    let line = |address: &str| {
        let text = output.out();
        let line = text.lines().find(|line| line.split_whitespace().any(|word| word == address)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{address} in {output}"))
    };
    for (address, words) in [
        ("10.77.0.1/24", &["e0", "10.77.0.255", "system", "yes"][..]),
        ("10.77.0.11/24", &["e0:lab"]),
        ("10.79.0.0/31", &["pair0", "no: /31"]),
        ("10.80.0.1/24", &["down0", "no: down"]),
        ("10.82.0.1/24", &["plain0", "10.82.0.255", "computed", "yes"]),
        ("10.84.0.1/24", &["dead0", "no: no carrier"]),
        ("127.0.0.1/8", &["lo", "no: loopback"]),
    ] {
        let line = line(address);
        assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line:?}");
    }
    output.shows(&["bare0"]);
}

#[test]
fn a_tunnel_has_no_broadcast() {
    let Some(lan) = Lan::new() else { return };
    lan.host("h2").add_tunnel();
    let output = lan.host("h2").run(&["interfaces", "--json", "--interface", "tun0"]).expect_code(0);
    assert_eq!(Value::from(rows(&output)), json!([["tun0", "10.81.0.1/24", null, null, "point_to_point"]]));
}

#[test]
fn one_is_chosen_by_name_number_address_or_alias() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    let addresses = |selector: &str| {
        let output = h1.run(&["interfaces", "--json", "--interface", selector]).expect_code(0);
        output
            .events("interface")
            .iter()
            .filter_map(|event| Some(event["addr"].as_str()?.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(addresses("e1"), ["10.78.0.1", "fe80::10:78:0:1"]);
    assert_eq!(addresses("2"), ["10.77.0.1", "10.77.0.11", "fe80::10:77:0:1"]);
    assert_eq!(addresses("10.77.0.11"), ["10.77.0.11"]);
    assert_eq!(addresses("e0:lab"), ["10.77.0.11"]);
    h1.run(&["interfaces", "--interface", "e9"]).expect_code(2).says(&["\"e9\"", "e0", "odd0"]);
}

#[test]
fn a_hostile_name_reaches_no_terminal() {
    // The kernel takes any byte but a slash, a colon and white space.
    let plug = Plug::new("\u{1b}[2Je0", "br0").address(([10, 77, 0, 2], 24));
    let Some(lan) = Lan::of(&Plan::new().host(HostPlan::new("h2").plug(plug))) else { return };
    let h2 = lan.host("h2");
    for args in [&["interfaces"][..], &["broadcast", "hi"], &["interfaces", "--interface", "none"]] {
        let output = h2.run(args);
        let text = output.out() + &output.err();
        assert!(text.contains("[2Je0") && !text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn this_host_has_a_loopback_interface() {
    let output = halloo(["interfaces", "--interface", "lo", "--json"]).output().expect_code(0);
    let row = output.events("interface").remove(0);
    assert_eq!((&row["addr"], &row["usable"]), (&"127.0.0.1".into(), &false.into()));
}

#[test]
fn a_cable_that_is_pulled_is_seen_at_once() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    // Linux notes it in two places, in one of them only when it comes to it, which takes longer on a busy machine.
    for round in 0..10 {
        lan.unplug("h1", "e1");
        let seen = rows(&h1.run(&["interfaces", "--json"]).expect_code(0));
        let e1 = json!(["e1", "10.78.0.1/24", "10.78.0.255", "system", "no_carrier"]);
        assert!(seen.contains(&e1), "round {round}: {seen:?}");
        lan.plug("h1", "e1");
    }
}
