//! The memory of `ping` stays within what is written down, whoever forges answers. A process of its own: its memory is measured.
//!
//! Whoever sees a probe can answer it from as many addresses and as often as they like.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use halloo::engine::ping::{MOST_MEMORY, MOST_RESPONDERS};
use support::strangers::{MS, World, everybody, probe, stranger};

/// The most memory that this process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn forged_responders_take_no_more_memory_than_is_written_down() {
    let mut world = World::new(everybody(60_000 * MS));
    // As far as one responder's memory reaches, and what the run itself needs for that is no responder's.
    world.probe(1_100_000, 1000 * MS);
    let before = peak();
    // From the first that is remembered to the last, and then as many as are kept; some more, for histograms.
    for seq in [60_000, 1_090_000].into_iter().chain(1_091_000..1_091_016) {
        world.forge(MOST_RESPONDERS, seq);
    }
    (1_091_016..1_091_040).for_each(|seq| world.forge(1000, seq));
    world.answer(stranger(MOST_RESPONDERS), &probe(5));
    assert!(world.told("ignored") > 0, "one more is too many");
    let took = peak() - before;
    // Less than a quarter of it would mean that the measuring is wrong.
    assert!(took > MOST_MEMORY / 4, "{} MiB", took >> 20);
    assert!(took < MOST_MEMORY, "{} MiB for {MOST_RESPONDERS} responders", took >> 20);
    world.finish();
    assert_eq!(world.told("responder"), MOST_RESPONDERS as u64);
}
