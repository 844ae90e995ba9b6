//! Whether the host slept.

use std::time::Duration;

use crate::model::Now;

/// What the wall clock may gain or lose against the run's between two looks without having been set.
const JUMP: Duration = Duration::from_secs(2);

/// The two clocks when they were last looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) last: Now,
    /// What the wall clock gained on the other, in jumps.
    pub(super) slept: Duration,
}

impl Clock {
    /// Whether the wall clock has gone another way than the run's since the last look.
    pub(super) fn jumped(&mut self, now: Now) -> bool {
        let passed = now.run.saturating_sub(self.last.run);
        let before = std::mem::replace(&mut self.last, now);
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
        let jumped = |now| Clock { last: start, slept: Duration::ZERO }.jumped(now);
        assert!(!jumped(later(500, 1_500)) && !jumped(later(500, 1_501)));
        assert!(jumped(later(500, 1_600)) && jumped(later(500, 1_400)) && jumped(later(1, 900)));
    }
}
