//! What a TCP connection adds up to: the contrast to [`Stats`](crate::model::Stats).

/// The segments of one connection so far, as its own end has counted them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segments {
    /// Those that left, whatever they carry.
    pub sent: u64,
    /// Those that came, whatever they carry.
    pub received: u64,
    /// Those that left with bytes of the stream.
    pub data_sent: u64,
    /// Those that came with bytes of the stream.
    pub data_received: u64,
}

impl Segments {
    /// Both directions together.
    pub const fn all(self) -> u64 {
        self.sent + self.received
    }
}
