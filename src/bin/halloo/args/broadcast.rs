//! `halloo broadcast`.

use clap::Args;

use super::everybody::{DESTINATION, Everybody};
use super::{Answers, OUTPUT, Pacing, Records, Socket};

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
    /// What to wait for.
    #[command(flatten)]
    pub(crate) answers: Answers,
    /// How to send it.
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// Exit code 0 even when some interfaces or datagrams failed
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) lenient: bool,
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
