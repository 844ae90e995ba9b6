//! A plain socket of the test's own, on loopback or in a host of a LAN, to catch what the program sends and to ask it.

use std::iter;
use std::net::{SocketAddr, UdpSocket};

use super::PATIENCE;

/// A socket that catches datagrams.
#[derive(Debug)]
pub(crate) struct Catcher(pub(crate) UdpSocket);

impl Catcher {
    /// On 127.0.0.1, on a port that the system chooses.
    pub(crate) fn new() -> Self {
        Self::on("127.0.0.1:0")
    }

    /// On this address.
    pub(crate) fn on(address: &str) -> Self {
        let socket = UdpSocket::bind(address).unwrap_or_else(|error| panic!("cannot bind {address}: {error}"));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// Its address, to send to.
    pub(crate) fn address(&self) -> String {
        self.local().to_string()
    }

    /// Its address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next datagram, waited for, and who sent it.
    #[track_caller]
    pub(crate) fn next(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 1 << 16];
        let (len, source) = self.0.recv_from(&mut buffer).expect("no datagram came");
        buffer.truncate(len);
        (buffer, source)
    }

    /// Every datagram that is there. Over loopback a datagram is there as soon as it is sent, so these are all that a
    /// program sent that has ended.
    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        self.0.set_nonblocking(true).unwrap();
        while let Ok((len, _)) = self.0.recv_from(&mut buffer) {
            all.push(buffer[..len].to_vec());
        }
        self.0.set_nonblocking(false).unwrap();
        all
    }

    /// Everything before the datagram `end`, which is waited for: over a cable, what was sent is there a little later.
    #[track_caller]
    pub(crate) fn up_to(&self, end: &str) -> Vec<(Vec<u8>, SocketAddr)> {
        iter::repeat_with(|| self.next()).take_while(|(bytes, _)| bytes != end.as_bytes()).collect()
    }

    /// Sends these bytes there.
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>, to: &str) {
        self.0.send_to(bytes.as_ref(), to).unwrap();
    }

    /// Sends these bytes there and waits for one answer.
    #[track_caller]
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>, to: &str) -> (Vec<u8>, SocketAddr) {
        self.send(bytes, to);
        self.next()
    }
}

/// An address on loopback where nobody listens: the port was somebody's a moment ago and goes round again last.
pub(crate) fn closed_port() -> String {
    Catcher::new().address()
}
