//! Who may be answered.
//!
//! One forged datagram makes two naive servers answer each other for ever, and one broadcast makes every naive server
//! of a LAN answer a victim. So a server asks here first. The rules come from RFC 1122 3.2.1.3 and 3.2.2, RFC 8085
//! section 5 and the old inetd; the limits drop, and never queue, because the first drop is what ends a loop.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::model::event::Ignored;
use crate::model::{Cast, Datagram, Origin};

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
    /// Answers per second and source; `None` lifts this and the other limits.
    pub rate: Option<u32>,
    /// How often a source is answered what it sent to everybody, besides.
    pub broadcasts: Broadcasts,
}

impl Rules {
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

/// Answers per second to all sources together, unless one source may have more: the limit that holds when a flood forges
/// its sources.
const TOTAL_RATE: u64 = 10_000;

/// Answered bytes per second and source, and how many at once. A count alone would allow 1,000 answers of 65,507 bytes,
/// which is 524 Mbit/s at a victim.
const BYTES: Bucket = Bucket::of(1 << 20, 4 << 20);

/// Places for sources. Two sources may share one, and then its tokens; strangers cannot make the table grow.
const SLOTS: usize = 4_096;

/// Source ports that a server of another protocol listens on, or that loops are known from: NFS, and the discovery
/// protocols and caches SSDP, WS-Discovery, mDNS, LLMNR and memcached. Ports below 1024 are servers' by custom.
const RISKY_PORTS: [u16; 6] = [2049, 1900, 3702, 5353, 5355, 11211];

/// Decides who is answered, and remembers how often.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    own_port: u16,
    keys: RandomState,
    sources: Vec<Source>,
    total: Bucket,
}

/// What one place in the table has left.
#[derive(Clone, Copy, Debug)]
struct Source {
    answers: Bucket,
    broadcasts: Bucket,
    broadcast_bytes: Bucket,
    bytes: Bucket,
}

impl Guard {
    /// A guard for a server on `own_port`.
    pub fn new(rules: Rules, own_port: u16) -> Self {
        let rate = u64::from(rules.rate.unwrap_or(DEFAULT_RATE));
        let Broadcasts { per_second, burst, bytes: (bytes_per_second, bytes_at_once) } = rules.broadcasts;
        let source = Source {
            answers: Bucket::of(rate, rate),
            broadcasts: Bucket::of(per_second.into(), burst.into()),
            broadcast_bytes: Bucket::of(bytes_per_second.into(), bytes_at_once.into()),
            bytes: BYTES,
        };
        // The table is made only where it limits anything.
        let slots = if rules.rate.is_some() { SLOTS } else { 0 };
        Self {
            rules,
            own_port,
            keys: RandomState::new(),
            sources: vec![source; slots],
            total: Bucket::of(rate.max(TOTAL_RATE), rate.max(TOTAL_RATE)),
        }
    }

    /// Whether `datagram` may be answered with `reply_len` bytes. `own_reply` says that it is itself an answer of this
    /// kind of server.
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
        if self.sources.is_empty() || datagram.source.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        self.spend(now, datagram, reply_len)
    }

    fn spend(&mut self, now: Duration, datagram: &Datagram<'_>, reply_len: usize) -> Result<(), Ignored> {
        let slot = self.keys.hash_one(network_of(datagram.source.ip())) as usize % self.sources.len();
        let source = &mut self.sources[slot];
        let Source { answers, broadcasts, broadcast_bytes, bytes } = source;
        let len = reply_len as u64;
        let within = if is_to_everybody(datagram) {
            broadcasts.take(now, 1) && broadcast_bytes.take(now, len)
        } else {
            answers.take(now, 1)
        };
        if !within || !bytes.take(now, len) {
            return Err(Ignored::SourceLimit);
        }
        if !self.total.take(now, 1) {
            return Err(Ignored::TotalLimit);
        }
        Ok(())
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

/// What shares one place: an IPv4 address; an IPv6 /64, within which a host may take any address it likes. All hosts of a
/// link are in one link-local /64, so there the whole address counts.
fn network_of(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(a) => a.to_bits().into(),
        IpAddr::V6(a) if a.is_unicast_link_local() => a.to_bits(),
        IpAddr::V6(a) => a.to_bits() >> 64,
    }
}

/// A token bucket that refuses when it is empty.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    per_second: u64,
    most: u64,
    /// In billionths, so that a nanosecond at one token a second still counts.
    tokens: u128,
    filled: Duration,
}

impl Bucket {
    const SCALE: u128 = 1_000_000_000;

    const fn of(per_second: u64, most: u64) -> Self {
        Self { per_second, most, tokens: most as u128 * Self::SCALE, filled: Duration::ZERO }
    }

    fn take(&mut self, now: Duration, tokens: u64) -> bool {
        let passed = now.saturating_sub(self.filled);
        self.filled = self.filled.max(now);
        let full = u128::from(self.most) * Self::SCALE;
        self.tokens = full.min(self.tokens + passed.as_nanos() * u128::from(self.per_second));
        match self.tokens.checked_sub(u128::from(tokens) * Self::SCALE) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Link, Stamp, StampSource};
    use proptest::prelude::*;
    use std::net::SocketAddr;
    use std::time::SystemTime;

    const RULES: Rules = Rules {
        any_port: false,
        answer_broadcast: false,
        answer_own: false,
        rate: Some(DEFAULT_RATE),
        broadcasts: BROADCASTS,
    };

    fn from(source: &str) -> Datagram<'static> {
        Datagram {
            payload: b"hi",
            wire_len: 2,
            source: source.parse().unwrap(),
            destination: Some("10.0.0.1:1060".parse().unwrap()),
            local: Some("10.0.0.1".parse().unwrap()),
            link: Some(Link { index: 2, name: "eth0".into() }),
            cast: Some(Cast::Unicast),
            origin: Origin::Foreign,
            on_link: true,
            other_link: false,
            ttl: Some(64),
            stamp: Stamp { wall: SystemTime::UNIX_EPOCH, source: StampSource::Kernel },
        }
    }

    fn judge(rules: Rules, datagram: &Datagram<'_>) -> Result<(), Ignored> {
        Guard::new(rules, 1060).judge(Duration::ZERO, datagram, false, 2)
    }

    #[test]
    fn an_honest_neighbour_is_answered() {
        assert_eq!(judge(RULES, &from("10.0.0.2:40000")), Ok(()));
        let far = Datagram { on_link: false, ..from("192.0.2.9:40000") };
        assert_eq!(judge(RULES, &far), Ok(()));
        let own = Datagram { origin: Origin::Own, on_link: false, ..from("10.0.0.1:40000") };
        assert_eq!(judge(RULES, &own), Ok(()));
    }

    #[test]
    fn each_reason_against() {
        let everybody = |source: &str| Datagram { cast: Some(Cast::Limited), ..from(source) };
        let cases = [
            (from("10.0.0.2:0"), Ignored::PortZero),
            (from("10.0.0.2:7"), Ignored::RiskyPort),
            (from("10.0.0.2:5353"), Ignored::RiskyPort),
            (from("10.0.0.2:1060"), Ignored::OwnPort),
            (from("0.0.0.0:5000"), Ignored::BadSource),
            (from("0.1.2.3:5000"), Ignored::BadSource),
            (from("224.0.0.251:5000"), Ignored::BadSource),
            (from("240.0.0.1:5000"), Ignored::BadSource),
            (from("255.255.255.255:5000"), Ignored::BadSource),
            (from("[::]:5000"), Ignored::BadSource),
            (from("[ff02::1]:5000"), Ignored::BadSource),
            (from("[::ffff:0.0.0.0]:5000"), Ignored::BadSource),
            (Datagram { origin: Origin::Broadcast, ..from("10.0.0.255:5000") }, Ignored::BadSource),
            (Datagram { on_link: false, ..from("127.0.0.1:5000") }, Ignored::LoopbackSource),
            (Datagram { origin: Origin::Own, ..from("[fd77::1]:5000") }, Ignored::OwnSource),
            (everybody("10.0.0.2:5000"), Ignored::Broadcast),
        ];
        for (datagram, reason) in cases {
            assert_eq!(judge(RULES, &datagram), Err(reason), "{}", datagram.source);
        }
    }

    #[test]
    fn what_the_user_allows_is_allowed_and_nothing_else() {
        let rules = Rules { any_port: true, answer_broadcast: true, ..RULES };
        assert_eq!(judge(rules, &from("10.0.0.2:7")), Ok(()));
        assert_eq!(judge(rules, &from("10.0.0.2:0")), Err(Ignored::PortZero));
        assert_eq!(judge(rules, &from("10.0.0.2:1060")), Err(Ignored::OwnPort));
        let everybody = Datagram { cast: Some(Cast::Broadcast), ..from("10.0.0.2:5000") };
        assert_eq!(judge(rules, &everybody), Ok(()));
        let off_link = Datagram { on_link: false, ..everybody };
        assert_eq!(judge(rules, &off_link), Err(Ignored::OffLink));
    }

    #[test]
    fn an_own_answer_is_not_answered() {
        let mut guard = Guard::new(RULES, 1060);
        assert_eq!(guard.judge(Duration::ZERO, &from("10.0.0.2:5000"), true, 2), Err(Ignored::OwnReply));
    }

    #[test]
    fn a_source_that_asks_too_often_is_dropped_and_served_again_later() {
        let mut guard = Guard::new(Rules { rate: Some(100), ..RULES }, 1060);
        let datagram = from("10.0.0.2:5000");
        let mut answered = |now| (0..500).filter(|_| guard.judge(now, &datagram, false, 2).is_ok()).count();
        assert_eq!(answered(Duration::ZERO), 100);
        assert_eq!(answered(Duration::from_millis(500)), 50);
        assert_eq!(answered(Duration::from_secs(60)), 100);
    }

    #[test]
    fn bytes_are_limited_as_well_as_answers() {
        let mut guard = Guard::new(RULES, 1060);
        let datagram = from("10.0.0.2:5000");
        let answered = (0..1000).filter(|_| guard.judge(Duration::ZERO, &datagram, false, 65_507).is_ok()).count();
        assert_eq!(answered, (4 << 20) / 65_507);
    }

    #[test]
    fn questions_to_everybody_have_a_limit_of_their_own_in_answers_and_in_bytes() {
        let everybody = Datagram { cast: Some(Cast::Broadcast), ..from("10.0.0.2:5000") };
        let answered = |rules: Rules, len| {
            let mut guard = Guard::new(rules, 1060);
            let mut of = |now| (0..500).filter(|_| guard.judge(now, &everybody, false, len).is_ok()).count();
            [of(Duration::ZERO), of(Duration::from_secs(1))]
        };
        assert_eq!(answered(Rules { answer_broadcast: true, ..RULES }, 192), [10, 10]);
        let of_discovery = Rules::of_discovery(Some(DEFAULT_RATE));
        assert_eq!(answered(of_discovery, 192), [100, 50]);
        assert_eq!(answered(of_discovery, 1_392), [(64 << 10) / 1_392, (32 << 10) / 1_392]);
        assert_eq!(answered(Rules::of_discovery(Some(5)), 192), [5, 5]);
        // They take nothing from what is asked of this host alone.
        let mut guard = Guard::new(of_discovery, 1060);
        let mut judge = |datagram: &Datagram<'_>| guard.judge(Duration::ZERO, datagram, false, 192);
        assert_eq!((0..500).filter(|_| judge(&everybody).is_ok()).count(), 100);
        assert_eq!(judge(&from("10.0.0.2:5000")), Ok(()));
    }

    #[test]
    fn where_no_answer_is_answered_this_host_may_ask_itself_over_ipv6() {
        let own = Datagram { origin: Origin::Own, cast: Some(Cast::Multicast), ..from("[fe80::1]:5000") };
        assert_eq!(judge(Rules { answer_broadcast: true, ..RULES }, &own), Err(Ignored::OwnSource));
        assert_eq!(judge(Rules::of_discovery(None), &own), Ok(()));
    }

    #[test]
    fn forged_sources_meet_the_total_limit() {
        let mut guard = Guard::new(RULES, 1060);
        let answered = (0..50_000u32)
            .filter(|n| {
                let source = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 + n), 5000));
                let datagram = Datagram { source, ..from("10.0.0.2:5000") };
                guard.judge(Duration::ZERO, &datagram, false, 2).is_ok()
            })
            .count();
        assert_eq!(answered, TOTAL_RATE as usize);
    }

    #[test]
    fn loopback_and_lifted_limits_are_not_limited() {
        let lo = Datagram { link: Some(Link { index: 1, name: "lo".into() }), ..from("127.0.0.1:5000") };
        let mut guard = Guard::new(RULES, 1060);
        assert!((0..50_000).all(|_| guard.judge(Duration::ZERO, &lo, false, 2).is_ok()));
        let mut guard = Guard::new(Rules { rate: None, ..RULES }, 1060);
        assert!((0..50_000).all(|_| guard.judge(Duration::ZERO, &from("10.0.0.2:5000"), false, 2).is_ok()));
    }

    proptest! {
        #[test]
        fn no_source_panics_and_a_bad_one_is_never_answered(
            ip: IpAddr, port: u16, any_port: bool, answer_broadcast: bool, own_port: u16,
        ) {
            let datagram = Datagram { source: SocketAddr::new(ip, port), ..from("10.0.0.2:5000") };
            let rules = Rules { any_port, answer_broadcast, rate: Some(5), ..RULES };
            let answer = Guard::new(rules, own_port).judge(Duration::ZERO, &datagram, false, 2);
            if port == 0 || port == own_port || is_bad_source(ip.to_canonical()) {
                prop_assert!(answer.is_err());
            }
        }

        #[test]
        fn a_bucket_never_gives_more_than_its_rate_and_its_burst(
            steps in proptest::collection::vec((0u64..2_000_000_000, 0u64..3), 1..200), rate in 1u64..50, most in 1u64..50,
        ) {
            let mut bucket = Bucket::of(rate, most);
            let (mut now, mut taken) = (0u64, 0u64);
            for (passed, tokens) in steps {
                now += passed;
                if bucket.take(Duration::from_nanos(now), tokens) {
                    taken += tokens;
                }
            }
            let earned = u128::from(now) * u128::from(rate) / Bucket::SCALE;
            prop_assert!(u128::from(taken) <= earned + u128::from(most));
        }
    }
}
