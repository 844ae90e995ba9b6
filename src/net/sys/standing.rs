//! How good this host's IPv6 addresses are to send from, as the kernel tells (rtnetlink(7), `ifa_flags`).

use crate::model::interface::Standing;

/// Flags of an address (linux/if_addr.h): IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE, IFA_F_PERMANENT.
const DADFAILED: u8 = 0x08;
const DEPRECATED: u8 = 0x20;
const TENTATIVE: u8 = 0x40;
const PERMANENT: u8 = 0x80;

/// That of an IPv6 address with these flags.
pub(super) const fn of(flags: u8) -> Standing {
    match () {
        () if flags & (TENTATIVE | DADFAILED) != 0 => Standing::Tentative,
        () if flags & DEPRECATED != 0 => Standing::Deprecated,
        () if flags & PERMANENT == 0 => Standing::Leased,
        () => Standing::Lasting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_is_said_of_an_address_counts() {
        for (flags, expected) in [
            (0x80, Standing::Lasting),
            (0x00, Standing::Leased),
            (0x20, Standing::Deprecated),
            (0xa0, Standing::Deprecated),
            (0xc0, Standing::Tentative),
            (0x60, Standing::Tentative),
            (0x88, Standing::Tentative),
        ] {
            assert_eq!(of(flags), expected, "{flags:#x}");
        }
    }
}
