//! Frames as a stranger on the cable makes them: any source, any destination, any ICMP message. And the naive servers that
//! strangers set against each other. Nothing here is the product's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::lan::Host;

/// A hardware address.
pub(crate) type Hardware = [u8; 6];

/// Whom a frame is for that is for everybody.
pub(crate) const EVERYBODY: Hardware = [0xff; 6];

/// Numbers of IP protocols (IANA, "Protocol Numbers").
const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Puts frames on the cable of an interface (packet(7)).
#[derive(Debug)]
pub(crate) struct Forger {
    socket: OwnedFd,
    interface: LinkAddr,
    own: Hardware,
}

impl Forger {
    /// At this interface of this host.
    pub(crate) fn new(host: Host<'_>, interface: &str) -> Self {
        let interface = link(host, interface);
        let flags = SockFlag::SOCK_CLOEXEC;
        // Without a protocol it hears nothing, and so needs no room.
        let socket = host.within(|| socket(AddressFamily::Packet, SockType::Raw, flags, None)).unwrap().unwrap();
        Self { socket, interface, own: interface.addr().unwrap() }
    }

    /// Sends an IP packet to whoever has this hardware address.
    pub(crate) fn send(&self, to: Hardware, packet: &[u8]) {
        let protocol: [u8; 2] = if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
        let frame = [&to[..], &self.own, &protocol, packet].concat();
        loop {
            match sendto(self.socket.as_raw_fd(), &frame, &self.interface, MsgFlags::empty()) {
                // The queue of the cable is full for a moment.
                Err(nix::Error::ENOBUFS) => thread::yield_now(),
                sent => break assert_eq!(sent.unwrap(), frame.len()),
            }
        }
    }
}

fn link(host: Host<'_>, interface: &str) -> LinkAddr {
    let mut all = host.within(getifaddrs).unwrap().unwrap();
    let link = all.find_map(|entry| {
        let address = entry.address.filter(|_| entry.interface_name == interface)?;
        address.as_link_addr().copied()
    });
    link.unwrap_or_else(|| panic!("no hardware address of {interface} of {}", host.name()))
}

/// The hardware address of an interface.
pub(crate) fn hardware(host: Host<'_>, interface: &str) -> Hardware {
    link(host, interface).addr().unwrap()
}

/// A datagram in an IP packet.
pub(crate) fn datagram(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut segment = udp(source.port(), destination.port(), payload.len());
    segment.extend(payload);
    let sum = checksum(&[&pseudo(source.ip(), destination.ip(), UDP, segment.len()), &segment]);
    segment[6..8].copy_from_slice(&sum.to_be_bytes());
    packet(source.ip(), destination.ip(), UDP, &segment)
}

/// An ICMP message about a datagram without payload that went from `about.0` to `about.1`, from whoever says so.
pub(crate) fn icmp(by: IpAddr, kind: u8, code: u8, about: (SocketAddr, SocketAddr)) -> Vec<u8> {
    icmp_with(by, [kind, code, 0, 0, 0, 0, 0, 0], about)
}

/// The same, with this header but for its checksum.
fn icmp_with(by: IpAddr, header: [u8; 8], about: (SocketAddr, SocketAddr)) -> Vec<u8> {
    let (from, to) = about;
    let protocol = if from.is_ipv4() { ICMP } else { ICMPV6 };
    let mut message = header.to_vec();
    message.extend(packet(from.ip(), to.ip(), UDP, &udp(from.port(), to.port(), 0)));
    let before = if from.is_ipv4() { Vec::new() } else { pseudo(by, from.ip(), ICMPV6, message.len()) };
    let sum = checksum(&[&before, &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    packet(by, from.ip(), protocol, &message)
}

/// The same message that a packet was too long: that there is room for so many bytes.
pub(crate) fn too_long(by: IpAddr, mtu: u16, about: (SocketAddr, SocketAddr)) -> Vec<u8> {
    let (kind, code) = if by.is_ipv4() { (3, 4) } else { (2, 0) };
    let [high, low] = mtu.to_be_bytes();
    icmp_with(by, [kind, code, 0, 0, 0, 0, high, low], about)
}

/// A router that says of a prefix, of 64 bits, that it is on this link, and that hosts may have addresses in it (RFC 4861 sections
/// 4.2 and 4.6.2).
pub(crate) fn advertisement(by: Ipv6Addr, prefix: Ipv6Addr) -> Vec<u8> {
    let everybody = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let hour = 3600u32.to_be_bytes();
    let mut message = vec![134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend([3, 4, 64, 0xc0]);
    message.extend([hour, hour, [0; 4]].concat());
    message.extend(prefix.octets());
    let sum = checksum(&[&pseudo(by.into(), everybody.into(), ICMPV6, message.len()), &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = packet_v6(by, everybody, ICMPV6, &message);
    // What a router has passed on is not believed.
    packet[7] = 255;
    packet
}

/// The header of a datagram (RFC 768), without its checksum.
fn udp(source: u16, destination: u16, payload: usize) -> Vec<u8> {
    let length = u16::try_from(8 + payload).unwrap();
    [source, destination, length, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn packet(source: IpAddr, destination: IpAddr, protocol: u8, content: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => packet_v4(source, destination, protocol, content),
        (IpAddr::V6(source), IpAddr::V6(destination)) => packet_v6(source, destination, protocol, content),
        _ => panic!("{source} and {destination} are of two families"),
    }
}

/// RFC 791 section 3.1.
fn packet_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + content.len()).unwrap().to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0];
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header, content].concat()
}

/// RFC 8200 section 3.
fn packet_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], protocol, 64];
    [&head[..], &source.octets(), &destination.octets(), content].concat()
}

/// What a checksum covers besides (RFC 768, RFC 8200 section 8.1).
fn pseudo(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [source.octets(), destination.octets()].concat(),
        _ => panic!("{source} and {destination} are of two families"),
    };
    header.extend(u32::from(protocol).to_be_bytes());
    header.extend(u32::try_from(length).unwrap().to_be_bytes());
    header
}

/// RFC 1071. Every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let mut sum: u32 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // 0 would say that there is none.
    match !(sum as u16) {
        0 => 0xffff,
        sum => sum,
    }
}

/// A server that answers everything, and so goes round with any other that does.
#[derive(Debug)]
pub(crate) struct Naive {
    /// Answers it gave.
    pub(crate) rounds: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Naive {
    /// On this port of this host: answers with what `reply` makes of a datagram, after so long.
    pub(crate) fn on(host: Host<'_>, port: u16, delay: Duration, reply: fn(&[u8], u64) -> Vec<u8>) -> Self {
        let socket = host.within(|| UdpSocket::bind(("0.0.0.0", port))).unwrap().unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (rounds, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&rounds), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !end.load(Ordering::SeqCst) {
                let Ok((len, peer)) = socket.recv_from(&mut buffer) else { continue };
                thread::sleep(delay);
                let answer = reply(&buffer[..len], count.fetch_add(1, Ordering::SeqCst));
                // What does not fit any more ends the round.
                let _sent = socket.send_to(&answer, peer);
            }
        });
        Self { rounds, over, thread: Some(thread) }
    }

    /// How often it answered.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::SeqCst)
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
