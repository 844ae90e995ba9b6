//! Being found: answering those who look for services, and telling when one comes and goes.
//!
//! A query is answered once, by unicast, at a random moment within the window that the asker gave, so that many answers
//! do not meet in one buffer. It is answered only to neighbours who ask on the interface they share, never with more bytes
//! than it has itself, and within the limits of [`guard`](crate::engine::guard); with a secret, only if it is signed. Every
//! query that gets no answer is counted under its reason.
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
mod tests;
