//! The sender without a network: when what leaves, which answers count, and what the run deserves.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::engine::broadcast::{self, Choice, Form};
use crate::engine::places::{self, Way};
use crate::engine::series::BURST;
use crate::engine::testing::{Said, at, reply_from};
use crate::model::event::{Unreachable, Unsent};
use crate::model::interface::{Facts, Interface, directed};
use crate::model::{Family, Fault, Payload, error::FaultKind};

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
        let outcome = Outcome { ticket, count: 1, len: payload.len(), destination, link: None, result: Ok(None) };
        sender.sent(now, &outcome, said);
    }
}

/// Counts the runs that a sender asks for.
#[derive(Default)]
struct Runs(Said, Vec<usize>);

impl Out for Runs {
    fn send(&mut self, transmit: crate::model::Transmit<'_>) {
        self.send_run(&transmit, 1);
    }

    fn send_run(&mut self, transmit: &crate::model::Transmit<'_>, count: usize) {
        self.1.push(count);
        for ticket in (transmit.ticket..).take(count) {
            self.0.send(crate::model::Transmit { ticket, ..transmit.clone() });
        }
    }

    fn tell(&mut self, event: &Event<'_>) {
        self.0.tell(event);
    }
}

#[test]
fn what_leaves_again_and_again_without_a_pause_is_a_run_and_counts_one_by_one() {
    let runs = |plan: Plan, texts: &[&'static str]| {
        let (mut sender, mut runs, mut all) = (Sender::new(plan, records(texts)), Runs::default(), Vec::new());
        sender.start(at(0), &mut runs);
        while sender.next() != Next::Done {
            let asked = std::mem::take(&mut runs.1);
            all.extend(&asked);
            for count in asked {
                let others = runs.0.sends.split_off(count);
                let (ticket, destination, payload) = std::mem::replace(&mut runs.0.sends, others).swap_remove(0);
                let (count, len) = (count as u64, payload.len());
                let outcome = Outcome { ticket, count, len, destination, link: None, result: Ok(None) };
                sender.sent(at(0), &outcome, &mut runs);
            }
            sender.due(at(0), &mut runs);
        }
        let stats = sender.stats();
        assert_eq!(stats.attempted, Some(stats.sent));
        (all, stats.sent, stats.sent_bytes)
    };
    let flood = |times| Plan { schedule: every(Duration::ZERO, times), ..plan(None) };
    assert_eq!(runs(flood(150), &["abc"]), (vec![1, 63, 64, 22], 150, 450));
    assert_eq!(runs(flood(1), &["abc"]), (vec![1], 1, 3));
    assert_eq!(runs(flood(3), &["a", "b"]), (vec![1; 6], 6, 6));
    let first = Plan { fail_fast: true, ..flood(3) };
    assert_eq!(runs(first, &["a"]), (vec![1; 3], 3, 3));
    let two = ["10.0.0.2:1", "10.0.0.3:1"].map(|to| destination(to, Cast::Unicast)).to_vec();
    assert_eq!(runs(Plan { destinations: two, ..flood(2) }, &["a"]).0, [1; 4]);
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
fn a_late_round_is_made_up_for_like_a_late_record() {
    let mut sender = Sender::new(Plan { schedule: every(10 * MS, 4), ..plan(None) }, records(&["a"]));
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    sender.due(at(13), &mut said);
    assert_eq!((said.sends.len(), sender.next()), (2, Next::At(20 * MS)));
    // After a long sleep the pace begins anew.
    sender.due(at(90), &mut said);
    assert_eq!((said.sends.len(), sender.next()), (3, Next::At(100 * MS)));
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
fn a_burst_is_as_long_over_the_ends_of_rounds() {
    for texts in [&["a"][..], &["a", "b", "c"]] {
        let mut sender = Sender::new(Plan { schedule: every(Duration::ZERO, 300), ..plan(None) }, records(texts));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        assert_eq!(said.sends.len(), BURST);
        sender.due(at(0), &mut said);
        assert_eq!(said.sends.len(), 2 * BURST);
    }
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
fn what_comes_behind_the_last_answer_that_was_wanted_is_counted_apart() {
    let mut plan = plan(Some(50 * MS));
    plan.answers.most = Some(1);
    let mut sender = Sender::new(plan, records(&["a"]));
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    deliver(&mut sender, at(0), &mut said);
    for _ in 0..40 {
        sender.received(at(1), &reply_from("10.0.0.2:1060", b"A"), &mut said);
    }
    let stats = sender.stats();
    assert_eq!((said.replies.len(), stats.received, stats.replies, stats.unread), (1, 1, Some(1), 39));
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
    for (answers, expected) in [(0, Verdict::PeerRefused), (1, Verdict::Done)] {
        let mut sender = Sender::new(plan(Some(50 * MS)), records(&["a"]));
        let mut said = Said::default();
        sender.start(at(0), &mut said);
        deliver(&mut sender, at(0), &mut said);
        sender.due(at(0), &mut said);
        for _ in 0..answers {
            sender.received(at(1), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        }
        sender.refused(at(1), &refusal, &mut said);
        assert_eq!(sender.next(), Next::Done);
        assert_eq!(verdict(&mut sender, at(1)), expected);
        // What comes behind that is not waited for.
        sender.received(at(2), &reply_from("10.0.0.2:1060", b"A"), &mut said);
        assert_eq!((said.replies.len(), sender.stats().unread, verdict(&mut sender, at(2))), (answers, 1, expected));
    }
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
        count: 1,
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
        sender.sent(at(0), &outcome(places::ticket(0, 0), Err(fault)), &mut said);
        sender.sent(at(0), &outcome(places::ticket(1, 0), second), &mut said);
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
        for (ticket, result) in [(places::ticket(0, 0), Err(fault)), (places::ticket(1, 1), second)] {
            let destination = both.destinations[0].address;
            sender.sent(at(0), &Outcome { ticket, count: 1, len: 1, destination, link: None, result }, &mut said);
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

// ---- series on interfaces that change --------------------------------------------------------------------------------

fn row(index: u32, name: &str, address: Option<(&str, u8)>) -> Facts {
    Facts::plain(index, name, address)
}

fn table(rows: &[Facts]) -> Table {
    Table::new(rows.iter().cloned().map(Interface::judge).collect())
}

/// A series to everybody on every interface of `start`.
fn series(start: &Table, schedule: Schedule) -> Sender<std::vec::IntoIter<Record>> {
    asking(start, schedule, Answers::NONE)
}

/// The same, with answers.
fn asking(start: &Table, schedule: Schedule, answers: Answers) -> Sender<std::vec::IntoIter<Record>> {
    let choice = Choice { interfaces: Vec::new(), form: Form::Directed, mask_derived: false, port: 9 };
    let destinations = broadcast::plan(start, &choice).unwrap().destinations;
    let plan = Plan { schedule, answers, ..Plan::to(destinations) };
    Sender::new(plan, records(&["a"])).following(Follows::Everybody(choice, None), start)
}

fn every(interval: Duration, times: u64) -> Schedule {
    Schedule { rounds: Repeat::Times(times), between_rounds: interval, between_records: interval }
}

/// Lets it do what is due, as a run does: until there is something to send, or nothing to do.
fn all_that_is_due<R: Records>(sender: &mut Sender<R>, now: Now, said: &mut Said) {
    while said.sends.is_empty() && matches!(sender.next(), Next::At(due) if due <= now.run) {
        sender.due(now, said);
    }
}

#[test]
fn without_a_word_from_anybody_a_series_is_one_datagram_in_its_interval_to_the_millisecond() {
    let mut sender = series(&table(&[row(2, "e0", Some(("10.0.0.1", 24)))]), every(3000 * MS, 21));
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    let left: Vec<u64> = until_done(&mut sender, &mut said).iter().map(|(ms, _)| *ms).collect();
    // RFC 8085 3.1.3, over a minute.
    assert_eq!(left, (0..=20).map(|n| n * 3000).collect::<Vec<u64>>());
}

#[test]
fn a_series_goes_on_within_an_interval_and_every_datagram_is_accounted_for() {
    let e0 = row(2, "e0", Some(("10.0.0.1", 24)));
    let (up, down) = (table(std::slice::from_ref(&e0)), table(&[Facts { up: false, ..e0.clone() }]));
    let both = table(&[e0, row(3, "e1", Some(("10.1.0.1", 24)))]);
    let mut sender = series(&up, every(100 * MS, 100));
    let mut said = Said::default();
    let mut left = Vec::new();
    sender.start(at(0), &mut said);
    for ms in (0..10_000).step_by(10) {
        match ms {
            1_030 => sender.rewired(at(ms), &down, &mut said),
            // The same again says nothing new.
            1_500 => sender.rewired(at(ms), &down, &mut said),
            // Longer than 64 in a row: what is not tried does not slow the rest down.
            9_030 => sender.rewired(at(ms), &up, &mut said),
            9_530 => sender.rewired(at(ms), &both, &mut said),
            _ => {}
        }
        all_that_is_due(&mut sender, at(ms), &mut said);
        left.extend(said.sends.iter().map(|(_, to, _)| (ms, to.to_string())));
        deliver(&mut sender, at(ms), &mut said);
    }
    let times = |to: &str| left.iter().filter(|(_, address)| address == to).map(|(ms, _)| *ms).collect::<Vec<u64>>();
    let expected: Vec<u64> = (0..=1000).chain(9_100..10_000).filter(|ms| ms % 100 == 0).collect();
    assert_eq!(times("10.0.0.255:9"), expected);
    assert_eq!(times("10.1.0.255:9"), [9_600, 9_700, 9_800, 9_900]);
    assert_eq!(said.ways, ["e0 lost: down", "e0 back", "e1 came"]);
    let stats = sender.stats();
    assert_eq!((stats.attempted, stats.sent, stats.not_tried()), (Some(104), 24, 80));
    assert_eq!(verdict(&mut sender, at(10_000)), Verdict::Partly);
}

#[test]
fn an_interface_that_comes_for_another_begins_its_own_account() {
    let e0 = row(2, "e0", Some(("10.0.0.1", 24)));
    let with = |index, name, address| table(&[e0.clone(), row(index, name, Some((address, 24)))]);
    let answers = Answers { wait: Some(1000 * MS), ..Answers::NONE };
    let mut sender = asking(&table(std::slice::from_ref(&e0)), every(100 * MS, 10), answers);
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    // Five datagrams on e1, none while there is no second interface, and then one on e2.
    for (ms, now) in
        [(50, with(3, "e1", "10.1.0.1")), (550, table(std::slice::from_ref(&e0))), (750, with(4, "e2", "10.2.0.1"))]
    {
        for due in (0..ms).step_by(100) {
            all_that_is_due(&mut sender, at(due), &mut said);
            deliver(&mut sender, at(due), &mut said);
        }
        sender.rewired(at(ms), &now, &mut said);
    }
    all_that_is_due(&mut sender, at(800), &mut said);
    assert_eq!(
        said.sends.iter().map(|(_, to, _)| to.to_string()).collect::<Vec<_>>(),
        ["10.0.0.255:9", "10.2.0.255:9"]
    );
    deliver(&mut sender, at(800), &mut said);
    let e2 = Some(Link { index: 4, name: "e2".into() });
    let answer = Datagram { link: e2, ..reply_from("10.2.0.2:9", b"A") };
    sender.received(at(801), &answer, &mut said);
    sender.received(at(802), &answer, &mut said);
    let shown: Vec<_> = said.replies.iter().map(|r| (r.round_trip, r.duplicate)).collect();
    assert_eq!(shown, [(Some(MS), false), (None, true)]);
    assert_eq!((sender.stats().replies, sender.stats().duplicates), (Some(1), Some(1)));
}

#[test]
fn nothing_but_what_was_not_tried_is_refused_before_sending_and_ends_no_later() {
    let e0 = Facts { running: false, ..row(2, "e0", Some(("10.0.0.1", 24))) };
    let way = Way { interface: Some("e0".parse().unwrap()), ..Way::to("10.0.0.2:9".parse().unwrap()) };
    let start = table(&[e0]);
    let plan = Plan {
        answers: Answers { wait: Some(9000 * MS), ..Answers::NONE },
        ..Plan::to(vec![way.start(&start).unwrap()])
    };
    let mut sender = Sender::new(plan, records(&["a"])).following(Follows::One(way), &start);
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    assert_eq!((said.sends.len(), &said.ways[..]), (0, &["e0 lost: no_carrier".to_owned()][..]));
    assert_eq!((sender.next(), verdict(&mut sender, at(0))), (Next::Done, Verdict::RefusedToSend));
}

/// Lets every send fail, as fast as the sender wants, for so long: how many it tried.
fn fail_for<R: Records>(sender: &mut Sender<R>, until: u64, said: &mut Said) -> u64 {
    let fault = Fault { kind: FaultKind::NetworkUnreachable, code: None };
    let mut tries = 0;
    loop {
        for (ticket, destination, payload) in std::mem::take(&mut said.sends) {
            tries += 1;
            let outcome = Outcome { ticket, count: 1, len: payload.len(), destination, link: None, result: Err(fault) };
            sender.sent(at(said.now), &outcome, said);
        }
        match sender.next() {
            Next::At(due) if due < at(until).run => said.now = due.as_millis() as u64,
            _ => return tries,
        }
        sender.due(at(said.now), said);
    }
}

#[test]
fn a_series_whose_sends_all_fail_slows_down_until_one_leaves() {
    let schedule = Schedule { rounds: Repeat::Forever, ..Schedule::ONCE };
    let mut sender = Sender::new(Plan { schedule, ..plan(None) }, records(&["a"]));
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    // A burst, and then at 100, 300, 700, 1500 and 3100 ms.
    assert_eq!(fail_for(&mut sender, 5_000, &mut said), 64 + 5);
    assert_eq!((said.failed, &said.ways[..]), (1, &["slowed".to_owned()][..]));
    // The interfaces are others: it is tried at once.
    sender.rewired(at(5_000), &Table::default(), &mut said);
    said.now = 5_000;
    all_that_is_due(&mut sender, at(5_000), &mut said);
    assert_eq!(said.sends.len(), 1);
    deliver(&mut sender, at(5_000), &mut said);
    all_that_is_due(&mut sender, at(5_000), &mut said);
    assert!(said.sends.len() > 20, "one has left: the pace is that of before");
    assert_eq!(sender.stats().failed_by[&FaultKind::NetworkUnreachable], sender.stats().failed);
}

#[test]
fn fail_fast_ends_at_the_first_with_nothing_behind_it() {
    let mut sender = Sender::new(Plan { fail_fast: true, ..plan(None) }, records(&["a", "b", "c"]));
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    assert_eq!(said.sends.len(), 1);
    deliver(&mut sender, at(0), &mut said);
    sender.due(at(0), &mut said);
    assert_eq!(fail_for(&mut sender, 1, &mut said), 1);
    assert_eq!((sender.next(), verdict(&mut sender, at(0))), (Next::Done, Verdict::SystemRefused));
    assert_eq!(sender.stats().attempted, Some(2));
}

#[test]
fn a_deadline_ends_a_series_and_a_wait() {
    let deadline = Some(250 * MS);
    let mut sender = Sender::new(Plan { deadline, schedule: every(100 * MS, 9), ..plan(None) }, records(&["a"]));
    let mut said = Said::default();
    sender.start(at(0), &mut said);
    let left = until_done(&mut sender, &mut said);
    assert_eq!(left.iter().map(|(ms, _)| *ms).collect::<Vec<u64>>(), [0, 100, 200]);
    assert_eq!(verdict(&mut sender, at(250)), Verdict::Partly);
    let owed = |sender: &Sender<_>| (sender.stats().attempted, sender.stats().unsent.get(&Unsent::Deadline).copied());
    assert_eq!(owed(&sender), (Some(9), Some(6)));
    let mut waiting = Sender::new(Plan { deadline, ..plan(Some(9000 * MS)) }, records(&["a"]));
    waiting.start(at(0), &mut said);
    deliver(&mut waiting, at(0), &mut said);
    assert_eq!(waiting.next(), Next::At(250 * MS));
    waiting.due(at(250), &mut said);
    waiting.finish(at(250), &Ending::default(), &mut said);
    assert_eq!(owed(&waiting), (Some(1), None));
}

#[test]
fn what_the_deadline_leaves_of_a_list_is_counted_and_what_nobody_knows_of_is_not() {
    let schedule = Schedule { between_records: 100 * MS, ..every(100 * MS, 2) };
    let cut = |lenient| Plan { deadline: Some(150 * MS), schedule, lenient, ..plan(None) };
    let mut said = Said::default();
    let mut list = Sender::new(cut(false), records(&["a", "b", "c"]));
    list.start(at(0), &mut said);
    assert_eq!(until_done(&mut list, &mut said), [(0, b'a'), (100, b'b')]);
    assert_eq!(verdict(&mut list, at(150)), Verdict::Partly);
    assert_eq!((list.stats().attempted, list.stats().not_tried()), (Some(6), 4));
    let mut lenient = Sender::new(cut(true), records(&["a", "b", "c"]));
    lenient.start(at(0), &mut said);
    until_done(&mut lenient, &mut said);
    assert_eq!(verdict(&mut lenient, at(150)), Verdict::Done);
    // A source that has nothing yet owes nothing.
    let mut pipe = Sender::new(Plan { schedule: Schedule::ONCE, ..cut(false) }, Pipe(vec![]));
    pipe.start(at(0), &mut said);
    pipe.due(at(150), &mut said);
    pipe.finish(at(150), &Ending::default(), &mut said);
    assert_eq!((pipe.stats().attempted, pipe.stats().not_tried()), (Some(0), 0));
}

proptest! {
    /// Whatever becomes of the interfaces and of the sends: `attempted = sent + failed + unsent`, and nothing leaves but by
    /// what is there, from its own address.
    #[test]
    fn every_scheduled_datagram_is_accounted_for(
        steps in proptest::collection::vec((0u64..40, 0u8..3, proptest::collection::vec((2u32..6, 0u8..4, any::<bool>()), 0..4)), 1..60),
    ) {
        let start = [row(2, "e2", Some(("10.2.0.1", 24))), row(3, "e3", Some(("10.3.0.1", 24)))];
        let mut sender = series(&table(&start), every(10 * MS, 200));
        let (mut said, mut now, mut there) = (Said::default(), 0, start.to_vec());
        sender.start(at(0), &mut said);
        let mut handed_over = 0;
        for (later, outcome, rows) in steps {
            for (ticket, destination, payload) in std::mem::take(&mut said.sends) {
                let by = |row: &&Facts| row.up && row.running && matches!(row.address, Some((IpAddr::V4(own), 24)) if directed(own, 24) == destination.ip());
                prop_assert!(there.iter().any(|row| by(&row)), "{destination} with {there:?}");
                handed_over += 1;
                let fault = Fault { kind: FaultKind::NetworkUnreachable, code: None };
                let result = if outcome == 0 { Err(fault) } else { Ok(None) };
                sender.sent(at(now), &Outcome { ticket, count: 1, len: payload.len(), destination, link: None, result }, &mut said);
            }
            now += later;
            let facts = |(index, state, up): (u32, u8, bool)| {
                let address = format!("10.{index}.{state}.1");
                let address = (state < 3).then_some((&*address, 24));
                Facts { up, running: state != 1, ..row(index, &format!("e{index}"), address) }
            };
            there = rows.into_iter().map(facts).collect();
            sender.rewired(at(now), &table(&there), &mut said);
            sender.due(at(now), &mut said);
        }
        handed_over += said.sends.len() as u64;
        deliver(&mut sender, at(now), &mut said);
        let stats = sender.stats();
        prop_assert_eq!(stats.sent + stats.failed, handed_over);
        prop_assert_eq!(stats.attempted, Some(stats.sent + stats.failed + stats.not_tried()));
        prop_assert_eq!(stats.failed, stats.failed_by.values().sum::<u64>());
    }
}
