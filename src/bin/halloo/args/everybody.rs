//! Which broadcast addresses are meant: the same for every command that can ask everybody.

use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Args;
use halloo::model::Selector;
use halloo::model::target::DEFAULT_PORT;

use super::values;

/// Everybody on some interfaces.
#[derive(Args, Debug)]
#[command(next_help_heading = DESTINATION)]
#[group(skip)]
pub(crate) struct Everybody {
    /// The destination port [default: 1060]
    #[arg(long, value_name = "N", value_parser = values::port)]
    port: Option<u16>,
    /// Only this interface: a name, a number or one of its addresses; may be repeated
    ///
    /// An address chooses its own subnet alone. The loopback interface is used only when it is named.
    #[arg(long, value_name = "NAME|INDEX|ADDR", value_parser = values::selector)]
    pub(crate) interface: Vec<Selector>,
    /// Send to this one broadcast address
    #[arg(long, value_name = "ADDR", value_parser = values::broadcast_address)]
    to: Option<Ipv4Addr>,
    /// Send to the limited broadcast address, 255.255.255.255, out of each interface
    #[arg(long, conflicts_with = "to")]
    limited: bool,
    /// Send to ff02::1, everybody on the link over IPv6, out of each interface
    #[arg(long, conflicts_with_all = ["to", "limited"])]
    pub(super) ipv6: bool,
    /// Use the broadcast address that the netmask gives even when another is configured
    #[arg(long, conflicts_with_all = ["to", "limited", "ipv6"])]
    mask_derived: bool,
}

/// The heading of what says where datagrams go.
pub(super) const DESTINATION: &str = "Destination";

/// No broadcast needs to be repeated faster by somebody who only looks: 5 a second.
pub(super) const SHORTEST_BROADCAST: Duration = Duration::from_millis(200);

/// How long a flood lasts that was given no deadline: a count alone can be any time (RFC 8085 3.1.2 wants both bounded).
pub(super) const FLOOD: Duration = Duration::from_secs(10);

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

impl Everybody {
    /// Which address of each interface is meant.
    pub(crate) fn aim(&self) -> Aim {
        match self.to {
            Some(address) => Aim::To(address),
            None if self.limited => Aim::Limited,
            None if self.ipv6 => Aim::Ipv6,
            None => Aim::Directed { mask_derived: self.mask_derived },
        }
    }

    /// The destination port.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// The option that was typed and makes sense only for everybody, if one was.
    pub(super) fn only_for_everybody(&self) -> Option<&'static str> {
        let typed = [
            (self.port.is_some(), "--port"),
            (self.to.is_some(), "--to"),
            (self.limited, "--limited"),
            (self.mask_derived, "--mask-derived"),
        ];
        typed.into_iter().find_map(|(typed, option)| typed.then_some(option))
    }
}
