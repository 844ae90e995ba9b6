//! `halloo discover`.

use std::io;

use halloo::discovery::{draws, sockets};
use halloo::engine::broadcast;
use halloo::engine::discover::{Discoverer, Plan};
use halloo::engine::follow::{Ear, Follow};
use halloo::engine::reach::Reach;
use halloo::model::event::Notice;
use halloo::model::interface::Table;
use halloo::model::{Error, Event, Family, Now, Sink, Verdict};
use halloo::net::{Batch, FOLLOWS_INTERFACES, interfaces};
use halloo::wire::beacon::MOST_BYTES;

use crate::args;
use crate::cmd::announce::reach;
use crate::cmd::resolve::{self, One};
use crate::cmd::run::{Output, Setup, run as run_to_the_end, to_terminal};
use crate::cmd::{secret, serve};
use crate::report::{Board, Human, Part, Print, Style, Told};

/// Finds services.
pub(super) fn run(args: &args::Discover, output: &Output) -> Result<Verdict, Error> {
    let shared = secret::shared(args.reach.secret_file.as_deref())?;
    let has_secret = shared.secret.is_some();
    let table = interfaces::list()?;
    let reach = one_address(args, reach(&args.reach), &table);
    check_source_port(args.source_port, &reach)?;
    let broadcast::Plan { destinations, skipped, mut notices } =
        reach.plan_or_wait(&table, args.watch && FOLLOWS_INTERFACES)?;
    let interfaces = serve::names(&table, &reach.interfaces)?;
    let ear = Ear { interfaces, deaf_to_itself: true, wanted: args.wanted() };
    let source_port = args.source_port.unwrap_or(0);
    let (mut network, of_sockets) = sockets::asking(&reach, source_port, args.watch, &destinations, &table)?;
    notices.extend(of_sockets.into_iter().chain(shared.notice));
    if args.watch {
        network.watch_interfaces()?;
    }
    let plan = Plan {
        destinations: destinations.clone(),
        skipped,
        notices,
        kind: args.kind.clone(),
        secret: shared.secret,
        draws: draws()?,
        room: if args.full { MOST_BYTES } else { 0 },
        watch: args.watch,
        expect: args.expect(),
        deadline: args.deadline(),
        lenient: args.lenient,
    };
    let port = network.endpoint().map_or(source_port, |endpoint| endpoint.local().port());
    let hint = Notice::NobodyAnnounces { asked: reach.port, port, secret: has_secret };
    let inner = Box::new(Told { watch: args.watch, inner: sink(args, output, has_secret) });
    let inner: Box<dyn Sink> = Box::new(Hinting { hint: (!args.watch).then_some(hint), inner });
    let sink = match args.resolve {
        Some(_) => Box::new(One::new(args.print.is_some(), has_secret, inner)),
        None => inner,
    };
    let setup = Setup::new(&mut network, Batch::new(MOST_BYTES + 1), true)?;
    let mut engine = Follow::new(Discoverer::new(plan), reach, destinations, ear);
    run_to_the_end(&mut engine, &mut network, setup, sink)?;
    let verdict = engine.inner().stats().verdict;
    let several = args.resolve.is_some() && resolve::two_of(engine.inner().services(), has_secret).is_some();
    Ok(if several { resolve::not_one(verdict) } else { verdict })
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
        what: format!("--source-port {port}: nobody answers there, lest servers answer each other"),
        instead: format!("write a port from 1024 that is not {}", reach.port),
    })
}

fn sink(args: &args::Discover, output: &Output, verified: bool) -> Box<dyn Sink> {
    if let Some(print) = args.print {
        let part = match print {
            args::Print::AddressAndPort => Part::AddressAndPort,
            args::Print::Address => Part::Address,
            args::Print::Port => Part::Port,
        };
        // Standard output is for what was asked for alone.
        let notes = Human::new(output.options(Style::Discover), io::stderr(), io::stderr());
        return Box::new(Print { part, verified, notes, data: io::stdout() });
    }
    if !args.watch || output.json || output.quiet || !to_terminal() || is_dumb() {
        return output.sink(Style::Discover);
    }
    let lines = Human::new(output.options(Style::Discover), io::stdout(), io::stderr());
    Box::new(Board::new(lines, io::stdout(), Box::new(size)))
}

/// Whether the terminal says that it knows no escapes.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn size() -> Option<(usize, usize)> {
    let (width, height) = terminal_size::terminal_size_of(io::stdout())?;
    Some((width.0.into(), height.0.into()))
}

/// Says what may be the cause when nobody was found.
struct Hinting {
    hint: Option<Notice>,
    inner: Box<dyn Sink>,
}

impl Sink for Hinting {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            // Somebody is there, whoever that is.
            Event::Service(..) => self.hint = None,
            // Told of any question to everybody; here there is more to say.
            Event::Notice(Notice::BroadcastSilence { .. }) => return Ok(()),
            Event::Summary(stats) if stats.sent > 0 => {
                if let Some(hint) = self.hint.take() {
                    self.inner.event(now, &Event::Notice(hint))?;
                }
            }
            _ => {}
        }
        self.inner.event(now, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
