//! Events become lines: the room for words, columns and formats.
//!
//! - [`human`]: lines for people; data on one writer, notes on another. [`rows`] holds the layout of the lines.
//! - [`responders`]: the table of who answered. [`live`]: a line on the terminal that says how far a run is.
//! - [`services`]: the services that were found. [`board`]: the same on a terminal, kept up to date. [`columns`]: how wide a
//!   text is there.
//! - [`json`]: one JSON object per event, its schema, and reading a recording back.
//! - [`raw`]: payload bytes alone.
//! - [`pcap`]: a capture file for Wireshark and tcpdump.
//! - [`junit`]: a file for those who collect test results.
//! - [`queue`]: a thread that writes what was told, so that nobody waits for a reader. [`named`]: writers that say what they
//!   write.
//! - [`failure`]: an error as a sentence, with what to do now. [`notice`]: the same for what is no error.
//! - [`wrap`]: both broken at words, to the width of a terminal.
//! - [`lessons`]: which lesson shows what went wrong.
//! - [`words`]: what things are called, for people and in JSON.
//! - [`escape`]: bytes made safe for a terminal. [`clock`]: times as text.
//!
//! Every sink buffers by itself and writes out in `flush`, which the run calls before each wait. A writer that fails,
//! such as a closed pipe, fails the sink; what that means is for the caller to say.

mod board;
pub(crate) mod clock;
mod columns;
pub(crate) mod escape;
pub(crate) mod failure;
mod headers;
mod hexdump;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod lessons;
mod live;
mod named;
mod notice;
pub(crate) mod pcap;
mod queue;
pub(crate) mod raw;
mod responders;
mod rows;
mod services;
mod summary;
mod words;
mod wrap;

use std::io;

use halloo::model::{Event, Now, Sink};

pub(crate) use board::Board;
pub(crate) use human::Human;
pub(crate) use json::{Json, replay};
pub(crate) use live::Live;
pub(crate) use named::{Named, not_written, stderr, stdout};
pub(crate) use pcap::Pcap;
pub(crate) use queue::Queue;
pub(crate) use raw::{Frame, Raw};
pub(crate) use services::{Part, Print, Told};
pub(crate) use wrap::wrapped;

/// How the lines for people look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Which command's layout.
    pub(crate) style: Style,
    /// How payloads are shown.
    pub(crate) show: Show,
    /// Only `listening on ...`, the summary, and what went wrong.
    pub(crate) quiet: bool,
    /// Also time to live, buffers, and what a server did not answer and why.
    pub(crate) verbose: bool,
    /// How many characters of a payload are shown as text.
    pub(crate) preview: usize,
    /// Whether the round-trip times of a responder are drawn.
    pub(crate) histogram: bool,
    /// How many characters of a table fit on a line; `None` where nobody would break it, as in a pipe.
    pub(crate) width: Option<usize>,
    /// The same of notes, which are broken at words.
    pub(crate) notes_width: Option<usize>,
}

impl Options {
    /// Characters of a payload that still let a line be read as one.
    pub(crate) const PREVIEW: usize = 64;

    /// The usual lines of a command.
    pub(crate) const fn new(style: Style) -> Self {
        Self {
            style,
            show: Show::Text,
            quiet: false,
            verbose: false,
            preview: Self::PREVIEW,
            histogram: false,
            width: None,
            notes_width: None,
        }
    }
}

/// Which command's layout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    /// One destination: `sent 38 B 127.0.0.1:51822 -> 127.0.0.1:1060 lo`.
    Send,
    /// A row for each interface, then the answers.
    Broadcast,
    /// A line for each answer, a table of who answered.
    Ping,
    /// A line for each datagram that comes, with its time.
    Receive,
    /// A table of interfaces.
    Interfaces,
    /// A line for each lesson.
    Learn,
    /// What is announced, and what becomes of questions.
    Announce,
    /// A table of services, or a line for each change.
    Discover,
}

/// How payloads are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Show {
    /// As escaped text in quotes, cut where it gets long.
    Text,
    /// As a hexadecimal dump of all of it, beneath the line.
    Hex,
    /// Not at all.
    None,
}

/// Gives every event to two sinks.
pub(crate) struct Tee(pub(crate) Box<dyn Sink + Send>, pub(crate) Box<dyn Sink + Send>);

impl Sink for Tee {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        // Both get it, even if the first fails: a closed pipe must not cut the capture file short.
        let first = self.0.event(now, event);
        self.1.event(now, event)?;
        first
    }

    fn flush(&mut self) -> io::Result<()> {
        let first = self.0.flush();
        self.1.flush()?;
        first
    }
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::samples::{self, Pages};
    use super::*;
    use halloo::model::Datagram;
    use halloo::model::event::Received;

    #[test]
    fn no_format_allocates_for_a_datagram() {
        let text: Vec<u8> = (32..255).collect();
        let plain = samples::datagram(b"hello");
        let lan =
            Datagram { source: "[fe80::1%2]:1060".parse().unwrap(), destination: None, ..samples::datagram(&text) };
        let sent = samples::sent();
        let shown = |show, verbose| Options { show, verbose, ..Options::new(Style::Receive) };
        let sinks: [Box<dyn Sink>; 8] = [
            Box::new(Human::new(shown(Show::Text, true), io::sink(), io::sink())),
            Box::new(Human::new(shown(Show::Hex, false), io::sink(), io::sink())),
            Box::new(Human::new(shown(Show::None, false), io::sink(), io::sink())),
            Box::new(Human::new(Options { quiet: true, ..shown(Show::Text, false) }, io::sink(), io::sink())),
            Box::new(Json::new(io::sink(), io::sink())),
            Box::new(Raw::new(Frame::Len32, shown(Show::None, false), io::sink(), io::sink())),
            Box::new(Pcap::new(io::sink()).unwrap()),
            Box::new(Human::new(Options::new(Style::Send), io::sink(), io::sink())),
        ];
        for (number, mut sink) in sinks.into_iter().enumerate() {
            let mut tell = |times: u64| {
                for seq in 0..times {
                    for datagram in [&plain, &lan] {
                        sink.event(samples::now(), &Event::Received(Received { seq, datagram })).unwrap();
                    }
                    sink.event(samples::now(), &sent).unwrap();
                }
            };
            // What is kept for an interface, or as large as the longest line, is there then.
            tell(10);
            let made = allocation_counter::measure(|| tell(1000)).count_total;
            assert_eq!(made, 0, "sink {number}");
        }
    }

    #[test]
    fn a_tee_gives_to_both_even_if_the_first_fails() {
        struct Broken;
        impl Sink for Broken {
            fn event(&mut self, _: Now, _: &Event<'_>) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let page = Pages::default();
        let mut tee = Tee(Box::new(Broken), Box::new(Json::new(page.data(), io::sink())));
        let refused = tee.event(samples::now(), &samples::sent());
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(tee.flush().is_err());
        assert!(page.data_text().contains("\"sent\""));
    }
}
