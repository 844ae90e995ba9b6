//! Sending records to one destination or to many, on a schedule, and collecting the answers. What does not leave is accounted for:
//! `attempted = sent + failed + unsent`.

mod heard;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::brake::Brake;
use crate::engine::mishaps::Mishaps;
use crate::engine::places::{self, Follows, Places};
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Fragments, Notice, Outcome, Refusal, Reply, Sent, Skipped};
use crate::model::interface::Table;
use crate::model::stats::Ending;
use crate::model::target::canonical;
use crate::model::{
    Cast, Datagram, Destination, Event, Family, Link, Now, Payload, Record, RecordError, Repeat, Schedule, Stats,
    Verdict,
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

/// So many records leave back to back at most; then the network is looked at. RFC 8085 3.1.6 wants bursts bounded.
const BURST: usize = 64;

/// Lateness that is made up for by sending faster. Longer than a busy machine oversleeps, short enough that what is made
/// up for stays a small burst.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Sends records and collects answers.
pub struct Sender<R> {
    /// Its destinations are in `places`.
    plan: Plan,
    places: Places,
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
    next_seq: u64,
    heard: Heard,
    /// The port that answers come to, as far as the system told.
    source_port: Option<u16>,
    /// Links whose fragments were told.
    told_fragments: HashSet<u32>,
    bad: Option<RecordError>,
    mishaps: Mishaps,
    brake: Brake,
    /// The first that did not leave has ended the run.
    cut: bool,
    stats: Stats,
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
        let places = Places::new(std::mem::take(&mut plan.destinations));
        let awaits = plan.answers.wait.is_some();
        let stats = Stats {
            attempted: Some(0),
            duplicates: awaits.then_some(0),
            replies: awaits.then_some(0),
            responders: awaits.then_some(0),
            ..Stats::default()
        };
        Self {
            plan,
            places,
            records,
            phase: Phase::Sending(Duration::ZERO),
            list: Vec::new(),
            position: 0,
            held: None,
            last_due: None,
            rounds_done: 0,
            pulled: 0,
            last_sent: Duration::ZERO,
            next_seq: 0,
            heard: Heard::default(),
            source_port: None,
            told_fragments: HashSet::new(),
            bad: None,
            mishaps: Mishaps::default(),
            brake: Brake::default(),
            cut: false,
            stats,
        }
    }

    /// The same, with destinations that follow the interfaces so.
    pub fn following(mut self, follows: Follows, table: &Table) -> Self {
        let changes = self.places.follow(follows, table);
        self.plan.notices.extend(changes);
        self
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
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

    /// Sends a record that is due, or keeps it until it is.
    fn send_or_hold(&mut self, now: Now, record: Record, out: &mut dyn Out) {
        let pace = self.plan.schedule.between_records;
        let gap = record.gap.map_or(pace, |gap| gap.max(pace));
        let round = if let Phase::Sending(due) = self.phase { due } else { now.run };
        let due = self.last_due.map_or(round, |last| last + gap);
        if due > now.run {
            self.held = Some(record);
            self.phase = Phase::Sending(due);
            return;
        }
        if self.brake.until() > now.run {
            self.held = Some(record);
            self.phase = Phase::Braked;
            return;
        }
        self.tell_fragments(record.payload.len(), out);
        self.send_to_all(now, &record.payload, out);
        // A little late is made up for, so that the pace is kept; after a long silence of the source it begins anew.
        self.last_due = Some(if now.run - due > CATCH_UP { now.run } else { due });
        self.phase = Phase::Sending(now.run);
    }

    /// Sends one record to every place that can be reached.
    fn send_to_all(&mut self, now: Now, payload: &Payload<'_>, out: &mut dyn Out) {
        if self.places.any_reached() {
            self.brake.leaves(now);
        }
        for (place, destination, lost) in self.places.turns() {
            let number = self.next_seq;
            self.next_seq += 1;
            if let Some(why) = lost {
                self.stats.stays(why);
                self.brake.stayed(now);
                self.cut |= self.plan.fail_fast;
                continue;
            }
            out.send(destination.transmit(payload.borrow(), places::ticket(number, place)));
        }
        self.stats.attempted = Some(self.next_seq);
    }

    fn tell_fragments(&mut self, len: usize, out: &mut dyn Out) {
        for destination in self.places.all() {
            let Some(fragments) = fragments(destination, self.places.link(destination), len) else { continue };
            if self.told_fragments.insert(fragments.link.index) {
                out.tell(&Event::Notice(Notice::Fragments(fragments)));
            }
        }
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
        let owed = all.saturating_sub(done).saturating_mul(self.places.turns().count() as u64);
        self.stats.runs_out(owed);
    }

    fn end_of_records(&mut self, now: Now) -> Phase {
        if self.pulled == 0 && !self.plan.allow_none && self.bad.is_none() {
            self.bad = Some(RecordError::NoRecord);
        }
        self.last_sent = self.last_sent.max(now.run);
        if self.pulled == 0 { Phase::Over } else { Phase::Waiting }
    }

    /// So many records at once. Where it depends on the one before whether another leaves, it is one.
    const fn burst(&self) -> usize {
        if self.plan.fail_fast { 1 } else { BURST }
    }

    /// When the wait for answers is over.
    fn deadline(&self) -> Duration {
        self.last_sent + self.plan.answers.wait.unwrap_or(self.plan.answers.linger)
    }

    /// The destination that an answer or a refusal belongs to: by interface where there are several.
    fn asked(&self, link: Option<&Link>) -> usize {
        let same_link = |d: &Destination| link.is_some() && d.link.as_ref() == link;
        self.places.all().position(same_link).unwrap_or(0)
    }

    fn answered(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        let index = self.asked(datagram.link.as_ref());
        let Some((destination, went)) = self.places.get(index).zip(self.places.went(index)) else { return };
        let to_one = destination.cast == Cast::Unicast;
        let responder = canonical(datagram.source);
        let from_another = to_one && !same_address(destination.address, datagram.source);
        if from_another && self.plan.answers.strict_source {
            self.stats.filtered += 1;
            return;
        }
        self.stats.saw(datagram);
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
        let Some(replies) = &mut self.stats.replies else { return };
        if duplicate {
            self.stats.duplicates = self.stats.duplicates.map(|n| n + 1);
        } else if !own {
            *replies += 1;
        }
        if !own && before == 0 {
            self.stats.responders = self.stats.responders.map(|n| n + 1);
        }
    }

    fn counted(&self) -> u64 {
        let counted = match self.plan.answers.count_by {
            CountBy::Answer => self.stats.replies,
            CountBy::Responder => self.stats.responders,
        };
        counted.unwrap_or(0)
    }

    /// Ends the run when nothing can change its result any more.
    fn settle(&mut self) {
        let reached = |goal: Option<u64>| goal.is_some_and(|goal| self.counted() >= goal);
        let all_sent = self.phase == Phase::Waiting;
        // What did not leave is answered by nobody, and neither is what was refused, if it was.
        let believed = self.plan.answers.believe_refusals || self.plan.answers.wait.is_none();
        let dealt_with = self.stats.failed + self.stats.not_tried() + if believed { self.stats.refused } else { 0 };
        let nobody_left = self.next_seq > 0 && dealt_with >= self.next_seq;
        let done = all_sent && (reached(self.plan.answers.expect) || nobody_left);
        if self.cut || reached(self.plan.answers.most) || done {
            self.phase = Phase::Over;
        }
    }

    fn verdict(&self) -> Verdict {
        let stats = &self.stats;
        let refused = stats.refused > 0 && stats.received == 0;
        let not_all = stats.failed > 0 || stats.not_tried() > 0;
        match () {
            () if self.cut => Verdict::SystemRefused,
            () if stats.sent == 0 && self.bad.is_some() => Verdict::RefusedToSend,
            () if stats.sent == 0 && stats.failed > 0 => Verdict::SystemRefused,
            () if stats.sent == 0 && stats.not_tried() > 0 => Verdict::RefusedToSend,
            () if self.too_few() && refused => Verdict::PeerRefused,
            () if self.too_few() => Verdict::TooFew,
            () if !self.plan.lenient && (self.bad.is_some() || not_all) => Verdict::Partly,
            () if refused => Verdict::PeerRefused,
            () => Verdict::Done,
        }
    }

    /// A broadcast that nobody answers is often answered, and the answers dropped: no firewall can know them for answers,
    /// since they come from addresses that were never asked.
    fn tell_silence(&self, out: &mut dyn Out) {
        let to_everybody = self.places.all().all(|d| d.cast != Cast::Unicast);
        let silent = self.plan.answers.wait.is_some() && self.stats.sent > 0 && self.stats.received == 0;
        if let (true, true, Some(port)) = (to_everybody, silent, self.source_port) {
            out.tell(&Event::Notice(Notice::BroadcastSilence { port, probe: false }));
        }
    }

    fn too_few(&self) -> bool {
        let Answers { wait, expect, .. } = self.plan.answers;
        // Nothing sent because nothing had to be is no reason to miss an answer.
        let asked = self.stats.sent > 0 || !self.plan.allow_none;
        wait.is_some() && asked && self.counted() < expect.unwrap_or(1)
    }
}

impl<R: Records> Engine for Sender<R> {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        for notice in std::mem::take(&mut self.plan.notices) {
            out.tell(&Event::Notice(notice));
        }
        for skipped in std::mem::take(&mut self.plan.skipped) {
            self.stats.skipped += 1;
            out.tell(&Event::Skipped(skipped));
        }
        self.phase = Phase::Sending(now.run);
        self.due(now, out);
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        if self.phase == Phase::Over {
            // Came with the answer that ended the run.
            self.stats.unread += 1;
            return;
        }
        self.answered(now, datagram, out);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        let (seq, place) = places::of_ticket(outcome.ticket);
        let Some(cast) = self.places.get(place).map(|to| to.cast) else { return };
        match outcome.result {
            Ok(source) => {
                self.brake.sent();
                self.stats.sent += 1;
                self.stats.sent_bytes += outcome.len as u64;
                self.places.left(place, now.run);
                self.last_sent = now.run;
                self.source_port = source.map(|source| source.port()).or(self.source_port);
                out.tell(&Event::Sent(Sent {
                    seq,
                    len: outcome.len,
                    source,
                    destination: outcome.destination,
                    link: outcome.link.clone(),
                    cast,
                }));
            }
            Err(fault) => {
                self.mishaps.failed(now, outcome, fault, &mut self.stats, out);
                self.brake.failed(now, out);
                self.cut |= self.plan.fail_fast;
                self.settle();
            }
        }
    }

    fn refused(&mut self, _: Now, refusal: &Refusal, out: &mut dyn Out) {
        // Nobody refuses a broadcast (RFC 1122 3.2.2), and what was never asked cannot refuse: somebody made that up.
        let asked = |d: &Destination| d.cast == Cast::Unicast && same_address(d.address, refusal.destination);
        if !self.places.all().any(asked) || self.stats.refused >= self.stats.sent {
            return;
        }
        self.stats.refused += 1;
        out.tell(&Event::Refused(refusal.clone()));
        self.settle();
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        let ended = self.phase == Phase::Waiting && now.run >= self.deadline();
        let cut_off = self.plan.deadline.is_some_and(|deadline| now.run >= deadline);
        if cut_off && !matches!(self.phase, Phase::Waiting | Phase::Over) {
            self.owes();
        }
        if ended || cut_off {
            self.phase = Phase::Over;
        }
        for _ in 0..self.burst() {
            match self.phase {
                Phase::Sending(due) if due <= now.run => {}
                Phase::Braked if self.brake.until() <= now.run => {}
                // Woken: there may be a record now.
                Phase::Starved => {}
                _ => break,
            }
            match self.next_record() {
                Pull::Record(record) => self.send_or_hold(now, record, out),
                Pull::Pending => self.phase = Phase::Starved,
                Pull::End => self.end_of_round(now),
                Pull::Bad(error) => {
                    self.bad = Some(error);
                    self.phase = self.end_of_records(now);
                }
            }
            if self.phase == Phase::Starved {
                break;
            }
        }
        self.settle();
    }

    fn rewired(&mut self, _: Now, table: &Table, out: &mut dyn Out) {
        for change in self.places.rewired(table) {
            out.tell(&Event::Notice(change));
        }
        self.brake.rewired();
    }

    fn next(&self) -> Next {
        let own = match self.phase {
            Phase::Sending(due) => Some(due),
            Phase::Braked => Some(self.brake.until()),
            Phase::Starved => None,
            Phase::Waiting => Some(self.deadline()),
            Phase::Over => return Next::Done,
        };
        own.into_iter().chain(self.plan.deadline).min().map_or(Next::Event, Next::At)
    }

    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.phase = Phase::Over;
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        self.stats.close(now.run, ending, self.verdict());
        if let Some(error) = &self.bad {
            // Told behind the records before it, which have left.
            out.tell(&Event::BadRecord(error));
        }
        self.tell_silence(out);
        out.tell(&Event::Summary(&self.stats));
    }
}

/// The pieces that `len` payload bytes travel in over this interface, where they are more than one. Every piece but the last carries a
/// multiple of 8 bytes (RFC 791 section 3.1, RFC 8200 section 4.5, which adds an 8-byte header to each).
pub(crate) fn fragments(destination: &Destination, link: Option<&Link>, len: usize) -> Option<Fragments> {
    let (link, mtu) = (link?.clone(), destination.mtu?);
    let family = Family::of(destination.address.ip());
    let ip_header = family.headers() - 8;
    let fragment_header = if family == Family::V6 { 8 } else { 0 };
    let whole = len + 8;
    if whole + ip_header <= mtu as usize {
        return None;
    }
    let room = (mtu as usize).checked_sub(ip_header + fragment_header)? / 8 * 8;
    let pieces = if room == 0 { return None } else { whole.div_ceil(room) };
    Some(Fragments { link, mtu, len, pieces })
}

/// Whether two socket addresses are the same host and port, whatever their zone.
pub(crate) fn same_address(a: SocketAddr, b: SocketAddr) -> bool {
    let (a, b) = (canonical(a), canonical(b));
    a.ip() == b.ip() && a.port() == b.port()
}

#[cfg(test)]
mod tests;
