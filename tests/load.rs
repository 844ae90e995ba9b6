//! Under load every datagram is accounted for: sent = received + dropped by the kernel.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::PATIENCE;
use support::flood;
use support::program::{halloo, serve};

const MANY: u64 = 100_000;

/// Often enough for a miscount that depends on the moment to show.
const RUNS: u32 = 3;

/// halloo sends to halloo as fast as it can. Returns how many of all runs were dropped.
fn flood(size: &str, flags: &[&str]) -> u64 {
    let flood = || {
        let listener = serve(&[&["listen", "127.0.0.1:0", "-q"], flags].concat());
        let (to, count) = (listener.address(), MANY.to_string());
        let sender = halloo(["send", &to, "--size", size, "--count", &count, "--interval", "0", "-q"]).output();
        assert_eq!(sender.expect_code(0).summed_up(" sent"), MANY);
        flood::drained(&[listener.port()], PATIENCE);
        let listener = listener.stop().expect_code(0);
        let (received, dropped) = (listener.summed_up(" datagrams, "), listener.summed_up(" dropped by the kernel"));
        assert_eq!(received + dropped, MANY, "{listener}");
        dropped
    };
    (0..RUNS).map(|_| flood()).sum()
}

#[test]
fn small_datagrams() {
    flood("64", &[]);
}

#[test]
fn datagrams_that_fill_a_packet() {
    flood("1400", &[]);
}

#[test]
fn small_datagrams_and_a_small_buffer() {
    assert!(flood("64", &["--receive-buffer", "4096"]) > 0);
}

#[test]
fn datagrams_that_fill_a_packet_and_a_small_buffer() {
    assert!(flood("1400", &["--receive-buffer", "4096"]) > 0);
}
