//! Probing an echo service, or all of them at once, and keeping an account of each responder.
//!
//! Every probe of a run has a number, and goes to every destination. For each address that answers it is kept which
//! numbers it answered, so that
//!
//! `sent = received + late + lost`
//!
//! holds for it: `received` in time, `late` after the wait, `lost` never. Beside it, `in_flight` are those that could still
//! have been answered when the run ended. Answers beyond the first to a number are
//! `duplicates`, answers behind a later number's are `reordered`; both are counted beside that sum. What comes back
//! changed is `corrupt`, and since it does not say to which probe it belongs, that probe is lost as well. An address is
//! accounted for from the first probe it answered: what was sent before it came is not its loss. Nor is what the system
//! took for no destination at all: that was never sent.
//!
//! Where one host is asked, an answer from another address or port has an account of its own: it carries the number of the
//! run, which was sent to that host alone, so it is mostly the same host, with a server that does not answer from where it
//! was asked. Whoever uses that server would wait in vain. So such an answer is shown and marked, and does no more: it is
//! not the answer that was asked for, it ends no wait, and it brings no pace back. Only who says how many addresses are
//! expected ([`Plan::expect`]) has all of them counted. Where anything is an answer ([`Match::Any`]) nothing shows that its
//! sender ever saw the probe, and only what comes from the host itself is one.

mod accounts;
mod plan;
mod stayed;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::broadcast;
use crate::engine::places::Follows;
use crate::engine::series::{Series, same_address};
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Ignored, Notice, Outcome, Progress, Refusal, Reply, Responder};
use crate::model::interface::Table;
use crate::model::seen::Seen;
use crate::model::stats::Ending;
use crate::model::target::canonical;
use crate::model::{Cast, Datagram, Destination, Event, Now, Payload, Stats, Verdict};
use crate::wire::probe::{self, Probe};

use accounts::{Account, Accounts, Judged};
use stayed::Stayed;

pub use accounts::{MOST_MEMORY, MOST_RESPONDERS};
pub use plan::{Match, Plan};

/// Round-trip time assumed before one is known (RFC 8085 3.1.1).
const FIRST_ESTIMATE: Duration = Duration::from_secs(1);

/// The slowest pace that silence slows probes to: what RFC 8085 3.1.3 allows without any return traffic.
const SLOWEST: Duration = Duration::from_secs(3);

/// Probes without any answer before the user is told that the pace has gone down.
const SILENT: u32 = 3;

/// Probes that had to wait for the answer to the one before, until the user is told: one or two are chance.
const HELD_UP: u32 = 3;

/// How often it is told how far the run is: more cannot be read.
const PROGRESS: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Probing,
    Waiting,
    Over,
}

/// Addresses that answered.
#[derive(Clone, Copy, Debug, Default)]
struct Answering {
    /// Those who count and answered in time.
    in_time: u64,
    /// Those who count and answered, but never in time.
    late: u64,
    /// Others.
    elsewhere: u64,
}

impl Answering {
    const fn add(&mut self, account: &Account, counts: bool) {
        match (account.answered() > 0, counts) {
            (false, _) => {}
            (true, false) => self.elsewhere += account.from_another as u64,
            (true, true) if account.received > 0 => self.in_time += 1,
            (true, true) => self.late += 1,
        }
    }
}

/// Probes, and keeps the account.
pub struct Pinger {
    /// Where it goes is in `series`.
    plan: Plan,
    series: Series,
    /// Whether it is one host that is asked.
    to_one: bool,
    phase: Phase,
    /// When each probe left, by number; the first ones are forgotten with [`Seen`].
    left: VecDeque<Duration>,
    forgotten: u32,
    next_seq: u32,
    stayed: Stayed,
    due: Duration,
    /// When the last probe should have left; the pace is counted from there, so that it does not drift.
    planned: Duration,
    /// Probes since somebody last answered.
    unanswered: u32,
    /// Smoothed round-trip time (RFC 6298 section 2: an eighth of each new one).
    estimate: Option<Duration>,
    told_slow: bool,
    /// Probes that had to wait for the answer to the one before.
    held_up: u32,
    /// The last probe that some destination was sent.
    last_sent: Option<u32>,
    /// Probes told of, and when.
    told: (u32, Duration),
    accounts: Accounts,
    /// Those who count that have answered everything, once everything is sent.
    complete: u64,
    /// Who has answered anything; known at the end.
    answering: Answering,
    /// Datagrams from those who were asked that are no probes, or not as they were sent.
    no_probes: u64,
    bytes: Vec<u8>,
}

impl Pinger {
    /// A pinger by `plan`.
    pub fn new(mut plan: Plan) -> Self {
        let Plan { destinations, skipped, notices, .. } = &mut plan;
        let to_one = matches!(&destinations[..], [one] if one.cast == Cast::Unicast);
        let to = broadcast::Plan {
            destinations: std::mem::take(destinations),
            skipped: std::mem::take(skipped),
            notices: std::mem::take(notices),
        };
        let stats = Stats {
            duplicates: Some(0),
            late: Some(0),
            lost: Some(0),
            in_flight: Some(0),
            reordered: Some(0),
            replies: Some(0),
            responders: Some(0),
            ..Stats::default()
        };
        Self {
            series: Series::new(to, plan.deadline, plan.fail_fast, stats),
            plan,
            to_one,
            phase: Phase::Probing,
            left: VecDeque::new(),
            forgotten: 0,
            next_seq: 0,
            stayed: Stayed::default(),
            due: Duration::ZERO,
            planned: Duration::ZERO,
            unanswered: 0,
            estimate: None,
            told_slow: false,
            held_up: 0,
            last_sent: None,
            told: (0, Duration::ZERO),
            accounts: Accounts::default(),
            complete: 0,
            answering: Answering::default(),
            no_probes: 0,
            bytes: Vec::new(),
        }
    }

    /// The same, with destinations that follow the interfaces so.
    pub fn following(mut self, follows: Follows, table: &Table) -> Self {
        self.series.follow(follows, table);
        self
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.series.stats
    }

    /// The one destination, where it is one host.
    fn target(&self) -> Option<&Destination> {
        if self.to_one { self.series.places.get(0) } else { None }
    }

    /// Whether an answer from there is one from whom was asked.
    fn is_asked(&self, address: SocketAddr) -> bool {
        self.target().is_none_or(|target| same_address(target.address, address))
    }

    /// How many have to answer.
    fn expected(&self) -> u64 {
        self.plan.expect.unwrap_or(1)
    }

    /// Whether somebody is one of those who are expected.
    const fn counts(&self, own: bool, from_another: bool) -> bool {
        !own && (self.plan.expect.is_some() || !from_another)
    }

    // ---- probing -----------------------------------------------------------------------------------------------

    fn send_probe(&mut self, now: Now, out: &mut dyn Out) {
        let seq = self.next_seq;
        let waited = self.unanswered > 0 && self.gap() > self.plan.interval;
        Probe { run: self.plan.run, seq, made: now.run }.write(self.plan.size, &mut self.bytes);
        // The plan's size fits into a datagram: whoever made it has checked.
        let probe = |family| Payload::new(self.bytes.as_slice(), family).ok();
        let leaves = self.series.send_to_all(now, Some(seq.into()), probe, out);
        // First, so that the memory is not doubled for one.
        if self.left.len() == Seen::REACH as usize {
            self.left.pop_front();
            self.forgotten += 1;
        }
        self.left.push_back(now.run);
        self.accounts.probe_leaves();
        self.next_seq += 1;
        self.unanswered += 1;
        // A little late is made up for by the next one; more would be a burst.
        let late = now.run.saturating_sub(self.due);
        self.planned = if late > self.plan.interval { now.run } else { self.due };
        self.due = self.planned + self.gap();
        self.tell_slow(waited, out);
        if self.plan.count.is_some_and(|count| self.next_seq >= count) || self.next_seq == u32::MAX {
            self.phase = Phase::Waiting;
        }
        if self.stayed.leaves(seq, leaves) {
            self.not_sent();
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

    /// `waited` says that this probe left later than by the interval. Where so few are sent that the rule would come too late,
    /// that is enough.
    fn tell_slow(&mut self, waited: bool, out: &mut dyn Out) {
        let few = self.plan.count.is_some_and(|count| count <= SILENT);
        let silent = self.unanswered >= SILENT && self.gap() > self.plan.interval;
        let slow = silent || (few && waited);
        if slow && !self.told_slow {
            self.told_slow = true;
            out.tell(&Event::Notice(Notice::SlowedDown { unanswered: self.unanswered, most: SLOWEST }));
        }
    }

    /// Without a flood, the next probe waits for the answer to the one before. Where that took longer than the interval, this
    /// is not the pace that was asked for.
    fn tell_held_up(&mut self, now: Now, seq: u32, out: &mut dyn Out) {
        let Plan { interval, flood, .. } = self.plan;
        // With the first answer of all that come, the wait is over.
        let waited = self.phase == Phase::Probing && seq + 1 == self.next_seq && self.unanswered > 0;
        if flood || interval.is_zero() || !waited || now.run <= self.planned + interval {
            return;
        }
        self.held_up += 1;
        if self.held_up == HELD_UP {
            let round_trip = now.run.saturating_sub(self.last_left());
            out.tell(&Event::Notice(Notice::HeldUp { interval, round_trip }));
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

    /// Opens an account for an address whose first answer this is, if there is room.
    fn open(&mut self, address: SocketAddr, datagram: &Datagram<'_>, since: u32) {
        if self.accounts.get(address).is_some() || self.accounts.is_full() {
            return;
        }
        let own = self.target().is_none() && datagram.is_self();
        let from_another = !self.is_asked(address);
        let account = Account::new(own, from_another, since, self.left_before(since));
        self.accounts.open(address, account, self.all());
    }

    fn take(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        match self.plan.matching {
            Match::Any if self.is_asked(datagram.source) => self.take_any(now, datagram, out),
            Match::Any => self.ignore(Ignored::Foreign, datagram, out),
            Match::Probe => match Probe::read(datagram.payload) {
                probe::Seen::Probe(probe) if probe.run == self.plan.run && probe.seq < self.next_seq => {
                    self.answered(now, datagram, Some(probe.seq), out);
                }
                probe::Seen::Broken if datagram.wire_len == self.plan.size => {
                    self.is_no_probe(datagram);
                    self.corrupt(datagram, out);
                }
                seen => {
                    if matches!(seen, probe::Seen::Other) {
                        self.is_no_probe(datagram);
                    }
                    self.ignore(Ignored::Foreign, datagram, out);
                }
            },
        }
    }

    /// The oldest probe that is still in time and that this address has not answered.
    fn take_any(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        let in_time = self.first_left(|left| left + self.plan.wait >= now.run);
        let address = canonical(datagram.source);
        // Each answer takes the oldest that is open, so all below the last one taken are closed: answered, or too old.
        let open = self.accounts.get(address).map_or(0, |account| account.open);
        let oldest = self.stayed.first_sent(open.max(in_time));
        let seq = if oldest < self.next_seq { Some(oldest) } else { self.last_sent };
        self.answered(now, datagram, seq, out);
        if let Some(account) = self.accounts.get_mut(address) {
            account.open = account.open.max(oldest.saturating_add(1).min(self.next_seq));
        }
    }

    /// The first probe that is remembered whose time of leaving is like this, as are all after it.
    fn first_left(&self, is_so: impl Fn(Duration) -> bool) -> u32 {
        // As many as are remembered fit.
        self.forgotten + self.left.partition_point(|left| !is_so(*left)) as u32
    }

    fn answered(&mut self, now: Now, datagram: &Datagram<'_>, seq: Option<u32>, out: &mut dyn Out) {
        // What never left has no answer: somebody made it up.
        let seq = seq.filter(|seq| !self.stayed.contains(*seq));
        let left = seq.and_then(|seq| self.left_at(seq));
        let (Some(seq), Some(left)) = (seq, left) else {
            return self.ignore(Ignored::Foreign, datagram, out);
        };
        let address = canonical(datagram.source);
        self.open(address, datagram, seq);
        let (round_trip, wait) = (now.run.saturating_sub(left), self.plan.wait);
        let before = || u64::from(seq) - self.stayed.before(seq);
        let Some((judged, account)) = self.accounts.judge(address, (seq, before), round_trip, wait) else {
            return self.ignore(Ignored::TooMany, datagram, out);
        };
        account.link = account.link.take().or_else(|| datagram.link.clone());
        let (own, from_another, answered) = (account.own, account.from_another, account.answered());
        let counts = self.counts(own, from_another);
        if counts && !judged.duplicate && self.phase == Phase::Waiting && answered == self.all() {
            self.complete += 1;
        }
        self.count(judged, own);
        if !own && !from_another && !judged.duplicate {
            self.tell_held_up(now, seq, out);
            self.heard_somebody((!judged.late).then_some(round_trip));
        }
        let Judged { duplicate, late } = judged;
        let (round_trip, seq) = (Some(round_trip), Some(seq));
        out.tell(&Event::Reply(Reply { datagram, round_trip, from_another, duplicate, seq, late }));
        self.end_if_complete();
    }

    fn count(&mut self, judged: Judged, own: bool) {
        let stats = &mut self.series.stats;
        let add = |counter: &mut Option<u64>| *counter = counter.map(|n| n + 1);
        match judged {
            _ if own => {}
            Judged { duplicate: true, .. } => add(&mut stats.duplicates),
            Judged { late: true, .. } => add(&mut stats.late),
            _ => add(&mut stats.replies),
        }
    }

    /// Somebody who was asked says something else than the probe.
    fn is_no_probe(&mut self, datagram: &Datagram<'_>) {
        let own = self.target().is_none() && datagram.is_self();
        self.no_probes += u64::from(!own && self.is_asked(datagram.source));
    }

    fn corrupt(&mut self, datagram: &Datagram<'_>, out: &mut dyn Out) {
        // From nobody who is known it may be anything.
        let Some(account) = self.accounts.get_mut(canonical(datagram.source)) else {
            return self.ignore(Ignored::Foreign, datagram, out);
        };
        account.corrupt += 1;
        self.ignore(Ignored::Corrupt, datagram, out);
    }

    fn ignore(&mut self, reason: Ignored, datagram: &Datagram<'_>, out: &mut dyn Out) {
        *self.series.stats.ignored.entry(reason).or_default() += 1;
        out.tell(&Event::Ignored(reason, datagram));
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Everything is sent and everybody who is expected has answered all of it: there is nothing to wait for.
    fn end_if_complete(&mut self) {
        if self.series.cut {
            self.phase = Phase::Over;
        }
        let may_end = self.plan.expect.is_some() || self.target().is_some();
        if self.phase == Phase::Waiting && may_end && self.complete >= self.expected() {
            self.phase = Phase::Over;
        }
    }

    /// Probes that left in the whole run.
    fn all(&self) -> u64 {
        self.left_before(self.next_seq)
    }

    /// Probes that left before this one, which is remembered.
    fn left_before(&self, seq: u32) -> u64 {
        u64::from(seq) - self.stayed.before(seq)
    }

    /// A probe left for nobody. It needs no answer: with it gone, somebody may have answered everything. Nor is it silence
    /// that nobody answers it.
    fn not_sent(&mut self) {
        self.accounts.probe_stays();
        self.unanswered = self.unanswered.saturating_sub(1);
        self.due = self.due.min(self.planned + self.gap());
        if self.phase == Phase::Waiting {
            let all = self.all();
            self.complete =
                self.accounts.iter().filter(|a| self.counts(a.own, a.from_another) && a.answered() == all).count()
                    as u64;
            self.end_if_complete();
        }
    }

    /// The deadline has come: counts the probes that were to leave and have not.
    fn runs_out(&mut self) {
        if let (Phase::Probing, Some(count)) = (self.phase, self.plan.count) {
            self.series.runs_out(count.saturating_sub(self.next_seq).into());
        }
    }

    fn last_left(&self) -> Duration {
        self.left.back().copied().unwrap_or_default()
    }

    /// When the present phase ends by itself.
    fn phase_ends(&self) -> Duration {
        match self.phase {
            Phase::Waiting => self.last_left() + self.plan.wait,
            _ => self.due.max(self.series.brake.until()),
        }
    }

    fn verdict(&self) -> Verdict {
        let (stats, answered) = (self.stats(), self.answering.in_time);
        match self.series.verdict_of_none() {
            Some(verdict) => verdict,
            None if answered == 0 && stats.refused > 0 => Verdict::PeerRefused,
            None if answered < self.expected() => Verdict::TooFew,
            None if self.plan.fail_on_loss && stats.lost > Some(0) => Verdict::TooFew,
            None if self.series.misses_some() && !self.plan.lenient => Verdict::Partly,
            None => Verdict::Done,
        }
    }

    fn tell_progress(&mut self, now: Now, out: &mut dyn Out) {
        let (sent, answered) = (self.next_seq.into(), self.stats().replies.unwrap_or(0));
        self.told = (self.next_seq, now.run);
        out.tell(&Event::Progress(Progress { sent, answered, missing: self.accounts.missing() }));
    }

    /// Tells it with the first probe and the last, and in between not too often.
    fn tell_progress_at_times(&mut self, now: Now, out: &mut dyn Out) {
        let (probes, at) = self.told;
        let is_time = probes == 0 || self.phase == Phase::Waiting || now.run >= at + PROGRESS;
        if self.next_seq > probes && is_time {
            self.tell_progress(now, out);
        }
    }

    /// Why the code is 1, where the line of the summary does not say that.
    fn tell_too_few(&self, out: &mut dyn Out) {
        let (expected, Answering { in_time: answered, late, elsewhere }) = (self.expected(), self.answering);
        if self.stats().verdict != Verdict::TooFew || answered >= expected {
            return;
        }
        if self.plan.expect.is_some() || late > 0 || elsewhere > 0 {
            out.tell(&Event::Notice(Notice::TooFew { expected, answered, late, elsewhere }));
        }
        if self.no_probes > 0 {
            out.tell(&Event::Notice(Notice::NoEcho { answers: self.no_probes }));
        }
    }

    /// The accounts, by address, each added up.
    fn close(&mut self, now: Now, out: &mut dyn Out) {
        // What can still be answered in time is not lost when the run is ended now.
        let young = self.first_left(|left| left + self.plan.wait > now.run);
        let all = self.all();
        for address in self.accounts.addresses() {
            let Some(account) = self.accounts.get(address) else { continue };
            let in_flight = account.in_flight(young, |first| all - self.left_before(first));
            let sent = account.asked(all) - in_flight;
            let lost = sent - account.answered();
            let answers = u64::from(account.answered() > 0);
            self.answering.add(account, self.counts(account.own, account.from_another));
            if !account.own {
                let stats = &mut self.series.stats;
                stats.lost = stats.lost.map(|n| n + lost);
                stats.in_flight = stats.in_flight.map(|n| n + in_flight);
                stats.reordered = stats.reordered.map(|n| n + account.reordered);
                stats.responders = stats.responders.map(|n| n + answers);
            }
            out.tell(&Event::Responder(&Responder {
                address,
                link: account.link.clone(),
                own: account.own,
                from_another: account.from_another,
                since_seq: account.since,
                sent,
                received: account.received,
                lost,
                in_flight,
                duplicates: account.duplicates,
                reordered: account.reordered,
                late: account.late,
                corrupt: account.corrupt,
                latency: &account.latency,
            }));
        }
    }
}

impl Engine for Pinger {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        self.series.start(out);
        self.series.tell_fragments(self.plan.size, out);
        if let Some(target) = self.target() {
            // Who was asked has an account from the first probe on, even if nothing ever comes.
            let (address, link) = (canonical(target.address), target.link.clone());
            let mut account = Account::new(false, false, 0, 0);
            account.link = link;
            self.accounts.open(address, account, 0);
        }
        self.due = now.run;
        self.due(now, out);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        self.series.stats.saw(datagram);
        self.take(now, datagram, out);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        let Some(seq) = self.series.sent(now, outcome, out) else { return };
        // It was made from a number of this width.
        let (seq, left) = (seq as u32, outcome.result.is_ok());
        self.last_sent = self.last_sent.max(left.then_some(seq));
        if self.stayed.outcome(seq, left) {
            self.not_sent();
        }
        self.end_if_complete();
    }

    fn refused(&mut self, _: Now, refusal: &Refusal, out: &mut dyn Out) {
        self.series.refused(refusal, out);
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        if self.series.is_out_of_time(now) {
            self.runs_out();
            self.phase = Phase::Over;
        }
        if self.phase == Phase::Waiting && now.run >= self.phase_ends() {
            self.phase = Phase::Over;
        }
        for _ in 0..self.series.burst() {
            if self.phase != Phase::Probing || now.run < self.phase_ends() {
                break;
            }
            self.send_probe(now, out);
        }
        self.tell_progress_at_times(now, out);
        self.end_if_complete();
    }

    fn rewired(&mut self, _: Now, table: &Table, out: &mut dyn Out) {
        self.series.rewired(table, out);
    }

    fn next(&self) -> Next {
        match self.phase {
            Phase::Over => Next::Done,
            _ => self.series.next(Some(self.phase_ends())),
        }
    }

    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.phase = Phase::Over;
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        self.tell_progress(now, out);
        self.close(now, out);
        let verdict = self.verdict();
        self.series.stats.close(now.run, ending, verdict);
        if self.stats().responders == Some(0) && self.no_probes == 0 {
            self.series.tell_silence(true, out);
        }
        self.tell_too_few(out);
        out.tell(&Event::Summary(self.stats()));
    }
}

#[cfg(test)]
mod tests;
