//! One or several endpoints as one network.
//!
//! On Linux one socket reaches every interface, each datagram carrying its interface and source address (IP_PKTINFO,
//! ip(7)). Where that is missing, one socket bound to each source address does the same.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::model::error::{Action, FaultKind};
use crate::model::event::Outcome;
use crate::model::interface::Table;
use crate::model::{Cast, Error, Fault, Interface, Link, LinkName, Origin};
use crate::net::batch::{Head, Item};
use crate::net::endpoint::{Endpoint, source_for};
use crate::net::fault::system;
use crate::net::interfaces::Watch;
use crate::net::options::Options;
use crate::net::{Batch, Network, Outbox, interfaces, sys};

/// Endpoints that are used as one.
pub struct Fanout {
    endpoints: Vec<Endpoint>,
    table: Table,
    waiter: Option<sys::Waiter>,
    /// Which endpoint is read first: none may starve the others.
    first: usize,
    /// By which way the last one left.
    left: Option<Left>,
    /// What became of the datagrams of one flush.
    results: Vec<Result<(), Fault>>,
    /// Where the system tells of interfaces that come and go, if that is wanted.
    news: Option<sys::News>,
    /// The last wait has found that there are none.
    no_news: bool,
    /// What is joined on interfaces that come.
    groups: Vec<Membership>,
    /// Whether the table is another one since this was last asked.
    changed: bool,
    busy_poll: Duration,
    /// Whether what goes to many is another's.
    unicast_only: bool,
}

/// A datagram that left, from where and by which interface.
struct Left {
    item: Item,
    source: SocketAddr,
    link: Option<Link>,
}

/// What becomes of a datagram that would wait for a neighbour, where too much does.
const HELD_BACK: Fault = Fault { kind: FaultKind::NeighbourUnknown, code: None };

/// A group, and the names of the interfaces that it is joined on; without any, it is joined on all.
struct Membership {
    group: IpAddr,
    names: Vec<LinkName>,
}

impl Membership {
    fn includes(&self, link: &Link) -> bool {
        self.names.is_empty() || self.names.contains(&link.name)
    }
}

/// Ends a wait from another thread.
#[derive(Clone)]
pub struct Waker(Vec<Arc<sys::Alarm>>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

impl Waker {
    /// Ends the wait that goes on, or the next one.
    pub fn wake(&self) {
        self.0.iter().for_each(|alarm| alarm.wake());
    }

    /// One that ends the waits of all these networks.
    ///
    /// # Errors
    /// [`Error::System`] when the system has no means to wait.
    pub fn of_all(networks: &mut [Fanout]) -> Result<Self, Error> {
        let alarms = networks.iter_mut().map(|network| network.waiter().map(|waiter| Arc::clone(waiter.alarm())));
        alarms.collect::<Result<_, _>>().map(Self)
    }
}

impl Fanout {
    /// These endpoints as one. `table` tells casts and interfaces.
    pub const fn new(endpoints: Vec<Endpoint>, table: Table) -> Self {
        Self {
            endpoints,
            table,
            waiter: None,
            first: 0,
            left: None,
            results: Vec::new(),
            news: None,
            no_news: false,
            groups: Vec::new(),
            changed: false,
            busy_poll: Duration::ZERO,
            unicast_only: false,
        }
    }

    /// From now on only what was sent to one host is received. The system gives a broadcast to every socket of a port, and only
    /// one of them may take it. A filter of the system's would not do: whether an address is a broadcast is a matter of the routes, and
    /// what a filter leaves out counts as dropped.
    pub const fn leave_broadcasts(&mut self) {
        self.unicast_only = true;
    }

    /// From now on it is asked again for so long behind what came or left last ([`Network::busy_poll`]).
    pub const fn poll_for(&mut self, busy_poll: Duration) {
        self.busy_poll = busy_poll;
    }

    /// Opens what is needed to send from every one of `sources`: one socket where a socket can choose its source for
    /// each datagram, one for each source where it cannot.
    ///
    /// # Errors
    /// Those of [`Options::open`].
    pub fn open(options: &Options, sources: &[IpAddr], table: Table) -> Result<Self, Error> {
        if sys::CHOOSES_SOURCE || !options.bind.ip().is_unspecified() || sources.is_empty() {
            return Ok(Self::new(vec![options.open()?], table));
        }
        let from = |source: &IpAddr| {
            let mut bind = SocketAddr::new(*source, options.bind.port());
            if let (SocketAddr::V6(v6), Some(row)) = (&mut bind, table.owner(*source)) {
                // A link-local address means nothing without its interface.
                v6.set_scope_id(row.link().index);
            }
            Options { bind, ..options.clone() }.open()
        };
        let endpoints = sources.iter().map(from).collect::<Result<_, _>>()?;
        Ok(Self::new(endpoints, table))
    }

    /// The endpoints of both as one, with the table of the first.
    pub fn and(mut self, other: Self) -> Self {
        self.endpoints.extend(other.endpoints);
        self.waiter = None;
        self
    }

    /// Looks out for interfaces and addresses that come and go, from now on. Where the system does not tell of them, or may not
    /// tell this process, they are seen when the table is read again.
    ///
    /// # Errors
    /// [`Error::System`] when the system has no means for it.
    pub fn watch_interfaces(&mut self) -> Result<(), Error> {
        if self.news.is_none() {
            if let Some(news) = unless_forbidden(sys::News::open()).map_err(|error| cannot_list(&error))? {
                self.listen_for(news)?;
            }
            // What changed before anybody looked out.
            self.refresh();
        }
        Ok(())
    }

    /// The same with a watch that is as old as the table.
    ///
    /// # Errors
    /// [`Error::System`] when the system has no means for it.
    pub fn keep_watching(&mut self, watch: Option<Watch>) -> Result<(), Error> {
        watch.map_or(Ok(()), |Watch(news)| self.listen_for(news))
    }

    fn listen_for(&mut self, news: sys::News) -> Result<(), Error> {
        if let (Some(waiter), Some(socket)) = (&mut self.waiter, news.socket()) {
            waiter.add(socket).map_err(|error| cannot_list(&error))?;
        }
        self.news = Some(news);
        Ok(())
    }

    /// Joins `group` on every interface that there is and that comes, by every endpoint of its IP version that is not there
    /// to send to everybody. Interfaces that cannot are left out; those that could are returned.
    pub fn join_everywhere(&mut self, group: IpAddr) -> Vec<Link> {
        self.keep_joined(group, Vec::new());
        let mut links = links(&self.table);
        links.retain(|link| self.join(group, link));
        links
    }

    /// Joins `group` from now on on every interface that comes and has one of these names, or any name if there is none
    /// among them, such as one that was deleted and is made again. What is there already is joined by
    /// [`Endpoint::join`].
    pub fn keep_joined(&mut self, group: IpAddr, names: Vec<LinkName>) {
        self.groups.push(Membership { group, names });
    }

    fn join(&self, group: IpAddr, link: &Link) -> bool {
        // Every one of them, not the first that can.
        self.ears(group).filter(|endpoint| endpoint.join(group, link).is_ok()).count() > 0
    }

    /// The endpoints that can hear a group.
    fn ears(&self, group: IpAddr) -> impl Iterator<Item = &Endpoint> {
        let hears =
            move |endpoint: &&Endpoint| !endpoint.bound().broadcast && endpoint.local().is_ipv4() == group.is_ipv4();
        self.endpoints.iter().filter(hears)
    }

    /// Joins on interfaces that came. Those that went are left first: the system does not forget them by itself, and lets
    /// a socket have only so many.
    fn rejoin(&self, before: &[Link]) {
        let now = links(&self.table);
        for membership in &self.groups {
            let wanted = |link: &&Link| membership.includes(link);
            for gone in before.iter().filter(|link| !now.contains(link)).filter(wanted) {
                for endpoint in self.ears(membership.group) {
                    let _left = endpoint.leave(membership.group, gone);
                }
            }
            for link in now.iter().filter(wanted) {
                // One that is joined already says so, and one that cannot be is left out.
                let _joined = self.join(membership.group, link);
            }
        }
    }

    /// The first endpoint.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoints.first()
    }

    /// The table of interfaces as last read.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Something that ends a wait from another thread.
    ///
    /// # Errors
    /// [`Error::System`] when the system has no means to wait.
    pub fn waker(&mut self) -> Result<Waker, Error> {
        Waker::of_all(std::slice::from_mut(self))
    }

    fn waiter(&mut self) -> Result<&mut sys::Waiter, Error> {
        let waiter = match self.waiter.take() {
            Some(waiter) => waiter,
            None => {
                let sockets = self.endpoints.iter().map(|endpoint| Arc::clone(&endpoint.bound().socket));
                let sockets = sockets.chain(self.news.as_ref().and_then(sys::News::socket));
                sys::Waiter::new(sockets).map_err(|error| cannot_wait(&error))?
            }
        };
        Ok(self.waiter.insert(waiter))
    }

    /// The endpoint that can send `item`: of its IP version; where there are several, the one that is there for its cast,
    /// and bound to its source where that matters.
    fn endpoint_for(&self, item: &Item) -> Option<&Endpoint> {
        let same_family = |e: &&Endpoint| e.local().is_ipv4() == item.destination.is_ipv4();
        if let [only] = &self.endpoints[..] {
            return Some(only).filter(same_family);
        }
        let everybody = self.endpoints.len() > 1 && self.is_everybody(item.destination.ip());
        let candidates = || self.endpoints.iter().filter(same_family);
        let of = |same_source: bool| move |e: &&Endpoint| !same_source || item.source == Some(e.local().ip());
        let first = |same_cast: bool| {
            let fitting = || candidates().filter(move |e| !same_cast || e.bound().broadcast == everybody);
            fitting().find(of(true)).or_else(|| fitting().next())
        };
        first(true).or_else(|| first(false))
    }

    fn is_everybody(&self, address: IpAddr) -> bool {
        cast_by_table(&self.table, address.to_canonical()) != Cast::Unicast
    }

    /// Marks what is not sent, because it would wait for a neighbour and too much does.
    fn hold_back(&mut self, outbox: &mut Outbox) {
        for number in 0..self.endpoints.len() {
            let Some(mut crowd) = self.endpoints[number].crowd.take() else { continue };
            let endpoint = &self.endpoints[number];
            let is_its = |item: &Item| self.endpoint_for(item).is_some_and(|other| std::ptr::eq(other, endpoint));
            crowd.hold_back(outbox.items_mut(), is_its, &self.table);
            self.endpoints[number].crowd = Some(crowd);
        }
    }

    /// Source address and interface of a datagram that left: looked up for the first of those that go the same way.
    fn left_by(&mut self, item: &Item) -> (Option<SocketAddr>, Option<Link>) {
        if let Some(left) = self.left.as_ref().filter(|left| left.item.goes_with(item)) {
            return (Some(left.source), left.link.clone());
        }
        let Some(local) = self.endpoint_for(item).map(Endpoint::local) else { return (None, None) };
        let bound = (!local.ip().is_unspecified()).then(|| local.ip());
        let source = item.source.or(bound).or_else(|| source_for(item.destination).ok());
        let link = item.link.clone().or_else(|| self.table.towards(source?, item.destination).cloned());
        let source = source.map(|ip| SocketAddr::new(ip, local.port()));
        self.left = source.map(|source| Left { item: item.clone(), source, link: link.clone() });
        (source, link)
    }

    /// What became of so many of an item, behind so many others.
    fn outcome(&mut self, item: &Item, behind: usize, count: usize, sent: Result<(), Fault>) -> Outcome {
        let (source, link) = match sent {
            Ok(()) => self.left_by(item),
            Err(_) => (None, item.link.clone()),
        };
        Outcome {
            ticket: item.ticket + behind as u64,
            count: count as u64,
            len: item.bytes.len(),
            destination: item.destination,
            link,
            result: sent.map(|()| source),
        }
    }
}

impl Network for Fanout {
    fn send(&mut self, outbox: &mut Outbox, outcomes: &mut Vec<Outcome>) {
        self.hold_back(outbox);
        let mut results = std::mem::take(&mut self.results);
        let bound_for = |item: &Item| self.endpoint_for(item).filter(|_| !item.held_back).map(Endpoint::bound);
        sys::send(outbox, bound_for, &mut results);
        let mut all = results.as_slice();
        for item in outbox.items() {
            let (own, others) = all.split_at(item.count.min(all.len()));
            let mut behind = 0;
            for alike in own.chunk_by(|one, next| one.is_ok() && next.is_ok()) {
                let sent = if item.held_back { Err(HELD_BACK) } else { alike[0] };
                outcomes.push(self.outcome(item, behind, alike.len(), sent));
                behind += alike.len();
            }
            all = others;
        }
        results.clear();
        self.results = results;
        outbox.clear();
    }

    fn receive(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.clear();
        let count = self.endpoints.len();
        for turn in 0..count {
            let endpoint = &self.endpoints[(self.first + turn) % count];
            let before = batch.count();
            if !batch.is_full() {
                let read = sys::receive(endpoint.bound(), batch);
                read.map_err(|error| system(Action::Receive, endpoint.local().to_string(), &error))?;
            }
            if batch.count() == before {
                // An error that waits shows before any datagram does: with one there is no need to look for the other.
                sys::take_refusals(endpoint.bound(), batch.refusals_mut());
            }
            describe(&self.table, batch.heads_from(before));
        }
        if self.unicast_only {
            batch.keep_unicast();
        }
        self.first = (self.first + 1) % count.max(1);
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        if timeout == Some(Duration::ZERO) {
            return Ok(());
        }
        self.waiter()?.wait(timeout).map_err(|error| cannot_wait(&error))?;
        let told = |waiter: &sys::Waiter| self.news.as_ref().is_some_and(|news| news.found_by(waiter));
        self.no_news = !self.waiter.as_ref().is_some_and(told);
        Ok(())
    }

    fn busy_poll(&self) -> Duration {
        self.busy_poll
    }

    fn is_woken(&mut self) -> bool {
        self.waiter.as_ref().is_some_and(|waiter| waiter.alarm().is_woken())
    }

    fn refresh(&mut self) {
        let Ok(table) = interfaces::list() else { return };
        self.left = None;
        if table == self.table {
            return;
        }
        let before = links(&std::mem::replace(&mut self.table, table));
        self.changed = true;
        self.rejoin(&before);
    }

    fn changed(&mut self) -> Option<&Table> {
        // Looked for once without a wait, and behind one only where it has found some.
        let no_news = std::mem::take(&mut self.no_news);
        if !no_news && self.news.as_ref().is_some_and(sys::News::take) {
            self.refresh();
            // Even where the table is the same: an address may have become good to send from.
            self.changed = true;
        }
        std::mem::take(&mut self.changed).then_some(&self.table)
    }

    fn drops(&mut self) -> Option<u64> {
        self.endpoints.iter_mut().map(Endpoint::drops).sum()
    }
}

/// A sandbox may let a process ask the system, and not have it told unasked.
fn unless_forbidden<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        opened => opened.map(Some),
    }
}

/// Every interface once.
fn links(table: &Table) -> Vec<Link> {
    Link::each_once(table.rows().iter().map(Interface::link))
}

fn cannot_list(error: &io::Error) -> Error {
    system(Action::List, "the interfaces".to_owned(), error)
}

fn cannot_wait(error: &io::Error) -> Error {
    system(Action::Wait, "the sockets".to_owned(), error)
}

/// What the table of interfaces says of datagrams. Neighbours mostly come the same way: then it is the same.
fn describe(table: &Table, mut heads: &mut [Head]) {
    while let Some((first, others)) = heads.split_first_mut() {
        describe_one(table, first);
        let alike = others.iter().take_while(|head| head.comes_with(first)).count();
        let (alike, rest) = others.split_at_mut(alike);
        alike.iter_mut().for_each(|head| head.describe_as(first));
        heads = rest;
    }
}

/// What the table of interfaces says of a datagram: its interface by name, its cast where the system did not say,
/// whose address its source is, whether that is a neighbour, and whether it was sent to another interface.
fn describe_one(table: &Table, head: &mut Head) {
    let source = head.source.ip().to_canonical();
    head.link = head.index.map(|index| link_of(table, index));
    head.cast = head.cast.or_else(|| head.destination.map(|to| cast_by_table(table, to.ip().to_canonical())));
    head.origin = match source {
        IpAddr::V4(ip) if table.broadcaster(ip).is_some() => Origin::Broadcast,
        _ if table.owner(source).is_some() => Origin::Own,
        _ => Origin::Foreign,
    };
    let near = |index: u32| table.rows_of(index).any(|row| row.reaches(source));
    head.on_link = match &head.link {
        Some(link) => near(link.index),
        None => table.neighbour(source).is_some(),
    };
    let elsewhere = |to: SocketAddr| head.index.is_some_and(|index| table.is_elsewhere(index, to.ip().to_canonical()));
    head.other_link = head.destination.is_some_and(elsewhere);
}

/// An interface by number; one that came after the table was read has its number for a name.
fn link_of(table: &Table, index: u32) -> Link {
    let unknown = || Link { index, name: sys::name_of(index).unwrap_or_else(|| index.to_string()).into() };
    table.link(index).cloned().unwrap_or_else(unknown)
}

fn cast_by_table(table: &Table, destination: IpAddr) -> Cast {
    match (Cast::by_form(destination), destination) {
        (Cast::Unicast, IpAddr::V4(ip)) if table.broadcaster(ip).is_some() => Cast::Broadcast,
        (cast, _) => cast,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Not;

    use super::*;
    use crate::model::interface::Facts;
    use crate::model::{Interface, Stamp, StampSource};

    /// Two subnets and this host's loopback interface.
    fn table() -> Table {
        let row = |index, name, address, prefix| {
            Interface::judge(Facts { loopback: index == 1, ..Facts::plain(index, name, Some((address, prefix))) })
        };
        Table::new(vec![
            row(1, "lo", "127.0.0.1", 8),
            row(2, "eth0", "10.77.0.1", 24),
            row(2, "eth0", "fe80::1", 64),
            row(3, "eth1", "10.78.0.1", 24),
        ])
    }

    /// What the table says of a datagram from `source` to `destination` by the interface of this number.
    fn described(source: &str, destination: Option<&str>, index: Option<u32>) -> Head {
        let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 1060);
        let mut head = Head {
            bytes: 0..0,
            wire_len: 0,
            source: address(source),
            destination: destination.map(address),
            local: None,
            index,
            link: None,
            cast: None,
            origin: Origin::Foreign,
            on_link: false,
            other_link: false,
            ttl: None,
            stamp: Stamp { wall: std::time::SystemTime::UNIX_EPOCH, source: StampSource::User },
        };
        describe_one(&table(), &mut head);
        head
    }

    #[test]
    fn who_may_not_be_told_of_interfaces_goes_on_and_who_lacks_a_descriptor_does_not() {
        use io::ErrorKind::{OutOfMemory, PermissionDenied};
        assert!(matches!(unless_forbidden::<()>(Err(PermissionDenied.into())), Ok(None)));
        assert!(unless_forbidden::<()>(Err(OutOfMemory.into())).is_err());
        assert!(matches!(unless_forbidden(Ok(())), Ok(Some(()))));
    }

    #[test]
    fn whose_the_source_is() {
        let origin = |source| described(source, None, Some(2)).origin;
        // The broadcast address of any subnet of ours, by whichever interface it claims to come.
        for broadcast in ["10.77.0.255", "10.78.0.255", "::ffff:10.77.0.255"] {
            assert_eq!(origin(broadcast), Origin::Broadcast, "{broadcast}");
        }
        for own in ["10.77.0.1", "10.78.0.1", "127.0.0.1", "fe80::1", "::ffff:10.77.0.1"] {
            assert_eq!(origin(own), Origin::Own, "{own}");
        }
        for foreign in ["10.77.0.2", "10.79.0.255", "192.0.2.1", "fe80::2"] {
            assert_eq!(origin(foreign), Origin::Foreign, "{foreign}");
        }
    }

    #[test]
    fn a_neighbour_is_one_of_the_subnet_of_the_interface_it_came_by() {
        let near = |source, index| described(source, None, index).on_link;
        assert!(near("10.77.0.2", Some(2)) && near("fe80::2", Some(2)) && near("10.78.0.2", Some(3)));
        // Another subnet's address, by this cable: forged, or wrongly cabled.
        assert!(near("10.78.0.2", Some(2)).not() && near("192.0.2.1", Some(2)).not());
        // Where the system does not tell by which interface, any will do.
        assert!(near("10.78.0.2", None) && near("192.0.2.1", None).not());
    }

    #[test]
    fn what_is_addressed_to_the_other_interface_is_marked() {
        let other = |destination, index| described("10.77.0.2", Some(destination), index).other_link;
        assert!(other("10.78.0.1", Some(2)) && other("10.77.0.1", Some(2)).not());
        assert!(other("10.77.0.255", Some(2)).not() && other("10.78.0.1", None).not());
    }

    #[test]
    fn an_interface_that_came_after_the_table_was_read_has_no_neighbours_yet() {
        // The number of no interface of any machine.
        let head = described("10.77.0.2", None, Some(u32::MAX));
        assert_eq!(head.link, Some(Link { index: u32::MAX, name: u32::MAX.to_string().into() }));
        assert!(head.on_link.not());
    }

    #[test]
    fn to_whom_it_went_is_read_from_the_table_where_the_system_does_not_say() {
        let cast = |destination| described("10.77.0.2", Some(destination), Some(2)).cast;
        assert_eq!(cast("10.77.0.1"), Some(Cast::Unicast));
        assert_eq!((cast("10.77.0.255"), cast("10.78.0.255")), (Some(Cast::Broadcast), Some(Cast::Broadcast)));
        assert_eq!((cast("255.255.255.255"), cast("224.0.0.1")), (Some(Cast::Limited), Some(Cast::Multicast)));
        assert_eq!((cast("ff02::1"), cast("fe80::1")), (Some(Cast::Multicast), Some(Cast::Unicast)));
        assert_eq!(described("10.77.0.2", None, Some(2)).cast, None);
        assert_eq!(described("10.77.0.2", None, Some(2)).link.map(|link| link.name), Some("eth0".into()));
    }
}
