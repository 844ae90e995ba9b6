//! The interfaces and their addresses in two answers of the kernel (rtnetlink(7)).
//!
//! The usual calls ask the same and throw the half of it away: they ask anew for the number of each address, and for the
//! number and the MTU of each interface. On a host with hundreds of them that takes longer than a broadcast by all.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket as open,
};

use crate::model::Link;
use crate::model::interface::Standing;
use crate::net::sys::links::facts;
use crate::net::sys::{AddressFacts, LinkFacts, Listed, standing};

/// Bytes of one read: the kernel puts no more into one (linux/netlink.h, netlink_dump).
const PIECE: usize = 32 << 10;

/// `struct nlmsghdr`: length, type, flags, number, port.
const HEADER: usize = 16;

/// `struct ifinfomsg`, in front of an interface's attributes: its number stands at 4, its flags at 8.
const LINK: usize = 16;

/// `struct ifaddrmsg`, in front of an address's attributes: family, length of the prefix, flags, scope, number at 4.
const ADDRESS: usize = 8;

/// The answer is to leave out the counters, which are half of it (linux/rtnetlink.h, RTEXT_FILTER_SKIP_STATS).
const SKIP_COUNTERS: u32 = 1 << 3;

/// Something changed while the answer was given: it may be of two minds (linux/netlink.h, NLM_F_DUMP_INTR).
const CHANGED: u16 = 0x10;

/// How often that is asked again. Where interfaces change all the time no answer stays true.
const AGAIN: u32 = 3;

/// Every interface and every address, as they are in the network of the calling thread.
pub(super) fn list() -> io::Result<Listed> {
    let socket = open(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    let mut dump = Dump { socket, piece: vec![0; PIECE], number: 0 };
    let links = dump.all(libc::RTM_GETLINK, &link_question(), libc::RTM_NEWLINK, link)?;
    let addresses = dump.all(libc::RTM_GETADDR, &[0; ADDRESS], libc::RTM_NEWADDR, address)?;
    Ok(Listed { links, addresses })
}

/// About every interface, without counters.
fn link_question() -> Vec<u8> {
    let mut question = vec![0; LINK];
    question.extend(8u16.to_ne_bytes());
    question.extend(libc::IFLA_EXT_MASK.to_ne_bytes());
    question.extend(SKIP_COUNTERS.to_ne_bytes());
    question
}

/// A way to ask.
struct Dump {
    socket: OwnedFd,
    piece: Vec<u8>,
    /// The number of the last question, which its answers have, too.
    number: u32,
}

impl Dump {
    /// Everything of a kind, as `read` understands it.
    fn all<T>(
        &mut self,
        kind: u16,
        question: &[u8],
        answer: u16,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..AGAIN {
            let (found, changed) = self.once(kind, question, answer, &read)?;
            if !changed {
                return Ok(found);
            }
        }
        self.once(kind, question, answer, &read).map(|(found, _)| found)
    }

    fn once<T>(
        &mut self,
        kind: u16,
        question: &[u8],
        answer: u16,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> io::Result<(Vec<T>, bool)> {
        self.ask(kind, question)?;
        let (mut found, mut changed) = (Vec::new(), false);
        loop {
            let got = self.next_piece()?;
            for message in messages(&self.piece[..got]).filter(|message| message.number == self.number) {
                changed |= message.flags & CHANGED != 0;
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok((found, changed)),
                    libc::NLMSG_ERROR => return Err(error_of(message.body)),
                    kind if kind == i32::from(answer) => found.extend(read(message.body)),
                    _ => {}
                }
            }
        }
    }

    fn ask(&mut self, kind: u16, question: &[u8]) -> io::Result<()> {
        self.number += 1;
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        let mut message = Vec::with_capacity(HEADER + question.len());
        message.extend(((HEADER + question.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(self.number.to_ne_bytes());
        message.extend(0u32.to_ne_bytes());
        message.extend(question);
        sendto(self.socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        Ok(())
    }

    /// The bytes of the next read. The kernel does not let one wait: it answers while it is asked.
    fn next_piece(&mut self) -> io::Result<usize> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.piece, MsgFlags::MSG_TRUNC) {
                Ok(got) if got <= self.piece.len() => return Ok(got),
                Ok(_) => return Err(io::Error::other("an answer longer than the kernel gives")),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// `struct nlmsgerr` begins with the error, negative.
fn error_of(body: &[u8]) -> io::Error {
    io::Error::from_raw_os_error(word(body, 0).map_or(libc::EPROTO, |code| code.cast_signed().wrapping_neg()))
}

/// One message of an answer.
struct Message<'a> {
    kind: u16,
    flags: u16,
    number: u32,
    body: &'a [u8],
}

fn messages(piece: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let len = word(rest, 0)? as usize;
        let message = Message {
            kind: half(rest, 4)?,
            flags: half(rest, 6)?,
            number: word(rest, 8)?,
            body: rest.get(HEADER..len)?,
        };
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes of a message: kind and value.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len: usize = half(rest, 0)?.into();
        let found = (half(rest, 2)?, rest.get(4..len)?);
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(found)
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_ne_bytes(*half))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

fn link(body: &[u8]) -> Option<LinkFacts> {
    let (index, flags) = (word(body, 4)?, word(body, 8)?);
    let (mut name, mut mtu) = (None, None);
    for (kind, value) in attributes(body.get(LINK..)?) {
        match kind {
            libc::IFLA_IFNAME => name = Some(text(value)),
            libc::IFLA_MTU => mtu = word(value, 0),
            _ => {}
        }
    }
    let link = Link { index, name: name?.into() };
    Some(facts(link, InterfaceFlags::from_bits_truncate(flags.cast_signed()), mtu))
}

fn address(body: &[u8]) -> Option<AddressFacts> {
    let (prefix, flags, index) = (*body.get(1)?, *body.get(2)?, word(body, 4)?);
    let (mut address, mut local, mut name, mut reported) = (None, None, None, None);
    for (kind, value) in attributes(body.get(ADDRESS..)?) {
        match kind {
            libc::IFA_ADDRESS => address = ip(value),
            libc::IFA_LOCAL => local = ip(value),
            libc::IFA_LABEL => name = Some(text(value)),
            libc::IFA_BROADCAST => reported = ipv4(value),
            _ => {}
        }
    }
    // Where there are two, the other one is the peer's.
    let address = local.or(address)?;
    let standing = if address.is_ipv6() { standing::of(flags) } else { Standing::default() };
    Some(AddressFacts { index, name, address, prefix, reported, standing })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    let ipv6 = || <[u8; 16]>::try_from(value).map(Ipv6Addr::from).ok();
    ipv4(value).map(IpAddr::V4).or_else(|| ipv6().map(IpAddr::V6))
}

fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(value).map(Ipv4Addr::from).ok()
}

/// A string of C.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sys::addresses;
    use proptest::prelude::*;

    #[test]
    fn it_says_what_the_usual_calls_say() {
        let usual = addresses::list(|_| crate::net::sys::links::links()).unwrap();
        let own = list().unwrap();
        let flags = |listed: &Listed| {
            let mut told: Vec<_> =
                listed.links.iter().map(|of| format!("{:?}", LinkFacts { mtu: None, ..of.clone() })).collect();
            told.sort();
            told
        };
        assert_eq!(flags(&own), flags(&usual));
        let told = |listed: &Listed| {
            let mut told: Vec<_> = listed.addresses.iter().map(|of| (of.index, of.address, of.prefix)).collect();
            told.sort();
            told
        };
        assert_eq!(told(&own), told(&usual));
        assert!(own.links.iter().any(|of| of.loopback && of.mtu.is_some()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes: Vec<u8>) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
            prop_assert!(attributes(&bytes).count() <= bytes.len());
            drop((link(&bytes), address(&bytes)));
        }
    }
}
