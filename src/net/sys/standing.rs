//! How good this host's IPv6 addresses are to send from, as the kernel tells (rtnetlink(7), `ifa_flags`).

use libc::{IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_PERMANENT, IFA_F_TENTATIVE};

use crate::model::interface::Standing;

/// That of an IPv6 address with these flags.
pub(super) const fn of(flags: u32) -> Standing {
    match () {
        () if flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0 => Standing::Tentative,
        () if flags & IFA_F_DEPRECATED != 0 => Standing::Deprecated,
        () if flags & IFA_F_PERMANENT == 0 => Standing::Leased,
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
