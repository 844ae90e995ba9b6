//! Datagrams between two programs of one host (AF_UNIX, unix(7)): the contrast to UDP on loopback. What is sent waits in the
//! sender's own buffer until it is read, so nothing is lost; a full buffer is told to the sender.

use std::io::Read;
use std::time::Duration;

use socket2::Socket;

use crate::model::Fault;
use crate::net::{patience, sys};

/// One end of a pair of sockets.
#[derive(Debug)]
pub struct PairEnd(Socket);

impl PairEnd {
    /// Two ends that belong together. Neither ever waits.
    ///
    /// # Errors
    /// Those of socketpair(2); that there is no such thing, where there is not.
    pub fn pair() -> Result<(Self, Self), Fault> {
        let open = || {
            let (one, other) = sys::pair()?;
            one.set_nonblocking(true)?;
            other.set_nonblocking(true)?;
            Ok((Self(one), Self(other)))
        };
        open().map_err(|error: std::io::Error| sys::fault(&error))
    }

    /// Sends one datagram to the other end.
    ///
    /// # Errors
    /// Those of send(2): EAGAIN where a sender that waits would have to wait.
    pub fn send(&self, payload: &[u8]) -> Result<(), Fault> {
        self.0.send(payload).map(|_| ()).map_err(|error| sys::fault(&error))
    }

    /// Reads one datagram; `None` if there is none.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn receive(&self, cup: usize) -> Result<Option<Vec<u8>>, Fault> {
        let mut bytes = vec![0; cup];
        let read = patience::read(&self.0, Duration::ZERO, || (&self.0).read(&mut bytes))?;
        Ok(read.map(|len| {
            bytes.truncate(len);
            bytes
        }))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_is_told_and_nothing_is_lost() {
        const MOST: usize = 100_000;
        let (alice, bob) = PairEnd::pair().unwrap();
        let taken = (0..MOST).take_while(|_| alice.send(b"x").is_ok()).count();
        assert!((1..MOST).contains(&taken), "{taken}");
        let read = std::iter::from_fn(|| bob.receive(1).unwrap()).count();
        assert_eq!(read, taken);
        alice.send(b"").unwrap();
        assert_eq!(bob.receive(1).unwrap(), Some(Vec::new()));
    }
}
