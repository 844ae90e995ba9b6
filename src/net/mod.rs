//! How datagrams enter and leave: the only room with sockets.
//!
//! - [`options`]: a socket from a list of wishes, set before bind in a visible order.
//! - [`endpoint`]: one socket, and where it would send from.
//! - [`batch`]: what one wake-up finds, and what one flush sends.
//! - [`fanout`]: one or several endpoints as one [`Network`].
//! - [`interfaces`]: the table of interfaces, corrected where the system errs; names into addresses.
//! - `sys`: what differs between systems, and the only unsafe code.

pub mod batch;
pub mod endpoint;
pub mod fanout;
pub mod interfaces;
pub mod options;
mod sys;

use std::time::Duration;

use crate::model::Error;
use crate::model::event::Outcome;

pub use batch::{Batch, Outbox};
pub use fanout::{Fanout, Waker};
pub use options::Options;

/// What ended a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wake {
    /// The batch holds datagrams or refusals.
    Arrived,
    /// Nothing came in time.
    Timeout,
    /// Somebody used the [`Waker`].
    Woken,
}

/// Something that carries datagrams: sockets, or a script in a test.
pub trait Network {
    /// Sends everything in `outbox`, empties it, and adds what became of each datagram to `outcomes`.
    fn send(&mut self, outbox: &mut Outbox, outcomes: &mut Vec<Outcome>);

    /// Waits for datagrams no longer than `wait` (`None`: for ever) and fills `batch` with what is there.
    ///
    /// # Errors
    /// Those that make every further call senseless. What concerns one peer or one datagram is in the batch.
    fn receive(&mut self, batch: &mut Batch, wait: Option<Duration>) -> Result<Wake, Error>;

    /// Looks at the interfaces again: addresses come and go.
    fn refresh(&mut self);

    /// How many datagrams the kernel has dropped at the sockets, where it tells.
    fn drops(&self) -> Option<u64>;
}
