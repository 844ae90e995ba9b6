//! Addresses by the calls that every system has.

use std::collections::HashMap;
use std::io;

use if_addrs::{IfAddr, Interface, get_if_addrs};

use crate::model::interface::Standing;
use crate::net::sys::{AddressFacts, LinkFacts, Listed};

/// Every address, with the interfaces as `links` finds them.
pub(super) fn list(links: impl FnOnce(&[Interface]) -> io::Result<Vec<LinkFacts>>) -> io::Result<Listed> {
    let found = get_if_addrs()?;
    let links = links(&found)?;
    let numbers = links.iter().map(|link| (&*link.link.name, link.link.index)).collect();
    let addresses = found.iter().filter_map(|found| facts(found, &numbers)).collect();
    Ok(Listed { links, addresses })
}

/// An alias label such as `eth0:1` stands where the name is expected, so the number decides, and the part in front of the
/// colon where there is none.
fn facts(found: &Interface, numbers: &HashMap<&str, u32>) -> Option<AddressFacts> {
    let by_name = |name| numbers.get(name).copied();
    let index = by_name(&*found.name).or(found.index).or_else(|| by_name(found.name.split(':').next()?))?;
    let (prefix, reported) = match &found.addr {
        IfAddr::V4(v4) => (v4.prefixlen, v4.broadcast),
        IfAddr::V6(v6) => (v6.prefixlen, None),
    };
    // How good it is to send from is not told here.
    let standing = Standing::default();
    Some(AddressFacts { index, name: Some(found.name.clone()), address: found.ip(), prefix, reported, standing })
}
