//! Datagrams that could not be sent, or were refused: counted always, told now and then.

use std::collections::BTreeMap;

use crate::engine::Out;
use crate::engine::told::Told;
use crate::model::error::FaultKind;
use crate::model::event::{Outcome, Refusal};
use crate::model::{Event, Fault, Now, Stats};

/// So many kinds are told apart, by interface: more than a host has in use. Beyond them nothing is told, only counted.
const MOST: usize = 1024;

/// When mishaps were last told. None of them ends the service for the others (RFC 8085 5.2).
#[derive(Debug, Default)]
pub(super) struct Mishaps {
    /// By kind, and by interface where one was chosen: that one is down says nothing of another.
    failed: BTreeMap<(FaultKind, Option<u32>), Told>,
    refused: Told,
}

impl Mishaps {
    /// The system did not take a datagram.
    pub(super) fn failed(&mut self, now: Now, outcome: &Outcome, fault: Fault, stats: &mut Stats, out: &mut dyn Out) {
        stats.fails(fault.kind);
        let key = (fault.kind, outcome.link.as_ref().map(|link| link.index));
        if self.failed.len() >= MOST && !self.failed.contains_key(&key) {
            return;
        }
        if let Some(held) = self.failed.entry(key).or_default().tell(now) {
            out.tell(&outcome.failed(fault, held));
        }
    }

    /// The network says that a datagram was not delivered.
    pub(super) fn refused(&mut self, now: Now, refusal: &Refusal, stats: &mut Stats, out: &mut dyn Out) {
        stats.refused += 1;
        if let Some(held) = self.refused.tell(now) {
            out.tell(&Event::Refused(refusal.clone(), held));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Link;
    use crate::model::event::Unreachable;

    /// Remembers how many more each that is told stands for.
    #[derive(Default)]
    struct More(Vec<u64>);

    impl Out for More {
        fn send(&mut self, _: crate::model::Transmit<'_>) {}

        fn tell(&mut self, event: &Event<'_>) {
            match event {
                Event::Failed(failed) => self.0.push(failed.more),
                Event::Refused(_, more) => self.0.push(*more),
                _ => {}
            }
        }
    }

    #[test]
    fn a_failure_is_told_first_and_then_once_a_minute_by_kind_and_interface_with_the_number_since() {
        let (mut mishaps, mut stats, mut more) = (Mishaps::default(), Stats::default(), More::default());
        let mut fail = |ms, kind, index: Option<u32>| {
            let fault = Fault { kind, code: None };
            let link = index.map(|index| Link { index, name: "e0".into() });
            let destination = "10.0.0.2:9".parse().unwrap();
            let outcome = Outcome { ticket: 0, count: 1, len: 1, destination, link, result: Err(fault) };
            mishaps.failed(crate::engine::testing::at(ms), &outcome, fault, &mut stats, &mut more);
        };
        for ms in 0..100 {
            fail(ms, FaultKind::NetworkUnreachable, Some(2));
        }
        fail(100, FaultKind::NotPermitted, Some(2));
        fail(100, FaultKind::NetworkUnreachable, Some(3));
        fail(59_999, FaultKind::NetworkUnreachable, Some(2));
        fail(60_000, FaultKind::NetworkUnreachable, Some(2));
        assert_eq!(more.0, [0, 0, 0, 100]);
        assert_eq!(stats.failed, 104);
        assert_eq!(stats.failed_by[&FaultKind::NetworkUnreachable], 103);
        assert_eq!(stats.failed_by.values().sum::<u64>(), stats.failed);
    }

    #[test]
    fn a_refusal_is_told_with_the_number_since() {
        let (mut mishaps, mut stats, mut more) = (Mishaps::default(), Stats::default(), More::default());
        let refusal = Refusal { destination: "10.0.0.2:9".parse().unwrap(), by: None, what: Unreachable::Port };
        for ms in [0, 1, 59_999, 60_000, 60_001, 120_000] {
            mishaps.refused(crate::engine::testing::at(ms), &refusal, &mut stats, &mut more);
        }
        assert_eq!((more.0, stats.refused), (vec![0, 2, 1], 6));
    }
}
