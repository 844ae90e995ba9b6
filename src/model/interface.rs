//! The interfaces of this host, and which of them can broadcast.
//!
//! What the system reports is not taken at its word: where no broadcast address is configured, the usual calls return
//! the interface's own address as its broadcast address, and a datagram sent there reaches only its sender.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use crate::model::{Cidr, Error, Link};

/// What the system says of one address of one interface, before it is judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// The interface.
    pub link: Link,
    /// The name the address goes by, where that is an alias label such as `eth0:1`.
    pub label: Option<String>,
    /// The address with its prefix length, or `None` for an interface without one.
    pub address: Option<(IpAddr, u8)>,
    /// The broadcast address as reported, right or wrong.
    pub reported: Option<Ipv4Addr>,
    /// `IFF_UP`: switched on.
    pub up: bool,
    /// `IFF_RUNNING`, and on Linux `IFF_LOWER_UP`: the cable, the radio or the other end is there.
    pub running: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// `IFF_POINTOPOINT`: a tunnel, with one peer.
    pub point_to_point: bool,
    /// `IFF_BROADCAST`: the link can reach everybody at once.
    pub can_broadcast: bool,
    /// `IFF_MULTICAST`.
    pub can_multicast: bool,
    /// The largest IP packet it carries in one piece, in bytes, where known.
    pub mtu: Option<u32>,
    /// How good the address is to send from.
    pub standing: Standing,
}

/// How good an address is to send from, the best first (RFC 4862 section 2). Of IPv4 addresses, and where the system does not
/// tell, all are of the first kind.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Somebody has set it up, to stay.
    #[default]
    Lasting,
    /// It ends with the time that a router has given it, and every host on the link can speak as a router.
    Leased,
    /// It is to be used for nothing new.
    Deprecated,
    /// It is being tried out, or somebody else has it: nothing leaves from it.
    Tentative,
}

/// Where a broadcast address comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BroadcastFrom {
    /// The system has it configured.
    System,
    /// Computed here: the address with all host bits set (RFC 919 section 7).
    Computed,
}

/// Why an interface cannot broadcast.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// It is switched off.
    Down,
    /// It is switched on, but nothing is connected: sends would "succeed" and reach nobody.
    NoCarrier,
    /// It is the loopback interface: only this host is there. Naming it lifts this.
    Loopback,
    /// It has one peer, and no broadcast.
    PointToPoint,
    /// The link itself has no broadcast.
    NoBroadcast,
    /// It has no IPv4 address.
    NoAddress,
    /// The address is an IPv6 one; IPv6 has multicast instead of broadcast (RFC 4291 section 2).
    Ipv6,
    /// A subnet of one or two hosts (/32, or /31 by RFC 3021) has no broadcast address.
    TooSmall(u8),
    /// Another address of the same interface already reaches the same broadcast address.
    Repeated,
    /// It has no IPv6 link-local address to send from.
    NoIpv6,
    /// The link itself has no multicast.
    NoMulticast,
}

/// One address of one interface, judged; or an interface that has none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// What the system says.
    pub facts: Facts,
    /// The broadcast address of its subnet.
    pub broadcast: Option<(Ipv4Addr, BroadcastFrom)>,
    /// Why it is left out when every interface is asked for, if it is.
    pub unusable: Option<Unusable>,
}

impl Interface {
    /// Judges what the system says.
    pub fn judge(facts: Facts) -> Self {
        let broadcast = broadcast_of(&facts);
        let unusable = why_unusable(&facts, broadcast.is_some());
        Self { facts, broadcast, unusable }
    }

    /// The interface's name and number.
    pub const fn link(&self) -> &Link {
        &self.facts.link
    }

    /// Its address.
    pub fn address(&self) -> Option<IpAddr> {
        self.facts.address.map(|(address, _)| address)
    }

    /// Its IPv4 address.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.address() {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        }
    }

    /// The broadcast address that its netmask gives, where that differs from the configured one.
    pub fn computed_differs(&self) -> Option<Ipv4Addr> {
        let (configured, BroadcastFrom::System) = self.broadcast? else { return None };
        let (IpAddr::V4(address), prefix) = self.facts.address? else { return None };
        Some(directed(address, prefix)).filter(|computed| *computed != configured)
    }

    /// Whether `address` lies in its subnet.
    pub fn reaches(&self, address: IpAddr) -> bool {
        self.facts.address.is_some_and(|(own, prefix)| Cidr::new(own, prefix).contains(address))
    }
}

/// The directed broadcast address of a subnet: the address with all host bits set.
///
/// ```
/// use halloo::model::interface::directed;
/// assert_eq!(directed("10.77.3.1".parse()?, 16).to_string(), "10.77.255.255");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn directed(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() | host_bits)
}

fn broadcast_of(facts: &Facts) -> Option<(Ipv4Addr, BroadcastFrom)> {
    let (IpAddr::V4(address), prefix) = facts.address? else { return None };
    if facts.point_to_point || prefix >= 31 {
        return None;
    }
    if !facts.can_broadcast && !facts.loopback {
        return None;
    }
    match facts.reported {
        // Equal to the own address: the system's way of saying that none is set.
        Some(reported) if reported != address && !reported.is_unspecified() => Some((reported, BroadcastFrom::System)),
        _ => Some((directed(address, prefix), BroadcastFrom::Computed)),
    }
}

fn why_unusable(facts: &Facts, has_broadcast: bool) -> Option<Unusable> {
    if !facts.up {
        return Some(Unusable::Down);
    }
    match facts.address {
        None => return Some(Unusable::NoAddress),
        Some((IpAddr::V6(_), _)) => return Some(Unusable::Ipv6),
        Some((IpAddr::V4(_), _)) => {}
    }
    if facts.loopback {
        return Some(Unusable::Loopback);
    }
    if facts.point_to_point {
        return Some(Unusable::PointToPoint);
    }
    match facts.address {
        Some((_, prefix)) if prefix >= 31 => return Some(Unusable::TooSmall(prefix)),
        _ => {}
    }
    if !has_broadcast {
        return Some(Unusable::NoBroadcast);
    }
    (!facts.running).then_some(Unusable::NoCarrier)
}

/// How a person names an interface: by name, by number or by one of its addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// `eth0`, or an alias label such as `eth0:1`.
    Name(String),
    /// The kernel's number.
    Index(u32),
    /// One of its addresses; it selects that address alone.
    Address(IpAddr),
}

/// A text that names no interface.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not an interface: write a name, a number or an address")]
pub struct SelectorError {
    /// What was typed.
    pub text: String,
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        // A sign makes it a name: the standard reader of numbers would take one as well.
        if !text.starts_with('+')
            && let Ok(index) = text.parse()
        {
            return Ok(Self::Index(index));
        }
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c == '/') {
            return Err(SelectorError { text: text.to_owned() });
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "{index}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Selector {
    /// Whether it means this address of this interface.
    pub fn selects(&self, interface: &Interface) -> bool {
        match self {
            Self::Name(name) => *interface.link().name == **name || interface.facts.label.as_deref() == Some(name),
            Self::Index(index) => interface.link().index == *index,
            Self::Address(address) => interface.address() == Some(*address),
        }
    }
}

/// Every address of every interface, as read at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    rows: Vec<Interface>,
    keys: Keys,
}

/// Where a row is found: each datagram is looked up, and must not cost more the more interfaces there are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Keys {
    addresses: Vec<(IpAddr, usize)>,
    /// Those of interfaces that are up; behind the configured ones of an address (`false`) those that only a netmask gives.
    broadcasts: Vec<((Ipv4Addr, bool), usize)>,
    links: Vec<(u32, usize)>,
    loopback: Vec<usize>,
}

impl Keys {
    fn of(rows: &[Interface]) -> Self {
        let mut keys = Self::default();
        for (at, row) in rows.iter().enumerate() {
            keys.links.push((row.link().index, at));
            keys.addresses.extend(row.address().map(|address| (address, at)));
            keys.loopback.extend(row.facts.loopback.then_some(at));
            if row.facts.up {
                let configured = row.broadcast.map(|(address, _)| ((address, false), at));
                let computed = row.computed_differs().map(|address| ((address, true), at));
                keys.broadcasts.extend(configured.into_iter().chain(computed));
            }
        }
        keys.links.sort_unstable();
        keys.addresses.sort_unstable();
        keys.broadcasts.sort_unstable();
        keys
    }
}

/// From the first that is not below `key` on.
fn from<'k, K: Ord>(sorted: &'k [(K, usize)], key: &K) -> &'k [(K, usize)] {
    &sorted[sorted.partition_point(|(other, _)| other < key)..]
}

impl Table {
    /// A table of these rows.
    pub fn new(rows: Vec<Interface>) -> Self {
        Self { keys: Keys::of(&rows), rows }
    }

    /// The rows, by interface number, then as the system lists its addresses.
    pub fn rows(&self) -> &[Interface] {
        &self.rows
    }

    /// The rows of the interface of this number.
    pub fn rows_of(&self, index: u32) -> impl Iterator<Item = &Interface> {
        let same = from(&self.keys.links, &index).iter().take_while(move |(other, _)| *other == index);
        same.map(|(_, at)| &self.rows[*at])
    }

    /// The interface of this number.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.rows_of(index).next().map(Interface::link)
    }

    /// The row of one of this host's own addresses.
    pub fn owner(&self, address: IpAddr) -> Option<&Interface> {
        let configured = from(&self.keys.addresses, &address).first().filter(|(own, _)| *own == address);
        // Every address of 127.0.0.0/8 is this host's own, not only the configured one (RFC 1122 3.2.1.3).
        let within = |at: &&usize| address.is_loopback() && self.rows[**at].reaches(address);
        let looped = self.keys.loopback.iter().find(within);
        configured.map(|(_, at)| at).into_iter().chain(looped).min().map(|at| &self.rows[*at])
    }

    /// Whether another interface than that of this number has `address`, and that one has not. To itself a host speaks over
    /// loopback, whatever address it names: there nothing is elsewhere.
    pub fn is_elsewhere(&self, index: u32, address: IpAddr) -> bool {
        let at_home = |row: &Interface| row.facts.loopback || row.address() == Some(address);
        self.owner(address).is_some() && !self.rows_of(index).any(at_home)
    }

    /// The first switched-on interface whose subnet broadcasts to `address`.
    pub fn broadcaster(&self, address: Ipv4Addr) -> Option<&Interface> {
        let ((found, _), at) = from(&self.keys.broadcasts, &(address, false)).first()?;
        (*found == address).then(|| &self.rows[*at])
    }

    /// The row whose subnet holds `address`, the longest prefix first.
    pub fn neighbour(&self, address: IpAddr) -> Option<&Interface> {
        self.rows
            .iter()
            .filter(|row| row.facts.up && row.reaches(address))
            .max_by_key(|row| row.facts.address.map(|(_, prefix)| prefix))
    }

    /// The interface that a datagram to `destination` from `source` leaves by, as far as addresses tell: that of its
    /// zone, loopback for an address of this host, else the interface that has the source address.
    pub fn towards(&self, source: IpAddr, destination: SocketAddr) -> Option<&Link> {
        match destination {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => self.link(v6.scope_id()),
            _ if self.owner(destination.ip()).is_some() => {
                self.rows.iter().find(|row| row.facts.loopback).map(Interface::link)
            }
            _ => self.owner(source).map(Interface::link),
        }
    }

    /// The rows that any of the selectors means.
    ///
    /// # Errors
    /// [`Error::NoSuchInterface`] for the first selector that means none.
    pub fn select(&self, selectors: &[Selector]) -> Result<Vec<&Interface>, Error> {
        let unknown = |s: &&Selector| !self.rows.iter().any(|row| s.selects(row));
        if let Some(selector) = selectors.iter().find(unknown) {
            return Err(Error::NoSuchInterface { selector: selector.to_string(), available: self.names() });
        }
        let chosen = |row: &&Interface| selectors.iter().any(|s| s.selects(row));
        Ok(self.rows.iter().filter(chosen).collect())
    }

    /// The interfaces that any of the selectors means, each once.
    ///
    /// # Errors
    /// As for [`Table::select`].
    pub fn links(&self, selectors: &[Selector]) -> Result<Vec<Link>, Error> {
        Ok(Link::each_once(self.select(selectors)?.into_iter().map(Interface::link)))
    }

    /// The names of all interfaces, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.rows.iter().map(|row| row.link().name.to_string()).collect();
        names.dedup();
        names
    }
}

#[cfg(test)]
impl Facts {
    /// An interface as most are, for tests.
    pub(crate) fn plain(index: u32, name: &str, address: Option<(&str, u8)>) -> Self {
        Self {
            link: Link { index, name: name.into() },
            label: None,
            address: address.map(|(address, prefix)| (address.parse().unwrap(), prefix)),
            reported: None,
            up: true,
            running: true,
            loopback: false,
            point_to_point: false,
            can_broadcast: true,
            can_multicast: true,
            mtu: Some(1500),
            standing: Standing::Lasting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(address: &str, prefix: u8) -> Facts {
        Facts::plain(2, "eth0", Some((address, prefix)))
    }

    #[test]
    fn the_own_address_is_no_broadcast_address() {
        let own = Ipv4Addr::new(10, 2, 0, 1);
        let judged = Interface::judge(Facts { reported: Some(own), ..facts("10.2.0.1", 16) });
        let computed = Ipv4Addr::new(10, 2, 255, 255);
        assert_eq!(judged.broadcast, Some((computed, BroadcastFrom::Computed)));
        assert_eq!(judged.unusable, None);
    }

    #[test]
    fn a_configured_broadcast_address_wins_and_the_difference_is_known() {
        let odd = Ipv4Addr::new(10, 8, 0, 0);
        let judged = Interface::judge(Facts { reported: Some(odd), ..facts("10.8.0.1", 24) });
        assert_eq!(judged.broadcast, Some((odd, BroadcastFrom::System)));
        assert_eq!(judged.computed_differs(), Some(Ipv4Addr::new(10, 8, 0, 255)));
    }

    #[test]
    fn each_reason_for_being_left_out() {
        let plain = || facts("10.0.0.1", 24);
        let cases = [
            (Facts { up: false, ..plain() }, Unusable::Down),
            (Facts { running: false, ..plain() }, Unusable::NoCarrier),
            (Facts { loopback: true, can_broadcast: false, ..facts("127.0.0.1", 8) }, Unusable::Loopback),
            (Facts { point_to_point: true, can_broadcast: false, ..plain() }, Unusable::PointToPoint),
            (Facts { can_broadcast: false, ..plain() }, Unusable::NoBroadcast),
            (Facts { address: None, ..plain() }, Unusable::NoAddress),
            (facts("fe80::1", 64), Unusable::Ipv6),
            (facts("10.0.0.1", 31), Unusable::TooSmall(31)),
            (facts("10.0.0.1", 32), Unusable::TooSmall(32)),
        ];
        for (facts, why) in cases {
            assert_eq!(Interface::judge(facts).unusable, Some(why));
        }
    }

    #[test]
    fn loopback_keeps_its_broadcast_address_for_those_who_name_it() {
        let lo = Interface::judge(Facts { loopback: true, can_broadcast: false, ..facts("127.0.0.1", 8) });
        let everybody = Ipv4Addr::new(127, 255, 255, 255);
        assert_eq!(lo.broadcast, Some((everybody, BroadcastFrom::Computed)));
        let table = Table::new(vec![lo]);
        assert!(table.owner("127.0.0.2".parse().unwrap()).is_some());
        assert!(table.owner("10.0.0.1".parse().unwrap()).is_none());
    }

    #[test]
    fn a_label_and_an_address_select_one_row_and_a_name_selects_all() {
        let alias = Facts { label: Some("eth0:1".into()), ..facts("10.0.1.1", 24) };
        let table = Table::new(vec![Interface::judge(facts("10.0.0.1", 24)), Interface::judge(alias)]);
        let count = |text: &str| table.select(&[text.parse().unwrap()]).map(|rows| rows.len());
        assert_eq!(["eth0", "2", "eth0:1", "10.0.0.1"].map(|text| count(text).unwrap()), [2, 2, 1, 1]);
        assert!(count("eth9").is_err() && count("+2").is_err());
        assert_eq!(table.names(), ["eth0"]);
    }

    #[test]
    fn an_address_is_elsewhere_where_another_interface_has_it() {
        let lo = Facts { loopback: true, ..Facts::plain(1, "lo", Some(("127.0.0.1", 8))) };
        let both = Facts::plain(3, "eth1", Some(("10.0.9.9", 24)));
        let rows =
            [lo, facts("10.0.0.1", 24), facts("10.0.9.9", 24), Facts::plain(3, "eth1", Some(("10.0.1.1", 24))), both];
        let table = Table::new(rows.map(Interface::judge).to_vec());
        let elsewhere = |index, address: &str| table.is_elsewhere(index, address.parse().unwrap());
        assert!(elsewhere(2, "10.0.1.1") && elsewhere(3, "10.0.0.1") && elsewhere(3, "127.0.0.1"));
        assert!(!elsewhere(2, "10.0.0.1") && !elsewhere(2, "10.0.9.9") && !elsewhere(3, "10.0.9.9"));
        // Over loopback this host asks itself; to nobody's address, or everybody's, nothing is elsewhere.
        assert!(!elsewhere(1, "10.0.1.1") && !elsewhere(1, "127.0.0.2"));
        assert!(!elsewhere(2, "10.0.1.255") && !elsewhere(2, "255.255.255.255") && !elsewhere(2, "192.0.2.1"));
    }

    /// Rows that share numbers, addresses and broadcast addresses.
    fn some_rows() -> impl Strategy<Value = Vec<Interface>> {
        let row =
            (1u32..4, 0u8..3, 0u8..4, 23u8..26, any::<[bool; 3]>()).prop_map(|(index, net, host, prefix, flags)| {
                let [up, loopback, odd] = flags;
                let address = Some((IpAddr::from([10 + 117 * u8::from(loopback), 0, net, host]), prefix));
                let reported = odd.then_some(Ipv4Addr::new(10, 0, 0, 255));
                Interface::judge(Facts { address, up, loopback, reported, ..Facts::plain(index, "x", None) })
            });
        proptest::collection::vec(row, 0..8)
    }

    proptest! {
        #[test]
        fn a_row_is_found_as_if_all_were_looked_at(rows in some_rows(), net in 0u8..3, host in any::<u8>(), loopback: bool) {
            let table = Table::new(rows.clone());
            let address = Ipv4Addr::new(10 + 117 * u8::from(loopback), 0, net, host);
            let owns = |row: &&Interface| {
                row.address() == Some(address.into())
                    || (loopback && row.facts.loopback && row.reaches(address.into()))
            };
            prop_assert_eq!(table.owner(address.into()), rows.iter().find(owns));
            let up = || rows.iter().filter(|row| row.facts.up);
            let has = |row: &&Interface| row.broadcast.is_some_and(|(broadcast, _)| broadcast == address);
            let computes = |row: &&Interface| row.computed_differs() == Some(address);
            prop_assert_eq!(table.broadcaster(address), up().find(has).or_else(|| up().find(computes)));
            for index in 0..5 {
                let of_link: Vec<_> = rows.iter().filter(|row| row.link().index == index).collect();
                prop_assert_eq!(table.rows_of(index).collect::<Vec<_>>(), of_link);
            }
        }

        #[test]
        fn the_directed_address_is_the_address_or_the_inverted_mask(address: u32, prefix in 0u8..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let broadcast = directed(Ipv4Addr::from_bits(address), prefix);
            prop_assert_eq!(broadcast.to_bits(), address | !mask);
        }

        #[test]
        fn what_is_usable_has_a_broadcast_address_that_is_not_its_own(
            address: u32, prefix in 0u8..=32, reported in proptest::option::of(any::<u32>()),
            up: bool, running: bool, loopback: bool, point_to_point: bool, can_broadcast: bool,
        ) {
            let address = Ipv4Addr::from_bits(address);
            let judged = Interface::judge(Facts {
                address: Some((address.into(), prefix)), reported: reported.map(Ipv4Addr::from_bits),
                up, running, loopback, point_to_point, can_broadcast, ..facts("10.0.0.1", 24)
            });
            if judged.unusable.is_none() {
                let (broadcast, from) = judged.broadcast.unwrap();
                // An address that is itself all ones can only have been configured so.
                prop_assert!(broadcast != address || from == BroadcastFrom::Computed);
                prop_assert!(up && running && !loopback && !point_to_point && prefix < 31);
            }
        }
    }
}
