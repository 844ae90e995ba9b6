//! What things are called: a sentence for people, and a stable word for JSON.

use std::fmt::{self, Display, Formatter};

use halloo::model::Unusable;
use halloo::model::error::FaultKind;
use halloo::model::event::{Ignored, Role, Unreachable, Unsent};
use halloo::model::lesson::Status;

/// Why an interface is left out, for people.
pub(crate) struct WhyUnusable(pub(crate) Unusable);

impl Display for WhyUnusable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            Unusable::Down => "down",
            Unusable::NoCarrier => "no carrier",
            Unusable::Loopback => "loopback: only this host; name it with --interface",
            Unusable::PointToPoint => "point-to-point, no broadcast",
            Unusable::NoBroadcast => "its link has no broadcast",
            Unusable::NoAddress => "no IPv4 address",
            Unusable::Ipv6 => "IPv6 has no broadcast; --ipv6 sends to ff02::1",
            Unusable::TooSmall(prefix) => return write!(f, "/{prefix}: no broadcast address"),
            Unusable::Repeated => "another address of it already reaches the same broadcast address",
            Unusable::NoIpv6 => "no IPv6 link-local address",
            Unusable::NoMulticast => "its link has no multicast",
        };
        f.write_str(words)
    }
}

/// Why an interface is left out, for JSON.
pub(crate) const fn unusable(why: Unusable) -> &'static str {
    match why {
        Unusable::Down => "down",
        Unusable::NoCarrier => "no_carrier",
        Unusable::Loopback => "loopback",
        Unusable::PointToPoint => "point_to_point",
        Unusable::NoBroadcast => "no_broadcast",
        Unusable::NoAddress => "no_address",
        Unusable::Ipv6 => "ipv6",
        Unusable::TooSmall(_) => "too_small",
        Unusable::Repeated => "repeated",
        Unusable::NoIpv6 => "no_ipv6",
        Unusable::NoMulticast => "no_multicast",
    }
}

/// How a lesson went, for JSON.
pub(crate) const fn status(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Surprise => "surprise",
        Status::Skip => "skip",
    }
}

/// Why the system said no, for JSON.
pub(crate) const fn fault(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::NotPermitted => "not_permitted",
        FaultKind::NetworkUnreachable => "network_unreachable",
        FaultKind::HostUnreachable => "host_unreachable",
        FaultKind::NetworkDown => "network_down",
        FaultKind::NoDevice => "no_device",
        FaultKind::AddressNotAvailable => "address_not_available",
        FaultKind::AddressInUse => "address_in_use",
        FaultKind::TooLong => "too_long",
        FaultKind::QueueFull => "queue_full",
        FaultKind::NeighbourUnknown => "neighbour_unknown",
        FaultKind::Refused => "refused",
        FaultKind::Invalid => "invalid",
        FaultKind::Unsupported => "unsupported",
        FaultKind::OutOfResources => "out_of_resources",
        FaultKind::Other => "other",
    }
}

/// Why something was not tried, for people. For JSON it is [`Unsent::name`].
pub(crate) const fn unsent(why: Unsent) -> &'static str {
    match why {
        Unsent::Gone => "the interface is gone",
        Unsent::Down => "the interface is down",
        Unsent::NoCarrier => "no carrier",
        Unsent::NoAddress => "no address to send from",
        Unsent::NoBroadcast => "it does not reach everybody any more",
        Unsent::Deadline => "the deadline came first",
    }
}

/// What an ICMP message says, for people.
pub(crate) struct WhatIcmpSays(pub(crate) Unreachable);

impl Display for WhatIcmpSays {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            Unreachable::Port => "nobody listens on that port (port unreachable)",
            Unreachable::Host => "the host cannot be reached (host unreachable)",
            Unreachable::Network => "there is no way to that network (network unreachable)",
            Unreachable::Prohibited => "a filter on the way says no (administratively prohibited)",
            Unreachable::TooLong(None) => "too long for the path without fragmentation (packet too big)",
            Unreachable::TooLong(Some(mtu)) => {
                return write!(
                    f,
                    "too long for the path without fragmentation: a packet may have {mtu} B (packet too big)"
                );
            }
            Unreachable::TimeExceeded => "its time to live ran out on the way (time exceeded); --ttl N raises it",
            Unreachable::Other(kind, code) => return write!(f, "not delivered (ICMP type {kind} code {code})"),
        };
        f.write_str(words)
    }
}

/// What an ICMP message says, for JSON.
pub(crate) const fn unreachable(what: Unreachable) -> &'static str {
    match what {
        Unreachable::Port => "port_unreachable",
        Unreachable::Host => "host_unreachable",
        Unreachable::Network => "network_unreachable",
        Unreachable::Prohibited => "prohibited",
        Unreachable::TooLong(_) => "too_long",
        Unreachable::TimeExceeded => "time_exceeded",
        Unreachable::Other(..) => "other",
    }
}

/// Why a datagram had no effect, for people. For JSON it is [`Ignored::name`].
pub(crate) const fn ignored(why: Ignored) -> &'static str {
    match why {
        Ignored::PortZero => "its source port is 0, where nobody can be answered",
        Ignored::RiskyPort => "its source port belongs to a service that would answer the answer",
        Ignored::OwnPort => "it comes from our own port: another server of this kind, or ourselves",
        Ignored::BadSource => "its source address is one that no host may have",
        Ignored::LoopbackSource => "its source is a loopback address, but it did not come over loopback",
        Ignored::OwnSource => {
            "its source is an IPv6 address of this host, which anybody on the wire can forge; ::1 is answered"
        }
        Ignored::Broadcast => "it came by broadcast or multicast; --answer-broadcast answers those",
        Ignored::OffLink => "it came from outside this host's subnets",
        Ignored::OtherLink => "it was sent to an address that another interface has than the one it came in by",
        Ignored::OwnReply => "it is itself an answer of this kind of server",
        Ignored::SourceLimit => "this source asks too often",
        Ignored::TotalLimit => "all sources together ask too often",
        Ignored::Loop => {
            "it may be our own answers that come back again and again; who is no loop is answered next time"
        }
        Ignored::ReplyTooLong => {
            "the answer would be longer than a datagram, or than is given to a question as short as this"
        }
        Ignored::Foreign => "it is of another run or another program",
        Ignored::Corrupt => "it is an answer that was changed on the way",
        Ignored::Malformed => "it is a message of discovery that breaks its format",
        Ignored::WrongKind => "it was said to others: an announcement, a goodbye, a question or an answer of theirs",
        Ignored::Unsigned => "it is not signed, and the secret is asked for here",
        Ignored::BadSignature => "its signature is wrong: another secret, a forgery, or changed on the way",
        Ignored::Relayed => "it is signed for another address than it came from",
        Ignored::OtherType => "it is about services of another type",
        Ignored::OtherPlace => "it asks another part of the services",
        Ignored::Known => "the asker knows this service already",
        Ignored::Answered => "the asker has its answer to this question",
        Ignored::Busy => "more answers wait for their moment than are kept",
        Ignored::Ended => "the run ended before the moment of its answer",
        Ignored::TooMany => "more addresses answer than can be told apart, or be remembered so far back",
    }
}

/// Whether what had no effect needed none: nothing went wrong.
pub(crate) const fn is_in_order(why: Ignored) -> bool {
    use Ignored::{Answered, Known, OtherPlace, OtherType, WrongKind};
    matches!(why, Known | Answered | OtherType | OtherPlace | WrongKind)
}

/// What a command does with its socket, for JSON.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Listen => "listen",
        Role::Echo => "echo",
        Role::Length => "length",
        Role::Announce => "announce",
    }
}

/// A number with its noun: `1 reply`, `2 replies`.
pub(crate) struct Counted<'a>(pub(crate) u64, pub(crate) &'a str, pub(crate) &'a str);

impl Display for Counted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(number, one, many) = self;
        write!(f, "{number} {}", if *number == 1 { one } else { many })
    }
}
