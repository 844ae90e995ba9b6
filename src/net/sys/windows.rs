//! Windows: the portable calls.

use std::io;
use std::os::windows::io::{AsRawSocket, RawSocket};

use if_addrs::{IfAddr, IfOperStatus};
use socket2::Socket;

pub(crate) use super::portable::{
    BUFFER_FACTOR, CHOOSES_SOURCE, Joins, Tray, bind_device, disconnect, drops, give_page_by_page, has_ended, name_of,
    next_len, prepare, receive, segments, send, send_queue, take_refusals, want_destination, want_details, want_trains,
};
use crate::model::error::FaultKind;
use crate::model::{Family, Fault, Link};
use crate::net::sys::{LinkFacts, Listed, addresses};

/// Every interface that has an address: there are no others in the list, and no flags but these.
pub(crate) fn list() -> io::Result<Listed> {
    addresses::list(links)
}

fn links(addresses: &[if_addrs::Interface]) -> io::Result<Vec<LinkFacts>> {
    let mut links: Vec<LinkFacts> = Vec::new();
    for address in addresses {
        let Some(index) = address.index else { continue };
        if links.iter().any(|link| link.link.index == index) {
            continue;
        }
        let up = address.oper_status != IfOperStatus::Down;
        let point_to_point = address.is_p2p();
        let loopback = match &address.addr {
            IfAddr::V4(v4) => v4.ip.is_loopback(),
            IfAddr::V6(v6) => v6.ip.is_loopback(),
        };
        links.push(LinkFacts {
            link: Link { index, name: address.name.as_str().into() },
            up,
            running: up,
            loopback,
            point_to_point,
            can_broadcast: !point_to_point && !loopback,
            can_multicast: !point_to_point,
            mtu: None,
        });
    }
    Ok(links)
}

/// Not done here.
pub(crate) fn forbid_fragments(_: &Socket, _: Family) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not done here.
pub(crate) fn set_traffic_class(_: &Socket, _: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Windows has no SO_REUSEPORT; its SO_REUSEADDR would let anybody take the port over.
pub(crate) fn share_port(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// SOL_SOCKET, and SO_EXCLUSIVEADDRUSE, which is SO_REUSEADDR with every bit turned (winsock2.h).
const SOL_SOCKET: i32 = 0xffff;
const SO_EXCLUSIVEADDRUSE: i32 = !4;

#[link(name = "ws2_32")]
unsafe extern "system" {
    fn setsockopt(socket: RawSocket, level: i32, option: i32, value: *const u8, len: i32) -> i32;
}

/// SO_EXCLUSIVEADDRUSE: without it, any program may take the port over with SO_REUSEADDR.
pub(crate) fn claim_port(socket: &Socket) -> io::Result<()> {
    let value = 1i32;
    let len = size_of::<i32>() as i32;
    // SAFETY: the pointer and the length describe `value`, which outlives the call; the socket is open.
    let result = unsafe {
        setsockopt(socket.as_raw_socket(), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, std::ptr::from_ref(&value).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The system's own is large enough for any datagram.
pub(crate) const SEND_BUFFER: Option<usize> = None;

/// Windows has no datagrams of AF_UNIX.
pub(crate) fn pair() -> io::Result<(Socket, Socket)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// WSAEMSGSIZE (winsock2.h).
const WSAEMSGSIZE: i32 = 10040;
/// WSAENOBUFS.
const WSAENOBUFS: i32 = 10055;

/// Windows Sockets has numbers where others have names.
pub(crate) fn error_name(code: i32) -> String {
    code.to_string()
}

/// An error of the system by its remedy.
pub(crate) fn fault(error: &io::Error) -> Fault {
    let kind = match error.raw_os_error() {
        Some(WSAEMSGSIZE) => FaultKind::TooLong,
        Some(WSAENOBUFS) => FaultKind::QueueFull,
        _ => super::kind_of(error),
    };
    Fault { kind, code: error.raw_os_error() }
}

/// The name that the system gives every program.
pub(crate) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}
