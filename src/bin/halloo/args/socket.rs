//! The way out: what the socket is asked for.

use clap::Args;

use super::values::{self, SourceAddress};

/// The way out.
#[derive(Args, Debug)]
#[command(next_help_heading = WAY_OUT)]
#[group(skip)]
pub(crate) struct Socket {
    /// Send from this source: ADDR:PORT, :PORT or ADDR [default: the system chooses]
    ///
    /// An IPv6 address with a port stands in brackets: `[::1]:PORT`. Answers come back to this port, so that a firewall can be told about it.
    #[arg(long, value_name = "[ADDR]:PORT", value_parser = values::from)]
    pub(crate) from: Option<SourceAddress>,
    /// How many routers a datagram may pass, 1 to 255 [default: the system's, mostly 64; for broadcast 1]
    ///
    /// It is the TTL of IPv4 and the hop limit of IPv6. The system's own for multicast is 1.
    #[arg(long, value_name = "N", value_parser = values::ttl)]
    pub(crate) ttl: Option<u8>,
    /// The type-of-service byte (DSCP and ECN), 0 to 255 or 0x00 to 0xff [default: 0]
    #[arg(long, value_name = "BYTE", value_parser = values::tos)]
    pub(crate) tos: Option<u8>,
    /// Forbid fragments: what exceeds the interface's MTU is an error
    ///
    /// What exceeds the MTU of a router on the way is lost there, and told as refused, with that MTU, if the router says so; what
    /// follows is sent all the same, because anybody can forge such a message.
    #[arg(long)]
    pub(crate) dont_fragment: bool,
    /// Share the source port with other programs that share it (SO_REUSEPORT)
    ///
    /// A broadcast reaches all of them, a unicast datagram only one.
    #[arg(long)]
    pub(crate) share: bool,
    /// Ask for a send buffer of so many bytes, such as 4096, 64k or 4M (powers of 1024)
    #[arg(long, value_name = "BYTES", value_parser = values::buffer)]
    pub(crate) send_buffer: Option<usize>,
    /// Ask for a receive buffer of so many bytes, such as 4096, 64k or 4M (powers of 1024)
    #[arg(long, value_name = "BYTES", value_parser = values::buffer)]
    pub(crate) receive_buffer: Option<usize>,
}

/// The heading that `send` puts options of its own under.
pub(super) const WAY_OUT: &str = "Way out";
