//! The interfaces and their addresses in two answers of the kernel (rtnetlink(7)).
//!
//! The usual calls ask the same and throw the half of it away: they ask anew for the number of each address, and for the
//! number and the MTU of each interface. On a host with hundreds of them that takes longer than a broadcast by all.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{MsgFlags, NetlinkAddr, SockFlag, recv, sendto};

use crate::model::Link;
use crate::model::interface::Standing;
use crate::net::sys::links::facts;
use crate::net::sys::netlink::{attribute, attributes, messages, open, question, word};
use crate::net::sys::{AddressFacts, LinkFacts, Listed, standing};

/// Bytes of one read: the kernel puts no more into one (linux/netlink.h, netlink_dump).
const PIECE: usize = 32 << 10;

/// `struct ifinfomsg`, in front of an interface's attributes: its number stands at 4, its flags at 8.
const LINK: usize = 16;

/// `struct ifaddrmsg`, in front of an address's attributes: family, length of the prefix, flags, scope, number at 4.
const ADDRESS: usize = 8;

/// Something changed while the answer was given: it may be of two minds (linux/netlink.h, NLM_F_DUMP_INTR).
const CHANGED: u16 = 0x10;

/// How often that is asked again. Where interfaces change all the time no answer stays true.
const AGAIN: u32 = 3;

/// Every interface and every address, as they are in the network of the calling thread.
pub(super) fn list() -> io::Result<Listed> {
    let mut dump = Dump { socket: open(SockFlag::empty())?, piece: vec![0; PIECE], number: 0 };
    let links = dump.all(libc::RTM_GETLINK, &about_links(), libc::RTM_NEWLINK, link)?;
    let addresses = dump.all(libc::RTM_GETADDR, &[0; ADDRESS], libc::RTM_NEWADDR, address)?;
    Ok(Listed { links, addresses })
}

/// About every interface, without its counters, which are half of the answer.
fn about_links() -> Vec<u8> {
    let mut body = vec![0; LINK];
    body.extend(attribute(libc::IFLA_EXT_MASK, &libc::RTEXT_FILTER_SKIP_STATS.to_ne_bytes()));
    body
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
        about: &[u8],
        answer: u16,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..AGAIN {
            let (found, changed) = self.once(kind, about, answer, &read)?;
            if !changed {
                return Ok(found);
            }
        }
        self.once(kind, about, answer, &read).map(|(found, _)| found)
    }

    fn once<T>(
        &mut self,
        kind: u16,
        about: &[u8],
        answer: u16,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> io::Result<(Vec<T>, bool)> {
        self.ask(kind, about)?;
        let (mut found, mut changed) = (Vec::new(), false);
        loop {
            let got = self.next_piece()?;
            for message in messages(&self.piece[..got]).filter(|message| message.number == self.number) {
                changed |= message.flags & CHANGED != 0;
                match () {
                    () if message.is(libc::NLMSG_DONE) => return Ok((found, changed)),
                    () if message.is(libc::NLMSG_ERROR) => return Err(message.error()),
                    () if message.kind == answer => found.extend(read(message.body)),
                    () => {}
                }
            }
        }
    }

    fn ask(&mut self, kind: u16, about: &[u8]) -> io::Result<()> {
        self.number += 1;
        let question = question(kind, libc::NLM_F_DUMP, self.number, about);
        sendto(self.socket.as_raw_fd(), &question, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
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
    let (prefix, flags, index) = (*body.get(1)?, u32::from(*body.get(2)?), word(body, 4)?);
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
        fn no_answer_panics(bytes: Vec<u8>) {
            drop((link(&bytes), address(&bytes)));
        }
    }
}
