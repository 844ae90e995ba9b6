//! The interfaces themselves, on every Unix: flags that the list of addresses does not have.

use std::collections::HashSet;
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

/// Every interface, once, with or without an address. Its MTU is not told here.
pub(super) fn links() -> io::Result<Vec<LinkFacts>> {
    let (mut links, mut seen) = (Vec::new(), HashSet::new());
    for entry in getifaddrs()? {
        // An alias label such as `eth0:1` is a name for an address, not an interface.
        let name = entry.interface_name.split(':').next().unwrap_or_default();
        if seen.insert(name.to_owned())
            && let Ok(index) = if_nametoindex(name)
        {
            links.push(facts(Link { index, name: name.into() }, entry.flags, None));
        }
    }
    Ok(links)
}

/// What the flags of an interface say.
pub(super) fn facts(link: Link, flags: Flag, mtu: Option<u32>) -> LinkFacts {
    LinkFacts {
        link,
        up: flags.contains(Flag::IFF_UP),
        running: flags.contains(RUNNING),
        loopback: flags.contains(Flag::IFF_LOOPBACK),
        point_to_point: flags.contains(Flag::IFF_POINTOPOINT),
        can_broadcast: flags.contains(Flag::IFF_BROADCAST),
        can_multicast: flags.contains(Flag::IFF_MULTICAST),
        mtu,
    }
}

/// gethostname(2).
pub(crate) fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}
