//! A service is found over real sockets: the two engines, the driver and the kernel, on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use halloo::drive::{self, Stop, SystemClock};
use halloo::engine::announce::{self, Announcer};
use halloo::engine::discover::{self, Discoverer};
use halloo::engine::guard::{Guard, Rules};
use halloo::model::event::{Listening, Role};
use halloo::model::service::{DEFAULT_TTL, Service, Trust};
use halloo::model::{About, Attributes, Cast, Destination, InstanceId, Verdict};
use halloo::net::{Batch, Fanout, Options, interfaces};
use halloo::wire::beacon::{Draws, MOST_BYTES, Secret};

fn secret(byte: u8) -> Option<Secret> {
    Some(Secret::new(&[byte; 32]).unwrap())
}

fn to(address: SocketAddr, cast: Cast) -> Destination {
    Destination { address, source: None, link: None, mtu: None, cast }
}

/// Runs a responder, asks it at `ip`, and returns what was found and the verdict.
fn find(ip: &str, cast: Cast, asker: Option<Secret>) -> (Vec<Service>, Verdict) {
    let endpoint = Options::new("0.0.0.0:0".parse().unwrap()).open().unwrap();
    let local = endpoint.local();
    let mut network = Fanout::new(vec![endpoint], interfaces::list().unwrap());
    let (waker, stop) = (network.waker().unwrap(), Stop::default());
    let asked_to_stop = stop.clone();
    let responder = thread::spawn(move || {
        let mut announcer = Announcer::new(announcing(local));
        let clock = &mut SystemClock::start();
        drive::run(&mut announcer, &mut network, Batch::new(MOST_BYTES), &mut (), clock, &asked_to_stop).unwrap();
    });
    let options = Options { broadcast: true, ..Options::new("0.0.0.0:0".parse().unwrap()) };
    let mut network = Fanout::open(&options, &[], interfaces::list().unwrap()).unwrap();
    let destination = to(SocketAddr::new(ip.parse().unwrap(), local.port()), cast);
    let mut discoverer = Discoverer::new(discover::Plan {
        kind: "chat".parse().ok(),
        secret: asker,
        deadline: Some(Duration::from_secs(20)),
        ..discover::Plan::to(vec![destination], Draws::new([2; 32]))
    });
    let clock = &mut SystemClock::start();
    drive::run(&mut discoverer, &mut network, Batch::new(MOST_BYTES), &mut (), clock, &Stop::default()).unwrap();
    stop.request();
    waker.wake();
    responder.join().unwrap();
    (discoverer.services().into_iter().cloned().collect(), discoverer.stats().verdict)
}

fn announcing(local: SocketAddr) -> announce::Plan {
    let listening = Listening { role: Role::Announce, local, groups: Vec::new(), receive_buffer: (1, None) };
    let about = About {
        id: InstanceId(7),
        name: "kitchen".parse().unwrap(),
        kind: "chat".parse().unwrap(),
        port: 4000,
        advertised: None,
        attributes: Attributes::new([("room", "lab")]).unwrap(),
        ttl: DEFAULT_TTL,
    };
    let guard = Guard::new(Rules::of_discovery(Some(1000)), local.port());
    announce::Plan { secret: secret(1), ..announce::Plan::of(about, listening, guard, Draws::new([1; 32])) }
}

#[test]
fn a_service_on_this_host_is_found_and_verified() {
    for (ip, cast) in [("127.0.0.1", Cast::Unicast), ("127.255.255.255", Cast::Broadcast)] {
        let (services, verdict) = find(ip, cast, secret(1));
        let [service] = &services[..] else { panic!("{ip}: {services:?}") };
        assert_eq!((service.about.name.text(), service.trust, verdict), ("kitchen", Trust::Verified, Verdict::Done));
        assert_eq!(service.address(&service.paths[0]).to_string(), "127.0.0.1:4000");
        assert_eq!(service.about.attributes.len(), 1);
    }
}

#[test]
fn without_its_secret_nobody_learns_of_it() {
    for asker in [None, secret(2)] {
        let (services, verdict) = find("127.0.0.1", Cast::Unicast, asker);
        assert_eq!((services.len(), verdict), (0, Verdict::TooFew));
    }
}
