//! A private LAN of several hosts in one process, for lessons and for tests. Linux only; no rights are needed.
//!
//! - [`enclosure`]: a process in a private network.
//! - [`enclosed()`]: the same for one test.
//! - [`plan`]: a LAN as data; [`topology`]: some that have names.
//! - [`lan`]: hosts, cables and switches.

mod clock;
mod enclosed;
pub mod enclosure;
mod error;
pub mod lan;
mod namespace;
mod netlink;
pub mod plan;
pub mod topology;
mod warm_up;

pub use enclosed::enclosed;
pub use enclosure::Denied;
pub use error::{Deaf, LabError};
pub use lan::{Host, Lan};
pub use plan::{Address, Broadcast, HostPlan, Plan, Plug};
