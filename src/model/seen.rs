//! Which numbers of a series were seen, in memory that does not grow with the series.

use std::collections::VecDeque;

/// The set of numbers seen, as far back as its reach behind the highest.
///
/// Within the reach it is exact, whatever the order: a number that comes after higher ones is told apart like any other.
/// What lies further back is forgotten for good. It takes a bit for each number between the lowest and the highest that it
/// remembers, so a series that begins at a high number takes no more than one that begins at 0.
#[derive(Clone, Debug)]
pub struct Seen {
    reach: u32,
    /// What is lower is forgotten.
    floor: u32,
    /// Which word of the series the first one is: it holds the numbers from 64 times this.
    first: u32,
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

impl Default for Seen {
    fn default() -> Self {
        Self::reaching(Self::REACH)
    }
}

impl Seen {
    /// The furthest back that a set reaches. At 8,000 a second, it is the two minutes that a datagram may live (RFC 8085
    /// 3.3), in 128 KiB; slower series take less.
    pub const REACH: u32 = 1 << 20;

    /// An empty set that remembers the numbers up to so far behind the highest, at most [`Seen::REACH`].
    pub const fn reaching(reach: u32) -> Self {
        let reach = if reach < Self::REACH { reach } else { Self::REACH };
        Self { reach, floor: 0, first: 0, words: VecDeque::new() }
    }

    /// Reaches no further than this from now on, and gives back the memory.
    pub fn shorten(&mut self, reach: u32) {
        self.reach = self.reach.min(reach);
        if let Some(highest) = self.highest() {
            self.forget_behind(highest);
        }
        self.words.shrink_to_fit();
    }

    /// Adds a number, and says what it was before.
    pub fn insert(&mut self, number: u32) -> Sight {
        if number < self.floor {
            return Sight::Forgotten;
        }
        // First, so that a leap forward does not take the memory of all that it leaps over.
        self.forget_behind(number);
        let word = self.word_for(number);
        let bit = 1 << (number % 64);
        let before = *word & bit;
        *word |= bit;
        if before == 0 { Sight::First } else { Sight::Again }
    }

    /// Whether a number that is remembered was seen.
    pub fn contains(&self, number: u32) -> bool {
        number >= self.floor && self.word(number / 64) & (1 << (number % 64)) != 0
    }

    /// How many numbers that are remembered were seen, from this one on.
    pub fn count_from(&self, number: u32) -> u64 {
        let number = number.max(self.floor);
        let begun = self.word(number / 64) & (u64::MAX << (number % 64));
        let whole = (number / 64 + 1).saturating_sub(self.first) as usize;
        let rest: u64 = self.words.iter().skip(whole).map(|word| u64::from(word.count_ones())).sum();
        u64::from(begun.count_ones()) + rest
    }

    /// The first number that was not seen, from this one on.
    pub fn first_missing(&self, number: u32) -> u32 {
        let mut from = number;
        loop {
            let missing = !self.word(from / 64) & (u64::MAX << (from % 64));
            let start = from / 64 * 64;
            match start.checked_add(64) {
                Some(next) if missing == 0 => from = next,
                _ => return start + missing.trailing_zeros().min(63),
            }
        }
    }

    /// The lowest number that is told apart: what is lower is forgotten.
    pub const fn floor(&self) -> u32 {
        self.floor
    }

    fn word(&self, index: u32) -> u64 {
        let place = index.checked_sub(self.first).map(|place| place as usize);
        place.and_then(|place| self.words.get(place)).copied().unwrap_or(0)
    }

    fn highest(&self) -> Option<u32> {
        let place = self.words.iter().rposition(|word| *word != 0)?;
        Some((self.first + place as u32) * 64 + 63 - self.words[place].leading_zeros())
    }

    /// Forgets what is out of reach of this number.
    fn forget_behind(&mut self, number: u32) {
        self.floor = self.floor.max(number.saturating_sub(self.reach));
        let gone = (self.floor / 64).saturating_sub(self.first) as usize;
        self.words.drain(..gone.min(self.words.len()));
        self.first = self.first.max(self.floor / 64);
    }

    /// The word of a number that is not forgotten, with room made for it.
    fn word_for(&mut self, number: u32) -> &mut u64 {
        let index = number / 64;
        if self.words.is_empty() {
            self.first = index;
        }
        let missing = self.first.saturating_sub(index) as usize;
        self.first = self.first.min(index);
        let place = (index - self.first) as usize;
        self.make_room((self.words.len() + missing).max(place + 1));
        (0..missing).for_each(|_| self.words.push_front(0));
        if place >= self.words.len() {
            self.words.resize(place + 1, 0);
        }
        &mut self.words[place]
    }

    /// Takes twice the memory it had, but never more than the reach can need.
    fn make_room(&mut self, words: usize) {
        let most = (self.reach / 64) as usize + 2;
        if words > self.words.capacity() {
            let wanted = (2 * self.words.capacity()).min(most).max(words);
            self.words.reserve_exact(wanted - self.words.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// What the longest reach can take: the numbers and the two words that they begin and end in.
    const MOST: usize = (Seen::REACH / 64) as usize + 2;

    #[test]
    fn it_does_not_grow_and_forgets_the_oldest() {
        let mut seen = Seen::default();
        assert_eq!(seen.insert(0), Sight::First);
        assert_eq!(seen.insert(0), Sight::Again);
        for number in (0..u32::MAX).step_by(100_000_000).chain([u32::MAX - 1, u32::MAX]) {
            seen.insert(number);
            assert!(seen.words.capacity() <= MOST, "{} words", seen.words.capacity());
        }
        assert_eq!(seen.insert(0), Sight::Forgotten);
        assert!(!seen.contains(0));
    }

    #[test]
    fn a_high_first_number_takes_no_more_than_a_low_one() {
        for first in [0, 1_000_000, u32::MAX] {
            let mut seen = Seen::default();
            assert_eq!(seen.insert(first), Sight::First);
            assert!(seen.words.capacity() <= 4, "{} words for {first}", seen.words.capacity());
        }
    }

    #[test]
    fn what_lies_just_within_reach_is_told_apart_however_it_lies_in_the_words() {
        for highest in Seen::REACH + 1000..Seen::REACH + 1000 + 130 {
            let mut seen = Seen::default();
            seen.insert(highest);
            assert_eq!(seen.insert(highest - Seen::REACH - 1), Sight::Forgotten, "{highest}");
            assert_eq!(seen.insert(highest - Seen::REACH), Sight::First, "{highest}");
            assert_eq!(seen.insert(highest - Seen::REACH), Sight::Again, "{highest}");
            assert!(seen.words.capacity() <= MOST);
        }
    }

    #[test]
    fn shortened_it_gives_the_memory_back_and_remembers_the_newest() {
        let mut seen = Seen::default();
        assert!((0..100_000).all(|number| seen.insert(number) == Sight::First));
        seen.shorten(128);
        assert!(seen.words.capacity() <= 4, "{} words", seen.words.capacity());
        assert_eq!((seen.floor(), seen.count_from(0)), (99_999 - 128, 129));
        assert_eq!(seen.insert(99_999 - 128), Sight::Again);
        assert_eq!(seen.insert(99_999 - 129), Sight::Forgotten);
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            numbers in proptest::collection::vec(0u32..5000, 0..400),
            base in prop_oneof![Just(0u32), Just(Seen::REACH * 3), Just(u32::MAX - 5100)],
        ) {
            let (mut seen, mut model) = (Seen::default(), HashSet::new());
            for number in numbers {
                let expected = if model.insert(number) { Sight::First } else { Sight::Again };
                prop_assert_eq!(seen.insert(base + number), expected);
            }
            prop_assert!((0..5100).all(|number| seen.contains(base + number) == model.contains(&number)));
            for from in (0..5100).step_by(61) {
                let count = model.iter().filter(|number| **number >= from).count() as u64;
                prop_assert_eq!(seen.count_from(base + from), count);
                let missing = (from..).find(|number| !model.contains(number)).unwrap();
                prop_assert_eq!(seen.first_missing(base + from), base + missing);
            }
        }

        #[test]
        fn within_its_reach_it_is_a_set_and_beyond_it_remembers_nothing(
            numbers in proptest::collection::vec(0u32..2000, 0..200),
            reach in 0u32..300,
        ) {
            let (mut seen, mut model) = (Seen::reaching(reach), HashSet::new());
            let mut highest = 0u32;
            for number in numbers {
                let forgotten = number < highest.saturating_sub(reach);
                highest = highest.max(number);
                let expected = match forgotten {
                    true => Sight::Forgotten,
                    false if model.insert(number) => Sight::First,
                    false => Sight::Again,
                };
                prop_assert_eq!(seen.insert(number), expected);
                prop_assert!(seen.words.capacity() <= reach as usize / 64 + 4);
            }
        }
    }
}
