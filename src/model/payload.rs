//! The bytes of one datagram, and the law that there are never too many of them.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::model::Family;

/// The bytes of one datagram. It may be empty; it cannot be longer than its IP version carries.
///
/// ```
/// use halloo::model::{Family, Payload};
///
/// let limit = Family::V4.max_payload();
/// assert_eq!(limit, 65_507);
/// assert!(Payload::new(vec![0; limit], Family::V4).is_ok());
/// let refused = Payload::new(vec![0; limit + 1], Family::V4).unwrap_err();
/// assert_eq!((refused.len, refused.limit()), (65_508, 65_507));
/// ```
#[derive(Clone, Debug)]
pub struct Payload<'a>(Bytes<'a>);

/// Owned bytes are shared: a record that leaves many times is copied no time.
#[derive(Clone, Debug)]
enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Owned(Arc<Vec<u8>>),
}

impl<'a> From<Cow<'a, [u8]>> for Bytes<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => Self::Borrowed(bytes),
            Cow::Owned(bytes) => Self::Owned(Arc::new(bytes)),
        }
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Payload<'_> {}

impl Hash for Payload<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// A payload that no datagram of its IP version can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the payload is {len} bytes; a UDP datagram over {family} carries at most {}", family.max_payload())]
pub struct TooLong {
    /// How many bytes there were.
    pub len: usize,
    /// The IP version whose limit was passed.
    pub family: Family,
}

impl TooLong {
    /// The most bytes that would have been accepted.
    pub const fn limit(&self) -> usize {
        self.family.max_payload()
    }
}

impl<'a> Payload<'a> {
    /// Accepts `bytes` as one datagram over `family`.
    ///
    /// # Errors
    /// [`TooLong`] when there are more than [`Family::max_payload`] of them.
    pub fn new(bytes: impl Into<Cow<'a, [u8]>>, family: Family) -> Result<Self, TooLong> {
        let bytes = bytes.into();
        if bytes.len() > family.max_payload() {
            return Err(TooLong { len: bytes.len(), family });
        }
        Ok(Self(bytes.into()))
    }

    /// The empty payload: a message like any other.
    pub const fn empty() -> Self {
        Self(Bytes::Borrowed(&[]))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether there are no bytes. An empty payload is still sent.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// The same bytes, borrowed.
    pub fn borrow(&self) -> Payload<'_> {
        Payload(Bytes::Borrowed(self.bytes()))
    }

    /// The same bytes, owned.
    pub fn into_owned(self) -> Payload<'static> {
        Payload(Bytes::Owned(match self.0 {
            Bytes::Borrowed(bytes) => Arc::new(bytes.to_vec()),
            Bytes::Owned(bytes) => bytes,
        }))
    }

    /// `len` bytes of a known pattern: byte `i` is `i mod 251`, so that a piece cut out, repeated or swapped shows.
    /// 251 is the largest prime below 256: the period shares no factor with the powers of two that buffers have.
    ///
    /// # Errors
    /// [`TooLong`], as [`Payload::new`].
    pub fn pattern(len: usize, family: Family) -> Result<Payload<'static>, TooLong> {
        if len > family.max_payload() {
            return Err(TooLong { len, family });
        }
        Ok(Payload(Bytes::Owned(Arc::new((0..=250u8).cycle().take(len).collect()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_ip_length_less_the_headers() {
        for (family, limit) in [(Family::V4, 65_507), (Family::V6, 65_527)] {
            assert_eq!(Payload::new(vec![7; limit], family).unwrap().len(), limit);
            let refused = Payload::new(vec![7; limit + 1], family).unwrap_err();
            assert_eq!((refused.len, refused.limit()), (limit + 1, limit));
            assert_eq!(Payload::pattern(limit + 1, family).unwrap_err(), refused);
        }
    }

    #[test]
    fn the_refusal_names_both_numbers() {
        let refused = Payload::pattern(65_508, Family::V4).unwrap_err();
        assert_eq!(refused.to_string(), "the payload is 65508 bytes; a UDP datagram over IPv4 carries at most 65507");
    }

    #[test]
    fn the_pattern_has_no_period_of_a_buffer() {
        let pattern = Payload::pattern(1024, Family::V4).unwrap();
        assert_eq!(&pattern.bytes()[..3], &[0, 1, 2]);
        assert_eq!(&pattern.bytes()[250..253], &[250, 0, 1]);
        assert_ne!(&pattern.bytes()[..512], &pattern.bytes()[512..]);
    }
}
