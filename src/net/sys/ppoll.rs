//! Waiting on Linux: one system call, whatever is waited for (ppoll(2)).
//!
//! A deadline is a timer of the kernel's own (timerfd_create(2)): the timeout of ppoll would be late by the timer slack of the
//! thread, 50 us as a rule (prctl(2)). That is for whom the system gives no timer: it takes a descriptor. A signal that nobody
//! handles, or stop and continue, does not end a wait.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::{read, write};
use socket2::Socket;

/// Waits until one of several sockets has something to read.
pub(crate) struct Waiter {
    alarm: Arc<Alarm>,
    sockets: Vec<Arc<Socket>>,
    /// The alarm, the timer, the sockets.
    wanted: Vec<libc::pollfd>,
    /// There since the first wait with a deadline.
    timer: Option<TimerFd>,
}

/// Ends a wait from another thread.
pub(crate) struct Alarm {
    /// A counter that can be waited for (eventfd(2)).
    counter: OwnedFd,
    woken: AtomicBool,
}

/// The places of the alarm and of the timer.
const ALARM: usize = 0;
const TIMER: usize = 1;
const FIRST_SOCKET: usize = 2;

/// No descriptor: its place is left out (poll(2)).
const NOBODY: RawFd = -1;

fn readable(descriptor: RawFd) -> libc::pollfd {
    libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 }
}

impl Waiter {
    pub(crate) fn new(sockets: impl Iterator<Item = Arc<Socket>>) -> io::Result<Self> {
        let alarm = Alarm::new()?;
        let wanted = vec![readable(alarm.counter.as_raw_fd()), readable(NOBODY)];
        let mut waiter = Self { alarm: Arc::new(alarm), sockets: Vec::new(), wanted, timer: None };
        for socket in sockets {
            waiter.add(socket)?;
        }
        Ok(waiter)
    }

    /// Waits on this one too. What is left in its queue ends the next wait as well.
    ///
    /// # Errors
    /// None here, unlike elsewhere.
    pub(crate) fn add(&mut self, socket: Arc<Socket>) -> io::Result<()> {
        self.wanted.push(readable(socket.as_raw_fd()));
        self.sockets.push(socket);
        Ok(())
    }

    /// Waits until a socket has something, `wait` has passed or [`Alarm::wake`] is called. It may end early.
    pub(crate) fn wait(&mut self, wait: Option<Duration>) -> io::Result<()> {
        // Zero would stop a timer. What is too long for it is as good as for ever.
        let wait = wait.map(|wait| TimeSpec::from_duration(wait.clamp(Duration::from_nanos(1), LONGEST)));
        let timer = wait.and_then(|wait| self.set_timer(wait).ok());
        self.wanted[TIMER].fd = timer.unwrap_or(NOBODY);
        let timeout = wait.filter(|_| timer.is_none());
        let timeout = timeout.as_ref().map_or(ptr::null(), |wait| ptr::from_ref(wait.as_ref()));
        let count = self.wanted.len() as libc::nfds_t;
        // SAFETY: the pointer and the count describe `wanted`, whose descriptors are open as long as `self` is; the timeout is
        // none or outlives the call; no mask is given.
        let found = unsafe { libc::ppoll(self.wanted.as_mut_ptr(), count, timeout, ptr::null()) };
        if found < 0 {
            self.wanted.iter_mut().for_each(|one| one.revents = 0);
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        if self.wanted[ALARM].revents != 0 {
            self.alarm.take();
        }
        Ok(())
    }

    /// Has the timer be readable after so long, and returns it.
    fn set_timer(&mut self, wait: TimeSpec) -> io::Result<RawFd> {
        let timer = match self.timer.take() {
            Some(timer) => timer,
            None => TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?,
        };
        timer.set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())?;
        Ok(self.timer.insert(timer).as_fd().as_raw_fd())
    }

    /// Whether the last wait found something to read there, or an error.
    pub(crate) fn found(&self, socket: &Arc<Socket>) -> bool {
        let mut all = self.sockets.iter().zip(&self.wanted[FIRST_SOCKET..]);
        all.any(|(one, wanted)| Arc::ptr_eq(one, socket) && wanted.revents != 0)
    }

    /// What ends a wait.
    pub(crate) const fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }
}

/// The longest wait, a hundred years: the kernel counts nanoseconds in 63 bits, which are 292.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Alarm {
    fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let counter = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if counter < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened, and belongs to nobody else.
        Ok(Self { counter: unsafe { OwnedFd::from_raw_fd(counter) }, woken: AtomicBool::new(false) })
    }

    /// Whether [`Alarm::wake`] was called since this was last asked.
    pub(crate) fn is_woken(&self) -> bool {
        // Looked at for every batch, and hardly ever set.
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        // It fails only where it was called 2^64 - 2 times since the last wait, which then ends anyway.
        let _unheeded = write(&self.counter, &1u64.to_ne_bytes());
    }

    fn take(&self) {
        let _unheeded = read(&self.counter, &mut [0; 8]);
    }
}
