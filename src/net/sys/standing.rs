//! How good this host's IPv6 addresses are to send from, as the kernel tells (proc_pid_net(5), if_inet6).

use std::fs;
use std::net::Ipv6Addr;

use crate::model::interface::Standing;

/// Of the network of the calling thread.
const TABLE: &str = "/proc/thread-self/net/if_inet6";

/// Flags of an address (linux/if_addr.h): IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE, IFA_F_PERMANENT.
const DADFAILED: u8 = 0x08;
const DEPRECATED: u8 = 0x20;
const TENTATIVE: u8 = 0x40;
const PERMANENT: u8 = 0x80;

/// Each address with the number of its interface. Nothing where the kernel does not tell.
pub(crate) fn standings() -> Vec<(Ipv6Addr, u32, Standing)> {
    fs::read_to_string(TABLE).unwrap_or_default().lines().filter_map(read).collect()
}

/// One line: address, interface, prefix, scope and flags in hexadecimal digits, name.
fn read(line: &str) -> Option<(Ipv6Addr, u32, Standing)> {
    let mut words = line.split_ascii_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let index = u32::from_str_radix(words.next()?, 16).ok()?;
    let flags = u8::from_str_radix(words.nth(2)?, 16).ok()?;
    let standing = match () {
        () if flags & (TENTATIVE | DADFAILED) != 0 => Standing::Tentative,
        () if flags & DEPRECATED != 0 => Standing::Deprecated,
        () if flags & PERMANENT == 0 => Standing::Leased,
        () => Standing::Lasting,
    };
    Some((address.into(), index, standing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worst_that_is_said_of_an_address_counts() {
        let standing = |flags: &str| {
            let line = format!("fe800000000000000010007700000001 02 40 20 {flags}       e0");
            read(&line).map(|(address, index, standing)| {
                assert_eq!((address.to_string().as_str(), index), ("fe80::10:77:0:1", 2));
                standing
            })
        };
        for (flags, expected) in [
            ("80", Standing::Lasting),
            ("00", Standing::Leased),
            ("20", Standing::Deprecated),
            ("a0", Standing::Deprecated),
            ("c0", Standing::Tentative),
            ("60", Standing::Tentative),
            ("88", Standing::Tentative),
        ] {
            assert_eq!(standing(flags), Some(expected), "{flags}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line: String) {
            let _ = read(&line);
        }
    }
}
