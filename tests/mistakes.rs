//! Bad input of every kind: one clear sentence, the exit code, and for the frequent mistakes the command that was meant.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::catcher::Catcher;
use support::program::{Output, halloo};

/// Runs it, and judges the form of what it says: a sentence of its own on standard error, nothing on standard output.
fn refused(args: &[&str], stdin: &str, code: i32) -> Output {
    let output = halloo(args).stdin(stdin).output().expect_code(code);
    let said = output.err();
    let first = said.lines().next().unwrap_or_default();
    assert!(first.starts_with("halloo: ") && first.len() > "halloo: ".len() + 8, "{output}");
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{output}");
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{output}");
    assert!(said.lines().count() <= 8, "one sentence and its hints: {output}");
    if args.contains(&"--json") {
        // Whoever reads JSON reads why, and the end.
        assert_eq!(output.events("error")[0]["exit"], code, "{output}");
        assert_eq!(output.summary()["exit"], code, "{output}");
    } else {
        assert_eq!(output.out(), "", "{output}");
    }
    output
}

/// What is typed, and what has to be said about it, all with exit code 2.
const TYPED: &[(&[&str], &[&str])] = &[
    // Commands and options.
    (&["lisen"], &["lisen", "listen"]),
    (&["send"], &["TARGET"]),
    (&["send", "127.0.0.1", "--jsn"], &["--jsn", "--json"]),
    (&["listen", "--bogus"], &["--bogus"]),
    (&["listen", ":9", "extra"], &["extra"]),
    (&["send", "127.0.0.1", "-v", "-q"], &["--verbose", "--quiet"]),
    // Addresses and ports.
    (&["send", ""], &["address is empty"]),
    (&["send", "1060"], &["1060", ":1060"]),
    (&["send", "10.0.0.256"], &["10.0.0.256", "IPv4"]),
    (&["send", "10.0.0"], &["10.0.0", "IPv4"]),
    (&["send", "10.0.0.7:"], &["port"]),
    (&["send", "10.0.0.7:70000"], &["70000", "65535"]),
    (&["send", "10.0.0.7:http"], &["http", "port"]),
    (&["send", "10.0.0.7:-1"], &["-1", "port"]),
    (&["send", "fe80::zz"], &["IPv6"]),
    (&["send", "[::1:9"], &["IPv6"]),
    (&["send", "fe80::1:9:"], &["IPv6"]),
    (&["send", "127.0.0.1%lo"], &["zone"]),
    (&["send", "udp://10.0.0.7:9000/x"], &["URL", "10.0.0.7:9000"]),
    (&["send", "a b"], &["host name"]),
    (&["listen", "10.0.0.256"], &["IPv4"]),
    (&["listen", "239.1.2.3:9000"], &["239.1.2.3", "--join 239.1.2.3"]),
    (&["broadcast", "hi", "--port", "0"], &["at least 1"]),
    (&["broadcast", "hi", "--port", "65536"], &["65535"]),
    (&["broadcast", "hi", "--to", "eth0"], &["eth0", "broadcast address"]),
    (&["broadcast", "hi", "--to", "10.77.0.255:9000"], &["--to 10.77.0.255 --port 9000"]),
    (&["broadcast", "hi", "--to", "10.77.0.255", "--limited"], &["--to", "--limited"]),
    (&["send", "127.0.0.1", "--from", "lo"], &["lo", "--interface lo"]),
    (&["listen", "--from", "10.0.0.0/33"], &["10.0.0.0/33"]),
    (&["listen", "--join", "10.0.0.1"], &["10.0.0.1", "multicast"]),
    (&["echo", "10.0.0.1:7", "--lan"], &["--lan"]),
    // Durations, counts, rates.
    (&["send", "127.0.0.1", "--wait", "soon"], &["soon", "500ms"]),
    (&["send", "127.0.0.1", "--wait", "-1s"], &["negative"]),
    (&["send", "127.0.0.1", "--wait", "0"], &["no time"]),
    (&["send", "127.0.0.1", "--wait", "1,5"], &["1,5", "1.5"]),
    (&["listen", "--timeout", "1e3"], &["1e3", "duration"]),
    (&["listen", "--idle", "99999999999d"], &["99999999999d"]),
    (&["listen", "--count", "0"], &["at least 1"]),
    (&["listen", "--count", "many"], &["many", "whole number"]),
    (&["send", "127.0.0.1", "--count", "-3"], &["-3"]),
    (&["send", "127.0.0.1", "--rate", "0"], &["more than 0"]),
    (&["send", "127.0.0.1", "--rate", "fast"], &["fast", "100/s"]),
    (&["send", "127.0.0.1", "--expect", "3", "--max", "2"], &["--max", "--expect"]),
    (&["echo", "--rate-limit", "none"], &["none", "off"]),
    // Sizes and bytes.
    (&["send", "127.0.0.1", "--size", "big"], &["big", "64k"]),
    (&["send", "127.0.0.1", "--size", "-1"], &["-1"]),
    (&["send", "127.0.0.1", "--chunk", "0"], &["at least 1"]),
    (&["send", "127.0.0.1", "--chunk", "65528"], &["65507", "65527"]),
    (&["send", "127.0.0.1", "--ttl", "0"], &["at least 1"]),
    (&["send", "127.0.0.1", "--ttl", "256"], &["255"]),
    (&["send", "127.0.0.1", "--tos", "0x100"], &["255"]),
    (&["listen", "--max-size", "65537"], &["65536"]),
    (&["listen", "--receive-buffer", "lots"], &["lots", "4M"]),
    (&["listen", "--show", "pretty"], &["pretty", "hex"]),
    (&["listen", "--only", "anycast"], &["anycast", "multicast"]),
    // Names of interfaces.
    (&["broadcast", "hi", "--interface", "no-such-interface0"], &["no-such-interface0", "lo"]),
    (&["listen", ":0", "--interface", "no-such-interface0"], &["no-such-interface0", "lo"]),
    (&["interfaces", "--interface", "no-such-interface0"], &["no-such-interface0", "lo"]),
    (&["send", "127.0.0.1:9", "hi", "--interface", "no-such-interface0"], &["no-such-interface0", "lo"]),
    (&["broadcast", "hi", "--interface", "a,b"], &["--interface a --interface b"]),
    (&["broadcast", "hi", "--interface", "10.0.0.1/24"], &["10.0.0.1"]),
    (&["broadcast", "hi", "--interface", ""], &["a name, a number or an address"]),
    (&["send", "[fe80::1%no-such-interface0]:9", "hi"], &["no-such-interface0"]),
    // Options that do not go together, or go nowhere.
    (&["send", "127.0.0.1", "hi", "--stdin"], &["--stdin"]),
    (&["send", "127.0.0.1", "--lines", "--null"], &["--lines", "--null"]),
    (&["send", "127.0.0.1", "hi", "--timing"], &["--jsonl"]),
    (&["send", "127.0.0.1", "hi", "--crlf"], &["--lines"]),
    (&["send", "127.0.0.1", "hi", "--keep-terminator"], &["--lines"]),
    (&["send", "127.0.0.1", "hi", "--allow-none"], &["stream"]),
    (&["send", "127.0.0.1", "-e", "--lines"], &["PAYLOAD"]),
    (&["listen", "--raw", "--json"], &["--raw", "--json"]),
    (&["listen", "--frame", "null"], &["--raw"]),
    (&["listen", "--force"], &["--raw"]),
];

#[test]
fn what_was_typed_and_makes_no_sense_is_exit_code_2() {
    for (args, parts) in TYPED {
        refused(args, "", 2).says(parts);
    }
}

/// What those type who come from elsewhere, and the command that is meant.
const MEANT: &[(&[&str], &str)] = &[
    (&["lisen", ":9000"], "halloo listen :9000"),
    (&["listen", "9000"], "halloo listen :9000"),
    (&["listen", "-p", "9000"], "halloo listen :9000"),
    (&["-lu", "9000"], "halloo listen :9000"),
    (&["-u", "10.0.0.7", "9000"], "halloo send 10.0.0.7:9000"),
    (&["10.0.0.7:9000", "hi"], "halloo send 10.0.0.7:9000 hi"),
    (&["send", "udp://10.0.0.7:9000", "hi"], "halloo send 10.0.0.7:9000 hi"),
    (&["send", "1060", "hi"], "halloo send :1060 hi"),
    (&["echo", "1060"], "halloo echo :1060"),
    (&["ping", "10.0.0.7", "-f"], "halloo ping 10.0.0.7 --flood"),
    (&["ping", "-b", "10.77.0.255", "-p", "7"], "halloo ping --broadcast --to 10.77.0.255 --port 7"),
    (&["ping", "-b", "-c", "3"], "halloo ping --broadcast --count 3"),
];

#[test]
fn for_the_frequent_mistakes_the_command_that_was_meant_is_said() {
    for (args, meant) in MEANT {
        refused(args, "", 2).says(&[meant]);
    }
}

/// Records that cannot be sent: arguments, input, what has to be said; all with exit code 3 and nothing sent.
const RECORDS: &[(&[&str], &str, &[&str])] = &[
    (&["--hex", "0"], "", &["hexadecimal"]),
    (&["--hex", "0g"], "", &["hexadecimal", "g"]),
    (&["--hex", "00", "--hex", "xx"], "", &["2", "hexadecimal"]),
    (&["-e", r"\q"], "", &[r"\q"]),
    (&["-e", r"\x1"], "", &[r"\x1"]),
    (&["-e", r"end\"], "", &["escape"]),
    (&["--file", "/nonexistent/file"], "", &["/nonexistent/file", "No such file"]),
    (&["--file", "/"], "", &["/", "directory"]),
    (&["--lines", "--file", "/nonexistent/file"], "", &["/nonexistent/file"]),
    (&["--hex-lines"], "zz\n", &["1", "hexadecimal"]),
    (&["--jsonl"], "no JSON\n", &["line 1"]),
    (&["--jsonl"], "[]\n", &["line 1"]),
    (&["--jsonl"], "{\"event\":\"recv\",\"data_b64\":\"?\"}\n", &["line 1", "base64"]),
    (&["--jsonl"], "{\"event\":\"recv\"}\n", &["line 1", "data"]),
    (&["--jsonl"], "{\"event\":\"recv\",\"data\":7}\n", &["line 1", "data"]),
    (&["--stdin"], "", &["empty", "--empty"]),
    (&["--lines"], "", &["no record"]),
    (&["--size", "65508"], "", &["65508", "65507", "Nothing was sent"]),
];

#[test]
fn a_record_that_cannot_be_sent_is_exit_code_3_and_nothing_is_sent() {
    for (args, stdin, parts) in RECORDS {
        let catcher = Catcher::new();
        let address = catcher.address();
        let output = halloo([&["send", &address], *args].concat()).stdin(*stdin).output().expect_code(3);
        output.says(parts);
        let sentence = output.err().lines().any(|line| line.starts_with("halloo: "));
        assert!(sentence && output.out().is_empty(), "{output}");
        assert!(catcher.all().is_empty(), "{output}");
    }
}

#[test]
fn a_bad_record_after_good_ones_ends_the_run_with_its_number() {
    for (flag, input, number) in [
        ("--hex-lines", "00\n01\nxx\n02\n", "3"),
        ("--jsonl", "{\"event\":\"recv\",\"data\":\"a\"}\n{\"event\":\"recv\",\"data\":\"b\"}\n{\n", "3"),
    ] {
        let catcher = Catcher::new();
        halloo(["send", &catcher.address(), flag]).stdin(input).output().expect_code(6).says(&[number]);
        assert_eq!(catcher.all().len(), 2);
    }
}

#[test]
fn a_mistake_in_a_run_with_json_is_an_object_too() {
    let output = halloo(["send", "127.0.0.1:9", "--size", "65508", "--json"]).output().expect_code(3);
    let error = output.events("error").remove(0);
    assert_eq!((&error["exit"], &error["reason"].is_string()), (&3.into(), &true), "{output}");
    assert_eq!(output.summary()["sent"], 0);
    output.says(&["65508"]);
}

#[test]
fn no_message_shows_what_a_terminal_would_act_on() {
    let escape = "\u{1b}]0;x\u{7}\u{9b}\u{202e}";
    for args in [
        &["send", escape, "hi"][..],
        &[escape],
        &["listen", escape],
        &["listen", "--interface", escape],
        &["send", "127.0.0.1", "--wait", escape],
        &["send", "127.0.0.1", "--file", escape],
        &["send", "127.0.0.1", "-e", &format!("\\{escape}")],
        &["broadcast", "--to", escape],
    ] {
        let output = halloo(args).output();
        assert!(matches!(output.code, Some(2..=4)), "{output}");
        let harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!output.err().chars().any(harmful), "{:?}", output.err());
    }
}
