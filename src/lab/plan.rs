//! A LAN as data: who is plugged in where.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// The longest name of an interface (IFNAMSIZ without the zero, netdevice(7)).
const LONGEST_NAME: usize = 15;

/// A LAN as data, for [`Lan::build`](super::Lan::build). Switches exist by being named.
///
/// ```
/// use halloo::lab::{HostPlan, Plan, Plug};
///
/// let plan = Plan::new()
///     .host(HostPlan::new("alice").plug(Plug::new("e0", "office").address(([10, 9, 0, 1], 24))))
///     .host(HostPlan::new("bob").plug(Plug::new("e0", "office").address(([10, 9, 0, 2], 24))));
/// assert_eq!(plan.hosts.len(), 2);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// The hosts.
    pub hosts: Vec<HostPlan>,
}

/// A host as data. It also has the loopback interface `lo`, which is up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HostPlan {
    /// Its name. With the name of an interface it makes the name of the switch's end of the cable, so it is short.
    pub name: String,
    /// Its interfaces, in the order of their numbers, which begin at 2.
    pub plugs: Vec<Plug>,
    /// The gateway of its default route. Without one, only its own subnets are reachable.
    pub gateway: Option<IpAddr>,
    /// Whether it forwards datagrams between its interfaces (`net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`).
    pub forwards: bool,
}

/// An interface of a host, and the cable that leads from it to a switch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plug {
    /// Its name, such as `e0`.
    pub interface: String,
    /// The name of the switch at the other end.
    pub switch: String,
    /// Its addresses. To its first IPv4 address it also gets an IPv6 address, see [`link_local`].
    pub addresses: Vec<Address>,
    /// Whether the cable is left out at first.
    pub unplugged: bool,
    /// Whether the interface is left down (without IFF_UP).
    pub down: bool,
}

/// An address of an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The length of the prefix of its subnet, in bits.
    pub prefix: u8,
    /// Its broadcast address.
    pub broadcast: Broadcast,
    /// Its label, such as `e0:1`; without one it is listed under the name of the interface (IFA_LABEL, rtnetlink(7)).
    pub label: Option<String>,
}

/// Which broadcast address goes with an IPv4 address.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Broadcast {
    /// The last address of the subnet, where there is one: not with a prefix of 31 or 32 (RFC 3021).
    #[default]
    Usual,
    /// None is configured.
    Unset,
    /// This one.
    At(Ipv4Addr),
}

impl Plan {
    /// A plan without hosts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host.
    #[must_use]
    pub fn host(mut self, host: HostPlan) -> Self {
        self.hosts.push(host);
        self
    }

    /// The names of the switches, in alphabetical order.
    #[must_use]
    pub fn switches(&self) -> Vec<&str> {
        let named: BTreeSet<&str> = self.plugs().map(|(_, plug)| &*plug.switch).collect();
        named.into_iter().collect()
    }

    /// Every plug, with its host.
    pub(super) fn plugs(&self) -> impl Iterator<Item = (&HostPlan, &Plug)> {
        self.hosts.iter().flat_map(|host| host.plugs.iter().map(move |plug| (host, plug)))
    }

    /// Finds what cannot be built.
    ///
    /// # Errors
    /// The first [`Mistake`].
    pub fn check(&self) -> Result<(), Mistake> {
        let mut hosts = BTreeSet::new();
        for host in &self.hosts {
            if !hosts.insert(&*host.name) {
                return Err(Mistake::Twice { what: "host", name: host.name.clone() });
            }
            host.check()?;
        }
        self.switches().into_iter().try_for_each(check_name)
    }
}

impl HostPlan {
    /// A host of this name, without interfaces.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Adds an interface.
    #[must_use]
    pub fn plug(mut self, plug: Plug) -> Self {
        self.plugs.push(plug);
        self
    }

    /// Sends what is for none of its subnets to this router.
    #[must_use]
    pub fn gateway(mut self, router: impl Into<IpAddr>) -> Self {
        self.gateway = Some(router.into());
        self
    }

    /// Makes it a router.
    #[must_use]
    pub fn forwards(mut self) -> Self {
        self.forwards = true;
        self
    }

    fn check(&self) -> Result<(), Mistake> {
        let mut interfaces = BTreeSet::from(["lo"]);
        for plug in &self.plugs {
            if !interfaces.insert(&*plug.interface) {
                return Err(Mistake::Twice { what: "interface", name: plug.interface.clone() });
            }
            check_name(&plug.interface)?;
            check_name(&port_name(self, plug))?;
            plug.addresses.iter().try_for_each(Address::check)?;
        }
        Ok(())
    }
}

/// The name of the switch's end of a cable: `alice.e0`.
pub(super) fn port_name(host: &HostPlan, plug: &Plug) -> String {
    format!("{}.{}", host.name, plug.interface)
}

/// What the kernel takes as the name of an interface: dev_valid_name in its net/core/dev.c.
fn check_name(name: &str) -> Result<(), Mistake> {
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0';
    let bad = name.is_empty() || name.len() > LONGEST_NAME || matches!(name, "." | ".." | "lo") || name.contains(odd);
    if bad { Err(Mistake::Name { name: name.to_owned() }) } else { Ok(()) }
}

impl Plug {
    /// An interface of this name with a cable to this switch, without addresses.
    #[must_use]
    pub fn new(interface: &str, switch: &str) -> Self {
        Self { interface: interface.to_owned(), switch: switch.to_owned(), ..Self::default() }
    }

    /// Adds an address: `([10, 9, 0, 1], 24)`, or an [`Address`].
    #[must_use]
    pub fn address(mut self, address: impl Into<Address>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Leaves the cable out at first.
    #[must_use]
    pub fn unplugged(mut self) -> Self {
        self.unplugged = true;
        self
    }

    /// Leaves the interface down.
    #[must_use]
    pub fn down(mut self) -> Self {
        self.down = true;
        self
    }

    /// Its first IPv4 address.
    pub(super) fn first_v4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|address| match address.address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        })
    }
}

impl Address {
    /// An address with the usual broadcast address.
    #[must_use]
    pub fn new(address: impl Into<IpAddr>, prefix: u8) -> Self {
        Self { address: address.into(), prefix, broadcast: Broadcast::Usual, label: None }
    }

    /// The same with another broadcast address, or none. For IPv4 only: IPv6 has none.
    #[must_use]
    pub fn broadcast(mut self, broadcast: Broadcast) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// The same with a label, which begins with the name of the interface.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    /// The broadcast address to configure.
    pub(super) fn broadcast_address(&self) -> Option<Ipv4Addr> {
        match (self.address, self.broadcast) {
            (IpAddr::V6(_), _) | (_, Broadcast::Unset) => None,
            (_, Broadcast::At(address)) => Some(address),
            (IpAddr::V4(address), Broadcast::Usual) => last_of_subnet(address, self.prefix),
        }
    }

    fn check(&self) -> Result<(), Mistake> {
        let longest = if self.address.is_ipv4() { 32 } else { 128 };
        let fits = self.prefix <= longest;
        if fits { Ok(()) } else { Err(Mistake::Prefix { address: self.address, prefix: self.prefix }) }
    }
}

/// With a prefix of 31 both addresses are hosts, with 32 there is only one.
fn last_of_subnet(address: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    (prefix < 31).then(|| Ipv4Addr::from(u32::from(address) | (u32::MAX >> prefix)))
}

impl<A: Into<IpAddr>> From<(A, u8)> for Address {
    fn from((address, prefix): (A, u8)) -> Self {
        Self::new(address, prefix)
    }
}

impl FromStr for Address {
    type Err = Mistake;

    /// `10.9.0.1/24`
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let parts = text.split_once('/').and_then(|(a, p)| Some((a.parse::<IpAddr>().ok()?, p.parse().ok()?)));
        let (address, prefix) = parts.ok_or_else(|| Mistake::Address { text: text.to_owned() })?;
        let parsed = Self::new(address, prefix);
        parsed.check().map(|()| parsed)
    }
}

/// The link-local IPv6 address that goes with an IPv4 address, and can be read as it: `fe80::10:9:0:1` for `10.9.0.1`.
/// It is on its interface at once, while one that the kernel makes is first tried out for a second or two (RFC 4862
/// section 5.4).
#[must_use]
pub fn link_local(address: Ipv4Addr) -> Ipv6Addr {
    // The decimal digits of each part, read as hexadecimal ones.
    let [a, b, c, d] = address.octets().map(|part| {
        let part = u16::from(part);
        (part / 100 * 16 + part / 10 % 10) * 16 + part % 10
    });
    Ipv6Addr::new(0xfe80, 0, 0, 0, a, b, c, d)
}

/// Why a plan cannot be built.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Mistake {
    /// Two of the same name.
    #[error("two are called {name:?}: each {what} needs a name of its own")]
    Twice {
        /// Of what kind they are.
        what: &'static str,
        /// Their name.
        name: String,
    },
    /// No interface can be called so.
    #[error("{name:?} is no name for an interface: 1 to {LONGEST_NAME} bytes, without / : and spaces, and not lo")]
    Name {
        /// The name: of an interface, of a switch, or of a port, which is called after host and interface.
        name: String,
    },
    /// The prefix is longer than the address.
    #[error("{address}/{prefix}: the prefix is longer than the address")]
    Prefix {
        /// The address.
        address: IpAddr,
        /// The length of the prefix in bits.
        prefix: u8,
    },
    /// No address with a prefix.
    #[error("{text:?} is no address with a prefix, such as 10.9.0.1/24")]
    Address {
        /// What was given.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_addresses_follow_from_the_prefix_unless_they_are_given() {
        let of = |text: &str| text.parse::<Address>().unwrap().broadcast_address();
        assert_eq!(of("10.9.0.1/24"), Some([10, 9, 0, 255].into()));
        assert_eq!(of("10.9.0.3/25"), Some([10, 9, 0, 127].into()));
        assert_eq!(of("10.9.0.1/0"), Some([255; 4].into()));
        assert_eq!((of("10.9.0.0/31"), of("10.9.0.0/32"), of("fd00::1/64")), (None, None, None));
        let given = Address::from(([10, 9, 0, 1], 24));
        assert_eq!(given.clone().broadcast(Broadcast::Unset).broadcast_address(), None);
        assert_eq!(
            given.broadcast(Broadcast::At([10, 9, 0, 0].into())).broadcast_address(),
            Some([10, 9, 0, 0].into())
        );
    }

    #[test]
    fn a_link_local_address_reads_as_the_other_one() {
        assert_eq!(link_local([10, 9, 0, 1].into()).to_string(), "fe80::10:9:0:1");
        assert_eq!(link_local([192, 168, 255, 33].into()).to_string(), "fe80::192:168:255:33");
    }

    #[test]
    fn mistakes_are_found_before_anything_is_built() {
        let host = |name: &str, interface: &str| HostPlan::new(name).plug(Plug::new(interface, "s"));
        let twice = Plan::new().host(host("a", "e0")).host(host("a", "e0"));
        assert!(matches!(twice.check(), Err(Mistake::Twice { what: "host", .. })));
        assert!(matches!(Plan::new().host(host("a", "lo")).check(), Err(Mistake::Twice { .. })));
        assert!(matches!(Plan::new().host(host("a", "e/0")).check(), Err(Mistake::Name { .. })));
        assert!(matches!(Plan::new().host(host("a_very_long_one", "e0")).check(), Err(Mistake::Name { .. })));
        let long = HostPlan::new("a").plug(Plug::new("e0", "s").address(([10, 0, 0, 1], 33)));
        assert!(matches!(Plan::new().host(long).check(), Err(Mistake::Prefix { .. })));
        assert!("10.0.0.1".parse::<Address>().is_err() && "10.0.0.1/33".parse::<Address>().is_err());
    }
}
