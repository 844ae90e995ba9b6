//! An independent peer: a few lines over the standard library that hear and shout, so that the program is not judged by
//! itself alone.
//!
//! To be somewhere else (another namespace) a peer has to be another process. That process is this very test binary,
//! told by a variable of its environment to be a peer, and told by its arguments to run the one test below.

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use super::program::{Process, Run};

/// The variable that makes the test below a peer.
const ORDERS: &str = "HALLOO_TEST_PEER";

/// What every line of a peer begins with; the rest of its output is the test runner's.
const MARK: &str = "peer: ";

/// One datagram that a peer heard.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Heard {
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// Its bytes, as text with escapes.
    pub(crate) text: String,
}

/// A peer that hears everything on a port, until it hears the text `end`.
#[derive(Debug)]
pub(crate) struct Ear(Process);

impl Ear {
    /// Starts it with what makes a command of a program and its arguments, and waits until it hears.
    pub(crate) fn open(port: u16, command: impl FnOnce(&[String]) -> Command) -> Self {
        let process = start(&format!("hear {port}"), command);
        process.wait_line(|line| line == format!("{MARK}ready"));
        Self(process)
    }

    /// What it heard before `end`, in order.
    pub(crate) fn heard(self) -> Vec<Heard> {
        let output = self.0.finish().expect_code(0);
        let lines = output.out();
        let heard = lines.lines().filter_map(|line| line.strip_prefix(MARK)?.strip_prefix("heard "));
        heard.map(heard_in).collect()
    }
}

fn heard_in(line: &str) -> Heard {
    let (source, text) = line.split_once(' ').unwrap();
    Heard { source: source.parse().unwrap(), text: text.to_owned() }
}

/// A peer that shouts its name to each of some broadcast addresses and reports when it has heard every name it is to
/// hear, each from the right subnet.
#[derive(Debug)]
pub(crate) struct Greeter(Process);

impl Greeter {
    /// Starts it. `shouts` are the pairs of a broadcast address and its own address there; `expected` the addresses to
    /// be heard from.
    pub(crate) fn start(shouts: &[String], expected: &[String], command: impl FnOnce(&[String]) -> Command) -> Self {
        Self(start(&format!("greet {} {}", shouts.join(","), expected.join(",")), command))
    }

    /// Waits until it has heard everybody, or fails with those it did not.
    pub(crate) fn wait(&self) {
        self.0.wait_line(|line| line == format!("{MARK}everybody"));
    }
}

/// Starts a peer in a process of its own.
fn start(orders: &str, command: impl FnOnce(&[String]) -> Command) -> Process {
    let binary = std::env::current_exe().unwrap();
    let args = [&binary.display().to_string(), "--exact", TEST, "--nocapture"].map(str::to_owned);
    let mut command = command(&args);
    command.env(ORDERS, orders);
    Run::new(command).start()
}

/// The full name of the test below.
const TEST: &str = "support::peer::a_peer_hears_what_it_is_sent";

/// The test of the peer; and, in a process that was told so, the peer.
#[test]
fn a_peer_hears_what_it_is_sent() {
    if let Ok(orders) = std::env::var(ORDERS) {
        return obey(&orders);
    }
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ear = Ear::open(port, |args| {
        let mut command = super::program::mortal(&args[0]);
        command.args(&args[1..]);
        command
    });
    let mouth = UdpSocket::bind("127.0.0.1:0").unwrap();
    for text in ["one", "", "end"] {
        mouth.send_to(text.as_bytes(), ("127.0.0.1", port)).unwrap();
    }
    let source = mouth.local_addr().unwrap();
    let heard = |text: &str| Heard { source, text: text.to_owned() };
    assert_eq!(ear.heard(), [heard("one"), heard("")]);
}

fn obey(orders: &str) {
    match orders.split(' ').collect::<Vec<_>>()[..] {
        ["hear", port] => hear(port.parse().unwrap()),
        ["greet", shouts, expected] => greet(shouts, expected),
        _ => panic!("{orders:?} are no orders"),
    }
}

fn say(text: &str) {
    // The test runner may have left a line unfinished.
    write!(stdout(), "\n{MARK}{text}\n").and_then(|()| stdout().flush()).unwrap();
}

fn hear(port: u16) {
    let socket = UdpSocket::bind(("0.0.0.0", port)).unwrap();
    say("ready");
    let mut buffer = vec![0; 1 << 16];
    loop {
        let (len, source) = socket.recv_from(&mut buffer).unwrap();
        if &buffer[..len] == b"end" {
            return;
        }
        say(&format!("heard {source} {}", buffer[..len].escape_ascii()));
    }
}

/// The port that greetings go to. Every greeter has a namespace of its own, so it cannot be in use.
const GREETINGS: u16 = 4747;

/// Between two rounds of greetings.
const ROUND: Duration = Duration::from_millis(10);

fn greet(shouts: &str, expected: &str) {
    let socket = UdpSocket::bind(("0.0.0.0", GREETINGS)).unwrap();
    socket.set_broadcast(true).unwrap();
    let mut missing: BTreeSet<String> = expected.split(',').map(str::to_owned).collect();
    // Ended by being killed: the others may still have to hear this one.
    loop {
        for (to, own) in shouts.split(',').filter_map(|shout| shout.split_once('=')) {
            // It may fail while the network is being built; what counts is who is heard.
            let _unheeded = socket.send_to(own.as_bytes(), (to, GREETINGS));
        }
        let next_round = Instant::now() + ROUND;
        while let Some(name) = hear_name(&socket, next_round) {
            if missing.remove(&name) {
                say(if missing.is_empty() { "everybody" } else { &name });
            }
        }
    }
}

fn hear_name(socket: &UdpSocket, deadline: Instant) -> Option<String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return None;
    }
    socket.set_read_timeout(Some(left)).unwrap();
    let mut buffer = [0; 64];
    let (len, _) = socket.recv_from(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
}
