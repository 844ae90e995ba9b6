//! How often a service is told of, so that one that says something else with every datagram has no line for each.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::model::service::{Change, InstanceId};

/// The time from one change of a service to the next that is told, in the long run. A service says something else when it is
/// started again; what does so more often than once a second is broken or made up, and nobody could read it.
const EVERY: Duration = Duration::from_secs(1);

/// So many changes are told at once: one that is started again may be gone, be found, and say more by another path.
const AT_ONCE: u32 = 4;

/// When a change is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Now,
    /// Later, as it is then.
    Later,
    /// With one before it that waits.
    Merged,
}

/// What was told of services, as far as it keeps others from being told.
#[derive(Debug, Default)]
pub(super) struct Turns {
    shares: HashMap<InstanceId, Share>,
    /// Those whose change waits, and until when.
    waiting: BTreeSet<(Duration, InstanceId)>,
}

/// What one service has had of its share of the lines.
#[derive(Debug)]
struct Share {
    /// Until when it is used: each line moves it on by [`EVERY`].
    used: Duration,
    /// It was last told to be there.
    there: bool,
    waits: bool,
}

impl Share {
    /// When it may be told of again.
    const fn free(&self) -> Duration {
        self.used.saturating_sub(EVERY.saturating_mul(AT_ONCE - 1))
    }

    fn tell(&mut self, now: Duration, change: Change) {
        self.used = self.used.max(now) + EVERY;
        self.there = change != Change::Gone;
    }
}

impl Turns {
    /// Whether a change is told now. If so, it counts as told.
    pub(super) fn turn(&mut self, now: Duration, id: InstanceId, change: Change) -> Turn {
        let share = self.shares.entry(id).or_insert(Share { used: now, there: false, waits: false });
        if share.waits {
            return Turn::Merged;
        }
        if share.free() > now {
            share.waits = true;
            self.waiting.insert((share.free(), id));
            return Turn::Later;
        }
        share.tell(now, change);
        Turn::Now
    }

    /// When the next one that waits is told.
    pub(super) fn next(&self) -> Option<Duration> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Takes one that waits, and has its turn by `until`.
    pub(super) fn take(&mut self, until: Duration) -> Option<InstanceId> {
        self.waiting.first().filter(|(at, _)| *at <= until)?;
        let (_, id) = self.waiting.pop_first()?;
        Some(id)
    }

    /// What is told of one that waited: it is there now, or is not. None where that was told last: it came and went meanwhile.
    pub(super) fn settle(&mut self, now: Duration, id: InstanceId, there: bool) -> Option<Change> {
        let share = self.shares.get_mut(&id)?;
        share.waits = false;
        let change = match (share.there, there) {
            (true, true) => Change::Updated,
            (false, true) => Change::Found,
            (true, false) => Change::Gone,
            (false, false) => return None,
        };
        share.tell(now, change);
        Some(change)
    }

    /// It is gone for good.
    pub(super) fn forget(&mut self, id: InstanceId) {
        if let Some(share) = self.shares.remove(&id).filter(|share| share.waits) {
            self.waiting.remove(&(share.free(), id));
        }
    }

    /// Forgets those who may be told of as if nothing had been.
    pub(super) fn tidy(&mut self, now: Duration) {
        self.shares.retain(|_, share| share.waits || share.used > now);
    }
}
