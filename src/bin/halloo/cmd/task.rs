//! A program that runs beneath: signals are passed on to it, its end is the end of the run.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, OnceLock};
use std::thread::Builder;

use halloo::drive::Stop;
use halloo::model::Error;
use halloo::net::{Waker, die_with_this_thread};

/// The exit code of the program, once it has ended.
pub(super) type Code = Arc<OnceLock<u8>>;

/// The program, for which a thread waits.
pub(super) struct Task {
    code: Code,
}

impl Task {
    /// Starts it. When it ends, the run is stopped. Where the system can do that, it dies with the calling thread: that has
    /// to be the one that lives as long as the process.
    ///
    /// # Errors
    /// [`Error::Command`] when it cannot be started.
    pub(super) fn start(words: &[OsString], stop: Stop, waker: Waker) -> Result<Self, Error> {
        let Some((program, args)) = words.split_first() else {
            return Err(failed("COMMAND", &io::ErrorKind::InvalidInput.into()));
        };
        let name = program.to_string_lossy();
        let mut guard = system::Guard::new().map_err(|error| failed(&name, &error))?;
        let mut command = Command::new(program);
        die_with_this_thread(command.args(args));
        let child = command.spawn().map_err(|error| failed(&name, &error))?;
        let code = Code::default();
        let told = Arc::clone(&code);
        let wait = move || {
            // It is set once, here.
            let _unheeded = told.set(guard.wait(child));
            stop.request();
            waker.wake();
            guard.end_at_a_signal();
        };
        // It goes on beyond the program, to the end of the process.
        let _thread = Builder::new().spawn(wait).map_err(|error| failed(&name, &error))?;
        Ok(Self { code })
    }

    /// Where its exit code will be.
    pub(super) fn code(&self) -> Code {
        Arc::clone(&self.code)
    }

    /// Its exit code. If the run has ended before it, it is told to end as well, and waited for.
    pub(super) fn end(self) -> u8 {
        if self.code.get().is_none() {
            system::tell_to_end();
        }
        *self.code.wait()
    }
}

fn failed(program: &str, error: &io::Error) -> Error {
    Error::Command { program: program.to_owned(), why: error.to_string(), instead: remedy(program, error.kind()) }
}

fn remedy(program: &str, why: io::ErrorKind) -> String {
    let path = Path::new(program);
    match why {
        io::ErrorKind::NotFound if path.components().count() < 2 => {
            format!("no folder of PATH has it; one that is here is ./{program}")
        }
        io::ErrorKind::NotFound if path.exists() => {
            "it is there: what its first line (#!) names is not, or it is a program for another system".to_owned()
        }
        io::ErrorKind::NotFound => "nothing is there: look at its path".to_owned(),
        io::ErrorKind::PermissionDenied => {
            format!("nobody may run it: chmod +x {program}; or name what runs it: -- sh {program}")
        }
        _ => "the words behind -- are a program and its arguments; a shell's line is: -- sh -c 'LINE'".to_owned(),
    }
}

/// What a shell says of a program that a signal ended: 128 and the signal's number.
const BY_SIGNAL: i32 = 128;

#[cfg(unix)]
fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(not(unix))]
fn code_of(status: ExitStatus) -> u8 {
    let _no_signals = BY_SIGNAL;
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::io;
    use std::process::Child;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::{Pid, getpgrp, tcgetpgrp};
    use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::{emulate_default_handler, raise};

    use crate::cmd::signals::end_at_the_next;

    /// What a program may have a use for.
    const PASSED_ON: [i32; 8] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP];

    /// What can be typed at a terminal, which then goes to every program there.
    const TYPED: [i32; 3] = [SIGINT, SIGQUIT, SIGTSTP];

    /// Watches for signals since before the program is there, so that none is missed.
    pub(super) struct Guard(Signals);

    impl Guard {
        pub(super) fn new() -> io::Result<Self> {
            Signals::new(PASSED_ON.iter().chain(&[SIGCHLD])).map(Self)
        }

        /// Passes signals on until the program has ended, and returns its code. Nobody else waits for it, so its number
        /// stays its own until then.
        pub(super) fn wait(&mut self, mut child: Child) -> u8 {
            let mut signals = self.0.forever();
            loop {
                match child.try_wait() {
                    Ok(None) => {}
                    Ok(Some(status)) => return super::code_of(status),
                    Err(_) => return u8::MAX,
                }
                match signals.next() {
                    Some(SIGCHLD) | None => {}
                    Some(signal) => {
                        // What is typed at the terminal goes to both anyway.
                        if !TYPED.contains(&signal) || !is_in_foreground() {
                            pass_on(signal, &child);
                        }
                        // It stops with the program, until both are told to go on.
                        if signal == SIGTSTP {
                            let _unheeded = emulate_default_handler(signal);
                        }
                    }
                }
            }
        }

        /// Once the program has ended there is nobody to pass a signal on to: the next one ends this process.
        pub(super) fn end_at_a_signal(mut self) {
            end_at_the_next(&mut self.0.forever(), &ENDS);
        }
    }

    /// What ends a program that does nothing about it.
    const ENDS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

    fn pass_on(signal: i32, child: &Child) {
        if let (Ok(signal), Ok(id)) = (Signal::try_from(signal), i32::try_from(child.id())) {
            // It fails only where the program has ended, which is seen next.
            let _unheeded = kill(Pid::from_raw(id), signal);
        }
    }

    /// Whether this process and its children have the terminal.
    fn is_in_foreground() -> bool {
        File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
    }

    /// Has the guard pass SIGTERM on.
    pub(super) fn tell_to_end() {
        let _unheeded = raise(SIGTERM);
    }
}

#[cfg(windows)]
mod system {
    use std::io;
    use std::process::Child;

    /// Ctrl-C goes to every program of the console by itself.
    pub(super) struct Guard;

    impl Guard {
        pub(super) fn new() -> io::Result<Self> {
            let _unheeded = ctrlc::set_handler(|| {});
            Ok(Self)
        }

        pub(super) fn wait(&mut self, mut child: Child) -> u8 {
            child.wait().map_or(u8::MAX, super::code_of)
        }

        /// Ctrl-C is not passed on here, and keeps its place.
        pub(super) fn end_at_a_signal(self) {}
    }

    /// There is no way to ask a program to end here; it is waited for.
    pub(super) const fn tell_to_end() {}
}
