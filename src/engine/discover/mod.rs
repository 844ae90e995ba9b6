//! Finding services: who is there, by which paths, and how far that can be believed.
//!
//! Everybody is asked in every scope at once, an interface with an IP version. A run ends when all scopes are done, when so many
//! as were expected are found, at its deadline, or, if it has none, at [`BUDGET`]; a watching run then waits, and asks everybody
//! again when a third of the shortest time to live has passed, but 3 s at the least. A service that does not answer then is
//! stale, and gone when it has been silent for its whole time and was asked in vain once more. An address that it does not
//! answer from twice, while it answers from another, is none of its own any more.
//!
//! - `walk`: how one scope is asked, and at what pace; `questions`: what may still be answered.
//! - `found`: what is found, and what is kept of it.
//! - `telling`, `turns`: what is told of it, and how often.
//! - `enough`: when a run may end, and what it deserves.
//! - `pace`: when everybody is asked again; `hints`: what is asked in between; `clock`: whether the host has slept meanwhile.
//!
//! **What is believed.** With a secret, only what is signed for this run's own challenge counts: the rest is told as
//! unverified, in a table of its own size, and never keeps a signed one from being asked. An announcement or a goodbye is
//! a reason to ask, and nothing else: nobody comes or goes by it. Without a secret nothing is more than unverified.
//!
//! **What it sends.** The queries of a run are at least 3 ms apart in each scope, and a quiet LAN gets three within half a
//! second. RFC 8085 3.1.3 would have them 3 s apart; it is left for the sake of who waits, within a bound: the number of
//! queries is finite, and grows only with answers that come. A watching run asks every 3 s at most, every 10 s as services
//! are, and never for more than half of the time; besides, it follows up hints with a few queries, once a second, and every
//! 10 s while nothing comes of them.

mod clock;
mod enough;
mod found;
mod hints;
mod pace;
mod plan;
mod questions;
mod telling;
mod turns;
mod walk;

use std::net::SocketAddr;
use std::time::Duration;

pub use found::MOST_SERVICES;
pub use plan::{BUDGET, Plan};

use crate::engine::mishaps::Mishaps;
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Ignored, Notice, Outcome, Refusal};
use crate::model::service::{Change, InstanceId, Service};
use crate::model::stats::Ending;
use crate::model::{Cast, Datagram, Destination, Event, Family, Now, Payload, Stats};
use crate::wire::beacon::{
    Announce, Goodbye, MOST_KNOWN, MOST_ROOM, Message, Nonce, Query, Reply, Seal, Unreadable, read,
};
use clock::Clock;
use found::{Answer, Found, Taken};
use hints::{Hint, Hints};
use pace::Pace;
use questions::{Question, Questions};
use turns::Turns;
use walk::{Slice, Step, Walk, scopes};

/// Hints are followed up after a random part of this, so that watchers that hear the same do not ask together.
const HINT_SPREAD: Duration = Duration::from_millis(250);

/// The rounds that ask after hints.
const HINT_ROUNDS: u32 = 2;

/// The queries of such a round, but for one or two: as many as list 1,200 who need not answer. Where more are known, so many
/// of the hints are asked after, one by one.
const HINT_QUERIES: usize = 4;

/// Whether a datagram is of a service whose name is wanted, or of none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    Yes,
    No,
}

/// What the scopes are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Doing {
    /// For everybody.
    Everybody,
    /// After hints.
    Hints,
    /// Nothing, for now.
    Resting,
    /// Nothing any more.
    Over,
}

/// Looks for services.
#[derive(Debug)]
pub struct Discoverer {
    plan: Plan,
    /// The scopes, each with how far it is asked.
    walks: Vec<Walk>,
    questions: Questions,
    found: Found,
    doing: Doing,
    /// When everybody is asked again.
    pace: Pace,
    hints: Hints,
    turns: Turns,
    /// Askings so far: of everybody, and after hints.
    cycle: u32,
    /// Rounds so far, over all scopes.
    rounds: u32,
    /// When the next service expires that did not answer, with the time that the host slept.
    expiry: Option<Duration>,
    /// All are found who were expected; what was asked is heard out until then.
    ends: Option<Duration>,
    clock: Clock,
    /// It was said that one address has more services than are kept of one.
    crowd_told: bool,
    /// How many instances were told of that two responders have.
    clashes_told: u32,
    /// The last query, as it is sent.
    bytes: Vec<u8>,
    /// The port that answers come to, once it is known.
    source_port: Option<u16>,
    mishaps: Mishaps,
    stats: Stats,
}

impl Discoverer {
    /// A discoverer by `plan`.
    pub fn new(plan: Plan) -> Self {
        let [duplicates, late, replies, responders, merged] = [Some(0); 5];
        let stats = Stats { duplicates, late, replies, responders, merged, ..Stats::default() };
        let walks = scopes(&plan.destinations);
        Self {
            walks,
            found: Found::new(plan.secret.is_some(), plan.names.clone()),
            plan,
            questions: Questions::default(),
            doing: Doing::Everybody,
            pace: Pace::default(),
            hints: Hints::new(),
            turns: Turns::default(),
            cycle: 0,
            rounds: 0,
            expiry: None,
            ends: None,
            clock: Clock::default(),
            crowd_told: false,
            clashes_told: 0,
            bytes: Vec::new(),
            source_port: None,
            mishaps: Mishaps::default(),
            stats,
        }
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Everything found so far that has a name that is wanted, by name.
    pub fn services(&self) -> Vec<&Service> {
        self.found.all()
    }

    /// Queries that make up one asking of everybody, so far: rounds, over all scopes.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The interfaces have changed: these are the destinations now, and everybody is asked again.
    pub fn readdress(&mut self, now: Now, destinations: Vec<Destination>) {
        if self.is_over() {
            return;
        }
        self.walks = scopes(&destinations);
        self.plan.destinations = destinations;
        self.questions.forget();
        self.ask_everybody(now.run);
    }

    // ---- asking ----------------------------------------------------------------------------------------------------

    fn ask_everybody(&mut self, now: Duration) {
        let there = self.found.answering();
        let guess = if self.cycle == 0 { self.plan.expect.unwrap_or(0) } else { there };
        self.cycle += 1;
        self.pace.begin(now);
        self.doing = Doing::Everybody;
        self.begin_walks(now, guess / self.walks.len().max(1) as u64);
    }

    /// Asks for those who are missing still; who was heard need not answer again.
    fn ask_once_more(&mut self, now: Duration) {
        self.doing = Doing::Everybody;
        self.begin_walks(now, 0);
    }

    fn ask_after_hints(&mut self, now: Duration) {
        self.cycle += 1;
        self.hints.follow(now, self.found.believed());
        self.doing = Doing::Hints;
        self.begin_walks(now, 0);
    }

    fn begin_walks(&mut self, now: Duration, guess: u64) {
        for walk in &mut self.walks {
            walk.begin(now, guess);
        }
    }

    /// Lets every scope do what is due.
    fn walk_on(&mut self, now: Now, out: &mut dyn Out) {
        for at in 0..self.walks.len() {
            while let Some(step) = self.walks[at].step(now.run) {
                match step {
                    Step::Ask(slice) => self.send(at, slice, out),
                    Step::Round => self.begin_round(now.run, at),
                    Step::Done => break,
                }
            }
        }
        if self.walks.iter().all(Walk::is_idle) {
            self.all_done(now, out);
        }
    }

    fn begin_round(&mut self, now: Duration, at: usize) {
        self.rounds += 1;
        let nonce = self.plan.draws.nonce();
        let round = self.rounds;
        self.questions.ask(nonce, at, round, self.walks.len());
        if self.doing == Doing::Hints {
            return self.begin_hint_round(now, at, &nonce);
        }
        self.walks[at].round(now, self.found.known(&nonce, at, self.cycle));
    }

    /// Everybody is asked but those who are known: one query asks after all hints, as long as few are.
    fn begin_hint_round(&mut self, now: Duration, at: usize, nonce: &Nonce) {
        let (walk, followed) = (&mut self.walks[at], self.hints.followed());
        if walk.rounds() >= HINT_ROUNDS {
            return walk.rest();
        }
        let known = self.found.known_but(nonce, followed);
        if known.len() <= HINT_QUERIES * MOST_KNOWN {
            walk.round(now, known);
        } else {
            walk.ask_places(now, followed.keys().take(HINT_QUERIES).map(|id| nonce.place(*id)).collect());
        }
    }

    fn send(&mut self, at: usize, slice: Slice, out: &mut dyn Out) {
        let Some(Question { nonce, .. }) = self.questions.latest(at) else { return };
        let Slice { window, places, known } = slice;
        let query = Query { nonce, window, service_type: self.plan.kind.clone(), places, known };
        query.write(self.plan.room, self.plan.secret.as_ref(), &mut self.bytes);
        self.questions.leaves(at, self.bytes.len());
        for destination in &self.walks[at].to {
            let family = Family::of(destination.address.ip());
            let Ok(payload) = Payload::new(self.bytes.as_slice(), family) else { continue };
            out.send(destination.transmit(payload, at as u64));
        }
    }

    /// To whom a question went. Where its interface has gone since it left, as far as the address shows.
    fn cast_to(&self, address: SocketAddr) -> Cast {
        let asked = self.plan.destinations.iter().find(|destination| destination.address == address);
        asked.map_or_else(|| Cast::by_form(address.ip()), |destination| destination.cast)
    }

    // ---- the end of an asking --------------------------------------------------------------------------------------

    fn all_done(&mut self, now: Now, out: &mut dyn Out) {
        match self.doing {
            Doing::Everybody if self.plan.watch => {
                let at = self.clock.time(now.run);
                for id in self.found.now_stale(self.cycle) {
                    self.tell(id, Change::Stale, out);
                }
                for id in self.found.without_silent_paths() {
                    self.tell(id, Change::Updated, out);
                }
                self.expire(at, out);
                self.turns.tidy(now.run);
                self.pace.done(now.run, self.found.has_overdue(at));
                self.doing = Doing::Resting;
            }
            Doing::Everybody if self.plan.deadline.is_some() && (self.is_short() || self.is_cut_short()) => {
                self.pace.missed(now.run);
                self.doing = Doing::Resting;
            }
            Doing::Everybody if self.is_cut_short() => self.cut_short(now, out),
            Doing::Everybody => self.doing = Doing::Over,
            Doing::Hints => {
                let since = self.clock.time(self.hints.since());
                for service in self.hints.settle(since, &mut self.found) {
                    self.tell_gone(&service, out);
                }
                self.doing = Doing::Resting;
            }
            Doing::Resting | Doing::Over => {}
        }
    }

    /// Ends the run at its own bounds.
    fn cut_short(&mut self, now: Now, out: &mut dyn Out) {
        self.doing = Doing::Over;
        out.tell(&Event::Notice(Notice::CutShort { after: now.run, secret: self.plan.secret.is_some() }));
    }

    fn is_cut_short(&self) -> bool {
        self.walks.iter().any(Walk::is_cut_short)
    }

    fn expire(&mut self, at: Duration, out: &mut dyn Out) {
        for service in self.found.take_expired(at) {
            self.tell_gone(&service, out);
        }
        self.expiry = self.found.next_expiry();
    }

    /// When everybody is asked again.
    fn again_at(&self) -> Option<Duration> {
        let resting = self.doing == Doing::Resting;
        resting.then(|| match self.plan.watch {
            true => self.pace.refresh(self.found.shortest_ttl()),
            false => self.pace.once_more(),
        })
    }

    // ---- answers ---------------------------------------------------------------------------------------------------

    fn take(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) -> Result<Wanted, Ignored> {
        if datagram.is_truncated() {
            return Err(Ignored::Malformed);
        }
        let (message, seal) = read(datagram.payload).map_err(|why| match why {
            Unreadable::Foreign => Ignored::Foreign,
            Unreadable::Broken => Ignored::Malformed,
        })?;
        match message {
            Message::Reply(reply) => self.answered(now, reply, &seal, datagram, out),
            // Nobody outside this host's subnets has anything to announce here; he could only make us ask.
            Message::Announce(_) | Message::Goodbye(_) if !datagram.on_link && !datagram.is_self() => {
                Err(Ignored::OffLink)
            }
            Message::Announce(announce) => self.announced(now, &announce, &seal),
            Message::Goodbye(goodbye) => self.goodbye(now, &goodbye, &seal).map(|()| Wanted::Yes),
            Message::Query(_) => Err(Ignored::WrongKind),
        }
    }

    fn answered(
        &mut self,
        now: Now,
        reply: Reply,
        seal: &Seal<'_>,
        datagram: &Datagram<'_>,
        out: &mut dyn Out,
    ) -> Result<Wanted, Ignored> {
        let id = reply.about.id;
        let Question { nonce, walk, round, longest } = self.questions.of(reply.echo).ok_or(Ignored::Foreign)?;
        if datagram.payload.len() > longest {
            return Err(Ignored::ReplyTooLong);
        }
        let signed = match &self.plan.secret {
            Some(secret) if seal.is_there() && !seal.is_of(secret, Some(&nonce)) => return Err(Ignored::BadSignature),
            Some(_) => seal.is_there(),
            // Without a secret nothing can be checked: a signature is as good as none.
            None => false,
        };
        if self.plan.kind.as_ref().is_some_and(|kind| *kind != reply.about.kind) {
            return Err(Ignored::OtherType);
        }
        let (cycle, time, full) = (self.cycle, self.clock.time(now.run), self.plan.room >= MOST_ROOM);
        let taken = self.found.take(Answer { reply, signed, datagram, walk, cycle, full, now, time });
        if taken == Err(Ignored::TooMany) {
            self.tell_of_crowd(datagram.source, out);
        }
        let counts = signed || self.plan.secret.is_none();
        self.pace(walk, round, now.run, counts && matches!(taken, Ok(Taken::Heard | Taken::Changed(..))));
        match taken? {
            // It has another name now.
            Taken::Changed(id, Change::Gone) => self.tell_change(now.run, id, Change::Gone, out),
            taken if self.found.is_named(id) => {
                self.account(now.run, taken, counts, out);
                return Ok(Wanted::Yes);
            }
            _ => {}
        }
        Ok(Wanted::No)
    }

    /// Tells the scope how fast answers come.
    fn pace(&mut self, at: usize, round: u32, now: Duration, new: bool) {
        let latest = self.questions.latest(at).is_some_and(|question| question.round == round);
        let Some(walk) = self.walks.get_mut(at) else { return };
        if latest {
            return walk.heard(now, new);
        }
        self.stats.late = self.stats.late.map(|n| n + 1);
        if new {
            walk.heard_late();
        }
    }

    fn account(&mut self, now: Duration, taken: Taken, counts: bool, out: &mut dyn Out) {
        let add = |counter: &mut Option<u64>, n: u64| *counter = counter.map(|before| before + n);
        match taken {
            Taken::Duplicate => return add(&mut self.stats.duplicates, 1),
            Taken::Heard | Taken::Again => {}
            Taken::Changed(id, change) => {
                self.tell_change(now, id, change, out);
                if counts && matches!(change, Change::Found | Change::Updated) {
                    self.stats.responders = Some(self.found.believed());
                    self.end_if_all_are_found();
                }
            }
            Taken::Clash(id, one, other) => self.tell_of_clash(id, one, other, out),
        }
        add(&mut self.stats.replies, 1);
    }

    // ---- hints -----------------------------------------------------------------------------------------------------

    fn announced(&mut self, now: Now, announce: &Announce, seal: &Seal<'_>) -> Result<Wanted, Ignored> {
        self.check_hint(seal)?;
        let Announce { order, about } = announce;
        if self.plan.kind.as_ref().is_some_and(|kind| *kind != about.kind) {
            return Err(Ignored::OtherType);
        }
        if !self.plan.names.fits(&about.name) {
            return Ok(Wanted::No);
        }
        if self.found.is_news(about.id, *order) {
            self.follow_up(now, about.id, Hint::Came(*order));
        }
        Ok(Wanted::Yes)
    }

    fn goodbye(&mut self, now: Now, goodbye: &Goodbye, seal: &Seal<'_>) -> Result<(), Ignored> {
        self.check_hint(seal)?;
        if self.found.doubt(goodbye) {
            self.follow_up(now, goodbye.id, Hint::Went);
        }
        Ok(())
    }

    fn check_hint(&self, seal: &Seal<'_>) -> Result<(), Ignored> {
        match &self.plan.secret {
            _ if !self.plan.watch => Err(Ignored::WrongKind),
            Some(_) if !seal.is_there() => Err(Ignored::Unsigned),
            Some(secret) if !seal.is_of(secret, None) => Err(Ignored::BadSignature),
            _ => Ok(()),
        }
    }

    fn follow_up(&mut self, now: Now, id: InstanceId, hint: Hint) {
        let soon = now.run + Duration::from_nanos(self.plan.draws.below(HINT_SPREAD.as_nanos() as u64));
        self.hints.add(id, hint, soon);
    }

    // ---- the clock -------------------------------------------------------------------------------------------------

    /// Asks everybody again if the host seems to have slept, or to be somewhere else in time.
    fn look_at_the_clock(&mut self, now: Now, out: &mut dyn Out) {
        if self.clock.jumped(now) && self.plan.watch && self.doing != Doing::Over {
            out.tell(&Event::Notice(Notice::ClockJumped));
            self.ask_everybody(now.run);
        }
    }

    fn is_over(&self) -> bool {
        self.doing == Doing::Over
    }
}

impl Engine for Discoverer {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        self.stats.skipped = self.plan.skipped.len() as u64;
        for skipped in std::mem::take(&mut self.plan.skipped) {
            out.tell(&Event::Skipped(skipped));
        }
        for notice in std::mem::take(&mut self.plan.notices) {
            out.tell(&Event::Notice(notice));
        }
        self.look_at_the_clock(now, out);
        self.ask_everybody(now.run);
        self.walk_on(now, out);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        if self.is_over() {
            return;
        }
        let taken = self.take(now, datagram, out);
        if taken == Ok(Wanted::No) {
            self.stats.filtered += 1;
            return;
        }
        self.stats.saw(datagram);
        if let Err(reason) = taken {
            *self.stats.ignored.entry(reason).or_default() += 1;
            out.tell(&Event::Ignored(reason, datagram));
        }
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        let source = match outcome.result {
            Ok(source) => source,
            Err(fault) => return self.mishaps.failed(now, outcome, fault, &mut self.stats, out),
        };
        self.source_port = source.map(|source| source.port()).or(self.source_port);
        out.tell(&outcome.sent(self.stats.sent, source, self.cast_to(outcome.destination)));
        self.stats.leaves(outcome.len);
    }

    fn refused(&mut self, now: Now, refusal: &Refusal, out: &mut dyn Out) {
        self.mishaps.refused(now, refusal, &mut self.stats, out);
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        if self.is_over() {
            return;
        }
        if self.plan.deadline.into_iter().chain(self.ends).any(|end| end <= now.run) {
            self.doing = Doing::Over;
            return;
        }
        if self.end().is_some_and(|end| end <= now.run) {
            return self.cut_short(now, out);
        }
        self.look_at_the_clock(now, out);
        self.tell_later(now.run, now.run, out);
        let at = self.clock.time(now.run);
        if self.expiry.is_some_and(|expiry| expiry <= at) {
            self.expire(at, out);
        }
        if self.again_at().is_some_and(|again| again <= now.run) {
            if self.plan.watch {
                self.ask_everybody(now.run);
            } else {
                self.ask_once_more(now.run);
            }
        } else if self.doing == Doing::Resting && self.hints.due().is_some_and(|hint| hint <= now.run) {
            self.ask_after_hints(now.run);
        }
        self.walk_on(now, out);
    }

    fn next(&self) -> Next {
        let resting = self.doing == Doing::Resting;
        let tick = self.clock.tick().filter(|_| resting && self.plan.watch);
        let expiry = self.expiry.map(|expiry| self.clock.run(expiry));
        let hint = self.hints.due().filter(|_| resting);
        let others = [self.end(), self.ends, self.again_at(), hint, tick, expiry, self.turns.next()];
        let walks = self.walks.iter().filter_map(Walk::due);
        // Where there is no scope left to ask in, an asking is done as soon as it has begun; the next one may have some.
        let asked_nobody = (!resting && self.walks.is_empty()).then_some(self.pace.began());
        match walks.chain(others.into_iter().flatten()).chain(asked_nobody).min() {
            _ if self.is_over() => Next::Done,
            Some(at) => Next::At(at),
            None => Next::Done,
        }
    }

    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.doing = Doing::Over;
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        self.tell_later(now.run, Duration::MAX, out);
        for service in self.found.all() {
            out.tell(&Event::Service(Change::Listed, service));
        }
        if let Some(missing) = self.missing() {
            out.tell(&Event::Notice(Notice::ServicesMissing(Box::new(missing))));
        }
        self.stats.responders = Some(self.found.believed());
        self.stats.close(now.run, ending, self.verdict());
        out.tell(&Event::Summary(&self.stats));
    }
}

#[cfg(test)]
mod tests;
