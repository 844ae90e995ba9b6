//! Discovery of 10 to 100,000 services, in a simulated LAN with a virtual clock: what is found, how soon, at what price.
//!
//! The asker is the real engine; what it sends is read, and answered, by the real format. Hosts are simulated: each has its
//! own chance to miss the query and to have its answer lost, and draws the moment of its answer. All answers pass one
//! link with a queue in front of it, and one receive buffer with a reader behind it. The figures are kept in
//! `discovery.txt`; `HALLOO_WRITE=1 cargo test --test discovery` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use halloo::engine::discover::{Discoverer, Plan};
use halloo::engine::{Engine, Next, Out};
use halloo::model::event::Outcome;
use halloo::model::{
    About, Attributes, Cast, Datagram, Destination, Event, InstanceId, Link, Now, Origin, Stamp, StampSource, Transmit,
};
use halloo::wire::beacon::{Draws, Message, Nonce, Order, Query, Reply, Secret, read};

/// Bytes of Ethernet, IPv4 and UDP headers around a payload.
const HEADERS: u64 = 14 + 20 + 8;

/// From the asker to a host and back, beside what queues.
const ROUND_TRIP: u64 = 300_000;

/// What the reader takes for one answer, in nanoseconds.
const READING: u64 = 10_000;

/// The reader does not run for the first 4 ms of every 20 ms: others have the processor.
const STALLED: (u64, u64) = (4_000_000, 20_000_000);

/// A LAN.
#[derive(Clone, Copy)]
struct Lan {
    hosts: u32,
    /// The chance that a host misses a query, and again that its answer is lost.
    loss: f64,
    /// Bits per second, and the bytes of the queue in front.
    link: Option<(u64, u64)>,
    /// Answers that the receive buffer holds.
    buffer: usize,
    secret: bool,
    seeds: u64,
}

const CLEAN: Lan = Lan { hosts: 10_000, loss: 0.0, link: None, buffer: LARGE, secret: true, seeds: 2 };
const LARGE: usize = 10_000;
const DEFAULT: usize = 256;
const MBIT_100: Option<(u64, u64)> = Some((100_000_000, 64 << 10));
const MBIT_20: Option<(u64, u64)> = Some((20_000_000, 64 << 10));

/// What a run came to, and the goal it is measured by: milliseconds to 99.9 %, and to the exit.
struct Row {
    name: &'static str,
    lan: Lan,
    goal: (Option<u64>, Option<u64>),
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { name: "10", lan: Lan { hosts: 10, seeds: 20, buffer: DEFAULT, ..CLEAN }, goal: (Some(150), Some(600)) },
    Row { name: "10, 10% loss", lan: Lan { hosts: 10, seeds: 20, loss: 0.1, ..CLEAN }, goal: (None, None) },
    Row { name: "1000, default buffer", lan: Lan { hosts: 1_000, seeds: 5, buffer: DEFAULT, ..CLEAN }, goal: (Some(150), None) },
    Row { name: "1000, 2% loss", lan: Lan { hosts: 1_000, seeds: 5, loss: 0.02, ..CLEAN }, goal: (None, None) },
    Row { name: "1000, 10% loss", lan: Lan { hosts: 1_000, seeds: 5, loss: 0.1, ..CLEAN }, goal: (None, None) },
    Row { name: "10000", lan: CLEAN, goal: (Some(150), Some(1000)) },
    Row { name: "10000, default buffer", lan: Lan { buffer: DEFAULT, ..CLEAN }, goal: (Some(400), None) },
    Row { name: "10000, 10% loss", lan: Lan { loss: 0.1, ..CLEAN }, goal: (Some(1200), None) },
    Row { name: "10000, 100 Mbit", lan: Lan { link: MBIT_100, ..CLEAN }, goal: (Some(500), None) },
    Row { name: "10000, 20 Mbit, 2% loss", lan: Lan { link: MBIT_20, loss: 0.02, ..CLEAN }, goal: (Some(1600), None) },
    Row { name: "100000", lan: Lan { hosts: 100_000, secret: false, seeds: 1, ..CLEAN }, goal: (None, None) },
    Row { name: "100000, 2% loss", lan: Lan { hosts: 100_000, secret: false, loss: 0.02, seeds: 1, ..CLEAN }, goal: (None, None) },
];

/// What one run came to.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    found: u32,
    nearly_all: Option<u64>,
    exit: u64,
    bytes: u64,
    queries: u64,
    answers: u64,
    lost_in_queues: u64,
    duplicates: u64,
}

// ---- chance ---------------------------------------------------------------------------------------------------------

/// SplitMix64: small, seeded, and good enough for losses.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    fn happens(&mut self, chance: f64) -> bool {
        (self.next() >> 11) as f64 / ((1u64 << 53) as f64) < chance
    }
}

// ---- the LAN --------------------------------------------------------------------------------------------------------

/// An answer on its way: when it reaches the link, of which host, to which question.
type OnItsWay = Reverse<(u64, u32, usize)>;

struct World {
    lan: Lan,
    chance: Chance,
    secret: Option<Secret>,
    ids: Vec<InstanceId>,
    /// The questions so far, and the one that each host answered last.
    nonces: Vec<Nonce>,
    answered: Vec<usize>,
    /// Hosts by their place for the latest nonce.
    ring: Vec<(u32, u32)>,
    flying: BinaryHeap<OnItsWay>,
    link_free: u64,
    reader_free: u64,
    /// Read when, arrived when, by whom, on what.
    unread: VecDeque<(u64, u64, u32, usize)>,
    sent: Vec<(Vec<u8>, u64)>,
    figures: Figures,
}

impl Out for World {
    fn send(&mut self, transmit: Transmit<'_>) {
        self.sent.push((transmit.payload.bytes().to_vec(), transmit.ticket));
    }

    fn tell(&mut self, _: &Event<'_>) {}
}

impl World {
    fn new(lan: Lan, seed: u64) -> Self {
        let mut chance = Chance(seed);
        let ids = (0..lan.hosts).map(|_| InstanceId(chance.next())).collect();
        Self {
            lan,
            chance,
            secret: lan.secret.then(|| Secret::new(&[5; 32]).unwrap()),
            ids,
            nonces: Vec::new(),
            answered: vec![usize::MAX; lan.hosts as usize],
            ring: Vec::new(),
            flying: BinaryHeap::new(),
            link_free: 0,
            reader_free: 0,
            unread: VecDeque::new(),
            sent: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// Everybody hears a query, or not, and decides when to answer.
    fn asked(&mut self, now: u64, bytes: &[u8]) {
        let (Message::Query(query), _) = read(bytes).unwrap() else { panic!("not a query") };
        self.figures.queries += 1;
        self.figures.bytes += bytes.len() as u64 + HEADERS;
        if self.nonces.last() != Some(&query.nonce) {
            self.nonces.push(query.nonce);
            self.ring = (0..).zip(&self.ids).map(|(host, id)| (query.nonce.place(*id), host)).collect();
            self.ring.sort_unstable();
        }
        let from = self.ring.partition_point(|(place, _)| *place < query.range.0);
        let to = self.ring.partition_point(|(place, _)| *place <= query.range.1);
        for at in from..to {
            let (place, host) = self.ring[at];
            self.hears(now, &query, place, host);
        }
    }

    fn hears(&mut self, now: u64, query: &Query, place: u32, host: u32) {
        let question = self.nonces.len() - 1;
        if query.knows(place) || self.answered[host as usize] == question || self.chance.happens(self.lan.loss) {
            return;
        }
        self.answered[host as usize] = question;
        let delay = self.chance.below(query.window.as_nanos() as u64) + ROUND_TRIP;
        self.figures.answers += 1;
        self.figures.bytes += self.answer(host, question).len() as u64 + HEADERS;
        if !self.chance.happens(self.lan.loss) {
            self.flying.push(Reverse((now + delay, host, question)));
        }
    }

    fn answer(&self, host: u32, question: usize) -> Vec<u8> {
        let pairs = [("version", "1.4.2"), ("os", "linux"), ("room", "lab-2")];
        let about = About {
            id: self.ids[host as usize],
            name: format!("host-{host:06}").parse().unwrap(),
            kind: "chat".parse().unwrap(),
            port: 1061,
            advertised: None,
            attributes: Attributes::new(pairs).unwrap(),
            ttl: Duration::from_secs(30),
        };
        let nonce = &self.nonces[question];
        let address = Some(address_of(host).ip());
        let order = Order { boot: host, seq: question as u32 };
        let mut bytes = Vec::new();
        Reply { echo: nonce.echo(), address, order, about, more: false }.write(nonce, self.secret.as_ref(), &mut bytes);
        bytes
    }

    /// The next answer reaches the link: it passes, and the buffer behind, or is lost.
    fn pass(&mut self) {
        let Some(Reverse((now, host, question))) = self.flying.pop() else { return };
        let Some(through) = self.through_the_link(now, self.answer(host, question).len() as u64 + HEADERS) else {
            self.figures.lost_in_queues += 1;
            return;
        };
        let waiting = self.unread.len() - self.unread.partition_point(|(read, ..)| *read <= through);
        if waiting >= self.lan.buffer {
            self.figures.lost_in_queues += 1;
            return;
        }
        self.reader_free = runs(self.reader_free.max(through)) + READING;
        self.unread.push_back((self.reader_free, through, host, question));
    }

    fn through_the_link(&mut self, now: u64, bytes: u64) -> Option<u64> {
        let Some((bits, queue)) = self.lan.link else { return Some(now) };
        let waiting = self.link_free.saturating_sub(now) * bits / 8 / 1_000_000_000;
        if waiting + bytes > queue {
            return None;
        }
        self.link_free = self.link_free.max(now) + bytes * 8 * 1_000_000_000 / bits;
        Some(self.link_free)
    }
}

/// When the reader runs, from `now` on.
const fn runs(now: u64) -> u64 {
    let (stalled, every) = STALLED;
    let phase = now % every;
    if phase < stalled { now - phase + stalled } else { now }
}

fn address_of(host: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 | (host + 2)), 1061))
}

fn at(nanos: u64) -> Now {
    let run = Duration::from_nanos(nanos);
    Now { run, wall: SystemTime::UNIX_EPOCH + run }
}

// ---- a run ----------------------------------------------------------------------------------------------------------

fn plan(world: &World, seed: u64) -> Plan {
    let link = Link { index: 2, name: "eth0".into() };
    let address = "10.255.255.255:1061".parse().unwrap();
    Plan {
        destinations: vec![Destination { address, source: None, link: Some(link), mtu: None, cast: Cast::Broadcast }],
        skipped: Vec::new(),
        notices: Vec::new(),
        kind: "chat".parse().ok(),
        secret: world.secret.clone(),
        draws: Draws::new([seed as u8; 32]),
        room: 0,
        watch: false,
        expect: None,
        deadline: None,
        lenient: false,
    }
}

fn run(lan: Lan, seed: u64) -> Figures {
    let mut world = World::new(lan, seed);
    let mut engine = Discoverer::new(plan(&world, seed));
    let enough = (u64::from(lan.hosts) * 999).div_ceil(1000);
    let mut now = 0;
    engine.start(at(now), &mut world);
    loop {
        for (bytes, ticket) in std::mem::take(&mut world.sent) {
            world.asked(now, &bytes);
            let destination = "10.255.255.255:1061".parse().unwrap();
            let outcome = Outcome { ticket, len: bytes.len(), destination, link: None, result: Ok(None) };
            engine.sent(at(now), &outcome, &mut world);
        }
        let timer = match engine.next() {
            Next::At(due) => due.as_nanos() as u64,
            Next::Event => u64::MAX,
            Next::Done => break,
        };
        let read = world.unread.front().map_or(u64::MAX, |(read, ..)| *read);
        let passing = world.flying.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
        if passing <= timer.min(read) {
            world.pass();
        } else if read <= timer {
            now = now.max(read);
            hand_over(&mut engine, &mut world);
            if engine.stats().responders == Some(enough) && world.figures.nearly_all.is_none() {
                world.figures.nearly_all = Some(now);
            }
        } else {
            now = now.max(timer);
            engine.due(at(now), &mut world);
        }
        assert!(now < 600_000_000_000, "the run does not end");
    }
    let stats = engine.stats();
    let found = stats.responders.unwrap() as u32;
    Figures { found, exit: now, duplicates: stats.duplicates.unwrap(), ..world.figures }
}

fn hand_over(engine: &mut Discoverer, world: &mut World) {
    let Some((_, arrived, host, question)) = world.unread.pop_front() else { return };
    let bytes = world.answer(host, question);
    let now = at(arrived);
    let datagram = Datagram {
        payload: &bytes,
        wire_len: bytes.len(),
        source: address_of(host),
        destination: None,
        local: None,
        link: Some(Link { index: 2, name: "eth0".into() }),
        cast: Some(Cast::Unicast),
        origin: Origin::Foreign,
        on_link: true,
        ttl: Some(64),
        stamp: Stamp { wall: now.wall, source: StampSource::Kernel },
    };
    engine.received(now, &datagram, world);
}

// ---- the table ------------------------------------------------------------------------------------------------------

fn table() -> String {
    let mut text = String::from(HEAD);
    for Row { name, lan, goal } in ROWS {
        let runs: Vec<Figures> = (1..=lan.seeds).map(|seed| run(*lan, seed)).collect();
        let most = |figure: fn(&Figures) -> u64| runs.iter().map(figure).max().unwrap_or(0);
        let found: u32 = runs.iter().map(|run| run.found).sum();
        let share = f64::from(found) / (f64::from(lan.hosts) * lan.seeds as f64) * 100.0;
        let nearly = if runs.iter().all(|run| run.nearly_all.is_some()) {
            most(|run| run.nearly_all.unwrap_or(0)) / 1_000_000
        } else {
            u64::MAX
        };
        let exit = most(|run| run.exit) / 1_000_000;
        let late = goal.0.is_some_and(|goal| nearly > goal) || goal.1.is_some_and(|goal| exit > goal);
        let met = match goal {
            (None, None) => "",
            _ if late || (share < 100.0) => "missed",
            _ => "met",
        };
        let nearly = if nearly == u64::MAX { "never".to_owned() } else { nearly.to_string() };
        let (bytes, queries, answers) = (most(|run| run.bytes), most(|run| run.queries), most(|run| run.answers));
        let (lost, twice) = (most(|run| run.lost_in_queues), most(|run| run.duplicates));
        writeln!(
            text,
            "{name:24} {:4} {share:9.3} {nearly:>7} {exit:>6} {bytes:>10} {queries:>8} {answers:>8} {lost:>7} {twice:>6}  {met}",
            lan.seeds
        )
        .unwrap();
    }
    text + TAIL
}

const HEAD: &str = "\
Discovery in a simulated LAN. Written by tests/discovery.rs; the worst of so many runs, found is the mean.

services                 runs   found %   99.9%   exit      bytes  queries  answers    lost  twice  goal
                                             ms     ms
";

const TAIL: &str = "";

#[test]
fn the_figures_are_as_written_down() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/discovery.txt");
    let table = table();
    if std::env::var_os("HALLOO_WRITE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(table == kept, "the figures have changed; HALLOO_WRITE=1 keeps these:\n{table}");
}
