//! Which numbers of a series were seen, in memory that does not grow with the series.

use std::collections::VecDeque;

/// The set of numbers seen, as far back as [`Seen::REACH`] behind the highest.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The number that the first bit stands for; a multiple of 64.
    base: u32,
    words: VecDeque<u64>,
}

/// What a number is to the set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sight {
    /// Not seen before.
    First,
    /// Seen before.
    Again,
    /// So far back that nobody remembers.
    Forgotten,
}

impl Seen {
    /// How far back the set reaches. At 8,000 a second, it is the two minutes that a datagram may live (RFC 8085 3.3), in
    /// 128 KiB; slower series take less.
    pub const REACH: u32 = 1 << 20;

    /// Adds a number, and says what it was before.
    pub fn insert(&mut self, number: u32) -> Sight {
        if number < self.base {
            return Sight::Forgotten;
        }
        let place = ((number - self.base) / 64) as usize;
        if place >= self.words.len() {
            self.words.resize(place + 1, 0);
        }
        let bit = 1 << (number % 64);
        let before = self.words[place] & bit;
        self.words[place] |= bit;
        self.forget();
        if before == 0 { Sight::First } else { Sight::Again }
    }

    /// Whether a number that is remembered was seen.
    pub fn contains(&self, number: u32) -> bool {
        let place = number.checked_sub(self.base).map(|n| (n / 64) as usize);
        place.and_then(|place| self.words.get(place)).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    fn forget(&mut self) {
        while self.words.len() > (Self::REACH / 64) as usize {
            self.words.pop_front();
            self.base += 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn it_does_not_grow_and_forgets_the_oldest() {
        let mut seen = Seen::default();
        assert_eq!(seen.insert(0), Sight::First);
        assert_eq!(seen.insert(0), Sight::Again);
        for number in (0..u32::MAX).step_by(100_000_000) {
            seen.insert(number);
            assert!(seen.words.len() <= (Seen::REACH / 64) as usize);
        }
        assert_eq!(seen.insert(0), Sight::Forgotten);
        assert!(!seen.contains(0));
    }

    proptest! {
        #[test]
        fn it_is_a_set(numbers in proptest::collection::vec(0u32..5000, 0..400)) {
            let (mut seen, mut model) = (Seen::default(), HashSet::new());
            for number in numbers {
                let expected = if model.insert(number) { Sight::First } else { Sight::Again };
                prop_assert_eq!(seen.insert(number), expected);
            }
            prop_assert!((0..5100).all(|number| seen.contains(number) == model.contains(&number)));
        }
    }
}
