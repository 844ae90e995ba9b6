//! One socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::model::error::Action;
use crate::model::{Error, Family, Fault, Link};
use crate::net::crowd::Crowd;
use crate::net::fault::system;
use crate::net::options::Options;
use crate::net::sys::{self, Bound, Joins};

/// What became of wishes that may fail.
#[derive(Clone, Copy, Debug)]
pub struct Granted {
    /// Bytes of the receive buffer, where the system tells; in the measure it was asked for in.
    pub receive_buffer: Option<usize>,
}

/// One UDP socket, open and bound.
#[derive(Debug)]
pub struct Endpoint {
    bound: Bound,
    granted: Granted,
    drops: Widened,
    /// Of a socket that answers strangers, where the system tells of neighbours.
    pub(crate) crowd: Option<Crowd>,
}

/// A counter of 32 bits that begins again at 0, made one that does not: it is looked at more often than it comes round.
#[derive(Debug, Default)]
struct Widened {
    total: u64,
    last: u32,
}

impl Widened {
    fn see(&mut self, count: u32) -> u64 {
        self.total += u64::from(count.wrapping_sub(self.last));
        self.last = count;
        self.total
    }
}

impl Endpoint {
    pub(crate) fn new(socket: Socket, options: &Options, granted: Granted) -> io::Result<Self> {
        sys::prepare(&socket)?;
        let local = local_address(&socket)?;
        let Options { connect: peer, patient, broadcast, .. } = *options;
        let joins = Joins::of(&socket, options.offload);
        let socket = Arc::new(socket);
        // A client knows whom it sends to, and waits for them itself.
        let crowd = if patient { None } else { Crowd::new(&socket) };
        let bound = Bound { socket, local, peer, patient, broadcast, joins };
        Ok(Self { bound, granted, drops: Widened::default(), crowd })
    }

    /// The address it is bound to, with the real port.
    pub const fn local(&self) -> SocketAddr {
        self.bound.local
    }

    /// The peer it is connected to.
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.bound.peer
    }

    /// What became of wishes that may fail.
    pub const fn granted(&self) -> Granted {
        self.granted
    }

    /// The IP version.
    pub const fn family(&self) -> Family {
        Family::of(self.bound.local.ip())
    }

    /// Joins a multicast group on one interface (IP_ADD_MEMBERSHIP, ip(7)).
    ///
    /// # Errors
    /// The system's.
    pub fn join(&self, group: IpAddr, link: &Link) -> Result<(), Fault> {
        let joined = match group {
            IpAddr::V4(group) => {
                self.bound.socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link.index))
            }
            IpAddr::V6(group) => self.bound.socket.join_multicast_v6(&group, link.index),
        };
        joined.map_err(|error| sys::fault(&error))
    }

    /// Leaves a group that was joined on one interface, which may be gone.
    ///
    /// # Errors
    /// The system's; it has not joined, for one.
    pub fn leave(&self, group: IpAddr, link: &Link) -> Result<(), Fault> {
        let left = match group {
            IpAddr::V4(group) => {
                self.bound.socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link.index))
            }
            IpAddr::V6(group) => self.bound.socket.leave_multicast_v6(&group, link.index),
        };
        left.map_err(|error| sys::fault(&error))
    }

    pub(crate) const fn bound(&self) -> &Bound {
        &self.bound
    }

    /// How many datagrams the kernel has dropped at this socket, where it tells.
    pub(crate) fn drops(&mut self) -> Option<u64> {
        sys::drops(&self.bound.socket).map(|count| self.drops.see(count))
    }
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    let none = || io::Error::other("the socket has no IP address");
    socket.local_addr()?.as_socket().ok_or_else(none)
}

/// The source address that the route to `destination` gives. Nothing is sent: connecting a UDP socket only looks the
/// route up.
///
/// # Errors
/// [`Error::System`] when there is no route.
pub fn source_for(destination: SocketAddr) -> Result<IpAddr, Error> {
    let look_up = || -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(destination), Type::DGRAM, Some(Protocol::UDP))?;
        if destination.is_ipv4() {
            // Without it the route to a broadcast address cannot be looked up.
            socket.set_broadcast(true)?;
        }
        socket.connect(&destination.into())?;
        local_address(&socket)
    };
    look_up().map(|local| local.ip()).map_err(|error| system(Action::Route, destination.to_string(), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_comes_round_goes_on() {
        let mut widened = Widened::default();
        let seen = [0, 7, 7, u32::MAX, 0, 5].map(|count| widened.see(count));
        let round = u64::from(u32::MAX) + 1;
        assert_eq!(seen, [0, 7, 7, round - 1, round, round + 5]);
    }
}
