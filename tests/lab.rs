//! The lab on the real kernel: private networks, as whoever runs the tests and as a user without any rights.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests; the sockets and the clock here are not the product's"
)]

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use halloo::lab::enclosure::is_enclosed;
use halloo::lab::{Host, Lan, enclosed, topology};

const PORT: u16 = 1060;

#[test]
fn an_enclosed_test_has_only_a_loopback_interface() {
    enclosed(|| {
        assert!(is_enclosed());
        let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let names: Vec<_> = links.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
        assert_eq!(names, ["lo"]);
    });
}

/// A datagram to the directed broadcast address of the office, from `host`.
fn shout(host: &Host, text: &str) {
    let socket = host.within(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    socket.set_broadcast(true).unwrap();
    socket.send_to(text.as_bytes(), ("10.9.0.255", PORT)).unwrap();
}

/// A socket in `host` that gives up after a while.
fn ear(host: &Host) -> UdpSocket {
    let socket = host.within(|| UdpSocket::bind(("0.0.0.0", PORT))).unwrap().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket
}

fn hears(ear: &UdpSocket, expected: &str) {
    let mut buffer = [0; 100];
    let (length, _) = ear.recv_from(&mut buffer).unwrap_or_else(|error| panic!("{expected} was not heard: {error}"));
    assert_eq!(&buffer[..length], expected.as_bytes());
}

#[test]
fn the_first_broadcast_is_heard_fifty_times_in_a_row() {
    enclosed(|| {
        let mut times = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            let lan = Lan::build(&topology::three()).unwrap();
            times.push(start.elapsed());
            let ears: Vec<_> = lan.hosts().iter().map(ear).collect();
            shout(&lan.hosts()[0], "hello");
            ears.iter().for_each(|ear| hears(ear, "hello"));
        }
        times.sort();
        println!("build and warm-up of three hosts: median {:?}, longest {:?}", times[25], times[49]);
    });
}
