//! A UDP socket as a first program has it: one call, one result, nothing added.
//!
//! It has none of the care of [`crate::net::Options`] and [`crate::net::Fanout`]: it reads into a cup of any size and does
//! not say what was spilt, forgets to ask for broadcast, believes whoever answers. It is there to be watched, in lessons
//! and in tests.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::model::Fault;
use crate::net::{patience, sys};

/// A UDP socket with nothing added.
#[derive(Debug)]
pub struct Bare(UdpSocket);

/// What one read gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gulp {
    /// As many bytes as the cup holds, at most.
    pub bytes: Vec<u8>,
    /// Who sent them.
    pub source: SocketAddr,
}

impl Bare {
    /// A socket without an address: the system chooses one when it first sends.
    ///
    /// # Errors
    /// Those of socket(2).
    pub fn unbound(ipv4: bool) -> Result<Self, Fault> {
        let domain = if ipv4 { Domain::IPV4 } else { Domain::IPV6 };
        let open = || {
            let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
            // It waits as long as its user says, which a socket that blocks would not.
            socket.set_nonblocking(true)?;
            Ok(Self(socket.into()))
        };
        open().map_err(|error: std::io::Error| sys::fault(&error))
    }

    /// A socket on `local`; port 0 lets the system choose.
    ///
    /// # Errors
    /// Those of socket(2) and bind(2).
    pub fn bind(local: SocketAddr) -> Result<Self, Fault> {
        let bare = Self::unbound(local.is_ipv4())?;
        SockRef::from(&bare.0).bind(&SockAddr::from(local)).map_err(|error| sys::fault(&error))?;
        Ok(bare)
    }

    /// Its own address, as the system tells it.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local(&self) -> Result<SocketAddr, Fault> {
        self.0.local_addr().map_err(|error| sys::fault(&error))
    }

    /// Fixes the peer. Nothing is sent.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn connect(&self, peer: SocketAddr) -> Result<(), Fault> {
        self.0.connect(peer).map_err(|error| sys::fault(&error))
    }

    /// Forgets the peer again (connect(2) with AF_UNSPEC).
    ///
    /// # Errors
    /// Those of connect(2); that it is not done here, where it is not.
    pub fn disconnect(&self) -> Result<(), Fault> {
        sys::disconnect(&self.all()).map_err(|error| sys::fault(&error))
    }

    /// Allows it to send to broadcast addresses (SO_BROADCAST, socket(7)), or forbids it.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn set_broadcast(&self, may: bool) -> Result<(), Fault> {
        self.0.set_broadcast(may).map_err(|error| sys::fault(&error))
    }

    /// Whether it may.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn may_broadcast(&self) -> Result<bool, Fault> {
        self.0.broadcast().map_err(|error| sys::fault(&error))
    }

    /// Ties it to an interface (SO_BINDTODEVICE, socket(7)): it sends and receives by that one, whatever the routes say.
    ///
    /// # Errors
    /// Those of setsockopt(2); always where the system has no such option.
    pub fn bind_device(&self, interface: &str) -> Result<(), Fault> {
        sys::bind_device(&self.all(), interface).map_err(|error| sys::fault(&error))
    }

    /// Asks for a receive buffer of so many bytes (SO_RCVBUF, socket(7)).
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<(), Fault> {
        self.all().set_recv_buffer_size(bytes).map_err(|error| sys::fault(&error))
    }

    /// Sends one datagram to `destination`.
    ///
    /// # Errors
    /// Those of sendto(2). One that waits from an earlier datagram is reported instead, and nothing is sent.
    pub fn send_to(&self, payload: &[u8], destination: SocketAddr) -> Result<usize, Fault> {
        patience::write(&self.all(), || self.0.send_to(payload, destination))
    }

    /// Sends one datagram to the peer that was fixed.
    ///
    /// # Errors
    /// Those of send(2), as above.
    pub fn send(&self, payload: &[u8]) -> Result<usize, Fault> {
        patience::write(&self.all(), || self.0.send(payload))
    }

    /// Reads one datagram into a cup of so many bytes, and waits no longer than `patience` for it: `None` if none came.
    ///
    /// # Errors
    /// Those of recvfrom(2).
    pub fn receive(&self, cup: usize, patience: Duration) -> Result<Option<Gulp>, Fault> {
        let mut bytes = vec![0; cup];
        let read = patience::read(&self.all(), patience, || self.0.recv_from(&mut bytes))?;
        Ok(read.map(|(len, source)| {
            bytes.truncate(len);
            Gulp { bytes, source }
        }))
    }

    /// Waits until a datagram can be read, no longer than `patience`, and leaves it where it is. Says whether there is one.
    ///
    /// # Errors
    /// Those of recvfrom(2); such an error is then taken from the socket.
    pub fn has_one(&self, patience: Duration) -> Result<bool, Fault> {
        Ok(patience::read(&self.all(), patience, || self.0.peek_from(&mut [0; 1]))?.is_some())
    }

    /// The true length of the datagram that would be read next, where the system tells it; it stays where it is. `None`
    /// also if none comes within `patience`.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn next_len(&self, patience: Duration) -> Result<Option<usize>, Fault> {
        if !self.has_one(patience)? {
            return Ok(None);
        }
        sys::next_len(&self.all()).map_err(|error| sys::fault(&error))
    }

    /// Waits until there is news, no longer than `patience`, and leaves it where it is: a datagram, or an error that the next
    /// call will report. Says whether there is some.
    ///
    /// # Errors
    /// Those of waiting itself.
    pub fn has_news(&self, patience: Duration) -> Result<bool, Fault> {
        patience::has_news(&self.all(), patience)
    }

    /// How many datagrams the kernel has dropped at this socket, where it tells.
    pub fn drops(&self) -> Option<u64> {
        sys::drops(&self.all()).map(u64::from)
    }

    /// The same socket, with all the calls that std does not have.
    fn all(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_os = "linux", not(halloo_portable)))]
    use crate::net::error_name;
    use std::net::Ipv4Addr;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn on_loopback() -> Bare {
        Bare::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap()
    }

    #[test]
    fn a_cup_takes_what_it_holds_and_the_rest_is_gone() {
        let (alice, bob) = (on_loopback(), on_loopback());
        alice.send_to(b"hello", bob.local().unwrap()).unwrap();
        let gulp = bob.receive(2, PATIENCE).unwrap().unwrap();
        assert_eq!((gulp.bytes.as_slice(), gulp.source), (&b"he"[..], alice.local().unwrap()));
        assert_eq!(bob.receive(10, Duration::ZERO).unwrap(), None);
    }

    #[test]
    fn looking_does_not_take() {
        let (alice, bob) = (on_loopback(), on_loopback());
        assert!(!bob.has_one(Duration::ZERO).unwrap());
        alice.send_to(b"", bob.local().unwrap()).unwrap();
        assert!(bob.has_one(PATIENCE).unwrap());
        alice.send_to(b"hello", bob.local().unwrap()).unwrap();
        assert_eq!(bob.receive(1, PATIENCE).unwrap().unwrap().bytes, b"");
        let told = cfg!(all(target_os = "linux", not(halloo_portable))).then_some(5);
        assert_eq!(bob.next_len(PATIENCE).unwrap(), told);
        assert_eq!(bob.receive(9, PATIENCE).unwrap().unwrap().bytes, b"hello");
        assert_eq!(bob.next_len(Duration::ZERO).unwrap(), None);
    }

    #[test]
    #[cfg(all(target_os = "linux", not(halloo_portable)))]
    fn bad_news_waits_for_the_next_call() {
        let (alice, bob) = (on_loopback(), on_loopback());
        alice.connect(bob.local().unwrap()).unwrap();
        drop(bob);
        assert!(!alice.has_news(Duration::ZERO).unwrap());
        alice.send(b"x").unwrap();
        assert!(alice.has_news(PATIENCE).unwrap());
        assert_eq!(error_name(alice.send(b"x").unwrap_err()), "ECONNREFUSED");
    }

    #[test]
    #[cfg(all(target_os = "linux", not(halloo_portable)))]
    fn a_peer_can_be_forgotten() {
        let (alice, bob) = (on_loopback(), on_loopback());
        alice.connect(bob.local().unwrap()).unwrap();
        alice.disconnect().unwrap();
        assert_eq!(error_name(alice.send(b"x").unwrap_err()), "EDESTADDRREQ");
    }

    #[test]
    fn a_peer_that_is_fixed_needs_no_address() {
        let (alice, bob) = (on_loopback(), on_loopback());
        alice.connect(bob.local().unwrap()).unwrap();
        alice.send(b"x").unwrap();
        assert_eq!(bob.receive(1, PATIENCE).unwrap().unwrap().source, alice.local().unwrap());
    }

    #[cfg(all(target_os = "linux", not(halloo_portable)))]
    #[test]
    fn a_socket_stays_with_its_interface() {
        let (alice, bob) = (Bare::unbound(true).unwrap(), on_loopback());
        alice.bind_device("lo").unwrap();
        alice.send_to(b"x", bob.local().unwrap()).unwrap();
        assert_eq!(bob.receive(1, PATIENCE).unwrap().unwrap().bytes, b"x");
        assert!(Bare::unbound(true).unwrap().bind_device("none").is_err());
    }
}
