//! `halloo broadcast`.

use std::time::Duration;

use clap::Args;

use super::everybody::{DESTINATION, Everybody, FLOOD};
use super::refused::Mistake;
use super::{Answers, OUTPUT, Pacing, Records, Socket, values};

/// Send datagrams to everybody on every interface that can broadcast.
///
/// Each record goes to the directed broadcast address of every usable interface: the one configured, or the one its netmask
/// gives. What is left out is listed with the reason. Exit code 3 says that no interface can broadcast, 6 that some
/// interfaces failed.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Broadcast {
    /// What to send.
    #[command(flatten)]
    pub(crate) records: Records,
    /// Where to.
    #[command(flatten)]
    pub(crate) everybody: Everybody,
    /// Show where it would go and send nothing
    #[arg(long, help_heading = DESTINATION)]
    pub(crate) dry_run: bool,
    /// When to send it.
    #[command(flatten)]
    pub(crate) pacing: Pacing,
    /// Send faster than 5 datagrams a second to everybody: --interval or --rate say how fast
    ///
    /// It burdens every host there. Without --interval, rounds follow each other as fast as --rate says, or without a pause.
    /// Without --deadline it ends after 10 s, whatever --count says.
    #[arg(long, help_heading = "Pacing")]
    pub(crate) flood: bool,
    /// End after so long, whatever is left to send or to wait for [default: no end; with --flood 10s]
    ///
    /// What was still to be sent is counted as not sent, and the exit code is 6 (--lenient makes it 0).
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = "Pacing")]
    deadline: Option<Duration>,
    /// What to wait for.
    #[command(flatten)]
    pub(crate) answers: Answers,
    /// How to send it.
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// End at the first datagram that does not leave, with exit code 4
    ///
    /// Otherwise a series goes on: failures are counted by kind, and told first and then once a minute.
    #[arg(long, conflicts_with = "lenient", help_heading = OUTPUT)]
    pub(crate) fail_fast: bool,
    /// Exit code 0 even when some interfaces or datagrams failed
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) lenient: bool,
}

impl Broadcast {
    /// The end of the run.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline.or(self.flood.then_some(FLOOD))
    }

    /// Everybody is burdened with restraint, unless the user says otherwise.
    pub(super) fn check_pace(&self) -> Result<(), Mistake> {
        let typed = match self.pacing.burden() {
            Some(typed) if !self.flood => typed,
            _ => return Ok(()),
        };
        Err(Mistake::new(format!("{typed} burdens everybody who can hear a broadcast"))
            .hint("write at least 200ms, or at most 5/s, or say --flood if that is what you want"))
    }
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # to port 1060, on every usable interface
  halloo broadcast hello
  # and show who answers within a second
  halloo broadcast 'who is there?' --wait 1s
  # exit code 1 unless three answer
  halloo broadcast hello --port 9000 --expect 3 --wait 2s
  # to 255.255.255.255 out of eth0
  halloo broadcast hello --interface eth0 --limited
  # only show where it would go
  halloo broadcast --dry-run";
