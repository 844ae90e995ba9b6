//! How datagrams enter and leave: all sockets that carry what halloo sends and receives.
//!
//! The lab has others: to build a LAN (netlink), to look at its wires (packet sockets), and to see that everybody hears
//! everybody. They carry nothing of anybody's.
//!
//! - [`options`]: a socket from a list of wishes, set before bind in a visible order.
//! - [`endpoint`]: one socket, and where it would send from.
//! - [`batch`]: what one wake-up finds, and what one flush sends.
//! - `crowd`: what may wait for neighbours whom nobody knows.
//! - [`fanout`]: one or several endpoints as one [`Network`].
//! - [`interfaces`]: the table of interfaces, corrected where the system errs; names into addresses.
//! - [`bare`], [`stream`], [`pair`]: what first programs use instead: UDP with nothing added, TCP, AF_UNIX. The
//!   contrast, for lessons. They wait call by call, with deadlines of their own.
//! - `sys`: what differs between systems, and the only unsafe code.

pub mod bare;
pub mod batch;
mod crowd;
mod deadline;
pub mod endpoint;
pub mod fanout;
mod fault;
pub mod interfaces;
pub mod options;
pub mod pair;
mod patience;
pub mod stream;
mod sys;

use std::process::Command;
use std::time::Duration;

use crate::model::event::Outcome;
use crate::model::interface::Table;
use crate::model::{Error, Fault};

// For the lab, whose processes have networks of their own.
#[cfg(all(target_os = "linux", feature = "lab"))]
pub(crate) use deadline::Deadline;
#[cfg(all(target_os = "linux", feature = "lab"))]
pub(crate) use sys::child;

pub use batch::{Batch, Outbox};
pub use fanout::{Fanout, Waker};
pub use options::Options;

pub(crate) use fault::system as system_error;

/// Whether this system tells a received datagram's destination and interface, and lets one socket choose both for each
/// datagram it sends.
pub const KNOWS_DESTINATION: bool = sys::CHOOSES_SOURCE;

/// Whether this system tells of interfaces that come and go, so that a run can follow them.
pub const FOLLOWS_INTERFACES: bool = cfg!(all(target_os = "linux", not(halloo_portable)));

/// Whether this system spreads those who send over the sockets that share a port ([`Options::open_together`]).
pub const SPREADS_SENDERS: bool = cfg!(target_os = "linux");

/// The name that the system's own pages have for an error, `ECONNREFUSED` (errno(3)); in its absence a number.
pub fn error_name(fault: Fault) -> String {
    fault.code.map_or_else(|| fault.to_string(), sys::error_name)
}

/// What this host calls itself, where the system tells.
pub fn host_name() -> Option<String> {
    sys::host_name().filter(|name| !name.is_empty())
}

/// Has the program that `command` starts be killed when the thread that starts it ends, however that comes. It holds for that
/// program, not for what it starts in turn, and ends where it takes on another user's rights (PR_SET_PDEATHSIG). Linux alone
/// has this; elsewhere a program outlives whoever is killed.
#[cfg(target_os = "linux")]
pub fn die_with_this_thread(command: &mut Command) {
    sys::mortal(command);
}

/// Not possible here: the program outlives whoever is killed.
#[cfg(not(target_os = "linux"))]
pub const fn die_with_this_thread(_: &mut Command) {}

/// Something that carries datagrams: sockets, or a script in a test.
pub trait Network {
    /// Sends everything in `outbox`, empties it, and adds what became of each datagram to `outcomes`; what left of a
    /// run is one of them.
    fn send(&mut self, outbox: &mut Outbox, outcomes: &mut Vec<Outcome>);

    /// Fills `batch` with what is there, and never waits. A batch that is not full has emptied the queue.
    ///
    /// # Errors
    /// Those that make every further call senseless. What concerns one peer or one datagram is in the batch.
    fn receive(&mut self, batch: &mut Batch) -> Result<(), Error>;

    /// Waits until there is something to receive, somebody uses the [`Waker`], or `timeout` has passed (`None`: for
    /// ever). It may end early.
    ///
    /// # Errors
    /// Those that make every further call senseless.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error>;

    /// How long the network is asked again and again behind what came or left last, before anybody waits for it. A wait that
    /// sleeps costs a wake-up, which is most of a short round trip; asking costs the processor for so long.
    fn busy_poll(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether somebody has used the [`Waker`] since this was last asked.
    fn is_woken(&mut self) -> bool;

    /// Looks at the interfaces again: addresses come and go.
    fn refresh(&mut self);

    /// The table of interfaces, if anything about it has changed since this was last asked.
    fn changed(&mut self) -> Option<&Table> {
        None
    }

    /// How many datagrams the kernel has dropped at the sockets, where it tells.
    fn drops(&mut self) -> Option<u64>;
}
