//! Waiting for sockets, a deadline or another thread, with sub-millisecond timers.
//!
//! Never by SO_RCVTIMEO: the kernel rounds that to its clock tick, 4 or 8 ms.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use socket2::Socket;

/// Sockets told of at a time. Which one has something is not asked: all are read.
const EVENTS: NonZeroUsize = NonZeroUsize::MIN;

/// Waits on a set of sockets. The sockets must outlive it; [`Waiter::wait`] only tells that there is something to read.
pub(crate) struct Waiter {
    poller: Poller,
    /// Whether somebody has woken it. The poller does not say: a wake-up beside a datagram shows as the datagram alone.
    woken: AtomicBool,
}

impl Waiter {
    pub(crate) fn new<'s>(sockets: impl Iterator<Item = &'s Socket>) -> io::Result<Self> {
        let waiter = Self { poller: Poller::new()?, woken: AtomicBool::new(false) };
        sockets.enumerate().try_for_each(|(key, socket)| waiter.add(socket, key))?;
        Ok(waiter)
    }

    /// Waits on this one as well, level-triggered: what is left in the queue wakes again. Which one has something is not
    /// asked, and so two may have the same key.
    pub(crate) fn add(&self, socket: &Socket, key: usize) -> io::Result<()> {
        // SAFETY: the poller must not outlive the sockets. All are owned by one Fanout; a Waker may keep the poller alive
        // longer, but it never waits, and a closed descriptor leaves the set by itself (epoll(7), kqueue(2)).
        unsafe { self.poller.add_with_mode(socket, Event::readable(key), PollMode::Level) }
    }

    /// Waits until a socket has something, `wait` has passed or [`Waiter::wake`] is called.
    pub(crate) fn wait(&self, wait: Option<Duration>) -> io::Result<()> {
        self.has_news(wait).map(|_| ())
    }

    /// The same, and says whether a socket has something: a datagram, or an error that the next call will report.
    pub(crate) fn has_news(&self, wait: Option<Duration>) -> io::Result<bool> {
        let mut events = Events::with_capacity(EVENTS);
        match self.poller.wait(&mut events, wait) {
            Ok(sockets) => Ok(sockets > 0),
            // A signal that nobody handles, or stop and continue. The caller sees that its time has not come.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether [`Waiter::wake`] was called since this was last asked.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        // It fails only when the kernel is out of the memory for one counter; then the deadline ends the wait.
        let _unheeded = self.poller.notify();
    }
}
