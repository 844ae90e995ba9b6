//! `halloo secret`, and reading what it wrote.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use halloo::discovery::random;
use halloo::model::event::Notice;
use halloo::model::{Error, Event, Stats, Verdict};
use halloo::wire::beacon::Secret;

use crate::args;
use crate::cmd::run::{Output, tell};
use crate::report::Style;

/// The variable that names the file where no option does.
const VARIABLE: &str = "HALLOO_SECRET_FILE";

/// Far more than anybody's secret has; `halloo secret` writes 65 bytes.
const LONGEST: u64 = 4096;

/// Writes a new one.
pub(super) fn run(args: &args::Secret, output: &Output) -> Result<Verdict, Error> {
    let text: String = random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    make(&args.file)
        .and_then(|mut file| writeln!(file, "{text}").and_then(|()| file.sync_all()))
        .map_err(|error| not_made(&args.file, &error))?;
    let written = Event::Notice(Notice::SecretWritten(args.file.display().to_string()));
    tell(output.sink(Style::Interfaces), [written, Event::Summary(&Stats::default())])?;
    Ok(Verdict::Done)
}

/// Makes the file, which must not be there yet, for its owner alone from the beginning.
fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn not_made(path: &Path, error: &io::Error) -> Error {
    let (why, instead) = match error.kind() {
        ErrorKind::AlreadyExists => (
            "it is there already, and is not overwritten".to_owned(),
            "those who share a secret would not believe each other any more; to replace it, remove it first",
        ),
        _ => (format!("cannot be written: {error}"), "write it where you may make files"),
    };
    Error::Secret { file: path.display().to_string(), why, instead: instead.to_owned() }
}

/// What is shared here.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) secret: Option<Secret>,
    /// What the user should know of its file.
    pub(super) notice: Option<Notice>,
}

/// The secret that is shared here: that of `file`, else of the file that [`VARIABLE`] names, else none.
///
/// # Errors
/// [`Error::Secret`]: it cannot be read, others can read it, or it can be guessed.
pub(super) fn shared(file: Option<&Path>) -> Result<Shared, Error> {
    let named = || std::env::var_os(VARIABLE).filter(|name: &OsString| !name.is_empty()).map(PathBuf::from);
    match (file, named()) {
        (Some(file), _) => read(file),
        (None, Some(file)) => read(&file).map_err(of_variable),
        (None, None) => Ok(Shared::default()),
    }
}

/// Says where the name of the file comes from, which nobody has typed.
fn of_variable(error: Error) -> Error {
    match error {
        Error::Secret { file, why, instead } => {
            Error::Secret { file: format!("{file} (from {VARIABLE})"), why, instead }
        }
        error => error,
    }
}

fn read(path: &Path) -> Result<Shared, Error> {
    let refused = |why: String, instead: &str| Error::Secret {
        file: path.display().to_string(),
        why,
        instead: instead.replace("FILE", &path.display().to_string()),
    };
    let unreadable = |error: io::Error| {
        let instead = match error.kind() {
            ErrorKind::NotFound => {
                "copy the file from a host that has it: all share one secret; 'halloo secret FILE' writes the first"
            }
            // What is there is not to be written over.
            _ => "name a file that you may read: the one that 'halloo secret' wrote, or a copy of your own",
        };
        refused(format!("the secret cannot be read: {error}"), instead)
    };
    let not_a_file = || refused("it is not a file".to_owned(), "name the file that 'halloo secret' wrote");
    // Before it is opened, too: a pipe would wait for somebody to write.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(not_a_file());
    }
    let file = File::open(path).map_err(unreadable)?;
    // Asked of what was opened: the name may lead elsewhere a moment later.
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(not_a_file());
    }
    if let Some(mode) = open_to_others(&facts) {
        return Err(refused(format!("others may read or change the secret (mode {mode:03o})"), "chmod 600 FILE"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let new = "'halloo secret' writes a random one";
    if bytes.len() as u64 > LONGEST {
        return Err(refused(format!("it has more than {LONGEST} bytes, which no secret has"), new));
    }
    let secret = Secret::new(bytes.trim_ascii()).map_err(|weak| refused(weak.to_string(), new))?;
    let notice = another(&facts).map(|user| Notice::SecretOfAnother(path.display().to_string(), user));
    Ok(Shared { secret: Some(secret), notice })
}

/// Who owns the file, if that is neither this program's user nor root. Only root can read one for its owner alone that is
/// another's; that is told and not refused, for the user of sudo has its files so, and a container those of its host.
#[cfg(unix)]
fn another(facts: &Metadata) -> Option<u32> {
    let (owner, me) = (std::os::unix::fs::MetadataExt::uid(facts), nix::unistd::geteuid().as_raw());
    is_another(owner, me).then_some(owner)
}

#[cfg(unix)]
const fn is_another(owner: u32, me: u32) -> bool {
    owner != 0 && owner != me
}

/// Not told by the standard library here.
#[cfg(not(unix))]
const fn another(_: &Metadata) -> Option<u32> {
    None
}

/// The permissions, if they let anybody but the owner in.
#[cfg(unix)]
fn open_to_others(facts: &Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(facts) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Not told by the standard library here.
#[cfg(not(unix))]
const fn open_to_others(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_anothers_unless_it_is_the_users_or_roots() {
        assert!(is_another(1000, 0) && is_another(1000, 1001));
        assert!(!is_another(1000, 1000) && !is_another(0, 1000) && !is_another(0, 0));
    }
}
