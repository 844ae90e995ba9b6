//! What differs between systems, each file with the same functions, and the only unsafe code.
//!
//! `linux` has everything. `portable` is what the standard calls give everywhere; `unix` and `windows` add to it what
//! those systems have of their own, and say `None` or refuse where they have nothing.
#![expect(unsafe_code, reason = "system calls that no safe library covers; each block says why it is sound")]

mod wait;

#[cfg(all(target_os = "linux", feature = "lab"))]
pub(crate) mod child;
#[cfg(target_os = "linux")]
mod control;
#[cfg(unix)]
mod errno;
#[cfg(unix)]
mod links;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod mortal;
#[cfg(target_os = "linux")]
mod news;
#[cfg(unix)]
mod pair;
#[cfg(not(target_os = "linux"))]
mod poller;
#[cfg(not(target_os = "linux"))]
mod portable;
mod room;
#[cfg(target_os = "linux")]
mod sending;
#[cfg(any(test, not(target_os = "linux")))]
mod soft;
#[cfg(all(unix, not(target_os = "linux")))]
mod unix;
#[cfg(target_os = "linux")]
mod watch;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(all(unix, not(target_os = "linux")))]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(target_os = "linux")]
pub(crate) use mortal::mortal;
#[cfg(target_os = "linux")]
pub(crate) use news::News;
#[cfg(not(target_os = "linux"))]
pub(crate) use poller::{Alarm, Waiter};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::News;
pub(crate) use system::{
    BUFFER_FACTOR, CHOOSES_SOURCE, Joins, SEND_BUFFER, Tray, bind_device, claim_port, disconnect, drops, fault,
    forbid_fragments, give_page_by_page, has_ended, links, name_of, next_len, prepare, receive, segments, send,
    set_traffic_class, share_port, take_refusals, want_destination, want_details, want_trains,
};
pub(crate) use wait::{Wish, wait_for};
#[cfg(target_os = "linux")]
pub(crate) use watch::{Alarm, Waiter};

#[cfg(unix)]
pub(crate) use errno::name as error_name;
#[cfg(unix)]
pub(crate) use links::host_name;
#[cfg(unix)]
pub(crate) use pair::pair;
#[cfg(windows)]
pub(crate) use windows::{error_name, host_name, pair};

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::Socket;

use crate::model::Link;
use crate::model::error::FaultKind;

/// A socket with what has to be known to use it.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Shared with whoever waits for it.
    pub(crate) socket: Arc<Socket>,
    /// Its own address, with the real port.
    pub(crate) local: SocketAddr,
    /// The peer it is connected to.
    pub(crate) peer: Option<SocketAddr>,
    /// Whether a full send buffer is waited for.
    pub(crate) patient: bool,
    /// Whether it is there to send to everybody.
    pub(crate) broadcast: bool,
    /// Which datagrams leave together.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there every datagram leaves alone"))]
    pub(crate) joins: Joins,
}

/// What the system says of an interface apart from its addresses.
#[derive(Clone, Debug)]
pub(crate) struct LinkFacts {
    /// The interface.
    pub(crate) link: Link,
    pub(crate) up: bool,
    pub(crate) running: bool,
    pub(crate) loopback: bool,
    pub(crate) point_to_point: bool,
    pub(crate) can_broadcast: bool,
    pub(crate) can_multicast: bool,
    pub(crate) mtu: Option<u32>,
}

/// The remedy for an error, as far as the standard library tells the kinds apart on every system.
fn kind_of(error: &std::io::Error) -> FaultKind {
    match error.kind() {
        ErrorKind::PermissionDenied => FaultKind::NotPermitted,
        ErrorKind::NetworkUnreachable => FaultKind::NetworkUnreachable,
        ErrorKind::HostUnreachable => FaultKind::HostUnreachable,
        ErrorKind::NetworkDown => FaultKind::NetworkDown,
        ErrorKind::AddrNotAvailable => FaultKind::AddressNotAvailable,
        ErrorKind::AddrInUse => FaultKind::AddressInUse,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => FaultKind::Refused,
        ErrorKind::WouldBlock => FaultKind::QueueFull,
        ErrorKind::InvalidInput => FaultKind::Invalid,
        ErrorKind::Unsupported => FaultKind::Unsupported,
        ErrorKind::OutOfMemory => FaultKind::OutOfResources,
        _ => FaultKind::Other,
    }
}
