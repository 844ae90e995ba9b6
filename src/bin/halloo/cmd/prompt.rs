//! The prompt of `-i`: a line is a datagram, an empty line an empty one; `quit` or end-of-file leaves.

use std::io::{self, BufRead, IsTerminal, Write};

use halloo::engine::send::Pull;
use halloo::model::{Error, Family, Payload, Record, RecordError, TooLong};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::cmd::records::{Gone, Out};

/// What stands in front of the line that is typed.
const PROMPT: &str = "halloo> ";

/// Whether there is a person at the prompt. Without one the lines are read as they come.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// A line typed, or why there is none.
enum Typed {
    Line(String),
    Left,
    Broken(io::Error),
}

/// Reads lines until the person leaves.
pub(super) fn read(family: Family, out: &Out, editor: Option<DefaultEditor>) -> Result<(), Gone> {
    let mut next: Box<dyn FnMut() -> Typed> = match editor {
        Some(mut editor) => Box::new(move || from_editor(&mut editor)),
        None => Box::new(from_input),
    };
    loop {
        let line = match next() {
            Typed::Line(line) if line == "quit" => return Ok(()),
            Typed::Line(line) => line,
            Typed::Left => return Ok(()),
            Typed::Broken(error) => {
                let name = "standard input".to_owned();
                return out.give(Pull::Bad(RecordError::Unreadable { name, why: error.to_string() }));
            }
        };
        match Payload::new(line.into_bytes(), family) {
            Ok(payload) => out.give(Pull::Record(Record::new(payload)))?,
            Err(TooLong { len, family }) => {
                return out.give(Pull::Bad(RecordError::TooLong { number: 1, len: len as u64, family }));
            }
        }
    }
}

fn from_editor(editor: &mut DefaultEditor) -> Typed {
    match editor.readline(PROMPT) {
        Ok(line) => {
            // A history that cannot grow is a smaller comfort, not a failure.
            let _unheeded = editor.add_history_entry(line.as_str());
            Typed::Line(line)
        }
        Err(ReadlineError::Eof | ReadlineError::Interrupted) => Typed::Left,
        Err(ReadlineError::Io(error)) => Typed::Broken(error),
        Err(error) => Typed::Broken(io::Error::other(error.to_string())),
    }
}

fn from_input() -> Typed {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) => Typed::Left,
        Ok(_) => {
            let end = line.trim_end_matches('\n').len();
            line.truncate(end);
            Typed::Line(line)
        }
        Err(error) => Typed::Broken(error),
    }
}

/// A prompt, and two writers, for data and for notes, that write above the line being typed.
///
/// # Errors
/// The terminal's.
pub(super) fn open() -> Result<(DefaultEditor, Above, Above), Error> {
    let opened = || -> Result<_, ReadlineError> {
        let mut editor = DefaultEditor::new()?;
        let (data, notes) =
            (Above::new(editor.create_external_printer()?), Above::new(editor.create_external_printer()?));
        Ok((editor, data, notes))
    };
    opened().map_err(|error| Error::Input { name: "the terminal".to_owned(), why: error.to_string() })
}

/// Writes whole lines above the line being typed.
pub(super) struct Above {
    printer: Box<dyn ExternalPrinter>,
    held: Vec<u8>,
}

impl Above {
    fn new(printer: impl ExternalPrinter + 'static) -> Self {
        Self { printer: Box::new(printer), held: Vec::new() }
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
        // Everything that comes here was escaped for a terminal, so it is text.
        let lines = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        self.printer.print(lines).map_err(|error| io::Error::other(error.to_string()))
    }
}
