//! What one wake-up finds, and what one flush sends.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::SystemTime;

use crate::model::event::Refusal;
use crate::model::{Cast, Datagram, Link, Origin, Stamp, StampSource, Transmit};

/// Bytes of one receive buffer: one more than the longest IP packet, so that no datagram is ever cut.
pub const SLOT: usize = 65_536;

/// Datagrams of one wake-up. Four buffers are 256 KiB, which stays within the second-level cache of common processors;
/// more buffers of this size were measured to be slower.
pub(crate) const SLOTS: usize = 4;

/// The datagrams of one wake-up, in the one receive buffer.
#[derive(Debug)]
pub struct Batch {
    buffer: Vec<u8>,
    slot: usize,
    /// Slots that hold something, with a head or not.
    used: usize,
    heads: Vec<Head>,
    refusals: Vec<Refusal>,
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

impl Batch {
    /// A batch whose buffers hold `slot` bytes each, at most [`SLOT`]. A smaller one truncates, and says so.
    pub fn new(slot: usize) -> Self {
        let slot = slot.clamp(1, SLOT);
        Self { buffer: vec![0; slot * SLOTS], slot, used: 0, heads: Vec::with_capacity(SLOTS), refusals: Vec::new() }
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

    /// Makes room for the next wake-up.
    pub fn clear(&mut self) {
        self.used = 0;
        self.heads.clear();
        self.refusals.clear();
    }

    /// The buffers that are still free: where the first begins, all of them as one slice, the size of each.
    pub(crate) fn free(&mut self) -> (usize, &mut [u8], usize) {
        let start = self.used * self.slot;
        (start, &mut self.buffer[start..], self.slot)
    }

    /// How many buffers are still free.
    pub(crate) fn room(&self) -> usize {
        SLOTS - self.used
    }

    /// Whether there is no buffer left: there may be more datagrams where these came from.
    pub fn is_full(&self) -> bool {
        self.used == SLOTS
    }

    /// Takes so many buffers into use.
    pub(crate) fn take(&mut self, slots: usize) {
        self.used += slots;
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
        let (start, free, slot) = self.free();
        let len = datagram.payload.len().min(slot);
        free[..len].copy_from_slice(&datagram.payload[..len]);
        self.take(1);
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

/// The datagrams that wait for the next flush, their bytes in one buffer.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// Everything about a datagram to be sent but its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) bytes: Range<usize>,
    pub(crate) destination: SocketAddr,
    pub(crate) source: Option<IpAddr>,
    pub(crate) link: Option<Link>,
    pub(crate) ticket: u64,
    /// It would wait for a neighbour, and too much does.
    pub(crate) held_back: bool,
}

impl Outbox {
    /// Adds a datagram. The same bytes as the one before it are kept once: a broadcast goes to many.
    pub fn push(&mut self, transmit: &Transmit<'_>) {
        let payload = transmit.payload.bytes();
        let last = self.items.last().map(|item| item.bytes.clone());
        let bytes = match last {
            Some(range) if self.bytes[range.clone()] == *payload => range,
            _ => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(payload);
                start..self.bytes.len()
            }
        };
        self.items.push(Item {
            bytes,
            destination: transmit.destination,
            source: transmit.source,
            link: transmit.link.clone(),
            ticket: transmit.ticket,
            held_back: false,
        });
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes every datagram out, in order: destination, bytes, ticket. The way out for a scripted network.
    pub fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>, u64)> {
        let taken = self.items.drain(..).map(|i| (i.destination, self.bytes[i.bytes].to_vec(), i.ticket)).collect();
        self.bytes.clear();
        taken
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(crate) fn items_mut(&mut self) -> &mut [Item] {
        &mut self.items
    }

    pub(crate) fn payload(&self, item: &Item) -> &[u8] {
        &self.bytes[item.bytes.clone()]
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
    }
}
