//! A path that loses, repeats, delays, overtakes and changes answers, and knows exactly what it did.
//!
//! It stands between `halloo ping` and an echo server on loopback: one socket, one thread. What becomes of the answer to
//! a probe depends on the seed and on the probe's number alone; what the relay counts, it counts as it delivers.

use std::collections::{BTreeMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::chance::SplitMix;

/// What ends the relay.
const QUIT: &[u8] = b"quit";

/// Where the number of a probe stands in it, as src/wire/probe.rs has it.
const SEQ: std::ops::Range<usize> = 24..28;

/// Answers to probes from this number on are never late, so that every late one comes before the run is over.
const LATE_BELOW: u32 = 100;

/// Delays of answers in time, at most; they overtake each other.
const DELAYS_MS: u64 = 80;

/// How long after the wait a late answer comes.
const BEHIND_THE_WAIT: Duration = Duration::from_millis(100);

/// The account of the answers that the relay delivered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Delivered {
    /// Probes that came to the relay.
    pub(crate) sent: u64,
    /// First whole answers in time.
    pub(crate) received: u64,
    /// Probes without any whole answer.
    pub(crate) lost: u64,
    /// Whole answers beyond the first.
    pub(crate) duplicates: u64,
    /// First whole answers behind that of a later probe.
    pub(crate) reordered: u64,
    /// First whole answers that were kept back for longer than the wait.
    pub(crate) late: u64,
    /// Changed answers.
    pub(crate) corrupt: u64,
}

/// A relay in a thread.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where it takes probes.
    pub(crate) address: SocketAddr,
    thread: JoinHandle<Delivered>,
}

impl Relay {
    /// Starts one before `server`, for a ping that waits for so long.
    pub(crate) fn start(seed: u64, server: SocketAddr, wait: Duration) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let path = Path {
            socket,
            server,
            wait,
            seed,
            client: None,
            queue: BTreeMap::new(),
            queued: 0,
            returned: 0,
            answered: HashSet::new(),
            highest: None,
            counts: Delivered::default(),
        };
        Self { address, thread: thread::spawn(move || path.run()) }
    }

    /// What it delivered. Everything that came to it must have left it.
    pub(crate) fn finish(self) -> Delivered {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(QUIT, self.address).unwrap();
        self.thread.join().unwrap()
    }
}

/// One answer that is kept back.
#[derive(Clone, Debug)]
struct Kept {
    seq: u32,
    bytes: Vec<u8>,
    corrupt: bool,
    late: bool,
}

struct Path {
    socket: UdpSocket,
    server: SocketAddr,
    wait: Duration,
    seed: u64,
    client: Option<SocketAddr>,
    queue: BTreeMap<(Instant, usize), Kept>,
    queued: usize,
    /// Answers that the server gave.
    returned: u64,
    answered: HashSet<u32>,
    highest: Option<u32>,
    counts: Delivered,
}

impl Path {
    fn run(mut self) -> Delivered {
        let mut buffer = vec![0; 1 << 16];
        loop {
            self.deliver_due();
            let next = self.queue.keys().next().map(|(at, _)| at.saturating_duration_since(Instant::now()));
            // A timeout of zero would be none.
            let timeout = next.unwrap_or(PATIENCE).max(Duration::from_micros(100));
            self.socket.set_read_timeout(Some(timeout)).unwrap();
            match self.socket.recv_from(&mut buffer) {
                Ok((len, _)) if &buffer[..len] == QUIT => return self.result(),
                Ok((len, source)) if source == self.server => self.keep(&buffer[..len]),
                Ok((len, source)) => self.forward(&buffer[..len], source),
                // Nothing came in time: something is due. If nothing is, the test is over and has failed.
                Err(_) if next.is_some() => {}
                Err(_) => return self.result(),
            }
        }
    }

    fn result(mut self) -> Delivered {
        assert!(self.queue.is_empty(), "the run was over before the relay had delivered everything");
        assert_eq!(self.returned, self.counts.sent, "the server answered every probe");
        self.counts.lost = self.counts.sent - self.answered.len() as u64;
        self.counts
    }

    fn forward(&mut self, probe: &[u8], client: SocketAddr) {
        self.client = Some(client);
        self.counts.sent += 1;
        self.socket.send_to(probe, self.server).unwrap();
    }

    /// Takes an answer of the server and decides what becomes of it.
    fn keep(&mut self, answer: &[u8]) {
        self.returned += 1;
        let seq = u32::from_be_bytes(answer[SEQ].try_into().unwrap());
        let mut random = SplitMix(self.seed.wrapping_mul(1 << 32) ^ u64::from(seq));
        for (delay, fate) in fates(seq, self.wait, &mut random) {
            let mut bytes = answer.to_vec();
            if fate == Fate::Corrupt {
                let bit = random.below(bytes.len() as u64 * 8) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            self.queued += 1;
            let kept = Kept { seq, bytes, corrupt: fate == Fate::Corrupt, late: fate == Fate::Late };
            self.queue.insert((Instant::now() + delay, self.queued), kept);
        }
    }

    fn deliver_due(&mut self) {
        while let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= Instant::now()) {
            let kept = first.remove();
            self.socket.send_to(&kept.bytes, self.client.unwrap()).unwrap();
            self.count(&kept);
        }
    }

    fn count(&mut self, kept: &Kept) {
        let counts = &mut self.counts;
        match kept {
            Kept { corrupt: true, .. } => counts.corrupt += 1,
            Kept { seq, late, .. } if self.answered.insert(*seq) => {
                counts.reordered += u64::from(self.highest.is_some_and(|highest| *seq < highest));
                self.highest = self.highest.max(Some(*seq));
                *(if *late { &mut counts.late } else { &mut counts.received }) += 1;
            }
            _ => counts.duplicates += 1,
        }
    }
}

/// What becomes of one copy of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Whole,
    Corrupt,
    Late,
}

/// Every copy of an answer, with its delay.
fn fates(seq: u32, wait: Duration, random: &mut SplitMix) -> Vec<(Duration, Fate)> {
    let some_time = Duration::from_millis(1 + random.below(DELAYS_MS));
    let at_once = (Duration::ZERO, Fate::Whole);
    let late = (wait + BEHIND_THE_WAIT, Fate::Late);
    match random.below(100) {
        0..5 => vec![],
        5..8 => vec![(Duration::ZERO, Fate::Corrupt)],
        8..11 => vec![(Duration::ZERO, Fate::Corrupt), (some_time, Fate::Whole)],
        11..18 => vec![at_once, at_once],
        18..21 => vec![at_once, (some_time, Fate::Whole), (some_time, Fate::Corrupt), (some_time, Fate::Whole)],
        21..36 => vec![(some_time, Fate::Whole)],
        36..42 if seq < LATE_BELOW => vec![late],
        42..44 if seq < LATE_BELOW => vec![late, late],
        _ => vec![at_once],
    }
}
