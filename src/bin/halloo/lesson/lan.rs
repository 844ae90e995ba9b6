//! A LAN of several hosts, for lessons that need more than one. Where there is no private network, there is no LAN.

#[cfg(target_os = "linux")]
pub(crate) use linux::{Lan, Station};
#[cfg(not(target_os = "linux"))]
pub(crate) use nowhere::{Lan, Station};

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use halloo::lab::{self, Plan};

    use crate::lesson::stage::{Doing, Place, Trouble};
    use crate::lesson::wire::Wire;

    /// A LAN of our own, with nobody else on it.
    #[derive(Clone)]
    pub(crate) struct Lan(Arc<lab::Lan>);

    /// A host of it.
    #[derive(Clone)]
    pub(crate) struct Station {
        lan: Lan,
        name: String,
    }

    impl Lan {
        /// Builds it.
        pub(crate) fn build(plan: &Plan) -> Result<Self, Trouble> {
            lab::Lan::build(plan).map(|lan| Self(Arc::new(lan))).doing("build a LAN")
        }

        /// A host, as a place where things can be done.
        pub(crate) fn at(&self, host: &str) -> Result<Place, Trouble> {
            self.0.host(host).doing("find a host")?;
            Ok(Place::At(Station { lan: self.clone(), name: host.to_owned() }))
        }

        /// The first address of an interface of a host.
        pub(crate) fn address(&self, host: &str, interface: &str) -> Result<Ipv4Addr, Trouble> {
            let address = self.0.host(host).and_then(|host| host.address(interface)).doing("find an address")?;
            match address {
                IpAddr::V4(address) => Ok(address),
                IpAddr::V6(_) => Err(Trouble::Failed(format!("{interface} of {host} has no IPv4 address"))),
            }
        }

        /// A look at everything that comes to an interface of a host and leaves by it.
        pub(crate) fn wire(&self, host: &str, interface: &str) -> Result<Wire, Trouble> {
            let host = self.0.host(host).doing("find a host")?;
            let index = host.index(interface).doing("find an interface")?;
            host.within(|| Wire::open(index)).doing("enter a host")?
        }
    }

    impl Station {
        /// Does something there.
        pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, Trouble> {
            self.lan.0.host(&self.name).and_then(|host| host.within(work)).doing("enter a host")
        }
    }

    impl std::fmt::Debug for Station {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Station({})", self.name)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use std::convert::Infallible;
    use std::net::Ipv4Addr;

    use crate::lesson::stage::{Place, Trouble};
    use crate::lesson::wire::Wire;

    /// There is none.
    #[derive(Clone, Debug)]
    pub(crate) struct Lan(Infallible);

    /// There is none.
    #[derive(Clone, Debug)]
    pub(crate) struct Station(Infallible);

    impl Lan {
        /// There is no host.
        pub(crate) fn at(&self, _: &str) -> Result<Place, Trouble> {
            match self.0 {}
        }

        /// There is no address.
        pub(crate) fn address(&self, _: &str, _: &str) -> Result<Ipv4Addr, Trouble> {
            match self.0 {}
        }

        /// There is no wire.
        pub(crate) fn wire(&self, _: &str, _: &str) -> Result<Wire, Trouble> {
            match self.0 {}
        }
    }

    impl Station {
        /// There is nowhere to do it.
        pub(crate) fn within<T>(&self, _: impl FnOnce() -> T) -> Result<T, Trouble> {
            match self.0 {}
        }
    }
}
