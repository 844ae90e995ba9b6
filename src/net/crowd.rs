//! What may wait for neighbours whom the system does not know.
//!
//! A datagram to a neighbour waits in the kernel until the neighbour has said which hardware address is its: a millisecond, or,
//! if there is no such neighbour, 3 s (three questions, a second apart: arp(7), mcast_solicit and retrans_time). Meanwhile it
//! takes from the send buffer of its socket. So whoever forges the addresses of neighbours that do not exist fills the buffer of
//! a server with answers to them: 212,992 bytes, the buffer that Linux gives, are 92 answers of 1,400 bytes, or 30 a second.
//!
//! Whom the kernel knows does not wait, and an honest client is known before it has asked: to send anything to one address of
//! this host, it asked for our hardware address, and that question introduces it (RFC 826, RFC 4861 section 7.2.3). So what is
//! scarce is kept for those who are known:
//!
//! - What goes to a known neighbour, to this host, or by a router, is always sent.
//! - What goes to one of whom nothing is known is sent while it and what waits fill no more than half of the buffer. Such are
//!   those who ask everybody, and they are not lost before somebody else fills that half.
//! - What goes to one whom the kernel looks for, or has not found, is sent while that fills no more than a quarter. So whoever
//!   has few forged addresses, and uses them again, leaves the second quarter free for those who are new.
//!
//! Nobody is asked about while a quarter of the buffer is not full: what is in it is read only when more has been handed over
//! since than fits there. Behind that there is one question for each address of a flush.
//!
//! Several sockets of one port have the neighbours of one host, of which the kernel looks for so many and no more. So what waits
//! in them is added up, and the shares are those of one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use socket2::Socket;

use crate::model::interface::Table;
use crate::model::{Cast, Interface};
use crate::net::batch::Item;
use crate::net::sys;

/// What the system knows of a neighbour.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Acquaintance {
    /// Its hardware address, or that none is needed.
    Known,
    /// Nothing.
    Unknown,
    /// It is being looked for, or was not found.
    Sought,
}

/// What waits in the send buffers of a port, in the kernel's measure: with its own overhead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Queue {
    /// Bytes that wait.
    pub(crate) held: usize,
    /// Bytes of one buffer.
    pub(crate) room: usize,
}

/// The most that is lent to those who are not known, however large the buffer is: 56 datagrams that fill an Ethernet packet, or
/// 170 of the shortest, 768 each. So the kernel looks for no more neighbours at once than that for us; it has room for 512
/// before it begins to forget others (arp(7), gc_thresh2).
const MOST_LENT: usize = 128 << 10;

/// What a datagram takes from the buffer at most, for every Ethernet packet that it needs: 2,304 bytes on Linux, of which 1,472
/// are its own.
const PIECE: (usize, usize) = (1_472, 2_304);

fn cost(len: usize) -> usize {
    (len / PIECE.0 + 1) * PIECE.1
}

impl Queue {
    /// How full it may be for whom.
    fn share(self, whom: Acquaintance) -> usize {
        match whom {
            Acquaintance::Known => usize::MAX,
            Acquaintance::Unknown => (self.room / 2).min(MOST_LENT),
            Acquaintance::Sought => self.share(Acquaintance::Unknown) / 2,
        }
    }

    /// Whether a datagram of so many bytes may be sent. Then it counts.
    fn admits(&mut self, len: usize, whom: Acquaintance) -> bool {
        let with_it = self.held.saturating_add(cost(len));
        let admitted = with_it <= self.share(whom);
        if admitted {
            self.held = with_it;
        }
        admitted
    }
}

/// Watches the send buffer of one socket that answers, with those of the other sockets of its port.
#[derive(Debug)]
pub(crate) struct Crowd {
    neighbours: sys::Neighbours,
    /// What was said of addresses for one flush.
    asked: Vec<(SocketAddr, Acquaintance)>,
    buffers: Arc<Mutex<Buffers>>,
}

/// What is in the buffers of a port.
#[derive(Debug)]
struct Buffers {
    /// One that is closed holds nothing.
    sockets: Vec<Weak<Socket>>,
    /// As last looked at, with all that was handed over since: they hold no more, but for what another thread was about to hand
    /// over, which is one flush.
    queue: Option<Queue>,
}

impl Crowd {
    /// Of a socket that nothing has been sent by; `None` where the system tells nothing of neighbours.
    pub(super) fn new(socket: &Arc<Socket>) -> Option<Self> {
        let buffers = Buffers { sockets: vec![Arc::downgrade(socket)], queue: None };
        let buffers = Arc::new(Mutex::new(buffers));
        sys::Neighbours::open().ok().map(|neighbours| Self { neighbours, asked: Vec::new(), buffers })
    }

    /// Has the socket of `other` be one of the same port.
    pub(super) fn take_in(&self, other: &mut Self) {
        let sockets = std::mem::take(&mut lock(&other.buffers).sockets);
        lock(&self.buffers).sockets.extend(sockets);
        other.buffers = Arc::clone(&self.buffers);
    }

    /// Marks those of the datagrams of one flush that are not to be sent. `is_ours` says which leave by its socket.
    pub(super) fn hold_back(&mut self, items: &mut [Item], is_ours: impl Fn(&Item) -> bool, table: &Table) {
        let wanted = items.iter().filter(|item| is_ours(item)).map(|item| cost(item.bytes.len()) * item.count).sum();
        if wanted == 0 || lock(&self.buffers).admit_all(wanted) {
            return;
        }
        let ours = items.iter_mut().filter(|item| is_ours(item));
        self.asked.clear();
        judge(ours, &self.buffers, &mut self.asked, |to| acquaintance(&self.neighbours, to, table));
    }
}

/// Marks those that are not to be sent. A question takes longer than a send: there is none where anybody would be let in, and one
/// for each address, of whose ports many may have asked us at once.
fn judge<'i>(
    items: impl Iterator<Item = &'i mut Item>,
    buffers: &Mutex<Buffers>,
    asked: &mut Vec<(SocketAddr, Acquaintance)>,
    mut ask: impl FnMut(SocketAddr) -> Acquaintance,
) {
    for item in items {
        let (len, mut to) = (item.bytes.len(), item.destination);
        if lock(buffers).admit(len, Acquaintance::Sought) {
            continue;
        }
        to.set_port(0);
        let known = asked.iter().find(|(address, _)| *address == to).map(|(_, whom)| *whom);
        let whom = known.unwrap_or_else(|| {
            let whom = ask(to);
            asked.push((to, whom));
            whom
        });
        item.held_back = !lock(buffers).admit(len, whom);
    }
}

fn lock(buffers: &Mutex<Buffers>) -> MutexGuard<'_, Buffers> {
    buffers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Buffers {
    /// Whether datagrams that take so much may be sent, whoever they go to. Then they count.
    fn admit_all(&mut self, wanted: usize) -> bool {
        let has_room = |queue: &Queue| queue.held.saturating_add(wanted) <= queue.share(Acquaintance::Sought);
        if !self.queue.as_ref().is_some_and(has_room) {
            self.queue = self.look();
        }
        match &mut self.queue {
            Some(queue) if has_room(queue) => queue.held += wanted,
            Some(_) => return false,
            None => {}
        }
        true
    }

    fn admit(&mut self, len: usize, whom: Acquaintance) -> bool {
        self.queue.as_mut().is_none_or(|queue| queue.admits(len, whom))
    }

    /// What is in all of them; `None` where the system does not tell.
    fn look(&self) -> Option<Queue> {
        let queues = self.sockets.iter().filter_map(Weak::upgrade).map(|socket| sys::send_queue(&socket));
        let both = |a: Queue, b: Queue| Queue { held: a.held.saturating_add(b.held), room: a.room.min(b.room) };
        queues.reduce(|a, b| Some(both(a?, b?)))?
    }
}

/// What is known of the neighbour that a datagram goes to. One that goes to no neighbour waits for none; nor does one of whom
/// the system does not tell.
fn acquaintance(neighbours: &sys::Neighbours, destination: SocketAddr, table: &Table) -> Acquaintance {
    let to = destination.ip().to_canonical();
    let zone = match destination {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
        _ => None,
    };
    let has_neighbours = |row: &&Interface| row.facts.up && !row.facts.loopback && !row.facts.point_to_point;
    let near = |row: &&Interface| row.reaches(to) && zone.is_none_or(|zone| zone == row.link().index);
    if Cast::by_form(to) != Cast::Unicast || table.owner(to).is_some() {
        return Acquaintance::Known;
    }
    let links = table.rows().iter().filter(has_neighbours).filter(near).map(|row| row.link().index);
    // On two interfaces of one subnet, either may be the way.
    links.filter_map(|index| neighbours.ask(to, index)).min().unwrap_or(Acquaintance::Known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, Payload, Transmit};
    use crate::net::Outbox;
    use proptest::prelude::*;

    /// The buffer that Linux gives.
    const ROOM: usize = 212_992;

    const KINDS: [Acquaintance; 3] = [Acquaintance::Known, Acquaintance::Unknown, Acquaintance::Sought];

    /// How many datagrams of so many bytes are sent, where none of them leaves the buffer.
    fn admitted(queue: &mut Queue, len: usize, whom: Acquaintance) -> usize {
        (0..1_000).take_while(|_| queue.admits(len, whom)).count()
    }

    #[test]
    fn who_is_looked_for_leaves_room_for_who_is_new_and_both_for_who_is_known() {
        let mut queue = Queue { held: 0, room: ROOM };
        let all = KINDS.map(|whom| Queue { held: 0, room: ROOM }.share(whom));
        assert_eq!(all, [usize::MAX, 106_496, 53_248]);
        assert_eq!(admitted(&mut queue, 1_400, Acquaintance::Sought), 23);
        assert_eq!(admitted(&mut queue, 1_400, Acquaintance::Unknown), 23);
        assert_eq!(admitted(&mut queue, 1_400, Acquaintance::Known), 1_000);
    }

    #[test]
    fn the_longest_datagram_is_answered_to_whoever_is_new_while_nothing_waits() {
        for room in [ROOM, 8 << 20] {
            let mut queue = Queue { held: 0, room };
            assert_eq!(admitted(&mut queue, 65_507, Acquaintance::Unknown), 1);
        }
    }

    #[test]
    fn a_large_buffer_does_not_have_the_kernel_look_for_more_neighbours_than_it_has_room_for() {
        let queue = Queue { held: 0, room: 64 << 20 };
        assert!(queue.share(Acquaintance::Unknown) / 768 < 512 / 2);
    }

    /// Which of so many items are held back, and how many questions were asked.
    fn judged(destinations: impl Iterator<Item = SocketAddr>, whom: Acquaintance) -> (Vec<bool>, usize) {
        let mut outbox = Outbox::default();
        for destination in destinations {
            let payload = Payload::new(&[b'x'; 20], Family::V4).unwrap();
            outbox.push(&Transmit { payload, destination, source: None, link: None, ticket: 0 });
        }
        let items = outbox.items_mut();
        let buffers = Buffers { sockets: Vec::new(), queue: Some(Queue { held: 0, room: ROOM }) };
        let mut questions = 0;
        judge(items.iter_mut(), &Mutex::new(buffers), &mut Vec::new(), |_| {
            questions += 1;
            whom
        });
        (items.iter().map(|item| item.held_back).collect(), questions)
    }

    #[test]
    fn nobody_is_asked_about_who_is_let_in_anyway_and_no_address_twice() {
        let ports = |count: u16| (0..count).map(|port| SocketAddr::from(([10, 0, 0, 2], 2_000 + port)));
        let hosts = |count: u8| (0..count).map(|host| SocketAddr::from(([10, 0, 0, host], 2_000)));
        let free = ROOM / 4 / PIECE.1;
        for (whom, held_back) in [(Acquaintance::Known, 0), (Acquaintance::Sought, 64 - free)] {
            assert_eq!(judged(ports(free as u16), whom), (vec![false; free], 0));
            let (held, questions) = judged(ports(64), whom);
            assert_eq!((held.iter().filter(|held| **held).count(), questions), (held_back, 1));
            assert_eq!(judged(hosts(64), whom), (held, 64 - free));
        }
    }

    proptest! {
        /// Whatever comes in whatever order: those who are not known never fill more than their share, and nobody who is known is
        /// held back.
        #[test]
        fn strangers_never_take_what_is_not_theirs(
            room in 0usize..10_000_000, steps in proptest::collection::vec((0usize..65_508, 0usize..3, 0usize..300_000), 1..200),
        ) {
            let mut queue = Queue { held: 0, room };
            for (len, whom, left) in steps {
                queue.held = queue.held.saturating_sub(left);
                let (before, whom) = (queue.held, KINDS[whom]);
                let admitted = queue.admits(len, whom);
                prop_assert!(admitted || whom != Acquaintance::Known);
                prop_assert!(!admitted || whom == Acquaintance::Known || queue.held <= (room / 2).min(MOST_LENT));
                prop_assert_eq!(queue.held > before, admitted);
            }
        }
    }
}
