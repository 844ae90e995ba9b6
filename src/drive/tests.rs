//! The run over a scripted network: what comes first, when it waits, what it counts, and how it ends.

use super::*;
use crate::engine::send::{Answers, Plan, Sender};
use crate::model::event::Notice;
use crate::model::interface::Table;
use crate::model::{Cast, Destination, Error, Family, Origin, Payload, Record, Stamp};
use crate::net::batch::{FEW, MANY};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

const MS: Duration = Duration::from_millis(1);

/// A clock that moves only when the network waits.
#[derive(Clone, Default)]
struct Virtual(Rc<Cell<Duration>>);

impl Clock for Virtual {
    fn now(&mut self) -> Now {
        Now { run: self.0.get(), wall: SystemTime::UNIX_EPOCH + self.0.get() }
    }
}

/// What can be read when: payload, source port and the kernel's time of an answer; or a wake-up.
type Scripted = (Duration, Option<(&'static [u8], u16, Duration)>);

/// What happens, in order.
struct Script {
    clock: Virtual,
    answers: VecDeque<Scripted>,
    diary: Rc<RefCell<Vec<String>>>,
    woken: bool,
    /// When the interfaces are others.
    news: Option<Duration>,
    table: Table,
    busy_poll: Duration,
    /// How long a look takes.
    look: Duration,
    /// When each wait began.
    waits: Vec<Duration>,
}

impl Network for Script {
    fn send(&mut self, outbox: &mut Outbox, outcomes: &mut Vec<Outcome>) {
        for (destination, payload, ticket) in outbox.drain() {
            self.diary.borrow_mut().push(format!("send {}", String::from_utf8_lossy(&payload)));
            outcomes.push(Outcome { ticket, count: 1, len: payload.len(), destination, link: None, result: Ok(None) });
        }
    }

    fn receive(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.clear();
        self.clock.0.set(self.clock.0.get() + self.look);
        while !batch.is_full() && self.answers.front().is_some_and(|(at, _)| *at <= self.clock.0.get()) {
            match self.answers.pop_front() {
                Some((_, Some((payload, port, wall)))) => assert!(batch.put(&stamped(payload, port, wall))),
                _ => self.woken = true,
            }
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.waits.push(self.clock.0.get());
        let next = self.answers.front().map(|(at, _)| *at);
        let until = timeout.map(|timeout| self.clock.0.get() + timeout);
        let moment = match (next, until) {
            (Some(next), Some(until)) => next.min(until),
            (next, until) => next.or(until).expect("the script is over, and nothing ends the run"),
        };
        self.clock.0.set(moment.max(self.clock.0.get()));
        Ok(())
    }

    fn is_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }

    fn refresh(&mut self) {}

    fn changed(&mut self) -> Option<&Table> {
        let now = self.clock.0.get();
        self.news.take_if(|at| *at <= now).map(|_| &self.table)
    }

    fn drops(&mut self) -> Option<u64> {
        Some(7)
    }

    fn busy_poll(&self) -> Duration {
        self.busy_poll
    }
}

/// Nothing happens.
fn script(clock: &Virtual) -> Script {
    Script {
        clock: clock.clone(),
        answers: VecDeque::new(),
        diary: Rc::default(),
        woken: false,
        news: None,
        table: Table::new(Vec::new()),
        busy_poll: Duration::ZERO,
        look: Duration::ZERO,
        waits: Vec::new(),
    }
}

/// A datagram with the kernel's time: so long after the start of the run, by the wall clock.
fn stamped(payload: &[u8], port: u16, wall: Duration) -> Datagram<'_> {
    Datagram {
        payload,
        wire_len: payload.len(),
        source: SocketAddr::from(([10, 0, 0, 2], port)),
        destination: None,
        local: None,
        link: None,
        cast: Some(Cast::Unicast),
        origin: Origin::Foreign,
        on_link: true,
        other_link: false,
        ttl: None,
        stamp: Stamp { wall: SystemTime::UNIX_EPOCH + wall, source: StampSource::Kernel },
    }
}

/// Writes down what it is told, and fails from the given event on.
struct Diary {
    lines: Rc<RefCell<Vec<String>>>,
    fails_after: usize,
}

impl Sink for Diary {
    fn event(&mut self, _: Now, event: &Event<'_>) -> io::Result<()> {
        if self.lines.borrow().len() >= self.fails_after {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.lines.borrow_mut().push(match event {
            Event::Sent(_) => "sent".to_owned(),
            Event::Reply(reply) => format!("reply {:?}", reply.round_trip),
            Event::Summary(stats) => format!("summary {:?} {:?}", stats.verdict, stats.kernel_drops),
            _ => "other".to_owned(),
        });
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lines.borrow().last().is_none_or(|last| last != "flush") {
            self.lines.borrow_mut().push("flush".to_owned());
        }
        Ok(())
    }
}

fn plan(wait: Duration) -> Plan {
    let address = "10.0.0.255:1060".parse().unwrap();
    let everybody = Destination { address, source: None, link: None, mtu: None, cast: Cast::Broadcast };
    let answers = Answers { wait: Some(wait), ..Answers::NONE };
    Plan { notices: vec![Notice::BroadcastSilence { port: 1, probe: false }], answers, ..Plan::to(vec![everybody]) }
}

/// Runs one record through a script; returns the diary, the result and the verdict.
fn play(
    answers: &[(Duration, Option<&'static [u8]>)],
    fails_after: usize,
    stop: &Stop,
) -> (Vec<String>, Result<(), Broken>, Verdict) {
    // It had been in the queue for 2 ms when it could be read.
    let scripted =
        |(at, answer): &(Duration, Option<&'static [u8]>)| (*at, answer.map(|payload| (payload, 1060, *at - 2 * MS)));
    play_all(answers.iter().map(scripted), fails_after, stop)
}

fn play_all(
    answers: impl Iterator<Item = Scripted>,
    fails_after: usize,
    stop: &Stop,
) -> (Vec<String>, Result<(), Broken>, Verdict) {
    let clock = Virtual::default();
    let diary = Rc::new(RefCell::new(Vec::new()));
    let mut network = Script { answers: answers.collect(), diary: Rc::clone(&diary), ..script(&clock) };
    let mut sink = Diary { lines: Rc::clone(&diary), fails_after };
    let records = vec![Record::new(Payload::new("hi".as_bytes(), Family::V4).unwrap())];
    let mut sender = Sender::new(plan(50 * MS), records.into_iter());
    let result = run(&mut sender, &mut network, Batch::new(64), &mut sink, &mut clock.clone(), stop);
    let lines = diary.borrow().clone();
    (lines, result, sender.stats().verdict)
}

#[test]
fn sends_go_first_then_lines_are_flushed_then_the_wait_begins() {
    let (lines, result, _) = play(&[(10 * MS, Some(b"HI"))], usize::MAX, &Stop::default());
    assert!(result.is_ok());
    let expected = ["other", "send hi", "sent", "flush", "reply Some(8ms)", "flush", "summary Done Some(7)", "flush"];
    assert_eq!(lines, expected);
}

#[test]
fn a_deadline_ends_the_run_and_a_wake_up_does_not() {
    let (lines, _, verdict) = play(&[(10 * MS, None), (20 * MS, None)], usize::MAX, &Stop::default());
    assert_eq!(verdict, Verdict::TooFew);
    assert!(lines.contains(&"summary TooFew Some(7)".to_owned()));
}

#[test]
fn a_stop_ends_the_run_with_its_summary() {
    let stop = Stop::default();
    stop.request();
    let (lines, result, _) = play(&[], usize::MAX, &stop);
    assert!(result.is_ok());
    assert_eq!(lines[1..], ["send hi", "sent", "summary TooFew Some(7)", "flush"]);
}

#[test]
fn a_sink_that_fails_ends_the_run_and_the_verdict_stands() {
    let (lines, result, verdict) = play(&[(10 * MS, Some(b"HI"))], 4, &Stop::default());
    assert!(matches!(result, Err(Broken::Sink(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    assert_eq!(lines[..4], ["other", "send hi", "sent", "flush"]);
    assert_eq!(verdict, Verdict::Done);
}

/// Says when it was told what the kernel dropped, and ends with the last of so many datagrams.
#[derive(Default)]
struct Counting {
    left: usize,
    behind: usize,
    told: Vec<(Duration, u64)>,
    /// How many datagrams were left when the interfaces were others.
    rewired: Option<usize>,
    /// It ends with so many left.
    enough: usize,
    handed_over_at_the_end: usize,
    unread: u64,
}

impl Engine for Counting {
    fn start(&mut self, _: Now, _: &mut dyn Out) {}
    fn received(&mut self, _: Now, _: &Datagram<'_>, _: &mut dyn Out) {
        self.handed_over_at_the_end += usize::from(self.next() == Next::Done);
        self.left -= 1;
    }
    fn rewired(&mut self, _: Now, _: &Table, _: &mut dyn Out) {
        self.rewired = Some(self.left);
    }
    fn behind(&mut self, _: Now) {
        self.behind += 1;
    }
    fn sent(&mut self, _: Now, _: &Outcome, _: &mut dyn Out) {}
    fn refused(&mut self, _: Now, _: &crate::model::event::Refusal, _: &mut dyn Out) {}
    fn due(&mut self, _: Now, _: &mut dyn Out) {}
    fn dropped(&mut self, now: Now, total: u64, _: &mut dyn Out) {
        self.told.push((now.run, total));
    }
    fn next(&self) -> Next {
        if self.left <= self.enough { Next::Done } else { Next::Event }
    }
    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.enough = self.left;
    }
    fn finish(&mut self, _: Now, ending: &Ending, _: &mut dyn Out) {
        self.unread = ending.unread;
    }
}

/// Short datagrams that are handed over in a row, where all of them wait.
fn in_a_row() -> usize {
    FEW + (IN_A_ROW - FEW).next_multiple_of(MANY)
}

/// What becomes of datagrams that come at these times, in ms.
fn count(times: &[u32]) -> Counting {
    count_to(times, 0, &Stop::default())
}

/// The same, where so many are left when the engine has enough.
fn count_to(times: &[u32], enough: usize, stop: &Stop) -> Counting {
    let answers = times.iter().map(|ms| (*ms * MS, Some((b"x".as_slice(), 1, *ms * MS)))).collect();
    let clock = Virtual::default();
    let mut network = Script { answers, news: Some(5 * MS), ..script(&clock) };
    let mut engine = Counting { left: times.len(), enough, ..Counting::default() };
    let mut sink = Diary { lines: Rc::default(), fails_after: usize::MAX };
    run(&mut engine, &mut network, Batch::new(64), &mut sink, &mut clock.clone(), stop).unwrap();
    engine
}

#[test]
fn what_is_in_the_queue_at_the_end_is_counted_and_nobody_is_handed_it() {
    let batch = FEW;
    let engine = count_to(&[5; 1000], 999, &Stop::default());
    // The rest of the batch that ended it is the engine's to count.
    assert_eq!((engine.handed_over_at_the_end, engine.unread), (batch - 1, 1000 - batch as u64));
    // What comes later is in no queue.
    assert_eq!(count_to(&[5, 5, 5, 5, 5, 90], 5, &Stop::default()).unread, 1);
    let stop = Stop::default();
    stop.request();
    let most = in_a_row();
    let engine = count_to(&vec![0; 10 * most], 0, &stop);
    assert_eq!((engine.left, engine.unread), (9 * most, 9 * most as u64));
}

#[test]
fn what_the_kernel_dropped_is_looked_at_once_a_second_while_datagrams_come() {
    let told = count(&[5, 10, 900, 1004, 1005, 1500, 9000]).told;
    assert_eq!(told, [5, 1005, 9000].map(|ms| (ms * MS, 7)));
}

const US: Duration = Duration::from_micros(1);

/// A network that is polled for 50 us, by looks of 10 us.
fn polled(clock: &Virtual) -> Script {
    Script { busy_poll: 50 * US, look: 10 * US, ..script(clock) }
}

#[test]
fn behind_a_datagram_the_network_is_polled_for_so_long_and_then_slept_on() {
    let answers = [5000, 5030, 9000].map(|us| (us * US, Some((b"x".as_slice(), 1, us * US))));
    let waits = |busy_poll| {
        let clock = Virtual::default();
        let mut network = Script { answers: answers.into(), busy_poll, ..polled(&clock) };
        let mut engine = Counting { left: answers.len(), ..Counting::default() };
        run(&mut engine, &mut network, Batch::new(64), &mut (), &mut clock.clone(), &Stop::default()).unwrap();
        network.waits
    };
    // Nobody polls before the first one comes, nor for longer behind the second.
    assert_eq!(waits(50 * US), [10 * US, 5080 * US]);
    assert_eq!(waits(Duration::ZERO), [10 * US, 5010 * US, 5040 * US]);
}

#[test]
fn behind_what_was_sent_the_answer_is_polled_for() {
    let clock = Virtual::default();
    let answers = [(30 * US, Some((b"HI".as_slice(), 1060, 30 * US)))].into();
    let mut network = Script { answers, ..polled(&clock) };
    let lines = Rc::clone(&network.diary);
    let mut sink = Diary { lines: Rc::clone(&lines), fails_after: usize::MAX };
    let records = vec![Record::new(Payload::new("hi".as_bytes(), Family::V4).unwrap())];
    let mut sender = Sender::new(plan(50 * MS), records.into_iter());
    run(&mut sender, &mut network, Batch::new(64), &mut sink, &mut clock.clone(), &Stop::default()).unwrap();
    assert_eq!(network.waits, [80 * US]);
    // What was told does not wait for the end of the polling.
    assert_eq!(lines.borrow()[2..4], ["sent", "flush"]);
}

#[test]
fn that_the_interfaces_are_others_is_told_before_what_came_at_that_moment() {
    assert_eq!(count(&[4, 5, 6]).rewired, Some(2));
}

#[test]
fn who_cannot_be_handed_all_that_waits_is_told() {
    let most = in_a_row();
    assert_eq!(count(&vec![5; most - 1]).behind, 0);
    assert_eq!(count(&vec![5; most + 1]).behind, 1);
}

#[test]
fn each_of_many_answers_has_its_own_round_trip() {
    // Nine responders, 1 ms apart, all in the queue when it is looked at: more than two batches.
    let answers = (31..40).map(|ms| Some((b"HI".as_slice(), 1000 + ms as u16, ms * MS)));
    let (lines, ..) = play_all(answers.map(|answer| (40 * MS, answer)), usize::MAX, &Stop::default());
    let replies: Vec<&String> = lines.iter().filter(|line| line.starts_with("reply")).collect();
    assert_eq!(replies.len(), 9);
    assert!((31..40).zip(replies).all(|(ms, line)| *line == format!("reply Some({ms}ms)")), "{lines:?}");
}

#[test]
fn an_arrival_lies_between_two_looks_whatever_the_wall_clock_says() {
    let at = |run: u64, wall: u64| Now {
        run: Duration::from_millis(run),
        wall: SystemTime::UNIX_EPOCH + Duration::from_millis(wall),
    };
    for (stamp, expected) in [(995, 95), (1000, 100), (2000, 100), (0, 90)] {
        let arrived = arrival(&stamped(b"", 1, Duration::from_millis(stamp)), Duration::from_millis(90), at(100, 1000));
        assert_eq!(arrived.run, Duration::from_millis(expected), "stamped {stamp}");
    }
}
