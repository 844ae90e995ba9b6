//! A private LAN of several hosts in one process, for lessons and for tests. Linux only; no rights are needed.
//!
//! - [`enclosure`]: a process in a private network.
//! - [`enclosed()`]: the same for one test.

mod enclosed;
pub mod enclosure;

pub use enclosed::enclosed;
pub use enclosure::Denied;
