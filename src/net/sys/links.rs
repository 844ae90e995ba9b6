//! The interfaces themselves, on every Unix: flags that the list of addresses does not have.

use std::io;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags as Flag, if_nametoindex};

use crate::model::Link;
use crate::net::sys::LinkFacts;

/// What an interface with a carrier has. Linux takes `IFF_LOWER_UP` away when the cable is pulled, and `IFF_RUNNING` when it
/// comes to it, up to a second later (netdevice(7)).
#[cfg(target_os = "linux")]
const RUNNING: Flag = Flag::IFF_RUNNING.union(Flag::IFF_LOWER_UP);
#[cfg(not(target_os = "linux"))]
const RUNNING: Flag = Flag::IFF_RUNNING;

/// Every interface, once, with or without an address. `mtu` tells its MTU where the system does.
pub(super) fn links(mtu: impl Fn(&str) -> Option<u32>) -> io::Result<Vec<LinkFacts>> {
    let mut links: Vec<LinkFacts> = Vec::new();
    for entry in getifaddrs()? {
        // An alias label such as `eth0:1` is a name for an address, not an interface.
        let name = entry.interface_name.split(':').next().unwrap_or_default();
        if links.iter().any(|link| *link.link.name == *name) {
            continue;
        }
        let Ok(index) = if_nametoindex(name) else { continue };
        links.push(LinkFacts {
            link: Link { index, name: name.into() },
            up: entry.flags.contains(Flag::IFF_UP),
            running: entry.flags.contains(RUNNING),
            loopback: entry.flags.contains(Flag::IFF_LOOPBACK),
            point_to_point: entry.flags.contains(Flag::IFF_POINTOPOINT),
            can_broadcast: entry.flags.contains(Flag::IFF_BROADCAST),
            can_multicast: entry.flags.contains(Flag::IFF_MULTICAST),
            mtu: mtu(name),
        });
    }
    Ok(links)
}

/// gethostname(2).
pub(crate) fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}
