//! A private LAN of several hosts in one process, for lessons and for tests. Linux only; no rights are needed.
//!
//! - [`enclosure`]: a process in a private network.
//! - [`enclosed()`]: the same for one test.
//! - [`plan`]: a LAN as data; [`topology`]: some that have names.
//! - [`lan`]: hosts, cables and switches.
//! - [`wire`]: what passes on a cable; [`packet`]: what is in it.
//! - [`loss`]: loss on purpose.
//! - [`tables`]: what the kernel tells of sockets.
//!
//! A test that broadcasts, and cannot reach a network of the machine:
//!
//! ```
//! use halloo::lab::{Lan, enclosed, topology};
//! use std::net::UdpSocket;
//!
//! // The whole of a #[test].
//! enclosed(|| {
//!     let lan = Lan::build(&topology::three()).unwrap();
//!     let (alice, bob) = (lan.host("alice").unwrap(), lan.host("bob").unwrap());
//!     let ear = bob.within(|| UdpSocket::bind("0.0.0.0:1060")).unwrap().unwrap();
//!     let mouth = alice.within(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
//!     mouth.set_broadcast(true).unwrap();
//!     mouth.send_to(b"who is there?", "10.9.0.255:1060").unwrap();
//!
//!     let mut buffer = [0; 100];
//!     let (length, from) = ear.recv_from(&mut buffer).unwrap();
//!     assert_eq!(&buffer[..length], b"who is there?");
//!     assert_eq!(from.ip(), alice.address("e0").unwrap());
//! });
//! ```
//!
//! A host is a network namespace (namespaces(7)), a cable a veth pair, a switch a bridge. None of them has a name outside of
//! the process; each lives as long as the [`Lan`], a socket or a process in it. Sockets belong to the host they were opened
//! in, so that one thread can be everybody: [`Host::within`] is needed only to open them. What needs a whole process in a
//! host is started by [`Host::command`].
//!
//! The sockets that carry what somebody says are those of the hosts, and of whoever opened them. The lab has its own for the
//! rest: to the kernel, which lays the cables (netlink(7)), at the wires ([`Tap`], packet(7)), and for the probes of the
//! warm-up. Its waits end by deadlines, since it has no engine that is told the time.
//!
//! Not all of this has a user in halloo itself: [`loss`], [`tables`], [`Lan::unplug`] and [`Host::set_mtu`] are for other
//! people's tests, and for lessons to come; `tests/lab.rs` holds them to what they say.
//!
//! The kernel's workers finish an interface some time after it is up, and what is sent before is lost. So [`Lan::build`]
//! and [`Lan::plug`] return when everybody has heard everybody, and no test has to sleep.

mod enclosed;
pub mod enclosure;
mod error;
pub mod lan;
pub mod loss;
mod namespace;
mod netlink;
pub mod packet;
pub mod plan;
mod readable;
pub mod tables;
pub mod topology;
mod warm_up;
pub mod wire;

pub use enclosed::{enclosed, is_skipped};
pub use enclosure::{Denied, Remedy};
pub use error::{Deaf, LabError};
pub use lan::{Host, Lan};
pub use loss::{Loss, lose, lose_nothing};
pub use packet::Packet;
pub use plan::{Address, Broadcast, HostPlan, Plan, Plug};
pub use wire::{Frame, Tap, Way};
