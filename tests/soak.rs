//! Whatever strangers send, and from however many addresses, takes no more memory after a while than before, ends nothing,
//! and is accounted for. `scripts/soak` does this for minutes, at a pace, with the program as it is released.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::net::SocketAddrV4;
use std::ops::Range;

use serde_json::Value;
use tempfile::NamedTempFile;

use support::PATIENCE;
use support::catcher::Catcher;
use support::chance::SplitMix;
use support::flood::{self, Counters, Held, Strangers, VICTIM};
use support::lan::{Host, Lan};
use support::program::{Output, Process, Run};

/// So many datagrams to each program.
struct Trial {
    /// Those that warm it up.
    warm: u32,
    /// All.
    all: u32,
    /// How many are sent before it is waited until they have been read: what the kernel had no room for would try nobody.
    group: u32,
}

/// One from each of many addresses. They warm up until tables of senders have their last size: 65,536 are told apart, and a
/// hash set for so many grows when 7/8 of it are used, for the last time at 57,344. A program that kept more than 52 bytes of
/// each address behind that would break [`MOST_GROWTH`]. 200 of at most 192 bytes have room in 208 KiB, the least that is usual.
const STRANGERS: Trial = Trial { warm: 60_000, all: 80_000, group: 200 };

/// Of every length. With debug builds, which are tested, many more would take more than ten seconds.
const LENGTHS: Trial = Trial { warm: 2_000, all: 4_000, group: 20 };

/// What a program may have more of at the end than behind the warm-up: what the allocator keeps.
const MOST_GROWTH: u64 = 1 << 20;

/// What may wait for its reader besides, where datagrams are printed: that is bounded, and not by who sends.
const OUTPUT: u64 = 8 << 20;

/// Programs that receive, and the ports they do so on. Each has a discovery port of its own: their announcements and
/// questions are for others.
const PROGRAMS: [(&str, u16); 5] = [
    ("listen 0.0.0.0:2000", 2000),
    ("listen 0.0.0.0:2001 --json", 2001),
    ("echo 0.0.0.0:2002 -q", 2002),
    ("announce chat --port 7000 --discovery-port 2003 --allow-routed -q", 2003),
    ("discover --watch --discovery-port 2005 --source-port 2004 --json", 2004),
];

/// The one of these that is asked questions besides.
const ASKED: u16 = 2003;

/// One of the programs.
struct Program {
    words: &'static str,
    port: u16,
    process: Process,
    /// Its standard output: a file takes it as fast as it comes.
    shown: NamedTempFile,
    sent: u64,
}

impl Program {
    fn start(host: Host<'_>, words: &'static str, port: u16) -> Self {
        let shown = NamedTempFile::new().unwrap();
        let run = host.halloo(&words.split(' ').collect::<Vec<_>>()).env("XDG_STATE_HOME", "/dev/null");
        let process = run.stdout(shown.reopen().unwrap()).start_elsewhere();
        Self { words, port, process, shown, sent: 0 }
    }

    /// Ends it, and returns what it says then, in figures and in words.
    fn end(self) -> (Counters, Output) {
        let said = self.process.stop().expect_code(0);
        if !self.words.ends_with("--json") {
            return (Counters::read(&String::from_utf8_lossy(&said.stderr)), said);
        }
        let shown = fs::read_to_string(self.shown.path()).unwrap();
        let summary: Value = serde_json::from_str(shown.lines().next_back().unwrap()).unwrap();
        assert_eq!(summary["event"], "summary");
        let counted = |key: &str| summary[key].as_u64().unwrap();
        (Counters { received: counted("received"), drops: counted("kernel_drops") }, said)
    }
}

/// All of them, in the host `victim`.
struct Programs<'lan> {
    host: Host<'lan>,
    all: [Program; 5],
    ports: [u16; 5],
}

impl<'lan> Programs<'lan> {
    fn start(host: Host<'lan>) -> Self {
        let all = PROGRAMS.map(|(words, port)| Program::start(host, words, port));
        let ports = PROGRAMS.map(|(_, port)| port);
        host.within(|| flood::bound(&ports, PATIENCE)).unwrap();
        Self { host, all, ports }
    }

    /// Sends datagrams of these numbers to each, by `send`, which says whether it went.
    fn send(&mut self, numbers: Range<u32>, group: u32, send: &mut impl FnMut(u32, SocketAddrV4) -> bool) {
        for number in numbers {
            for program in &mut self.all {
                program.sent += u64::from(send(number, SocketAddrV4::new(VICTIM, program.port)));
            }
            if number % group == 0 {
                self.host.within(|| flood::read(&self.ports, PATIENCE)).unwrap();
            }
        }
        self.host.within(|| flood::drained(&self.ports, PATIENCE)).unwrap();
    }

    /// Sends all of a trial to each, and judges.
    fn endure(mut self, trial: &Trial, mut send: impl FnMut(u32, SocketAddrV4) -> bool) {
        let Trial { warm, all, group } = *trial;
        self.send(0..warm, group, &mut send);
        let before = self.held();
        self.send(warm..all, group, &mut send);
        for ((program, before), after) in self.all.iter().zip(before).zip(self.held()) {
            let words = program.words;
            let output = if words.starts_with("listen") { OUTPUT } else { 0 };
            let most = Held { memory: before.memory + MOST_GROWTH + output, ..before };
            assert!(after.memory <= most.memory, "{words}: {after:?} is more than {most:?}");
            assert_eq!(Held { memory: most.memory, ..after }, most, "{words}: descriptors, threads");
        }
        for program in self.all {
            let sent = program.sent;
            let (Counters { received, drops }, said) = program.end();
            assert_eq!(received + drops, sent, "{received} received, {drops} dropped by the kernel: {said}");
            assert!(received >= sent * 9 / 10, "too little of what was sent was tried: {said}");
        }
    }

    fn held(&self) -> Vec<Held> {
        self.all.iter().map(|program| Held::by(program.process.id())).collect()
    }
}

#[test]
fn a_crowd_of_strangers_takes_no_memory_and_is_counted() {
    let Some(lan) = Lan::of(&flood::plan()) else { return };
    let (victim, crowd) = (lan.host("victim"), lan.host("crowd"));
    Run::new(crowd.command("ip", &flood::BE_THEM)).output().expect_code(0);
    let strangers = crowd.within(Strangers::open).unwrap();
    let (mut chance, mut payload) = (SplitMix(6), Vec::new());
    Programs::start(victim).endure(&STRANGERS, |number, to| {
        if to.port() == ASKED && number % 4 == 0 {
            flood::question("chat", &mut chance, &mut payload);
        } else {
            flood::noise(chance.below(40) as usize, &mut chance, &mut payload);
        }
        strangers.send(number, to, &payload)
    });
}

#[test]
fn bytes_by_chance_of_every_length_end_nothing_and_are_counted() {
    let Some(lan) = Lan::of(&flood::plan()) else { return };
    let victim = lan.host("victim");
    // Within the host: over its loopback interface what is long needs no fragments.
    let Catcher(socket) = victim.within(|| Catcher::on("0.0.0.0:0")).unwrap();
    let (mut chance, mut payload) = (SplitMix(7), Vec::new());
    Programs::start(victim).endure(&LENGTHS, |_, to| {
        let length = flood::length(&mut chance);
        flood::noise(length, &mut chance, &mut payload);
        socket.send_to(&payload, to).is_ok()
    });
}
