//! A child that does not outlive the thread that starts it. What runs between fork and exec keeps to the rules that `child` has
//! (signal-safety(7)): system calls, on memory that exists already.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// prctl(2) is variadic, and reads numbers of this type: a narrower one would leave the rest to chance.
const KILL: libc::c_ulong = libc::SIGKILL as libc::c_ulong;

/// Has the child of `command` be killed when the thread that starts it ends.
pub(crate) fn mortal(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: in the child of a fork the closure makes system calls on a number that was made before it; it takes no lock
    // and no memory. With exec(2) alone it finds no parent of this number, and refuses.
    unsafe { command.pre_exec(move || die_with(parent)) };
}

/// Before it is asked for, this makes sure that there is a child to die; behind it, that the parent did not die just before,
/// which nobody would tell: then the child has another parent already.
pub(super) fn die_with(parent: u32) -> io::Result<()> {
    check_parent(parent)?;
    // SAFETY: it takes numbers of the type that it reads, and changes what happens to this process alone.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, KILL) } < 0 {
        return Err(io::Error::last_os_error());
    }
    check_parent(parent)
}

fn check_parent(parent: u32) -> io::Result<()> {
    // SAFETY: it takes nothing and cannot fail.
    let now = unsafe { libc::getppid() };
    if u32::try_from(now) == Ok(parent) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}
