//! Around a watching discoverer, for who draws a table: each second it is told who is there, and when each was last heard.

use std::time::Duration;

use crate::engine::discover::Discoverer;
use crate::engine::follow::Follow;
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Outcome, Refusal};
use crate::model::interface::Table;
use crate::model::service::Change;
use crate::model::stats::Ending;
use crate::model::{Datagram, Event, Now};

/// How often it is told.
const EVERY: Duration = Duration::from_secs(1);

/// So many services are told of: more than a terminal has lines.
const MOST_TOLD: usize = 1000;

/// A discoverer with a pulse.
pub struct Pulse {
    inner: Follow<Discoverer>,
    /// When it is told next; never where nobody looks.
    due: Option<Duration>,
}

impl Pulse {
    /// `inner`, told of each second if somebody looks.
    pub fn new(inner: Follow<Discoverer>, looked_at: bool) -> Self {
        Self { inner, due: looked_at.then_some(EVERY) }
    }

    /// The engine within.
    pub const fn inner(&self) -> &Discoverer {
        self.inner.inner()
    }
}

impl Engine for Pulse {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        self.inner.start(now, out);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        self.inner.received(now, datagram, out);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        self.inner.sent(now, outcome, out);
    }

    fn refused(&mut self, now: Now, refusal: &Refusal, out: &mut dyn Out) {
        self.inner.refused(now, refusal, out);
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        self.inner.due(now, out);
        if self.due.is_none_or(|due| now.run < due) {
            return;
        }
        for service in self.inner().services().into_iter().take(MOST_TOLD) {
            out.tell(&Event::Service(Change::Listed, service));
        }
        out.tell(&Event::Tick);
        self.due = Some(now.run + EVERY);
    }

    fn rewired(&mut self, now: Now, table: &Table, out: &mut dyn Out) {
        self.inner.rewired(now, table, out);
    }

    fn next(&self) -> Next {
        match (self.inner.next(), self.due) {
            (Next::At(at), Some(due)) => Next::At(at.min(due)),
            (Next::Event, Some(due)) => Next::At(due),
            (next, _) => next,
        }
    }

    fn stop(&mut self, now: Now, out: &mut dyn Out) {
        self.inner.stop(now, out);
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        self.inner.finish(now, ending, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::discover::Plan;
    use crate::engine::follow::Ear;
    use crate::engine::reach::Reach;
    use crate::engine::testing::at;
    use crate::model::{Cast, Destination, Transmit};
    use crate::wire::beacon::Draws;

    #[derive(Default)]
    struct Ticks(usize);

    impl Out for Ticks {
        fn send(&mut self, _: Transmit<'_>) {}
        fn tell(&mut self, event: &Event<'_>) {
            self.0 += usize::from(matches!(event, Event::Tick));
        }
    }

    fn pulse(looked_at: bool) -> Pulse {
        let (address, cast) = ("10.0.0.255:1061".parse().unwrap(), Cast::Broadcast);
        let destinations = vec![Destination { address, source: None, link: None, mtu: None, cast }];
        let plan = Plan { watch: true, ..Plan::to(destinations.clone(), Draws::new([3; 32])) };
        Pulse::new(Follow::new(Discoverer::new(plan), Reach::default(), destinations, Ear::default()), looked_at)
    }

    #[test]
    fn who_looks_is_told_each_second_and_nobody_else() {
        for (looked_at, expected) in [(true, 9), (false, 0)] {
            let (mut pulse, mut ticks) = (pulse(looked_at), Ticks::default());
            pulse.start(at(0), &mut ticks);
            while let Next::At(due) = pulse.next() {
                if due >= Duration::from_secs(10) {
                    break;
                }
                pulse.due(at(due.as_millis() as u64 + 1), &mut ticks);
            }
            assert_eq!(ticks.0, expected);
            pulse.stop(at(10_000), &mut ticks);
            assert_eq!(pulse.next(), Next::Done);
        }
    }
}
