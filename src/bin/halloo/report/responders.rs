//! The table of who answered, and how the times of each are distributed.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use halloo::model::event::Responder;

use super::escape::Name;
use super::rows::{hide, is_wider, milliseconds, plain_table, without_zone, write_table};

/// Classes of a histogram: what fits on a screen beside the table.
const CLASSES: u32 = 12;

/// Characters of the longest bar, and those before it.
const BAR: u64 = 50;
const BEFORE_BAR: u64 = 21;

const HEADER: [&str; 15] = [
    "responder",
    "via",
    "sent",
    "received",
    "lost",
    "dup",
    "reordered",
    "late",
    "corrupt",
    "min ms",
    "p50",
    "p99",
    "max",
    "jitter",
    "",
];

/// Rows of one table: more are another one, with columns of its own. A row takes about 4 KiB while it is laid out.
const MOST_ROWS: usize = 1000;

/// The columns that count what is seldom: dup, reordered, late, corrupt.
const COUNTERS: Range<usize> = 5..9;

/// The columns that go next: p50, p99, jitter.
const FIGURES: [usize; 3] = [10, 11, 13];

/// The responders told so far: the columns are as wide as the widest of them.
#[derive(Default)]
pub(crate) struct Responders {
    rows: Vec<[String; HEADER.len()]>,
    histograms: Vec<Histogram>,
}

struct Histogram {
    title: String,
    classes: Vec<(Duration, u64)>,
}

impl Responders {
    /// Adds one, with its histogram if that is wanted.
    pub(crate) fn add(&mut self, responder: &Responder<'_>, histogram: bool) {
        self.rows.push(cells(responder));
        let classes = if histogram { responder.latency.classes(CLASSES) } else { Vec::new() };
        if !classes.is_empty() {
            self.histograms.push(Histogram { title: name(responder), classes });
        }
    }

    /// Whether it is time to write it, so that strangers who answer cannot make it grow.
    pub(crate) const fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS
    }

    /// Writes the table and forgets it; nothing where nobody was told. Where it is wider than it may be, it is without the
    /// columns in which there is nothing but 0, then without p50, p99 and jitter, and at last every value has a line.
    pub(crate) fn write(&mut self, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
        let Self { rows, histograms } = std::mem::take(self);
        if rows.is_empty() {
            return Ok(());
        }
        let zeros: Vec<usize> = COUNTERS.filter(|column| rows.iter().all(|row| row[*column] == "0")).collect();
        let mut table = plain_table(HEADER, rows.iter().cloned());
        numbers_to_the_right(&mut table);
        for columns in [&zeros[..], &FIGURES] {
            if is_wider(&table, width) {
                hide(columns, &mut table);
            }
        }
        match is_wider(&table, width) {
            true => rows.iter().try_for_each(|row| write_lines(row, &zeros, out))?,
            false => write_table(&table, out)?,
        }
        let bar = width.map_or(BAR, |width| (width as u64).saturating_sub(BEFORE_BAR).clamp(1, BAR));
        histograms.iter().try_for_each(|histogram| draw(histogram, bar, out))
    }
}

/// A line for each value of a row, but for those of the columns left out.
fn write_lines(row: &[String; HEADER.len()], without: &[usize], out: &mut impl Write) -> io::Result<()> {
    for (column, (title, value)) in HEADER.iter().zip(row).enumerate() {
        if !without.contains(&column) && !value.is_empty() {
            writeln!(out, "{}", format!("{title:<9}  {value}").trim_start())?;
        }
    }
    Ok(())
}

fn numbers_to_the_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(2).take(HEADER.len() - 3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn name(responder: &Responder<'_>) -> String {
    without_zone(responder.address).to_string()
}

fn cells(responder: &Responder<'_>) -> [String; HEADER.len()] {
    let figures = responder.latency.figures();
    let time = |pick: fn(&halloo::model::latency::Figures) -> Duration| {
        figures.as_ref().map_or_else(|| "-".to_owned(), |figures| milliseconds(pick(figures)))
    };
    [
        name(responder),
        responder.link.as_ref().map_or_else(|| "-".to_owned(), |link| Name(&link.name).to_string()),
        responder.sent.to_string(),
        responder.received.to_string(),
        lost(responder),
        responder.duplicates.to_string(),
        responder.reordered.to_string(),
        responder.late.to_string(),
        responder.corrupt.to_string(),
        time(|figures| figures.min),
        time(|figures| figures.p50),
        time(|figures| figures.p99),
        time(|figures| figures.max),
        time(|figures| figures.jitter),
        marks(responder),
    ]
}

/// `3 (1.5%)`
fn lost(responder: &Responder<'_>) -> String {
    match responder.lost {
        0 => "0".to_owned(),
        lost => format!("{lost} ({:.1}%)", 100.0 * lost as f64 / responder.sent.max(1) as f64),
    }
}

fn marks(responder: &Responder<'_>) -> String {
    let since = (responder.since_seq > 0).then(|| format!("since seq {}", responder.since_seq));
    let open = (responder.in_flight > 0).then(|| format!("{} in flight", responder.in_flight));
    let another = responder.from_another.then(|| "from another address".to_owned());
    let own = responder.own.then(|| "self".to_owned());
    let silent = (responder.received + responder.late + responder.duplicates == 0).then(|| "no answer".to_owned());
    silent.into_iter().chain(since).chain(open).chain(another).chain(own).collect::<Vec<_>>().join(", ")
}

/// A line for each class: up to which time, how many, and a bar as long as its share of the fullest.
fn draw(histogram: &Histogram, longest: u64, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "round-trip times of {}, in ms", histogram.title)?;
    let most = histogram.classes.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let last = histogram.classes.len().saturating_sub(1);
    for (place, (end, count)) in histogram.classes.iter().enumerate() {
        // What there is at all is seen.
        let bar = (count * longest).div_ceil(most) as usize;
        // The longest time is in the last class, and may look like its end.
        let below = if place == last { "<=" } else { "<" };
        let line = format!("{:>10} {count:>8}  {}", format!("{below}{}", milliseconds(*end)), "#".repeat(bar));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use halloo::model::Latency;

    fn written(responders: &[Responder<'_>], histogram: bool) -> String {
        written_within(None, responders, histogram)
    }

    fn written_within(width: Option<usize>, responders: &[Responder<'_>], histogram: bool) -> String {
        let mut table = Responders::default();
        responders.iter().for_each(|responder| table.add(responder, histogram));
        let mut out = Vec::new();
        table.write(width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_for_each_and_nothing_for_nobody() {
        assert_eq!(written(&[], true), "");
        let (latency, none) = (samples::latency(), Latency::default());
        let first = Responder { in_flight: 2, ..samples::responder(&latency) };
        let silent = Responder {
            lost: 4,
            sent: 4,
            received: 0,
            duplicates: 0,
            late: 0,
            since_seq: 0,
            own: false,
            link: None,
            ..samples::responder(&none)
        };
        let text = written(&[first, silent], false);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0][..10].join(" "), "responder via sent received lost dup reordered late corrupt min");
        let row =
            "10.77.0.2:1060 eth0 4 2 1 (25.0%) 3 5 1 6 0.400 0.400 0.600 0.600 0.013 since seq 7, 2 in flight, self";
        assert_eq!(lines[1].join(" "), row);
        let row = "10.77.0.2:1060 - 4 0 4 (100.0%) 0 5 0 6 - - - - - no answer";
        assert_eq!(lines[2].join(" "), row);
    }

    #[test]
    fn what_does_not_fit_goes_without_zeros_then_percentiles_then_the_table() {
        let latency = samples::latency();
        let unmarked = Responder { since_seq: 0, in_flight: 0, own: false, ..samples::responder(&latency) };
        let zeros = Responder { duplicates: 0, reordered: 0, corrupt: 0, ..unmarked };
        let head =
            |width, rows: &[Responder<'_>]| written_within(width, rows, false).lines().next().unwrap().to_owned();
        let all = head(None, std::slice::from_ref(&zeros));
        assert!(all.contains("dup") && head(Some(500), std::slice::from_ref(&zeros)) == all);
        let narrow = head(Some(80), std::slice::from_ref(&zeros));
        assert_eq!(
            narrow.split_whitespace().skip(2).take(5).collect::<Vec<_>>(),
            ["sent", "received", "lost", "late", "min"]
        );
        let counts = samples::responder(&latency);
        assert_eq!(head(Some(500), &[zeros.clone(), counts]), all);
        // Narrower still: without the percentiles, then a line for each value.
        let zeros = Responder { late: 0, lost: 0, ..zeros };
        let narrower = written_within(Some(60), std::slice::from_ref(&zeros), false);
        assert!(narrower.lines().all(|line| line.chars().count() <= 60), "{narrower}");
        assert!(narrower.contains("max") && !narrower.contains("p50") && !narrower.contains("jitter"), "{narrower}");
        let lines = written_within(Some(30), &[zeros], false);
        assert!(lines.starts_with("responder  10.77.0.2:1060\nvia        eth0\nsent "), "{lines}");
        assert!(lines.contains("\np99        0.600\n") && !lines.contains("dup"), "{lines}");
    }

    #[test]
    fn many_rows_are_several_tables() {
        let latency = samples::latency();
        let mut table = Responders::default();
        (1..MOST_ROWS).for_each(|_| table.add(&samples::responder(&latency), false));
        assert!(!table.is_full());
        table.add(&samples::responder(&latency), false);
        assert!(table.is_full());
        table.write(None, &mut Vec::new()).unwrap();
        assert!(!table.is_full());
    }

    #[test]
    fn a_histogram_has_a_bar_for_each_class() {
        let latency = samples::latency();
        let text = written(&[samples::responder(&latency)], true);
        let bars: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(bars.len(), CLASSES as usize, "{text}");
        assert!(bars[CLASSES as usize - 1].trim_start().starts_with("<=0.600 "), "{text}");
        assert!(text.contains("round-trip times of 10.77.0.2:1060, in ms"), "{text}");
        assert_eq!(bars.iter().filter(|line| line.ends_with(&"#".repeat(BAR as usize))).count(), 2, "{text}");
        // On a narrow terminal the longest bar ends where that does.
        let narrow = written_within(Some(40), &[samples::responder(&latency)], true);
        let widths = narrow.lines().filter(|line| line.contains('#')).map(|line| line.chars().count());
        assert_eq!(widths.max(), Some(40), "{narrow}");
    }
}
