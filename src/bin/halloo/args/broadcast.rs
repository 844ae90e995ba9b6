//! `halloo broadcast`.

use std::net::Ipv4Addr;

use clap::Args;
use halloo::model::Selector;

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
    /// The destination port
    #[arg(
        long,
        value_name = "N",
        value_parser = values::port,
        default_value_t = halloo::model::target::DEFAULT_PORT,
        help_heading = DESTINATION
    )]
    pub(crate) port: u16,
    /// Only this interface: a name, a number or one of its addresses; may be repeated
    ///
    /// An address chooses its own subnet alone. The loopback interface is used only when it is named.
    #[arg(long, value_name = "NAME|INDEX|ADDR", value_parser = values::selector, help_heading = DESTINATION)]
    pub(crate) interface: Vec<Selector>,
    /// Send to this one broadcast address
    #[arg(long, value_name = "ADDR", value_parser = values::broadcast_address, help_heading = DESTINATION)]
    to: Option<Ipv4Addr>,
    /// Send to the limited broadcast address, 255.255.255.255, out of each interface
    #[arg(long, conflicts_with = "to", help_heading = DESTINATION)]
    limited: bool,
    /// Send to ff02::1, everybody on the link over IPv6, out of each interface
    #[arg(long, conflicts_with_all = ["to", "limited"], help_heading = DESTINATION)]
    ipv6: bool,
    /// Use the broadcast address that the netmask gives even when another is configured
    #[arg(long, conflicts_with_all = ["to", "limited", "ipv6"], help_heading = DESTINATION)]
    mask_derived: bool,
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

const DESTINATION: &str = "Destination";

/// Which address of an interface everybody is reached by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Aim {
    /// The directed broadcast address.
    Directed {
        /// The one the netmask gives, even when another is configured.
        mask_derived: bool,
    },
    /// This one broadcast address.
    To(Ipv4Addr),
    /// 255.255.255.255.
    Limited,
    /// ff02::1.
    Ipv6,
}

impl Broadcast {
    /// Which address of each interface is meant.
    pub(crate) fn aim(&self) -> Aim {
        match self.to {
            Some(address) => Aim::To(address),
            None if self.limited => Aim::Limited,
            None if self.ipv6 => Aim::Ipv6,
            None => Aim::Directed { mask_derived: self.mask_derived },
        }
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
