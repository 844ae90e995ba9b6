//! Deadlines. The lab waits for facts, and gives up at a time.

use std::time::{Duration, Instant};

/// A time to give up at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// So long from now. What is too far off to be told is never.
    pub(super) fn after(patience: Duration) -> Self {
        Self(now().checked_add(patience))
    }

    /// How long there is still to wait; zero when it is over.
    pub(super) fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(now()))
    }

    pub(super) fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

#[expect(clippy::disallowed_methods, reason = "the lab has no engine: its waits end by a clock of its own")]
fn now() -> Instant {
    Instant::now()
}
