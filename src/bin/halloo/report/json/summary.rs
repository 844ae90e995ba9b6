//! The last object: what a run adds up to.

use std::collections::BTreeMap;

use halloo::model::Stats;
use halloo::model::lesson::Tally;
use halloo::model::stats::Answered;
use serde::Serialize;

use super::shape::Ts;
use crate::report::words;

/// Every counter, also those that a command does not have.
#[derive(Serialize)]
pub(super) struct Summary {
    ts: Ts,
    sent: u64,
    sent_bytes: u64,
    answered: Option<Answers>,
    attempted: Option<u64>,
    failed: u64,
    failed_by: BTreeMap<&'static str, u64>,
    unsent: BTreeMap<&'static str, u64>,
    skipped: u64,
    received: u64,
    bytes: u64,
    peers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    peers_at_least: Option<bool>,
    truncated: u64,
    filtered: u64,
    unread: u64,
    ignored: BTreeMap<&'static str, u64>,
    kernel_drops: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_drops_at_least: Option<bool>,
    output_drops: Option<u64>,
    duplicates: Option<u64>,
    late: Option<u64>,
    lost: Option<u64>,
    in_flight: Option<u64>,
    reordered: Option<u64>,
    replies: Option<u64>,
    responders: Option<u64>,
    merged: Option<u64>,
    refused: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lessons: Option<Lessons>,
    elapsed_s: f64,
    exit: u8,
}

#[derive(Serialize)]
struct Answers {
    sent: u64,
    failed: u64,
}

/// Lessons by how they went.
#[derive(Serialize)]
struct Lessons {
    ok: u64,
    surprise: u64,
    skip: u64,
}

impl Summary {
    /// The object of these counters.
    pub(super) fn of(ts: Ts, stats: &Stats) -> Self {
        Self {
            ts,
            sent: stats.sent,
            sent_bytes: stats.sent_bytes,
            answered: stats.answered.map(|Answered { sent, failed }| Answers { sent, failed }),
            attempted: stats.attempted,
            failed: stats.failed,
            failed_by: stats.failed_by.iter().map(|(kind, count)| (words::fault(*kind), *count)).collect(),
            unsent: stats.unsent.iter().map(|(why, count)| (why.name(), *count)).collect(),
            skipped: stats.skipped,
            received: stats.received,
            bytes: stats.bytes,
            peers: stats.peers.len(),
            peers_at_least: stats.peers.is_full().then_some(true),
            truncated: stats.truncated,
            filtered: stats.filtered,
            unread: stats.unread,
            ignored: stats.ignored.iter().map(|(why, count)| (why.name(), *count)).collect(),
            kernel_drops: stats.kernel_drops,
            kernel_drops_at_least: stats.drops_at_least.then_some(true),
            output_drops: stats.output_drops,
            duplicates: stats.duplicates,
            late: stats.late,
            lost: stats.lost,
            in_flight: stats.in_flight,
            reordered: stats.reordered,
            replies: stats.replies,
            responders: stats.responders,
            merged: stats.merged,
            refused: stats.refused,
            lessons: stats.lessons.map(|Tally { ok, surprise, skip }| Lessons { ok, surprise, skip }),
            elapsed_s: stats.elapsed.as_secs_f64(),
            exit: stats.exit(),
        }
    }
}
