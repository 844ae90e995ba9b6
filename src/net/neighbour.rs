//! Datagrams between two programs of one host (AF_UNIX, unix(7)): the contrast to UDP on loopback. What is sent waits in the
//! sender's own buffer until it is read, so nothing is lost; a full buffer is told to the sender.

use crate::model::Fault;

/// One end of a pair of sockets.
#[derive(Debug)]
pub struct Neighbour(system::End);

impl Neighbour {
    /// Two ends that belong together. Neither ever waits.
    ///
    /// # Errors
    /// Those of socketpair(2); that there is no such thing, where there is not.
    pub fn pair() -> Result<(Self, Self), Fault> {
        system::pair().map(|(one, other)| (Self(one), Self(other)))
    }

    /// Sends one datagram to the other end.
    ///
    /// # Errors
    /// Those of send(2): EAGAIN where a sender that waits would have to wait.
    pub fn send(&self, payload: &[u8]) -> Result<(), Fault> {
        system::send(&self.0, payload)
    }

    /// Reads one datagram; `None` if there is none.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn receive(&self, cup: usize) -> Result<Option<Vec<u8>>, Fault> {
        system::receive(&self.0, cup)
    }
}

#[cfg(unix)]
mod system {
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;

    use crate::model::Fault;
    use crate::net::sys;

    pub(super) type End = UnixDatagram;

    pub(super) fn pair() -> Result<(End, End), Fault> {
        let open = || {
            let (one, other) = UnixDatagram::pair()?;
            one.set_nonblocking(true)?;
            other.set_nonblocking(true)?;
            Ok((one, other))
        };
        open().map_err(|error: std::io::Error| sys::fault(&error))
    }

    pub(super) fn send(end: &End, payload: &[u8]) -> Result<(), Fault> {
        end.send(payload).map(|_| ()).map_err(|error| sys::fault(&error))
    }

    pub(super) fn receive(end: &End, cup: usize) -> Result<Option<Vec<u8>>, Fault> {
        let mut bytes = vec![0; cup];
        match end.recv(&mut bytes) {
            Ok(len) => {
                bytes.truncate(len);
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(sys::fault(&error)),
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::convert::Infallible;

    use crate::model::Fault;
    use crate::model::error::FaultKind;

    pub(super) type End = Infallible;

    pub(super) const fn pair() -> Result<(End, End), Fault> {
        Err(Fault { kind: FaultKind::Unsupported, code: None })
    }

    pub(super) const fn send(end: &End, _: &[u8]) -> Result<(), Fault> {
        match *end {}
    }

    pub(super) const fn receive(end: &End, _: usize) -> Result<Option<Vec<u8>>, Fault> {
        match *end {}
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_full_buffer_is_told_and_nothing_is_lost() {
        const MOST: usize = 100_000;
        let (alice, bob) = Neighbour::pair().unwrap();
        let taken = (0..MOST).take_while(|_| alice.send(b"x").is_ok()).count();
        assert!((1..MOST).contains(&taken), "{taken}");
        let read = std::iter::from_fn(|| bob.receive(1).unwrap()).count();
        assert_eq!(read, taken);
        alice.send(b"").unwrap();
        assert_eq!(bob.receive(1).unwrap(), Some(Vec::new()));
    }
}
