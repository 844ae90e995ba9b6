//! Which lesson shows what went wrong. One table: whoever is told that something failed is told where to see why.

use std::net::{IpAddr, SocketAddr};

use halloo::model::error::{Action, Fault, FaultKind, Unsendable};
use halloo::model::event::{Notice, Skipped, Unreachable};
use halloo::model::{Error, RecordError, Unusable};

/// What can be shown, by the name of its lesson.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shown(&'static str);

impl Shown {
    const EMPTY: Self = Self("empty");
    const EVERYONE: Self = Self("everyone");
    const LIMIT: Self = Self("limit");
    const LIMITED: Self = Self("limited");
    const MASK: Self = Self("mask");
    const OVERFLOW: Self = Self("overflow");
    const PERMISSION: Self = Self("permission");
    const REFUSED: Self = Self("refused");
    const REPLIES: Self = Self("replies");
    const TRUNCATE: Self = Self("truncate");

    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::EMPTY,
        Self::EVERYONE,
        Self::LIMIT,
        Self::LIMITED,
        Self::MASK,
        Self::OVERFLOW,
        Self::PERMISSION,
        Self::REFUSED,
        Self::REPLIES,
        Self::TRUNCATE,
    ];

    /// The name of the lesson.
    #[cfg(test)]
    pub(crate) const fn lesson(self) -> &'static str {
        self.0
    }

    /// What to type, behind a sentence.
    pub(crate) fn behind(self) -> String {
        format!(" (halloo learn {})", self.0)
    }

    /// What to type.
    pub(crate) fn command(self) -> String {
        format!("halloo learn {}", self.0)
    }
}

/// The lesson that shows why a run failed.
pub(crate) fn of_error(error: &Error) -> Option<Shown> {
    Some(match error {
        Error::TooLong(_) | Error::ProbeTooLong(_) | Error::Record(RecordError::TooLong { .. }) => Shown::LIMIT,
        Error::Record(RecordError::EmptyInput | RecordError::NoRecord) => Shown::EMPTY,
        Error::NothingToBroadcastOn { skipped } if skipped.iter().any(by_mask) => Shown::MASK,
        Error::NotABroadcastAddress { .. } => Shown::MASK,
        Error::BroadcastForbidden { .. } => Shown::PERMISSION,
        Error::NotADestination { why: Unsendable::SeveralInterfaces, .. } => Shown::LIMITED,
        Error::NotADestination { why: Unsendable::Connected, .. } => Shown::REPLIES,
        Error::System { action: Action::Connect | Action::Route, on, fault } => {
            return of_failure(*fault, on.parse::<SocketAddr>().ok()?.ip());
        }
        _ => return None,
    })
}

/// Whether an interface is left out for its netmask.
const fn by_mask(skipped: &Skipped) -> bool {
    matches!(skipped.why, Unusable::TooSmall(_))
}

/// The lesson that shows why a datagram to this address did not leave.
pub(crate) fn of_failure(fault: Fault, destination: IpAddr) -> Option<Shown> {
    of_fault(fault, matches!(destination, IpAddr::V4(v4) if v4.is_broadcast()))
}

const fn of_fault(fault: Fault, limited: bool) -> Option<Shown> {
    Some(match fault.kind {
        FaultKind::NetworkUnreachable if limited => Shown::LIMITED,
        FaultKind::NotPermitted => Shown::PERMISSION,
        FaultKind::TooLong => Shown::LIMIT,
        FaultKind::Refused => Shown::REFUSED,
        _ => return None,
    })
}

/// The lesson that shows what the user should know.
pub(crate) fn of_notice(notice: &Notice) -> Option<Shown> {
    Some(match notice {
        Notice::HearsNoBroadcast(_) => Shown::EVERYONE,
        Notice::SmallReceiveBuffer(..) | Notice::KernelDrops { .. } => Shown::OVERFLOW,
        Notice::Broadcasting(address, _) if address.is_broadcast() => Shown::LIMITED,
        Notice::Broadcasting(..) => Shown::PERMISSION,
        Notice::OddBroadcast(..) => Shown::MASK,
        Notice::BroadcastSilence { .. } => Shown::REPLIES,
        Notice::ServicesMissing(missing) if super::notice::is_silence(missing) => Shown::REPLIES,
        _ => return None,
    })
}

/// The lesson that shows where datagrams went that were cut.
pub(crate) const fn of_truncation() -> Shown {
    Shown::TRUNCATE
}

/// The lesson that shows where datagrams went that nobody read in time.
pub(crate) const fn of_drops() -> Shown {
    Shown::OVERFLOW
}

/// The lesson that shows what the network says.
pub(crate) const fn of_refusal(what: Unreachable) -> Option<Shown> {
    match what {
        Unreachable::Port => Some(Shown::REFUSED),
        _ => None,
    }
}
