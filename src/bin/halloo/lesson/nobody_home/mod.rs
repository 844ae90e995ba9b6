//! What happens when nobody is there.

pub(super) mod early;
pub(super) mod refused;
