//! Hosts, cables and switches.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::Command;

use super::error::LabError;
use super::namespace::Namespace;
use super::netlink::{Cable, LO};
use super::plan::{Address, HostPlan, Plan, Plug, link_local, port_name};
use super::warm_up::{self, Voice};
use crate::net::child::{self, Place};

/// The first number of an interface after the loopback interface's.
const FIRST: u32 = LO + 1;

/// A link-local address is one of fe80::/64 (RFC 4291 section 2.5.6).
const LINK_LOCAL_PREFIX: u8 = 64;

/// Settings of a switch. It has no addresses: what is on the wire is from the hosts.
const SWITCH: &[(&str, &str)] = &[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")];

/// Settings of a host. It must not take over from the machine that datagrams are dropped whose source it would not answer
/// through the same interface (rp_filter), and it does not ask for routers every few seconds (accept_ra).
const HOST: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
];

/// Settings of a router.
const ROUTER: &[(&str, &str)] = &[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")];

/// A private LAN. It vanishes when it is dropped, and when the process ends, however that happens. Processes in its hosts
/// keep their host alive, so start them with [`Host::command`], which binds them to this process.
#[derive(Debug)]
pub struct Lan {
    // Dropped in this order: the hosts first.
    hosts: Vec<Host>,
    switches: Host,
}

/// One host of a [`Lan`]: a network namespace.
#[derive(Debug)]
pub struct Host {
    name: String,
    namespace: Namespace,
    interfaces: Vec<Interface>,
}

/// An interface of a host.
#[derive(Debug)]
struct Interface {
    name: String,
    index: u32,
    /// The number of the port at the other end of the cable, at the switches.
    port: u32,
    switch: String,
    /// Those it was planned with, the link-local one included.
    addresses: Vec<IpAddr>,
}

impl Lan {
    /// Builds a LAN, and waits until each of its hosts hears the broadcasts of all others on its cables. This needs the
    /// rights of root, which a process started by [`spawn`](super::enclosure::spawn) has, and a test within
    /// [`enclosed`](super::enclosed()).
    ///
    /// The network of the caller gets nothing of it, and keeps what it has.
    ///
    /// # Errors
    /// [`LabError::Plan`] for a plan that cannot be built, [`LabError::System`] when the system refuses,
    /// [`LabError::Deaf`] when ten seconds after it was built somebody still does not hear somebody.
    pub fn build(plan: &Plan) -> Result<Self, LabError> {
        plan.check()?;
        let hosts = plan.hosts.iter().map(|planned| Host::make(&planned.name)).collect::<Result<_, _>>()?;
        let mut lan = Self { hosts, switches: Host::make("the switches")? };
        lan.lay_cables(plan)?;
        for (host, planned) in lan.hosts.iter().zip(&plan.hosts) {
            host.set_up(planned)?;
        }
        lan.settle()?;
        Ok(lan)
    }

    /// The host of this name.
    ///
    /// # Errors
    /// [`LabError::Unknown`].
    pub fn host(&self, name: &str) -> Result<&Host, LabError> {
        let found = self.hosts.iter().find(|host| host.name == name);
        found.ok_or_else(|| LabError::unknown("host", name, self.hosts.iter().map(Host::name)))
    }

    /// All hosts, in the order of the plan.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Where the switches are. Each is a bridge of its name, and its ports are called after what is plugged in:
    /// `alice.e0`.
    #[must_use]
    pub fn switches(&self) -> &Host {
        &self.switches
    }

    /// Pulls the cable of an interface, at the switch. The host is not told more than by a real cable: the interface stays
    /// up, and loses its carrier. For tests, and lessons to come.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`].
    pub fn unplug(&self, host: &str, interface: &str) -> Result<(), LabError> {
        self.set_port(host, interface, false)
    }

    /// Plugs the cable of an interface in again, and waits as [`Lan::settle`] does.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`], [`LabError::Deaf`].
    pub fn plug(&self, host: &str, interface: &str) -> Result<(), LabError> {
        self.set_port(host, interface, true)?;
        self.settle()
    }

    fn set_port(&self, host: &str, interface: &str, up: bool) -> Result<(), LabError> {
        let found = self.host(host)?.interface(interface)?;
        let set = self.switches.namespace.netlink.set_up(found.port, up);
        set.map_err(LabError::system(format_args!("move the cable of {interface} of {host}")))
    }

    /// Waits until every host hears the broadcasts of all others at its switches, except where a cable is out or an
    /// interface is down. An interface that just came up loses what is sent: it gets its queue some time later, by a worker
    /// of the kernel. So a fact that a test relies on begins with this.
    ///
    /// # Errors
    /// [`LabError::Deaf`] after ten seconds, [`LabError::System`].
    pub fn settle(&self) -> Result<(), LabError> {
        let mut voices = Vec::new();
        for host in &self.hosts {
            for interface in &host.interfaces {
                voices.extend(host.voice(interface)?);
            }
        }
        warm_up::wait(&voices)?;
        // What was heard is there. That interfaces are known to be there by IPv6 too may take the worker a moment longer.
        let waited = self.switches.namespace.netlink.wait_for_changes();
        waited.map_err(LabError::system(format_args!("wait for the interfaces")))
    }

    fn lay_cables(&mut self, plan: &Plan) -> Result<(), LabError> {
        self.switches.configure(SWITCH)?;
        let netlink = &self.switches.namespace.netlink;
        let switches = plan.switches();
        let bridges = || switches.iter().zip(FIRST..);
        for (name, index) in bridges() {
            netlink.add_bridge(index, name).map_err(LabError::system(format_args!("make the switch {name}")))?;
        }
        // Ports are numbered after the switches.
        let mut ports = bridges().map(|(_, index)| index + 1).last().unwrap_or(FIRST)..;
        for (host, planned) in self.hosts.iter_mut().zip(&plan.hosts) {
            for (plug, interface) in planned.plugs.iter().zip(FIRST..) {
                let (port, port_name) = (ports.next().unwrap_or_default(), port_name(planned, plug));
                let bridge = bridges().find(|(name, _)| **name == plug.switch).map_or(0, |(_, index)| index);
                let cable = Cable {
                    port,
                    port_name: &port_name,
                    bridge,
                    interface,
                    interface_name: &plug.interface,
                    namespace: host.namespace.as_fd().as_raw_fd(),
                    plugged: !plug.unplugged,
                };
                let laid = netlink.add_cable(&cable);
                laid.map_err(LabError::system(format_args!("lay the cable {port_name}")))?;
                host.interfaces.push(Interface::of(plug, interface, port));
            }
        }
        Ok(())
    }
}

impl Interface {
    fn of(plug: &Plug, index: u32, port: u32) -> Self {
        let (name, switch) = (plug.interface.clone(), plug.switch.clone());
        let own = plug.first_v4().map(|v4| IpAddr::from(link_local(v4)));
        let addresses = plug.addresses.iter().map(|address| address.address).chain(own).collect();
        Self { name, index, port, switch, addresses }
    }
}

impl Host {
    fn make(name: &str) -> Result<Self, LabError> {
        let namespace = Namespace::make().map_err(LabError::system(format_args!("make a network for {name}")))?;
        Ok(Self { name: name.to_owned(), namespace, interfaces: Vec::new() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first address of an interface: IPv4, if it was planned with one.
    ///
    /// # Errors
    /// [`LabError::Unknown`] when there is no such interface, or it was planned without an address.
    pub fn address(&self, interface: &str) -> Result<IpAddr, LabError> {
        let addresses = &self.interface(interface)?.addresses;
        let first = addresses.iter().find(|address| address.is_ipv4()).or_else(|| addresses.first());
        first.copied().ok_or_else(|| LabError::unknown("address of", interface, [].into_iter()))
    }

    /// The link-local IPv6 address of an interface that was planned with an IPv4 address. A socket needs the number of
    /// the interface besides, see [`Host::index`].
    ///
    /// # Errors
    /// [`LabError::Unknown`] when there is no such interface, or no such address.
    pub fn link_local(&self, interface: &str) -> Result<Ipv6Addr, LabError> {
        let addresses = &self.interface(interface)?.addresses;
        let found = addresses.iter().find_map(|address| match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(*v6),
            _ => None,
        });
        found.ok_or_else(|| LabError::unknown("link-local address of", interface, [].into_iter()))
    }

    /// The number of an interface in its host.
    ///
    /// # Errors
    /// [`LabError::Unknown`].
    pub fn index(&self, interface: &str) -> Result<u32, LabError> {
        Ok(if interface == "lo" { LO } else { self.interface(interface)?.index })
    }

    /// Runs something in this host, on the calling thread, and comes back, also from a panic. Sockets stay in the host
    /// they were opened in, and so do threads and processes; `/proc/thread-self/net` is the one of the host.
    ///
    /// # Errors
    /// [`LabError::System`]; then `run` did not run, or the thread could not come back.
    pub fn within<T>(&self, run: impl FnOnce() -> T) -> Result<T, LabError> {
        let result = self.namespace.within(run);
        result.map_err(LabError::system(format_args!("enter {} and come back", self.name)))
    }

    /// A command that runs in this host. It is killed when the thread that starts it ends. It is to be started: `exec` of
    /// [`CommandExt`](std::os::unix::process::CommandExt), which starts nothing, is refused (ESRCH), and changes nothing.
    ///
    /// # Errors
    /// [`LabError::System`] when there are no more descriptors.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command, LabError> {
        let descriptor = self.namespace.as_fd().try_clone_to_owned();
        let descriptor = descriptor.map_err(LabError::system(format_args!("hold {}", self.name)))?;
        let mut command = Command::new(program);
        child::place(&mut command, Place::Existing(descriptor), None);
        Ok(command)
    }

    /// Sets the largest IP packet of an interface, in bytes. What is larger and comes over the cable is lost, as with real
    /// cables. For tests, and lessons to come.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`].
    pub fn set_mtu(&self, interface: &str, mtu: u32) -> Result<(), LabError> {
        self.at(interface, format_args!("set the MTU of {interface}"), |host, index| {
            host.namespace.netlink.set_mtu(index, mtu)
        })
    }

    /// Adds an address to an interface.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`].
    pub fn add_address(&self, interface: &str, address: impl Into<Address>) -> Result<(), LabError> {
        let address = address.into();
        self.at(interface, format_args!("add {} to {interface}", address.address), |host, index| {
            host.namespace.netlink.add_address(index, &address)
        })
    }

    /// Removes an address from an interface.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`].
    pub fn remove_address(&self, interface: &str, address: impl Into<Address>) -> Result<(), LabError> {
        let address = address.into();
        self.at(interface, format_args!("remove {} from {interface}", address.address), |host, index| {
            host.namespace.netlink.remove_address(index, &address)
        })
    }

    /// Sets an interface up (IFF_UP). What is sent at once may be lost: [`Lan::settle`] waits until nothing is.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`].
    pub fn link_up(&self, interface: &str) -> Result<(), LabError> {
        self.at(interface, format_args!("set {interface} up"), |host, index| host.namespace.netlink.set_up(index, true))
    }

    /// Sets an interface down. It loses its routes and its IPv6 addresses, as on any Linux.
    ///
    /// # Errors
    /// [`LabError::Unknown`], [`LabError::System`].
    pub fn link_down(&self, interface: &str) -> Result<(), LabError> {
        self.at(interface, format_args!("set {interface} down"), |host, index| {
            host.namespace.netlink.set_up(index, false)
        })
    }

    fn at(
        &self,
        interface: &str,
        doing: std::fmt::Arguments<'_>,
        act: impl FnOnce(&Self, u32) -> io::Result<()>,
    ) -> Result<(), LabError> {
        let index = self.index(interface)?;
        act(self, index).map_err(LabError::system(format_args!("{doing} of {}", self.name)))
    }

    fn interface(&self, name: &str) -> Result<&Interface, LabError> {
        let found = self.interfaces.iter().find(|interface| interface.name == name);
        let known = self.interfaces.iter().map(|interface| &*interface.name);
        found.ok_or_else(|| LabError::unknown("interface", name, known))
    }

    /// Gives a host what it was planned with, apart from its cables.
    fn set_up(&self, planned: &HostPlan) -> Result<(), LabError> {
        self.configure(HOST)?;
        if planned.forwards {
            self.configure(ROUTER)?;
        }
        self.start(planned).map_err(LabError::system(format_args!("set up {}", self.name)))
    }

    fn start(&self, planned: &HostPlan) -> io::Result<()> {
        let netlink = &self.namespace.netlink;
        netlink.set_up(LO, true)?;
        for (plug, interface) in planned.plugs.iter().zip(&self.interfaces) {
            self.give_addresses(plug, interface)?;
            if !plug.down {
                netlink.set_up(interface.index, true)?;
            }
        }
        planned.gateway.map_or(Ok(()), |gateway| netlink.add_default_route(gateway))
    }

    fn give_addresses(&self, plug: &Plug, interface: &Interface) -> io::Result<()> {
        let netlink = &self.namespace.netlink;
        for address in &plug.addresses {
            netlink.add_address(interface.index, address)?;
        }
        if !has_ipv6() {
            return Ok(());
        }
        netlink.make_no_address(interface.index)?;
        match plug.first_v4() {
            Some(v4) => netlink.add_address(interface.index, &Address::new(link_local(v4), LINK_LOCAL_PREFIX)),
            None => Ok(()),
        }
    }

    /// Writes settings below `/proc/sys/net`. Where that is read-only, as in a container, the host is as the machine is.
    fn configure(&self, settings: &[(&str, &str)]) -> Result<(), LabError> {
        self.within(|| {
            for (name, value) in settings {
                // A kernel without IPv6 has none of its settings.
                let _unheeded = fs::write(format!("/proc/sys/net/{name}"), value);
            }
        })
    }

    /// A voice for an interface whose cable is in and which is up.
    fn voice(&self, interface: &Interface) -> Result<Option<Voice>, LabError> {
        let connected = self.namespace.netlink.is_connected(interface.index);
        let failed = || LabError::system(format_args!("listen at {} of {}", interface.name, self.name));
        if !connected.map_err(failed())? {
            return Ok(None);
        }
        let name = format!("{} {}", self.name, interface.name);
        let voice = self.within(|| Voice::open(name, interface.switch.clone(), &interface.name))?;
        voice.map(Some).map_err(failed())
    }
}

/// Whether the kernel has IPv6, and it was not taken out at its start.
fn has_ipv6() -> bool {
    Path::new("/proc/thread-self/net/if_inet6").exists()
}
