//! How a stream of bytes becomes records, each of them one datagram.
//!
//! A record ends where its framing says and nowhere else: never where a read happened to end.

use std::time::Duration;

use crate::model::{Family, Payload, TooLong};

/// One datagram to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its bytes.
    pub payload: Payload<'static>,
    /// The time to leave between the record before it and this one, where a recording tells.
    pub gap: Option<Duration>,
}

impl Record {
    /// A record without a gap.
    pub const fn new(payload: Payload<'static>) -> Self {
        Self { payload, gap: None }
    }
}

/// How records stand in a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// The whole stream is one record.
    Whole,
    /// A byte ends each record; what stands behind the last one is a record too, unless it is empty.
    Terminated {
        /// The byte.
        by: u8,
        /// Whether the terminator is sent as well.
        keep: bool,
        /// Whether a carriage return in front of the terminator belongs to it.
        crlf: bool,
    },
    /// Every record has so many bytes, the last one what is left. 0 counts as 1, or no record would ever end.
    Chunk(usize),
    /// A line holds one record as hexadecimal digits.
    HexLines,
}

/// A record that cannot be sent. Nothing of it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Longer than a datagram.
    #[error("record {number} is {len} bytes; a UDP datagram over {family} carries at most {}", family.max_payload())]
    TooLong {
        /// Its number, from 1: the line, where records are lines.
        number: u64,
        /// Its bytes.
        len: u64,
        /// The IP version.
        family: Family,
    },
    /// Not hexadecimal.
    #[error("record {number} is not hexadecimal: {why}")]
    Hex {
        /// Its number, from 1.
        number: u64,
        /// What is wrong.
        why: String,
    },
    /// Not a line of a recording.
    #[error("line {number} is not a recorded datagram: {why}")]
    Recording {
        /// Its number, from 1.
        number: u64,
        /// What is wrong.
        why: String,
    },
    /// An escape that means nothing.
    #[error("{text:?} has an escape that means nothing: {escape}")]
    Escape {
        /// What was typed.
        text: String,
        /// The escape.
        escape: String,
    },
    /// A stream that broke.
    #[error("cannot read {name}: {why}")]
    Unreadable {
        /// The file, or `standard input`.
        name: String,
        /// What the system says.
        why: String,
    },
    /// A whole stream that turned out empty.
    #[error("standard input was empty")]
    EmptyInput,
    /// A stream without any record.
    #[error("the input held no record")]
    NoRecord,
}

/// Splits a stream at a terminator, however it arrives, in bounded memory.
#[derive(Debug)]
pub struct Terminated {
    by: u8,
    limit: usize,
    held: Vec<u8>,
    /// Bytes beyond the limit, counted and not kept.
    beyond: u64,
    number: u64,
}

/// A piece of a stream between terminators.
#[derive(Debug, Eq, PartialEq)]
pub struct Piece<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes without the terminator, as far as the limit allows to keep them.
    pub bytes: &'a [u8],
    /// How many there were.
    pub len: u64,
    /// Whether a terminator ended it, rather than the end of the stream.
    pub ended: bool,
}

impl Terminated {
    /// Splits at `by` and keeps at most `limit` bytes of a piece.
    pub const fn new(by: u8, limit: usize) -> Self {
        Self { by, limit, held: Vec::new(), beyond: 0, number: 0 }
    }

    /// Takes more of the stream and hands over every piece that it completes.
    ///
    /// # Errors
    /// The first error of `each`; what came behind it is lost, since the run ends.
    pub fn push<E>(&mut self, mut bytes: &[u8], mut each: impl FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        while let Some(end) = bytes.iter().position(|b| *b == self.by) {
            self.hold(&bytes[..end]);
            self.give(true, &mut each)?;
            bytes = &bytes[end + 1..];
        }
        self.hold(bytes);
        Ok(())
    }

    /// The stream is over: hands over what stands behind the last terminator, if anything does.
    ///
    /// # Errors
    /// That of `each`.
    pub fn finish<E>(&mut self, mut each: impl FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.held.is_empty() { Ok(()) } else { self.give(false, &mut each) }
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.held.len()).min(bytes.len());
        self.held.extend_from_slice(&bytes[..room]);
        self.beyond += (bytes.len() - room) as u64;
    }

    fn give<E>(&mut self, ended: bool, each: &mut impl FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        self.number += 1;
        let len = self.held.len() as u64 + self.beyond;
        let result = each(Piece { number: self.number, bytes: &self.held, len, ended });
        self.held.clear();
        self.beyond = 0;
        result
    }
}

/// Turns a stream into records.
///
/// ```
/// use halloo::model::{Family, Framing, Splitter};
///
/// let lines = Framing::Terminated { by: b'\n', keep: false, crlf: false };
/// let mut splitter = Splitter::new(lines, Family::V4);
/// let mut records = Vec::new();
/// splitter.push(b"one\n\nthr", &mut records)?;
/// assert_eq!(records.len(), 2); // "one" and an empty datagram; the half line waits
/// splitter.push(b"ee\n", &mut records)?;
/// splitter.finish(&mut records)?;
/// assert_eq!(records[2].payload.bytes(), b"three");
/// # Ok::<(), halloo::model::RecordError>(())
/// ```
#[derive(Debug)]
pub struct Splitter {
    family: Family,
    how: How,
}

#[derive(Debug)]
enum How {
    Whole { held: Vec<u8>, len: u64 },
    Terminated { lines: Terminated, keep: bool, crlf: bool },
    Chunk { held: Vec<u8>, size: usize, number: u64 },
    HexLines(Terminated),
}

/// A byte in hexadecimal takes two digits and, generously, two separators.
const HEX_PER_BYTE: usize = 4;

impl Splitter {
    /// Splits by `framing` into payloads of `family`.
    pub fn new(framing: Framing, family: Family) -> Self {
        let limit = family.max_payload();
        let how = match framing {
            Framing::Whole => How::Whole { held: Vec::new(), len: 0 },
            // Two bytes more than a payload: a carriage return that may be taken off, and one that shows the excess.
            Framing::Terminated { by, keep, crlf } => {
                How::Terminated { lines: Terminated::new(by, limit + 2), keep, crlf }
            }
            Framing::Chunk(size) => How::Chunk { held: Vec::new(), size: size.max(1), number: 0 },
            Framing::HexLines => How::HexLines(Terminated::new(b'\n', limit * HEX_PER_BYTE)),
        };
        Self { family, how }
    }

    /// Takes more of the stream and adds every record that it completes.
    ///
    /// # Errors
    /// A record that cannot be sent. The records before it were added; the stream ends here.
    pub fn push(&mut self, bytes: &[u8], records: &mut Vec<Record>) -> Result<(), RecordError> {
        let family = self.family;
        match &mut self.how {
            How::Whole { held, len } => {
                let room = family.max_payload().saturating_sub(held.len()).min(bytes.len());
                held.extend_from_slice(&bytes[..room]);
                *len += bytes.len() as u64;
                Ok(())
            }
            How::Terminated { lines, keep, crlf } => {
                let (by, keep, crlf) = (lines.by, *keep, *crlf);
                lines.push(bytes, |piece| add_line(&piece, by, keep, crlf, family, records))
            }
            How::Chunk { held, size, number } => {
                held.extend_from_slice(bytes);
                let whole = held.len() - held.len() % *size;
                for chunk in held[..whole].chunks(*size) {
                    *number += 1;
                    records.push(record(*number, chunk.to_vec(), family)?);
                }
                held.drain(..whole);
                Ok(())
            }
            How::HexLines(lines) => lines.push(bytes, |piece| add_hex(&piece, family, records)),
        }
    }

    /// The stream is over: adds what is left.
    ///
    /// # Errors
    /// A record that cannot be sent; [`RecordError::EmptyInput`] when a whole stream had no byte.
    pub fn finish(&mut self, records: &mut Vec<Record>) -> Result<(), RecordError> {
        let family = self.family;
        match &mut self.how {
            How::Whole { len: 0, .. } => Err(RecordError::EmptyInput),
            How::Whole { held, len } => {
                if *len > family.max_payload() as u64 {
                    return Err(RecordError::TooLong { number: 1, len: *len, family });
                }
                records.push(record(1, std::mem::take(held), family)?);
                Ok(())
            }
            How::Terminated { lines, keep, crlf } => {
                let (by, keep, crlf) = (lines.by, *keep, *crlf);
                lines.finish(|piece| add_line(&piece, by, keep, crlf, family, records))
            }
            How::Chunk { held, number, .. } => {
                if !held.is_empty() {
                    records.push(record(*number + 1, std::mem::take(held), family)?);
                }
                Ok(())
            }
            How::HexLines(lines) => lines.finish(|piece| add_hex(&piece, family, records)),
        }
    }
}

fn record(number: u64, bytes: Vec<u8>, family: Family) -> Result<Record, RecordError> {
    Payload::new(bytes, family).map(Record::new).map_err(|TooLong { len, family }| RecordError::TooLong {
        number,
        len: len as u64,
        family,
    })
}

fn add_line(
    piece: &Piece<'_>,
    by: u8,
    keep: bool,
    crlf: bool,
    family: Family,
    records: &mut Vec<Record>,
) -> Result<(), RecordError> {
    let taken_off = u64::from(crlf && piece.ended && piece.bytes.last() == Some(&b'\r'));
    let added = if keep && piece.ended { 1 + taken_off } else { 0 };
    let len = piece.len - taken_off + added;
    if len > family.max_payload() as u64 {
        return Err(RecordError::TooLong { number: piece.number, len, family });
    }
    let mut bytes = piece.bytes.to_vec();
    if keep && piece.ended {
        bytes.push(by);
    } else if taken_off == 1 {
        bytes.pop();
    }
    records.push(record(piece.number, bytes, family)?);
    Ok(())
}

fn add_hex(piece: &Piece<'_>, family: Family, records: &mut Vec<Record>) -> Result<(), RecordError> {
    let number = piece.number;
    if piece.len > piece.bytes.len() as u64 {
        // Not all of it was kept; at two digits a byte it is too long even without separators.
        return Err(RecordError::TooLong { number, len: piece.len / 2, family });
    }
    let text = String::from_utf8_lossy(piece.bytes);
    let bytes = decode_hex(&text).map_err(|why| RecordError::Hex { number, why })?;
    records.push(record(number, bytes, family)?);
    Ok(())
}

/// Reads hexadecimal digits, two a byte; white space, colons and hyphens may stand between bytes.
///
/// # Errors
/// What is wrong, in words.
pub fn decode_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace() && !":-".contains(*c)).collect();
    if let Some(stranger) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("{stranger:?} is not a hexadecimal digit"));
    }
    if digits.len() % 2 == 1 {
        return Err(format!("{} digits are no whole number of bytes", digits.len()));
    }
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|error| error.to_string())
}

/// Reads the escapes `\n \r \t \0 \\ \" \' \xNN \u{...}`; every other character is itself.
///
/// # Errors
/// [`RecordError::Escape`] for any other escape.
pub fn unescape(text: &str) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = one_escape(&rest[at..], &mut bytes)
            .map_err(|escape| RecordError::Escape { text: text.to_owned(), escape: escape.to_owned() })?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Reads the escape that `text` begins with and returns what stands behind it, or the escape that means nothing.
fn one_escape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, &'a str> {
    let mut chars = text.chars();
    chars.next();
    let (letter, behind) = (chars.next(), chars.as_str());
    let simple = match letter {
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('0') => 0,
        Some(same @ ('\\' | '"' | '\'')) => same as u8,
        Some('x') => {
            let digits = behind.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
            bytes.push(byte.ok_or_else(|| text.get(..4).unwrap_or(text))?);
            return Ok(&behind[2..]);
        }
        Some('u') => return unicode_escape(text, behind, bytes),
        Some(other) => return Err(&text[..1 + other.len_utf8()]),
        None => return Err(text),
    };
    bytes.push(simple);
    Ok(behind)
}

fn unicode_escape<'a>(text: &'a str, behind: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, &'a str> {
    let inside = behind.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let read = inside.and_then(|(digits, behind)| {
        // The standard reader of numbers takes a sign as well.
        let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let digits = plain.then_some(digits)?;
        let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
        Some((character, behind))
    });
    let (character, behind) = read.ok_or(text)?;
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: Framing = Framing::Terminated { by: b'\n', keep: false, crlf: false };

    /// Splits `stream`, handed over in pieces of `step` bytes.
    fn split(framing: Framing, stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut splitter = Splitter::new(framing, Family::V4);
        let mut records = Vec::new();
        for piece in stream.chunks(step.max(1)) {
            splitter.push(piece, &mut records)?;
        }
        splitter.finish(&mut records)?;
        Ok(records.iter().map(|r| r.payload.bytes().to_vec()).collect())
    }

    #[test]
    fn a_blank_line_is_an_empty_datagram_and_the_end_is_none() {
        assert_eq!(split(LINES, b"a\n\nb\n", 1).unwrap(), [&b"a"[..], b"", b"b"]);
        assert_eq!(split(LINES, b"a\nb", 9).unwrap(), [b"a", b"b"]);
        assert!(split(LINES, b"", 1).unwrap().is_empty());
    }

    #[test]
    fn terminators_are_kept_only_when_asked() {
        let kept = Framing::Terminated { by: 0, keep: true, crlf: false };
        assert_eq!(split(kept, b"a\0\0b", 2).unwrap(), [&b"a\0"[..], b"\0", b"b"]);
        assert_eq!(split(LINES, b"a\r\n", 2).unwrap(), [b"a\r"]);
        let crlf = Framing::Terminated { by: b'\n', keep: false, crlf: true };
        assert_eq!(split(crlf, b"a\r\nb\n\r\n", 1).unwrap(), [&b"a"[..], b"b", b""]);
        let both = Framing::Terminated { by: b'\n', keep: true, crlf: true };
        assert_eq!(split(both, b"a\r\n", 1).unwrap(), [b"a\r\n"]);
    }

    #[test]
    fn the_longest_line_goes_and_one_byte_more_is_refused_with_number_and_length() {
        let long = [b"x\n".to_vec(), vec![b'y'; 65_507], b"\n".to_vec()].concat();
        assert_eq!(split(LINES, &long, 4096).unwrap()[1].len(), 65_507);
        let longer = [b"x\n".to_vec(), vec![b'y'; 70_000], b"\nz\n".to_vec()].concat();
        let refused = RecordError::TooLong { number: 2, len: 70_000, family: Family::V4 };
        assert_eq!(split(LINES, &longer, 4096), Err(refused));
    }

    #[test]
    fn crlf_and_kept_terminators_count_at_the_limit() {
        let crlf = Framing::Terminated { by: b'\n', keep: false, crlf: true };
        let line = [vec![b'y'; 65_507], b"\r\n".to_vec()].concat();
        assert_eq!(split(crlf, &line, 1000).unwrap()[0].len(), 65_507);
        let keep = Framing::Terminated { by: b'\n', keep: true, crlf: false };
        let line = [vec![b'y'; 65_507], b"\n".to_vec()].concat();
        let refused = RecordError::TooLong { number: 1, len: 65_508, family: Family::V4 };
        assert_eq!(split(keep, &line, 1000), Err(refused));
    }

    #[test]
    fn a_whole_stream_is_one_record_and_an_empty_one_is_refused() {
        assert_eq!(split(Framing::Whole, b"a\nb\0", 1).unwrap(), [b"a\nb\0"]);
        assert_eq!(split(Framing::Whole, b"", 1), Err(RecordError::EmptyInput));
        let refused = RecordError::TooLong { number: 1, len: 65_508, family: Family::V4 };
        assert_eq!(split(Framing::Whole, &[0; 65_508], 999), Err(refused));
    }

    #[test]
    fn a_chunk_of_nothing_is_one_of_a_byte() {
        assert_eq!(split(Framing::Chunk(0), b"ab", 2).unwrap(), [b"a", b"b"]);
    }

    #[test]
    fn hexadecimal_lines() {
        let lines = b"00ff\n\n0A:0b 0c-0D\n";
        assert_eq!(split(Framing::HexLines, lines, 3).unwrap(), [&[0, 255][..], &[], &[10, 11, 12, 13]]);
        for bad in ["0\n", "0g\n", "00 1\n"] {
            assert!(matches!(split(Framing::HexLines, bad.as_bytes(), 1), Err(RecordError::Hex { number: 1, .. })));
        }
    }

    #[test]
    fn escapes() {
        let read = |text: &str| unescape(text).unwrap();
        assert_eq!(read(r#"a\n\r\t\0\\\"\'"#), b"a\n\r\t\0\\\"'");
        assert_eq!(read(r"\xff\x00z"), b"\xff\x00z");
        assert_eq!(read(r"\u{4f60}\u{1f44b}"), "你👋".as_bytes());
        assert_eq!(read("你好"), "你好".as_bytes());
        for bad in [r"\q", r"\", r"\x1", r"\xg0", r"\x+1", r"\u{110000}", r"\u{+41}", r"\u{}", r"\u12", r"\你"] {
            assert!(matches!(unescape(bad), Err(RecordError::Escape { .. })), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_boundary_is_the_record_and_never_the_read(
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>().prop_filter("", |b| *b != 10), 0..50), 0..20),
            step in 1usize..70,
        ) {
            let stream: Vec<u8> = lines.iter().flat_map(|l| l.iter().copied().chain([b'\n'])).collect();
            prop_assert_eq!(split(LINES, &stream, step).unwrap(), lines);
        }

        #[test]
        fn chunks_lose_nothing_and_are_full_but_for_the_last(
            stream in proptest::collection::vec(any::<u8>(), 0..500), size in 1usize..60, step in 1usize..70,
        ) {
            let chunks = split(Framing::Chunk(size), &stream, step).unwrap();
            let (last, full) = chunks.split_last().map_or((0, &[][..]), |(l, f)| (l.len(), f));
            prop_assert!(full.iter().all(|c| c.len() == size) && last <= size);
            prop_assert_eq!(chunks.concat(), stream);
        }

        #[test]
        fn hexadecimal_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decode_hex(&data_encoding::HEXUPPER.encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _: Result<_, _> = unescape(&text);
            let _: Result<_, _> = decode_hex(&text);
        }
    }
}
