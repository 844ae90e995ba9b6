//! A line on the terminal that says how far a run is. Everything else is written above it.

use std::io::{self, Write};

use halloo::model::event::{Progress, Reply};
use halloo::model::{Event, Now, Sink};

/// What a terminal puts behind the line when Ctrl-C is typed: `^C`.
const TYPED: usize = 2;

/// Draws the line while the run waits, and takes it away before anything else is written.
pub(crate) struct Live<S, T> {
    inner: S,
    terminal: T,
    progress: Option<Progress>,
    /// Characters of the line that is to be seen.
    drawn: usize,
}

impl<S: Sink, T: Write> Live<S, T> {
    /// The line on `terminal` (standard error), beneath what `inner` writes.
    pub(crate) const fn new(inner: S, terminal: T) -> Self {
        Self { inner, terminal, progress: None, drawn: 0 }
    }

    /// Takes the line away with spaces, which every kind of terminal understands.
    fn clear(&mut self) -> io::Result<()> {
        if self.drawn == 0 {
            return Ok(());
        }
        let width = std::mem::take(&mut self.drawn) + TYPED;
        write!(self.terminal, "\r{:width$}\r", "")?;
        self.terminal.flush()
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(progress) = self.progress.filter(|_| self.drawn == 0) else { return Ok(()) };
        let text = text(&progress);
        self.drawn = text.len();
        write!(self.terminal, "{text}")?;
        self.terminal.flush()
    }

    /// How far the run is after the event.
    fn follow(&mut self, event: &Event<'_>) {
        match (event, &mut self.progress) {
            (Event::Progress(told), _) => self.progress = Some(*told),
            (Event::Reply(reply), Some(progress)) if counts(reply) => {
                progress.answered += 1;
                progress.missing = progress.missing.saturating_sub(1);
            }
            (Event::Summary(_), _) => self.progress = None,
            _ => {}
        }
    }
}

/// Whether it is the first answer in time of somebody else: what [`Progress`] counts.
fn counts(reply: &Reply<'_>) -> bool {
    !reply.duplicate && !reply.late && !reply.datagram.is_self()
}

fn text(progress: &Progress) -> String {
    let Progress { sent, answered, missing } = progress;
    format!("{sent} sent, {answered} answered, {missing} missing")
}

impl<S: Sink, T: Write> Sink for Live<S, T> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        self.clear()?;
        self.follow(event);
        self.inner.event(now, event)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()?;
        self.draw()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn an_answer_counts_once_and_the_end_takes_the_line_away() {
        let datagram = samples::datagram(b"hi");
        let first = Reply {
            datagram: &datagram,
            round_trip: None,
            from_another: false,
            duplicate: false,
            seq: None,
            late: false,
        };
        let mut live = Live::new((), Vec::new());
        let mut tell = |event: &Event<'_>| {
            live.event(samples::now(), event).unwrap();
            live.flush().unwrap();
            String::from_utf8(std::mem::take(&mut live.terminal)).unwrap()
        };
        assert_eq!(tell(&Event::Reply(first.clone())), "");
        assert_eq!(
            tell(&Event::Progress(Progress { sent: 3, answered: 1, missing: 1 })),
            "3 sent, 1 answered, 1 missing"
        );
        let blank = format!("\r{}\r", " ".repeat("3 sent, 1 answered, 1 missing^C".len()));
        let all = format!("{blank}3 sent, 2 answered, 0 missing");
        assert_eq!(tell(&Event::Reply(first.clone())), all);
        for again in [Reply { duplicate: true, ..first.clone() }, Reply { late: true, ..first }] {
            assert_eq!(tell(&Event::Reply(again)), all);
        }
        assert_eq!(tell(&Event::Summary(&samples::stats())), blank);
    }
}
