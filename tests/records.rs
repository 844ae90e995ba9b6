//! One record is one datagram is one send, in every way records can be given; and no record is longer than a datagram.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::process::Command;

use serde_json::json;
use support::catcher::Catcher;
use support::pattern;
use support::program::{HALLOO, Output, Run, halloo};

/// The most that one datagram carries over IPv4: 65535 - 20 - 8.
const LIMIT: usize = 65_507;

/// The most over IPv6: 65535 - 8.
const LIMIT_V6: usize = 65_527;

/// What arrives when `halloo send` is run with these arguments and this input, and ends well.
fn sent(args: &[&str], stdin: impl Into<Vec<u8>>) -> Vec<Vec<u8>> {
    let catcher = Catcher::new();
    let output = send(&catcher, args, stdin).expect_code(0);
    let caught = catcher.all();
    let said = output.events("sent");
    assert_eq!(said.len(), caught.len(), "one send for each datagram: {output}");
    for (said, caught) in said.iter().zip(&caught) {
        assert_eq!(said["len"], caught.len(), "{output}");
    }
    assert_eq!(output.summary()["sent"], caught.len());
    caught
}

fn send(catcher: &Catcher, args: &[&str], stdin: impl Into<Vec<u8>>) -> Output {
    let address = catcher.address();
    halloo([&["send", &address, "--json"], args].concat()).stdin(stdin).output()
}

#[test]
fn each_argument_is_a_datagram() {
    let caught = sent(&["one", "", "two words", "你好", "-"], "");
    assert_eq!(caught, ["one", "", "two words", "你好", "-"].map(|text| text.as_bytes()));
}

#[test]
fn an_argument_is_sent_as_the_bytes_it_is() {
    use std::os::unix::ffi::OsStrExt;
    let catcher = Catcher::new();
    let bytes = b"a\xff\x80\\n";
    let mut command = Command::new(HALLOO);
    command.arg("send").arg(catcher.address()).arg(std::ffi::OsStr::from_bytes(bytes));
    Run::new(command).output().expect_code(0);
    assert_eq!(catcher.all(), [bytes]);
}

#[test]
fn a_payload_that_looks_like_an_option_stands_behind_two_hyphens() {
    assert_eq!(sent(&["--", "-5", "--json"], ""), [b"-5".to_vec(), b"--json".to_vec()]);
}

#[test]
fn escapes_are_read_only_when_asked() {
    assert_eq!(sent(&[r"a\n"], ""), [br"a\n"]);
    for flag in ["-e", "--escapes"] {
        let caught = sent(&[flag, r"a\n\r\t\0\x1b\xff\\", r"\u{4f60}"], "");
        assert_eq!(caught, [b"a\n\r\t\0\x1b\xff\\".to_vec(), "你".as_bytes().to_vec()]);
    }
}

#[test]
fn each_hex_string_is_a_datagram() {
    let caught = sent(&["--hex", "00 ff:1B-7f", "--hex", "", "--hex", "c0ffee"], "");
    assert_eq!(caught, [vec![0, 0xff, 0x1b, 0x7f], vec![], vec![0xc0, 0xff, 0xee]]);
}

#[test]
fn each_file_is_a_datagram() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (lines, empty) = (path("lines", b"one\ntwo\n\0"), path("empty", b""));
    assert_eq!(sent(&["--file", &lines, "--file", &empty], ""), [b"one\ntwo\n\0".to_vec(), vec![]]);
    // The same file, read as lines.
    assert_eq!(sent(&["--file", &lines, "--lines"], ""), [b"one".as_slice(), b"two", b"\0"]);
}

#[test]
fn all_of_standard_input_is_one_datagram() {
    assert_eq!(sent(&["--stdin"], "one\n\ntwo\0three"), [b"one\n\ntwo\0three"]);
    let whole = pattern(LIMIT);
    assert_eq!(sent(&["--stdin"], whole.clone()), [whole]);
}

#[test]
fn empty_standard_input_is_refused_with_a_hint() {
    let catcher = Catcher::new();
    send(&catcher, &["--stdin"], "").expect_code(3).says(&["standard input was empty", "--empty"]);
    assert!(catcher.all().is_empty());
}

#[test]
fn each_line_is_a_datagram_without_its_newline() {
    let text = "one\n\ntwo words\r\n  \nlast";
    assert_eq!(sent(&["--lines"], text), [b"one".as_slice(), b"", b"two words\r", b"  ", b"last"]);
    assert_eq!(sent(&["--lines", "--crlf"], text), [b"one".as_slice(), b"", b"two words", b"  ", b"last"]);
    let kept = sent(&["--lines", "--keep-terminator"], text);
    assert_eq!(kept, [b"one\n".as_slice(), b"\n", b"two words\r\n", b"  \n", b"last"]);
}

#[test]
fn records_may_end_with_a_zero_byte() {
    assert_eq!(sent(&["--null"], "one\n\0\0two"), [b"one\n".as_slice(), b"", b"two"]);
    assert_eq!(sent(&["--null", "--keep-terminator"], "one\0\0"), [b"one\0".as_slice(), b"\0"]);
}

#[test]
fn a_stream_is_cut_into_pieces_of_one_size() {
    assert_eq!(sent(&["--chunk", "4"], "abcdefghij"), [b"abcd".as_slice(), b"efgh", b"ij"]);
    assert_eq!(sent(&["--chunk", "5"], "abcdefghij"), [b"abcde", b"fghij"]);
    let stream = pattern(3 * LIMIT);
    let pieces: Vec<&[u8]> = stream.chunks(LIMIT).collect();
    let size = LIMIT.to_string();
    // One at a time, such that the catcher's buffer holds them.
    assert_eq!(sent(&["--chunk", &size, "--rate", "20/s"], stream.clone()), pieces);
}

#[test]
fn each_line_of_digits_is_a_datagram() {
    assert_eq!(
        sent(&["--hex-lines"], "00 ff\n\nc0:ff:ee\n7f"),
        [vec![0, 0xff], vec![], vec![0xc0, 0xff, 0xee], vec![0x7f]]
    );
}

#[test]
fn a_recording_is_sent_again() {
    let line = |payload: serde_json::Value| {
        let mut event = json!({"event": "recv", "ts": "2026-11-21T08:09:26.249421123Z", "seq": 0, "another": [1]});
        event.as_object_mut().unwrap().extend(payload.as_object().unwrap().clone());
        format!("{event}\n")
    };
    let recording = [
        json!({"event": "listening", "local": "0.0.0.0:1060"}).to_string() + "\n",
        line(json!({"data": "hi\n", "len": 3})),
        line(json!({"data": "", "len": 0})),
        line(json!({"data_b64": "/wAb", "len": 3})),
        json!({"event": "summary", "received": 3}).to_string() + "\n",
    ];
    assert_eq!(sent(&["--jsonl"], recording.concat()), [b"hi\n".as_slice(), b"", b"\xff\0\x1b"]);
}

#[test]
fn a_recording_keeps_its_gaps_when_asked() {
    let line = |ts: &str| json!({"event": "recv", "ts": ts, "data": "x", "len": 1}).to_string() + "\n";
    let recording = line("2026-11-21T08:09:26.000000000Z") + &line("2026-11-21T08:09:26.300000000Z");
    let catcher = Catcher::new();
    let output = send(&catcher, &["--jsonl", "--timing"], recording).expect_code(0);
    assert_eq!(catcher.all().len(), 2);
    assert!(output.summary()["elapsed_s"].as_f64().unwrap() >= 0.3, "{output}");
}

#[test]
fn one_empty_datagram() {
    assert_eq!(sent(&["--empty"], ""), [b""]);
}

#[test]
fn so_many_bytes_of_a_known_pattern() {
    for size in [0, 1, 1472, 1473, 8192, LIMIT] {
        assert_eq!(sent(&["--size", &size.to_string()], ""), [pattern(size)]);
    }
    assert_eq!(sent(&["--size", "8k"], ""), [pattern(8192)]);
}

#[test]
fn a_half_line_from_a_slow_pipe_waits_for_its_end() {
    for (flag, end) in [("--lines", "\n"), ("--null", "\0")] {
        let catcher = Catcher::new();
        let mut process = halloo(["send", &catcher.address(), "--json", flag]).start();
        process.write(format!("one{end}tw"));
        // A complete record goes at once; it does not wait for the end of the stream.
        process.wait_events("sent", 1);
        process.write(format!("o{end}"));
        process.wait_events("sent", 2);
        process.write("thr");
        process.write("ee");
        process.close_stdin();
        process.finish().expect_code(0);
        assert_eq!(catcher.all(), [b"one".as_slice(), b"two", b"three"]);
    }
}

#[test]
fn lines_typed_without_a_terminal() {
    assert_eq!(sent(&["-i"], "one\n\ntwo\nquit\nthree\n"), [b"one".as_slice(), b"", b"two"]);
    assert_eq!(sent(&["--interactive"], "one\n"), [b"one"]);
}

/// What the prompt writes when it begins to read keys: it switches bracketed paste on.
const READY: &str = "\x1b[?2004h";

#[test]
fn a_prompt_on_a_terminal_has_a_history_and_quit() {
    let catcher = Catcher::new();
    let typed = format!("{HALLOO} send {} -i", catcher.address());
    let mut command = Command::new("script");
    // It is a terminal to the program, and a pipe to the test.
    command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env("TERM", "xterm");
    let mut process = Run::new(command).start();
    // The previous line from the history, by the key "up".
    let lines = [("hello", "hello"), ("", ""), ("\x1b[A", "hello")];
    for (number, (typed, sent)) in lines.into_iter().enumerate() {
        process.wait_text(READY, number + 1);
        process.write(format!("{typed}\r"));
        assert_eq!(catcher.next().0, sent.as_bytes());
    }
    process.wait_text(READY, lines.len() + 1);
    process.write("quit\r");
    let output = process.finish().expect_code(0);
    assert!(catcher.all().is_empty(), "quit is not a datagram");
    output.shows(&["sent 5 B", "sent 0 B", "-- 3 sent"]);
}

#[test]
fn what_is_typed_ahead_at_the_prompt_is_sent_line_by_line() {
    let catcher = Catcher::new();
    let typed = format!("{HALLOO} send {} -i", catcher.address());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env("TERM", "xterm");
    let mut process = Run::new(command).start();
    process.wait_text(READY, 1);
    let lines: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
    process.write(lines.iter().map(|line| format!("{line}\r")).collect::<String>() + "quit\r");
    let output = process.finish().expect_code(0);
    let sent: Vec<String> = catcher.all().into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    assert_eq!(sent, lines);
    assert_eq!(output.out().matches("sent ").count(), lines.len() + 1, "each line, and the summary");
}

#[test]
fn a_run_that_ends_under_the_prompt_leaves_the_terminal_as_it_was() {
    let catcher = Catcher::new();
    // The shell says which process to end, and how the terminal is before and afterwards. It has no jobs: one that has
    // would mend the terminal itself.
    let prompt = format!("echo pid $$; exec {HALLOO} send {} -i", catcher.address());
    let script = "stty -g; sh -c \"$PROMPT\"; stty -g";
    let mut command = Command::new("script");
    command.args(["--quiet", "--command", script, "/dev/null"]).env("TERM", "xterm").env("PROMPT", prompt);
    command.env("SHELL", "/bin/sh");
    let mut process = Run::new(command).start();
    process.wait_text(READY, 1);
    process.write("half a li");
    process.wait_text("half a li", 1);
    let pid = process.wait_lines(1, |line| line.starts_with("pid ")).remove(0);
    end(pid.trim_start_matches("pid ").trim());
    let output = process.finish();
    let text = output.out();
    let states: Vec<&str> = text.lines().map(str::trim).filter(|line| line.matches(':').count() > 20).collect();
    assert_eq!(states.len(), 2, "{output}");
    assert_eq!(states[0], states[1], "{output}");
    assert!(text.contains("-- 0 sent"), "{output}");
}

/// SIGTERM to one process.
fn end(pid: &str) {
    assert!(Command::new("kill").args(["-TERM", pid]).status().unwrap().success());
}

#[test]
fn a_stream_without_a_record_is_refused_unless_allowed() {
    for flags in [&["--lines"][..], &["--null"], &["--chunk", "4"], &["--hex-lines"], &["--jsonl"]] {
        let catcher = Catcher::new();
        send(&catcher, flags, "").expect_code(3);
        send(&catcher, &[flags, &["--allow-none"]].concat(), "").expect_code(0);
        assert!(catcher.all().is_empty());
    }
}

#[test]
fn the_whole_list_is_sent_so_many_times() {
    let catcher = Catcher::new();
    send(&catcher, &["a", "b", "--count", "3", "--interval", "0"], "").expect_code(0);
    assert_eq!(catcher.all(), [b"a", b"b", b"a", b"b", b"a", b"b"]);
    // A stream is read once and sent again.
    send(&catcher, &["--lines", "--count", "2", "--interval", "1ms"], "a\nb\n").expect_code(0);
    assert_eq!(catcher.all(), [b"a", b"b", b"a", b"b"]);
}

#[test]
fn a_pace_is_kept() {
    let catcher = Catcher::new();
    let elapsed = |args: &[&str]| send(&catcher, args, "").expect_code(0).summary()["elapsed_s"].as_f64().unwrap();
    assert!(elapsed(&["a", "b", "c", "--rate", "10/s"]) >= 0.2);
    assert!(elapsed(&["a", "--count", "2"]) >= 1.0, "the interval is one second unless told otherwise");
    assert!(elapsed(&["a", "--count", "3", "--interval", "100ms"]) >= 0.2);
}

/// Every way to give a record of `len` bytes: arguments and input.
fn ways(len: usize, directory: &std::path::Path) -> Vec<(Vec<String>, Vec<u8>)> {
    let letters = "a".repeat(len);
    let file = directory.join(len.to_string());
    fs::write(&file, &letters).unwrap();
    let way = |args: &[&str], input: &str| (args.iter().map(|arg| (*arg).to_owned()).collect(), input.into());
    let recorded = json!({"event": "recv", "data": letters, "len": len}).to_string();
    vec![
        way(&[&letters], ""),
        way(&["-e", &letters], ""),
        way(&["--size", &len.to_string()], ""),
        way(&["--file", &file.display().to_string()], ""),
        way(&["--stdin"], &letters),
        way(&["--lines"], &format!("{letters}\n")),
        way(&["--lines"], &letters),
        way(&["--lines", "--keep-terminator"], &format!("{}\n", &letters[1..])),
        way(&["--null"], &format!("{letters}\0")),
        way(&["--chunk", &len.to_string()], &letters),
        way(&["--hex-lines"], &"61".repeat(len)),
        way(&["--jsonl"], &recorded),
        way(&["-i"], &format!("{letters}\nquit\n")),
    ]
}

/// `limit` bytes go to `catcher`, one more is refused with both numbers, in every way there is.
fn the_limit_holds(catcher: &Catcher, limit: usize) {
    let directory = tempfile::tempdir().unwrap();
    let run = |(args, input): (Vec<String>, Vec<u8>)| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let shown = format!("{:.40} ...", args.join(" "));
        (shown, send(catcher, &args, input))
    };
    for way in ways(limit, directory.path()) {
        let (shown, output) = run(way);
        assert_eq!(output.code, Some(0), "{shown}");
        let caught = catcher.all();
        assert_eq!(caught.iter().map(Vec::len).collect::<Vec<_>>(), [limit], "{shown}");
    }
    for way in ways(limit + 1, directory.path()) {
        if limit == LIMIT_V6 && way.0[0] == "--chunk" {
            // Too large over either IP version, and so a mistake in what was typed: tests/mistakes.rs.
            continue;
        }
        let (shown, output) = run(way);
        assert_eq!(output.code, Some(3), "{shown}");
        assert!(catcher.all().is_empty(), "{shown}");
        let said = output.err();
        for part in [(limit + 1).to_string(), limit.to_string()] {
            assert!(said.contains(&part), "{shown}: {part:?} is not said: {said:.400}");
        }
    }
}

#[test]
fn what_exceeds_a_datagram_over_ipv4_is_refused_before_anything_is_sent() {
    the_limit_holds(&Catcher::new(), LIMIT);
}

#[test]
fn what_exceeds_a_datagram_over_ipv6_is_refused_before_anything_is_sent() {
    the_limit_holds(&Catcher::on("[::1]:0"), LIMIT_V6);
}

#[test]
fn hexadecimal_that_exceeds_a_datagram_is_refused() {
    // 131,016 digits: as many as one argument holds (execve(2)), and one byte more than a datagram.
    let catcher = Catcher::new();
    send(&catcher, &["--hex", &"61".repeat(LIMIT)], "").expect_code(0);
    assert_eq!(catcher.all(), [vec![0x61; LIMIT]]);
    send(&catcher, &["--hex", &"61".repeat(LIMIT + 1)], "").expect_code(3).says(&["65508", "65507"]);
    assert!(catcher.all().is_empty());
}

#[test]
fn one_argument_too_long_and_none_of_them_is_sent() {
    let catcher = Catcher::new();
    send(&catcher, &["short", &"a".repeat(LIMIT + 1), "short"], "").expect_code(3).says(&["Nothing was sent"]);
    assert!(catcher.all().is_empty());
}

#[test]
fn a_line_too_long_stops_before_it_is_sent_with_its_number_and_length() {
    let catcher = Catcher::new();
    let input = format!("one\n\n{}\nfour\n", "a".repeat(70_000));
    let output = send(&catcher, &["--lines"], input).expect_code(6);
    output.says(&["3", "70000", "65507"]);
    assert_eq!(catcher.all(), [b"one".as_slice(), b""], "what came before it went, what comes after it does not");
    let summary = output.summary();
    assert_eq!((&summary["sent"], &summary["exit"]), (&json!(2), &json!(6)));
}

#[test]
fn a_line_longer_than_memory_should_be_is_refused_all_the_same() {
    let catcher = Catcher::new();
    send(&catcher, &["--lines"], vec![b'a'; 50_000_000]).expect_code(3).says(&["50000000", "65507"]);
    send(&catcher, &["--stdin"], vec![b'a'; 50_000_000]).expect_code(3).says(&["65507"]);
    assert!(catcher.all().is_empty());
}

#[test]
fn a_payload_that_is_too_long_cannot_exist() {
    use halloo::model::{Family, Payload};
    for (family, limit) in [(Family::V4, LIMIT), (Family::V6, LIMIT_V6)] {
        assert!(Payload::new(vec![0; limit], family).is_ok());
        assert!(Payload::new(vec![0; limit + 1], family).is_err());
    }
}
