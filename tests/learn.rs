//! The course: every lesson holds, every lesson can fail, and each says where it is played and why.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use halloo::lab::is_skipped;
use serde_json::Value;
use support::lan::{as_nobody, is_root};
use support::program::{HALLOO, Output, Run, halloo, mortal, public_copies};

/// The course with a state folder of its own.
fn learn(args: &[&str]) -> (tempfile::TempDir, Run) {
    let state = tempfile::tempdir().unwrap();
    let run = in_state(state.path(), args);
    (state, run)
}

fn in_state(state: &Path, args: &[&str]) -> Run {
    halloo(["learn"].iter().chain(args)).env("XDG_STATE_HOME", state.to_str().unwrap()).env("LC_ALL", "C.UTF-8")
}

fn run(args: &[&str]) -> Output {
    let (_state, run) = learn(args);
    run.output()
}

/// The lessons with their status, of a check as JSON.
fn statuses(output: &Output) -> Vec<(String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    output.events("lesson").iter().map(|event| (text(event, "lesson"), text(event, "status"))).collect()
}

/// Fails the test unless every lesson has this status.
#[track_caller]
fn all_are(output: &Output, wanted: &str) {
    let statuses = statuses(output);
    assert!(statuses.len() >= 18, "only {} lessons in {output}", statuses.len());
    let others: Vec<_> = statuses.iter().filter(|(_, status)| status != wanted).collect();
    assert!(others.is_empty(), "not {wanted}: {others:?} in {output}");
}

#[test]
fn every_lesson_holds_and_all_of_them_take_less_than_15_seconds() {
    if is_skipped() {
        return;
    }
    let output = run(&["--all", "--check", "--json", "--strict"]).expect_code(0);
    all_are(&output, "ok");
    let elapsed = output.summary()["elapsed_s"].as_f64().unwrap();
    assert!(elapsed < 15.0, "{elapsed} s");
    for event in output.events("lesson") {
        let facts = event["facts"].as_array().unwrap();
        assert!(!facts.is_empty(), "{event} claims nothing");
        // In a private network there is nothing that cannot be seen.
        assert!(facts.iter().all(|fact| fact["ok"] == true && !fact["observed"].is_null()), "{event}");
        assert!(event.get("observed").is_none(), "only --events tells everything: {event}");
    }
}

#[test]
fn every_lesson_can_fail() {
    if is_skipped() {
        return;
    }
    let output = run(&["--all", "--check", "--json", "--sabotage"]).expect_code(1);
    all_are(&output, "surprise");
    for event in output.events("lesson") {
        // Not because the experiment broke down: because a check saw something else.
        let wrong = event["facts"].as_array().unwrap().iter().any(|fact| fact["ok"] == false);
        assert!(wrong, "no check of it noticed: {event}");
    }
}

#[test]
fn a_hundred_times_in_a_row_nothing_surprises() {
    if is_skipped() {
        return;
    }
    // Two at once, so that each is disturbed by the other.
    let rounds = || {
        for round in 0..50 {
            let output = run(&["--all", "--check", "--strict"]);
            assert_eq!(output.code, Some(0), "round {round}: {output}");
        }
    };
    thread::scope(|scope| {
        for handle in [scope.spawn(rounds), scope.spawn(rounds)] {
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_plain_user_learns_the_same() {
    if is_skipped() {
        return;
    }
    if !is_root() {
        // Then every other test here is that of a plain user.
        return;
    }
    let (_directory, [program]) = public_copies([Path::new(HALLOO)]);
    let mut command = as_nobody(program.to_str().unwrap());
    command.args(["learn", "--all", "--check", "--strict", "--json"]).env("HOME", "/nonexistent");
    all_are(&Run::new(command).output().expect_code(0), "ok");
}

/// The course in a user namespace of its own, after a script that ends with the program as `"$@"`.
fn in_a_namespace(script: &str, args: &[&str]) -> Output {
    let (_directory, [program]) = public_copies([Path::new(HALLOO)]);
    let mut command = if is_root() { as_nobody("unshare") } else { Command::new("unshare") };
    command.args(["--user", "--map-root-user", "sh", "-c", script, "sh"]).arg(&program).arg("learn").args(args);
    command.env("XDG_STATE_HOME", "/dev/null").env("LC_ALL", "C.UTF-8");
    Run::new(command).output()
}

/// One within which there can be no other: so the program is refused one.
fn without_namespaces(args: &[&str]) -> Output {
    let script =
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
    in_a_namespace(script, args)
}

#[test]
fn where_namespaces_are_refused_a_lesson_is_played_on_loopback_or_skipped_with_its_cause() {
    if is_skipped() {
        return;
    }
    let output = without_namespaces(&["--all", "--check", "--json"]).expect_code(0);
    let statuses = statuses(&output);
    let skipped: BTreeSet<&str> = statuses.iter().filter(|(_, s)| s == "skip").map(|(name, _)| &**name).collect();
    assert!(skipped.contains("everyone") && !skipped.contains("boundaries"), "{output}");
    assert!(statuses.iter().all(|(_, status)| status != "surprise"), "{output}");
    for event in output.events("lesson").iter().filter(|event| event["status"] == "skip") {
        let why = event["why"].as_str().unwrap();
        assert!(why.contains("No space left on device") && why.contains("user.max_user_namespaces"), "{event}");
    }
    without_namespaces(&["--all", "--check", "--strict"]).expect_code(1);
    let chinese = without_namespaces(&["--all", "--check", "--lang", "zh"]).expect_code(0);
    chinese.shows(&["没有隔离网络", "sudo sysctl -w user.max_user_namespaces="]);
    assert!(!chinese.out().contains("private network"), "{chinese}");
    without_namespaces(&["everyone", "--lang", "zh"]).expect_code(0).shows(&["跳过：没有隔离网络"]);
    without_namespaces(&["--lang", "zh"]).expect_code(0).shows(&["实验环境：本机回环（没有隔离网络"]);
    let list = without_namespaces(&[]).expect_code(0);
    assert!(list.out().lines().next().unwrap().contains("stage: loopback (no private network"), "{list}");
}

#[test]
fn the_list_says_what_was_done_and_what_is_next() {
    if is_skipped() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let list = in_state(state.path(), &[]).output().expect_code(0);
    list.shows(&["stage: private network", "Messages", "To everyone", "boundaries", "next: halloo learn hello"]);
    let folder = state.path().join("halloo");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("learn.txt"), "hello right 2\nlength wrong 3\nsomething else entirely\n").unwrap();
    let list = in_state(state.path(), &[]).output().expect_code(0);
    list.shows(&["2/", "  + hello", "  - length", "next: halloo learn boundaries"]);
}

#[test]
fn a_page_is_shown_without_questions_where_nobody_can_answer() {
    let (state, run) = learn(&["boundaries", "--why"]);
    let page = run.output().expect_code(0);
    page.shows(&["boundaries  One send", "the kernel: 5, 3, 0, 1000, 3", "try: halloo length", "why: "]);
    assert!(!page.out().contains("you said"), "{page}");
    // Who only looks takes no course.
    assert!(!state.path().join("halloo/learn.txt").exists());
}

#[test]
fn a_lesson_asks_before_it_shows_and_keeps_the_answer() {
    for (typed, said, kept) in [
        ("5 3 0 1000 3\n", "you said: 5, 3, 0, 1000, 3 (right)", "boundaries right 5, 3, 0, 1000, 3\n"),
        ("what\n1011\n", "you said: 1011 (not so)", "boundaries wrong 1011\n"),
        ("\n", "you said: no answer", "boundaries seen\n"),
    ] {
        let state = tempfile::tempdir().unwrap();
        let line = format!("{HALLOO} learn boundaries --hint");
        let mut command = mortal("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env("XDG_STATE_HOME", state.path()).env("LC_ALL", "C.UTF-8");
        let mut process = Run::new(command).start();
        process.wait_text("just show me) > ", 1);
        process.write(typed);
        let output = process.finish().expect_code(0);
        let text = output.out();
        let (asked, shown) = text.split_once(said).unwrap_or_else(|| panic!("not {said:?} in {output}"));
        assert!(asked.contains("hint: ") && !asked.contains("the kernel"), "{output}");
        assert!(shown.contains("the kernel: 5, 3, 0, 1000, 3"), "{output}");
        assert_eq!(asked.contains("not understood"), typed.starts_with("what"), "{output}");
        assert_eq!(std::fs::read_to_string(state.path().join("halloo/learn.txt")).unwrap(), kept);
    }
}

#[test]
fn in_chinese_every_word_around_a_lesson_is_chinese() {
    let line = format!("{HALLOO} learn boundaries length --sabotage --lang zh");
    let state = tempfile::tempdir().unwrap();
    let mut command = mortal("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("XDG_STATE_HOME", state.path()).env("LC_ALL", "C.UTF-8");
    let mut process = Run::new(command).start();
    process.wait_text("（按顺序的几个数，例如：1 2 3；? 看提示；直接回车：只看结果） > ", 1);
    process.write("5 3\n");
    process.wait_text("（按回车继续）", 1);
    process.write("\n\n");
    process.finish().expect_code(1).shows(&[
        "（故意破坏了实验条件：检查结果应当变红）",
        "你的答案：5、3（不对）",
        "你的答案：没有",
    ]);
    let check = run(&["boundaries", "--check", "--sabotage", "--lang", "zh"]).expect_code(1);
    check.shows(&["[应为：5、3、0、1000、3；实际：5、3、0、100、3]"]);
}

#[test]
fn slowly_is_one_line_of_the_drawing_at_a_time() {
    let line = format!("{HALLOO} learn boundaries --no-ask --slow");
    let state = tempfile::tempdir().unwrap();
    let mut command = mortal("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("XDG_STATE_HOME", state.path()).env("LC_ALL", "C.UTF-8");
    let mut process = Run::new(command).start();
    // The heads of the lanes first; each Enter brings a row.
    process.wait_text("alice", 1);
    for sent in ["sendto 5 ", "sendto 3 ", "sendto 0 ", "sendto 1000", "sendto 3 "] {
        process.write("\n");
        process.wait_text(sent, 1);
    }
    process.write("\n");
    process.finish().expect_code(0).shows(&["try: halloo length"]);
}

#[test]
fn chinese_is_chosen_by_the_locale_or_by_name() {
    for (args, locale) in [(&["boundaries"][..], "zh_CN.UTF-8"), (&["boundaries", "--lang", "zh"], "C")] {
        let (_state, run) = learn(args);
        run.env("LC_ALL", locale).output().expect_code(0).shows(&[
            "发一次，就收一次",
            "试一试：halloo length",
            "内核：5、3、0、1000、3",
        ]);
    }
    let (_state, run) = learn(&["boundaries", "--lang", "en"]);
    run.env("LC_ALL", "zh_CN.UTF-8").output().expect_code(0).shows(&["try: "]);
}

#[test]
fn everything_observed_is_json_on_request() {
    let output = run(&["boundaries", "--events"]).expect_code(0);
    let [event] = &output.events("lesson")[..] else { panic!("one lesson in {output}") };
    assert_eq!(event["observed"]["udp"], serde_json::json!([5, 3, 0, 1000, 3]));
    assert_eq!(event["facts"][0]["fact"], "udp");
    assert_eq!(output.summary()["exit"], 0);
}

#[test]
fn a_check_is_also_a_junit_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lessons.xml");
    run(&["boundaries", "--check", "--sabotage", "--junit", file.to_str().unwrap()]).expect_code(1);
    let xml = std::fs::read_to_string(&file).unwrap();
    assert!(xml.contains("tests=\"1\" failures=\"1\" skipped=\"0\""), "{xml}");
    let output = run(&["boundaries", "--check", "--junit", "/dev/null/lessons.xml"]).expect_code(4);
    output.says(&["/dev/null/lessons.xml"]);
}

#[test]
fn a_junit_file_that_cannot_be_written_is_told_by_name_before_the_one_summary() {
    let args = ["boundaries", "--check", "--junit", "/dev/full"];
    let output = run(&[&args[..], &["--json"]].concat()).expect_code(4);
    let names: Vec<Value> = output.json().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["lesson", "error", "summary"], "{output}");
    assert!(output.events("error")[0]["why"].as_str().unwrap().contains("cannot write /dev/full"), "{output}");
    let summary = output.summary();
    assert_eq!((&summary["exit"], &summary["lessons"]["ok"]), (&4.into(), &1.into()), "{output}");
    let output = run(&args).expect_code(4);
    output.says(&["halloo: cannot write /dev/full: No space left", "-- 1 lesson: 1 ok"]);
    assert_eq!(output.err().matches("-- ").count(), 1, "{output}");
}

#[test]
fn a_junit_file_is_whole_whoever_reads_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lessons.xml");
    let args = ["boundaries", "length", "--check", "--junit", file.to_str().unwrap()];
    let unread = || std::io::pipe().unwrap().1;
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for (stdout, code) in [(std::process::Stdio::from(unread()), 0), (full().into(), 4)] {
        let (_state, run) = learn(&args);
        let output = run.stdout(stdout).output_elsewhere();
        assert_eq!(output.code, Some(code), "{output}");
        let xml = std::fs::read_to_string(&file).unwrap();
        assert!(xml.contains("tests=\"2\" failures=\"0\"") && xml.ends_with("</testsuite>\n"), "{xml}");
    }
}

/// The reasons of the lessons that were skipped, where the others held.
#[track_caller]
fn skipped(output: &Output) -> Vec<String> {
    assert!(statuses(output).iter().all(|(_, status)| status != "surprise"), "{output}");
    let events = output.events("lesson").into_iter().filter(|event| event["status"] == "skip");
    events.map(|event| event["why"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_the_machine_has_too_little_for_is_skipped_with_its_cause_and_is_no_surprise() {
    if is_skipped() {
        return;
    }
    // From so few files that hardly a lesson can be played to so many that only the largest LAN cannot.
    for limit in [4, 6, 8, 10, 12, 16, 20, 24, 28] {
        let mut command = mortal("sh");
        command.args(["-c", "ulimit -n $LIMIT && exec \"$@\"", "sh", HALLOO, "learn", "--all", "--check", "--json"]);
        command.env("LIMIT", limit.to_string()).env("XDG_STATE_HOME", "/dev/null").env("LC_ALL", "C.UTF-8");
        let reasons = skipped(&Run::new(command).output().expect_code(0));
        let is_said = |why: &String| why.contains("Too many open files") && why.contains("ulimit -n");
        assert!(!reasons.is_empty() && reasons.iter().all(is_said), "{limit}: {reasons:?}");
    }
    let check = |script: &str| in_a_namespace(script, &["--all", "--check", "--json"]).expect_code(0);
    let reasons = skipped(&check("echo 3 > /proc/sys/user/max_net_namespaces && exec \"$@\""));
    let is_said = |why: &String| why.contains("No space left") && why.contains("user.max_net_namespaces");
    assert!(!reasons.is_empty() && reasons.iter().all(is_said), "{reasons:?}");
    // So few processes that there is no thread to spare, at first for the lessons and then for nothing else either.
    for limit in 1..=4 {
        let output = check(&format!("exec prlimit --nproc={limit} \"$@\""));
        let told: Vec<String> = skipped(&output).into_iter().filter(|why| !why.contains("ulimit -u")).collect();
        assert!(told.is_empty() && output.err().lines().count() <= 1, "{limit}: {output}");
    }
}

#[test]
fn mistakes_are_told_with_what_was_meant() {
    run(&["boundry"]).expect_code(2).says(&["there is no lesson \"boundry\""]);
    run(&["bound"]).expect_code(2).says(&["did you mean: halloo learn boundaries"]);
    run(&["--check"]).expect_code(2).says(&["--check needs lessons to run", "--all"]);
    run(&["--json"]).expect_code(2);
    run(&["boundaries", "--strict"]).expect_code(2);
    run(&["boundaries", "--all"]).expect_code(2);
    run(&["boundaries", "--check", "--slow"]).expect_code(2).says(&["--slow is about pages"]);
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let (_state, run) = learn(&["--all", "--no-ask"]);
    let mut reader = Command::new("head");
    reader.arg("-1").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut head = reader.spawn().unwrap();
    let output = run.stdout(head.stdin.take().unwrap()).output_elsewhere();
    head.wait().unwrap();
    assert_eq!((output.code, output.err().as_str()), (Some(0), ""), "{output}");
}

#[test]
fn a_signal_ends_a_check_in_order_and_a_page_at_once() {
    for signal in ["TERM", "INT"] {
        let (_state, run) = learn(&["--all", "--check"]);
        let process = run.start();
        process.wait_lines(1, |line| line.starts_with("ok "));
        process.signal(signal);
        let output = process.finish().expect_code(0);
        output.says(&["-- ", " lesson", " 0 surprises"]);
    }
    let line = format!("echo pid $$; exec {HALLOO} learn boundaries");
    let state = tempfile::tempdir().unwrap();
    let mut command = mortal("script");
    command.args(["--quiet", "--return", "--command", "sh -c \"$LINE\"", "/dev/null"]).env("LINE", line);
    command.env("XDG_STATE_HOME", state.path()).env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh");
    let process = Run::new(command).start();
    process.wait_text("just show me) > ", 1);
    let pid = process.wait_lines(1, |line| line.starts_with("pid ")).remove(0);
    let ended = Command::new("kill").args(["-TERM", pid.trim_start_matches("pid ").trim()]).status().unwrap();
    assert!(ended.success());
    // A shell tells so that a signal ended it: 128 and its number.
    process.finish().expect_code(128 + 15);
}

#[test]
fn a_page_of_what_surprises_does_not_say_what_it_did_not_see() {
    let page = run(&["boundaries", "--sabotage"]).expect_code(1);
    page.shows(&["broken on purpose", "SURPRISE", "This system did something else"]);
    assert!(!page.out().contains("A datagram is read as it was sent"), "{page}");
}

/// The network namespaces of all processes that can be seen.
fn namespaces() -> BTreeSet<u64> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of = |entry: std::fs::DirEntry| std::fs::metadata(entry.path().join("ns/net")).ok().map(|data| data.ino());
    processes.filter_map(of).collect()
}

#[test]
fn when_it_is_killed_nothing_is_left() {
    if is_skipped() {
        return;
    }
    // Which shell script takes depends on the machine, and not every shell becomes its last command by itself.
    let line = format!("exec {HALLOO} learn everyone");
    let state = tempfile::tempdir().unwrap();
    let mut command = mortal("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("XDG_STATE_HOME", state.path());
    command.env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh");
    let process = Run::new(command).start();
    process.wait_text("just show me) > ", 1);
    // Its parent is this test's child, script; itself it has one child, in the private network.
    let outer = children(process.id()).remove(0);
    let inner = children(outer).remove(0);
    let private = std::fs::metadata(format!("/proc/{inner}/ns/net")).unwrap().ino();
    assert!(namespaces().contains(&private));
    assert!(Command::new("kill").args(["-KILL", &outer.to_string()]).status().unwrap().success());
    process.finish();
    // The kernel ends the inner one with its parent; that takes it a moment.
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while namespaces().contains(&private) {
        assert!(std::time::Instant::now() < deadline, "the private network is still there");
        thread::yield_now();
    }
}

fn children(parent: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}
