//! What was learnt so far: plain text in the state folder of the user, one lesson on a line.
//!
//! ```text
//! hello right 10
//! length wrong 2
//! sticky seen
//! ```
//!
//! The name, how the question was answered, and the answer. Whoever wants to forget deletes the line or the file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a question was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Mark {
    /// As the kernel did.
    Right(String),
    /// Otherwise.
    Wrong(String),
    /// Not at all: the lesson was only looked at.
    Seen,
}

/// The marks of all lessons, and the file that they are kept in.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    file: Option<PathBuf>,
    marks: BTreeMap<String, Mark>,
}

impl Progress {
    /// Reads the file. One that is not there, or cannot be read, has no marks.
    pub(crate) fn load(file: Option<PathBuf>) -> Self {
        let text = file.as_deref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        Self { file, marks: text.lines().filter_map(line).collect() }
    }

    /// The mark of a lesson.
    pub(crate) fn mark(&self, lesson: &str) -> Option<&Mark> {
        self.marks.get(lesson)
    }

    /// Keeps a mark. To have only looked does not undo an answer.
    ///
    /// # Errors
    /// Those of the file; the mark is then only remembered.
    pub(crate) fn keep(&mut self, lesson: &str, mark: Mark) -> io::Result<()> {
        if mark == Mark::Seen && self.marks.contains_key(lesson) {
            return Ok(());
        }
        self.marks.insert(lesson.to_owned(), mark);
        self.file.as_deref().map_or(Ok(()), |file| self.write(file))
    }

    /// Where the marks are kept.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Into a new file first: a full disk must not cost what was there.
    fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let beside = file.with_extension(format!("new.{}", std::process::id()));
        fs::write(&beside, self.text())?;
        fs::rename(&beside, file)
    }

    fn text(&self) -> String {
        let line = |(lesson, mark): (&String, &Mark)| match mark {
            Mark::Right(answer) => format!("{lesson} right {answer}\n"),
            Mark::Wrong(answer) => format!("{lesson} wrong {answer}\n"),
            Mark::Seen => format!("{lesson} seen\n"),
        };
        self.marks.iter().map(line).collect()
    }
}

fn line(line: &str) -> Option<(String, Mark)> {
    let mut words = line.splitn(3, ' ');
    let lesson = words.next().filter(|name| !name.is_empty())?;
    let mark = match (words.next()?, words.next()) {
        ("right", answer) => Mark::Right(answer.unwrap_or_default().to_owned()),
        ("wrong", answer) => Mark::Wrong(answer.unwrap_or_default().to_owned()),
        ("seen", _) => Mark::Seen,
        _ => return None,
    };
    Some((lesson.to_owned(), mark))
}

/// The file by the environment: `$XDG_STATE_HOME/halloo/learn.txt`, or beneath `~/.local/state` (XDG Base Directory
/// Specification); `None` if there is no home either.
pub(crate) fn file_by(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A path that is not absolute must be ignored, says the specification.
    let absolute = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").or_else(|| absolute("USERPROFILE")).map(|home| home.join(".local/state"));
    absolute("XDG_STATE_HOME").or_else(home).map(|state| state.join("halloo/learn.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_looking_undoes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = Some(folder.path().join("deep/learn.txt"));
        let mut progress = Progress::load(file.clone());
        progress.keep("hello", Mark::Right("2 10".to_owned())).unwrap();
        progress.keep("sticky", Mark::Seen).unwrap();
        progress.keep("hello", Mark::Seen).unwrap();
        let again = Progress::load(file);
        assert_eq!(again.mark("hello"), Some(&Mark::Right("2 10".to_owned())));
        assert_eq!(again.mark("sticky"), Some(&Mark::Seen));
        assert_eq!((again.mark("early"), again.marks.len()), (None, 2));
    }

    #[test]
    fn lines_that_make_no_sense_are_left_out() {
        assert_eq!(line("hello maybe 3"), None);
        assert_eq!(line(""), None);
        assert_eq!(line("hello"), None);
    }

    #[test]
    fn the_file_is_where_the_specification_says() {
        let with = |name: &'static str, value: &'static str| {
            file_by(move |asked| (asked == name).then(|| value.into())).map(|path| path.to_string_lossy().into_owned())
        };
        assert_eq!(with("XDG_STATE_HOME", "/s").as_deref(), Some("/s/halloo/learn.txt"));
        assert_eq!(with("HOME", "/home/a").as_deref(), Some("/home/a/.local/state/halloo/learn.txt"));
        assert_eq!(with("XDG_STATE_HOME", "relative"), None);
    }
}
