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
    /// Lines that this version does not understand, kept as they are.
    others: Vec<Vec<u8>>,
    /// Why the file cannot be read: then it is not written either.
    unreadable: Option<io::Error>,
}

impl Progress {
    /// Reads the file. One that is not there has no marks.
    pub(crate) fn load(file: Option<PathBuf>) -> Self {
        let mut progress = Self { file, ..Self::default() };
        let read = progress.file.as_deref().map(read);
        match read {
            Some(Ok(bytes)) => progress.take(&bytes),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => progress.unreadable = Some(error),
            _ => {}
        }
        progress
    }

    fn take(&mut self, bytes: &[u8]) {
        for bytes in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match std::str::from_utf8(bytes).ok().and_then(line) {
                Some((lesson, mark)) => _ = self.marks.insert(lesson, mark),
                None => self.others.push(bytes.to_owned()),
            }
        }
    }

    /// The mark of a lesson.
    pub(crate) fn mark(&self, lesson: &str) -> Option<&Mark> {
        self.marks.get(lesson)
    }

    /// Keeps a mark. To have only looked does not undo an answer, and what was right once stays right.
    ///
    /// # Errors
    /// Those of the file; the mark is then only remembered.
    pub(crate) fn keep(&mut self, lesson: &str, mark: Mark) -> io::Result<()> {
        let better = match self.marks.get(lesson) {
            None => true,
            Some(Mark::Right(_)) => false,
            Some(Mark::Wrong(_) | Mark::Seen) => mark != Mark::Seen,
        };
        if !better {
            return Ok(());
        }
        self.marks.insert(lesson.to_owned(), mark);
        if let Some(error) = &self.unreadable {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        let nowhere = || io::Error::other("neither XDG_STATE_HOME nor HOME says where");
        self.write(self.file.as_deref().ok_or_else(nowhere)?)
    }

    /// Where the marks are kept.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Into a new file first: a full disk must not cost what was there. A link stays one, and rights stay what they are.
    fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let beside = file.with_extension(format!("new.{}", std::process::id()));
        let mut content = self.text().into_bytes();
        content.extend(self.others.iter().flat_map(|line| line.iter().chain(b"\n")));
        fs::write(&beside, content)?;
        if let Ok(before) = fs::metadata(&file) {
            fs::set_permissions(&beside, before.permissions())?;
        }
        fs::rename(&beside, &file)
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

/// The file, if it is one, and of a size that answers can have.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    /// Some thousand times what the answers to all lessons take.
    const MOST: u64 = 1 << 20;
    let metadata = fs::metadata(file)?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(io::Error::other("it is no file of answers"));
    }
    fs::read(file)
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
    fn what_is_not_understood_stays_in_the_file_and_what_cannot_be_read_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("learn.txt");
        fs::write(&file, b"hello right 10\nfrom a later version\n\xff\xfe\n").unwrap();
        let mut progress = Progress::load(Some(file.clone()));
        progress.keep("hello", Mark::Wrong("2".to_owned())).unwrap();
        progress.keep("limit", Mark::Wrong("2".to_owned())).unwrap();
        let kept = fs::read(&file).unwrap();
        assert_eq!(kept, b"hello right 10\nlimit wrong 2\nfrom a later version\n\xff\xfe\n");
        // A folder in the place of the file can be neither read nor written.
        let mut lost = Progress::load(Some(folder.path().to_owned()));
        assert!(lost.keep("limit", Mark::Seen).is_err());
        assert!(Progress::load(None).keep("limit", Mark::Seen).is_err());
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
