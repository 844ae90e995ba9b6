//! The rules of the house: who may import whom, and what has one room only. They are read from the text of the sources,
//! since the compiler does not know rooms.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A room: what it may use, and which crates from outside.
struct Room {
    name: &'static str,
    rooms: &'static [&'static str],
    crates: &'static [&'static str],
}

/// The table of DESIGN.md, "The house". What is not here is not allowed.
const ROOMS: &[Room] = &[
    Room { name: "model", rooms: &[], crates: &["thiserror", "data_encoding", "hdrhistogram"] },
    Room { name: "wire", rooms: &["model"], crates: &["hmac", "sha2", "minicbor", "crc32fast"] },
    Room { name: "engine", rooms: &["model", "wire"], crates: &[] },
    Room { name: "net", rooms: &["model", "net/sys"], crates: &["socket2", "if_addrs", "polling", "nix"] },
    Room { name: "net/sys", rooms: &["model", "net"], crates: &["socket2", "if_addrs", "polling", "nix", "libc"] },
    Room {
        name: "lab",
        rooms: &["model", "net"],
        crates: &["nix", "socket2", "thiserror", "netlink_packet_core", "netlink_packet_route", "netlink_sys"],
    },
    Room { name: "drive", rooms: &["model", "engine", "net"], crates: &[] },
    // Ready to use: engines with their sockets, a thread, and what is kept of a service.
    Room { name: "discovery", rooms: &["model", "wire", "engine", "net", "drive"], crates: &["getrandom"] },
    Room { name: "bin args", rooms: &["model"], crates: &["clap", "humantime", "strsim"] },
    Room {
        name: "bin report",
        rooms: &["model"],
        // unicode_width: columns that are right in every script.
        crates: &[
            "chrono",
            "serde",
            "serde_json",
            "comfy_table",
            "unicode_width",
            "pcap_file",
            "data_encoding",
            "quick_xml",
        ],
    },
    Room {
        name: "bin cmd",
        rooms: &["model", "wire", "engine", "net", "lab", "drive", "discovery", "bin args", "bin report", "bin lesson"],
        // nix: the state of the terminal, which the prompt changes. sys_locale: the language of
        // the user. terminal_size: the width of a table.
        crates: &["signal_hook", "ctrlc", "rustyline", "nix", "sys_locale", "terminal_size"],
    },
    Room {
        name: "bin lesson",
        rooms: &["model", "wire", "engine", "net", "lab", "drive", "bin report"],
        // Columns that are right in every script.
        crates: &["textwrap", "unicode_width"],
    },
    // The doors: the map of the library, and the program's first and last steps.
    Room { name: "lib", rooms: &["model", "wire", "engine", "net", "lab", "drive", "discovery"], crates: &[] },
    Room { name: "bin", rooms: &["model", "bin args", "bin cmd", "bin report"], crates: &[] },
];

/// Crates that every test may use.
const IN_TESTS: &[&str] = &["allocation_counter", "proptest", "tempfile", "serde_json"];

/// The crates of the language.
const LANGUAGE: &[&str] = &["std", "core", "alloc"];

fn room(name: &str) -> &'static Room {
    ROOMS.iter().find(|room| room.name == name).unwrap_or_else(|| panic!("{name} is no room of the house"))
}

/// The room of a file, by its path under `src`.
fn room_of(path: &str) -> String {
    let (program, inside) = match path.strip_prefix("bin/halloo/") {
        Some(inside) => ("bin", inside),
        None => ("", path),
    };
    let first = inside.split('/').next().unwrap_or_default();
    match (program, first.strip_suffix(".rs")) {
        ("bin", Some("main" | "exit")) => "bin".to_owned(),
        ("bin", Some(file)) => format!("bin {file}"),
        ("bin", None) => format!("bin {first}"),
        (_, Some(file)) => file.to_owned(),
        (_, None) if inside.starts_with("net/sys") => "net/sys".to_owned(),
        (_, None) => first.to_owned(),
    }
}

/// The source without comments and without what stands in quotes, so that a word in a sentence is no import. Lines stay
/// lines.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") => raw_string(rest).unwrap_or(0),
            '"' => string(rest),
            '\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            code.push_str(if c == '/' { "" } else { "\"\"" });
            rest = &rest[skipped..];
        }
    }
    code
}

/// How long the string is that `text` begins with.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let open = 1 + hashes;
    text[open..].starts_with('"').then(|| {
        let end = format!("\"{}", "#".repeat(hashes));
        text[open + 1..].find(&end).map_or(text.len(), |at| open + 1 + at + end.len())
    })
}

/// A character, if it is one and not a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return text[3..].find('\'').map(|at| at + 4);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

/// Every path in the code that goes through `::`, with groups in braces spread out: `a::{b, c::d}` is `a::b` and `a::c::d`.
/// Within `mod x { ... }` the first `super` is the file itself, and is left out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let (mut found, mut inline, mut braces) = (Vec::new(), Vec::new(), 0);
    let tokens = tokens(code);
    let mut at = 0;
    while at < tokens.len() {
        match &*tokens[at] {
            "{" => {
                braces += 1;
                if at >= 2 && tokens[at - 2] == "mod" {
                    inline.push(braces);
                }
            }
            "}" => {
                inline.retain(|opened| *opened != braces);
                braces -= 1;
            }
            _ => {}
        }
        let begins = is_name(&tokens[at]) && (at == 0 || !matches!(&*tokens[at - 1], "::" | "."));
        if begins && tokens.get(at + 1).is_some_and(|next| next == "::") {
            let mut here = Vec::new();
            at = spread(&tokens, at, &[], &mut here);
            found.extend(here.into_iter().filter_map(|path| out_of_inline(path, inline.len())));
        } else {
            if begins && at > 0 && tokens[at - 1] == "use" {
                found.push(vec![tokens[at].clone()]);
            }
            at += 1;
        }
    }
    found
}

/// The path as it is seen from the file: so many `super`s lead out of modules within it.
fn out_of_inline(path: Vec<String>, depth: usize) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let rest = path[ups.min(depth)..].to_vec();
    // What is left after a `super` that led no further than the file is a name of the file's own.
    (ups == 0 || ups > depth).then_some(rest)
}

/// Reads the path that begins at `at`, and returns where it ends.
fn spread(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some(name) if is_name(name) || name == "*" => path.push(name.to_owned()),
            Some("{") => return group(tokens, at + 1, &path, found),
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    found.push(path);
    at
}

fn group(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    while at < tokens.len() && tokens[at] != "}" {
        let next = spread(tokens, at, before, found);
        // A comma, or a renaming.
        at = next.max(at);
        while at < tokens.len() && tokens[at] != "," && tokens[at] != "}" {
            at += 1;
        }
        if tokens.get(at).is_some_and(|token| token == ",") {
            at += 1;
        }
    }
    at + 1
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(c);
            }
            tokens.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    tokens
}

/// A source file: its path under `src`, and its text.
struct Source {
    path: String,
    text: String,
}

/// What the rules are broken by, each in one sentence.
fn broken(sources: &[Source]) -> Vec<String> {
    let own: BTreeSet<String> = sources.iter().flat_map(|source| modules(&source.path)).collect();
    let mut broken = Vec::new();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let Source { path, text } = source;
        let code = code_of(text);
        let home = room_of(path);
        if !text.starts_with("//!") {
            broken.push(format!("{path} does not begin with what it is"));
        }
        for used in imports(path, &code, &own) {
            match used {
                Import::Room(other) if other != home => {
                    if !room(&home).rooms.contains(&&*other) {
                        broken.push(format!("{path}: {home} uses {other}"));
                    }
                    uses.entry(home.clone()).or_default().insert(other);
                }
                Import::Room(_) => {}
                Import::Crate(name) => {
                    if !may_use(&home, path, &name) {
                        broken.push(format!("{path}: {home} uses the crate {name}"));
                    }
                }
            }
        }
        broken.extend(words_out_of_place(path, &code));
    }
    broken.extend(two_way(&uses));
    broken
}

/// Rooms that use each other. `net` and its own `net/sys` are one room with two floors.
fn two_way(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let used = |a: &str, b: &str| uses.get(a).is_some_and(|used| used.contains(b));
    let both = |a: &String, b: &String| a < b && used(b, a) && !(a == "net" && b == "net/sys");
    let pairs = uses.iter().flat_map(|(a, used)| used.iter().map(move |b| (a, b)));
    pairs
        .filter(|(a, b)| both(a, b) || (*a > *b && used(b, a) && !(*b == "net" && *a == "net/sys")))
        .map(|(a, b)| format!("{a} and {b} use each other"))
        .collect()
}

enum Import {
    Room(String),
    Crate(String),
}

/// The names of the modules that a file makes.
fn modules(path: &str) -> Vec<String> {
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn imports(path: &str, code: &str, own: &BTreeSet<String>) -> Vec<Import> {
    paths(code).iter().filter_map(|used| import(path, used, own)).collect()
}

/// What a path leads to, if that is another room or another crate.
fn import(path: &str, used: &[String], own: &BTreeSet<String>) -> Option<Import> {
    let program = path.starts_with("bin/");
    match (used[0].as_str(), used.get(1)) {
        ("halloo", Some(first)) => Some(Import::Room(library_room(used, first))),
        ("crate", Some(first)) if program => program_room(first).map(Import::Room),
        ("crate", Some(first)) => Some(Import::Room(library_room(used, first))),
        ("super", Some(_)) => beside(path, used),
        ("self" | "Self" | "crate" | "super" | "halloo", _) => None,
        (first, _) if is_crate(first, own) => Some(Import::Crate(first.to_owned())),
        _ => None,
    }
}

fn library_room(used: &[String], first: &str) -> String {
    let floor = first == "net" && used.get(2).is_some_and(|second| second == "sys");
    if floor { "net/sys".to_owned() } else { first.to_owned() }
}

fn program_room(first: &str) -> Option<String> {
    let name = format!("bin {first}");
    if ROOMS.iter().any(|room| room.name == name) {
        return Some(name);
    }
    matches!(first, "exit" | "main").then(|| "bin".to_owned())
}

/// Where `super::` leads: out of the room, if the file is at its top.
fn beside(path: &str, used: &[String]) -> Option<Import> {
    let program = path.starts_with("bin/halloo/");
    let inside = path.trim_start_matches("bin/halloo/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = inside.split('/').count();
    let ups = used.iter().take_while(|part| *part == "super").count();
    let target = used.get(ups)?;
    if ups < depth {
        return None;
    }
    if program { program_room(target).map(Import::Room) } else { Some(Import::Room(target.clone())) }
}

/// Whether the first name of a path is another crate's. Those of the house are modules; types begin with a capital.
fn is_crate(first: &str, own: &BTreeSet<String>) -> bool {
    let lower = first.starts_with(|c: char| c.is_ascii_lowercase());
    lower && !own.contains(first) && !LANGUAGE.contains(&first) && KNOWN_CRATES.contains(&first)
}

/// Crates whose names a path may begin with: those of Cargo.toml, and some that others would reach for.
const KNOWN_CRATES: &[&str] = &[
    "allocation_counter",
    "anstream",
    "anyhow",
    "base64",
    "chrono",
    "clap",
    "comfy_table",
    "crc32fast",
    "ctrlc",
    "data_encoding",
    "getrandom",
    "halloo_fuzz",
    "hdrhistogram",
    "hex",
    "hmac",
    "humantime",
    "if_addrs",
    "libc",
    "log",
    "minicbor",
    "mio",
    "netlink_packet_core",
    "netlink_packet_route",
    "netlink_sys",
    "nix",
    "pcap_file",
    "polling",
    "proptest",
    "quick_xml",
    "rand",
    "regex",
    "rustix",
    "rustyline",
    "serde",
    "serde_json",
    "sha2",
    "signal_hook",
    "socket2",
    "strsim",
    "sys_locale",
    "tempfile",
    "terminal_size",
    "textwrap",
    "thiserror",
    "time",
    "tokio",
    "tracing",
    "unicode_width",
    "windows",
    "windows_sys",
];

/// Whether a file may use a crate from outside.
fn may_use(home: &str, path: &str, name: &str) -> bool {
    if name == "chrono" {
        return path == "bin/halloo/report/clock.rs";
    }
    room(home).crates.contains(&name) || IN_TESTS.contains(&name)
}

/// Words that have one room, or none.
fn words_out_of_place(path: &str, code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let has = |word: &str| tokens.iter().any(|token| token == word);
    let has_macro = |word: &str| tokens.windows(2).any(|pair| pair[0] == word && pair[1] == "!");
    let mut broken = Vec::new();
    if has("unsafe") && room_of(path) != "net/sys" {
        broken.push(format!("{path}: unsafe outside net/sys"));
    }
    for word in ["println", "eprintln", "print", "eprint", "dbg", "todo", "unimplemented"] {
        if has_macro(word) {
            broken.push(format!("{path}: {word}!"));
        }
    }
    for (word, home) in [("UdpSocket", "net"), ("SO_REUSEADDR", ""), ("set_reuse_address", "")] {
        if has(word) && (home.is_empty() || !room_of(path).starts_with(home)) {
            broken.push(format!("{path}: {word} out of place"));
        }
    }
    broken
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let source = |file: PathBuf| Source {
        path: file.strip_prefix(&root).unwrap().to_str().expect("a plain name").to_owned(),
        text: fs::read_to_string(&file).unwrap(),
    };
    files.into_iter().map(source).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_rules_of_the_house_hold() {
    let sources = sources();
    assert!(sources.len() > 20, "only {} sources were found", sources.len());
    let broken = broken(&sources);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_root_of_the_library_defines_nothing() {
    for source in sources().iter().filter(|source| source.path == "lib.rs") {
        let code = without_doctests(&code_of(&source.text));
        for word in ["fn", "struct", "enum", "trait", "impl", "static", "macro_rules"] {
            assert!(!tokens(&code).iter().any(|token| token == word), "{} defines a {word}", source.path);
        }
    }
}

#[test]
fn every_crate_of_the_manifest_is_known_here() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once('=')) {
            let name = name.trim().replace('-', "_");
            if !name.starts_with('#') && !name.is_empty() {
                assert!(KNOWN_CRATES.contains(&&*name), "{name} is in Cargo.toml and not in KNOWN_CRATES");
            }
        }
    }
}

/// The code without what is there only for the tests of documentation, such as the examples of the README.
fn without_doctests(code: &str) -> String {
    let mut pieces = code.split("#[cfg(doctest)]");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |code, piece| code + piece.split_once(';').map_or("", |(_, behind)| behind))
}

/// What the checker says of one file.
fn says(path: &str, text: &str) -> Vec<String> {
    says_of(&[(path, text)])
}

fn says_of(files: &[(&str, &str)]) -> Vec<String> {
    let source = |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: format!("//! X.\n{text}") };
    broken(&files.iter().map(source).collect::<Vec<_>>())
}

#[test]
fn the_checker_finds_each_kind_of_violation() {
    for (path, text) in [
        ("model/x.rs", "use crate::engine::Engine;"),
        ("model/x.rs", "use crate::{engine::Engine, model::Link};"),
        ("model/x.rs", "fn f() { crate::net::open() }"),
        ("model/mod.rs", "use super::engine::Engine;"),
        ("model/deep/x.rs", "use super::super::super::net::x;"),
        ("model/mod.rs", "mod tests { fn f() {} use super::super::net::x; }"),
        ("drive.rs", "mod tests { mod deep {} } use super::lab::x;"),
        ("engine/x.rs", "use crate::net::Options;"),
        ("engine/x.rs", "use crate::drive;"),
        ("net/x.rs", "use crate::engine::Out;"),
        ("net/x.rs", "let x = libc::getpid();"),
        ("drive.rs", "use socket2::Socket;"),
        ("bin/halloo/args/x.rs", "use crate::report::Style;"),
        ("bin/halloo/args/x.rs", "use halloo::engine::Engine;"),
        ("bin/halloo/args/x.rs", "use halloo::{model::Link, net::Options};"),
        ("bin/halloo/report/x.rs", "use clap::Args;"),
        ("bin/halloo/report/x.rs", "#[derive(clap::ValueEnum)] enum X {}"),
        ("bin/halloo/report/x.rs", "use chrono::Local;"),
        ("bin/halloo/report/x.rs", "use super::super::cmd::run;"),
        ("bin/halloo/cmd/x.rs", "use serde_yaml; use clap::Parser;"),
        ("model/x.rs", "use rand::random;"),
        ("engine/x.rs", "fn f() { unsafe { g() } }"),
        ("bin/halloo/cmd/x.rs", "fn f() { println!(\"x\"); }"),
        ("bin/halloo/report/x.rs", "fn f() { eprintln!(); }"),
        ("engine/x.rs", "use std::net::UdpSocket;"),
        ("net/options.rs", "socket.set_reuse_address(true)?;"),
    ] {
        assert!(!says(path, text).is_empty(), "{path}: {text} went unnoticed");
    }
    assert!(!broken(&[Source { path: "model/x.rs".into(), text: "use std::fmt;".into() }]).is_empty(), "no //!");
    let knot = says_of(&[("net/x.rs", "use crate::engine::A;"), ("engine/x.rs", "use crate::net::B;")]);
    assert!(knot.iter().any(|broken| broken.contains("use each other")), "{knot:?}");
}

#[test]
fn the_checker_lets_pass_what_is_allowed() {
    for (path, text) in [
        ("model/x.rs", "use std::fmt; use thiserror::Error; use crate::model::Link; use super::Payload;"),
        ("engine/send.rs", "use crate::model::{Link, Cast as C}; use crate::wire::probe; use super::Out;"),
        ("net/sys/linux.rs", "use crate::net::options::X; fn f() { unsafe { libc::getpid() } }"),
        ("net/x.rs", "use crate::net::sys; use socket2::Socket;"),
        ("drive.rs", "use crate::{engine::Engine, net::Batch, model::Now};"),
        ("bin/halloo/cmd/x.rs", "use crate::args::{self, Aim}; use halloo::drive; use rustyline::Editor;"),
        ("bin/halloo/report/clock.rs", "use chrono::Local;"),
        ("bin/halloo/report/json/x.rs", "use super::super::escape; use serde::Serialize;"),
        ("bin/halloo/main.rs", "mod args; fn main() { args::parse(); exit::code(cmd::run()); }"),
        (
            "model/x.rs",
            "/// See crate::engine::Engine.\nconst X: &str = \"use crate::net::y; unsafe println!\"; // chrono::x",
        ),
        ("model/x.rs", "const X: &str = r#\"crate::net::\"y\"\"#; const C: char = '\"'; fn f<'a>(x: &'a str) {}"),
        ("model/x.rs", "#[cfg(test)] mod tests { use super::*; use proptest::prelude::*; }"),
        ("drive.rs", "fn f() {} #[cfg(test)] mod tests { use super::{Stop, run}; fn g() { super::f() } }"),
    ] {
        let said = says(path, text);
        assert!(said.is_empty(), "{path}: {text}: {said:?}");
    }
}
