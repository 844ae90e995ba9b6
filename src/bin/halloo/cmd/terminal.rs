//! The terminal under the prompt, given back as it was found however the run ends.
//!
//! While a line is being typed the terminal echoes nothing and ends no lines by itself. The thread that reads the line
//! undoes that when the line is done; when the run ends first, that thread never gets to it.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// How the terminal was found; set while there is a prompt.
static FOUND: OnceLock<Found> = OnceLock::new();

/// Whether the prompt is over.
static LEFT: AtomicBool = AtomicBool::new(false);

/// Removes the line of the prompt (ECMA-48 EL), and ends the bracketed paste that it had begun (xterm).
const END_OF_PROMPT: &[u8] = b"\r\x1b[K\x1b[?2004l";

/// Remembers how the terminal is.
pub(super) fn keep() {
    if let Some(found) = found() {
        let _already_kept = FOUND.set(found);
    }
}

/// Ends the prompt: the terminal is again as it was found, and is written to directly. Does nothing without a prompt.
pub(super) fn leave() {
    let Some(found) = FOUND.get() else { return };
    if !LEFT.swap(true, Ordering::SeqCst) {
        give_back(found);
        // A terminal that is gone needs nothing.
        let _unheeded = io::stdout().write_all(END_OF_PROMPT).and_then(|()| io::stdout().flush());
    }
}

/// Whether the prompt is over.
pub(super) fn is_left() -> bool {
    LEFT.load(Ordering::SeqCst)
}

#[cfg(unix)]
type Found = std::sync::Mutex<nix::sys::termios::Termios>;

#[cfg(unix)]
fn found() -> Option<Found> {
    nix::sys::termios::tcgetattr(io::stdin()).ok().map(std::sync::Mutex::new)
}

#[cfg(unix)]
fn give_back(found: &Found) {
    use nix::sys::termios::{SetArg, tcsetattr};
    if let Ok(termios) = found.lock() {
        let _unheeded = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &termios);
    }
}

/// The console of Windows is a matter of the editor alone.
#[cfg(windows)]
type Found = ();

#[cfg(windows)]
fn found() -> Option<Found> {
    Some(())
}

#[cfg(windows)]
fn give_back(_: &Found) {}
