//! Which answers are waited for.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;

use super::refused::Mistake;
use super::values;

/// The answers.
#[derive(Args, Debug)]
#[command(next_help_heading = "Answers")]
#[group(skip)]
pub(crate) struct Answers {
    /// Collect answers for so long after the last datagram; none is exit code 1
    #[arg(long, value_name = "DURATION", value_parser = values::wait)]
    wait: Option<Duration>,
    /// End as soon as N answers came; fewer are exit code 1
    ///
    /// Duplicates and this host's own datagrams do not count. Without --wait, the wait is 1s.
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(crate) expect: Option<NonZeroU64>,
    /// End after N answers, however many were expected
    ///
    /// That fewer come is no failure as long as one does. Without --wait, the wait is 1s.
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(crate) max: Option<NonZeroU64>,
    /// How long to stay for an ICMP refusal when no answers are awaited
    ///
    /// The refusal says that nobody listens there (exit code 5). 0 leaves right after the last datagram.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "20ms")]
    pub(crate) linger: Duration,
}

/// The deadline of those who want answers and do not say until when.
const WAIT: Duration = Duration::from_secs(1);

impl Answers {
    /// How long answers are waited for, or `None` if none are.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let wanted = self.expect.is_some() || self.max.is_some();
        self.wait.or(wanted.then_some(WAIT))
    }

    /// Fewer than are expected cannot be the most.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        match (self.expect, self.max) {
            (Some(expect), Some(max)) if max < expect => {
                Err(Mistake::new(format!("--max {max} ends before the {expect} of --expect can come")))
            }
            _ => Ok(()),
        }
    }
}
