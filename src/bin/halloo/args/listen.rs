//! `halloo listen`.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use halloo::model::{Cidr, Host, Selector, Target};

use super::refused::Mistake;
use super::{OUTPUT, values};

/// Print every datagram that arrives, and answer none.
///
/// Each line names time, source, destination, interface, how it was sent (unicast, broadcast, multicast) and how long it is.
/// Payload bytes are escaped before they reach a terminal. An empty datagram is a datagram. The summary counts what the
/// kernel dropped.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Listen {
    /// The address to listen on: ADDR:PORT, :PORT, ADDR (port 1060) [default: 0.0.0.0:1060]
    ///
    /// On one address, no broadcast is heard on Linux: --interface narrows without that. Port 0 lets the system choose, and
    /// the first line says which.
    #[arg(value_name = "ADDR", value_parser = values::target)]
    pub(crate) address: Option<Target>,

    /// Only datagrams from this address or block, such as 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = values::cidr, help_heading = WHICH)]
    pub(crate) from: Vec<Cidr>,
    /// Only datagrams sent like this
    #[arg(long, value_name = "HOW", help_heading = WHICH)]
    pub(crate) only: Option<Only>,
    /// Only what arrives on this interface: a name, a number or an address; may be repeated
    #[arg(long, value_name = "NAME|INDEX|ADDR", value_parser = values::selector, help_heading = WHICH)]
    pub(crate) interface: Vec<Selector>,
    /// Join this multicast group, on every chosen interface; may be repeated
    #[arg(long, value_name = "GROUP", value_parser = values::group, help_heading = WHICH)]
    pub(crate) join: Vec<IpAddr>,
    /// Leave out what this host itself sent
    #[arg(long, help_heading = WHICH)]
    pub(crate) no_self: bool,

    /// End after N datagrams [default: no end]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "End")]
    pub(crate) count: Option<NonZeroU64>,
    /// End after so long; nothing received is exit code 1 [default: no end]
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = "End")]
    pub(crate) timeout: Option<Duration>,
    /// End when nothing arrived for so long [default: no end]
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = "End")]
    pub(crate) idle: Option<Duration>,
    /// Exit code 1 if a datagram was lost here: dropped by the kernel, or by the output because its reader was too slow
    #[arg(long, help_heading = "End")]
    pub(crate) fail_on_loss: bool,

    /// How to show payloads [default: text]
    #[arg(long, value_name = "HOW", help_heading = OUTPUT, conflicts_with = "raw")]
    show: Option<Show>,
    /// Write payload bytes and nothing else to standard output; everything else goes to standard error
    ///
    /// They are as they came: nothing is escaped.
    #[arg(long, help_heading = OUTPUT)]
    raw: bool,
    /// With --raw: what marks the end of each payload [default: none]
    #[arg(long, value_name = "MARK", help_heading = OUTPUT)]
    frame: Option<Frame>,
    /// With --raw: write even to a terminal, which the bytes may confuse
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) force: bool,
    /// Also write every datagram to this file, for Wireshark and tcpdump
    #[arg(long, value_name = "FILE", value_parser = values::output_file(), help_heading = OUTPUT)]
    pub(crate) pcap: Option<PathBuf>,

    /// Read into a buffer of N bytes, 1 to 65536, to see longer datagrams truncated
    #[arg(long, value_name = "N", value_parser = values::max_size, help_heading = "Socket")]
    pub(crate) max_size: Option<usize>,
    /// Share the port with other programs that share it (SO_REUSEPORT)
    ///
    /// A broadcast reaches all of them, a unicast datagram only one.
    #[arg(long, help_heading = "Socket")]
    pub(crate) share: bool,
    /// Behind each datagram, look for the next for so long without sleeping, at most 10ms: shown sooner, a busy processor
    ///
    /// It saves the time to wake up where datagrams come closer together than DURATION. The times that are shown are the kernel's, and
    /// stay as they are. While datagrams come so close, one processor is busy all the time; it needs one that nobody
    /// else wants. When none come, it sleeps.
    #[arg(long, value_name = "DURATION", value_parser = values::busy_poll, help_heading = "Socket")]
    pub(crate) busy_poll: Option<Duration>,
    /// Ask for a receive buffer of so many bytes, such as 4096, 64k or 4M (powers of 1024)
    #[arg(long, value_name = "BYTES", value_parser = values::buffer, help_heading = "Socket")]
    pub(crate) receive_buffer: Option<usize>,
    /// Take trains of datagrams from the kernel in one piece each, and part them here (UDP_GRO, Linux)
    ///
    /// Several times faster where senders on this host, or a network card, hand over many at once, and the same to see. But
    /// the kernel counts a train that it drops as one datagram: what the summary says of drops is then the least there were.
    #[arg(long, help_heading = "Socket", conflicts_with = "max_size")]
    pub(crate) offload: bool,
}

const WHICH: &str = "Which datagrams";

/// How a datagram must have been sent to be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Only {
    /// To one of this host's addresses
    Unicast,
    /// To a directed broadcast address or to 255.255.255.255
    Broadcast,
    /// To a multicast group
    Multicast,
}

/// How payloads are shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Show {
    /// As text; what a terminal would act on is escaped, and so are letters that are written from the right
    #[default]
    Text,
    /// As a hexadecimal dump
    Hex,
    /// Not at all: only the line
    None,
}

/// What marks the end of a payload in raw output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Frame {
    /// A newline behind each
    Newline,
    /// A zero byte behind each
    Null,
    /// Its length before each, 4 bytes, the most significant first
    Len32,
    /// Nothing: where one ends cannot be seen
    #[default]
    None,
}

impl Listen {
    /// How payloads are shown, where they are shown to a reader.
    pub(crate) fn show(&self) -> Show {
        self.show.unwrap_or_default()
    }

    /// How payloads are written, where nothing but their bytes is.
    pub(crate) fn raw(&self) -> Option<Frame> {
        self.raw.then(|| self.frame.unwrap_or_default())
    }

    /// What clap cannot check, or cannot say as plainly.
    pub(super) fn check(&self, json: bool) -> Result<(), Mistake> {
        if self.raw && json {
            return Err(Mistake::new("--raw and --json both claim standard output"));
        }
        if self.frame.is_some() && !self.raw {
            return Err(Mistake::new("--frame needs --raw: it marks the end of raw payloads"));
        }
        if self.force && !self.raw {
            return Err(Mistake::new("--force needs --raw: everything else is safe on a terminal"));
        }
        self.check_group()
    }

    /// A socket bound to a group that it has not joined hears nothing.
    fn check_group(&self) -> Result<(), Mistake> {
        let Some(address) = &self.address else { return Ok(()) };
        let group = match address.host {
            Some(Host::Address(group)) => group,
            Some(Host::Zoned(group, _)) => group.into(),
            _ => return Ok(()),
        };
        if !group.is_multicast() || self.join.contains(&group) {
            return Ok(());
        }
        let mistake = Mistake::new(format!("{group} is a multicast group: it is joined, not listened on"));
        let any = if group.is_ipv6() { "[::]" } else { "" };
        let port = address.port.unwrap_or(halloo::model::target::DEFAULT_PORT);
        Err(mistake.hint(format!("did you mean: halloo listen {any}:{port} --join {group}")))
    }
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # everything that arrives on port 1060
  halloo listen
  # broadcasts on port 9000, and what was left out
  halloo listen :9000 --only broadcast -v
  # one datagram, or exit code 1 after 10 s
  halloo listen --count 1 --timeout 10s
  # a recording, to be sent again with halloo send TARGET --jsonl
  halloo listen --json > recording.jsonl
  # payloads alone, for other programs
  halloo listen --raw --frame newline | grep error";
