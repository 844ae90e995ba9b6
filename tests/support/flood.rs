//! Strangers, as many as are wanted, who send from one host of a private LAN; and what a process has of the system
//! meanwhile: memory, descriptors, threads.

use std::fs;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use halloo::lab::{Address, HostPlan, Plan, Plug};
use halloo::wire::beacon::{LEAST_QUERY, MOST_WINDOW, Nonce, Query, Window};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

use super::chance::SplitMix;

/// Where the programs run that are sent to.
pub(crate) const VICTIM: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Where all strangers are: a host that has every address of [`STRANGERS`], and to which all answers are routed, so that
/// one neighbour is asked for and not a million.
const CROWD: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// The first address of the strangers, 10.128.0.0/9: eight million.
const STRANGERS: u32 = 0x0a80_0000;

/// Ports that the strangers send from, so that addresses are not all that differs.
const PORTS: usize = 16;

/// The two hosts, `victim` and `crowd`.
pub(crate) fn plan() -> Plan {
    let host =
        |name, address: Ipv4Addr| HostPlan::new(name).plug(Plug::new("e0", "br0").address(Address::new(address, 24)));
    Plan::new().host(host("victim", VICTIM).gateway(CROWD)).host(host("crowd", CROWD))
}

/// The words for `ip`, in `crowd`: every address of the strangers is its own.
pub(crate) const BE_THEM: [&str; 6] = ["route", "add", "local", "10.128.0.0/9", "dev", "lo"];

/// All strangers. What they are answered is not read: it fills the sockets' buffers, and is dropped there.
pub(crate) struct Strangers {
    sockets: Vec<UdpSocket>,
}

impl Strangers {
    /// Opens their sockets in the network of the calling thread, which is that of `crowd`.
    pub(crate) fn open() -> Self {
        let open = |_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        Self { sockets: (0..PORTS).map(open).collect() }
    }

    /// The stranger of this number sends a datagram. Whether the system took it: a queue may be full.
    pub(crate) fn send(&self, stranger: u32, to: SocketAddrV4, payload: &[u8]) -> bool {
        let address = Ipv4Addr::from_bits(STRANGERS + stranger);
        let from = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: address.to_bits().to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let socket = self.sockets[stranger as usize % PORTS].as_raw_fd();
        let (pieces, control) = ([IoSlice::new(payload)], [ControlMessage::Ipv4PacketInfo(&from)]);
        sendmsg(socket, &pieces, &control, MsgFlags::MSG_DONTWAIT, Some(&SockaddrIn::from(to))).is_ok()
    }
}

/// Sends at a pace, in groups of what has become due, and never more at once than in [`Pace::MOST`].
pub(crate) struct Pace {
    start: Instant,
    per_second: u32,
    allowed: u64,
}

impl Pace {
    /// What a group is at most, in time: a machine that stood still does not send all of it at once.
    const MOST: Duration = Duration::from_millis(50);

    pub(crate) fn new(per_second: u32) -> Self {
        Self { start: Instant::now(), per_second, allowed: 0 }
    }

    /// Waits until something is due, and says how many.
    pub(crate) fn next(&mut self) -> u32 {
        thread::sleep(Duration::from_millis(1));
        let due = self.start.elapsed().as_micros() as u64 * u64::from(self.per_second) / 1_000_000 - self.allowed;
        let most = u64::from(self.per_second) * Self::MOST.as_micros() as u64 / 1_000_000;
        self.allowed += due;
        due.min(most.max(1)) as u32
    }
}

/// What a process has of the system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Held {
    /// Bytes of memory that are in memory (Rss of /proc/PID/smaps_rollup: that of /proc/PID/status lags behind).
    pub(crate) memory: u64,
    /// Descriptors.
    pub(crate) descriptors: u64,
    /// Threads.
    pub(crate) threads: u64,
}

impl Held {
    /// By the process of this number.
    pub(crate) fn by(process: u32) -> Self {
        let count = |directory| fs::read_dir(format!("/proc/{process}/{directory}")).unwrap().count() as u64;
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        Self { memory: kib << 10, descriptors: count("fd"), threads: count("task") }
    }
}

/// The bytes that wait in each UDP socket over IPv4 in the network of the calling thread, as the kernel counts them, with
/// its port.
fn queues() -> Vec<(u16, u64)> {
    let table = fs::read_to_string("/proc/thread-self/net/udp").unwrap();
    let queue = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = fields[1].split_once(':')?;
        let (_, received) = fields[4].split_once(':')?;
        Some((u16::from_str_radix(port, 16).ok()?, u64::from_str_radix(received, 16).ok()?))
    };
    table.lines().skip(1).filter_map(queue).collect()
}

/// Waits, in the network of the calling thread, until there is a socket on each of these ports.
pub(crate) fn bound(ports: &[u16], patience: Duration) {
    let is_bound = |queues: &[(u16, u64)]| ports.iter().all(|port| queues.iter().any(|(own, _)| own == port));
    wait(patience, is_bound, || format!("not all of {ports:?} are bound"));
}

/// Waits, in the network of the calling thread, until nothing waits in the sockets on these ports.
pub(crate) fn read(ports: &[u16], patience: Duration) {
    let is_read = |queues: &[(u16, u64)]| queues.iter().all(|(port, bytes)| *bytes == 0 || !ports.contains(port));
    wait(patience, is_read, || format!("{ports:?} do not read what was sent to them"));
}

fn wait(patience: Duration, done: impl Fn(&[(u16, u64)]) -> bool, otherwise: impl Fn() -> String) {
    let deadline = Instant::now() + patience;
    while !done(&queues()) {
        assert!(Instant::now() < deadline, "{}", otherwise());
        thread::sleep(Duration::from_millis(1));
    }
}

/// How often nothing may wait, one millisecond apart, before nothing more comes.
const QUIET: u32 = 50;

/// The same, of all that was ever sent: what was sent last may be on its way into the socket, in a queue of the kernel that
/// is worked off within milliseconds, and one look could come before that.
pub(crate) fn drained(ports: &[u16], patience: Duration) {
    for _ in 0..QUIET {
        read(ports, patience);
        thread::sleep(Duration::from_millis(1));
    }
}

/// Writes a question of discovery for services of a type, as an honest `discover` asks it, with a nonce of its own.
pub(crate) fn question(kind: &str, chance: &mut SplitMix, out: &mut Vec<u8>) {
    let nonce = Nonce(std::array::from_fn(|_| chance.next() as u8));
    let window = Window::nearest(Duration::from_millis(1 + chance.below(MOST_WINDOW.as_millis() as u64)));
    let query = Query { service_type: kind.parse().ok(), ..Query::to_everybody(nonce, window) };
    query.write(LEAST_QUERY, None, out);
}

/// Writes so many bytes by chance.
pub(crate) fn noise(length: usize, chance: &mut SplitMix, out: &mut Vec<u8>) {
    out.resize(length, 0);
    for piece in out.chunks_mut(size_of::<u64>()) {
        piece.copy_from_slice(&chance.next().to_le_bytes()[..piece.len()]);
    }
}

/// A length by chance: each number of bits, from none to 16, as often as any other.
pub(crate) fn length(chance: &mut SplitMix) -> usize {
    let bits = chance.below(17);
    chance.below(1 << bits).min(MOST) as usize
}

/// The longest payload over IPv4.
const MOST: u64 = 65_507;

/// What a program without --json says of itself at the end.
pub(crate) struct Counters {
    pub(crate) received: u64,
    pub(crate) drops: u64,
}

impl Counters {
    /// Reads its last lines; what they do not tell is 0.
    pub(crate) fn read(said: &str) -> Self {
        let before = |words: &str| {
            let (before, _) = said.split_once(words)?;
            before.rsplit([' ', '\n']).next()?.parse().ok()
        };
        let of = |words| before(words).unwrap_or_default();
        Self { received: of(" datagrams, "), drops: of(" dropped by the kernel") }
    }
}
