//! Where a lesson is played: in a private network, or on this host's loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::cause::{Cause, Why};
use super::lan::{Lan, Station};
use super::text::Text;
use super::wire::Wire;
use super::words;

/// How long a lesson waits for what should come at once. Long enough for a busy machine; a lesson in which everything comes
/// never waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a lesson waits where the point is that nothing comes.
pub(crate) const SILENCE: Duration = Duration::from_millis(50);

/// A free port of this host itself.
pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The stage of a run of lessons.
#[derive(Debug)]
pub(crate) struct Stage {
    place: Where,
    sabotaged: bool,
}

#[derive(Debug)]
enum Where {
    /// Network namespaces of our own, where nothing else is.
    Private,
    /// The loopback of this host, and why it is nothing better.
    Loopback(Cause),
}

/// Why an experiment came to no result.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It cannot be done here: why.
    Skip(Cause),
    /// It should have worked: what failed and why.
    Failed(String),
}

/// Says what was being done when something failed.
pub(crate) trait Doing<T> {
    /// Names the step.
    ///
    /// # Errors
    /// [`Trouble::Failed`] with the step in front of the reason; [`Trouble::Skip`] where the machine has too little of something.
    fn doing(self, step: &str) -> Result<T, Trouble>;
}

impl<T, E: Why> Doing<T> for Result<T, E> {
    fn doing(self, step: &str) -> Result<T, Trouble> {
        self.map_err(|why| match why.remedy() {
            Some(remedy) => Trouble::Skip(Cause::shortage(step, &why, &remedy)),
            None => Trouble::Failed(format!("{step}: {why}")),
        })
    }
}

impl<T> Doing<T> for Option<T> {
    fn doing(self, step: &str) -> Result<T, Trouble> {
        self.ok_or_else(|| Trouble::Failed(format!("{step}: nothing came")))
    }
}

impl Stage {
    /// In a private network: the process is in one.
    pub(crate) const fn private(sabotaged: bool) -> Self {
        Self { place: Where::Private, sabotaged }
    }

    /// On loopback, because of `why`.
    pub(crate) const fn loopback(why: Cause, sabotaged: bool) -> Self {
        Self { place: Where::Loopback(why), sabotaged }
    }

    /// Whether the cause of what a lesson shows is to be broken, to see that its check notices.
    pub(crate) const fn sabotaged(&self) -> bool {
        self.sabotaged
    }

    /// Whether there is a wire that may be looked at.
    pub(crate) const fn has_wire(&self) -> bool {
        matches!(self.place, Where::Private)
    }

    /// A look at the loopback of this stage, where that is allowed: `None` elsewhere.
    #[cfg(target_os = "linux")]
    pub(crate) fn wire(&self) -> Result<Option<Wire>, Trouble> {
        /// The loopback interface is the first of every network: LOOPBACK_IFINDEX of the kernel.
        const LO: u32 = 1;
        match self.place {
            Where::Private => Wire::open(LO).map(Some),
            Where::Loopback(_) => Ok(None),
        }
    }

    /// There is nothing to look at.
    #[cfg(not(target_os = "linux"))]
    pub(crate) const fn wire(&self) -> Result<Option<Wire>, Trouble> {
        Ok(None)
    }

    /// A LAN by one of the plans that the lessons use.
    pub(crate) fn lan(&self, plan: Topology) -> Result<Lan, Trouble> {
        match &self.place {
            Where::Private => plan.build(),
            Where::Loopback(why) => Err(Trouble::Skip(why.clone())),
        }
    }

    /// Its name, for the headline.
    pub(crate) const fn name(&self) -> Text {
        match self.place {
            Where::Private => words::STAGE_PRIVATE,
            Where::Loopback(_) => words::STAGE_LOOPBACK,
        }
    }

    /// Why it is not a private network, if it is not.
    pub(crate) const fn why_not_private(&self) -> Option<&Cause> {
        match &self.place {
            Where::Private => None,
            Where::Loopback(why) => Some(why),
        }
    }
}

/// Where something happens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In the network of this process.
    Here,
    /// At a host of a LAN.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere there is no LAN to be at"))]
    At(Station),
}

impl Place {
    /// Does something there. What is opened stays there.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, Trouble> {
        match self {
            Self::Here => Ok(work()),
            Self::At(station) => station.within(work),
        }
    }
}

/// The LANs of the course (see [`halloo::lab::topology`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Topology {
    /// `alice` 10.9.0.1, `bob` 10.9.0.2, `carol` 10.9.0.3, `dave` 10.9.0.4 and `erin` 10.9.0.5, each on `e0`.
    Five,
    /// Five, and `frank` 10.9.0.6.
    Six,
    /// `alice`, `bob` and `carol` as above, and `dave` 10.8.0.4 on another subnet; `multi` is on both: 10.9.0.9 on `e0`, 10.8.0.9 on `e1`.
    TwoSubnets,
    /// Two subnets, where `multi` has a default route: through `dave`, so by `e1`.
    TwoDoors,
    /// The same three, but `carol` has the prefix 25; `dave` 10.9.1.0 and `erin` 10.9.1.1 have a cable of their own, prefix 31.
    Masks,
}

impl Topology {
    #[cfg(target_os = "linux")]
    fn build(self) -> Result<Lan, Trouble> {
        use halloo::lab::topology;
        Lan::build(&match self {
            Self::Five => topology::five(),
            Self::Six => topology::five().host(frank()),
            Self::TwoSubnets => topology::two_subnets(),
            Self::TwoDoors => with_gateway(topology::two_subnets(), "multi", [10, 8, 0, 4].into()),
            Self::Masks => topology::masks(),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn build(self) -> Result<Lan, Trouble> {
        Err(Trouble::Skip(super::cause::NoNetworks.into()))
    }
}

/// One more host for the LAN of five.
#[cfg(target_os = "linux")]
fn frank() -> halloo::lab::HostPlan {
    use halloo::lab::{HostPlan, Plug, topology};
    HostPlan::new("frank").plug(Plug::new("e0", topology::OFFICE).address(([10, 9, 0, 6], 24)))
}

/// The same LAN, with a default route for one host.
#[cfg(target_os = "linux")]
fn with_gateway(mut plan: halloo::lab::Plan, host: &str, gateway: IpAddr) -> halloo::lab::Plan {
    for planned in plan.hosts.iter_mut().filter(|planned| planned.name == host) {
        planned.gateway = Some(gateway);
    }
    plan
}
