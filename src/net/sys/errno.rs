//! Errors by their remedy, on every Unix.

use std::io;

use crate::model::Fault;
use crate::model::error::FaultKind;

/// The name that the system's own pages have for an error: `ECONNREFUSED` (errno(3)).
pub(crate) fn name(code: i32) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(code))
}

/// An error of the system by its remedy.
pub(crate) fn fault(error: &io::Error) -> Fault {
    let kind = match error.raw_os_error() {
        Some(libc::EMSGSIZE) => FaultKind::TooLong,
        Some(libc::ENOBUFS) => FaultKind::QueueFull,
        Some(libc::ENODEV | libc::ENXIO) => FaultKind::NoDevice,
        Some(libc::EHOSTDOWN) => FaultKind::HostUnreachable,
        Some(libc::EMFILE | libc::ENFILE) => FaultKind::OutOfResources,
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOPROTOOPT) => FaultKind::Unsupported,
        _ => super::kind_of(error),
    };
    Fault { kind, code: error.raw_os_error() }
}
