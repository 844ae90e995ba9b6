//! The time that `ping` takes does not grow with how many answer, or with how many probes are open.
//!
//! Whoever sees a probe can answer it from as many addresses and as often as they like.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::net::SocketAddr;
use std::time::Instant;

use halloo::engine::ping::{Match, Plan};
use halloo::model::Cast;
use support::strangers::{MS, World, everybody, plan, probe, stranger};

#[test]
fn a_run_with_many_responders_and_a_long_wait_ends_at_once() {
    let mut world = World::new(everybody(60_000 * MS));
    world.probe(50_000, 1000 * MS);
    for seq in [0, 40_000] {
        world.forge(20_000, seq);
    }
    let took = world.finish();
    assert!(took < 2000 * MS, "{took:?}");
    // Each of so many remembers 4096 probes behind the last that it answered. What is further back is lost; what is not can
    // still be answered.
    let lost = 20_000 * (40_000 - 4096 - 1);
    assert_eq!((world.told("responder"), world.stats().lost), (20_000, Some(lost)));
}

#[test]
fn with_many_responders_a_probe_costs_no_more() {
    let mut world = World::new(everybody(60_000 * MS));
    world.forge(20_000, 0);
    let (began, told) = (Instant::now(), world.told("progress"));
    world.probe(200_000, 3000 * MS);
    assert!(began.elapsed() < 10_000 * MS, "{:?}", began.elapsed());
    let told = world.told("progress") - told;
    assert!((20..=31).contains(&told), "how far it is was told {told} times in 3 s");
}

#[test]
fn probes_that_do_not_leave_cost_no_more_and_an_answer_to_one_is_made_up() {
    let mut world = World::new(everybody(60_000 * MS));
    let began = Instant::now();
    // Every second probe does not leave: of one burst the last is among them, of the next it is not.
    for step in 0..4000 {
        world.fails = Some((step as usize + 1) % 2);
        world.probe(64, MS);
        world.answer(stranger(7), &probe(64 * step + 1 + 63));
    }
    assert!(began.elapsed() < 10_000 * MS, "{:?}", began.elapsed());
    let foreign = world.told("ignored");
    world.finish();
    assert_eq!((foreign, world.stats().replies), (2000, Some(2000)));
    assert_eq!(world.stats().failed, 2000 * 64);
}

#[test]
fn with_any_answer_the_oldest_open_probe_is_found_without_a_search() {
    let mut world = World::new(Plan { matching: Match::Any, ..plan(Cast::Unicast, 60_000 * MS) });
    let began = Instant::now();
    for _ in 0..2000 {
        world.probe(64, MS);
        (0..64).for_each(|_| world.answer(SocketAddr::from(([10, 9, 9, 9], 1060)), b"hi"));
    }
    world.finish();
    assert!(began.elapsed() < 10_000 * MS, "{:?}", began.elapsed());
    assert_eq!((world.stats().replies, world.stats().lost), (Some(2000 * 64), Some(0)));
}
