//! What halloo tells while it works, written down.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use halloo::model::{Cast, Datagram, Event, Now, Sink};
use halloo::net::error_name;

/// A datagram that came, with everything that halloo says of it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The bytes that were read.
    pub(crate) payload: Vec<u8>,
    /// The bytes that came.
    pub(crate) wire_len: usize,
    /// Whether the two differ.
    pub(crate) truncated: bool,
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// How it was addressed.
    pub(crate) cast: Option<Cast>,
}

/// Something that halloo told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// A datagram left.
    Sent {
        /// From where.
        source: Option<SocketAddr>,
        /// To where.
        destination: SocketAddr,
    },
    /// A datagram did not leave: the name of the error.
    Failed(String),
    /// A datagram came.
    Heard(Heard),
    /// An answer came.
    Reply(Heard),
    /// The network says that a datagram to this address was not delivered.
    Refused(SocketAddr),
}

impl Told {
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Sent(sent) => Self::Sent { source: sent.source, destination: sent.destination },
            Event::Failed(failed) => Self::Failed(error_name(failed.fault)),
            Event::Received(received) => Self::Heard(heard(received.datagram)),
            Event::Reply(reply) => Self::Reply(heard(reply.datagram)),
            Event::Refused(refusal, _) => Self::Refused(refusal.destination),
            _ => return None,
        })
    }
}

fn heard(datagram: &Datagram<'_>) -> Heard {
    Heard {
        payload: datagram.payload.to_vec(),
        wire_len: datagram.wire_len,
        truncated: datagram.payload.len() < datagram.wire_len,
        source: datagram.source,
        cast: datagram.cast,
    }
}

/// Writes down what is told; others may read along.
#[derive(Clone, Debug, Default)]
pub(super) struct Diary(Arc<Mutex<Vec<Told>>>);

impl Diary {
    pub(super) fn lines(&self) -> Vec<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Diary {
    fn event(&mut self, _: Now, event: &Event<'_>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(Told::of(event));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The datagrams in a diary.
pub(crate) fn heard_in(told: &[Told]) -> Vec<Heard> {
    told.iter().filter_map(|told| if let Told::Heard(heard) = told { Some(heard.clone()) } else { None }).collect()
}

/// How many datagrams left, by a diary.
pub(crate) fn sends_in(told: &[Told]) -> usize {
    told.iter().filter(|told| matches!(told, Told::Sent { .. })).count()
}

/// Where the first datagram in a diary went.
pub(crate) fn sent_to(told: &[Told]) -> Option<SocketAddr> {
    told.iter().find_map(|told| if let Told::Sent { destination, .. } = told { Some(*destination) } else { None })
}

/// The answers in a diary.
pub(crate) fn replies_in(told: &[Told]) -> Vec<Heard> {
    told.iter().filter_map(|told| if let Told::Reply(heard) = told { Some(heard.clone()) } else { None }).collect()
}
