//! Every input that the fuzzer kept is run again, without the fuzzer: see fuzz/README.md.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs a target with all of its corpus.
fn replay(target: &str) {
    let (_, run) = halloo_fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let folder = PathBuf::from(CORPUS).join(target);
    let inputs = names(&folder);
    assert!(inputs.len() > 1, "{} is empty", folder.display());
    for input in inputs {
        let path = folder.join(input);
        let bytes = fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| run(&bytes)).is_ok(), "{} breaks what stands above", path.display());
    }
}

macro_rules! replay {
    ($($target:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*
    };
}

replay!(addresses arguments beacon control escape guard probe records);

#[test]
fn no_target_and_no_corpus_is_left_out() {
    let targets: BTreeSet<String> = halloo_fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let replayed = REPLAYED.iter().map(|name| (*name).to_owned()).collect();
    let built = names(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets")));
    let built = built.iter().map(|file| file.trim_end_matches(".rs").to_owned()).collect();
    assert_eq!([&targets, &targets, &targets], [&replayed, &built, &names(Path::new(CORPUS))]);
}
