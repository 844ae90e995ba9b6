//! Answers that could not be sent, or were refused: counted always, told now and then.

use std::time::Duration;

use crate::engine::Out;
use crate::model::event::{Outcome, Refusal};
use crate::model::{Event, Fault, Now, Stats};

/// Failures and refusals are told once in so long: whoever sends to a server decides how many there are of them, and must not
/// fill a disk or stop a reader.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// When mishaps were last told. None of them ends the service for the others (RFC 8085 5.2).
#[derive(Debug, Default)]
pub(super) struct Mishaps {
    failed: Option<Duration>,
    refused: Option<Duration>,
}

impl Mishaps {
    /// The system did not take a datagram.
    pub(super) fn failed(&mut self, now: Now, outcome: &Outcome, fault: Fault, stats: &mut Stats, out: &mut dyn Out) {
        stats.failed += 1;
        if is_due(&mut self.failed, now) {
            out.tell(&outcome.failed(fault));
        }
    }

    /// The network says that a datagram was not delivered.
    pub(super) fn refused(&mut self, now: Now, refusal: &Refusal, stats: &mut Stats, out: &mut dyn Out) {
        stats.refused += 1;
        if is_due(&mut self.refused, now) {
            out.tell(&Event::Refused(refusal.clone()));
        }
    }
}

/// Whether it is time to tell again; then it counts as told.
fn is_due(last: &mut Option<Duration>, now: Now) -> bool {
    let due = last.is_none_or(|last| now.run.saturating_sub(last) >= TELL_EVERY);
    if due {
        *last = Some(now.run);
    }
    due
}
