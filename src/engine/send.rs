//! Sending records to one destination or to many, on a schedule, and collecting the answers.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::{Engine, Next, Out};
use crate::model::event::{Fragments, Notice, Outcome, Refusal, Reply, Sent, Skipped};
use crate::model::stats::Ending;
use crate::model::target::canonical;
use crate::model::{
    Cast, Datagram, Destination, Event, Family, Link, Now, Payload, Record, RecordError, Schedule, Stats, Transmit,
    Verdict,
};

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
}

impl Records for std::vec::IntoIter<Record> {
    fn pull(&mut self) -> Pull {
        self.next().map_or(Pull::End, Pull::Record)
    }
}

/// So many records leave back to back at most; then the network is looked at. RFC 8085 3.1.6 wants bursts bounded.
const BURST: usize = 64;

/// Lateness that is made up for by sending faster. Longer than a busy machine oversleeps, short enough that what is made
/// up for stays a small burst.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Responders and answers are told apart up to so many, so that strangers cannot make the tables grow.
const MOST_TOLD_APART: usize = 65_536;

/// Sends records and collects answers.
pub struct Sender<R> {
    plan: Plan,
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
    /// Per destination, how much went and when the last.
    went: Vec<Went>,
    last_sent: Duration,
    next_seq: u64,
    heard: Heard,
    /// The port that answers come to, as far as the system told.
    source_port: Option<u16>,
    /// Links whose fragments were told.
    told_fragments: HashSet<u32>,
    bad: Option<RecordError>,
    stats: Stats,
}

#[derive(Clone, Copy, Debug, Default)]
struct Went {
    datagrams: u64,
    last: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The next record is due at this time.
    Sending(Duration),
    /// The next record is not there yet.
    Starved,
    /// Everything is sent.
    Waiting,
    Over,
}

/// Which answers were heard.
#[derive(Default)]
struct Heard {
    keys: RandomState,
    by_responder: HashMap<SocketAddr, Answered>,
    by_content: HashMap<(SocketAddr, u64), u64>,
}

/// The answers of one responder.
#[derive(Clone, Copy, Default)]
struct Answered {
    /// All of them.
    count: u64,
    /// Those that came before the last datagram left.
    before_last: u64,
    /// Which datagram was the last when the latest of them came.
    last: u64,
}

impl Heard {
    /// Counts an answer of this responder, when so many datagrams have left; returns what was before it.
    fn count(&mut self, responder: SocketAddr, datagrams: u64) -> Answered {
        if self.by_responder.len() >= MOST_TOLD_APART && !self.by_responder.contains_key(&responder) {
            // Not told apart any more, so not counted as a new one either.
            return Answered { count: 1, ..Answered::default() };
        }
        let answered = self.by_responder.entry(responder).or_default();
        if answered.last < datagrams {
            *answered = Answered { before_last: answered.count, last: datagrams, ..*answered };
        }
        answered.count += 1;
        Answered { count: answered.count - 1, ..*answered }
    }

    /// The same answers of this responder before this one.
    fn same(&mut self, responder: SocketAddr, payload: &[u8]) -> u64 {
        let key = (responder, self.keys.hash_one(payload));
        if self.by_content.len() >= MOST_TOLD_APART && !self.by_content.contains_key(&key) {
            return 0;
        }
        let count = self.by_content.entry(key).or_default();
        *count += 1;
        *count - 1
    }
}

impl<R: Records> Sender<R> {
    /// A sender of `records` by `plan`.
    pub fn new(plan: Plan, records: R) -> Self {
        let went = vec![Went::default(); plan.destinations.len()];
        let awaits = plan.answers.wait.is_some();
        let stats = Stats {
            duplicates: awaits.then_some(0),
            replies: awaits.then_some(0),
            responders: awaits.then_some(0),
            ..Stats::default()
        };
        Self {
            plan,
            records,
            phase: Phase::Sending(Duration::ZERO),
            list: Vec::new(),
            position: 0,
            held: None,
            last_due: None,
            rounds_done: 0,
            pulled: 0,
            went,
            last_sent: Duration::ZERO,
            next_seq: 0,
            heard: Heard::default(),
            source_port: None,
            told_fragments: HashSet::new(),
            bad: None,
            stats,
        }
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
        let due = self.last_due.map_or(now.run, |last| last + gap);
        if due > now.run {
            self.held = Some(record);
            self.phase = Phase::Sending(due);
            return;
        }
        self.tell_fragments(record.payload.len(), out);
        self.send_to_all(&record.payload, out);
        // A little late is made up for, so that the pace is kept; after a long silence of the source it begins anew.
        self.last_due = Some(if now.run - due > CATCH_UP { now.run } else { due });
        self.phase = Phase::Sending(now.run);
    }

    /// Sends one record to every destination.
    fn send_to_all(&mut self, payload: &Payload<'_>, out: &mut dyn Out) {
        for destination in &self.plan.destinations {
            out.send(Transmit {
                payload: payload.borrow(),
                destination: destination.address,
                source: destination.source,
                link: destination.link.clone(),
                ticket: self.next_seq,
            });
            self.next_seq += 1;
        }
    }

    fn tell_fragments(&mut self, len: usize, out: &mut dyn Out) {
        for destination in &self.plan.destinations {
            let Some(fragments) = fragments(destination, len) else { continue };
            if self.told_fragments.insert(fragments.link.index) {
                out.tell(&Event::Notice(Notice::Fragments(fragments)));
            }
        }
    }

    fn end_of_round(&mut self, now: Now) {
        self.rounds_done += 1;
        self.position = 0;
        self.last_due = None;
        let again = self.plan.schedule.rounds.more_after(self.rounds_done) && self.pulled > 0;
        self.phase =
            if again { Phase::Sending(now.run + self.plan.schedule.between_rounds) } else { self.end_of_records(now) };
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
        self.plan.destinations.iter().position(same_link).unwrap_or(0)
    }

    fn answered(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        let index = self.asked(datagram.link.as_ref());
        let Some(destination) = self.plan.destinations.get(index) else { return };
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
        let went = self.went[index];
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
        let dealt_with = self.stats.failed + if believed { self.stats.refused } else { 0 };
        let nobody_left = self.next_seq > 0 && dealt_with >= self.next_seq;
        if reached(self.plan.answers.most) || all_sent && (reached(self.plan.answers.expect) || nobody_left) {
            self.phase = Phase::Over;
        }
    }

    fn verdict(&self) -> Verdict {
        let stats = &self.stats;
        let refused = stats.refused > 0 && stats.received == 0;
        match () {
            () if stats.sent == 0 && self.bad.is_some() => Verdict::RefusedToSend,
            () if stats.sent == 0 && stats.failed > 0 => Verdict::SystemRefused,
            () if self.too_few() && refused => Verdict::PeerRefused,
            () if self.too_few() => Verdict::TooFew,
            () if !self.plan.lenient && (self.bad.is_some() || stats.failed > 0) => Verdict::Partly,
            () if refused => Verdict::PeerRefused,
            () => Verdict::Done,
        }
    }

    /// A broadcast that nobody answers is often answered, and the answers dropped: no firewall can know them for answers,
    /// since they come from addresses that were never asked.
    fn tell_silence(&self, out: &mut dyn Out) {
        let to_everybody = self.plan.destinations.iter().all(|d| d.cast != Cast::Unicast);
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
        self.answered(now, datagram, out);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        // Tickets are dealt in the order of the destinations, once around for every record.
        let index = (outcome.ticket % self.went.len() as u64) as usize;
        let cast = self.plan.destinations[index].cast;
        match outcome.result {
            Ok(source) => {
                self.stats.sent += 1;
                self.stats.sent_bytes += outcome.len as u64;
                self.went[index] = Went { datagrams: self.went[index].datagrams + 1, last: now.run };
                self.last_sent = now.run;
                self.source_port = source.map(|source| source.port()).or(self.source_port);
                out.tell(&Event::Sent(Sent {
                    seq: outcome.ticket,
                    len: outcome.len,
                    source,
                    destination: outcome.destination,
                    link: outcome.link.clone(),
                    cast,
                }));
            }
            Err(fault) => {
                self.stats.failed += 1;
                out.tell(&outcome.failed(fault));
                self.settle();
            }
        }
    }

    fn refused(&mut self, _: Now, refusal: &Refusal, out: &mut dyn Out) {
        // Nobody refuses a broadcast (RFC 1122 3.2.2), and what was never asked cannot refuse: somebody made that up.
        let asked = |d: &Destination| d.cast == Cast::Unicast && same_address(d.address, refusal.destination);
        if !self.plan.destinations.iter().any(asked) || self.stats.refused >= self.stats.sent {
            return;
        }
        self.stats.refused += 1;
        out.tell(&Event::Refused(refusal.clone()));
        self.settle();
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        if self.phase == Phase::Waiting && now.run >= self.deadline() {
            self.phase = Phase::Over;
        }
        for _ in 0..BURST {
            match self.phase {
                Phase::Sending(due) if due <= now.run => {}
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

    fn next(&self) -> Next {
        match self.phase {
            Phase::Sending(due) => Next::At(due),
            Phase::Starved => Next::Event,
            Phase::Waiting => Next::At(self.deadline()),
            Phase::Over => Next::Done,
        }
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

/// The pieces that `len` payload bytes travel in, where they are more than one. Every piece but the last carries a
/// multiple of 8 bytes (RFC 791 section 3.1, RFC 8200 section 4.5, which adds an 8-byte header to each).
pub(crate) fn fragments(destination: &Destination, len: usize) -> Option<Fragments> {
    let (link, mtu) = (destination.link.clone()?, destination.mtu?);
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
mod tests {
    use super::*;
    use crate::engine::testing::{Said, at, reply_from};
    use crate::model::{Fault, Repeat, error::FaultKind, event::Unreachable};

    const MS: Duration = Duration::from_millis(1);

    fn destination(address: &str, cast: Cast) -> Destination {
        Destination { address: address.parse().unwrap(), source: None, link: None, mtu: None, cast }
    }

    fn plan(wait: Option<Duration>) -> Plan {
        let destinations = vec![destination("10.0.0.2:1060", Cast::Unicast)];
        Plan { answers: Answers { wait, ..Answers::NONE }, ..Plan::to(destinations) }
    }

    fn records(texts: &[&'static str]) -> std::vec::IntoIter<Record> {
        let record = |t: &&'static str| Record::new(Payload::new(t.as_bytes(), Family::V4).unwrap());
        texts.iter().map(record).collect::<Vec<_>>().into_iter()
    }

    /// Reports every datagram that was said to be sent as sent.
    fn deliver<R: Records>(sender: &mut Sender<R>, now: Now, said: &mut Said) {
        for (ticket, destination, payload) in std::mem::take(&mut said.sends) {
            let outcome = Outcome { ticket, len: payload.len(), destination, link: None, result: Ok(None) };
            sender.sent(now, &outcome, said);
        }
    }

    /// Lets a started sender do everything in its time: when what left, by its first byte.
    fn until_done<R: Records>(sender: &mut Sender<R>, said: &mut Said) -> Vec<(u64, u8)> {
        let mut left = Vec::new();
        let mut now = 0;
        loop {
            left.extend(said.sends.iter().map(|(.., p)| (now, p[0])));
            deliver(sender, at(now), said);
            match sender.next() {
                Next::At(due) => now = due.as_millis() as u64,
                Next::Event => panic!("nothing is pending"),
                Next::Done => return left,
            }
            sender.due(at(now), said);
        }
    }

    fn verdict<R: Records>(sender: &mut Sender<R>, now: Now) -> Verdict {
        sender.finish(now, &Ending::default(), &mut Said::default());
        sender.stats().verdict
    }

    #[test]
    fn records_leave_in_order_back_to_back_each_as_it_is() {
        let mut sender = Sender::new(plan(None), records(&["a", "", "c"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        let payloads: Vec<_> = said.sends.iter().map(|(.., p)| p.clone()).collect();
        assert_eq!(payloads, [&b"a"[..], b"", b"c"]);
        deliver(&mut sender, at(0), &mut said);
        sender.due(at(0), &mut said);
        assert_eq!(sender.next(), Next::Done);
        assert_eq!(verdict(&mut sender, at(0)), Verdict::Done);
        assert_eq!((sender.stats().sent, sender.stats().sent_bytes), (3, 2));
    }

    #[test]
    fn rounds_and_records_are_paced() {
        let schedule = Schedule { rounds: Repeat::Times(2), between_rounds: 1000 * MS, between_records: 100 * MS };
        let mut sender = Sender::new(Plan { schedule, ..plan(None) }, records(&["a", "b"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        let left = until_done(&mut sender, &mut said);
        assert_eq!(left, [(0, b'a'), (100, b'b'), (1100, b'a'), (1200, b'b')]);
    }

    #[test]
    fn a_recording_keeps_its_gaps() {
        let mut list: Vec<Record> = records(&["a", "b", "c"]).collect();
        list[0].gap = Some(900 * MS);
        list[1].gap = Some(30 * MS);
        list[2].gap = Some(70 * MS);
        let schedule = Schedule { rounds: Repeat::Times(2), between_rounds: 500 * MS, ..Schedule::ONCE };
        let mut sender = Sender::new(Plan { schedule, ..plan(None) }, list.into_iter());
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        let left = until_done(&mut sender, &mut said);
        // The first of a round has nothing before it to keep a distance from; it left at the start.
        assert_eq!(left, [(0, b'a'), (30, b'b'), (100, b'c'), (600, b'a'), (630, b'b'), (700, b'c')]);
    }

    #[test]
    fn a_burst_is_bounded() {
        let many: Vec<&str> = vec!["x"; 200];
        let mut sender = Sender::new(plan(None), records(&many));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        assert_eq!(said.sends.len(), BURST);
        assert_eq!(sender.next(), Next::At(Duration::ZERO));
    }

    #[test]
    fn answers_are_collected_until_the_deadline_and_counted_once() {
        let mut sender = Sender::new(plan(Some(50 * MS)), records(&["a"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(1), &mut said);
        assert_eq!(sender.next(), Next::At(51 * MS));
        sender.received(at(3), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        sender.received(at(4), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        sender.received(at(5), &reply_from("10.0.0.9:1060", b"A"), &mut said);
        let shown: Vec<_> = said.replies.iter().map(|r| (r.round_trip, r.from_another, r.duplicate)).collect();
        assert_eq!(shown, [(Some(2 * MS), false, false), (None, false, true), (None, true, false)]);
        sender.due(at(51), &mut said);
        assert_eq!(sender.next(), Next::Done);
        assert_eq!(verdict(&mut sender, at(51)), Verdict::Done);
        let stats = sender.stats();
        assert_eq!((stats.received, stats.replies, stats.duplicates), (3, Some(2), Some(1)));
    }

    #[test]
    fn silence_is_too_few_and_so_are_fewer_than_expected() {
        let expecting = |expect| {
            let mut plan = plan(Some(50 * MS));
            plan.answers.expect = expect;
            let mut sender = Sender::new(plan, records(&["a"]));
            let mut said = Said::default();
            sender.start(at(0), &mut said);
            deliver(&mut sender, at(0), &mut said);
            sender
        };
        assert_eq!(verdict(&mut expecting(None), at(50)), Verdict::TooFew);
        let mut two = expecting(Some(2));
        two.received(at(1), &reply_from("10.0.0.2:1060", b"A"), &mut Said::default());
        assert_ne!(two.next(), Next::Done);
        assert_eq!(verdict(&mut two, at(50)), Verdict::TooFew);
        let mut one = expecting(Some(1));
        one.received(at(1), &reply_from("10.0.0.2:1060", b"A"), &mut Said::default());
        assert_eq!(one.next(), Next::Done);
        assert_eq!(verdict(&mut one, at(1)), Verdict::Done);
    }

    #[test]
    fn expectations_are_not_met_before_everything_is_sent() {
        let mut plan = plan(Some(50 * MS));
        plan.answers.expect = Some(1);
        plan.schedule.between_records = 10 * MS;
        let mut sender = Sender::new(plan, records(&["a", "b"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.received(at(1), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        assert_eq!(sender.next(), Next::At(10 * MS));
    }

    #[test]
    fn an_expectation_met_while_sending_ends_the_run_with_the_last_record() {
        let mut plan = plan(Some(9000 * MS));
        plan.answers.expect = Some(1);
        let mut sender = Sender::new(plan, Pipe(vec![Pull::Record(Record::new(Payload::empty()))]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.received(at(1), &reply_from("10.0.0.2:1060", b""), &mut said);
        assert_eq!(sender.next(), Next::Event);
        sender.records.0.push(Pull::End);
        sender.due(at(2000), &mut said);
        assert_eq!(sender.next(), Next::Done);
    }

    #[test]
    fn stopped_before_anything_left_an_expectation_is_not_met() {
        let mut plan = plan(Some(9000 * MS));
        plan.answers.expect = Some(1);
        let mut sender = Sender::new(plan, Pipe(Vec::new()));
        sender.start(at(0), &mut Said::default());
        sender.stop(at(1), &mut Said::default());
        assert_eq!((sender.next(), verdict(&mut sender, at(1))), (Next::Done, Verdict::TooFew));
    }

    #[test]
    fn responders_of_a_broadcast_count_once_and_the_own_host_not_at_all() {
        let mut plan = plan(Some(50 * MS));
        plan.destinations = vec![destination("10.0.0.255:1060", Cast::Broadcast)];
        plan.answers.count_by = CountBy::Responder;
        plan.answers.expect = Some(2);
        let mut sender = Sender::new(plan, records(&["a"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.due(at(1), &mut said);
        let own = Datagram { origin: crate::model::Origin::Own, ..reply_from("10.0.0.1:1060", b"A") };
        sender.received(at(1), &own, &mut said);
        sender.received(at(1), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        sender.received(at(2), &reply_from("10.0.0.2:1060", b"B"), &mut said);
        assert_eq!(sender.stats().responders, Some(1));
        sender.received(at(3), &reply_from("10.0.0.3:1060", b"A"), &mut said);
        assert_eq!(sender.next(), Next::Done);
        assert!(said.replies.iter().all(|r| !r.from_another));
    }

    #[test]
    fn a_round_trip_is_known_only_where_it_is_clear_what_was_answered() {
        let mut plan = plan(Some(500 * MS));
        plan.schedule.between_records = 100 * MS;
        let mut sender = Sender::new(plan, records(&["a", "b", "c"]));
        let mut said = Said::default();
        let answer = |text| reply_from("10.0.0.2:1060", text);
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.received(at(7), &answer(b"1"), &mut said);
        sender.due(at(100), &mut said);
        deliver(&mut sender, at(100), &mut said);
        sender.received(at(108), &answer(b"2"), &mut said);
        sender.received(at(109), &answer(b"3"), &mut said);
        sender.due(at(200), &mut said);
        deliver(&mut sender, at(200), &mut said);
        // Three answers to two datagrams: whose the fourth is, nobody knows.
        sender.received(at(201), &answer(b"4"), &mut said);
        let times: Vec<_> = said.replies.iter().map(|r| r.round_trip).collect();
        assert_eq!(times, [Some(7 * MS), Some(8 * MS), None, None]);
    }

    #[test]
    fn answers_that_nobody_asked_for_are_counted_and_not_shown() {
        let mut sender = Sender::new(plan(None), records(&["a"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.received(at(1), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        assert!(said.replies.is_empty());
        assert_eq!((sender.stats().received, sender.stats().replies), (1, None));
    }

    #[test]
    fn strict_source_leaves_others_out_and_counts_them() {
        let mut plan = plan(Some(50 * MS));
        plan.answers.strict_source = true;
        let mut sender = Sender::new(plan, records(&["a"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.received(at(1), &reply_from("10.0.0.2:1061", b"A"), &mut said);
        assert!(said.replies.is_empty());
        assert_eq!((sender.stats().filtered, sender.stats().received), (1, 0));
    }

    #[test]
    fn a_refusal_is_the_result_only_when_nobody_answered() {
        let refusal = Refusal { destination: "10.0.0.2:1060".parse().unwrap(), by: None, what: Unreachable::Port };
        let mut sender = Sender::new(plan(Some(50 * MS)), records(&["a"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.refused(at(1), &refusal, &mut said);
        sender.due(at(1), &mut said);
        assert_eq!(sender.next(), Next::Done);
        assert_eq!(verdict(&mut sender, at(1)), Verdict::PeerRefused);
        sender.received(at(2), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        assert_eq!(verdict(&mut sender, at(2)), Verdict::Done);
    }

    #[test]
    fn what_strangers_make_up_refuses_nothing() {
        let refusal = |destination: &str, what| Refusal { destination: destination.parse().unwrap(), by: None, what };
        let mut plan = plan(Some(50 * MS));
        plan.answers.believe_refusals = false;
        let mut sender = Sender::new(plan.clone(), records(&["a"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        // Never asked; then asked, but anybody on the way can say so: the wait goes on, and an answer still counts.
        sender.refused(at(1), &refusal("10.9.9.9:1060", Unreachable::Port), &mut said);
        assert_eq!(sender.stats().refused, 0);
        for _ in 0..3 {
            sender.refused(at(1), &refusal("10.0.0.2:1060", Unreachable::Port), &mut said);
        }
        assert_eq!((sender.stats().refused, sender.next()), (1, Next::At(50 * MS)));
        sender.received(at(2), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        assert_eq!(verdict(&mut sender, at(50)), Verdict::Done);
        plan.destinations = vec![destination("10.0.0.255:1060", Cast::Broadcast)];
        let mut sender = Sender::new(plan, records(&["a"]));
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.refused(at(1), &refusal("10.0.0.255:1060", Unreachable::Port), &mut said);
        assert_eq!((sender.stats().refused, sender.next()), (0, Next::At(50 * MS)));
    }

    #[test]
    fn what_did_not_leave_is_told_and_decides_the_code() {
        let fault = Fault { kind: FaultKind::NetworkUnreachable, code: None };
        let outcome = |ticket, result| Outcome {
            ticket,
            len: 1,
            destination: "10.0.0.2:1060".parse().unwrap(),
            link: None,
            result,
        };
        for (second, lenient, verdict_wanted) in [
            (Err(fault), false, Verdict::SystemRefused),
            (Ok(None), false, Verdict::Partly),
            (Ok(None), true, Verdict::Done),
        ] {
            let mut sender = Sender::new(Plan { lenient, ..plan(None) }, records(&["a", "b"]));
            let mut said = Said::default();
            sender.start(at(0), &mut said);
            sender.sent(at(0), &outcome(0, Err(fault)), &mut said);
            sender.sent(at(0), &outcome(1, second), &mut said);
            assert!(said.failed >= 1);
            assert_eq!(verdict(&mut sender, at(0)), verdict_wanted);
        }
    }

    #[test]
    fn one_interface_that_fails_does_not_end_the_wait_for_the_others() {
        let fault = Fault { kind: FaultKind::NetworkUnreachable, code: None };
        let everybody = destination("10.0.0.255:1060", Cast::Broadcast);
        let both = Plan { destinations: vec![everybody.clone(), everybody], ..plan(Some(50 * MS)) };
        for (second, next) in [(Ok(None), Next::At(50 * MS)), (Err(fault), Next::Done)] {
            let mut sender = Sender::new(both.clone(), records(&["a"]));
            let mut said = Said::default();
            sender.start(at(0), &mut said);
            for (ticket, result) in [(0, Err(fault)), (1, second)] {
                let destination = both.destinations[0].address;
                sender.sent(at(0), &Outcome { ticket, len: 1, destination, link: None, result }, &mut said);
            }
            assert_eq!(sender.next(), next);
        }
    }

    /// A slow pipe: what is in it now, and whether it is closed.
    struct Pipe(Vec<Pull>);

    impl Records for Pipe {
        fn pull(&mut self) -> Pull {
            self.0.pop().unwrap_or(Pull::Pending)
        }
    }

    #[test]
    fn a_slow_pipe_is_waited_for_and_a_bad_record_stops_before_it_is_sent() {
        let bad = RecordError::TooLong { number: 2, len: 70_000, family: Family::V4 };
        let mut sender = Sender::new(plan(None), Pipe(Vec::new()));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        assert_eq!(sender.next(), Next::Event);
        sender.records.0.push(Pull::Record(Record::new(Payload::empty())));
        sender.due(at(9), &mut said);
        deliver(&mut sender, at(9), &mut said);
        assert_eq!(sender.next(), Next::Event);
        sender.records.0.push(Pull::Bad(bad.clone()));
        sender.due(at(10), &mut said);
        sender.due(at(10), &mut said);
        assert_eq!(sender.next(), Next::Done);
        sender.finish(at(10), &Ending::default(), &mut said);
        assert_eq!((said.bad, sender.stats().verdict), (vec![bad], Verdict::Partly));
    }

    #[test]
    fn no_record_at_all_is_refused_unless_allowed() {
        for (allow_none, wanted) in [(false, Verdict::RefusedToSend), (true, Verdict::Done)] {
            let mut sender = Sender::new(Plan { allow_none, ..plan(None) }, records(&[]));
            sender.start(at(0), &mut Said::default());
            assert_eq!(sender.next(), Next::Done);
            assert_eq!(verdict(&mut sender, at(0)), wanted);
        }
    }

    #[test]
    fn fragments_are_counted_as_the_kernel_cuts_them() {
        let link = Some(Link { index: 2, name: "eth0".into() });
        let v4 = Destination { link: link.clone(), mtu: Some(1500), ..destination("10.0.0.255:9", Cast::Broadcast) };
        assert!(fragments(&v4, 1472).is_none());
        assert_eq!(fragments(&v4, 1473).unwrap().pieces, 2);
        assert_eq!(fragments(&v4, 65_507).unwrap().pieces, 45);
        let v6 = Destination { link, mtu: Some(1500), ..destination("[ff02::1]:9", Cast::Multicast) };
        assert!(fragments(&v6, 1452).is_none());
        assert_eq!(fragments(&v6, 1453).unwrap().pieces, 2);
    }
}
