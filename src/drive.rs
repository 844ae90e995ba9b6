//! Runs an engine over a network: the clock, the wait, the flush before each wait, the stop.
//!
//! The way of one datagram: the network fills the batch; the engine is handed each datagram and says what to send and
//! what to tell; the sends go into one outbox, the events to the sink; before the next wait both are flushed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::engine::{Engine, Next, Out};
use crate::model::error::Broken;
use crate::model::event::Outcome;
use crate::model::{Datagram, Event, Now, Sink, StampSource, Transmit};
use crate::net::{Batch, Network, Outbox, Wake};

/// The clocks of a run.
pub trait Clock {
    /// This moment.
    fn now(&mut self) -> Now;
}

/// The clocks of the system. The run begins when it is made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    began: Instant,
}

impl SystemClock {
    /// Clocks of a run that begins now.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the room of the clock")]
        Self { began: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&mut self) -> Now {
        #[expect(clippy::disallowed_methods, reason = "this is the room of the clock")]
        Now { run: self.began.elapsed(), wall: SystemTime::now() }
    }
}

/// Asks a run to end in order. Clones ask the same run; whoever asks from another thread wakes the network as well
/// ([`crate::net::Waker`]).
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Addresses come and go; the table of interfaces is read again before the first datagram after so long. Longer than
/// the reading takes by four orders of magnitude, short enough that a renumbered host is described rightly again
/// within the time it takes to look.
const REFRESH: Duration = Duration::from_secs(2);

/// Runs `engine` over `network` to its end, telling `sink`.
///
/// # Errors
/// [`Broken`]. The engine's summary has been told if the sink still took it.
pub fn run(
    engine: &mut impl Engine,
    network: &mut impl Network,
    batch: Batch,
    sink: &mut (impl Sink + ?Sized),
    clock: &mut impl Clock,
    stop: &Stop,
) -> Result<(), Broken> {
    let now = clock.now();
    let desk = Desk { outbox: Outbox::default(), sink, now, broken: None };
    let mut run = Run { engine, network, batch, outcomes: Vec::new(), desk, refreshed: now.run };
    run.engine.start(now, &mut run.desk);
    let ended = run.until_over(clock, stop);
    run.finish(clock);
    ended.and_then(|()| run.desk.check())
}

/// Where an engine puts what it says.
struct Desk<'s, S: ?Sized> {
    outbox: Outbox,
    sink: &'s mut S,
    now: Now,
    broken: Option<io::Error>,
}

impl<S: Sink + ?Sized> Out for Desk<'_, S> {
    fn send(&mut self, transmit: Transmit<'_>) {
        self.outbox.push(&transmit);
    }

    fn tell(&mut self, event: &Event<'_>) {
        if self.broken.is_none() {
            self.broken = self.sink.event(self.now, event).err();
        }
    }
}

impl<S: Sink + ?Sized> Desk<'_, S> {
    fn flush(&mut self) {
        if self.broken.is_none() {
            self.broken = self.sink.flush().err();
        }
    }

    fn check(&mut self) -> Result<(), Broken> {
        self.broken.take().map_or(Ok(()), |error| Err(Broken::Sink(error)))
    }
}

struct Run<'r, E, N, S: ?Sized> {
    engine: &'r mut E,
    network: &'r mut N,
    batch: Batch,
    outcomes: Vec<Outcome>,
    desk: Desk<'r, S>,
    refreshed: Duration,
}

impl<E: Engine, N: Network, S: Sink + ?Sized> Run<'_, E, N, S> {
    fn until_over(&mut self, clock: &mut impl Clock, stop: &Stop) -> Result<(), Broken> {
        loop {
            self.send(clock);
            self.desk.check()?;
            if stop.is_requested() {
                self.engine.stop(self.desk.now);
            }
            let wait = match self.engine.next() {
                Next::Done => return Ok(()),
                Next::At(due) => Some(due.saturating_sub(clock.now().run)),
                Next::Event => None,
            };
            let wake = self.receive(wait)?;
            let before = self.desk.now;
            self.desk.now = clock.now();
            self.hand_over(before);
            if wake == Wake::Woken || self.is_due() {
                self.engine.due(self.desk.now, &mut self.desk);
            }
        }
    }

    /// Sends what the engine wants sent, and hands back what became of it, until it wants no more.
    fn send(&mut self, clock: &mut impl Clock) {
        while !self.desk.outbox.is_empty() {
            // Before, not after: on loopback the answer can be there when the send returns.
            self.desk.now = clock.now();
            self.network.send(&mut self.desk.outbox, &mut self.outcomes);
            for outcome in self.outcomes.drain(..) {
                self.engine.sent(self.desk.now, &outcome, &mut self.desk);
            }
        }
    }

    /// Takes what is there; only when there is nothing, what was told is flushed and the wait begins.
    fn receive(&mut self, wait: Option<Duration>) -> Result<Wake, Broken> {
        let there = self.network.receive(&mut self.batch, Some(Duration::ZERO)).map_err(Broken::Network)?;
        if there != Wake::Timeout || wait == Some(Duration::ZERO) {
            return Ok(there);
        }
        self.desk.flush();
        self.desk.check()?;
        self.network.receive(&mut self.batch, wait).map_err(Broken::Network)
    }

    fn is_due(&self) -> bool {
        matches!(self.engine.next(), Next::At(due) if due <= self.desk.now.run)
    }

    fn hand_over(&mut self, before: Now) {
        if self.batch.is_empty() {
            return;
        }
        let now = self.desk.now;
        self.batch.stamp_missing(now.wall);
        for datagram in self.batch.datagrams() {
            self.engine.received(arrival(&datagram, before, now), &datagram, &mut self.desk);
        }
        for refusal in self.batch.refusals() {
            self.engine.refused(now, refusal, &mut self.desk);
        }
        if now.run.saturating_sub(self.refreshed) >= REFRESH {
            self.refreshed = now.run;
            self.network.refresh();
        }
    }

    /// Tells the summary. What the last events wanted sent has been sent.
    fn finish(&mut self, clock: &mut impl Clock) {
        self.desk.now = clock.now();
        let drops = self.network.drops();
        self.engine.finish(self.desk.now, drops, &mut self.desk);
        self.desk.flush();
    }
}

/// When a datagram arrived, by the run's own clock: the kernel's wall time says how long ago that was. It cannot have
/// been before the last look, whatever the wall clock says: that one may be set.
fn arrival(datagram: &Datagram<'_>, before: Now, now: Now) -> Now {
    let ago = match datagram.stamp.source {
        StampSource::Kernel => now.wall.duration_since(datagram.stamp.wall).unwrap_or(Duration::ZERO),
        StampSource::User => Duration::ZERO,
    };
    let run = now.run.saturating_sub(ago).clamp(before.run, now.run);
    Now { run, wall: now.wall }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::send::{Answers, CountBy, Destination, Plan, Sender};
    use crate::model::event::Notice;
    use crate::model::stats::Verdict;
    use crate::model::{Cast, Error, Family, Origin, Payload, Record, Schedule, Stamp};
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
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

    /// What happens, in order: so much later, this answer; or a wake-up where there is none.
    struct Script {
        clock: Virtual,
        answers: VecDeque<(Duration, Option<&'static [u8]>)>,
        diary: Rc<RefCell<Vec<String>>>,
    }

    impl Network for Script {
        fn send(&mut self, outbox: &mut Outbox, outcomes: &mut Vec<Outcome>) {
            for (destination, payload, ticket) in outbox.drain() {
                self.diary.borrow_mut().push(format!("send {}", String::from_utf8_lossy(&payload)));
                outcomes.push(Outcome { ticket, len: payload.len(), destination, link: None, result: Ok(None) });
            }
        }

        fn receive(&mut self, batch: &mut Batch, wait: Option<Duration>) -> Result<Wake, Error> {
            *batch = Batch::new(64);
            if wait == Some(Duration::ZERO) {
                return Ok(Wake::Timeout);
            }
            let (at, answer) = match (self.answers.front(), wait) {
                (Some((at, _)), Some(wait)) if *at > self.clock.0.get() + wait => return self.timeout(wait),
                (Some(_), _) => self.answers.pop_front().unwrap_or_default(),
                (None, Some(wait)) => return self.timeout(wait),
                (None, None) => panic!("the script is over, and nothing ends the run"),
            };
            self.clock.0.set(at);
            let Some(payload) = answer else { return Ok(Wake::Woken) };
            batch.put(&Datagram {
                payload,
                wire_len: payload.len(),
                source: "10.0.0.2:1060".parse().unwrap(),
                destination: None,
                local: None,
                link: None,
                cast: Some(Cast::Unicast),
                origin: Origin::Foreign,
                on_link: true,
                ttl: None,
                // It had been in the queue for 2 ms when it was read.
                stamp: Stamp { wall: SystemTime::UNIX_EPOCH + at - 2 * MS, source: StampSource::Kernel },
            });
            Ok(Wake::Arrived)
        }

        fn refresh(&mut self) {}

        fn drops(&self) -> Option<u64> {
            Some(7)
        }
    }

    impl Script {
        fn timeout(&self, wait: Duration) -> Result<Wake, Error> {
            self.clock.0.set(self.clock.0.get() + wait);
            Ok(Wake::Timeout)
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
        let address = "10.0.0.2:1060".parse().unwrap();
        Plan {
            destinations: vec![Destination { address, source: None, link: None, mtu: None, cast: Cast::Unicast }],
            skipped: Vec::new(),
            notices: vec![Notice::BroadcastSilence { port: 1 }],
            schedule: Schedule::ONCE,
            answers: Answers {
                wait: Some(wait),
                linger: Duration::ZERO,
                expect: None,
                most: None,
                count_by: CountBy::Answer,
                strict_source: false,
            },
            lenient: false,
            allow_none: false,
        }
    }

    /// Runs one record through a script; returns the diary, the result and the verdict.
    fn play(
        answers: &[(Duration, Option<&'static [u8]>)],
        fails_after: usize,
        stop: &Stop,
    ) -> (Vec<String>, Result<(), Broken>, Verdict) {
        let clock = Virtual::default();
        let diary = Rc::new(RefCell::new(Vec::new()));
        let mut network =
            Script { clock: clock.clone(), answers: answers.iter().copied().collect(), diary: Rc::clone(&diary) };
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
        let expected =
            ["other", "send hi", "sent", "flush", "reply Some(8ms)", "flush", "summary Done Some(7)", "flush"];
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

    #[test]
    fn an_arrival_lies_between_two_looks_whatever_the_wall_clock_says() {
        let at = |run: u64, wall: u64| Now {
            run: Duration::from_millis(run),
            wall: SystemTime::UNIX_EPOCH + Duration::from_millis(wall),
        };
        let stamped = |wall: u64| Datagram {
            payload: b"",
            wire_len: 0,
            source: "10.0.0.2:1".parse().unwrap(),
            destination: None,
            local: None,
            link: None,
            cast: None,
            origin: Origin::Foreign,
            on_link: true,
            ttl: None,
            stamp: Stamp { wall: at(0, wall).wall, source: StampSource::Kernel },
        };
        for (stamp, expected) in [(995, 95), (1000, 100), (2000, 100), (0, 90)] {
            let arrived = arrival(&stamped(stamp), at(90, 990), at(100, 1000));
            assert_eq!(arrived.run, Duration::from_millis(expected), "stamped {stamp}");
        }
    }
}
