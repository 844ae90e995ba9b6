//! Sockets of AF_UNIX, on every Unix.

use std::io;

use socket2::{Domain, Socket, Type};

/// Two sockets for datagrams that belong together (socketpair(2)).
pub(crate) fn pair() -> io::Result<(Socket, Socket)> {
    Socket::pair(Domain::UNIX, Type::DGRAM, None)
}
