//! A series of probes on interfaces that change, and one that does not leave. The accounts are tested from outside, by
//! scenarios.

use super::*;
use crate::engine::broadcast::{self, Choice, Form};
use crate::engine::testing::{Said, at, reply_from};
use crate::model::error::FaultKind;
use crate::model::interface::Facts;
use crate::model::{Fault, Interface};

const MS: Duration = Duration::from_millis(1);

fn table(up: bool) -> Table {
    let e0 = Facts { up, ..Facts::plain(2, "e0", Some(("10.0.0.1", 24))) };
    Table::new(vec![Interface::judge(e0)])
}

fn plan(destinations: Vec<Destination>) -> Plan {
    Plan { interval: 200 * MS, ..Plan::to(destinations, probe::RunId([7; 16])) }
}

/// Probes of everybody on `e0`.
fn everybody(change: impl FnOnce(Plan) -> Plan) -> Pinger {
    let choice = Choice { interfaces: Vec::new(), form: Form::Directed, mask_derived: false, port: 1060 };
    let destinations = broadcast::plan(&table(true), &choice).unwrap().destinations;
    Pinger::new(change(plan(destinations))).following(Follows::Everybody(choice, None), &table(true))
}

/// Lets it do what is due, and says what became of each probe; those that leave are answered at once. Returns how many
/// there were.
fn step(pinger: &mut Pinger, now: Now, result: Result<Option<SocketAddr>, Fault>, said: &mut Said) -> usize {
    if said.sends.is_empty() && matches!(pinger.next(), Next::At(due) if due <= now.run) {
        pinger.due(now, said);
    }
    let sends = std::mem::take(&mut said.sends);
    for (ticket, destination, payload) in &sends {
        let outcome =
            Outcome { ticket: *ticket, count: 1, len: payload.len(), destination: *destination, link: None, result };
        pinger.sent(now, &outcome, said);
        if result.is_ok() {
            pinger.received(now, &reply_from("10.0.0.2:1060", payload), said);
        }
    }
    sends.len()
}

#[test]
fn probes_go_on_within_an_interval_and_what_was_not_tried_is_nobodys_loss() {
    let mut pinger = everybody(|plan| Plan { count: Some(50), ..plan });
    let (mut said, mut left) = (Said::default(), Vec::new());
    pinger.start(at(0), &mut said);
    for ms in (0..11_000).step_by(10) {
        match ms {
            1_030 => pinger.rewired(at(ms), &table(false), &mut said),
            5_030 => pinger.rewired(at(ms), &table(true), &mut said),
            _ => {}
        }
        left.extend((0..step(&mut pinger, at(ms), Ok(None), &mut said)).map(|_| ms));
    }
    pinger.finish(at(11_000), &Ending::default(), &mut said);
    // Silence slows probes down; that nothing was asked is no silence.
    let expected: Vec<u64> = (0..10_000).step_by(200).filter(|ms| !(1_030..5_030).contains(ms)).collect();
    assert_eq!(left, expected);
    assert_eq!(said.ways, ["e0 lost: down", "e0 back"]);
    let stats = pinger.stats();
    assert_eq!((stats.attempted, stats.sent, stats.not_tried()), (Some(50), 30, 20));
    assert_eq!((stats.replies, stats.lost, stats.verdict), (Some(30), Some(0), Verdict::Partly));
}

#[test]
fn probes_that_the_deadline_leaves_no_time_for_are_counted() {
    let run = |count| {
        let mut pinger = everybody(|plan| Plan { count, deadline: Some(500 * MS), ..plan });
        let mut said = Said::default();
        pinger.start(at(0), &mut said);
        for ms in (0..=500).step_by(10) {
            step(&mut pinger, at(ms), Ok(None), &mut said);
        }
        assert_eq!(pinger.next(), Next::Done);
        pinger.finish(at(500), &Ending::default(), &mut said);
        let stats = pinger.stats();
        (stats.attempted, stats.sent, stats.not_tried(), stats.verdict)
    };
    assert_eq!(run(Some(10)), (Some(10), 3, 7, Verdict::Partly));
    assert_eq!(run(Some(3)), (Some(3), 3, 0, Verdict::Done));
    // Who does not say how many has them all.
    assert_eq!(run(None), (Some(3), 3, 0, Verdict::Done));
}

#[test]
fn that_a_probe_travels_in_pieces_is_told_once_for_each_interface() {
    let e0 = |address| Facts { mtu: Some(1500), ..Facts::plain(2, "e0", Some((address, 24))) };
    let table = Table::new(["10.0.0.1", "10.1.0.1"].map(|address| Interface::judge(e0(address))).to_vec());
    let choice = Choice { interfaces: Vec::new(), form: Form::Directed, mask_derived: false, port: 1060 };
    let mut pinger = Pinger::new(Plan { size: 1473, ..plan(broadcast::plan(&table, &choice).unwrap().destinations) });
    let mut said = Said::default();
    pinger.start(at(0), &mut said);
    assert_eq!((said.sends.len(), said.notices.len()), (2, 1));
}

#[test]
fn a_flood_that_does_not_leave_slows_down() {
    let mut pinger = everybody(|plan| Plan { flood: true, interval: Duration::ZERO, ..plan });
    let mut said = Said::default();
    pinger.start(at(0), &mut said);
    let refused = Err(Fault { kind: FaultKind::NotPermitted, code: None });
    let mut tries = 0;
    for ms in 0..5_000 {
        tries += step(&mut pinger, at(ms), refused, &mut said);
    }
    // A burst, and then at 100, 300, 700, 1500 and 3100 ms.
    assert_eq!((tries, said.failed, &said.ways[..]), (64 + 5, 1, &["slowed".to_owned()][..]));
    let stats = pinger.stats();
    assert_eq!((stats.attempted, stats.failed), (Some(tries as u64), tries as u64));
}

#[test]
fn fail_fast_ends_at_the_first() {
    let mut pinger = everybody(|plan| Plan { fail_fast: true, ..plan });
    let mut said = Said::default();
    pinger.start(at(0), &mut said);
    step(&mut pinger, at(0), Err(Fault { kind: FaultKind::NotPermitted, code: None }), &mut said);
    assert_eq!(pinger.next(), Next::Done);
    let mut pinger = everybody(|plan| Plan { fail_fast: true, ..plan });
    pinger.start(at(0), &mut said);
    step(&mut pinger, at(0), Ok(None), &mut said);
    pinger.rewired(at(100), &table(false), &mut said);
    step(&mut pinger, at(200), Ok(None), &mut said);
    pinger.finish(at(200), &Ending::default(), &mut said);
    assert_eq!((pinger.next(), pinger.stats().verdict), (Next::Done, Verdict::SystemRefused));
}
