//! What those who announce and those who look for services have in common.

use crate::drive::{self, Stop, SystemClock};
use crate::engine::Engine;
use crate::engine::reach::{DISCOVERY_PORT, Reach};
use crate::model::Error;
use crate::model::error::Broken;
use crate::model::interface::SelectorError;
use crate::net::{Batch, Fanout};
use crate::wire::beacon::{MOST_BYTES, Secret};

/// Where, and among whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    pub(super) secret: Option<Secret>,
    /// As people write them; none means every one that can.
    pub(super) interfaces: Vec<String>,
    pub(super) port: Option<u16>,
}

impl Common {
    /// Whom to reach.
    pub(super) fn reach(&self) -> Result<Reach, Error> {
        let misuse = |error: SelectorError| Error::Misuse {
            what: error.to_string(),
            instead: "a name, a number or one of its addresses".to_owned(),
        };
        let interfaces: Result<_, _> = self.interfaces.iter().map(|text| text.parse()).collect();
        Ok(Reach { interfaces: interfaces.map_err(misuse)?, family: None, port: self.port.unwrap_or(DISCOVERY_PORT) })
    }
}

/// Runs an engine whose words nobody hears, until it is over or told to stop.
pub(super) fn run(engine: &mut impl Engine, network: &mut Fanout, stop: &Stop) -> Result<(), Error> {
    match drive::run(engine, network, Batch::new(MOST_BYTES + 1), &mut (), &mut SystemClock::start(), stop) {
        Err(Broken::Network(error)) => Err(error),
        Ok(()) | Err(Broken::Sink(_)) => Ok(()),
    }
}
