//! The shared secret.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A key as HMAC uses it: one block of SHA-256, filled with zeros, or the hash of a longer one (RFC 2104 section 2).
const BLOCK: usize = 64;

/// A secret that is easily guessed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WeakSecret {
    /// Too few bytes: so many there were.
    Short(usize),
    /// Nothing but zeros, as in a file that was never written. HMAC fills every key up with zeros: up to 64 of them are no
    /// key at all.
    Zeros,
}

impl fmt::Display for WeakSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = Secret::LEAST;
        match self {
            Self::Short(bytes) => {
                write!(f, "a secret of {bytes} bytes can be guessed from one captured message; give at least {least}")
            }
            Self::Zeros => f.write_str("a secret of nothing but zeros is as good as none"),
        }
    }
}

impl std::error::Error for WeakSecret {}

/// What those share who believe each other. It never prints itself, and is overwritten when it goes.
///
/// The overwriting is what safe code can do: copies that the compiler made on the stack stay where they are.
#[derive(Clone)]
pub struct Secret(Box<[u8; BLOCK]>);

impl Secret {
    /// The fewest bytes: 128 random bits cannot be searched. A passphrase of so many characters may still be guessed.
    pub const LEAST: usize = 16;

    /// Takes the bytes of a secret, as many as there are.
    ///
    /// # Errors
    /// [`WeakSecret`] when there are fewer than [`Secret::LEAST`], or only zeros.
    pub fn new(bytes: &[u8]) -> Result<Self, WeakSecret> {
        if bytes.len() < Self::LEAST {
            return Err(WeakSecret::Short(bytes.len()));
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(WeakSecret::Zeros);
        }
        let mut key = Box::new([0; BLOCK]);
        if bytes.len() > BLOCK {
            key[..32].copy_from_slice(&Sha256::digest(bytes));
        } else {
            key[..bytes.len()].copy_from_slice(bytes);
        }
        Ok(Self(key))
    }

    /// A key of random bytes: all zeros are as good as any.
    pub(super) fn of_seed(seed: [u8; 32]) -> Self {
        let mut key = Box::new([0; BLOCK]);
        key[..32].copy_from_slice(&seed);
        Self(key)
    }

    /// The MAC over all parts in a row.
    pub(super) fn seal(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Whether it is the MAC over all parts in a row, in a time that does not depend on where it differs.
    pub(super) fn proves(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        self.over(parts).verify_slice(mac).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut hmac = Hmac::new((&*self.0).into());
        parts.iter().for_each(|part| hmac.update(part));
        hmac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Seen from outside, so that the zeros are not left out as never read.
        std::hint::black_box(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_prints_itself() {
        let secret = Secret::new(b"correct horse battery staple").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn it_is_hmac_sha_256_as_published() {
        // RFC 4231 test cases 1 and 6: a short key, and one longer than a block.
        let short = Secret::new(&[0x0b; 20]).unwrap();
        assert_eq!(short.seal(&[b"Hi ", b"There"])[..4], [0xb0, 0x34, 0x4c, 0x61]);
        let long = Secret::new(&[0xaa; 131]).unwrap();
        let mac = long.seal(&[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(mac[..4], [0x60, 0xe4, 0x31, 0x59]);
        assert!(long.proves(&[b"Test Using Larger Than Block-Size Key - Hash Key First"], &mac));
        assert!(!long.proves(&[b"Test"], &mac) && !long.proves(&[b"Test"], &mac[..31]));
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        assert_eq!(Secret::new(b"swordfish").err(), Some(WeakSecret::Short(9)));
        for len in [16, 64, 100] {
            assert_eq!(Secret::new(&vec![0; len]).err(), Some(WeakSecret::Zeros));
        }
    }
}
