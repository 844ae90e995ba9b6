//! What the kernel knows of one neighbour (rtnetlink(7), RTM_GETNEIGH). Anybody may ask.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{MsgFlags, SockFlag, recv, send};

use crate::net::crowd::Acquaintance;
use crate::net::sys::netlink::{self, attribute, half, messages, open};

/// Where the state stands in `struct ndmsg` (linux/neighbour.h): behind family, padding and interface.
const STATE: usize = 8;

/// Room for an answer: less than 200 bytes; an error repeats the question.
const ANSWER: usize = 1024;

/// Its hardware address is asked for, or was in vain.
const SOUGHT: u16 = libc::NUD_INCOMPLETE | libc::NUD_FAILED;

/// Nothing waits for the hardware address: it is there, or none is needed (net/neighbour.h of the kernel, NUD_VALID).
const VALID: u16 =
    libc::NUD_REACHABLE | libc::NUD_STALE | libc::NUD_DELAY | libc::NUD_PROBE | libc::NUD_NOARP | libc::NUD_PERMANENT;

/// Asks the kernel of neighbours, one by one.
#[derive(Debug)]
pub(crate) struct Neighbours(OwnedFd);

impl Neighbours {
    /// In the network of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        open(SockFlag::SOCK_NONBLOCK).map(Self)
    }

    /// What is known of this address at the interface of this number. `None` where the kernel does not tell: before Linux 5.0,
    /// or where a sandbox forbids the question.
    pub(crate) fn ask(&self, address: IpAddr, index: u32) -> Option<Acquaintance> {
        send(self.0.as_raw_fd(), &question(address, index), MsgFlags::MSG_DONTWAIT).ok()?;
        let mut answer = [0; ANSWER];
        // The kernel answers before the send returns.
        let len = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
        read(answer.get(..len)?)
    }
}

fn question(address: IpAddr, index: u32) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let mut body = vec![family as u8, 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend([0; 4]);
    body.extend(attribute(libc::NDA_DST, &octets));
    // No number: there is one question at a time.
    netlink::question(libc::RTM_GETNEIGH, 0, 0, &body)
}

fn read(answer: &[u8]) -> Option<Acquaintance> {
    let message = messages(answer).next()?;
    match () {
        () if message.kind == libc::RTM_NEWNEIGH => Some(match half(message.body, STATE)? {
            state if state & VALID != 0 => Acquaintance::Known,
            state if state & SOUGHT != 0 => Acquaintance::Sought,
            _ => Acquaintance::Unknown,
        }),
        () if message.is(libc::NLMSG_ERROR) => {
            (message.error().raw_os_error() == Some(libc::ENOENT)).then_some(Acquaintance::Unknown)
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(state: u16) -> Option<Acquaintance> {
        let mut body = [0; STATE + 4];
        body[STATE..STATE + 2].copy_from_slice(&state.to_ne_bytes());
        read(&netlink::question(libc::RTM_NEWNEIGH, 0, 0, &body))
    }

    #[test]
    fn a_neighbour_is_known_while_its_hardware_address_is() {
        for known in [0x02, 0x04, 0x08, 0x10, 0x40, 0x80] {
            assert_eq!(told(known), Some(Acquaintance::Known));
        }
        assert_eq!((told(0x01), told(0x20)), (Some(Acquaintance::Sought), Some(Acquaintance::Sought)));
        assert_eq!(told(0), Some(Acquaintance::Unknown));
    }

    #[test]
    fn this_kernel_knows_nobody_at_loopback_or_does_not_tell() {
        let neighbours = Neighbours::open().unwrap();
        for nobody in ["127.9.9.9", "fe80::9:9:9"] {
            let told = neighbours.ask(nobody.parse().unwrap(), 1);
            assert!(matches!(told, None | Some(Acquaintance::Unknown)), "{told:?}");
            // The answer was read: the next question has its own.
            assert_eq!(neighbours.ask(nobody.parse().unwrap(), 1), told);
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&bytes);
        }
    }
}
