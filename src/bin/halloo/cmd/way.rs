//! The way to an address: which one is meant, by which interface, and with what socket.

use std::net::{IpAddr, SocketAddr};

use halloo::engine::places::{Follows, Way};
use halloo::model::error::{Action, Unsendable};
use halloo::model::event::Notice;
use halloo::model::interface::Table;
use halloo::model::target::{DEFAULT_PORT, canonical, needs_zone};
use halloo::model::{Cast, Destination, Error, Family, Host, Link, Selector, Target};
use halloo::net::endpoint::source_for;
use halloo::net::options::RECEIVE_BUFFER;
use halloo::net::{FOLLOWS_INTERFACES, Fanout, Options, interfaces};

use crate::args;

/// The address that was meant.
///
/// # Errors
/// A name without an address of the IP version asked for, a zone that is missing, an address that is nobody's.
pub(super) fn address(
    target: &Target,
    family: Option<Family>,
    interface: Option<&Selector>,
    table: &Table,
) -> Result<SocketAddr, Error> {
    let this_host: IpAddr = match family {
        Some(Family::V6) => std::net::Ipv6Addr::LOCALHOST.into(),
        _ => std::net::Ipv4Addr::LOCALHOST.into(),
    };
    let default = SocketAddr::new(this_host, DEFAULT_PORT);
    let mut address = canonical(interfaces::resolve(target, default, family, table)?);
    if let (true, Some(selector)) = (needs_zone(address), interface) {
        let zone = table.select(std::slice::from_ref(selector))?.first().map_or(0, |row| row.link().index);
        if let SocketAddr::V6(v6) = &mut address {
            v6.set_scope_id(zone);
        }
    }
    let refused = |why| Err(Error::NotADestination { address: target.to_string(), why });
    match () {
        () if family.is_some_and(|family| family != Family::of(address.ip())) => Err(Error::Misuse {
            what: "-4 and -6 say which address of a name is meant, and this is an address of the other IP version"
                .into(),
            instead: "leave the option out".into(),
        }),
        () if address.port() == 0 => refused(Unsendable::PortZero),
        () if address.ip().is_unspecified() => refused(Unsendable::Unspecified),
        () if needs_zone(address) => Err(Error::NeedsZone { address: address.ip(), available: table.names() }),
        () => Ok(address),
    }
}

/// What became of a name.
pub(super) fn resolved(target: &Target, address: SocketAddr) -> Option<Notice> {
    match &target.host {
        Some(Host::Name(name)) => Some(Notice::Resolved(name.clone(), address)),
        _ => None,
    }
}

/// Whether everybody on a wire has the address.
pub(super) fn is_broadcast(address: SocketAddr, table: &Table) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_broadcast() || table.broadcaster(ip).is_some(),
        IpAddr::V6(_) => false,
    }
}

/// The way to an address: by the interface and from the source that were asked for, or as the system chooses.
///
/// # Errors
/// [`Error::NoSource`] where the system would send from 0.0.0.0 or `::`.
pub(super) fn way(
    address: SocketAddr,
    interface: Option<&Selector>,
    args: &args::Socket,
    table: &Table,
) -> Result<Way, Error> {
    let source = source_asked(args).filter(|source| !source.is_unspecified());
    let way = Way { interface: interface.cloned().or_else(|| zone(address, table)), source, ..Way::to(address) };
    if way.interface.is_some() {
        return Ok(way);
    }
    // Where there is no route, the send itself says so.
    let Some(source) = source.or_else(|| source_for(address).ok()) else { return Ok(way) };
    if source.is_unspecified() {
        return Err(Error::NoSource { address: address.ip(), link: None });
    }
    let mtu = |link: &Link| table.rows().iter().find(|row| row.link() == link).and_then(|row| row.facts.mtu);
    let route = table.towards(source, address).and_then(|link| Some((link.clone(), mtu(link)?)));
    Ok(Way { route, ..way })
}

/// The interface that an address belongs to: by its name, for it may be made anew with another number.
fn zone(address: SocketAddr, table: &Table) -> Option<Selector> {
    match address {
        SocketAddr::V6(v6) => table.link(v6.scope_id()).map(|link| Selector::Name(link.name.to_string())),
        SocketAddr::V4(_) => None,
    }
}

/// The source address that was asked for.
pub(super) fn source_asked(args: &args::Socket) -> Option<IpAddr> {
    args.from.and_then(|from| from.address)
}

/// The socket for datagrams of this IP version and cast.
///
/// # Errors
/// A source address of the other IP version.
pub(super) fn options(args: &args::Socket, family: Family, cast: Cast) -> Result<Options, Error> {
    let from = source_asked(args).unwrap_or(family.wildcard());
    if Family::of(from) != family {
        return Err(Error::Misuse {
            what: "--from names an address of the other IP version than the destination".into(),
            instead: "name an address of the same version, or only a port (--from :PORT)".into(),
        });
    }
    // A broadcast is for one wire; routers must not carry it on even by mistake (RFC 2644).
    let everybody = matches!(cast, Cast::Broadcast | Cast::Limited);
    Ok(Options {
        share: args.share,
        ttl: args.ttl.or(everybody.then_some(1)),
        tos: args.tos,
        dont_fragment: args.dont_fragment,
        send_buffer: args.send_buffer,
        receive_buffer: args.receive_buffer.unwrap_or(RECEIVE_BUFFER),
        ..Options::new(SocketAddr::new(from, args.from.and_then(|from| from.port).unwrap_or(0)))
    })
}

/// The sockets for these destinations.
///
/// # Errors
/// The system's.
pub(super) fn open(options: &Options, destinations: &[Destination], table: Table) -> Result<Fanout, Error> {
    let sources: Vec<IpAddr> = destinations.iter().filter_map(|to| to.source).collect();
    Fanout::open(options, &sources, table).map_err(of_sender)
}

/// Who sends has not asked to listen: what could not be taken is where it would be sent from.
pub(super) fn of_sender(error: Error) -> Error {
    match error {
        Error::System { action: Action::Bind, on, fault } => Error::System { action: Action::BindSource, on, fault },
        other => other,
    }
}

/// What destinations can follow on this system. The network hears of it from now on, if they will still be used then: where it
/// cannot, those of the start are.
pub(super) fn follow(network: &mut Fanout, follows: Follows, takes_long: bool) -> Follows {
    if !FOLLOWS_INTERFACES {
        return Follows::Nothing;
    }
    if takes_long {
        let _unheeded = network.watch_interfaces();
    }
    follows
}
