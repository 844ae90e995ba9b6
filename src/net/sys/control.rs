//! Control messages of Linux (cmsg(3)), read from bytes alone.
//!
//! Total: any bytes give some answer, none panics. What is cut short or unknown is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, SystemTime};

use crate::model::event::Unreachable;

/// What the control messages of one datagram say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Control {
    /// Destination address in the IP header.
    pub(super) destination: Option<IpAddr>,
    /// This host's address to answer from.
    pub(super) local: Option<IpAddr>,
    pub(super) interface: Option<u32>,
    pub(super) ttl: Option<u8>,
    pub(super) wall: Option<SystemTime>,
    /// Bytes of each datagram of a train but the last.
    pub(super) segment: Option<usize>,
    /// From the error queue.
    pub(super) error: Option<Extended>,
}

/// An entry of the error queue: `struct sock_extended_err` (ip(7), IP_RECVERR), with who reported it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Extended {
    pub(super) errno: u32,
    pub(super) origin: u8,
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) info: u32,
    pub(super) offender: Option<IpAddr>,
}

/// Control messages begin at multiples of a machine word, and their header starts with one that holds the length.
const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 4 + 4;

/// Reads a control buffer.
pub(super) fn read(mut bytes: &[u8]) -> Control {
    let mut control = Control::default();
    while let Some((level, kind, data, rest)) = split_message(bytes) {
        note(&mut control, level, kind, data);
        bytes = rest;
    }
    control
}

/// The first message: level, type, data, and what stands behind it.
fn split_message(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let len = usize::from_ne_bytes(array(bytes, 0)?);
    let level = i32::from_ne_bytes(array(bytes, WORD)?);
    let kind = i32::from_ne_bytes(array(bytes, WORD + 4)?);
    let data = bytes.get(HEADER..len)?;
    let next = len.checked_next_multiple_of(WORD)?.min(bytes.len());
    Some((level, kind, data, &bytes[next..]))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn note(control: &mut Control, level: i32, kind: i32, data: &[u8]) {
    match (level, kind) {
        // struct in_pktinfo { int ifindex; in_addr spec_dst; in_addr addr; }
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            control.interface = array(data, 0).map(u32::from_ne_bytes).filter(|index| *index != 0);
            control.local = array::<4>(data, 4).map(|a| Ipv4Addr::from(a).into());
            control.destination = array::<4>(data, 8).map(|a| Ipv4Addr::from(a).into());
        }
        // struct in6_pktinfo { in6_addr addr; unsigned ifindex; }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let address = array::<16>(data, 0).map(Ipv6Addr::from);
            control.interface = array(data, 16).map(u32::from_ne_bytes).filter(|index| *index != 0);
            control.destination = address.map(IpAddr::V6);
            control.local = address.filter(|a| !a.is_multicast()).map(IpAddr::V6);
        }
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
            control.ttl = array(data, 0).map(i32::from_ne_bytes).and_then(|ttl| u8::try_from(ttl).ok());
        }
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => control.wall = timespec(data),
        (libc::SOL_UDP, libc::UDP_GRO) => {
            control.segment = array(data, 0).map(i32::from_ne_bytes).and_then(|len| usize::try_from(len).ok());
        }
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
            control.error = extended(data);
        }
        _ => {}
    }
}

/// struct timespec { time_t sec; long nsec; }, both a machine word on the systems that are built for.
fn timespec(data: &[u8]) -> Option<SystemTime> {
    let seconds = isize::from_ne_bytes(array(data, 0)?);
    let nanoseconds = isize::from_ne_bytes(array(data, WORD)?);
    let since =
        Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok().filter(|n| *n < 1_000_000_000)?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// struct sock_extended_err { u32 errno; u8 origin, type, code, pad; u32 info; u32 data; }, then the offender's address.
fn extended(data: &[u8]) -> Option<Extended> {
    let [origin, kind, code, _] = array(data, 4)?;
    Some(Extended {
        errno: u32::from_ne_bytes(array(data, 0)?),
        origin,
        kind,
        code,
        info: u32::from_ne_bytes(array(data, 8)?),
        offender: data.get(16..).and_then(socket_address).map(|address| address.ip()),
    })
}

/// A `sockaddr_in` or `sockaddr_in6` from its bytes (ip(7), ipv6(7)).
pub(super) fn socket_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(array(bytes, 0)?));
    let port = u16::from_be_bytes(array(bytes, 2)?);
    match family {
        libc::AF_INET => Some(SocketAddr::from((array::<4>(bytes, 4)?, port))),
        libc::AF_INET6 => {
            let flow = u32::from_be_bytes(array(bytes, 4)?);
            let address = Ipv6Addr::from(array::<16>(bytes, 8)?);
            let scope = u32::from_ne_bytes(array(bytes, 24)?);
            Some(SocketAddrV6::new(address, port, flow, scope).into())
        }
        _ => None,
    }
}

/// Where the entry comes from (linux/errqueue.h).
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;

/// What an entry of the error queue says, if it speaks of a datagram that was not delivered.
pub(super) fn unreachable(error: &Extended) -> Option<Unreachable> {
    match (error.origin, error.kind, error.code) {
        // ICMP (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1): type 3 unreachable, 11 time exceeded.
        (ORIGIN_ICMP, 3, 3) => Some(Unreachable::Port),
        (ORIGIN_ICMP, 3, 4) => Some(Unreachable::TooLong(Some(error.info).filter(|mtu| *mtu != 0))),
        (ORIGIN_ICMP, 3, 0 | 6) => Some(Unreachable::Network),
        (ORIGIN_ICMP, 3, 1 | 7) => Some(Unreachable::Host),
        (ORIGIN_ICMP, 3, 9 | 10 | 13) => Some(Unreachable::Prohibited),
        (ORIGIN_ICMP, 11, _) => Some(Unreachable::TimeExceeded),
        // ICMPv6 (RFC 4443): type 1 unreachable, 2 packet too big, 3 time exceeded.
        (ORIGIN_ICMP6, 1, 4) => Some(Unreachable::Port),
        (ORIGIN_ICMP6, 1, 0) => Some(Unreachable::Network),
        (ORIGIN_ICMP6, 1, 1) => Some(Unreachable::Prohibited),
        (ORIGIN_ICMP6, 1, 3) => Some(Unreachable::Host),
        (ORIGIN_ICMP6, 2, _) => Some(Unreachable::TooLong(Some(error.info).filter(|mtu| *mtu != 0))),
        (ORIGIN_ICMP6, 3, _) => Some(Unreachable::TimeExceeded),
        (ORIGIN_ICMP | ORIGIN_ICMP6, kind, code) => Some(Unreachable::Other(kind, code)),
        // What this host itself objects to, the send has already said.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        bytes
    }

    #[test]
    fn several_messages_in_one_buffer() {
        let pktinfo = [&2i32.to_ne_bytes()[..], &[10, 0, 0, 1], &[10, 0, 0, 255]].concat();
        let mut bytes = message(libc::IPPROTO_IP, libc::IP_PKTINFO, &pktinfo);
        bytes.extend(message(libc::SOL_SOCKET, 9999, &[1, 2, 3]));
        bytes.extend(message(libc::IPPROTO_IP, libc::IP_TTL, &64i32.to_ne_bytes()));
        let time = [7isize.to_ne_bytes(), 9isize.to_ne_bytes()].concat();
        bytes.extend(message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &time));
        let control = read(&bytes);
        assert_eq!(control.interface, Some(2));
        assert_eq!(control.local, Some("10.0.0.1".parse().unwrap()));
        assert_eq!(control.destination, Some("10.0.0.255".parse().unwrap()));
        assert_eq!(control.ttl, Some(64));
        assert_eq!(control.wall, Some(SystemTime::UNIX_EPOCH + Duration::new(7, 9)));
    }

    #[test]
    fn a_refusal_with_its_offender() {
        let mut data = 111u32.to_ne_bytes().to_vec();
        data.extend([ORIGIN_ICMP, 3, 3, 0]);
        data.extend([0; 8]);
        data.extend((libc::AF_INET as u16).to_ne_bytes());
        data.extend([0, 0, 10, 0, 0, 2]);
        data.extend([0; 8]);
        let error = read(&message(libc::IPPROTO_IP, libc::IP_RECVERR, &data)).error.unwrap();
        assert_eq!(unreachable(&error), Some(Unreachable::Port));
        assert_eq!(error.offender, Some("10.0.0.2".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = socket_address(&bytes);
        }

        #[test]
        fn no_message_panics(level in 0i32..50, kind in 0i32..60, data in proptest::collection::vec(any::<u8>(), 0..60), cut in 0usize..80) {
            let bytes = message(level, kind, &data);
            let _ = read(&bytes[..cut.min(bytes.len())]);
        }
    }
}
