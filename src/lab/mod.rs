//! A private LAN of several hosts in one process, for lessons and for tests. Linux only; no rights are needed.
//!
//! - [`enclosure`]: a process in a private network.
//! - [`enclosed()`]: the same for one test.
//! - [`plan`]: a LAN as data; [`topology`]: some that have names.
//! - [`lan`]: hosts, cables and switches.
//! - [`wire`]: what passes on a cable; [`packet`]: what is in it.
//! - [`loss`]: loss on purpose.
//! - [`tables`]: what the kernel tells of sockets.

mod clock;
mod enclosed;
pub mod enclosure;
mod error;
pub mod lan;
pub mod loss;
mod namespace;
mod netlink;
pub mod packet;
pub mod plan;
pub mod tables;
pub mod topology;
mod warm_up;
pub mod wire;

pub use enclosed::enclosed;
pub use enclosure::Denied;
pub use error::{Deaf, LabError};
pub use lan::{Host, Lan};
pub use loss::{Loss, lose, lose_nothing};
pub use packet::Packet;
pub use plan::{Address, Broadcast, HostPlan, Plan, Plug};
pub use wire::{Frame, Tap, Way};
