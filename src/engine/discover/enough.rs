//! How much is enough: when a search has it and may end, and what one that ends without it deserves.

use std::time::Duration;

use super::found::Others;
use super::walk::Walk;
use super::{BUDGET, Discoverer};
use crate::model::event::{Ignored, Missing};
use crate::model::{Names, Stats, Verdict};

impl Discoverer {
    /// The end of the run, at the latest.
    pub(super) fn end(&self) -> Option<Duration> {
        self.plan.deadline.or((!self.plan.watch).then_some(BUDGET))
    }

    pub(super) fn is_short(&self) -> bool {
        self.found.believed() < self.wanted()
    }

    /// So many are to be found: somebody, where nothing else is expected.
    pub(super) fn wanted(&self) -> u64 {
        self.plan.expect.unwrap_or(1)
    }

    /// Whether it is an error that too few are there at the end: who watches without an end has no time by which they should.
    pub(super) const fn must_find(&self) -> bool {
        !self.plan.watch || self.plan.deadline.is_some()
    }

    /// Who was heard in one scope may be heard in others, as long as answers to what was asked may come: then what is told of
    /// him does not depend on which was the fastest.
    pub(super) fn end_if_all_are_found(&mut self) {
        let expect = self.plan.expect.filter(|_| !self.plan.watch);
        if expect.is_some_and(|expect| self.stats.responders.unwrap_or(0) >= expect) {
            self.ends = self.ends.or_else(|| self.walks.iter().map(Walk::heard_out).max());
        }
    }

    /// What is known of services that were not found, if there are fewer than were wanted.
    pub(super) fn missing(&self) -> Option<Missing> {
        let (found, expected) = (self.found.believed(), self.wanted());
        let port = self.source_port.filter(|_| self.must_find() && found < expected)?;
        let Others { names, nearly, unverified, mismatched } = self.found.others();
        let secret = self.plan.secret.is_some();
        let ignored = |why| self.stats.ignored.get(&why).copied().unwrap_or(0);
        Some(Missing {
            found,
            expected,
            asked: self.plan.destinations.first().map_or(0, |destination| destination.address.port()),
            port,
            typed: self.plan.kind.is_some(),
            on_loopback: self.plan.on_loopback,
            name: self.plan.names.text().map(Into::into),
            exact: matches!(self.plan.names, Names::One(_)),
            other_names: names,
            nearly,
            secret,
            unsigned: if secret { unverified + ignored(Ignored::BadSignature) } else { 0 },
            mismatched,
            heard: self.stats.received > 0,
        })
    }

    pub(super) fn verdict(&self) -> Verdict {
        let Stats { sent, failed, refused, .. } = self.stats;
        let found = self.found.believed();
        match () {
            () if sent == 0 && failed > 0 => Verdict::SystemRefused,
            () if found == 0 && refused > 0 => Verdict::PeerRefused,
            () if found < self.wanted() && self.must_find() => Verdict::TooFew,
            () if failed > 0 && !self.plan.lenient => Verdict::Partly,
            () => Verdict::Done,
        }
    }
}
