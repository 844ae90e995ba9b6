//! Waiting for sockets, a deadline or another thread, with sub-millisecond timers.
//!
//! Never by SO_RCVTIMEO: the kernel rounds that to its clock tick, 4 or 8 ms. A signal that nobody handles, or stop and
//! continue, does not end a wait: the poller goes on with the time that is left.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use socket2::Socket;

/// Sockets told of at a time. Which one has something is not asked: all are read.
const EVENTS: NonZeroUsize = NonZeroUsize::MIN;

/// What a socket is waited for to do without waiting. An error that the next call will report fulfils either.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wish {
    Read,
    Write,
}

/// Waits for one socket, no longer than `patience`. Says whether the wish is fulfilled. It may end early.
pub(crate) fn wait_for(socket: &Socket, wish: Wish, patience: Duration) -> io::Result<bool> {
    let poller = Poller::new()?;
    let event = match wish {
        Wish::Read => Event::readable(0),
        Wish::Write => Event::writable(0),
    };
    // SAFETY: the poller must not know the socket any more when that is closed. It is borrowed, and so open, for longer
    // than the poller lives, which nobody gets hold of.
    unsafe { poller.add_with_mode(socket, event, PollMode::Level) }?;
    let found = poller.wait(&mut Events::with_capacity(EVENTS), Some(patience));
    poller.delete(socket)?;
    Ok(found? > 0)
}

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
    pub(crate) fn wait(&self, wait: Option<Duration>) -> io::Result<()> {
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::unix::thread::JoinHandleExt;
    use std::thread;

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;
    use crate::net::bare::Bare;
    use crate::net::deadline::Deadline;

    const PATIENCE: Duration = Duration::from_millis(200);

    extern "C" fn take_note(_: libc::c_int) {}

    /// Runs `wait` in a thread, and interrupts it by signals that start no system call again, until it ends.
    fn under_signals<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
        let action = SigAction::new(SigHandler::Handler(take_note), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing; no other test here has a use for this signal.
        unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
        let waiting = thread::spawn(wait);
        while !waiting.is_finished() {
            // SAFETY: the thread is not joined, so its number is still its own.
            unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGUSR1) };
            thread::sleep(Duration::from_millis(10));
        }
        waiting.join().unwrap()
    }

    #[test]
    fn signals_neither_shorten_a_wait_nor_make_an_error_of_it() {
        let (received, over) = under_signals(|| {
            let bare = Bare::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let deadline = Deadline::after(PATIENCE);
            (bare.receive(1, PATIENCE).unwrap(), deadline.is_over())
        });
        assert_eq!((received, over), (None, true));
    }

    #[test]
    fn an_alarm_outlives_the_waiter_and_holds_no_socket() {
        let socket = Arc::new(Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap());
        let waiter = Waiter::new(std::iter::once(Arc::clone(&socket))).unwrap();
        let alarm = Arc::clone(waiter.alarm());
        drop(waiter);
        assert_eq!(Arc::strong_count(&socket), 1);
        alarm.wake();
        assert!(alarm.is_woken() && !alarm.is_woken());
    }
}
