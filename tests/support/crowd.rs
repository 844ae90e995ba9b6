//! Many services in one process, each at an address of its own: the real engine of `announce` for each, one socket for all.
//!
//! Their host has to take all the addresses for its own (a route of type `local`, ip-route(8)). They only answer: they do not
//! announce themselves, and none limits how often it is asked. A question is read once for all of them, and handed to those
//! that it concerns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use halloo::discovery::{TTL, sockets};
use halloo::drive::{self, Stop, SystemClock};
use halloo::engine::announce::{Announcer, Plan};
use halloo::engine::guard::{Guard, Rules};
use halloo::engine::reach::Reach;
use halloo::engine::{Engine, Next, Out};
use halloo::model::event::{Outcome, Refusal};
use halloo::model::stats::Ending;
use halloo::model::{About, Attributes, Datagram, Event, Family, InstanceId, Now, ServiceType, Transmit};
use halloo::net::{Batch, Fanout, interfaces};
use halloo::wire::beacon::{Draws, Echo, MOST_BYTES, Message, Secret, read};

/// Answers that leave together, at most: whoever is due waits for no more than these.
const TOGETHER: usize = 32;

/// The services, and their socket.
pub(crate) struct Crowd {
    network: Fanout,
    members: Members,
}

struct Members {
    services: Vec<Service>,
    /// The question that was handed on last: the same one, by another broadcast address, changes nothing.
    last: Vec<u8>,
    /// Everybody by their place for the question of this echo.
    ring: Option<(Echo, Vec<(u32, usize)>)>,
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    answered: u64,
    over: bool,
}

struct Service {
    id: InstanceId,
    address: IpAddr,
    announcer: Announcer,
}

impl Crowd {
    /// So many services of type `kind` at the addresses from `first` on, in the network of the calling thread.
    pub(crate) fn open(count: u32, kind: &ServiceType, first: Ipv4Addr, secret: Option<&Secret>) -> Self {
        let table = interfaces::list().unwrap();
        let reach = Reach { family: Some(Family::V4), ..Reach::default() };
        let announcing = sockets::announcing(&reach, &[], &table).unwrap();
        let mut draws = Draws::new([9; 32]);
        let service = |n: u32| {
            let id = InstanceId(u64::from_be_bytes(draws.nonce().echo()));
            let attributes = Attributes::new([("version", "1.4.2"), ("os", "linux"), ("room", "lab-2")]).unwrap();
            let about = About {
                id,
                name: format!("host-{n:05}").parse().unwrap(),
                kind: kind.clone(),
                port: 7000,
                advertised: None,
                attributes,
                ttl: TTL,
            };
            let guard = Guard::new(Rules::of_discovery(None), reach.port);
            let plan = Plan::of(about, announcing.listening.clone(), guard, Draws::new(draws.nonce().0));
            let announcer = Announcer::new(Plan { secret: secret.cloned(), ..plan });
            Service { id, address: Ipv4Addr::from_bits(first.to_bits() + n).into(), announcer }
        };
        let services = (0..count).map(service).collect();
        let members =
            Members { services, last: Vec::new(), ring: None, due: BinaryHeap::new(), answered: 0, over: false };
        Self { network: announcing.network, members }
    }

    /// Answers until `stop` is requested and the waker used. Returns how many answers left.
    pub(crate) fn run(mut self, stop: &Stop) -> u64 {
        let batch = Batch::new(MOST_BYTES + 1);
        drive::run(&mut self.members, &mut self.network, batch, &mut (), &mut SystemClock::start(), stop).unwrap();
        self.members.answered
    }

    /// What ends a wait of [`Crowd::run`].
    pub(crate) fn waker(&mut self) -> halloo::net::Waker {
        self.network.waker().unwrap()
    }
}

impl Engine for Members {
    fn start(&mut self, _: Now, _: &mut dyn Out) {}

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        let Ok((Message::Query(query), _)) = read(datagram.payload) else { return };
        if std::mem::replace(&mut self.last, datagram.payload.to_vec()) == datagram.payload {
            return;
        }
        let echo = query.nonce.echo();
        let (_, ring) = match self.ring.take().filter(|(known, _)| *known == echo) {
            Some(known) => self.ring.insert(known),
            None => {
                let places = self.services.iter().enumerate().map(|(n, service)| (query.nonce.place(service.id), n));
                let mut ring: Vec<(u32, usize)> = places.collect();
                ring.sort_unstable();
                self.ring.insert((echo, ring))
            }
        };
        let from = ring.partition_point(|(place, _)| *place < query.places.first());
        let asked = ring.iter().skip(from).take_while(|(place, _)| *place <= query.places.last());
        let mut quiet = Quiet(out);
        for (place, n) in asked {
            let Service { address, announcer, .. } = &mut self.services[*n];
            // Who is listed has to hear it only to take back an answer that still waits.
            if announcer.next() == Next::Event && query.known.contains(*place) {
                continue;
            }
            announcer.received(now, &Datagram { local: Some(*address), ..datagram.clone() }, &mut quiet);
            if let Next::At(at) = announcer.next() {
                self.due.push(Reverse((at, *n)));
            }
        }
    }

    fn sent(&mut self, _: Now, outcome: &Outcome, _: &mut dyn Out) {
        outcome.result.unwrap();
        self.answered += 1;
    }

    fn refused(&mut self, _: Now, _: &Refusal, _: &mut dyn Out) {}

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        let mut quiet = Quiet(out);
        for _ in 0..TOGETHER {
            match self.due.peek() {
                Some(Reverse((at, n))) if *at <= now.run => self.services[*n].announcer.due(now, &mut quiet),
                _ => return,
            }
            self.due.pop();
        }
    }

    fn next(&self) -> Next {
        match self.due.peek() {
            _ if self.over => Next::Done,
            Some(Reverse((at, _))) => Next::At(*at),
            None => Next::Event,
        }
    }

    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.over = true;
    }

    fn finish(&mut self, _: Now, _: &Ending, _: &mut dyn Out) {}
}

/// What is sent is sent; what is told is not.
struct Quiet<'a>(&'a mut dyn Out);

impl Out for Quiet<'_> {
    fn send(&mut self, transmit: Transmit<'_>) {
        self.0.send(transmit);
    }

    fn tell(&mut self, _: &Event<'_>) {}
}
