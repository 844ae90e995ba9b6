//! `halloo ping`.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Args, ValueEnum};
use halloo::model::{Family, Target};

use super::everybody::{DESTINATION, Everybody, FLOOD, SHORTEST_BROADCAST};
use super::refused::Mistake;
use super::{OUTPUT, Socket, send, values};

/// Probe an echo service, or all of them at once, and report each responder.
///
/// Each probe has a number. For every address that answers it is told how many probes were answered, lost, answered twice,
/// out of order, late or changed on the way, and how long the answers took. With --broadcast, everybody on every interface
/// is asked, as halloo broadcast does; a halloo echo there answers that only if it was started with --answer-broadcast. A
/// probe waits for the answer to the one before, and as long as nobody answers, probes leave less often, up to 3 s apart;
/// --flood keeps the interval. Exit code 1 says that nobody, or fewer than --expect, answered.
#[derive(Args, Debug)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("ipv6", |arg| arg.short('6').display_order(899).help(
        "Look for an IPv6 address of TARGET's name; with --broadcast, probe ff02::1, everybody on the link"
    )),
    mut_arg("interface", |arg| arg.help(
        "Probe out of this interface: a name, a number or one of its addresses; may be repeated with --broadcast"
    ))
)]
pub(crate) struct Ping {
    /// Whom to probe: HOST:PORT, [IPV6%ZONE]:PORT, HOST (port 1060) or :PORT (this host)
    #[arg(value_name = "TARGET", value_parser = values::target)]
    pub(crate) target: Option<Target>,
    /// Probe everybody on every interface that can broadcast, instead of one TARGET
    #[arg(long, help_heading = DESTINATION)]
    pub(crate) broadcast: bool,
    /// Whom, of everybody.
    #[command(flatten)]
    pub(crate) everybody: Everybody,
    /// Look for an IPv4 address of TARGET's name
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = DESTINATION, display_order = 898)]
    ipv4: bool,
    /// Payload bytes of a probe: its header of 40, the rest padding
    #[arg(long, value_name = "BYTES", value_parser = values::size, default_value = "64", help_heading = PROBES)]
    pub(crate) size: usize,
    /// End after N probes [default: no end; with --broadcast and no --deadline 5]
    #[arg(long, value_name = "N", value_parser = values::probes, help_heading = PROBES)]
    count: Option<u32>,
    /// The time from one probe to the next [default: 1s; with --flood 10ms]
    ///
    /// Never faster than one probe for each round trip, unless --flood is given: the next one leaves when one is answered. So
    /// 0 sends as fast as answers come. With --broadcast at least 200ms, unless --flood allows less.
    #[arg(long, value_name = "DURATION", value_parser = values::duration, help_heading = PROBES)]
    interval: Option<Duration>,
    /// Keep the interval even when nobody answers, and allow a short one with --broadcast
    ///
    /// It burdens the network whether or not that helps anybody. Without --deadline it ends after 10 s, whatever --count says.
    #[arg(long, help_heading = PROBES)]
    pub(crate) flood: bool,
    /// How long an answer is in time, and how long answers to the last probe are awaited [default: 1s; with --broadcast 2s]
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = ANSWERS)]
    wait: Option<Duration>,
    /// End after so long, whatever is outstanding [default: no end; with --flood 10s]
    ///
    /// Probes of --count that have not left by then are counted as not sent: exit code 6 (--lenient makes it 0).
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = ANSWERS)]
    deadline: Option<Duration>,
    /// End as soon as N addresses have answered every probe; exit code 1 if fewer than N answered any probe in time
    ///
    /// This host itself does not count. An answer to TARGET's probes counts from whichever address it comes; without --expect,
    /// only TARGET's own does.
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = ANSWERS)]
    pub(crate) expect: Option<NonZeroU64>,
    /// Exit code 1 if a probe was never answered by somebody who answers others
    ///
    /// Answers that come after --wait are late, and not lost; probes that could still be answered at the end are not, either.
    #[arg(long, help_heading = ANSWERS)]
    pub(crate) fail_on_loss: bool,
    /// What counts as an answer: the probe itself, unchanged, or anything
    ///
    /// any is for services that do not echo, such as halloo length; with a TARGET, anything from there. Which probe was
    /// answered is then a guess: the oldest that is open.
    #[arg(long = "match", value_name = "WHAT", value_enum, default_value = "probe", help_heading = ANSWERS)]
    pub(crate) matching: Match,
    /// Behind each probe and answer, look for the next for so long without sleeping, at most 10ms: it keeps a processor busy
    ///
    /// What this program takes to wake up then is in no round-trip time. With --busy-poll on the other side too (halloo echo), times
    /// on this host are less than half as long. Between probes that are further apart, it sleeps.
    #[arg(long, value_name = "DURATION", value_parser = values::busy_poll, help_heading = ANSWERS)]
    pub(crate) busy_poll: Option<Duration>,
    /// How to send it.
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// Show how the round-trip times of each responder are distributed
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) histogram: bool,
    /// End at the first probe that does not leave, with exit code 4
    ///
    /// Otherwise a series goes on: failures are counted by kind, and told first and then once a minute.
    #[arg(long, conflicts_with = "lenient", help_heading = OUTPUT)]
    pub(crate) fail_fast: bool,
    /// Exit code 0 even when some probes did not go
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) lenient: bool,
}

const PROBES: &str = "Probes";
const ANSWERS: &str = "Answers";

/// What counts as an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Match {
    /// The probe itself.
    Probe,
    /// Anything.
    Any,
}

impl Ping {
    /// The IP version asked for, if one was.
    pub(crate) const fn family(&self) -> Option<Family> {
        send::asked(self.ipv4, self.everybody.ipv6)
    }

    /// So many probes; `None` goes on.
    pub(crate) fn count(&self) -> Option<u32> {
        self.count.or((self.broadcast && self.deadline().is_none()).then_some(5))
    }

    /// The time from one probe to the next.
    pub(crate) fn interval(&self) -> Duration {
        self.interval.unwrap_or(if self.flood { Duration::from_millis(10) } else { Duration::from_secs(1) })
    }

    /// How long an answer is in time.
    pub(crate) fn wait(&self) -> Duration {
        self.wait.unwrap_or(Duration::from_secs(if self.broadcast { 2 } else { 1 }))
    }

    /// The end of the run.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline.or(self.flood.then_some(FLOOD))
    }

    /// Either one host is probed or everybody, and everybody with restraint.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        match (&self.target, self.broadcast) {
            (None, false) => Err(Mistake::new("ping needs a TARGET, or --broadcast to probe everybody")
                .hint("for example: halloo ping 127.0.0.1:1060")),
            (Some(_), true) => Err(Mistake::new("a TARGET is one host and --broadcast is everybody; one of them")
                .hint("one broadcast address: --broadcast --to ADDR")),
            (Some(_), false) => self.check_one(),
            (None, true) => self.check_everybody(),
        }
    }

    fn check_one(&self) -> Result<(), Mistake> {
        match self.everybody.only_for_everybody() {
            Some("--port") => Err(Mistake::new("--port needs --broadcast; the port of a TARGET stands behind it")
                .hint("for example: halloo ping 127.0.0.1:1060")),
            Some(option) => Err(Mistake::new(format!("{option} needs --broadcast"))),
            None if self.everybody.interface.len() > 1 => {
                Err(Mistake::new("--interface is given twice, and one TARGET is probed out of one interface"))
            }
            None => Ok(()),
        }
    }

    fn check_everybody(&self) -> Result<(), Mistake> {
        if self.flood || self.interval() >= SHORTEST_BROADCAST {
            return Ok(());
        }
        Err(Mistake::new("--interval below 200ms burdens everybody with --broadcast")
            .hint("write at least 200ms, or say --flood if that is what you want"))
    }
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # until Ctrl-C, then a table
  halloo ping 10.0.0.7:7
  # 100 probes of 1000 bytes, and how the times are distributed
  halloo ping 10.0.0.7 --count 100 --interval 10ms --size 1000 --histogram
  # everybody who echoes; there: halloo echo --lan --answer-broadcast
  halloo ping --broadcast
  # exit code 1 unless three answer
  halloo ping --broadcast --interface eth0 --expect 3 --count 3
  # a service with answers of its own, such as halloo length
  halloo ping 10.0.0.7 --match any --count 5";
