//! What to do next: the behaviours of halloo, without a socket and without a clock.
//!
//! An [`Engine`] is told the time and handed datagrams; through [`Out`] it says what to send and what to tell. It can be
//! run over a real network by [`crate::drive`], or over a scripted one in a test, and cannot tell the difference.
//!
//! - The engines: [`serve`], [`send`], [`ping`], [`announce`], [`discover`].
//! - Around those of discovery: [`follow`] has them follow the interfaces, [`pulse`] has a watching one tell who is there.
//! - Where to: [`broadcast`] and [`reach`] choose interfaces and addresses, [`places`] follows them as they change.
//! - What `send` and `ping` share: `series`, with its `brake`.
//! - Who may be answered: [`guard`].
//! - What must not fill a disk: `mishaps`, by kind, and `told`, once a minute.

pub mod announce;
mod brake;
pub mod broadcast;
pub mod discover;
pub mod follow;
pub mod guard;
mod mishaps;
pub mod ping;
pub mod places;
pub mod pulse;
pub mod reach;
pub mod send;
mod series;
pub mod serve;
#[cfg(test)]
pub(crate) mod testing;
mod told;

use std::time::Duration;

use crate::model::event::{Outcome, Refusal};
use crate::model::interface::Table;
use crate::model::stats::Ending;
use crate::model::{Datagram, Event, Now, Transmit};

/// What an engine says.
pub trait Out {
    /// Wants a datagram sent. What became of it comes back by [`Engine::sent`].
    fn send(&mut self, transmit: Transmit<'_>);

    /// Wants so many alike sent, each with a mark one higher than that of the one before. What became of those that left may come
    /// back as one.
    fn send_run(&mut self, transmit: &Transmit<'_>, count: usize) {
        for number in 0..count as u64 {
            self.send(Transmit { ticket: transmit.ticket + number, ..transmit.clone() });
        }
    }

    /// Tells what happened.
    fn tell(&mut self, event: &Event<'_>);

    /// Whether anything becomes of [`Event::Sent`].
    fn takes_sent(&self) -> bool {
        true
    }
}

/// What an engine waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// A datagram, a wake-up, or this time of the run.
    At(Duration),
    /// A datagram or a wake-up.
    Event,
    /// Nothing: the run is over.
    Done,
}

/// A behaviour.
pub trait Engine {
    /// The run begins. Called once, first.
    fn start(&mut self, now: Now, out: &mut dyn Out);

    /// A datagram came. `now` is when it arrived, as well as that is known.
    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out);

    /// More datagrams have come than have been handed over by now.
    fn behind(&mut self, _: Now) {}

    /// What became of a datagram that was to be sent, or of several of a run.
    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out);

    /// The network says that a datagram was not delivered.
    fn refused(&mut self, now: Now, refusal: &Refusal, out: &mut dyn Out);

    /// The time of [`Next::At`] has come, or somebody woke the run.
    fn due(&mut self, now: Now, out: &mut dyn Out);

    /// The kernel has dropped so many datagrams at our sockets so far. Told about once a second, while datagrams come.
    fn dropped(&mut self, _: Now, _: u64, _: &mut dyn Out) {}

    /// The interfaces are others than before.
    fn rewired(&mut self, _: Now, _: &Table, _: &mut dyn Out) {}

    /// What it waits for.
    fn next(&self) -> Next;

    /// Somebody wants the run to end in order. What is said to be sent now still goes; [`Engine::finish`] follows.
    fn stop(&mut self, now: Now, out: &mut dyn Out);

    /// The run is over: tells the summary. Nothing is sent any more.
    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out);
}
