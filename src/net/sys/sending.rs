//! Sending on Linux: what waits in the outbox leaves with few system calls, and what is alike with few passes through the
//! kernel.
//!
//! Neighbours in the outbox that differ in nothing but their bytes leave as a train: one message, which the kernel or the
//! network card cuts into datagrams again (UDP_SEGMENT, udp(7)). Nobody sees it but who captures packets on this host or on a
//! virtual cable.
//!
//! By default that is done on loopback alone. A queue before an interface that cuts trains itself, such as tbf (tc-tbf(8)), drops
//! those of its datagrams that it has no room for, and says that it took them all: then `sent` would count what never left.

use std::cell::Cell;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{getsockopt, sockopt};
use socket2::{SockAddr, Socket};

use crate::model::Fault;
use crate::model::error::FaultKind;
use crate::net::Outbox;
use crate::net::batch::{Item, Span};
use crate::net::sys::Bound;
use crate::net::sys::errno::fault;
use crate::net::sys::linux::is_soft;
use crate::net::sys::room::Room;

/// Messages handed to the kernel with one system call.
const MESSAGES: usize = 32;

/// Datagrams handed to it with one, in these messages.
const DATAGRAMS: usize = 128;

/// Datagrams of the longest train (linux/udp.h, UDP_MAX_SEGMENTS: 64, and more in newer kernels).
const LONGEST_TRAIN: usize = 64;

/// Bytes of the longest train, which is one datagram over IPv4 until it is cut.
const LONGEST_MESSAGE: usize = 65_507;

/// So many datagrams leave alone behind a refusal.
const ALONE: usize = 64;

/// Which datagrams of a socket may leave as a train.
///
/// A closed port refuses the train, not each of its datagrams, and refusals are counted. So the first datagram of a socket
/// leaves alone, and so do those behind a refusal: whoever refuses everything is heard each time.
#[derive(Debug)]
pub(crate) struct Joins {
    /// Also those that leave this host.
    everywhere: bool,
    /// Those of so many bytes and more may not.
    below: Cell<usize>,
    /// So many leave alone before.
    alone: Cell<usize>,
}

impl Joins {
    /// Those of a socket that has sent nothing yet.
    pub(crate) fn of(socket: &Socket, everywhere: bool) -> Self {
        // A kernel that does not know the wish (before 4.18) does not heed it, and would send the train as one datagram.
        let known = getsockopt(socket, sockopt::UdpGsoSegment).is_ok();
        Self { everywhere, below: Cell::new(if known { usize::MAX } else { 0 }), alone: Cell::new(1) }
    }

    /// A datagram was refused.
    pub(super) fn refused(&self) {
        self.alone.set(ALONE);
    }

    /// How many messages may be handed over with one call.
    fn messages(&self) -> usize {
        match self.alone.get() {
            0 => MESSAGES,
            alone => alone.min(MESSAGES),
        }
    }

    /// So many messages left with one call, of so many that were handed over.
    fn left(&self, count: usize, of: usize) {
        let alone = self.alone.get();
        if alone > 0 {
            // What stopped the next one is not told any more. It may have been a refusal.
            self.alone.set(if count < of { ALONE } else { alone.saturating_sub(count) });
        }
    }

    /// How many of these leave as one message.
    fn train(&self, rest: Rest<'_>) -> usize {
        let Some(first) = rest.first() else { return 0 };
        let len = first.bytes.len();
        let may = self.everywhere || first.destination.ip().to_canonical().is_loopback();
        if !may || len == 0 || len >= self.below.get() || self.alone.get() > 0 {
            return 1;
        }
        let most = LONGEST_TRAIN.min(LONGEST_MESSAGE / len).max(1);
        let goes_along = |(item, _): &(&Item, usize)| item.goes_with(first);
        let (mut alike, mut runs) = (0, rest.runs().take_while(goes_along));
        while alike < most {
            match runs.next() {
                Some((item, count)) if item.bytes.len() == len => alike += count,
                // The last one may be shorter, but an empty one would not be a datagram.
                Some((item, _)) if (1..len).contains(&item.bytes.len()) => return alike + 1,
                _ => return alike,
            }
        }
        most
    }

    /// Whether a train was refused for being one. Then its datagrams leave alone, at once, and so do all from now on that are
    /// as long: they may be longer than the way carries in one piece (EMSGSIZE, EINVAL with older kernels). A device that
    /// cannot cut says EIO, whatever their length.
    fn gives_up(&self, rest: Rest<'_>, error: &io::Error) -> bool {
        let len = rest.first().map_or(0, |first| first.bytes.len());
        let below = match error.raw_os_error() {
            Some(libc::EMSGSIZE | libc::EINVAL) => len,
            Some(libc::EIO | libc::ENOPROTOOPT | libc::EOPNOTSUPP) => 0,
            _ => return false,
        };
        let was_train = self.train(rest) > 1;
        if was_train {
            self.below.set(below);
        }
        was_train
    }
}

/// What is still to be sent: these, but for so many of the first that have left.
#[derive(Clone, Copy)]
struct Rest<'o> {
    items: &'o [Item],
    left: usize,
}

impl<'o> Rest<'o> {
    const fn all(items: &'o [Item]) -> Self {
        Self { items, left: 0 }
    }

    fn first(self) -> Option<&'o Item> {
        self.items.first()
    }

    /// How many of each.
    fn runs(self) -> impl Iterator<Item = (&'o Item, usize)> {
        let left = std::iter::once(self.left).chain(std::iter::repeat(0));
        self.items.iter().zip(left).map(|(item, left)| (item, item.count - left))
    }

    /// Where the bytes of each datagram are.
    fn spans(self) -> impl Iterator<Item = Span> {
        let left = std::iter::once(self.left).chain(std::iter::repeat(0));
        self.items.iter().zip(left).flat_map(|(item, left)| (left..item.count).map(|number| item.nth(number)))
    }

    /// The rest behind the next so many.
    fn behind(mut self, count: usize) -> Self {
        self.left += count;
        while let Some(first) = self.items.first().filter(|first| first.count <= self.left) {
            self.left -= first.count;
            self.items = &self.items[1..];
        }
        self
    }
}

/// Sends everything in the outbox and adds one result for each datagram, in order.
pub(crate) fn send<'b>(
    outbox: &Outbox,
    bound_for: impl Fn(&Item) -> Option<&'b Bound>,
    results: &mut Vec<Result<(), Fault>>,
) {
    let (mut rest, mut room) = (Rest::all(outbox.items()), Room::default());
    while let Some(first) = rest.first() {
        let Some(bound) = bound_for(first) else {
            results.push(Err(Fault { kind: FaultKind::Unsupported, code: None }));
            rest = rest.behind(1);
            continue;
        };
        let same = |item: &&Item| bound_for(item).is_some_and(|other| std::ptr::eq(bound, other));
        let run = 1 + rest.items[1..].iter().take(DATAGRAMS - 1).take_while(same).count();
        let sent = send_run(bound, outbox, Rest { items: &rest.items[..run], ..rest }, &mut room);
        results.extend(std::iter::repeat_n(Ok(()), sent.count));
        if let Some(fault) = sent.fault {
            results.push(Err(fault));
        }
        rest = rest.behind(sent.count + usize::from(sent.fault.is_some()));
    }
}

/// How far a run got: so many left, and the next one did not if there is a fault.
struct Sent {
    count: usize,
    fault: Option<Fault>,
}

fn send_run(bound: &Bound, outbox: &Outbox, rest: Rest<'_>, room: &mut Room) -> Sent {
    let mut tries = 0;
    loop {
        match send_some(bound, outbox, rest) {
            Ok(count) if count > 0 => return Sent { count, fault: None },
            Ok(_) => return Sent { count: 0, fault: Some(Fault { kind: FaultKind::Other, code: None }) },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tries += 1;
                if may_try_again(bound, &error, tries, room) {
                    continue;
                }
                if !bound.joins.gives_up(rest, &error) {
                    return Sent { count: 0, fault: Some(fault(&error)) };
                }
                tries = 0;
            }
        }
    }
}

/// Refusals of earlier datagrams that a send is tried again for: as many as may wait in the error queue of a server
/// whose clients vanish all at once.
const REFUSAL_TRIES: u32 = 64;

/// Other soft errors that a send is tried again for: one that waits is about an earlier datagram, the next one about this. So a
/// datagram that fails costs two system calls, and a series of them no more than that each.
const SOFT_TRIES: u32 = 1;

/// A refusal of an earlier datagram makes the next send fail, which then has sent nothing (udp(7)); it is simply sent
/// again, and the refusal itself stays in the error queue to be read. Without a connection "refused" is never about this
/// send; any other soft error may be, and is believed in the end. A full buffer or queue is given time, where nobody else
/// waits for it; what finds none in that time fails at once.
fn may_try_again(bound: &Bound, error: &io::Error, tries: u32, room: &mut Room) -> bool {
    match error.raw_os_error() {
        Some(libc::EAGAIN) if bound.patient => await_room(&bound.socket, tries, room),
        Some(libc::ENOBUFS) if bound.patient => room.rest(tries),
        Some(libc::ECONNREFUSED) => {
            bound.joins.refused();
            tries <= REFUSAL_TRIES
        }
        _ => tries <= SOFT_TRIES && is_soft(error),
    }
}

/// Waits for room in the send buffer. A signal may end it without, and so may an error of an earlier datagram, which stays.
fn await_room(socket: &Socket, tries: u32, room: &mut Room) -> bool {
    let Some(left) = room.left() else { return false };
    let mut wanted = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // Rounded up, so that it does not return before there is none left.
    let milliseconds = libc::c_int::try_from(left.as_millis() + 1).unwrap_or(libc::c_int::MAX);
    // SAFETY: the pointer and the count describe `wanted`, which outlives the call.
    unsafe { libc::poll(&raw mut wanted, 1, milliseconds) };
    wanted.revents & libc::POLLERR == 0 || room.rest(tries)
}

/// Bytes of the control messages of one message: `in6_pktinfo` or `in_pktinfo` (16 + 20, rounded up to words), the length of
/// a train's datagrams (16 + 2, likewise).
const CONTROL: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlBuffer([u8; CONTROL]);

/// Hands over what one system call takes; how many datagrams left.
fn send_some(bound: &Bound, outbox: &Outbox, mut rest: Rest<'_>) -> io::Result<usize> {
    let mut controls = [const { MaybeUninit::<ControlBuffer>::uninit() }; MESSAGES];
    let mut addresses = [const { MaybeUninit::<SockAddr>::uninit() }; MESSAGES];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MESSAGES];
    let mut pieces = [const { MaybeUninit::<libc::iovec>::uninit() }; DATAGRAMS];
    let (mut free, mut trains, mut asked) = (pieces.as_mut_slice(), [0; MESSAGES], 0);
    let (mut room, most) = (DATAGRAMS, bound.joins.messages());
    let places = controls.iter_mut().zip(&mut addresses).zip(&mut messages).zip(&mut trains);
    for (((control, address), message), train) in places.take(most) {
        let Some(first) = rest.first().filter(|_| room > 0) else { break };
        *train = bound.joins.train(rest).min(room);
        let used = gather(outbox, rest.spans().take(*train), free);
        // SAFETY: `mmsghdr` is plain data, for which all zeros is a valid value: no buffers.
        let header = &mut message.write(unsafe { zeroed() }).msg_hdr;
        header.msg_iov = free.as_mut_ptr().cast();
        header.msg_iovlen = used as _;
        if bound.peer.is_none() {
            let address = address.write(SockAddr::from(first.destination));
            header.msg_name = address.as_ptr().cast_mut().cast();
            header.msg_namelen = address.len();
        }
        let control = control.write(ControlBuffer([0; CONTROL]));
        let used_control = write_control(first, *train, &mut control.0);
        if used_control > 0 {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = used_control as _;
        }
        (free, rest) = (&mut free[used..], rest.behind(*train));
        (room, asked) = (room - *train, asked + 1);
    }
    let (descriptor, first) = (bound.socket.as_raw_fd(), messages.as_mut_ptr().cast());
    // SAFETY: the first `asked` headers are written and point to addresses, pieces of the outbox and control messages with
    // their true lengths, all of which live to the end of this function. The kernel only reads from them.
    let sent = unsafe { libc::sendmmsg(descriptor, first, asked as libc::c_uint, libc::MSG_DONTWAIT as _) };
    let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
    bound.joins.left(sent, asked);
    Ok(trains[..sent].iter().sum())
}

/// Writes down where the bytes of these datagrams are, in as few pieces as they lie in, and returns how many.
fn gather(outbox: &Outbox, mut spans: impl Iterator<Item = Span>, pieces: &mut [MaybeUninit<libc::iovec>]) -> usize {
    let mut used = 0;
    let mut write = |span| {
        let bytes = outbox.bytes(span);
        // The kernel only reads from it.
        pieces[used].write(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
        used += 1;
    };
    let Some(mut span) = spans.next() else { return 0 };
    for next in spans {
        if next.lent == span.lent && next.start == span.end {
            span.end = next.end;
        } else {
            write(span);
            span = next;
        }
    }
    write(span);
    used
}

/// Writes the control messages, and returns their length: source and interface where they are named, the length of the
/// datagrams of a train.
fn write_control(item: &Item, train: usize, control: &mut [u8; CONTROL]) -> usize {
    let way = if item.source.is_some() || item.link.is_some() { write_way(item, control) } else { 0 };
    if train < 2 {
        return way;
    }
    // No train is longer than a datagram, and the length of that is told in 16 bits.
    let len = (item.bytes.len() as u16).to_ne_bytes();
    way + write_message(&mut control[way..], libc::SOL_UDP, libc::UDP_SEGMENT, &len)
}

fn write_way(item: &Item, control: &mut [u8]) -> usize {
    let index = item.link.as_ref().map_or(0, |link| link.index);
    let mut data = [0; 20];
    match item.destination {
        // struct in_pktinfo { int ifindex; in_addr spec_dst; in_addr addr; }
        SocketAddr::V4(_) => {
            data[..4].copy_from_slice(&index.to_ne_bytes());
            if let Some(IpAddr::V4(source)) = item.source {
                data[4..8].copy_from_slice(&source.octets());
            }
            write_message(control, libc::IPPROTO_IP, libc::IP_PKTINFO, &data[..12])
        }
        // struct in6_pktinfo { in6_addr addr; unsigned ifindex; }
        SocketAddr::V6(_) => {
            if let Some(IpAddr::V6(source)) = item.source {
                data[..16].copy_from_slice(&source.octets());
            }
            data[16..].copy_from_slice(&index.to_ne_bytes());
            write_message(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
        }
    }
}

/// Writes one control message, and returns where the next one begins.
fn write_message(control: &mut [u8], level: libc::c_int, kind: libc::c_int, data: &[u8]) -> usize {
    let word = size_of::<usize>();
    let header = word + 8;
    let len = header + data.len();
    control[..word].copy_from_slice(&len.to_ne_bytes());
    control[word..word + 4].copy_from_slice(&level.to_ne_bytes());
    control[word + 4..header].copy_from_slice(&kind.to_ne_bytes());
    control[header..len].copy_from_slice(data);
    len.next_multiple_of(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, Payload, Transmit};
    use crate::net::{Batch, Fanout, Network, Options};

    fn joins() -> Joins {
        Joins { everywhere: false, below: Cell::new(usize::MAX), alone: Cell::new(0) }
    }

    fn outbox(to: SocketAddr, lens: &[usize]) -> Outbox {
        let mut outbox = Outbox::default();
        for (number, len) in lens.iter().enumerate() {
            // Each begins with its number, so that none can be taken for another.
            let bytes: Vec<u8> = (number as u32).to_be_bytes().into_iter().cycle().take(*len).collect();
            let payload = Payload::new(bytes, Family::V4).unwrap();
            outbox.push(&Transmit { payload, destination: to, source: None, link: None, ticket: number as u64 });
        }
        outbox
    }

    fn trains(joins: &Joins, outbox: &Outbox) -> Vec<usize> {
        let (mut rest, mut trains) = (Rest::all(outbox.items()), Vec::new());
        while rest.first().is_some() {
            let train = joins.train(rest);
            trains.push(train);
            rest = rest.behind(train);
        }
        trains
    }

    #[test]
    fn those_alike_leave_together_and_the_last_may_be_shorter() {
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        let of = |lens: &[usize]| trains(&joins(), &outbox(to, lens));
        assert_eq!(of(&[5, 5, 5]), [3]);
        assert_eq!(of(&[5, 5, 4, 4, 5]), [3, 1, 1]);
        assert_eq!(of(&[5, 6, 6]), [1, 2]);
        assert_eq!(of(&[5, 5, 0, 0, 5, 5]), [2, 1, 1, 2], "an empty one is a datagram of its own");
        assert_eq!(of(&[5; 150]), [64, 64, 22]);
        assert_eq!(of(&[[5; 64].as_slice(), &[4]].concat()), [64, 1]);
        assert_eq!(of(&[1400; 47]), [46, 1], "no longer than a datagram");
        assert_eq!(of(&[32_753, 32_753, 1]), [2, 1]);
        assert_eq!(of(&[65_507; 3]), [1, 1, 1]);
    }

    #[test]
    fn a_run_leaves_like_as_many_one_by_one() {
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut outbox = outbox(to, &[5, 5]);
        for (len, count) in [(5, 100), (4, 3), (0, 2), (5, 1)] {
            let payload = Payload::new(vec![0; len], Family::V4).unwrap();
            outbox.push_run(&Transmit { payload, destination: to, source: None, link: None, ticket: 0 }, count);
        }
        assert_eq!(trains(&joins(), &outbox), [64, 39, 2, 1, 1, 1]);
        let rest = Rest::all(outbox.items());
        assert_eq!(rest.spans().count(), 108);
        for left in 0..=108 {
            let rest = rest.behind(left);
            assert_eq!(rest.runs().map(|(_, count)| count).sum::<usize>(), 108 - left);
            assert!(rest.spans().eq(Rest::all(outbox.items()).spans().skip(left)));
        }
    }

    #[test]
    fn a_run_of_which_some_leave_alone_arrives_whole() {
        let (mut from, mut to) = (network(), network());
        let destination = to.endpoint().unwrap().local();
        let (mut outbox, mut outcomes) = (Outbox::default(), Vec::new());
        for (len, ticket) in [(64, 0), (1400, 300)] {
            let payload = Payload::pattern(len, Family::V4).unwrap();
            outbox.push_run(&Transmit { payload, destination, source: None, link: None, ticket }, 300);
        }
        from.send(&mut outbox, &mut outcomes);
        let told: Vec<_> = outcomes.iter().map(|one| (one.ticket, one.count, one.result.is_ok())).collect();
        assert_eq!(told, [(0, 300, true), (300, 300, true)]);
        let (mut batch, mut received) = (Batch::new(crate::net::batch::SLOT), Vec::new());
        while received.len() < 600 {
            to.wait(Some(std::time::Duration::from_secs(10))).unwrap();
            to.receive(&mut batch).unwrap();
            assert!(!batch.is_empty(), "{} of 600", received.len());
            received.extend(batch.datagrams().map(|datagram| datagram.payload.to_vec()));
        }
        let expected = [64, 1400].map(|len| Payload::pattern(len, Family::V4).unwrap());
        assert!(received.iter().zip(0..).all(|(bytes, number)| bytes == expected[number / 300].bytes()));
    }

    #[test]
    fn those_for_other_hosts_leave_together_only_where_that_was_asked_for() {
        let outbox = outbox(SocketAddr::from(([10, 77, 0, 2], 9)), &[5, 5]);
        assert_eq!(trains(&joins(), &outbox), [1, 1]);
        assert_eq!(trains(&Joins { everywhere: true, ..joins() }, &outbox), [2]);
    }

    #[test]
    fn another_way_is_another_train() {
        let mut both = outbox(SocketAddr::from(([127, 0, 0, 1], 9)), &[5, 5]);
        for (source, link) in [(Some("127.0.0.1".parse().unwrap()), None), (None, Some(1)), (None, Some(2))] {
            let link = link.map(|index| crate::model::Link { index, name: "x".into() });
            let payload = Payload::new(b"other".as_slice(), Family::V4).unwrap();
            let destination = SocketAddr::from(([127, 0, 0, 1], 9));
            both.push(&Transmit { payload, destination, source, link, ticket: 0 });
        }
        assert_eq!(trains(&joins(), &both), [2, 1, 1, 1]);
    }

    #[test]
    fn what_is_refused_for_being_a_train_leaves_alone_from_then_on() {
        let outbox = outbox(SocketAddr::from(([127, 0, 0, 1], 9)), &[1400, 1400, 1400]);
        let short = self::outbox(SocketAddr::from(([127, 0, 0, 1], 9)), &[1399, 1399]);
        let after = |errno| {
            let joins = joins();
            let gave_up = joins.gives_up(Rest::all(outbox.items()), &io::Error::from_raw_os_error(errno));
            // The second time it is about the datagram.
            assert!(!joins.gives_up(Rest::all(outbox.items()), &io::Error::from_raw_os_error(errno)));
            (gave_up, trains(&joins, &outbox), trains(&joins, &short))
        };
        for errno in [libc::EMSGSIZE, libc::EINVAL] {
            assert_eq!(after(errno), (true, vec![1, 1, 1], vec![2]));
        }
        assert_eq!(after(libc::EIO), (true, vec![1, 1, 1], vec![1, 1]));
        assert_eq!(after(libc::EPERM), (false, vec![3], vec![2]));
    }

    #[test]
    fn the_first_leaves_alone_and_so_do_those_behind_a_refusal() {
        let outbox = outbox(SocketAddr::from(([127, 0, 0, 1], 9)), &[5; 3]);
        let joins = Joins { alone: Cell::new(1), ..joins() };
        assert_eq!((joins.messages(), joins.train(Rest::all(outbox.items()))), (1, 1));
        joins.left(1, 1);
        assert_eq!((joins.messages(), joins.train(Rest::all(outbox.items()))), (MESSAGES, 3));
        joins.refused();
        joins.left(MESSAGES, MESSAGES);
        assert_eq!(joins.train(Rest::all(outbox.items())), 1);
        // What held up the second was perhaps a refusal.
        joins.left(1, MESSAGES);
        assert_eq!(joins.messages(), MESSAGES);
        joins.left(MESSAGES, MESSAGES);
        joins.left(MESSAGES, MESSAGES);
        assert_eq!(joins.train(Rest::all(outbox.items())), 3);
    }

    fn network() -> Fanout {
        let options = Options::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        Fanout::new(vec![options.open().unwrap()], crate::model::interface::Table::default())
    }

    #[test]
    fn every_datagram_of_a_train_arrives_as_it_was_and_where_it_was() {
        let (mut from, mut to) = (network(), network());
        let mut lens = vec![7; 300];
        lens.extend([3, 0, 0, 7, 1400, 1400, 1400, 20_000, 20_000, 20_000, 20_000, 65_507, 65_507, 1]);
        let (mut sent, mut outcomes) = (outbox(to.endpoint().unwrap().local(), &lens), Vec::new());
        let expected: Vec<Vec<u8>> = sent.items().iter().map(|item| sent.bytes(item.bytes).to_vec()).collect();
        from.send(&mut sent, &mut outcomes);
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
        assert!(outcomes.iter().map(|outcome| outcome.ticket).eq(0..lens.len() as u64));
        let (mut batch, mut received) = (Batch::new(crate::net::batch::SLOT), Vec::new());
        while received.len() < lens.len() {
            to.wait(Some(std::time::Duration::from_secs(10))).unwrap();
            to.receive(&mut batch).unwrap();
            assert!(!batch.is_empty(), "{} of {}", received.len(), lens.len());
            received.extend(batch.datagrams().map(|datagram| datagram.payload.to_vec()));
        }
        assert!(received == expected);
    }

    #[test]
    fn who_refuses_all_is_counted_each_time() {
        let mut from = network();
        let nobody = network().endpoint().unwrap().local();
        let (mut batch, mut refusals) = (Batch::new(64), 0);
        for _ in 0..4 {
            from.send(&mut outbox(nobody, &[64; 50]), &mut Vec::new());
            from.receive(&mut batch).unwrap();
            refusals += batch.refusals().len();
        }
        assert_eq!(refusals, 200);
    }
}
