//! What can go wrong with a LAN.

use std::fmt;
use std::io;
use std::time::Duration;

use thiserror::Error;

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
