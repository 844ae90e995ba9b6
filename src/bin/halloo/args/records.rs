//! What is sent: the records, each of them one datagram.

use std::path::PathBuf;

use clap::Args;
use halloo::model::Framing;

use super::refused::Mistake;
use super::values::{self, Bytes};

/// Where the records come from. One run has one kind of source.
#[derive(Args, Debug)]
#[command(next_help_heading = "Records (one kind a run; each record is one datagram)")]
#[group(skip)]
pub(crate) struct Records {
    /// Each PAYLOAD is one datagram; with none, the text "The time is ..." is sent
    ///
    /// The bytes go as typed, in the order typed. '' is an empty datagram. A PAYLOAD that begins with - stands behind --.
    /// The whole text is "The time is <local time, RFC 3339>".
    #[arg(value_name = "PAYLOAD", value_parser = values::bytes(), group = KIND, help_heading = None::<&str>)]
    payload: Vec<Bytes>,
    /// Read escapes in PAYLOAD: \n \r \t \0 \\ \" \' \xNN \u{...}
    #[arg(short, long, overrides_with = "escapes")]
    escapes: bool,
    /// Send the bytes of these hexadecimal digits; may be repeated
    ///
    /// Two digits are a byte; spaces, colons and hyphens may stand between bytes. Each STRING is one datagram.
    #[arg(long, value_name = "STRING", group = KIND)]
    hex: Vec<String>,
    /// Send the whole file as one datagram; may be repeated
    ///
    /// With --lines, --null, --chunk, --hex-lines or --jsonl, those records are read from the file instead of standard
    /// input.
    #[arg(
        long,
        value_name = "PATH",
        value_parser = values::input_file(),
        conflicts_with_all = ["payload", "hex", "empty", "size", "stdin", "interactive"]
    )]
    file: Vec<PathBuf>,
    /// Send all of standard input as one datagram
    ///
    /// Empty input is refused: it is mostly a command that failed.
    #[arg(long, group = KIND)]
    stdin: bool,
    /// Each line is a datagram, without its newline
    ///
    /// A blank line is an empty datagram. A line is sent as soon as it is complete.
    #[arg(long, group = KIND)]
    lines: bool,
    /// Records end with a zero byte, as find -print0 writes them
    #[arg(long, group = KIND)]
    null: bool,
    /// Cut the stream into datagrams of N bytes; the last is what is left
    ///
    /// N is 1 to 65507 over IPv4, to 65527 over IPv6; 8k is 8192.
    #[arg(long, value_name = "N", value_parser = values::chunk, group = KIND)]
    chunk: Option<usize>,
    /// Each line is a datagram in hexadecimal digits
    #[arg(long, group = KIND)]
    hex_lines: bool,
    /// Send what halloo listen --json recorded
    #[arg(long, group = KIND)]
    jsonl: bool,
    /// With --jsonl: keep the time that passed between the recorded datagrams
    #[arg(long)]
    timing: bool,
    /// Send one empty datagram: a header and no payload
    #[arg(long, group = KIND)]
    empty: bool,
    /// Send N bytes of a known pattern: byte i is i mod 251
    ///
    /// What is cut out, repeated or swapped on the way shows. A datagram carries at most 65507 bytes over IPv4, 65527 over
    /// IPv6; 8k is 8192.
    #[arg(long, value_name = "N", value_parser = values::size, group = KIND)]
    size: Option<usize>,
    /// Type the datagrams at a prompt, one a line
    ///
    /// The prompt has a history. "quit" or end-of-file leaves; an empty line is an empty datagram.
    #[arg(short, long, group = KIND)]
    interactive: bool,
    /// With --lines or --null: send the terminator as well
    #[arg(long)]
    keep_terminator: bool,
    /// With --lines: a carriage return before the newline belongs to it
    #[arg(long)]
    crlf: bool,
    /// A stream without any record is fine; otherwise it is exit code 3
    #[arg(long)]
    allow_none: bool,
}

/// The group of the kinds of source. It is exclusive; `--file` is not in it, because it goes with some of them.
const KIND: &str = "kind";

/// Where the records come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// Nothing was said: the text with the time.
    Time,
    /// The arguments, each one datagram.
    Payloads {
        /// In the order typed; there is at least one.
        texts: Vec<Bytes>,
        /// Whether escapes in them are read.
        escapes: bool,
    },
    /// Hexadecimal digits, each text one datagram. Not yet decoded: a bad one is a bad record.
    Hex(Vec<String>),
    /// Files, each one datagram.
    Files(Vec<PathBuf>),
    /// One empty datagram.
    Empty,
    /// One datagram of so many bytes of the pattern.
    Size(usize),
    /// A stream, split.
    Stream {
        /// How records stand in it.
        framing: Framing,
        /// Where it comes from.
        input: Input,
    },
    /// A recording of `listen --json`.
    Recording {
        /// Whether its gaps are kept.
        timing: bool,
        /// Where it comes from.
        input: Input,
    },
    /// The prompt.
    Interactive,
}

/// Where a stream comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Records {
    /// Where the records come from.
    pub(crate) fn source(&self) -> Source {
        if let Some(framing) = self.framing() {
            return Source::Stream { framing, input: self.input() };
        }
        if self.jsonl {
            return Source::Recording { timing: self.timing, input: self.input() };
        }
        if self.interactive {
            return Source::Interactive;
        }
        if let Some(size) = self.size {
            return Source::Size(size);
        }
        if self.empty {
            return Source::Empty;
        }
        if !self.file.is_empty() {
            return Source::Files(self.file.clone());
        }
        if !self.hex.is_empty() {
            return Source::Hex(self.hex.clone());
        }
        if !self.payload.is_empty() {
            return Source::Payloads { texts: self.payload.clone(), escapes: self.escapes };
        }
        Source::Time
    }

    /// Whether no record at all is fine. Whoever leaves the prompt without a word has done nothing wrong.
    pub(crate) const fn allow_none(&self) -> bool {
        self.allow_none || self.interactive
    }

    fn framing(&self) -> Option<Framing> {
        let keep = self.keep_terminator;
        if self.stdin {
            Some(Framing::Whole)
        } else if self.lines {
            Some(Framing::Terminated { by: b'\n', keep, crlf: self.crlf })
        } else if self.null {
            Some(Framing::Terminated { by: 0, keep, crlf: false })
        } else if self.hex_lines {
            Some(Framing::HexLines)
        } else {
            self.chunk.map(Framing::Chunk)
        }
    }

    fn input(&self) -> Input {
        self.file.first().map_or(Input::Stdin, |path| Input::File(path.clone()))
    }

    /// An option that says how to read a source needs that source: otherwise it would be ignored in silence.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        let refuse = |mistaken: bool, sentence: &str| if mistaken { Err(Mistake::new(sentence)) } else { Ok(()) };
        let split = self.lines || self.null || self.hex_lines || self.jsonl || self.chunk.is_some();
        refuse(self.timing && !self.jsonl, "--timing needs --jsonl: only a recording knows its gaps")?;
        refuse(self.crlf && !self.lines, "--crlf needs --lines: it says how a line ends")?;
        refuse(self.keep_terminator && !self.lines && !self.null, "--keep-terminator needs --lines or --null")?;
        refuse(
            self.escapes && self.payload.is_empty(),
            "--escapes needs a PAYLOAD: it is in there that escapes are read",
        )?;
        refuse(
            self.allow_none && !split,
            "--allow-none needs a stream: --lines, --null, --chunk, --hex-lines or --jsonl",
        )?;
        refuse(
            split && self.file.len() > 1,
            "a stream is read from one --file; --file alone, repeated, sends whole files",
        )
    }
}
