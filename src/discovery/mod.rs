//! Service discovery, ready to use: the engines, their sockets and a thread put together.
//!
//! A program announces itself for as long as it holds what [`Announcement::serve`] gives:
//!
//! ```
//! use halloo::discovery::{Announcement, Discovery};
//! use std::time::Duration;
//!
//! // Only on loopback here, and at a port of its own; without these two lines, on every interface.
//! let announcement = Announcement::new("chat", 7000).interface("lo").at_port(11_061);
//! let serving = announcement.name("pi").attr("room", "blue").serve()?;
//!
//! let discovery = Discovery::new("chat").interface("lo").at_port(11_061);
//! let found = discovery.expect(1).within(Duration::from_secs(5)).collect()?;
//! for service in &found {
//!     println!("{} is at {:?}", service.about.name.text(), service.path().map(|path| service.address(path)));
//! }
//! # assert_eq!(found.iter().map(|service| service.about.name.text()).collect::<Vec<_>>(), ["pi"]);
//!
//! assert!(serving.is_running());
//! // It says goodbye; letting it go out of scope does the same.
//! serving.stop()?;
//! # Ok::<(), halloo::model::Error>(())
//! ```
//!
//! Without a secret everything found is [`Trust::Unverified`](crate::model::Trust): anybody on the LAN can have said it.

mod announcement;
mod common;
pub mod engines;
mod instance;
mod random;
mod search;
pub mod sockets;

pub use announcement::{Announcement, Serving};
pub use instance::{Instance, instance};
pub use random::{draws, random};
pub use search::Discovery;

pub use crate::model::service::DEFAULT_TTL as TTL;
