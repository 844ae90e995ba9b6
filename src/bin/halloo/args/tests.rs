//! The lines people type, right and wrong.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use halloo::model::{Family, Framing, Host, Selector, Target};

use super::values::Rate;
use super::values::SourceAddress;
use super::*;

fn typed(words: &[&str]) -> Result<Args, Refused> {
    parse(std::iter::once("halloo").chain(words.iter().copied()).map(OsString::from))
}

/// A line with spaces between its words, and `'` around words with spaces.
fn line(text: &str) -> Result<Args, Refused> {
    typed(&words(text).iter().map(String::as_str).collect::<Vec<_>>())
}

fn words(text: &str) -> Vec<String> {
    let quoted = text.split('\'').enumerate().flat_map(|(at, part)| match at % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    quoted.collect()
}

fn sent(text: &str) -> Send {
    match line(&format!("send 10.0.0.7 {text}")).map(|args| args.command) {
        Ok(Command::Send(send)) => send,
        other => panic!("{text}: {other:?}"),
    }
}

fn broadcast(text: &str) -> Broadcast {
    match line(&format!("broadcast {text}")).map(|args| args.command) {
        Ok(Command::Broadcast(broadcast)) => broadcast,
        other => panic!("{text}: {other:?}"),
    }
}

fn pinged(text: &str) -> Ping {
    match line(&format!("ping {text}")).map(|args| args.command) {
        Ok(Command::Ping(ping)) => ping,
        other => panic!("{text}: {other:?}"),
    }
}

fn listened(text: &str) -> Listen {
    match line(&format!("listen {text}")).map(|args| args.command) {
        Ok(Command::Listen(listen)) => listen,
        other => panic!("{text}: {other:?}"),
    }
}

fn echoed(text: &str) -> Echo {
    match line(&format!("echo {text}")).map(|args| args.command) {
        Ok(Command::Echo(echo)) => echo,
        other => panic!("{text}: {other:?}"),
    }
}

/// The text of a mistake, after what every mistake has in common.
fn refused(text: &str) -> String {
    let refused = line(text).expect_err(text);
    assert_eq!((refused.code, refused.to_stdout), (2, false), "{text}");
    assert!(refused.text.starts_with("halloo: "), "{text}: {}", refused.text);
    assert!(refused.text.lines().skip(1).all(|hint| hint.starts_with("        ")), "{text}: {}", refused.text);
    assert!(!refused.text.ends_with('\n'));
    refused.text
}

fn says(text: &str, parts: &[&str]) {
    let said = refused(text);
    for part in parts {
        assert!(said.contains(part), "halloo {text}\n{said}\ndoes not say {part:?}");
    }
}

/// The line that is proposed is exactly this one.
fn meant(text: &str, proposed: &str) {
    let said = refused(text);
    let found = said.lines().find_map(|hint| hint.trim().strip_prefix("did you mean: "));
    assert_eq!(found, Some(proposed), "halloo {text}\n{said}");
    assert!(line(proposed.strip_prefix("halloo ").unwrap()).is_ok(), "{proposed}");
}

fn text(bytes: &[u8]) -> Bytes {
    Bytes(bytes.to_vec())
}

#[test]
fn clap_finds_no_contradiction() {
    Args::in_full().debug_assert();
}

#[test]
fn only_the_command_that_is_typed_gets_its_options() {
    let mut halloo = Args::command();
    halloo.try_get_matches_from_mut(["halloo", "send", "127.0.0.1"]).unwrap();
    let made: Vec<_> = halloo.get_subcommands().filter(|command| command.get_arguments().count() > 5).collect();
    assert_eq!(made.iter().map(|command| command.get_name()).collect::<Vec<_>>(), ["send"]);
}

#[test]
fn help_and_version_are_printed_where_they_were_asked_for() {
    for asked in ["--help", "-h", "--version", "help send", "send --help", "listen -h"] {
        let refused = line(asked).unwrap_err();
        assert_eq!((refused.code, refused.to_stdout), (0, true), "{asked}");
        assert!(!refused.text.ends_with('\n'), "{asked}");
    }
    let nothing = line("").unwrap_err();
    assert_eq!((nothing.code, nothing.to_stdout), (2, false));
    assert!(nothing.text.contains("Usage:"));
}

#[test]
fn long_help_has_examples_and_the_exit_codes() {
    let top = line("--help").unwrap_err().text;
    assert!(top.contains("EXAMPLES") && top.contains("EXIT CODES"));
    for code in 0..=6 {
        assert!(top.contains(&format!("\n  {code}  ")), "{code}");
    }
    let listed = [
        "echo",
        "length",
        "listen",
        "send",
        "broadcast",
        "ping",
        "announce",
        "discover",
        "secret",
        "interfaces",
        "learn",
    ];
    let places = listed.map(|name| top.find(&format!("\n  {name} ")).unwrap());
    assert!(places.is_sorted(), "{top}");
    for command in Args::in_full().get_subcommands() {
        let name = command.get_name();
        let (long, short) = (line(&format!("{name} --help")).unwrap_err(), line(&format!("{name} -h")).unwrap_err());
        assert!(long.text.contains("EXAMPLES"), "{name}");
        assert!(!short.text.contains("EXAMPLES") && short.text.len() < long.text.len(), "{name}");
    }
}

#[test]
fn the_examples_are_lines_that_halloo_takes_and_a_terminal_of_80_columns_holds() {
    let commands = [
        send::EXAMPLES,
        broadcast::EXAMPLES,
        ping::EXAMPLES,
        announce::EXAMPLES,
        discover::EXAMPLES,
        secret::EXAMPLES,
        listen::EXAMPLES,
        interfaces::EXAMPLES,
        learn::EXAMPLES,
    ];
    for examples in commands.into_iter().chain([TOP, serve::ECHO_EXAMPLES, serve::LENGTH_EXAMPLES]) {
        let shown: Vec<_> = examples.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(shown.iter().all(|line| line.len() <= 80), "{shown:?}");
        let lines = shown.iter().filter(|line| !line.contains('#')).filter_map(|line| line.split_once("halloo "));
        let taken: Vec<_> = lines.map(|(_, rest)| rest.split([';', '|', '>']).next().unwrap()).collect();
        assert!((3..=6).contains(&taken.len()), "{taken:?}");
        for example in taken {
            assert!(line(example).is_ok(), "{example}: {:?}", line(example));
        }
    }
}

#[test]
fn every_option_has_a_sentence_of_its_own() {
    let mut commands = Args::in_full();
    commands.build();
    for command in commands.get_subcommands() {
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.len() > 10, "{} {}", command.get_name(), arg.get_id());
            assert!(!help.ends_with('.'), "{help}");
        }
    }
}

#[test]
fn global_options_stand_anywhere() {
    for text in ["--json -v listen", "listen --json -v", "--json listen -v", "-vv --json listen"] {
        let args = line(text).unwrap();
        assert!(args.json && args.verbose && !args.quiet, "{text}");
    }
    assert!(line("listen -q").unwrap().quiet);
    for text in ["-v listen -q", "-q -v listen", "listen -qv"] {
        says(text, &["contradict"]);
    }
}

#[test]
fn one_kind_of_record_at_a_time() {
    let source = |text: &str| sent(text).records.source();
    let lines = |keep, crlf| Framing::Terminated { by: b'\n', keep, crlf };
    let stream = |framing| Source::Stream { framing, input: Input::Stdin };
    let file = || Input::File("f".into());
    let payloads =
        |texts: &[&[u8]], escapes| Source::Payloads { texts: texts.iter().map(|t| text(t)).collect(), escapes };
    for (typed, expected) in [
        ("", Source::Time),
        ("a b", payloads(&[b"a", b"b"], false)),
        ("a -e b", payloads(&[b"a", b"b"], true)),
        ("'' a", payloads(&[b"", b"a"], false)),
        ("-- -5 --lines", payloads(&[b"-5", b"--lines"], false)),
        ("--hex 00 --hex '01 02'", Source::Hex(vec!["00".into(), "01 02".into()])),
        ("--file a --file b", Source::Files(vec!["a".into(), "b".into()])),
        ("--empty", Source::Empty),
        ("--size 65508", Source::Size(65_508)),
        ("--stdin", stream(Framing::Whole)),
        ("--lines", stream(lines(false, false))),
        ("--lines --keep-terminator --crlf", stream(lines(true, true))),
        ("--null --keep-terminator", stream(Framing::Terminated { by: 0, keep: true, crlf: false })),
        ("--chunk 1k", stream(Framing::Chunk(1024))),
        ("--hex-lines", stream(Framing::HexLines)),
        ("--lines --file f", Source::Stream { framing: lines(false, false), input: file() }),
        ("--file f --chunk 9", Source::Stream { framing: Framing::Chunk(9), input: file() }),
        ("--jsonl", Source::Recording { timing: false, input: Input::Stdin }),
        ("--jsonl --file f --timing", Source::Recording { timing: true, input: file() }),
        ("-i", Source::Interactive),
    ] {
        assert_eq!(source(typed), expected, "{typed}");
    }
    assert!(sent("--lines --allow-none").records.allow_none());
    let kinds = [
        "x",
        "--hex 00",
        "--empty",
        "--size 1",
        "--stdin",
        "--lines",
        "--null",
        "--chunk 1",
        "--hex-lines",
        "--jsonl",
        "-i",
    ];
    for (at, one) in kinds.iter().enumerate() {
        for other in &kinds[at + 1..] {
            says(&format!("send h {one} {other}"), &["two kinds of source", "PAYLOAD, --hex", "stream"]);
        }
    }
    for with_file in ["x", "--hex 00", "--empty", "--size 1", "--stdin", "-i"] {
        says(&format!("broadcast {with_file} --file f"), &["two kinds of source", "--file"]);
    }
}

#[test]
fn an_option_of_a_source_needs_that_source() {
    for (text, part) in [
        ("send h --timing", "needs --jsonl"),
        ("send h --null --crlf", "needs --lines"),
        ("send h x --keep-terminator", "needs --lines or --null"),
        ("send h -e", "needs a PAYLOAD"),
        ("broadcast x --allow-none", "needs a stream"),
        ("broadcast --lines --file a --file b", "one --file"),
        ("send h --file -", "--stdin"),
        ("send h --chunk 0", "--chunk: \"0\" is too small; write at least 1"),
    ] {
        says(text, &[part]);
    }
}

#[cfg(unix)]
#[test]
fn a_payload_is_bytes_and_needs_no_encoding() {
    use std::os::unix::ffi::OsStringExt;

    let bytes = vec![0xff, 0x1b, b'x'];
    let raw = || OsString::from_vec(bytes.clone());
    let args = parse(["halloo", "send", "h"].map(OsString::from).into_iter().chain([raw()])).unwrap();
    let Command::Send(send) = args.command else { panic!("{args:?}") };
    assert_eq!(send.records.source(), Source::Payloads { texts: vec![Bytes(bytes.clone())], escapes: false });
    let prefix = parse(["halloo", "echo", "--prefix"].map(OsString::from).into_iter().chain([raw()])).unwrap();
    let Command::Echo(echo) = prefix.command else { panic!("{prefix:?}") };
    assert_eq!(echo.serve.prefix, Some(Bytes(bytes.clone())));
    let target = parse(["halloo", "send"].map(OsString::from).into_iter().chain([raw()])).unwrap_err();
    assert!(target.text.contains("UTF-8") && !target.text.contains('\u{1b}'), "{}", target.text);
}

#[test]
fn what_is_said_is_safe_on_a_terminal() {
    for evil in ["\u{1b}[2J", "--\u{1b}x", "udp://\u{1b}:9", "-\u{1b}", "\u{202e}x y"] {
        for line in [vec!["send", evil], vec![evil, "x"], vec!["send", "h", "--from", evil], vec!["listen", "9", evil]]
        {
            let Err(refused) = typed(&line) else { continue };
            assert!(!refused.text.contains(['\u{1b}', '\u{202e}']), "{:?}", refused.text);
        }
    }
}

#[test]
fn pacing_answers_and_the_way_out() {
    let send =
        sent("a --count 3 --interval 0 --rate 10/s --wait 2 --expect 2 --max 3 --strict-source --connect -4 --ttl 1");
    assert_eq!((send.pacing.count.get(), send.pacing.interval), (3, Some(Duration::ZERO)));
    assert_eq!(send.pacing.rate, Some(Rate(Duration::from_millis(100))));
    assert_eq!(send.answers.wait(), Some(Duration::from_secs(2)));
    assert_eq!((send.answers.expect, send.answers.max), (NonZeroU64::new(2), NonZeroU64::new(3)));
    assert!(send.strict_source && send.connect && !send.no_broadcast);
    assert_eq!((send.family(), send.socket.ttl), (Some(Family::V4), Some(1)));
    let plain = sent("");
    assert_eq!((plain.pacing.count.get(), plain.pacing.interval, plain.pacing.rate), (1, None, None));
    assert_eq!((plain.answers.wait(), plain.answers.linger), (None, Duration::from_millis(20)));
    assert_eq!((plain.family(), plain.interface, plain.socket.from), (None, None, None));
    assert_eq!(sent("--expect 1").answers.wait(), Some(Duration::from_secs(1)));
    let way =
        sent("-6 --from :9 --tos 0xb8 --dont-fragment --share --send-buffer 64k --receive-buffer 4M --interface 2");
    assert_eq!((way.family(), way.interface), (Some(Family::V6), Some(Selector::Index(2))));
    let socket = way.socket;
    assert_eq!((socket.from, socket.tos), (Some(SourceAddress { address: None, port: Some(9) }), Some(0xb8)));
    assert!(socket.dont_fragment && socket.share);
    assert_eq!((socket.send_buffer, socket.receive_buffer), (Some(65_536), Some(4 << 20)));
    says("send h --expect 3 --max 2", &["--max 2 ends before the 3 of --expect"]);
    says("send h -4 -6", &["--ipv4 does not go with --ipv6"]);
}

#[test]
fn where_a_broadcast_goes() {
    let plain = broadcast("");
    assert_eq!((plain.everybody.port(), plain.everybody.aim()), (1060, Aim::Directed { mask_derived: false }));
    assert!(plain.everybody.interface.is_empty() && !plain.dry_run && !plain.lenient);
    assert_eq!(broadcast("--mask-derived").everybody.aim(), Aim::Directed { mask_derived: true });
    assert_eq!(broadcast("--to 10.0.0.255").everybody.aim(), Aim::To([10, 0, 0, 255].into()));
    assert_eq!(broadcast("--limited").everybody.aim(), Aim::Limited);
    assert_eq!(broadcast("--ipv6 --dry-run --lenient").everybody.aim(), Aim::Ipv6);
    assert_eq!(broadcast("--interface a --interface 10.0.0.1").everybody.interface.len(), 2);
    let ways = ["--limited", "--to 10.0.0.255", "--ipv6", "--mask-derived"];
    for (at, one) in ways.iter().enumerate() {
        for other in &ways[at + 1..] {
            says(&format!("broadcast {one} {other}"), &["does not go with"]);
        }
    }
    says("broadcast --port 0", &["--port", "at least 1"]);
    meant("broadcast --to 10.0.0.255:9000 hi", "halloo broadcast --to 10.0.0.255 --port 9000 hi");
    says("broadcast --to ff02::1", &["--ipv6"]);
}

#[test]
fn everybody_is_burdened_with_restraint() {
    for text in
        ["broadcast --interval 199ms", "broadcast --interval 0", "broadcast --rate 6/s", "broadcast --rate 1000/s"]
    {
        says(text, &["burdens everybody", "say --flood"]);
    }
    let ten = Some(Duration::from_secs(10));
    for text in ["", "--interval 200ms", "--rate 5/s", "--count 9 --interval 1s"] {
        assert_eq!(broadcast(text).deadline(), None, "{text}");
    }
    assert_eq!(broadcast("--flood --interval 0 --count 1000000").deadline(), ten);
    assert_eq!(broadcast("--flood --rate 1000/s --deadline 1m").deadline(), Some(Duration::from_secs(60)));
    assert_eq!(broadcast("--deadline 2s").deadline(), Some(Duration::from_secs(2)));
}

#[test]
fn to_end_at_the_first_failure_is_not_to_be_lenient() {
    assert!(sent("a --fail-fast").fail_fast && broadcast("--fail-fast").fail_fast && pinged("h --fail-fast").fail_fast);
    for text in ["send h --fail-fast --lenient", "broadcast --fail-fast --lenient", "ping h --lenient --fail-fast"] {
        says(text, &["does not go with"]);
    }
}

#[test]
fn pinging() {
    let (second, ms) = (Duration::from_secs(1), Duration::from_millis);
    let one = pinged("10.0.0.7");
    assert_eq!((one.size, one.count(), one.interval(), one.wait()), (64, None, second, second));
    assert_eq!((one.deadline(), one.expect, one.matching, one.family()), (None, None, Match::Probe, None));
    assert!(!one.broadcast && !one.flood && !one.histogram && !one.lenient);
    let all = pinged("--broadcast");
    assert_eq!((all.count(), all.interval(), all.wait(), all.deadline()), (Some(5), second, 2 * second, None));
    assert_eq!((all.everybody.aim(), all.everybody.port()), (Aim::Directed { mask_derived: false }, 1060));
    assert_eq!(pinged("--broadcast -6 --port 7").everybody.aim(), Aim::Ipv6);
    assert_eq!((pinged("h -6").family(), pinged("h -4").family()), (Some(Family::V6), Some(Family::V4)));
    let flood = pinged("--broadcast --flood");
    assert_eq!((flood.count(), flood.interval(), flood.deadline()), (None, ms(10), Some(10 * second)));
    assert_eq!(pinged("h --flood --count 9").deadline(), Some(10 * second));
    assert_eq!(pinged("h --count 9").deadline(), None);
    assert_eq!(pinged("h --flood --deadline 1m").deadline(), Some(60 * second));
    assert_eq!(pinged("--broadcast --flood --interval 0").interval(), Duration::ZERO);
    assert_eq!(pinged("h --match any --expect 2 --ttl 3").matching, Match::Any);
    assert!(!refused("ping h --broadcast").contains("did you mean"));
    for (text, part) in [
        ("ping", "needs a TARGET, or --broadcast"),
        ("ping h --broadcast", "one of them"),
        ("ping h --limited", "--limited needs --broadcast"),
        ("ping h --to 10.0.0.255", "--to needs --broadcast"),
        ("ping h --mask-derived", "--mask-derived needs --broadcast"),
        ("ping h --port 7", "behind it"),
        ("ping h --interface a --interface b", "one interface"),
        ("ping --broadcast --interval 199ms", "say --flood"),
        ("ping --broadcast --limited --ipv6", "does not go with"),
        ("ping h -4 -6", "does not go with"),
        ("ping h --count 0", "at least 1"),
        ("ping h --count 4294967296", "at most 4294967295"),
        ("ping h --match some", "none of probe, any"),
        ("ping h --connect", "no option --connect"),
        ("ping h --wait 0", "no time at all"),
    ] {
        says(text, &[part]);
    }
}

#[test]
fn listening() {
    let plain = listened("");
    assert_eq!((plain.address.clone(), plain.show(), plain.raw()), (None, Show::Text, None));
    let all = listened(
        ":9 --count 2 --timeout 1s --idle 1s --from 10.0.0.0/8 --from ::1 --only broadcast --interface eth0 --join \
         239.1.2.3 --no-self --max-size 64k --show hex --pcap f --share --receive-buffer 1M",
    );
    assert_eq!(all.address, Some(Target { host: None, port: Some(9) }));
    assert_eq!((all.from.len(), all.only, all.show()), (2, Some(Only::Broadcast), Show::Hex));
    assert_eq!((all.max_size, all.pcap), (Some(65_536), Some(PathBuf::from("f"))));
    assert_eq!(listened("--raw").raw(), Some(Frame::None));
    assert_eq!(listened("--raw --frame len32 --force").raw(), Some(Frame::Len32));
    for (text, part) in [
        ("listen --raw --json", "--raw and --json"),
        ("--json listen --raw", "--raw and --json"),
        ("listen --frame null", "--frame needs --raw"),
        ("listen --force", "--force needs --raw"),
        ("listen --raw --show hex", "does not go with"),
        ("listen --max-size 0", "at least 1"),
        ("listen --count 0", "--count: \"0\" is too small; write at least 1"),
        ("listen --timeout 0", "no time at all"),
        ("listen --join 10.0.0.1", "not a multicast address"),
        ("listen --from 10.0.0.0/33", "not a block of addresses"),
        ("listen --only none", "none of unicast, broadcast, multicast"),
    ] {
        says(text, &[part]);
    }
    meant("listen --only bcast", "halloo listen --only broadcast");
    meant("listen 239.1.2.3:9000", "halloo listen :9000 --join 239.1.2.3");
    assert!(line("listen 239.1.2.3:9000 --join 239.1.2.3").is_ok());
}

#[test]
fn serving() {
    let plain = echoed("");
    assert_eq!(plain.serve.rate_limit, RateLimit::PerSecond(1000.try_into().unwrap()));
    assert!(plain.serve.address.is_none() && !plain.serve.lan && !plain.serve.upper && plain.serve.prefix.is_none());
    let all =
        echoed("--lan :7000 --upper --prefix 'a b' --answer-broadcast --answer-any-port --rate-limit off --idle 1");
    assert_eq!(all.serve.address, Some(Target { host: None, port: Some(7000) }));
    assert_eq!((all.serve.prefix, all.serve.rate_limit), (Some(text(b"a b")), RateLimit::Off));
    let wildcard = echoed("--lan 0.0.0.0:7000").serve.address.and_then(|address| address.host);
    assert!(matches!(wildcard, Some(Host::Address(address)) if address.is_unspecified()));
    assert!(line("length --lan --count 1 --timeout 10s --share --receive-buffer 1M --interface lo").is_ok());
    meant("echo --lan 10.0.0.1:7000", "halloo echo --lan :7000");
    says("length --lan 10.0.0.1", &["every address of this host"]);
    says("echo --rate-limit 0", &["at least 1", "off"]);
}

#[test]
fn addresses_in_the_wrong_form() {
    meant("send 1060", "halloo send :1060");
    meant("send 1060 hi", "halloo send :1060 hi");
    meant("send h --from 9000", "halloo send h --from :9000");
    meant("send h --from=9000", "halloo send h --from=:9000");
    meant("send udp://10.0.0.7:9/x hi", "halloo send 10.0.0.7:9 hi");
    meant("send 10.0.0.7%eth0", "halloo send 10.0.0.7");
    meant("listen 9000", "halloo listen :9000");
    meant("echo 7", "halloo echo :7");
    meant("listen 0.0.0.0 9000", "halloo listen 0.0.0.0:9000");
    meant("listen ::1 9000", "halloo listen '[::1]:9000'");
    meant("send h --interface 10.0.0.1/24", "halloo send h --interface 10.0.0.1");
    meant("interfaces eth0", "halloo interfaces --interface eth0");
    says("send h --interface eth0,eth1", &["--interface eth0 --interface eth1"]);
    says("send h --interface all", &["not an interface", "without --interface"]);
    says("send h --interface 'eth 0'", &["a name, a number or an address", "halloo interfaces"]);
    says("send h --interface a --interface b", &["--interface is given twice"]);
    says("send 10.0.0.7:70000", &["not a port"]);
    says("send", &["send needs a TARGET", "for example: halloo send 127.0.0.1:1060 hello"]);
}

#[test]
fn an_address_where_the_command_should_be() {
    meant("10.0.0.7:9000 hi", "halloo send 10.0.0.7:9000 hi");
    meant("10.0.0.7:9000 'hi you'", "halloo send 10.0.0.7:9000 'hi you'");
    meant("10.0.0.7:9000 42", "halloo send 10.0.0.7:9000 42");
    meant("10.0.0.7 hi", "halloo send 10.0.0.7 hi");
    meant("--json printer.lan:9000 hi", "halloo send printer.lan:9000 hi --json");
    meant("10.0.0.7 9000 hi", "halloo send 10.0.0.7:9000 hi");
    meant("printer 9000", "halloo send printer:9000");
    meant("9000", "halloo listen :9000");
    meant(":9000", "halloo listen :9000");
}

#[test]
fn words_that_are_no_commands() {
    meant("snd h x", "halloo send h x");
    meant("brodcast hi", "halloo broadcast hi");
    says("hello", &["\"hello\" is not a command", "broadcast, ping, announce, discover, secret, interfaces, learn"]);
    assert!(!refused("hello").contains("did you mean"));
    says("--json", &["a command is missing"]);
}

#[test]
fn habits_of_nc_ping_and_tcpdump() {
    for text in ["-p 9000", "-p9000", "--port 9000", "--port=9000", "-l 9000", "-l -p 9000", "-lp 9000", "-ul 9000"] {
        meant(&format!("listen {text}"), "halloo listen :9000");
    }
    meant("listen 10.0.0.1 -p 9000", "halloo listen 10.0.0.1:9000");
    meant("listen -l", "halloo listen");
    meant("echo --lan -p 7000", "halloo echo :7000 --lan");
    meant("-l 9000", "halloo listen :9000");
    meant("-lu -p 9000", "halloo listen :9000");
    meant("-u 10.0.0.7 9000", "halloo send 10.0.0.7:9000");
    meant("send -u 10.0.0.7 9000 hi", "halloo send 10.0.0.7:9000 hi");
    meant("send 10.0.0.7 -p 9000 hi", "halloo send 10.0.0.7:9000 hi");
    meant("send -b 10.0.0.255 hi", "halloo send 10.0.0.255 hi");
    meant("send h -w 1 -c 3 -s 5", "halloo send h --wait 1 --count 3 --size 5");
    meant("broadcast -p 9000 hi", "halloo broadcast hi --port 9000");
    meant(
        "ping 10.0.0.7 7 -c 3 -i 0.2 -s 100 -W 2 -w 9",
        "halloo ping 10.0.0.7:7 --count 3 --interval 0.2 --size 100 --wait 2 --deadline 9",
    );
    meant("ping h --port 7", "halloo ping h:7");
    meant("ping --broadcast -p 7", "halloo ping --broadcast --port 7");
    meant("announce chat -p 7000", "halloo announce chat --port 7000");
    meant("listen -i eth0 -c 5", "halloo listen --interface eth0 --count 5");
}

#[test]
fn options_that_are_not_there_and_values_that_are_missing() {
    says("send h --foobar", &["send has no option --foobar"]);
    meant("send h --cuont 3", "halloo send h --count 3");
    // What time is called, each command has its own word for.
    meant("send h --deadline 2s", "halloo send h --wait 2s");
    meant("broadcast hi --timeout 2s", "halloo broadcast hi --deadline 2s");
    meant("ping h --timeout 2s", "halloo ping h --deadline 2s");
    meant("listen --deadline 2s", "halloo listen --timeout 2s");
    meant("announce chat --port 7 --wait 2s", "halloo announce chat --port 7 --timeout 2s");
    meant("discover --timeout 2s", "halloo discover --wait 2s");
    // What is like nothing is taken for nothing.
    for line in ["send h --loss", "send h --hello", "listen --tls", "ping h --xyz"] {
        assert!(!refused(line).contains("did you mean"), "{line}: {}", refused(line));
    }
    meant("ping h --loss", "halloo ping h --fail-on-loss");
    meant("ping h --fail-on-los", "halloo ping h --fail-on-loss");
    meant("announce chat --port 7000 sleep 1", "halloo announce chat --port 7000 -- sleep 1");
    says("announce chat --port 7000 sleep 1", &["a COMMAND to run stands behind --"]);
    meant("send h --line", "halloo send h --lines");
    meant("send h -5", "halloo send h -- -5");
    meant("send h -500", "halloo send h -- -500");
    says("send h --wait", &["--wait needs a value"]);
    says("send h --wait --json", &["--wait needs a value"]);
    says("send h --wait -1s", &["--wait: \"-1s\" is negative"]);
    says("send h --wait=-1s", &["--wait: \"-1s\" is negative"]);
    says("send h --count -3", &["--count: \"-3\" is negative"]);
    says("send h --expect 0", &["--expect: \"0\" is too small; write at least 1"]);
    says("send h --max 0", &["at least 1"]);
    says("send h --lines=3", &["--lines takes no value"]);
    meant("send h --wait 1,5", "halloo send h --wait 1.5");
}

#[test]
fn an_option_of_other_commands_is_said_to_be_theirs() {
    says("listen --threads 2", &["listen has no option --threads", "it is an option of echo and length"]);
    says("ping h --offload", &["it is an option of echo, length and listen"]);
    says("echo --raw", &["it is an option of listen"]);
    assert!(!refused("listen --threads 2").contains("--help"), "its help says no more of it");
    // Where it is known what was meant, whose it is helps nobody.
    assert!(!refused("listen --port 9000").contains("an option of"), "{}", refused("listen --port 9000"));
}

#[test]
fn a_number_without_a_unit_is_too_long_a_poll() {
    meant("echo --busy-poll 50", "halloo echo --busy-poll 50us");
    says("ping h --busy-poll 50", &["\"50\" is too long", "a number without a unit is seconds"]);
    assert!(!refused("echo --busy-poll 1s").contains("unit"), "{}", refused("echo --busy-poll 1s"));
}

#[test]
fn the_prompt_is_not_taken_for_an_interface() {
    says("broadcast -i eth0 hi", &["--interactive and PAYLOAD", "an interface is chosen by --interface"]);
    says("send h -i --lines", &["--interactive", "an interface is chosen by --interface"]);
}

#[test]
fn what_is_missing_is_shown_by_an_example() {
    says("announce", &["announce needs TYPE", "for example: halloo announce chat --port 7000"]);
    says("announce chat", &["announce needs --port", "for example: halloo announce chat --port 7000"]);
    says("secret", &["secret needs FILE", "for example: halloo secret lan.key"]);
    for example in [&["announce", "chat", "--port", "7000"][..], &["secret", "lan.key"]] {
        assert!(line(&example.join(" ")).is_ok(), "{example:?}");
    }
}

fn discovered(text: &str) -> Discover {
    match line(&format!("discover {text}")).map(|args| args.command) {
        Ok(Command::Discover(discover)) => discover,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_service_is_announced_with_what_it_says() {
    let args = line("announce chat --port 7000 --attr room=blue --attr a= --ttl 1m -- sh -c --json").unwrap();
    assert!(!args.json);
    let Command::Announce(announce) = args.command else { panic!("{args:?}") };
    assert_eq!((announce.kind.text(), announce.port, announce.ttl.as_secs()), ("chat", 7000, 60));
    assert_eq!(announce.attributes().unwrap().pairs().collect::<Vec<_>>(), [("a", ""), ("room", "blue")]);
    assert_eq!(announce.command, ["sh", "-c", "--json"]);
    for (text, part) in [
        ("announce", "TYPE"),
        ("announce chat", "--port"),
        ("announce chat --port 0", "at least 1"),
        ("announce chat --port 1 --attr a=1 --attr a=2", "there twice"),
        ("announce chat --port 1 --advertise 255.255.255.255", "one host"),
        ("announce chat --port 1 --timeout 1s -- true", "--timeout"),
        ("announce chat --port 1 -4 -6", "--ipv6"),
    ] {
        says(text, &[part]);
    }
    meant("announce Chat --port 1", "halloo announce chat --port 1");
}

#[test]
fn services_are_looked_for_with_an_end() {
    assert_eq!((discovered("").expect(), discovered("").deadline()), (None, None));
    let three = Duration::from_secs(3);
    assert_eq!((discovered("--expect 2").expect(), discovered("--expect 2").deadline()), (Some(2), Some(three)));
    let one = discovered("chat --resolve pi --print addr:port --wait 1s");
    assert_eq!((one.expect(), one.deadline(), one.print), (Some(1), Some(three / 3), Some(Print::AddressAndPort)));
    let fits = |wanted: &Discover, name: &str| wanted.names().fits(&name.parse().unwrap());
    assert!(fits(&one, "pi") && !fits(&one, "pi2") && fits(&discovered(""), "x"));
    let some = discovered("--name 'pi*'");
    assert!(fits(&some, "pi2") && !fits(&some, "api"));
    for (text, part) in [
        ("discover --watch --expect 2", "--expect"),
        ("discover --resolve a --name b", "--name"),
        ("discover --print addr --json", "--json"),
        ("discover --secret-file -", "standard input"),
        ("discover Chat", "no type"),
        ("secret", "FILE"),
    ] {
        says(text, &[part]);
    }
}

#[test]
fn what_an_option_needs_is_said_of_the_option() {
    says("learn --strict --all", &["halloo: --strict needs --check"]);
    says("learn --all --strict", &["halloo: --strict needs --check"]);
    says("learn --junit x.xml boundaries", &["halloo: --junit needs --check"]);
    says("learn --junit=x.xml boundaries", &["halloo: --junit needs --check"]);
    says("send", &["halloo: send needs a TARGET"]);
}

#[test]
fn a_histogram_is_not_shown_quietly() {
    says("ping 127.0.0.1 -q --histogram", &["--histogram does not go with --quiet"]);
}

#[test]
fn both_ip_versions_stand_together_in_the_help_of_ping() {
    let said = line("ping -h").unwrap_err().text;
    let at = |option: &str| said.lines().position(|line| line.trim_start().starts_with(option)).unwrap();
    assert_eq!(at("-6, --ipv6"), at("-4, --ipv4") + 1, "{said}");
}
