//! `halloo announce`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use halloo::model::{ServiceName, ServiceType};

use super::refused::Mistake;
use super::values::{self, Attribute, RateLimit};
use super::{Reach, everybody::DESTINATION};

/// Announce a service on the LAN, and answer those who look for it.
///
/// It answers halloo discover on every interface, says three times at the start that it is there, and goodbye at its end.
/// It answers neighbours only, at most as long as they asked, and with a secret only those who have it. What is announced
/// can be read by everybody on the LAN. With a COMMAND, the service is announced for as long as that runs: signals are
/// passed on to it, standard output is its own (--json goes to standard error), and its exit code is the exit code (128 and
/// more: a signal ended it). On Linux it is killed when halloo is killed. Where there is no network yet, the first interface
/// that comes is used (Linux).
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Announce {
    /// What kind of service it is: 1 to 32 of a-z 0-9 . _ -
    #[arg(value_name = "TYPE", value_parser = values::service_type)]
    pub(crate) kind: ServiceType,
    /// The port that the service is used by
    #[arg(long, value_name = "N", value_parser = values::port, help_heading = SERVICE)]
    pub(crate) port: u16,
    /// Its name for people, 1 to 63 bytes [default: the name of this host]
    ///
    /// It is refused where it does not fit into an answer beside a long type, a secret's seal and an address to advertise.
    #[arg(long, value_name = "NAME", value_parser = values::service_name, help_heading = SERVICE)]
    pub(crate) name: Option<ServiceName>,
    /// What else it says; may be repeated, 16 at most
    ///
    /// A few short ones fit into every answer; halloo discover --full gets as many as fit into 1392 bytes. A note says so where
    /// there are more.
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::attribute, help_heading = SERVICE)]
    pub(crate) attr: Vec<Attribute>,
    /// How long it holds for those who do not hear it again: 1s to 65535s
    ///
    /// Who watches asks when a third of it has passed, but every 3 s at most: below 6s it is gone after 3 to 7 s.
    #[arg(long, value_name = "DURATION", value_parser = values::service_ttl, default_value = "30s", help_heading = SERVICE)]
    pub(crate) ttl: Duration,
    /// The address to use it by, where that is another than the one that answers, as in a container
    #[arg(long, value_name = "ADDR", value_parser = values::unicast_address, help_heading = SERVICE)]
    pub(crate) advertise: Option<IpAddr>,
    /// Where, and with whom.
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Answer unicast questions from outside this host's subnets too, and those to an address of another interface
    #[arg(long, help_heading = DESTINATION)]
    pub(crate) allow_routed: bool,
    /// At most so many answers a second to one source off this host; off is no limit
    ///
    /// Of questions to everybody, as halloo discover asks them, at most 50 a second and 100 at once are answered to one source
    /// whatever N is, and fewer where N is less.
    #[arg(long, value_name = "N|off", value_parser = values::rate_limit, default_value = "1000", help_heading = "Trust")]
    pub(crate) rate_limit: RateLimit,
    /// End after so long [default: no end]
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = "End")]
    pub(crate) timeout: Option<Duration>,
    /// Announce for as long as this program runs
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "timeout", help_heading = "End")]
    pub(crate) command: Vec<OsString>,
}

const SERVICE: &str = "Service";

impl Announce {
    /// What clap cannot check: the attributes together, and whether `--` stands at the end with nothing behind it.
    pub(super) fn check(&self, nothing_behind: bool) -> Result<(), Mistake> {
        if nothing_behind && self.command.is_empty() {
            let mistake = Mistake::new("nothing stands behind --, where the COMMAND is");
            return Err(mistake.hint("a variable that is empty? without --, the service is announced until a signal"));
        }
        self.attributes().map(|_| ()).map_err(|error| Mistake::new(format!("--attr: {error}")))
    }

    /// All attributes.
    ///
    /// # Errors
    /// A key that is there twice, or too many of them.
    pub(crate) fn attributes(&self) -> Result<halloo::model::Attributes, halloo::model::service::ServiceError> {
        halloo::model::Attributes::new(self.attr.iter().map(|Attribute(key, value)| (&**key, &**value)))
    }
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # a service on port 7000, found there by: halloo discover chat
  halloo announce chat --port 7000
  # with a name and what else there is to say
  halloo announce chat --port 7000 --name 'blue room' --attr room=blue
  # only to those who have the secret, on one interface
  halloo announce chat --port 7000 --secret-file lan.key --interface eth0
  # in a container: used by the address of its host
  halloo announce web --port 8080 --advertise 192.168.1.5
  # for as long as a program runs
  halloo announce web --port 8000 -- python3 -m http.server 8000";
