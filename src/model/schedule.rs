//! Pace and count as one value.

use std::time::Duration;

/// How often a list of records is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// So many times; at least once makes sense.
    Times(u64),
    /// Until something else ends the run.
    Forever,
}

impl Repeat {
    /// Whether there is another round after `done` rounds.
    pub fn more_after(self, done: u64) -> bool {
        self.left_after(done) > 0
    }

    /// How many rounds there are after `done` rounds, at least.
    pub fn left_after(self, done: u64) -> u64 {
        match self {
            Self::Times(times) => times.saturating_sub(done),
            Self::Forever => u64::MAX,
        }
    }

    /// Whether the list is sent once only.
    pub fn is_once(self) -> bool {
        self == Self::Times(1)
    }
}

/// When datagrams leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// How often the whole list is sent.
    pub rounds: Repeat,
    /// The time from one round's last datagram to the next round's first.
    pub between_rounds: Duration,
    /// The time from one record to the next within a round; zero sends them back to back.
    pub between_records: Duration,
}

impl Schedule {
    /// The list once, back to back.
    pub const ONCE: Self =
        Self { rounds: Repeat::Times(1), between_rounds: Duration::ZERO, between_records: Duration::ZERO };
}
