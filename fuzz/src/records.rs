//! What `send` reads: a stream is split at its framing and never where a read ended, as a naive splitter splits it whole;
//! escapes, hexadecimal digits and recordings are read or refused.

use arbitrary::Arbitrary;
use data_encoding::{BASE64, HEXLOWER};
use halloo::model::record::{decode_hex, unescape};
use halloo::model::{Family, Framing, RecordError, Splitter};

use crate::report::{failure, replay};

#[derive(Arbitrary, Debug)]
struct Input<'b> {
    framing: Framed,
    v6: bool,
    step: u16,
    /// How often the bytes are repeated: a short input reaches the length of a datagram.
    times: u8,
    bytes: &'b [u8],
}

#[derive(Arbitrary, Debug)]
enum Framed {
    Whole,
    Terminated { by: u8, keep: bool, crlf: bool },
    Chunk(u32),
    HexLines,
}

/// More than two of the longest datagrams.
const MOST: usize = 150_000;

/// Runs it.
pub fn run(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        texts(text);
    }
    input.split(|byte| *byte == b'\n').for_each(recording);
    let Some(input) = crate::made_of::<Input<'_>>(input) else { return };
    let family = if input.v6 { Family::V6 } else { Family::V4 };
    let times = repeated(input.times).min(1 + MOST / (1 + input.bytes.len()));
    let stream = input.bytes.repeat(times);
    let framing = match input.framing {
        Framed::Whole => Framing::Whole,
        Framed::Terminated { by, keep, crlf } => Framing::Terminated { by, keep, crlf },
        Framed::Chunk(size) => Framing::Chunk(size as usize),
        Framed::HexLines => Framing::HexLines,
    };
    let split = split(framing, family, &stream, usize::from(input.step).max(stream.len() / 1_000).max(1));
    compare(&split, framing, family, &stream);
}

/// Mostly a few times, for long streams are slow; the last numbers are powers of two.
fn repeated(times: u8) -> usize {
    match times {
        ..240 => 1 + usize::from(times) / 64,
        _ => 1 << (times - 238),
    }
}

type Split = (Vec<Vec<u8>>, Result<(), RecordError>);

/// Splits a stream that comes in pieces of `step` bytes.
fn split(framing: Framing, family: Family, stream: &[u8], step: usize) -> Split {
    let mut splitter = Splitter::new(framing, family);
    let mut records = Vec::new();
    let pushed = stream.chunks(step).try_for_each(|piece| splitter.push(piece, &mut records));
    let result = pushed.and_then(|()| splitter.finish(&mut records));
    (records.into_iter().map(|record| record.payload.bytes().to_vec()).collect(), result)
}

fn compare((records, result): &Split, framing: Framing, family: Family, stream: &[u8]) {
    let most = family.max_payload();
    assert!(records.iter().all(|record| record.len() <= most));
    result.as_ref().err().into_iter().for_each(told);
    let naive = match framing {
        Framing::Whole => vec![Some(stream.to_vec())],
        Framing::Chunk(size) => stream.chunks(size.max(1)).map(|chunk| Some(chunk.to_vec())).collect(),
        Framing::Terminated { by, keep, crlf } => lines(stream, by, keep, crlf).into_iter().map(Some).collect(),
        Framing::HexLines => lines(stream, b'\n', false, false).iter().map(|line| hex(line)).collect(),
    };
    // Up to the first one that cannot be sent; an empty stream is no record of its own accord.
    let good: Vec<Vec<u8>> = naive.iter().map_while(|record| record.clone().filter(|r| r.len() <= most)).collect();
    match result {
        Err(RecordError::EmptyInput) => assert!(framing == Framing::Whole && stream.is_empty()),
        Ok(()) => assert!(*records == good && good.len() == naive.len(), "{framing:?}"),
        // A line of digits with many separators may be longer than is kept of one.
        Err(RecordError::TooLong { .. }) if framing == Framing::HexLines => assert!(good.starts_with(records)),
        Err(error) => {
            assert!(*records == good && good.len() < naive.len(), "{framing:?}: {error}");
            assert_eq!(number(error), good.len() as u64 + 1);
        }
    }
}

/// The lines of a whole stream; what stands behind the last terminator is one as well, unless it is empty.
fn lines(stream: &[u8], by: u8, keep: bool, crlf: bool) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = stream.split_inclusive(|byte| *byte == by).map(<[u8]>::to_vec).collect();
    for line in lines.iter_mut().filter(|line| !keep && line.last() == Some(&by)) {
        line.pop();
        if crlf && line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    lines
}

fn hex(line: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = line.iter().copied().filter(|b| !b" \t\n\r\x0c:-".contains(b)).collect();
    HEXLOWER.decode(&digits.to_ascii_lowercase()).ok()
}

fn number(error: &RecordError) -> u64 {
    match error {
        RecordError::TooLong { number, .. } | RecordError::Hex { number, .. } => *number,
        error => panic!("{error}"),
    }
}

fn texts(text: &str) {
    if let Ok(bytes) = decode_hex(text) {
        assert_eq!(decode_hex(&HEXLOWER.encode(&bytes)), Ok(bytes));
    }
    match unescape(text) {
        Ok(bytes) => assert!(bytes.len() <= text.len() && (text.contains('\\') || bytes == text.as_bytes())),
        Err(error) => told(&error),
    }
}

/// What is said of a bad record quotes strangers, and can be shown.
fn told(error: &RecordError) {
    let text = failure::record(error);
    assert!(crate::is_harmless(&text), "{text:?}");
}

/// A line that gives a datagram gives the same one when it is written as plainly as can be.
fn recording(line: &[u8]) {
    match replay(line, Family::V4) {
        Ok(None) => {}
        Ok(Some(read)) => {
            let plain = format!(r#"{{"data_b64":"{}"}}"#, BASE64.encode(read.payload.bytes()));
            let again = replay(plain.as_bytes(), Family::V4);
            assert_eq!(again.map(|read| read.map(|read| read.payload)), Ok(Some(read.payload)));
        }
        Err(why) => told(&RecordError::Recording { number: 1, why }),
    }
}
