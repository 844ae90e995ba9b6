//! `halloo send`.

use clap::Args;
use halloo::model::{Family, Selector, Target};

use super::socket::WAY_OUT;
use super::{Answers, OUTPUT, Pacing, Records, Socket, values};

/// Send datagrams to one address.
///
/// Each PAYLOAD is one datagram, never split and never merged. The line for each datagram names the interface, the source
/// and the destination it went by. A destination that is a broadcast address needs no permission here: SO_BROADCAST is set
/// and said. Exit code 5 says that nobody listens there.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Send {
    /// Where to send: HOST:PORT, [IPV6%ZONE]:PORT, HOST (port 1060) or :PORT (this host)
    #[arg(value_name = "TARGET", value_parser = values::target)]
    pub(crate) target: Target,
    /// What to send.
    #[command(flatten)]
    pub(crate) records: Records,
    /// When to send it.
    #[command(flatten)]
    pub(crate) pacing: Pacing,
    /// What to wait for.
    #[command(flatten)]
    pub(crate) answers: Answers,
    /// Drop answers from another address or port than TARGET; otherwise they are shown and marked
    #[arg(long, help_heading = "Answers")]
    pub(crate) strict_source: bool,
    /// Send out of this interface: a name, a number or one of its addresses
    #[arg(long, value_name = "NAME|INDEX|ADDR", value_parser = values::selector, help_heading = WAY_OUT)]
    pub(crate) interface: Option<Selector>,
    /// Connect the socket: only TARGET is heard, and it can refuse
    #[arg(long, help_heading = WAY_OUT)]
    pub(crate) connect: bool,
    /// Refuse when TARGET is a broadcast address
    #[arg(long, help_heading = WAY_OUT)]
    pub(crate) no_broadcast: bool,
    /// Look for an IPv4 address of TARGET's name
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = WAY_OUT)]
    ipv4: bool,
    /// Look for an IPv6 address of TARGET's name
    #[arg(short = '6', long, help_heading = WAY_OUT)]
    ipv6: bool,
    /// How to send it.
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// End at the first datagram that does not leave, with exit code 4
    ///
    /// Otherwise a series goes on: failures are counted by kind, and told first and then once a minute.
    #[arg(long, conflicts_with = "lenient", help_heading = OUTPUT)]
    pub(crate) fail_fast: bool,
    /// Exit code 0 even when some datagrams did not go
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) lenient: bool,
}

impl Send {
    /// The IP version asked for, if one was.
    pub(crate) const fn family(&self) -> Option<Family> {
        asked(self.ipv4, self.ipv6)
    }
}

/// The IP version of `-4` and `-6`, which exclude each other.
pub(super) const fn asked(ipv4: bool, ipv6: bool) -> Option<Family> {
    match (ipv4, ipv6) {
        (true, _) => Some(Family::V4),
        (_, true) => Some(Family::V6),
        _ => None,
    }
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # one datagram of 5 bytes
  halloo send 10.0.0.7:9000 hello
  # three datagrams to port 1060, 0.1 s apart
  halloo send 10.0.0.7 one two three --rate 10/s
  # exit code 1 if no answer comes within 2 s
  halloo send 10.0.0.7 -e 'GET\\0' --expect 1 --wait 2s
  # each line at once, as a datagram of its own
  tail -f app.log | halloo send loghost:514 --lines
  # over IPv6, a payload that begins with -
  halloo send '[fe80::1%eth0]:9000' -- -5";
