//! `halloo broadcast`.

use std::net::IpAddr;
use std::time::Duration;

use halloo::engine::broadcast::{self, Choice, Form};
use halloo::engine::send::{CountBy, Plan};
use halloo::model::event::{Event, Planned};
use halloo::model::{Cast, Destination, Error, Family, Selector, Stats, Verdict};
use halloo::net::{Fanout, Options, interfaces};

use crate::args::{self, Aim};
use crate::cmd::run::{Output, tell};
use crate::cmd::send::{answers, options, schedule, send, source_asked};
use crate::report::Style;

/// The time between datagrams that no answer is known to come back for: RFC 8085 section 3.1.3 asks for no more than one
/// to a destination in 3 s.
const INTERVAL: Duration = Duration::from_secs(3);

/// Broadcasts, and collects answers.
pub(super) fn run(args: &args::Broadcast, output: &Output) -> Result<Verdict, Error> {
    let table = interfaces::list()?;
    let broadcast::Plan { destinations, skipped, notices } = broadcast::plan(&table, &choice(args))?;
    check_source(args, &destinations)?;
    let between_records = args.pacing.interval.unwrap_or(INTERVAL);
    let plan = Plan {
        schedule: schedule(&args.pacing, INTERVAL, between_records),
        answers: answers(&args.answers, CountBy::Responder),
        destinations,
        skipped,
        notices,
        lenient: args.lenient,
        allow_none: args.records.allow_none(),
    };
    if args.dry_run {
        return dry_run(&plan, output);
    }
    let (family, cast) = match args.aim() {
        Aim::Ipv6 => (Family::V6, Cast::Multicast),
        _ => (Family::V4, Cast::Broadcast),
    };
    let options = Options { broadcast: true, ..options(&args.socket, family, cast)? };
    let sources: Vec<IpAddr> = plan.destinations.iter().filter_map(|d| d.source).collect();
    let network = Fanout::open(&options, &sources, table)?;
    send(plan, args.records.source(), network, output, Style::Broadcast)
}

fn choice(args: &args::Broadcast) -> Choice {
    let (form, mask_derived) = match args.aim() {
        Aim::Directed { mask_derived } => (Form::Directed, mask_derived),
        Aim::To(address) => (Form::To(address), false),
        Aim::Limited => (Form::Limited, false),
        Aim::Ipv6 => (Form::AllNodes, false),
    };
    Choice { interfaces: interfaces_asked(args), form, mask_derived, port: args.port }
}

/// The interfaces that were named. A source address names its own: no other interface may send from it.
fn interfaces_asked(args: &args::Broadcast) -> Vec<Selector> {
    match source_asked(&args.socket) {
        Some(address) if args.interface.is_empty() => vec![Selector::Address(address)],
        _ => args.interface.clone(),
    }
}

/// With both named, they have to agree.
fn check_source(args: &args::Broadcast, destinations: &[Destination]) -> Result<(), Error> {
    match source_asked(&args.socket) {
        Some(address) if destinations.iter().any(|d| d.source != Some(address)) => Err(Error::Misuse {
            what: "--from names an address that a chosen interface does not broadcast from".into(),
            instead: "leave out --interface, or name only a port (--from :PORT)".into(),
        }),
        _ => Ok(()),
    }
}

/// Shows the table and sends nothing.
fn dry_run(plan: &Plan, output: &Output) -> Result<Verdict, Error> {
    let stats = Stats { skipped: plan.skipped.len() as u64, ..Stats::default() };
    let notices = plan.notices.iter().cloned().map(Event::Notice);
    let planned = plan.destinations.iter().filter_map(planned).map(Event::Planned);
    let skipped = plan.skipped.iter().cloned().map(Event::Skipped);
    tell(output.sink(Style::Broadcast), notices.chain(planned).chain(skipped).chain([Event::Summary(&stats)]))?;
    Ok(Verdict::Done)
}

fn planned(destination: &Destination) -> Option<Planned> {
    Some(Planned {
        link: destination.link.clone()?,
        source: destination.source,
        destination: destination.address,
        cast: destination.cast,
    })
}
