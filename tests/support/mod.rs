//! What the tests share: the real program, a private LAN, and plain sockets to judge it by.

#![allow(dead_code, reason = "every test crate compiles all of this and uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a helper of tests fails its test by panicking, and talks over sockets of its own"
)]

pub(crate) mod catcher;
pub(crate) mod chance;
#[cfg(target_os = "linux")]
pub(crate) mod crowd;
#[cfg(target_os = "linux")]
pub(crate) mod flood;
#[cfg(target_os = "linux")]
pub(crate) mod forge;
#[cfg(target_os = "linux")]
pub(crate) mod lan;
pub(crate) mod program;
pub(crate) mod relay;
pub(crate) mod schema;
pub(crate) mod strangers;

use std::time::Duration;

/// How long anything is waited for before a test fails. No test takes nearly as long when all is well: it is there so
/// that a hang ends with a message, on a slow and busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes that `--size N` sends: byte `i` is `i mod 251`.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..=250u8).cycle().take(len).collect()
}
