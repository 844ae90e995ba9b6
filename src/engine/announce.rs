//! Being found: answering those who look for services, and telling when one comes and goes.
//!
//! A query is answered once, by unicast, at a random moment within the window that the asker gave, so that many answers
//! do not meet in one buffer. It is answered only to neighbours who ask on the interface they share, never with more bytes than it has itself, and within the
//! limits of [`guard`](crate::engine::guard); with a secret, only if it is signed. Every query that gets no answer is
//! counted under its reason.
//!
//! At the start the service is announced [`ANNOUNCEMENTS`] times to everybody, 3 s apart (RFC 8085 3.1.3: that is the
//! most without return traffic); at the end it says goodbye once.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::engine::guard::Guard;
use crate::engine::mishaps::Mishaps;
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Ignored, Listening, Notice, Outcome, Refusal, Skipped};
use crate::model::stats::{Answered, Ending};
use crate::model::target::canonical;
use crate::model::{About, Cast, Datagram, Destination, Event, Family, Now, Origin, Payload, Stats, Transmit, Verdict};
use crate::wire::beacon::{
    Announce, Draws, Echo, Goodbye, MOST_ROOM, Message, Nonce, Order, Query, Reply, Secret, Unreadable,
    attributes_told, read,
};

/// How often a service is announced at its start: once can be lost, three times rarely are.
pub const ANNOUNCEMENTS: u32 = 3;

/// The time between two announcements.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(3);

/// The first announcement waits for a random part of this, so that hosts that start together do not speak together.
const START_SPREAD: Duration = Duration::from_millis(250);

/// Answers that wait for their moment. An asker has one at a time, so these are as many askers at once; 64 KiB at most.
const MOST_PENDING: usize = 256;

/// Questions remembered as answered.
const MOST_ANSWERED: usize = 256;

/// What to announce, and whom to answer.
#[derive(Debug)]
pub struct Plan {
    /// The socket, to be told first.
    pub listening: Listening,
    /// Interfaces left out, to be told.
    pub skipped: Vec<Skipped>,
    /// What the user should know, to be told.
    pub notices: Vec<Notice>,
    /// The service.
    pub about: About,
    /// Where announcements and the goodbye go.
    pub destinations: Vec<Destination>,
    /// What askers must share, if anything.
    pub secret: Option<Secret>,
    /// Who may be answered, and how often. It must allow broadcasts.
    pub guard: Guard,
    /// Answer unicast queries from outside this host's subnets too, and those to an address of another interface than the
    /// one they came in by.
    pub allow_routed: bool,
    /// Random numbers.
    pub draws: Draws,
    /// The end of the run.
    pub deadline: Option<Duration>,
}

impl Plan {
    /// Answers for this service until the end is asked for, and announces it to nobody.
    pub const fn of(about: About, listening: Listening, guard: Guard, draws: Draws) -> Self {
        Self {
            listening,
            skipped: Vec::new(),
            notices: Vec::new(),
            about,
            destinations: Vec::new(),
            secret: None,
            guard,
            allow_routed: false,
            draws,
            deadline: None,
        }
    }
}

/// Announces a service, and answers for it.
#[derive(Debug)]
pub struct Announcer {
    plan: Plan,
    order: Order,
    announced: u32,
    announce_at: Option<Duration>,
    pending: Vec<Pending>,
    /// By address alone: a copy of a question from another port is no other question.
    answered: VecDeque<(Echo, IpAddr)>,
    over: bool,
    bytes: Vec<u8>,
    mishaps: Mishaps,
    stats: Stats,
}

/// An answer that waits for its moment.
#[derive(Debug)]
struct Pending {
    due: Duration,
    asker: SocketAddr,
    /// The address that was asked, to answer from.
    local: Option<IpAddr>,
    nonce: Nonce,
    /// Bytes of the question.
    most: usize,
}

/// The mark of an answer; a destination's is its place behind this.
const ANSWER: u64 = 0;

impl Announcer {
    /// An announcer by `plan`.
    pub fn new(mut plan: Plan) -> Self {
        let boot = plan.draws.below(1 << 32) as u32;
        Self {
            plan,
            order: Order { boot, seq: 0 },
            announced: 0,
            announce_at: None,
            pending: Vec::new(),
            answered: VecDeque::new(),
            over: false,
            bytes: Vec::new(),
            mishaps: Mishaps::default(),
            stats: Stats { answered: Some(Answered::default()), ..Stats::default() },
        }
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The interfaces have changed: these are the destinations now, and whoever is new there is told.
    pub fn readdress(&mut self, now: Now, destinations: Vec<Destination>) {
        self.plan.destinations = destinations;
        self.announce_soon(now);
    }

    // ---- questions -------------------------------------------------------------------------------------------------

    fn asked(&mut self, now: Now, datagram: &Datagram<'_>) -> Result<(), Ignored> {
        let (message, seal) = read(datagram.payload).map_err(|why| match why {
            Unreadable::Foreign => Ignored::Foreign,
            Unreadable::Broken => Ignored::Malformed,
        })?;
        let Message::Query(query) = message else { return Err(Ignored::WrongKind) };
        match &self.plan.secret {
            Some(_) if !seal.is_there() => return Err(Ignored::Unsigned),
            Some(secret) if !seal.is_of(secret, None) => return Err(Ignored::BadSignature),
            _ => {}
        }
        self.is_near(datagram)?;
        self.concerns(&query, canonical(datagram.source))?;
        self.plan.guard.judge(now.run, datagram, false, datagram.payload.len())?;
        self.answer_later(now, &query, datagram)
    }

    /// Whether it comes from this host, or from a neighbour who asks on the interface that they share.
    fn is_near(&self, datagram: &Datagram<'_>) -> Result<(), Ignored> {
        match () {
            () if self.plan.allow_routed || datagram.origin == Origin::Own => Ok(()),
            () if !datagram.on_link => Err(Ignored::OffLink),
            () if datagram.other_link => Err(Ignored::OtherLink),
            () => Ok(()),
        }
    }

    /// Whether the question is to this service, and open.
    fn concerns(&mut self, query: &Query, asker: SocketAddr) -> Result<(), Ignored> {
        let About { id, kind, .. } = &self.plan.about;
        let place = query.nonce.place(*id);
        if query.service_type.as_ref().is_some_and(|asked| asked != kind) {
            return Err(Ignored::OtherType);
        }
        if !query.places.contains(place) {
            return Err(Ignored::OtherPlace);
        }
        if query.known.contains(place) {
            // An answer to an earlier question that still waits is sent all the same: this question may be a copy of a true
            // one, sent again by somebody who wants nobody else to learn of us.
            return Err(Ignored::Known);
        }
        if self.answered.contains(&(query.nonce.echo(), asker.ip())) {
            return Err(Ignored::Answered);
        }
        Ok(())
    }

    fn answer_later(&mut self, now: Now, query: &Query, datagram: &Datagram<'_>) -> Result<(), Ignored> {
        let asker = canonical(datagram.source);
        let window = u64::try_from(query.window.time().as_nanos()).unwrap_or(u64::MAX);
        let due = now.run + Duration::from_nanos(self.plan.draws.below(window));
        self.make_room(due)?;
        if self.answered.len() >= MOST_ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back((query.nonce.echo(), asker.ip()));
        let (local, most) = (self.address_for(datagram), datagram.payload.len());
        self.pending.push(Pending { due, asker: datagram.source, local, nonce: query.nonce, most });
        Ok(())
    }

    /// The address that answers this question: it is signed, and so must be the one that the answer leaves from. A question
    /// to a multicast group does not say which; then it is the one that announcements leave from there.
    fn address_for(&self, datagram: &Datagram<'_>) -> Option<IpAddr> {
        let here = |destination: &&Destination| {
            let same_link = datagram.link.is_some() && destination.link == datagram.link;
            same_link && destination.address.is_ipv4() == canonical(datagram.source).is_ipv4()
        };
        datagram.local.or_else(|| self.plan.destinations.iter().find(here)?.source)
    }

    /// Where nothing more fits, what is due last goes: whoever fills the memory does it with long windows.
    fn make_room(&mut self, due: Duration) -> Result<(), Ignored> {
        if self.pending.len() < MOST_PENDING {
            return Ok(());
        }
        let last = self.pending.iter().enumerate().max_by_key(|(_, pending)| pending.due);
        match last.map(|(place, pending)| (place, pending.due)) {
            Some((place, latest)) if latest > due => {
                self.pending.swap_remove(place);
                self.count(Ignored::Busy, 1);
                Ok(())
            }
            _ => Err(Ignored::Busy),
        }
    }

    fn count(&mut self, reason: Ignored, times: usize) {
        if times > 0 {
            *self.stats.ignored.entry(reason).or_default() += times as u64;
        }
    }

    // ---- answers ---------------------------------------------------------------------------------------------------

    fn answer_due(&mut self, now: Now, out: &mut dyn Out) {
        while let Some(place) = self.pending.iter().position(|pending| pending.due <= now.run) {
            let pending = self.pending.swap_remove(place);
            self.answer(&pending, out);
        }
    }

    fn answer(&mut self, pending: &Pending, out: &mut dyn Out) {
        let mut reply = Reply {
            echo: pending.nonce.echo(),
            address: pending.local.map(|local| local.to_canonical()),
            order: self.next_order(),
            about: self.plan.about.clone(),
            more: false,
        };
        let secret = self.plan.secret.as_ref();
        if !reply.write_within(pending.most, &pending.nonce, secret, &mut self.bytes) {
            return self.count(Ignored::ReplyTooLong, 1);
        }
        let family = Family::of(pending.asker.ip());
        let Ok(payload) = Payload::new(self.bytes.as_slice(), family) else {
            return self.count(Ignored::ReplyTooLong, 1);
        };
        let (destination, source) = (pending.asker, pending.local);
        out.send(Transmit { payload, destination, source, link: None, ticket: ANSWER });
    }

    const fn next_order(&mut self) -> Order {
        self.order.seq = self.order.seq.wrapping_add(1);
        self.order
    }

    // ---- announcements ---------------------------------------------------------------------------------------------

    fn announce_soon(&mut self, now: Now) {
        let spread = self.plan.draws.below(START_SPREAD.as_nanos() as u64);
        self.announced = 0;
        self.announce_at = Some(now.run + Duration::from_nanos(spread));
    }

    fn announce(&mut self, now: Now, out: &mut dyn Out) {
        let announce = Announce { order: self.next_order(), about: self.plan.about.clone() };
        announce.write(self.plan.secret.as_ref(), &mut self.bytes);
        self.to_everybody(out);
        self.announced += 1;
        self.announce_at = (self.announced < ANNOUNCEMENTS).then(|| now.run + ANNOUNCE_EVERY);
    }

    fn say_goodbye(&mut self, out: &mut dyn Out) {
        let goodbye = Goodbye { order: self.next_order(), id: self.plan.about.id };
        goodbye.write(self.plan.secret.as_ref(), &mut self.bytes);
        self.to_everybody(out);
    }

    fn to_everybody(&self, out: &mut dyn Out) {
        for (place, destination) in self.plan.destinations.iter().enumerate() {
            let family = Family::of(destination.address.ip());
            let Ok(payload) = Payload::new(self.bytes.as_slice(), family) else { continue };
            out.send(destination.transmit(payload, ANSWER + 1 + place as u64));
        }
    }

    fn end(&mut self, out: &mut dyn Out) {
        if !self.over {
            self.over = true;
            self.count(Ignored::Ended, self.pending.len());
            self.pending.clear();
            self.say_goodbye(out);
        }
    }
}

impl Engine for Announcer {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        self.stats.skipped = self.plan.skipped.len() as u64;
        out.tell(&Event::Listening(self.plan.listening.clone()));
        out.tell(&Event::Notice(Notice::Announcing(Box::new(self.plan.about.clone()))));
        for skipped in std::mem::take(&mut self.plan.skipped) {
            out.tell(&Event::Skipped(skipped));
        }
        for notice in std::mem::take(&mut self.plan.notices) {
            out.tell(&Event::Notice(notice));
        }
        let of = self.plan.about.attributes.len();
        let told = attributes_told(&self.plan.about, None, self.plan.secret.as_ref());
        if told < of {
            out.tell(&Event::Notice(Notice::AttributesLeftOut { told, of, most: MOST_ROOM }));
        }
        self.announce_soon(now);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        if self.over {
            self.stats.unread += 1;
            return;
        }
        self.stats.saw(datagram);
        if let Err(reason) = self.asked(now, datagram) {
            self.count(reason, 1);
            out.tell(&Event::Ignored(reason, datagram));
        }
        self.answer_due(now, out);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        if let (ANSWER, Some(answered)) = (outcome.ticket, &mut self.stats.answered) {
            *(if outcome.result.is_ok() { &mut answered.sent } else { &mut answered.failed }) += 1;
        }
        let source = match outcome.result {
            Ok(source) => source,
            Err(fault) => {
                return self.mishaps.failed(now, outcome, fault, &mut self.stats, out);
            }
        };
        let place = outcome.ticket.checked_sub(ANSWER + 1).and_then(|place| usize::try_from(place).ok());
        let everybody = place.and_then(|place| self.plan.destinations.get(place));
        let cast = everybody.map_or(Cast::Unicast, |destination| destination.cast);
        out.tell(&outcome.sent(self.stats.sent, source, cast));
        self.stats.leaves(outcome.len);
    }

    fn refused(&mut self, now: Now, refusal: &Refusal, out: &mut dyn Out) {
        // An asker that has gone by the time its answer comes: nothing to end a service for (RFC 8085 5.2).
        self.mishaps.refused(now, refusal, &mut self.stats, out);
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        if self.over {
            return;
        }
        self.answer_due(now, out);
        if self.announce_at.is_some_and(|at| at <= now.run) {
            self.announce(now, out);
        }
        if self.plan.deadline.is_some_and(|deadline| deadline <= now.run) {
            self.end(out);
        }
    }

    fn next(&self) -> Next {
        let answer = self.pending.iter().map(|pending| pending.due).min();
        match [answer, self.announce_at, self.plan.deadline].into_iter().flatten().min() {
            _ if self.over => Next::Done,
            Some(at) => Next::At(at),
            None => Next::Event,
        }
    }

    fn stop(&mut self, _: Now, out: &mut dyn Out) {
        self.end(out);
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        let verdict =
            if self.stats.sent == 0 && self.stats.failed > 0 { Verdict::SystemRefused } else { Verdict::Done };
        self.stats.close(now.run, ending, verdict);
        out.tell(&Event::Summary(&self.stats));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::guard::Rules;
    use crate::engine::testing::{Said, announcing, at, reply_from};
    use crate::model::error::FaultKind;
    use crate::model::{Attributes, Fault, InstanceId};
    use crate::wire::beacon::{Known, MOST_WINDOW, Places, Window};
    use proptest::prelude::*;

    const ID: InstanceId = InstanceId(0x1234_5678_9abc_def0);

    fn secret() -> Secret {
        Secret::new(&[7; 32]).unwrap()
    }

    fn announcer(secret: Option<Secret>) -> Announcer {
        let address = "10.0.0.255:1061".parse().unwrap();
        let about = About {
            id: ID,
            name: "pi".parse().unwrap(),
            kind: "chat".parse().unwrap(),
            port: 80,
            advertised: None,
            attributes: Attributes::default(),
            ttl: Duration::from_secs(30),
        };
        Announcer::new(Plan {
            destinations: vec![Destination { address, source: None, link: None, mtu: None, cast: Cast::Broadcast }],
            secret,
            ..announcing(about, [3; 32])
        })
    }

    fn query(nonce: u8) -> Query {
        Query::to_everybody(Nonce([nonce; 32]), Window::nearest(Duration::from_millis(100)))
    }

    fn bytes(query: &Query, secret: Option<&Secret>) -> Vec<u8> {
        let mut bytes = Vec::new();
        query.write(0, secret, &mut bytes);
        bytes
    }

    /// Asks, and waits for the window to pass.
    fn ask(announcer: &mut Announcer, ms: u64, asker: &str, payload: &[u8]) -> Said {
        let mut said = Said::default();
        announcer.received(at(ms), &reply_from(asker, payload), &mut said);
        announcer.due(at(ms + 100), &mut said);
        said.sends.retain(|(ticket, ..)| *ticket == ANSWER);
        said
    }

    /// Hands back what became of all that was to be sent.
    fn report(announcer: &mut Announcer, ms: u64, said: &mut Said, fails: bool) {
        for (ticket, destination, bytes) in std::mem::take(&mut said.sends) {
            let fault = Fault { kind: FaultKind::QueueFull, code: None };
            let result = if fails { Err(fault) } else { Ok(None) };
            let outcome = Outcome { ticket, len: bytes.len(), destination, link: None, result };
            announcer.sent(at(ms), &outcome, said);
        }
    }

    #[test]
    fn a_question_whose_moment_does_not_come_is_counted() {
        let mut announcer = announcer(None);
        announcer.received(at(0), &reply_from("10.0.0.2:5000", &bytes(&query(1), None)), &mut Said::default());
        announcer.stop(at(0), &mut Said::default());
        assert_eq!(announcer.stats().ignored, [(Ignored::Ended, 1)].into());
        announcer.received(at(0), &reply_from("10.0.0.2:5000", b"x"), &mut Said::default());
        assert_eq!((announcer.stats().received, announcer.stats().unread), (1, 1));
    }

    #[test]
    fn a_question_is_answered_once_within_its_window() {
        let mut announcer = announcer(None);
        let asked = bytes(&query(1), None);
        let mut said = Said::default();
        announcer.received(at(5), &reply_from("10.0.0.2:5000", &asked), &mut said);
        let Next::At(due) = announcer.next() else { panic!("nothing to wait for") };
        assert!((5..105).contains(&due.as_millis()), "{due:?}");
        let said = ask(&mut announcer, 5, "10.0.0.2:5000", &asked);
        assert_eq!(said.ignored, [Ignored::Answered]);
        assert_eq!(said.sends.len(), 1);
        let (_, to, reply) = &said.sends[0];
        assert_eq!(to.to_string(), "10.0.0.2:5000");
        assert!(reply.len() <= asked.len());
        let Ok((Message::Reply(reply), _)) = read(reply) else { panic!("no reply") };
        assert_eq!((reply.echo, reply.address), (Nonce([1; 32]).echo(), "10.0.0.1".parse().ok()));
        // Another asker, and the same one with a new question, have their own.
        assert_eq!(ask(&mut announcer, 300, "10.0.0.3:5000", &asked).sends.len(), 1);
        assert_eq!(ask(&mut announcer, 600, "10.0.0.2:5000", &bytes(&query(2), None)).sends.len(), 1);
    }

    #[test]
    fn copies_of_a_question_from_other_ports_use_up_no_answers() {
        let mut announcer = announcer(Some(secret()));
        let asked = bytes(&query(1), Some(&secret()));
        assert_eq!(ask(&mut announcer, 0, "10.0.0.2:5000", &asked).sends.len(), 1);
        for port in 5001..5400 {
            let said = ask(&mut announcer, 200, &format!("10.0.0.2:{port}"), &asked);
            assert_eq!((said.ignored, said.sends.len()), (vec![Ignored::Answered], 0));
        }
        let next = bytes(&query(2), Some(&secret()));
        assert_eq!(ask(&mut announcer, 300, "10.0.0.2:5000", &next).sends.len(), 1);
    }

    #[test]
    fn what_is_not_signed_takes_nothing_from_who_has_the_secret_and_the_same_address() {
        let mut announcer = announcer(Some(secret()));
        let other = Secret::new(&[8; 32]).unwrap();
        let from = |ms: u64, nonce: u32, secret: Option<&Secret>, announcer: &mut Announcer| {
            let mut asked = Vec::new();
            let nonce = Nonce(std::array::from_fn(|n| nonce.to_be_bytes()[n % 4]));
            Query { nonce, ..query(0) }.write(0, secret, &mut asked);
            let everybody = Datagram { cast: Some(Cast::Broadcast), ..reply_from("10.0.0.2:5000", &asked) };
            announcer.received(at(ms), &everybody, &mut Said::default());
        };
        for n in 0..5_000 {
            from(0, n, None, &mut announcer);
            from(0, n, Some(&other), &mut announcer);
        }
        for n in 5_000..5_100 {
            from(1, n, Some(&secret()), &mut announcer);
        }
        assert_eq!(announcer.pending.len(), 100);
        let ignored = &announcer.stats().ignored;
        assert_eq!((ignored[&Ignored::Unsigned], ignored[&Ignored::BadSignature], ignored.len()), (5_000, 5_000, 2));
    }

    #[test]
    fn moments_are_spread_over_the_window() {
        let mut announcer = announcer(None);
        let mut quarters = [0; 4];
        for n in 0..200u64 {
            let asker = format!("10.0.1.{}:5000", n);
            let start = at(n * 200);
            announcer.received(start, &reply_from(&asker, &bytes(&query(1), None)), &mut Said::default());
            let due = announcer.pending.pop().unwrap().due - start.run;
            quarters[due.as_millis() as usize / 25] += 1;
        }
        assert!(quarters.iter().all(|count| (30..75).contains(count)), "{quarters:?}");
    }

    #[test]
    fn each_reason_for_silence_has_its_counter() {
        let place = |nonce: u8| Nonce([nonce; 32]).place(ID);
        let unsigned = |query: &Query| bytes(query, None);
        let elsewhere = Places::only(place(1) ^ 1);
        let cases = [
            (b"hello".to_vec(), Ignored::Foreign),
            (unsigned(&query(1))[..100].to_vec(), Ignored::Malformed),
            (unsigned(&Query { service_type: "print".parse().ok(), ..query(1) }), Ignored::OtherType),
            (unsigned(&Query { places: elsewhere, ..query(1) }), Ignored::OtherPlace),
            (unsigned(&Query { known: Known::first_of([place(1)]), ..query(1) }), Ignored::Known),
        ];
        for (payload, reason) in cases {
            let mut announcer = announcer(None);
            let said = ask(&mut announcer, 0, "10.0.0.2:5000", &payload);
            assert_eq!((said.ignored, said.sends.len()), (vec![reason], 0));
            assert_eq!(announcer.stats().ignored[&reason], 1);
        }
        let mut goodbye = Vec::new();
        Goodbye { order: Order { boot: 1, seq: 1 }, id: ID }.write(None, &mut goodbye);
        assert_eq!(ask(&mut announcer(None), 0, "10.0.0.2:5000", &goodbye).ignored, [Ignored::WrongKind]);
        let asked = unsigned(&query(1));
        let far = Datagram { on_link: false, ..reply_from("192.0.2.1:5000", &asked) };
        let mut said = Said::default();
        announcer(None).received(at(0), &far, &mut said);
        assert_eq!(said.ignored, [Ignored::OffLink]);
        let through = Datagram { other_link: true, ..reply_from("10.0.0.2:5000", &asked) };
        let mut said = Said::default();
        announcer(None).received(at(0), &through, &mut said);
        assert_eq!(said.ignored, [Ignored::OtherLink]);
        let own = Datagram { origin: Origin::Own, ..through.clone() };
        assert_eq!(announcer(None).asked(at(0), &own), Ok(()));
        let mut routed = announcer(None);
        routed.plan.allow_routed = true;
        routed.received(at(0), &through, &mut Said::default());
        assert_eq!(routed.pending.len(), 1);
        assert_eq!(ask(&mut announcer(None), 0, "10.0.0.2:53", &asked).ignored, [Ignored::RiskyPort]);
        assert_eq!(ask(&mut announcer(None), 0, "10.0.0.2:1061", &asked).ignored, [Ignored::OwnPort]);
    }

    #[test]
    fn with_a_secret_only_those_who_have_it_are_answered() {
        let mut announcer = announcer(Some(secret()));
        let other = Secret::new(&[8; 32]).unwrap();
        let answered = |announcer: &mut Announcer, ms, secret: Option<&Secret>| {
            ask(announcer, ms, "10.0.0.2:5000", &bytes(&query(1), secret))
        };
        assert_eq!(answered(&mut announcer, 0, None).ignored, [Ignored::Unsigned]);
        assert_eq!(answered(&mut announcer, 200, Some(&other)).ignored, [Ignored::BadSignature]);
        let said = answered(&mut announcer, 400, Some(&secret()));
        let (_, seal) = read(&said.sends[0].2).unwrap();
        assert!(seal.is_of(&secret(), Some(&Nonce([1; 32]))) && !seal.is_of(&secret(), Some(&Nonce([2; 32]))));
    }

    #[test]
    fn a_question_of_somebody_who_knows_it_takes_no_answer_from_another() {
        let mut announcer = announcer(None);
        announcer.received(at(0), &reply_from("10.0.0.2:5000", &bytes(&query(1), None)), &mut Said::default());
        // Anybody can send a question that he heard again, under the address of one who asks now.
        let place = Nonce([2; 32]).place(ID);
        let listed = Query { known: Known::first_of([place]), ..query(2) };
        let said = ask(&mut announcer, 0, "10.0.0.2:5000", &bytes(&listed, None));
        assert_eq!((said.sends.len(), &said.ignored[..]), (1, &[Ignored::Known][..]));
    }

    #[test]
    fn it_announces_itself_at_its_pace_and_says_goodbye_once() {
        let mut announcer = announcer(None);
        let mut said = Said::default();
        announcer.start(at(0), &mut said);
        let mut moments = Vec::new();
        while let Next::At(due) = announcer.next() {
            announcer.due(at(due.as_millis() as u64 + 1), &mut said);
            moments.push(due);
        }
        assert!(moments[0] < START_SPREAD);
        assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= ANNOUNCE_EVERY), "{moments:?}");
        announcer.stop(at(20_000), &mut said);
        announcer.stop(at(20_001), &mut said);
        let kinds: Vec<u8> = said.sends.iter().map(|(_, _, bytes)| bytes[4]).collect();
        assert_eq!(kinds, [3, 3, 3, 4]);
        assert_eq!(announcer.next(), Next::Done);
    }

    #[test]
    fn long_windows_of_strangers_do_not_push_out_short_ones() {
        let mut announcer = announcer(None);
        let long = bytes(&Query { window: Window::nearest(MOST_WINDOW), ..query(1) }, None);
        for n in 0..1000u32 {
            let asker = SocketAddr::from((0x0a01_0000u32.wrapping_add(n).to_be_bytes(), 5000)).to_string();
            announcer.received(at(0), &reply_from(&asker, &long), &mut Said::default());
        }
        assert_eq!(announcer.pending.len(), MOST_PENDING);
        let said = ask(&mut announcer, 1, "10.0.0.2:5000", &bytes(&query(2), None));
        assert!(said.sends.iter().any(|(_, to, _)| to.to_string() == "10.0.0.2:5000"));
        assert_eq!(announcer.stats().ignored[&Ignored::Busy], 1000 - MOST_PENDING as u64 + 1);
    }

    proptest! {
        #[test]
        fn no_reply_is_longer_than_its_question(
            name in "\\PC{1,15}", pairs in proptest::collection::btree_map("[a-z]{1,9}", "[a-z]{0,99}", 0..9), room in 0usize..1400,
        ) {
            let mut announcer = announcer(Some(secret()));
            announcer.plan.about.name = name.parse().unwrap();
            announcer.plan.about.attributes = Attributes::new(pairs.iter().map(|(k, v)| (&**k, &**v))).unwrap();
            let mut asked = Vec::new();
            query(1).write(room, Some(&secret()), &mut asked);
            let said = ask(&mut announcer, 0, "10.0.0.2:5000", &asked);
            // A name of 15 characters and a short type leave room in the shortest question.
            prop_assert_eq!(said.sends.len(), 1);
            prop_assert!(said.sends[0].2.len() <= asked.len());
        }

        /// What came is what was answered, or could not be, or was not to be, by reason, or came behind the end.
        #[test]
        fn every_question_is_in_one_counter(
            steps in proptest::collection::vec((0u64..80, 0u8..4, 0u8..12, 0usize..9, 0u8..4), 1..200), last in 0usize..250,
        ) {
            let mut announcer = announcer(Some(secret()));
            announcer.plan.guard = Guard::new(Rules::of_discovery(Some(20)), 1061);
            let (mut said, mut now) = (Said::default(), 0);
            announcer.start(at(0), &mut said);
            let came = steps.len() as u64;
            for (place, (ms, host, nonce, kind, fails)) in steps.into_iter().enumerate() {
                now += ms;
                announcer.due(at(now), &mut said);
                if place == last {
                    announcer.stop(at(now), &mut said);
                }
                let known = Known::first_of((kind == 1).then(|| Nonce([nonce; 32]).place(ID)));
                let other = (kind == 2).then(|| "print".parse().unwrap());
                let query = Query { known, service_type: other, ..query(nonce) };
                let mut payload = bytes(&query, (kind != 3).then(secret).as_ref());
                if kind == 4 {
                    payload = b"hello".to_vec();
                }
                let source = format!("10.0.0.{}:{}", host + 2, if kind == 5 { 53 } else { 5000 });
                announcer.received(at(now), &reply_from(&source, &payload), &mut said);
                report(&mut announcer, now, &mut said, fails == 0);
            }
            announcer.stop(at(now), &mut said);
            report(&mut announcer, now, &mut said, false);
            let stats = announcer.stats();
            let (ignored, answered): (u64, _) = (stats.ignored.values().sum(), stats.answered.unwrap());
            prop_assert_eq!(stats.received, answered.sent + answered.failed + ignored);
            prop_assert_eq!(came, stats.received + stats.unread);
            prop_assert!(answered.sent <= stats.sent && answered.failed <= stats.failed);
        }

        #[test]
        fn no_damage_to_a_question_panics_or_gets_more_than_an_answer(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut in 0usize..40, signed: bool,
        ) {
            let secret = signed.then(secret);
            let asked = bytes(&query(1), secret.as_ref());
            let mut damaged = asked.clone();
            for (at, byte) in damage {
                damaged[at.index(asked.len())] = byte;
            }
            damaged.truncate(asked.len() - cut);
            let said = ask(&mut announcer(secret), 0, "10.0.0.2:5000", &damaged);
            prop_assert!(said.sends.len() <= 1 && said.sends.iter().all(|(.., reply)| reply.len() <= damaged.len()));
            // What is cut off is no question, and what is changed is none that is signed.
            prop_assert!(said.sends.is_empty() || cut == 0 && (!signed || damaged == asked));
        }
    }
}
