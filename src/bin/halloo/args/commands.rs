//! The commands, by their names.
//!
//! A line names one of them. The options of the others are not made for it: with them, most of the time of a short run
//! would go into what nobody asked for.

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};

use super::{Announce, Broadcast, Discover, Echo, Interfaces, Learn, Length, Listen, Ping, Secret, Send};

/// Adds the options of a command.
type Add = fn(clap::Command) -> clap::Command;

macro_rules! commands {
    ($($name:literal is $command:ident,)+) => {
        /// What to do. Each is described where its options are.
        #[derive(Debug)]
        pub(crate) enum Command {
            $($command($command),)+
        }

        const COMMANDS: &[(&str, Add)] = &[$(($name, <$command as Args>::augment_args),)+];

        impl FromArgMatches for Command {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                match matches.subcommand() {
                    $(Some(($name, own)) => $command::from_arg_matches(own).map(Self::$command),)+
                    _ => Err(clap::Error::new(ErrorKind::MissingSubcommand)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                Self::from_arg_matches(matches).map(|command| *self = command)
            }
        }
    };
}

// In the order of the help.
commands! {
    "echo" is Echo,
    "length" is Length,
    "listen" is Listen,
    "send" is Send,
    "broadcast" is Broadcast,
    "ping" is Ping,
    "announce" is Announce,
    "discover" is Discover,
    "secret" is Secret,
    "interfaces" is Interfaces,
    "learn" is Learn,
}

impl Subcommand for Command {
    /// Their names; the options are added to the one that is typed.
    fn augment_subcommands(halloo: clap::Command) -> clap::Command {
        let named = |(name, add): &(&'static str, Add)| clap::Command::new(*name).defer(*add);
        halloo.disable_help_flag(true).subcommands(COMMANDS.iter().map(named))
    }

    fn augment_subcommands_for_update(halloo: clap::Command) -> clap::Command {
        Self::augment_subcommands(halloo)
    }

    fn has_subcommand(name: &str) -> bool {
        COMMANDS.iter().any(|(known, _)| *known == name)
    }
}

/// A command of that name with its options; any other as it is.
pub(super) fn in_full(command: clap::Command) -> clap::Command {
    let known = COMMANDS.iter().enumerate().find(|(_, (name, _))| *name == command.get_name());
    // The place among the others is lost with the command that is replaced.
    known.map_or(command, |(at, (name, add))| add(clap::Command::new(*name).display_order(at)))
}
