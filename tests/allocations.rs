//! Nothing is allocated for a datagram: ten thousand more take as many allocations as none.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use halloo::drive::{self, Stop, SystemClock};
use halloo::engine::guard::{DEFAULT_RATE, Guard, Rules};
use halloo::engine::send::{Plan as Sends, Sender};
use halloo::engine::serve::{Answer, Base, Ends, Filter, Plan, Server};
use halloo::model::event::{Listening, Role};
use halloo::model::{Cast, Destination, Family, Payload, Record, Repeat, Schedule};
use halloo::net::{Batch, Fanout, Options, batch, interfaces};

/// Datagrams that a client has on their way: fewer than the smallest default buffer holds.
const WINDOW: u64 = 50;

/// What a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

fn network(offload: bool) -> (Fanout, SocketAddr) {
    let options = Options { offload, patient: false, ..Options::new("127.0.0.1:0".parse().unwrap()) };
    let endpoint = options.open().unwrap();
    let address = endpoint.local();
    (Fanout::new(vec![endpoint], interfaces::list().unwrap()), address)
}

/// A server that ends behind so many datagrams.
fn server(address: SocketAddr, answer: Option<Base>, count: u64) -> Server {
    let rules = Rules::of_server(false, false, Some(DEFAULT_RATE));
    let answer = answer.map(|base| {
        let answer = Answer { base, upper: base == Base::Length, prefix: b"> ".to_vec() };
        (answer, Guard::new(rules, address.port()))
    });
    Server::new(Plan {
        listening: Listening { role: Role::Echo, local: address, groups: Vec::new(), receive_buffer: (0, None) },
        notices: Vec::new(),
        answer,
        filter: Filter::default(),
        ends: Ends { count: Some(count), deadline: Some(6 * PATIENCE), idle: None },
        fail_on_loss: false,
        offload: false,
    })
}

/// Asks so often, from two sockets in turn, and never faster than it is answered.
fn ask(server: SocketAddr, count: u64, asked: impl Fn(&UdpSocket)) {
    let clients = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    for client in &clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    for round in 0..count / WINDOW {
        let client = &clients[round as usize % 2];
        for number in 0..WINDOW {
            let len = if number % 7 == 0 { 1400 } else { 64 };
            client.send_to(&[b'x'; 1400][..len], server).unwrap();
        }
        asked(client);
    }
}

/// Allocations of a server that gets so many datagrams.
fn of_server(answer: Base, count: u64) -> u64 {
    let (mut network, address) = network(false);
    let mut server = server(address, Some(answer), count);
    let answers = |client: &UdpSocket| (0..WINDOW).for_each(|_| assert!(client.recv(&mut [0; 1500]).is_ok()));
    let client = thread::spawn(move || ask(address, count, answers));
    let made = allocation_counter::measure(|| {
        let (batch, mut clock) = (Batch::new(batch::SLOT), SystemClock::start());
        drive::run(&mut server, &mut network, batch, &mut (), &mut clock, &Stop::default()).unwrap();
    });
    client.join().unwrap();
    assert_eq!((server.stats().received, server.stats().sent), (count, count));
    made.count_total
}

#[test]
fn a_server_allocates_nothing_for_an_answer() {
    for answer in [Base::Same, Base::Length] {
        // What is kept for a batch is as large as the largest was.
        let [few, many] = [1_000, 11_000].map(|count| of_server(answer, count));
        assert!(many <= few + GROWTH, "{answer:?}: {few} allocations, then {many}");
    }
}

/// Buffers grow until they hold the largest batch, which may come late: each by doubling, a few times.
const GROWTH: u64 = 40;

#[test]
fn a_series_allocates_nothing_for_a_datagram() {
    let of_series = |count| {
        let (mut network, _) = network(false);
        let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, cast) = (sink.local_addr().unwrap(), Cast::Unicast);
        let to = Destination { address, source: None, link: None, mtu: None, cast };
        let schedule = Schedule { rounds: Repeat::Times(count), between_rounds: Duration::ZERO, ..Schedule::ONCE };
        let records = vec![Record::new(Payload::pattern(64, Family::V4).unwrap())];
        let mut sender = Sender::new(Sends { schedule, ..Sends::to(vec![to]) }, records.into_iter());
        let made = allocation_counter::measure(|| {
            let (batch, mut clock) = (Batch::new(64), SystemClock::start());
            drive::run(&mut sender, &mut network, batch, &mut (), &mut clock, &Stop::default()).unwrap();
        });
        assert_eq!(sender.stats().sent, count);
        made.count_total
    };
    let [few, many] = [1_000, 11_000].map(of_series);
    assert!(many <= few + GROWTH, "{few} allocations, then {many}");
}
