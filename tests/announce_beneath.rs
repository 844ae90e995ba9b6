//! `announce TYPE --port N -- COMMAND`: a program beneath, whose signals, output and end are those of the run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests; the clock here is not the product's"
)]

mod support;

use std::time::{Duration, Instant};

use support::PATIENCE;
use support::program::{HALLOO, Output, Process, Run, mortal};

/// The program on loopback, at a port of discovery of one test, away from the terminal of whoever tests: what is typed
/// there goes to both anyway.
fn run(port: u16, args: &[&str]) -> Run {
    let mut command = mortal("setsid");
    let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
    command.arg(HALLOO).args(&args[..end]).args(["--interface=lo", "-4", &format!("--discovery-port={port}")]);
    command.args(&args[end..]).env("XDG_STATE_HOME", "/dev/null").env_remove("HALLOO_SECRET_FILE");
    Run::new(command)
}

/// A shell's script beneath.
fn beneath(port: u16, script: &str) -> Run {
    run(port, &["announce", "chat", "--port", "1", "--name", "n", "--", "sh", "-c", script])
}

fn is_found(port: u16) -> Output {
    run(port, &["discover", "chat", "--expect", "1"]).output().expect_code(0)
}

/// The state of a process as proc_pid_stat(5) has it, if it is there.
fn state(id: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Waits until a process is in one of these states; `None`: it is not there.
#[track_caller]
fn wait_for_state(id: &str, wanted: &[Option<char>]) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted.contains(&state(id)) {
        assert!(Instant::now() < deadline, "{id} is {:?}, not {wanted:?}", state(id));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The number that the script writes first.
fn number(process: &Process) -> String {
    process.wait_line(|line| line.parse::<u32>().is_ok())
}

#[test]
fn a_program_runs_beneath_and_its_exit_code_is_the_exit_code() {
    let run = |script: &str| beneath(21_005, script).output();
    let output = run("echo data; exit 7").expect_code(7);
    assert_eq!(output.out(), "data\n");
    output.says(&["listening on 0.0.0.0:21005 (announce)", "-- "]);
    run("exit 0").expect_code(0);
    run("kill -KILL $$").expect_code(128 + 9);
}

#[test]
fn with_json_standard_output_is_the_programs_too_even_if_there_is_none() {
    let json = |words: &[&str]| {
        let output = run(21_016, &[&["announce", "chat", "--port", "1", "--json", "--"], words].concat()).output();
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}\nin {output}"));
        let events: Vec<serde_json::Value> = output.err().lines().map(read).collect();
        let summary = events.last().unwrap();
        assert_eq!((&summary["event"], &summary["exit"]), (&"summary".into(), &output.code.into()), "{output}");
        output
    };
    assert_eq!(json(&["sh", "-c", "echo data; exit 3"]).expect_code(3).out(), "data\n");
    assert_eq!(json(&["/no/such/program"]).expect_code(4).out(), "");
}

#[test]
fn what_cannot_be_started_is_named_with_the_reason_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let start = |words: &[&str]| run(21_017, &[&["announce", "chat", "--port", "1", "--"], words].concat()).output();
    start(&["/no/such/program"]).expect_code(4).says(&["cannot start /no/such/program", "its path"]);
    start(&["no-such-program"]).expect_code(4).says(&["cannot start no-such-program", "PATH"]);
    let plain = file("plain", "echo x\n", 0o644);
    start(&[&plain]).expect_code(4).says(&[&format!("cannot start {plain}"), &format!("chmod +x {plain}")]);
    let orphan = file("orphan", "#!/no/such/interpreter\n", 0o755);
    start(&[&orphan]).expect_code(4).says(&[&format!("cannot start {orphan}"), "first line"]);
    start(&[]).expect_code(2).says(&["nothing stands behind --", "COMMAND"]);
}

#[test]
fn signals_are_the_programs_and_it_is_announced_until_its_end() {
    let script = "trap 'echo caught; sleep 0.2; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let process = beneath(21_006, script).start();
    process.wait_line(|line| line == "ready");
    is_found(21_006);
    process.signal("TERM");
    process.wait_line(|line| line == "caught");
    // It still runs, and is still announced.
    is_found(21_006);
    process.finish().expect_code(5);
}

#[test]
fn every_signal_that_a_program_may_have_a_use_for_is_passed_on() {
    let signals = ["QUIT", "USR1", "USR2", "CONT", "HUP", "INT"];
    let traps: String = signals.iter().map(|name| format!("trap 'echo {name}' {name}; ")).collect();
    let process = beneath(21_018, &format!("{traps} echo ready; while :; do sleep 0.05; done")).start();
    process.wait_line(|line| line == "ready");
    for name in signals {
        process.signal(name);
        process.wait_line(|line| line == name);
    }
    process.signal("TERM");
    process.finish().expect_code(128 + 15);
}

#[test]
fn both_stop_and_go_on_together() {
    // Where no shell watches over it, the kernel stops nobody at this wish, so the program says that it has it.
    let script = "trap 'echo stops' TSTP; trap 'echo goes on' CONT; echo ready; while :; do sleep 0.05; done";
    let process = beneath(21_019, script).start();
    process.wait_line(|line| line == "ready");
    process.signal("TSTP");
    process.wait_line(|line| line == "stops");
    wait_for_state(&process.id().to_string(), &[Some('T')]);
    process.signal("CONT");
    process.wait_line(|line| line == "goes on");
    is_found(21_019);
    process.signal("TERM");
    process.finish().expect_code(128 + 15);
}

#[test]
fn the_program_dies_with_halloo_however_that_ends() {
    for signal in ["KILL", "ALRM"] {
        let process = beneath(21_020, "echo $$; exec sleep 90").start();
        let program = number(&process);
        process.signal(signal);
        wait_for_state(&program, &[None, Some('Z')]);
        process.finish();
    }
}
