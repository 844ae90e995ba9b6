//! `halloo interfaces`.

use clap::Args;
use halloo::model::Selector;

use super::values;

/// Show the interfaces, their addresses, and which can broadcast or why not.
///
/// Each address is shown with its netmask, its directed broadcast address and where that comes from, and whether halloo
/// broadcast uses it or why not.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Interfaces {
    /// Only this interface: a name, a number or one of its addresses; may be repeated
    #[arg(long, value_name = "NAME|INDEX|ADDR", value_parser = values::selector)]
    pub(crate) interface: Vec<Selector>,
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # all of them
  halloo interfaces
  # one, by name, number or address
  halloo interfaces --interface eth0
  # one JSON object per address
  halloo interfaces --json";
