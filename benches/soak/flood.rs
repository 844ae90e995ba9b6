//! A flood from a million strangers, for `scripts/soak`: `bench-soak HALLOO SECONDS`.
//!
//! Three programs run in one host of a private LAN, and every stranger sends to each of them, from another host, at a
//! pace that an ordinary machine can hold for as long as it is asked to. What the programs have of the system is looked at
//! meanwhile, and at the end their counters. Prints Markdown; the exit code is 1 where a limit is broken.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a helper of scripts/soak; the tests use the rest of what they share with it"
)]

#[path = "../../tests/support/chance.rs"]
mod chance;
#[path = "../../tests/support/flood.rs"]
mod flood;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddrV4;
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use chance::SplitMix;
use flood::{Counters, Held, Pace, Strangers, VICTIM};
use halloo::lab::enclosure::{is_enclosed, spawn};
use halloo::lab::{Host, Lan};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Datagrams a second, to each of the programs.
const PACE: u32 = 10_000;

/// Addresses that they come from, one after the other.
const STRANGERS: u32 = 1_000_000;

/// Until every table is full: more than the 65,536 senders that a program tells apart, at [`PACE`].
const WARM_UP: Duration = Duration::from_secs(20);

/// How often it is looked at what the programs have.
const LOOK: Duration = Duration::from_secs(10);

/// Memory that a program may have.
const MOST_MEMORY: u64 = 16 << 20;

/// Memory that a program may have more of at the end than behind the warm-up: some pages, for what is done only at times.
const MOST_GROWTH: u64 = 64 << 10;

/// The longest of what is sent; what is a question of discovery is longer.
const LONGEST: u64 = 100;

/// How long a program may take to read what is left, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The programs: their words, and where they listen.
const PROGRAMS: [(&str, u16); 3] =
    [("echo --lan -q", 1060), ("listen 0.0.0.0:1062 -q", 1062), ("announce chat --port 7000 --allow-routed -q", 1061)];

/// The one that is asked questions of its own kind besides.
const ASKED: usize = 2;

fn main() -> ExitCode {
    if !is_enclosed() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(std::env::args_os().skip(1));
        let mut child = spawn(command).unwrap_or_else(|denied| panic!("{denied}\n{}", denied.remedy()));
        return if child.wait().unwrap().success() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let args: Vec<String> = std::env::args().collect();
    let (halloo, seconds) = (&args[1], args[2].parse().unwrap());
    let lan = Lan::build(&flood::plan()).unwrap();
    let (victim, crowd) = (lan.host("victim").unwrap(), lan.host("crowd").unwrap());
    assert!(crowd.command("ip").unwrap().args(flood::BE_THEM).status().unwrap().success());
    let programs = PROGRAMS.map(|(words, port)| Program::start(victim, halloo, words, port));
    let broken = soak(victim, crowd, programs, Duration::from_secs(seconds));
    println!("\n{broken} limits broken");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Sends, looks, ends the programs and judges them. Returns how many limits they broke.
fn soak(victim: &Host, crowd: &Host, mut programs: [Program; 3], time: Duration) -> usize {
    let (start, mut pace) = (Instant::now(), Pace::new(PACE));
    let strangers = crowd.within(Strangers::open).unwrap();
    let (mut payloads, mut number, mut look) = (Payloads(SplitMix(6), Vec::new()), 0, Duration::ZERO);
    println!("Memory in KiB, descriptors, threads:\n");
    println!("| s | sent to each | echo | listen | announce |");
    println!("| ---: | ---: | ---: | ---: | ---: |");
    while start.elapsed() < time {
        for _ in 0..pace.next() {
            for (index, program) in programs.iter_mut().enumerate() {
                let payload = payloads.next(index == ASKED && number % 4 == 0);
                program.sent += u64::from(strangers.send(number % STRANGERS, program.address(), payload));
            }
            number += 1;
        }
        if start.elapsed() >= look {
            let (at, sent) = (start.elapsed(), programs[0].sent);
            let cells = programs.each_mut().map(|program| program.look(at));
            println!("| {} | {sent} | {} |", at.as_secs(), cells.join(" | "));
            look += LOOK;
        }
    }
    let ports = PROGRAMS.map(|(_, port)| port);
    victim.within(|| flood::drained(&ports, PATIENCE)).unwrap();
    println!();
    programs.into_iter().map(Program::judge).sum()
}

/// What is sent: bytes by chance, and questions.
struct Payloads(SplitMix, Vec<u8>);

impl Payloads {
    fn next(&mut self, question: bool) -> &[u8] {
        let Self(chance, payload) = self;
        if question {
            flood::question("chat", chance, payload);
        } else {
            let length = chance.below(LONGEST + 1) as usize;
            flood::noise(length, chance, payload);
        }
        payload
    }
}

/// One of the programs.
struct Program {
    words: &'static str,
    port: u16,
    child: Child,
    notes: BufReader<ChildStderr>,
    sent: u64,
    looks: Vec<(Duration, Held)>,
}

impl Program {
    /// Starts it, and waits until it listens.
    fn start(victim: &Host, halloo: &str, words: &'static str, port: u16) -> Self {
        let mut command = victim.command(halloo).unwrap();
        command.args(words.split(' ')).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // What is kept between runs is none of a bench's business.
        let mut child = command.env("XDG_STATE_HOME", "/dev/null").spawn().unwrap();
        let mut notes = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(notes.read_line(&mut line).unwrap() > 0, "halloo {words} does not start");
        }
        Self { words, port, child, notes, sent: 0, looks: Vec::new() }
    }

    fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(VICTIM, self.port)
    }

    /// Looks at what it has, and returns that as a cell of the table.
    fn look(&mut self, at: Duration) -> String {
        let held = Held::by(self.child.id());
        self.looks.push((at, held));
        let Held { memory, descriptors, threads } = held;
        format!("{}, {descriptors}, {threads}", memory >> 10)
    }

    /// Ends it, and returns how many limits it broke.
    fn judge(mut self) -> usize {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let mut said = String::new();
        self.notes.read_to_string(&mut said).unwrap();
        let ended = self.child.wait().unwrap();
        println!("`halloo {}`, {ended}:\n\n    {}\n", self.words, said.trim_end().replace('\n', "\n    "));
        let held: Vec<Held> = self.looks.iter().filter(|(at, _)| *at >= WARM_UP).map(|(_, held)| *held).collect();
        let (first, last) = (held[0], held[held.len() - 1]);
        let most = held.iter().map(|held| held.memory).max().unwrap_or_default();
        let constant = |what: fn(&Held) -> u64| held.iter().all(|held| what(held) == what(&first));
        let growth = last.memory.saturating_sub(first.memory);
        let Counters { received, drops } = Counters::read(&said);
        let limits = [
            (ended.success(), "it ends with exit code 0".to_owned()),
            (most <= MOST_MEMORY, format!("at most {} KiB of memory: {}", MOST_MEMORY >> 10, most >> 10)),
            (
                growth <= MOST_GROWTH,
                format!("it grows by at most {} KiB behind {WARM_UP:?}: {}", MOST_GROWTH >> 10, growth >> 10),
            ),
            (constant(|held| held.descriptors), format!("always as many descriptors: {}", first.descriptors)),
            (constant(|held| held.threads), format!("always as many threads: {}", first.threads)),
            (
                received + drops == self.sent,
                format!("received {received} + dropped by the kernel {drops} = sent {}", self.sent),
            ),
        ];
        for (holds, limit) in &limits {
            println!("- {}: {limit}", if *holds { "ok" } else { "BROKEN" });
        }
        println!();
        limits.iter().filter(|(holds, _)| !holds).count()
    }
}
