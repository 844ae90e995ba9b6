//! How a run ends: signals, a reader that leaves, a disk that is full. And what is said where.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests; the clock here is not the product's")]

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, pipe};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use support::PATIENCE;
use support::catcher::Catcher;
use support::flood;
use support::program::{HALLOO, Output, Process, Run, halloo, mortal, number, serve, sum};

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

/// A sender that is held up, for what it writes fills a pipe that nobody reads; and to whom it sends.
fn held_up() -> (PipeReader, Process, Catcher) {
    let catcher = Catcher::new();
    let (reader, writer) = pipe().unwrap();
    let full = writer.try_clone().unwrap();
    let args = ["send", &catcher.address(), "hi", "--count", "1000000", "--interval", "0"];
    let sender = halloo(args).stdout(writer).start_elsewhere();
    until_full(&full);
    (reader, sender, catcher)
}

/// Waits until nothing more fits into a pipe: whoever writes to it waits from then on.
fn until_full(pipe: &PipeWriter) {
    let deadline = Instant::now() + PATIENCE;
    let fits = || poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO).unwrap() > 0;
    while fits() {
        assert!(Instant::now() < deadline, "there is room in the pipe still");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_signal_that_comes_twice_at_once_ends_a_run_in_order_as_well() {
    // timeout(1) signals its child and then its whole group.
    let (mut reader, sender, _catcher) = held_up();
    sender.signal("TERM");
    sender.signal("TERM");
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    sender.finish().expect_code(0).says(&["-- ", " sent in "]);
}

#[test]
fn a_second_signal_ends_at_once_what_a_reader_holds_up() {
    let (_reader, sender, _catcher) = held_up();
    assert_eq!(sender.signalled_to_its_end("TERM").code, None, "it ended in order, so nothing held it up");
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
fn a_listener_that_was_stopped_has_what_came_meanwhile() {
    let listener = serve(&["listen", "127.0.0.1:0", "--json"]);
    listener.process.signal("STOP");
    let catcher = Catcher::new();
    (0..10).for_each(|number| catcher.send(number.to_string(), &listener.address()));
    listener.process.signal("CONT");
    let numbers: Vec<_> = listener.process.wait_events("recv", 10).iter().map(|event| event["data"].clone()).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let summary = listener.stop().expect_code(0).summary();
    assert_eq!((&summary["received"], &summary["kernel_drops"]), (&10.into(), &0.into()));
}

/// Stops a process for a while that has done something, and lets it go on to its end.
fn stopped_for_a_while(process: Process, event: &str) -> Value {
    process.wait_events(event, 3);
    process.signal("STOP");
    thread::sleep(Duration::from_millis(300));
    process.signal("CONT");
    process.finish().expect_code(0).summary()
}

#[test]
fn a_series_that_was_stopped_goes_on_to_its_end() {
    let catcher = Catcher::new();
    let args = ["send", &catcher.address(), "hi", "--count", "20", "--interval", "20ms", "--json"];
    let summary = stopped_for_a_while(halloo(args).start(), "sent");
    assert_eq!((&summary["sent"], &summary["failed"]), (&20.into(), &0.into()));
    assert_eq!(catcher.all().len(), 20);
}

#[test]
fn a_ping_that_was_stopped_accounts_for_every_probe() {
    let server = serve(&["echo", "127.0.0.1:0"]);
    let args = ["ping", &server.address(), "--count", "20", "--interval", "20ms", "--wait", "5s", "--json"];
    let summary = stopped_for_a_while(halloo(args).start(), "reply");
    let counts = ["sent", "replies", "late", "lost", "duplicates"].map(|key| summary[key].as_u64().unwrap());
    assert_eq!(counts, [20, 20, 0, 0, 0], "{summary}");
}

#[test]
fn raw_payloads_reach_a_terminal_only_by_force() {
    let on_a_terminal = |flags: &str| {
        let typed = format!("{HALLOO} listen 127.0.0.1:0 --raw --timeout 100ms {flags}");
        let mut command = mortal("script");
        command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env("TERM", "xterm");
        Run::new(command).output()
    };
    on_a_terminal("").expect_code(2).shows(&["can confuse a terminal", "--force"]);
    on_a_terminal("--force").expect_code(1).shows(&["listening on"]);
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

/// Datagrams that a stalled reader misses some of, and what is in each of them: 18 MB, of which 8 MiB wait.
const MANY: u64 = 2000;
const LONG: [u8; 9000] = [0xff; 9000];

/// What is read from a pipe from now on, to its end.
fn read_all(mut reader: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut page = Vec::new();
        reader.read_to_end(&mut page).unwrap();
        page
    })
}

/// An echo server that has answered so many datagrams, and whose output nobody reads but its first line.
fn unread(datagrams: u64) -> (BufReader<PipeReader>, Process) {
    let (reader, writer) = pipe().unwrap();
    let server = halloo(["echo", "127.0.0.1:0", "--json"]).stdout(writer).start_elsewhere();
    let (mut reader, mut first) = (BufReader::new(reader), String::new());
    reader.read_line(&mut first).unwrap();
    let listening: Value = serde_json::from_str(&first).unwrap();
    let client = Catcher::new();
    for _ in 0..datagrams {
        assert_eq!(client.ask(LONG, listening["local"].as_str().unwrap()).0, LONG);
    }
    (reader, server)
}

#[test]
fn a_reader_that_stalls_costs_lines_and_neither_datagrams_nor_answers() {
    let (reader, server) = unread(MANY);
    // The reader goes on.
    server.signal("TERM");
    let page = read_all(reader);
    server.finish().expect_code(0);
    let page = String::from_utf8(page.join().unwrap()).unwrap();
    let lines: Vec<Value> = page.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown = lines.iter().filter(|line| line["event"] == "recv").count() as u64;
    let summary = lines.last().unwrap();
    let count = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!((count("received"), count("sent"), count("kernel_drops")), (MANY, MANY, 0), "{summary}");
    assert_eq!(shown + count("output_drops"), MANY, "{summary}");
    assert!(shown > 0 && count("output_drops") > 0, "{summary}");
}

/// Who announces on loopback, at a port of discovery of one test, with standard error where standard output is.
fn announcing(port: u16, words: &str) -> Run {
    let announce = format!("announce chat --port 7 --interface lo -4 --discovery-port {port}");
    let mut command = mortal("sh");
    command.args(["-c", &format!("exec {HALLOO} {announce} {words} 2>&1")]);
    command.env("XDG_STATE_HOME", "/dev/null").env_remove("HALLOO_SECRET_FILE");
    Run::new(command)
}

/// Sends to a port of this host what says nothing to anybody, until it was read.
fn junk(datagrams: u32, port: u16) {
    flood::bound(&[port], PATIENCE);
    let (catcher, to) = (Catcher::new(), format!("127.0.0.1:{port}"));
    for number in 0..datagrams {
        catcher.send("junk", &to);
        if number % 100 == 0 {
            // What the queue of the kernel does not hold would not be told of.
            flood::read(&[port], PATIENCE);
        }
    }
    flood::read(&[port], PATIENCE);
}

/// Sends to who announces what is no question, and looks for it then: nobody has read a word yet.
fn is_found_behind(datagrams: u32, port: u16) {
    junk(datagrams, port);
    let port = port.to_string();
    let args =
        ["discover", "chat", "--expect", "1", "--wait", "10s", "--interface", "lo", "-4", "--discovery-port", &port];
    halloo(args).env("HALLOO_SECRET_FILE", "").output().expect_code(0);
}

#[test]
fn who_announces_is_found_though_nobody_reads_its_output() {
    let (reader, writer) = pipe().unwrap();
    let announcer = announcing(21_301, "--json").stdout(writer).start_elsewhere();
    // Each line takes some 290 bytes, and 8 MiB of them wait.
    is_found_behind(40_000, 21_301);
    announcer.signal("TERM");
    let page = read_all(reader);
    announcer.finish().expect_code(0);
    let page = String::from_utf8(page.join().unwrap()).unwrap();
    let lines: Vec<Value> = page.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |event: &str| lines.iter().filter(|line| line["event"] == event).count() as u64;
    let summary = lines.last().unwrap();
    let dropped = number(summary, "output_drops");
    assert!(dropped > 0 && told("ignored") > 0, "{summary}");
    // Of each datagram that came or left there is a line, or it is counted.
    let all = sum(&summary["ignored"]) + number(summary, "sent");
    assert_eq!(told("ignored") + told("sent") + dropped, all, "{summary}");
}

#[test]
fn who_announces_a_program_is_found_though_nobody_reads_standard_error() {
    let (_reader, writer) = pipe().unwrap();
    let _announcer = announcing(21_302, "--json -- sleep 600").stdout(writer).start_elsewhere();
    is_found_behind(2_000, 21_302);
}

#[test]
fn who_announces_a_program_that_has_ended_ends_at_a_signal_though_nobody_reads_standard_error() {
    let (_reader, writer) = pipe().unwrap();
    let full = writer.try_clone().unwrap();
    let announcer = announcing(21_303, "--json -- sleep 600").stdout(writer).start_elsewhere();
    is_found_behind(2_000, 21_303);
    until_full(&full);
    // The first is for the program, and ends the run.
    assert_eq!(announcer.signalled_to_its_end("TERM").code, None, "it ended in order, so nothing held it up");
}

#[test]
fn who_watches_is_held_up_by_no_reader() {
    let (reader, writer) = pipe().unwrap();
    let args = ["discover", "chat", "--watch", "--json", "--interface", "lo", "-4"];
    let ports = ["--discovery-port", "21304", "--source-port", "21305"];
    let watcher = halloo([&args[..], &ports].concat()).env("HALLOO_SECRET_FILE", "").stdout(writer).start_elsewhere();
    junk(40_000, 21_305);
    watcher.signal("TERM");
    let page = read_all(reader);
    watcher.finish().expect_code(0);
    let page = String::from_utf8(page.join().unwrap()).unwrap();
    let lines: Vec<Value> = page.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |event: &str| lines.iter().filter(|line| line["event"] == event).count() as u64;
    let summary = lines.last().unwrap();
    let dropped = number(summary, "output_drops");
    assert!(dropped > 0 && told("ignored") > 0, "{summary}");
    let all = sum(&summary["ignored"]) + number(summary, "sent");
    assert_eq!(told("ignored") + told("sent") + dropped, all, "{summary}");
}

#[test]
fn a_server_whose_output_nobody_reads_ends_at_the_second_signal() {
    // More than a pipe holds, and less than the queue does.
    let (_reader, server) = unread(100);
    assert_eq!(server.signalled_to_its_end("TERM").code, None, "it ended in order, so nothing held it up");
}

#[test]
fn what_a_stalled_reader_gets_in_the_end_is_whole_and_so_is_the_capture() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("x.pcapng");
    let (reader, writer) = pipe().unwrap();
    // Each with its length in front.
    let args = ["listen", "127.0.0.1:0", "--raw", "--frame", "len32", "--pcap", capture.to_str().unwrap()];
    let listener = halloo(args).stdout(writer).start_elsewhere();
    let note = listener.wait_note(|line| line.contains("listening on "));
    let address = note.split(' ').nth(2).unwrap();
    let port = [address.rsplit(':').next().unwrap().parse().unwrap()];
    let catcher = Catcher::new();
    for number in 0..MANY {
        catcher.send(LONG, address);
        if number % 10 == 0 {
            // What the queue of the kernel does not hold is not the question here.
            flood::read(&port, PATIENCE);
        }
    }
    flood::drained(&port, PATIENCE);
    let page = read_all(reader);
    listener.signal("TERM");
    let output = listener.finish().expect_code(0);
    let page = page.join().unwrap();
    let whole = [&(LONG.len() as u32).to_be_bytes()[..], &LONG].concat();
    assert_eq!(page.len() % whole.len(), 0);
    assert!(page.chunks(whole.len()).all(|payload| payload == whole));
    let shown = (page.len() / whole.len()) as u64;
    let received = output.summed_up(" datagrams, ");
    assert_eq!(received + output.summed_up(" dropped by the kernel"), MANY, "{output}");
    assert_eq!(shown + output.summed_up(" dropped by the output"), received, "{output}");
    // The packet of a line is kept or dropped with it, and each is whole.
    let mut tshark = Command::new("tshark");
    tshark.args(["-r", capture.to_str().unwrap(), "-T", "fields", "-e", "udp.length"]);
    let lengths = Run::new(tshark).output().expect_code(0).out();
    assert_eq!((lengths.lines().count() as u64, lengths.replace("9008\n", "")), (shown, String::new()));
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
        output.says(&["halloo: cannot write standard output", "No space left"]);
    }
    let listener = halloo(["listen", "127.0.0.1:0"]).stdout(full()).start_elsewhere();
    let note = listener.wait_note(|line| line.contains("listening on "));
    catcher.send("hi", note.split(' ').nth(2).unwrap());
    listener.finish().expect_code(4).says(&["cannot write standard output", "-- 1 datagram, "]);
}

#[test]
fn a_capture_file_that_cannot_be_written_is_refused_before_the_run() {
    let output = halloo(["listen", "127.0.0.1:0", "--pcap", "/nonexistent/x.pcap"]).output().expect_code(4);
    output.says(&["/nonexistent/x.pcap"]);
    let listener = serve(&["listen", "127.0.0.1:0", "--pcap", "/dev/full"]);
    Catcher::new().send("hi", &listener.address());
    listener.finish().expect_code(4).says(&["cannot write /dev/full", "-- "]);
}

/// A listener whose capture file gets no longer than some packets, and the end of it.
fn listened_beyond(capture: &str, flags: &[&str]) -> Output {
    let mut command = mortal("sh");
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    command.args(["-c", limited, "sh", HALLOO, "listen", "127.0.0.1:0", "--pcap", capture]).args(flags);
    let listener = Run::new(command).serve();
    let (address, catcher) = (listener.address(), Catcher::new());
    listener.process.finish_while(|| catcher.send("hi", &address)).expect_code(4)
}

#[test]
fn a_file_that_cannot_be_written_ends_the_run_by_name_and_the_rest_adds_up() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("x.pcapng");
    let capture = capture.to_str().unwrap();
    let output = listened_beyond(capture, &["--json"]);
    let (summary, lines) = (output.summary(), output.events("recv").len());
    assert_eq!((&summary["received"], lines > 0), (&lines.into(), true), "{output}");
    let why = output.events("error").remove(0);
    assert_eq!((&why["reason"], &why["exit"]), (&"output".into(), &4.into()));
    assert!(why["why"].as_str().unwrap().contains(capture), "{why}");
    output.says(&[&format!("halloo: cannot write {capture}: File too large")]);
    let output = listened_beyond(capture, &[]);
    output.says(&[&format!("halloo: cannot write {capture}: File too large")]);
    assert_eq!(output.summed_up(" datagrams, "), output.out().lines().count() as u64, "{output}");
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
