//! Waiting where the system has no better way than the one of all: by the poller of `polling`.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use socket2::Socket;

/// Sockets told of at a time. Which one has something is not asked: all are read.
const EVENTS: NonZeroUsize = NonZeroUsize::MIN;

/// Waits until one of several sockets has something to read.
pub(crate) struct Waiter {
    alarm: Arc<Alarm>,
    /// Those that the poller knows. It lets go of them before they can be closed, however long somebody keeps the alarm.
    sockets: Vec<Arc<Socket>>,
}

/// Ends a wait from another thread.
pub(crate) struct Alarm {
    poller: Poller,
    /// Whether somebody has woken it. The poller does not say: a wake-up beside a datagram shows as the datagram alone.
    woken: AtomicBool,
}

impl Waiter {
    pub(crate) fn new(sockets: impl Iterator<Item = Arc<Socket>>) -> io::Result<Self> {
        let alarm = Alarm { poller: Poller::new()?, woken: AtomicBool::new(false) };
        let mut waiter = Self { alarm: Arc::new(alarm), sockets: Vec::new() };
        for socket in sockets {
            waiter.add(socket)?;
        }
        Ok(waiter)
    }

    /// Waits on this one too. Level-triggered: what is left in the queue wakes again.
    pub(crate) fn add(&mut self, socket: Arc<Socket>) -> io::Result<()> {
        let event = Event::readable(self.sockets.len());
        // SAFETY: the poller must not know the socket any more when that is closed. It stays open as long as it is in
        // `sockets`, from the next line on; and drop deletes it from the poller while it is there.
        unsafe { self.alarm.poller.add_with_mode(&*socket, event, PollMode::Level) }?;
        self.sockets.push(socket);
        Ok(())
    }

    /// Waits until a socket has something, `wait` has passed or [`Alarm::wake`] is called.
    pub(crate) fn wait(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.alarm.poller.wait(&mut Events::with_capacity(EVENTS), wait).map(|_| ())
    }

    /// What ends a wait.
    pub(crate) const fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        for socket in &self.sockets {
            // It fails only for a socket that the poller does not know.
            let _unheeded = self.alarm.poller.delete(&**socket);
        }
    }
}

impl Alarm {
    /// Whether [`Alarm::wake`] was called since this was last asked.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        // It fails only when the kernel is out of the memory for one counter; then the deadline ends the wait.
        let _unheeded = self.poller.notify();
    }
}
