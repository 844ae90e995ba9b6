//! How we write bytes: halloo's own datagrams. Parsing and writing are inverse; parsing is total and never panics.

pub mod beacon;
pub mod probe;
