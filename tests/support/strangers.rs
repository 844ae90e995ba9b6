//! A pinger without a network, and strangers who answer it: as many and as often as they like.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use halloo::engine::ping::{Pinger, Plan};
use halloo::engine::{Engine, Out};
use halloo::model::error::FaultKind;
use halloo::model::event::Outcome;
use halloo::model::stats::Ending;
use halloo::model::{Cast, Datagram, Destination, Event, Fault, Now, Origin, Stamp, StampSource, Stats, Transmit};
use halloo::wire::probe::{Probe, RunId};

pub(crate) const MS: Duration = Duration::from_millis(1);
const RUN: RunId = RunId([7; 16]);
const SIZE: usize = 40;

/// What was told, in numbers, and what was sent.
#[derive(Default)]
pub(crate) struct Told {
    sends: Vec<(u64, SocketAddr)>,
    events: BTreeMap<&'static str, u64>,
    summary: Option<Stats>,
}

impl Out for Told {
    fn send(&mut self, transmit: Transmit<'_>) {
        self.sends.push((transmit.ticket, transmit.destination));
    }

    fn tell(&mut self, event: &Event<'_>) {
        let name = match event {
            Event::Reply(_) => "reply",
            Event::Ignored(..) => "ignored",
            Event::Progress(_) => "progress",
            Event::Responder(told) => {
                assert_eq!(told.sent, told.received + told.late + told.lost, "{}", told.address);
                "responder"
            }
            Event::Summary(stats) => {
                self.summary = Some((*stats).clone());
                "summary"
            }
            _ => "other",
        };
        *self.events.entry(name).or_default() += 1;
    }
}

/// A pinger that sends as fast as it can, and strangers who answer.
pub(crate) struct World {
    pinger: Pinger,
    told: Told,
    now: Duration,
    /// The system does not take every second probe: of each burst those with even places, 0, or with odd ones, 1.
    pub(crate) fails: Option<usize>,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut world = Self { pinger: Pinger::new(plan), told: Told::default(), now: Duration::ZERO, fails: None };
        world.pinger.start(world.moment(), &mut world.told);
        world.sent();
        world
    }

    fn moment(&self) -> Now {
        Now { run: self.now, wall: SystemTime::UNIX_EPOCH + self.now }
    }

    /// Sends at least so many probes, in so long.
    pub(crate) fn probe(&mut self, probes: u32, within: Duration) {
        let steps = probes.div_ceil(64);
        for _ in 0..steps {
            self.now += within / steps;
            self.pinger.due(self.moment(), &mut self.told);
            self.sent();
        }
    }

    fn sent(&mut self) {
        for (number, (ticket, destination)) in std::mem::take(&mut self.told.sends).into_iter().enumerate() {
            let result = if self.fails == Some(number % 2) {
                Err(Fault { kind: FaultKind::QueueFull, code: None })
            } else {
                Ok(None)
            };
            let outcome = Outcome { ticket, count: 1, len: SIZE, destination, link: None, result };
            self.pinger.sent(self.moment(), &outcome, &mut self.told);
        }
    }

    pub(crate) fn answer(&mut self, from: SocketAddr, payload: &[u8]) {
        let datagram = Datagram {
            payload,
            wire_len: payload.len(),
            source: from,
            destination: None,
            local: None,
            link: None,
            cast: Some(Cast::Unicast),
            origin: Origin::Foreign,
            on_link: true,
            other_link: false,
            ttl: None,
            stamp: Stamp { wall: SystemTime::UNIX_EPOCH, source: StampSource::Kernel },
        };
        self.pinger.received(self.moment(), &datagram, &mut self.told);
    }

    /// So many strangers answer this probe.
    pub(crate) fn forge(&mut self, strangers: usize, seq: u32) {
        let payload = probe(seq);
        (0..strangers).for_each(|number| self.answer(stranger(number), &payload));
    }

    /// Ends it; how long that took.
    pub(crate) fn finish(&mut self) -> Duration {
        let began = Instant::now();
        self.pinger.stop(self.moment(), &mut self.told);
        self.pinger.finish(self.moment(), &Ending::default(), &mut self.told);
        began.elapsed()
    }

    pub(crate) fn told(&self, event: &str) -> u64 {
        self.told.events.get(event).copied().unwrap_or(0)
    }

    pub(crate) fn stats(&self) -> &Stats {
        self.told.summary.as_ref().unwrap()
    }
}

pub(crate) fn probe(seq: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Probe { run: RUN, seq, made: Duration::ZERO }.write(SIZE, &mut bytes);
    bytes
}

pub(crate) fn stranger(number: usize) -> SocketAddr {
    let [_, a, b, c] = (number as u32).to_be_bytes();
    SocketAddr::from(([10, a, b, c], 1060))
}

pub(crate) fn plan(cast: Cast, wait: Duration) -> Plan {
    let address = SocketAddr::from(([10, 9, 9, 9], 1060));
    let to = vec![Destination { address, source: None, link: None, mtu: None, cast }];
    Plan { size: SIZE, interval: Duration::ZERO, wait, flood: true, ..Plan::to(to, RUN) }
}

pub(crate) fn everybody(wait: Duration) -> Plan {
    plan(Cast::Broadcast, wait)
}
