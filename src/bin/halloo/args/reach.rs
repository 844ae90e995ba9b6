//! Where services are announced and looked for: the same for both commands.

use std::path::PathBuf;

use clap::Args;
use halloo::model::{Family, Selector};

use super::everybody::DESTINATION;
use super::{send, values};

/// Where, and with whom.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Reach {
    /// Only this interface: a name, a number or one of its addresses; may be repeated
    ///
    /// The loopback interface is used only when it is named.
    #[arg(long, value_name = "NAME|INDEX|ADDR", value_parser = values::selector, help_heading = DESTINATION)]
    pub(crate) interface: Vec<Selector>,
    /// Over IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = DESTINATION)]
    ipv4: bool,
    /// Over IPv6 only
    #[arg(short = '6', long, help_heading = DESTINATION)]
    ipv6: bool,
    /// The UDP port of discovery, the same on every host [default: 1061]
    #[arg(long, value_name = "N", value_parser = values::port, help_heading = DESTINATION)]
    pub(crate) discovery_port: Option<u16>,
    /// Prove, and ask for proof, with the secret in FILE [default: $HALLOO_SECRET_FILE]
    ///
    /// halloo secret FILE writes one. Nobody but its owner may be able to read it. An empty variable is none.
    #[arg(long, value_name = "FILE", value_parser = values::input_file(), help_heading = "Trust")]
    pub(crate) secret_file: Option<PathBuf>,
}

impl Reach {
    /// The IP version asked for, if one was.
    pub(crate) const fn family(&self) -> Option<Family> {
        send::asked(self.ipv4, self.ipv6)
    }
}
