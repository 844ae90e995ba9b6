//! Text in the columns of a terminal: how wide it is, cut to a width, folded, padded.
//!
//! Nothing that a stranger says may reach the end of a line of the terminal: what that wraps could be taken for a row of
//! its own. Terminals disagree about how wide some characters are, so what must fit is measured by the most that any of them
//! takes ([`most_width`]), and what stands beneath something by what is usual ([`width`]).

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// What stands where something is left out. Dots of ASCII: the one character of three is two columns wide on some
/// terminals.
const CUT: &str = "...";

/// The columns a text usually takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The most columns that a terminal gives a text: two for what is wide in China and Japan, one for what stands above or
/// beneath another character, where a terminal does not put it there.
pub(super) fn most_width(text: &str) -> usize {
    text.chars().map(most_of).sum()
}

fn most_of(c: char) -> usize {
    c.width_cjk().unwrap_or(0).max(1)
}

/// The text with spaces behind it, so that the next column begins there.
pub(super) fn pad(text: &str, room: usize) -> String {
    format!("{text}{:gap$}", "", gap = room.saturating_sub(width(text)))
}

/// As much of the text as surely fits, with dots where there was more.
pub(super) fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if most_width(text) <= room {
        return Cow::Borrowed(text);
    }
    let kept = &text[..end_of(text, room.saturating_sub(CUT.len()))];
    Cow::Owned(format!("{kept}{}", &CUT[..CUT.len().min(room)]))
}

/// Where the part of the text ends that surely fits.
fn end_of(text: &str, room: usize) -> usize {
    let mut taken = 0;
    let too_far = |(_, c): &(usize, char)| {
        taken += most_of(*c);
        taken > room
    };
    text.char_indices().find(too_far).map_or(text.len(), |(at, _)| at)
}

/// All of the words on lines that surely fit, a space between two; a longer word goes on in the next line.
pub(super) fn fold<'t>(words: impl IntoIterator<Item = &'t str>, room: usize) -> Vec<String> {
    // Any character fits.
    let room = room.max(2);
    let mut lines: Vec<String> = Vec::new();
    for mut word in words {
        match lines.last_mut().filter(|line| most_width(line) + 1 + most_width(word) <= room) {
            Some(line) => line.extend([" ", word]),
            None => loop {
                let (line, rest) = word.split_at(end_of(word, room));
                lines.push(line.to_owned());
                word = rest;
                if word.is_empty() {
                    break;
                }
            },
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_are_those_of_a_terminal() {
        assert_eq!((width("abc"), width("你好"), width("e\u{301}")), (3, 4, 1));
        assert_eq!((most_width("你好"), most_width("e\u{301}"), most_width("…")), (4, 2, 2));
        assert_eq!(pad("你", 4), "你  ");
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc...");
        assert_eq!(cut("你好你好", 6), "你...");
        assert_eq!(cut("abc", 2), "..");
    }

    #[test]
    fn what_is_folded_is_all_there() {
        assert_eq!(fold(["a=1", "b=2", "c=3"], 7), ["a=1 b=2", "c=3"]);
        assert_eq!(fold(["a=1", "long=123456", "c=3"], 7), ["a=1", "long=12", "3456", "c=3"].map(str::to_owned));
        assert!(fold([], 7).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_there_is_room(text in ".*", room in 2usize..40) {
            prop_assert!(most_width(&cut(&text, room)) <= room);
            let lines = fold([text.as_str()], room);
            prop_assert!(lines.iter().all(|line| most_width(line) <= room));
            prop_assert_eq!(lines.concat(), text);
        }
    }
}
