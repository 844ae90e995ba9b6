//! Errors of the system in our words. A leaf: it knows no socket.

use std::io;

use crate::model::Error;
use crate::model::error::Action;
use crate::net::sys;

/// What was being done, on what, and why it failed.
pub(crate) fn system(action: Action, on: String, error: &io::Error) -> Error {
    Error::System { action, on, fault: sys::fault(error) }
}
