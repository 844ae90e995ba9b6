//! How long the host slept.

use std::time::Duration;

use crate::model::Now;

/// What the wall clock may gain or lose against the run's between two looks without having been set.
const JUMP: Duration = Duration::from_secs(2);

/// A watching run looks at the clock so often: a host that slept asks as soon after it as this.
const TICK: Duration = Duration::from_secs(2);

/// The two clocks when they were last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    last: Option<Now>,
    /// What the wall clock gained on the other, in jumps.
    slept: Duration,
}

impl Clock {
    /// When it is to be looked at again, if it ever was.
    pub(super) fn tick(&self) -> Option<Duration> {
        self.last.map(|last| last.run + TICK)
    }

    /// This moment of the run, with the time that the host slept.
    pub(super) fn time(&self, run: Duration) -> Duration {
        run + self.slept
    }

    /// The moment of the run that has this time.
    pub(super) const fn run(&self, time: Duration) -> Duration {
        time.saturating_sub(self.slept)
    }

    /// Whether the wall clock has gone another way than the run's since the last look.
    pub(super) fn jumped(&mut self, now: Now) -> bool {
        let Some(before) = self.last.replace(now) else { return false };
        let passed = now.run.saturating_sub(before.run);
        match now.wall.duration_since(before.wall) {
            Ok(wall) if wall > passed + JUMP => {
                self.slept += wall - passed;
                true
            }
            Ok(wall) => passed > wall + JUMP,
            Err(back) => back.duration() + passed > JUMP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn jumps_are_told_from_time_that_passes() {
        let start = Now { run: Duration::ZERO, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000) };
        let later = |run: u64, wall: u64| Now {
            run: Duration::from_secs(run),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
        };
        let jumped = |now| Clock { last: Some(start), ..Clock::default() }.jumped(now);
        assert!(!jumped(later(500, 1_500)) && !jumped(later(500, 1_501)));
        assert!(jumped(later(500, 1_600)) && jumped(later(500, 1_400)) && jumped(later(1, 900)));
    }
}
