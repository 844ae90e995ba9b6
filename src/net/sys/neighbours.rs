//! What the kernel knows of one neighbour (rtnetlink(7), RTM_GETNEIGH). Anybody may ask.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket as open};
use socket2::Socket;

use crate::net::crowd::Acquaintance;

/// Bytes of `struct nlmsghdr` (linux/netlink.h) and of `struct ndmsg` (linux/neighbour.h).
const HEADER: usize = 16;
const BODY: usize = 12;

/// Where the state stands in an answer: behind family, padding and interface.
const STATE: usize = HEADER + 8;

/// Room for an answer: less than 200 bytes; an error repeats the question.
const ANSWER: usize = 1024;

const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const NDA_DST: u16 = 1;

/// Its hardware address is asked for, or was in vain (linux/neighbour.h): NUD_INCOMPLETE, NUD_FAILED.
const SOUGHT: u16 = 0x01 | 0x20;

/// What waits until the hardware address is there: the above, and what nobody has asked for yet (NUD_NONE).
const VALID: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;

/// Asks the kernel of neighbours, one by one.
#[derive(Debug)]
pub(crate) struct Neighbours(Socket);

impl Neighbours {
    /// In the network of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        Ok(Self(open(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?.into()))
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
    let attribute = 4 + octets.len();
    let mut bytes = ((HEADER + BODY + attribute) as u32).to_ne_bytes().to_vec();
    bytes.extend([RTM_GETNEIGH, NLM_F_REQUEST].iter().flat_map(|word| word.to_ne_bytes()));
    // No number, no sender: there is one question at a time.
    bytes.extend([0; 8]);
    bytes.extend([family as u8, 0, 0, 0]);
    bytes.extend(index.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([attribute as u16, NDA_DST].iter().flat_map(|word| word.to_ne_bytes()));
    bytes.extend(octets);
    bytes
}

fn read(answer: &[u8]) -> Option<Acquaintance> {
    let word = |at: usize| answer.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes);
    match word(4)? {
        RTM_NEWNEIGH => Some(match word(STATE)? {
            state if state & VALID != 0 => Acquaintance::Known,
            state if state & SOUGHT != 0 => Acquaintance::Sought,
            _ => Acquaintance::Unknown,
        }),
        NLMSG_ERROR => {
            let error = answer.get(HEADER..HEADER + 4)?.try_into().ok().map(i32::from_ne_bytes)?;
            (error == -(Errno::ENOENT as i32)).then_some(Acquaintance::Unknown)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(state: u16) -> Option<Acquaintance> {
        let mut answer = vec![0; HEADER + BODY];
        answer[4..6].copy_from_slice(&RTM_NEWNEIGH.to_ne_bytes());
        answer[STATE..STATE + 2].copy_from_slice(&state.to_ne_bytes());
        read(&answer)
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
