//! `halloo send`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halloo::engine::broadcast::{self, Choice, Form};
use halloo::engine::places::Follows;
use halloo::engine::send::{Answers, CountBy, Plan, Sender};
use halloo::model::error::Unsendable;
use halloo::model::event::Notice;
use halloo::model::interface::Table;
use halloo::model::{Cast, Destination, Error, Family, Repeat, Schedule, Selector, Verdict};
use halloo::net::endpoint::source_for;
use halloo::net::{Batch, Fanout, Options, batch, interfaces};

use crate::args;
use crate::cmd::broadcast as to_all;
use crate::cmd::records::{self, may_take_long};
use crate::cmd::run::{Output, Setup, run as run_to_the_end};
use crate::cmd::way::{address, follow, is_broadcast, open, options, resolved, source_asked, way};
use crate::report::Style;

/// The time between rounds of `--count`, unless it is said.
const INTERVAL: Duration = Duration::from_secs(1);

/// Sends, and collects answers.
pub(super) fn run(args: &args::Send, output: &Output) -> Result<Verdict, Error> {
    let table = interfaces::list()?;
    let address = address(&args.target, args.family(), args.interface.as_ref(), &table)?;
    let (destination, follows, mut notices) = destination(args, address, &table)?;
    notices.extend(resolved(&args.target, address));
    notices.extend(perhaps_meant(args));
    let everybody = matches!(destination.cast, Cast::Broadcast | Cast::Limited);
    let plan = Plan {
        schedule: pace(&args.pacing, everybody),
        answers: Answers {
            linger: linger(&destination, &table, args.answers.linger),
            strict_source: args.strict_source,
            believe_refusals: table.owner(destination.address.ip()).is_some(),
            show_unasked: args.records.source() == args::Source::Interactive,
            ..answers(&args.answers, CountBy::Answer)
        },
        notices,
        fail_fast: args.fail_fast,
        lenient: args.lenient,
        allow_none: args.records.allow_none(),
        ..Plan::to(vec![destination.clone()])
    };
    let options = Options {
        broadcast: everybody,
        connect: args.connect.then_some(destination.address),
        ..options(&args.socket, Family::of(destination.address.ip()), destination.cast)?
    };
    let network = open(&options, &plan.destinations, table)?;
    send(plan, follows, args.records.source(), network, output, Style::Send)
}

/// What `send` and `broadcast` end with: the records, the run, the result.
pub(super) fn send(
    plan: Plan,
    follows: Follows,
    source: args::Source,
    mut network: Fanout,
    output: &Output,
    style: Style,
) -> Result<Verdict, Error> {
    let family = plan.destinations.first().map_or(Family::V4, |d| Family::of(d.address.ip()));
    let at_once = plan.schedule.rounds.is_once() && plan.schedule.between_records.is_zero();
    let waits = plan.answers.wait.is_some() || !plan.answers.linger.is_zero();
    let is_series = !at_once || may_take_long(&source);
    let (feed, sink) = records::open(source, family, output, style, || network.waker())?;
    let setup = Setup::new(&mut network, Batch::new(batch::SLOT), is_series || waits)?;
    let follows = follow(&mut network, follows, is_series);
    let mut sender = Sender::new(plan, feed).following(follows, network.table());
    let unwritten = run_to_the_end(&mut sender, &mut network, setup, sink);
    Ok(unwritten.unwrap_or(sender.stats().verdict))
}

/// When datagrams leave: those for everybody no faster than a broadcast, whatever command they are typed behind.
fn pace(args: &args::Pacing, everybody: bool) -> Schedule {
    let interval = args.interval.unwrap_or(if everybody { to_all::INTERVAL } else { INTERVAL });
    schedule(args, interval, if everybody { interval } else { Duration::ZERO })
}

/// When datagrams leave.
pub(super) fn schedule(pacing: &args::Pacing, interval: Duration, between_records: Duration) -> Schedule {
    let interval = pacing.interval.unwrap_or(interval);
    Schedule {
        rounds: Repeat::Times(pacing.count.get()),
        between_rounds: interval,
        between_records: pacing.rate.map_or(between_records, |rate| rate.0),
    }
}

/// Which answers are waited for.
pub(super) fn answers(args: &args::Answers, count_by: CountBy) -> Answers {
    Answers {
        wait: args.wait(),
        linger: args.linger,
        expect: args.expect.map(Into::into),
        most: args.max.map(Into::into),
        count_by,
        believe_refusals: false,
        ..Answers::NONE
    }
}

/// What the habits of other programs leave behind: a port as the first payload, an input that nobody reads.
fn perhaps_meant(args: &args::Send) -> Option<Notice> {
    match args.records.source() {
        args::Source::Payloads { texts, .. } if args.target.port.is_none() => {
            let port = std::str::from_utf8(&texts.first()?.0).ok()?.parse().ok()?;
            Some(Notice::PortAsPayload(port))
        }
        args::Source::Time if stdin_is_pipe() => Some(Notice::InputUnread),
        _ => None,
    }
}

/// Whether somebody pipes something into this program. A terminal, a file and /dev/null are no sign of it.
#[cfg(unix)]
fn stdin_is_pipe() -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata("/dev/stdin").is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Whether somebody pipes something into this program.
#[cfg(not(unix))]
fn stdin_is_pipe() -> bool {
    false
}

/// Where the datagrams go, by which interface and from which source where that has to be said.
fn destination(
    args: &args::Send,
    address: SocketAddr,
    table: &Table,
) -> Result<(Destination, Follows, Vec<Notice>), Error> {
    if is_broadcast(address, table) {
        return to_everybody(args, address, table);
    }
    let way = way(address, args.interface.as_ref(), &args.socket, table)?;
    Ok((way.start(table)?, Follows::One(way), Vec::new()))
}

/// A broadcast address leaves by the interface that has it; 255.255.255.255 by the one that was named, by the only one
/// there is, or by the one that the route gives.
fn to_everybody(
    args: &args::Send,
    address: SocketAddr,
    table: &Table,
) -> Result<(Destination, Follows, Vec<Notice>), Error> {
    let IpAddr::V4(ip) = address.ip() else {
        return Err(Error::NotADestination { address: address.to_string(), why: Unsendable::NoBroadcast });
    };
    if args.no_broadcast {
        let link = table.broadcaster(ip).map(|row| row.link().clone());
        return Err(Error::BroadcastForbidden { address: ip, link });
    }
    if args.connect {
        return Err(Error::NotADestination { address: address.to_string(), why: Unsendable::Connected });
    }
    if let Some(typed) = args.pacing.burden() {
        return Err(Error::Misuse {
            what: format!("{typed} burdens everybody who can hear {ip}"),
            instead: format!("if that is what you want: halloo broadcast --to {ip} --flood"),
        });
    }
    let choice = Choice {
        interfaces: args.interface.iter().cloned().collect(),
        form: Form::To(ip),
        mask_derived: false,
        port: address.port(),
    };
    let destinations = broadcast::plan(table, &choice)?.destinations;
    let by_route = source_for(address).ok();
    let on_route = |d: &&Destination| d.source.is_some() && d.source == by_route;
    let ambiguous = destinations.len() > 1 && ip.is_broadcast() && args.interface.is_none();
    let found = match destinations.iter().find(on_route) {
        Some(on_route) => on_route,
        None if ambiguous => {
            return Err(Error::NotADestination { address: address.to_string(), why: Unsendable::SeveralInterfaces });
        }
        None => destinations.first().ok_or(Error::NothingToBroadcastOn { skipped: Vec::new() })?,
    };
    let mut destination = found.clone();
    destination.source = source_asked(&args.socket).or(destination.source);
    let notice = Notice::Broadcasting(ip, destination.link.clone());
    Ok((destination.clone(), by_that_interface(choice, &destination), vec![notice]))
}

/// It stays with the interface that was found, whatever else comes.
fn by_that_interface(mut choice: Choice, found: &Destination) -> Follows {
    if choice.interfaces.is_empty() {
        choice.interfaces = found.link.iter().map(|link| Selector::Name(link.name.to_string())).collect();
    }
    Follows::Everybody(choice, None)
}

/// How long to stay for a refusal. From this host itself it is there when the send returns; from a group or a broadcast
/// there is none (RFC 1122 3.2.2).
fn linger(destination: &Destination, table: &Table, asked: Duration) -> Duration {
    let here = table.owner(destination.address.ip()).is_some();
    if here || destination.cast != Cast::Unicast { Duration::ZERO } else { asked }
}
