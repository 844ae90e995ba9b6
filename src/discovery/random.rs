//! Random numbers of the system's.

use crate::model::Error;
use crate::wire::beacon::Draws;

/// So many random bytes, which nobody can guess.
///
/// # Errors
/// [`Error::Input`] where the system has none.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Input { name: "random numbers of the system".to_owned(), why: error.to_string() })?;
    Ok(bytes)
}

/// Random numbers, from a seed of the system's.
///
/// # Errors
/// As for [`random`].
pub fn draws() -> Result<Draws, Error> {
    random().map(Draws::new)
}
