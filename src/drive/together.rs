//! Several networks, one engine: a thread for each network, and everything they bring goes to the same engine.
//!
//! Each thread goes through the very loop of [`run`], so what the system does for a datagram is done side by side; of what an
//! echo costs that is six sevenths. What the engine does is done for one datagram at a time, under a lock; two threads on one
//! processor were measured to cost 2 % more for it than one. So there is one of everything that is decided, counted and told:
//! one guard, one count of datagrams, one deadline, one summary, one output. None of it has to be added up, and none is other
//! than with one network.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Clock, Desk, Stop, run};
use crate::engine::{Engine, Next, Out};
use crate::model::error::{Action, Broken};
use crate::model::event::{Outcome, Refusal};
use crate::model::interface::Table;
use crate::model::stats::Ending;
use crate::model::{Datagram, Event, Now, Sink};
use crate::net::{Batch, Network, Outbox, system_error};

/// Runs `engine` over all networks, each with its batch, to its end, telling `sink`. One alone is run without another thread
/// and without a lock. Where one of several ends, by the engine, by `stop` or by an error, all do: `wake` has to end the wait of
/// each.
///
/// # Errors
/// The first [`Broken`]; the system may also have no thread to spare. The engine's summary has been told if the sink still took
/// it.
pub fn run_together<N: Network + Send>(
    engine: &mut (impl Engine + Send),
    mut networks: Vec<(N, Batch)>,
    sink: &mut (impl Sink + Send + ?Sized),
    mut clock: impl Clock + Clone + Send,
    stop: &Stop,
    wake: &(impl Fn() + Sync),
) -> Result<(), Broken> {
    if networks.len() == 1
        && let Some((mut network, batch)) = networks.pop()
    {
        return run(engine, &mut network, batch, sink, &mut clock, stop);
    }
    let drops = vec![0; networks.len()];
    let common = Mutex::new(Common { engine, begun: false, drops, endings: Vec::new(), ended: Ok(()) });
    let output = Mutex::new(sink);
    let end = |ended| {
        lock(&common).end(ended);
        stop.request();
        wake();
    };
    let mut unspawned = Ok(());
    thread::scope(|scope| {
        for (number, (mut network, batch)) in networks.into_iter().enumerate() {
            let (mut member, mut sink) = (Member { number, common: &common }, Shared(&output));
            let (mut clock, end) = (clock.clone(), &end);
            let work = move || end(run(&mut member, &mut network, batch, &mut sink, &mut clock, stop));
            if let Err(error) = thread::Builder::new().name("halloo worker".to_owned()).spawn_scoped(scope, work) {
                unspawned = Err(Broken::Network(system_error(Action::Spawn, "another socket".to_owned(), &error)));
                end(Ok(()));
            }
        }
    });
    let Common { engine, endings, ended, .. } = common.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sink = output.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut desk = Desk { outbox: Outbox::default(), sink, now: clock.now(), broken: None };
    let broken = desk.tell_broken(&unspawned);
    let ending = Ending { output_drops: desk.sink.drops(), ..Ending::of_all(&endings) };
    engine.finish(desk.now, &Ending { broken: broken.or(ending.broken), ..ending }, &mut desk);
    desk.flush();
    unspawned.and(ended).and_then(|()| desk.check())
}

/// A thread that fails is a bug, and no reason for the others not to end in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the threads have in common.
struct Common<'e, E> {
    engine: &'e mut E,
    begun: bool,
    /// What the kernel has dropped at each network.
    drops: Vec<u64>,
    endings: Vec<Ending>,
    ended: Result<(), Broken>,
}

impl<E> Common<'_, E> {
    /// The first that breaks is the reason.
    fn end(&mut self, ended: Result<(), Broken>) {
        if self.ended.is_ok() {
            self.ended = ended;
        }
    }
}

/// The engine, as one of the networks sees it: it is begun by the first, and finished by none.
struct Member<'c, 'e, E> {
    number: usize,
    common: &'c Mutex<Common<'e, E>>,
}

impl<'e, E> Member<'_, 'e, E> {
    fn common(&self) -> MutexGuard<'_, Common<'e, E>> {
        lock(self.common)
    }
}

impl<E: Engine> Engine for Member<'_, '_, E> {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        let mut common = self.common();
        if !std::mem::replace(&mut common.begun, true) {
            common.engine.start(now, out);
        }
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        self.common().engine.received(now, datagram, out);
    }

    fn behind(&mut self, now: Now) {
        self.common().engine.behind(now);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        self.common().engine.sent(now, outcome, out);
    }

    fn refused(&mut self, now: Now, refusal: &Refusal, out: &mut dyn Out) {
        self.common().engine.refused(now, refusal, out);
    }

    fn due(&mut self, now: Now, out: &mut dyn Out) {
        self.common().engine.due(now, out);
    }

    fn dropped(&mut self, now: Now, total: u64, out: &mut dyn Out) {
        let mut common = self.common();
        common.drops[self.number] = total;
        let total = common.drops.iter().sum();
        common.engine.dropped(now, total, out);
    }

    fn rewired(&mut self, now: Now, table: &Table, out: &mut dyn Out) {
        self.common().engine.rewired(now, table, out);
    }

    fn next(&self) -> Next {
        self.common().engine.next()
    }

    fn stop(&mut self, now: Now, out: &mut dyn Out) {
        self.common().engine.stop(now, out);
    }

    fn finish(&mut self, _: Now, ending: &Ending, _: &mut dyn Out) {
        self.common().endings.push(*ending);
    }
}

/// The sink, as one of the networks sees it.
struct Shared<'o, 's, S: ?Sized>(&'o Mutex<&'s mut S>);

impl<S: Sink + ?Sized> Sink for Shared<'_, '_, S> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        lock(self.0).event(now, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(self.0).flush()
    }

    fn drops(&self) -> Option<u64> {
        lock(self.0).drops()
    }
}

#[cfg(test)]
mod tests;
