//! What the kernel tells of sockets: `/proc/thread-self/net/udp` and its like, for the network of the calling thread
//! (proc_pid_net(5)). No rights are needed.
//!
//! It is for tests that want to know what became of a socket, and for lessons to come; halloo itself has no use for it yet.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::error::LabError;

/// A tick of what is told in ticks: USER_HZ is 100 (time(7)).
const TICK: Duration = Duration::from_millis(10);

/// Which sockets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Table {
    /// UDP over IPv4.
    Udp,
    /// UDP over IPv6, and over both.
    Udp6,
    /// TCP over IPv4.
    Tcp,
    /// TCP over IPv6, and over both.
    Tcp6,
}

impl Table {
    fn path(self) -> &'static str {
        match self {
            Self::Udp => "/proc/thread-self/net/udp",
            Self::Udp6 => "/proc/thread-self/net/udp6",
            Self::Tcp => "/proc/thread-self/net/tcp",
            Self::Tcp6 => "/proc/thread-self/net/tcp6",
        }
    }
}

/// What the kernel tells of one socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its own address.
    pub local: SocketAddr,
    /// Its peer's; unspecified without one.
    pub remote: SocketAddr,
    /// Its state.
    pub state: State,
    /// Bytes that were sent and are not acknowledged, or not on their way.
    pub send_queue: u32,
    /// What waits to be read: bytes with TCP, memory with UDP, that is bytes and what the kernel adds to each datagram. At a
    /// listening socket, the connections that wait to be accepted.
    pub receive_queue: u32,
    /// What TCP waits for.
    pub timer: Timer,
    /// How often TCP sent again what is not acknowledged.
    pub retransmits: u32,
    /// The user it belongs to.
    pub user: u32,
    /// Its inode; 0 for a connection that no process has any more.
    pub inode: u64,
    /// How many datagrams were dropped at it; only with UDP.
    pub drops: Option<u64>,
}

/// The state of a socket. One of UDP is [`State::Established`] when it is connected, else [`State::Closed`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// ESTABLISHED.
    Established,
    /// SYN-SENT.
    SynSent,
    /// SYN-RECEIVED.
    SynReceived,
    /// FIN-WAIT-1.
    FinWait1,
    /// FIN-WAIT-2.
    FinWait2,
    /// TIME-WAIT.
    TimeWait,
    /// CLOSED.
    Closed,
    /// CLOSE-WAIT.
    CloseWait,
    /// LAST-ACK.
    LastAck,
    /// LISTEN.
    Listen,
    /// CLOSING.
    Closing,
    /// A number that is none of these.
    Other(u8),
}

impl State {
    /// The numbers of net/tcp_states.h.
    fn of(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Closed,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            other => Self::Other(other),
        }
    }
}

/// What TCP waits for, and for how long still.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timer {
    /// Nothing.
    None,
    /// To send again, or to acknowledge late.
    Retransmit(Duration),
    /// To ask whether the peer is still there, and other slow things.
    KeepAlive(Duration),
    /// To forget a connection that has ended.
    TimeWait(Duration),
    /// To ask whether the peer's window has opened.
    WindowProbe(Duration),
}

impl Timer {
    fn of(number: u8, left: Duration) -> Self {
        match number {
            1 => Self::Retransmit(left),
            2 => Self::KeepAlive(left),
            3 => Self::TimeWait(left),
            4 => Self::WindowProbe(left),
            _ => Self::None,
        }
    }
}

/// The sockets of the network of the calling thread; of a host, with [`Host::within`](super::Host::within).
///
/// # Errors
/// [`LabError::System`].
pub fn read(table: Table) -> Result<Vec<Entry>, LabError> {
    let path = table.path();
    let text = fs::read_to_string(path).map_err(LabError::system(format_args!("read {path}")))?;
    Ok(entries(table, &text))
}

/// Below a heading there is one socket on a line.
fn entries(table: Table, text: &str) -> Vec<Entry> {
    let with_drops = matches!(table, Table::Udp | Table::Udp6);
    text.lines().skip(1).filter_map(|line| entry(line, with_drops)).collect()
}

fn entry(line: &str, with_drops: bool) -> Option<Entry> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let column = |at: usize| columns.get(at).copied();
    let pair = |at: usize| column(at)?.split_once(':');
    let (send_queue, receive_queue) = pair(4)?;
    let (timer, left) = pair(5)?;
    // What is negative is told as a number close to the largest, and is over.
    let left = i32::from_str_radix(left, 16).ok().and_then(|ticks| u32::try_from(ticks).ok()).unwrap_or(0);
    Some(Entry {
        local: address(column(1)?)?,
        remote: address(column(2)?)?,
        state: State::of(u8::from_str_radix(column(3)?, 16).ok()?),
        send_queue: u32::from_str_radix(send_queue, 16).ok()?,
        receive_queue: u32::from_str_radix(receive_queue, 16).ok()?,
        timer: Timer::of(u8::from_str_radix(timer, 16).ok()?, TICK * left),
        retransmits: u32::from_str_radix(column(6)?, 16).ok()?,
        user: column(7)?.parse().ok()?,
        inode: column(9)?.parse().ok()?,
        drops: if with_drops { Some(column(12)?.parse().ok()?) } else { None },
    })
}

/// `0100007F:0424`: the words of an address as they stand in memory, and a port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let v4 = || <[u8; 4]>::try_from(&*bytes).ok().map(|v4| IpAddr::from(Ipv4Addr::from(v4)));
    let v6 = || <[u8; 16]>::try_from(&*bytes).ok().map(|v6| IpAddr::from(Ipv6Addr::from(v6)));
    Some(SocketAddr::new(v4().or_else(v6)?, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel_are_read() {
        let udp = "  sl  local_address ...\n  72: 0100007F:0424 00000000:0000 07 00000000:00000300 00:00000000 00000000 \
                   1000        0 4711 2 000000002c1a63be 94\n";
        let entry = &entries(Table::Udp, udp)[0];
        assert_eq!((entry.local, entry.state), ("127.0.0.1:1060".parse().unwrap(), State::Closed));
        assert_eq!((entry.receive_queue, entry.user, entry.inode, entry.drops), (768, 1000, 4711, Some(94)));
        let tcp = "  sl ...\n   1: 0100007F:91FC 0100007F:9803 06 00000000:00000000 03:00000BE2 00000000     0        0 0 3 \
                   000000002c1a63be\n";
        let entry = &entries(Table::Tcp, tcp)[0];
        assert_eq!((entry.state, entry.timer), (State::TimeWait, Timer::TimeWait(Duration::from_millis(30_420))));
        assert_eq!(address("00000000000000000000000001000000:0424"), Some("[::1]:1060".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn whatever_the_text_is_it_is_read(text in "\\PC*", columns in prop::collection::vec("[0-9A-F:é]{0,12}", 0..20)) {
            let _entries = entries(Table::Tcp, &text);
            let _entries = entries(Table::Udp, &format!("x\n{}", columns.join(" ")));
        }
    }
}
