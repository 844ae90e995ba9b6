//! IP and UDP headers in front of a payload, with the checksums that a sender would have written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What RFC 1700 recommends and most senders use, for datagrams whose time to live is not known.
pub(crate) const USUAL_TTL: u8 = 64;

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// What the headers say.
pub(crate) struct Fields {
    pub(crate) source: SocketAddr,
    /// Of the source's IP version, else the packet is written without headers.
    pub(crate) destination: SocketAddr,
    pub(crate) ttl: u8,
    /// The payload bytes that were on the wire.
    pub(crate) wire_len: usize,
}

/// Writes the packet into `packet`, whatever that held, and returns the length that it had on the wire.
pub(crate) fn packet(fields: &Fields, payload: &[u8], packet: &mut Vec<u8>) -> u32 {
    packet.clear();
    // No UDP length is greater; a system that says so is not believed.
    let udp_len = u16::try_from(UDP_HEADER + fields.wire_len).unwrap_or(u16::MAX);
    let pseudo = match (fields.source.ip(), fields.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4(source, destination, fields.ttl, udp_len, packet),
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6(source, destination, fields.ttl, udp_len, packet),
        _ => return 0,
    };
    let on_wire = packet.len() as u32 + u32::from(udp_len);
    let udp = packet.len();
    packet.extend_from_slice(&fields.source.port().to_be_bytes());
    packet.extend_from_slice(&fields.destination.port().to_be_bytes());
    packet.extend_from_slice(&udp_len.to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    // The checksum covers bytes that a truncated datagram no longer has; 0 says that none was computed (RFC 768).
    if payload.len() == fields.wire_len {
        let checksum = match checksum(pseudo, &packet[udp..]) {
            // All ones means the same sum; zero is taken for "none" (RFC 768, RFC 8200 section 8.1).
            0 => u16::MAX,
            sum => sum,
        };
        packet[udp + 6..udp + UDP_HEADER].copy_from_slice(&checksum.to_be_bytes());
    }
    on_wire
}

/// The IPv4 header (RFC 791), and the sum over the pseudo-header (RFC 768).
fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, udp_len: u16, packet: &mut Vec<u8>) -> u64 {
    let total = udp_len.saturating_add(20);
    packet.extend_from_slice(&[0x45, 0]);
    packet.extend_from_slice(&total.to_be_bytes());
    // Identification, flags, fragment offset: one whole packet. The kernel has put the pieces together.
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(&[ttl, UDP, 0, 0]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    let header = checksum(0, packet);
    packet[10..12].copy_from_slice(&header.to_be_bytes());
    sum(&source.octets()) + sum(&destination.octets()) + u64::from(UDP) + u64::from(udp_len)
}

/// The IPv6 header (RFC 8200 section 3), and the sum over the pseudo-header (section 8.1).
fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, udp_len: u16, packet: &mut Vec<u8>) -> u64 {
    packet.extend_from_slice(&[0x60, 0, 0, 0]);
    packet.extend_from_slice(&udp_len.to_be_bytes());
    packet.extend_from_slice(&[UDP, hop_limit]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    sum(&source.octets()) + sum(&destination.octets()) + u64::from(UDP) + u64::from(udp_len)
}

/// The sum of the bytes as 16-bit words, the last one padded with zero. 64 bits hold the carries of any packet.
fn sum(bytes: &[u8]) -> u64 {
    let (words, odd) = bytes.as_chunks::<2>();
    let last = odd.first().map_or(0, |byte| u64::from(*byte) << 8);
    words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>() + last
}

/// The Internet checksum (RFC 1071): the complement of the sum with its carries added in again.
fn checksum(start: u64, bytes: &[u8]) -> u16 {
    let mut folded = start + sum(bytes);
    while folded > 0xffff {
        folded = (folded >> 16) + (folded & 0xffff);
    }
    // Folded to 16 bits, nothing is lost.
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // Section 3: the words 0001 f203 f4f5 f6f7 add up to 2ddf0, folded ddf2.
        assert_eq!(checksum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(0, &[0xab]), !0xab00);
    }

    #[test]
    fn a_sum_of_zero_is_sent_as_all_ones() {
        let fields = Fields {
            source: "0.0.0.0:0".parse().unwrap(),
            destination: "0.0.0.0:0".parse().unwrap(),
            ttl: USUAL_TTL,
            wire_len: 2,
        };
        // 17 + 10 (pseudo-header) + 10 (UDP length) + the payload: the payload that completes 0xffff.
        let mut bytes = Vec::new();
        packet(&fields, &(0xffff - 37u16).to_be_bytes(), &mut bytes);
        assert_eq!(bytes[26..28], [0xff, 0xff]);
    }

    #[test]
    fn lengths_are_those_on_the_wire() {
        let fields = Fields {
            source: "[fe80::1]:1".parse().unwrap(),
            destination: "[fe80::2]:2".parse().unwrap(),
            ttl: 1,
            wire_len: 65_527,
        };
        let mut bytes = vec![9; 3];
        assert_eq!(packet(&fields, b"abc", &mut bytes), 65_575);
        assert_eq!(bytes.len(), 40 + 8 + 3);
        assert_eq!(bytes[4..6], [0xff, 0xff]);
        assert_eq!(bytes[46..48], [0, 0]);
    }
}
