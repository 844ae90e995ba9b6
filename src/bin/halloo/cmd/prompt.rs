//! The prompt of `-i`: a line is a datagram, an empty line an empty one; `quit` or end-of-file leaves.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::mpsc::{SyncSender, sync_channel};

use halloo::engine::send::Pull;
use halloo::model::record::{Piece, Terminated};
use halloo::model::{Error, Event, Family, Now, Payload, Record, RecordError, Sink, TooLong};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::cmd::feed::{Gone, Out};
use crate::cmd::terminal;
use crate::report::{stderr, stdout};

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
    let result = read_lines(family, out, &mut editor);
    drop(editor);
    terminal::leave();
    result
}

fn read_lines(family: Family, out: &Out, editor: &mut DefaultEditor) -> Result<(), Gone> {
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
/// The terminal's, or that of a system without a thread to spare.
pub(super) fn open() -> Result<Prompt, Error> {
    let opened = || -> Result<Prompt, ReadlineError> {
        terminal::keep();
        let mut editor = DefaultEditor::new()?;
        let redraw = redrawing(editor.create_external_printer()?)?;
        let (data, notes) = (Above::new(redraw.clone(), stdout()), Above::new(redraw, stderr()));
        Ok(Prompt { editor, data, notes })
    };
    opened().map_err(|error| Error::Input { name: "the terminal".to_owned(), why: error.to_string() })
}

/// What makes the editor draw its line again and leaves nothing behind: a line up, and down again (ECMA-48 CUU).
const REDRAW: &str = "\x1b[A\n";

/// Has the editor draw its line again whenever it is asked to, from a thread of its own: the editor takes what it is told
/// when it comes to it, and the run must not wait for that, least of all while the editor waits for the run.
fn redrawing(mut printer: impl ExternalPrinter + Send + 'static) -> io::Result<SyncSender<()>> {
    let (ask, asked) = sync_channel(1);
    std::thread::Builder::new().spawn(move || {
        for () in asked {
            // An editor that is gone has no line.
            let _unheeded = printer.print(REDRAW.to_owned());
        }
    })?;
    Ok(ask)
}

/// Leaves the prompt before the last line: the thread at the prompt may never come to write it.
pub(super) struct Leaving(pub(super) Box<dyn Sink + Send>);

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

/// Writes whole lines where the line being typed stands, and has that drawn again below them. Once the prompt is over,
/// it just writes.
pub(super) struct Above {
    redraw: SyncSender<()>,
    out: Box<dyn Write + Send>,
    held: Vec<u8>,
}

/// Takes the line being typed off the screen (ECMA-48 EL).
const ERASE_LINE: &[u8] = b"\r\x1b[K";

impl Above {
    fn new(redraw: SyncSender<()>, out: impl Write + Send + 'static) -> Self {
        Self { redraw, out: Box::new(out), held: Vec::new() }
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
        let prompting = !terminal::is_left();
        if prompting {
            self.out.write_all(ERASE_LINE)?;
        }
        self.out.write_all(&self.held).and_then(|()| self.out.flush())?;
        self.held.clear();
        if prompting {
            // One that is asked for and not yet done will do for this as well.
            let _unheeded = self.redraw.try_send(());
        }
        Ok(())
    }
}
