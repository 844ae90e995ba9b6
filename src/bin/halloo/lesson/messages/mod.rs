//! What a message is.

pub(super) mod boundaries;
pub(super) mod empty;
pub(super) mod framing;
pub(super) mod hello;
pub(super) mod length;
pub(super) mod limit;
pub(super) mod sticky;
pub(super) mod truncate;
