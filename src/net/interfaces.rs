//! The table of interfaces of this host, and names into addresses.

use std::net::{SocketAddr, SocketAddrV6, ToSocketAddrs};

use if_addrs::IfAddr;

use crate::model::error::Action;
use crate::model::interface::{Facts, Standing, Table};
use crate::model::{Error, Family, Host, Interface, Target};
use crate::net::fault::system;
use crate::net::sys::{self, LinkFacts};

/// Reads the table of interfaces.
///
/// # Errors
/// [`Error::System`] when the system does not list them.
pub fn list() -> Result<Table, Error> {
    let listed = |error: &std::io::Error| system(Action::List, "the interfaces".to_owned(), error);
    let addresses = if_addrs::get_if_addrs().map_err(|error| listed(&error))?;
    let links = sys::links(&addresses).map_err(|error| listed(&error))?;
    let standings = sys::standings();
    let standing = |facts: &Facts| {
        let found = standings.iter().find(|(address, index, _)| {
            facts.link.index == *index && facts.address.is_some_and(|(own, _)| own == *address)
        });
        found.map(|(.., standing)| *standing).unwrap_or_default()
    };
    let row = |address| {
        let facts = facts(address, link_of(address, &links)?);
        Some(Interface::judge(Facts { standing: standing(&facts), ..facts }))
    };
    let mut rows: Vec<Interface> = addresses.iter().filter_map(row).collect();
    rows.extend(without_address(&links, &rows));
    rows.sort_by_key(|row| row.link().index);
    Ok(Table::new(rows))
}

/// The link an address belongs to. An alias label such as `eth0:1` stands where the name is expected, so the number
/// decides, and the part in front of the colon where there is none.
fn link_of<'l>(address: &if_addrs::Interface, links: &'l [LinkFacts]) -> Option<&'l LinkFacts> {
    let by_name = |name: &str| links.iter().find(|l| *l.link.name == *name);
    let by_index = |index| links.iter().find(|l| l.link.index == index);
    by_name(&address.name)
        .or_else(|| address.index.and_then(by_index))
        .or_else(|| by_name(address.name.split(':').next()?))
}

fn facts(address: &if_addrs::Interface, link: &LinkFacts) -> Facts {
    let (prefix, reported) = match &address.addr {
        IfAddr::V4(v4) => (v4.prefixlen, v4.broadcast),
        IfAddr::V6(v6) => (v6.prefixlen, None),
    };
    let label = (*link.link.name != address.name).then(|| address.name.clone());
    Facts { label, address: Some((address.ip(), prefix)), reported, ..bare(link) }
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

fn without_address<'l>(links: &'l [LinkFacts], rows: &[Interface]) -> Vec<Interface> {
    let has_row = |link: &&'l LinkFacts| !rows.iter().any(|row| row.link().index == link.link.index);
    links.iter().filter(has_row).map(|link| Interface::judge(bare(link))).collect()
}

/// The number of the interface that a zone names (RFC 4007 section 11).
fn zone_index(table: &Table, zone: &str) -> Result<u32, Error> {
    let named = |row: &&Interface| *row.link().name == *zone || row.link().index.to_string() == zone;
    let found = table.rows().iter().find(named).map(|row| row.link().index);
    found.ok_or_else(|| Error::NoSuchInterface { selector: zone.to_owned(), available: table.names() })
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
