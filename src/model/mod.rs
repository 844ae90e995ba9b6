//! What things are: values without I/O and without a clock, true on paper.
//!
//! Everything here can be built, compared and printed in a test without a socket. The other rooms all speak in these words.

pub mod datagram;
pub mod error;
pub mod event;
pub mod glob;
pub mod interface;
pub mod latency;
pub mod lesson;
pub mod link_name;
pub mod payload;
pub mod record;
pub mod schedule;
pub mod seen;
pub mod segments;
pub mod service;
pub mod stats;
pub mod target;

pub use datagram::{Cast, Datagram, Destination, Link, Origin, Stamp, StampSource, Transmit};
pub use error::{Error, Fault};
pub use event::{Event, Now, Sink};
pub use glob::{Glob, Names};
pub use interface::{Interface, Selector, Unusable};
pub use latency::Latency;
pub use link_name::LinkName;
pub use payload::{Payload, TooLong};
pub use record::{Framing, Record, RecordError, Splitter};
pub use schedule::{Repeat, Schedule};
pub use segments::Segments;
pub use service::{About, Attributes, InstanceId, Service, ServiceName, ServiceType, Trust};
pub use stats::{Stats, Verdict};
pub use target::{Cidr, Family, Host, Target, TargetError};
