//! When everybody is asked again.

use std::time::Duration;

/// A watching run that knows nobody asks again after this.
const REFRESH: Duration = Duration::from_secs(10);

/// It asks again after this at the earliest (RFC 8085 3.1.3).
const REFRESH_FLOOR: Duration = Duration::from_secs(3);

/// It asks again after this part of the shortest time to live, so that two rounds of silence are no death.
const REFRESH_PART: u32 = 3;

/// The shortest time between two attempts to find what is still missing. It doubles with each.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest time between two.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3);

/// When everybody was asked, and how that ended.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last asking of everybody began.
    began: Duration,
    /// When it, or the last attempt to find the rest, was done.
    ended: Duration,
    /// Attempts that left some missing.
    attempts: u32,
    /// The time of somebody is over who has still to be asked again.
    overdue: bool,
}

impl Pace {
    /// Everybody is asked from now on.
    pub(super) const fn begin(&mut self, now: Duration) {
        self.began = now;
    }

    /// When the last asking of everybody began.
    pub(super) const fn began(&self) -> Duration {
        self.began
    }

    /// Everybody was asked, and somebody is overdue or nobody.
    pub(super) const fn done(&mut self, now: Duration, overdue: bool) {
        (self.ended, self.overdue) = (now, overdue);
    }

    /// Everybody was asked, and some are missing.
    pub(super) const fn missed(&mut self, now: Duration) {
        self.ended = now;
        self.attempts += 1;
    }

    /// When a watching run asks again that knows somebody of this time to live, the shortest: never for more than half of the
    /// time.
    pub(super) fn refresh(&self, ttl: Option<Duration>) -> Duration {
        let part = ttl.map_or(REFRESH, |ttl| ttl / REFRESH_PART);
        let pause = if self.overdue { REFRESH_FLOOR } else { part.max(REFRESH_FLOOR) };
        let rest = self.ended.saturating_sub(self.began);
        (self.began + pause).max(self.ended + rest)
    }

    /// When another run asks for those who are missing still.
    pub(super) fn once_more(&self) -> Duration {
        let patience = PATIENCE * (1 << self.attempts.min(10));
        self.ended + patience.min(LONGEST_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_as_long_as_it_asked_and_asks_soon_who_is_overdue() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::default();
        let mut again = |ended, overdue, ttl: Option<u64>| {
            pace.begin(seconds(100));
            pace.done(seconds(ended), overdue);
            pace.refresh(ttl.map(seconds)).as_secs()
        };
        assert_eq!([again(101, false, None), again(101, false, Some(60)), again(101, false, Some(3))], [110, 120, 103]);
        assert_eq!([again(101, true, Some(60)), again(107, false, Some(3)), again(130, true, None)], [103, 114, 160]);
    }

    #[test]
    fn it_loses_patience_slowly() {
        let mut pace = Pace::default();
        let gaps = [(); 7].map(|()| {
            pace.missed(Duration::ZERO);
            pace.once_more().as_millis()
        });
        assert_eq!(gaps, [200, 400, 800, 1_600, 3_000, 3_000, 3_000]);
    }
}
