//! Datagrams with times: a guard answers no more in any span of time than its limits give, nobody whom its rules refuse,
//! nothing that comes again and again for ever, and whoever keeps within all that.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use arbitrary::Arbitrary;
use halloo::engine::guard::{BROADCASTS, Broadcasts, Guard, QUERIES, Rules};
use halloo::model::event::Ignored;
use halloo::model::{Cast, Datagram, Origin};

#[derive(Arbitrary, Debug)]
struct Input {
    any_port: bool,
    answer_broadcast: bool,
    answer_own: bool,
    rate: Option<u16>,
    broadcasts: Often,
    own_port: u16,
    steps: Vec<Step>,
}

/// How often what was sent to everybody is answered.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Often {
    AsServers,
    AsAnnouncers,
    As { per_second: u8, burst: u8, bytes: (u16, u16) },
}

/// So many datagrams of one kind, after some time.
#[derive(Arbitrary, Debug)]
struct Step {
    microseconds: u32,
    times: u8,
    /// Sixty-four times as many.
    flood: bool,
    source: Source,
    port: u16,
    cast: Option<u8>,
    origin: u8,
    on_link: bool,
    link_known: bool,
    own_reply: bool,
    reply_len: u16,
    wire_len: u16,
    /// The bytes, of which there are few kinds; more of them in turn, up to four.
    payload: u8,
    in_turn: u8,
}

/// Addresses of which many are the same, or of the same network.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Source {
    V4(u8),
    Mapped(u8),
    V6 { network: u8, host: u8 },
    LinkLocal(u8),
    Loopback,
    Any(IpAddr),
}

/// Datagrams of one input: more than the limit of all sources together.
const MOST: usize = 12_000;

/// The limits, as they are documented: answers to all, bytes to one and to all.
const TOTAL: u64 = 10_000;
const BYTES: (u64, u64) = (1 << 20, 4 << 20);
const TOTAL_BYTES: (u64, u64) = (16 << 20, 64 << 20);

/// Answers to the same bytes, or what one source may have in a second if that is more, and the pause that clears them.
const ALIKE: u64 = 1_000;
const PAUSE: Duration = Duration::from_millis(500);

/// How many times as long as its question an answer may be, and the headers that both have.
const LONGEST: (usize, usize) = (3, 28);

/// What is said: few kinds, so that they come again.
const PAYLOADS: [&[u8]; 5] = [b"hi", b"ho", b"", b"hello", b"hi\0"];

/// Runs it.
pub fn run(input: &[u8]) {
    let Some(input) = crate::made_of::<Input>(input) else { return };
    let rate = input.rate.map(u32::from);
    let Input { any_port, answer_broadcast, answer_own, broadcasts, .. } = input;
    let broadcasts = broadcasts.limits();
    let rules = Rules { any_port, answer_broadcast, answer_own, rate, broadcasts };
    let mut guard = Guard::new(rules, input.own_port);
    let mut model = Model::new(rules);
    let (mut now, mut left) = (Duration::ZERO, MOST);
    for step in input.steps.iter().take(64) {
        now += Duration::from_micros(step.microseconds.into());
        let datagram = step.datagram();
        let many = usize::from(step.times) * if step.flood { 64 } else { 1 };
        let times = many.clamp(1, left.max(1));
        left = left.saturating_sub(times);
        let reply_len = usize::from(step.reply_len);
        let forbidden =
            is_forbidden(rules, input.own_port, &datagram, step.own_reply) || is_too_long(&datagram, reply_len);
        for n in 0..times {
            let datagram = Datagram { payload: step.payload(n), ..datagram.clone() };
            let judged = guard.judge(now, &datagram, step.own_reply, reply_len);
            model.note(now, &datagram, forbidden, reply_len as u64, judged);
        }
        model.check();
    }
}

impl Often {
    fn limits(self) -> Broadcasts {
        match self {
            Self::AsServers => BROADCASTS,
            Self::AsAnnouncers => QUERIES,
            Self::As { per_second, burst, bytes: (bytes_per_second, bytes_at_once) } => Broadcasts {
                per_second: per_second.into(),
                burst: burst.into(),
                bytes: (bytes_per_second.into(), bytes_at_once.into()),
            },
        }
    }
}

impl Step {
    fn datagram(&self) -> Datagram<'static> {
        let plain = crate::datagram(b"hi", "eth0");
        Datagram {
            source: (self.source.address(), self.port).into(),
            link: plain.link.clone().filter(|_| self.link_known),
            cast: self
                .cast
                .map(|n| [Cast::Unicast, Cast::Broadcast, Cast::Limited, Cast::Multicast][usize::from(n % 4)]),
            origin: [Origin::Foreign, Origin::Own, Origin::Broadcast][usize::from(self.origin % 3)],
            on_link: self.on_link,
            wire_len: self.wire_len.into(),
            ..plain
        }
    }

    /// What the datagram says that comes after `n` others of this step.
    fn payload(&self, n: usize) -> &'static [u8] {
        let kinds = usize::from(self.in_turn % 4) + 1;
        PAYLOADS[(usize::from(self.payload) + n % kinds) % PAYLOADS.len()]
    }
}

impl Source {
    fn address(self) -> IpAddr {
        let v4 = |host| Ipv4Addr::new(10, 0, 0, host);
        match self {
            Self::V4(host) => v4(host).into(),
            Self::Mapped(host) => v4(host).to_ipv6_mapped().into(),
            Self::V6 { network, host } => Ipv6Addr::from([0xfd00, 0, 0, network.into(), 0, 0, 0, host.into()]).into(),
            Self::LinkLocal(host) => Ipv6Addr::from([0xfe80, 0, 0, 0, 0, 0, 0, host.into()]).into(),
            Self::Loopback => Ipv4Addr::LOCALHOST.into(),
            Self::Any(address) => address,
        }
    }
}

/// The rules once more, in one sentence.
fn is_forbidden(rules: Rules, own_port: u16, datagram: &Datagram<'_>, own_reply: bool) -> bool {
    let (source, port) = (datagram.source.ip().to_canonical(), datagram.source.port());
    let risky = port < 1024 || [1900, 2049, 3702, 5353, 5355, 11_211].contains(&port);
    let nobody = match source {
        IpAddr::V4(a) => a.octets()[0] == 0 || a.octets()[0] >= 224,
        IpAddr::V6(a) => a.octets()[0] == 0xff || a.to_bits() == 0,
    };
    let own = datagram.origin == Origin::Own;
    let everybody = matches!(datagram.cast, Some(Cast::Broadcast | Cast::Limited | Cast::Multicast));
    port == 0
        || port == own_port
        || risky && !rules.any_port
        || nobody
        || datagram.origin == Origin::Broadcast
        || source.is_loopback() && datagram.link.is_some() && !datagram.on_link
        || own && source.is_ipv6() && !source.is_loopback() && !rules.answer_own
        || everybody && !(rules.answer_broadcast && (datagram.on_link || own))
        || own_reply
}

/// Whether the answer leaves this host, and is too long for that.
fn is_too_long(datagram: &Datagram<'_>, reply_len: usize) -> bool {
    let (times, headers) = LONGEST;
    !datagram.source.ip().to_canonical().is_loopback() && reply_len + headers > times * (datagram.wire_len + headers)
}

/// What was answered, by what it is counted under.
struct Model {
    rules: Rules,
    answered: HashMap<Counted, Vec<(Duration, u64)>>,
    /// What was asked by the rules, and its bytes: as long as that is little, nothing may be refused.
    asked: (u64, u64),
    alike: Alike,
}

/// Answers to the same bytes of one address and port, without a pause.
#[derive(Default)]
struct Alike {
    /// When the last was given, and how many. Begun anew whenever anything is left out for a loop: whoever shares its place
    /// in the guard's table begins anew with it.
    counts: HashMap<(IpAddr, u16, &'static [u8]), (Duration, u64)>,
    answered: u64,
    left_out: u64,
}

impl Alike {
    fn note(&mut self, now: Duration, datagram: &Datagram<'static>, most: u64, answered: bool) {
        if !answered {
            self.left_out += 1;
            self.counts.clear();
            assert!(self.answered >= self.left_out * most, "{} left out of {}", self.left_out, self.answered);
            return;
        }
        self.answered += 1;
        let whose = (datagram.source.ip().to_canonical(), datagram.source.port(), datagram.payload);
        let (last, count) = self.counts.entry(whose).or_insert((now, 0));
        *count = if now - *last > PAUSE { 1 } else { *count + 1 };
        *last = now;
        assert!(*count <= most, "{count} answers to {whose:?} without a pause");
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Counted {
    Answers(u128),
    Broadcasts(u128),
    BroadcastBytes(u128),
    Bytes(u128),
    Total,
    TotalBytes,
}

impl Model {
    fn new(rules: Rules) -> Self {
        Self { rules, answered: HashMap::new(), asked: (0, 0), alike: Alike::default() }
    }

    fn rate(&self) -> u64 {
        self.rules.rate.unwrap_or(0).into()
    }

    fn note(
        &mut self,
        now: Duration,
        datagram: &Datagram<'static>,
        forbidden: bool,
        bytes: u64,
        judged: Result<(), Ignored>,
    ) {
        let limited = matches!(judged, Err(Ignored::SourceLimit | Ignored::TotalLimit | Ignored::Loop));
        assert_eq!(judged.is_err() && !limited, forbidden, "{judged:?} {datagram:?}");
        if forbidden {
            return;
        }
        let unlimited = self.rules.rate.is_none() || datagram.source.ip().to_canonical().is_loopback();
        if unlimited {
            assert_eq!(judged, Ok(()));
            return;
        }
        self.asked = (self.asked.0 + 1, self.asked.1 + bytes);
        let Broadcasts { burst, bytes: (_, at_once), .. } = self.rules.broadcasts;
        let few = self.asked.0 <= self.rate().min(burst.into());
        let little = few && self.asked.1 <= BYTES.1.min(at_once.into());
        assert!(!(little && limited), "{judged:?} {datagram:?}");
        if matches!(judged, Ok(()) | Err(Ignored::Loop)) {
            self.alike.note(now, datagram, self.rate().max(ALIKE), judged.is_ok());
        }
        if judged.is_ok() {
            self.count(now, datagram, bytes);
        }
    }

    fn count(&mut self, now: Duration, datagram: &Datagram<'_>, bytes: u64) {
        let network = network(datagram.source.ip());
        let unicast = datagram.cast.is_none_or(|cast| cast == Cast::Unicast);
        let mut counts = vec![
            (Counted::Answers(network), 1),
            (Counted::Bytes(network), bytes),
            (Counted::Total, 1),
            (Counted::TotalBytes, bytes),
        ];
        if !unicast {
            counts.extend([(Counted::Broadcasts(network), 1), (Counted::BroadcastBytes(network), bytes)]);
        }
        for (counted, much) in counts {
            let log = self.answered.entry(counted).or_default();
            match log.last_mut() {
                Some((when, sum)) if *when == now => *sum += much,
                _ => log.push((now, much)),
            }
        }
    }

    /// In every span that ends now: what was full at its beginning, and what it earned since.
    fn check(&self) {
        let rate = self.rate();
        let Broadcasts { per_second, burst, bytes: (bytes_per_second, bytes_at_once) } = self.rules.broadcasts;
        for (counted, log) in &self.answered {
            let (per_second, most) = match counted {
                Counted::Answers(_) => (rate, rate),
                Counted::Broadcasts(_) => (per_second.into(), burst.into()),
                Counted::BroadcastBytes(_) => (bytes_per_second.into(), bytes_at_once.into()),
                Counted::Bytes(_) => BYTES,
                Counted::TotalBytes => TOTAL_BYTES,
                Counted::Total => (rate.max(TOTAL), rate.max(TOTAL)),
            };
            let Some((end, _)) = log.last() else { continue };
            let mut sum = 0;
            for (begin, much) in log.iter().rev() {
                sum += much;
                let earned = (*end - *begin).as_nanos() * u128::from(per_second) / 1_000_000_000;
                assert!(u128::from(sum) <= u128::from(most) + earned, "{counted:?}: {sum} from {begin:?} to {end:?}");
            }
        }
    }
}

/// Who shares a limit: an IPv4 address, an IPv6 network of 64 bits, a neighbour on a link.
fn network(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(a) => a.to_bits().into(),
        IpAddr::V6(a) if a.to_bits() >> 118 == 0xfe80 >> 6 => a.to_bits(),
        IpAddr::V6(a) => a.to_bits() & !u128::from(u64::MAX),
    }
}
