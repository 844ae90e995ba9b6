//! What a run of probes is to be.

use std::time::Duration;

use crate::model::Destination;
use crate::model::event::{Notice, Skipped};
#[cfg(doc)]
use crate::wire::probe;
use crate::wire::probe::RunId;

/// What counts as an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Match {
    /// The probe itself, whole.
    Probe,
    /// Anything: the peer has an answer of its own. Where one host is asked, anything from there.
    Any,
}

/// Whom to probe, how often and how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every probe goes to each of them.
    pub destinations: Vec<Destination>,
    /// Interfaces left out, to be told.
    pub skipped: Vec<Skipped>,
    /// What the user should know, to be told.
    pub notices: Vec<Notice>,
    /// The run's random number.
    pub run: RunId,
    /// Payload bytes of a probe; at least [`probe::HEADER`].
    pub size: usize,
    /// So many probes; `None` goes on until the end is asked for.
    pub count: Option<u32>,
    /// The time from one probe to the next.
    pub interval: Duration,
    /// The end of the run, whatever is outstanding.
    pub deadline: Option<Duration>,
    /// How long an answer is in time; also how long answers to the last probe are waited for.
    pub wait: Duration,
    /// So many responders that answered everything end the run, and fewer that answered anything in time are an error; `None` is
    /// the one host that is asked, or anybody of all.
    pub expect: Option<u64>,
    /// What counts as an answer.
    pub matching: Match,
    /// The interval is kept even if nobody answers.
    pub flood: bool,
    /// A probe that is never answered is an error, whatever else was.
    pub fail_on_loss: bool,
    /// The first probe that does not leave ends the run.
    pub fail_fast: bool,
    /// Some sent and some not is good enough.
    pub lenient: bool,
}

impl Plan {
    /// Probes of 64 bytes to `destinations`, one a second, each to be answered within a second, until the end is asked for.
    pub const fn to(destinations: Vec<Destination>, run: RunId) -> Self {
        Self {
            destinations,
            skipped: Vec::new(),
            notices: Vec::new(),
            run,
            size: 64,
            count: None,
            interval: Duration::from_secs(1),
            deadline: None,
            wait: Duration::from_secs(1),
            expect: None,
            matching: Match::Probe,
            flood: false,
            fail_on_loss: false,
            fail_fast: false,
            lenient: false,
        }
    }
}
