//! Who waits for datagrams sleeps: no timer, no thread that looks whether there is something to do.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests; the clock here is not the product's")]
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use support::catcher::Catcher;
use support::program::{HALLOO, Process, Run, mortal, numbers, serve};
use support::{PATIENCE, Untold, portable};

/// What a process has done so far, all threads of it.
#[derive(Debug)]
struct Done {
    /// How often it went to sleep, or was sent there.
    switches: u64,
    /// Ticks of a hundredth of a second on a processor (proc_pid_stat(5)).
    ticks: u64,
}

fn done(process: &Process) -> Done {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let switches = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
        counts.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum::<u64>()
    });
    let switches = switches.sum();
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    // Behind the name, which is in parentheses: state is the first, utime and stime are the 12th and the 13th.
    let behind: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = behind[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Done { switches, ticks }
}

/// What a process may do in [`LOOK`] that sleeps.
const MOST: Done = Done { switches: 3, ticks: 1 };

/// From one look to the next. A timer of half a second would show.
const LOOK: Duration = Duration::from_secs(3);

/// Looks on while nothing comes, until it sleeps: on a busy machine, what it does behind the line that says where it listens
/// can take a while. What never sleeps fails.
fn sleeps(what: &str, process: &Process) {
    let deadline = Instant::now() + PATIENCE;
    let mut before = done(process);
    loop {
        thread::sleep(LOOK);
        let after = done(process);
        if after.switches - before.switches <= MOST.switches && after.ticks - before.ticks <= MOST.ticks {
            return;
        }
        assert!(Instant::now() < deadline, "{what} does not sleep: {before:?} {after:?}");
        before = after;
    }
}

#[test]
fn a_server_that_nobody_asks_sleeps() {
    let commands = [
        &["echo", "127.0.0.1:0"][..],
        &["echo", "0.0.0.0:0", "--threads", "4"],
        &["length", "[::1]:0"],
        &["listen", "127.0.0.1:0", "--json"],
    ];
    let servers = commands.map(|args| (args[0], serve(args)));
    thread::scope(|scope| {
        for (what, server) in &servers {
            scope.spawn(|| sleeps(what, &server.process));
        }
    });
}

/// Ticks that datagrams 5 ms apart cost whoever polls for 10 ms in between, if only a twentieth of a processor is left for it;
/// who sleeps needs one at most.
const BUSY: u64 = 5;

#[test]
fn who_polls_is_busy_while_datagrams_come_and_sleeps_when_none_do() {
    let client = Catcher::new();
    for command in ["echo", "length", "listen"] {
        let server = serve(&[command, "127.0.0.1:0", "-q", "--busy-poll", "10ms"]);
        for _ in 0..200 {
            client.send("x", &server.address());
            thread::sleep(Duration::from_millis(5));
        }
        let spent = done(&server.process).ticks;
        assert!(spent >= BUSY, "{command} spent {spent} ticks");
        sleeps(command, &server.process);
        server.stop().expect_code(0).says(&["-- 200 datagrams"]);
    }
}

#[test]
fn ping_polls_for_answers_and_counts_as_ever() {
    let server = serve(&["echo", "127.0.0.1:0", "-q", "--busy-poll", "50us"]);
    let mut command = mortal(HALLOO);
    command.args(["ping", &server.address(), "--interval", "5ms", "--busy-poll", "10ms", "--json"]);
    let ping = Run::new(command).start();
    ping.wait_events("reply", 200);
    let spent = done(&ping).ticks;
    assert!(spent >= BUSY, "ping spent {spent} ticks");
    let summary = ping.stop().expect_code(0).summary();
    let [sent, replies, in_flight, lost] = numbers(&summary, ["sent", "replies", "in_flight", "lost"]);
    assert!(sent == replies + in_flight && lost == 0, "{summary}");
}

#[test]
fn who_announces_sleeps_when_that_is_done() {
    let state = tempfile::tempdir().unwrap();
    let mut command = mortal(HALLOO);
    command.args(["announce", "idle", "--port", "9", "--interface", "lo", "-4", "--discovery-port", "21099", "--json"]);
    command.env("XDG_STATE_HOME", state.path()).env_remove("HALLOO_SECRET_FILE");
    if portable(Untold::Destination) {
        // Which datagrams come by an interface is not told, so it does not promise to answer only those.
        Run::new(command).output().expect_code(4).says(&["by interface is not possible on this system"]);
        return;
    }
    let server = Run::new(command).serve();
    let announcements = halloo::engine::announce::ANNOUNCEMENTS as usize;
    server.process.wait_events("sent", announcements);
    sleeps("announce", &server.process);
}
