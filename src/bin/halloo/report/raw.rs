//! Payload bytes alone, for other programs; everything else as lines for people.

use std::io::{self, BufWriter, Write};

use halloo::model::event::Sink;
use halloo::model::{Datagram, Event, Now};

use super::human::{BUFFER, Lines};
use super::{Options, Show};

/// What marks where a payload ends. Only the length can mark it for every payload: the others may occur inside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Frame {
    /// Nothing.
    None,
    /// A newline behind it.
    Newline,
    /// A zero byte behind it.
    Null,
    /// Its length in front of it, four bytes, the most significant first.
    Len32,
}

/// Writes payloads to `data` (standard output), the rest to `notes` (standard error).
pub(crate) struct Raw<D: Write, N: Write> {
    frame: Frame,
    lines: Lines,
    data: BufWriter<D>,
    notes: BufWriter<N>,
}

impl<D: Write, N: Write> Raw<D, N> {
    /// Payloads framed by `frame`, lines in the way of `options`.
    pub(crate) fn new(frame: Frame, options: Options, data: D, notes: N) -> Self {
        Self {
            frame,
            // A payload is written once: where a datagram needs a line as well, the line goes without.
            lines: Lines::new(Options { show: Show::None, ..options }),
            data: BufWriter::with_capacity(BUFFER, data),
            notes: BufWriter::new(notes),
        }
    }

    fn payload(&mut self, payload: &[u8]) -> io::Result<()> {
        if self.frame == Frame::Len32 {
            // No datagram comes near the four gigabytes that the prefix can say.
            let len = u32::try_from(payload.len()).map_err(io::Error::other)?;
            self.data.write_all(&len.to_be_bytes())?;
        }
        self.data.write_all(payload)?;
        match self.frame {
            Frame::Newline => self.data.write_all(b"\n"),
            Frame::Null => self.data.write_all(b"\0"),
            Frame::None | Frame::Len32 => Ok(()),
        }
    }
}

impl<D: Write, N: Write> Sink for Raw<D, N> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        if let Some(datagram) = datagram(event) {
            self.payload(datagram.payload)?;
            // Nothing among the bytes themselves says that some are missing.
            return if datagram.is_truncated() { self.lines.write(now, event, &mut self.notes) } else { Ok(()) };
        }
        if self.lines.shows(event) { self.lines.note(now, event, &mut self.notes) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        // The one that fails does not keep the other back.
        let data = self.data.flush();
        self.notes.flush().and(data)
    }
}

/// The datagram that came, if that is the event.
pub(crate) fn datagram<'a>(event: &Event<'a>) -> Option<&'a Datagram<'a>> {
    match event {
        Event::Received(received) => Some(received.datagram),
        Event::Reply(reply) => Some(reply.datagram),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Style;
    use super::super::samples::{self, Pages};
    use super::*;
    use halloo::model::event::Received;

    fn framed(frame: Frame, payloads: &[&[u8]]) -> Vec<u8> {
        let page = Pages::default();
        let mut raw = Raw::new(frame, Options::new(Style::Receive), page.data(), page.notes());
        for payload in payloads {
            let datagram = samples::datagram(payload);
            raw.event(samples::now(), &Event::Received(Received { seq: 0, datagram: &datagram })).unwrap();
        }
        raw.flush().unwrap();
        assert_eq!(page.notes_text(), "");
        page.data_bytes()
    }

    #[test]
    fn frames() {
        let payloads: &[&[u8]] = &[b"a\x1b", b"", b"\n"];
        assert_eq!(framed(Frame::None, payloads), b"a\x1b\n");
        assert_eq!(framed(Frame::Newline, payloads), b"a\x1b\n\n\n\n");
        assert_eq!(framed(Frame::Null, payloads), b"a\x1b\0\0\n\0");
        assert_eq!(framed(Frame::Len32, payloads), b"\0\0\0\x02a\x1b\0\0\0\0\0\0\0\x01\n");
    }

    #[test]
    fn everything_else_is_a_note_and_truncation_is_said() {
        samples::with_all(|events| {
            let page = Pages::default();
            let mut raw = Raw::new(Frame::None, Options::new(Style::Receive), page.data(), page.notes());
            for event in events {
                raw.event(samples::now(), event).unwrap();
            }
            raw.flush().unwrap();
            assert_eq!(page.data_bytes(), b"hi\xff\xfehi");
            let notes = page.notes_text();
            assert!(notes.starts_with("listening on ") && notes.contains("\n-- 3 datagrams"), "{notes}");
            let cut: Vec<&str> = notes.lines().filter(|line| line.contains("truncated: 2 of 20001 B")).collect();
            assert_eq!(cut.len(), 1);
            assert!(!notes.contains("\"hi\""));
        });
    }
}
