//! Around an engine of discovery: it follows the interfaces as they come and go, and hears only what was chosen.

use crate::engine::announce::Announcer;
use crate::engine::discover::Discoverer;
use crate::engine::reach::Reach;
use crate::engine::{Engine, Next, Out};
use crate::model::error::FaultKind;
use crate::model::event::{Notice, Outcome, Refusal, Unsent};
use crate::model::interface::Table;
use crate::model::stats::Ending;
use crate::model::{Datagram, Destination, Event, Link, LinkName, Now, Origin};
use crate::wire::beacon::{Message, read};

/// An engine whose destinations can change while it runs.
pub trait Readdress: Engine {
    /// These are the destinations now.
    fn readdress(&mut self, now: Now, destinations: Vec<Destination>);
}

impl Readdress for Announcer {
    fn readdress(&mut self, now: Now, destinations: Vec<Destination>) {
        self.readdress(now, destinations);
    }
}

impl Readdress for Discoverer {
    fn readdress(&mut self, now: Now, destinations: Vec<Destination>) {
        self.readdress(now, destinations);
    }
}

/// What comes back to the host that sent it: whoever speaks to everybody and listens hears itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Own {
    /// Questions, for who asks.
    Questions,
    /// Announcements and goodbyes, for who announces.
    Announcements,
}

/// What an engine is to hear.
#[derive(Default)]
pub struct Ear {
    /// By these interfaces only, if any are named.
    pub interfaces: Vec<LinkName>,
    /// What of this host's own is no news here.
    pub deaf_to: Option<Own>,
}

impl Ear {
    fn is_deaf_to(&self, datagram: &Datagram<'_>) -> bool {
        let Some(own) = self.deaf_to.filter(|_| datagram.origin == Origin::Own) else { return false };
        match read(datagram.payload) {
            Ok((Message::Query(_), _)) => own == Own::Questions,
            Ok((Message::Announce(_) | Message::Goodbye(_), _)) => own == Own::Announcements,
            _ => false,
        }
    }

    fn hears(&self, datagram: &Datagram<'_>) -> bool {
        let chosen = |link: &Link| self.interfaces.contains(&link.name);
        self.interfaces.is_empty() || datagram.link.as_ref().is_some_and(chosen)
    }
}

/// An engine that follows the interfaces.
pub struct Follow<E> {
    inner: E,
    reach: Reach,
    ear: Ear,
    destinations: Vec<Destination>,
    /// Whether an IPv6 address of an interface cannot be sent from yet.
    tentative: bool,
    filtered: u64,
    /// Datagrams that did not leave because their source address could not be sent from yet.
    too_early: u64,
}

impl<E: Readdress> Follow<E> {
    /// `inner`, which sends to `destinations` of `reach` now.
    pub const fn new(inner: E, reach: Reach, destinations: Vec<Destination>, ear: Ear) -> Self {
        Self { inner, reach, ear, destinations, tentative: false, filtered: 0, too_early: 0 }
    }

    /// Whether a datagram did not leave because the address it should leave from is new: the kernel first tries out for a
    /// second or two whether it is anybody else's (RFC 4862 5.4). Where the interface is reached by IPv4 as well, that is
    /// no failure but counted as not sent, and it is tried again when the address has proved to be good.
    fn is_too_early(&self, outcome: &Outcome) -> bool {
        let Err(fault) = outcome.result else { return false };
        let refused = matches!(fault.kind, FaultKind::Invalid | FaultKind::AddressNotAvailable);
        let other = |to: &Destination| to.link == outcome.link && to.address.is_ipv4();
        refused && outcome.destination.is_ipv6() && self.destinations.iter().any(other)
    }

    /// The engine within.
    pub const fn inner(&self) -> &E {
        &self.inner
    }
}

fn same(one: &Destination, other: &Destination) -> bool {
    (one.address, one.source, &one.link) == (other.address, other.source, &other.link)
}

/// The links of `some` that `others` do not have, each once.
fn links_beyond(some: &[Destination], others: &[Destination]) -> Vec<Link> {
    let beyond = |link: &&Link| !others.iter().any(|to| to.link.as_ref() == Some(*link));
    Link::each_once(some.iter().filter_map(|to| to.link.as_ref()).filter(beyond))
}

impl<E: Readdress> Engine for Follow<E> {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        self.inner.start(now, out);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        // What is its own is neither an answer nor left out by anybody: it was counted when it was sent.
        if self.ear.is_deaf_to(datagram) {
            return;
        }
        if self.ear.hears(datagram) {
            self.inner.received(now, datagram, out);
        } else {
            self.filtered += 1;
        }
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        if self.is_too_early(outcome) {
            self.tentative = true;
            self.too_early += 1;
        } else {
            self.inner.sent(now, outcome, out);
        }
    }

    fn refused(&mut self, now: Now, refusal: &Refusal, out: &mut dyn Out) {
        self.inner.refused(now, refusal, out);
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        self.inner.due(now, out);
    }

    fn rewired(&mut self, now: Now, table: &Table, out: &mut dyn Out) {
        // Where nothing can be reached any more, that may change again: it waits.
        let destinations = self.reach.plan(table).map(|plan| plan.destinations).unwrap_or_default();
        let as_before = destinations.len() == self.destinations.len()
            && destinations.iter().zip(&self.destinations).all(|(new, old)| same(new, old));
        if as_before && !std::mem::take(&mut self.tentative) {
            return;
        }
        for link in links_beyond(&destinations, &self.destinations) {
            out.tell(&Event::Notice(Notice::InterfaceCame(link)));
        }
        for link in links_beyond(&self.destinations, &destinations) {
            out.tell(&Event::Notice(Notice::InterfaceWent(link)));
        }
        self.destinations.clone_from(&destinations);
        self.inner.readdress(now, destinations);
    }

    fn next(&self) -> Next {
        self.inner.next()
    }

    fn stop(&mut self, now: Now, out: &mut dyn Out) {
        self.inner.stop(now, out);
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        let Self { inner, filtered, too_early, .. } = self;
        inner.finish(now, ending, &mut Counting { out, filtered: *filtered, too_early: *too_early });
    }
}

/// Adds to the summary what the engine within was not told of.
struct Counting<'o> {
    out: &'o mut dyn Out,
    filtered: u64,
    too_early: u64,
}

impl Out for Counting<'_> {
    fn send(&mut self, transmit: crate::model::Transmit<'_>) {
        self.out.send(transmit);
    }

    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Summary(stats) if self.filtered + self.too_early > 0 => {
                let mut stats = (*stats).clone();
                stats.filtered += self.filtered;
                if self.too_early > 0 {
                    *stats.unsent.entry(Unsent::NoAddress).or_default() += self.too_early;
                }
                self.out.tell(&Event::Summary(&stats));
            }
            event => self.out.tell(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{Said, at, reply_from};
    use crate::model::error::Fault;
    use crate::model::interface::Facts;
    use crate::model::{Interface, Stats};
    use crate::wire::beacon::{Goodbye, Nonce, Order, Query, Window};

    /// Remembers what it is told.
    #[derive(Default)]
    struct Fake {
        received: usize,
        failed: usize,
        destinations: Vec<String>,
        stats: Stats,
    }

    impl Readdress for Fake {
        fn readdress(&mut self, _: Now, destinations: Vec<Destination>) {
            self.destinations = destinations.iter().map(|to| to.address.to_string()).collect();
        }
    }

    impl Engine for Fake {
        fn start(&mut self, _: Now, _: &mut dyn Out) {}
        fn received(&mut self, _: Now, _: &Datagram<'_>, _: &mut dyn Out) {
            self.received += 1;
        }
        fn sent(&mut self, _: Now, _: &Outcome, _: &mut dyn Out) {
            self.failed += 1;
        }
        fn refused(&mut self, _: Now, _: &Refusal, _: &mut dyn Out) {}
        fn due(&mut self, _: Now, _: &mut dyn Out) {}
        fn next(&self) -> Next {
            Next::Event
        }
        fn stop(&mut self, _: Now, _: &mut dyn Out) {}
        fn finish(&mut self, _: Now, _: &Ending, out: &mut dyn Out) {
            out.tell(&Event::Summary(&self.stats));
        }
    }

    fn table(names: &[&str]) -> Table {
        let row = |(n, name): (usize, &&str)| {
            let index = n as u32 + 2;
            let facts = |address: String, prefix| Facts::plain(index, name, Some((&*address, prefix)));
            [facts(format!("10.{index}.0.1"), 24), facts(format!("fe80::{index}"), 64)].map(Interface::judge)
        };
        Table::new(names.iter().enumerate().flat_map(row).collect())
    }

    /// What is told of the run at its end.
    fn summary(follow: &mut Follow<Fake>) -> Stats {
        #[derive(Default)]
        struct Last(Stats);
        impl Out for Last {
            fn send(&mut self, _: crate::model::Transmit<'_>) {}
            fn tell(&mut self, event: &Event<'_>) {
                if let Event::Summary(stats) = event {
                    self.0 = (*stats).clone();
                }
            }
        }
        let mut last = Last::default();
        follow.finish(at(9), &Ending::default(), &mut last);
        last.0
    }

    fn following(names: &[&str], ear: Ear) -> Follow<Fake> {
        let reach = Reach::default();
        let destinations = reach.plan(&table(names)).unwrap().destinations;
        Follow::new(Fake::default(), reach, destinations, ear)
    }

    #[test]
    fn destinations_change_with_the_interfaces_and_only_then() {
        let mut follow = following(&["e0"], Ear::default());
        let mut said = Said::default();
        follow.rewired(at(1), &table(&["e0"]), &mut said);
        assert!(follow.inner().destinations.is_empty());
        follow.rewired(at(2), &table(&["e0", "e1"]), &mut said);
        assert_eq!(follow.inner().destinations.len(), 6);
        follow.rewired(at(3), &table(&["e0"]), &mut said);
        assert_eq!(follow.inner().destinations, ["10.2.0.255:1061", "255.255.255.255:1061", "[ff02::1%2]:1061"]);
        // Nothing is left, and that may change again.
        follow.rewired(at(4), &Table::default(), &mut said);
        assert!(follow.inner().destinations.is_empty());
    }

    #[test]
    fn an_address_that_is_still_tried_out_is_no_failure_and_is_used_later() {
        let mut follow = following(&["e0"], Ear::default());
        let link = Some(Link { index: 2, name: "e0".into() });
        let fault = Fault { kind: FaultKind::Invalid, code: None };
        let outcome = |to: &str| Outcome {
            count: 1,
            ticket: 0,
            len: 1,
            destination: to.parse().unwrap(),
            link: link.clone(),
            result: Err(fault),
        };
        let mut said = Said::default();
        follow.sent(at(0), &outcome("[ff02::1%2]:1061"), &mut said);
        assert_eq!(follow.inner().failed, 0);
        follow.rewired(at(1), &table(&["e0"]), &mut said);
        assert_eq!(follow.inner().destinations.len(), 3);
        follow.sent(at(2), &outcome("10.2.0.255:1061"), &mut said);
        assert_eq!(follow.inner().failed, 1);
        // It did not leave, and is in a counter: one of a reason of its own.
        assert_eq!(summary(&mut follow).unsent, [(Unsent::NoAddress, 1)].into());
    }

    #[test]
    fn what_comes_by_another_interface_is_counted_and_not_heard() {
        let mut follow = following(&["e0"], Ear { interfaces: vec!["e0".into()], ..Ear::default() });
        let mut said = Said::default();
        for name in ["e0", "e1"] {
            let link = Some(Link { index: 2, name: name.into() });
            follow.received(at(0), &Datagram { link, ..reply_from("10.2.0.2:1061", b"x") }, &mut said);
        }
        assert_eq!((follow.inner().received, follow.filtered), (1, 1));
        assert_eq!(summary(&mut follow).filtered, 1);
    }

    #[test]
    fn what_comes_back_to_its_own_host_is_neither_heard_nor_left_out() {
        let (mut announcement, mut question) = (Vec::new(), Vec::new());
        let id = crate::model::InstanceId(1);
        Goodbye { order: Order { boot: 1, seq: 1 }, id }.write(None, &mut announcement);
        let window = Window::nearest(std::time::Duration::from_millis(100));
        Query::to_everybody(Nonce([1; 32]), window).write(0, None, &mut question);
        for (own, heard) in [(Own::Announcements, [0, 1, 1, 1]), (Own::Questions, [1, 1, 0, 1])] {
            let cases = [
                (&announcement, Origin::Own),
                (&announcement, Origin::Foreign),
                (&question, Origin::Own),
                (&question, Origin::Foreign),
            ];
            for ((payload, origin), heard) in cases.into_iter().zip(heard) {
                let mut follow = following(&["e0"], Ear { deaf_to: Some(own), ..Ear::default() });
                let datagram = Datagram { origin, ..reply_from("10.2.0.1:1061", payload) };
                follow.received(at(0), &datagram, &mut Said::default());
                assert_eq!((follow.inner().received, follow.filtered), (heard, 0), "{own:?} {origin:?}");
            }
        }
    }
}
