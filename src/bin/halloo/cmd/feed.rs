//! The way of records into a run: all there, or from a thread that reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use halloo::engine::send::{Pull, Records};
use halloo::model::{Error, Record};
use halloo::net::Waker;

/// Records that are there, or that a thread is still reading.
pub(super) enum Feed {
    /// All of them.
    Ready(std::vec::IntoIter<Record>),
    /// As they come.
    Reading(Reading),
}

/// Records that a thread reads.
pub(super) struct Reading {
    channel: Receiver<Pull>,
    /// The run has found none, and is to be woken by the next one. One that is busy sees it without, which saves the system call
    /// that a wake-up is.
    starved: Arc<AtomicBool>,
}

impl Reading {
    fn pull(&self) -> Pull {
        self.look().unwrap_or_else(|| {
            self.starved.store(true, Ordering::SeqCst);
            // What came before the reader could know of it.
            self.look().unwrap_or(Pull::Pending)
        })
    }

    fn look(&self) -> Option<Pull> {
        match self.channel.try_recv() {
            Ok(pull) => Some(pull),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Pull::End),
        }
    }
}

impl Records for Feed {
    fn pull(&mut self) -> Pull {
        match self {
            Self::Ready(records) => records.pull(),
            Self::Reading(reading) => reading.pull(),
        }
    }

    fn left(&self) -> usize {
        match self {
            Self::Ready(records) => records.left(),
            Self::Reading(_) => 0,
        }
    }
}

/// Records that a reader may be ahead of the sender. At the longest they take 4 MiB.
const AHEAD: usize = 64;

/// The way from the reading thread to the run.
pub(super) struct Out {
    channel: SyncSender<Pull>,
    starved: Arc<AtomicBool>,
    waker: Waker,
}

/// The run has ended; there is nobody to read for.
pub(super) struct Gone;

impl Out {
    /// Hands one on. Waits while the run is [`AHEAD`] records behind.
    pub(super) fn give(&self, pull: Pull) -> Result<(), Gone> {
        let given = self.channel.send(pull).map_err(|_| Gone);
        if self.starved.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
        given
    }
}

impl Drop for Out {
    /// The end of the channel is the end of the records, and the run must hear of it.
    fn drop(&mut self) {
        let (closed, _) = sync_channel(0);
        self.channel = closed;
        self.waker.wake();
    }
}

/// Reads in a thread of its own: reading may wait for ever, and answers must not.
///
/// # Errors
/// [`Error::Input`] when the system has no thread to spare.
pub(super) fn in_thread(
    waker: Waker,
    read: impl FnOnce(&Out) -> Result<(), Gone> + Send + 'static,
) -> Result<Feed, Error> {
    let (channel, records) = sync_channel(AHEAD);
    let starved = Arc::new(AtomicBool::new(false));
    let out = Out { channel, starved: Arc::clone(&starved), waker };
    let reading = move || {
        // Gone says only that nobody wants the rest.
        let _unheeded = read(&out);
    };
    match std::thread::Builder::new().spawn(reading) {
        Ok(_) => Ok(Feed::Reading(Reading { channel: records, starved })),
        Err(error) => Err(Error::Input { name: "the input in a thread of its own".to_owned(), why: error.to_string() }),
    }
}
