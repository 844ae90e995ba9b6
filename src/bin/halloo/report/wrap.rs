//! Notes and errors broken at words where a terminal would break them anywhere.

use super::columns::{fold, most_width};

/// What begins a message; its other lines stand beneath what follows.
const LEADS: [&str; 3] = ["note:", "halloo:", "--"];

/// What begins a line that is typed again as it is.
const TYPED_AGAIN: &str = "did you mean: ";

/// The text in lines of so many columns, as it is where nobody would break it. Lines that fit stay as they are.
pub(crate) fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    text.split('\n').map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let text = line.trim_start_matches(' ');
    if most_width(line) <= width || text.starts_with(TYPED_AGAIN) {
        return line.to_owned();
    }
    let indent = line.len() - text.len();
    let lead = text.split(' ').next().filter(|word| LEADS.contains(word)).map_or(0, |word| word.len() + 1);
    let (first, further) = (" ".repeat(indent), " ".repeat(indent + lead));
    let room = width.saturating_sub(further.len());
    let mut lines = Vec::new();
    for part in parts(text) {
        match part {
            // Wider than the terminal it is still one line to copy.
            Part::Command(command) => lines.push(format!("{further}{command}")),
            // The lead takes its columns from the first line, and gives them back to no other.
            Part::Words(words) if lines.is_empty() && lead > 0 => {
                let (lead, words) = (&words[..1], &words[1..]);
                let folded = fold(words.iter().copied(), room);
                let begun = format!("{first}{} {}", lead[0], folded.first().map_or("", String::as_str));
                lines.push(begun.trim_end().to_owned());
                lines.extend(folded.iter().skip(1).map(|line| format!("{further}{line}")));
            }
            Part::Words(words) => lines.extend(fold(words, room).iter().map(|line| format!("{further}{line}"))),
        }
    }
    lines.join("\n")
}

enum Part<'t> {
    /// A command of the system in quotes: it is there to be copied, and stands alone, without them.
    Command(&'t str),
    /// Words, and what stands in quotes as one.
    Words(Vec<&'t str>),
}

/// A text taken apart at its spaces and at its commands.
fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut words, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        if let Some((command, behind)) = command(rest) {
            parts.push(Part::Words(std::mem::take(&mut words)));
            parts.push(Part::Command(command));
            rest = behind.trim_start_matches(' ');
            continue;
        }
        let (word, behind) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        words.push(word);
        rest = behind.trim_start_matches(' ');
    }
    parts.push(Part::Words(words));
    parts.retain(|part| !matches!(part, Part::Words(words) if words.is_empty()));
    parts
}

/// The programs of the system whose commands are named to be copied.
const PROGRAMS: [&str; 2] = ["nft ", "sysctl "];

/// The command that the text begins with, and what stands behind it.
fn command(text: &str) -> Option<(&str, &str)> {
    let (command, behind) = text.strip_prefix('\'')?.split_once('\'')?;
    PROGRAMS.iter().any(|program| command.starts_with(program)).then_some((command, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_between_words_and_stand_beneath_the_first() {
        assert_eq!(wrapped("note: one two three", Some(13)), "note: one two\n      three");
        assert_eq!(
            wrapped("halloo: no\n        what to do now", Some(20)),
            "halloo: no\n        what to do\n        now"
        );
        assert_eq!(wrapped("   3 not answered: why", Some(15)), "   3 not\n   answered:\n   why");
        assert_eq!(wrapped("-- 2 sent, 1 skipped\n", Some(14)), "-- 2 sent, 1\n   skipped\n");
    }

    #[test]
    fn what_fits_or_is_read_by_nobody_or_is_typed_again_stays_as_it_is() {
        for (text, width) in [("note: one two", Some(13)), ("note: one two three", None), ("", Some(5))] {
            assert_eq!(wrapped(text, width), text);
        }
        let meant = "halloo: no\n        did you mean: halloo send h";
        assert_eq!(wrapped(meant, Some(20)), meant);
    }

    #[test]
    fn a_command_to_copy_has_a_line_of_its_own() {
        let text = "note: one rule, 'nft add rule x' (or so), and 'it's so'";
        assert_eq!(wrapped(text, Some(30)), "note: one rule,\n      nft add rule x\n      (or so), and 'it's so'");
    }

    proptest! {
        #[test]
        fn every_word_is_there_and_no_line_too_wide(text in "(note: |-- |   )?([a-z',]{1,7} ){1,30}[a-z]", width in 20usize..60) {
            let out = wrapped(&text, Some(width));
            prop_assert!(out.lines().all(|line| most_width(line) <= width), "{}", out);
            prop_assert!(out.split_whitespace().eq(text.split_whitespace()), "{}", out);
        }
    }
}
