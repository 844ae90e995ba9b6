//! The engines with their sockets, put together once: the program and the library run the same.

use std::time::Duration;

use super::{draws, sockets};
use crate::engine::announce::{self, Announcer};
use crate::engine::broadcast;
use crate::engine::discover::{self, Discoverer};
use crate::engine::follow::{Ear, Follow, Own};
use crate::engine::guard::{Guard, Rules};
use crate::engine::reach::Reach;
use crate::model::event::{Notice, Skipped};
use crate::model::interface::Table;
use crate::model::{About, Destination, Error, Names, ServiceType};
use crate::net::{FOLLOWS_INTERFACES, Fanout, interfaces};
use crate::wire::beacon::{Draws, MOST_BYTES, Secret, check_findable};

/// A service to be announced.
#[derive(Debug)]
pub struct Announced {
    /// Where.
    pub reach: Reach,
    /// The service.
    pub about: About,
    /// What askers must share, if anything.
    pub secret: Option<Secret>,
    /// Who may be answered, and how often.
    pub rules: Rules,
    /// Answer unicast questions from outside this host's subnets too.
    pub allow_routed: bool,
    /// Random numbers.
    pub draws: Draws,
    /// The end of the run.
    pub deadline: Option<Duration>,
    /// What the user should know besides.
    pub notices: Vec<Notice>,
}

/// An announcer, which follows the interfaces where the system tells of them.
pub struct Announcing {
    /// What to do next.
    pub engine: Follow<Announcer>,
    /// Its sockets.
    pub network: Fanout,
    /// Interfaces that it is not announced on; the engine tells them as well.
    pub skipped: Vec<Skipped>,
    /// What the user should know; the engine tells it as well.
    pub notices: Vec<Notice>,
}

/// Opens what is needed to announce a service on the interfaces of `table`.
///
/// # Errors
/// A name that nobody would find, an interface that is not there, what the system refuses.
pub fn announcing(service: Announced, table: &Table) -> Result<Announcing, Error> {
    let Announced { reach, about, secret, rules, allow_routed, draws, deadline, notices: more } = service;
    check_findable(&about, reach.family, secret.as_ref())?;
    let broadcast::Plan { destinations, skipped, mut notices } = reach.plan_or_wait(table, FOLLOWS_INTERFACES)?;
    let ear = Ear { interfaces: interfaces::names(table, &reach.interfaces)?, deaf_to: Some(Own::Announcements) };
    let opened = sockets::announcing(&reach, &destinations, table)?;
    let sockets::Announcing { mut network, listening, notices: of_sockets } = opened;
    network.watch_interfaces()?;
    notices.extend(of_sockets.into_iter().chain(more));
    let plan = announce::Plan {
        listening,
        skipped: skipped.clone(),
        notices: notices.clone(),
        about,
        destinations: destinations.clone(),
        secret,
        guard: Guard::new(rules, reach.port),
        allow_routed,
        draws,
        deadline,
    };
    let engine = Follow::new(Announcer::new(plan), reach, destinations, ear);
    Ok(Announcing { engine, network, skipped, notices })
}

/// Services to be looked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Where.
    pub reach: Reach,
    /// From this port of this host; 0 for any.
    pub source_port: u16,
    /// Of this type only.
    pub kind: Option<ServiceType>,
    /// Of these names only.
    pub names: Names,
    /// What they must share, if anything.
    pub secret: Option<Secret>,
    /// With the longest questions.
    pub full: bool,
    /// Go on, and tell who comes and goes.
    pub watch: bool,
    /// So many end the run, and fewer are an error.
    pub expect: Option<u64>,
    /// The end of the run.
    pub deadline: Option<Duration>,
    /// Some sent and some not is good enough.
    pub lenient: bool,
    /// What the user should know besides.
    pub notices: Vec<Notice>,
}

/// Opens what is needed to look for services on the interfaces of `table`.
///
/// # Errors
/// An interface that is not there, what the system refuses.
pub fn discovering(wanted: Wanted, table: &Table) -> Result<(Follow<Discoverer>, Fanout), Error> {
    let Wanted { reach, watch, .. } = wanted;
    let broadcast::Plan { destinations, skipped, mut notices } =
        reach.plan_or_wait(table, watch && FOLLOWS_INTERFACES)?;
    let ear = Ear { interfaces: interfaces::names(table, &reach.interfaces)?, deaf_to: Some(Own::Questions) };
    let (mut network, of_sockets) = sockets::asking(&reach, wanted.source_port, watch, &destinations, table)?;
    if watch {
        network.watch_interfaces()?;
    }
    notices.extend(of_sockets.into_iter().chain(wanted.notices));
    let plan = discover::Plan {
        destinations: destinations.clone(),
        skipped,
        notices,
        kind: wanted.kind,
        names: wanted.names,
        on_loopback: is_on_loopback(&destinations, table),
        secret: wanted.secret,
        draws: draws()?,
        room: if wanted.full { MOST_BYTES } else { 0 },
        watch,
        expect: wanted.expect,
        deadline: wanted.deadline,
        lenient: wanted.lenient,
    };
    Ok((Follow::new(Discoverer::new(plan), reach, destinations, ear), network))
}

/// Whether nobody but this host is asked.
fn is_on_loopback(destinations: &[Destination], table: &Table) -> bool {
    let is_loopback =
        |to: &Destination| table.rows().iter().any(|row| row.facts.loopback && to.link.as_ref() == Some(row.link()));
    destinations.iter().all(is_loopback)
}
