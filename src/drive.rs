//! Runs an engine over a network: the clock, the wait, the flush before each wait, the stop.
//!
//! The way of one datagram: the network fills the batch; the engine is handed each datagram and says what to send and
//! what to tell; the sends go into one outbox, the events to the sink; before the next wait both are flushed.
//!
//! Where the network is to be polled ([`Network::busy_poll`]), the wait begins only when nothing has come or left for so long;
//! until then the loop goes round.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::engine::{Engine, Next, Out};
use crate::model::error::Broken;
use crate::model::event::Outcome;
use crate::model::stats::{Ending, Verdict};
use crate::model::{Datagram, Event, Now, Sink, StampSource, Transmit};
use crate::net::{Batch, Network, Outbox};

mod together;

pub use together::run_together;

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

/// Addresses come and go; the table of interfaces is read again behind the first datagrams after so long. Longer than
/// the reading takes by four orders of magnitude, short enough that a renumbered host is described rightly again within
/// the time it takes to look.
const REFRESH: Duration = Duration::from_secs(2);

/// What the kernel dropped is looked at again behind the first datagrams after so long: one system call a second, and none
/// while nothing comes.
const COUNT_DROPS: Duration = Duration::from_secs(1);

/// Datagrams handed over before the engine is told the time again, however many wait: a flood must not put off a deadline, a
/// record to be sent or the end of the run. They take a millisecond or two.
const IN_A_ROW: usize = 1000;

/// How long what is in the queue at the end is counted: longer than a full receive buffer of 4 MiB takes, some 10,000
/// datagrams and as many microseconds; short enough that a flood does not keep who has ended from ending.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// Batches of the last look, where time does not pass.
const MOST_LAST_BATCHES: u32 = 65_536;

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
    let (emptied, refreshed) = (now.run, now.run);
    let (outcomes, counted, stirred) = (Vec::new(), None, None);
    let mut run = Run { engine, network, clock, batch, outcomes, desk, emptied, refreshed, counted, stirred };
    run.engine.start(now, &mut run.desk);
    let ended = run.until_over(stop);
    run.finish(&ended);
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
        // A sink that fails may have other writers that work: they get all that comes before the run ends, and its end.
        let failed = self.sink.event(self.now, event).err();
        self.broken = self.broken.take().or(failed);
    }
}

impl<S: Sink + ?Sized> Desk<'_, S> {
    fn flush(&mut self) {
        let failed = self.sink.flush().err();
        self.broken = self.broken.take().or(failed);
    }

    /// Tells what broke the run, if that was not the sink; returns what the run then deserves.
    fn tell_broken(&mut self, ended: &Result<(), Broken>) -> Option<Verdict> {
        let Err(Broken::Network(error)) = ended else { return None };
        self.tell(&Event::Broken(error));
        Some(error.verdict())
    }

    fn check(&mut self) -> Result<(), Broken> {
        self.broken.take().map_or(Ok(()), |error| Err(Broken::Sink(error)))
    }
}

struct Run<'r, E, N, S: ?Sized, C> {
    engine: &'r mut E,
    network: &'r mut N,
    clock: &'r mut C,
    batch: Batch,
    outcomes: Vec<Outcome>,
    desk: Desk<'r, S>,
    /// When the network was last seen to have nothing. What comes next has come since.
    emptied: Duration,
    refreshed: Duration,
    /// When what the kernel dropped was last looked at.
    counted: Option<Duration>,
    /// When a datagram last came or left: while that is fresh, the next one may be near.
    stirred: Option<Duration>,
}

impl<E: Engine, N: Network, S: Sink + ?Sized, C: Clock> Run<'_, E, N, S, C> {
    fn until_over(&mut self, stop: &Stop) -> Result<(), Broken> {
        loop {
            self.send()?;
            // First: what comes from a network that is another one by now must be judged by what it is now.
            if let Some(table) = self.network.changed() {
                self.desk.now = self.clock.now();
                self.engine.rewired(self.desk.now, table, &mut self.desk);
            }
            self.receive()?;
            if self.network.is_woken() || self.is_due() {
                self.engine.due(self.desk.now, &mut self.desk);
            }
            if stop.is_requested() {
                self.engine.stop(self.desk.now, &mut self.desk);
            }
            if self.engine.next() == Next::Done {
                return self.send();
            }
            // What is said now leaves before the wait, and nothing is looked for in between: what has come ends the wait.
            self.send()?;
            if self.engine.next() != Next::Done {
                self.wait()?;
            }
        }
    }

    /// Sends what the engine wants sent, and hands back what became of it, until it wants no more.
    fn send(&mut self) -> Result<(), Broken> {
        while !self.desk.outbox.is_empty() {
            // Before, not after: on loopback the answer can be there when the send returns.
            self.desk.now = self.clock.now();
            self.stirred = Some(self.desk.now.run);
            self.network.send(&mut self.desk.outbox, &mut self.outcomes);
            for outcome in self.outcomes.drain(..) {
                self.engine.sent(self.desk.now, &outcome, &mut self.desk);
            }
        }
        self.desk.check()
    }

    /// Hands over what is there, batch by batch; answers leave in between.
    fn receive(&mut self) -> Result<(), Broken> {
        let mut handed_over = 0;
        while handed_over < IN_A_ROW {
            self.network.receive(&mut self.batch).map_err(Broken::Network)?;
            self.desk.now = self.clock.now();
            self.hand_over();
            if self.engine.next() == Next::Done {
                // What is behind is counted at the end, and nobody's to answer or to tell.
                return self.desk.check();
            }
            if !self.batch.is_full() {
                self.emptied = self.desk.now.run;
                return self.desk.check();
            }
            handed_over += self.batch.count().max(1);
            self.send()?;
        }
        self.engine.behind(self.desk.now);
        Ok(())
    }

    fn hand_over(&mut self) {
        let now = self.desk.now;
        self.batch.stamp_missing(now.wall);
        for datagram in self.batch.datagrams() {
            self.engine.received(arrival(&datagram, self.emptied, now), &datagram, &mut self.desk);
        }
        for refusal in self.batch.refusals() {
            self.engine.refused(now, refusal, &mut self.desk);
        }
        if !self.batch.is_empty() {
            self.stirred = Some(now.run);
            self.look_around(now);
        }
    }

    /// Looks at what needs no looking at while nothing comes.
    fn look_around(&mut self, now: Now) {
        if now.run.saturating_sub(self.refreshed) >= REFRESH {
            self.refreshed = now.run;
            self.network.refresh();
        }
        if self.counted.is_none_or(|last| now.run.saturating_sub(last) >= COUNT_DROPS) {
            self.counted = Some(now.run);
            if let Some(total) = self.network.drops() {
                self.engine.dropped(now, total, &mut self.desk);
            }
        }
    }

    fn is_due(&self) -> bool {
        matches!(self.engine.next(), Next::At(due) if due <= self.desk.now.run)
    }

    /// Waits for what the engine waits for. What was told is written out before.
    fn wait(&mut self) -> Result<(), Broken> {
        let timeout = match self.engine.next() {
            Next::At(due) => Some(due.saturating_sub(self.clock.now().run)),
            _ => None,
        };
        if timeout != Some(Duration::ZERO) && !self.batch.is_full() {
            self.desk.flush();
            self.desk.check()?;
            if !self.is_polling() {
                self.network.wait(timeout).map_err(Broken::Network)?;
            }
        }
        Ok(())
    }

    /// Whether the network is asked again at once, since what came or left last is fresh.
    fn is_polling(&self) -> bool {
        let fresh = self.network.busy_poll();
        self.stirred.is_some_and(|last| self.desk.now.run.saturating_sub(last) < fresh)
    }

    /// Tells what broke the run, if something did, and the summary.
    fn finish(&mut self, ended: &Result<(), Broken>) {
        let unread = if ended.is_ok() { self.unread() } else { 0 };
        self.desk.now = self.clock.now();
        let broken = self.desk.tell_broken(ended);
        // The drops behind the last look: what is counted there was in the queue, and so not dropped.
        let (kernel_drops, output_drops) = (self.network.drops(), self.desk.sink.drops());
        let ending = Ending { kernel_drops, output_drops, unread, broken };
        self.engine.finish(self.desk.now, &ending, &mut self.desk);
        self.desk.flush();
    }

    /// Takes what is still in the queue, to count it.
    fn unread(&mut self) -> u64 {
        let end = self.clock.now().run + LAST_LOOK;
        let mut unread = 0;
        for _ in 0..MOST_LAST_BATCHES {
            if self.network.receive(&mut self.batch).is_err() {
                break;
            }
            unread += self.batch.datagrams().count() as u64;
            if !self.batch.is_full() || self.clock.now().run >= end {
                break;
            }
        }
        unread
    }
}

/// When a datagram arrived, by the run's own clock: the kernel's wall time says how long ago that was. It cannot have
/// been before the queue was last empty, whatever the wall clock says: that one may be set.
fn arrival(datagram: &Datagram<'_>, emptied: Duration, now: Now) -> Now {
    let ago = match datagram.stamp.source {
        StampSource::Kernel => now.wall.duration_since(datagram.stamp.wall).unwrap_or(Duration::ZERO),
        StampSource::User => Duration::ZERO,
    };
    let run = now.run.saturating_sub(ago).clamp(emptied, now.run);
    Now { run, wall: now.wall }
}

#[cfg(test)]
mod tests {
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
                outcomes.push(Outcome { ticket, len: payload.len(), destination, link: None, result: Ok(None) });
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
        let scripted = |(at, answer): &(Duration, Option<&'static [u8]>)| {
            (*at, answer.map(|payload| (payload, 1060, *at - 2 * MS)))
        };
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
            let arrived =
                arrival(&stamped(b"", 1, Duration::from_millis(stamp)), Duration::from_millis(90), at(100, 1000));
            assert_eq!(arrived.run, Duration::from_millis(expected), "stamped {stamp}");
        }
    }
}
