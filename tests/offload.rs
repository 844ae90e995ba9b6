//! Trains of datagrams: what passes through the kernel in one piece is as many datagrams as were sent, and counted as such.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::net::UdpSocket;

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;
use support::lan::{Lan, two_hosts};
use support::program::{Output, halloo, serve};

/// Sends trains of datagrams of so many bytes, the last of each shorter by one: every byte of a datagram is its number.
fn send_trains(to: &str, len: usize, trains: u8, datagrams: u8) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    setsockopt(&socket, sockopt::UdpGsoSegment, &i32::try_from(len).unwrap()).unwrap();
    for train in 0..trains {
        let bytes = (0..datagrams).flat_map(|number| vec![b'!' + (train * datagrams + number) % 90; len]);
        let bytes: Vec<u8> = bytes.take(len * usize::from(datagrams) - 1).collect();
        assert_eq!(socket.send_to(&bytes, to).unwrap(), bytes.len());
    }
    u64::from(trains) * u64::from(datagrams)
}

#[test]
fn of_a_train_every_datagram_is_shown() {
    let listener = serve(&["listen", "127.0.0.1:0", "--offload", "--json", "--count", "61"]);
    let sent = send_trains(&listener.address(), 100, 4, 15);
    halloo(["send", &listener.address(), "", "-q"]).output().expect_code(0);
    let output = listener.finish().expect_code(0);
    let received = output.events("recv");
    for (number, datagram) in received.iter().take(60).enumerate() {
        let len = if number % 15 == 14 { 99 } else { 100 };
        let byte = char::from(b'!' + number as u8 % 90);
        assert_eq!(datagram["data"], String::from_iter(vec![byte; len]), "{number}");
        assert_eq!((&datagram["len"], &datagram["seq"]), (&len.into(), &number.into()));
        assert!(datagram["truncated"] == false && datagram["ts_src"] == "kernel");
        assert!(datagram["dst"] == listener_address(&output) && datagram["iface"] == "lo");
    }
    assert_eq!(received[60]["len"], 0);
    let summary = output.summary();
    assert_eq!((&summary["received"], &summary["bytes"]), (&(sent + 1).into(), &(60 * 100 - 4).into()));
    assert_eq!((&summary["kernel_drops"], summary.get("kernel_drops_at_least")), (&0.into(), None));
}

fn listener_address(output: &Output) -> Value {
    output.events("listening")[0]["local"].clone()
}

#[test]
fn of_a_train_every_datagram_is_answered() {
    let server = serve(&["echo", "127.0.0.1:0", "--offload", "--json"]);
    let asked = ["--size", "700", "--count", "300", "--interval", "0", "--wait", "9s", "--expect", "300", "--json"];
    halloo([&["send", &*server.address()][..], &asked].concat()).output().expect_code(0);
    server.process.signal("TERM");
    let summary = server.finish().expect_code(0).summary();
    assert_eq!(
        (&summary["received"], &summary["sent"], &summary["kernel_drops"]),
        (&300.into(), &300.into(), &0.into())
    );
}

#[test]
fn of_trains_that_were_dropped_only_the_least_is_told() {
    for json in [true, false] {
        let args = ["listen", "127.0.0.1:0", "--offload", "--receive-buffer", "4096", "--idle", "2s"];
        let listener = serve(&[&args[..], if json { &["--json"] } else { &["-q"] }].concat());
        listener.process.signal("STOP");
        let sent = send_trains(&listener.address(), 1000, 60, 4);
        listener.process.signal("CONT");
        let output = listener.finish().expect_code(0);
        if json {
            let summary = output.summary();
            let [received, drops] = ["received", "kernel_drops"].map(|key| summary[key].as_u64().unwrap());
            assert!(drops > 0 && received + drops < sent, "{summary}");
            assert_eq!((received + 4 * drops, &summary["kernel_drops_at_least"]), (sent, &true.into()), "{summary}");
        } else {
            output.says(&["at least", "dropped by the kernel"]);
        }
    }
}

#[test]
fn what_the_way_does_not_carry_in_one_piece_leaves_datagram_by_datagram() {
    let Some(lan) = Lan::of(&two_hosts()) else { return };
    let [h1, h2] = ["h1", "h2"].map(|name| lan.host(name));
    let server = h2.serve(&["echo", "--lan", "--offload", "--json", "--rate-limit", "off"]);
    // Of an MTU of 1500: 1472 fit; the others travel in pieces, which a train cannot.
    for (size, count) in [("1472", "100"), ("1473", "50"), ("4000", "50"), ("1400", "50")] {
        let many = ["--size", size, "--count", count, "--interval", "0", "--wait", "9s", "--expect", count, "--json"];
        let answers = h1.run(&[&["send", "10.77.0.2"][..], &many].concat()).expect_code(0).events("reply");
        let size = size.parse::<u64>().unwrap();
        assert!(answers.iter().all(|answer| answer["len"] == size), "{size}");
    }
    let summary = server.stop().expect_code(0).summary();
    assert_eq!((&summary["sent"], &summary["failed"]), (&250.into(), &0.into()), "{summary}");
}
