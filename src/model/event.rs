//! What a run tells: the one type that crosses from the engines to the reports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::model::lesson::LessonRun;
use crate::model::service::{Change, InstanceId, Service, ServiceName};
use crate::model::{About, Cast, Datagram, Error, Fault, Interface, Latency, Link, RecordError, Stats, Unusable};

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Now {
    /// Time since the run began, by the monotonic clock. Everything is decided by this one.
    pub run: Duration,
    /// The wall clock, for showing only.
    pub wall: SystemTime,
}

/// Something to be told, in the order it happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A socket is open and hears.
    Listening(Listening),
    /// A datagram would leave: nothing is sent in a dry run. Its source has no port yet.
    Planned(Planned),
    /// The system took a datagram.
    Sent(Sent),
    /// The system did not take a datagram.
    Failed(Failed),
    /// A record cannot be sent, and none behind it will be.
    BadRecord(&'a RecordError),
    /// The run is broken and ends.
    Broken(&'a Error),
    /// An interface was left out.
    Skipped(Skipped),
    /// A datagram came.
    Received(Received<'a>),
    /// An answer came.
    Reply(Reply<'a>),
    /// How far a series is.
    Progress(Progress),
    /// The account of a responder, at the end.
    Responder(&'a Responder<'a>),
    /// What happened to a service. [`Change::Listed`] comes at the end, once for each that is there.
    Service(Change, &'a Service),
    /// The network says that a datagram was not delivered; and so many more, since that was last told, of which nothing is.
    Refused(Refusal, u64),
    /// A server gave no answer.
    Ignored(Ignored, &'a Datagram<'a>),
    /// Something the user should know.
    Notice(Notice),
    /// A row of the table of interfaces.
    Interface(&'a Interface),
    /// Time has passed, and nothing else: for what shows how long ago something was.
    Tick,
    /// A lesson was run.
    Lesson(&'a LessonRun),
    /// The end of the run.
    Summary(&'a Stats),
}

/// What a command does with its socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Prints every datagram, answers none.
    Listen,
    /// Answers with the same bytes.
    Echo,
    /// Answers with the length.
    Length,
    /// Answers those who look for services.
    Announce,
}

/// An open socket.
#[derive(Clone, Debug)]
pub struct Listening {
    /// What for.
    pub role: Role,
    /// Its address; the port is the real one even when 0 was asked for.
    pub local: SocketAddr,
    /// The groups it joined, each with the interface.
    pub groups: Vec<(IpAddr, Link)>,
    /// The receive buffer in bytes of payload and overhead, as the kernel counts: asked for, and granted where known.
    pub receive_buffer: (usize, Option<usize>),
}

/// Where a datagram would go.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The interface it would leave by.
    pub link: Link,
    /// The address it would leave from.
    pub source: Option<IpAddr>,
    /// Where it would go.
    pub destination: SocketAddr,
    /// To whom.
    pub cast: Cast,
}

/// A datagram that left.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its number in this run, from 0.
    pub seq: u64,
    /// Its payload bytes.
    pub len: usize,
    /// Source address and port, where known.
    pub source: Option<SocketAddr>,
    /// Destination.
    pub destination: SocketAddr,
    /// The interface it left by, where known.
    pub link: Option<Link>,
    /// To whom.
    pub cast: Cast,
}

/// A datagram that did not leave.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its payload bytes.
    pub len: usize,
    /// Where it should have gone.
    pub destination: SocketAddr,
    /// The interface, where one was chosen.
    pub link: Option<Link>,
    /// Why not.
    pub fault: Fault,
    /// So many more failed alike since the last that was told.
    pub more: u64,
}

/// An interface that was left out.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// The interface.
    pub link: Link,
    /// Its address, where that is what was left out.
    pub address: Option<IpAddr>,
    /// Why.
    pub why: Unusable,
}

/// A datagram that came.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// Its number among those shown, from 0.
    pub seq: u64,
    /// The datagram.
    pub datagram: &'a Datagram<'a>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// The datagram.
    pub datagram: &'a Datagram<'a>,
    /// Time since the datagram it answers left; `None` where that could be one of several.
    pub round_trip: Option<Duration>,
    /// It came from another address or port than was asked.
    pub from_another: bool,
    /// This address gave the same answer more often than it was asked.
    pub duplicate: bool,
    /// The number of the probe it answers; `None` where datagrams are not numbered.
    pub seq: Option<u32>,
    /// It came after its own wait.
    pub late: bool,
}

/// How far a series of probes is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Probes sent.
    pub sent: u64,
    /// Answers in time.
    pub answered: u64,
    /// Answers that are missing so far, of all responders.
    pub missing: u64,
}

/// The account of one responder.
#[derive(Clone, Debug)]
pub struct Responder<'a> {
    /// Its address and port.
    pub address: SocketAddr,
    /// The interface its answers came by.
    pub link: Option<Link>,
    /// It is this host itself.
    pub own: bool,
    /// It answered for another address that was asked.
    pub from_another: bool,
    /// The first probe of its time.
    pub since_seq: u32,
    /// Probes of its time; `sent = received + late + lost`.
    pub sent: u64,
    /// Answered in time.
    pub received: u64,
    /// Never answered.
    pub lost: u64,
    /// Probes of its time, beside those `sent`, that it could still have answered in time when the run ended.
    pub in_flight: u64,
    /// Further answers to a probe.
    pub duplicates: u64,
    /// Answers behind that of a later probe.
    pub reordered: u64,
    /// Answered after the wait.
    pub late: u64,
    /// Answers that had been changed on the way; their probes are lost.
    pub corrupt: u64,
    /// The round-trip times of the answers in time.
    pub latency: &'a Latency,
}

/// What an ICMP message says (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// The host does not answer its neighbours, or a router says so.
    Host,
    /// There is no way to the network.
    Network,
    /// A filter says no.
    Prohibited,
    /// Too long for the path without fragmentation; the size in bytes where it is told.
    TooLong(Option<u32>),
    /// Time to live ran out on the way.
    TimeExceeded,
    /// Something else: ICMP type and code where known.
    Other(u8, u8),
}

/// The network says that a datagram was not delivered.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Where the datagram was going.
    pub destination: SocketAddr,
    /// Who says so, where known.
    pub by: Option<IpAddr>,
    /// What it says.
    pub what: Unreachable,
}

/// Why a datagram had no effect: a server gave no answer to it, or it is no answer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ignored {
    /// The source port is 0: nobody can be answered there (RFC 8085 5.1).
    PortZero,
    /// The source port belongs to a service that would answer the answer.
    RiskyPort,
    /// The source port is our own: another server of this kind, or ourselves.
    OwnPort,
    /// No host may have this source address (RFC 1122 3.2.1.3).
    BadSource,
    /// A loopback source that did not come over loopback.
    LoopbackSource,
    /// An IPv6 address of this host itself. The kernel lets such a source in from the wire as well, and does not tell
    /// which it was.
    OwnSource,
    /// It came by broadcast or multicast, and those were not asked to be answered.
    Broadcast,
    /// It came from outside this host's subnets, by broadcast or multicast or to where only neighbours are answered.
    OffLink,
    /// It was sent to an address that this host has on another interface than the one it came in by.
    OtherLink,
    /// It is itself an answer of this kind of server.
    OwnReply,
    /// This source asks too often.
    SourceLimit,
    /// All sources together ask too often.
    TotalLimit,
    /// Its source asks on and on without a pause, with the same bytes each time as a rule: if those are our own answers that
    /// come back, this one ends it.
    Loop,
    /// The answer would be longer than a datagram, or than is given to a question as short as this.
    ReplyTooLong,
    /// No answer to this run: another run's, another program's, or nothing of the kind.
    Foreign,
    /// An answer that was changed on the way.
    Corrupt,
    /// From more responders than are told apart, or so far behind its last answer that among so many it is not remembered.
    TooMany,
    /// A message of discovery that breaks its format: cut off, changed, or made wrong.
    Malformed,
    /// A message of discovery of another kind than is awaited here: our own question come back, for one.
    WrongKind,
    /// It is not signed, and who answers or is believed here must know the secret.
    Unsigned,
    /// Its signature is wrong: another secret, a forgery, an old message, or changed on the way.
    BadSignature,
    /// A signed answer from another address than it was signed for, of a service that answers from its own.
    Relayed,
    /// It is about services of another type: it asks for them, or tells of one.
    OtherType,
    /// It asks another part of the services.
    OtherPlace,
    /// The asker knows this service already.
    Known,
    /// The asker has its answer to this question.
    Answered,
    /// More answers wait for their moment than are kept.
    Busy,
    /// The run ended before the moment of its answer.
    Ended,
}

impl Ignored {
    /// The word for it in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PortZero => "port_zero",
            Self::RiskyPort => "risky_port",
            Self::OwnPort => "own_port",
            Self::BadSource => "bad_source",
            Self::LoopbackSource => "loopback_source",
            Self::OwnSource => "own_source",
            Self::Broadcast => "broadcast",
            Self::OffLink => "off_link",
            Self::OtherLink => "other_link",
            Self::OwnReply => "own_reply",
            Self::SourceLimit => "source_limit",
            Self::TotalLimit => "total_limit",
            Self::Loop => "loop",
            Self::ReplyTooLong => "reply_too_long",
            Self::Foreign => "foreign",
            Self::Corrupt => "corrupt",
            Self::TooMany => "too_many",
            Self::Malformed => "malformed",
            Self::WrongKind => "wrong_kind",
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::Relayed => "relayed",
            Self::OtherType => "other_type",
            Self::OtherPlace => "other_place",
            Self::Known => "known",
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::Ended => "ended",
        }
    }
}

/// Why a datagram did not leave where that is no failure. Of a series it was not tried: nothing would have left, it would
/// have reached nobody, or there was no time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Unsent {
    /// The interface does not exist any more.
    Gone,
    /// The interface is switched off.
    Down,
    /// Nothing is connected: the system would take it, and nobody would get it.
    NoCarrier,
    /// There is no address to send from: none at all, or one so new that the kernel does not let it be used yet.
    NoAddress,
    /// The interface, or the address that was chosen, no longer reaches everybody.
    NoBroadcast,
    /// The deadline of the run came first.
    Deadline,
}

impl Unsent {
    /// The word for it in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Down => "down",
            Self::NoCarrier => "no_carrier",
            Self::NoAddress => "no_address",
            Self::NoBroadcast => "no_broadcast",
            Self::Deadline => "deadline",
        }
    }
}

/// Something the user should know, with what to do about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A server can be reached by everybody on the LAN.
    LanCanReach(SocketAddr),
    /// Bound to one address, a socket does not hear broadcasts.
    HearsNoBroadcast(IpAddr),
    /// Bound to `::`, a socket hears IPv6 only.
    Ipv6Only(SocketAddr),
    /// The system granted a smaller receive buffer than was asked for: asked, granted.
    SmallReceiveBuffer(usize, usize),
    /// `send` goes to a broadcast address: address, interface.
    Broadcasting(Ipv4Addr, Option<Link>),
    /// The configured broadcast address is not the one that the netmask gives: interface, configured, computed.
    OddBroadcast(Link, Ipv4Addr, Ipv4Addr),
    /// A datagram does not fit into one packet of the interface.
    Fragments(Fragments),
    /// The first payload looks like the port that the target has not.
    PortAsPayload(u16),
    /// The first payload of a broadcast is an address, as the target of `send` would be.
    AddressAsPayload(IpAddr),
    /// Somebody pipes something in, and nothing reads it.
    InputUnread,
    /// A name was looked up: name, address.
    Resolved(String, SocketAddr),
    /// Nobody answered a broadcast: what may be the cause.
    BroadcastSilence {
        /// The port that answers come to.
        port: u16,
        /// Whether it was a probe, and not a datagram of the user's own.
        probe: bool,
    },
    /// Nobody answers, so fewer probes are sent: so many had no answer; the time between two grows to `most`.
    SlowedDown {
        /// Probes since the last answer.
        unanswered: u32,
        /// The longest time between two probes.
        most: Duration,
    },
    /// Two responders have the same instance, each with a life of its own: the instance, and where they answer from.
    IdClash(InstanceId, SocketAddr, SocketAddr),
    /// The wall clock jumped against the run's: the host slept, or its clock was set. Everybody is asked again.
    ClockJumped,
    /// Probes wait for the answer to the one before, because that takes longer than the interval that was asked for.
    HeldUp {
        /// The interval.
        interval: Duration,
        /// How long an answer takes.
        round_trip: Duration,
    },
    /// Fewer addresses answered than were expected.
    TooFew {
        /// So many were expected.
        expected: u64,
        /// So many of those who count answered in time.
        answered: u64,
        /// So many more of those who count answered, but none of them in time.
        late: u64,
        /// So many others answered, from another address than the one that was asked.
        elsewhere: u64,
    },
    /// Fewer answers came than were expected: expected, came.
    TooFewAnswers(u64, u64),
    /// An interface can be used from now on, and is.
    InterfaceCame(Link),
    /// An interface cannot be used any more.
    InterfaceWent(Link),
    /// No interface can be used yet; the first that comes is.
    NoInterfaceYet,
    /// What is announced, at the start.
    Announcing(Box<About>),
    /// Several services have the name of the one that is looked for.
    Ambiguous(Box<Ambiguity>),
    /// A secret was written: into this file.
    SecretWritten(String),
    /// A file with a secret belongs to another user than this program's: the file, and the user's number.
    SecretOfAnother(String, u32),
    /// A series cannot reach a place any more: what should leave is not tried, and counted.
    WayLost {
        /// Where it should go.
        destination: SocketAddr,
        /// By this interface, where one was chosen.
        link: Option<Link>,
        /// Why it cannot.
        why: Unsent,
    },
    /// It can be reached again, and is.
    WayBack {
        /// Where it goes.
        destination: SocketAddr,
        /// By this interface, where one was chosen.
        link: Option<Link>,
    },
    /// Sends fail one after the other, so fewer are tried: so many in a row; the time between two grows to `most`.
    SendsSlowed {
        /// Failures in a row.
        failures: u32,
        /// The longest time between two.
        most: Duration,
    },
    /// A search ended at its own bounds, and not because asking again brought nobody new.
    CutShort {
        /// The time it took.
        after: Duration,
        /// Those are counted who share the secret.
        secret: bool,
    },
    /// One address answers for as many services as are told apart where nobody proves who it is; those beyond are not kept.
    ManyOfOne {
        /// The address.
        address: IpAddr,
        /// So many are kept.
        kept: u32,
    },
    /// Fewer services were found than were wanted.
    ServicesMissing(Box<Missing>),
    /// A service has more attributes than fit into the longest answer.
    AttributesLeftOut {
        /// So many are told, the first by key.
        told: usize,
        /// So many it has.
        of: usize,
        /// Bytes of the longest answer.
        most: usize,
    },
    /// The announcements of others are not heard, so who comes or goes is found only when everybody is asked: the port, and
    /// the reason.
    HearsNoAnnouncements(u16, Fault),
    /// Who was probed answers, but not with the probe: so many of such answers came.
    NoEcho {
        /// Datagrams from there that are no probes.
        answers: u64,
    },
    /// A group could not be joined on one interface: group, interface, reason.
    GroupNotJoined(IpAddr, Link, Fault),
    /// Datagrams came faster than they were read, and the kernel dropped some at our socket.
    KernelDrops {
        /// So many since this was last told.
        new: u64,
        /// So many in all.
        total: u64,
        /// Both are the least there were: a train of datagrams counts as one.
        at_least: bool,
    },
    /// Of so many datagrams nothing was written at this point, because the reader of the output was too slow.
    OutputDrops(u64),
}

/// Two services of one name, and what tells them apart.
#[derive(Clone, Debug)]
pub struct Ambiguity {
    /// The name of both.
    pub name: ServiceName,
    /// Where they are.
    pub addresses: [SocketAddr; 2],
    /// They are of different types.
    pub by_type: bool,
    /// They were heard on different interfaces.
    pub by_interface: bool,
    /// Nothing was to be proved: it may be that only one has the secret.
    pub by_secret: bool,
}

/// What is known of services that were not found.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    /// So many that count were found.
    pub found: u64,
    /// So many were wanted.
    pub expected: u64,
    /// The port that was asked.
    pub asked: u16,
    /// The port that answers come to.
    pub port: u16,
    /// Only services of one type were asked for.
    pub typed: bool,
    /// Only those of one interface, which is of this host alone, were asked.
    pub on_loopback: bool,
    /// The name, or the pattern of names, that was wanted.
    pub name: Option<Box<str>>,
    /// It was a name, and no pattern.
    pub exact: bool,
    /// So many other names answered.
    pub other_names: u64,
    /// One of these, which differs from what was wanted by nothing but upper and lower case.
    pub nearly: Option<ServiceName>,
    /// Those were awaited who share the secret.
    pub secret: bool,
    /// So many answered without it, or with another.
    pub unsigned: u64,
    /// So many have it, and answered from another address than they say.
    pub mismatched: u64,
    /// Datagrams came that were no answers.
    pub heard: bool,
}

/// A datagram that will travel in pieces.
#[derive(Clone, Debug)]
pub struct Fragments {
    /// The interface.
    pub link: Link,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Payload bytes of the datagram.
    pub len: usize,
    /// The number of pieces.
    pub pieces: usize,
}

/// What became of a [`Transmit`](crate::model::Transmit).
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The engine's mark.
    pub ticket: u64,
    /// So many of a run fared alike, whose marks are one higher each; elsewhere 1.
    pub count: u64,
    /// Its payload bytes.
    pub len: usize,
    /// Where it went or should have gone.
    pub destination: SocketAddr,
    /// The interface: the one it left by where known, the one it was meant to leave by if it failed.
    pub link: Option<Link>,
    /// The source address and port where known, or why it did not leave.
    pub result: Result<Option<SocketAddr>, Fault>,
}

impl Outcome {
    /// The event of a datagram that left, from `source` where that is known.
    pub fn sent(&self, seq: u64, source: Option<SocketAddr>, cast: Cast) -> Event<'static> {
        let (destination, link) = (self.destination, self.link.clone());
        Event::Sent(Sent { seq, len: self.len, source, destination, link, cast })
    }

    /// The event of a datagram that did not leave, and of so many more before it that were not told.
    pub fn failed(&self, fault: Fault, more: u64) -> Event<'static> {
        Event::Failed(Failed { len: self.len, destination: self.destination, link: self.link.clone(), fault, more })
    }
}

/// Takes events and makes something of them: lines, JSON, a capture file. `()` makes nothing of them.
pub trait Sink {
    /// Takes one event. What it writes may stay in a buffer until [`Sink::flush`].
    ///
    /// # Errors
    /// Those of the file or terminal behind it.
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()>;

    /// Writes out what is buffered. Called before every wait.
    ///
    /// # Errors
    /// Those of the file or terminal behind it.
    fn flush(&mut self) -> io::Result<()>;

    /// Whether it makes anything of [`Event::Sent`]. A series has one for each datagram, which need not be made for nobody.
    fn takes_sent(&self) -> bool {
        true
    }

    /// Of how many received datagrams nothing was written, because the reader of the output was too slow. `None` where that
    /// cannot be: the run waits for its reader.
    fn drops(&self) -> Option<u64> {
        None
    }
}

impl Sink for () {
    fn event(&mut self, _: Now, _: &Event<'_>) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn takes_sent(&self) -> bool {
        false
    }
}
