//! Finding services: who is there, by which paths, and how far that can be believed.
//!
//! Everybody is asked in every scope at once, an interface with an IP version; `walk` says when and at what pace, `found` keeps what is found. A run
//! ends when all scopes are done, when so many as were expected are found, at its deadline, or, if it has none, at [`BUDGET`]; a
//! watching run then waits, and asks everybody again when a third of the shortest time to live has passed, but 3 s at the
//! least. A service that does not answer then is stale, and gone when it has been silent for its whole time and was asked in
//! vain once more. An address that it does not answer from twice, while it answers from another, is none of its own any more.
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
mod found;
mod hints;
mod news;
mod pace;
mod walk;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub use found::MOST_SERVICES;

use crate::engine::mishaps::Mishaps;
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Ignored, Missing, Notice, Outcome, Refusal, Skipped};
use crate::model::service::{Change, InstanceId, Service, ServiceType};
use crate::model::stats::Ending;
use crate::model::{Cast, Datagram, Destination, Event, Family, Names, Now, Payload, Stats, Verdict};
use crate::wire::beacon::{
    Announce, Draws, Goodbye, MOST_KNOWN, MOST_ROOM, Message, Nonce, Query, Reply, Seal, Secret, Unreadable, read,
};
use clock::Clock;
use found::{Answer, Found, Others, Taken};
use hints::{Hint, Hints};
use news::{News, Turn};
use pace::Pace;
use walk::{Slice, Step, Walk};

/// Whom to look for, and how long.
#[derive(Debug)]
pub struct Plan {
    /// Where to ask: addresses of everybody. Those of one interface and one IP version are asked together, as one scope.
    pub destinations: Vec<Destination>,
    /// Interfaces left out, to be told.
    pub skipped: Vec<Skipped>,
    /// What the user should know, to be told.
    pub notices: Vec<Notice>,
    /// Only services of this type: others do not answer.
    pub kind: Option<ServiceType>,
    /// Only services of these names: others answer, and are left out.
    pub names: Names,
    /// Nobody is asked but this host itself; to be told where fewer are found than were wanted.
    pub on_loopback: bool,
    /// What services must share, if anything.
    pub secret: Option<Secret>,
    /// Random numbers. Whoever can guess them can forge answers where there is no secret.
    pub draws: Draws,
    /// Bytes of an answer to make room for; 0 for a name and a few attributes.
    pub room: usize,
    /// Go on when everybody is found, and tell who comes and goes.
    pub watch: bool,
    /// So many services end the run, once answers to what was asked are heard out, and fewer are an error. With a secret,
    /// verified ones. More than some ten thousand also make the first round careful.
    pub expect: Option<u64>,
    /// The end of the run. Where fewer than expected are found, or nobody, or new ones come still, it goes on asking until then.
    /// Without one, a run that does not watch ends after [`BUDGET`].
    pub deadline: Option<Duration>,
    /// Some sent and some not is good enough.
    pub lenient: bool,
}

impl Plan {
    /// Everybody is asked there for services of every type and name, once, and short answers are enough.
    pub fn to(destinations: Vec<Destination>, draws: Draws) -> Self {
        Self {
            destinations,
            skipped: Vec::new(),
            notices: Vec::new(),
            kind: None,
            names: Names::All,
            on_loopback: false,
            secret: None,
            draws,
            room: 0,
            watch: false,
            expect: None,
            deadline: None,
            lenient: false,
        }
    }
}

/// The longest that a run takes which has no deadline and does not watch. In the simulation 100,000 services need 4 s as a
/// rule, 12 s where one in ten datagrams is lost, and 14 s behind 20 Mbit/s; who needs longer is kept up by somebody.
pub const BUDGET: Duration = Duration::from_secs(15);

/// So many instances are told of that two responders have: more say nothing else.
const MOST_CLASHES: u32 = 8;

/// Hints are followed up after a random part of this, so that watchers that hear the same do not ask together.
const HINT_SPREAD: Duration = Duration::from_millis(250);

/// The rounds that ask after hints.
const HINT_ROUNDS: u32 = 2;

/// The queries of such a round, but for one or two: as many as list 1,200 who need not answer. Where more are known, so many
/// of the hints are asked after, one by one.
const HINT_QUERIES: usize = 4;

/// Questions whose answers still count, for each scope: all of a run on a LAN where everybody is seconds late, as behind a
/// long queue. With fewer, every answer would come to a question that is forgotten, and bring on the next one.
const LIVE: usize = 64;

/// A question that may be answered.
#[derive(Debug)]
struct Asked {
    nonce: Nonce,
    walk: usize,
    round: u32,
    /// Bytes of the longest query with it: no honest answer has more.
    longest: usize,
}

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
    /// Questions that may be answered, the latest last.
    asked: VecDeque<Asked>,
    found: Found,
    doing: Doing,
    /// When everybody is asked again.
    pace: Pace,
    hints: Hints,
    news: News,
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
            asked: VecDeque::new(),
            doing: Doing::Everybody,
            pace: Pace::default(),
            hints: Hints::new(),
            news: News::default(),
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
        self.asked.clear();
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
        if self.asked.len() >= LIVE * self.walks.len() {
            self.asked.pop_front();
        }
        self.asked.push_back(Asked { nonce, walk: at, round, longest: 0 });
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
        let Some(asked) = self.asked.iter_mut().rfind(|asked| asked.walk == at) else { return };
        let Slice { window, places, known } = slice;
        let query = Query { nonce: asked.nonce, window, service_type: self.plan.kind.clone(), places, known };
        query.write(self.plan.room, self.plan.secret.as_ref(), &mut self.bytes);
        asked.longest = asked.longest.max(self.bytes.len());
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
                self.news.tidy(now.run);
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

    /// The end of the run, at the latest.
    fn end(&self) -> Option<Duration> {
        self.plan.deadline.or((!self.plan.watch).then_some(BUDGET))
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

    fn is_short(&self) -> bool {
        self.found.believed() < self.wanted()
    }

    /// So many are to be found: somebody, where nothing else is expected.
    fn wanted(&self) -> u64 {
        self.plan.expect.unwrap_or(1)
    }

    /// Whether it is an error that too few are there at the end: who watches without an end has no time by which they should.
    const fn must_find(&self) -> bool {
        !self.plan.watch || self.plan.deadline.is_some()
    }

    /// Who was heard in one scope may be heard in others, as long as answers to what was asked may come: then what is told of
    /// him does not depend on which was the fastest.
    fn end_if_all_are_found(&mut self) {
        let expect = self.plan.expect.filter(|_| !self.plan.watch);
        if expect.is_some_and(|expect| self.stats.responders.unwrap_or(0) >= expect) {
            self.ends = self.ends.or_else(|| self.walks.iter().map(Walk::heard_out).max());
        }
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
        let question = self.asked.iter().rfind(|asked| asked.nonce.echo() == reply.echo).ok_or(Ignored::Foreign)?;
        let Asked { nonce, walk, round, longest } = *question;
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
        let latest = self.asked.iter().rfind(|asked| asked.walk == at).is_some_and(|asked| asked.round == round);
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

    /// Says that two responders have one instance. A few times are enough to see that something is wrong with the LAN: whoever
    /// makes instances up could have it said as often as he likes.
    fn tell_of_clash(&mut self, id: InstanceId, one: SocketAddr, other: SocketAddr, out: &mut dyn Out) {
        if self.clashes_told < MOST_CLASHES {
            self.clashes_told += 1;
            out.tell(&Event::Notice(Notice::IdClash(id, one, other)));
        }
    }

    /// Says once that an address has more services than are kept of one: among those left out there may be true ones.
    fn tell_of_crowd(&mut self, source: SocketAddr, out: &mut dyn Out) {
        if self.crowd_told {
            return;
        }
        if let Some((address, kept)) = self.found.crowd(source) {
            self.crowd_told = true;
            out.tell(&Event::Notice(Notice::ManyOfOne { address, kept }));
        }
    }

    /// Tells what an answer changed, unless that happens too often. A new way is told at once: there are few, and its line has
    /// nothing else.
    fn tell_change(&mut self, now: Duration, id: InstanceId, change: Change, out: &mut dyn Out) {
        let turn = if change == Change::Path { Turn::Now } else { self.news.turn(now, id, change) };
        match turn {
            Turn::Now => self.tell(id, change, out),
            Turn::Later => {}
            Turn::Merged => self.merged(),
        }
    }

    /// Tells what became of those whose turn comes until then.
    fn tell_later(&mut self, now: Duration, until: Duration, out: &mut dyn Out) {
        while let Some(id) = self.news.take(until) {
            match self.news.settle(now, id, self.found.is_named(id)) {
                Some(change) => self.tell(id, change, out),
                None => self.merged(),
            }
        }
    }

    fn merged(&mut self) {
        self.stats.merged = self.stats.merged.map(|n| n + 1);
    }

    fn tell_gone(&mut self, service: &Service, out: &mut dyn Out) {
        self.news.forget(service.about.id);
        out.tell(&Event::Service(Change::Gone, service));
    }

    fn tell(&self, id: InstanceId, change: Change, out: &mut dyn Out) {
        if let Some(service) = self.found.get(id) {
            out.tell(&Event::Service(change, service));
        }
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

    /// What is known of services that were not found, if there are fewer than were wanted.
    fn missing(&self) -> Option<Missing> {
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

    fn verdict(&self) -> Verdict {
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

/// The scopes: destinations of one interface and one IP version are one, for whoever hears both is asked by one address and
/// answers once.
fn scopes(destinations: &[Destination]) -> Vec<Walk> {
    let mut scopes: Vec<Vec<Destination>> = Vec::new();
    let together = |a: &Destination, b: &Destination| {
        let one_version = a.address.is_ipv4() == b.address.is_ipv4();
        a.link.is_some() && a.link == b.link && one_version && a.source == b.source
    };
    for destination in destinations {
        match scopes.iter_mut().find(|scope| scope.iter().all(|other| together(other, destination))) {
            Some(scope) => scope.push(destination.clone()),
            None => scopes.push(vec![destination.clone()]),
        }
    }
    scopes.into_iter().map(Walk::new).collect()
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
        let others = [self.end(), self.ends, self.again_at(), hint, tick, expiry, self.news.next()];
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
