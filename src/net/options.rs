//! A socket from a list of wishes: every option in one place, in the order it is set, all before bind.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::model::error::Action;
use crate::model::{Error, Family};
use crate::net::endpoint::{Endpoint, Granted};
use crate::net::fault::system;
use crate::net::sys;

/// Receive buffer asked for, in bytes. At the default of 208 KiB a burst of 257 small datagrams is already lossy; with
/// 4 MiB, 600,000 datagrams at 200,000 a second were received without loss on two shared processors.
pub const RECEIVE_BUFFER: usize = 4 << 20;

/// What a socket should be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Local address and port; port 0 lets the system choose one.
    pub bind: SocketAddr,
    /// It is there to send to everybody: SO_BROADCAST over IPv4. Never on a socket that answers.
    pub broadcast: bool,
    /// SO_REUSEPORT: other sockets of the same user may have the same port. SO_REUSEADDR is never set: on Linux it lets
    /// any user take a port over.
    pub share: bool,
    /// IP_TTL and IP_MULTICAST_TTL, or the hop limits: routers that it may pass, and one. `None` leaves the system's own.
    pub ttl: Option<u8>,
    /// IP_TOS, or IPV6_TCLASS: the whole byte, DSCP and ECN (RFC 2474, RFC 3168).
    pub tos: Option<u8>,
    /// Forbid fragmentation: what exceeds the interface's MTU is refused, and what exceeds that of a router on the way is lost
    /// there, and comes back as a refusal if the router says so. What the system has noted of the path is not believed: on Linux
    /// one forged message would do to refuse everything else.
    pub dont_fragment: bool,
    /// SO_SNDBUF in bytes; `None` leaves the system's own, or, where that holds no long datagram, takes what does.
    pub send_buffer: Option<usize>,
    /// SO_RCVBUF in bytes. What the system grants may be less: [`Endpoint::granted`] tells.
    pub receive_buffer: usize,
    /// Connect to this peer: only it is heard.
    pub connect: Option<SocketAddr>,
    /// Trains of datagrams are taken whole from the kernel and parted here (UDP_GRO, udp(7)), and handed over whole also for other
    /// hosts (UDP_SEGMENT). The kernel counts a train that it drops as one datagram, so what it says of drops is then the least
    /// there were. Wants a [`Batch`](crate::net::Batch) of whole datagrams: what is behind the end of a shorter buffer is
    /// truncated, of each datagram of a train. Linux alone has it; elsewhere it is refused.
    pub offload: bool,
    /// A full send buffer is waited for. A server must not: whoever fills it would stop it for everybody.
    pub patient: bool,
}

impl Options {
    /// A plain socket on `bind`.
    pub const fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            broadcast: false,
            share: false,
            ttl: None,
            tos: None,
            dont_fragment: false,
            send_buffer: None,
            receive_buffer: RECEIVE_BUFFER,
            connect: None,
            offload: false,
            patient: true,
        }
    }

    /// Makes the socket.
    ///
    /// # Errors
    /// [`Error::System`] with what was being done and on what.
    pub fn open(&self) -> Result<Endpoint, Error> {
        let family = Family::of(self.bind.ip());
        let domain = Domain::for_address(self.bind);
        let opened = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP));
        let socket = opened.map_err(|error| self.failed(Action::Open, &error))?;
        let must = |option, result: io::Result<()>| result.map_err(|error| self.failed(Action::Set(option), &error));

        // What must be: without it the run would not do what was asked.
        if family == Family::V6 {
            must("IPV6_V6ONLY", socket.set_only_v6(true))?;
        }
        if self.broadcast && family == Family::V4 {
            must("SO_BROADCAST", socket.set_broadcast(true))?;
        }
        if self.share {
            must("SO_REUSEPORT", sys::share_port(&socket))?;
        } else {
            must("SO_EXCLUSIVEADDRUSE", sys::claim_port(&socket))?;
        }
        if let Some(ttl) = self.ttl {
            must("IP_TTL", set_ttl(&socket, family, ttl))?;
        }
        if let Some(tos) = self.tos {
            must("IP_TOS", set_tos(&socket, family, tos))?;
        }
        if self.dont_fragment {
            must("IP_MTU_DISCOVER", sys::forbid_fragments(&socket, family))?;
        }
        if self.offload {
            must("UDP_GRO", sys::want_trains(&socket))?;
        }
        must("IP_PKTINFO", sys::want_destination(&socket, family))?;

        // What may be: more exact times, fuller reports, larger buffers. What was granted is read back.
        sys::want_details(&socket, family);
        if let Some(bytes) = self.send_buffer.or(sys::SEND_BUFFER) {
            let _unheeded = socket.set_send_buffer_size(bytes);
        }
        let _unheeded = socket.set_recv_buffer_size(self.receive_buffer);
        let granted = Granted { receive_buffer: socket.recv_buffer_size().ok().map(|size| size / sys::BUFFER_FACTOR) };

        socket.bind(&self.bind.into()).map_err(|error| self.failed(Action::Bind, &error))?;
        if let Some(peer) = self.connect {
            socket.connect(&peer.into()).map_err(|error| system(Action::Connect, peer.to_string(), &error))?;
        }
        Endpoint::new(socket, self, granted).map_err(|error| self.failed(Action::Open, &error))
    }

    /// Makes so many sockets with one address and port: the first, and the others. The system gives whoever sends, by address and
    /// port, to one of them, and a broadcast to all (SO_REUSEPORT, socket(7)). As with one socket, the port must be nobody's, unless it is
    /// to be shared. Once they are there, though, another program of the same user can join them: Linux asks the sockets
    /// for the option when somebody comes and when it chooses one of them, and has no other way to close the group.
    ///
    /// # Errors
    /// Those of [`Options::open`].
    pub fn open_together(&self, count: usize) -> Result<(Endpoint, Vec<Endpoint>), Error> {
        let first = self.open()?;
        if count > 1 && !self.share {
            // Only now: it had to have the port for itself.
            let shared = sys::share_port(&first.bound().socket);
            shared.map_err(|error| self.failed(Action::Set("SO_REUSEPORT"), &error))?;
        }
        let other = Self { bind: first.local(), share: true, ..self.clone() };
        let mut others = (1..count).map(|_| other.open()).collect::<Result<Vec<_>, _>>()?;
        for crowd in others.iter_mut().filter_map(|other| other.crowd.as_mut()) {
            if let Some(all) = &first.crowd {
                all.take_in(crowd);
            }
        }
        Ok((first, others))
    }

    fn failed(&self, action: Action, error: &io::Error) -> Error {
        system(action, self.bind.to_string(), error)
    }
}

fn set_ttl(socket: &Socket, family: Family, ttl: u8) -> io::Result<()> {
    let ttl = u32::from(ttl);
    match family {
        // Multicast has a limit of its own, which stays at 1 unless it is set as well.
        Family::V4 => socket.set_ttl_v4(ttl).and_then(|()| socket.set_multicast_ttl_v4(ttl)),
        Family::V6 => socket.set_unicast_hops_v6(ttl).and_then(|()| socket.set_multicast_hops_v6(ttl)),
    }
}

fn set_tos(socket: &Socket, family: Family, tos: u8) -> io::Result<()> {
    match family {
        Family::V4 => socket.set_tos_v4(tos.into()),
        Family::V6 => sys::set_traffic_class(socket, tos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_socket_that_answers_cannot_broadcast_and_its_port_is_its_own() {
        let answering = Options::new((Ipv4Addr::LOCALHOST, 0).into()).open().unwrap();
        let socket = &answering.bound().socket;
        assert!(!socket.broadcast().unwrap() && !socket.reuse_address().unwrap());
        let asking = Options { broadcast: true, ..Options::new((Ipv4Addr::LOCALHOST, 0).into()) }.open().unwrap();
        assert!(asking.bound().socket.broadcast().unwrap());
        #[cfg(unix)]
        assert!(!socket.reuse_port().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sockets_that_are_together_have_one_port_and_join_nobody_else_s() {
        for loopback in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let options = Options::new((loopback, 0).into());
            let (first, others) = options.open_together(3).unwrap();
            assert_eq!(others.iter().map(Endpoint::local).collect::<Vec<_>>(), [first.local(); 2]);
            let taken = Options::new(first.local());
            assert!(taken.open().is_err() && taken.open_together(2).is_err());
            // Nor those who would share it with them.
            let shared = Options { share: true, ..options.clone() }.open().unwrap();
            assert!(Options::new(shared.local()).open_together(2).is_err());
            assert!(Options { share: true, ..Options::new(shared.local()) }.open_together(2).is_ok());
        }
        let (alone, others) = Options::new((Ipv4Addr::LOCALHOST, 0).into()).open_together(1).unwrap();
        assert!(others.is_empty() && !alone.bound().socket.reuse_port().unwrap());
    }

    #[cfg(all(target_os = "linux", not(halloo_portable)))]
    #[test]
    fn icmp_errors_wait_in_a_queue_of_their_own() {
        use nix::sys::socket::{getsockopt, sockopt};
        let open = |bind: SocketAddr| Options::new(bind).open();
        let four = open((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert!(getsockopt(&*four.bound().socket, sockopt::Ipv4RecvErr).unwrap());
        let six = open((Ipv6Addr::LOCALHOST, 0).into()).unwrap();
        assert!(getsockopt(&*six.bound().socket, sockopt::Ipv6RecvErr).unwrap());
    }
}
