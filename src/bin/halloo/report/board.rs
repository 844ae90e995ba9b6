//! A table of services on a terminal, kept up to date.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::Duration;

use halloo::model::service::Change;
use halloo::model::{Event, InstanceId, Now, Service, ServiceName, Sink};

use super::columns::{cut, most_width, width};
use super::services::{DETAILS, GAP, HEADER, Row, line, widths};

/// How many columns and lines a terminal has now.
pub(crate) type Size = Box<dyn Fn() -> Option<(usize, usize)> + Send>;

/// What a terminal is taken for that does not say how large it is.
const USUAL: (usize, usize) = (80, 24);

/// Who has gone is shown as gone for so long: time to see it.
const FAREWELL: Duration = Duration::from_secs(5);

/// The lines where nobody is.
const NOBODY: &str = "nobody yet; Ctrl-C ends";
const NOBODY_LEFT: &str = "nobody any more; Ctrl-C ends";

/// Places in the header.
const TYPE: usize = 0;
const NAME: usize = 1;
const ADDRESS: usize = 2;
const VIA: usize = 3;
const AGE: usize = 4;
const TRUST: usize = 5;

/// Which column gives way first where the terminal is narrow, and down to how many characters; without any it is left out.
/// Whether a service can be believed is always to be seen.
const GIVE_WAY: [(usize, usize); 9] =
    [(NAME, 12), (VIA, 6), (TYPE, 8), (ADDRESS, 15), (AGE, 0), (VIA, 0), (TYPE, 0), (NAME, 6), (ADDRESS, 6)];

/// Characters of the last column for which names give way.
const SOME_DETAILS: usize = 16;

/// The dots that say that there is more: what all other columns give way for.
const DOTS: usize = 3;

/// No wrapping at the edge, and wrapping again (DECAWM): however a terminal counts columns, a row is a line.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// The table of who is there, kept up to date at the end of the screen; everything else is written above it.
///
/// It is told [`Change::Listed`] of those who are there whenever it is to show how long ago they were heard, and
/// [`Event::Tick`] to draw them.
pub(crate) struct Board<S, T> {
    inner: S,
    terminal: T,
    size: Size,
    /// Each datagram has a line of its own. Else the table need not make room for what is not written.
    verbose: bool,
    services: BTreeMap<(ServiceName, InstanceId), Entry>,
    /// A service may get another name.
    names: HashMap<InstanceId, ServiceName>,
    now: Option<Now>,
    drawn: Vec<String>,
    /// Somebody was there.
    had_some: bool,
    over: bool,
}

struct Entry {
    service: Service,
    stale: bool,
    /// When it went.
    gone: Option<Duration>,
}

impl Entry {
    fn row(&self, now: Now) -> Row {
        let mut row = Row::of(now, &self.service);
        let state = match self {
            Self { gone: Some(_), .. } => ", gone",
            Self { stale: true, .. } => ", stale",
            _ => "",
        };
        row.cells[TRUST].push_str(state);
        row
    }

    fn is_over(&self, now: Now) -> bool {
        self.gone.is_some_and(|gone| now.run.saturating_sub(gone) >= FAREWELL)
    }
}

impl<S: Sink, T: Write> Board<S, T> {
    /// The table on `terminal`, beneath what `inner` writes, which with `verbose` is each datagram, too.
    pub(crate) fn new(inner: S, terminal: T, size: Size, verbose: bool) -> Self {
        let (services, names) = (BTreeMap::new(), HashMap::new());
        Self {
            inner,
            terminal,
            size,
            verbose,
            services,
            names,
            now: None,
            drawn: Vec::new(),
            had_some: false,
            over: false,
        }
    }

    fn take(&mut self, now: Now, change: Change, service: &Service) {
        self.had_some = true;
        let id = service.about.id;
        let before = self.names.remove(&id).and_then(|name| self.services.remove(&(name, id)));
        let stale = match change {
            // Nothing happened to it.
            Change::Listed => before.is_some_and(|before| before.stale),
            change => change == Change::Stale,
        };
        let gone = (change == Change::Gone).then_some(now.run);
        self.names.insert(id, service.about.name.clone());
        let entry = Entry { service: service.clone(), stale, gone };
        self.services.insert((service.about.name.clone(), id), entry);
    }

    fn forget_the_gone(&mut self, now: Now) {
        let Self { services, names, .. } = self;
        services.retain(|(_, id), entry| {
            let over = entry.is_over(now);
            if over {
                names.remove(id);
            }
            !over
        });
    }

    /// The lines of the table, as wide and as many as the terminal takes.
    fn lines(&self, now: Now) -> Vec<String> {
        let (width, height) = (self.size)().unwrap_or(USUAL);
        if self.services.is_empty() {
            let nobody = if self.had_some { NOBODY_LEFT } else { NOBODY };
            return vec![cut(nobody, width.saturating_sub(1)).into_owned()];
        }
        let room = height.saturating_sub(3).max(1);
        let rows: Vec<Row> = self.services.values().take(room).map(|entry| entry.row(now)).collect();
        // Behind the last column a terminal may begin a line.
        let mut lines = fitted(&rows, width.saturating_sub(1));
        if self.services.len() > room {
            lines.push(format!("... and {} more", self.services.len() - room));
        }
        lines
    }

    /// Takes the table away: to the beginning of its first line, and everything behind (ECMA-48 CUU, ED).
    fn clear(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.drawn).len() {
            0 => Ok(()),
            lines => {
                write!(self.terminal, "\r\x1b[{lines}A\x1b[J")?;
                self.terminal.flush()
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(now) = self.now.filter(|_| !self.over) else { return Ok(()) };
        self.forget_the_gone(now);
        let lines = self.lines(now);
        if lines == self.drawn {
            return Ok(());
        }
        self.clear()?;
        let text = lines.join("\n");
        writeln!(self.terminal, "{NO_WRAP}{text}{WRAP}")?;
        self.drawn = lines;
        self.terminal.flush()
    }
}

/// The header and the rows, none wider than there is room.
fn fitted(rows: &[Row], room: usize) -> Vec<String> {
    let mut widths = widths(rows.iter().map(|row| &row.cells));
    let any = rows.iter().any(|row| !row.details.is_empty());
    for (number, (column, least)) in GIVE_WAY.into_iter().enumerate() {
        // How old it is tells more than that there is more. Without a last column, no gap stands before it.
        if column == AGE && total(&widths) <= room + GAP.len() {
            break;
        }
        let details = if number == 0 { SOME_DETAILS } else { DOTS };
        let surplus = (total(&widths) + if any { details } else { 0 }).saturating_sub(room);
        let narrower = widths[column].saturating_sub(surplus).max(least.min(widths[column]));
        // A column that may go is of no use in part.
        widths[column] = if least == 0 && surplus > 0 { 0 } else { narrower };
    }
    let head = fit(HEADER, DETAILS, &widths, room);
    let rows =
        rows.iter().map(|row| fit(row.cells.each_ref().map(String::as_str), &row.details.join(" "), &widths, room));
    std::iter::once(head).chain(rows).collect()
}

/// One line, not wider than there is room.
fn fit(cells: [&str; HEADER.len()], details: &str, widths: &[usize; HEADER.len()], room: usize) -> String {
    let narrow = |(cell, room): (&str, usize)| match width(cell) <= room {
        true => cell.to_owned(),
        false => cut(cell, room).into_owned(),
    };
    let (mut cells, mut widths) = (cells.into_iter().zip(*widths).map(narrow).collect::<Vec<_>>(), *widths);
    let surplus = |cells: &[String]| cells.iter().map(|cell| most_width(cell) - width(cell)).sum::<usize>();
    let dots = if details.is_empty() { 0 } else { DOTS };
    if total(&widths) + surplus(&cells) + dots > room {
        // On some terminal it would not fit: no column is wider than it is on any, and it may stand askew.
        for (cell, room) in cells.iter_mut().zip(&mut widths) {
            *cell = pad_most(&cut(cell, *room), *room);
            *room = width(cell);
        }
    }
    let left = room.saturating_sub(total(&widths) + surplus(&cells));
    let last = if left < DOTS { Cow::Borrowed("") } else { cut(details, left) };
    cut(&line(cells.iter().map(String::as_str), &widths, &last), room).into_owned()
}

/// Whatever a terminal takes for it, it is not wider than that.
fn pad_most(text: &str, room: usize) -> String {
    let gap = room.saturating_sub(most_width(text));
    format!("{text}{:gap$}", "")
}

fn total(widths: &[usize; HEADER.len()]) -> usize {
    widths.iter().filter(|width| **width > 0).map(|width| width + GAP.len()).sum()
}

impl<S: Sink, T: Write> Sink for Board<S, T> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        self.now = Some(now);
        match event {
            Event::Tick => Ok(()),
            Event::Sent(_) | Event::Ignored(..) if !self.verbose => Ok(()),
            Event::Service(change, service) => {
                self.take(now, *change, service);
                Ok(())
            }
            // The last table stays, and the summary stands beneath.
            Event::Summary(_) => {
                // That nobody is there is what the summary says.
                let shown = if self.services.is_empty() { self.clear() } else { self.draw() };
                shown?;
                self.over = true;
                // What the terminal shows of a typed Ctrl-C.
                write!(self.terminal, "\r\x1b[J")?;
                self.terminal.flush()?;
                self.inner.event(now, event)
            }
            event => {
                self.clear()?;
                self.inner.event(now, event)?;
                self.inner.flush()
            }
        }
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
    use halloo::model::event::Ignored;
    use halloo::model::{Attributes, Trust};

    /// What the board of a terminal draws on each event.
    struct Bench(Board<(), Vec<u8>>);

    impl Bench {
        fn new(width: usize, height: usize) -> Self {
            Self(Board::new((), Vec::new(), Box::new(move || Some((width, height))), false))
        }

        fn tell_at(&mut self, seconds: u64, event: &Event<'_>) -> String {
            let now = Now { run: Duration::from_secs(seconds), ..samples::now() };
            self.0.event(now, event).unwrap();
            self.0.flush().unwrap();
            String::from_utf8(std::mem::take(&mut self.0.terminal)).unwrap()
        }

        fn tell(&mut self, event: &Event<'_>) -> String {
            self.tell_at(0, event)
        }
    }

    #[test]
    fn the_board_shows_who_is_there_now_and_leaves_the_last_table() {
        let mut bench = Bench::new(90, 5);
        let (service, stats) = (samples::service(), samples::stats());
        let first = bench.tell(&Event::Service(Change::Found, &service));
        assert!(first.starts_with("\u{1b}[?7ltype") && first.lines().count() == 2, "{first}");
        assert_eq!(bench.tell(&Event::Service(Change::Updated, &service)), "");
        let stale = bench.tell(&Event::Service(Change::Stale, &service));
        assert!(stale.starts_with("\r\x1b[2A\x1b[J") && stale.contains("mismatch, stale"), "{stale:?}");
        let other = |id| {
            let mut other = service.clone();
            other.about.id = InstanceId(id);
            other
        };
        let shown = (0..4).map(|id| bench.tell(&Event::Service(Change::Found, &other(id)))).last().unwrap();
        assert!(shown.contains("\n... and 3 more"), "{shown}");
        assert_eq!(bench.tell(&Event::Summary(&stats)), "\r\x1b[J");
    }

    #[test]
    fn the_table_stands_still_while_nothing_is_written_above_it() {
        let mut bench = Bench::new(90, 24);
        let (service, datagram) = (samples::service(), samples::datagram(b""));
        bench.tell(&Event::Service(Change::Found, &service));
        let quiet = [samples::sent(), Event::Ignored(Ignored::Foreign, &datagram)];
        assert!(quiet.iter().all(|event| bench.tell(event).is_empty()));
        assert!(!bench.tell(&samples::failed()).is_empty());
        bench.0.verbose = true;
        assert!(quiet.iter().all(|event| !bench.tell(event).is_empty()));
    }

    #[test]
    fn where_nobody_is_yet_a_line_says_so_and_goes_with_the_run() {
        let mut bench = Bench::new(90, 24);
        let (service, stats) = (samples::service(), samples::stats());
        assert_eq!(bench.tell(&Event::Tick), "\x1b[?7lnobody yet; Ctrl-C ends\x1b[?7h\n");
        assert_eq!(bench.tell(&Event::Tick), "");
        assert_eq!(bench.tell(&Event::Summary(&stats)), "\r\x1b[1A\x1b[J\r\x1b[J");
        let mut bench = Bench::new(90, 24);
        bench.tell(&Event::Tick);
        let found = bench.tell(&Event::Service(Change::Found, &service));
        assert!(found.starts_with("\r\x1b[1A\x1b[J") && !found.contains("nobody"), "{found:?}");
    }

    #[test]
    fn the_age_is_worth_more_than_the_dots_of_what_is_said_beside() {
        let mut bench = Bench::new(60, 24);
        let mut service = samples::service();
        (service.about.name, service.trust) = ("blue room".parse().unwrap(), Trust::Unverified);
        service.about.attributes = Attributes::new([("room", "blue")]).unwrap();
        service.paths.truncate(1);
        let shown = bench.tell(&Event::Service(Change::Found, &service));
        assert!(shown.contains("  age ") && shown.contains(" s  unverified"), "{shown}");
        assert!(!shown.contains("room=") && !shown.contains("..."), "{shown}");
    }

    #[test]
    fn ages_go_on_and_who_has_gone_is_shown_as_gone_for_a_while() {
        let mut bench = Bench::new(90, 24);
        let mut service = samples::service();
        bench.tell(&Event::Service(Change::Found, &service));
        assert!(bench.tell_at(3, &Event::Tick).contains("  3.0 s  "));
        // Heard again, which is no change.
        service.heard.run = Duration::from_secs(3);
        bench.tell_at(4, &Event::Service(Change::Stale, &service));
        let listed = bench.tell_at(5, &Event::Service(Change::Listed, &service));
        assert!(listed.contains("  2.0 s  ") && listed.contains(", stale"), "{listed}");
        assert!(!bench.tell_at(6, &Event::Service(Change::Updated, &service)).contains("stale"));
        assert!(bench.tell_at(7, &Event::Service(Change::Gone, &service)).contains("mismatch, gone"));
        assert!(bench.tell_at(11, &Event::Tick).contains("gone"));
        let nobody = bench.tell_at(12, &Event::Tick);
        assert_eq!(nobody, "\r\x1b[2A\x1b[J\x1b[?7lnobody any more; Ctrl-C ends\x1b[?7h\n");
        assert_eq!(bench.tell_at(13, &Event::Tick), "");
        // It came back with another name before it was forgotten.
        bench.tell_at(14, &Event::Service(Change::Gone, &service));
        service.about.name = "other".parse().unwrap();
        let back = bench.tell_at(15, &Event::Service(Change::Found, &service));
        assert!(back.contains("other") && !back.contains("gone") && back.lines().count() == 2, "{back}");
    }

    #[test]
    fn a_row_is_one_line_that_ends_before_the_edge_whatever_a_service_says() {
        let marks = "e".to_owned() + &"\u{301}".repeat(20);
        let names = ["你好你好你好你好你好你好你好你好", &*marks, "\u{202e}evil", "x", &"n".repeat(63), "\u{301}a"];
        let fake = "x".repeat(21) + "chat  real  10.0.0.1:1  eth0  0.1 s  verified";
        for width in [40, 60, 80, 120] {
            let mut bench = Bench::new(width, 24);
            let mut shown = String::new();
            for (id, name) in (1..).zip(names) {
                let mut service = samples::service();
                (service.about.id, service.trust) = (InstanceId(id), Trust::Unverified);
                service.about.name = name.parse().unwrap();
                service.about.attributes = Attributes::new([("k", &*fake), ("l", names[0]), ("m", &marks)]).unwrap();
                bench.tell(&Event::Service(Change::Found, &service));
                shown = bench.tell(&Event::Service(Change::Stale, &service));
            }
            let table = shown.split("\u{1b}[?7l").last().unwrap().trim_end().trim_end_matches("\u{1b}[?7h");
            assert_eq!(table.lines().count(), 1 + names.len(), "{shown}");
            for line in table.lines() {
                assert!(most_width(line) < width, "{width}: {line}");
            }
            let more = table.lines().skip(1).filter(|line| line.ends_with("..."));
            assert_eq!(more.count(), names.len(), "{width}: {table}");
            let trusts = table.lines().skip(1).filter(|line| line.contains("unverified, stale"));
            assert_eq!(trusts.count(), names.len(), "{width}: {table}");
        }
    }
}
