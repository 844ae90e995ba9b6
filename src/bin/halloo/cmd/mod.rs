//! What was typed becomes an engine, its options and a report.
//!
//! One file for each command, named as it is typed. [`run`](mod@run) is what they share: the run itself, its signals and
//! its end. [`records`] is where the datagrams of `send` and `broadcast` come from, [`feed`] how they get into
//! the run, [`prompt`] the prompt of `-i`. [`task`] is a program that runs beneath. [`one`] is what `--resolve` tells.
//! [`way`] is how one address is reached, [`everybody`] how all are.

mod announce;
mod broadcast;
mod discover;
mod everybody;
mod feed;
mod interfaces;
mod learn;
mod listen;
mod one;
mod ping;
mod prompt;
mod records;
mod run;
mod secret;
mod send;
mod serve;
mod signals;
mod task;
mod terminal;
mod way;

use halloo::model::{Error, Verdict};

use crate::args::{Args, Command};
use run::Output;

pub(crate) use run::notes_columns;

/// Says in JSON what is wrong with what was typed: `text` is the sentence, and below it what was meant.
pub(crate) fn refuse(text: &str) -> Verdict {
    let (what, instead) = text.split_once('\n').unwrap_or((text, ""));
    let what = what.strip_prefix("halloo: ").unwrap_or(what).to_owned();
    let instead = instead.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    Output::JSON.fail(&Error::Misuse { what, instead })
}

/// Does what was typed, and says the exit code it deserves.
pub(crate) fn run(args: &Args) -> u8 {
    let output = Output::new(args);
    let result = match &args.command {
        Command::Echo(echo) => serve::echo(echo, &output),
        Command::Length(length) => serve::length(length, &output),
        Command::Listen(listen) => listen::run(listen, &output),
        Command::Send(send) => send::run(send, &output),
        Command::Broadcast(broadcast) => broadcast::run(broadcast, &output),
        Command::Ping(ping) => ping::run(ping, &output),
        // It may have the code of the program that runs beneath it.
        Command::Announce(announce) => return announce::run(announce, &output),
        Command::Discover(discover) => discover::run(discover, &output),
        Command::Secret(secret) => secret::run(secret, &output),
        Command::Interfaces(interfaces) => interfaces::run(interfaces, &output),
        Command::Learn(learn) => learn::run(learn, &output),
    };
    result.unwrap_or_else(|error: Error| output.fail(&error)).code()
}
