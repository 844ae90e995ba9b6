//! What README.md promises is what the program does: every command line parses, every exit code and key is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::program::halloo;
use support::schema::{SCHEMA, keys};

fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of all code blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let (mut lines, mut inside) = (Vec::new(), None);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), inside) {
            (Some(opened), None) => inside = Some(opened.trim() == language),
            (Some(_), Some(_)) => inside = None,
            (None, Some(true)) => lines.push(line),
            _ => {}
        }
    }
    lines
}

/// The commands of the program on a line as it is typed at a shell: `$ printf x | halloo send ...`, `h1$ halloo ...`.
fn commands(line: &str) -> Vec<Vec<String>> {
    let Some((_, typed)) = line.split_once("$ ") else { return Vec::new() };
    let simple = words(typed).into_iter().fold(vec![Vec::new()], |mut commands: Vec<Vec<String>>, word| {
        match word {
            Word::Separator => commands.push(Vec::new()),
            Word::Text(text) => commands.last_mut().unwrap().push(text),
        }
        commands
    });
    let arguments = |words: Vec<String>| {
        let start = words.iter().position(|word| word == "halloo")?;
        (start <= 1).then(|| words[start + 1..].to_vec())
    };
    simple.into_iter().filter_map(arguments).collect()
}

enum Word {
    Text(String),
    Separator,
}

/// A little of the shell: quotes, backslashes, comments, and what separates commands or names a file.
fn words(line: &str) -> Vec<Word> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | ';' | '>' | '<') => {
                words.extend(word.take().map(Word::Text));
                words.push(Word::Separator);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take().map(Word::Text)),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(Word::Text));
    words
}

#[test]
fn a_line_of_the_shell_is_taken_apart() {
    let said = commands(r#"$ printf 'a\n' | halloo send 10.0.0.7 "it's" --lines >x # halloo no"#);
    assert_eq!(said, [["send", "10.0.0.7", "it's", "--lines"]]);
    assert_eq!(commands("h1$ halloo listen --json | halloo send h --jsonl").len(), 2);
    assert!(commands("halloo is a tool").is_empty() && commands("$ cargo install halloo").is_empty());
}

#[test]
fn every_command_line_in_the_readme_parses() {
    let text = readme();
    let typed: Vec<Vec<String>> = blocks(&text, "console").into_iter().flat_map(commands).collect();
    assert!(typed.len() >= 5, "README.md shows {} commands in console blocks", typed.len());
    for mut args in typed {
        // Behind all other words: what is wrong with those is found first, and what is right is not run.
        let place = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
        args.insert(place, "--help".to_owned());
        let output = halloo(&args).output();
        assert_eq!(output.code, Some(0), "README.md shows a command line that is none: {output}");
    }
}

/// The rows of every table whose first head is this, cell by cell.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        // A pipe within a cell is written with a backslash.
        let line = line.strip_prefix('|')?.replace("\\|", "\u{0}");
        Some(line.trim_end_matches('|').split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect())
    };
    let (mut rows, mut inside) = (Vec::new(), false);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(row) = cells(line) else {
            inside = false;
            continue;
        };
        if lines.peek().is_some_and(|next| next.starts_with("|-")) {
            inside = row[0] == head;
        } else if inside && !line.starts_with("|-") {
            rows.push(row);
        }
    }
    rows
}

/// What stands between backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_exit_code_is_in_the_readme_and_means_what_help_says() {
    let text = readme();
    let rows = rows(&text, "exit code");
    let codes: Vec<&str> = rows.iter().map(|row| &*row[0]).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6"], "the table of exit codes in README.md");
    let help = halloo(["--help"]).output().expect_code(0).out();
    let told = help.split("EXIT CODES\n").nth(1).unwrap_or_default();
    let numbers: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).take(7).collect();
    assert_eq!(numbers, codes, "{help}");
}

#[test]
fn every_event_and_key_of_the_readme_is_in_the_schema_and_the_other_way_round() {
    let rows = rows(&readme(), "event");
    let told: BTreeSet<&str> = rows.iter().filter_map(|row| names(&row[0]).next()).collect();
    let promised: BTreeSet<&str> = SCHEMA.iter().map(|(event, _)| *event).collect();
    assert_eq!(told, promised, "the events in README.md and those of the schema");
    for row in &rows {
        let event = names(&row[0]).next().unwrap();
        let (must, may) = keys(event).unwrap();
        // "as `recv` without `seq`; ...": what is said of another row is judged there.
        let (another, own) = match row[1].split_once(';') {
            Some((another, own)) if another.starts_with("as `") => (true, own),
            _ => (false, &*row[1]),
        };
        let told: BTreeSet<&str> = names(own).collect();
        let known = |name: &&&str| must.contains(*name) || may.contains(*name);
        let unknown: Vec<_> = told.iter().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{event} has no {unknown:?}");
        let untold: Vec<_> = must.iter().filter(|name| **name != "ts" && !told.contains(*name)).collect();
        assert!(untold.is_empty() || another, "README.md does not say that {event} has {untold:?}");
    }
}

#[test]
fn the_rustdoc_of_the_schema_names_every_key() {
    let room = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/halloo/report/json.rs");
    let text = std::fs::read_to_string(room).unwrap();
    let rustdoc: String = text.lines().filter(|line| line.starts_with("//!")).collect();
    let documented: BTreeSet<&str> = names(&rustdoc).collect();
    for (event, _) in SCHEMA {
        let (must, may) = keys(event).unwrap();
        for name in must.into_iter().chain(may).chain([*event]) {
            assert!(documented.contains(name), "{name} of {event} is not in {room}");
        }
    }
}

#[test]
fn every_option_in_the_readme_exists() {
    let commands = [
        "echo",
        "length",
        "listen",
        "send",
        "broadcast",
        "ping",
        "announce",
        "discover",
        "secret",
        "interfaces",
        "learn",
    ];
    let help: String =
        commands.iter().map(|command| halloo([command, "--help"]).output().expect_code(0).out()).collect();
    let exists =
        |option: &str| help.split(|c: char| c.is_whitespace() || ",[]=".contains(c)).any(|word| word == option);
    assert!(exists("--wait") && !exists("--no-such-option"));
    let text = readme();
    // Code blocks are taken apart above; here, what stands in sentences and tables.
    let prose: String = text.split("```").step_by(2).collect();
    let words = names(&prose).flat_map(str::split_whitespace);
    let options: BTreeSet<&str> = words
        .map(|word| word.trim_matches(['[', ']']))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .collect();
    assert!(options.len() > 30, "{options:?}");
    // Those of cargo.
    for option in options.into_iter().filter(|option| !["--bin", "--document-private-items"].contains(option)) {
        assert!(exists(option), "{option} is in README.md and in no command's help");
    }
}

#[test]
fn the_readme_begins_with_what_it_is_and_two_commands() {
    let text = readme();
    let start: String = text.lines().take(40).collect::<Vec<_>>().join("\n");
    for command in ["scripts/demo", "scripts/test"] {
        assert!(start.contains(command), "{command} in the first lines of README.md");
        let path = format!("{}/{command}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::metadata(path).is_ok(), "{command} exists");
    }
}

/// The sources of a test by the first words of its name: a file of `tests`, or a room of `src`, of the library or the
/// program, with all that is in it.
fn sources_of(place: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let inside = place.join("/");
    let homes = [root.join("tests"), root.join("src"), root.join("src/bin/halloo")].map(|home| home.join(&inside));
    let files = homes.iter().map(|home| home.with_extension("rs")).filter(|file| file.is_file());
    let rooms = homes.iter().filter_map(|home| std::fs::read_dir(home).ok()).flatten();
    files.chain(rooms.map(|entry| entry.unwrap().path()).filter(|file| file.is_file())).collect()
}

/// Whether the source has a test of this name: a function, with the attribute on a line above it.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let function = format!("fn {name}(");
    let found = lines.iter().position(|line| line.starts_with(&function));
    let above =
        |at: usize| lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    found.is_some_and(|at| above(at).any(|line| *line == "#[test]"))
}

#[test]
fn a_test_is_found_by_its_attribute() {
    let source = "    #[test]\n    // Why.\n    fn it_holds() {}\n\nfn it_helps() {}\n";
    assert!(has_test(source, "it_holds") && !has_test(source, "it_helps") && !has_test(source, "it"));
    assert_eq!(sources_of(&["readme"]).len(), 1);
    assert!(sources_of(&["wire", "beacon"]).len() > 1 && sources_of(&["no", "room"]).is_empty());
}

#[test]
fn every_promise_names_a_test_and_every_test_that_is_named_exists() {
    let text = readme();
    let (promises, tests) = (rows(&text, "no."), rows(&text, "no. of the promise"));
    assert!(promises.len() > 15, "{} promises in README.md", promises.len());
    let numbers = |rows: &[Vec<String>]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    let counted: Vec<String> = (1..=promises.len()).map(|number| number.to_string()).collect();
    assert_eq!(
        (&numbers(&promises), &numbers(&tests)),
        (&counted, &counted),
        "the numbers of the promises in README.md"
    );
    for row in tests {
        let tests: Vec<&str> = names(&row[1]).collect();
        assert!(!tests.is_empty(), "README.md promises number {}, and nothing holds it", row[0]);
        for test in tests {
            let path: Vec<&str> = test.split("::").collect();
            let (name, place) = path.split_last().unwrap();
            let has = |file: &PathBuf| has_test(&std::fs::read_to_string(file).unwrap(), name);
            assert!(sources_of(place).iter().any(has), "README.md names the test {test}, which does not exist");
        }
    }
}
