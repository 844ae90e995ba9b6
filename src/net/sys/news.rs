//! News of interfaces and addresses, told by the kernel (rtnetlink(7)).

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, SockFlag, bind, recv};
use socket2::Socket;

use crate::net::sys::Waiter;
use crate::net::sys::netlink::open;

/// The groups of what is told: interfaces, IPv4 addresses, IPv6 addresses.
const GROUPS: u32 = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;

/// Room for the header of a message: the kernel throws away the rest (netlink(7)). What the news are is not read: the table of
/// interfaces is.
const PIECE: usize = 16;

/// A socket that the kernel tells of every change.
pub(crate) struct News(Arc<Socket>);

impl News {
    /// Listens from now on, in the network of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = open(SockFlag::SOCK_NONBLOCK)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Self(Arc::new(socket.into())))
    }

    /// What to wait for.
    pub(crate) fn socket(&self) -> Option<Arc<Socket>> {
        Some(Arc::clone(&self.0))
    }

    /// Whether a wait has found something there.
    pub(crate) fn found_by(&self, waiter: &Waiter) -> bool {
        waiter.found(&self.0)
    }

    /// Takes what there is, and says whether there was anything.
    pub(crate) fn take(&self) -> bool {
        let (mut piece, mut any) = ([0; PIECE], false);
        loop {
            match recv(self.0.as_raw_fd(), &mut piece, MsgFlags::MSG_DONTWAIT) {
                // More than the socket holds was told at once: that is news as well.
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(Errno::EINTR) => {}
                Err(_) => return any,
            }
        }
    }
}
