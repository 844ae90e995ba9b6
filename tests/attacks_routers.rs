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

use halloo::lab::topology;
use support::PATIENCE;
use support::forge::{Forger, advertisement, hardware, too_long};
use support::lan::{Host, Lan, link_local};
use support::program::{number, numbers};

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

#[test]
fn one_forged_message_that_a_packet_was_too_long_ends_no_series() {
    let Some(lan) = Lan::new() else { return };
    let (client, server, stranger) = (lan.host("h1"), lan.host("h2"), lan.host("h3"));
    let [own, there, router] = ["10.77.0.1", "10.77.0.2", "10.77.0.3"].map(link_local);
    let ways = [
        ("10.77.0.1:5555".to_owned(), "10.77.0.2:1060".to_owned(), "10.77.0.3".to_owned(), 552, ":1060"),
        (format!("[{own}]:5555"), format!("[{there}]:1060"), router, 1280, "[::]:1060"),
    ];
    for (from, to, router, mtu, listen) in ways {
        let listener = server.serve(&["listen", listen, "--json"]);
        let named = to.replace("]", "%e0]");
        let args = ["send", &named, "--size", "1400", "--dont-fragment"];
        let series = [&args[..], &["--count", "5", "--interval", "200ms", "--from", ":5555", "--json"]].concat();
        let series = client.halloo(&series).start();
        series.wait_event("sent");
        let forged = too_long(router.parse().unwrap(), mtu, (from.parse().unwrap(), to.parse().unwrap()));
        Forger::new(stranger, "e0").send(hardware(client, "e0"), &forged);
        assert_eq!(number(&series.wait_event("refused"), "mtu"), u64::from(mtu));
        let summary = series.finish().expect_code(5).summary();
        assert_eq!(numbers(&summary, ["attempted", "sent", "failed"]), [5, 5, 0], "{summary}");
        // Nor is it remembered against the next.
        client.run(&args).expect_code(0);
        let came = listener.process.wait_events("recv", 6);
        assert!(came.iter().all(|came| number(came, "len") == 1400));
        listener.stop().expect_code(0);
    }
}

#[test]
fn what_a_router_has_no_room_for_is_refused_with_its_number_and_the_rest_goes() {
    let Some(lan) = Lan::of(&topology::routed()) else { return };
    let (alice, dave) = (lan.host("alice"), lan.host("dave"));
    lan.host("multi").set_mtu("e1", 600).unwrap();
    let listener = dave.serve(&["listen", "--json"]);
    let long = "x".repeat(1000);
    let args = ["send", "10.8.0.4", &long, "fits", &long, "last", "--dont-fragment", "--interval", "50ms", "--json"];
    let output = alice.run(&args).expect_code(5);
    assert_eq!(numbers(&output.summary(), ["attempted", "sent", "failed"]), [4, 4, 0], "{output}");
    let refused = output.events("refused");
    assert!(refused.iter().all(|told| told["by"] == "10.9.0.9" && number(told, "mtu") == 600), "{output}");
    assert!(!refused.is_empty(), "{output}");
    output.shows(&["600 B"]);
    let came = listener.process.wait_events("recv", 2);
    assert!(came.iter().all(|came| number(came, "len") == 4));
    listener.stop().expect_code(0);
}
