//! Sending records to one destination or to many, on a schedule, and collecting the answers.

mod heard;

use std::time::Duration;

use crate::engine::broadcast;
use crate::engine::places::Follows;
use crate::engine::series::{Series, same_address};
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Notice, Outcome, Refusal, Reply, Skipped};
use crate::model::interface::Table;
use crate::model::stats::Ending;
use crate::model::target::canonical;
use crate::model::{
    Cast, Datagram, Destination, Event, Link, Now, Record, RecordError, Repeat, Schedule, Stats, Verdict,
};

use heard::Heard;

/// What counts towards [`Answers::expect`] and [`Answers::most`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CountBy {
    /// Every answer that is not a duplicate.
    Answer,
    /// Every address that answers.
    Responder,
}

/// Which answers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// How long after the last datagram; `None` when no answer is asked for.
    pub wait: Option<Duration>,
    /// Where none is: how long to stay for a refusal, so that a closed port is not taken for success.
    pub linger: Duration,
    /// So many end the run early, and fewer are an error.
    pub expect: Option<u64>,
    /// So many end the run early.
    pub most: Option<u64>,
    /// What is counted.
    pub count_by: CountBy,
    /// Answers from another address or port than the one asked are left out.
    pub strict_source: bool,
    /// A refusal is believed at once. Off this host anybody can forge one, so there it must not end the wait.
    pub believe_refusals: bool,
    /// Answers are shown even where none is waited for: somebody is looking.
    pub show_unasked: bool,
}

/// What to send, where and when.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every record goes to each of them.
    pub destinations: Vec<Destination>,
    /// Interfaces left out, to be told.
    pub skipped: Vec<Skipped>,
    /// What the user should know, to be told.
    pub notices: Vec<Notice>,
    /// When.
    pub schedule: Schedule,
    /// Which answers are waited for.
    pub answers: Answers,
    /// The end of the run, whatever is left to send or to wait for.
    pub deadline: Option<Duration>,
    /// The first datagram that does not leave ends the run.
    pub fail_fast: bool,
    /// Some sent and some not is good enough.
    pub lenient: bool,
    /// No record at all is good enough.
    pub allow_none: bool,
}

impl Answers {
    /// None is waited for, nor a refusal.
    pub const NONE: Self = Self {
        wait: None,
        linger: Duration::ZERO,
        expect: None,
        most: None,
        count_by: CountBy::Answer,
        strict_source: false,
        believe_refusals: true,
        show_unasked: false,
    };
}

impl Plan {
    /// Every record once, back to back, to each of `destinations`; no answer is waited for.
    pub const fn to(destinations: Vec<Destination>) -> Self {
        Self {
            destinations,
            skipped: Vec::new(),
            notices: Vec::new(),
            schedule: Schedule::ONCE,
            answers: Answers::NONE,
            deadline: None,
            fail_fast: false,
            lenient: false,
            allow_none: false,
        }
    }
}

/// What a source of records has.
#[derive(Debug)]
pub enum Pull {
    /// The next one.
    Record(Record),
    /// None yet; the run is woken when there is.
    Pending,
    /// No more.
    End,
    /// One that cannot be sent. There are no more behind it.
    Bad(RecordError),
}

/// Where records come from.
pub trait Records {
    /// The next record. Never waits.
    fn pull(&mut self) -> Pull;

    /// How many are still to be pulled, as far as that is known: none where more may come.
    fn left(&self) -> usize {
        0
    }
}

impl Records for std::vec::IntoIter<Record> {
    fn pull(&mut self) -> Pull {
        self.next().map_or(Pull::End, Pull::Record)
    }

    fn left(&self) -> usize {
        self.len()
    }
}

/// Lateness that is made up for by sending faster. Longer than a busy machine oversleeps, short enough that what is made
/// up for stays a small burst.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Sends records and collects answers.
pub struct Sender<R> {
    /// Where it goes is in `series`.
    plan: Plan,
    series: Series,
    records: R,
    phase: Phase,
    /// What was pulled, kept only if it is sent again.
    list: Vec<Record>,
    position: usize,
    /// A record that is not due yet.
    held: Option<Record>,
    /// When the record before the next one was due; `None` before the first of a round.
    last_due: Option<Duration>,
    rounds_done: u64,
    pulled: u64,
    last_sent: Duration,
    heard: Heard,
    bad: Option<RecordError>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The next record is due at this time.
    Sending(Duration),
    /// The next record is due, and the brake holds it back.
    Braked,
    /// The next record is not there yet.
    Starved,
    /// Everything is sent.
    Waiting,
    Over,
}

impl<R: Records> Sender<R> {
    /// A sender of `records` by `plan`.
    pub fn new(mut plan: Plan, records: R) -> Self {
        let Plan { destinations, skipped, notices, .. } = &mut plan;
        let to = broadcast::Plan {
            destinations: std::mem::take(destinations),
            skipped: std::mem::take(skipped),
            notices: std::mem::take(notices),
        };
        let awaits = plan.answers.wait.is_some();
        let stats = Stats {
            duplicates: awaits.then_some(0),
            replies: awaits.then_some(0),
            responders: awaits.then_some(0),
            ..Stats::default()
        };
        Self {
            series: Series::new(to, plan.deadline, plan.fail_fast, stats),
            plan,
            records,
            phase: Phase::Sending(Duration::ZERO),
            list: Vec::new(),
            position: 0,
            held: None,
            last_due: None,
            rounds_done: 0,
            pulled: 0,
            last_sent: Duration::ZERO,
            heard: Heard::default(),
            bad: None,
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

    /// Whether the next record may leave, as far as is known without it.
    fn is_ready(&self, now: Now) -> bool {
        match self.phase {
            Phase::Sending(due) => due <= now.run,
            Phase::Braked => self.series.brake.until() <= now.run,
            // Woken: there may be a record now.
            Phase::Starved => true,
            Phase::Waiting | Phase::Over => false,
        }
    }

    fn next_record(&mut self) -> Pull {
        if let Some(held) = self.held.take() {
            return Pull::Record(held);
        }
        if self.rounds_done > 0 {
            let record = self.list.get(self.position).cloned();
            self.position += 1;
            return record.map_or(Pull::End, Pull::Record);
        }
        let pulled = self.records.pull();
        if let Pull::Record(record) = &pulled {
            self.pulled += 1;
            if !self.plan.schedule.rounds.is_once() {
                self.list.push(record.clone());
            }
        }
        pulled
    }

    /// Sends a record that is due, or keeps it until it is. Returns how many rounds of `most` that took.
    fn send_or_hold(&mut self, now: Now, record: Record, most: usize, out: &mut dyn Out) -> usize {
        let pace = self.plan.schedule.between_records;
        let gap = record.gap.map_or(pace, |gap| gap.max(pace));
        let round = if let Phase::Sending(due) = self.phase { due } else { now.run };
        let due = self.last_due.map_or(round, |last| last + gap);
        if due > now.run {
            self.held = Some(record);
            self.phase = Phase::Sending(due);
            return 1;
        }
        if self.series.brake.until() > now.run {
            self.held = Some(record);
            self.phase = Phase::Braked;
            return 1;
        }
        self.series.tell_fragments(record.payload.len(), out);
        let rounds = self.send_rounds(now, &record, most, out);
        // A little late is made up for, so that the pace is kept; after a long silence of the source it begins anew.
        self.last_due = Some(if now.run - due > CATCH_UP { now.run } else { due });
        self.phase = Phase::Sending(now.run);
        rounds
    }

    /// Sends a record, and that of the rounds behind this one with it where they are nothing but the same again, at once. The
    /// last of them is still to be ended.
    fn send_rounds(&mut self, now: Now, record: &Record, most: usize, out: &mut dyn Out) -> usize {
        let Schedule { rounds, between_rounds, .. } = self.plan.schedule;
        if self.rounds_done > 0 && self.list.len() == 1 && between_rounds.is_zero() {
            let count = rounds.left_after(self.rounds_done).min(most as u64) as usize;
            let sent = self.series.send_run(record.payload.borrow(), count, out);
            if sent > 0 {
                self.rounds_done += sent as u64 - 1;
                return sent;
            }
        }
        self.series.send_to_all(now, None, |_| Some(record.payload.borrow()), out);
        1
    }

    fn end_of_round(&mut self, now: Now) {
        self.rounds_done += 1;
        self.position = 0;
        // A round that was a little late does not make the next one late.
        let last = self.last_due.take().filter(|due| now.run - *due <= CATCH_UP).unwrap_or(now.run);
        let again = self.plan.schedule.rounds.more_after(self.rounds_done) && self.pulled > 0;
        self.phase =
            if again { Phase::Sending(last + self.plan.schedule.between_rounds) } else { self.end_of_records(now) };
    }

    /// Counts what the schedule still had to send when the deadline came.
    fn owes(&mut self) {
        let Repeat::Times(rounds) = self.plan.schedule.rounds else { return };
        let done =
            if self.rounds_done == 0 { self.pulled } else { self.rounds_done * self.pulled + self.position as u64 };
        let done = done - u64::from(self.held.is_some());
        let all = (self.pulled + self.records.left() as u64).saturating_mul(rounds);
        self.series.runs_out(all.saturating_sub(done));
    }

    fn end_of_records(&mut self, now: Now) -> Phase {
        if self.pulled == 0 && !self.plan.allow_none && self.bad.is_none() {
            self.bad = Some(RecordError::NoRecord);
        }
        self.last_sent = self.last_sent.max(now.run);
        if self.pulled == 0 { Phase::Over } else { Phase::Waiting }
    }

    /// When the wait for answers is over.
    fn deadline(&self) -> Duration {
        self.last_sent + self.plan.answers.wait.unwrap_or(self.plan.answers.linger)
    }

    /// The destination that an answer or a refusal belongs to: by interface where there are several.
    fn asked(&self, link: Option<&Link>) -> usize {
        let same_link = |d: &Destination| link.is_some() && d.link.as_ref() == link;
        self.series.places.all().position(same_link).unwrap_or(0)
    }

    fn answered(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        let index = self.asked(datagram.link.as_ref());
        let places = &self.series.places;
        let Some((destination, went)) = places.get(index).zip(places.went(index)) else { return };
        let to_one = destination.cast == Cast::Unicast;
        let responder = canonical(datagram.source);
        let from_another = to_one && !same_address(destination.address, datagram.source);
        if from_another && self.plan.answers.strict_source {
            self.series.stats.filtered += 1;
            return;
        }
        self.series.stats.saw(datagram);
        if self.plan.answers.wait.is_none() && !self.plan.answers.show_unasked {
            // Whether it came before the end was luck; who wants to know waits.
            return;
        }
        let own = datagram.is_self() && !to_one;
        let before = self.heard.count(responder, went.datagrams);
        let duplicate = self.heard.same(responder, datagram.payload) >= went.datagrams.max(1);
        // Clear only where every datagram but the last had its answer when the last one left, and this is the first since.
        let clear = before.count == before.before_last && before.before_last + 1 == went.datagrams;
        let round_trip = (clear && !from_another).then(|| now.run.saturating_sub(went.last));
        self.count_reply(own, duplicate, before.count);
        out.tell(&Event::Reply(Reply { datagram, round_trip, from_another, duplicate, seq: None, late: false }));
        self.settle();
    }

    fn count_reply(&mut self, own: bool, duplicate: bool, before: u64) {
        let stats = &mut self.series.stats;
        let Some(replies) = &mut stats.replies else { return };
        if duplicate {
            stats.duplicates = stats.duplicates.map(|n| n + 1);
        } else if !own {
            *replies += 1;
        }
        if !own && before == 0 {
            stats.responders = stats.responders.map(|n| n + 1);
        }
    }

    fn counted(&self) -> u64 {
        let counted = match self.plan.answers.count_by {
            CountBy::Answer => self.stats().replies,
            CountBy::Responder => self.stats().responders,
        };
        counted.unwrap_or(0)
    }

    /// Ends the run when nothing can change its result any more.
    fn settle(&mut self) {
        let reached = |goal: Option<u64>| goal.is_some_and(|goal| self.counted() >= goal);
        let all_sent = self.phase == Phase::Waiting;
        // What did not leave is answered by nobody, and neither is what was refused, if it was.
        let believed = self.plan.answers.believe_refusals || self.plan.answers.wait.is_none();
        let stats = self.stats();
        let dealt_with = stats.failed + stats.not_tried() + if believed { stats.refused } else { 0 };
        let attempted = stats.attempted.unwrap_or(0);
        let nobody_left = attempted > 0 && dealt_with >= attempted;
        let done = all_sent && (reached(self.plan.answers.expect) || nobody_left);
        if self.series.cut || reached(self.plan.answers.most) || done {
            self.phase = Phase::Over;
        }
    }

    fn verdict(&self) -> Verdict {
        let (stats, bad) = (self.stats(), self.bad.is_some());
        let refused = stats.refused > 0 && stats.received == 0;
        match self.series.verdict_of_none() {
            _ if bad && stats.sent == 0 && !self.series.cut => Verdict::RefusedToSend,
            Some(verdict) => verdict,
            None if self.too_few() && refused => Verdict::PeerRefused,
            None if self.too_few() => Verdict::TooFew,
            None if !self.plan.lenient && (bad || self.series.misses_some()) => Verdict::Partly,
            None if refused => Verdict::PeerRefused,
            None => Verdict::Done,
        }
    }

    /// Why the code is 1, where the line of the summary does not say how many were expected.
    fn tell_too_few(&self, out: &mut dyn Out) {
        let Some(expected) = self.plan.answers.expect else { return };
        let counted = self.counted();
        out.tell(&Event::Notice(match self.plan.answers.count_by {
            CountBy::Answer => Notice::TooFewAnswers(expected, counted),
            CountBy::Responder => Notice::TooFew { expected, answered: counted, late: 0, elsewhere: 0 },
        }));
    }

    fn too_few(&self) -> bool {
        let Answers { wait, expect, .. } = self.plan.answers;
        // Nothing sent because nothing had to be is no reason to miss an answer.
        let asked = self.stats().sent > 0 || !self.plan.allow_none;
        wait.is_some() && asked && self.counted() < expect.unwrap_or(1)
    }
}

impl<R: Records> Engine for Sender<R> {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        self.series.start(out);
        self.phase = Phase::Sending(now.run);
        self.due(now, out);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        if self.phase == Phase::Over {
            // Came with the answer that ended the run.
            self.series.stats.unread += 1;
            return;
        }
        self.answered(now, datagram, out);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        if self.series.sent(now, outcome, out).is_none() {
            return;
        }
        match outcome.result {
            Ok(_) => self.last_sent = now.run,
            Err(_) => self.settle(),
        }
    }

    fn refused(&mut self, _: Now, refusal: &Refusal, out: &mut dyn Out) {
        self.series.refused(refusal, out);
        self.settle();
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        let ended = self.phase == Phase::Waiting && now.run >= self.deadline();
        let cut_off = self.series.is_out_of_time(now);
        if cut_off && !matches!(self.phase, Phase::Waiting | Phase::Over) {
            self.owes();
        }
        if ended || cut_off {
            self.phase = Phase::Over;
        }
        let mut left = self.series.burst();
        while left > 0 && self.is_ready(now) {
            match self.next_record() {
                Pull::Record(record) => left -= self.send_or_hold(now, record, left, out),
                // The next round may begin at once. None is without a record, so that comes to an end.
                Pull::End => self.end_of_round(now),
                Pull::Pending => {
                    self.phase = Phase::Starved;
                    break;
                }
                Pull::Bad(error) => {
                    self.bad = Some(error);
                    self.phase = self.end_of_records(now);
                }
            }
        }
        self.settle();
    }

    fn rewired(&mut self, _: Now, table: &Table, out: &mut dyn Out) {
        self.series.rewired(table, out);
    }

    fn next(&self) -> Next {
        let own = match self.phase {
            Phase::Sending(due) => Some(due),
            Phase::Braked => Some(self.series.brake.until()),
            Phase::Starved => None,
            Phase::Waiting => Some(self.deadline()),
            Phase::Over => return Next::Done,
        };
        self.series.next(own)
    }

    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.phase = Phase::Over;
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        let verdict = self.verdict();
        self.series.stats.close(now.run, ending, verdict);
        if let Some(error) = &self.bad {
            // Told behind the records before it, which have left.
            out.tell(&Event::BadRecord(error));
        }
        if self.plan.answers.wait.is_some() && self.stats().received == 0 {
            self.series.tell_silence(false, out);
        }
        if verdict == Verdict::TooFew {
            self.tell_too_few(out);
        }
        out.tell(&Event::Summary(self.stats()));
    }
}

#[cfg(test)]
mod tests;
