//! The way to everybody: out of which interfaces, and with what socket.

use halloo::engine::broadcast::{self, Choice, Form};
use halloo::engine::places::Follows;
use halloo::model::interface::Table;
use halloo::model::{Cast, Destination, Error, Family, Selector};
use halloo::net::{Fanout, Options};

use crate::args::{Aim, Everybody, Socket};
use crate::cmd::way::{self, options, source_asked};

/// Which interfaces it goes out of, and which are left out.
///
/// # Errors
/// An unknown interface, one that does not broadcast from the source address asked for, or none at all.
pub(super) fn plan(everybody: &Everybody, socket: &Socket, table: &Table) -> Result<broadcast::Plan, Error> {
    let plan = broadcast::plan(table, &choice(everybody, socket))?;
    check_source(socket, &plan.destinations)?;
    Ok(plan)
}

/// The sockets for these destinations.
///
/// # Errors
/// The system's.
pub(super) fn open(
    everybody: &Everybody,
    socket: &Socket,
    destinations: &[Destination],
    table: Table,
) -> Result<Fanout, Error> {
    let options = Options { broadcast: true, ..options(socket, family(everybody), cast(everybody))? };
    way::open(&options, destinations, table)
}

/// How the list follows the interfaces.
pub(super) fn follows(everybody: &Everybody, socket: &Socket) -> Follows {
    let source = source_asked(socket).filter(|source| !source.is_unspecified());
    Follows::Everybody(choice(everybody, socket), source)
}

/// The IP version of everybody.
pub(super) fn family(everybody: &Everybody) -> Family {
    if everybody.aim() == Aim::Ipv6 { Family::V6 } else { Family::V4 }
}

fn cast(everybody: &Everybody) -> Cast {
    if everybody.aim() == Aim::Ipv6 { Cast::Multicast } else { Cast::Broadcast }
}

fn choice(everybody: &Everybody, socket: &Socket) -> Choice {
    let (form, mask_derived) = match everybody.aim() {
        Aim::Directed { mask_derived } => (Form::Directed, mask_derived),
        Aim::To(address) => (Form::To(address), false),
        Aim::Limited => (Form::Limited, false),
        Aim::Ipv6 => (Form::AllNodes, false),
    };
    Choice { interfaces: interfaces_asked(everybody, socket), form, mask_derived, port: everybody.port() }
}

/// The interfaces that were named. A source address names its own: no other interface may send from it.
fn interfaces_asked(everybody: &Everybody, socket: &Socket) -> Vec<Selector> {
    match source_asked(socket) {
        Some(address) if everybody.interface.is_empty() => vec![Selector::Address(address)],
        _ => everybody.interface.clone(),
    }
}

/// With both named, they have to agree.
fn check_source(socket: &Socket, destinations: &[Destination]) -> Result<(), Error> {
    match source_asked(socket) {
        Some(address) if destinations.iter().any(|d| d.source != Some(address)) => Err(Error::Misuse {
            what: "--from names an address that a chosen interface does not broadcast from".into(),
            instead: "leave out --interface, or name only a port (--from :PORT)".into(),
        }),
        _ => Ok(()),
    }
}
