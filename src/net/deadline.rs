//! Deadlines of waits that no engine has: for one socket, and those of the lab.

use std::time::{Duration, Instant};

/// A time to give up at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// None at all.
    pub(crate) const NEVER: Self = Self(None);

    /// So long from now. What is too far off to be told is never.
    pub(crate) fn after(patience: Duration) -> Self {
        Self(now().checked_add(patience))
    }

    /// How long there is still to wait; zero when it is over.
    pub(crate) fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(now()))
    }

    pub(crate) fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "such a wait ends by a clock of its own: no engine is told the time by it"
)]
fn now() -> Instant {
    Instant::now()
}
