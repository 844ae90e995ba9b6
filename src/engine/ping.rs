//! Probing an echo service, or all of them at once, and keeping an account of each responder.
//!
//! Every probe of a run has a number, and goes to every destination. For each address that answers it is kept which
//! numbers it answered, so that
//!
//! `sent = received + late + lost`
//!
//! holds for it: `received` in time, `late` after the wait, `lost` never. Answers beyond the first to a number are
//! `duplicates`, answers behind a later number's are `reordered`; both are counted beside that sum. What comes back
//! changed is `corrupt`, and since it does not say to which probe it belongs, that probe is lost as well. An address is
//! accounted for from the first probe it answered: what was sent before it came is not its loss. Nor is what the system
//! took for no destination at all: that was never sent.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use crate::engine::send::{fragments, same_address};
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Ignored, Notice, Outcome, Progress, Refusal, Reply, Responder, Sent, Skipped};
use crate::model::seen::{Seen, Sight};
use crate::model::stats::Ending;
use crate::model::target::canonical;
use crate::model::{Cast, Datagram, Destination, Event, Family, Latency, Link, Now, Payload, Stats, Transmit, Verdict};
use crate::wire::probe::{self, Probe, RunId};

/// What counts as an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Match {
    /// The probe itself, whole.
    Probe,
    /// Anything: the peer has an answer of its own.
    Any,
}

/// Whom to probe, how often and how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every probe goes to each of them.
    pub destinations: Vec<Destination>,
    /// Interfaces left out, to be told.
    pub skipped: Vec<Skipped>,
    /// What the user should know, to be told.
    pub notices: Vec<Notice>,
    /// The run's random number.
    pub run: RunId,
    /// Payload bytes of a probe; at least [`probe::HEADER`].
    pub size: usize,
    /// So many probes; `None` goes on until the end is asked for.
    pub count: Option<u32>,
    /// The time from one probe to the next.
    pub interval: Duration,
    /// The end of the run, whatever is outstanding.
    pub deadline: Option<Duration>,
    /// How long an answer is in time; also how long answers to the last probe are waited for.
    pub wait: Duration,
    /// So many responders that answered everything end the run, and fewer that answered anything are an error.
    pub expect: Option<u64>,
    /// What counts as an answer.
    pub matching: Match,
    /// The interval is kept even if nobody answers.
    pub flood: bool,
    /// Some sent and some not is good enough.
    pub lenient: bool,
}

/// Round-trip time assumed before one is known (RFC 8085 3.1.1).
const FIRST_ESTIMATE: Duration = Duration::from_secs(1);

/// The slowest pace that silence slows probes to: what RFC 8085 3.1.3 allows without any return traffic.
const SLOWEST: Duration = Duration::from_secs(3);

/// Probes without any answer before the user is told that the pace has gone down.
const SILENT: u32 = 3;

/// Responders told apart, so that strangers cannot make the table grow.
const MOST_RESPONDERS: usize = 65_536;

/// Probes that leave at once, when the pace asks for more than a wake-up each (RFC 8085 3.1.6).
const BURST: usize = 64;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Probing,
    Waiting,
    Over,
}

/// Probes, and keeps the account.
pub struct Pinger {
    plan: Plan,
    phase: Phase,
    /// When each probe left, by number; the first ones are forgotten with [`Seen`].
    left: VecDeque<Duration>,
    forgotten: u32,
    next_seq: u32,
    unsent: Unsent,
    due: Duration,
    /// When the last probe should have left; the pace is counted from there, so that it does not drift.
    planned: Duration,
    /// Probes since somebody last answered.
    unanswered: u32,
    /// Smoothed round-trip time (RFC 6298 section 2: an eighth of each new one).
    estimate: Option<Duration>,
    told_slow: bool,
    accounts: HashMap<SocketAddr, Account>,
    /// Other hosts that have answered everything, once everything is sent.
    complete: u64,
    bytes: Vec<u8>,
    source_port: Option<u16>,
    stats: Stats,
}

/// Probes that the system took for no destination.
#[derive(Debug, Default)]
struct Unsent {
    /// Ascending and apart: a way that is down is down for many probes.
    ranges: Vec<Range<u32>>,
    /// The number of the last probe that failed, and for how many destinations.
    failing: (u32, usize),
}

impl Unsent {
    /// One of a probe's so many destinations has failed.
    fn failed(&mut self, seq: u32, destinations: usize) {
        let before = if self.failing.0 == seq { self.failing.1 } else { 0 };
        self.failing = (seq, before + 1);
        if self.failing.1 == destinations {
            match self.ranges.last_mut() {
                Some(last) if last.end == seq => last.end += 1,
                _ => self.ranges.push(seq..seq + 1),
            }
        }
    }

    fn contains(&self, seq: u32) -> bool {
        let place = self.ranges.partition_point(|range| range.end <= seq);
        self.ranges.get(place).is_some_and(|range| range.start <= seq)
    }

    /// How many from `since` on.
    fn since(&self, since: u32) -> u32 {
        let later = self.ranges.iter().rev().take_while(|range| range.end > since);
        later.map(|range| range.end - range.start.max(since)).sum()
    }
}

/// What is known of one address.
#[derive(Debug)]
struct Account {
    link: Option<Link>,
    own: bool,
    from_another: bool,
    since: u32,
    seen: Seen,
    highest: Option<u32>,
    received: u64,
    late: u64,
    duplicates: u64,
    reordered: u64,
    corrupt: u64,
    latency: Latency,
}

/// What one answer is.
struct Judged {
    seq: Option<u32>,
    round_trip: Option<Duration>,
    duplicate: bool,
    late: bool,
}

impl Pinger {
    /// A pinger by `plan`.
    pub fn new(plan: Plan) -> Self {
        let stats = Stats {
            duplicates: Some(0),
            late: Some(0),
            lost: Some(0),
            reordered: Some(0),
            replies: Some(0),
            responders: Some(0),
            ..Stats::default()
        };
        Self {
            plan,
            phase: Phase::Probing,
            left: VecDeque::new(),
            forgotten: 0,
            next_seq: 0,
            unsent: Unsent::default(),
            due: Duration::ZERO,
            planned: Duration::ZERO,
            unanswered: 0,
            estimate: None,
            told_slow: false,
            accounts: HashMap::new(),
            complete: 0,
            bytes: Vec::new(),
            source_port: None,
            stats,
        }
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The one destination, where it is one host.
    fn target(&self) -> Option<&Destination> {
        match &self.plan.destinations[..] {
            [one] if one.cast == Cast::Unicast => Some(one),
            _ => None,
        }
    }

    // ---- probing -----------------------------------------------------------------------------------------------

    fn send_probe(&mut self, now: Now, out: &mut dyn Out) {
        let seq = self.next_seq;
        Probe { run: self.plan.run, seq, made: now.run }.write(self.plan.size, &mut self.bytes);
        for (place, destination) in self.plan.destinations.iter().enumerate() {
            let family = Family::of(destination.address.ip());
            // The plan's size fits into a datagram: whoever made it has checked.
            let Ok(payload) = Payload::new(self.bytes.as_slice(), family) else { continue };
            out.send(Transmit {
                payload,
                destination: destination.address,
                source: destination.source,
                link: destination.link.clone(),
                ticket: u64::from(seq) * self.plan.destinations.len() as u64 + place as u64,
            });
        }
        self.left.push_back(now.run);
        if self.left.len() > Seen::REACH as usize {
            self.left.pop_front();
            self.forgotten += 1;
        }
        self.next_seq += 1;
        self.unanswered += 1;
        // A little late is made up for by the next one; more would be a burst.
        let late = now.run.saturating_sub(self.due);
        self.planned = if late > self.plan.interval { now.run } else { self.due };
        self.due = self.planned + self.gap();
        self.tell_slow(out);
        if self.plan.count.is_some_and(|count| self.next_seq >= count) || self.next_seq == u32::MAX {
            self.phase = Phase::Waiting;
        }
    }

    /// The time to the next probe. Not before an answer, or the time one should have taken, twice as long after each
    /// silence (RFC 8085 3.1.1); an answer brings the interval back.
    fn gap(&self) -> Duration {
        if self.plan.flood {
            return self.plan.interval;
        }
        let expected = self.estimate.map_or(FIRST_ESTIMATE, |estimate| estimate * 2);
        let patience = expected.saturating_mul(1 << self.unanswered.saturating_sub(1).min(20));
        self.plan.interval.max(patience.min(SLOWEST))
    }

    fn tell_slow(&mut self, out: &mut dyn Out) {
        let slow = self.unanswered >= SILENT && self.gap() > self.plan.interval;
        if slow && !self.told_slow {
            self.told_slow = true;
            out.tell(&Event::Notice(Notice::SlowedDown { unanswered: self.unanswered, most: SLOWEST }));
        }
    }

    /// Somebody answered: the pace is the interval again, counted from the last probe.
    fn heard_somebody(&mut self, round_trip: Option<Duration>) {
        self.unanswered = 0;
        self.told_slow = false;
        if let Some(time) = round_trip {
            self.estimate = Some(self.estimate.map_or(time, |estimate| (estimate * 7 + time) / 8));
        }
        self.due = self.due.min(self.planned + self.plan.interval);
    }

    fn left_at(&self, seq: u32) -> Option<Duration> {
        self.left.get(seq.checked_sub(self.forgotten)? as usize).copied()
    }

    // ---- answers -----------------------------------------------------------------------------------------------

    /// The account of an address, opened if it is new and there is room.
    fn account(&mut self, datagram: &Datagram<'_>, since: u32) -> Option<&mut Account> {
        let address = canonical(datagram.source);
        let known = self.accounts.contains_key(&address);
        if !known && self.accounts.len() >= MOST_RESPONDERS {
            return None;
        }
        let target = self.target();
        let own = target.is_none() && datagram.is_self();
        let from_another = target.is_some_and(|target| !same_address(target.address, address));
        let account = self.accounts.entry(address).or_insert_with(|| Account::new(own, from_another, since));
        account.link = account.link.take().or_else(|| datagram.link.clone());
        Some(account)
    }

    fn take(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        match self.plan.matching {
            Match::Any => self.take_any(now, datagram, out),
            Match::Probe => match Probe::read(datagram.payload) {
                probe::Seen::Probe(probe) if probe.run == self.plan.run && probe.seq < self.next_seq => {
                    self.answered(now, datagram, Some(probe.seq), out);
                }
                probe::Seen::Broken if datagram.wire_len == self.plan.size => self.corrupt(datagram, out),
                _ => self.ignore(Ignored::Foreign, datagram, out),
            },
        }
    }

    /// The oldest probe that is still in time and that this address has not answered.
    fn take_any(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        let account = self.accounts.get(&canonical(datagram.source));
        let in_time = |seq: &u32| self.left_at(*seq).is_some_and(|left| left + self.plan.wait >= now.run);
        let open =
            |seq: &u32| account.is_none_or(|account| !account.seen.contains(*seq)) && !self.unsent.contains(*seq);
        let recent = (self.forgotten..self.next_seq).rev().take_while(in_time);
        let seq = recent.filter(open).last();
        self.answered(now, datagram, seq.or(self.next_seq.checked_sub(1)), out);
    }

    fn answered(&mut self, now: Now, datagram: &Datagram<'_>, seq: Option<u32>, out: &mut dyn Out) {
        let left = seq.and_then(|seq| self.left_at(seq));
        let (Some(seq), Some(left)) = (seq, left) else {
            return self.ignore(Ignored::Foreign, datagram, out);
        };
        let wait = self.plan.wait;
        let Some(account) = self.account(datagram, seq) else {
            return self.ignore(Ignored::TooMany, datagram, out);
        };
        let round_trip = now.run.saturating_sub(left);
        let judged = account.judge(seq, round_trip, wait);
        let (own, from_another, answered) = (account.own, account.from_another, account.answered());
        if !own && !judged.duplicate && self.phase == Phase::Waiting && answered == self.all() {
            self.complete += 1;
        }
        self.count(&judged, own);
        if !own && !judged.duplicate {
            self.heard_somebody((!judged.late).then_some(round_trip));
        }
        let Judged { seq, round_trip, duplicate, late } = judged;
        out.tell(&Event::Reply(Reply { datagram, round_trip, from_another, duplicate, seq, late }));
        self.end_if_complete();
    }

    fn count(&mut self, judged: &Judged, own: bool) {
        let add = |counter: &mut Option<u64>| *counter = counter.map(|n| n + 1);
        match judged {
            _ if own => {}
            Judged { duplicate: true, .. } => add(&mut self.stats.duplicates),
            Judged { late: true, .. } => add(&mut self.stats.late),
            _ => add(&mut self.stats.replies),
        }
    }

    fn corrupt(&mut self, datagram: &Datagram<'_>, out: &mut dyn Out) {
        if let Some(account) = self.accounts.get_mut(&canonical(datagram.source)) {
            account.corrupt += 1;
        }
        self.ignore(Ignored::Corrupt, datagram, out);
    }

    fn ignore(&mut self, reason: Ignored, datagram: &Datagram<'_>, out: &mut dyn Out) {
        *self.stats.ignored.entry(reason).or_default() += 1;
        out.tell(&Event::Ignored(reason, datagram));
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Everything is sent and everybody who is expected has answered all of it: there is nothing to wait for.
    fn end_if_complete(&mut self) {
        let expected = self.plan.expect.or_else(|| self.target().map(|_| 1));
        if self.phase == Phase::Waiting && expected.is_some_and(|expected| self.complete >= expected) {
            self.phase = Phase::Over;
        }
    }

    /// Probes of the whole run.
    fn all(&self) -> u64 {
        self.sent_since(0)
    }

    /// Probes that left, from this one on.
    fn sent_since(&self, since: u32) -> u64 {
        u64::from(self.next_seq - since - self.unsent.since(since))
    }

    /// What has not left needs no answer: with it gone, somebody may have answered everything.
    fn not_sent(&mut self, seq: u32) {
        self.unsent.failed(seq, self.plan.destinations.len());
        if self.phase == Phase::Waiting {
            let all = self.all();
            self.complete = self.accounts.values().filter(|a| !a.own && a.answered() == all).count() as u64;
            self.end_if_complete();
        }
    }

    /// Probes of its time that an address has not answered.
    fn outstanding(&self, account: &Account) -> u64 {
        self.sent_since(account.since).saturating_sub(account.answered())
    }

    fn last_left(&self) -> Duration {
        self.left.back().copied().unwrap_or_default()
    }

    /// When the present phase ends by itself.
    fn phase_ends(&self) -> Duration {
        let own = match self.phase {
            Phase::Waiting => self.last_left() + self.plan.wait,
            _ => self.due,
        };
        self.plan.deadline.map_or(own, |deadline| own.min(deadline))
    }

    fn verdict(&self) -> Verdict {
        let stats = &self.stats;
        let answered = stats.responders.unwrap_or(0);
        match () {
            () if stats.sent == 0 && stats.failed > 0 => Verdict::SystemRefused,
            () if answered == 0 && stats.refused > 0 => Verdict::PeerRefused,
            () if answered < self.plan.expect.unwrap_or(1) => Verdict::TooFew,
            () if stats.failed > 0 && !self.plan.lenient => Verdict::Partly,
            () => Verdict::Done,
        }
    }

    fn progress(&self) -> Progress {
        let missing = self.accounts.values().filter(|a| !a.own).map(|a| self.outstanding(a)).sum();
        Progress { sent: self.next_seq.into(), answered: self.stats.replies.unwrap_or(0), missing }
    }

    /// Probes that an address can still answer in time: ended now, the run cannot call them lost.
    fn in_flight(&self, account: &Account, now: Now) -> u64 {
        let young = |seq: &u32| self.left_at(*seq).is_some_and(|left| left + self.plan.wait > now.run);
        let recent = (account.since..self.next_seq).rev().take_while(young);
        recent.filter(|seq| !account.seen.contains(*seq) && !self.unsent.contains(*seq)).count() as u64
    }

    /// The accounts, by address, each added up.
    fn close(&mut self, now: Now, out: &mut dyn Out) {
        let mut addresses: Vec<SocketAddr> = self.accounts.keys().copied().collect();
        addresses.sort_unstable();
        for address in addresses {
            let Some(account) = self.accounts.get(&address) else { continue };
            let in_flight = self.in_flight(account, now);
            let lost = self.outstanding(account) - in_flight;
            if !account.own {
                self.stats.lost = self.stats.lost.map(|n| n + lost);
                self.stats.reordered = self.stats.reordered.map(|n| n + account.reordered);
                self.stats.responders = self.stats.responders.map(|n| n + u64::from(account.answered() > 0));
            }
            out.tell(&Event::Responder(&Responder {
                address,
                link: account.link.clone(),
                own: account.own,
                from_another: account.from_another,
                since_seq: account.since,
                sent: self.sent_since(account.since) - in_flight,
                received: account.received,
                lost,
                duplicates: account.duplicates,
                reordered: account.reordered,
                late: account.late,
                corrupt: account.corrupt,
                latency: &account.latency,
            }));
        }
    }
}

impl Account {
    fn new(own: bool, from_another: bool, since: u32) -> Self {
        Self {
            link: None,
            own,
            from_another,
            since,
            seen: Seen::default(),
            highest: None,
            received: 0,
            late: 0,
            duplicates: 0,
            reordered: 0,
            corrupt: 0,
            latency: Latency::default(),
        }
    }

    fn judge(&mut self, seq: u32, round_trip: Duration, wait: Duration) -> Judged {
        // An earlier probe's answer that comes later shows that it was there earlier.
        self.since = self.since.min(seq);
        let duplicate = self.seen.insert(seq) != Sight::First;
        let late = !duplicate && round_trip > wait;
        if duplicate {
            self.duplicates += 1;
            return Judged { seq: Some(seq), round_trip: Some(round_trip), duplicate, late };
        }
        self.reordered += u64::from(self.highest.is_some_and(|highest| seq < highest));
        self.highest = self.highest.max(Some(seq));
        if late {
            self.late += 1;
        } else {
            self.received += 1;
            self.latency.add(round_trip);
        }
        Judged { seq: Some(seq), round_trip: Some(round_trip), duplicate, late }
    }

    /// Probes that it has answered.
    const fn answered(&self) -> u64 {
        self.received + self.late
    }
}

impl Engine for Pinger {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        for notice in std::mem::take(&mut self.plan.notices) {
            out.tell(&Event::Notice(notice));
        }
        for skipped in std::mem::take(&mut self.plan.skipped) {
            self.stats.skipped += 1;
            out.tell(&Event::Skipped(skipped));
        }
        for destination in &self.plan.destinations {
            if let Some(fragments) = fragments(destination, self.plan.size) {
                out.tell(&Event::Notice(Notice::Fragments(fragments)));
            }
        }
        if let Some(target) = self.target() {
            // Who was asked has an account from the first probe on, even if nothing ever comes.
            let (address, link) = (canonical(target.address), target.link.clone());
            self.accounts.insert(address, Account { link, ..Account::new(false, false, 0) });
        }
        self.due = now.run;
        self.due(now, out);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        self.stats.saw(datagram);
        self.take(now, datagram, out);
    }

    fn sent(&mut self, _: Now, outcome: &Outcome, out: &mut dyn Out) {
        let destinations = self.plan.destinations.len() as u64;
        let (seq, place) = (outcome.ticket / destinations, (outcome.ticket % destinations) as usize);
        match outcome.result {
            Ok(source) => {
                self.stats.sent += 1;
                self.stats.sent_bytes += outcome.len as u64;
                self.source_port = source.map(|source| source.port()).or(self.source_port);
                out.tell(&Event::Sent(Sent {
                    seq,
                    len: outcome.len,
                    source,
                    destination: outcome.destination,
                    link: outcome.link.clone(),
                    cast: self.plan.destinations[place].cast,
                }));
            }
            Err(fault) => {
                self.stats.failed += 1;
                out.tell(&outcome.failed(fault));
                // It was made from a number of this width.
                self.not_sent(seq as u32);
            }
        }
    }

    fn refused(&mut self, _: Now, refusal: &Refusal, out: &mut dyn Out) {
        // Nobody refuses a broadcast (RFC 1122 3.2.2), and what was never asked cannot refuse: somebody made that up.
        let asked = self.target().is_some_and(|target| same_address(target.address, refusal.destination));
        if !asked || self.stats.refused >= self.stats.sent {
            return;
        }
        self.stats.refused += 1;
        out.tell(&Event::Refused(refusal.clone()));
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        if self.plan.deadline.is_some_and(|deadline| now.run >= deadline) {
            self.phase = Phase::Over;
        }
        if self.phase == Phase::Waiting && now.run >= self.phase_ends() {
            self.phase = Phase::Over;
        }
        for _ in 0..BURST {
            if self.phase != Phase::Probing || now.run < self.due {
                break;
            }
            self.send_probe(now, out);
            out.tell(&Event::Progress(self.progress()));
        }
        self.end_if_complete();
    }

    fn next(&self) -> Next {
        match self.phase {
            Phase::Over => Next::Done,
            _ => Next::At(self.phase_ends()),
        }
    }

    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.phase = Phase::Over;
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        self.close(now, out);
        self.stats.close(now.run, ending, self.verdict());
        let silent = self.stats.responders == Some(0) && self.stats.sent > 0;
        if let (None, true, Some(port)) = (self.target(), silent, self.source_port) {
            out.tell(&Event::Notice(Notice::BroadcastSilence { port }));
        }
        out.tell(&Event::Summary(&self.stats));
    }
}
