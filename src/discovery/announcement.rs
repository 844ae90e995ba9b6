//! A service that is announced by a thread of its own.

use std::io;
use std::net::IpAddr;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::common::{Common, run};
use super::engines::{Announced, Announcing, announcing};
use super::{TTL, draws};
use crate::drive::Stop;
use crate::engine::guard::{DEFAULT_RATE, Rules};
use crate::model::event::{Notice, Skipped};
use crate::model::service::{self, ServiceError};
use crate::model::{About, Attributes, Error, InstanceId};
use crate::net::{Waker, interfaces};
use crate::wire::beacon::Secret;

/// A service to be announced. What it is given is looked at by [`Announcement::serve`].
#[derive(Clone, Debug)]
pub struct Announcement {
    kind: String,
    port: u16,
    name: Option<String>,
    attributes: Vec<(String, String)>,
    ttl: Duration,
    advertised: Option<IpAddr>,
    common: Common,
    id: Option<InstanceId>,
}

impl Announcement {
    /// A service of this type, used by this port, which is not 0. Its name is that of the host.
    pub fn new(kind: impl Into<String>, port: u16) -> Self {
        Self {
            kind: kind.into(),
            port,
            name: None,
            attributes: Vec::new(),
            ttl: TTL,
            advertised: None,
            common: Common::default(),
            id: None,
        }
    }

    /// Gives it another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Has it say one thing more.
    #[must_use]
    pub fn attr(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// How long it holds unheard, in whole seconds from 1 to 65535; 30 unless said otherwise.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The address to use it by, where that is not one of this host: that of a container's host, for one.
    #[must_use]
    pub const fn advertise(mut self, address: IpAddr) -> Self {
        self.advertised = Some(address);
        self
    }

    /// Answers only those who share the secret, and proves to them to have it.
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

    /// At another UDP port than [`DISCOVERY_PORT`](crate::engine::reach::DISCOVERY_PORT).
    #[must_use]
    pub const fn at_port(mut self, port: u16) -> Self {
        self.common.port = Some(port);
        self
    }

    /// Which instance it is: the same for ever, so that it is still one after a restart. Whoever keeps none has another one
    /// each time; [`instance()`](super::instance()) keeps it on disk, and what it returns is to be held as long as the
    /// service is announced.
    #[must_use]
    pub const fn id(mut self, id: InstanceId) -> Self {
        self.id = Some(id);
        self
    }

    /// Announces it, and answers for it, until what this returns is dropped or stopped. Where no interface can be used yet, it
    /// is announced on the first that comes (Linux).
    ///
    /// # Errors
    /// A text, a port or an address that a service cannot have, a name so long that nobody would find it, an
    /// interface that is not there, a port that another user's program has.
    pub fn serve(self) -> Result<Serving, Error> {
        let table = interfaces::list()?;
        let reach = self.common.reach()?;
        let mut draws = draws()?;
        let id = self.id.unwrap_or_else(|| draws.instance());
        let service = Announced {
            about: self.about(id)?,
            reach,
            secret: self.common.secret,
            rules: Rules::of_discovery(Some(DEFAULT_RATE)),
            allow_routed: false,
            draws,
            deadline: None,
            notices: Vec::new(),
        };
        let Announcing { mut engine, mut network, skipped, notices } = announcing(service, &table)?;
        let (stop, waker) = (Stop::default(), network.waker()?);
        let asked = stop.clone();
        let announce = move || run(&mut engine, &mut network, &asked);
        let spawned = Builder::new().name("halloo announce".to_owned()).spawn(announce);
        let failed =
            |error: io::Error| Error::Input { name: "a thread of the system".to_owned(), why: error.to_string() };
        Ok(Serving { stop, waker, thread: Some(spawned.map_err(failed)?), skipped, notices })
    }

    fn about(&self, id: InstanceId) -> Result<About, ServiceError> {
        let name = self.name.clone().unwrap_or_else(host_name);
        if self.port == 0 {
            return Err(ServiceError::Port);
        }
        let pairs = self.attributes.iter().map(|(key, value)| (&**key, &**value));
        Ok(About {
            id,
            name: name.parse()?,
            kind: self.kind.parse()?,
            port: self.port,
            advertised: self.advertised.map(service::address).transpose()?,
            attributes: Attributes::new(pairs)?,
            ttl: service::time_to_live(self.ttl)?,
        })
    }
}

/// What a service is called that was given no name.
pub(super) fn host_name() -> String {
    crate::net::host_name().unwrap_or_else(|| "unnamed".to_owned())
}

/// A service that is being announced. When it goes, the service says goodbye.
#[derive(Debug)]
pub struct Serving {
    stop: Stop,
    waker: Waker,
    thread: Option<JoinHandle<Result<(), Error>>>,
    skipped: Vec<Skipped>,
    notices: Vec<Notice>,
}

impl Serving {
    /// Whether it is still announced. When the network breaks, it is not, and [`Serving::stop`] says why.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// The interfaces that it was not announced on at the start, with the reasons.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What its user should know, as it was at the start.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Says goodbye, and waits until that has left.
    ///
    /// # Errors
    /// What broke it before.
    pub fn stop(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        self.stop.request();
        self.waker.wake();
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        let panicked = |_| {
            let name = "the thread that announces".to_owned();
            Error::Input { name, why: "it ended before its time".to_owned() }
        };
        ended.map_err(panicked)?
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Who wants to know what broke it asks by `stop`.
        let _unheeded = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_use_is_not_announced() {
        let refused = |announcement: Announcement| announcement.name("n").about(InstanceId(1)).unwrap_err();
        assert_eq!(refused(Announcement::new("chat", 0)), ServiceError::Port);
        for ttl in [Duration::ZERO, Duration::from_millis(1_500), Duration::from_secs(65_536)] {
            assert_eq!(refused(Announcement::new("chat", 1).ttl(ttl)), ServiceError::Ttl(ttl));
        }
        for text in ["127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(refused(Announcement::new("chat", 1).advertise(address)), ServiceError::Address(address));
        }
        let within = Announcement::new("chat", 1).name("n").advertise("::ffff:10.0.0.1".parse().unwrap());
        assert_eq!(within.about(InstanceId(1)).unwrap().advertised, "10.0.0.1".parse().ok());
    }
}
