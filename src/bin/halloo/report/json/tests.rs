//! Every event, written and read back.

use halloo::model::event::{Received, Sent};
use halloo::model::{Cast, Datagram, Error, Family};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::report::samples::{self, Pages};

/// The objects of the events, and what is said to people.
fn objects(events: &[Event<'_>]) -> (Vec<Value>, String) {
    let page = Pages::default();
    let mut json = Json::new(page.data(), page.notes());
    for event in events {
        json.event(samples::now(), event).unwrap();
    }
    json.flush().unwrap();
    let text = page.data_text();
    assert!(text.ends_with('\n'));
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), page.notes_text())
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The keys that the documentation promises; those with `?` may be absent.
const SCHEMA: &[(&str, &str)] = &[
    ("listening", "role local receive_buffer receive_buffer_granted groups"),
    ("sent", "seq src dst iface ifindex cast len"),
    ("planned", "addr dst iface ifindex cast"),
    ("error", "dst? iface? ifindex? len? reason why errno? more?"),
    ("skipped", "iface ifindex addr reason why"),
    ("recv", "ts_src seq src dst iface ifindex cast self len wire_len? truncated ttl data? data_b64?"),
    (
        "reply",
        "ts_src src dst iface ifindex cast self len wire_len? truncated ttl data? data_b64? rtt_us seq from_another \
         duplicate late",
    ),
    (
        "responder",
        "responder iface ifindex self from_another sent received lost duplicates reordered late corrupt in_flight \
         since_seq rtt_us",
    ),
    ("service", "change type name id addr port iface ifindex trust attrs more ttl_s age_ms paths"),
    ("refused", "dst by reason why mtu? icmp_type? icmp_code? more?"),
    ("ignored", "ts_src reason why src dst iface ifindex cast len"),
    ("notice", "notice text"),
    ("interface", "iface ifindex label? addr prefix broadcast broadcast_from usable reason why mtu"),
    ("lesson", "lesson status why facts observed? took_ms"),
    (
        "summary",
        "sent sent_bytes answered attempted failed failed_by unsent skipped received bytes peers peers_at_least? truncated filtered unread ignored kernel_drops kernel_drops_at_least? output_drops \
         duplicates late lost in_flight reordered replies responders merged refused lessons? elapsed_s exit",
    ),
];

fn check_schema(object: &Value) {
    let event = object["event"].as_str().unwrap();
    let (_, promised) = SCHEMA.iter().find(|(name, _)| *name == event).unwrap();
    let promised: Vec<&str> = promised.split(' ').chain(["event", "ts"]).collect();
    for key in keys(object) {
        let known = promised.iter().any(|p| p.trim_end_matches('?') == key);
        assert!(known, "{event} has {key}, which the schema does not know");
    }
    for key in promised.iter().filter(|key| !key.ends_with('?')) {
        assert!(object.get(key).is_some(), "{event} lacks {key}: {object}");
    }
}

#[test]
fn every_event_reads_back_and_has_the_keys_of_the_schema() {
    samples::with_all(|events| {
        let (objects, _) = objects(events);
        assert_eq!(objects.len(), events.len());
        objects.iter().for_each(check_schema);
        assert!(objects.iter().all(|object| object["ts"] == "2026-11-21T07:09:26.249421007Z"));
        for (event, _) in SCHEMA {
            assert!(objects.iter().any(|object| object["event"] == *event), "{event} was not told");
        }
        assert_eq!(objects.last().unwrap()["event"], "summary");
    });
}

#[test]
fn the_values_are_those_of_the_events() {
    samples::with_all(|events| {
        let (objects, notes) = objects(events);
        let find = |event: &str, n: usize| objects.iter().filter(|o| o["event"] == event).nth(n).unwrap();
        let recv = find("recv", 0);
        assert_eq!((&recv["src"], &recv["dst"]), (&"10.77.0.2:35280".into(), &"10.77.0.255:1060".into()));
        assert_eq!((&recv["iface"], &recv["ifindex"], &recv["cast"]), (&"eth0".into(), &2.into(), &"broadcast".into()));
        assert_eq!((&recv["data"], &recv["ttl"], &recv["ts_src"]), (&"hi".into(), &64.into(), &"kernel".into()));
        assert_eq!((recv.get("wire_len"), recv.get("data_b64")), (None, None));
        let cut = find("recv", 1);
        assert_eq!((&cut["data_b64"], &cut["len"], &cut["wire_len"]), (&"//4=".into(), &2.into(), &20_001.into()));
        assert_eq!((&cut["truncated"], cut.get("data")), (&true.into(), None));
        assert_eq!(find("reply", 0)["rtt_us"], 412.345);
        assert_eq!((&find("reply", 0)["seq"], &find("reply", 0)["late"]), (&3.into(), &false.into()));
        let times = &find("responder", 0)["rtt_us"];
        assert_eq!(keys(times), ["jitter", "max", "mean", "min", "p50", "p90", "p99"]);
        assert_eq!((&times["min"], &times["mean"], &times["jitter"]), (&400.0.into(), &500.0.into(), &12.5.into()));
        assert!(find("responder", 1)["rtt_us"].is_null());
        let service = find("service", 0);
        assert_eq!((&service["addr"], &service["attrs"]["room"]), (&"10.77.0.2".into(), &"blue".into()));
        assert_eq!((&service["age_ms"], &service["ttl_s"]), (&5.0.into(), &30.into()));
        let path = &service["paths"][1];
        assert_eq!((&path["addr"], &path["claimed"]), (&"fe80::77:2%3".into(), &"172.17.0.2".into()));
        assert_eq!(path["on_link"], true);
        let error = find("error", 0);
        assert_eq!((&error["reason"], &error["errno"]), (&"not_permitted".into(), &13.into()));
        assert_eq!(find("refused", 1)["mtu"], 1400);
        assert_eq!(find("interface", 1)["reason"], "too_small");
        let summary = find("summary", 0);
        assert_eq!((&summary["exit"], &summary["ignored"]["own_port"]), (&6.into(), &3.into()));
        assert!(notes.starts_with("halloo: cannot send 13 B to 10.77.0.255:1060 by eth0: not permitted"), "{notes}");
        assert!(notes.contains("\nhalloo: record 2 is not hexadecimal"), "{notes}");
    });
}

#[test]
fn what_is_unknown_is_null_and_never_zero() {
    let stats = halloo::model::Stats::default();
    let sent = Event::Sent(Sent {
        seq: 0,
        len: 1,
        source: None,
        destination: "[::ffff:10.0.0.7]:9".parse().unwrap(),
        link: None,
        cast: Cast::Unicast,
    });
    let (objects, _) = objects(&[Event::Summary(&stats), sent]);
    let unknown =
        ["kernel_drops", "output_drops", "duplicates", "late", "lost", "reordered", "replies", "responders", "merged"];
    for key in unknown {
        assert!(objects[0][key].is_null(), "{key}");
    }
    for key in ["src", "iface", "ifindex"] {
        assert!(objects[1][key].is_null(), "{key}");
    }
    assert_eq!(objects[1]["dst"], "10.0.0.7:9");
}

#[test]
fn the_error_that_ends_a_run_is_an_event() {
    let page = Pages::default();
    let mut json = Json::new(page.data(), page.notes());
    let refused = Error::TooLong(halloo::model::TooLong { len: 65_508, family: Family::V4 });
    json.event(samples::now(), &Event::Broken(&refused)).unwrap();
    json.flush().unwrap();
    let object: Value = serde_json::from_str(&page.data_text()).unwrap();
    assert_eq!(keys(&object), ["event", "exit", "reason", "ts", "why"]);
    assert_eq!(
        (&object["event"], &object["reason"], &object["exit"]),
        (&"error".into(), &"too_long".into(), &3.into())
    );
}

proptest! {
    #[test]
    fn any_payload_replays_byte_for_byte(
        payload in prop_oneof![any::<Vec<u8>>(), ".*".prop_map(String::into_bytes)], ttl: Option<u8>,
    ) {
        let datagram = Datagram { ttl, ..samples::datagram(&payload) };
        let page = Pages::default();
        let mut json = Json::new(page.data(), page.notes());
        json.event(samples::now(), &Event::Received(Received { seq: 0, datagram: &datagram })).unwrap();
        json.flush().unwrap();
        let line = page.data_bytes();
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let replayed = replay(&line, Family::V4).unwrap().unwrap();
        prop_assert_eq!(replayed.payload.bytes(), &payload);
        prop_assert_eq!(replayed.stamp, Some(samples::now().wall));
    }
}

#[test]
fn what_would_act_on_a_terminal_is_escaped_and_reads_back() {
    let hostile = "\u{1b}[2J \u{7f} \u{9b}31m \u{202e}evil\u{200b} \u{e0041} \" \\ 你好";
    let datagram = samples::datagram(hostile.as_bytes());
    let page = Pages::default();
    let mut json = Json::new(page.data(), page.notes());
    json.event(samples::now(), &Event::Received(Received { seq: 0, datagram: &datagram })).unwrap();
    json.flush().unwrap();
    let line = page.data_text();
    assert!(!line.trim_end().chars().any(is_harmful), "{line}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["data"], hostile);
}
