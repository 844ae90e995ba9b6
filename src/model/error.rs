//! What can go wrong, sorted by what the user can do about it.
//!
//! The texts here say what failed, on what and why. What to do now is added by the program, which knows its own commands.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::event::Skipped;
use crate::model::service::ServiceError;
use crate::model::stats::Verdict;
use crate::model::{Family, Link, RecordError, TargetError, TooLong};

/// Why the system said no, by remedy.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FaultKind {
    /// Not allowed (EACCES, EPERM): a low port, a firewall rule, a security module.
    NotPermitted,
    /// No route to the network (ENETUNREACH).
    NetworkUnreachable,
    /// The host does not answer its neighbours (EHOSTUNREACH, EHOSTDOWN).
    HostUnreachable,
    /// The interface is switched off (ENETDOWN).
    NetworkDown,
    /// The interface is gone (ENODEV, ENXIO).
    NoDevice,
    /// The address is not, or no longer, one of this host's (EADDRNOTAVAIL).
    AddressNotAvailable,
    /// Somebody else has the port (EADDRINUSE).
    AddressInUse,
    /// Longer than the interface, the path or the system allows (EMSGSIZE).
    TooLong,
    /// There is no room for it on this host: the send queue is full (EAGAIN, ENOBUFS), or, for one that is sent to a single
    /// neighbour, the table of neighbours (ENOBUFS, arp(7)).
    QueueFull,
    /// Not tried: it would wait until the system knows the neighbour, and too much waits for such already.
    NeighbourUnknown,
    /// An ICMP message said that nobody listens (ECONNREFUSED).
    Refused,
    /// The system finds the request senseless (EINVAL).
    Invalid,
    /// The system lacks this: an option or an IP version (EAFNOSUPPORT, EPROTONOSUPPORT, ENOPROTOOPT).
    Unsupported,
    /// Out of descriptors or memory (EMFILE, ENFILE, ENOMEM).
    OutOfResources,
    /// Anything else.
    Other,
}

/// An error of the system, with its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Which remedy.
    pub kind: FaultKind,
    /// The system's own number (errno(3)), where there is one.
    pub code: Option<i32>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FaultKind::NotPermitted => "not permitted",
            FaultKind::NetworkUnreachable => "no route to that network",
            FaultKind::HostUnreachable => "the host cannot be reached",
            FaultKind::NetworkDown => "the interface is down",
            FaultKind::NoDevice => "there is no such interface any more",
            FaultKind::AddressNotAvailable => "this host does not have that address",
            FaultKind::AddressInUse => "the port is in use",
            FaultKind::TooLong => "the datagram is too long to be sent",
            FaultKind::QueueFull => "this host has no room for it",
            FaultKind::NeighbourUnknown => "this host does not know that neighbour, and much waits for such already",
            FaultKind::Refused => "nobody listens there",
            FaultKind::Invalid => "the system finds the request invalid",
            FaultKind::Unsupported => "this system does not support it",
            FaultKind::OutOfResources => "out of memory or file descriptors",
            FaultKind::Other => "the system refused",
        })?;
        match self.code {
            Some(code) => write!(f, " ({})", std::io::Error::from_raw_os_error(code)),
            None => Ok(()),
        }
    }
}

/// What was being done when the system said no.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Making a socket.
    Open,
    /// Setting the named option.
    Set(&'static str),
    /// Taking a local address and port.
    Bind,
    /// Taking the local address and port that was asked for, to send from it.
    BindSource,
    /// Fixing the peer.
    Connect,
    /// Joining a multicast group.
    Join,
    /// Looking for the route.
    Route,
    /// Listing the interfaces.
    List,
    /// Waiting for datagrams.
    Wait,
    /// Reading datagrams.
    Receive,
    /// Starting a thread.
    Spawn,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("cannot open a socket for"),
            Self::Set(option) => write!(f, "cannot set {option} on the socket for"),
            Self::Bind => f.write_str("cannot listen on"),
            Self::BindSource => f.write_str("cannot send from"),
            Self::Connect => f.write_str("cannot connect to"),
            Self::Join => f.write_str("cannot join"),
            Self::Route => f.write_str("cannot send to"),
            Self::List => f.write_str("cannot list"),
            Self::Wait => f.write_str("cannot wait on"),
            Self::Receive => f.write_str("cannot receive on"),
            Self::Spawn => f.write_str("cannot start a thread for"),
        }
    }
}

/// Why an address is nobody's to send to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsendable {
    /// Its port is 0.
    #[error("port 0 is nobody's port")]
    PortZero,
    /// 0.0.0.0 or `::`.
    #[error("it means every address of a host that listens")]
    Unspecified,
    /// A broadcast over IPv6.
    #[error("IPv6 has no broadcast")]
    NoBroadcast,
    /// A broadcast by a connected socket.
    #[error("a connected socket hears only its peer, and nobody answers from a broadcast address")]
    Connected,
    /// 255.255.255.255, and nothing says by which interface.
    #[error("it leaves by one interface, this host has several and no route says which (--interface NAME)")]
    SeveralInterfaces,
}

/// Everything that ends a run.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A payload that no datagram carries.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The size of a probe is over the limit.
    #[error(transparent)]
    ProbeTooLong(TooLong),
    /// A record that is not a payload.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A text that is not an address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A name that has no address.
    #[error("{name:?} has no {} address: {why}", .family.map_or_else(|| "IP".to_owned(), |f| f.to_string()))]
    Resolve {
        /// The name.
        name: String,
        /// The IP version asked for, if one was.
        family: Option<Family>,
        /// What the resolver says.
        why: String,
    },
    /// An interface that this host does not have.
    #[error("this host has no interface {selector:?}; it has {}", available.join(", "))]
    NoSuchInterface {
        /// What was asked for.
        selector: String,
        /// What there is.
        available: Vec<String>,
    },
    /// No interface can broadcast.
    #[error("no interface can broadcast; nothing was sent")]
    NothingToBroadcastOn {
        /// Every interface, with the reason.
        skipped: Vec<Skipped>,
    },
    /// An address that no chosen interface broadcasts to.
    #[error("{address} is not the broadcast address of {}; nothing was sent", chosen_or_any(.chosen))]
    NotABroadcastAddress {
        /// What was asked for.
        address: Ipv4Addr,
        /// The interfaces chosen, if any were.
        chosen: Vec<String>,
        /// What there is: interface and broadcast address.
        known: Vec<(Link, Ipv4Addr)>,
    },
    /// A broadcast address where broadcasts were forbidden.
    #[error("{address} is the broadcast address of {}; nothing was sent", .link.as_ref().map_or("every interface", |l| &l.name))]
    BroadcastForbidden {
        /// The address.
        address: Ipv4Addr,
        /// The interface; `None` for 255.255.255.255.
        link: Option<Link>,
    },
    /// An address that cannot be sent to.
    #[error("{address} cannot be sent to: {why}; nothing was sent")]
    NotADestination {
        /// The address.
        address: String,
        /// Why.
        why: Unsendable,
    },
    /// There is no address to send from: what leaves all the same would come from 0.0.0.0, which nobody can answer.
    #[error("{address} cannot be sent to: {} has no {} address to send from; nothing was sent", .link.as_ref().map_or("this host", |l| &l.name), Family::of(*.address))]
    NoSource {
        /// Where it should have gone.
        address: IpAddr,
        /// The interface that was named, if one was.
        link: Option<Link>,
    },
    /// A link-local IPv6 address without the interface it belongs to.
    #[error("{address} needs an interface; nothing was sent")]
    NeedsZone {
        /// The address.
        address: IpAddr,
        /// The interfaces that could be meant.
        available: Vec<String>,
    },
    /// The system said no.
    #[error("{action} {on}: {fault}")]
    System {
        /// What was being done.
        action: Action,
        /// On what.
        on: String,
        /// Why not.
        fault: Fault,
    },
    /// A text that a service cannot have.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A secret that cannot be used, or is not safe where it is.
    #[error("{file}: {why}")]
    Secret {
        /// Its file.
        file: String,
        /// What is wrong with it.
        why: String,
        /// What to do.
        instead: String,
    },
    /// A program that cannot be started.
    #[error("cannot start {program}: {why}")]
    Command {
        /// The program.
        program: String,
        /// What the system says.
        why: String,
        /// What to do.
        instead: String,
    },
    /// Options that make no sense together, or here.
    #[error("{what}")]
    Misuse {
        /// What makes no sense.
        what: String,
        /// What makes sense.
        instead: String,
    },
    /// This system cannot do that.
    #[error("{what} is not possible on this system")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
    /// Input that cannot be read.
    #[error("cannot read {name}: {why}")]
    Input {
        /// The file, or `standard input`.
        name: String,
        /// What the system says.
        why: String,
    },
    /// Output that cannot be written.
    #[error("cannot write {name}: {why}")]
    Output {
        /// The file, or `standard output`.
        name: String,
        /// What the system says.
        why: String,
    },
}

fn chosen_or_any(chosen: &[String]) -> String {
    if chosen.is_empty() { "any usable interface".to_owned() } else { chosen.join(", ") }
}

impl Error {
    /// The exit code's meaning that the error deserves.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Target(_)
            | Self::Service(_)
            | Self::NoSuchInterface { .. }
            | Self::NeedsZone { .. }
            | Self::Misuse { .. } => Verdict::Usage,
            Self::TooLong(_)
            | Self::ProbeTooLong(_)
            | Self::Record(_)
            | Self::NothingToBroadcastOn { .. }
            | Self::NotABroadcastAddress { .. }
            | Self::BroadcastForbidden { .. }
            | Self::NotADestination { .. }
            | Self::NoSource { .. }
            | Self::Secret { .. }
            | Self::Input { .. } => Verdict::RefusedToSend,
            Self::Resolve { .. }
            | Self::Command { .. }
            | Self::System { .. }
            | Self::Unsupported { .. }
            | Self::Output { .. } => Verdict::SystemRefused,
        }
    }
}

/// What ended a run early.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The network: nothing can be sent or received any more.
    #[error(transparent)]
    Network(Error),
    /// The sink: nothing can be told any more.
    #[error("the events cannot be told: {0}")]
    Sink(std::io::Error),
}
