//! Loss on purpose: a filter at a receiving socket, which throws datagrams away before they are queued.
//!
//! This is the kernel's own packet filter (classic BPF, SO_ATTACH_FILTER in socket(7)). At a UDP socket it needs no rights,
//! works on loopback too, and the kernel counts what it throws away as drops of the socket. At a connected TCP socket it
//! throws segments away, which TCP sends again; Linux 6.18 wants CAP_NET_ADMIN in its network for that, which everybody has
//! within an enclosure.
//!
//! It is for tests of programs that have to live with loss, and for a lesson to come; halloo itself has no use for it yet.

use std::fmt;
use std::num::NonZeroU8;
use std::os::fd::AsFd;

use socket2::{SockFilter, SockRef};

use super::error::LabError;

/// Instructions of classic BPF (linux/bpf_common.h, linux/filter.h). Load the length; a word; a byte.
const LOAD_LENGTH: u16 = 0x80;
const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
/// What remains of a division.
const REMAINDER: u16 = 0x94;
/// Skip so many instructions if it is equal, and so many if not; the same for greater or equal.
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
/// Keep so many bytes.
const KEEP: u16 = 0x06;

/// Where a load finds a random word (SKF_AD_OFF + SKF_AD_RANDOM).
const RANDOM: u32 = (-0x1000_i32 + 56).cast_unsigned();

/// A filter at a UDP socket sees the header of UDP first.
const HEADER: u32 = 8;

/// How many words there are.
const WORDS: u64 = 1 << 32;

/// What is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// So many of a hundred, by chance; at most 100. For UDP and TCP.
    Random {
        /// How many of a hundred.
        percent: u8,
    },
    /// Of UDP datagrams those that have a certain number in one byte of the payload: predictable, with a sequence number
    /// there. `byte: 0, of: 3, is: 0` loses every third. What is too short to have that byte is not lost.
    Every {
        /// Which byte of the payload, from 0 on.
        byte: u16,
        /// What the byte is divided by.
        of: NonZeroU8,
        /// What has to remain of the division.
        is: u8,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random { percent } => write!(f, "{percent} % at random"),
            Self::Every { byte, of, is } => write!(f, "those whose byte {byte} leaves {is} of {of}"),
        }
    }
}

/// Loses what arrives at a socket from now on. It replaces what was lost before.
///
/// # Errors
/// [`LabError::System`].
pub fn lose(socket: &impl AsFd, loss: Loss) -> Result<(), LabError> {
    let attached = SockRef::from(socket).attach_filter(&program(loss));
    attached.map_err(LabError::system(format_args!("lose {loss}")))
}

/// Loses nothing any more.
///
/// # Errors
/// [`LabError::System`], also when nothing was lost (ENOENT).
pub fn lose_nothing(socket: &impl AsFd) -> Result<(), LabError> {
    SockRef::from(socket).detach_filter().map_err(LabError::system(format_args!("end the loss")))
}

fn program(loss: Loss) -> Vec<SockFilter> {
    match loss {
        Loss::Random { percent } => random(percent),
        Loss::Every { byte, of, is } => every(HEADER + u32::from(byte), of, is),
    }
}

const fn step(code: u16, value: u32) -> SockFilter {
    SockFilter::new(code, 0, 0, value)
}

/// Keeps what it sees, all of it; or nothing.
const ALL: SockFilter = step(KEEP, u32::MAX);
const NOTHING: SockFilter = step(KEEP, 0);

/// Of the words, so many of a hundred are below the limit.
fn random(percent: u8) -> Vec<SockFilter> {
    match u32::try_from(WORDS * u64::from(percent) / 100) {
        Ok(limit) => vec![step(LOAD_WORD, RANDOM), SockFilter::new(IF_AT_LEAST, 1, 0, limit), NOTHING, ALL],
        Err(_) => vec![NOTHING],
    }
}

fn every(at: u32, of: NonZeroU8, is: u8) -> Vec<SockFilter> {
    vec![
        step(LOAD_LENGTH, 0),
        // Loading a byte behind the end would end the program, and lose the datagram.
        SockFilter::new(IF_AT_LEAST, 0, 4, at + 1),
        step(LOAD_BYTE, at),
        step(REMAINDER, u32::from(of.get())),
        SockFilter::new(IF_EQUAL, 0, 1, u32::from(is)),
        NOTHING,
        ALL,
    ]
}
