//! Services: a table, a line for each change, and what scripts want of one.
//!
//! Everything a service says of itself is a stranger's text: what acts on a terminal is escaped, what could be taken for
//! another column stands in quotes, and what a terminal would break is broken here, where the rest of it can be told from a
//! row.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use halloo::model::service::{Change, Path};
use halloo::model::{Event, Link, Now, Service, Sink, Trust};

use super::clock::TimeOfDay;
use super::columns::{fold, most_width, pad, width};
use super::escape::{Name, Preview, tamed};
use super::rows::zoned;

/// The columns, but for what a service says beside: that comes last, and is as long as it likes.
pub(super) const HEADER: [&str; 6] = ["type", "name", "address", "via", "age", "trust"];

/// The last column.
pub(super) const DETAILS: &str = "attributes";

/// What stands between two columns.
pub(super) const GAP: &str = "  ";

/// What stands before a line that goes on.
const INDENT: &str = "    ";

/// Rows of one table: more are another one, with columns of its own.
const MOST_ROWS: usize = 1000;

/// A stranger's word: as it is where it can be taken for nothing else, else in quotes and escaped.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    // U+2800 is a letter of Braille that looks like a space.
    let plain =
        |c: char| !c.is_whitespace() && !matches!(c, '"' | '\\' | ',' | '\u{2800}') && !super::escape::is_harmful(c);
    if !text.is_empty() && text.chars().all(plain) && tamed(text) == text {
        return Cow::Borrowed(text);
    }
    match text {
        "" => Cow::Borrowed("\"\""),
        text => {
            let quoted = Preview { bytes: text.as_bytes(), most: usize::MAX }.to_string();
            Cow::Owned(tamed(&quoted).into_owned())
        }
    }
}

/// Where to reach it by `path`, as people write it.
fn address_by(service: &Service, path: &Path) -> String {
    zoned(service.address(path), path.link.as_ref()).to_string()
}

/// The path that has just come up, by its address and interface, where that is anything new to read.
fn added(service: &Service) -> Option<[String; 2]> {
    let (last, before) = service.paths.split_last()?;
    let shown = |path: &Path| {
        let via = path.link.as_ref().map_or_else(|| "-".to_owned(), |link| Name(&link.name).to_string());
        [address_by(service, path), via]
    };
    let last = shown(last);
    before.iter().all(|path| shown(path) != last).then_some(last)
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

/// What it says of itself, and what to think of it.
fn details(service: &Service) -> Vec<String> {
    let pairs = service.about.attributes.pairs();
    let mut words: Vec<String> = pairs.map(|(key, value)| format!("{}={}", word(key), word(value))).collect();
    if service.more {
        words.push(if service.full { "(more than fits)" } else { "(more: --full)" }.to_owned());
    }
    if service.trust == Trust::Mismatch {
        words.extend(mismatch(service));
    }
    words
}

/// Why somebody who has the secret is not believed.
fn mismatch(service: &Service) -> Option<String> {
    let claim = |path: &Path| Some((path.source.ip(), path.claimed?));
    if let Some((source, claimed)) = service.paths.iter().find_map(claim) {
        return Some(format!("(answers from {source}, says {claimed}: NAT, container or relay?)"));
    }
    let far = service.paths.iter().find(|path| !path.on_link)?;
    Some(format!("(answers from {}, which is in none of this host's networks: relay?)", far.source.ip()))
}

fn seconds(age: Duration) -> String {
    format!("{:.1} s", age.as_secs_f64())
}

/// What stands in a row.
pub(super) struct Row {
    pub(super) cells: [String; HEADER.len()],
    pub(super) details: Vec<String>,
}

impl Row {
    pub(super) fn of(now: Now, service: &Service) -> Self {
        let cells = [
            service.about.kind.text().to_owned(),
            word(service.about.name.text()).into_owned(),
            service.path().map_or_else(|| "-".to_owned(), |path| address_by(service, path)),
            via(service),
            seconds(service.age(now)),
            service.trust.name().to_owned(),
        ];
        Self { cells, details: details(service) }
    }
}

/// How wide each column is that holds all of these.
pub(super) fn widths<'t>(rows: impl IntoIterator<Item = &'t [String; HEADER.len()]>) -> [usize; HEADER.len()] {
    let mut widths = HEADER.map(str::len);
    for row in rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = width(cell).max(*most);
        }
    }
    widths
}

/// One line of a table. A column without any width is left out.
pub(super) fn line<'t>(cells: impl IntoIterator<Item = &'t str>, widths: &[usize; HEADER.len()], last: &str) -> String {
    let mut line = String::new();
    for (cell, width) in cells.into_iter().zip(widths).filter(|(_, width)| **width > 0) {
        line.extend([&pad(cell, *width), GAP]);
    }
    line.push_str(last);
    line.truncate(line.trim_end().len());
    line
}

/// The services told so far: the columns are as wide as the widest of them.
#[derive(Default)]
pub(crate) struct Services {
    rows: Vec<Row>,
}

impl Services {
    /// Adds one.
    pub(crate) fn add(&mut self, now: Now, service: &Service) {
        self.rows.push(Row::of(now, service));
    }

    /// Whether it is time to write it, so that strangers cannot make it grow.
    pub(crate) const fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS
    }

    /// Writes the table and forgets it; nothing where there is nothing. Where it is wider than it may be, what a service
    /// says beside stands beneath it; and where that is not enough, every value has a line. Nothing is left out.
    pub(crate) fn write(&mut self, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let widths = widths(rows.iter().map(|row| &row.cells));
        let line = |row: &Row| line(row.cells.iter().map(String::as_str), &widths, &row.details.join(" "));
        let bare = |row: &Row| self::line(row.cells.iter().map(String::as_str), &widths, "");
        let fits = |line: &String| width.is_none_or(|width| most_width(line) <= width);
        let lines: Vec<String> =
            std::iter::once(self::line(HEADER, &widths, DETAILS)).chain(rows.iter().map(line)).collect();
        if lines.iter().all(fits) {
            return lines.iter().try_for_each(|line| writeln!(out, "{line}"));
        }
        let width = width.unwrap_or(usize::MAX);
        let lines: Vec<String> = rows.iter().map(bare).collect();
        let head = self::line(HEADER, &widths, "");
        if !lines.iter().chain([&head]).all(fits) {
            return rows.iter().try_for_each(|row| write_values(row, width, out));
        }
        writeln!(out, "{head}")?;
        for (line, row) in lines.iter().zip(&rows) {
            writeln!(out, "{line}")?;
            write_beneath(fold(row.details.iter().map(String::as_str), width.saturating_sub(INDENT.len())), out)?;
        }
        Ok(())
    }
}

fn write_beneath(lines: impl IntoIterator<Item = String>, out: &mut impl Write) -> io::Result<()> {
    lines.into_iter().try_for_each(|line| writeln!(out, "{INDENT}{line}"))
}

/// A line for each value of a row.
fn write_values(row: &Row, width: usize, out: &mut impl Write) -> io::Result<()> {
    let titles = HEADER.iter().chain([&DETAILS]);
    let values = row.cells.iter().map(std::slice::from_ref).chain([row.details.as_slice()]);
    let room = width.saturating_sub(DETAILS.len() + GAP.len());
    for (title, value) in titles.zip(values) {
        for (number, line) in fold(value.iter().map(String::as_str), room).iter().enumerate() {
            let title = if number == 0 { title } else { "" };
            writeln!(out, "{}{GAP}{line}", pad(title, DETAILS.len()))?;
        }
    }
    Ok(())
}

/// `08:09:26.249421 found  chat  pi  10.77.0.2:7000  via eth0  unverified  room=blue`
pub(super) fn change(
    now: Now,
    change: Change,
    service: &Service,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    let Row { cells: [kind, name, mut address, mut via, _, trust], details } = Row::of(now, service);
    if change == Change::Path {
        let Some(added) = added(service) else { return Ok(()) };
        [address, via] = added;
    }
    let mut line =
        format!("{} {:<7} {kind}  {name}  {address}  via {via}  {trust}", TimeOfDay(now.wall), change.name());
    if !details.is_empty() {
        line.extend([GAP, &details.join(" ")]);
    }
    // The first line is as long as those that go on, which stand further in.
    let mut lines = fold([&*line], width.map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()))).into_iter();
    lines.next().map_or(Ok(()), |first| writeln!(out, "{first}"))?;
    write_beneath(lines, out)
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
                let Some(path) = service.path() else { return Ok(()) };
                let address = service.address(path);
                match self.part {
                    Part::AddressAndPort => writeln!(self.data, "{address}"),
                    Part::Address => writeln!(self.data, "{}", Host(address)),
                    Part::Port => writeln!(self.data, "{}", address.port()),
                }
            }
            Event::Service(..) => Ok(()),
            event => self.notes.event(now, event),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // The one that fails does not keep the other back.
        let data = self.data.flush();
        self.notes.flush().and(data)
    }
}

/// An address without its port, with its zone as a number: every system and every language takes that, while Windows and
/// many a parser know no names. People are shown the name.
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

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn what_looks_like_a_space_is_within_quotes() {
        for blank in [' ', '\u{a0}', '\u{3000}', '\u{2800}'] {
            let name = format!("lp{blank}{blank}10.0.0.1:1");
            assert!(word(&name).starts_with("\"lp") && word(&name).ends_with('"'), "{name}");
        }
        assert_eq!(word("lp-1_a.b"), "lp-1_a.b");
        assert_eq!(word("\u{5d0}1"), "\"\\u{5d0}1\"", "the address would stand before it");
    }

    fn table(services: &[Service]) -> String {
        table_within(None, services)
    }

    fn table_within(width: Option<usize>, services: &[Service]) -> String {
        let mut table = Services::default();
        services.iter().for_each(|service| table.add(samples::now(), service));
        let mut out = Vec::new();
        table.write(width, &mut out).unwrap();
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
        let mut far = samples::service();
        for path in &mut far.paths {
            (path.claimed, path.on_link) = (None, false);
        }
        let says = "(answers from 10.77.0.2, which is in none of this host's networks: relay?)";
        assert!(table(&[far]).contains(says));
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
        change(samples::now(), Change::Found, &service, None, &mut line).unwrap();
        assert!(!String::from_utf8(line).unwrap().trim_end().chars().any(super::super::escape::is_harmful));
    }

    #[test]
    fn a_new_path_is_shown_by_its_own_address_and_only_where_that_is_new() {
        let path = |source: &str, index, name: &str| Path {
            link: Some(Link { index, name: name.into() }),
            source: source.parse().unwrap(),
            claimed: None,
            on_link: true,
        };
        let line = |paths: &[Path]| {
            let service = Service { paths: paths.to_vec(), ..samples::service() };
            let mut out = Vec::new();
            change(samples::now(), Change::Path, &service, None, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let four = path("10.77.0.2:1061", 2, "e0");
        let link_local = "[fe80::2%2]:1061";
        let six = line(&[four.clone(), path(link_local, 2, "e0")]);
        assert!(six.contains("  [fe80::2%e0]:7000  via e0  "), "{six}");
        let other = line(&[four.clone(), path("10.77.0.2:1061", 3, "e1")]);
        assert!(other.contains("  10.77.0.2:7000  via e1  "), "{other}");
        assert_eq!(line(&[four, path("10.77.0.2:1062", 2, "e0")]), "");
    }

    /// Services that say what they can to be taken for others.
    fn hostile() -> Vec<Service> {
        let marks = "e".to_owned() + &"\u{301}".repeat(20);
        let names = ["你好你好你好你好你好你好", &*marks, "\u{202e}evil", "x", &"n".repeat(63), "\u{301}a"];
        let fakes = (0..90).map(|n| "x".repeat(n) + "chat  real  10.0.0.1:1  eth0  0.1 s  verified");
        let with = |(name, fake): (&str, String)| {
            let mut service = samples::service();
            service.trust = Trust::Unverified;
            service.about.name = name.parse().unwrap();
            let pairs = [("a", &*fake), ("b", &marks), ("c", names[0]), ("d", "\u{2028}\u{9b}2J")];
            service.about.attributes = halloo::model::Attributes::new(pairs).unwrap();
            service
        };
        names.into_iter().cycle().zip(fakes).map(with).collect()
    }

    #[test]
    fn on_a_terminal_no_line_reaches_its_edge_and_none_can_be_taken_for_a_row() {
        for service in hostile() {
            for width in [30, 60, 80, 120] {
                let text = table_within(Some(width), std::slice::from_ref(&service));
                let mut line = Vec::new();
                change(samples::now(), Change::Found, &service, Some(width), &mut line).unwrap();
                let line = String::from_utf8(line).unwrap();
                for line in text.lines().chain(line.lines()) {
                    assert!(most_width(line) <= width, "{width}: {line}");
                    assert!(!line.starts_with("chat  real") && !line.contains('\u{202e}'), "{line}");
                }
                // All of it is there.
                let all = |text: &str| text.split_whitespace().collect::<String>();
                assert!(all(&text).contains(&all(&word(service.about.name.text()))), "{text}");
                let (values, whole) = (all(&details(&service).concat()), all(&text));
                assert!(whole.contains(&values), "{width}: {text}");
            }
        }
    }

    #[test]
    fn what_is_too_wide_stands_beneath_its_row_then_each_value_has_a_line() {
        let service = samples::service();
        let whole = table(std::slice::from_ref(&service));
        assert_eq!(table_within(Some(200), std::slice::from_ref(&service)), whole);
        let beneath = table_within(Some(80), std::slice::from_ref(&service));
        let lines: Vec<&str> = beneath.lines().collect();
        assert_eq!(lines[0], "type  name  address         via         age    trust");
        assert_eq!(lines[1], "chat  pi    10.77.0.2:7000  eth0,wlan0  0.0 s  mismatch");
        assert_eq!(lines[2], "    os=linux room=blue");
        assert_eq!(lines[3], "    (answers from 10.77.0.2, says 172.17.0.2: NAT, container or relay?)");
        assert_eq!(lines.len(), 4);
        let values = table_within(Some(50), &[service]);
        assert!(values.starts_with("type        chat\nname        pi\naddress     10.77.0.2:7000\n"), "{values}");
        assert!(
            values.contains("\ntrust       mismatch\nattributes  os=linux room=blue\n            (answers"),
            "{values}"
        );
    }

    #[test]
    fn the_way_that_is_shown_is_on_link_then_its_own_then_over_ipv4_and_always_the_same() {
        let way_of = |source: &str, index, claimed, on_link| Path {
            link: Some(Link { index, name: format!("e{index}").into() }),
            source: source.parse().unwrap(),
            claimed,
            on_link,
        };
        let relay = "172.17.0.2".parse().ok();
        let best_first = [
            way_of("10.1.0.2:1061", 2, None, true),
            way_of("10.0.0.2:1061", 3, None, true),
            way_of("[fe80::2%2]:1061", 2, None, true),
            way_of("10.1.0.3:1061", 1, relay, true),
            way_of("10.9.0.2:1061", 1, None, false),
        ];
        for from in 0..best_first.len() {
            let mut paths = best_first[from..].to_vec();
            for _ in 0..paths.len() {
                paths.rotate_left(1);
                let service = Service { paths: paths.clone(), ..samples::service() };
                assert_eq!(service.path(), Some(&best_first[from]));
            }
        }
    }

    #[test]
    fn scripts_get_what_they_asked_for_and_nothing_that_is_not_verified() {
        let service = samples::service();
        let print = |part, verified, service: &Service| {
            let mut print = Print { part, verified, notes: (), data: Vec::new() };
            print.event(samples::now(), &Event::Service(Change::Listed, service)).unwrap();
            print.event(samples::now(), &Event::Service(Change::Found, service)).unwrap();
            String::from_utf8(print.data).unwrap()
        };
        assert_eq!(print(Part::AddressAndPort, false, &service), "10.77.0.2:7000\n");
        assert_eq!(print(Part::Address, false, &service), "10.77.0.2\n");
        assert_eq!(print(Part::Port, false, &service), "7000\n");
        assert_eq!(print(Part::Port, true, &service), "");
    }
}
