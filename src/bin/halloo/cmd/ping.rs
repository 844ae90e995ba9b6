//! `halloo ping`.

use std::net::IpAddr;

use halloo::discovery::random;
use halloo::engine::broadcast;
use halloo::engine::ping::{Match, Pinger, Plan};
use halloo::engine::places::Follows;
use halloo::model::interface::Table;
use halloo::model::{Cast, Error, Family, Host, Sink, Target, TooLong, Verdict};
use halloo::net::{Batch, Fanout, batch, interfaces};
use halloo::wire::probe::{HEADER, RunId};

use crate::args;
use crate::cmd::everybody;
use crate::cmd::run::{Output, Setup, notes_to_terminal, run as run_to_the_end};
use crate::cmd::way::{address, follow, is_broadcast, open, options, resolved, way};
use crate::report::{Human, Live, Options, Show, Style, stderr, stdout};

/// Probes, and reports each responder.
pub(super) fn run(args: &args::Ping, output: &Output) -> Result<Verdict, Error> {
    check_header(args.size)?;
    let table = interfaces::list()?;
    let (way, follows, mut network) = match &args.target {
        Some(target) => to_one(args, target, table)?,
        None => to_everybody(args, table)?,
    };
    network.poll_for(args.busy_poll.unwrap_or_default());
    let setup = Setup::new(&mut network, Batch::new(batch::SLOT), true)?;
    let follows = follow(&mut network, follows, true);
    let mut pinger = Pinger::new(plan(args, way)?).following(follows, network.table());
    let unwritten = run_to_the_end(&mut pinger, &mut network, setup, sink(args, output));
    Ok(unwritten.unwrap_or(pinger.stats().verdict))
}

/// Where the probes of one host go.
fn to_one(args: &args::Ping, target: &Target, table: Table) -> Result<(broadcast::Plan, Follows, Fanout), Error> {
    let interface = args.everybody.interface.first();
    let address = address(target, args.family(), interface, &table)?;
    if is_broadcast(address, &table) || Cast::by_form(address.ip()) != Cast::Unicast {
        return Err(Error::Misuse {
            what: format!("{} is the address of many, and a TARGET is one host", address.ip()),
            instead: everybody_at(address.ip()),
        });
    }
    let way = way(address, interface, &args.socket, &table)?;
    let destination = way.start(&table)?;
    let family = Family::of(address.ip());
    check_size(args.size, family)?;
    let options = options(&args.socket, family, Cast::Unicast)?;
    let notices = resolved(target, address).into_iter().collect();
    let plan = broadcast::Plan { destinations: vec![destination], notices, ..broadcast::Plan::default() };
    let network = open(&options, &plan.destinations, table)?;
    Ok((plan, Follows::One(way), network))
}

/// How everybody at this address is asked.
fn everybody_at(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) if !ip.is_multicast() => format!("probe everybody there: halloo ping --broadcast --to {ip}"),
        IpAddr::V6(ip) if ip == broadcast::ALL_NODES => {
            "probe everybody there: halloo ping --broadcast --ipv6".to_owned()
        }
        group => format!(
            "one datagram, and all answers to it: halloo send {} --wait 1s",
            Target { host: Some(Host::Address(group)), port: None }
        ),
    }
}

/// Where the probes of everybody go.
fn to_everybody(args: &args::Ping, table: Table) -> Result<(broadcast::Plan, Follows, Fanout), Error> {
    check_size(args.size, everybody::family(&args.everybody))?;
    let plan = everybody::plan(&args.everybody, &args.socket, &table)?;
    let network = everybody::open(&args.everybody, &args.socket, &plan.destinations, table)?;
    Ok((plan, everybody::follows(&args.everybody, &args.socket), network))
}

fn plan(args: &args::Ping, way: broadcast::Plan) -> Result<Plan, Error> {
    let broadcast::Plan { destinations, skipped, notices } = way;
    Ok(Plan {
        destinations,
        skipped,
        notices,
        run: run_id()?,
        size: args.size,
        count: args.count(),
        interval: args.interval(),
        deadline: args.deadline(),
        wait: args.wait(),
        expect: args.expect.map(Into::into),
        matching: match args.matching {
            args::Match::Probe => Match::Probe,
            args::Match::Any => Match::Any,
        },
        flood: args.flood,
        fail_on_loss: args.fail_on_loss,
        fail_fast: args.fail_fast,
        lenient: args.lenient,
    })
}

/// A run of its own: nobody can guess its number, and no two have the same.
fn run_id() -> Result<RunId, Error> {
    random().map(RunId)
}

fn check_header(size: usize) -> Result<(), Error> {
    if size >= HEADER {
        return Ok(());
    }
    Err(Error::Misuse {
        what: format!("--size: a probe of {size} bytes cannot be told apart from others"),
        instead: format!("write at least {HEADER}: its mark, run, number, time and check need so many"),
    })
}

fn check_size(len: usize, family: Family) -> Result<(), Error> {
    if len > family.max_payload() { Err(Error::ProbeTooLong(TooLong { len, family })) } else { Ok(()) }
}

/// The report. A terminal also shows how far it is, unless less, more or JSON is wanted.
fn sink(args: &args::Ping, output: &Output) -> Box<dyn Sink + Send> {
    if output.json {
        return output.sink(Style::Ping);
    }
    // The bytes of a probe say nothing to a person; those of another answer may.
    let show = if args.matching == args::Match::Any { Show::Text } else { Show::None };
    let options = Options { show, histogram: args.histogram, ..output.options(Style::Ping) };
    let lines = Human::new(options, stdout(), stderr());
    if output.quiet || output.verbose || !notes_to_terminal() {
        return Box::new(lines);
    }
    Box::new(Live::new(lines, stderr()))
}
