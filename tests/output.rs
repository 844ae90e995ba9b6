//! How a run ends: signals, a reader that leaves, a disk that is full. And what is said where.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::thread;
use std::time::Duration;

use support::catcher::Catcher;
use support::program::{Process, halloo, serve};

#[test]
fn a_signal_ends_a_run_in_order_with_its_summary() {
    for signal in ["INT", "TERM"] {
        for command in ["listen", "echo", "length"] {
            let server = serve(&[command, "127.0.0.1:0", "--json"]);
            Catcher::new().send("hi", &server.address());
            server.process.wait_event("recv");
            server.process.signal(signal);
            assert_eq!(server.finish().expect_code(0).summary()["received"], 1, "{command} and SIG{signal}");
        }
        let server = serve(&["listen", "127.0.0.1:0"]);
        server.process.signal(signal);
        server.finish().expect_code(0).says(&["-- 0 datagrams, 0 B, 0 senders, 0 truncated, 0 dropped by the kernel"]);
    }
}

/// A sender that is held up: what it writes fills a pipe that nobody reads.
fn held_up() -> (PipeReader, Process) {
    let catcher = Catcher::new();
    let (reader, writer) = pipe().unwrap();
    let args = ["send", &catcher.address(), "hi", "--count", "1000000", "--interval", "0"];
    let sender = halloo(args).stdout(writer).start_elsewhere();
    catcher.next();
    thread::sleep(Duration::from_millis(500));
    (reader, sender)
}

#[test]
fn a_signal_that_comes_twice_at_once_ends_a_run_in_order_as_well() {
    // timeout(1) signals its child and then its whole group.
    let (mut reader, sender) = held_up();
    sender.signal("TERM");
    sender.signal("TERM");
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    sender.finish().expect_code(0).says(&["-- ", " sent in "]);
}

#[test]
fn a_second_signal_ends_at_once_what_a_reader_holds_up() {
    let (_reader, sender) = held_up();
    sender.signal("TERM");
    thread::sleep(Duration::from_millis(500));
    sender.signal("TERM");
    assert_eq!(sender.finish().code, None, "it ended in order, so nothing held it up");
}

#[test]
fn the_code_after_a_signal_is_what_the_result_deserves() {
    let short = serve(&["listen", "127.0.0.1:0", "--count", "3", "--json"]);
    Catcher::new().send("hi", &short.address());
    short.process.wait_event("recv");
    assert_eq!(short.stop().expect_code(1).summary()["received"], 1);
    let catcher = Catcher::new();
    let waiting = halloo(["send", &catcher.address(), "hi", "--wait", "1h", "--json"]).start();
    let (_, source) = catcher.next();
    catcher.send("here", &source.to_string());
    waiting.wait_event("reply");
    assert_eq!(waiting.stop().expect_code(0).summary()["replies"], 1);
    let unanswered = halloo(["send", &catcher.address(), "hi", "--wait", "1h", "--json"]).start();
    unanswered.wait_event("sent");
    assert_eq!(unanswered.stop().expect_code(1).summary()["replies"], 0);
}

#[test]
fn a_signal_ends_a_sender_that_waits_for_its_input() {
    let catcher = Catcher::new();
    let mut sender = halloo(["send", &catcher.address(), "--lines", "--json"]).start();
    sender.write("one\nhalf a li");
    sender.wait_event("sent");
    sender.signal("INT");
    assert_eq!(sender.finish().expect_code(0).summary()["sent"], 1);
    assert_eq!(catcher.all(), [b"one"], "half a line is no record");
}

#[test]
fn to_be_stopped_and_continued_is_harmless() {
    let server = serve(&["echo", "127.0.0.1:0", "--json"]);
    let client = Catcher::new();
    server.process.signal("STOP");
    client.send("one", &server.address());
    server.process.signal("CONT");
    assert_eq!(client.next().0, b"one");
    assert_eq!(client.ask("two", &server.address()).0, b"two");
    assert_eq!(server.stop().expect_code(0).summary()["received"], 2);
}

#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    for flags in [&["--json"][..], &[], &["--raw", "--frame", "newline"]] {
        let (reader, writer) = pipe().unwrap();
        let listener = halloo([&["listen", "127.0.0.1:0"], flags].concat()).stdout(writer).start_elsewhere();
        let mut lines = BufReader::new(reader).lines();
        let local = if flags == ["--json"] {
            let line = lines.next().unwrap().unwrap();
            line.split("\"local\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        } else {
            listener.wait_note(|line| line.contains("listening on ")).split(' ').nth(2).unwrap().to_owned()
        };
        let catcher = Catcher::new();
        catcher.send("one", &local);
        lines.next().unwrap().unwrap();
        // As head -1 does.
        drop(lines);
        // More than once: a process that another test starts at this moment may hold the reading end until it runs.
        let output = listener.finish_while(|| catcher.send("two", &local)).expect_code(0);
        let said = output.err();
        assert!(!said.contains("panic") && !said.contains("roken pipe") && !said.contains("error"), "{output}");
    }
}

#[test]
fn a_reader_that_was_never_there_is_no_error_either() {
    let catcher = Catcher::new();
    for args in [&["send", &catcher.address(), "a", "b"][..], &["interfaces"], &["--help"], &["--version"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = halloo(args).stdout(writer).output_elsewhere().expect_code(0);
        assert!(!output.err().contains("panic"), "{output}");
    }
}

#[test]
fn a_full_disk_does_not_end_with_0() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let catcher = Catcher::new();
    for args in [
        &["send", &catcher.address(), "hi"][..],
        &["send", &catcher.address(), "hi", "--json"],
        &["interfaces"],
        &["interfaces", "--json"],
        &["--help"],
    ] {
        let output = halloo(args).stdout(full()).output_elsewhere();
        assert_eq!(output.code, Some(4), "{output}");
        output.says(&["halloo: cannot write", "No space left"]);
    }
    let listener = halloo(["listen", "127.0.0.1:0"]).stdout(full()).start_elsewhere();
    let note = listener.wait_note(|line| line.contains("listening on "));
    catcher.send("hi", note.split(' ').nth(2).unwrap());
    listener.finish().expect_code(4).says(&["cannot write"]);
}

#[test]
fn a_capture_file_that_cannot_be_written_is_refused_before_the_run() {
    let output = halloo(["listen", "127.0.0.1:0", "--pcap", "/nonexistent/x.pcap"]).output().expect_code(4);
    output.says(&["/nonexistent/x.pcap"]);
    let listener = serve(&["listen", "127.0.0.1:0", "--pcap", "/dev/full"]);
    Catcher::new().send("hi", &listener.address());
    listener.finish().expect_code(4).says(&["cannot write"]);
}

#[test]
fn help_and_version_are_on_standard_output() {
    let help = halloo(["--help"]).output().expect_code(0);
    help.shows(&["echo", "length", "listen", "send", "broadcast", "interfaces", "EXIT CODES"]);
    assert_eq!(help.err(), "");
    let version = halloo(["--version"]).output().expect_code(0);
    assert_eq!(version.out(), format!("halloo {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["echo", "length", "listen", "send", "broadcast", "interfaces"] {
        halloo([command, "--help"]).output().expect_code(0).shows(&["Usage: halloo", "EXAMPLES"]);
        halloo([command, "-h"]).output().expect_code(0).shows(&["Usage: halloo"]);
    }
    halloo::<&str>([]).output().expect_code(2);
}
