//! SIGINT and SIGTERM end a run in order; a second one ends it at once.

use halloo::drive::Stop;
use halloo::net::Waker;

#[cfg(unix)]
use crate::cmd::terminal;

/// Watches for signals from now on. Where that is not possible, they keep their usual effect.
#[cfg(unix)]
pub(super) fn watch(stop: Stop, waker: Waker) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    // Without a thread to spare, signals keep their usual effect.
    let _unheeded = std::thread::Builder::new().spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            terminal::leave();
            stop.request();
            waker.wake();
        }
        // The end in order may be stuck behind a reader that does not read.
        if let Some(second) = signals.next() {
            let _unheeded = emulate_default_handler(second);
        }
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
