//! Waiting for descriptors, with timers finer than the milliseconds of poll(2).

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

/// Waits until one of these can be read, no longer than `patience`. A signal ends it early: the caller has a deadline.
pub(super) fn wait<'d>(descriptors: impl IntoIterator<Item = BorrowedFd<'d>>, patience: Duration) -> io::Result<()> {
    let mut waiting: Vec<PollFd> =
        descriptors.into_iter().map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)).collect();
    match ppoll(&mut waiting, Some(TimeSpec::from_duration(patience)), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
