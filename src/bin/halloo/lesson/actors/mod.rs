//! halloo's own servers and senders, as they are, with everything they tell written down; and a pair of streams beside them.

mod diary;
mod naive;
mod sender;
mod server;
mod waiting;

pub(crate) use diary::{Told, replies_in, sends_in, sent_to};
pub(crate) use naive::{DISCARD, NOTHING, as_text, nobody, open, read_as, said, stream_pair};
pub(crate) use sender::{Sends, broadcast, send};
pub(crate) use server::{Server, Serves, port_of, servers};
pub(crate) use waiting::{have_heard_last, say_last, until};
