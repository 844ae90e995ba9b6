//! Network namespaces without names: each lives as long as a descriptor, a socket or a process in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use super::enclosure::OWN_NETWORK;
use super::netlink::Netlink;

/// A network namespace, and a way to its interfaces.
#[derive(Debug)]
pub(super) struct Namespace {
    descriptor: OwnedFd,
    pub(super) netlink: Netlink,
}

impl Namespace {
    /// Makes one. The calling thread is in its old one again afterwards.
    pub(super) fn make() -> io::Result<Self> {
        let away = Away::begin()?;
        unshare(CloneFlags::CLONE_NEWNET)?;
        let made = Self { descriptor: own()?, netlink: Netlink::open()? };
        away.back()?;
        Ok(made)
    }

    /// Runs something there.
    pub(super) fn within<T>(&self, run: impl FnOnce() -> T) -> io::Result<T> {
        let away = Away::begin()?;
        setns(&self.descriptor, CloneFlags::CLONE_NEWNET)?;
        let result = run();
        away.back()?;
        Ok(result)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The namespace of the calling thread.
fn own() -> io::Result<OwnedFd> {
    File::open(OWN_NETWORK).map(OwnedFd::from)
}

/// A thread away from its own network. It comes back when this is dropped, even if it panics.
struct Away {
    /// `None`: it has come back.
    home: Option<OwnedFd>,
}

impl Away {
    fn begin() -> io::Result<Self> {
        Ok(Self { home: Some(own()?) })
    }

    /// Comes back, and says whether that worked.
    fn back(mut self) -> io::Result<()> {
        self.go_home()
    }

    fn go_home(&mut self) -> io::Result<()> {
        match self.home.take() {
            Some(home) => Ok(setns(home, CloneFlags::CLONE_NEWNET)?),
            None => Ok(()),
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // On the way of an error or a panic that one is told, not this one.
        let _unheeded = self.go_home();
    }
}
