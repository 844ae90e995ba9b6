//! What can be typed. The only room that names clap.
//!
//! These are plain typed values: what was typed, made sure to mean something. What is done about it is decided in `cmd`.
//! Here a mistake ends in one sentence and, where that can be known, in the command that was meant.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};

mod announce;
mod answers;
mod broadcast;
mod commands;
mod discover;
mod everybody;
mod habits;
mod interfaces;
mod learn;
mod listen;
mod pacing;
mod ping;
mod reach;
mod records;
mod refused;
mod secret;
mod send;
mod serve;
mod socket;
mod values;

pub(crate) use announce::Announce;
pub(crate) use answers::Answers;
pub(crate) use broadcast::Broadcast;
pub(crate) use commands::Command;
pub(crate) use discover::{Discover, Print};
pub(crate) use everybody::{Aim, Everybody};
pub(crate) use interfaces::Interfaces;
pub(crate) use learn::{Lang, Learn};
pub(crate) use listen::{Frame, Listen, Only, Show};
pub(crate) use pacing::Pacing;
pub(crate) use ping::{Match, Ping};
pub(crate) use reach::Reach;
pub(crate) use records::{Input, Records, Source};
pub(crate) use refused::{Refused, most_like};
pub(crate) use secret::Secret;
pub(crate) use send::Send;
pub(crate) use serve::{Echo, Length, Serve};
pub(crate) use socket::Socket;
pub(crate) use values::{Bytes, RateLimit};

use refused::{Mistake, Typed};

/// Sends, receives and explains UDP datagrams.
///
/// An address is HOST:PORT, [IPV6%ZONE]:PORT, HOST (then the port is 1060) or :PORT (then the host is the command's own
/// default). A duration is a number of seconds (5, 0.5) or has a unit (500ms, 2s, 1m). Everything is shown as numbers:
/// no name is looked up but the one you type.
#[derive(Debug, Parser)]
#[command(
    name = "halloo",
    bin_name = "halloo",
    version,
    disable_version_flag = true,
    max_term_width = 110,
    color = clap::ColorChoice::Never,
    arg_required_else_help = true,
    after_help = "A command's own options: halloo COMMAND --help",
    after_long_help = TOP
)]
pub(crate) struct Args {
    /// Write one JSON object per event to standard output (NDJSON), a summary last
    #[arg(long, global = true, help_heading = OUTPUT, display_order = 900, overrides_with = "json")]
    pub(crate) json: bool,
    /// Also say what was ignored or left out, and why; it never changes what is sent
    #[arg(short, long, global = true, help_heading = OUTPUT, display_order = 901, overrides_with = "verbose")]
    pub(crate) verbose: bool,
    /// Say less: only where it listens, the summary and errors
    #[arg(short, long, global = true, help_heading = OUTPUT, display_order = 902, overrides_with = "quiet")]
    pub(crate) quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print help: -h in short, --help in full with examples
    #[arg(id = "help", short = 'h', long = "help", global = true, help_heading = OUTPUT, display_order = 903, action = ArgAction::Help)]
    _help: Option<bool>,
    /// Print the version
    #[arg(id = "version", short = 'V', long = "version", help_heading = OUTPUT, display_order = 904, action = ArgAction::Version)]
    _version: Option<bool>,
}

/// The heading of what concerns what is printed, last in every help.
const OUTPUT: &str = "Output";

const TOP: &str = "\
EXAMPLES
  # print what arrives on port 1060
  halloo listen
  # send one datagram there
  halloo send 127.0.0.1 hello
  # shout on every interface and show who answers
  halloo broadcast 'who is there?' --wait 1s
  # exit code 1 when no answer comes
  halloo send 10.0.0.7:9000 hi --expect 1
  # who announces a service here: halloo announce TYPE --port N
  halloo discover
  # what a datagram is, by experiment
  halloo learn

EXIT CODES
  0  done; where answers were asked for, enough came
  1  too few answers or nothing in time; --fail-on-loss; a lesson surprised
  2  what was typed makes no sense
  3  refused before sending: too long, no broadcast, bad or unreadable input
  4  the system refused: not permitted, no route, port in use ...
  5  the peer refused: ICMP says that nobody listens there
  6  some interfaces or datagrams went, some did not (--lenient makes it 0)";

/// Reads a command line, the program's name first.
///
/// # Errors
/// [`Refused`] when there is nothing to do but to print a text: help, the version, or a mistake.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, Refused> {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = Args::read(&args).map_err(|error| Refused::from_clap(&error, &Typed::new(&args)))?;
    let nothing_behind = args.last().is_some_and(|word| word == "--");
    parsed.check(nothing_behind).map_err(|mistake| Refused::from_mistake(&mistake, &Typed::new(&args)))?;
    Ok(parsed)
}

impl Args {
    /// Reads a line with the options of the one command that is typed. What is refused, and help, is read again with all
    /// commands: what is said about it knows them.
    fn read(line: &[OsString]) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(line);
        let parsed = matches.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
        parsed.or_else(|refused| match refused.kind() {
            ErrorKind::DisplayVersion => Err(refused),
            _ => Self::read_in_full(line),
        })
    }

    fn read_in_full(line: &[OsString]) -> Result<Self, clap::Error> {
        let mut all = Self::in_full();
        let matches = all.try_get_matches_from_mut(line)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut all))
    }

    /// Every command with its options.
    fn in_full() -> clap::Command {
        Self::command().mut_subcommands(commands::in_full)
    }

    /// What clap cannot check: above all conflicts with the global options, which it sees only on their own level;
    /// and that `--` is the last word, which it does not see at all.
    fn check(&self, nothing_behind: bool) -> Result<(), Mistake> {
        if self.verbose && self.quiet {
            return Err(Mistake::new("--verbose and --quiet contradict each other"));
        }
        match &self.command {
            Command::Ping(ping) if self.quiet && ping.histogram => {
                Err(Mistake::new("--histogram does not go with --quiet").hint("leave one of them out"))
            }
            Command::Echo(echo) => echo.serve.check(),
            Command::Length(length) => length.serve.check(),
            Command::Listen(listen) => listen.check(self.json),
            Command::Send(send) => send.records.check().and_then(|()| send.answers.check()),
            Command::Broadcast(broadcast) => {
                broadcast.records.check().and_then(|()| broadcast.answers.check()).and_then(|()| broadcast.check_pace())
            }
            Command::Ping(ping) => ping.check(),
            Command::Announce(announce) => announce.check(nothing_behind),
            Command::Discover(discover) => discover.check(self.json),
            Command::Secret(_) => Ok(()),
            Command::Interfaces(_) => Ok(()),
            Command::Learn(learn) => learn.check(self.json || learn.events),
        }
    }
}

#[cfg(test)]
mod tests;
