//! Whole command lines, words between zero bytes: durations, rates, sizes, addresses and the rest. Whatever is typed is
//! taken, or refused with a text that can be shown and a proposal that works.

use std::ffi::OsString;

use crate::args::{Refused, parse};

/// Runs it.
pub fn run(input: &[u8]) {
    let words = input.split(|byte| *byte == 0).map(word);
    match parse(std::iter::once("halloo".into()).chain(words)) {
        Ok(args) => assert!(!format!("{args:?}").is_empty()),
        Err(refused) => look(&refused),
    }
}

#[cfg(unix)]
fn word(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn word(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn look(refused: &Refused) {
    let Refused { text, code, to_stdout } = refused;
    assert!(!text.is_empty() && *to_stdout == (*code == 0));
    assert!(crate::is_harmless(text), "{text:?}");
    let proposals = text.lines().filter_map(|line| line.trim_start().strip_prefix("did you mean: "));
    for proposal in proposals {
        assert!(parse(shell_words(proposal)).is_ok(), "{proposal}");
    }
}

/// The words of a line in which what is not plain stands in single quotes, and such a quote as `'\''`.
fn shell_words(line: &str) -> Vec<OsString> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => words.last_mut().expect("a word").extend(chars.next()),
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("a word").push(c),
        }
    }
    words.into_iter().map(OsString::from).collect()
}
