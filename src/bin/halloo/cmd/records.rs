//! Where the datagrams of `send` and `broadcast` come from.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use halloo::engine::send::Pull;
use halloo::model::record::{Piece, Terminated, decode_hex, unescape};
use halloo::model::{Error, Family, Framing, Payload, Record, RecordError, Sink, Splitter, TooLong};
use halloo::net::Waker;

use crate::args::{Bytes, Input, Source};
use crate::cmd::feed::{Feed, Gone, Out, in_thread};
use crate::cmd::prompt::{self, Leaving, Prompt};
use crate::cmd::run::{Output, now};
use crate::report::{self, Style, clock};

/// Opens the source, and the report: where a person types, its lines go above the prompt. What is complete is checked
/// whole, before anything is sent.
///
/// # Errors
/// A record that no datagram carries, or a file that cannot be read.
pub(super) fn open(
    source: Source,
    family: Family,
    output: &Output,
    style: Style,
    waker: impl FnOnce() -> Result<Waker, Error>,
) -> Result<(Feed, Box<dyn Sink + Send>), Error> {
    if source == Source::Interactive && prompt::is_possible() {
        let Prompt { editor, data, notes } = prompt::open()?;
        let sink = Box::new(Leaving(output.sink_to(style, data, notes)));
        let feed = in_thread(waker()?, move |out| prompt::read(family, out, editor))?;
        return Ok((feed, sink));
    }
    Ok((feed(source, family, waker)?, output.sink(style)))
}

fn feed(source: Source, family: Family, waker: impl FnOnce() -> Result<Waker, Error>) -> Result<Feed, Error> {
    let ready = |records: Vec<Record>| Ok(Feed::Ready(records.into_iter()));
    match source {
        Source::Time => ready(vec![the_time(family)?]),
        Source::Payloads { texts, escapes } => ready(each(texts, |text| typed(text, escapes, family))?),
        Source::Hex(texts) => ready(numbered(texts, |number, text| hex(number, &text, family))?),
        Source::Files(paths) => ready(each(paths, |path| whole_file(&path, family))?),
        Source::Empty => ready(vec![Record::new(Payload::empty())]),
        Source::Size(size) => ready(vec![Record::new(Payload::pattern(size, family)?)]),
        Source::Stream { framing, input } => {
            let input = open_input(&input)?;
            in_thread(waker()?, move |out| split(input, framing, family, out))
        }
        Source::Recording { timing, input } => {
            let input = open_input(&input)?;
            in_thread(waker()?, move |out| replay(input, timing, family, out))
        }
        Source::Interactive => in_thread(waker()?, move |out| prompt::read_unattended(family, out)),
    }
}

/// Whether reading the source may take as long as somebody else likes.
pub(super) const fn may_take_long(source: &Source) -> bool {
    matches!(source, Source::Stream { .. } | Source::Recording { .. } | Source::Interactive)
}

fn each<T>(all: Vec<T>, record: impl Fn(T) -> Result<Record, Error>) -> Result<Vec<Record>, Error> {
    all.into_iter().map(record).collect()
}

fn numbered<T>(all: Vec<T>, record: impl Fn(u64, T) -> Result<Record, Error>) -> Result<Vec<Record>, Error> {
    (1..).zip(all).map(|(number, one)| record(number, one)).collect()
}

fn the_time(family: Family) -> Result<Record, Error> {
    let text = format!("The time is {}", clock::local(now().wall));
    Ok(Record::new(Payload::new(text.into_bytes(), family)?))
}

fn typed(Bytes(bytes): Bytes, escapes: bool, family: Family) -> Result<Record, Error> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if escapes => unescape(&text)?,
        Ok(text) => text.into_bytes(),
        // Escapes are text; bytes that are none have no escapes.
        Err(error) => error.into_bytes(),
    };
    Ok(Record::new(Payload::new(bytes, family)?))
}

fn hex(number: u64, text: &str, family: Family) -> Result<Record, Error> {
    let bytes = decode_hex(text).map_err(|why| RecordError::Hex { number, why })?;
    Ok(Record::new(Payload::new(bytes, family)?))
}

/// Reads a file that is to be one datagram, and no more of it than tells that it is too long.
fn whole_file(path: &Path, family: Family) -> Result<Record, Error> {
    let name = path.display().to_string();
    let unreadable = |error: io::Error| Error::Input { name, why: error.to_string() };
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file);
    let len = metadata.map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(usize::MAX));
    if len > family.max_payload() {
        return Err(TooLong { len, family }.into());
    }
    let mut bytes = Vec::new();
    let limit = family.max_payload() as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(Record::new(Payload::new(bytes, family)?))
}

/// A stream with the name to call it by.
struct Named {
    name: String,
    stream: Box<dyn Read + Send>,
}

fn open_input(input: &Input) -> Result<Named, Error> {
    match input {
        Input::Stdin => Ok(Named { name: "standard input".to_owned(), stream: Box::new(io::stdin()) }),
        Input::File(path) => {
            let name = path.display().to_string();
            match File::open(path) {
                Ok(file) => Ok(Named { name, stream: Box::new(file) }),
                Err(error) => Err(Error::Input { name, why: error.to_string() }),
            }
        }
    }
}

/// Bytes read at a time: what a pipe holds (pipe(7)).
const READ: usize = 65_536;

/// Reads a stream to its end, piece by piece.
fn read_all(input: Named, out: &Out, mut take: impl FnMut(&[u8]) -> Result<(), Gone>) -> Result<(), Gone> {
    let Named { name, mut stream } = input;
    let mut buffer = vec![0; READ];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => take(&buffer[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                out.give(Pull::Bad(RecordError::Unreadable { name, why: error.to_string() }))?;
                return Err(Gone);
            }
        }
    }
}

/// Hands on the records, then the error that ended them.
fn hand_on(records: &mut Vec<Record>, result: Result<(), RecordError>, out: &Out) -> Result<(), Gone> {
    for record in records.drain(..) {
        out.give(Pull::Record(record))?;
    }
    match result {
        Ok(()) => Ok(()),
        Err(error) => out.give(Pull::Bad(error)).and(Err(Gone)),
    }
}

fn split(input: Named, framing: Framing, family: Family, out: &Out) -> Result<(), Gone> {
    let mut splitter = Splitter::new(framing, family);
    let mut records = Vec::new();
    read_all(input, out, |bytes| {
        let result = splitter.push(bytes, &mut records);
        hand_on(&mut records, result, out)
    })?;
    let result = splitter.finish(&mut records);
    hand_on(&mut records, result, out)
}

/// The longest line of a recording: every payload byte as a six-byte escape, and room for the other keys.
const LONGEST_LINE: usize = 6 * 65_527 + 4_096;

fn replay(input: Named, timing: bool, family: Family, out: &Out) -> Result<(), Gone> {
    let mut lines = Terminated::new(b'\n', LONGEST_LINE);
    let mut last = None;
    read_all(input, out, |bytes| lines.push(bytes, |piece| replay_line(&piece, timing, family, &mut last, out)))?;
    lines.finish(|piece| replay_line(&piece, timing, family, &mut last, out))
}

fn replay_line(
    piece: &Piece<'_>,
    timing: bool,
    family: Family,
    last: &mut Option<SystemTime>,
    out: &Out,
) -> Result<(), Gone> {
    if piece.bytes.trim_ascii().is_empty() && piece.len == piece.bytes.len() as u64 {
        return Ok(());
    }
    match report::replay(piece.bytes, family) {
        Ok(None) => Ok(()),
        Ok(Some(replayed)) => {
            let passed = last.zip(replayed.stamp).and_then(|(last, time)| time.duration_since(last).ok());
            *last = replayed.stamp.or(*last);
            out.give(Pull::Record(Record { payload: replayed.payload, gap: passed.filter(|_| timing) }))
        }
        Err(why) => {
            let bad = RecordError::Recording { number: piece.number, why };
            out.give(Pull::Bad(bad)).and(Err(Gone))
        }
    }
}
