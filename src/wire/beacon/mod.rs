//! The datagrams by which services are found: `HLO1`.
//!
//! A datagram is a header of 8 bytes, a body, and a MAC of 32 bytes if the flags say so; nothing is behind it. Numbers in
//! the header are big-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic, `HLO1`; another one is another protocol |
//! | 4 | 1 | kind: 1 query, 2 reply, 3 announce, 4 goodbye; others are skipped |
//! | 5 | 1 | flags: 0x01 a MAC follows; 0xf0 whoever does not know the bit skips the datagram; the rest means nothing yet |
//! | 6 | 2 | bytes of the body |
//!
//! The body is one CBOR map (RFC 8949) with text keys, so that any CBOR tool opens it and names can be read in a capture.
//! Unknown keys are skipped. A reader refuses: more than 1,400 bytes in all, lengths that are not definite, tags, keys that
//! are no text or there twice, more than 24 keys in one map, more than 3 levels, and a known key with a
//! value that it cannot have. An IPv4 address within an IPv6 one (`::ffff:a.b.c.d`) is read as that IPv4 address.
//!
//! | key | in | value |
//! |---|---|---|
//! | `n` | query | 32 random bytes, the nonce: new for each round |
//! | `w` | query | milliseconds, 1 to 10,000: answer at a random moment within them, uniformly |
//! | `t` | query, reply, announce | the type: 1 to 32 of `a-z 0-9 . _ -`; in a query it may be missing and means any |
//! | `lo`, `hi` | query | only instances whose place (below) is from `lo` to `hi`; missing: 0 and 2^32 - 1 |
//! | `kn` | query | byte string: places of instances that need not answer, 4 bytes each, big-endian, ascending; at most 300 |
//! | `pad` | query | byte string of anything: makes room for the reply, which is never longer than the query |
//! | `e` | reply | the first 8 bytes of the nonce |
//! | `a` | reply | 4 or 16 bytes: the address that the responder answers from; not unspecified, multicast or 255.255.255.255 |
//! | `m` | reply | `true`: attributes are left out, for want of room |
//! | `id` | reply, announce, goodbye | 8 bytes: the instance, random, the same for ever |
//! | `b` | reply, announce, goodbye | 32-bit number: random, drawn when the responder starts |
//! | `q` | reply, announce, goodbye | 32-bit number: counts the messages since that start |
//! | `nm` | reply, announce | the name: text of 1 to 63 bytes |
//! | `p` | reply, announce | the port of the service, 1 to 65535 |
//! | `ad` | reply, announce | 4 or 16 bytes: the address to use the service by, where it is not `a`; as `a`, and no loopback |
//! | `at` | reply, announce | a map of text to text: at most 16 pairs, keys of 1 to 32 printable ASCII characters without `=`, values of at most 200 bytes |
//! | `ttl` | reply, announce | seconds, 1 to 65535: how long it holds unheard |
//!
//! **Place.** An instance has a place on a ring of 2^32 that is another for every nonce. With the nonce's first 24 bytes
//! read as three big-endian 64-bit numbers `x`, `y`, `z`, and the instance's 8 bytes as two 32-bit numbers `u`, `v`, it is
//! the upper half of `(x + u) * (y + v) + z`, all modulo 2^64. For any two instances drawn before the nonce the places
//! are independent and uniform (Thorup, "High speed hashing for integers and strings", pair-multiply-shift), so that
//! nobody can choose an identity that hides another one, and a collision does not survive a round.
//!
//! **MAC.** HMAC-SHA-256 (RFC 2104) with the secret over a label and the datagram up to the MAC. The labels are
//! `halloo1 query`, `halloo1 reply` with the whole nonce of 32 bytes behind it, `halloo1 announce`, `halloo1 goodbye`. A
//! reply is fresh because the nonce is the asker's own; no clock is involved. An announcement and a goodbye can be sent
//! again by anybody who heard them: they are hints, to ask about.
//!
//! Sizes in bytes of UDP payload, with a name of 11 bytes, a type of 4 and attributes `version=1.4.2 os=linux
//! room=lab-2` (a test keeps this table right); up to 190 bytes, a default Linux receive buffer holds 256 datagrams:
//!
//! | | query | query, 300 known | reply, IPv4 | reply, IPv6 | reply, no attributes | announce | goodbye |
//! |---|---|---|---|---|---|---|---|
//! | without a secret | 192 | 1262 | 120 | 132 | 82 | 102 | 31 |
//! | with one | 192 | 1294 | 152 | 164 | 114 | 134 | 63 |

mod cbor;
mod draws;
mod query;
mod read;
mod secret;
mod write;

use std::net::IpAddr;
use std::time::Duration;

pub use draws::Draws;
pub use query::{Known, Places, Query, Window};
pub use read::{Seal, Unreadable, read};
pub use secret::{Secret, WeakSecret};
pub use write::{attributes_told, check_findable};

use crate::model::service::{About, InstanceId};

const MAGIC: [u8; 4] = *b"HLO1";

/// Bytes of the header.
const HEADER: usize = 8;

/// Bytes of the MAC.
const MAC: usize = 32;

/// The most bytes of a datagram: with 28 of IPv4 or 48 of IPv6 it passes a link of 1,500 bytes in one piece, and a tunnel
/// of 1,450 as well.
pub const MOST_BYTES: usize = 1_400;

/// A query has at least so many bytes, so that a reply that is not longer has room for a name, a few attributes and a MAC, and
/// so that up to 256 replies fit into a default Linux receive buffer, which holds fewer above 190 bytes. Not every service that
/// can be written down fits: with the longest name, the longest type, an IPv6 address, another one that is advertised and a
/// MAC it takes 233 bytes, see [`check_findable`].
pub const LEAST_QUERY: usize = 192;

/// The most room that a query can be asked to make: what padding rounds up to must still fit.
pub const MOST_ROOM: usize = MOST_BYTES - 8;

/// Places that a query can list: 1,200 bytes, which leaves room for the rest and the longest type.
pub const MOST_KNOWN: usize = 300;

/// The longest window: longer than any honest asker's, short enough that answers do not pile up.
pub const MOST_WINDOW: Duration = Duration::from_secs(10);

/// `flags`: a MAC follows.
const WITH_MAC: u8 = 0x01;

/// `flags`: whoever does not know one of these skips the datagram.
const MUST_KNOW: u8 = 0xf0;

/// The number that makes a round's answers its own, and unforgeable to whoever does not hear the question.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Nonce(pub [u8; 32]);

/// The first bytes of a nonce: which one a reply answers.
pub type Echo = [u8; 8];

impl Nonce {
    /// The part of it that a reply repeats.
    pub fn echo(&self) -> Echo {
        self.part(0)
    }

    /// The place of an instance on this nonce's ring.
    pub fn place(&self, id: InstanceId) -> u32 {
        let number = |at| u64::from_be_bytes(self.part(at));
        let (upper, lower) = (id.0 >> 32, id.0 & u64::from(u32::MAX));
        let mixed = number(0).wrapping_add(upper).wrapping_mul(number(8).wrapping_add(lower)).wrapping_add(number(16));
        (mixed >> 32) as u32
    }

    fn part(&self, at: usize) -> [u8; 8] {
        std::array::from_fn(|n| self.0[at + n])
    }
}

/// What a responder says of the order of its messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order {
    /// Which start of the responder: random.
    pub boot: u32,
    /// The number of the message since then.
    pub seq: u32,
}

/// "I am."
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Which nonce it answers.
    pub echo: Echo,
    /// The address that the responder answers from, where it knows it.
    pub address: Option<IpAddr>,
    /// Where it stands among the responder's messages.
    pub order: Order,
    /// The service.
    pub about: About,
    /// Attributes were left out.
    pub more: bool,
}

/// "I am", unasked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announce {
    /// Where it stands among the responder's messages.
    pub order: Order,
    /// The service.
    pub about: About,
}

/// "I go."
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Goodbye {
    /// Where it stands among the responder's messages.
    pub order: Order,
    /// Who goes.
    pub id: InstanceId,
}

/// Any of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Kind 1.
    Query(Query),
    /// Kind 2.
    Reply(Reply),
    /// Kind 3.
    Announce(Announce),
    /// Kind 4.
    Goodbye(Goodbye),
}

#[cfg(test)]
mod tests;
