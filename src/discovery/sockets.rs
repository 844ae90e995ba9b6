//! The sockets of discovery.
//!
//! Whoever answers is bound to the port of discovery, shares it with others of the same user who announce, and never
//! broadcasts; announcements leave by sockets of their own. Whoever asks does so from any port, or from one that a
//! firewall was told about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::engine::broadcast::ALL_NODES;
use crate::engine::reach::Reach;
use crate::model::event::{Listening, Notice, Role};
use crate::model::interface::Table;
use crate::model::{Destination, Error, Family, Link};
use crate::net::options::RECEIVE_BUFFER;
use crate::net::{Fanout, Options};

/// Open sockets, and what to say about them.
pub struct Announcing {
    /// All of them.
    pub network: Fanout,
    /// Where questions come to.
    pub listening: Listening,
    /// What the user should know.
    pub notices: Vec<Notice>,
}

/// Opens what is needed to answer, and to announce to `destinations`.
///
/// # Errors
/// The system's; that it lacks one of the two IP versions is none, unless only that one was asked for.
pub fn announcing(reach: &Reach, destinations: &[Destination], table: &Table) -> Result<Announcing, Error> {
    let mut network = each_family(reach, |family| listener(family, reach.port, table))?;
    let listening = network.endpoint().map(|endpoint| (endpoint.local(), endpoint.granted().receive_buffer));
    let (local, granted) = listening.unwrap_or((SocketAddr::new(any(Family::V4), reach.port), None));
    let joined = network.join_everywhere(ALL_NODES.into());
    let groups = joined.into_iter().filter(|link| is_asked_on(link, destinations)).map(|link| (ALL_NODES.into(), link));
    let groups = groups.collect();
    let receive_buffer = (RECEIVE_BUFFER, granted);
    network = network.and(each_family(reach, |family| speaker(family, 0, destinations, table))?);
    let listening = Listening { role: Role::Announce, local, groups, receive_buffer };
    Ok(Announcing { network, listening, notices: Vec::new() })
}

/// Opens what is needed to ask `destinations` from a port of this host (0: any), and with `hear` also to hear who announces
/// itself.
///
/// # Errors
/// The system's, as for [`announcing`]. Where another user's program has the port of discovery, nothing is heard unasked,
/// and a notice says so.
pub fn asking(
    reach: &Reach,
    source_port: u16,
    hear: bool,
    destinations: &[Destination],
    table: &Table,
) -> Result<(Fanout, Vec<Notice>), Error> {
    let mut network = each_family(reach, |family| speaker(family, source_port, destinations, table))?;
    let granted = network.endpoint().and_then(|endpoint| endpoint.granted().receive_buffer);
    let small = granted.filter(|granted| *granted < RECEIVE_BUFFER);
    let mut notices: Vec<Notice> =
        small.map(|size| Notice::SmallReceiveBuffer(RECEIVE_BUFFER, size)).into_iter().collect();
    if !hear {
        return Ok((network, notices));
    }
    match each_family(reach, |family| listener(family, reach.port, table)) {
        Ok(ears) => {
            network = network.and(ears);
            let _joined = network.join_everywhere(ALL_NODES.into());
        }
        Err(Error::System { fault, .. }) => notices.push(Notice::HearsNoAnnouncements(reach.port, fault)),
        Err(error) => return Err(error),
    }
    Ok((network, notices))
}

/// Whether those who ask on this interface are answered: others are joined because they may be used later.
fn is_asked_on(link: &Link, destinations: &[Destination]) -> bool {
    destinations.iter().any(|to| to.address.is_ipv6() && to.link.as_ref() == Some(link))
}

/// One for each IP version that is wanted. A host without IPv6 has IPv4 alone, and the other way round.
fn each_family(reach: &Reach, open: impl Fn(Family) -> Result<Fanout, Error>) -> Result<Fanout, Error> {
    match reach.family {
        Some(family) => open(family),
        None => match (open(Family::V4), open(Family::V6)) {
            (Ok(four), Ok(six)) => Ok(four.and(six)),
            (Ok(four), Err(error)) if is_lack(&error) => Ok(four),
            (Err(error), Ok(six)) if is_lack(&error) => Ok(six),
            (Err(error), _) | (_, Err(error)) => Err(error),
        },
    }
}

/// Whether the system does not have this IP version.
const fn is_lack(error: &Error) -> bool {
    use crate::model::error::FaultKind::{AddressNotAvailable, Unsupported};
    matches!(error, Error::System { fault, .. } if matches!(fault.kind, Unsupported | AddressNotAvailable))
}

const fn any(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

fn listener(family: Family, port: u16, table: &Table) -> Result<Fanout, Error> {
    let options = Options { share: true, patient: false, ..Options::new(SocketAddr::new(any(family), port)) };
    Ok(Fanout::new(vec![options.open()?], table.clone()))
}

fn speaker(family: Family, port: u16, destinations: &[Destination], table: &Table) -> Result<Fanout, Error> {
    // A broadcast is for one wire; routers must not carry it on even by mistake (RFC 2644).
    let options = Options { broadcast: true, ttl: Some(1), ..Options::new(SocketAddr::new(any(family), port)) };
    let of_family = |source: &IpAddr| Family::of(*source) == family;
    let mut sources: Vec<IpAddr> = destinations.iter().filter_map(|to| to.source).filter(of_family).collect();
    sources.dedup();
    Fanout::open(&options, &sources, table.clone())
}
