//! Waiting for one socket, with sub-millisecond timers; and, whatever the system, the tests of waiting for several.
//!
//! Never by SO_RCVTIMEO: the kernel rounds that to its clock tick, 4 or 8 ms. A signal that nobody handles, or stop and
//! continue, does not end a wait: the poller goes on with the time that is left.

use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};
use socket2::Socket;

/// Sockets told of at a time.
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::unix::thread::JoinHandleExt;
    use std::sync::Arc;
    use std::thread;

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;
    use crate::net::bare::Bare;
    use crate::net::deadline::Deadline;
    use crate::net::sys::Waiter;

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

    fn socket() -> Arc<Socket> {
        let socket = Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Arc::new(socket)
    }

    #[test]
    fn an_alarm_outlives_the_waiter_and_holds_no_socket() {
        let socket = socket();
        let waiter = Waiter::new(std::iter::once(Arc::clone(&socket))).unwrap();
        let alarm = Arc::clone(waiter.alarm());
        drop(waiter);
        assert_eq!(Arc::strong_count(&socket), 1);
        alarm.wake();
        assert!(alarm.is_woken() && !alarm.is_woken());
    }

    #[test]
    fn a_wait_ends_by_its_deadline_a_datagram_or_an_alarm_and_by_nothing_that_was() {
        let (silent, socket) = (socket(), socket());
        let mut waiter = Waiter::new([Arc::clone(&silent), Arc::clone(&socket)].into_iter()).unwrap();
        let began = Deadline::after(Duration::from_secs(3600));
        let long = Duration::from_secs(60);
        let waits = |waiter: &mut Waiter, wait| {
            let before = began.left();
            waiter.wait(Some(wait)).unwrap();
            before - began.left()
        };
        assert!(waits(&mut waiter, PATIENCE) >= PATIENCE);
        assert!(waits(&mut waiter, PATIENCE) >= PATIENCE, "the deadline before is none any more");
        waiter.alarm().wake();
        assert!(waits(&mut waiter, long) < long && waiter.alarm().is_woken());
        assert!(waits(&mut waiter, PATIENCE) >= PATIENCE, "the alarm before is none any more");
        socket.send_to(b"x", &socket.local_addr().unwrap()).unwrap();
        for _ in 0..2 {
            assert!(waits(&mut waiter, long) < long, "what is not read ends the next wait as well");
            #[cfg(all(target_os = "linux", not(halloo_portable)))]
            assert!(waiter.found(&socket) && !waiter.found(&silent));
        }
        waiter.wait(None).unwrap();
    }
}
