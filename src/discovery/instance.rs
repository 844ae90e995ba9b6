//! Which instance a service is: drawn once, and kept.

use std::env;
use std::fs::{create_dir_all, read_to_string, write};
use std::path::{Path, PathBuf};

use crate::model::{Error, InstanceId, ServiceName, ServiceType};
use crate::wire::beacon::Draws;

/// Random numbers, from a seed of the system's.
///
/// # Errors
/// [`Error::Input`] where the system has none.
pub fn draws() -> Result<Draws, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Error::Input { name: "random numbers of the system".to_owned(), why: error.to_string() })?;
    Ok(Draws::new(seed))
}

/// The instance of the service of this type, name and port on this host: kept beneath `$XDG_STATE_HOME` (else
/// `~/.local/state`), so that it is the same after a restart. Where nothing can be kept it is another one each time.
pub fn instance(kind: &ServiceType, name: &ServiceName, port: u16, draws: &mut Draws) -> InstanceId {
    let file = folder().map(|folder| folder.join(format!("{}_{port}_{}", kind.text(), plain(name.text()))));
    if let Some(id) = file.as_deref().and_then(kept) {
        return id;
    }
    let id = InstanceId(u64::from_be_bytes(draws.nonce().echo()));
    if let Some(file) = file {
        // What cannot be kept is drawn again.
        let folder = file.parent().map(create_dir_all);
        let _unheeded = folder.map(|made| made.and_then(|()| write(&file, format!("{id}\n"))));
    }
    id
}

fn kept(file: &Path) -> Option<InstanceId> {
    u64::from_str_radix(read_to_string(file).ok()?.trim(), 16).ok().map(InstanceId)
}

fn folder() -> Option<PathBuf> {
    // A path that is not absolute must be ignored (XDG Base Directory Specification).
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").or_else(|| absolute("USERPROFILE")).map(|home| home.join(".local/state"));
    absolute("XDG_STATE_HOME").or_else(home).map(|state| state.join("halloo/services"))
}

/// A name as the name of a file: what could mean something there is written as its number.
fn plain(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => text.push(byte.into()),
            other => text += &format!("%{other:02x}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        assert_eq!(plain("../a b.é"), "%2e%2e%2fa%20b%2e%c3%a9");
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        assert_eq!(kept(&file), None);
        write(&file, "00000000000000ab\n").unwrap();
        assert_eq!(kept(&file), Some(InstanceId(0xab)));
    }
}
