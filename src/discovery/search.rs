//! Looking for services, once.

use std::time::Duration;

use super::common::{Common, run};
use super::engines::{Wanted, discovering};
use crate::drive::Stop;
use crate::model::{Error, Service};
use crate::net::interfaces;
use crate::wire::beacon::Secret;

/// Services to be looked for. What it is given is looked at by [`Discovery::collect`].
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    kind: Option<String>,
    common: Common,
    expect: Option<u64>,
    within: Option<Duration>,
    full: bool,
}

impl Discovery {
    /// Services of this type.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..Self::default() }
    }

    /// Services of every type.
    pub fn any() -> Self {
        Self::default()
    }

    /// Asks those who share the secret, and finds out who has it: see [`Service::trust`].
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.common.secret = Some(secret);
        self
    }

    /// On this interface only: a name, a number or an address; may be repeated. Without it, on every one that can.
    #[must_use]
    pub fn interface(mut self, interface: impl Into<String>) -> Self {
        self.common.interfaces.push(interface.into());
        self
    }

    /// Ends when so many are found, and their answers to what was asked heard out; with a secret, verified ones.
    #[must_use]
    pub const fn expect(mut self, services: u64) -> Self {
        self.expect = Some(services);
        self
    }

    /// Ends after so long. It ends earlier when asking again has brought nobody new, unless more are expected. Without it, it
    /// ends after [`BUDGET`](crate::engine::discover::BUDGET) at the latest.
    #[must_use]
    pub const fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }

    /// Makes room for answers with many attributes: every question is 1,392 bytes long.
    #[must_use]
    pub const fn full(mut self) -> Self {
        self.full = true;
        self
    }

    /// At another UDP port than [`DISCOVERY_PORT`](crate::engine::reach::DISCOVERY_PORT).
    #[must_use]
    pub const fn at_port(mut self, port: u16) -> Self {
        self.common.port = Some(port);
        self
    }

    /// Asks, and returns everything that was found, by name. Nothing found is no error.
    ///
    /// # Errors
    /// A text that is no type, an interface that is not there, what the system refuses.
    pub fn collect(self) -> Result<Vec<Service>, Error> {
        let table = interfaces::list()?;
        let wanted = Wanted {
            reach: self.common.reach()?,
            kind: self.kind.as_deref().map(str::parse).transpose()?,
            secret: self.common.secret,
            full: self.full,
            expect: self.expect,
            deadline: self.within,
            lenient: true,
            ..Wanted::default()
        };
        let (mut engine, mut network) = discovering(wanted, &table)?;
        run(&mut engine, &mut network, &Stop::default())?;
        Ok(engine.inner().services().into_iter().cloned().collect())
    }
}
