//! What is lost, and where.

pub(super) mod overflow;
