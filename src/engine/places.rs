//! Where a series goes, and how that changes as interfaces and addresses come and go.
//!
//! A series has places: each takes one datagram of every round. Decided from the table of interfaces alone, at the start and
//! whenever that is another one: a place that cannot be reached keeps its turn, and what should have left is counted with
//! the reason, until it can be reached again.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::engine::broadcast::{self, Choice};
use crate::model::event::{Notice, Unsent};
use crate::model::interface::{Standing, Table};
use crate::model::{Cast, Destination, Error, Family, Interface, Link, Selector};

/// One address and the way to it.
#[derive(Clone, Debug)]
pub struct Way {
    /// The address.
    pub address: SocketAddr,
    /// The interface that was named.
    pub interface: Option<Selector>,
    /// The source address that was named.
    pub source: Option<IpAddr>,
    /// The interface that the route gives, and its MTU, where none was named: to say what travels in pieces.
    pub route: Option<(Link, u32)>,
}

/// What the places of a run follow, as interfaces and addresses come and go.
#[derive(Clone, Debug, Default)]
pub enum Follows {
    /// They stay those of the start, whatever becomes of the interfaces.
    #[default]
    Nothing,
    /// Everybody of this choice, from this source only if one was named.
    Everybody(Choice, Option<IpAddr>),
    /// The way to one address.
    One(Way),
}

impl Way {
    /// The system's way to `address`.
    pub const fn to(address: SocketAddr) -> Self {
        Self { address, interface: None, source: None, route: None }
    }

    /// The way at the start.
    ///
    /// # Errors
    /// [`Error::NoSuchInterface`], or [`Error::NoSource`] where what leaves by the named interface would come from nobody.
    pub fn start(&self, table: &Table) -> Result<Destination, Error> {
        if let Some(selector) = &self.interface {
            table.select(std::slice::from_ref(selector))?;
        }
        let to = self.destination(table);
        match to.link {
            Some(_) if to.source.is_none() => Err(Error::NoSource { address: self.address.ip(), link: to.link }),
            _ => Ok(to),
        }
    }

    /// Why nothing leaves at the start. Where the route decides, and there is no address at all, the system says so itself.
    fn lost_at_start(&self, table: &Table) -> Option<Unsent> {
        let by_system = self.interface.is_none() && self.zone().is_none();
        self.lost(table).filter(|why| !by_system || *why == Unsent::NoCarrier)
    }

    fn destination(&self, table: &Table) -> Destination {
        let cast = Cast::by_form(self.address.ip());
        let row = self.interface.as_ref().and_then(|selector| named(table, selector));
        let mtu = row.map_or(self.route.as_ref().map(|(_, mtu)| *mtu), |row| row.facts.mtu);
        let source = self.source.or_else(|| self.own_source(table));
        let mut address = self.address;
        if let (Some(_), SocketAddr::V6(v6), Some(row)) = (self.zone(), &mut address, row) {
            // The same interface, perhaps with another number.
            v6.set_scope_id(row.link().index);
        }
        Destination { address, source, link: row.map(|row| row.link().clone()), mtu, cast }
    }

    /// The address of the named interface: the one that was named, else of the destination's own subnet, else the one that
    /// [`preference`] puts first. Anybody on the link can give the interface another subnet by a router advertisement.
    fn own_source(&self, table: &Table) -> Option<IpAddr> {
        let selector = self.interface.as_ref()?;
        let (index, to) = (named(table, selector)?.link().index, self.address.ip());
        let is_near = |own: IpAddr| is_link_local(own) == self.is_of_link();
        let of_link = table.rows().iter().filter(|row| row.link().index == index);
        let fitting =
            of_link.filter_map(|row| Some((row, row.address()?))).filter(|(_, own)| own.is_ipv4() == to.is_ipv4());
        let worse = |(row, own): &(&Interface, IpAddr)| {
            let tentative = row.facts.standing == Standing::Tentative;
            (!is_near(*own), tentative, !selector.selects(row), !row.reaches(to), preference(row, *own, to))
        };
        fitting.min_by_key(worse).map(|(_, own)| own)
    }

    /// Whether the address is one of the link alone: who answers needs an address of the link, too (RFC 6724 section 5).
    fn is_of_link(&self) -> bool {
        match self.address.ip() {
            IpAddr::V4(_) => false,
            IpAddr::V6(ip) => is_link_local(ip.into()) || ip.segments()[0] & 0xff0f == 0xff02,
        }
    }

    /// Why nothing can leave now, as far as the table tells.
    fn lost(&self, table: &Table) -> Option<Unsent> {
        if self.source.is_some_and(|source| table.owner(source).is_none()) {
            return Some(Unsent::NoAddress);
        }
        if table.owner(self.address.ip()).is_some() || self.address.ip().is_loopback() {
            // A host hears itself without a cable.
            return None;
        }
        match (&self.interface, self.zone()) {
            (Some(selector), _) => {
                let Some(row) = named(table, selector) else { return Some(Unsent::Gone) };
                let sourceless = self.source.is_none() && self.own_source(table).is_none();
                of_link(row, sourceless)
            }
            (None, Some(zone)) => {
                let rows = || table.rows_of(zone);
                let Some(row) = rows().next() else { return Some(Unsent::Gone) };
                of_link(row, !rows().any(|row| row.address().is_some_and(|own| own.is_ipv6())))
            }
            (None, None) => self.by_route(table),
        }
    }

    /// The number of the interface that belongs to the address (RFC 4007 section 11).
    const fn zone(&self) -> Option<u32> {
        match self.address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
            _ => None,
        }
    }

    /// The route decides. What it decides is not in the table, but where no interface has an address, or every interface
    /// of the destination's subnet has lost its carrier, nothing arrives by any route.
    fn by_route(&self, table: &Table) -> Option<Unsent> {
        let to = self.address.ip();
        let up = || table.rows().iter().filter(|row| row.facts.up);
        let is_source = |own: IpAddr| own.is_ipv4() == to.is_ipv4() && !own.is_loopback();
        if !up().any(|row| row.address().is_some_and(is_source)) {
            let has_one = table.rows().iter().any(|row| row.address().is_some_and(is_source));
            return Some(if has_one { Unsent::Down } else { Unsent::NoAddress });
        }
        let near = || up().filter(|row| row.reaches(to));
        let dead = near().next().is_some() && near().all(|row| !row.facts.running);
        dead.then_some(Unsent::NoCarrier)
    }
}

/// What is left of RFC 6724 section 5 for an address of the interface that leads there; less is better: deprecated or not, of
/// another kind than the destination or not, bits in common. In between, what that does not know: whether somebody set it up or
/// a router gave it, for any host can speak as one.
fn preference(row: &Interface, own: IpAddr, to: IpAddr) -> (bool, bool, Standing, u32) {
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (own, to) else { return Default::default() };
    let prefix = row.facts.address.map_or(0, |(_, prefix)| u32::from(prefix));
    let alike = (source.to_bits() ^ destination.to_bits()).leading_zeros().min(prefix);
    let standing = row.facts.standing;
    (standing >= Standing::Deprecated, kind_of(source) != kind_of(destination), standing, u32::MAX - alike)
}

/// What RFC 6724 section 2.1 has labels for and is still in use: unique local addresses, 6to4, Teredo, and all others.
const fn kind_of(address: Ipv6Addr) -> u8 {
    match address.segments() {
        [first, ..] if first & 0xfe00 == 0xfc00 => 13,
        [0x2002, ..] => 2,
        [0x2001, 0, ..] => 5,
        _ => 1,
    }
}

/// Whether an IPv6 address is for one link. One of IPv4 is an address like any other.
const fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The first row that is meant.
fn named<'t>(table: &'t Table, selector: &Selector) -> Option<&'t Interface> {
    table.rows().iter().find(|row| selector.selects(row))
}

/// Why nothing can leave by an interface.
fn of_link(row: &Interface, sourceless: bool) -> Option<Unsent> {
    match () {
        () if !row.facts.up => Some(Unsent::Down),
        () if sourceless => Some(Unsent::NoAddress),
        () if !row.facts.running && !row.facts.loopback => Some(Unsent::NoCarrier),
        () => None,
    }
}

/// Everybody, as the interfaces are now: nobody where nothing can be reached. A named interface that is gone must not take
/// the others with it.
fn everybody(table: &Table, choice: &Choice, source: Option<IpAddr>) -> Vec<Destination> {
    let mut there = choice.clone();
    there.interfaces.retain(|selector| named(table, selector).is_some());
    if there.interfaces.is_empty() && !choice.interfaces.is_empty() {
        return Vec::new();
    }
    let mut all = broadcast::plan(table, &there).map(|plan| plan.destinations).unwrap_or_default();
    all.retain(|to| source.is_none() || to.source == source);
    all
}

/// Why a place of everybody is not among those that can be reached.
fn why_not(table: &Table, place: &Destination) -> Unsent {
    let name = place.link.as_ref().map(|link| &link.name);
    let rows = || table.rows().iter().filter(|row| Some(&row.link().name) == name);
    let Some(row) = rows().next() else { return Unsent::Gone };
    let has_address = rows().any(|row| row.address().is_some_and(|own| own.is_ipv4() == place.address.is_ipv4()));
    // Its address is another one than was chosen, or its link no longer one with everybody on it.
    of_link(row, !has_address).unwrap_or(Unsent::NoBroadcast)
}

/// One place of a series.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The destination, as it is or as it was last.
    pub(super) to: Destination,
    state: State,
    /// It was not there at the start, so it has a turn only while its interface exists.
    came: bool,
    went: Went,
}

/// What has left for a place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Went {
    pub(super) datagrams: u64,
    /// When the last of them did, in the time of the run.
    pub(super) last: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Reached,
    Lost(Unsent),
    /// Nobody's turn: the next that comes takes it.
    Vacant,
}

/// The most places: as many as a ticket can tell apart. No host has so many interfaces.
const MOST: usize = 1 << PLACE_BITS;

const PLACE_BITS: u32 = 20;

const NUMBER_BITS: u32 = u64::BITS - PLACE_BITS;

/// The mark of a datagram: its place, and its number in the run. That of the next number is one higher.
pub(super) const fn ticket(number: u64, place: usize) -> u64 {
    (place as u64) << NUMBER_BITS | number
}

/// The number and the place of a mark.
pub(super) const fn of_ticket(ticket: u64) -> (u64, usize) {
    (ticket & ((1 << NUMBER_BITS) - 1), (ticket >> NUMBER_BITS) as usize)
}

/// The places of a series. Each keeps its number for the whole run.
#[derive(Clone, Debug)]
pub(super) struct Places {
    follows: Follows,
    places: Vec<Place>,
}

impl Places {
    /// Those of the start.
    pub(super) fn new(destinations: Vec<Destination>) -> Self {
        let reached = |to| Place { to, state: State::Reached, came: false, went: Went::default() };
        Self { follows: Follows::Nothing, places: destinations.into_iter().take(MOST).map(reached).collect() }
    }

    /// They follow this from now on; what that changes already.
    pub(super) fn follow(&mut self, follows: Follows, table: &Table) -> Vec<Notice> {
        let told = match (&follows, self.places.first_mut()) {
            (Follows::One(way), Some(place)) => way.lost_at_start(table).and_then(|why| place.turn(State::Lost(why))),
            _ => None,
        };
        self.follows = follows;
        told.into_iter().collect()
    }

    /// All that have a turn, each with its number, and why it cannot be reached if it cannot.
    pub(super) fn turns(&self) -> impl Iterator<Item = (usize, &Destination, Option<Unsent>)> {
        self.places.iter().enumerate().filter_map(|(number, place)| match place.state {
            State::Reached => Some((number, &place.to, None)),
            State::Lost(why) => Some((number, &place.to, Some(why))),
            State::Vacant => None,
        })
    }

    /// The only one that has a turn, if it can be reached.
    pub(super) fn only(&self) -> Option<(usize, &Destination)> {
        let mut turns = self.turns();
        match (turns.next(), turns.next()) {
            (Some((number, destination, None)), None) => Some((number, destination)),
            _ => None,
        }
    }

    /// Whether any can be reached.
    pub(super) fn any_reached(&self) -> bool {
        self.places.iter().any(|place| place.state == State::Reached)
    }

    /// Every destination, also those that cannot be reached now.
    pub(super) fn all(&self) -> impl Iterator<Item = &Destination> {
        self.places.iter().map(|place| &place.to)
    }

    /// The destination of a place.
    pub(super) fn get(&self, number: usize) -> Option<&Destination> {
        self.places.get(number).map(|place| &place.to)
    }

    /// What has left for a place.
    pub(super) fn went(&self, number: usize) -> Option<Went> {
        self.places.get(number).map(|place| place.went)
    }

    /// So many datagrams have left for a place, at this time of the run.
    pub(super) fn left(&mut self, number: usize, datagrams: u64, now: Duration) {
        if let Some(place) = self.places.get_mut(number) {
            place.went = Went { datagrams: place.went.datagrams + datagrams, last: now };
        }
    }

    /// The interface that a destination is reached by, with its own name or by the route.
    pub(super) fn link<'a>(&'a self, to: &'a Destination) -> Option<&'a Link> {
        let route = || match &self.follows {
            Follows::One(way) => way.route.as_ref().map(|(link, _)| link),
            _ => None,
        };
        to.link.as_ref().or_else(route)
    }

    /// The interfaces are others than before: what has changed.
    pub(super) fn rewired(&mut self, table: &Table) -> Vec<Notice> {
        match std::mem::take(&mut self.follows) {
            Follows::Nothing => Vec::new(),
            Follows::One(way) => {
                let told = self.one(table, &way);
                self.follows = Follows::One(way);
                told
            }
            Follows::Everybody(choice, source) => {
                let told = self.everybody(table, everybody(table, &choice, source));
                self.follows = Follows::Everybody(choice, source);
                told
            }
        }
    }

    fn one(&mut self, table: &Table, way: &Way) -> Vec<Notice> {
        let Some(place) = self.places.first_mut() else { return Vec::new() };
        let state = way.lost(table).map_or(State::Reached, State::Lost);
        if state == State::Reached {
            // Its route may be another one now; that of the start is only good for telling of pieces.
            place.to = way.destination(table);
        }
        place.turn(state).into_iter().collect()
    }

    fn everybody(&mut self, table: &Table, found: Vec<Destination>) -> Vec<Notice> {
        let mut found: Vec<Option<Destination>> = found.into_iter().map(Some).collect();
        let mut told = Vec::new();
        let mut left: Vec<usize> = (0..self.places.len()).filter(|n| self.places[*n].state != State::Vacant).collect();
        // Where nothing has changed, first: else a place would take the address of another one of its interface.
        for same in [is_same as fn(&Destination, &Destination) -> bool, is_same_interface] {
            left.retain(|number| {
                let place = &mut self.places[*number];
                let fits = |to: &&mut Option<Destination>| to.as_ref().is_some_and(|to| same(&place.to, to));
                let Some(to) = found.iter_mut().find(fits).and_then(Option::take) else { return true };
                place.to = to;
                told.extend(place.turn(State::Reached));
                false
            });
        }
        for number in left {
            let place = &mut self.places[number];
            let why = why_not(table, &place.to);
            told.extend(place.turn(State::Lost(why)));
            if place.came && why == Unsent::Gone {
                place.state = State::Vacant;
            }
        }
        for to in found.into_iter().flatten() {
            told.extend(to.link.clone().map(Notice::InterfaceCame));
            self.take_place(to);
        }
        told
    }

    fn take_place(&mut self, to: Destination) {
        let place = Place { to, state: State::Reached, came: true, went: Went::default() };
        let vacant = self.places.iter().position(|place| place.state == State::Vacant);
        match vacant {
            Some(number) => self.places[number] = place,
            None if self.places.len() < MOST => self.places.push(place),
            None => {}
        }
    }
}

impl Place {
    /// Its state now, and what is to be told of that.
    fn turn(&mut self, state: State) -> Option<Notice> {
        let before = std::mem::replace(&mut self.state, state);
        let (destination, link) = (self.to.address, self.to.link.clone());
        match state {
            _ if before == state => None,
            State::Lost(why) => Some(Notice::WayLost { destination, link, why }),
            State::Reached => Some(Notice::WayBack { destination, link }),
            State::Vacant => None,
        }
    }
}

fn is_same_interface(one: &Destination, other: &Destination) -> bool {
    let same_name = match (&one.link, &other.link) {
        (Some(one), Some(other)) => one.name == other.name,
        (one, other) => one.is_none() && other.is_none(),
    };
    same_name && Family::of(one.address.ip()) == Family::of(other.address.ip())
}

fn is_same(one: &Destination, other: &Destination) -> bool {
    // An IPv6 address has the number of its interface within, and that may be another one now.
    one.address.ip() == other.address.ip() && is_same_interface(one, other)
}

#[cfg(test)]
mod tests;
