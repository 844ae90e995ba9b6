//! Linux: batches with all their metadata, honest errors, exact drop counts.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr;

use socket2::Socket;

use crate::model::event::Refusal;
use crate::model::target::canonical;
use crate::model::{Cast, Family, Origin, Segments, Stamp, StampSource};
use crate::net::Batch;
use crate::net::batch::{Head, MANY};
use crate::net::crowd::Queue;
use crate::net::sys::control::{self, Control};
pub(crate) use crate::net::sys::errno::fault;
pub(crate) use crate::net::sys::sending::{Joins, send};
use crate::net::sys::soft::{self, Failure};
use crate::net::sys::{Bound, Listed, addresses, dump};

/// Linux reads back twice what it granted: the other half is for its own overhead (socket(7), SO_RCVBUF).
pub(crate) const BUFFER_FACTOR: usize = 2;

/// The system's own is large enough for any datagram.
pub(crate) const SEND_BUFFER: Option<usize> = None;

/// One socket can send from any of the host's addresses, by any interface, datagram by datagram.
pub(crate) const CHOOSES_SOURCE: bool = true;

/// Reads and sends are asked not to block one by one (MSG_DONTWAIT).
pub(crate) fn prepare(_: &Socket) -> io::Result<()> {
    Ok(())
}

// ---- options -------------------------------------------------------------------------------------------------------

fn set_flag(socket: &Socket, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which outlives the call; the descriptor is open.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(&value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// IP_PKTINFO, IPV6_RECVPKTINFO: the destination in the header, and the interface.
pub(crate) fn want_destination(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set_flag(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        Family::V6 => set_flag(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Kernel times, time to live, ICMP errors, and no multicast that only others have joined. Each may be missing: what it
/// would tell is then unknown, not wrong.
pub(crate) fn want_details(socket: &Socket, family: Family) {
    let wishes: &[(libc::c_int, libc::c_int, libc::c_int)] = match family {
        Family::V4 => &[
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
            (libc::IPPROTO_IP, libc::IP_RECVTTL, 1),
            (libc::IPPROTO_IP, libc::IP_RECVERR, 1),
            (libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0),
        ],
        Family::V6 => &[
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
            (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0),
        ],
    };
    for (level, option, value) in wishes {
        let _unheeded = set_flag(socket, *level, *option, *value);
    }
}

/// UDP_GRO: trains of datagrams come as they travel, in one piece, with the length that they are to be parted at.
pub(crate) fn want_trains(socket: &Socket) -> io::Result<()> {
    set_flag(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// SO_BINDTODEVICE: only by this interface, whatever the routes say.
pub(crate) fn bind_device(socket: &Socket, interface: &str) -> io::Result<()> {
    socket.bind_device(Some(interface.as_bytes()))
}

/// IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: never cut, refuse instead what the interface does not take whole. What is noted of the
/// path is not asked (ip(7), IP_PMTUDISC_PROBE): anybody can write that note by one ICMP message, and it would hold for ten minutes.
/// So what a router has no room for is lost there, and its message comes as a refusal.
pub(crate) fn forbid_fragments(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set_flag(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
        Family::V6 => set_flag(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE),
    }
}

/// IPV6_TCLASS.
pub(crate) fn set_traffic_class(socket: &Socket, class: u8) -> io::Result<()> {
    set_flag(socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class.into())
}

/// SO_REUSEPORT.
pub(crate) fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// A port is its socket's alone here, unless both ask to share it.
pub(crate) fn claim_port(_: &Socket) -> io::Result<()> {
    Ok(())
}

/// Forgets the peer: connect(2) to an address of the family AF_UNSPEC, which is 0.
pub(crate) fn disconnect(socket: &Socket) -> io::Result<()> {
    // SAFETY: `sockaddr` is plain data, for which all zeros is a valid value.
    let nobody: libc::sockaddr = unsafe { zeroed() };
    let len = size_of::<libc::sockaddr>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `nobody`, which outlives the call; the descriptor is open.
    let result = unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The places of some counters in what SO_MEMINFO gives (linux/sock_diag.h): SK_MEMINFO_WMEM_ALLOC, SK_MEMINFO_SNDBUF,
/// SK_MEMINFO_DROPS.
const HELD: usize = 2;
const ROOM: usize = 3;
const DROPS: usize = 8;

/// Datagrams the kernel dropped at this socket: no room in the receive buffer, or a wrong checksum. SO_RXQ_OVFL would
/// count only those before the last datagram that was delivered. Behind 2^32 - 1 it begins again at 0.
pub(crate) fn drops(socket: &Socket) -> Option<u32> {
    memory(socket).map(|memory| memory[DROPS])
}

/// What waits to be sent by this socket.
pub(crate) fn send_queue(socket: &Socket) -> Option<Queue> {
    memory(socket).map(|memory| Queue { held: memory[HELD] as usize, room: memory[ROOM] as usize })
}

fn memory(socket: &Socket) -> Option<[u32; DROPS + 1]> {
    let mut memory = [0u32; DROPS + 1];
    let mut len = size_of_val(&memory) as libc::socklen_t;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_MEMINFO);
    // SAFETY: the pointer and the length describe `memory`; the kernel writes at most `len` bytes and says how many.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, memory.as_mut_ptr().cast(), &raw mut len) };
    (result == 0 && len as usize == size_of_val(&memory)).then_some(memory)
}

/// Where `struct tcp_info` (linux/tcp.h) has its counts of segments, each a word of four bytes: all out, all in, those with
/// data in, those with data out.
const SEGMENTS: [usize; 4] = [136, 140, 152, 156];

/// Bytes of `struct tcp_info` up to the last of them (Linux 4.6).
const TCP_INFO: usize = 160;

#[repr(C, align(8))]
struct TcpInfo([u8; TCP_INFO]);

/// The segments of a connection so far (TCP_INFO, tcp(7)); `None` from a kernel that is too old to count them.
pub(crate) fn segments(socket: &Socket) -> Option<Segments> {
    let info = tcp_info(socket)?;
    let count = |at: usize| info.0[at..].first_chunk().map(|word| u32::from_ne_bytes(*word).into());
    let [sent, received, data_received, data_sent] = SEGMENTS.map(count);
    Some(Segments { sent: sent?, received: received?, data_sent: data_sent?, data_received: data_received? })
}

/// The states in which the peer has ended the stream (net/tcp_states.h): TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING.
const ENDED: [u8; 5] = [6, 7, 8, 9, 11];

/// Whether no more bytes will come than are there.
pub(crate) fn has_ended(socket: &Socket) -> bool {
    // The state is the first byte.
    tcp_info(socket).is_some_and(|info| ENDED.contains(&info.0[0]))
}

fn tcp_info(socket: &Socket) -> Option<TcpInfo> {
    let mut info = TcpInfo([0; TCP_INFO]);
    let mut len = TCP_INFO as libc::socklen_t;
    let (level, option) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: the pointer and the length describe `info`; the kernel writes at most `len` bytes and says how many.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, info.0.as_mut_ptr().cast(), &raw mut len) };
    (result == 0 && len as usize == TCP_INFO).then_some(info)
}

/// The true length of the datagram that would be read next, which stays where it is (MSG_PEEK and MSG_TRUNC, udp(7)).
pub(crate) fn next_len(socket: &Socket) -> io::Result<Option<usize>> {
    socket.recv_with_flags(&mut [], libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT).map(Some)
}

// ---- interfaces ----------------------------------------------------------------------------------------------------

/// Every interface and every address. What the kernel's own answers do not give, the usual calls may.
pub(crate) fn list() -> io::Result<Listed> {
    dump::list().or_else(|_| addresses::list(|_| super::links::links()))
}

// ---- errors --------------------------------------------------------------------------------------------------------

/// Errors that ICMP messages, or the interface going away, leave behind on a socket: about some datagram sent before,
/// not about this call (RFC 8085 5.2: soft).
pub(super) fn is_soft(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENETDOWN
                | libc::ENONET
                | libc::EMSGSIZE
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::EACCES
                | libc::EINTR
        )
    )
}

// ---- receiving -----------------------------------------------------------------------------------------------------

/// Bytes for the control messages of one datagram. Those asked for take 40 (IPV6_PKTINFO: 16 + 20, rounded up to words),
/// 32 (SCM_TIMESTAMPNS: 16 + 16), 24 (TTL: 16 + 4) and 24 (UDP_GRO: 16 + 4); an error takes 64 (16 + 16 + 28). Nearly twice
/// that leaves room for what a newer kernel adds.
const CONTROL: usize = 320;

/// Bytes for a socket address of either IP version: `sockaddr_in6`.
const ADDRESS: usize = 28;

/// Control messages are read as words, so their buffer begins at one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct ControlBuffer([u8; CONTROL]);

#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct AddressBuffer([u8; ADDRESS]);

/// What the kernel writes beside the bytes of the datagrams of one wake-up: kept, so that it need not be cleared each time.
#[derive(Debug, Default)]
pub(crate) struct Tray {
    controls: Vec<ControlBuffer>,
    addresses: Vec<AddressBuffer>,
}

impl Tray {
    /// Has room beside so many datagrams.
    fn make_room(&mut self, datagrams: usize) {
        if self.controls.len() < datagrams {
            self.controls.resize(datagrams, ControlBuffer([0; CONTROL]));
            self.addresses.resize(datagrams, AddressBuffer([0; ADDRESS]));
        }
    }
}

/// Pages may be given by so many bytes at once, where the system is set to (transparent huge pages).
const HUGE_PAGE: usize = 2 << 20;

/// More than a common page, of whatever processor.
const PAGE: usize = 1 << 16;

/// Has a long buffer be given page by page: of one of which only the beginning of each part is used, huge pages would make all
/// resident (madvise(2)). Where the system has none, there is nothing to ask for.
pub(crate) fn give_page_by_page(buffer: &mut [u8]) {
    let skipped = buffer.as_ptr().align_offset(PAGE);
    let Some(pages) = buffer.get_mut(skipped..).filter(|pages| pages.len() >= HUGE_PAGE) else { return };
    // SAFETY: the pointer and the length describe a part of `buffer`, of which the advice changes no byte.
    unsafe { libc::madvise(pages.as_mut_ptr().cast(), pages.len(), libc::MADV_NOHUGEPAGE) };
}

/// Adds what is in the socket's queue to the batch, as far as there is room, with one system call.
pub(crate) fn receive(bound: &Bound, batch: &mut Batch) -> io::Result<()> {
    let (asked, start, stride, slot) = (batch.room(), batch.start(), batch.stride(), batch.slot());
    let mut pieces = [const { MaybeUninit::<libc::iovec>::uninit() }; MANY];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MANY];
    let (free, tray) = batch.free();
    tray.make_room(asked);
    let beside = tray.addresses.iter_mut().zip(&mut tray.controls);
    for (((bytes, (address, control)), piece), message) in free.zip(beside).zip(&mut pieces).zip(&mut messages) {
        let piece = piece.write(libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() });
        // SAFETY: `mmsghdr` is plain data, for which all zeros is a valid value: no buffers.
        let header = &mut message.write(unsafe { zeroed() }).msg_hdr;
        header.msg_name = address.0.as_mut_ptr().cast();
        header.msg_namelen = ADDRESS as libc::socklen_t;
        header.msg_iov = piece;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL as _;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    let first = messages.as_mut_ptr().cast();
    // SAFETY: the first `asked` headers, one for each free buffer, are written and point to buffers with their true lengths,
    // all of which live to the end of this function; a null timeout is allowed with MSG_DONTWAIT.
    let got =
        unsafe { libc::recvmmsg(bound.socket.as_raw_fd(), first, asked as libc::c_uint, flags as _, ptr::null_mut()) };
    let Ok(got) = usize::try_from(got) else {
        let error = io::Error::last_os_error();
        return if soft::judge(&error) == Failure::Ours { Err(error) } else { Ok(()) };
    };
    for (index, message) in messages[..got].iter().enumerate() {
        // SAFETY: no more come back than went in, and those that did are written.
        let message = unsafe { message.assume_init_ref() };
        let (address, control) = batch.tray.beside(index, &message.msg_hdr);
        let control = control::read(control);
        let (begin, all) = (start + index * stride, message.msg_len as usize);
        let source = control::socket_address(address);
        batch.take(all);
        // A UDP datagram always has a source; if the kernel gave none, nothing true can be said of it.
        let Some(source) = source else { continue };
        let one = control.segment.filter(|len| *len > 0).unwrap_or(all);
        for (from, len) in parted(all, one) {
            let bytes = begin + from.min(slot)..begin + (from + len).min(slot);
            batch.push(head(bound.local, bytes, len, source, &control));
        }
    }
    Ok(())
}

/// Where the datagrams of a train begin, and how long they are: all of them as `one`, but for the last.
fn parted(all: usize, one: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = all.div_ceil(one.max(1)).max(1);
    (0..count).map(move |number| (number * one, one.min(all - number * one)))
}

/// Bytes of control messages that the kernel wrote.
#[allow(clippy::unnecessary_cast, reason = "the field is a size_t with glibc and a socklen_t with musl")]
fn filled(header: &libc::msghdr) -> usize {
    (header.msg_controllen as usize).min(CONTROL)
}

impl Tray {
    /// Address and control messages of the message of this number.
    fn beside(&self, index: usize, header: &libc::msghdr) -> (&[u8], &[u8]) {
        let address = &self.addresses[index].0[..(header.msg_namelen as usize).min(ADDRESS)];
        (address, &self.controls[index].0[..filled(header)])
    }
}

fn head(local: SocketAddr, bytes: Range<usize>, wire_len: usize, source: SocketAddr, control: &Control) -> Head {
    Head {
        bytes,
        wire_len,
        source: canonical(source),
        destination: control.destination.map(|ip| SocketAddr::new(ip.to_canonical(), local.port())),
        local: control.local,
        index: control.interface,
        link: None,
        cast: cast(control),
        origin: Origin::Foreign,
        on_link: false,
        other_link: false,
        ttl: control.ttl,
        stamp: stamp(control),
    }
}

/// An interface's name by its number.
pub(crate) fn name_of(index: u32) -> Option<String> {
    let name = nix::net::if_::if_indextoname(index).ok()?.into_string().ok()?;
    // For a number that no interface has, the library returns no error but nothing.
    (!name.is_empty()).then_some(name)
}

/// The kernel answers a unicast datagram from the address it was sent to, and every other from one that it chooses: so
/// a destination that is not the address to answer from is a broadcast, whatever the netmasks are by now.
fn cast(control: &Control) -> Option<Cast> {
    let destination = control.destination?;
    Some(match (Cast::by_form(destination), control.local) {
        (Cast::Unicast, Some(local)) if local != destination => Cast::Broadcast,
        (cast, _) => cast,
    })
}

fn stamp(control: &Control) -> Stamp {
    match control.wall {
        Some(wall) => Stamp { wall, source: StampSource::Kernel },
        // Filled in by whoever owns the clock.
        None => Stamp { wall: std::time::SystemTime::UNIX_EPOCH, source: StampSource::User },
    }
}

/// The most entries taken from the error queue at a time: it must not keep datagrams waiting.
const MOST_REFUSALS: usize = 64;

/// Empties the error queue (IP_RECVERR, ip(7)), which names the destination of each datagram that was refused.
pub(crate) fn take_refusals(bound: &Bound, refusals: &mut Vec<Refusal>) {
    for _ in 0..MOST_REFUSALS {
        match take_refusal(&bound.socket) {
            Ok(Some(refusal)) => {
                bound.joins.refused();
                refusals.push(refusal);
            }
            Ok(None) => {}
            Err(_) => break,
        }
    }
}

/// One entry of the error queue; `Ok(None)` for one that says nothing about delivery.
fn take_refusal(socket: &Socket) -> io::Result<Option<Refusal>> {
    let mut address = AddressBuffer([0; ADDRESS]);
    let mut control = ControlBuffer([0; CONTROL]);
    // SAFETY: `msghdr` is plain data, for which all zeros is a valid value: no buffers. The payload is not wanted.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = address.0.as_mut_ptr().cast();
    header.msg_namelen = ADDRESS as libc::socklen_t;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points to buffers with their true lengths, which outlive the call.
    let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let destination = control::socket_address(&address.0[..(header.msg_namelen as usize).min(ADDRESS)]);
    let error = control::read(&control.0[..filled(&header)]).error;
    let (Some(destination), Some(error)) = (destination, error) else { return Ok(None) };
    let refusal = |what| Refusal { destination: canonical(destination), by: error.offender, what };
    Ok(control::unreachable(&error).map(refusal))
}
