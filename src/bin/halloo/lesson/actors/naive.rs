//! Programs with nothing added, and what their calls say.

use std::net::{Ipv4Addr, SocketAddr};

use halloo::model::Fault;
use halloo::net::bare::{Bare, Gulp};
use halloo::net::error_name;
use halloo::net::stream::{Listener, Stream};

use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Trouble};

/// The two ends of a TCP connection over loopback: who connected, and who took it.
pub(crate) fn stream_pair() -> Result<(Stream, Stream), Trouble> {
    let listener = Listener::bind(LOOPBACK, 1).doing("listen over TCP")?;
    let address = listener.local().doing("listen over TCP")?;
    let alice = Stream::connect(address, PATIENCE).doing("connect")?;
    let bob = listener.accept().doing("accept")?;
    Ok((alice, bob))
}

/// An address of this host where nobody listens: one that the system gave a moment ago, given back. On Linux, where all of
/// 127.0.0.0/8 is this host, it is not that of [`LOOPBACK`]: else the next socket there might be given the same port.
pub(crate) fn nobody() -> Result<SocketAddr, Trouble> {
    let ip = if cfg!(target_os = "linux") { Ipv4Addr::new(127, 0, 0, 9) } else { Ipv4Addr::LOCALHOST };
    Bare::bind((ip, 0).into()).and_then(|bare| bare.local()).doing("find a free port")
}

/// A port that is as good as closed: nobody listens at that of discard (RFC 863).
pub(crate) const DISCARD: u16 = 9;

/// A socket with nothing added, on loopback.
pub(crate) fn open() -> Result<Bare, Trouble> {
    Bare::bind(LOOPBACK).doing("open a port")
}

/// What the record says of a read that nothing came to.
pub(crate) const NOTHING: &str = "-";

/// What a read gave: the text of what came, that nothing came, or the name of an error.
pub(crate) fn read_as(read: Result<Option<Gulp>, Fault>) -> String {
    match read {
        Ok(gulp) => gulp.map_or_else(|| NOTHING.to_owned(), |gulp| as_text(&gulp.bytes)),
        Err(fault) => error_name(fault),
    }
}

/// What a send or a connect said: `ok`, or the name of its error.
pub(crate) fn said<T>(result: &Result<T, Fault>) -> String {
    result.as_ref().map_or_else(|fault| error_name(*fault), |_| "ok".to_owned())
}

/// A payload as text.
pub(crate) fn as_text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}
