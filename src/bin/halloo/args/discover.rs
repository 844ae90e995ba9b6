//! `halloo discover`.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Args, ValueEnum};
use halloo::model::{Glob, Names, ServiceName, ServiceType};

use super::everybody::DESTINATION;
use super::refused::Mistake;
use super::{OUTPUT, Reach, values};

/// Find the services that are announced on the LAN.
///
/// Everybody is asked on every interface at once, by directed broadcast, by 255.255.255.255 and by ff02::1; who answers is
/// one line, however often and by however many paths it is heard. It ends when asking again brings nobody new, about half a
/// second. Without a secret everything is unverified: anybody on the LAN can have said it. With one, who proved to have it
/// is verified, and mismatch is who did so from another address than it says, or from a network that this host is not on: NAT,
/// a container, a relay. Exit code 1 says that nobody, or fewer than --expect, was found; with a secret only who is verified counts.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Discover {
    /// Only services of this type [default: all]
    #[arg(value_name = "TYPE", value_parser = values::service_type)]
    pub(crate) kind: Option<ServiceType>,
    /// Only services whose name fits: * is any text, ? one character
    #[arg(long, value_name = "GLOB", value_parser = values::glob, help_heading = SERVICES)]
    name: Option<Glob>,
    /// The one service with this name: end when it is found
    ///
    /// It is asked for over IPv4 where this host has IPv4, so that a script gets the same address each time; -6 asks over
    /// IPv6. Where several at different addresses have the name, none is chosen: that is exit code 1, --print prints nothing,
    /// and a note names two of them. With a secret, only those count that have it.
    #[arg(long, value_name = "NAME", value_parser = values::service_name, conflicts_with_all = ["name", "expect", "watch"], help_heading = SERVICES)]
    pub(crate) resolve: Option<ServiceName>,
    /// Ask with long questions, so that answers with many attributes come whole
    #[arg(long, help_heading = SERVICES)]
    pub(crate) full: bool,
    /// End after so long at the latest, and go on asking until then while nobody is found [default: with --expect or --resolve 3s, else when nobody new comes, within 15s]
    #[arg(long, value_name = "DURATION", value_parser = values::wait, help_heading = ANSWERS)]
    wait: Option<Duration>,
    /// End when N are found; fewer are exit code 1
    ///
    /// Who was found by one path may answer by others, so the question is heard out, 150 ms as a rule: the same address is
    /// printed each time.
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = ANSWERS)]
    expect: Option<NonZeroU64>,
    /// Go on, and tell who comes and goes; on a terminal, as a table
    ///
    /// found: it answered for the first time. path: it was heard by another path too. updated: it says something else, is
    /// believed otherwise, is back, or has left an address. stale: it did not answer when everybody was asked. gone: it is
    /// not there any more. age is how long ago it was last heard. With --wait, exit code 1 says that nobody is there at the
    /// end.
    #[arg(long, conflicts_with = "expect", help_heading = ANSWERS)]
    pub(crate) watch: bool,
    /// Where, and with whom.
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Ask from this port, so that a firewall can be told to let the answers in [default: any]
    #[arg(long, value_name = "N", value_parser = values::port, help_heading = DESTINATION)]
    pub(crate) source_port: Option<u16>,
    /// Print only this of each service, for scripts
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with = "watch", help_heading = OUTPUT)]
    pub(crate) print: Option<Print>,
    /// Exit code 0 even when some questions did not go
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) lenient: bool,
}

const SERVICES: &str = "Services";
const ANSWERS: &str = "Answers";

/// What is printed of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Print {
    /// The address and port to connect to.
    #[value(name = "addr:port")]
    AddressAndPort,
    /// The address.
    #[value(name = "addr")]
    Address,
    /// The port.
    #[value(name = "port")]
    Port,
}

/// How long those are waited for who are expected.
const WAIT: Duration = Duration::from_secs(3);

impl Discover {
    /// So many end the run, and fewer are an error.
    pub(crate) fn expect(&self) -> Option<u64> {
        self.expect.map(NonZeroU64::get).or(self.resolve.as_ref().map(|_| 1))
    }

    /// The end of the run.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.wait.or(self.expect().map(|_| WAIT))
    }

    /// Which names are wanted.
    pub(crate) fn names(&self) -> Names {
        let one = self.resolve.clone().map(Names::One);
        one.or_else(|| self.name.clone().map(Names::Like)).unwrap_or_default()
    }

    /// What clap cannot check.
    pub(super) fn check(&self, json: bool) -> Result<(), Mistake> {
        if json && self.print.is_some() {
            return Err(Mistake::new("--print and --json are two ways to print; one of them"));
        }
        Ok(())
    }
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # everything that is announced
  halloo discover
  # services of one type, as they come and go
  halloo discover chat --watch
  # exit code 1 unless three are found within 5 s
  halloo discover chat --expect 3 --wait 5s --json
  # where one service is, for a script
  halloo discover chat --resolve 'blue room' --print addr:port
  # only who has the secret counts
  halloo discover chat --secret-file lan.key
  # behind a firewall that lets UDP to port 1062 in
  halloo discover --source-port 1062";
