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

    fn send_run(&mut self, transmit: &Transmit<'_>, count: usize) {
        self.outbox.push_run(transmit, count);
    }

    fn tell(&mut self, event: &Event<'_>) {
        // A sink that fails may have other writers that work: they get all that comes before the run ends, and its end.
        let failed = self.sink.event(self.now, event).err();
        self.broken = self.broken.take().or(failed);
    }

    fn takes_sent(&self) -> bool {
        self.sink.takes_sent()
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
            self.desk.outbox.lend(&mut self.batch);
            self.network.send(&mut self.desk.outbox, &mut self.outcomes);
            self.desk.outbox.lend(&mut self.batch);
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
        self.desk.outbox.answer(&self.batch);
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
mod tests;
