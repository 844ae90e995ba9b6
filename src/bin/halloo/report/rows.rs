//! The layout of the lines for people, one function a line. Pure: every one writes text and keeps nothing.

use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use comfy_table::{ColumnConstraint, Table, presets};
use halloo::model::event::{Failed, Ignored, Listening, Planned, Refusal, Reply, Role, Sent, Skipped};
use halloo::model::interface::BroadcastFrom;
use halloo::model::lesson::{LessonRun, Status};
use halloo::model::target::canonical;
use halloo::model::{Datagram, Interface, Link, Now, StampSource};

use super::clock::TimeOfDay;
use super::columns::{fold, most_width};
use super::escape::{Name, Preview, harmless};
use super::failure;
use super::hexdump::Hexdump;
use super::lessons::{self, Shown};
use super::words::{self, WhatIcmpSays, WhyUnusable};
use super::{Options, Show, Style};

/// An address with the interface behind it, `10.0.0.7:1060%eth0`, padded as the format asks.
struct At<'a>(SocketAddr, Option<&'a Link>);

impl Display for At<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut text = Counting { out: f, chars: 0 };
        match self.1 {
            Some(link) => write!(text, "{}%{}", without_zone(self.0), Name(&link.name))?,
            None => write!(text, "{}", canonical(self.0))?,
        }
        (text.chars..f.width().unwrap_or(0)).try_for_each(|_| f.write_char(' '))
    }
}

/// Counts the characters that it passes on, so that what is padded need not be a text of its own first.
struct Counting<'a, 'f> {
    out: &'a mut Formatter<'f>,
    chars: usize,
}

impl fmt::Write for Counting<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.chars += text.chars().count();
        self.out.write_str(text)
    }
}

/// The address as people write it: a zone is the name of the interface, `[fe80::1%eth0]:1060`, where that is known.
pub(super) fn zoned(address: SocketAddr, link: Option<&Link>) -> impl Display {
    fmt::from_fn(move |f| match (canonical(address), link) {
        (SocketAddr::V6(v6), Some(link)) if v6.scope_id() == link.index && link.index != 0 => {
            write!(f, "[{}%{}]:{}", v6.ip(), Name(&link.name), v6.port())
        }
        (address, _) => write!(f, "{address}"),
    })
}

/// The address for a line that names the interface elsewhere: the zone would only repeat its number.
pub(super) fn without_zone(address: SocketAddr) -> SocketAddr {
    let address = canonical(address);
    SocketAddr::new(address.ip(), address.port())
}

pub(crate) fn listening(options: &Options, listening: &Listening, out: &mut impl Write) -> io::Result<()> {
    write!(out, "listening on {}", listening.local)?;
    match listening.role {
        Role::Listen => {}
        role => write!(out, " ({})", words::role(role))?,
    }
    for (number, (group, link)) in listening.groups.iter().enumerate() {
        let lead = if number == 0 { "; joined" } else { "," };
        write!(out, "{lead} {}", super::notice::group(*group, link))?;
    }
    if let (true, (asked, granted)) = (options.verbose, listening.receive_buffer) {
        match granted {
            Some(granted) => write!(out, "; receive buffer {granted} B, {asked} B asked for")?,
            None => write!(out, "; receive buffer unknown, {asked} B asked for")?,
        }
    }
    writeln!(out)
}

/// A row of a dry run, in the columns of a broadcast.
pub(crate) fn planned(planned: &Planned, out: &mut impl Write) -> io::Result<()> {
    row_head(Some(&planned.link), planned.source, planned.destination, out)?;
    writeln!(out, "not sent: dry run")
}

pub(crate) fn sent(options: &Options, now: Now, sent: &Sent, out: &mut impl Write) -> io::Result<()> {
    let Sent { len, source, destination, link, cast, .. } = sent;
    match options.style {
        Style::Broadcast => {
            row_head(link.as_ref(), source.map(|source| source.ip()), *destination, out)?;
            return writeln!(out, "sent {len} B");
        }
        Style::Receive => write!(out, "{} ", TimeOfDay(now.wall))?,
        Style::Announce => write!(out, "{} ", TimeOfDay(now.wall))?,
        Style::Send | Style::Ping | Style::Interfaces | Style::Learn | Style::Discover => {}
    }
    write!(out, "sent {len} B ")?;
    if let Some(source) = source {
        write!(out, "{} ", without_zone(*source))?;
    }
    write!(out, "-> {}", zoned(*destination, link.as_ref()))?;
    if let Some(link) = link {
        write!(out, " {}", Name(&link.name))?;
    }
    match cast {
        halloo::model::Cast::Unicast => writeln!(out),
        cast => writeln!(out, " {}", cast.name()),
    }
}

/// `eth0    10.77.0.1 -> 10.77.0.255:1060   `
fn row_head(
    link: Option<&Link>,
    source: Option<IpAddr>,
    destination: SocketAddr,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(out, "{:<7} ", Name(link.map_or("", |link| &link.name)))?;
    if let Some(source) = source {
        write!(out, "{} ", source.to_canonical())?;
    }
    write!(out, "-> {}   ", without_zone(destination))
}

pub(crate) fn failed(options: &Options, failed: &Failed, out: &mut impl Write) -> io::Result<()> {
    let Failed { len, destination, link, .. } = failed;
    let why = failure::why(failed);
    if options.style == Style::Broadcast {
        row_head(link.as_ref(), None, *destination, out)?;
        return writeln!(out, "failed: {why}");
    }
    write!(out, "failed {len} B -> {}", zoned(*destination, link.as_ref()))?;
    if let Some(link) = link {
        write!(out, " {}", Name(&link.name))?;
    }
    writeln!(out, ": {why}")
}

pub(crate) fn skipped(skipped: &Skipped, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{:<7} ", Name(&skipped.link.name))?;
    if let Some(address) = skipped.address {
        write!(out, "{address} ")?;
    }
    writeln!(out, "skipped: {}", WhyUnusable(skipped.why))
}

pub(crate) fn received(options: &Options, datagram: &Datagram<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{} ", TimeOfDay(datagram.stamp.wall))?;
    way(datagram, out)?;
    write!(out, "{}", Size(datagram))?;
    if datagram.is_self() {
        write!(out, "  self")?;
    }
    tail(options, datagram, out)
}

/// Lines that are long, or quote a stranger. Where a terminal would break one anywhere, it is broken here: the quotation stands beneath,
/// and what goes on stands further in than it began, so that nothing in it can be taken for a row.
pub(crate) fn within<W: Write>(
    width: Option<usize>,
    out: &mut W,
    lines: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let Some(width) = width else { return lines(out) };
    let mut text = Vec::new();
    lines(&mut text)?;
    String::from_utf8_lossy(&text).lines().try_for_each(|line| broken(width, line, out))
}

fn broken(width: usize, line: &str, out: &mut impl Write) -> io::Result<()> {
    if most_width(line) <= width {
        return writeln!(out, "{line}");
    }
    let text = line.trim_start_matches(' ');
    let indent = &line[..line.len() - text.len()];
    // The characters of a dump, which is indented, stand between bars, and each may be a quotation mark.
    let mark = if indent.is_empty() { '"' } else { '|' };
    let (head, quotation) = text.split_at(text.find(mark).unwrap_or(text.len()));
    // How much more there is is a number, and half of one is another.
    let (quoted, more) = quotation.split_at(quotation.rfind("\" +").map_or(quotation.len(), |quote| quote + 1));
    let beneath = [quoted, more.trim_start()].into_iter().filter(|part| !part.is_empty());
    let room = width.saturating_sub(indent.len() + BENEATH.len());
    let head = head_lines(head.trim_end(), width.saturating_sub(indent.len()), room);
    for (number, part) in head.iter().chain(&fold(beneath, room)).enumerate() {
        let further = if number == 0 { "" } else { BENEATH };
        writeln!(out, "{indent}{further}{part}")?;
    }
    Ok(())
}

/// What stands before a quotation: in its columns where a first line has room for it, else broken at words.
fn head_lines(head: &str, first: usize, room: usize) -> Vec<String> {
    if most_width(head) <= first {
        return Some(head).filter(|head| !head.is_empty()).map(str::to_owned).into_iter().collect();
    }
    fold(head.split(' ').filter(|word| !word.is_empty()), room)
}

/// `10.77.0.2:35280 -> 10.77.0.255:1060%eth0 broadcast `
fn way(datagram: &Datagram<'_>, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    let link = datagram.link.as_ref();
    write!(out, "{} -> ", without_zone(datagram.source))?;
    match (datagram.destination, link) {
        (Some(destination), link) => write!(out, "{:<21} ", At(destination, link))?,
        (None, Some(link)) => write!(out, "unknown%{:<13} ", Name(&link.name))?,
        (None, None) => write!(out, "{:<21} ", "unknown")?,
    }
    match datagram.cast {
        Some(cast) => write!(out, "{:<9} ", cast.name()),
        None => Ok(()),
    }
}

/// `13 B`, or `truncated: 100 of 20001 B`.
struct Size<'a>(&'a Datagram<'a>);

impl Display for Size<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Datagram { payload, wire_len, .. } = self.0;
        if self.0.is_truncated() {
            return write!(f, "truncated: {} of {wire_len} B", payload.len());
        }
        write!(f, "{} B", payload.len())
    }
}

/// What ends every line of a datagram: details, then the payload.
fn tail(options: &Options, datagram: &Datagram<'_>, out: &mut dyn Write) -> io::Result<()> {
    if options.verbose {
        details(datagram, out)?;
    }
    let payload = datagram.payload;
    match options.show {
        // An empty payload is said in every way of showing: nothing at all could be taken for it.
        Show::None | Show::Hex if payload.is_empty() => writeln!(out, "  (empty)"),
        Show::None => writeln!(out),
        Show::Hex => write!(out, "\n{}", Hexdump(payload)),
        Show::Text => writeln!(out, "  {}", Preview { bytes: payload, most: options.preview }),
    }
}

fn details(datagram: &Datagram<'_>, out: &mut dyn Write) -> io::Result<()> {
    if let Some(ttl) = datagram.ttl {
        write!(out, "  ttl {ttl}")?;
    }
    match datagram.stamp.source {
        StampSource::Kernel => Ok(()),
        StampSource::User => write!(out, "  time of reading"),
    }
}

pub(crate) fn reply(options: &Options, reply: &Reply<'_>, out: &mut dyn Write) -> io::Result<()> {
    let datagram = reply.datagram;
    match options.style {
        Style::Ping => numbered(reply, out)?,
        _ => unnumbered(reply, out)?,
    }
    let marks = [
        (reply.from_another, "from another address"),
        (reply.duplicate, "DUP"),
        (reply.late, "late"),
        (datagram.is_self(), "self"),
    ];
    for (_, mark) in marks.iter().filter(|(holds, _)| *holds) {
        write!(out, "  {mark}")?;
    }
    tail(options, datagram, out)
}

/// `64 B from 10.77.0.2:1060  via eth0  seq 3  0.412 ms`
fn numbered(reply: &Reply<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{} from {}  {}", Size(reply.datagram), without_zone(reply.datagram.source), Via(reply.datagram))?;
    if let Some(seq) = reply.seq {
        write!(out, "seq {seq}  ")?;
    }
    write!(out, "{}", RoundTrip(reply.round_trip))
}

/// `REPLY   10.77.0.2:1060  via eth0  0.412 ms  13 B`
fn unnumbered(reply: &Reply<'_>, out: &mut dyn Write) -> io::Result<()> {
    let datagram = reply.datagram;
    write!(out, "REPLY   {}  {}", without_zone(datagram.source), Via(datagram))?;
    write!(out, "{}  {}", RoundTrip(reply.round_trip), Size(datagram))
}

/// `via eth0  `, where the interface is known.
struct Via<'a>(&'a Datagram<'a>);

impl Display for Via<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0.link {
            Some(link) => write!(f, "via {}  ", Name(&link.name)),
            None => Ok(()),
        }
    }
}

/// `0.412 ms`, or `time unknown`.
struct RoundTrip(Option<Duration>);

impl Display for RoundTrip {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "{} ms", milliseconds(time)),
            None => f.write_str("time unknown"),
        }
    }
}

/// Milliseconds with three decimals.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1000.0)
}

pub(crate) fn refused(refusal: &Refusal, more: u64, out: &mut impl Write) -> io::Result<()> {
    write!(out, "REFUSED {}  {}", canonical(refusal.destination), WhatIcmpSays(refusal.what))?;
    if let Some(by) = refusal.by {
        write!(out, ", says {}", by.to_canonical())?;
    }
    let lesson = lessons::of_refusal(refusal.what).map_or_else(String::new, Shown::behind);
    writeln!(out, "{}{lesson}", failure::more(more))
}

pub(crate) fn ignored(
    options: &Options,
    why: Ignored,
    datagram: &Datagram<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(out, "{} ", TimeOfDay(datagram.stamp.wall))?;
    way(datagram, out)?;
    let what = match options.style {
        Style::Announce if words::is_in_order(why) => "needed no answer",
        Style::Discover if words::is_in_order(why) => "not asked for",
        Style::Ping | Style::Discover => "not counted",
        _ => "not answered",
    };
    let any = if options.style == Style::Ping && why == Ignored::Foreign { " (--match any takes it)" } else { "" };
    writeln!(out, "{}  {what}: {}{any}", Size(datagram), words::ignored(why))
}

/// A lesson that was checked: `ok        boundaries   0.01 s`, with what surprised or why it was skipped.
pub(crate) fn lesson(run: &LessonRun, out: &mut impl Write) -> io::Result<()> {
    let status = match run.status {
        Status::Ok => "ok",
        Status::Surprise => "SURPRISE",
        Status::Skip => "skip",
    };
    write!(out, "{status:<9} {:<12}{:>5.2} s", run.lesson, run.took.as_secs_f64())?;
    match &run.why {
        Some(why) => writeln!(out, "  {}", harmless(why)),
        None => writeln!(out),
    }
}

/// The table of interfaces.
/// The columns of interfaces.
const INTERFACES: [&str; 7] = ["interface", "index", "address", "broadcast", "from", "MTU", "usable"];

/// The one of them that says why not.
const USABLE: usize = 6;

/// Those that are missed least in a row: from, MTU.
const ASIDE: [usize; 2] = [4, 5];

/// The table of interfaces. Where it is wider than it may be, why one is not usable stands beneath its row, then where the
/// broadcast address is from and the MTU, too, and at last every value has a line.
pub(crate) fn interfaces(width: Option<usize>, rows: &[Interface], out: &mut impl Write) -> io::Result<()> {
    let whole = plain_table(INTERFACES, rows.iter().map(cells));
    if !is_wider(&whole, width) {
        return write_table(&whole, out);
    }
    let short = |row: &Interface| {
        let mut cells = cells(row);
        cells[USABLE] = if row.unusable.is_none() { "yes" } else { "no" }.to_owned();
        cells
    };
    let mut table = plain_table(INTERFACES, rows.iter().map(short));
    let aside: &[usize] = if is_wider(&table, width) { &ASIDE } else { &[] };
    hide(aside, &mut table);
    let Some(room) = width.map(|width| width.saturating_sub(BENEATH.len())) else { return Ok(()) };
    if is_wider(&table, width) {
        return rows.iter().try_for_each(|row| each_value(&cells(row), room, out));
    }
    let mut lines = table.lines();
    lines.next().map_or(Ok(()), |head| writeln!(out, "{}", head.trim_end()))?;
    for (line, row) in lines.zip(rows) {
        writeln!(out, "{}", line.trim_end())?;
        let cells = cells(row);
        let aside: Vec<&str> = aside.iter().flat_map(|column| [INTERFACES[*column], &cells[*column]]).collect();
        let why = row.unusable.map(|_| cells[USABLE].split_whitespace());
        for line in fold(aside, room).into_iter().chain(fold(why.into_iter().flatten(), room)) {
            writeln!(out, "{BENEATH}{line}")?;
        }
    }
    Ok(())
}

/// What stands before a line beneath a row.
const BENEATH: &str = "    ";

/// A line for each value of an interface, its name first.
fn each_value(cells: &[String; INTERFACES.len()], room: usize, out: &mut impl Write) -> io::Result<()> {
    for (place, (title, value)) in INTERFACES.iter().zip(cells).enumerate() {
        let indent = if place == 0 { "" } else { BENEATH };
        let mut lines =
            fold(format!("{title:<9}  {value}").split(' ').filter(|word| !word.is_empty()), room).into_iter();
        lines.next().map_or(Ok(()), |line| writeln!(out, "{indent}{line}"))?;
        lines.try_for_each(|line| writeln!(out, "{BENEATH}{BENEATH}{line}"))?;
    }
    Ok(())
}

pub(super) fn hide(columns: &[usize], table: &mut Table) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
}

/// Whether a table has a line that is wider than it may be.
pub(super) fn is_wider(table: &Table, width: Option<usize>) -> bool {
    width.is_some_and(|width| table.lines().any(|line| line.trim_end().chars().count() > width))
}

/// A table without lines, two spaces between its columns.
pub(super) fn plain_table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

pub(super) fn write_table(table: &Table, out: &mut impl Write) -> io::Result<()> {
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn cells(row: &Interface) -> [String; 7] {
    let facts = &row.facts;
    let dash = || "-".to_owned();
    let name = Name(facts.label.as_deref().unwrap_or(&facts.link.name)).to_string();
    let address = facts.address.map_or_else(dash, |(address, prefix)| format!("{address}/{prefix}"));
    let (broadcast, from) = match row.broadcast {
        Some((address, BroadcastFrom::System)) => (address.to_string(), "system".to_owned()),
        Some((address, BroadcastFrom::Computed)) => (address.to_string(), "computed".to_owned()),
        None => (dash(), dash()),
    };
    let mtu = facts.mtu.map_or_else(dash, |mtu| mtu.to_string());
    let usable = row.unusable.map_or_else(|| "yes".to_owned(), |why| format!("no: {}", WhyUnusable(why)));
    [name, facts.link.index.to_string(), address, broadcast, from, mtu, usable]
}
