//! Services: a table, a line for each change, a table that is kept up to date on a terminal, and what scripts want of one.
//!
//! Everything a service says of itself is a stranger's text: what acts on a terminal is escaped, and what could be taken for
//! another column stands in quotes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use halloo::model::service::{Change, Path};
use halloo::model::{Event, InstanceId, Link, Now, Service, ServiceName, Sink, Trust};

use super::clock::TimeOfDay;
use super::escape::{Name, Preview};
use super::rows::{plain_table, write_table};

const HEADER: [&str; 7] = ["type", "name", "address", "via", "age", "trust", "attributes"];

/// Rows of one table: more are another one, with columns of its own.
const MOST_ROWS: usize = 1000;

/// A stranger's word: as it is where it can be taken for nothing else, else in quotes and escaped.
fn word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\\' | ',') && !super::escape::is_harmful(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    match text {
        "" => Cow::Borrowed("\"\""),
        text => Cow::Owned(Preview { bytes: text.as_bytes(), most: usize::MAX }.to_string()),
    }
}

/// The interfaces it was heard by, each once.
fn via(service: &Service) -> String {
    let mut names: Vec<String> = Vec::new();
    for Link { name, .. } in service.paths.iter().filter_map(|path| path.link.as_ref()) {
        let name = Name(name).to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}

/// An address with the zone of its interface by name, which is how people write it.
fn address(service: &Service, path: &Path) -> String {
    match (service.address(path), &path.link) {
        (SocketAddr::V6(v6), Some(link)) if v6.scope_id() != 0 => {
            format!("[{}%{}]:{}", v6.ip(), Name(&link.name), v6.port())
        }
        (address, _) => super::rows::without_zone(address).to_string(),
    }
}

/// What it says of itself, and what to think of it.
fn details(service: &Service) -> String {
    let pairs = service.about.attributes.pairs();
    let mut words: Vec<String> = pairs.map(|(key, value)| format!("{}={}", word(key), word(value))).collect();
    if service.more {
        words.push("(more: --full)".to_owned());
    }
    let claim = |path: &Path| Some((path.source.ip(), path.claimed?));
    if let (Trust::Mismatch, Some((source, claimed))) = (service.trust, service.paths.iter().find_map(claim)) {
        words.push(format!("(answers from {source}, says {claimed}: NAT, container or relay?)"));
    }
    words.join(" ")
}

fn seconds(age: Duration) -> String {
    format!("{:.1} s", age.as_secs_f64())
}

fn cells(now: Now, service: &Service) -> [String; HEADER.len()] {
    [
        service.about.kind.text().to_owned(),
        word(service.about.name.text()).into_owned(),
        service.way().map_or_else(|| "-".to_owned(), |path| address(service, path)),
        via(service),
        seconds(service.age(now.run)),
        service.trust.name().to_owned(),
        details(service),
    ]
}

/// The services told so far: the columns are as wide as the widest of them.
#[derive(Default)]
pub(crate) struct Services {
    rows: Vec<[String; HEADER.len()]>,
}

impl Services {
    /// Adds one.
    pub(crate) fn add(&mut self, now: Now, service: &Service) {
        self.rows.push(cells(now, service));
    }

    /// Whether it is time to write it, so that strangers cannot make it grow.
    pub(crate) const fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS
    }

    /// Writes the table and forgets it; nothing where there is nothing.
    pub(crate) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        match std::mem::take(&mut self.rows) {
            rows if rows.is_empty() => Ok(()),
            rows => write_table(&plain_table(HEADER, rows), out),
        }
    }
}

/// `08:09:26.249421 found  chat  pi  10.77.0.2:7000  via eth0  unverified  room=blue`
pub(super) fn change(now: Now, change: Change, service: &Service, out: &mut impl Write) -> io::Result<()> {
    let [kind, name, address, via, _, trust, details] = cells(now, service);
    write!(out, "{} {:<7} {kind}  {name}  {address}  via {via}  {trust}", TimeOfDay(now.wall), change.name())?;
    if details.is_empty() { writeln!(out) } else { writeln!(out, "  {details}") }
}

// ---- for scripts ---------------------------------------------------------------------------------------------------

/// What is printed of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// `10.77.0.2:7000`
    AddressAndPort,
    /// `10.77.0.2`
    Address,
    /// `7000`
    Port,
}

/// Prints one thing of each service that can be believed, and lets everything else that is no data through to another sink.
pub(crate) struct Print<S, D> {
    pub(crate) part: Part,
    /// Only what is verified.
    pub(crate) verified: bool,
    pub(crate) notes: S,
    pub(crate) data: D,
}

impl<S: Sink, D: Write> Sink for Print<S, D> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Service(Change::Listed, service) if !self.verified || service.trust == Trust::Verified => {
                let Some(path) = service.way() else { return Ok(()) };
                let address = service.address(path);
                match self.part {
                    Part::AddressAndPort => writeln!(self.data, "{address}"),
                    Part::Address => writeln!(self.data, "{}", Host(address)),
                    Part::Port => writeln!(self.data, "{}", address.port()),
                }
            }
            Event::Service(..) | Event::Skipped(_) => Ok(()),
            event => self.notes.event(now, event),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.data.flush()?;
        self.notes.flush()
    }
}

/// An address without its port, with its zone as a number.
pub(super) struct Host(pub(super) SocketAddr);

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => write!(f, "{}%{}", v6.ip(), v6.scope_id()),
            address => write!(f, "{}", address.ip().to_canonical()),
        }
    }
}

/// Which changes are told: of a run that watches all but the list at its end, of another that list alone.
pub(crate) struct Told<S: ?Sized> {
    pub(crate) watch: bool,
    pub(crate) inner: Box<S>,
}

impl<S: Sink + ?Sized> Sink for Told<S> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Service(change, _) if (*change == Change::Listed) == self.watch => Ok(()),
            event => self.inner.event(now, event),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

// ---- a table on a terminal -----------------------------------------------------------------------------------------

/// How many columns and lines a terminal has now.
pub(crate) type Size = Box<dyn Fn() -> Option<(usize, usize)>>;

/// The table of who is there, kept up to date at the end of the screen; everything else is written above it.
pub(crate) struct Board<S, T> {
    inner: S,
    terminal: T,
    size: Size,
    services: BTreeMap<(ServiceName, InstanceId), (Service, Change)>,
    now: Option<Now>,
    drawn: Vec<String>,
    over: bool,
}

/// What a terminal is taken for that does not say how large it is.
const USUAL: (usize, usize) = (80, 24);

impl<S: Sink, T: Write> Board<S, T> {
    /// The table on `terminal`, beneath what `inner` writes.
    pub(crate) const fn new(inner: S, terminal: T, size: Size) -> Self {
        Self { inner, terminal, size, services: BTreeMap::new(), now: None, drawn: Vec::new(), over: false }
    }

    fn take(&mut self, change: Change, service: &Service) {
        let id = service.about.id;
        // It may have another name now.
        self.services.retain(|(_, other), _| *other != id);
        if change != Change::Gone {
            self.services.insert((service.about.name.clone(), id), (service.clone(), change));
        }
    }

    /// The lines of the table, as wide and as many as the terminal takes.
    fn lines(&self, now: Now) -> Vec<String> {
        let (width, height) = (self.size)().unwrap_or(USUAL);
        let room = height.saturating_sub(3).max(1);
        let row = |(service, change): &(Service, Change)| {
            let mut cells = cells(now, service);
            if *change == Change::Stale {
                cells[5].push_str(", stale");
            }
            cells
        };
        let table = plain_table(HEADER, self.services.values().take(room).map(row));
        let cut = |line: &str| line.trim_end().chars().take(width.saturating_sub(1)).collect::<String>();
        let mut lines: Vec<String> = table.lines().map(|line| cut(&line)).collect();
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
        let lines = self.lines(now);
        if lines == self.drawn {
            return Ok(());
        }
        self.clear()?;
        lines.iter().try_for_each(|line| writeln!(self.terminal, "{line}"))?;
        self.drawn = lines;
        self.terminal.flush()
    }
}

impl<S: Sink, T: Write> Sink for Board<S, T> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        self.now = Some(now);
        match event {
            Event::Service(Change::Listed, _) => Ok(()),
            Event::Service(change, service) => {
                self.take(*change, service);
                Ok(())
            }
            // The last table stays, and the summary stands beneath.
            Event::Summary(_) => {
                self.draw()?;
                self.over = true;
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

    fn table(services: &[Service]) -> String {
        let mut table = Services::default();
        services.iter().for_each(|service| table.add(samples::now(), service));
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_service_is_a_row() {
        assert_eq!(table(&[]), "");
        let text = table(&[samples::service()]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0].join(" "), "type name address via age trust attributes");
        let row = "chat pi 10.77.0.2:7000 eth0,wlan0 0.0 s mismatch os=linux room=blue (answers from 10.77.0.2, says \
                   172.17.0.2: NAT, container or relay?)";
        assert_eq!(lines[1].join(" "), row);
    }

    #[test]
    fn nothing_that_a_service_says_acts_on_a_terminal_or_looks_like_a_column() {
        let mut service = samples::service();
        service.about.name = "pi  10.0.0.1:1  verified\u{1b}[2J".parse().unwrap();
        service.about.attributes = halloo::model::Attributes::new([("k", "\u{202e}a b")]).unwrap();
        let text = table(std::slice::from_ref(&service));
        assert!(text.contains("\"pi  10.0.0.1:1  verified\\x1b[2J\""), "{text}");
        assert!(text.contains("k=\"\\u{202e}a b\""), "{text}");
        let mut line = Vec::new();
        change(samples::now(), Change::Found, &service, &mut line).unwrap();
        assert!(!String::from_utf8(line).unwrap().trim_end().chars().any(super::super::escape::is_harmful));
    }

    struct Nothing;

    impl Sink for Nothing {
        fn event(&mut self, _: Now, _: &Event<'_>) -> io::Result<()> {
            Ok(())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn scripts_get_what_they_asked_for_and_nothing_that_is_not_verified() {
        let service = samples::service();
        let print = |part, verified, service: &Service| {
            let mut print = Print { part, verified, notes: Nothing, data: Vec::new() };
            print.event(samples::now(), &Event::Service(Change::Listed, service)).unwrap();
            print.event(samples::now(), &Event::Service(Change::Found, service)).unwrap();
            String::from_utf8(print.data).unwrap()
        };
        assert_eq!(print(Part::AddressAndPort, false, &service), "10.77.0.2:7000\n");
        assert_eq!(print(Part::Address, false, &service), "10.77.0.2\n");
        assert_eq!(print(Part::Port, false, &service), "7000\n");
        assert_eq!(print(Part::Port, true, &service), "");
    }

    #[test]
    fn the_board_shows_who_is_there_now_and_leaves_the_last_table() {
        let size: Size = Box::new(|| Some((90, 5)));
        let mut board = Board::new(Nothing, Vec::new(), size);
        let (service, stats) = (samples::service(), samples::stats());
        let mut tell = |event: &Event<'_>| {
            board.event(samples::now(), event).unwrap();
            board.flush().unwrap();
            String::from_utf8(std::mem::take(&mut board.terminal)).unwrap()
        };
        let first = tell(&Event::Service(Change::Found, &service));
        assert!(first.starts_with("type") && first.lines().count() == 2, "{first}");
        assert!(first.lines().all(|line| line.chars().count() < 90), "{first}");
        assert_eq!(tell(&Event::Service(Change::Updated, &service)), "");
        let stale = tell(&Event::Service(Change::Stale, &service));
        assert!(stale.starts_with("\r\x1b[2A\x1b[J") && stale.contains("mismatch, stale"), "{stale:?}");
        let more: Vec<Service> = (0..4)
            .map(|id| {
                let mut other = service.clone();
                other.about.id = InstanceId(id);
                other
            })
            .collect();
        let shown = more.iter().map(|other| tell(&Event::Service(Change::Found, other))).last().unwrap();
        assert!(shown.contains("\n... and 3 more\n"), "{shown}");
        assert!(!tell(&Event::Service(Change::Gone, &service)).contains("stale"));
        assert_eq!(tell(&Event::Summary(&stats)), "");
    }
}
