//! Other Unix systems: the portable calls, and what else socket2 knows there.

use std::io;

use socket2::Socket;

pub(crate) use super::errno::fault;
pub(crate) use super::portable::{
    BUFFER_FACTOR, CHOOSES_SOURCE, Joins, Tray, bind_device, disconnect, drops, give_page_by_page, has_ended, name_of,
    next_len, prepare, receive, segments, send, send_queue, take_refusals, want_destination, want_details, want_trains,
};
use crate::model::Family;
use crate::net::sys::{Listed, addresses};

/// A datagram may be no longer than the send buffer, and macOS and the BSDs give 9216 bytes (net.inet.udp.maxdgram). Four of
/// the longest fit into this.
pub(crate) const SEND_BUFFER: Option<usize> = Some(4 << 16);

/// Every interface with its flags, and every address. The MTU stays unknown.
pub(crate) fn list() -> io::Result<Listed> {
    addresses::list(|_| super::links::links())
}

/// Not done here: IP_DONTFRAG has other names and rules on every system.
pub(crate) fn forbid_fragments(_: &Socket, _: Family) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// IPV6_TCLASS.
pub(crate) fn set_traffic_class(socket: &Socket, class: u8) -> io::Result<()> {
    socket.set_tclass_v6(class.into())
}

/// SO_REUSEPORT.
pub(crate) fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// A port is its socket's alone here, unless both ask to share it.
pub(crate) fn claim_port(_: &Socket) -> io::Result<()> {
    Ok(())
}
