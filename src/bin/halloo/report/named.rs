//! Writers that say in their errors what it is that cannot be written.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Stderr, Stdout, Write};

/// A writer with the name of what it writes.
pub(crate) struct Named<W> {
    name: String,
    writer: W,
}

impl<W> Named<W> {
    /// What is written to `writer` is called `name`.
    pub(crate) fn new(name: impl Into<String>, writer: W) -> Self {
        Self { name: name.into(), writer }
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), Unwritten { name: self.name.clone(), why: error.to_string() })
    }
}

/// Standard output by its name.
pub(crate) fn stdout() -> Named<Stdout> {
    Named::new("standard output", io::stdout())
}

/// Standard error by its name.
pub(crate) fn stderr() -> Named<Stderr> {
    Named::new("standard error", io::stderr())
}

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is interrupted is tried again, which is the common case: no name is made for it.
        self.writer.write(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => self.failed(&error),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(|error| self.failed(&error))
    }
}

/// What could not be written, and what the system says.
#[derive(Clone, Debug)]
struct Unwritten {
    name: String,
    why: String,
}

impl Display for Unwritten {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Unwritten {}

fn unwritten(error: &io::Error) -> Option<&Unwritten> {
    error.get_ref()?.downcast_ref()
}

/// The same error once more, with its name.
pub(crate) fn again(error: &io::Error) -> io::Error {
    match unwritten(error) {
        Some(unwritten) => io::Error::new(error.kind(), unwritten.clone()),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// The error of a writer as that of a run, with its name where the writer has one.
pub(crate) fn not_written(error: &io::Error) -> halloo::model::Error {
    let name = unwritten(error).map_or("the output", |unwritten| &unwritten.name);
    halloo::model::Error::Output { name: name.to_owned(), why: error.to_string() }
}
