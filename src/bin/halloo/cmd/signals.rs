//! SIGINT and SIGTERM end a run in order; a second one ends it at once, unless it comes with the first. Where a child does
//! the work, it gets them as well.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(unix)]
use std::time::Duration;

use halloo::drive::Stop;
#[cfg(unix)]
use halloo::drive::{Clock, SystemClock};
use halloo::net::Waker;

#[cfg(unix)]
use crate::cmd::terminal;

/// How long after the first signal another one is the same wish: timeout(1) signals its child and then its whole group.
#[cfg(unix)]
const TOGETHER: Duration = Duration::from_millis(200);

/// Ends the process by the first signal of `ends` that comes later than what came together with the last one, or with the end of
/// the work. The end in order may be stuck behind a reader that does not read.
#[cfg(unix)]
pub(super) fn end_at_the_next(signals: &mut impl Iterator<Item = i32>, ends: &[i32]) {
    let mut since = SystemClock::start();
    if let Some(signal) = signals.find(|signal| ends.contains(signal) && since.now().run > TOGETHER) {
        let _unheeded = signal_hook::low_level::emulate_default_handler(signal);
    }
}

/// Watches for signals from now on. Where that is not possible, they keep their usual effect.
#[cfg(unix)]
pub(super) fn watch(stop: Stop, waker: Waker) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    // Without a thread to spare, signals keep their usual effect.
    let _unheeded = std::thread::Builder::new().spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_none() {
            return;
        }
        terminal::leave();
        stop.request();
        waker.wake();
        end_at_the_next(&mut signals, &[SIGINT, SIGTERM]);
    });
}

/// Watches for signals from now on. Where that is not possible, they keep their usual effect.
#[cfg(windows)]
pub(super) fn watch(stop: Stop, waker: Waker) {
    let _unheeded = ctrlc::set_handler(move || {
        stop.request();
        waker.wake();
    });
}

/// Whether a signal has asked for the end, from now on; none ends the process any more. For work that looks at it often.
#[cfg(unix)]
pub(super) fn asked() -> Arc<AtomicBool> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Where it cannot be watched for, it keeps its usual effect.
        let _unheeded = signal_hook::flag::register(signal, Arc::clone(&asked));
    }
    asked
}

/// Signals keep their usual effect here.
#[cfg(windows)]
pub(super) fn asked() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

/// Waits for a child that does the work, and passes on to it what asks this process to end. A signal that ends the child
/// ends this process as well.
///
/// # Errors
/// Those of wait(2).
#[cfg(target_os = "linux")]
pub(super) fn wait_for(child: &mut std::process::Child) -> std::io::Result<Option<i32>> {
    use signal_hook::low_level::emulate_default_handler;
    use std::os::unix::process::ExitStatusExt;

    let status = status_of(child)?;
    if let Some(signal) = status.signal() {
        emulate_default_handler(signal)?;
    }
    Ok(status.code())
}

/// The same without a thread, which there may be none to spare for: that the child has ended is a signal, too.
#[cfg(target_os = "linux")]
fn status_of(child: &mut std::process::Child) -> std::io::Result<std::process::ExitStatus> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    // Where they cannot be watched for, they keep their usual effect, and the child dies with this process.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGCHLD]) else { return child.wait() };
    let pid = Pid::from_raw(child.id().cast_signed());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        // The child has its number until the line above says that it has ended.
        for signal in signals.wait().filter(|signal| *signal != SIGCHLD) {
            let _unheeded = Signal::try_from(signal).and_then(|signal| kill(pid, signal));
        }
    }
}
