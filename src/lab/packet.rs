//! What is in a packet: ARP, IPv4, IPv6, UDP, TCP and ICMP, as far as lessons and tests ask for it.
//!
//! Reading is total: whatever the bytes are, it says what they are up to where they make sense.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Numbers of Ethernet protocols (IANA, "IEEE 802 Numbers").
const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Numbers of IP protocols (IANA, "Protocol Numbers").
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// Headers of IPv6 that stand before the others (RFC 8200 section 4).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// What a frame carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Packet {
    /// Who has an IPv4 address (RFC 826).
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// Another protocol, or one of these cut short.
    Other {
        /// Its Ethernet number.
        protocol: u16,
    },
}

/// A question or an answer of ARP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arp {
    /// 1 is a question, 2 an answer.
    pub operation: u16,
    /// The address of the one who sends this.
    pub sender: Ipv4Addr,
    /// Its hardware address.
    pub sender_hardware: [u8; 6],
    /// The address that is asked for, or of the one who is answered.
    pub target: Ipv4Addr,
}

/// An IP packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ip {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// How many routers it may still pass: TTL, hop limit.
    pub hops: u8,
    /// Its length in bytes as its header tells it, that header included.
    pub length: usize,
    /// Whether routers must not fragment it. Those of IPv6 never do.
    pub dont_fragment: bool,
    /// Which part it is of a datagram that was fragmented.
    pub fragment: Option<Fragment>,
    /// What it carries.
    pub body: Body,
}

/// The place of a fragment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fragment {
    /// The number that the fragments of one datagram share.
    pub identification: u32,
    /// Where it belongs, in bytes from the beginning of what the datagram carries.
    pub offset: usize,
    /// Whether others follow behind it.
    pub more: bool,
}

/// What an IP packet carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// A datagram. Of a fragmented one, the first fragment.
    Udp(Udp),
    /// A segment.
    Tcp(Tcp),
    /// A message about IP itself.
    Icmp(Icmp),
    /// A fragment other than the first: bytes without a header of their own.
    Rest(Vec<u8>),
    /// Another protocol, or one of these cut short.
    Other {
        /// Its IP number.
        protocol: u8,
    },
}

/// A datagram (RFC 768).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Udp {
    /// Port of who sent it.
    pub source: u16,
    /// Port of whom it is for.
    pub destination: u16,
    /// The length of its payload in bytes as its header tells it.
    pub length: usize,
    /// What of that is here: less in a first fragment, and in what ICMP quotes.
    pub payload: Vec<u8>,
}

/// A segment (RFC 9293).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tcp {
    /// Port of who sent it.
    pub source: u16,
    /// Port of whom it is for.
    pub destination: u16,
    /// The number of its first byte.
    pub sequence: u32,
    /// The number of the byte that is expected next; of meaning with [`Tcp::ack`].
    pub acknowledgement: u32,
    /// CWR, ECE, URG, ACK, PSH, RST, SYN and FIN, from the highest bit to the lowest.
    pub flags: u8,
    /// How many bytes more the sender would take, before scaling.
    pub window: u16,
    /// The bytes.
    pub payload: Vec<u8>,
}

impl Tcp {
    /// Whether it opens a connection (SYN).
    #[must_use]
    pub fn syn(&self) -> bool {
        self.flags & 0x02 != 0
    }

    /// Whether it acknowledges (ACK).
    #[must_use]
    pub fn ack(&self) -> bool {
        self.flags & 0x10 != 0
    }

    /// Whether it ends what its sender has to say (FIN).
    #[must_use]
    pub fn fin(&self) -> bool {
        self.flags & 0x01 != 0
    }

    /// Whether it breaks the connection off (RST).
    #[must_use]
    pub fn rst(&self) -> bool {
        self.flags & 0x04 != 0
    }

    /// Whether its bytes are to be handed on at once (PSH).
    #[must_use]
    pub fn psh(&self) -> bool {
        self.flags & 0x08 != 0
    }
}

/// A message about IP itself (RFC 792, RFC 4443). Type and code mean other things with IPv6 than with IPv4.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Icmp {
    /// Its type.
    pub kind: u8,
    /// What of that type.
    pub code: u8,
    /// The size that would have passed, in "fragmentation needed" and "packet too big".
    pub mtu: Option<u32>,
    /// The packet that an error is about, as far as it is quoted.
    pub about: Option<Box<Ip>>,
}

impl Packet {
    /// Reads what an Ethernet frame carries by this protocol.
    #[must_use]
    pub fn read(protocol: u16, bytes: &[u8]) -> Self {
        let read = match protocol {
            ARP => arp(bytes).map(Self::Arp),
            IPV4 => ipv4(bytes, true).map(Self::Ip),
            IPV6 => ipv6(bytes, true).map(Self::Ip),
            _ => None,
        };
        read.unwrap_or(Self::Other { protocol })
    }

    /// The IP packet, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<&Ip> {
        if let Self::Ip(ip) = self { Some(ip) } else { None }
    }

    /// The datagram, if it is one.
    #[must_use]
    pub fn udp(&self) -> Option<&Udp> {
        if let Body::Udp(udp) = &self.ip()?.body { Some(udp) } else { None }
    }

    /// The segment, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<&Tcp> {
        if let Body::Tcp(tcp) = &self.ip()?.body { Some(tcp) } else { None }
    }

    /// The message about IP, if it is one.
    #[must_use]
    pub fn icmp(&self) -> Option<&Icmp> {
        if let Body::Icmp(icmp) = &self.ip()?.body { Some(icmp) } else { None }
    }
}

/// `N` bytes at `at`.
fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk().copied()
}

fn byte(from: &[u8], at: usize) -> Option<u8> {
    from.get(at).copied()
}

fn short(from: &[u8], at: usize) -> Option<u16> {
    bytes(from, at).map(u16::from_be_bytes)
}

fn long(from: &[u8], at: usize) -> Option<u32> {
    bytes(from, at).map(u32::from_be_bytes)
}

/// From `start` to `end`, or to where the bytes end.
fn between(from: &[u8], start: usize, end: usize) -> Option<&[u8]> {
    from.get(start..end.min(from.len()))
}

/// ARP for IPv4 over Ethernet; there is no other here.
fn arp(packet: &[u8]) -> Option<Arp> {
    let is_ours = bytes(packet, 0)? == [0, 1, 0x08, 0, 6, 4];
    let operation = short(packet, 6)?;
    let (sender_hardware, sender) = (bytes(packet, 8)?, Ipv4Addr::from(bytes(packet, 14)?));
    let target = Ipv4Addr::from(bytes(packet, 24)?);
    is_ours.then_some(Arp { operation, sender, sender_hardware, target })
}

/// IPv4 (RFC 791 section 3.1).
fn ipv4(packet: &[u8], may_quote: bool) -> Option<Ip> {
    let first = byte(packet, 0)?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 {
        return None;
    }
    let (length, flags) = (usize::from(short(packet, 2)?), short(packet, 6)?);
    let offset = usize::from(flags & 0x1fff) * 8;
    let more = flags & 0x2000 != 0;
    let identification = u32::from(short(packet, 4)?);
    let carried = between(packet, header, length)?;
    let protocol = byte(packet, 9)?;
    Some(Ip {
        source: Ipv4Addr::from(bytes(packet, 12)?).into(),
        destination: Ipv4Addr::from(bytes(packet, 16)?).into(),
        hops: byte(packet, 8)?,
        length,
        dont_fragment: flags & 0x4000 != 0,
        fragment: (more || offset > 0).then_some(Fragment { identification, offset, more }),
        body: if offset > 0 { Body::Rest(carried.to_vec()) } else { body(protocol, carried, may_quote) },
    })
}

/// IPv6 (RFC 8200 section 3).
fn ipv6(packet: &[u8], may_quote: bool) -> Option<Ip> {
    const HEADER: usize = 40;
    if byte(packet, 0)? >> 4 != 6 {
        return None;
    }
    let length = HEADER + usize::from(short(packet, 4)?);
    let carried = between(packet, HEADER, length)?;
    let (fragment, body) = behind(byte(packet, 6)?, carried, may_quote);
    Some(Ip {
        source: Ipv6Addr::from(bytes(packet, 8)?).into(),
        destination: Ipv6Addr::from(bytes(packet, 24)?).into(),
        hops: byte(packet, 7)?,
        length,
        dont_fragment: true,
        fragment,
        body,
    })
}

/// What stands behind the headers that may come first. Each is at least 8 bytes long, so this ends.
fn behind(mut next: u8, mut rest: &[u8], may_quote: bool) -> (Option<Fragment>, Body) {
    let mut fragment = None;
    loop {
        let cut = Body::Other { protocol: next };
        let length = match next {
            HOP_BY_HOP | ROUTING | DESTINATION => byte(rest, 1).map(|units| 8 + usize::from(units) * 8),
            FRAGMENT => Some(8),
            _ => return (fragment, body(next, rest, may_quote)),
        };
        if next == FRAGMENT {
            fragment = place(rest);
        }
        let behind = length.and_then(|length| rest.get(length..));
        let (Some(then), Some(behind)) = (byte(rest, 0), behind) else { return (fragment, cut) };
        if fragment.is_some_and(|place| place.offset > 0) {
            return (fragment, Body::Rest(behind.to_vec()));
        }
        (next, rest) = (then, behind);
    }
}

/// The header of a fragment (RFC 8200 section 4.5).
fn place(header: &[u8]) -> Option<Fragment> {
    let flags = short(header, 2)?;
    Some(Fragment { identification: long(header, 4)?, offset: usize::from(flags & 0xfff8), more: flags & 1 != 0 })
}

fn body(protocol: u8, carried: &[u8], may_quote: bool) -> Body {
    let read = match protocol {
        UDP => udp(carried).map(Body::Udp),
        TCP => tcp(carried).map(Body::Tcp),
        ICMP => icmp(carried, may_quote).map(Body::Icmp),
        ICMPV6 => icmpv6(carried, may_quote).map(Body::Icmp),
        _ => None,
    };
    read.unwrap_or(Body::Other { protocol })
}

fn udp(carried: &[u8]) -> Option<Udp> {
    const HEADER: usize = 8;
    let told = usize::from(short(carried, 4)?);
    Some(Udp {
        source: short(carried, 0)?,
        destination: short(carried, 2)?,
        length: told.checked_sub(HEADER)?,
        payload: between(carried, HEADER, told)?.to_vec(),
    })
}

fn tcp(carried: &[u8]) -> Option<Tcp> {
    let header = usize::from(byte(carried, 12)? >> 4) * 4;
    if header < 20 {
        return None;
    }
    Some(Tcp {
        source: short(carried, 0)?,
        destination: short(carried, 2)?,
        sequence: long(carried, 4)?,
        acknowledgement: long(carried, 8)?,
        flags: byte(carried, 13)?,
        window: short(carried, 14)?,
        payload: carried.get(header..)?.to_vec(),
    })
}

/// Errors quote the packet they are about behind 8 bytes of their own. A quote of a quote is not read.
fn icmp(carried: &[u8], may_quote: bool) -> Option<Icmp> {
    let (kind, code) = (byte(carried, 0)?, byte(carried, 1)?);
    // Unreachable, source quench, redirect, time exceeded, parameter problem.
    let is_error = matches!(kind, 3 | 4 | 5 | 11 | 12);
    let about = carried.get(8..).filter(|_| is_error && may_quote).and_then(|quote| ipv4(quote, false));
    // RFC 1191 section 4.
    let mtu = if (kind, code) == (3, 4) { short(carried, 6).map(u32::from) } else { None };
    Some(Icmp { kind, code, mtu, about: about.map(Box::new) })
}

/// Errors are the types below 128.
fn icmpv6(carried: &[u8], may_quote: bool) -> Option<Icmp> {
    let (kind, code) = (byte(carried, 0)?, byte(carried, 1)?);
    let about = carried.get(8..).filter(|_| kind < 128 && may_quote).and_then(|quote| ipv6(quote, false));
    // RFC 4443 section 3.2.
    let mtu = if kind == 2 { long(carried, 4) } else { None };
    Some(Icmp { kind, code, mtu, about: about.map(Box::new) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `hi` from 10.9.0.1:4660 to 10.9.0.255:1060, and what Ethernet adds to fill up a frame.
    fn datagram() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 30, 0xab, 0xcd, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 255];
        packet.extend([0x12, 0x34, 0x04, 0x24, 0, 10, 0, 0]);
        packet.extend(b"hi");
        packet.extend([0; 16]);
        packet
    }

    #[test]
    fn a_datagram_is_read_without_what_fills_the_frame() {
        let packet = Packet::read(IPV4, &datagram());
        let ip = packet.ip().unwrap();
        assert_eq!((ip.source, ip.destination), ([10, 9, 0, 1].into(), [10, 9, 0, 255].into()));
        assert_eq!((ip.hops, ip.length, ip.dont_fragment, ip.fragment), (64, 30, true, None));
        let udp = packet.udp().unwrap();
        assert_eq!((udp.source, udp.destination, udp.length, &*udp.payload), (0x1234, 1060, 2, &b"hi"[..]));
    }

    #[test]
    fn fragments_have_a_place_and_only_the_first_has_ports() {
        let mut packet = datagram();
        packet[6] = 0x20;
        let first = Packet::read(IPV4, &packet);
        let place = Fragment { identification: 0xabcd, offset: 0, more: true };
        assert_eq!((first.ip().unwrap().fragment, first.udp().unwrap().destination), (Some(place), 1060));
        packet[7] = 185;
        let later = Packet::read(IPV4, &packet);
        assert_eq!(later.ip().unwrap().fragment, Some(Fragment { offset: 1480, ..place }));
        assert!(matches!(&later.ip().unwrap().body, Body::Rest(bytes) if bytes.len() == 10));
    }

    #[test]
    fn headers_of_ipv6_are_passed_over() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 26, HOP_BY_HOP, 1];
        packet.extend([0; 15].iter().chain(&[1]).chain(&[0; 15]).chain(&[2]));
        packet.extend([FRAGMENT, 0, 5, 2, 0, 0, 0, 0]);
        packet.extend([UDP, 0, 0, 1, 0, 0, 0, 9]);
        packet.extend([0x12, 0x34, 0x04, 0x24, 1, 0, 0, 0, b'h', b'i']);
        let read = Packet::read(IPV6, &packet);
        assert_eq!(read.ip().unwrap().fragment, Some(Fragment { identification: 9, offset: 0, more: true }));
        assert_eq!((read.udp().unwrap().length, &*read.udp().unwrap().payload), (248, &b"hi"[..]));
    }

    #[test]
    fn an_error_says_what_it_is_about() {
        let quote = datagram();
        let mut packet = vec![0x45, 0, 0, 56, 0, 0, 0, 0, 64, ICMP, 0, 0, 10, 9, 0, 9, 10, 9, 0, 1];
        packet.extend([3, 4, 0, 0, 0, 0, 2, 0x58]);
        packet.extend(&quote[..28]);
        let read = Packet::read(IPV4, &packet);
        let icmp = read.icmp().unwrap();
        assert_eq!((icmp.kind, icmp.code, icmp.mtu), (3, 4, Some(600)));
        let Body::Udp(udp) = &icmp.about.as_ref().unwrap().body else { panic!("{icmp:?}") };
        assert_eq!((udp.destination, udp.length, udp.payload.len()), (1060, 2, 0));
    }

    #[test]
    fn segments_and_questions_are_read() {
        let mut packet = vec![0x45, 0, 0, 44, 0, 0, 0, 0, 64, TCP, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2];
        packet.extend([0, 80, 0, 81, 0, 0, 0, 7, 0, 0, 0, 8, 0x50, 0x12, 1, 0, 0, 0, 0, 0]);
        packet.extend(b"abcd");
        let read = Packet::read(IPV4, &packet);
        let tcp = read.tcp().unwrap();
        assert!(tcp.syn() && tcp.ack() && !tcp.fin() && !tcp.rst() && !tcp.psh());
        assert_eq!((tcp.sequence, tcp.acknowledgement, tcp.window, &*tcp.payload), (7, 8, 256, &b"abcd"[..]));
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2, 10, 9, 0, 1];
        arp.extend([0, 0, 0, 0, 0, 0, 10, 9, 0, 2]);
        let Packet::Arp(arp) = Packet::read(ARP, &arp) else { panic!("no ARP") };
        assert_eq!((arp.operation, arp.sender, arp.target), (1, [10, 9, 0, 1].into(), [10, 9, 0, 2].into()));
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_they_are_read(
            protocol in prop_oneof![Just(ARP), Just(IPV4), Just(IPV6), any::<u16>()],
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _read = Packet::read(protocol, &bytes);
        }

        #[test]
        fn whatever_is_behind_a_good_header_is_read(
            next in prop_oneof![Just(ICMP), Just(TCP), Just(UDP), Just(ICMPV6), Just(HOP_BY_HOP), Just(FRAGMENT)],
            tail in prop::collection::vec(any::<u8>(), 0..200),
            length in 0_u8..=255,
        ) {
            let mut v4 = vec![0x45, 0, 0, length, 0, 0, 0, 0, 64, next, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2];
            v4.extend(&tail);
            let _read = Packet::read(IPV4, &v4);
            let mut v6 = vec![0x60, 0, 0, 0, 0, length, next, 64];
            v6.extend([1; 32]);
            v6.extend(&tail);
            prop_assert!(Packet::read(IPV6, &v6).ip().is_some());
        }

        #[test]
        fn a_datagram_cut_anywhere_is_read(cut in 0_usize..46) {
            let packet = datagram();
            let read = Packet::read(IPV4, &packet[..cut]);
            prop_assert_eq!(read.ip().is_some(), cut >= 20);
            prop_assert_eq!(read.udp().is_some(), cut >= 28);
        }
    }
}
