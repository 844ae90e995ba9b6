//! Announcements and goodbyes: reasons to ask, which are followed up together, a few at a time, and ever more seldom while
//! nothing comes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::found::Found;
use crate::model::Service;
use crate::model::service::InstanceId;
use crate::wire::beacon::Order;

/// Hints followed up at once. What is beyond is found when everybody is asked.
pub(super) const MOST_HINTS: usize = 32;

/// The time between two follow-ups, while something comes of them.
const GAP: Duration = Duration::from_secs(1);

/// The longest time between two. Who is new is found then without a hint, when everybody is asked.
const LONGEST_GAP: Duration = Duration::from_secs(10);

/// What was said of an instance, by anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hint {
    /// It is there, and stands here among its messages.
    Came(Order),
    /// It goes.
    Went,
}

/// The hints of a run.
#[derive(Debug)]
pub(super) struct Hints {
    waiting: BTreeMap<InstanceId, Hint>,
    /// Those that are followed up.
    followed: BTreeMap<InstanceId, Hint>,
    /// Those that wait are to wait until then.
    at: Option<Duration>,
    /// When a follow-up last began.
    last: Duration,
    /// How many services were believed then.
    believed: u64,
    /// The time until the next one at the earliest.
    gap: Duration,
}

impl Hints {
    pub(super) fn new() -> Self {
        let (waiting, followed) = (BTreeMap::new(), BTreeMap::new());
        Self { waiting, followed, at: None, last: Duration::ZERO, believed: 0, gap: GAP }
    }

    /// Takes one, to be followed up at this time at the earliest.
    pub(super) fn add(&mut self, id: InstanceId, hint: Hint, soon: Duration) {
        if self.waiting.len() < MOST_HINTS {
            self.waiting.insert(id, hint);
        }
        self.at.get_or_insert(soon);
    }

    /// When those that wait are to be followed up.
    pub(super) fn due(&self) -> Option<Duration> {
        self.at.map(|at| at.max(self.last + self.gap))
    }

    /// Begins to follow up those that wait, while so many services are believed.
    pub(super) fn follow(&mut self, now: Duration, believed: u64) {
        self.at = None;
        (self.last, self.believed) = (now, believed);
        self.followed = std::mem::take(&mut self.waiting);
    }

    /// Those that are followed up.
    pub(super) const fn followed(&self) -> &BTreeMap<InstanceId, Hint> {
        &self.followed
    }

    /// When they began to be followed up.
    pub(super) const fn since(&self) -> Duration {
        self.last
    }

    /// They have been followed up, since this time: whatever is true of them has shown by now. Takes those out of `found` that
    /// did go.
    pub(super) fn settle(&mut self, since: Duration, found: &mut Found) -> Vec<Service> {
        let gone = found.take_doubted(since, &self.followed);
        let came = |(id, hint): (&InstanceId, &Hint)| matches!(hint, Hint::Came(order) if !found.is_news(*id, *order));
        let more = found.believed() + gone.len() as u64 > self.believed;
        self.done(more || !gone.is_empty() || self.followed.iter().any(came));
        gone
    }

    /// Something came of one of them, or nothing of any.
    fn done(&mut self, fruitful: bool) {
        self.followed.clear();
        self.gap = if fruitful { GAP } else { (self.gap * 2).min(LONGEST_GAP) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_fruitless_is_followed_up_ever_more_seldom() {
        let mut hints = Hints::new();
        let mut now = GAP;
        let mut gaps = Vec::new();
        for fruitful in [false, false, false, false, false, true, false] {
            hints.add(InstanceId(1), Hint::Went, now);
            let due = hints.due().unwrap();
            gaps.push((due - now).as_secs());
            now = due;
            hints.follow(now, 0);
            assert_eq!((hints.due(), hints.followed().len()), (None, 1));
            hints.done(fruitful);
        }
        assert_eq!(gaps, [0, 2, 4, 8, 10, 10, 1]);
    }

    #[test]
    fn a_flood_is_kept_to_a_few() {
        let mut hints = Hints::new();
        for id in 0..1_000 {
            hints.add(InstanceId(id), Hint::Went, Duration::from_secs(id));
        }
        assert_eq!((hints.waiting.len(), hints.due()), (MOST_HINTS, Some(GAP)));
    }
}
