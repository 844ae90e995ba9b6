//! Send, receive and understand UDP datagrams.
//!
//! This is the library under the `halloo` program. Its rooms: everyone may use [`model`], [`drive`] joins [`engine`] and
//! [`net`], and those two do not know each other. `tests/architecture.rs` keeps it so.
//!
//! - [`model`]: what things are. Values, without I/O and without a clock.
//! - [`wire`]: how halloo's own datagrams are written.
//! - [`engine`]: what to do next. Told the time and handed datagrams, an engine says what to send and what to tell.
//! - [`net`]: how datagrams enter and leave. All sockets that carry what halloo sends and receives are made here.
//! - `lab`: a private LAN of several hosts in one process, for lessons and tests. Linux, with the feature `lab`. What it is
//!   built and watched with are sockets of other kinds, and its own.
//! - [`drive`]: runs an engine over a network, or over several, a thread each. The only place where the two meet, and the
//!   clock that engines are told the time by. Waits that no engine has, such as those of the lab, end by deadlines of their own.
//! - [`discovery`]: services that are announced and found, in a line of code each.
//!
//! A first datagram:
//!
//! ```
//! use halloo::model::{Family, Payload};
//!
//! // What does not fit into one datagram cannot become a payload.
//! let payload = Payload::new("hello".as_bytes(), Family::V4)?;
//! assert_eq!(payload.len(), 5);
//! # Ok::<(), halloo::model::TooLong>(())
//! ```
// The examples of the README are tested like the one above, where they have what they need.
#![cfg_attr(all(doctest, target_os = "linux", feature = "lab"), doc = include_str!("../README.md"))]

pub mod discovery;
pub mod drive;
pub mod engine;
#[cfg(all(target_os = "linux", feature = "lab"))]
pub mod lab;
pub mod model;
pub mod net;
pub mod wire;
