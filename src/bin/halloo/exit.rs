//! Results into exit codes. Their numbers are a promise; [`Verdict`] holds them.

use std::io::{self, Write};
use std::process::ExitCode;

use halloo::model::Verdict;

use crate::cmd::notes_columns;
use crate::report::wrapped;

/// The exit code of a run.
pub(crate) fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}

/// Prints why there is no run, or the help that was asked for.
pub(crate) fn refused(text: &str, to_stdout: bool, code: u8) -> ExitCode {
    let written = match to_stdout {
        true => writeln!(io::stdout(), "{text}"),
        false => writeln!(io::stderr(), "{}", wrapped(text, notes_columns())),
    };
    match written {
        // Help that could not be written was asked for in vain, unless whoever asked has left.
        Err(error) if to_stdout && error.kind() != io::ErrorKind::BrokenPipe => {
            let _unheeded = writeln!(io::stderr(), "halloo: cannot write standard output: {error}");
            self::code(Verdict::SystemRefused.code())
        }
        _ => ExitCode::from(code),
    }
}
