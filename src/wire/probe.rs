//! The probe that `ping` sends and an echo service returns.
//!
//! All numbers are big-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic, `hlo?` |
//! | 4 | 1 | version, 1 |
//! | 5 | 3 | zero |
//! | 8 | 16 | run: random, the same for every probe of a run |
//! | 24 | 4 | sequence number, from 0 |
//! | 28 | 8 | when it was made: nanoseconds since the run began, by the asker's clock; for whoever captures it |
//! | 36 | 4 | CRC-32 (IEEE 802.3) of the whole datagram with these four bytes zero |
//! | 40 | any | padding: byte `i` of the datagram is `i mod 251` |
//!
//! The check covers the padding, so a change of any bit of the datagram shows (RFC 8085 3.4 on checking payloads: the UDP
//! checksum misses what is changed behind it, in a relay or a device).

use std::time::Duration;

const MAGIC: [u8; 4] = *b"hlo?";
const VERSION: u8 = 1;

/// Bytes of a probe without padding.
pub const HEADER: usize = 40;

/// Where the check stands.
const CHECK: std::ops::Range<usize> = 36..40;

/// Which run a probe belongs to. Random, so that answers to another run, another process or a guess do not match.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RunId(pub [u8; 16]);

/// A probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Its run.
    pub run: RunId,
    /// Its number in the run.
    pub seq: u32,
    /// When it was made, since the run began. Cut to 584 years.
    pub made: Duration,
}

/// What some bytes are, seen as a probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// A probe, whole.
    Probe(Probe),
    /// As long as one, and its check fails: changed on the way, or never one.
    Broken,
    /// Too short for one, or whole and of another kind or version.
    Other,
}

impl Probe {
    /// Writes the probe into `bytes`, padded to `len` bytes; at least [`HEADER`].
    pub fn write(&self, len: usize, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&self.run.0);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&u64::try_from(self.made.as_nanos()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend((0..=250u8).cycle().take(len).skip(HEADER));
        let check = crc32fast::hash(bytes);
        bytes[CHECK].copy_from_slice(&check.to_be_bytes());
    }

    /// Reads bytes as a probe.
    pub fn read(bytes: &[u8]) -> Seen {
        let Some((head, padding)) = bytes.split_first_chunk::<HEADER>() else { return Seen::Other };
        if checked(head, padding) != field(head, CHECK.start).map(u32::from_be_bytes) {
            return Seen::Broken;
        }
        if head[..4] != MAGIC || head[4] != VERSION {
            return Seen::Other;
        }
        match (field(head, 8), field(head, 24), field(head, 28)) {
            (Some(run), Some(seq), Some(made)) => Seen::Probe(Self {
                run: RunId(run),
                seq: u32::from_be_bytes(seq),
                made: Duration::from_nanos(u64::from_be_bytes(made)),
            }),
            _ => Seen::Other,
        }
    }
}

fn field<const N: usize>(head: &[u8; HEADER], at: usize) -> Option<[u8; N]> {
    head.get(at..at + N)?.try_into().ok()
}

fn checked(head: &[u8; HEADER], padding: &[u8]) -> Option<u32> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..CHECK.start]);
    hasher.update(&[0; 4]);
    hasher.update(padding);
    Some(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROBE: Probe = Probe { run: RunId([0xab; 16]), seq: 7, made: Duration::from_nanos(0x0102_0304_0506) };

    fn written(probe: Probe, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        probe.write(len, &mut bytes);
        bytes
    }

    #[test]
    fn the_layout_is_as_documented() {
        let bytes = written(PROBE, 44);
        assert_eq!(bytes[..8], *b"hlo?\x01\0\0\0");
        assert_eq!(bytes[8..24], [0xab; 16]);
        assert_eq!(bytes[24..28], [0, 0, 0, 7]);
        assert_eq!(bytes[28..36], [0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(bytes[40..], [40, 41, 42, 43]);
        let mut unchecked = bytes.clone();
        unchecked[CHECK].fill(0);
        assert_eq!(bytes[CHECK], crc32fast::hash(&unchecked).to_be_bytes());
    }

    #[test]
    fn what_is_whole_and_not_ours_is_other() {
        let mut later = written(PROBE, 40);
        later[4] = 2;
        later[CHECK].fill(0);
        let check = crc32fast::hash(&later);
        later[CHECK].copy_from_slice(&check.to_be_bytes());
        assert_eq!(Probe::read(&later), Seen::Other);
        assert_eq!(Probe::read(b"your data was 40 bytes long"), Seen::Other);
        assert_eq!(Probe::read(b""), Seen::Other);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(run: [u8; 16], seq: u32, made: u64, len in 0usize..2000) {
            let probe = Probe { run: RunId(run), seq, made: Duration::from_nanos(made) };
            let bytes = written(probe, len);
            prop_assert_eq!(bytes.len(), len.max(HEADER));
            prop_assert_eq!(Probe::read(&bytes), Seen::Probe(probe));
        }

        #[test]
        fn any_changed_bit_shows(len in HEADER..200, at in 0usize..200, bit in 0u8..8) {
            let mut bytes = written(PROBE, len);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Probe::read(&bytes), Seen::Broken);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Probe::read(&bytes);
        }
    }
}
