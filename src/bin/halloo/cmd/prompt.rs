//! The prompt of `-i`: a line is a datagram, an empty line an empty one; `quit` or end-of-file leaves.

use std::io::{self, IsTerminal, Read, Write};

use halloo::engine::send::Pull;
use halloo::model::record::{Piece, Terminated};
use halloo::model::{Error, Event, Family, Now, Payload, Record, RecordError, Sink, TooLong};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::cmd::feed::{Gone, Out};
use crate::cmd::terminal;

/// What stands in front of the line that is typed.
const PROMPT: &str = "halloo> ";

/// What a person types to leave.
const LEAVE: &[u8] = b"quit";

/// Whether there is a person at the prompt. Without one the lines are read as they come.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Reads lines from a person until they leave.
pub(super) fn read(family: Family, out: &Out, mut editor: DefaultEditor) -> Result<(), Gone> {
    for number in 1.. {
        match editor.readline(PROMPT) {
            Ok(line) => {
                // A history that cannot grow is a smaller comfort, not a failure.
                let _unheeded = editor.add_history_entry(line.as_str());
                give(number, line.into_bytes(), family, out)?;
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(()),
            Err(error) => return broken(&error, out),
        }
    }
    Ok(())
}

/// Reads lines from a pipe or a file, as if they were typed.
pub(super) fn read_unattended(family: Family, out: &Out) -> Result<(), Gone> {
    let mut lines = Terminated::new(b'\n', family.max_payload() + 1);
    let mut buffer = vec![0; 4096];
    let each = |piece: Piece<'_>| give(piece.number, piece.bytes.to_vec(), family, out);
    loop {
        match io::stdin().read(&mut buffer) {
            Ok(0) => return lines.finish(each),
            Ok(len) => lines.push(&buffer[..len], each)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return broken(&error, out),
        }
    }
}

/// Hands a line on. `Gone` after the last one: it said to leave, or it is too long.
fn give(number: u64, line: Vec<u8>, family: Family, out: &Out) -> Result<(), Gone> {
    if line == LEAVE {
        return Err(Gone);
    }
    match Payload::new(line, family) {
        Ok(payload) => out.give(Pull::Record(Record::new(payload))),
        Err(TooLong { len, family }) => {
            out.give(Pull::Bad(RecordError::TooLong { number, len: len as u64, family })).and(Err(Gone))
        }
    }
}

fn broken(error: &dyn std::error::Error, out: &Out) -> Result<(), Gone> {
    out.give(Pull::Bad(RecordError::Unreadable { name: "standard input".to_owned(), why: error.to_string() }))
}

/// A prompt with what belongs to it.
pub(super) struct Prompt {
    /// Reads the lines.
    pub(super) editor: DefaultEditor,
    /// Writes data above the line being typed.
    pub(super) data: Above,
    /// Writes notes there.
    pub(super) notes: Above,
}

/// Opens the prompt.
///
/// # Errors
/// The terminal's.
pub(super) fn open() -> Result<Prompt, Error> {
    let opened = || -> Result<Prompt, ReadlineError> {
        terminal::keep();
        let mut editor = DefaultEditor::new()?;
        let data = Above::new(editor.create_external_printer()?, io::stdout());
        let notes = Above::new(editor.create_external_printer()?, io::stderr());
        Ok(Prompt { editor, data, notes })
    };
    opened().map_err(|error| Error::Input { name: "the terminal".to_owned(), why: error.to_string() })
}

/// Leaves the prompt before the last line: the thread at the prompt may never come to write it.
pub(super) struct Leaving(pub(super) Box<dyn Sink>);

impl Sink for Leaving {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        if matches!(event, Event::Summary(_)) {
            terminal::leave();
            self.0.flush()?;
        }
        self.0.event(now, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes whole lines above the line being typed, and behind it when there is no line any more.
pub(super) struct Above {
    printer: Box<dyn ExternalPrinter>,
    direct: Box<dyn Write>,
    held: Vec<u8>,
}

impl Above {
    fn new(printer: impl ExternalPrinter + 'static, direct: impl Write + 'static) -> Self {
        Self { printer: Box::new(printer), direct: Box::new(direct), held: Vec::new() }
    }
}

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        if terminal::is_left() {
            let written = self.direct.write_all(&self.held).and_then(|()| self.direct.flush());
            self.held.clear();
            return written;
        }
        // Everything that comes here was escaped for a terminal, so it is text.
        let lines = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        self.printer.print(lines).map_err(|error| io::Error::other(error.to_string()))
    }
}
