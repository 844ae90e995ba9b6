//! Probes that left for no destination: they were never on the way.

use std::collections::VecDeque;

use crate::model::seen::Seen;

/// Their numbers, as far back as probes are remembered, and how many there were in all.
#[derive(Debug, Default)]
pub(super) struct Stayed {
    numbers: Seen,
    total: u64,
    /// Probes whose outcomes are not all known, by number.
    open: VecDeque<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    seq: u32,
    /// Outcomes that are not known yet.
    unknown: usize,
    /// Whether it left for some destination.
    left: bool,
}

impl Stayed {
    /// A probe is sent to so many destinations. Says whether that is none.
    pub(super) fn leaves(&mut self, seq: u32, destinations: usize) -> bool {
        self.open.push_back(Open { seq, unknown: destinations, left: false });
        self.close(self.open.len() - 1)
    }

    /// What became of it for one destination. Says whether it is known now that it left for none.
    pub(super) fn outcome(&mut self, seq: u32, left: bool) -> bool {
        let Some(at) = self.open.iter().position(|open| open.seq == seq) else { return false };
        self.open[at].unknown = self.open[at].unknown.saturating_sub(1);
        self.open[at].left |= left;
        self.close(at)
    }

    /// Forgets one of which all is known, and says whether it left for nobody.
    fn close(&mut self, at: usize) -> bool {
        let Some(Open { seq, unknown: 0, left }) = self.open.get(at).copied() else { return false };
        self.open.remove(at);
        if !left {
            self.numbers.insert(seq);
            self.total += 1;
        }
        !left
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
    fn a_probe_has_stayed_when_it_left_for_none_of_its_destinations() {
        let mut stayed = Stayed::default();
        assert!(!stayed.leaves(3, 1) && !stayed.leaves(4, 2) && !stayed.leaves(5, 2));
        for (seq, left, all) in
            [(3, false, true), (4, false, false), (5, false, false), (5, false, true), (4, true, false)]
        {
            assert_eq!(stayed.outcome(seq, left), all, "{seq}");
        }
        assert!(stayed.leaves(6, 0), "nobody can be reached");
        assert!(stayed.open.is_empty());
        let contained = [3, 4, 5, 6, 7].map(|seq| stayed.contains(seq));
        assert_eq!(contained, [true, false, true, true, false]);
        assert_eq!([3, 4, 5, 6, 7].map(|seq| stayed.before(seq)), [0, 1, 1, 2, 3]);
        assert_eq!([2, 3, 5].map(|seq| stayed.first_sent(seq)), [2, 4, 7]);
    }
}
