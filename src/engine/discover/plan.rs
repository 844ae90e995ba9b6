//! What a search is to be.

use std::time::Duration;

use crate::model::event::{Notice, Skipped};
use crate::model::service::ServiceType;
use crate::model::{Destination, Names};
use crate::wire::beacon::{Draws, Secret};

/// Whom to look for, and how long.
#[derive(Debug)]
pub struct Plan {
    /// Where to ask: addresses of everybody. Those of one interface and one IP version are asked together, as one scope.
    pub destinations: Vec<Destination>,
    /// Interfaces left out, to be told.
    pub skipped: Vec<Skipped>,
    /// What the user should know, to be told.
    pub notices: Vec<Notice>,
    /// Only services of this type: others do not answer.
    pub kind: Option<ServiceType>,
    /// Only services of these names: others answer, and are left out.
    pub names: Names,
    /// Nobody is asked but this host itself; to be told where fewer are found than were wanted.
    pub on_loopback: bool,
    /// What services must share, if anything.
    pub secret: Option<Secret>,
    /// Random numbers. Whoever can guess them can forge answers where there is no secret.
    pub draws: Draws,
    /// Bytes of an answer to make room for; 0 for a name and a few attributes.
    pub room: usize,
    /// Go on when everybody is found, and tell who comes and goes.
    pub watch: bool,
    /// So many services end the run, once answers to what was asked are heard out, and fewer are an error. With a secret,
    /// verified ones. More than some ten thousand also make the first round careful.
    pub expect: Option<u64>,
    /// The end of the run. Where fewer than expected are found, or nobody, or new ones come still, it goes on asking until then.
    /// Without one, a run that does not watch ends after [`BUDGET`].
    pub deadline: Option<Duration>,
    /// Some sent and some not is good enough.
    pub lenient: bool,
}

impl Plan {
    /// Everybody is asked there for services of every type and name, once, and short answers are enough.
    pub fn to(destinations: Vec<Destination>, draws: Draws) -> Self {
        Self {
            destinations,
            skipped: Vec::new(),
            notices: Vec::new(),
            kind: None,
            names: Names::All,
            on_loopback: false,
            secret: None,
            draws,
            room: 0,
            watch: false,
            expect: None,
            deadline: None,
            lenient: false,
        }
    }
}

/// The longest that a run takes which has no deadline and does not watch. In the simulation 100,000 services need 4 s as a
/// rule, 12 s where one in ten datagrams is lost, and 14 s behind 20 Mbit/s; who needs longer is kept up by somebody.
pub const BUDGET: Duration = Duration::from_secs(15);
