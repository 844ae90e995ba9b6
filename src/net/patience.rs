//! Calls on one socket that wait for it, for so long and no longer.
//!
//! The socket itself never blocks: the call is tried, and tried again when the socket has news. So a wait ends by its
//! deadline, which neither a signal moves nor Ctrl-Z and fg (EINTR, signal(7)), and no option of the socket is changed.

use std::io::{self, ErrorKind};
use std::time::Duration;

use socket2::Socket;

use crate::model::Fault;
use crate::net::deadline::Deadline;
use crate::net::sys::{self, Wish};

/// Makes a call that reads until it need not wait, for as long as `patience`: `None` when that is over.
pub(super) fn read<T>(
    socket: &Socket,
    patience: Duration,
    call: impl FnMut() -> io::Result<T>,
) -> Result<Option<T>, Fault> {
    until(socket, Wish::Read, Deadline::after(patience), call).map_err(|error| sys::fault(&error))
}

/// Makes a call that writes until it need not wait, however long that takes.
pub(super) fn write<T>(socket: &Socket, call: impl FnMut() -> io::Result<T>) -> Result<T, Fault> {
    let written = until(socket, Wish::Write, Deadline::NEVER, call);
    let written = written.and_then(|written| written.ok_or_else(|| ErrorKind::TimedOut.into()));
    written.map_err(|error| sys::fault(&error))
}

/// Waits until there is something to read, an error included, no longer than `patience`. Says whether there is.
pub(super) fn has_news(socket: &Socket, patience: Duration) -> Result<bool, Fault> {
    wait(socket, Wish::Read, Deadline::after(patience)).map_err(|error| sys::fault(&error))
}

fn until<T>(
    socket: &Socket,
    wish: Wish,
    deadline: Deadline,
    mut call: impl FnMut() -> io::Result<T>,
) -> io::Result<Option<T>> {
    loop {
        match call() {
            Ok(done) => return Ok(Some(done)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // News need not be good: a datagram with a wrong checksum is gone when it is read. Then it waits on.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !wait(socket, wish, deadline)? {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// A wait may end early, without a reason.
fn wait(socket: &Socket, wish: Wish, deadline: Deadline) -> io::Result<bool> {
    loop {
        if sys::wait_for(socket, wish, deadline.left())? {
            return Ok(true);
        }
        if deadline.is_over() {
            return Ok(false);
        }
    }
}
