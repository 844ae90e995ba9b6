//! What one wake-up finds, and what one flush sends.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::SystemTime;

use crate::model::event::Refusal;
use crate::model::{Cast, Datagram, Link, Origin, Stamp, StampSource, Transmit};
use crate::net::sys::{self, Tray};

/// Bytes of one receive buffer: one more than the longest IP packet, so that no datagram is ever cut.
pub const SLOT: usize = 65_536;

/// Datagrams of one wake-up, unless those before were many and short. Four of the longest are 256 KiB, which stays within
/// the second-level cache of common processors; more of this length were measured to be slower.
pub(crate) const FEW: usize = 4;

/// The most of one wake-up. Of short ones only the first page of each buffer is ever touched, so that many take up 256 KiB as
/// well; a mixture of all lengths can make them 4 MiB, and no more.
pub(crate) const MANY: usize = 64;

/// Bytes of one wake-up that are read again while they are in the cache.
const IN_CACHE: usize = FEW * SLOT;

/// What lies between two buffers: five lines of the cache. Buffers a power of two apart would begin in the same few places of
/// it, and push each other out.
const GAP: usize = 320;

/// The datagrams of one wake-up, in the one receive buffer.
#[derive(Debug)]
pub struct Batch {
    buffer: Vec<u8>,
    /// Bytes of a buffer.
    slot: usize,
    /// Slots that hold something, with a head or not.
    used: usize,
    /// Slots of this wake-up.
    most: usize,
    /// The most bytes in one of them.
    longest: usize,
    heads: Vec<Head>,
    refusals: Vec<Refusal>,
    pub(crate) tray: Tray,
}

/// Everything about a received datagram but its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Where its bytes are in the buffer.
    pub(crate) bytes: Range<usize>,
    pub(crate) wire_len: usize,
    pub(crate) source: SocketAddr,
    pub(crate) destination: Option<SocketAddr>,
    pub(crate) local: Option<IpAddr>,
    /// The interface's number, where the system tells it; the table gives the name.
    pub(crate) index: Option<u32>,
    pub(crate) link: Option<Link>,
    pub(crate) cast: Option<Cast>,
    pub(crate) origin: Origin,
    pub(crate) on_link: bool,
    pub(crate) other_link: bool,
    pub(crate) ttl: Option<u8>,
    pub(crate) stamp: Stamp,
}

impl Head {
    /// Whether it came the same way: from the same address to the same, by the same interface, and described alike by the
    /// system.
    pub(crate) fn comes_with(&self, other: &Self) -> bool {
        self.index == other.index
            && self.source.ip() == other.source.ip()
            && self.destination == other.destination
            && self.local == other.local
    }

    /// What is said of another that came the same way.
    pub(crate) fn describe_as(&mut self, other: &Self) {
        self.link.clone_from(&other.link);
        (self.cast, self.origin) = (other.cast, other.origin);
        (self.on_link, self.other_link) = (other.on_link, other.other_link);
    }
}

impl Batch {
    /// A batch whose buffers hold `slot` bytes each, at most [`SLOT`]. A smaller one truncates, and says so.
    pub fn new(slot: usize) -> Self {
        let slot = slot.clamp(1, SLOT);
        // Pages that nobody has touched take up no memory.
        let mut buffer = vec![0; (slot + GAP) * MANY];
        sys::give_page_by_page(&mut buffer);
        let (heads, refusals) = (Vec::with_capacity(FEW), Vec::new());
        Self { buffer, slot, used: 0, most: FEW, longest: 0, heads, refusals, tray: Tray::default() }
    }

    /// The datagrams, in the order they were read.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.heads.iter().map(|head| self.datagram(head))
    }

    /// What the network says about datagrams sent before.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.refusals.is_empty()
    }

    fn datagram<'a>(&'a self, head: &'a Head) -> Datagram<'a> {
        Datagram {
            payload: &self.buffer[head.bytes.clone()],
            wire_len: head.wire_len,
            source: head.source,
            destination: head.destination,
            local: head.local,
            link: head.link.clone(),
            cast: head.cast,
            origin: head.origin,
            on_link: head.on_link,
            other_link: head.other_link,
            ttl: head.ttl,
            stamp: head.stamp,
        }
    }

    /// Makes room for the next wake-up: for many where this one was full of short ones.
    pub fn clear(&mut self) {
        if self.is_full() {
            self.most = (IN_CACHE / self.longest.max(1)).clamp(FEW, MANY);
        } else if self.used < FEW {
            self.most = FEW;
        }
        (self.used, self.longest) = (0, 0);
        self.heads.clear();
        self.refusals.clear();
    }

    /// Where the first free buffer begins.
    pub(crate) const fn start(&self) -> usize {
        self.used * self.stride()
    }

    /// From the beginning of one buffer to that of the next.
    pub(crate) const fn stride(&self) -> usize {
        self.slot + GAP
    }

    /// The buffers that are still free, and what the system writes beside them.
    pub(crate) fn free(&mut self) -> (impl Iterator<Item = &mut [u8]>, &mut Tray) {
        let (slot, stride, room, start) = (self.slot, self.stride(), self.room(), self.start());
        let free = self.buffer[start..].chunks_exact_mut(stride).take(room).map(move |bytes| &mut bytes[..slot]);
        (free, &mut self.tray)
    }

    /// How many buffers are still free.
    pub(crate) const fn room(&self) -> usize {
        self.most - self.used
    }

    /// Whether there is no buffer left: there may be more datagrams where these came from.
    pub const fn is_full(&self) -> bool {
        self.used == self.most
    }

    /// Takes one more buffer into use, for so many bytes.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.used += 1;
        self.longest = self.longest.max(bytes.min(self.slot));
    }

    /// Bytes of one buffer.
    pub(crate) const fn slot(&self) -> usize {
        self.slot
    }

    pub(crate) fn push(&mut self, head: Head) {
        self.heads.push(head);
    }

    /// The datagrams from the given one on, to be described.
    pub(crate) fn heads_from(&mut self, first: usize) -> &mut [Head] {
        &mut self.heads[first..]
    }

    /// Takes out what went to many.
    pub(crate) fn keep_unicast(&mut self) {
        self.heads.retain(|head| head.cast.is_none_or(|cast| cast == Cast::Unicast));
    }

    pub(crate) fn count(&self) -> usize {
        self.heads.len()
    }

    /// Gives `wall` to every datagram that the kernel gave no time.
    pub(crate) fn stamp_missing(&mut self, wall: SystemTime) {
        for head in &mut self.heads {
            if head.stamp.source == StampSource::User {
                head.stamp.wall = wall;
            }
        }
    }

    pub(crate) fn refusals_mut(&mut self) -> &mut Vec<Refusal> {
        &mut self.refusals
    }

    /// Adds a datagram as if it had been received: the way in for a scripted network. A full batch takes no more, and
    /// says so by `false`.
    pub fn put(&mut self, datagram: &Datagram<'_>) -> bool {
        if self.is_full() {
            return false;
        }
        let (start, len) = (self.start(), datagram.payload.len().min(self.slot()));
        self.buffer[start..start + len].copy_from_slice(&datagram.payload[..len]);
        self.take(len);
        self.push(Head {
            bytes: start..start + len,
            wire_len: datagram.wire_len,
            source: datagram.source,
            destination: datagram.destination,
            local: datagram.local,
            index: datagram.link.as_ref().map(|link| link.index),
            link: datagram.link.clone(),
            cast: datagram.cast,
            origin: datagram.origin,
            on_link: datagram.on_link,
            other_link: datagram.other_link,
            ttl: datagram.ttl,
            stamp: datagram.stamp,
        });
        true
    }
}

/// Bytes that are sooner copied again than found to be the same and put together by the kernel.
const SHORT: usize = 512;

/// The datagrams that wait for the next flush, their bytes in one buffer; long answers that are the very bytes that came stay
/// in that of the batch.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// The buffer of the batch that is answered, while it is lent.
    lent: Vec<u8>,
    /// The addresses of that buffer, since it was announced.
    answers: Range<usize>,
}

/// Where the bytes of a datagram to be sent are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    /// In the buffer of the batch.
    pub(crate) lent: bool,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) const fn len(self) -> usize {
        self.end - self.start
    }

    const fn moved(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by, ..self }
    }
}

/// Everything about a datagram to be sent but its bytes, or about several alike.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Those of the first.
    pub(crate) bytes: Span,
    /// So many; the tickets of the others are one higher each.
    pub(crate) count: usize,
    /// From the bytes of one to those of the next; 0 where they are the same.
    apart: usize,
    pub(crate) destination: SocketAddr,
    pub(crate) source: Option<IpAddr>,
    pub(crate) link: Option<Link>,
    pub(crate) ticket: u64,
    /// It would wait for a neighbour, and too much does.
    pub(crate) held_back: bool,
}

impl Item {
    /// Where the bytes of the datagram of this number are.
    pub(crate) const fn nth(&self, number: usize) -> Span {
        self.bytes.moved(number * self.apart)
    }

    /// Whether it goes the same way.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        let by = |item: &Self| item.link.as_ref().map(|link| link.index);
        self.destination == other.destination && self.source == other.source && by(self) == by(other)
    }
}

impl Outbox {
    /// Adds a datagram. The same bytes as the one before it are kept once where that is worth it: a broadcast goes to many, and
    /// a long datagram takes longer to copy than to find again. Short ones to one destination lie one behind the other.
    pub fn push(&mut self, transmit: &Transmit<'_>) {
        self.push_run(transmit, 1);
    }

    /// Adds so many alike, whose tickets are one higher each.
    pub fn push_run(&mut self, transmit: &Transmit<'_>, count: usize) {
        let payload = transmit.payload.bytes();
        let copies = if payload.len() > SHORT { 1 } else { count };
        let (bytes, apart) = match self.again(transmit).or_else(|| self.in_batch(payload)) {
            Some(there) => (there, 0),
            None => (self.keep(payload, copies), if copies > 1 { payload.len() } else { 0 }),
        };
        self.items.push(Item {
            bytes,
            count,
            apart,
            destination: transmit.destination,
            source: transmit.source,
            link: transmit.link.clone(),
            ticket: transmit.ticket,
            held_back: false,
        });
    }

    /// Where the same bytes are, if those are the last that were kept and that is worth finding out.
    fn again(&self, transmit: &Transmit<'_>) -> Option<Span> {
        let (last, payload) = (self.items.last()?, transmit.payload.bytes());
        let worth_it = payload.len() > SHORT || last.destination != transmit.destination;
        (worth_it && !last.bytes.lent && self.bytes(last.bytes) == payload).then_some(last.bytes)
    }

    /// Where long bytes are in the batch that is answered, if they are there.
    fn in_batch(&self, payload: &[u8]) -> Option<Span> {
        if payload.len() <= SHORT {
            return None;
        }
        let start = payload.as_ptr().addr().checked_sub(self.answers.start)?;
        let end = start + payload.len();
        (end <= self.answers.len()).then_some(Span { lent: true, start, end })
    }

    /// Keeps so many copies of these bytes, one behind the other; where the first is.
    fn keep(&mut self, payload: &[u8], copies: usize) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        let (first, end) = (start + payload.len(), start + copies * payload.len());
        while self.bytes.len() < end {
            let more = (self.bytes.len() - start).min(end - self.bytes.len());
            self.bytes.extend_from_within(start..start + more);
        }
        Span { lent: false, start, end: first }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes every datagram out, in order: destination, bytes, ticket. The way out for a scripted network.
    pub fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>, u64)> {
        let each = self.items.iter().flat_map(|item| (0..item.count).map(move |number| (item, number)));
        let taken = each
            .map(|(item, number)| {
                (item.destination, self.bytes(item.nth(number)).to_vec(), item.ticket + number as u64)
            })
            .collect();
        self.clear();
        taken
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(crate) fn items_mut(&mut self) -> &mut [Item] {
        &mut self.items
    }

    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        let buffer = if span.lent { &self.lent } else { &self.bytes };
        &buffer[span.start..span.end]
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.answers = 0..0;
    }

    /// What is added from now on may lie in this batch. Until that is sent, the batch takes up nothing new.
    pub(crate) fn answer(&mut self, batch: &Batch) {
        let start = batch.buffer.as_ptr().addr();
        self.answers = start..start + batch.buffer.len();
    }

    /// Lends the buffer of that batch, for as long as what waits is sent; the second time it is given back.
    pub(crate) const fn lend(&mut self, batch: &mut Batch) {
        std::mem::swap(&mut self.lent, &mut batch.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, Payload};

    fn transmit(bytes: &[u8], to: &str) -> Transmit<'static> {
        let payload = Payload::new(bytes.to_vec(), Family::V4).unwrap();
        Transmit { payload, destination: to.parse().unwrap(), source: None, link: None, ticket: 0 }
    }

    #[test]
    fn a_run_is_so_many_datagrams_with_a_ticket_each() {
        for len in [0, 3, SHORT, SHORT + 1] {
            let mut outbox = Outbox::default();
            for count in [1, 5, 64] {
                outbox.push_run(&Transmit { ticket: 7, ..transmit(&vec![count as u8; len], "127.0.0.1:9") }, count);
            }
            let sent = outbox.drain();
            let expected: Vec<_> =
                [1, 5, 64].iter().flat_map(|count| (0..*count).map(|n| (*count as u8, 7 + n))).collect();
            assert_eq!(sent.len(), expected.len());
            for ((_, bytes, ticket), (byte, number)) in sent.iter().zip(expected) {
                assert!(*bytes == vec![byte; len] && *ticket == number);
            }
        }
    }

    #[test]
    fn a_long_answer_that_is_what_came_stays_where_it_is_and_every_other_is_kept() {
        let (mut batch, mut outbox, peer) = (Batch::new(SLOT), Outbox::default(), "127.0.0.1:9");
        outbox.answer(&batch);
        batch.buffer[..=SHORT].fill(1);
        for len in [SHORT, SHORT + 1] {
            let payload = Payload::new(&batch.buffer[..len], Family::V4).unwrap();
            outbox.push(&Transmit { payload, ..transmit(b"", peer) });
        }
        outbox.push(&transmit(&[7; SHORT + 1], peer));
        let lent: Vec<bool> = outbox.items().iter().map(|item| item.bytes.lent).collect();
        assert_eq!(lent, [false, true, false]);
        outbox.lend(&mut batch);
        let sent: Vec<&[u8]> = outbox.items().iter().map(|item| outbox.bytes(item.bytes)).collect();
        assert_eq!(sent, [&[1; SHORT][..], &[1; SHORT + 1], &[7; SHORT + 1]]);
        outbox.lend(&mut batch);
        assert!(!batch.buffer.is_empty(), "it is given back");
    }
}
