//! The schema of `--json`, as it is promised, read back with serde; and a recording that is sent again byte for byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::Value;
use support::catcher::{Catcher, closed_port};
use support::lan::Lan;
use support::pattern;
use support::program::{Output, halloo, serve};
use support::schema::SCHEMA;

/// Why an object is not as its schema says, if it is not.
fn objection(object: &Value) -> Option<String> {
    let name = object["event"].as_str()?;
    let Some((_, schema)) = SCHEMA.iter().find(|(event, _)| *event == name) else {
        return Some(format!("{name} is in no schema"));
    };
    let keys: Vec<(&str, &str)> = schema.split_whitespace().filter_map(|word| word.split_once(':')).collect();
    for (key, kind) in &keys {
        let value = object.get(key.trim_start_matches('?'));
        let missing = value.is_none() && !key.starts_with('?');
        if missing || value.is_some_and(|value| !fits(value, kind)) {
            return Some(format!("{name}: {key} is not {kind}: {value:?}"));
        }
    }
    let known = |key: &String| key == "event" || keys.iter().any(|(known, _)| known.trim_start_matches('?') == key);
    let unknown = object.as_object()?.keys().find(|key| !known(key))?;
    Some(format!("{name}: {unknown} is new: write it down here and in the rustdoc"))
}

fn fits(value: &Value, kind: &str) -> bool {
    match kind.trim_end_matches('?') {
        _ if value.is_null() => kind.ends_with('?'),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn the_schema_finds_what_is_wrong() {
    let notice = |key: &str, value: Value| {
        let mut object = serde_json::json!({"event": "notice", "ts": "", "notice": "x", "text": "y"});
        object[key] = value;
        objection(&object)
    };
    assert_eq!(notice("text", "other".into()), None);
    assert!(notice("text", 7.into()).is_some());
    assert!(notice("text", Value::Null).is_some());
    assert!(notice("more", 7.into()).is_some());
    assert!(notice("event", "unheard".into()).is_some());
    assert!(objection(&serde_json::json!({"event": "notice"})).is_some());
}

/// Every object is as its schema says, and these events are among them.
#[track_caller]
fn check(output: &Output, events: &[&str]) {
    for object in output.json() {
        assert!(object["event"].is_string(), "{object}");
        let ts = object["ts"].as_str().unwrap_or_default();
        assert!(ts.len() == 30 && ts.ends_with('Z'), "RFC 3339, UTC, nanoseconds: {object}");
        assert_eq!(objection(&object), None, "{object}");
    }
    output.summary();
    for event in events {
        assert!(!output.events(event).is_empty(), "no {event} in {output}");
    }
}

#[test]
fn every_event_of_every_command_keeps_its_schema() {
    check(
        &halloo(["echo", "--lan", ":0", "--timeout", "1ms", "--json"]).output().expect_code(1),
        &["listening", "notice"],
    );
    let server = serve(&["echo", "127.0.0.1:0", "--json", "-v"]);
    let to = server.address();
    check(&halloo(["send", &to, "hi", "", "--expect", "2", "--json"]).output().expect_code(0), &["sent", "reply"]);
    check(&halloo(["send", &to, "--hex", "ff", "--expect", "1", "--json"]).output().expect_code(0), &["reply"]);
    Catcher::on(&format!("127.0.0.9:{}", server.port())).send("loop?", &to);
    server.process.wait_event("ignored");
    check(&server.stop().expect_code(0), &["listening", "recv", "ignored"]);
    let listener = serve(&["listen", "127.0.0.1:0", "--max-size", "2", "--count", "2", "--json"]);
    Catcher::new().send("truncated", &listener.address());
    Catcher::new().send([0xff, 0xfe], &listener.address());
    check(&listener.finish().expect_code(0), &["listening", "notice", "recv"]);
    check(&halloo(["send", &closed_port(), "hi", "--json"]).output().expect_code(5), &["sent", "refused"]);
    check(&halloo(["send", "127.0.0.1:9", "--size", "65508", "--json"]).output().expect_code(3), &["error"]);
    check(&halloo(["interfaces", "--json"]).output().expect_code(0), &["interface"]);
    let at = ["--interface", "lo", "--discovery-port", "21100", "--json"];
    let announce = [&["announce", "chat", "--port", "7000", "--attr", "room=blue"], &at[..]].concat();
    // It would keep which instance it is.
    let announced = halloo(&announce).env("XDG_STATE_HOME", "/dev/null/nothing").serve();
    check(&halloo([&["discover"], &at[..]].concat()).output().expect_code(0), &["sent", "service"]);
    check(&announced.stop().expect_code(0), &["listening", "sent"]);
}

#[test]
fn every_event_of_a_broadcast_keeps_its_schema() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    let listener = lan.host("h4").serve(&["listen", "--join", "239.77.1.2", "--json", "--count", "3"]);
    check(&h1.run(&["broadcast", "hi", "--json"]).expect_code(0), &["sent", "skipped", "notice"]);
    check(&listener.finish().expect_code(0), &["listening", "recv"]);
    check(&h1.run(&["broadcast", "--dry-run", "--json"]).expect_code(0), &["planned", "skipped"]);
    check(&h1.run(&["broadcast", "hi", "--ipv6", "--json"]).expect_code(0), &["sent", "skipped"]);
    check(&h1.run(&["interfaces", "--json"]).expect_code(0), &["interface"]);
    check(&h1.run(&["send", "192.0.2.1", "hi", "--json"]).expect_code(4), &["error"]);
    let long = h1.run(&["broadcast", "--size", "2000", "--dont-fragment", "--json"]);
    check(&long.expect_code(4), &["error", "notice"]);
}

#[test]
fn the_text_is_never_lossy() {
    let listener = serve(&["listen", "127.0.0.1:0", "--json", "--count", "4"]);
    let payloads: [&[u8]; 4] = ["a\"\\\u{1b}\n你\u{202e}".as_bytes(), b"", b"\xff", b"\0"];
    for payload in payloads {
        Catcher::new().send(payload, &listener.address());
    }
    let events = listener.finish().expect_code(0).events("recv");
    let back = |event: &Value| match (&event["data"], &event["data_b64"]) {
        (Value::String(text), Value::Null) => text.clone().into_bytes(),
        (Value::Null, Value::String(text)) if text == "/w==" => vec![0xff],
        other => panic!("{other:?}"),
    };
    assert_eq!(events.iter().map(back).collect::<Vec<_>>(), payloads);
}

#[test]
fn a_recording_is_sent_again_byte_for_byte() {
    let payloads = [
        b"hi".to_vec(),
        vec![],
        b"two\nlines\r\n".to_vec(),
        vec![0, 0xff, 0x80, 0x1b],
        "你好 \u{202e}\u{1b}[2J\"\\".as_bytes().to_vec(),
        (0..=255).collect(),
        vec![],
        pattern(1473),
        vec![b'\n'; 3],
        pattern(65_507),
    ];
    let recorder = serve(&["listen", "127.0.0.1:0", "--json", "--count", &payloads.len().to_string()]);
    let sender = Catcher::new();
    for payload in &payloads {
        sender.send(payload, &recorder.address());
    }
    let recording = recorder.finish().expect_code(0).stdout;
    let catcher = Catcher::new();
    halloo(["send", &catcher.address(), "--jsonl"]).stdin(recording.clone()).output().expect_code(0);
    assert!(catcher.all() == payloads, "what was sent again is not what was recorded");
    // And once more from a file, as it was: a recording of the recording.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording.jsonl");
    std::fs::write(&file, recording).unwrap();
    let again = ["send", &catcher.address(), "--jsonl", "--timing", "--file", &file.display().to_string()];
    halloo(again).output().expect_code(0);
    assert!(catcher.all() == payloads);
}

#[test]
fn a_pipe_from_listen_to_send_goes_on_as_it_comes() {
    let catcher = Catcher::new();
    let recorder = serve(&["listen", "127.0.0.1:0", "--json"]);
    let mut relay = halloo(["send", &catcher.address(), "--jsonl", "--json"]).start();
    for (number, payload) in [&b"one"[..], b"", b"\xff\x00"].into_iter().enumerate() {
        Catcher::new().send(payload, &recorder.address());
        let line = recorder.process.wait_lines(number + 1, |line| line.contains("\"recv\"")).remove(number);
        relay.write(line + "\n");
        assert_eq!(catcher.next().0, payload);
    }
    relay.close_stdin();
    relay.finish().expect_code(0);
}

#[test]
fn a_truncated_recording_is_not_sent_as_if_it_were_whole() {
    let recorder = serve(&["listen", "127.0.0.1:0", "--json", "--count", "1", "--max-size", "2"]);
    Catcher::new().send("truncated", &recorder.address());
    let recording = recorder.finish().expect_code(0).stdout;
    let catcher = Catcher::new();
    halloo(["send", &catcher.address(), "--jsonl"]).stdin(recording).output().expect_code(3).says(&["truncated"]);
    assert!(catcher.all().is_empty());
}
