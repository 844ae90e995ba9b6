//! The sender without a network: when what leaves, which answers count, and what the run deserves.

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
    let outcome =
        |ticket, result| Outcome { ticket, len: 1, destination: "10.0.0.2:1060".parse().unwrap(), link: None, result };
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
