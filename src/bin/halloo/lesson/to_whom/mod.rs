//! Names, peers and strangers.

pub(super) mod connect;
pub(super) mod stranger;
