//! Bytes from the network and names from the system, made safe for a terminal and readable back.
//!
//! Nothing that moves a cursor, turns the direction of text or cannot be seen is written as it is (CWE-150): control
//! characters, bytes that are not UTF-8, bidirectional and other format characters, and letters that are written from the right
//! come out as escapes.
//! [`halloo::model::record::unescape`] is the inverse: `send -e` takes what `listen` shows.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};

use unicode_width::UnicodeWidthChar;

/// A payload for one line: `"text"`, or `"te" +2 more` with the BYTES left out beyond `most` shown characters, or `(empty)`.
pub(crate) struct Preview<'a> {
    /// The payload.
    pub(crate) bytes: &'a [u8],
    /// How many characters may be shown between the quotes.
    pub(crate) most: usize,
}

impl Display for Preview<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.bytes.is_empty() {
            return f.write_str("(empty)");
        }
        f.write_char('"')?;
        let shown = escape(self.bytes, self.most, f)?;
        f.write_char('"')?;
        match self.bytes.len() - shown {
            0 => Ok(()),
            more => write!(f, " +{more} more"),
        }
    }
}

/// A name that the system or the user gave, such as an interface's: safe, and padded as the format asks.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&harmless(self.0))
    }
}

/// A text of our own that quotes others. Quotes and backslashes stay, so it does not read back.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            safe.push_str(Escape::of_char(c).text());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Marks above and beneath one character: Vietnamese has two, phonetic script three.
const MOST_MARKS: usize = 3;

/// The text with more marks than any script puts on a character as escapes: they would paint over the lines around. So is
/// one that has nothing to stand on, and would join what is before the text.
pub(crate) fn tamed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let (mut safe, mut marks) = (String::with_capacity(text.len()), MOST_MARKS);
    for c in text.chars() {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks > MOST_MARKS {
            safe.push_str(Escape::of_char(c).text());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Writes `bytes`, at most `most` characters of output, and returns how many BYTES it took. Never cuts through an escape.
fn escape(bytes: &[u8], most: usize, out: &mut impl Write) -> Result<usize, fmt::Error> {
    let (mut taken, mut left) = (0, most);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        let part = escape_text(valid, &mut left, out)?;
        taken += part;
        if part < valid.len() {
            return Ok(taken);
        }
        for byte in chunk.invalid() {
            let escape = Escape::of_byte(*byte);
            if !pay(&mut left, escape.text().len()) {
                return Ok(taken);
            }
            out.write_str(escape.text())?;
            taken += 1;
        }
    }
    Ok(taken)
}

/// Writes `text` as far as `left` reaches. What needs no escape is written in one piece.
fn escape_text(text: &str, left: &mut usize, out: &mut impl Write) -> Result<usize, fmt::Error> {
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        let escape = needs_escape(c).then(|| Escape::of_char(c));
        if !pay(left, escape.as_ref().map_or(1, |e| e.text().len())) {
            out.write_str(&text[plain_from..at])?;
            return Ok(at);
        }
        let Some(escape) = escape else { continue };
        out.write_str(&text[plain_from..at])?;
        out.write_str(escape.text())?;
        plain_from = at + c.len_utf8();
    }
    out.write_str(&text[plain_from..])?;
    Ok(text.len())
}

fn pay(left: &mut usize, price: usize) -> bool {
    match left.checked_sub(price) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

fn needs_escape(c: char) -> bool {
    matches!(c, '\\' | '"') || is_harmful(c)
}

/// Whether a character acts on the terminal, on its neighbours, or is not there to be seen.
pub(crate) fn is_harmful(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_control() } else { is_unseen(c) || is_from_the_right(c) }
}

/// The blocks of the scripts that are written from the right to the left (UAX #9: the classes R, AL and AN). Their letters turn
/// the direction of the numbers and signs behind them: an address would stand in front of the name whose it is, and how many
/// bytes are left out would stand within the payload. An isolate around them (FSI, PDI) would keep that off, but not
/// every terminal knows it, and it is lost where a text is cut or goes on in the next line. Nothing is lost: an escape reads back.
const fn is_from_the_right(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
}

/// C1 controls, the line and paragraph separators, and every character that Unicode 16 gives the general category Cf or the
/// property Default_Ignorable_Code_Point: soft hyphens, bidirectional controls, zero-width ones, selectors, tags.
const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// One escape, without a heap.
struct Escape {
    text: [u8; 10],
    len: usize,
}

impl Escape {
    fn of_char(c: char) -> Self {
        match c {
            '\n' => Self::made_of(format_args!("\\n")),
            '\r' => Self::made_of(format_args!("\\r")),
            '\t' => Self::made_of(format_args!("\\t")),
            '\0' => Self::made_of(format_args!("\\0")),
            '\\' | '"' => Self::made_of(format_args!("\\{c}")),
            _ if c.is_ascii() => Self::made_of(format_args!("\\x{:02x}", u32::from(c))),
            _ => Self::made_of(format_args!("\\u{{{:x}}}", u32::from(c))),
        }
    }

    fn of_byte(byte: u8) -> Self {
        Self::made_of(format_args!("\\x{byte:02x}"))
    }

    fn made_of(text: fmt::Arguments<'_>) -> Self {
        let mut escape = Self { text: [0; 10], len: 0 };
        // Ten bytes hold the longest, `\u{10ffff}`.
        let _fits = escape.write_fmt(text);
        escape
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

impl Write for Escape {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.text.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halloo::model::record::unescape;
    use proptest::prelude::*;

    /// The bytes as escaped text without quotes.
    struct Escaped<'a>(&'a [u8]);

    impl Display for Escaped<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            escape(self.0, usize::MAX, f).map(drop)
        }
    }

    fn shown(bytes: &[u8]) -> String {
        Escaped(bytes).to_string()
    }

    fn preview(bytes: &[u8], most: usize) -> String {
        Preview { bytes, most }.to_string()
    }

    #[test]
    fn what_attacks_a_terminal_comes_out_as_text() {
        assert_eq!(shown(b"\x1b]0;title\x07"), r"\x1b]0;title\x07");
        assert_eq!(shown(b"\x9b2J\x7f"), r"\x9b2J\x7f");
        assert_eq!(shown("\u{9b}2J".as_bytes()), r"\u{9b}2J");
        assert_eq!(
            shown("a\u{202e}b\u{200b}\u{2028}\u{feff}\u{e0041}".as_bytes()),
            r"a\u{202e}b\u{200b}\u{2028}\u{feff}\u{e0041}"
        );
        assert_eq!(shown(b"\"\\\n\r\t\0"), r#"\"\\\n\r\t\0"#);
    }

    #[test]
    fn what_can_be_read_stays() {
        assert_eq!(shown("grüß 你好 👋 it's".as_bytes()), "grüß 你好 👋 it's");
        assert_eq!(shown(&[0xe4, 0xbd, b'!']), r"\xe4\xbd!");
    }

    #[test]
    fn what_is_written_from_the_right_moves_nothing_that_stands_behind_it() {
        assert_eq!(shown("a\u{5d0}\u{663}b".as_bytes()), r"a\u{5d0}\u{663}b");
        // Its name for the first and the last of each script of such letters.
        for c in
            ["\u{5d0}\u{7ff}\u{8ac}", "\u{fb1d}\u{fdfb}\u{fe70}\u{fefc}", "\u{10800}\u{10fff}", "\u{1e800}\u{1eeff}"]
        {
            assert!(c.chars().all(is_harmful), "{c:?}");
        }
        assert!("\u{58f}\u{900}\u{fb1c}\u{1f600}".chars().all(|c| !is_harmful(c)));
    }

    #[test]
    fn a_preview_counts_the_bytes_left_out_and_never_cuts_an_escape() {
        assert_eq!(preview(b"", 4), "(empty)");
        assert_eq!(preview(b"CCCC", 4), r#""CCCC""#);
        assert_eq!(preview(&[b'C'; 20_001], 4), r#""CCCC" +19997 more"#);
        assert_eq!(preview("äöü".as_bytes(), 2), r#""äö" +2 more"#);
        assert_eq!(preview(b"ab\x1bc", 5), r#""ab" +2 more"#);
        assert_eq!(preview(b"\xff\xff", 6), r#""\xff" +1 more"#);
    }

    #[test]
    fn names_are_padded_and_safe() {
        assert_eq!(format!("{:<6}|", Name("eth0")), "eth0  |");
        assert_eq!(format!("{:<6}|", Name("e\x1b[")), "e\\x1b[|");
        assert_eq!(harmless("\"a\\b\"\n"), "\"a\\b\"\\n");
    }

    #[test]
    fn a_tower_of_marks_is_text() {
        assert_eq!(tamed("e\u{301} ok"), "e\u{301} ok");
        assert_eq!(tamed(&format!("a{}", "\u{301}".repeat(5))), "a\u{301}\u{301}\u{301}\\u{301}\\u{301}");
        assert_eq!(tamed("\u{301}a"), "\\u{301}a");
    }

    proptest! {
        #[test]
        fn it_reads_back_and_holds_nothing_harmful(bytes: Vec<u8>) {
            let text = shown(&bytes);
            prop_assert!(!text.chars().any(|c| c.is_control() || is_harmful(c)));
            prop_assert_eq!(unescape(&text).unwrap(), bytes);
        }

        #[test]
        fn any_text_reads_back(text in "\\PC*|.*|[\\x00-\\x20\\u{80}-\\u{a0}\\u{2000}-\\u{2070}\\\\\"]*") {
            prop_assert_eq!(unescape(&shown(text.as_bytes())).unwrap(), text.as_bytes());
        }

        #[test]
        fn a_cut_preview_is_a_prefix(bytes: Vec<u8>, most in 0usize..40) {
            let mut text = String::new();
            let taken = escape(&bytes, most, &mut text).unwrap();
            prop_assert!(text.chars().count() <= most);
            prop_assert_eq!(unescape(&text).unwrap(), &bytes[..taken]);
        }
    }
}
