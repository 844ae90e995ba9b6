//! Errors by their remedy, on every Unix.

use std::io;

use crate::model::Fault;
use crate::model::error::FaultKind;

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
