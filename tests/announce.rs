//! `announce` and `secret` on loopback: what is answered, what is kept, a secret that nobody else can read.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use support::program::{HALLOO, Output, Run, Server, halloo, mortal};

/// The port of discovery of one test: others run at the same time.
fn at(port: u16) -> [String; 3] {
    ["--interface=lo".into(), "-4".into(), format!("--discovery-port={port}")]
}

/// A command that keeps what it draws in `state`, not in the home of whoever tests.
fn run(state: &Path, args: &[&str], at: &[String]) -> Run {
    let mut command = mortal(HALLOO);
    let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
    command.args(&args[..end]).args(at).args(&args[end..]).env("XDG_STATE_HOME", state);
    command.env_remove("HALLOO_SECRET_FILE");
    Run::new(command)
}

struct Bench {
    state: tempfile::TempDir,
    at: [String; 3],
}

impl Bench {
    fn new(port: u16) -> Self {
        Self { state: tempfile::tempdir().unwrap(), at: at(port) }
    }

    fn run(&self, args: &[&str]) -> Run {
        run(self.state.path(), args, &self.at)
    }

    fn announce(&self, args: &[&str]) -> Server {
        self.run(&[&["announce"], args].concat()).serve()
    }

    fn discover(&self, args: &[&str]) -> Output {
        self.run(&[&["discover"], args].concat()).output()
    }

    fn file(&self, name: &str) -> String {
        self.state.path().join(name).display().to_string()
    }
}

#[test]
fn what_nobody_would_find_is_refused_and_what_nobody_would_hear_of_is_named() {
    let bench = Bench::new(21_025);
    let (kind, name, key) = ("t".repeat(32), "n".repeat(63), bench.file("lan.key"));
    halloo(["secret", &key]).output().expect_code(0);
    let long = [&*kind, "--port", "7000", "--advertise", "fd00::9", "--name", &name];
    let refused = bench.run(&[&["announce"][..], &long, &["--secret-file", &key]].concat()).output().expect_code(2);
    refused.says(&["nobody would find it", "220 bytes", "28 bytes shorter"]);
    // Without a secret it fits into an answer over IPv4, with the longest of everything.
    let server = bench.announce(&long);
    assert_eq!(bench.discover(&["--json"]).expect_code(0).events("service")[0]["name"], *name);
    server.stop().expect_code(0);
    let attributes: Vec<String> = (10..26).map(|n| format!("--attr=key-{n}={}", "v".repeat(200))).collect();
    let mut args = vec!["chat", "--port", "7000", "--name", "wordy"];
    args.extend(attributes.iter().map(String::as_str));
    let server = bench.announce(&args);
    bench.discover(&["chat"]).expect_code(0).shows(&["(more: --full)"]);
    let full = bench.discover(&["chat", "--full"]).expect_code(0);
    full.shows(&["key-10=", "key-15=", "(more than fits)"]);
    assert!(!full.out().contains("key-16=") && !full.out().contains("--full"), "{full}");
    server
        .stop()
        .expect_code(0)
        .says(&["of 16 attributes, only the first 6 by key fit into the longest answer, of 1392 B"]);
}

#[test]
fn who_watches_is_told_that_announcements_are_not_heard() {
    let bench = Bench::new(21_026);
    let _taken = std::net::UdpSocket::bind("0.0.0.0:21026").unwrap();
    let watch = bench.run(&["discover", "chat", "--watch", "--json"]).start();
    let notice = watch.wait_event("notice");
    assert_eq!(notice["notice"], "hears_no_announcements", "{notice}");
    watch.signal("INT");
    watch.finish().expect_code(0);
    // Who asks once does not open that port, not even for a moment.
    assert!(
        bench
            .discover(&["chat", "--json"])
            .expect_code(1)
            .events("notice")
            .iter()
            .all(|notice| notice["notice"] != "hears_no_announcements")
    );
}

#[test]
fn who_looks_for_it_finds_it_with_everything_it_says() {
    let bench = Bench::new(21_001);
    let args =
        ["chat", "--port", "7000", "--name", "blue room", "--attr", "room=blue", "--attr", "os=x", "--ttl", "1m"];
    let server = bench.announce(&args);
    let found = bench.discover(&["chat", "--json"]).expect_code(0);
    let services = found.events("service");
    assert_eq!(services.len(), 1, "{found}");
    let service = &services[0];
    for (key, value) in [("change", "listed"), ("type", "chat"), ("name", "blue room"), ("iface", "lo")] {
        assert_eq!(service[key], value, "{service}");
    }
    assert_eq!((&service["addr"], &service["port"]), (&"127.0.0.1".into(), &7000.into()));
    assert_eq!((&service["trust"], &service["ttl_s"]), (&"unverified".into(), &60.into()));
    assert_eq!(service["attrs"], serde_json::json!({"os": "x", "room": "blue"}));
    let text = bench.discover(&["chat"]).expect_code(0);
    text.shows(&["type  name         address         via  age", "chat  \"blue room\"  127.0.0.1:7000  lo   "]);
    text.shows(&["unverified  os=x room=blue"]).says(&["-- 1 service; "]);
    // Another run of it is the same instance.
    let id = service["id"].clone();
    assert_eq!(server.stop().expect_code(0).err().lines().filter(|line| line.starts_with("-- ")).count(), 1);
    let _again = bench.announce(&args);
    assert_eq!(bench.discover(&["chat", "--json"]).expect_code(0).events("service")[0]["id"], id);
}

#[test]
fn two_on_one_host_are_two() {
    let bench = Bench::new(21_002);
    let _both = ["one", "two"].map(|name| bench.announce(&["chat", "--port", "7000", "--name", name]));
    let _other = bench.announce(&["web", "--port", "80", "--name", "three"]);
    let names = |args: &[&str]| -> Vec<String> {
        let services = bench.discover(&[args, &["--json"]].concat()).expect_code(0).events("service");
        services.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["chat"]), ["one", "two"]);
    assert_eq!(names(&[]), ["one", "three", "two"]);
    assert_eq!(names(&["--name", "t*"]), ["three", "two"]);
    let one = bench.discover(&["chat", "--resolve", "two", "--print", "addr:port"]).expect_code(0);
    assert_eq!(one.out(), "127.0.0.1:7000\n");
    assert_eq!(bench.discover(&["web", "--print", "port", "-q"]).expect_code(0).out(), "80\n");
    bench.discover(&["--name", "nobody*"]).expect_code(1);
    bench.discover(&["chat", "--expect", "2"]).expect_code(0);
    bench.discover(&["chat", "--expect", "3", "--wait", "300ms"]).expect_code(1);
    bench.discover(&["chat", "--resolve", "none", "--wait", "300ms", "--print", "addr"]).expect_code(1);
}

#[test]
fn who_finds_too_few_is_told_what_was_seen_and_not_of_a_firewall() {
    let bench = Bench::new(21_012);
    let server = bench.announce(&["chat", "--port", "7000", "--name", "Blue"]);
    let told = |args: &[&str], parts: &[&str]| {
        let output = bench.discover(args).expect_code(1);
        output.says(parts);
        assert!(!output.err().contains("firewall"), "{output}");
    };
    let one = "Services of 1 other name answered, none of them is";
    told(&["--resolve", "blue", "--wait", "300ms"], &["nobody was found who is named blue", one, "and Blue is there"]);
    told(&["--name", "b*"], &["nobody was found who is named b*", one, "told apart by case, and Blue is there"]);
    told(&["--name", "x"], &[one, "'halloo discover' shows them"]);
    told(&["--expect", "3", "--wait", "300ms"], &["note: found 1 of 3 expected", "a longer --wait"]);
    let key = bench.file("key");
    halloo(["secret", &key]).output().expect_code(0);
    let unsigned = "nobody was found who has this secret. 1 answer was not signed with this secret";
    told(&["--secret-file", &key], &[unsigned, "with another secret keeps silent"]);
    server.stop().expect_code(0);
    let _signed = bench.announce(&["chat", "--port", "7000", "--name", "Blue", "--secret-file", &key]);
    told(&["chat"], &["who announces with a secret keeps silent", "who announces another type"]);
    let json = bench.discover(&["--expect", "3", "--wait", "300ms", "--secret-file", &key, "--json"]).expect_code(1);
    assert_eq!(json.events("notice")[0]["notice"], "services_missing", "{json}");
}

#[test]
fn its_own_announcements_are_no_questions_and_who_knows_it_is_no_failure() {
    let bench = Bench::new(21_013);
    let server = bench.announce(&["chat", "--port", "7000", "--name", "n", "--json"]);
    server.process.wait_line(|line| line.contains("\"broadcast\""));
    bench.discover(&[]).expect_code(0);
    let summary = server.stop().expect_code(0).summary();
    assert_eq!(summary["ignored"]["wrong_kind"], serde_json::Value::Null, "{summary}");
    assert_eq!(summary["filtered"], 0, "{summary}");
    assert!(summary["ignored"]["known"].as_u64().unwrap_or(0) > 0, "{summary}");
    let server = bench.announce(&["chat", "--port", "7000", "--name", "n"]);
    bench.discover(&[]).expect_code(0);
    let text = server.stop().expect_code(0);
    text.says(&["needed no answer: the asker knows this service already"]);
    assert!(!text.err().contains("not answered: the asker"), "{text}");
}

#[test]
fn the_same_twice_on_one_host_is_two_while_both_run_and_the_first_again_after_that() {
    let bench = Bench::new(21_015);
    let announce = || bench.announce(&["chat", "--port", "7000", "--name", "twin"]);
    let ids = |count: &str| -> Vec<String> {
        let found = bench.discover(&["chat", "--expect", count, "--json"]).expect_code(0);
        assert!(found.events("notice").iter().all(|notice| notice["notice"] != "id_clash"), "{found}");
        let id = |service: &serde_json::Value| service["id"].as_str().unwrap().to_owned();
        found.events("service").iter().map(id).collect()
    };
    let first = announce();
    let kept = ids("1").remove(0);
    let second = announce();
    let both = ids("2");
    assert!(both.len() == 2 && both[0] != both[1] && both.contains(&kept), "{both:?}, kept {kept}");
    drop((first, second));
    let _again = announce();
    assert_eq!(ids("1"), [kept]);
}

#[test]
fn what_is_kept_is_its_owners_alone_and_damage_does_no_harm() {
    let bench = Bench::new(21_016);
    let services = bench.state.path().join("halloo/services");
    let id = || {
        let _server = bench.announce(&["chat", "--port", "7000", "--name", "n"]);
        bench.discover(&["chat", "--json"]).expect_code(0).events("service")[0]["id"].as_str().unwrap().to_owned()
    };
    let first = id();
    let file = std::fs::read_dir(&services).unwrap().next().unwrap().unwrap().path();
    assert_eq!((std::fs::metadata(&file).unwrap().mode() & 0o777, id()), (0o600, first.clone()));
    // Nobody writes a pipe; a link leads to something of the user's, which stays as it is.
    let other = bench.file("other");
    std::fs::write(&other, format!("{first}\n")).unwrap();
    let damages: [&dyn Fn(); 3] = [
        &|| std::fs::write(&file, "x".repeat(1 << 20)).unwrap(),
        &|| assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success()),
        &|| std::os::unix::fs::symlink(&other, &file).unwrap(),
    ];
    for damage in damages {
        std::fs::remove_file(&file).unwrap();
        damage();
        let new = id();
        assert_ne!(new, first);
        assert!(std::fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{new}\n"));
    }
    assert_eq!(std::fs::read_to_string(&other).unwrap(), format!("{first}\n"));
}

#[test]
fn which_of_two_with_the_same_name_is_meant_is_not_guessed() {
    let bench = Bench::new(21_017);
    let key = bench.file("key");
    halloo(["secret", &key]).output().expect_code(0);
    let _both = [
        bench.announce(&["chat", "--port", "7000", "--name", "n", "--secret-file", &key]),
        bench.announce(&["chat", "--port", "7001", "--name", "n"]),
        bench.announce(&["chat", "--port", "7002", "--name", "n"]),
        bench.announce(&["web", "--port", "80", "--name", "n"]),
    ];
    let resolve = |args: &[&str]| bench.discover(&[args, &["--resolve", "n"]].concat());
    let refused = resolve(&["chat", "--print", "addr:port"]).expect_code(1);
    assert_eq!(refused.out(), "", "{refused}");
    refused.says(&["127.0.0.1:7001", "127.0.0.1:7002", "--secret-file", "halloo announce --name"]);
    assert!(!refused.err().contains("TYPE") && !refused.err().contains("--interface"), "{refused}");
    let json = resolve(&["chat", "--json"]).expect_code(1);
    assert_eq!((json.events("service").len(), json.summary()["exit"].clone()), (2, 1.into()), "{json}");
    assert!(json.events("notice").iter().any(|notice| notice["notice"] == "ambiguous"), "{json}");
    assert_eq!(resolve(&["web", "--print", "port"]).expect_code(0).out(), "80\n");
    let verified = resolve(&["chat", "--print", "port", "--secret-file", &key]).expect_code(0);
    assert_eq!(verified.out(), "7000\n");
}

#[test]
fn what_is_announced_is_said_at_the_start_also_beside_a_program() {
    let bench = Bench::new(21_031);
    let told = "announcing chat, named \"blue room\", to be used by";
    let args = ["announce", "chat", "--port", "7000", "--name", "blue room"];
    let plain = bench.run(&[&args[..], &["--timeout", "10ms"]].concat()).output().expect_code(0);
    plain.says(&[told, "port 7000 of the address that answers"]);
    let advertised = bench.run(&[&args[..], &["--advertise", "10.0.0.9", "--timeout", "10ms", "--json"]].concat());
    let json = advertised.output().expect_code(0);
    let notice = json.events("notice").remove(0);
    assert_eq!(notice["notice"], "announcing", "{json}");
    assert!(notice["text"].as_str().unwrap().ends_with("to be used by 10.0.0.9:7000"), "{notice}");
    let beside = bench.run(&[&args[..], &["--", "true"]].concat()).output().expect_code(0);
    assert_eq!(beside.out(), "", "{beside}");
    beside.says(&[told]);
}

#[test]
fn a_name_that_nothing_can_have_is_refused() {
    let bench = Bench::new(21_018);
    bench.run(&["announce", "chat", "--port", "1", "--name", ""]).output().expect_code(2).says(&["--name", "1 to 63"]);
    bench.discover(&["--name", ""]).expect_code(2).says(&["--name", "no service has an empty name"]);
}

#[test]
fn what_would_act_on_a_terminal_is_escaped() {
    let bench = Bench::new(21_003);
    let _evil = bench.announce(&["chat", "--port", "1", "--name", "\u{1b}[2J", "--attr", "k=\u{202e}x\ny"]);
    let shown = bench.discover(&["chat"]).expect_code(0);
    shown.shows(&["\"\\x1b[2J\"", "k=\"\\u{202e}x\\ny\""]);
    assert!(!shown.out().contains('\u{1b}') && !shown.out().contains('\u{202e}'), "{shown}");
}

#[test]
fn attributes_that_do_not_fit_come_with_a_longer_question() {
    let bench = Bench::new(21_004);
    let long = format!("long={}", "x".repeat(200));
    let _server = bench.announce(&["chat", "--port", "1", "--name", "n", "--attr", "a=1", "--attr", &long]);
    let service = |args: &[&str]| bench.discover(&[args, &["--json"]].concat()).events("service").remove(0);
    assert_eq!(service(&[])["more"], true);
    let full = service(&["--full"]);
    assert_eq!((&full["more"], full["attrs"].as_object().unwrap().len()), (&false.into(), 2), "{full}");
}

#[test]
fn it_says_goodbye_and_who_watches_sees_it_go() {
    let bench = Bench::new(21_007);
    let watch = bench.run(&["discover", "chat", "--watch", "--json"]).start();
    let server = bench.announce(&["chat", "--port", "7000", "--name", "n", "--ttl", "1h"]);
    let change = |change: &str| watch.wait_line(|line| line.contains(&format!("\"change\":\"{change}\"")));
    change("found");
    server.stop().expect_code(0);
    // Without the goodbye it would be as long as the time to live.
    change("gone");
    watch.signal("INT");
    let output = watch.finish().expect_code(0);
    assert!(output.events("service").iter().all(|event| event["change"] != "listed"), "{output}");
}

// ---- a secret ------------------------------------------------------------------------------------------------------

#[test]
fn a_secret_is_new_each_time_its_owners_alone_and_never_overwritten() {
    let bench = Bench::new(21_008);
    let [one, two] = ["one", "two"].map(|name| bench.file(name));
    for file in [&one, &two] {
        let output = halloo(["secret", file]).output().expect_code(0);
        assert_eq!(output.out(), "");
        output.says(&["wrote ", "mode 600"]);
        assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    }
    let [text, other] = [&one, &two].map(|file| std::fs::read_to_string(file).unwrap());
    assert!(text.len() == 65 && text.trim_end().bytes().all(|b| b.is_ascii_hexdigit()), "{text:?}");
    assert_ne!(text, other);
    halloo(["secret", &one]).output().expect_code(3).says(&["is there already", "remove it first"]);
    assert_eq!(std::fs::read_to_string(&one).unwrap(), text);
    halloo(["secret", "/no/such/folder/x", "--json"]).output().expect_code(3).summary();
    let json = halloo(["secret", &bench.file("three"), "--json"]).output().expect_code(0);
    let told = json.events("notice").remove(0);
    assert_eq!(told["notice"], "secret_written");
    assert!(told["text"].as_str().unwrap().contains(&bench.file("three")), "{told}");
    // What is hinted at must not be refused next.
    let stdout = halloo(["secret", "-"]).output().expect_code(2);
    assert!(stdout.says(&["./-"]).err().lines().all(|line| !line.contains("/dev/stdout")), "{stdout}");
}

#[test]
fn only_those_with_the_secret_are_verified_and_answered() {
    let bench = Bench::new(21_009);
    let [key, other] = ["key", "other"].map(|name| bench.file(name));
    for file in [&key, &other] {
        halloo(["secret", file]).output().expect_code(0);
    }
    let _has_it = bench.announce(&["chat", "--port", "1", "--name", "mine", "--secret-file", &key]);
    let _has_none = bench.announce(&["chat", "--port", "2", "--name", "open"]);
    let trust = |args: &[&str]| -> Vec<(String, String)> {
        let services = bench.discover(&[args, &["--json"]].concat()).events("service");
        let text = |event: &serde_json::Value, key: &str| event[key].as_str().unwrap().to_owned();
        services.iter().map(|event| (text(event, "name"), text(event, "trust"))).collect()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(trust(&["--secret-file", &key]), [pair("mine", "verified"), pair("open", "unverified")]);
    assert_eq!(trust(&[]), [pair("open", "unverified")]);
    assert_eq!(trust(&["--secret-file", &other]), [pair("open", "unverified")]);
    // What is unverified does not count, and is not printed for scripts.
    let print = bench.discover(&["--secret-file", &key, "--print", "port"]).expect_code(0);
    assert_eq!(print.out(), "1\n");
    bench.discover(&["--secret-file", &other]).expect_code(1);
    let variable = bench.run(&["discover", "--print", "port"]).env("HALLOO_SECRET_FILE", &key).output();
    assert_eq!(variable.expect_code(0).out(), "1\n");
    // Who has not typed the name of a file is told where it comes from.
    let stale = bench.run(&["discover"]).env("HALLOO_SECRET_FILE", &bench.file("gone")).output();
    stale.expect_code(3).says(&[&format!("{} (from HALLOO_SECRET_FILE)", bench.file("gone"))]);
}

#[test]
fn a_secret_that_others_can_read_or_guess_is_refused() {
    let bench = Bench::new(21_010);
    let file = bench.file("key");
    halloo(["secret", &file]).output().expect_code(0);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    for command in [&["announce", "chat", "--port", "1"][..], &["discover"]] {
        let refused = bench.run(&[command, &["--secret-file", &file]].concat()).output().expect_code(3);
        refused.says(&["mode 640", &format!("chmod 600 {file}")]);
    }
    let weak = bench.file("weak");
    std::fs::write(&weak, "swordfish\n").unwrap();
    std::fs::set_permissions(&weak, PermissionsExt::from_mode(0o600)).unwrap();
    bench.discover(&["--secret-file", &weak]).expect_code(3).says(&["9 bytes can be guessed"]);
    let none = bench.discover(&["--secret-file", &bench.file("none")]).expect_code(3);
    none.says(&["cannot be read", "copy the file from a host that has it"]);
    let within = format!("{weak}/x");
    let beneath_a_file = bench.discover(&["--secret-file", &within]).expect_code(3);
    beneath_a_file.says(&["cannot be read", "name a file that you may read"]);
    assert!(!beneath_a_file.err().contains("writes the first"), "{beneath_a_file}");
    let own = |name: &str, bytes: &[u8]| {
        let file = bench.file(name);
        std::fs::write(&file, bytes).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        file
    };
    let zeros = own("zeros", &[0; 32]);
    bench.discover(&["--secret-file", &zeros]).expect_code(3).says(&["nothing but zeros", "'halloo secret'"]);
    let long = own("long", &[b'x'; 5000]);
    bench.discover(&["--secret-file", &long]).expect_code(3).says(&["more than 4096 bytes", "'halloo secret'"]);
    // A folder is no secret, and its rights are nobody's business here.
    let folder = bench.discover(&["--secret-file", "/"]).expect_code(3);
    assert!(!folder.says(&["it is not a file"]).err().contains("chmod"), "{folder}");
}

#[test]
fn a_port_where_nobody_is_answered_is_refused() {
    let bench = Bench::new(21_011);
    for port in ["53", "21011"] {
        bench.discover(&["--source-port", port]).expect_code(2).says(&["--source-port", "nobody answers"]);
    }
}
