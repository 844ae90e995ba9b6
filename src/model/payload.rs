//! The bytes of one datagram, and the law that there are never too many of them.

use std::borrow::Cow;

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
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Payload<'a>(Cow<'a, [u8]>);

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
        Ok(Self(bytes))
    }

    /// The empty payload: a message like any other.
    pub const fn empty() -> Self {
        Self(Cow::Borrowed(&[]))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes. An empty payload is still sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same bytes, borrowed.
    pub fn borrow(&self) -> Payload<'_> {
        Payload(Cow::Borrowed(&self.0))
    }

    /// The same bytes, owned.
    pub fn into_owned(self) -> Payload<'static> {
        Payload(Cow::Owned(self.0.into_owned()))
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
        Ok(Payload(Cow::Owned((0..=250u8).cycle().take(len).collect())))
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
