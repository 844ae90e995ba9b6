//! What a failed receive means. The errors of earlier datagrams come back by it, so what is not known to be about the call itself
//! is soft. A failed send is mostly about itself: which errors may be another datagram's there, and so are worth a second
//! try, is the shorter list of `linux::is_soft`.

use std::io::{Error, ErrorKind};

/// A failed receive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// Nothing is there.
    Empty,
    /// A signal came in between.
    Interrupted,
    /// The port of an earlier datagram is closed (on Windows WSAECONNRESET, error 10054).
    Refused,
    /// About an earlier datagram or an interface: somebody on the network may have caused it, and a server that ends by it
    /// could be ended by a single forged ICMP message (RFC 8085 5.2).
    Soft,
    /// About the call itself: it was made wrong, or cannot be made any more.
    Ours,
}

/// Of the call itself on any Unix: EBADF, ENOTSOCK, EFAULT, EINVAL, ENOMEM (recv(2)).
#[cfg(unix)]
const OURS: &[i32] = &[libc::EBADF, libc::ENOTSOCK, libc::EFAULT, libc::EINVAL, libc::ENOMEM];

/// The same of Windows Sockets: WSA_INVALID_HANDLE, WSA_NOT_ENOUGH_MEMORY, WSAEBADF, WSAEFAULT, WSAEINVAL, WSAENOTSOCK,
/// WSAESHUTDOWN, WSANOTINITIALISED (winsock2.h).
#[cfg(any(windows, test))]
const OURS_ON_WINDOWS: &[i32] = &[6, 8, 10009, 10014, 10022, 10038, 10058, 10093];

#[cfg(windows)]
use OURS_ON_WINDOWS as OURS;

/// What it means on this system.
pub(crate) fn judge(error: &Error) -> Failure {
    judge_by(error, OURS)
}

fn judge_by(error: &Error, ours: &[i32]) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock => Failure::Empty,
        ErrorKind::Interrupted => Failure::Interrupted,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Failure::Refused,
        _ if error.raw_os_error().is_some_and(|code| ours.contains(&code)) => Failure::Ours,
        _ => Failure::Soft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32) -> Failure {
        judge(&Error::from_raw_os_error(code))
    }

    #[test]
    fn only_what_the_call_itself_did_wrong_ends_a_server() {
        for ours in OURS {
            assert_eq!(of(*ours), Failure::Ours);
        }
        assert_eq!((of(libc::EAGAIN), of(libc::EINTR)), (Failure::Empty, Failure::Interrupted));
        assert_eq!((of(libc::ECONNREFUSED), of(libc::ECONNRESET)), (Failure::Refused, Failure::Refused));
        // And a number that no system has yet.
        for soft in [
            libc::EHOSTUNREACH,
            libc::ENETUNREACH,
            libc::EHOSTDOWN,
            libc::ENETDOWN,
            libc::ENETRESET,
            libc::EMSGSIZE,
            libc::EACCES,
            libc::EPERM,
            libc::ENOBUFS,
            libc::EPROTO,
            libc::EOPNOTSUPP,
            libc::EIO,
            9999,
        ] {
            assert_eq!(of(soft), Failure::Soft, "{soft}");
        }
        // What is no error of the system: a datagram without a source.
        assert_eq!(judge(&Error::other("odd")), Failure::Soft);
    }

    #[test]
    fn what_windows_says_of_earlier_datagrams_is_soft() {
        let of = |code| judge_by(&Error::from_raw_os_error(code), OURS_ON_WINDOWS);
        // WSAENETDOWN, WSAENETUNREACH, WSAENETRESET, WSAEHOSTDOWN, WSAEHOSTUNREACH, WSAENOBUFS, WSAEMSGSIZE, WSAEACCES.
        for soft in [10050, 10051, 10052, 10064, 10065, 10055, 10040, 10013] {
            assert_eq!(of(soft), Failure::Soft, "{soft}");
        }
        assert!(OURS_ON_WINDOWS.iter().all(|code| of(*code) == Failure::Ours));
    }
}
