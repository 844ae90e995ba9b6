//! When datagrams leave.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;

use super::everybody::SHORTEST_BROADCAST;
use super::values::{self, Rate};

/// Pace and count.
#[derive(Args, Debug)]
#[command(next_help_heading = "Pacing")]
#[group(skip)]
pub(crate) struct Pacing {
    /// Send the whole list of records N times
    #[arg(long, value_name = "N", value_parser = values::count, default_value = "1")]
    pub(crate) count: NonZeroU64,
    /// The time between two rounds of --count [default: 1s, for a broadcast 3s, with --flood as --rate says]
    ///
    /// 0 is none. A broadcast leaves so much time between single records too, unless --rate says how many a second: it burdens
    /// everybody, and RFC 8085 section 3.1.3 asks for 3 s.
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) interval: Option<Duration>,
    /// At most so many records a second within a round, such as 100/s [default: no limit]
    ///
    /// Without a limit at most 64 leave back to back before answers are looked for.
    #[arg(long, value_name = "N/s", value_parser = values::rate)]
    pub(crate) rate: Option<Rate>,
}

impl Pacing {
    /// The pace that was typed and is too fast for a broadcast, which burdens everybody.
    pub(crate) fn burden(&self) -> Option<&'static str> {
        let fast = |pace: Option<Duration>| pace.is_some_and(|pace| pace < SHORTEST_BROADCAST);
        match () {
            () if fast(self.interval) => Some("--interval below 200ms"),
            () if fast(self.rate.as_ref().map(|rate| rate.0)) => Some("--rate above 5/s"),
            () => None,
        }
    }
}
