//! Who may be answered.
//!
//! One forged datagram makes two naive servers answer each other for ever, and one broadcast makes every naive server
//! of a LAN answer a victim. So a server asks here first. The rules come from RFC 1122 3.2.1.3 and 3.2.2, RFC 8085
//! section 5 and the old inetd; the limits drop, and never queue, because the first drop is what ends a loop.
//!
//! # Loops that are slow
//!
//! A limit per second ends only loops that are faster than it. A naive peer that takes 1.5 ms for its answers goes round 600
//! times a second, and would do so for ever. On the wire such a loop is the same as a client who waits for each answer and
//! asks with the same bytes again, but for one thing: a datagram that is not answered ends the loop, and the client asks
//! again. So this is what is done, once in a while, to whoever goes on without a pause:
//!
//! - One address and port gets [`DEFAULT_RATE`] answers to the same bytes (or as many as `--rate-limit` allows in a second, if
//!   that is more), whatever it sends besides, and the next such datagram is left out. So each of several datagrams that go
//!   round together has a thousand rounds of its own, and then is lost.
//! - To whatever bytes, it gets a hundred times as many: one in 100,000 is left out. Only what answers anything with something
//!   else each time makes a loop that the first rule does not end, and the services known for that (daytime, chargen, quotes
//!   of the day) have ports that are not answered.
//! - Half a second without such a datagram clears the account: what goes round less than twice a second harms nobody.
//!
//! For honest use: `halloo ping`, and whoever numbers datagrams, loses at most one in 100,000, and none where 500 ms lie
//! between two. Whoever sends the same bytes more often than twice a second loses one in 1,000 of these for as long as that
//! goes on, also where other bytes are sent in between: who asks with two payloads in turn, 100 times a second, loses one in
//! 1,000 of each. Each is counted as `loop`. `--rate-limit N` above 1,000 makes both rarer, and `--rate-limit off` lifts them
//! with all limits.
//!
//! # No answer waits
//!
//! Many hosts that answer one broadcast at once could fill the asker's receive buffer. A random delay helps, as RFC 6762
//! section 6 has it, and discovery does that: there the asker says how long answers may take. Echo and length do not. What
//! they are asked for by broadcast is `ping --broadcast`, and a delay of theirs would be in each of its round-trip times, where
//! nobody could tell it from the network's. What such answers can do is bounded otherwise: only who is told to by
//! `--answer-broadcast` gives any, to neighbours alone, ten a second to each; and some 250 short ones fit into the receive
//! buffer that a socket on Linux has unless it asks for another.

mod limits;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::model::event::Ignored;
use crate::model::{Cast, Datagram, Origin};
use limits::Limits;

/// What the user allows.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Answer source ports that are usually somebody else's server.
    pub any_port: bool,
    /// Answer what came by broadcast or multicast.
    pub answer_broadcast: bool,
    /// Answer what has an IPv6 address of this host for its source. The kernel lets such a source in from the wire as well,
    /// and does not tell which it was: only where no answer is ever answered is that no way into a loop.
    pub answer_own: bool,
    /// Answers per second and source; `None` lifts this and the other limits, but not how long an answer may be.
    pub rate: Option<u32>,
    /// How often a source is answered what it sent to everybody. Such answers are among those of `rate`, too.
    pub broadcasts: Broadcasts,
}

impl Rules {
    /// The rules of a server of anything: what this host says itself over IPv6 is not answered.
    pub fn of_server(any_port: bool, answer_broadcast: bool, rate: Option<u32>) -> Self {
        Self { any_port, answer_broadcast, answer_own: false, rate, broadcasts: BROADCASTS.at_most(rate) }
    }

    /// The rules of those who announce: everybody is asked there, and hosts that ask may be this one.
    pub fn of_discovery(rate: Option<u32>) -> Self {
        let broadcasts = QUERIES.at_most(rate);
        Self { any_port: false, answer_broadcast: true, answer_own: true, rate, broadcasts }
    }
}

/// How often one source is answered what it sent by broadcast or multicast.
#[derive(Clone, Copy, Debug)]
pub struct Broadcasts {
    /// Answers per second.
    pub per_second: u32,
    /// Answers at once.
    pub burst: u32,
    /// Bytes of them per second, and at once.
    pub bytes: (u32, u32),
}

impl Broadcasts {
    /// The same, where whoever runs the server wants fewer.
    fn at_most(self, rate: Option<u32>) -> Self {
        let least = |own: u32| rate.map_or(own, |rate| own.min(rate));
        Self { per_second: least(self.per_second), burst: least(self.burst), ..self }
    }
}

/// Answers per second and source unless told otherwise: far above any honest client that waits for its answers over a
/// LAN with tenths of a millisecond of round-trip time one at a time, far below a flood.
pub const DEFAULT_RATE: u32 = 1_000;

/// Answers to broadcasts of anything, which may be longer than what they answer: they are cheap to ask for and come from
/// every host at once.
pub const BROADCASTS: Broadcasts = Broadcasts { per_second: 10, burst: 10, bytes: (1 << 20, 4 << 20) };

/// Answers to questions of discovery, which are never longer than their question.
///
/// An asker has one for each of its runs, and a second where that was lost: 100 at once are 50 programs of one host, or
/// of the hosts behind one address, that start together, and 50 a second are as many that start one after another. Bytes
/// are counted as the question has them, 192 as a rule: 100 of those are 19 KiB, and of the longest, 1,392, 47 fit into 64 KiB.
///
/// Whoever forges a neighbour's address makes each host send it 64 KiB at once and then 32 KiB/s (262 kbit/s) at most, for at
/// least as many bytes of his own: 100 hosts are 26 Mbit/s. As services are, with some 150 bytes of answer, it is 50 x 150 B =
/// 7.5 kB/s of each. With a secret, only those who have it are answered at all.
pub const QUERIES: Broadcasts = Broadcasts { per_second: 50, burst: 100, bytes: (32 << 10, 64 << 10) };

/// How many times as long as its question an answer may be that leaves this host, the headers of both included: as with QUIC,
/// before an address is validated (RFC 9000 section 8.1). The sentence of a length server never meets it: 30 bytes behind 28 of
/// headers are twice an empty question.
const LONGEST_ANSWER: usize = 3;

/// The headers of IPv4 and UDP in bytes. Those of IPv6 are longer, and make the rule stricter than it is.
const HEADERS: usize = 28;

/// Source ports that a server of another protocol listens on, or that loops are known from: NFS, and the discovery
/// protocols and caches SSDP, WS-Discovery, mDNS, LLMNR and memcached. Ports below 1024 are servers' by custom.
const RISKY_PORTS: [u16; 6] = [2049, 1900, 3702, 5353, 5355, 11211];

/// Decides who is answered, and remembers how often.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    own_port: u16,
    /// There only where anything is limited.
    limits: Option<Limits>,
}

impl Guard {
    /// A guard for a server on `own_port`.
    pub fn new(rules: Rules, own_port: u16) -> Self {
        Self { rules, own_port, limits: rules.rate.map(|rate| Limits::new(rate, rules.broadcasts)) }
    }

    /// Whether `datagram` may be answered with `reply_len` bytes. `own_reply` says that it is itself an answer of this
    /// kind of server. Only an answer that may be given counts against the limits.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn judge(
        &mut self,
        now: Duration,
        datagram: &Datagram<'_>,
        own_reply: bool,
        reply_len: usize,
    ) -> Result<(), Ignored> {
        if let Some(reason) = refusal(&self.rules, self.own_port, datagram, own_reply) {
            return Err(reason);
        }
        // On loopback the limits protect nobody: forging a source there takes the right to open raw sockets.
        if datagram.source.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        if reply_len + HEADERS > LONGEST_ANSWER * (datagram.wire_len + HEADERS) {
            return Err(Ignored::ReplyTooLong);
        }
        self.limits.as_mut().map_or(Ok(()), |limits| limits.spend(now, datagram, reply_len))
    }
}

/// The first rule that speaks against an answer.
fn refusal(rules: &Rules, own_port: u16, datagram: &Datagram<'_>, own_reply: bool) -> Option<Ignored> {
    let port = datagram.source.port();
    let source = datagram.source.ip().to_canonical();
    let everybody = is_to_everybody(datagram);
    let own = datagram.origin == Origin::Own;
    let rules = [
        (port == 0, Ignored::PortZero),
        (!rules.any_port && (port < 1024 || RISKY_PORTS.contains(&port)), Ignored::RiskyPort),
        (port == own_port, Ignored::OwnPort),
        (is_bad_source(source) || datagram.origin == Origin::Broadcast, Ignored::BadSource),
        (source.is_loopback() && datagram.link.is_some() && !datagram.on_link, Ignored::LoopbackSource),
        (own && source.is_ipv6() && !source.is_loopback() && !rules.answer_own, Ignored::OwnSource),
        (everybody && !rules.answer_broadcast, Ignored::Broadcast),
        (everybody && !datagram.on_link && !own, Ignored::OffLink),
        (own_reply, Ignored::OwnReply),
    ];
    rules.into_iter().find_map(|(broken, reason)| broken.then_some(reason))
}

fn is_to_everybody(datagram: &Datagram<'_>) -> bool {
    datagram.cast.is_some_and(|cast| cast != Cast::Unicast)
}

/// Addresses that no host may send from (RFC 1122 3.2.1.3, RFC 4291 2.5.2 and 2.7).
fn is_bad_source(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(a) => a.octets()[0] == 0 || a.is_multicast() || a >= Ipv4Addr::new(240, 0, 0, 0),
        IpAddr::V6(a) => a.is_unspecified() || a.is_multicast(),
    }
}

#[cfg(test)]
mod tests;
