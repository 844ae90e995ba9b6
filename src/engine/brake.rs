//! A brake for sends that fail one after the other: a long series slows down when none of them leaves (RFC 8085 3.1.10).

use std::time::Duration;

use crate::engine::Out;
use crate::engine::told::Told;
use crate::model::event::Notice;
use crate::model::{Event, Now};

/// So many failures in a row are no chance any more: as many as leave back to back, so that one burst finds out.
const IN_A_ROW: u32 = 64;

/// The pace then: short enough that whoever watches sees it end, and 10 tries a second burden nobody.
const FIRST: Duration = Duration::from_millis(100);

/// It doubles up to what RFC 8085 3.1.3 allows without any return traffic.
const MOST: Duration = Duration::from_secs(3);

/// The brake. Nothing leaves before [`Brake::until`].
#[derive(Debug, Default)]
pub(super) struct Brake {
    failures: u32,
    /// The time to the next try after a failure; zero when the brake is off.
    gap: Duration,
    until: Duration,
    told: Told,
}

impl Brake {
    /// Not before this time of the run.
    pub(super) const fn until(&self) -> Duration {
        self.until
    }

    pub(super) const fn is_on(&self) -> bool {
        !self.gap.is_zero()
    }

    /// Something is tried. When the brake is on, the next try is not before this one had its time to fail.
    pub(super) fn leaves(&mut self, now: Now) {
        if self.is_on() {
            self.until = now.run + self.gap;
            self.gap = (self.gap * 2).min(MOST);
        }
    }

    /// A datagram left.
    pub(super) const fn sent(&mut self) {
        *self = Self { told: self.told, failures: 0, gap: Duration::ZERO, until: Duration::ZERO };
    }

    /// The system did not take a datagram.
    pub(super) fn failed(&mut self, now: Now, out: &mut dyn Out) {
        if self.counts(now) && self.told.tell(now).is_some() {
            out.tell(&Event::Notice(Notice::SendsSlowed { failures: self.failures, most: MOST }));
        }
    }

    /// A datagram was not tried. That costs nothing, so it never gets slower than at first.
    pub(super) fn stayed(&mut self, now: Now) {
        self.counts(now);
        if self.is_on() {
            self.until = self.until.max(now.run + FIRST);
        }
    }

    /// The interfaces are others than before: what failed may go now.
    pub(super) fn rewired(&mut self) {
        self.until = Duration::ZERO;
        self.gap = self.gap.min(FIRST);
    }

    /// Counts one more, and says whether that was the one to put the brake on.
    fn counts(&mut self, now: Now) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.is_on() || self.failures < IN_A_ROW {
            return false;
        }
        self.gap = FIRST;
        self.leaves(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{Said, at};

    /// Fails as soon as it may, from a time on: so many times.
    fn fails(brake: &mut Brake, from: u64, times: usize, said: &mut Said) -> Vec<u64> {
        let mut now = from;
        let mut fail = || {
            let this = now;
            brake.leaves(at(this));
            brake.failed(at(this), said);
            now = this.max(brake.until().as_millis() as u64);
            this
        };
        (0..times).map(|_| fail()).collect()
    }

    #[test]
    fn after_64_failures_in_a_row_it_slows_down_until_one_leaves() {
        let (mut brake, mut said) = (Brake::default(), Said::default());
        assert_eq!(fails(&mut brake, 7, 63, &mut said), [7; 63]);
        assert!(!brake.is_on());
        let slower = [7, 107, 307, 707, 1507, 3107, 6107, 9107];
        assert_eq!(fails(&mut brake, 7, 8, &mut said), slower);
        assert!(brake.is_on());
        brake.sent();
        assert!(!brake.is_on() && brake.until() == Duration::ZERO);
        assert_eq!(
            fails(&mut brake, 9_200, 65, &mut said),
            [9_200; 65][..64].iter().copied().chain([9_300]).collect::<Vec<_>>()
        );
        assert_eq!(said.ways, ["slowed"], "told once a minute");
    }

    #[test]
    fn all_that_fail_at_one_moment_slow_it_down_once() {
        let (mut brake, mut said) = (Brake::default(), Said::default());
        for _ in 0..500 {
            brake.leaves(at(0));
        }
        for _ in 0..500 {
            brake.failed(at(0), &mut said);
        }
        assert_eq!(brake.until(), FIRST);
    }

    #[test]
    fn what_is_not_tried_never_gets_slower_than_at_first_and_another_network_is_tried_at_once() {
        let mut brake = Brake::default();
        for _ in 0..IN_A_ROW {
            brake.stayed(at(0));
        }
        for now in [100, 200, 300] {
            assert_eq!(brake.until(), Duration::from_millis(now));
            brake.stayed(at(now));
        }
        brake.rewired();
        assert_eq!(brake.until(), Duration::ZERO);
        brake.leaves(at(310));
        brake.failed(at(310), &mut Said::default());
        assert_eq!(brake.until(), Duration::from_millis(410));
    }
}
