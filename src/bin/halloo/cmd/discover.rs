//! `halloo discover`.

use std::io;

use halloo::discovery::engines::{Wanted, discovering};
use halloo::engine::pulse::Pulse;
use halloo::engine::reach::Reach;
use halloo::model::interface::Table;
use halloo::model::{Error, Family, Sink, Verdict};
use halloo::net::{Batch, interfaces};
use halloo::wire::beacon::MOST_BYTES;

use crate::args;
use crate::cmd::announce::reach;
use crate::cmd::one::{self, One};
use crate::cmd::run::{Output, Setup, run as run_to_the_end, run_queued, to_terminal};
use crate::cmd::secret;
use crate::cmd::way::of_sender;
use crate::report::{Board, Human, Part, Print, Queue, Style, Told, stderr, stdout};

/// Finds services.
pub(super) fn run(args: &args::Discover, output: &Output) -> Result<Verdict, Error> {
    let shared = secret::shared(args.reach.secret_file.as_deref())?;
    let has_secret = shared.secret.is_some();
    let table = interfaces::list()?;
    let reach = one_address(args, reach(&args.reach), &table);
    check_source_port(args.source_port, &reach)?;
    let wanted = Wanted {
        reach,
        source_port: args.source_port.unwrap_or(0),
        kind: args.kind.clone(),
        names: args.names(),
        secret: shared.secret,
        full: args.full,
        watch: args.watch,
        expect: args.expect(),
        deadline: args.deadline(),
        lenient: args.lenient,
        notices: shared.notice.into_iter().collect(),
    };
    let (engine, mut network) = discovering(wanted, &table).map_err(of_sender)?;
    let board = is_board(args, output);
    let setup = Setup::new(&mut network, Batch::new(MOST_BYTES + 1), true)?;
    let mut engine = Pulse::new(engine, board);
    let unwritten = if args.watch && !board {
        // It goes on for long, and strangers say how much there is to tell.
        let mut queue = Queue::new();
        let inner = output.queued(Style::Discover, &mut queue);
        run_queued(&mut engine, &mut network, setup, (queue, Box::new(Told { watch: true, inner })))?
    } else {
        let inner = sink(args, output, has_secret, board);
        let sink = match args.resolve {
            Some(_) => Box::new(One::new(args.print.is_some(), has_secret, inner)),
            None => inner,
        };
        run_to_the_end(&mut engine, &mut network, setup, sink)
    };
    if let Some(unwritten) = unwritten {
        return Ok(unwritten);
    }
    let verdict = engine.inner().stats().verdict;
    let several = args.resolve.is_some() && one::two_of(engine.inner().services(), has_secret).is_some();
    Ok(if several { one::not_one(verdict) } else { verdict })
}

/// Who wants the address of one service wants the same one each time, not that over which the first answer happens to come:
/// the one over IPv4, where this host has IPv4.
fn one_address(args: &args::Discover, reach: Reach, table: &Table) -> Reach {
    let over_ipv4 = Reach { family: Some(Family::V4), ..reach.clone() };
    let choice = args.resolve.is_some() && reach.family.is_none();
    if choice && over_ipv4.plan(table).is_ok() { over_ipv4 } else { reach }
}

/// Those who announce do not answer everybody: not a port of services, and not their own.
fn check_source_port(port: Option<u16>, reach: &Reach) -> Result<(), Error> {
    let Some(port) = port.filter(|port| *port < 1024 || *port == reach.port) else { return Ok(()) };
    Err(Error::Misuse {
        what: format!(
            "--source-port {port}: nobody answers a question from there, so that servers never answer each other"
        ),
        instead: format!("write a port from 1024 that is not {}", reach.port),
    })
}

fn sink(args: &args::Discover, output: &Output, verified: bool, board: bool) -> Box<dyn Sink + Send> {
    if board {
        let above = Human::new(output.options(Style::Discover), stdout(), stderr());
        return Box::new(Board::new(above, stdout(), Box::new(size), output.verbose));
    }
    let inner: Box<dyn Sink + Send> = match args.print {
        Some(print) => {
            // Standard output is for what was asked for alone.
            let notes = Human::new(output.options(Style::Discover), stderr(), stderr());
            Box::new(Print { part: part(print), verified, notes, data: stdout() })
        }
        None => output.sink(Style::Discover),
    };
    Box::new(Told { watch: false, inner })
}

const fn part(print: args::Print) -> Part {
    match print {
        args::Print::AddressAndPort => Part::AddressAndPort,
        args::Print::Address => Part::Address,
        args::Print::Port => Part::Port,
    }
}

/// Whether there is a terminal that a table can be kept up to date on, and somebody who wants it.
fn is_board(args: &args::Discover, output: &Output) -> bool {
    args.watch && !output.json && !output.quiet && to_terminal() && !is_dumb()
}

/// Whether the terminal says that it knows no escapes.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn size() -> Option<(usize, usize)> {
    let (width, height) = terminal_size::terminal_size_of(io::stdout())?;
    Some((width.0.into(), height.0.into()))
}
