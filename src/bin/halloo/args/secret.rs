//! `halloo secret`.

use std::path::PathBuf;

use clap::Args;

use super::values;

/// Write a new secret, 32 random bytes as text, into a file that only you can read.
///
/// Those who share it believe each other: copy the file to every host, by a way that nobody else can read. Whoever has it
/// can pass for any of them. A file that is there is not overwritten.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Secret {
    /// The file to be made
    #[arg(value_name = "FILE", value_parser = values::new_file())]
    pub(crate) file: PathBuf,
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # a new secret, for every host of the LAN
  halloo secret lan.key
  # then, on the one and on the other
  halloo announce chat --port 7000 --secret-file lan.key
  halloo discover chat --secret-file lan.key";
