//! Broadcast.

pub(super) mod everyone;
pub(super) mod limited;
pub(super) mod mask;
pub(super) mod permission;
pub(super) mod replies;
