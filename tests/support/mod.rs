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

/// What a program cannot do that has only the calls of every system (`src/net/sys/portable.rs`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Untold {
    /// Where a datagram was sent, by which interface it came, and so whether it was for everybody.
    Destination,
    /// When the kernel received it, and how many routers it might still have passed.
    Details,
    /// What the kernel dropped.
    Drops,
    /// What ICMP says of a datagram, unless the socket is connected.
    Refusals,
    /// The address that was asked: the answer comes from another of the same host.
    Source,
}

/// Whether the program under test has no more than what every system gives, and so cannot tell this: then a test expects
/// what is said instead. scripts/test builds it so on Linux, beside the usual one.
pub(crate) const fn portable(_: Untold) -> bool {
    cfg!(any(not(target_os = "linux"), halloo_portable))
}

/// What is told where it can be, else JSON's null.
pub(crate) fn told(what: Untold, value: impl Into<serde_json::Value>) -> serde_json::Value {
    if portable(what) { serde_json::Value::Null } else { value.into() }
}

/// The bytes that `--size N` sends: byte `i` is `i mod 251`.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..=250u8).cycle().take(len).collect()
}
