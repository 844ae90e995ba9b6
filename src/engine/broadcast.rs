//! Which interfaces a broadcast leaves by, and why the others are left out.
//!
//! The kernel sends a broadcast out of one interface only; "every interface" is a loop, and this is its list
//! (RFC 1122 3.3.6 takes no stand). Decided from the table of interfaces alone, so every trap is a test without a LAN.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::model::event::{Notice, Skipped};
use crate::model::interface::{BroadcastFrom, Table, directed};
use crate::model::{Cast, Destination, Error, Interface, Selector, Unusable};

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Choice {
    /// These interfaces only; none means every usable one.
    pub interfaces: Vec<Selector>,
    /// To which address.
    pub form: Form,
    /// The broadcast address that the netmask gives, even where another is configured.
    pub mask_derived: bool,
    /// The destination port.
    pub port: u16,
}

/// To which address of an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// The broadcast address of its subnet.
    Directed,
    /// This broadcast address, out of the interface that has it.
    To(Ipv4Addr),
    /// 255.255.255.255.
    Limited,
    /// ff02::1, every IPv6 node on the link (RFC 4291 section 2.7.1).
    AllNodes,
}

/// Where to send, and what to say about it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Each destination, with the interface and the source address it is reached from.
    pub destinations: Vec<Destination>,
    /// What is left out.
    pub skipped: Vec<Skipped>,
    /// What the user should know.
    pub notices: Vec<Notice>,
}

/// The multicast group of every IPv6 node on a link (RFC 4291 section 2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Makes the list.
///
/// # Errors
/// [`Error::NoSuchInterface`], [`Error::NotABroadcastAddress`], or [`Error::NothingToBroadcastOn`] with every reason.
pub fn plan(table: &Table, choice: &Choice) -> Result<Plan, Error> {
    let chosen = choose(table, &choice.interfaces)?;
    let by_name = !choice.interfaces.is_empty();
    let mut plan = match choice.form {
        Form::To(address) if address.is_broadcast() => limited(&chosen, by_name, choice.port),
        Form::To(address) => to_address(&chosen, address, choice)?,
        Form::Directed => directed_to_each(&chosen, by_name, choice),
        Form::Limited => limited(&chosen, by_name, choice.port),
        Form::AllNodes => all_nodes(&chosen, by_name, choice.port),
    };
    if plan.destinations.is_empty() {
        return Err(Error::NothingToBroadcastOn { skipped: plan.skipped });
    }
    if !by_name {
        // Nobody expects their own loopback among "every interface"; it is told only when there was nothing else.
        plan.skipped.retain(|skipped| skipped.why != Unusable::Loopback);
    }
    Ok(plan)
}

fn choose<'t>(table: &'t Table, selectors: &[Selector]) -> Result<Vec<&'t Interface>, Error> {
    if selectors.is_empty() { Ok(table.rows().iter().collect()) } else { table.select(selectors) }
}

/// The rows that speak for IPv4: those with an IPv4 address, and one row for an interface that has none.
fn ipv4_rows<'t>(chosen: &[&'t Interface]) -> Vec<&'t Interface> {
    let with_ipv4: HashSet<u32> =
        chosen.iter().filter(|row| row.ipv4().is_some()).map(|row| row.link().index).collect();
    let mut without = HashSet::new();
    let speaks = |row: &&&Interface| {
        let index = row.link().index;
        row.ipv4().is_some() || (!with_ipv4.contains(&index) && without.insert(index))
    };
    chosen.iter().filter(speaks).copied().collect()
}

/// Why a row is left out of an IPv4 broadcast.
fn left_out(row: &Interface, by_name: bool) -> Option<Unusable> {
    match row.unusable {
        Some(Unusable::Loopback) if by_name => None,
        Some(Unusable::Ipv6) if row.facts.loopback => Some(Unusable::Loopback),
        Some(Unusable::Ipv6) => Some(Unusable::NoAddress),
        other => other,
    }
}

fn skip(row: &Interface, why: Unusable) -> Skipped {
    Skipped { link: row.link().clone(), address: row.address(), why }
}

/// An IPv4 destination out of one row.
fn out_of(row: &Interface, address: Ipv4Addr, port: u16) -> Destination {
    Destination {
        address: SocketAddr::from((address, port)),
        source: row.ipv4().map(IpAddr::V4),
        link: Some(row.link().clone()),
        mtu: row.facts.mtu,
        cast: if address.is_broadcast() { Cast::Limited } else { Cast::Broadcast },
    }
}

/// Out of each row that can, to the address that is told for it, with what is to be said of that. Out of no interface twice to
/// the same.
fn out_of_each<'t>(
    rows: impl IntoIterator<Item = &'t Interface>,
    by_name: bool,
    port: u16,
    address: impl Fn(&Interface) -> Option<(Ipv4Addr, Option<Notice>)>,
) -> Plan {
    let (mut plan, mut seen) = (Plan::default(), HashSet::new());
    for row in rows {
        match (left_out(row, by_name), address(row)) {
            (Some(why), _) => plan.skipped.push(skip(row, why)),
            (None, None) => plan.skipped.push(skip(row, Unusable::NoBroadcast)),
            (None, Some((address, notice))) if seen.insert((row.link().index, address)) => {
                plan.notices.extend(notice);
                plan.destinations.push(out_of(row, address, port));
            }
            (None, Some(_)) => plan.skipped.push(skip(row, Unusable::Repeated)),
        }
    }
    plan
}

fn directed_to_each(chosen: &[&Interface], by_name: bool, choice: &Choice) -> Plan {
    let address = |row: &Interface| Some((broadcast_address(row, choice.mask_derived)?, odd_broadcast(row)));
    out_of_each(ipv4_rows(chosen), by_name, choice.port, address)
}

fn broadcast_address(row: &Interface, mask_derived: bool) -> Option<Ipv4Addr> {
    let (address, from) = row.broadcast?;
    match (from, row.facts.address) {
        (BroadcastFrom::System, Some((IpAddr::V4(own), prefix))) if mask_derived => Some(directed(own, prefix)),
        _ => Some(address),
    }
}

fn odd_broadcast(row: &Interface) -> Option<Notice> {
    let computed = row.computed_differs()?;
    let (configured, _) = row.broadcast?;
    Some(Notice::OddBroadcast(row.link().clone(), configured, computed))
}

/// One named address goes out of the interface that has it: another one would carry it onto the wrong wire, and the
/// kernel would not object.
fn to_address(chosen: &[&Interface], address: Ipv4Addr, choice: &Choice) -> Result<Plan, Error> {
    let has = |row: &&&Interface| {
        row.broadcast.is_some_and(|(broadcast, _)| broadcast == address) || row.computed_differs() == Some(address)
    };
    let plan = out_of_each(chosen.iter().filter(has).copied(), true, choice.port, |_| Some((address, None)));
    if plan.destinations.is_empty() && plan.skipped.is_empty() {
        let known = chosen.iter().filter_map(|row| Some((row.link().clone(), row.broadcast?.0)));
        return Err(Error::NotABroadcastAddress {
            address,
            chosen: choice.interfaces.iter().map(Selector::to_string).collect(),
            known: known.collect(),
        });
    }
    Ok(plan)
}

fn limited(chosen: &[&Interface], by_name: bool, port: u16) -> Plan {
    out_of_each(ipv4_rows(chosen), by_name, port, |_| Some((Ipv4Addr::BROADCAST, None)))
}

fn all_nodes(chosen: &[&Interface], by_name: bool, port: u16) -> Plan {
    let mut plan = Plan::default();
    let mut speakers = HashMap::new();
    // The first row of an interface that has a source speaks for it.
    for row in chosen.iter().rev().filter(|row| ipv6_source(row).is_some()) {
        speakers.insert(row.link().index, *row);
    }
    let mut seen = HashSet::new();
    for row in chosen {
        let index = row.link().index;
        if !seen.insert(index) {
            continue;
        }
        let speaker = speakers.get(&index).copied().unwrap_or(row);
        match (without_multicast(speaker, by_name), ipv6_source(speaker)) {
            (Some(why), _) => plan.skipped.push(skip(speaker, why)),
            (None, None) => plan.skipped.push(skip(speaker, Unusable::NoIpv6)),
            (None, Some(source)) => plan.destinations.push(Destination {
                address: SocketAddrV6::new(ALL_NODES, port, 0, index).into(),
                source: Some(source.into()),
                link: Some(speaker.link().clone()),
                mtu: speaker.facts.mtu,
                cast: Cast::Multicast,
            }),
        }
    }
    plan
}

/// The address to send to a link-local group from: link-local itself, or ::1 on loopback.
fn ipv6_source(row: &Interface) -> Option<Ipv6Addr> {
    match row.address() {
        Some(IpAddr::V6(address)) if address.is_unicast_link_local() || address.is_loopback() => Some(address),
        _ => None,
    }
}

fn without_multicast(row: &Interface, by_name: bool) -> Option<Unusable> {
    let facts = &row.facts;
    match () {
        () if !facts.up => Some(Unusable::Down),
        () if facts.loopback && !by_name => Some(Unusable::Loopback),
        () if !facts.can_multicast && !facts.loopback => Some(Unusable::NoMulticast),
        () if !facts.running => Some(Unusable::NoCarrier),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::interface::Facts;

    fn row(index: u32, name: &str, address: Option<(&str, u8)>) -> Facts {
        Facts::plain(index, name, address)
    }

    /// The host of the traps: two subnets, a second address, a tunnel, a /31, a down one, one without an address.
    fn table() -> Table {
        let lo = |address, prefix| Facts {
            loopback: true,
            can_broadcast: false,
            can_multicast: false,
            ..row(1, "lo", Some((address, prefix)))
        };
        let rows = vec![
            lo("127.0.0.1", 8),
            lo("::1", 128),
            row(2, "eth0", Some(("10.77.0.1", 24))),
            row(2, "eth0", Some(("10.77.0.11", 24))),
            row(2, "eth0", Some(("fe80::2", 64))),
            row(3, "eth1", Some(("10.78.0.1", 24))),
            Facts { point_to_point: true, can_broadcast: false, ..row(4, "wg0", Some(("10.9.0.1", 24))) },
            row(5, "eth2", Some(("10.4.0.0", 31))),
            Facts { up: false, ..row(6, "eth3", Some(("10.5.0.1", 24))) },
            row(7, "eth4", None),
            row(8, "eth5", Some(("fe80::8", 64))),
        ];
        Table::new(rows.into_iter().map(Interface::judge).collect())
    }

    fn choice(form: Form, interfaces: &[&str]) -> Choice {
        let interfaces = interfaces.iter().map(|s| s.parse().unwrap()).collect();
        Choice { interfaces, form, mask_derived: false, port: 1060 }
    }

    fn went(plan: &Plan) -> Vec<String> {
        plan.destinations
            .iter()
            .map(|d| format!("{} {} {}", d.link.as_ref().unwrap().name, d.source.unwrap(), d.address))
            .collect()
    }

    fn why(plan: &Plan) -> Vec<(String, Unusable)> {
        plan.skipped.iter().map(|s| (s.link.name.to_string(), s.why)).collect()
    }

    #[test]
    fn every_usable_interface_once_and_every_other_with_its_reason() {
        let plan = plan(&table(), &choice(Form::Directed, &[])).unwrap();
        assert_eq!(went(&plan), ["eth0 10.77.0.1 10.77.0.255:1060", "eth1 10.78.0.1 10.78.0.255:1060"]);
        let expected = [
            ("eth0", Unusable::Repeated),
            ("wg0", Unusable::PointToPoint),
            ("eth2", Unusable::TooSmall(31)),
            ("eth3", Unusable::Down),
            ("eth4", Unusable::NoAddress),
            ("eth5", Unusable::NoAddress),
        ];
        assert_eq!(why(&plan), expected.map(|(name, why)| (name.to_owned(), why)));
    }

    #[test]
    fn loopback_only_by_name() {
        let plan = plan(&table(), &choice(Form::Directed, &["lo"])).unwrap();
        assert_eq!(went(&plan), ["lo 127.0.0.1 127.255.255.255:1060"]);
    }

    #[test]
    fn limited_leaves_by_each_chosen_interface_once() {
        let plan = plan(&table(), &choice(Form::Limited, &["eth1", "eth0"])).unwrap();
        assert_eq!(went(&plan), ["eth0 10.77.0.1 255.255.255.255:1060", "eth1 10.78.0.1 255.255.255.255:1060"]);
    }

    #[test]
    fn all_nodes_from_the_link_local_address_with_its_zone() {
        let plan = plan(&table(), &choice(Form::AllNodes, &[])).unwrap();
        assert_eq!(went(&plan), ["eth0 fe80::2 [ff02::1%2]:1060", "eth5 fe80::8 [ff02::1%8]:1060"]);
        assert!(why(&plan).contains(&("eth1".to_owned(), Unusable::NoIpv6)));
        assert!(why(&plan).contains(&("eth3".to_owned(), Unusable::Down)));
    }

    #[test]
    fn a_named_address_goes_out_of_the_interface_that_has_it_and_of_no_other() {
        let address = Ipv4Addr::new(10, 78, 0, 255);
        let right = plan(&table(), &choice(Form::To(address), &[])).unwrap();
        assert_eq!(went(&right), ["eth1 10.78.0.1 10.78.0.255:1060"]);
        let wrong = plan(&table(), &choice(Form::To(address), &["eth0"]));
        assert!(matches!(wrong, Err(Error::NotABroadcastAddress { .. })));
        let limited = plan(&table(), &choice(Form::To(Ipv4Addr::BROADCAST), &["eth0"])).unwrap();
        assert_eq!(limited.destinations[0].cast, Cast::Limited);
    }

    #[test]
    fn nothing_usable_is_an_error_with_every_reason() {
        let Err(Error::NothingToBroadcastOn { skipped }) = plan(&table(), &choice(Form::Directed, &["wg0", "eth3"]))
        else {
            panic!("a tunnel and a switched-off interface cannot broadcast")
        };
        assert_eq!(skipped.len(), 2);
        let only_lo = Table::new(table().rows()[..2].to_vec());
        let Err(Error::NothingToBroadcastOn { skipped }) = plan(&only_lo, &choice(Form::Directed, &[])) else {
            panic!("loopback is not every interface")
        };
        assert!(skipped.iter().all(|s| s.why == Unusable::Loopback));
    }

    #[test]
    fn an_odd_configured_address_is_used_and_said() {
        let odd = Facts { reported: Some(Ipv4Addr::new(10, 8, 0, 0)), ..row(2, "eth0", Some(("10.8.0.1", 24))) };
        let table = Table::new(vec![Interface::judge(odd)]);
        let as_configured = plan(&table, &choice(Form::Directed, &[])).unwrap();
        assert_eq!(went(&as_configured), ["eth0 10.8.0.1 10.8.0.0:1060"]);
        assert!(matches!(as_configured.notices[..], [Notice::OddBroadcast(..)]));
        let derived = Choice { mask_derived: true, ..choice(Form::Directed, &[]) };
        assert_eq!(went(&plan(&table, &derived).unwrap()), ["eth0 10.8.0.1 10.8.0.255:1060"]);
    }
}
