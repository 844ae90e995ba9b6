//! The table of interfaces of this host, and names into addresses.

use std::net::{SocketAddr, SocketAddrV6, ToSocketAddrs};

use crate::model::error::Action;
use crate::model::interface::{Facts, Standing, Table};
use crate::model::{Error, Family, Host, Interface, LinkName, Selector, Target};
use crate::net::fault::system;
use crate::net::sys::{self, AddressFacts, LinkFacts, Listed};

/// Reads the table of interfaces.
///
/// # Errors
/// [`Error::System`] when the system does not list them.
pub fn list() -> Result<Table, Error> {
    let Listed { mut links, addresses } =
        sys::list().map_err(|error| system(Action::List, "the interfaces".to_owned(), &error))?;
    links.sort_by_key(|link| link.link.index);
    let mut addressed = vec![false; links.len()];
    let mut rows = Vec::with_capacity(addresses.len() + links.len());
    for address in addresses {
        // One that came after the interfaces were read has none there.
        if let Ok(at) = links.binary_search_by_key(&address.index, |link| link.link.index) {
            addressed[at] = true;
            rows.push(Interface::judge(facts(address, &links[at])));
        }
    }
    let without = links.iter().zip(addressed).filter(|(_, addressed)| !addressed);
    rows.extend(without.map(|(link, _)| Interface::judge(bare(link))));
    rows.sort_by_key(|row| row.link().index);
    Ok(Table::new(rows))
}

/// Tells of interfaces that come and go, since before the table was read that it came with.
pub struct Watch(pub(super) sys::News);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// Reads the table of interfaces, for those who will follow it: then it need not be read again when they begin
/// ([`Fanout::keep_watching`](super::Fanout::keep_watching)). Without a watch where the system has no means for one.
///
/// # Errors
/// As for [`list`].
pub fn watched() -> Result<(Table, Option<Watch>), Error> {
    let watch = sys::News::open().ok().map(Watch);
    Ok((list()?, watch))
}

fn facts(address: AddressFacts, link: &LinkFacts) -> Facts {
    let AddressFacts { name, address, prefix, reported, standing, .. } = address;
    let label = name.filter(|name| **name != *link.link.name);
    Facts { label, address: Some((address, prefix)), reported, standing, ..bare(link) }
}

fn bare(link: &LinkFacts) -> Facts {
    Facts {
        link: link.link.clone(),
        label: None,
        address: None,
        reported: None,
        up: link.up,
        running: link.running,
        loopback: link.loopback,
        point_to_point: link.point_to_point,
        can_broadcast: link.can_broadcast,
        can_multicast: link.can_multicast,
        mtu: link.mtu,
        standing: Standing::Lasting,
    }
}

/// The number of the interface that a zone names (RFC 4007 section 11).
fn zone_index(table: &Table, zone: &str) -> Result<u32, Error> {
    let named = |row: &&Interface| *row.link().name == *zone || row.link().index.to_string() == zone;
    let found = table.rows().iter().find(named).map(|row| row.link().index);
    found.ok_or_else(|| Error::NoSuchInterface { selector: zone.to_owned(), available: table.names() })
}

/// The names of the chosen interfaces, by which datagrams are told apart. None means that all are heard.
///
/// # Errors
/// Those of [`Table::links`]; [`Error::Unsupported`] for any choice where the system does not tell by which interface a datagram
/// came ([`KNOWS_DESTINATION`](super::KNOWS_DESTINATION)).
pub fn names(table: &Table, selectors: &[Selector]) -> Result<Vec<LinkName>, Error> {
    if !selectors.is_empty() && !sys::CHOOSES_SOURCE {
        return Err(Error::Unsupported { what: "telling datagrams apart by interface" });
    }
    Ok(table.links(selectors)?.into_iter().map(|link| link.name).collect())
}

/// The address that `target` means, with `default` for what it leaves out. `family` narrows what a name may become.
///
/// # Errors
/// [`Error::Resolve`] for a name without an address, [`Error::NoSuchInterface`] for a zone that is none.
pub fn resolve(
    target: &Target,
    default: SocketAddr,
    family: Option<Family>,
    table: &Table,
) -> Result<SocketAddr, Error> {
    let port = target.port.unwrap_or(default.port());
    match &target.host {
        None => Ok(SocketAddr::new(default.ip(), port)),
        Some(Host::Address(address)) => Ok(SocketAddr::new(*address, port)),
        Some(Host::Zoned(address, zone)) => Ok(SocketAddrV6::new(*address, port, 0, zone_index(table, zone)?).into()),
        Some(Host::Name(name)) => look_up(name, port, family),
    }
}

fn look_up(name: &str, port: u16, family: Option<Family>) -> Result<SocketAddr, Error> {
    let failed = |why: String| Error::Resolve { name: name.to_owned(), family, why };
    let addresses = (name, port).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
    let wanted = |address: &SocketAddr| family.is_none_or(|family| Family::of(address.ip()) == family);
    addresses.into_iter().find(wanted).ok_or_else(|| failed("only addresses of the other IP version".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_in_the_table_and_not_among_the_usable() {
        let table = list().unwrap();
        let lo = table.owner("127.0.0.1".parse().unwrap()).expect("this host has a loopback interface");
        assert!(lo.facts.loopback && lo.unusable.is_some());
    }

    #[test]
    fn targets_become_addresses() {
        let table = list().unwrap();
        let default = SocketAddr::from(([127, 0, 0, 1], 1060));
        let resolved = |text: &str| resolve(&text.parse().unwrap(), default, None, &table);
        assert_eq!(resolved(":9").unwrap(), "127.0.0.1:9".parse().unwrap());
        assert_eq!(resolved("10.0.0.7").unwrap(), "10.0.0.7:1060".parse().unwrap());
        assert!(matches!(resolved("[fe80::1%nope]"), Err(Error::NoSuchInterface { .. })));
    }
}
