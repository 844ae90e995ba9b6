//! TCP, the contrast: a stream of bytes, where UDP has datagrams. Only as much of it as lessons and tests look at.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::model::{Fault, Segments};
use crate::net::deadline::Deadline;
use crate::net::{patience, sys};

/// Somebody who takes connections.
#[derive(Debug)]
pub struct Listener(TcpListener);

/// One connection.
#[derive(Debug)]
pub struct Stream(TcpStream);

impl Listener {
    /// Listens on `local`, with room for so many connections that nobody has accepted yet.
    ///
    /// # Errors
    /// Those of bind(2) and listen(2).
    pub fn bind(local: SocketAddr, backlog: i32) -> Result<Self, Fault> {
        let open = || {
            let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
            socket.bind(&SockAddr::from(local))?;
            socket.listen(backlog)?;
            Ok(Self(socket.into()))
        };
        open().map_err(|error: std::io::Error| sys::fault(&error))
    }

    /// Its address.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local(&self) -> Result<SocketAddr, Fault> {
        self.0.local_addr().map_err(|error| sys::fault(&error))
    }

    /// The next connection. Waits for it: connect first, which needs no accepting.
    ///
    /// # Errors
    /// Those of accept(2).
    pub fn accept(&self) -> Result<Stream, Fault> {
        let (stream, _) = self.0.accept().map_err(|error| sys::fault(&error))?;
        Stream::new(stream)
    }
}

impl Stream {
    /// Connects, and waits no longer than `patience`.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn connect(peer: SocketAddr, patience: Duration) -> Result<Self, Fault> {
        Self::new(TcpStream::connect_timeout(&peer, patience).map_err(|error| sys::fault(&error))?)
    }

    /// Its own address.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local(&self) -> Result<SocketAddr, Fault> {
        self.0.local_addr().map_err(|error| sys::fault(&error))
    }

    /// Whether small segments leave at once (TCP_NODELAY, tcp(7)).
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn set_no_delay(&self, at_once: bool) -> Result<(), Fault> {
        self.0.set_nodelay(at_once).map_err(|error| sys::fault(&error))
    }

    /// One send(2): as many bytes as it took.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn send_once(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        patience::write(&self.all(), || (&self.0).write(bytes))
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.send_once(rest)?..];
        }
        Ok(())
    }

    /// One recv(2) into a cup of so many bytes, waiting no longer than `patience`: `None` if nothing came, an empty vector
    /// if the peer has ended the stream.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn receive(&mut self, cup: usize, patience: Duration) -> Result<Option<Vec<u8>>, Fault> {
        let mut bytes = vec![0; cup];
        let read = patience::read(&self.all(), patience, || (&self.0).read(&mut bytes))?;
        Ok(read.map(|len| {
            bytes.truncate(len);
            bytes
        }))
    }

    /// Reads until exactly so many bytes are there; `None` if they do not come within `patience` each time, or the stream
    /// ends before.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn receive_exactly(&mut self, wanted: usize, patience: Duration) -> Result<Option<Vec<u8>>, Fault> {
        let mut bytes = Vec::with_capacity(wanted);
        while bytes.len() < wanted {
            match self.receive(wanted - bytes.len(), patience)? {
                Some(more) if !more.is_empty() => bytes.extend(more),
                _ => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    /// Waits until so many bytes can be read, and leaves them where they are. Says whether they came within `patience`, and
    /// before the end. Where the system does not tell of an end behind fewer bytes (Linux does), time runs out instead.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn has(&self, wanted: usize, patience: Duration) -> Result<bool, Fault> {
        // A look that finds fewer bytes does not wait for more: so it is repeated, in steps that no processor notices.
        const STEP: Duration = Duration::from_millis(1);
        let deadline = Deadline::after(patience);
        let mut cup = vec![0; wanted];
        loop {
            // Asked before the look: what came before the end is then seen.
            let ended = sys::has_ended(&self.all());
            match patience::read(&self.all(), deadline.left(), || self.0.peek(&mut cup))? {
                Some(len) if len >= wanted => return Ok(true),
                Some(len) if len == 0 || ended || deadline.is_over() => return Ok(false),
                Some(_) => std::thread::sleep(STEP.min(deadline.left())),
                None => return Ok(false),
            }
        }
    }

    /// What a recv(2) into a cup of so many bytes would give at this moment, left where it is. Nothing if nothing is there.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn look(&self, cup: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; cup];
        let len = patience::read(&self.all(), Duration::ZERO, || self.0.peek(&mut bytes))?;
        bytes.truncate(len.unwrap_or(0));
        Ok(bytes)
    }

    /// Ends the own direction: the peer reads 0 bytes when it has read the rest.
    ///
    /// # Errors
    /// Those of shutdown(2).
    pub fn end(&self) -> Result<(), Fault> {
        self.0.shutdown(Shutdown::Write).map_err(|error| sys::fault(&error))
    }

    /// Its segments so far, where the system counts them.
    pub fn segments(&self) -> Option<Segments> {
        sys::segments(&self.all())
    }

    fn new(stream: TcpStream) -> Result<Self, Fault> {
        // It waits as long as its user says, which a socket that blocks would not.
        stream.set_nonblocking(true).map_err(|error| sys::fault(&error))?;
        Ok(Self(stream))
    }

    /// The same socket, with all the calls that std does not have.
    fn all(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn a_stream_has_no_boundaries_and_an_end() {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), 1).unwrap();
        let mut alice = Stream::connect(listener.local().unwrap(), PATIENCE).unwrap();
        let mut bob = listener.accept().unwrap();
        alice.send(b"hello").unwrap();
        alice.send(b"egg").unwrap();
        assert!(bob.has(8, PATIENCE).unwrap());
        if cfg!(all(target_os = "linux", not(halloo_portable))) {
            let [sent, received] = [&alice, &bob].map(|end| end.segments().unwrap());
            assert_eq!((sent.data_sent, sent.data_received), (2, 0));
            assert_eq!((received.data_sent, received.data_received), (0, 2));
            // A handshake of three: two left, one came.
            assert!(sent.sent >= 4 && sent.received >= 1 && sent.all() == sent.sent + sent.received);
        }
        assert!(!bob.has(9, Duration::ZERO).unwrap());
        assert_eq!((alice.look(9).unwrap(), bob.look(9).unwrap()), (b"".to_vec(), b"helloegg".to_vec()));
        assert_eq!(bob.receive(2, PATIENCE).unwrap().unwrap(), b"he");
        assert_eq!(bob.receive_exactly(6, PATIENCE).unwrap().unwrap(), b"lloegg");
        assert_eq!(bob.receive(9, Duration::ZERO).unwrap(), None);
        alice.send(b"x").unwrap();
        alice.end().unwrap();
        let deadline = Deadline::after(PATIENCE);
        assert!(!bob.has(2, PATIENCE).unwrap());
        assert!(
            !deadline.is_over() || !cfg!(all(target_os = "linux", not(halloo_portable))),
            "it waited for bytes behind the end"
        );
        assert_eq!(bob.receive(9, PATIENCE).unwrap().unwrap(), b"x");
        assert!(!bob.has(1, PATIENCE).unwrap());
        assert_eq!(bob.receive(9, PATIENCE).unwrap().unwrap(), b"");
        assert_eq!(bob.receive_exactly(1, PATIENCE).unwrap(), None);
    }
}
