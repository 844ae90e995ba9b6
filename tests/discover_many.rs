//! `discover` finds ten thousand services over real sockets, and counts what the kernel had no room for.

#![cfg(all(target_os = "linux", feature = "lab"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use halloo::drive::Stop;
use halloo::lab::tables::{self, Entry, Table};
use halloo::lab::{HostPlan, Plan, Plug};
use support::PATIENCE;
use support::crowd::Crowd;
use support::lan::{Host, Lan};
use support::program::{Output, Run};

const MANY: u32 = 10_000;

/// The addresses of the crowd, all for its host: the upper half of the subnet.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 9, 128, 1);
const ROUTE: [&str; 6] = ["route", "add", "local", "10.9.128.0/17", "dev", "e0"];

const SOURCE_PORT: u16 = 4747;

fn lan() -> Option<Lan> {
    let host = |name: &str, end| HostPlan::new(name).plug(Plug::new("e0", "net").address(([10, 9, 0, end], 16)));
    Lan::of(&Plan::new().host(host("me", 1)).host(host("crowd", 2)))
}

/// Runs `discover` in `me` while so many services answer from `crowd`; and how many answers these sent.
fn among(lan: &Lan, count: u32, args: &[&str]) -> (Output, u64) {
    let host = lan.host("crowd");
    Run::new(host.command("ip", &ROUTE)).output().expect_code(0);
    let mut crowd = host.within(|| Crowd::open(count, &"chat".parse().unwrap(), FIRST, None)).unwrap();
    let (stop, waker) = (Stop::default(), crowd.waker());
    thread::scope(|scope| {
        let answering = scope.spawn(|| crowd.run(&stop));
        let output = lan.host("me").run(&[&["discover", "chat", "--json"], args].concat());
        stop.request();
        waker.wake();
        (output, answering.join().unwrap())
    })
}

#[test]
fn ten_thousand_services_are_found_and_each_is_one_line() {
    let Some(lan) = lan() else { return };
    // Expected, since on a busy machine, and without optimization, everybody may be late.
    let (output, answered) = among(&lan, MANY, &["-4", "--expect", "10000", "--wait", "20s"]);
    let output = output.expect_code(0);
    let services = output.events("service");
    let names: BTreeSet<&str> = services.iter().map(|service| service["name"].as_str().unwrap()).collect();
    let addresses: BTreeSet<&str> = services.iter().map(|service| service["addr"].as_str().unwrap()).collect();
    let summary = output.summary();
    let count = |key: &str| summary[key].as_u64().unwrap();
    println!(
        "{} found in {} s; {answered} answers sent, {} received, {} dropped by the kernel; receive buffer: {:?}",
        names.len(),
        summary["elapsed_s"],
        count("received"),
        count("kernel_drops"),
        output.events("notice"),
    );
    assert_eq!((services.len(), names.len(), addresses.len()), (10_000, 10_000, 10_000));
    // What is not received is dropped, and counted, or still on its way.
    assert!(count("received") + count("kernel_drops") <= answered, "{summary}");
}

/// The socket of `discover`, once it is there.
fn socket(host: Host<'_>, is_right: impl Fn(&Entry) -> bool) -> Entry {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sockets = host.within(|| tables::read(Table::Udp)).unwrap().unwrap();
        let found = sockets.into_iter().find(|entry| entry.local.port() == SOURCE_PORT && is_right(entry));
        if let Some(entry) = found {
            return entry;
        }
        assert!(Instant::now() < deadline, "not there");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_the_receive_buffer_does_not_hold_is_counted_to_the_last() {
    const SENT: u64 = 30_000;
    let Some(lan) = lan() else { return };
    let (me, crowd) = (lan.host("me"), lan.host("crowd"));
    let port = SOURCE_PORT.to_string();
    let asking = me.halloo(&["discover", "-4", "--source-port", &port, "--expect", "1", "--wait", "60s", "--json"]);
    let asking = asking.start();
    socket(me, |_| true);
    // As a reader that does not get the processor: nothing is read while everybody answers.
    asking.signal("STOP");
    let answering = crowd.within(|| UdpSocket::bind("0.0.0.0:1061").unwrap()).unwrap();
    for _ in 0..SENT {
        answering.send_to(&[b'x'; 150], (Ipv4Addr::new(10, 9, 0, 1), SOURCE_PORT)).unwrap();
    }
    asking.signal("CONT");
    let dropped = socket(me, |entry| entry.receive_queue == 0).drops.unwrap();
    asking.signal("INT");
    let summary = asking.finish().summary();
    println!("{dropped} of {SENT} dropped");
    assert!(dropped > 0, "a buffer for all of them is larger than was asked for");
    assert_eq!((&summary["kernel_drops"], &summary["received"]), (&dropped.into(), &(SENT - dropped).into()));
}
