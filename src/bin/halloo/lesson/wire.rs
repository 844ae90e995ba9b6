//! What passes on the wire, where the stage has one that may be looked at.

use std::net::SocketAddr;

use super::actors;

#[cfg(target_os = "linux")]
pub(crate) use linux::Wire;
#[cfg(not(target_os = "linux"))]
pub(crate) use nowhere::Wire;

/// What a packet carries.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere there is no wire to look at"))]
pub(crate) enum Carries {
    /// A datagram.
    Udp,
    /// A segment, with its flags: `S`, `SA`, `A`, `PA`, `FA`, `R`.
    Tcp(String),
    /// An ICMP message: type and code (RFC 792).
    Icmp(u8, u8),
    /// A question of ARP: who has an address (`true`), or the answer.
    Arp(bool),
    /// A piece of a datagram other than the first.
    Fragment,
    /// Something else.
    Other,
}

/// A packet that was seen, once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Packet {
    /// What it carries.
    pub(crate) carries: Carries,
    /// From whom; port 0 where there are no ports.
    pub(crate) source: SocketAddr,
    /// To whom; likewise.
    pub(crate) destination: SocketAddr,
    /// The ports of the packet that an ICMP message is about.
    pub(crate) about: Option<[u16; 2]>,
    /// Bytes of the IP packet, with its header.
    pub(crate) ip_len: usize,
    /// Bytes that a program handed over: the payload of the datagram or the segment.
    pub(crate) payload_len: usize,
}

impl Packet {
    /// Whether it is between this port and any other, in either direction, or about such a packet.
    pub(crate) fn is_at(&self, port: u16) -> bool {
        let ports = [self.source.port(), self.destination.port()];
        ports.iter().chain(self.about.iter().flatten()).any(|known| *known == port)
    }
}

impl Wire {
    /// Everything that has passed so far, as soon as it is enough; all there is when patience runs out.
    pub(crate) fn until(&mut self, enough: impl Fn(&[Packet]) -> bool) -> &[Packet] {
        actors::until(|| enough(self.so_far()));
        self.so_far()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use halloo::lab::packet::{self, Arp, Body, Icmp, Ip, Tcp};
    use halloo::lab::wire::Tap;

    use super::{Carries, Packet};
    use crate::lesson::stage::{Doing, Trouble};

    /// A look at the wire: everything since it was opened.
    #[derive(Debug)]
    pub(crate) struct Wire {
        tap: Tap,
        seen: Vec<Packet>,
    }

    impl Wire {
        /// A look at an interface of the network that this thread is in.
        pub(crate) fn open(interface: u32) -> Result<Self, Trouble> {
            Ok(Self { tap: Tap::here(Some(interface)).doing("look at the wire")?, seen: Vec::new() })
        }

        /// Everything that has passed so far.
        pub(crate) fn so_far(&mut self) -> &[Packet] {
            // What cannot be read was not seen: the checks say so.
            let frames = self.tap.take().unwrap_or_default();
            self.seen.extend(frames.iter().map(|frame| packet(&frame.packet)));
            &self.seen
        }
    }

    fn packet(packet: &packet::Packet) -> Packet {
        match packet {
            packet::Packet::Arp(arp) => of_arp(arp),
            packet::Packet::Ip(ip) => of_ip(ip),
            packet::Packet::Other { .. } => at(Carries::Other, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        }
    }

    /// A packet without ports.
    fn at(carries: Carries, source: impl Into<IpAddr>, destination: impl Into<IpAddr>) -> Packet {
        Packet {
            carries,
            source: SocketAddr::new(source.into(), 0),
            destination: SocketAddr::new(destination.into(), 0),
            about: None,
            ip_len: 0,
            payload_len: 0,
        }
    }

    fn of_arp(arp: &Arp) -> Packet {
        at(Carries::Arp(arp.operation == 1), arp.sender, arp.target)
    }

    fn of_ip(ip: &Ip) -> Packet {
        let packet = Packet { ip_len: ip.length, ..at(Carries::Other, ip.source, ip.destination) };
        match &ip.body {
            Body::Udp(udp) => with_ports(packet, Carries::Udp, [udp.source, udp.destination], udp.length),
            Body::Tcp(tcp) => {
                with_ports(packet, Carries::Tcp(flags(tcp)), [tcp.source, tcp.destination], tcp.payload.len())
            }
            Body::Icmp(icmp) => Packet { carries: Carries::Icmp(icmp.kind, icmp.code), about: about(icmp), ..packet },
            Body::Rest(_) => Packet { carries: Carries::Fragment, ..packet },
            Body::Other { .. } => packet,
        }
    }

    fn with_ports(mut packet: Packet, carries: Carries, [source, destination]: [u16; 2], payload_len: usize) -> Packet {
        packet.source.set_port(source);
        packet.destination.set_port(destination);
        Packet { carries, payload_len, ..packet }
    }

    fn flags(tcp: &Tcp) -> String {
        let flags = [('S', tcp.syn()), ('F', tcp.fin()), ('R', tcp.rst()), ('P', tcp.psh()), ('A', tcp.ack())];
        flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).collect()
    }

    fn about(icmp: &Icmp) -> Option<[u16; 2]> {
        match &icmp.about.as_deref()?.body {
            Body::Udp(udp) => Some([udp.source, udp.destination]),
            Body::Tcp(tcp) => Some([tcp.source, tcp.destination]),
            _ => None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use std::convert::Infallible;

    use super::Packet;

    /// There is none.
    #[derive(Debug)]
    pub(crate) struct Wire(Infallible);

    impl Wire {
        /// There is nothing to see.
        pub(crate) fn so_far(&mut self) -> &[Packet] {
            match self.0 {}
        }
    }
}
