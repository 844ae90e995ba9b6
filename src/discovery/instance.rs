//! Which instance a service is: drawn once, and kept.
//!
//! One file for each service, of one line. Who announces holds the lock of its file (flock(2)), so that a second one of the
//! same type, name and port draws an instance of its own. What is written is written beside and put in its place whole;
//! what is no such file there, is damaged, or is a way to somewhere else, is replaced.

use std::env;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::drive::{Clock, SystemClock};
use crate::model::{InstanceId, ServiceName, ServiceType};
use crate::wire::beacon::Draws;

/// So many are kept: more services than one user has on a host. Names that are new at each start would fill the disk.
const MOST_KEPT: usize = 256;

/// An instance as it is written: 16 hexadecimal digits and a new line.
const LINE: usize = 17;

/// Which instance a service is, for as long as this is held: meanwhile no other program on this host gets the same one.
#[derive(Debug)]
pub struct Instance {
    id: InstanceId,
    /// Locked.
    _file: Option<File>,
}

impl Instance {
    /// Its number.
    pub const fn id(&self) -> InstanceId {
        self.id
    }
}

/// The instance of the service of this type, name and port on this host: kept beneath `$XDG_STATE_HOME` (else
/// `~/.local/state`) in `halloo/services`, so that it is the same after a restart. While one program announces it, another
/// one gets a new instance each time; so does everybody where nothing can be kept. The 256 that were used last are kept.
pub fn instance(kind: &ServiceType, name: &ServiceName, port: u16, draws: &mut Draws) -> Instance {
    let drawn = draws.instance();
    let beside = draws.nonce().place(drawn);
    let kept = folder().and_then(|folder| {
        let file = folder.join(file_name(kind, name, port));
        take(&file, &folder.join(beside_name(beside)), drawn)
    });
    kept.unwrap_or(Instance { id: drawn, _file: None })
}

/// The instance in `file`, or `drawn`, which is put there. None where another program has the file, or none can be made.
fn take(file: &Path, beside: &Path, drawn: InstanceId) -> Option<Instance> {
    if let Some(held) = open(file) {
        let locked = !matches!(held.try_lock(), Err(TryLockError::WouldBlock));
        // Another one may have put its own in its place before the lock.
        if !locked || !is_at(&held, file) {
            return None;
        }
        if let Some(id) = read(&held) {
            // The order in which they go. Where the time cannot be set, they go in the order they were made.
            let _unheeded = held.set_modified(SystemClock::start().now().wall);
            return Some(Instance { id, _file: Some(held) });
        }
    }
    make_room(file.parent()?);
    let new = put(file, beside, drawn);
    if new.is_err() {
        let _unheeded = fs::remove_file(beside);
    }
    Some(Instance { id: drawn, _file: Some(new.ok()?) })
}

/// Opens what is a file there: a pipe would wait for somebody to write, and a link leads to something else.
fn open(path: &Path) -> Option<File> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    is_at(&file, path).then_some(file)
}

/// Whether the name still leads to what was opened, and directly.
fn is_at(file: &File, path: &Path) -> bool {
    let facts = file.metadata().and_then(|opened| Ok((opened, path.symlink_metadata()?)));
    facts.is_ok_and(|(opened, there)| there.is_file() && is_same(&opened, &there))
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Files have no numbers here that the standard library tells.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Reads no more than what may stand there and one byte.
fn read(file: &File) -> Option<InstanceId> {
    let mut text = String::new();
    file.take(LINE as u64 + 1).read_to_string(&mut text).ok()?;
    let digits = text.strip_suffix('\n').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    (text.len() == LINE).then(|| u64::from_str_radix(digits, 16).ok().map(InstanceId))?
}

/// Writes it beside, locked before anybody can find it, and puts it in its place.
fn put(file: &Path, beside: &Path, id: InstanceId) -> io::Result<File> {
    file.parent().map_or(Ok(()), make_folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(beside)?;
    // Where there are no locks it is kept all the same.
    let _unheeded = new.try_lock();
    writeln!(new, "{id}")?;
    fs::rename(beside, file)?;
    Ok(new)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Takes those away that were used longest ago, so that there is room for one more. What is not called as they are is somebody
/// else's, and stays.
fn make_room(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let file = |entry: fs::DirEntry| {
        let ours = entry.file_name().to_str().is_some_and(is_ours);
        let facts = entry.metadata().ok().filter(|facts| ours && facts.is_file())?;
        Some((facts.modified().ok()?, entry.path()))
    };
    let mut files: Vec<_> = entries.filter_map(|entry| file(entry.ok()?)).collect();
    files.sort();
    let surplus = (files.len() + 1).saturating_sub(MOST_KEPT);
    for (_, path) in files.into_iter().take(surplus) {
        let _unheeded = fs::remove_file(path);
    }
}

fn folder() -> Option<PathBuf> {
    // A path that is not absolute must be ignored (XDG Base Directory Specification).
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").or_else(|| absolute("USERPROFILE")).map(|home| home.join(".local/state"));
    absolute("XDG_STATE_HOME").or_else(home).map(|state| state.join("halloo/services"))
}

/// What the file of a service is called.
fn file_name(kind: &ServiceType, name: &ServiceName, port: u16) -> String {
    format!("{}_{port}_{}", kind.text(), plain(name.text()))
}

/// What it is called until it is in its place.
fn beside_name(number: u32) -> String {
    format!(".{number:08x}")
}

/// Whether a file is called as one that is written here.
fn is_ours(file: &str) -> bool {
    let hexadecimal = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if let Some(number) = file.strip_prefix('.') {
        return number.len() == 8 && hexadecimal(number);
    }
    // A type may have the sign that stands between the parts; a number and a plain name have none.
    let mut parts = file.rsplitn(3, '_');
    let (name, port, kind) = (parts.next(), parts.next(), parts.next());
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    let escapes = |name: &str| name.split('%').skip(1).all(|after| after.get(..2).is_some_and(hexadecimal));
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b == b'%' || is_plain(b)) && escapes(name);
    kind.is_some_and(|kind| kind.parse::<ServiceType>().is_ok())
        && port.is_some_and(is_port)
        && name.is_some_and(is_name)
}

/// A name as the name of a file: what could mean something there is written as its number.
fn plain(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            plain if is_plain(plain) => text.push(plain.into()),
            other => text += &format!("%{other:02x}"),
        }
    }
    text
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn take(&self, name: &str, drawn: u64) -> Option<Instance> {
            take(&self.path(name), &self.path(".beside"), InstanceId(drawn))
        }

        fn id(&self, name: &str, drawn: u64) -> Option<u64> {
            self.take(name, drawn).map(|taken| taken.id().0)
        }
    }

    #[test]
    fn a_name_cannot_leave_its_folder() {
        assert_eq!(plain("../a b.é"), "%2e%2e%2fa%20b%2e%c3%a9");
    }

    #[test]
    fn what_was_kept_is_read_again_and_one_alone_has_it() {
        let folder = Folder::new();
        let first = folder.take("x", 0xab).unwrap();
        assert_eq!(first.id(), InstanceId(0xab));
        assert_eq!(folder.id("x", 1), None);
        assert_eq!(folder.id("y", 2), Some(2));
        drop(first);
        assert_eq!((folder.id("x", 3), folder.id("x", 4)), (Some(0xab), Some(0xab)));
        assert!(!folder.path(".beside").exists());
    }

    #[test]
    fn whatever_else_stands_there_is_replaced() {
        let folder = Folder::new();
        for text in ["", "ab\n", "+0000000000000ab\n", "00000000000000ab", "00000000000000ab\nx", "\u{e9}"] {
            fs::write(folder.path("x"), text).unwrap();
            assert_eq!((folder.id("x", 7), folder.id("x", 8)), (Some(7), Some(7)), "{text:?}");
            fs::remove_file(folder.path("x")).unwrap();
        }
        fs::write(folder.path("other"), "00000000000000ab\n").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path("other"), folder.path("x")).unwrap();
        assert_eq!((folder.id("x", 9), folder.id("other", 1)), (Some(9), Some(0xab)));
        // A folder stays, and nothing stays beside it.
        fs::create_dir(folder.path("f")).unwrap();
        assert!(folder.take("f", 1).is_none() && folder.path("f").is_dir() && !folder.path(".beside").exists());
    }

    #[test]
    fn those_used_last_are_kept() {
        let folder = Folder::new();
        let begin = SystemClock::start().now().wall;
        let name = |n: u64| format!("chat_{n}_x");
        for n in 0..MOST_KEPT as u64 {
            let file = folder.take(&name(n), n).unwrap()._file.unwrap();
            file.set_modified(begin - std::time::Duration::from_secs(1000 - n)).unwrap();
        }
        // The oldest is used again, and so it is the second that goes.
        assert_eq!(folder.id(&name(0), 9999), Some(0));
        assert_eq!(folder.id("chat_7_new", 5), Some(5));
        assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), MOST_KEPT);
        let there = |n| folder.path(&name(n)).exists();
        assert!(there(0) && !there(1) && there(2));
    }

    #[test]
    fn somebody_else_s_files_stay_however_full_it_is() {
        let folder = Folder::new();
        let foreign = ["notes", "chat", "_7_x", "chat_7_", "chat_70000_x", "chat_+7_x", "chat_07_x", "Chat_7_x"];
        let foreign =
            foreign.into_iter().chain(["chat_7_a.b", "chat_7_%2", "chat_7_%2E", ".hidden", ".0000000g", "chat_7_x~"]);
        let long_ago = SystemClock::start().now().wall - std::time::Duration::from_secs(10_000);
        for name in foreign.clone() {
            File::create(folder.path(name)).unwrap().set_modified(long_ago).unwrap();
        }
        for n in 0..=MOST_KEPT as u64 {
            folder.take(&format!("a_b.c_{n}_%2e-{n}"), n).unwrap();
        }
        assert!(foreign.clone().all(|name| folder.path(name).exists()));
        assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), foreign.count() + MOST_KEPT);
    }

    #[test]
    fn every_name_that_is_made_is_known_again() {
        for (kind, name) in [("chat", "x"), ("a_b.c-1", "../a b.\u{e9}_%_"), ("x_7_y", "7_8")] {
            let file = file_name(&kind.parse().unwrap(), &name.parse().unwrap(), 65_535);
            assert!(is_ours(&file), "{file}");
        }
        assert!(is_ours(&beside_name(7)));
    }
}
