//! What differs between systems, and the only unsafe code.
//!
//! - `linux`, `unix`, `windows`: the same functions for each kind of system. `linux` has everything, with `sending` and `control` (what
//!   stands beside the bytes of a datagram). `portable` is what the standard calls give everywhere; `unix` and `windows` add to
//!   it what those systems have of their own, and say `None` or refuse where they have nothing.
//! - `wait`: for one socket. For several: `ppoll` on Linux, `poller` elsewhere; `wait` has the tests of both.
//! - What Linux tells of its network: `netlink` is how it is asked, `dump` lists interfaces and addresses (`standing`: how good
//!   those are), `news` tells that they changed, `neighbours` whose hardware address is known. Elsewhere, and where Linux does not
//!   answer, `links` and `addresses` list what there is.
//! - `errno`, `soft`: what an error means, of any call and of a receive. `room`: how long a full buffer is waited for.
//! - `pair`: AF_UNIX. `child`, `mortal`: what a new process does before its program begins.
//!
//! With `RUSTFLAGS='--cfg halloo_portable'` Linux is one of the other Unix systems, for the tests alone: scripts/test runs
//! those over loopback so, since nothing else here can run what Windows, macOS and the BSDs get.
#![expect(unsafe_code, reason = "system calls that no safe library covers; each block says why it is sound")]

mod addresses;
mod wait;

#[cfg(all(target_os = "linux", feature = "lab"))]
pub(crate) mod child;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod control;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod dump;
#[cfg(unix)]
mod errno;
#[cfg(unix)]
mod links;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod linux;
#[cfg(target_os = "linux")]
mod mortal;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod neighbours;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod netlink;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod news;
#[cfg(unix)]
mod pair;
#[cfg(any(not(target_os = "linux"), halloo_portable))]
mod poller;
#[cfg(any(not(target_os = "linux"), halloo_portable))]
mod portable;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod ppoll;
mod room;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod sending;
mod soft;
#[cfg(all(target_os = "linux", not(halloo_portable)))]
mod standing;
#[cfg(all(unix, any(not(target_os = "linux"), halloo_portable)))]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(all(target_os = "linux", not(halloo_portable)))]
use linux as system;
#[cfg(all(unix, any(not(target_os = "linux"), halloo_portable)))]
use unix as system;
#[cfg(windows)]
use windows as system;

#[cfg(target_os = "linux")]
pub(crate) use mortal::mortal;
#[cfg(any(not(target_os = "linux"), halloo_portable))]
pub(crate) use poller::{Alarm, Waiter};
#[cfg(any(not(target_os = "linux"), halloo_portable))]
pub(crate) use portable::{Neighbours, News};
#[cfg(all(target_os = "linux", not(halloo_portable)))]
pub(crate) use ppoll::{Alarm, Waiter};
pub(crate) use system::{
    BUFFER_FACTOR, CHOOSES_SOURCE, Joins, SEND_BUFFER, Tray, bind_device, claim_port, disconnect, drops, fault,
    forbid_fragments, give_page_by_page, has_ended, list, name_of, next_len, prepare, receive, segments, send,
    send_queue, set_traffic_class, share_port, take_refusals, want_destination, want_details, want_trains,
};
pub(crate) use wait::{Wish, wait_for};
#[cfg(all(target_os = "linux", not(halloo_portable)))]
pub(crate) use {neighbours::Neighbours, news::News};

#[cfg(unix)]
pub(crate) use errno::name as error_name;
#[cfg(unix)]
pub(crate) use links::host_name;
#[cfg(unix)]
pub(crate) use pair::pair;
#[cfg(windows)]
pub(crate) use windows::{error_name, host_name, pair};

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use socket2::Socket;

use crate::model::Link;
use crate::model::error::FaultKind;
use crate::model::interface::Standing;

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
    #[cfg_attr(
        any(not(target_os = "linux"), halloo_portable),
        expect(dead_code, reason = "there every datagram leaves alone")
    )]
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

/// What the system says of one address of an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AddressFacts {
    /// The number of the interface.
    pub(crate) index: u32,
    /// What the address goes by: the interface's name, or an alias label such as `eth0:1`.
    pub(crate) name: Option<String>,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    /// The broadcast address as reported, right or wrong.
    pub(crate) reported: Option<Ipv4Addr>,
    pub(crate) standing: Standing,
}

/// What the system says of its interfaces.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) links: Vec<LinkFacts>,
    pub(crate) addresses: Vec<AddressFacts>,
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
