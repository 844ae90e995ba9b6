//! What can happen again and again is told once a minute.

use std::time::Duration;

use crate::model::Now;

/// The least time between two lines of one thing: others decide how often it happens, and must not fill a disk or stop a reader.
const EVERY: Duration = Duration::from_secs(60);

/// When a thing was last told, and how often it has happened since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    last: Option<Duration>,
    held: u64,
}

impl Told {
    /// It happens. If it is time to tell, then it counts as told, and so many before it were not, since the last that was.
    /// `None` if it is not.
    pub(super) fn tell(&mut self, now: Now) -> Option<u64> {
        if self.last.is_some_and(|last| now.run.saturating_sub(last) < EVERY) {
            self.held += 1;
            return None;
        }
        self.last = Some(now.run);
        Some(std::mem::take(&mut self.held))
    }
}
