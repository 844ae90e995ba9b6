//! What can go wrong with a LAN.

use std::fmt;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use thiserror::Error;

use super::enclosure::Remedy;
use super::plan::Mistake;

/// Why something with a LAN did not work.
#[derive(Debug, Error)]
pub enum LabError {
    /// The plan cannot be built.
    #[error("the plan of the LAN: {0}")]
    Plan(#[from] Mistake),
    /// The system refused.
    #[error("cannot {doing}: {error}")]
    System {
        /// What was being done.
        doing: String,
        /// The reason of the system.
        #[source]
        error: io::Error,
    },
    /// There is nothing of that name.
    #[error("there is no {what} {name:?}; there are: {}", known.join(", "))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Somebody who should hear somebody's broadcasts did not, in time.
    #[error("in {waited:?} {}", spoken(pairs))]
    Deaf {
        /// Who did not hear whom.
        pairs: Vec<Deaf>,
        /// For how long it was tried.
        waited: Duration,
    },
    /// What was waited for at a tap did not pass.
    #[error("what was waited for did not pass in {waited:?}; {frames} other frames are there")]
    NotSeen {
        /// How many frames passed, or were left from before.
        frames: usize,
        /// For how long it was waited.
        waited: Duration,
    },
}

/// Who did not hear whom: host and interface of both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deaf {
    /// The one who did not hear.
    pub hearer: String,
    /// The one who was not heard.
    pub speaker: String,
}

impl fmt::Display for Deaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not hear {}", self.hearer, self.speaker)
    }
}

fn spoken(pairs: &[Deaf]) -> String {
    let sentences: Vec<String> = pairs.iter().map(Deaf::to_string).collect();
    sentences.join(", ")
}

impl LabError {
    /// What to do where the machine has too little of something for this LAN: too few descriptors or network namespaces, too
    /// little memory. `None` where that is not why.
    #[must_use]
    pub fn shortage(&self) -> Option<Remedy> {
        let Self::System { error, .. } = self else { return None };
        match Errno::from_raw(error.raw_os_error()?) {
            errno if Remedy::is_for_resources(errno) => Some(Remedy::Resources),
            Errno::ENOSPC => Some(Remedy::Raise { limit: "max_net_namespaces", or_root: false }),
            _ => None,
        }
    }

    /// Makes an error of the system into one of these, with what was being done.
    pub(super) fn system(doing: fmt::Arguments<'_>) -> impl FnOnce(io::Error) -> Self + use<> {
        let doing = doing.to_string();
        move |error| Self::System { doing, error }
    }

    /// Where nothing has this name.
    pub(super) fn unknown<'n>(what: &'static str, name: &str, known: impl Iterator<Item = &'n str>) -> Self {
        Self::Unknown { what, name: name.to_owned(), known: known.map(str::to_owned).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_is_told_from_what_it_forbids() {
        let shortage = |errno: Errno| LabError::system(format_args!("build"))(errno.into()).shortage();
        assert_eq!(shortage(Errno::EMFILE), Some(Remedy::Resources));
        assert!(shortage(Errno::ENOSPC).unwrap().to_string().contains("user.max_net_namespaces="));
        assert_eq!(shortage(Errno::EPERM), None);
        assert_eq!(LabError::unknown("host", "bob", std::iter::empty()).shortage(), None);
    }
}
