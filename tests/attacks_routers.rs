//! What a stranger on the LAN can do who speaks as a router, and cannot.

#![cfg(all(target_os = "linux", feature = "lab"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests; the clock here is not the product's"
)]

mod support;

use std::time::{Duration, Instant};

use support::PATIENCE;
use support::forge::{Forger, advertisement, hardware};
use support::lan::{Host, Lan, link_local};

/// Waits until what `ip` says of the IPv6 addresses of `e0` is so, line by line.
fn wait_for_address(host: Host<'_>, is_it: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !host.ip("-6 -o addr show dev e0").out().lines().any(&is_it) {
        assert!(Instant::now() < deadline, "no such address: {}", host.ip("-6 -o addr show dev e0"));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_address_that_a_forged_router_gives_is_not_sent_from_where_there_is_one_that_was_set_up() {
    let Some(lan) = Lan::new() else { return };
    let (client, server, stranger) = (lan.host("h1"), lan.host("h2"), lan.host("h3"));
    client.within(|| std::fs::write("/proc/sys/net/ipv6/conf/e0/accept_ra", "1")).unwrap().unwrap();
    client.ip("-6 addr add fd77::1/64 dev e0 nodad").expect_code(0);
    // No subnet of the client's, and yet a way there.
    client.ip("-6 route add fd00:ba::/64 dev e0").expect_code(0);
    server.ip("-6 addr add fd00:ba::2/64 dev e0 nodad").expect_code(0);
    let listener = server.serve(&["listen", "[::]:1060", "--json"]);
    let router = link_local("10.77.0.3").parse().unwrap();
    let forged = advertisement(router, "fd00:bad::".parse().unwrap());
    Forger::new(stranger, "e0").send(hardware(client, "e0"), &forged);
    // While it is tried out, which Linux does for a second, and when it is good.
    for is_good in [false, true] {
        wait_for_address(client, |line| line.contains("fd00:bad:") && !(is_good && line.contains("tentative")));
        client.run(&["send", "fd00:ba::2", "hi", "--interface", "e0"]).expect_code(0);
    }
    listener.process.wait_events("recv", 2);
    for came in listener.stop().expect_code(0).events("recv") {
        assert!(came["src"].as_str().unwrap().starts_with("[fd77::1]:"), "{came}");
    }
}
