//! Nothing leaves from no address; and a series goes on, whatever becomes of its interfaces in the middle of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use halloo::lab::wire::{Tap, Way};
use halloo::lab::{Address, Frame, HostPlan, Packet, Plan, Plug};
use serde_json::Value;
use support::lan::{Lan, two_hosts};
use support::program::{Process, number, sum};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// `h1` has an interface and no address on it, and `h2` sees what it sends.
fn without_address() -> Plan {
    Plan::new()
        .host(HostPlan::new("h1").plug(Plug::new("e0", "br0")))
        .host(HostPlan::new("h2").plug(Plug::new("e0", "br0").address(address("10.77.0.2/24"))))
}

/// The sources of the UDP datagrams that came to port 1060, or left for it, since this was last asked.
fn sources(tap: &mut Tap) -> Vec<IpAddr> {
    let frames = tap.take().unwrap();
    let to_us = |packet: &Packet| packet.udp().is_some_and(|udp| udp.destination == 1060);
    frames
        .iter()
        .filter(|frame| frame.way != Way::Out && to_us(&frame.packet))
        .filter_map(|f| Some(f.packet.ip()?.source))
        .collect()
}

#[test]
fn without_an_address_nothing_leaves() {
    let Some(lan) = Lan::of(&without_address()) else { return };
    let (h1, h2) = (lan.host("h1"), lan.host("h2"));
    let mut tap = Tap::open(&h2, Some("e0")).unwrap();
    let refused = |args: &[&str]| {
        let output = h1.run(&[args, &["--json"]].concat()).expect_code(3);
        output.says(&["has no IPv4 address to send from", "othing was sent", "halloo interfaces"]);
        assert_eq!(output.summary()["sent"], 0, "{output}");
        assert_eq!(output.events("error").remove(0)["reason"], "no_address", "{output}");
    };
    // Who is there needs no question: the kernel would send at once.
    h1.ip("link set lo up").expect_code(0);
    h1.ip("neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev e0").expect_code(0);
    for to in ["239.1.2.3", "10.77.0.2"] {
        refused(&["send", to, "hi", "--interface", "e0"]);
        refused(&["send", to, "hi", "--interface", "e0", "--count", "3", "--interval", "1ms"]);
    }
    refused(&["ping", "10.77.0.2", "--interface", "e0", "--count", "1"]);
    h1.ip("route add default dev e0").expect_code(0);
    for to in ["239.1.2.3", "10.77.0.2", "10.9.9.9"] {
        refused(&["send", to, "hi"]);
        refused(&["send", to, "hi", "--count", "3", "--interval", "1ms"]);
    }
    refused(&["ping", "10.77.0.2", "--count", "1"]);
    for form in [&[][..], &["--limited"], &["--to", "255.255.255.255"]] {
        h1.run(&[&["broadcast", "hi"], form].concat()).expect_code(3);
    }
    h1.run(&["send", "255.255.255.255", "hi"]).expect_code(3);
    // What was sent has passed: this comes behind it, by the same cable.
    h1.add_address("e0", address("10.77.0.1/24")).unwrap();
    h1.ip("neigh del 10.77.0.2 dev e0").expect_code(0);
    let _ear = h2.ear(1060);
    h1.run(&["send", "10.77.0.2", "end"]).expect_code(0);
    let own = |address: &str| address.parse::<IpAddr>().unwrap();
    let came =
        tap.wait_for(support::PATIENCE, |frame| frame.packet.udp().is_some_and(|udp| udp.destination == 1060)).unwrap();
    let from = |frame: &Frame| frame.packet.ip().map(|ip| ip.source);
    let all: Vec<IpAddr> = came.iter().filter(|frame| frame.packet.udp().is_some()).filter_map(from).collect();
    assert_eq!(all, [own("10.77.0.1")], "whatever leaves has a source");
    assert!(sources(&mut tap).is_empty());
}

/// What was to leave is what left, what failed and what was not tried.
#[track_caller]
fn adds_up(summary: &Value) {
    let all = number(summary, "sent") + number(summary, "failed") + sum(&summary["unsent"]);
    assert_eq!(number(summary, "attempted"), all, "{summary}");
    assert_eq!(number(summary, "failed"), sum(&summary["failed_by"]), "{summary}");
}

/// So long from one datagram of a series to the next, here: the fastest that needs no --flood.
const INTERVAL: Duration = Duration::from_millis(200);

/// A series, and how far it was seen to be.
struct Series<'l> {
    lan: &'l Lan,
    process: Process,
    sent: usize,
    /// How often it was lost, by reason.
    lost: BTreeMap<&'static str, usize>,
    back: usize,
}

impl Series<'_> {
    /// Waits for three more that leave.
    fn goes_on(&mut self) {
        self.sent = self.process.wait_events("sent", self.sent + 3).len();
    }

    /// Datagrams that had their turn before the last one that left, and did not leave: each has a number of its own.
    fn missed(&self) -> u64 {
        let sent = self.process.wait_events("sent", 1);
        number(&sent[sent.len() - 1], "seq") + 1 - sent.len() as u64
    }

    /// Does something that takes the way away, which the series says, and something that brings it back: then it goes on. How
    /// long a busy machine takes to come to a turn in between is not known, but the numbers tell whether it did: else the way
    /// is taken away again, and for longer.
    fn without(&mut self, why: &'static str, lose: impl Fn(&Lan), find: impl Fn(&Lan)) {
        let (before, mut pause) = (self.missed(), INTERVAL * 2);
        while self.missed() == before {
            assert!(pause < support::PATIENCE, "nothing was missed while it {why}");
            self.lose(why, &lose);
            std::thread::sleep(pause);
            self.find(&find);
            pause *= 2;
        }
    }

    fn lose(&mut self, why: &'static str, lose: impl Fn(&Lan)) {
        lose(self.lan);
        let times = self.lost.entry(why).or_default();
        *times += 1;
        // On its way back up an interface has no carrier for a moment, and that is said as well.
        self.process.wait_lines(*times, |line| line.contains("\"way_lost\"") && line.contains(why));
    }

    fn find(&mut self, find: impl Fn(&Lan)) {
        self.sent = self.process.wait_events("sent", 1).len();
        find(self.lan);
        let back = self.process.wait_lines(self.back + 1, |line| line.contains("\"way_back\""));
        self.back = back.len();
        // How soon is tested on the virtual clock (`engine::send`).
        self.goes_on();
    }
}

/// Everything that happens to the interface of a series (RELIABILITY: link down, up, its address away, back, its cable out,
/// in, another address, another interface): it goes on each time, and every datagram is accounted for.
fn everything_happens(args: &[&str]) {
    goes_on_through(args, "is gone");
}

/// The same, where a series says so of an interface that is gone.
fn goes_on_through(args: &[&str], gone: &'static str) {
    let Some(lan) = Lan::of(&two_hosts()) else { return };
    let (h1, h2) = (lan.host("h1"), lan.host("h2"));
    let _echo = h2.serve(&["echo", "--lan", "--answer-broadcast", "--rate-limit", "off", "-q"]);
    let mut tap = Tap::open(&h2, Some("e0")).unwrap();
    let process = h1.halloo(&[args, &["--interval", "200ms", "--json"]].concat()).start();
    let mut series = Series { lan: &lan, process, sent: 0, lost: BTreeMap::new(), back: 0 };
    series.goes_on();
    series.without("is down", |_| h1.link_down("e0").unwrap(), |_| h1.link_up("e0").unwrap());
    let [first, other] = ["10.77.0.1/24", "10.77.0.9/24"];
    let remove = |_: &Lan| {
        // It has one of them.
        assert!([first, other].iter().any(|text| h1.remove_address("e0", address(text)).is_ok()));
    };
    let add = |text| move |_: &Lan| h1.add_address("e0", address(text)).unwrap();
    series.without("no address", remove, add(first));
    series.without("no carrier", |lan| lan.unplug("h1", "e0"), |lan| lan.plug("h1", "e0"));
    series.without("no address", remove, add(other));
    series.without(gone, |lan| lan.take_away("h1", "e0"), |lan| lan.give("h1", "e0", "br0", "10.77.0.1/24"));
    let output = series.process.stop();
    let (summary, sent) = (output.summary(), output.events("sent"));
    assert_eq!(sent.len() as u64, number(&summary, "sent"));
    assert_ne!(sent[0]["ifindex"], sent.last().unwrap()["ifindex"], "made anew, it has another number");
    adds_up(&summary);
    let reasons = ["down", "no_address", "no_carrier", "gone"];
    for why in reasons.iter().filter(|why| gone.contains("gone") || **why != "gone") {
        assert!(number(&summary["unsent"], why) >= 1, "{why}: {summary}");
    }
    // The last has passed: this one comes behind it.
    h1.run(&["send", "10.77.0.2:7", "end"]);
    let to = |frame: &Frame, port| frame.packet.udp().is_some_and(|udp| udp.destination == port);
    let mut frames = tap.wait_for(support::PATIENCE, |frame| to(frame, 7)).unwrap();
    frames.retain(|frame| to(frame, 1060) && frame.way != Way::Out);
    let source = |frame: &Frame| frame.packet.ip().map(|ip| ip.source.to_string());
    let mut sources: Vec<String> = frames.iter().filter_map(source).collect();
    sources.dedup();
    assert_eq!(sources, ["10.77.0.1", "10.77.0.9", "10.77.0.1"], "whatever leaves has a source of its own");
    // What is sent into a cable that is pulled, or put in, in that moment.
    let lost = number(&summary, "sent") - frames.len() as u64;
    assert!(lost <= 4, "{lost} lost, {summary}");
}

/// More than there is time for.
const FOR_EVER: [&str; 2] = ["--count", "1000000"];

#[test]
fn a_broadcast_series_goes_on_whatever_happens_to_its_interface() {
    everything_happens(&[&["broadcast", "tick"][..], &FOR_EVER].concat());
}

#[test]
fn a_series_to_one_host_goes_on_whatever_happens_to_its_interface() {
    everything_happens(&[&["send", "10.77.0.2", "tick", "--interface", "e0"][..], &FOR_EVER].concat());
}

#[test]
fn probes_of_everybody_go_on_whatever_happens_to_the_interface() {
    everything_happens(&[&["ping", "--broadcast"][..], &FOR_EVER].concat());
}

#[test]
fn probes_of_one_host_go_on_whatever_happens_to_the_interface() {
    everything_happens(&["ping", "10.77.0.2", "--interface", "e0"]);
}

#[test]
fn what_leaves_by_the_route_goes_on_too() {
    // No interface was named, so none is missed: this host has no address any more.
    goes_on_through(&["ping", "10.77.0.2"], "no address");
}
