//! What the fuzzer runs: one function for each target, from any bytes to nothing, which panics where a promise is broken.
//!
//! The fuzzer calls them from `fuzz_targets`, and `tests/fuzz_corpus.rs` of halloo calls the same ones with every input of
//! `corpus`. Where a target needs more than bytes, [`arbitrary`] makes it of them.

// Rooms of the program, which is no library: taken in from where they are, whole, for they use nothing but each their own
// files and the library. What no target asks for is dead here and not there.
#[allow(dead_code, unused_imports, reason = "the program uses the rest")]
#[path = "../../src/bin/halloo/args/mod.rs"]
mod args;
#[allow(dead_code, unused_imports, reason = "the program uses the rest")]
#[path = "../../src/bin/halloo/report/mod.rs"]
mod report;

// A private file of the library, and the name that it knows the room `model` by.
#[cfg(target_os = "linux")]
#[path = "../../src/net/sys/control.rs"]
mod cmsg;
#[cfg(target_os = "linux")]
use halloo::model;

pub mod addresses;
pub mod arguments;
pub mod beacon;
pub mod control;
pub mod escape;
pub mod guard;
pub mod probe;
pub mod records;

use std::time::SystemTime;

use arbitrary::{Arbitrary, Unstructured};
use halloo::model::{Cast, Datagram, Link, Origin, Stamp, StampSource};

/// A target by the name of its folder in `corpus`.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("addresses", addresses::run),
    ("arguments", arguments::run),
    ("beacon", beacon::run),
    ("control", control::run),
    ("escape", escape::run),
    ("guard", guard::run),
    ("probe", probe::run),
    ("records", records::run),
];

/// What a target makes of its bytes; `None` where they are too few.
fn made_of<'b, T: Arbitrary<'b>>(input: &'b [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(input)).ok()
}

/// A datagram as honest neighbours send it.
fn datagram<'b>(payload: &'b [u8], interface: &str) -> Datagram<'b> {
    Datagram {
        payload,
        wire_len: payload.len(),
        source: ([10, 0, 0, 2], 40_000).into(),
        destination: Some(([10, 0, 0, 1], 1060).into()),
        local: Some([10, 0, 0, 1].into()),
        link: Some(Link { index: 2, name: interface.into() }),
        cast: Some(Cast::Unicast),
        origin: Origin::Foreign,
        on_link: true,
        other_link: false,
        ttl: Some(64),
        stamp: Stamp { wall: SystemTime::UNIX_EPOCH, source: StampSource::Kernel },
    }
}

/// Whether nothing in a text acts on a terminal: no control character but the newline, nothing that turns the direction of
/// text or is there without being seen. Shorter than the list of [`report::escape`], and written apart from it.
fn is_harmless(text: &str) -> bool {
    let unseen = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{e0000}'..='\u{e0fff}'];
    let harmful = |c: char| c.is_control() && c != '\n' || c == '\u{feff}' || unseen.iter().any(|r| r.contains(&c));
    !text.chars().any(harmful)
}
