//! How the kernel is asked over netlink(7), and how its answers are read: messages with attributes. Whoever asks knows what is
//! in them.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// `struct nlmsghdr`: length, type, flags, number, port.
pub(super) const HEADER: usize = 16;

/// `struct rtattr`, in front of each value: length and kind.
const ATTRIBUTE: usize = 4;

/// What begins anywhere begins at a multiple of this (NLMSG_ALIGNTO, RTA_ALIGNTO).
const WORD: usize = 4;

/// A way to ask about the network of the calling thread (rtnetlink(7)), which no program that is started inherits.
///
/// # Errors
/// Those of socket(2): a sandbox may forbid it.
pub(super) fn open(flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    Ok(socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?)
}

// ---- asking --------------------------------------------------------------------------------------------------------

/// A question of this kind (`RTM_GET*`). Its answers have the same number.
pub(super) fn question(kind: u16, flags: libc::c_int, number: u32, body: &[u8]) -> Vec<u8> {
    let len = HEADER + body.len();
    let mut message = Vec::with_capacity(len);
    message.extend((len as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
    message.extend(number.to_ne_bytes());
    // From nobody: the kernel knows the socket.
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

/// An attribute of a question: whole words.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = ATTRIBUTE + value.len();
    let mut bytes = (len as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(len.next_multiple_of(WORD), 0);
    bytes
}

// ---- answers -------------------------------------------------------------------------------------------------------

/// One message of an answer.
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) number: u32,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// Whether it is of this kind, one of those of netlink itself (`NLMSG_*`).
    pub(super) fn is(&self, kind: libc::c_int) -> bool {
        libc::c_int::from(self.kind) == kind
    }

    /// What an NLMSG_ERROR says: `struct nlmsgerr` begins with the error, negative.
    pub(super) fn error(&self) -> io::Error {
        io::Error::from_raw_os_error(word(self.body, 0).map_or(libc::EPROTO, |code| code.cast_signed().wrapping_neg()))
    }
}

/// The messages of one read, as far as they are whole.
pub(super) fn messages(piece: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let len = word(rest, 0)? as usize;
        let message = Message {
            kind: half(rest, 4)?,
            flags: half(rest, 6)?,
            number: word(rest, 8)?,
            body: rest.get(HEADER..len)?,
        };
        rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes of a message, as far as they are whole: kind and value.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len: usize = half(rest, 0)?.into();
        let found = (half(rest, 2)?, rest.get(ATTRIBUTE..len)?);
        rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or_default();
        Some(found)
    })
}

/// The 16 bits that begin there, in this host's order.
pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_ne_bytes(*half))
}

/// The 32 bits that begin there.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_asked_reads_back(kind: u16, number: u32, values in proptest::collection::vec((any::<u16>(), any::<Vec<u8>>()), 0..5)) {
            let body: Vec<u8> = values.iter().flat_map(|(kind, value)| attribute(*kind, value)).collect();
            // Another one stands behind it.
            let bytes = [question(kind, 0, number, &body), question(1, 0, 2, &[])].concat();
            let read: Vec<_> = messages(&bytes).collect();
            prop_assert_eq!((read.len(), read[0].kind, read[0].number), (2, kind, number));
            let told: Vec<_> = attributes(read[0].body).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(told, values);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes: Vec<u8>) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
            prop_assert!(attributes(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn an_error_is_the_system_s() {
        let bytes = question(libc::NLMSG_ERROR as u16, 0, 1, &(-libc::ENOENT).to_ne_bytes());
        let message = messages(&bytes).next().unwrap();
        assert!(message.is(libc::NLMSG_ERROR) && !message.is(libc::NLMSG_DONE));
        assert_eq!(message.error().raw_os_error(), Some(libc::ENOENT));
    }
}
