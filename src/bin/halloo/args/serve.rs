//! `halloo echo` and `halloo length`: the two servers that answer.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use halloo::model::{Host, Selector, Target};

use super::refused::Mistake;
use super::values::{self, Bytes, RateLimit};

/// Answer every datagram with the same bytes.
///
/// The answer leaves from the address that was asked. A request that came by broadcast is answered only with
/// --answer-broadcast, and one from the port of a service only with --answer-any-port. Without ADDR only this host is served.
#[derive(Args, Debug)]
#[command(after_long_help = ECHO_EXAMPLES)]
pub(crate) struct Echo {
    /// Where and whom to serve.
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// Answer every datagram with the number of its bytes.
///
/// The answer is the text "your data was N bytes long", without a newline. Everything else is as with halloo echo.
#[derive(Args, Debug)]
#[command(after_long_help = LENGTH_EXAMPLES)]
pub(crate) struct Length {
    /// Where and whom to serve.
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// What the servers have in common.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Serve {
    /// The address to serve: ADDR:PORT, :PORT, ADDR (port 1060) [default: 127.0.0.1:1060]
    ///
    /// With --lan the default is 0.0.0.0:1060. Port 0 lets the system choose, and the first line says which.
    #[arg(value_name = "ADDR", value_parser = values::target)]
    pub(crate) address: Option<Target>,
    /// Serve everybody who can reach this host (0.0.0.0), not this host alone
    #[arg(long, help_heading = "Whom to serve")]
    pub(crate) lan: bool,
    /// Serve only what arrives on this interface: a name, a number or an address; may be repeated
    #[arg(long, value_name = "NAME|INDEX|ADDR", value_parser = values::selector, help_heading = "Whom to serve")]
    pub(crate) interface: Vec<Selector>,
    /// Answer in upper case (ASCII letters)
    #[arg(long, help_heading = "Answers")]
    pub(crate) upper: bool,
    /// Put TEXT before the bytes of every answer
    ///
    /// Off this host, no answer is more than three times as long as its question, headers included: with more
    /// than 56 bytes of TEXT, the shortest questions get none.
    #[arg(long, value_name = "TEXT", value_parser = values::bytes(), help_heading = "Answers")]
    pub(crate) prefix: Option<Bytes>,
    /// Answer requests that came by broadcast or multicast too
    #[arg(long, help_heading = "Answers")]
    pub(crate) answer_broadcast: bool,
    /// Answer requests from source ports of services too: below 1024, 1900, 2049, 5353 and others
    ///
    /// A service answers what it receives, and two servers can keep each other busy for ever. This server's own port is
    /// never answered.
    #[arg(long, help_heading = "Answers")]
    pub(crate) answer_any_port: bool,
    /// At most so many answers a second to one source off this host; off is no limit
    ///
    /// Answers to broadcasts are among them, and never more than 10 a second. Below N, one datagram in 1000 gets no answer
    /// where the same bytes come again and again without a pause, also with others in between, since they may be our own
    /// answers that come back. A higher N makes that rarer, and off lifts it as all limits.
    #[arg(
        long,
        value_name = "N|off",
        value_parser = values::rate_limit,
        default_value = "1000",
        help_heading = "Answers"
    )]
    pub(crate) rate_limit: RateLimit,
    /// End after N datagrams [default: no end]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "End")]
    pub(crate) count: Option<NonZeroU64>,
    /// End after so long [default: no end]
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = "End")]
    pub(crate) timeout: Option<Duration>,
    /// End when nothing arrived for so long [default: no end]
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = "End")]
    pub(crate) idle: Option<Duration>,
    /// Exit code 1 if a datagram was lost here: dropped by the kernel, or by the output because its reader was too slow
    #[arg(long, help_heading = "End")]
    pub(crate) fail_on_loss: bool,
    /// Share the port with other programs that share it (SO_REUSEPORT)
    ///
    /// A broadcast reaches all of them, a unicast datagram only one.
    #[arg(long, help_heading = "Socket")]
    pub(crate) share: bool,
    /// Serve by N threads, 1 to 64, each with a socket of its own on the same port (SO_REUSEPORT, Linux)
    ///
    /// For more datagrams than one processor can answer, where there are N processors. The system gives each sender, by address and
    /// port, to one of them: one sender alone is served by one thread, and its datagrams stay in order. Limits, --count and all
    /// that is counted are those of the whole; each socket has a receive buffer. Once it runs, another program of the
    /// same user can join the port by SO_REUSEPORT, as halloo does with --share, and take its part of the senders.
    #[arg(long, value_name = "N", value_parser = values::threads, default_value = "1", help_heading = "Socket")]
    pub(crate) threads: usize,
    /// Behind each datagram, look for the next for so long without sleeping, at most 10ms: a faster answer, a busy processor
    ///
    /// Waking up takes longer than all the rest of an answer: with 50us, round trips on this host take two thirds of the time or less.
    /// While datagrams come closer together than DURATION, one processor is busy all the time, and with --threads
    /// one for each; it needs what nobody else wants. A server that nobody asks sleeps.
    #[arg(long, value_name = "DURATION", value_parser = values::busy_poll, help_heading = "Socket")]
    pub(crate) busy_poll: Option<Duration>,
    /// Ask for a receive buffer of so many bytes, such as 4096, 64k or 4M (powers of 1024)
    #[arg(long, value_name = "BYTES", value_parser = values::buffer, help_heading = "Socket")]
    pub(crate) receive_buffer: Option<usize>,
    /// Take trains of datagrams from the kernel in one piece each, and answer in trains (UDP_GRO, UDP_SEGMENT: Linux)
    ///
    /// Several times faster where a client on this host, or a network card, hands over many at once, and the same to see. But
    /// the kernel counts a train that it drops as one datagram: what the summary says of drops is then the least there were.
    /// On loopback, answers leave in trains anyway.
    #[arg(long, help_heading = "Socket")]
    pub(crate) offload: bool,
}

impl Serve {
    /// `--lan` is every address of this host; one of them is not.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        let Some(Target { host: Some(host), port }) = &self.address else { return Ok(()) };
        let one = !matches!(host, Host::Address(address) if address.is_unspecified());
        if !self.lan || !one {
            return Ok(());
        }
        let address = Target { host: Some(host.clone()), port: *port };
        let mistake = Mistake::new(format!("--lan serves every address of this host, and {address} is one"));
        Err(match port {
            Some(port) => mistake.replace(address.to_string(), format!(":{port}")),
            None => mistake.hint("leave out the one or the other"),
        })
    }
}

/// They are parsed by a test.
pub(super) const ECHO_EXAMPLES: &str = "\
EXAMPLES
  # answer this host on port 1060
  halloo echo
  # answer everybody who can reach this host
  halloo echo --lan
  # on port 7000, in upper case
  halloo echo --lan :7000 --upper
  # answer those too who ask by halloo broadcast
  halloo echo --lan --answer-broadcast
  # a free port; end when it is quiet
  halloo echo :0 --idle 10s -q";

/// They are parsed by a test.
pub(super) const LENGTH_EXAMPLES: &str = "\
EXAMPLES
  # tell this host on port 1060 how long its datagrams are
  halloo length
  # tell everybody, on port 7000
  halloo length --lan :7000
  # one datagram, or exit code 1 after 10 s
  halloo length --count 1 --timeout 10s";
