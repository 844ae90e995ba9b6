//! One datagram, as it arrived and as it is about to leave.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use crate::model::{LinkName, Payload};

/// An interface by its two names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The kernel's number for it (`if_nametoindex(3)`); never 0.
    pub index: u32,
    /// Its name.
    pub name: LinkName,
}

impl Link {
    /// Each of these once, by their numbers.
    pub fn each_once<'l>(links: impl IntoIterator<Item = &'l Self>) -> Vec<Self> {
        let mut links: Vec<Self> = links.into_iter().cloned().collect();
        links.sort_by_key(|link| link.index);
        links.dedup();
        links
    }
}

/// To whom a datagram was addressed, judged by the destination address in its header.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cast {
    /// One host.
    Unicast,
    /// Every host of one subnet: its directed broadcast address (RFC 919).
    Broadcast,
    /// Every host on the wire: 255.255.255.255 (RFC 919).
    Limited,
    /// A multicast group (RFC 1112, RFC 4291).
    Multicast,
}

impl Cast {
    /// The cast that an address shows by itself. A directed broadcast address looks like any other: only the
    /// netmask of an interface tells it, so it comes out as unicast here.
    pub fn by_form(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(a) if a.is_broadcast() => Self::Limited,
            _ if address.is_multicast() => Self::Multicast,
            _ => Self::Unicast,
        }
    }

    /// The word for it in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Broadcast => "broadcast",
            Self::Limited => "limited",
            Self::Multicast => "multicast",
        }
    }
}

/// What the table of interfaces says of a source address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Another host.
    Foreign,
    /// An address of this host.
    Own,
    /// The broadcast address of one of this host's subnets: forged, for no host has it (RFC 1122 3.2.1.3).
    Broadcast,
}

/// Who took the time of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StampSource {
    /// The kernel, when the datagram reached the host.
    Kernel,
    /// This program, when it read the datagram.
    User,
}

/// When a datagram arrived, by the wall clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    /// The time.
    pub wall: SystemTime,
    /// Who took it.
    pub source: StampSource,
}

/// A datagram that arrived. It borrows the one receive buffer.
#[derive(Clone, Debug)]
pub struct Datagram<'a> {
    /// The bytes that fitted into the buffer: all of them, unless `wire_len` says more.
    pub payload: &'a [u8],
    /// The bytes that came over the wire.
    pub wire_len: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// The destination in its header, where the system tells it.
    pub destination: Option<SocketAddr>,
    /// This host's own address to answer from (`ipi_spec_dst`, ip(7)), where the system tells it.
    pub local: Option<IpAddr>,
    /// The interface it came in by, where the system tells it.
    pub link: Option<Link>,
    /// To whom it was addressed; `None` where the system does not tell the destination.
    pub cast: Option<Cast>,
    /// Whose address the source is.
    pub origin: Origin,
    /// Whether the source lies in a subnet of this host.
    pub on_link: bool,
    /// Whether it was addressed to another interface of this host than the one it came in by: Linux lets that in (the weak
    /// host model of RFC 1122 3.3.4.2), and so in a host of two networks those of one reach the addresses of the other.
    pub other_link: bool,
    /// Time to live, or hop limit, that it arrived with.
    pub ttl: Option<u8>,
    /// When it arrived.
    pub stamp: Stamp,
}

impl Datagram<'_> {
    /// Whether the receive buffer was too small for it.
    pub fn is_truncated(&self) -> bool {
        self.payload.len() < self.wire_len
    }

    /// Whether this host sent it. On loopback every unicast datagram is this host's own, so there the word would
    /// say nothing and is kept for what was sent to everybody.
    pub fn is_self(&self) -> bool {
        let to_everybody = self.cast.is_some_and(|cast| cast != Cast::Unicast);
        self.origin == Origin::Own && (to_everybody || !self.source.ip().to_canonical().is_loopback())
    }
}

/// Where datagrams go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The address.
    pub address: SocketAddr,
    /// The source address to send from; `None` leaves it to the route.
    pub source: Option<IpAddr>,
    /// The interface to leave by; `None` leaves it to the route.
    pub link: Option<Link>,
    /// The MTU of that interface in bytes, where known.
    pub mtu: Option<u32>,
    /// To whom the address is.
    pub cast: Cast,
}

impl Destination {
    /// A datagram to it, from its source, by its interface, with the engine's own mark.
    pub fn transmit<'a>(&self, payload: Payload<'a>, ticket: u64) -> Transmit<'a> {
        Transmit { payload, destination: self.address, source: self.source, link: self.link.clone(), ticket }
    }
}

/// A datagram that an engine wants sent.
#[derive(Clone, Debug)]
pub struct Transmit<'a> {
    /// Its bytes.
    pub payload: Payload<'a>,
    /// Where to.
    pub destination: SocketAddr,
    /// The source address, or `None` for the one that the route gives.
    pub source: Option<IpAddr>,
    /// The interface it has to leave by, or `None` for the one that the route gives.
    pub link: Option<Link>,
    /// The engine's own mark; it comes back with the [`Outcome`](crate::model::event::Outcome).
    pub ticket: u64,
}
