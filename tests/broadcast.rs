//! `broadcast` on a real LAN: every usable interface, each once, from the right address; and why the others are left out.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::net::SocketAddr;

use halloo::lab::{Frame, Tap, Way};
use serde_json::Value;
use support::lan::{Host, Lan, link_local};
use support::program::{Output, Server};

/// The listeners of `hosts`, on port 1060 unless `address` says otherwise.
fn listeners(lan: &Lan, hosts: &[&str], address: &str) -> Vec<Server> {
    hosts.iter().map(|host| lan.host(host).serve(&["listen", address, "--json"])).collect()
}

/// What a listener heard up to the text `end`, which comes last.
fn heard(listener: Server) -> Vec<Value> {
    listener.process.wait_line(|line| line.contains("\"end\""));
    let mut events = listener.stop().expect_code(0).events("recv");
    assert_eq!(events.pop().map(|event| event["data"].clone()), Some("end".into()));
    events
}

/// Tells the listeners at these addresses that this was all.
fn end(from: Host<'_>, addresses: &[&str]) {
    for address in addresses {
        from.run(&["send", address, "end"]).expect_code(0);
    }
}

/// Interface, source address and destination of each datagram that was sent.
fn went(output: &Output) -> Vec<(String, String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let host = |address: String| address.rsplit_once(':').map(|(host, _)| host.to_owned()).unwrap_or_default();
    let sent = output.events("sent");
    sent.iter().map(|event| (text(event, "iface"), host(text(event, "src")), text(event, "dst"))).collect()
}

/// Interface and reason of each that was left out.
fn left_out(output: &Output) -> Vec<(String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    output.events("skipped").iter().map(|event| (text(event, "iface"), text(event, "reason"))).collect()
}

fn three(all: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    all.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

fn two(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn every_usable_interface_once_and_every_other_with_its_reason() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    // Independent ears: the program is not judged by itself.
    let ears = ["h2", "h3", "h4"].map(|host| lan.host(host).ear(1060));
    let output = h1.run(&["broadcast", "hi", "--json"]).expect_code(0);
    end(h1, &["10.77.0.2", "10.77.0.3", "10.78.0.4"]);

    let mut expected = three(&[
        ("e0", "10.77.0.1", "10.77.0.255:1060"),
        ("e1", "10.78.0.1", "10.78.0.255:1060"),
        // No broadcast address is configured: it is computed.
        ("plain0", "10.82.0.1", "10.82.0.255:1060"),
        // A strange one is configured: it is used.
        ("odd0", "10.83.0.1", "10.83.0.127:1060"),
    ]);
    let mut sent = went(&output);
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected, "{output}");
    let mut skipped = left_out(&output);
    skipped.sort();
    let reasons = [
        ("bare0", "no_address"),
        ("dead0", "no_carrier"),
        ("down0", "down"),
        // Its second address, e0:lab, reaches the same broadcast address.
        ("e0", "repeated"),
        ("pair0", "too_small"),
    ];
    assert_eq!(skipped, two(&reasons), "{output}");
    let summary = output.summary();
    assert_eq!((&summary["sent"], &summary["skipped"], &summary["failed"]), (&4.into(), &5.into(), &0.into()));
    assert!(output.events("notice").iter().any(|notice| notice["notice"] == "odd_broadcast"), "{output}");

    let sources = |heard: Vec<(Vec<u8>, SocketAddr)>| {
        assert!(heard.iter().all(|(bytes, _)| bytes == b"hi"), "{heard:?}");
        let mut sources: Vec<String> = heard.iter().map(|(_, source)| source.ip().to_string()).collect();
        sources.sort();
        sources
    };
    let [h2, h3, h4] = ears.map(|ear| sources(ear.up_to("end")));
    assert_eq!(h2, ["10.77.0.1"]);
    assert_eq!(h3, ["10.77.0.1", "10.78.0.1"]);
    assert_eq!(h4, ["10.78.0.1", "10.82.0.1", "10.83.0.1"]);
}

#[test]
fn people_read_the_same() {
    let Some(lan) = Lan::with_traps() else { return };
    let output = lan.host("h1").run(&["broadcast", "who is there?"]).expect_code(0);
    output.shows(&[
        "e0      10.77.0.1 -> 10.77.0.255:1060   sent 13 B\n",
        "e1      10.78.0.1 -> 10.78.0.255:1060   sent 13 B\n",
        "plain0  10.82.0.1 -> 10.82.0.255:1060   sent 13 B\n",
        "odd0    10.83.0.1 -> 10.83.0.127:1060   sent 13 B\n",
        "skipped: down\n",
        "skipped: no carrier\n",
        "skipped: /31: no broadcast address\n",
    ]);
    output.says(&["odd0 is configured to broadcast to 10.83.0.127", "--mask-derived", "-- 4 sent, 5 skipped"]);
    assert!(!output.out().contains("lo "), "nobody expects loopback among every interface: {output}");
    let quiet = lan.host("h1").run(&["broadcast", "hi", "-q"]).expect_code(0);
    assert_eq!((quiet.out(), quiet.err().lines().count()), (String::new(), 1), "{quiet}");
}

#[test]
fn a_tunnel_is_skipped_with_its_reason() {
    let Some(lan) = Lan::new() else { return };
    let h2 = lan.host("h2");
    h2.add_tunnel();
    let output = h2.run(&["broadcast", "hi", "--json"]).expect_code(0);
    assert_eq!(went(&output), three(&[("e0", "10.77.0.2", "10.77.0.255:1060")]));
    assert_eq!(left_out(&output), two(&[("tun0", "point_to_point")]));
    h2.run(&["broadcast", "hi", "--interface", "tun0"]).expect_code(3).says(&["point-to-point"]);
}

#[test]
fn a_listener_sees_whence_where_and_how_it_came() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let mut all = listeners(&lan, &["h1", "h2", "h3", "h4"], ":1060");
    h1.run(&["broadcast", "hi", ""]).expect_code(0);
    end(h1, &["10.77.0.1", "10.77.0.2", "10.77.0.3", "10.78.0.4"]);
    let facts = |event: &Value| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        (text("iface"), text("dst"), text("data"))
    };
    let own = heard(all.remove(0));
    assert!(own.iter().all(|event| event["self"] == true), "{own:?}");
    assert_eq!(own.len(), 4, "the sender's host hears it too");
    let counts = [("h2", 2), ("h3", 4), ("h4", 2)];
    for ((host, count), listener) in counts.into_iter().zip(all) {
        let events = heard(listener);
        assert_eq!(events.len(), count, "{host} hears each once on each subnet: {events:?}");
        for event in &events {
            let (iface, dst, data) = facts(event);
            let (to, from) =
                if iface == "e0" { ("10.77.0.255:1060", "10.77.0.1:") } else { ("10.78.0.255:1060", "10.78.0.1:") };
            assert_eq!(dst, to);
            assert!(event["src"].as_str().unwrap().starts_with(from), "{event}");
            assert!(data == "hi" || data.is_empty(), "{event}");
            // A broadcast is for one wire.
            assert_eq!(
                (&event["cast"], &event["self"], &event["ttl"]),
                (&"broadcast".into(), &false.into(), &1.into())
            );
            assert_eq!(event["ts_src"], "kernel");
        }
    }
}

#[test]
fn own_broadcasts_can_be_left_out() {
    let Some(lan) = Lan::new() else { return };
    let listener = lan.host("h1").serve(&["listen", "--no-self", "--json"]);
    lan.host("h1").run(&["broadcast", "own"]).expect_code(0);
    lan.host("h2").run(&["broadcast", "other"]).expect_code(0);
    end(lan.host("h2"), &["10.77.0.1"]);
    let data: Vec<_> = heard(listener).iter().map(|event| event["data"].clone()).collect();
    assert_eq!(data, ["other"]);
}

#[test]
fn an_interface_is_chosen_by_name_number_or_address() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    let sent = |args: &[&str]| went(&h1.run(&[&["broadcast", "hi", "--json"], args].concat()).expect_code(0));
    let (e0, e1) = (("e0", "10.77.0.1", "10.77.0.255:1060"), ("e1", "10.78.0.1", "10.78.0.255:1060"));
    assert_eq!(sent(&["--interface", "e1"]), three(&[e1]));
    // The loopback interface is 1, so e0 is 2: it was the first to be made.
    assert_eq!(sent(&["--interface", "2"]), three(&[e0]));
    assert_eq!(sent(&["--interface", "10.78.0.1"]), three(&[e1]));
    assert_eq!(sent(&["--interface", "10.77.0.11"]), three(&[("e0", "10.77.0.11", "10.77.0.255:1060")]));
    assert_eq!(sent(&["--interface", "e0", "--interface", "e1"]).len(), 2);
    assert_eq!(sent(&["--interface", "e0", "--port", "9000"]), three(&[("e0", "10.77.0.1", "10.77.0.255:9000")]));
    assert_eq!(sent(&["--interface", "lo"]), three(&[("lo", "127.0.0.1", "127.255.255.255:1060")]));
    h1.run(&["broadcast", "hi", "--interface", "e9"]).expect_code(2).says(&["\"e9\"", "e0", "e1"]);
    h1.run(&["broadcast", "hi", "--interface", "down0"]).expect_code(3).says(&["down0", "down"]);
    let partly = h1.run(&["broadcast", "hi", "--interface", "e0", "--interface", "down0", "--json"]);
    assert!(left_out(&partly).contains(&("down0".to_owned(), "down".to_owned())), "{partly}");
}

#[test]
fn one_broadcast_address_goes_out_of_the_interface_that_has_it() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    let ears = ["h2", "h4"].map(|host| lan.host(host).ear(1060));
    let sent = |args: &[&str]| went(&h1.run(&[&["broadcast", "hi", "--json"], args].concat()).expect_code(0));
    assert_eq!(sent(&["--to", "10.78.0.255"]), three(&[("e1", "10.78.0.1", "10.78.0.255:1060")]));
    let refused = h1.run(&["broadcast", "hi", "--to", "10.78.0.255", "--interface", "e0"]).expect_code(3);
    refused.says(&["10.78.0.255 is not the broadcast address of e0", "othing was sent"]);
    h1.run(&["broadcast", "hi", "--to", "10.77.0.0"]).expect_code(3);
    let masked = sent(&["--interface", "odd0", "--mask-derived"]);
    assert_eq!(masked, three(&[("odd0", "10.83.0.1", "10.83.0.255:1060")]));
    end(h1, &["10.77.0.2", "10.78.0.4"]);
    let [h2, h4] = ears.map(|ear| ear.up_to("end").len());
    assert_eq!(h2, 0, "nothing was sent on the wrong wire");
    // The one to 10.78.0.255; that to 10.83.0.255 too, for h4's kernel has a route for it.
    assert_eq!(h4, 2);
}

#[test]
fn limited_leaves_by_each_chosen_interface_without_a_default_route() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let all = listeners(&lan, &["h2", "h3", "h4"], ":1060");
    let output = h1.run(&["broadcast", "hi", "--limited", "--json"]).expect_code(0);
    let both = three(&[("e0", "10.77.0.1", "255.255.255.255:1060"), ("e1", "10.78.0.1", "255.255.255.255:1060")]);
    assert_eq!(went(&output), both);
    let output = h1.run(&["broadcast", "one", "--limited", "--interface", "e1", "--json"]).expect_code(0);
    assert_eq!(went(&output), both[1..]);
    end(h1, &["10.77.0.2", "10.77.0.3", "10.78.0.4"]);
    let heard: Vec<Vec<Value>> = all.into_iter().map(heard).collect();
    let (one, to) = (Value::from("one"), Value::from("255.255.255.255:1060"));
    assert!(heard.iter().flatten().all(|event| event["cast"] == "limited" && event["dst"] == to), "{heard:?}");
    assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 2]);
    assert!(heard.iter().flatten().filter(|event| event["data"] == one).all(|event| event["iface"] == "e1"));
}

#[test]
fn the_limited_address_alone_is_refused_where_no_route_says_by_which_interface() {
    let Some(lan) = Lan::new() else { return };
    let send = |args: &[&str]| lan.host("h1").run(&[&["send", "255.255.255.255", "hi"], args].concat());
    send(&[]).expect_code(3).says(&["no route says which", "halloo broadcast --limited", "halloo learn limited"]);
    let by_one = send(&["--interface", "e0"]).expect_code(0);
    by_one
        .says(&["leaves by e0 alone", "halloo broadcast --limited", "(halloo learn limited)"])
        .shows(&[" e0 limited"]);
}

#[test]
fn ipv6_goes_to_all_nodes_of_each_link() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let all = listeners(&lan, &["h2", "h3", "h4"], "[::]:1060");
    let output = h1.run(&["broadcast", "hi", "--ipv6", "--json"]).expect_code(0);
    let sent: Vec<_> = went(&output).into_iter().map(|(iface, source, _)| (iface, source)).collect();
    let from = |address: &str| format!("[{}", link_local(address));
    for ((iface, source), (name, address)) in sent.iter().zip([("e0", "10.77.0.1"), ("e1", "10.78.0.1")]) {
        assert!(iface == name && source.starts_with(&from(address)), "{output}");
    }
    assert_eq!(sent.len(), 2);
    for (host, iface) in [("10.77.0.2", "e0"), ("10.77.0.3", "e0"), ("10.78.0.4", "e1")] {
        h1.run(&["send", &format!("[{}%{iface}]", link_local(host)), "end"]).expect_code(0);
    }
    let heard: Vec<Vec<Value>> = all.into_iter().map(heard).collect();
    assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
    let to_all = |event: &Value| event["cast"] == "multicast" && event["dst"].as_str().unwrap().contains("ff02::1");
    assert!(heard.iter().flatten().all(to_all), "{heard:?}");
}

/// Servers that answer a broadcast.
fn answering(lan: &Lan) -> Vec<Server> {
    let serve = |host: &str| lan.host(host).serve(&["echo", "--lan", "--answer-broadcast"]);
    ["h2", "h3", "h4"].map(serve).into()
}

#[test]
fn who_answers_is_shown_with_its_interface() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _servers) = (lan.host("h1"), answering(&lan));
    let output = h1.run(&["broadcast", "who is there?", "--expect", "4", "--wait", "30s", "--json"]).expect_code(0);
    let mut answers: Vec<_> =
        output.events("reply").iter().map(|reply| (reply["src"].clone(), reply["iface"].clone())).collect();
    answers.sort_by_key(|(source, _)| source.to_string());
    let expected = [("10.77.0.2", "e0"), ("10.77.0.3", "e0"), ("10.78.0.3", "e1"), ("10.78.0.4", "e1")];
    assert_eq!(answers, expected.map(|(address, iface)| (format!("{address}:1060").into(), iface.into())));
    let summary = output.summary();
    assert_eq!((&summary["replies"], &summary["responders"]), (&4.into(), &4.into()));
    let text = h1.run(&["broadcast", "who is there?", "--wait", "300ms"]).expect_code(0);
    text.shows(&[
        "REPLY   10.77.0.2:1060  via e0  ",
        "REPLY   10.78.0.4:1060  via e1  ",
        " ms  13 B  \"who is there?\"",
    ]);
    text.says(&["-- 2 sent; 4 replies from 4 responders"]);
    h1.run(&["broadcast", "hi", "--expect", "5", "--wait", "200ms"])
        .expect_code(1)
        .says(&["note: too few: of 5 expected,", "addresses answered"]);
}

#[test]
fn silence_is_exit_code_1_with_a_hint_and_without_the_word_refused() {
    let Some(lan) = Lan::new() else { return };
    let output = lan.host("h1").run(&["broadcast", "anybody?", "--wait", "100ms"]).expect_code(1);
    output.says(&["nobody answered", "firewall", "-- 2 sent; 0 replies"]);
    assert!(!format!("{output}").contains("REFUSED"), "{output}");
}

#[test]
fn a_failure_on_one_interface_does_not_stop_the_others() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    // What fits into one packet of e1 is too long for e0.
    h1.set_mtu("e0", 1000).unwrap();
    let args = ["broadcast", "--size", "1200", "--dont-fragment", "--json"];
    let output = h1.run(&args).expect_code(6);
    assert_eq!(went(&output), three(&[("e1", "10.78.0.1", "10.78.0.255:1060")]));
    let error = output.events("error").remove(0);
    assert_eq!((&error["iface"], &error["reason"]), (&"e0".into(), &"too_long".into()));
    let summary = output.summary();
    assert_eq!((&summary["sent"], &summary["failed"]), (&1.into(), &1.into()));
    h1.run(&[&args[..], &["--lenient"]].concat()).expect_code(0);
    h1.run(&[&args[..], &["--interface", "e0"]].concat()).expect_code(4);
}

#[test]
fn an_interface_that_goes_down_is_reported_and_the_series_goes_on() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let series = h1
        .halloo(&[
            "broadcast",
            "hi",
            "--count",
            "1000000",
            "--interval",
            "10ms",
            "--flood",
            "--deadline",
            "60s",
            "--json",
        ])
        .start();
    let on =
        |iface: &'static str| move |line: &str| line.contains("\"sent\"") && line.contains(&format!("\"{iface}\""));
    series.wait_lines(3, on("e1"));
    h1.link_down("e1").unwrap();
    let lost = series.wait_line(|line| line.contains("way_lost"));
    assert!(lost.contains(" by e1: the interface is down"), "{lost}");
    let so_far = series.wait_lines(1, on("e0")).len();
    series.wait_lines(so_far + 10, on("e0"));
    h1.link_up("e1").unwrap();
    let so_far = series.wait_lines(1, on("e1")).len();
    series.wait_lines(so_far + 3, on("e1"));
    let summary = series.stop().expect_code(6).summary();
    assert!(summary["unsent"]["down"].as_u64() > Some(0), "{summary}");
}

#[test]
fn no_interface_at_all_is_refused_with_every_reason() {
    let Some(lan) = Lan::new() else { return };
    let h4 = lan.host("h4");
    h4.link_down("e1").unwrap();
    let output = h4.run(&["broadcast", "hi", "--json"]).expect_code(3);
    output.says(&["no interface can broadcast", "lo", "e1", "down"]);
    assert_eq!(output.summary()["sent"], 0);
}

#[test]
fn what_exceeds_one_packet_is_said_to_fragment_and_arrives_whole() {
    let Some(lan) = Lan::new() else { return };
    let (h1, listener) = (lan.host("h1"), lan.host("h2").serve(&["listen", "--json", "--show", "none"]));
    let one_packet = h1.run(&["broadcast", "--size", "1472", "--interface", "e0"]).expect_code(0);
    assert!(!one_packet.err().contains("pieces"), "{one_packet}");
    h1.run(&["broadcast", "--size", "1473", "--interface", "e0"])
        .expect_code(0)
        .says(&["2 pieces", "MTU 1500", "1472"]);
    // 65507 + 8 bytes in pieces of 1480.
    h1.run(&["broadcast", "--size", "65507", "--interface", "e0"]).expect_code(0).says(&["45 pieces"]);
    h1.run(&["broadcast", "--size", "65508"]).expect_code(3).says(&["65508", "65507", "Nothing was sent"]);
    end(h1, &["10.77.0.2"]);
    let lens: Vec<_> = heard(listener).iter().map(|event| event["len"].clone()).collect();
    assert_eq!(lens, [1472, 1473, 65_507]);
}

#[test]
fn every_form_of_a_broadcast_stays_on_its_wire_unless_asked_otherwise() {
    let Some(lan) = Lan::new() else { return };
    let (h1, h2) = (lan.host("h1"), lan.host("h2"));
    let mut tap = Tap::open(&h2, Some("e0")).unwrap();
    // The time to live of the next datagram that comes to this port.
    let mut hops = |port: u16| {
        let is = |frame: &Frame| frame.way != Way::Out && frame.packet.udp().is_some_and(|udp| udp.destination == port);
        let frames = tap.wait_for(support::PATIENCE, is).unwrap();
        frames.last().and_then(|frame| frame.packet.ip()).map(|ip| ip.hops)
    };
    let ping = ["ping", "--broadcast", "--interface", "e0", "--count", "1", "--wait", "10ms", "--port"];
    let forms: [&[&str]; 6] = [
        &["broadcast", "hi", "--interface", "e0", "--port"],
        &["broadcast", "hi", "--interface", "e0", "--limited", "--port"],
        &["broadcast", "hi", "--to", "10.77.0.255", "--port"],
        &["broadcast", "hi", "--interface", "e0", "--ipv6", "--port"],
        &ping,
        &[&ping[..8], &["--limited", "--port"]].concat(),
    ];
    // Each has a port of its own, so that none is taken for another.
    for (form, port) in forms.iter().zip(2000..) {
        h1.run(&[form, &[&*port.to_string()][..]].concat());
        assert_eq!(hops(port), Some(1), "{form:?}");
        h1.run(&[form, &[&*(port + 1000).to_string(), "--ttl", "9"][..]].concat());
        assert_eq!(hops(port + 1000), Some(9), "{form:?} --ttl 9");
    }
    for (to, port) in [("10.77.0.255", 4000), ("255.255.255.255", 4001)] {
        h1.run(&["send", &format!("{to}:{port}"), "hi", "--interface", "e0"]).expect_code(0);
        assert_eq!(hops(port), Some(1), "{to}");
    }
    let discover = ["discover", "chat", "--interface", "e0", "--wait", "10ms", "--discovery-port", "4002"];
    for family in ["-4", "-6"] {
        h1.run(&[&discover[..], &[family]].concat());
        assert_eq!(hops(4002), Some(1), "discover {family}");
    }
    let announce = ["announce", "chat", "--port", "7", "--interface", "e0", "--discovery-port", "4003", "-4"];
    let _announced = h1.serve(&announce);
    assert_eq!(hops(4003), Some(1), "announce");
}

#[test]
fn faster_than_five_a_second_everybody_is_burdened_only_if_that_is_said() {
    let Some(lan) = Lan::new() else { return };
    let (h1, ear) = (lan.host("h1"), lan.host("h2").ear(1060));
    for to in ["10.77.0.255", "255.255.255.255"] {
        let fast = ["send", to, "hi", "--interface", "e0", "--count", "3", "--interval", "10ms"];
        h1.run(&fast).expect_code(2).says(&[
            "--interval below 200ms burdens everybody",
            "halloo broadcast --to",
            "--flood",
        ]);
    }
    let series = ["broadcast", "hi", "--interface", "e0", "--count", "30", "--interval", "10ms"];
    h1.run(&series).expect_code(2).says(&["say --flood"]);
    h1.run(&[&series[..], &["--flood"]].concat()).expect_code(0).says(&["-- 30 sent"]);
    // As fast as --rate says, and without it at once: the pause between rounds is for those who do not flood.
    let flood = ["broadcast", "hi", "--interface", "e0", "--count", "50", "--flood", "--json"];
    for (pace, seconds) in [(&["--rate", "100/s"][..], 0.49), (&[], 0.0)] {
        let summary = h1.run(&[&flood[..], pace].concat()).expect_code(0).summary();
        assert!(summary["sent"] == 50 && summary["elapsed_s"].as_f64() >= Some(seconds), "{summary}");
    }
    let endless = ["broadcast", "hi", "--interface", "e0", "--count", "1000000", "--interval", "10ms"];
    let ended = h1.run(&[&endless[..], &["--flood", "--deadline", "250ms", "--json"]].concat()).expect_code(6);
    let (sent, owed) = (ended.summary()["sent"].as_u64().unwrap(), ended.summary()["unsent"]["deadline"].as_u64());
    assert!(sent > 0 && owed == Some(1_000_000 - sent) && ended.summary()["attempted"] == 1_000_000, "{ended}");
    end(h1, &["10.77.0.2"]);
    assert_eq!(ear.up_to("end").len() as u64, 30 + 50 + 50 + sent);
}

#[test]
fn what_send_has_for_everybody_leaves_no_faster_than_a_broadcast() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _ear) = (lan.host("h1"), lan.host("h2").ear(1060));
    let seconds = |to: &str, args: &[&str]| {
        let typed = [&["send", to, "--interface", "e0", "--json"], args].concat();
        h1.run(&typed).expect_code(0).summary()["elapsed_s"].as_f64().unwrap()
    };
    for to in ["10.77.0.255", "255.255.255.255"] {
        // Six records: between them, and between the rounds, are five pauses.
        let six = seconds(to, &["a", "b", "c", "--count", "2", "--interval", "200ms"]);
        assert!(six >= 1.0, "{to}: {six}");
        let unpaced = seconds(to, &["a", "b"]);
        assert!(unpaced >= 3.0, "{to}: {unpaced}");
    }
    let paced = seconds("10.77.0.255", &["a", "b", "c", "--rate", "5/s"]);
    assert!((0.4..3.0).contains(&paced), "{paced}");
    // One host is no burden to the others.
    let to_one = seconds("10.77.0.2", &["a", "b", "c"]);
    assert!(to_one < 3.0, "{to_one}");
}

#[test]
fn a_dry_run_shows_where_it_would_go_and_sends_nothing() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    let ear = lan.host("h2").ear(1060);
    let output = h1.run(&["broadcast", "hi", "--dry-run"]).expect_code(0);
    output.shows(&["10.77.0.1 -> 10.77.0.255:1060", "10.78.0.1 -> 10.78.0.255:1060", "skipped: down"]);
    assert!(!output.out().contains("sent 2 B"), "{output}");
    assert_eq!(h1.run(&["broadcast", "--dry-run", "--json"]).expect_code(0).summary()["sent"], 0);
    end(h1, &["10.77.0.2"]);
    assert_eq!(ear.up_to("end"), []);
}

#[test]
fn an_address_as_the_first_payload_is_said_to_go_to_everybody() {
    let Some(lan) = Lan::new() else { return };
    let planned = |payload: &str| lan.host("h1").run(&["broadcast", payload, "hi", "--dry-run"]).expect_code(0);
    for address in ["10.77.0.255", "10.77.0.2:9000", "[ff02::1]:9000"] {
        planned(address).says(&["is sent as a payload, to everybody", "behind --to", "'halloo send'"]);
    }
    assert!(!planned("7.5").err().contains("payload"));
}

#[test]
fn records_and_rounds_are_those_of_send_but_slower() {
    let Some(lan) = Lan::new() else { return };
    let (h1, listener) = (lan.host("h1"), lan.host("h2").serve(&["listen", "--json"]));
    let args = ["broadcast", "--lines", "--interface", "e0", "--count", "2", "--json"];
    let output = h1.halloo(&args).stdin("one\n\ntwo").output().expect_code(0);
    // RFC 8085 section 3.1.3: at most one datagram in three seconds to those who do not answer, unless told otherwise.
    // Six records, five pauses: between the records of a round, and between the rounds.
    assert!(output.summary()["elapsed_s"].as_f64() >= Some(15.0), "{output}");
    h1.run(&["broadcast", "--interface", "e0"]).expect_code(0);
    end(h1, &["10.77.0.2"]);
    let data: Vec<String> = heard(listener).iter().map(|event| event["data"].as_str().unwrap().to_owned()).collect();
    assert_eq!(data[..6], ["one", "", "two", "one", "", "two"]);
    assert!(data[6].starts_with("The time is "), "{data:?}");
}

#[test]
fn it_runs_without_any_rights_in_a_lan_that_was_built_without_any() {
    let Some(lan) = Lan::unprivileged() else { return };
    let (h1, h3) = (lan.host("h1"), lan.host("h3"));
    let server = h3.halloo_without_rights(&["echo", "--lan", "--answer-broadcast", "--json"]).serve();
    let listener = lan.host("h2").halloo_without_rights(&["listen", "--json"]).serve();
    let wait = ["--expect", "2", "--wait", "30s"];
    for form in [&[][..], &["--limited"]] {
        let args = [&["broadcast", "hi"], form, &wait].concat();
        h1.halloo_without_rights(&args).output().expect_code(0).says(&["2 replies from 2 responders"]);
    }
    h1.halloo_without_rights(&["broadcast", "hi", "--ipv6"]).output().expect_code(0).says(&["-- 2 sent"]);
    h1.halloo_without_rights(&["send", "10.77.0.33", "hi", "--expect", "1"]).output().expect_code(0);
    h1.halloo_without_rights(&["interfaces"]).output().expect_code(0).shows(&["10.77.0.255", "10.78.0.255"]);
    h1.halloo_without_rights(&["listen", ":80", "--timeout", "1s"]).output().expect_code(4).says(&["80", "1024"]);
    end(h1, &["10.77.0.2"]);
    assert_eq!(heard(listener).len(), 2);
    assert_eq!(server.stop().expect_code(0).summary()["sent"], 5);
}
