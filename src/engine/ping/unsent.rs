//! Probes that the system took for no destination: they were never on the way.

use crate::model::seen::Seen;

/// Their numbers, as far back as probes are remembered, and how many there were in all.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    numbers: Seen,
    total: u64,
    /// The number of the last probe that failed, and for how many destinations.
    failing: (u32, usize),
}

impl Unsent {
    /// One of a probe's so many destinations has failed. Says whether that was the last one.
    pub(super) fn failed(&mut self, seq: u32, destinations: usize) -> bool {
        let before = if self.failing.0 == seq { self.failing.1 } else { 0 };
        self.failing = (seq, before + 1);
        let unsent = before + 1 == destinations;
        if unsent {
            self.numbers.insert(seq);
            self.total += 1;
        }
        unsent
    }

    pub(super) fn contains(&self, seq: u32) -> bool {
        self.numbers.contains(seq)
    }

    /// How many below this one, which is remembered itself.
    pub(super) fn before(&self, seq: u32) -> u64 {
        self.total - self.numbers.count_from(seq)
    }

    /// The first that is none of them, from this one on.
    pub(super) fn first_sent(&self, seq: u32) -> u32 {
        self.numbers.first_missing(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_unsent_when_all_of_its_destinations_failed() {
        let mut unsent = Unsent::default();
        for (seq, destinations, all) in [(3, 1, true), (4, 2, false), (5, 2, false), (5, 2, true)] {
            assert_eq!(unsent.failed(seq, destinations), all, "{seq}");
        }
        let contained = [3, 4, 5, 6].map(|seq| unsent.contains(seq));
        assert_eq!(contained, [true, false, true, false]);
        assert_eq!([3, 4, 5, 6].map(|seq| unsent.before(seq)), [0, 1, 1, 2]);
        assert_eq!([2, 3, 5].map(|seq| unsent.first_sent(seq)), [2, 4, 6]);
    }
}
