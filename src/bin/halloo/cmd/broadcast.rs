//! `halloo broadcast`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halloo::engine::broadcast;
use halloo::engine::send::{CountBy, Plan};
use halloo::model::event::{Event, Notice, Planned};
use halloo::model::{Destination, Error, Stats, Verdict};
use halloo::net::interfaces;

use crate::args;
use crate::cmd::everybody;
use crate::cmd::run::{Output, tell};
use crate::cmd::send::{answers, schedule, send};
use crate::report::Style;

/// The time between datagrams that no answer is known to come back for: RFC 8085 section 3.1.3 asks for no more than one
/// to a destination in 3 s.
pub(super) const INTERVAL: Duration = Duration::from_secs(3);

/// Broadcasts, and collects answers.
pub(super) fn run(args: &args::Broadcast, output: &Output) -> Result<Verdict, Error> {
    let (table, watch) = interfaces::watched()?;
    let broadcast::Plan { destinations, skipped, mut notices } =
        everybody::plan(&args.everybody, &args.socket, &table)?;
    notices.extend(perhaps_meant(&args.records.source()));
    // Who floods has said that everybody may be burdened: the pace is the one that is typed, and no other.
    let flooding = args.flood.then(|| args.pacing.rate.as_ref().map_or(Duration::ZERO, |rate| rate.0));
    let interval = args.pacing.interval.or(flooding).unwrap_or(INTERVAL);
    let plan = Plan {
        schedule: schedule(&args.pacing, interval, interval),
        answers: answers(&args.answers, CountBy::Responder),
        destinations,
        skipped,
        notices,
        deadline: args.deadline(),
        fail_fast: args.fail_fast,
        lenient: args.lenient,
        allow_none: args.records.allow_none(),
    };
    if args.dry_run {
        return dry_run(&plan, output);
    }
    let mut network = everybody::open(&args.everybody, &args.socket, &plan.destinations, table)?;
    network.keep_watching(watch)?;
    let follows = everybody::follows(&args.everybody, &args.socket);
    send(plan, follows, args.records.source(), network, output, Style::Broadcast)
}

/// Who knows `send` writes an address first.
fn perhaps_meant(source: &args::Source) -> Option<Notice> {
    let args::Source::Payloads { texts, .. } = source else { return None };
    let text = std::str::from_utf8(&texts.first()?.0).ok()?;
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    text.parse::<IpAddr>().or_else(|_| with_port()).ok().map(Notice::AddressAsPayload)
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
