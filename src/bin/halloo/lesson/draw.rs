//! Drawings: lanes side by side, and what goes from one to another, in columns that are right in every script.

use unicode_width::UnicodeWidthStr;

/// The width of a page in columns: what an 80-column terminal shows with a margin.
pub(crate) const WIDTH: usize = 78;

/// The margin at the left.
const MARGIN: usize = 3;

/// The shortest arrow that still is one: a line and its head.
const SHORTEST: usize = 4;

/// What became of a datagram or a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It arrived.
    Arrives,
    /// It did not.
    Lost,
}

/// A row of a drawing, with what stands beside it in other lanes.
#[derive(Clone, Debug)]
struct Row {
    what: What,
    beside: Vec<(usize, String)>,
}

#[derive(Clone, Debug)]
enum What {
    /// Something goes from a lane to another.
    Arrow {
        /// The lane that sends.
        from: usize,
        /// The lane that receives.
        to: usize,
        /// What the sender does.
        says: String,
        /// What is on the line: `5` becomes `[5]`; nothing if empty.
        label: String,
        /// What the receiver does.
        hears: String,
        /// Whether it arrives.
        fate: Fate,
    },
    /// A word in each lane; an empty one leaves the lane empty.
    Cells(Vec<String>),
    /// A line of its own.
    Line(String),
}

/// A drawing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drawing {
    /// Who stands at the head of each lane; none if there are no lanes.
    lanes: Vec<String>,
    /// From top to bottom.
    rows: Vec<Row>,
}

impl Drawing {
    /// A drawing with these lanes, the first at the left.
    pub(crate) fn of<L: Into<String>>(lanes: impl IntoIterator<Item = L>) -> Self {
        Self { lanes: lanes.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// An arrow that arrives.
    pub(crate) fn arrow(
        &mut self,
        (from, to): (usize, usize),
        says: impl Into<String>,
        label: impl Into<String>,
        hears: impl Into<String>,
    ) -> &mut Self {
        self.go((from, to), says, label, hears, Fate::Arrives)
    }

    /// An arrow that arrives or not.
    pub(crate) fn go(
        &mut self,
        (from, to): (usize, usize),
        says: impl Into<String>,
        label: impl Into<String>,
        hears: impl Into<String>,
        fate: Fate,
    ) -> &mut Self {
        let (says, label, hears) = (says.into(), label.into(), hears.into());
        self.add(What::Arrow { from, to, says, label, hears, fate })
    }

    /// A word in each lane.
    pub(crate) fn cells<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) -> &mut Self {
        self.add(What::Cells(cells.into_iter().map(Into::into).collect()))
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, line: impl Into<String>) -> &mut Self {
        self.add(What::Line(line.into()))
    }

    /// A word beside the last row, in a lane that it does not touch.
    pub(crate) fn beside(&mut self, lane: usize, word: impl Into<String>) -> &mut Self {
        if let Some(row) = self.rows.last_mut() {
            row.beside.push((lane, word.into()));
        }
        self
    }

    fn add(&mut self, what: What) -> &mut Self {
        self.rows.push(Row { what, beside: Vec::new() });
        self
    }

    /// The lines: the heads of the lanes, if there are any, then the rows.
    pub(crate) fn lines(&self) -> Vec<String> {
        let heads = (!self.lanes.is_empty()).then(|| self.cells_line(&self.lanes));
        heads.into_iter().chain(self.rows.iter().map(|row| self.line_of(row))).collect()
    }

    fn line_of(&self, row: &Row) -> String {
        let mut line = match &row.what {
            What::Arrow { from, to, says, label, hears, fate } => {
                self.arrow_line((*from, *to), [says, label, hears], *fate)
            }
            What::Cells(cells) => self.cells_line(cells),
            What::Line(line) => format!("{}{line}", " ".repeat(MARGIN)),
        };
        for (lane, word) in row.beside.iter().filter(|(_, word)| !word.is_empty()) {
            pad_to(&mut line, self.column(*lane));
            line.push_str(word);
        }
        line
    }

    /// The column where a lane begins.
    fn column(&self, lane: usize) -> usize {
        MARGIN + lane * (WIDTH - MARGIN) / self.lanes.len().max(1)
    }

    fn cells_line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (lane, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            pad_to(&mut line, self.column(lane));
            line.push_str(cell);
        }
        line
    }

    fn arrow_line(&self, (from, to): (usize, usize), [says, label, hears]: [&String; 3], fate: Fate) -> String {
        let rightward = from < to;
        let (left, right) = (self.column(from.min(to)), self.column(from.max(to)));
        let (at_left, at_right) = if rightward { (says, hears) } else { (hears, says) };
        let mut line = String::new();
        pad_to(&mut line, left);
        line.push_str(at_left);
        if !at_left.is_empty() {
            line.push(' ');
        }
        let room = right.saturating_sub(line.width() + 1).max(SHORTEST);
        line.push_str(&shaft(room, label, rightward, fate));
        line.push(' ');
        line.push_str(at_right);
        line.truncate(line.trim_end().len());
        line
    }
}

/// A line with a head, so many columns long: `--[5]-->`, `<--[5]--`; lost on its way: `--[5]--x`.
fn shaft(room: usize, label: &str, rightward: bool, fate: Fate) -> String {
    let label = if label.is_empty() { String::new() } else { format!("[{label}]") };
    let head = match (fate, rightward) {
        (Fate::Lost, _) => "x",
        (Fate::Arrives, true) => ">",
        (Fate::Arrives, false) => "<",
    };
    let dashes = room.saturating_sub(label.width() + 1).max(2);
    let (before, behind) = ("-".repeat(dashes / 2), "-".repeat(dashes - dashes / 2));
    if rightward { format!("{before}{label}{behind}{head}") } else { format!("{head}{before}{label}{behind}") }
}

/// Spaces up to a column; at least one behind what is there already.
fn pad_to(line: &mut String, column: usize) {
    let least = usize::from(!line.is_empty());
    let spaces = column.saturating_sub(line.width()).max(least);
    line.extend(std::iter::repeat_n(' ', spaces));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_fill_the_room_between_their_lanes_in_every_script() {
        let mut drawing = Drawing::of(["alice", "bob"]);
        drawing.arrow((0, 1), "sendto \"hi\"", "2", "recv 2");
        drawing.arrow((1, 0), "HI", "2", "收到");
        drawing.go((0, 1), "发送", "", "", Fate::Lost);
        let lines = drawing.lines();
        assert_eq!(lines[0].find("bob"), Some(40));
        assert_eq!(lines[1], "   sendto \"hi\" ----------[2]----------> recv 2");
        assert_eq!(lines[1].find("recv"), Some(40));
        assert!(lines[2].starts_with("   收到 <-"), "{}", lines[2]);
        let column = |line: &str, word: &str| line.split(word).next().map(UnicodeWidthStr::width);
        assert_eq!(column(&lines[2], "HI"), Some(40));
        assert!(lines[3].ends_with('x') && lines[3].width() == 39, "{}", lines[3]);
    }

    #[test]
    fn cells_stand_under_their_heads() {
        let mut drawing = Drawing::of(["A", "B", "C"]);
        drawing.cells(["1", "", "3"]).line("free");
        assert_eq!(
            drawing.lines(),
            [
                "   A                        B                        C",
                "   1                                                 3",
                "   free"
            ]
        );
    }
}
