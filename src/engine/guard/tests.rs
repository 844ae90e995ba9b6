//! The guard on a virtual clock: each rule, one before the other, the limits against naive models, and loops.

use super::limits::{BYTES, Limit, Purse, TOTAL_BYTES, TOTAL_RATE};
use super::*;
use crate::model::{Link, Stamp, StampSource};
use proptest::prelude::*;
use std::collections::HashSet;
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

/// A question to which an answer of any length is not too long.
fn long_from(source: &str) -> Datagram<'static> {
    Datagram { wire_len: 65_507, ..from(source) }
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
    let datagram = long_from("10.0.0.2:5000");
    let answered = (0..1000).filter(|_| guard.judge(Duration::ZERO, &datagram, false, 65_507).is_ok()).count();
    assert_eq!(answered, (4 << 20) / 65_507);
}

#[test]
fn questions_to_everybody_have_a_limit_of_their_own_in_answers_and_in_bytes() {
    let everybody = Datagram { cast: Some(Cast::Broadcast), ..long_from("10.0.0.2:5000") };
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
    // They leave most of what one source may have to what is asked of this host alone.
    let mut guard = Guard::new(of_discovery, 1060);
    let mut judge = |datagram: &Datagram<'_>| guard.judge(Duration::ZERO, datagram, false, 192);
    assert_eq!((0..500).filter(|_| judge(&everybody).is_ok()).count(), 100);
    assert_eq!(judge(&long_from("10.0.0.2:5000")), Ok(()));
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

// ---- one rule before the other ----------------------------------------------------------------------------------------

#[test]
fn every_port_of_a_service_is_risky_and_no_other() {
    let (mut guard, mut datagram) = (Guard::new(Rules { rate: None, ..RULES }, 1060), from("10.0.0.2:5000"));
    let mut risky = |port: u16| {
        datagram.source.set_port(port);
        let answer = guard.judge(Duration::ZERO, &datagram, false, 2);
        assert!(matches!(answer, Ok(()) | Err(Ignored::RiskyPort | Ignored::OwnPort)), "{port}: {answer:?}");
        answer == Err(Ignored::RiskyPort)
    };
    let ports: Vec<u16> = (1..=u16::MAX).filter(|port| risky(*port)).collect();
    let expected: Vec<u16> = (1..1024).chain([1900, 2049, 3702, 5353, 5355, 11_211]).collect();
    assert_eq!(ports, expected);
}

/// A datagram, and what else there is to judge.
struct Case {
    guard: Guard,
    datagram: Datagram<'static>,
    own_reply: bool,
    reply_len: usize,
}

/// Makes a datagram break one rule, whatever else it breaks.
type Spoil = fn(&mut Case);

/// Every reason, in the order of the rules, with a way to it.
const REASONS: [(Ignored, Spoil); 13] = [
    (Ignored::PortZero, |case| case.datagram.source.set_port(0)),
    (Ignored::RiskyPort, |case| case.datagram.source.set_port(53)),
    (Ignored::OwnPort, |case| case.guard.own_port = case.datagram.source.port()),
    (Ignored::BadSource, |case| case.datagram.origin = Origin::Broadcast),
    (Ignored::LoopbackSource, |case| {
        case.datagram.source.set_ip([127, 0, 0, 1].into());
        case.datagram.on_link = false;
    }),
    (Ignored::OwnSource, |case| {
        case.datagram.source.set_ip("fd77::1".parse().unwrap());
        case.datagram.origin = Origin::Own;
    }),
    (Ignored::Broadcast, |case| {
        case.datagram.cast = Some(Cast::Limited);
        case.guard.rules.answer_broadcast = false;
    }),
    (Ignored::OffLink, |case| {
        case.datagram.cast = Some(Cast::Limited);
        case.datagram.on_link = false;
        case.guard.rules.answer_broadcast = true;
    }),
    (Ignored::OwnReply, |case| case.own_reply = true),
    (Ignored::ReplyTooLong, |case| case.reply_len = 1000),
    (Ignored::SourceLimit, |case| limits(case).sources.iter_mut().for_each(|source| source.pay(&[u64::MAX; 4]))),
    (Ignored::TotalLimit, |case| limits(case).all.pay(&[u64::MAX; 2])),
    (Ignored::Loop, |case| limits(case).questions.iter_mut().for_each(|question| question.suspicion = u64::MAX)),
];

fn limits(case: &mut Case) -> &mut Limits {
    case.guard.limits.as_mut().unwrap()
}

fn spoilt(spoil: &[Spoil]) -> Result<(), Ignored> {
    let datagram = from("10.0.0.2:5000");
    let mut case = Case { guard: Guard::new(RULES, 1060), datagram, own_reply: false, reply_len: 2 };
    spoil.iter().for_each(|spoil| spoil(&mut case));
    case.guard.judge(Duration::ZERO, &case.datagram, case.own_reply, case.reply_len)
}

#[test]
fn what_breaks_two_rules_gets_the_reason_of_the_first() {
    assert_eq!(spoilt(&[]), Ok(()));
    for (place, (first, spoil)) in REASONS.iter().enumerate() {
        assert_eq!(spoilt(&[*spoil]), Err(*first));
        for (second, later) in &REASONS[place + 1..] {
            // The first is done last: where both change the same, it is the one that stays.
            assert_eq!(spoilt(&[*later, *spoil]), Err(*first), "and {second:?}");
        }
    }
}

// ---- how long an answer may be ----------------------------------------------------------------------------------------

#[test]
fn off_this_host_no_answer_is_more_than_three_times_as_long_as_its_question() {
    let answered = |source, asked, reply| {
        let datagram = Datagram { wire_len: asked, ..from(source) };
        Guard::new(Rules { rate: None, ..RULES }, 1060).judge(Duration::ZERO, &datagram, false, reply)
    };
    for (asked, longest) in [(0, 56), (1, 59), (1472, 4472)] {
        assert_eq!(answered("10.0.0.2:5000", asked, longest), Ok(()));
        assert_eq!(answered("10.0.0.2:5000", asked, longest + 1), Err(Ignored::ReplyTooLong));
        assert_eq!(answered("127.0.0.1:5000", asked, longest + 1), Ok(()));
    }
}

// ---- limits -----------------------------------------------------------------------------------------------------------

#[test]
fn broadcasts_are_answered_no_more_often_than_anything() {
    let to_everybody = Datagram { cast: Some(Cast::Broadcast), ..from("10.0.0.2:5000") };
    let to_one = from("10.0.0.2:5000");
    for (rate, broadcasts, all) in [(1, 1, 1), (7, 7, 7), (30, 10, 30)] {
        for rules in [Rules::of_server(false, true, Some(rate)), Rules::of_discovery(Some(rate))] {
            let most = if rules.answer_own { all } else { broadcasts };
            let mut guard = Guard::new(rules, 1060);
            let mut answered =
                |datagram| (0..200).filter(|_| guard.judge(Duration::ZERO, datagram, false, 2).is_ok()).count();
            // What was sent to everybody takes from what one source may have.
            assert_eq!((answered(&to_everybody), answered(&to_one)), (most, all - most), "{rate}");
        }
    }
    assert_eq!(Rules::of_server(true, true, None).broadcasts.per_second, BROADCASTS.per_second);
}

#[test]
fn bytes_to_all_sources_together_are_limited() {
    let mut guard = Guard::new(RULES, 1060);
    let mut answered = |at| {
        let judged = (0..5_000u32).map(|n| {
            let source = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 + n), 5000));
            guard.judge(at, &Datagram { source, ..long_from("10.0.0.2:5000") }, false, 65_507)
        });
        judged.filter(Result::is_ok).count()
    };
    assert_eq!(answered(Duration::ZERO), (64 << 20) / 65_507);
    assert_eq!(answered(Duration::from_secs(1)), (16 << 20) / 65_507);
}

#[test]
fn what_is_refused_takes_nothing_from_any_limit() {
    let (long, short) = (long_from("10.0.0.2:5000"), from("10.0.0.2:5001"));
    let mut guard = Guard::new(RULES, 1060);
    let answered = |guard: &mut Guard, datagram, times: usize, len| {
        (0..times).filter(|_| guard.judge(Duration::ZERO, datagram, false, len).is_ok()).count()
    };
    // No bytes are left for such answers, and none of those that were refused has cost one of the thousand.
    assert_eq!(answered(&mut guard, &long, 5_000, 65_507), 64);
    assert_eq!(answered(&mut guard, &short, 5_000, 1), 1_000 - 64);
    // Nothing is left for anybody: whoever was refused meanwhile has all of his own the moment there is.
    guard.limits.as_mut().unwrap().all.pay(&[u64::MAX; 2]);
    let other = from("10.0.0.3:5000");
    assert_eq!(answered(&mut guard, &other, 5_000, 2), 0);
    let later = (0..5_000).filter(|_| guard.judge(Duration::from_secs(1), &other, false, 2).is_ok());
    assert_eq!(later.count(), 1_000);
}

#[test]
fn the_tables_take_as_much_memory_whoever_asks() {
    let mut guard = Guard::new(RULES, 1060);
    let size = |guard: &Guard| {
        let limits = guard.limits.as_ref().unwrap();
        size_of_val(&*limits.sources) + size_of_val(&*limits.askers) + size_of_val(&*limits.questions)
    };
    assert!(size(&guard) <= 288 << 10, "{} bytes", size(&guard));
    let before = size(&guard);
    for n in 0..100_000u32 {
        let source = SocketAddr::from((Ipv4Addr::from_bits(n), n as u16));
        let _judged = guard.judge(Duration::ZERO, &Datagram { source, ..from("10.0.0.2:5000") }, false, 2);
    }
    assert_eq!(size(&guard), before);
    assert!(Guard::new(Rules { rate: None, ..RULES }, 1060).limits.is_none());
}

// ---- loops ------------------------------------------------------------------------------------------------------------

/// What goes round between the server and a peer that sends every answer back.
#[derive(Clone, Copy)]
enum Bytes {
    /// Each the same.
    Same,
    /// Each its own, the same in every round.
    Each,
    /// Others each time.
    New,
}

/// Answers to a peer that sends every answer back after so many microseconds, with `datagrams` that go round, until all have
/// ended; at most `most`.
fn rounds(datagrams: u64, microseconds: u64, bytes: Bytes, most: u64) -> u64 {
    let (mut guard, peer) = (Guard::new(RULES, 1060), from("10.0.0.2:7000"));
    let (mut going, mut answered) = ((0..datagrams).collect::<Vec<_>>(), 0u64);
    for round in 0u64.. {
        let now = Duration::from_micros(round * microseconds);
        going.retain(|n| {
            let payload = match bytes {
                Bytes::Same => 0,
                Bytes::Each => *n,
                Bytes::New => round << 16 | n,
            };
            let datagram = Datagram { payload: &payload.to_be_bytes(), ..peer.clone() };
            guard.judge(now, &datagram, false, 8).is_ok()
        });
        answered += going.len() as u64;
        if going.is_empty() || answered >= most {
            break;
        }
    }
    answered
}

#[test]
fn a_loop_ends_that_goes_round_twice_a_second_or_more() {
    for microseconds in [1_100, 1_500, 10_000, 100_000, 500_000] {
        assert_eq!(rounds(1, microseconds, Bytes::Same, 5_000), 1_000, "{microseconds} us");
    }
    assert_eq!(rounds(5, 50_000, Bytes::Same, 50_000), 5_000);
    assert_eq!(rounds(1, 2_000, Bytes::New, 200_000), 100_000);
    // A round that takes longer harms nobody.
    assert_eq!(rounds(1, 500_001, Bytes::Same, 5_000), 5_000);
}

#[test]
fn several_datagrams_that_go_round_hide_none_of_them() {
    for (datagrams, microseconds) in [(2, 5_000), (10, 50_000), (10, 500_000), (30, 100_000)] {
        // Where two share a place, one takes the other's answers.
        let answered = rounds(datagrams, microseconds, Bytes::Each, 2_000_000);
        assert!(answered <= datagrams * 1_000, "{datagrams}, {microseconds} us: {answered}");
    }
}

/// Every byte once.
static NUMBERS: [u8; 256] = {
    let mut numbers = [0; 256];
    let mut n = 0;
    while n < 256 {
        numbers[n] = n as u8;
        n += 1;
    }
    numbers
};

/// Questions that are not answered, of those a client asks by the clock.
fn unanswered(questions: u64, every: Duration, bytes: impl Fn(u64) -> &'static [u8]) -> u64 {
    let (mut guard, mut datagram) = (Guard::new(RULES, 1060), from("10.0.0.2:7000"));
    let ask = |n: &u64| {
        datagram.payload = bytes(*n);
        guard.judge(every * u32::try_from(*n).unwrap(), &datagram, false, 2).is_err()
    };
    (0..questions).filter(ask).count() as u64
}

#[test]
fn an_honest_client_may_go_on_for_hours() {
    let ms = Duration::from_millis;
    // A hundred a second for an hour, always the same: one in 1,000 as the same, and one in 100,000 as whatever it is.
    let hour = 100 * 3_600;
    let lost = unanswered(hour, ms(10), |_| b"x");
    assert!((1..=hour / 1_000 + hour / 100_000).contains(&lost), "{lost}");
    // Two a second and fewer for a day.
    assert_eq!(unanswered(24 * 3_600, ms(501), |_| b"x"), 0);
    // In turn two that differ, as fast as is allowed: each is the same again every 2 ms, and one in a thousand of it is lost.
    let lost = unanswered(100_000, ms(1), |n| if n % 2 == 0 { b"tick" } else { b"tock" });
    assert!((1..=101).contains(&lost), "{lost}");
    // So many that each is the same again after more than half a second: one in 100,000, as whatever it is.
    let numbers: &'static [u8] = &NUMBERS;
    let lost = unanswered(100_000, ms(3), |n| &numbers[(n % 200) as usize..][..1]);
    assert!(lost <= 1, "{lost}");
}

#[test]
fn what_others_say_does_not_hide_a_loop() {
    // The same bytes from other ports and other hosts in between.
    let mut guard = Guard::new(RULES, 1060);
    let others = ["10.0.0.2:7001", "10.0.0.3:7000"].map(from);
    let answered = (0u64..).take_while(|n| {
        let now = Duration::from_millis(n * 5);
        for other in &others {
            // It may be that the table has one place for both; then the loop ends no later.
            let _judged = guard.judge(now, other, false, 2);
        }
        guard.judge(now, &from("10.0.0.2:7000"), false, 2).is_ok()
    });
    assert!(answered.count() <= 1_000);
}

// ---- the same, against naive models -----------------------------------------------------------------------------------

/// What was answered, and when: the sum of every span of time may not exceed what the limit gives.
#[derive(Default)]
struct Log(Vec<(u64, u64)>);

impl Log {
    /// Whether `tokens` more at `now` keep within `limit` in every span that ends now.
    fn allows(&self, now: u64, tokens: u64, limit: Limit) -> bool {
        let billionths = |tokens: u64| u128::from(tokens) * 1_000_000_000;
        let mut sum = tokens;
        let full = |begin: u64, sum| {
            billionths(sum) > billionths(limit.at_once) + u128::from(now - begin) * u128::from(limit.per_second)
        };
        let earlier = self.0.iter().rev().any(|(begin, taken)| {
            sum += taken;
            full(*begin, sum)
        });
        !earlier && !full(now, tokens)
    }
}

fn limit() -> impl Strategy<Value = Limit> {
    (0u64..50, 0u64..50).prop_map(|(per_second, at_once)| Limit { per_second, at_once })
}

/// Twenty hosts that share no place, whatever the key: each with limits, and a time, of its own.
fn strangers(limits: &Limits) -> Vec<Ipv4Addr> {
    let mut places = HashSet::new();
    let mut apart = |host: &Ipv4Addr| places.insert(limits.place_of((*host).into()));
    (0x0a00_0000..).map(Ipv4Addr::from_bits).filter(|host| apart(host)).take(20).collect()
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

    /// Refused is what one of the limits refuses in one of all the spans of time before, and nothing else.
    #[test]
    fn what_is_left_is_what_the_spans_of_time_leave(
        limits in [limit(), limit()],
        steps in proptest::collection::vec((0u64..3_000_000_000, [0u64..9, 0u64..9]), 1..100),
    ) {
        let mut purse = Purse::full(&limits);
        let mut logs = [Log::default(), Log::default()];
        let mut latest = 0;
        for (now, price) in steps {
            // Times in any order: one that goes back earns nothing.
            latest = now.max(latest);
            purse.earn(now, &limits);
            let allowed = (0..2).all(|n| logs[n].allows(latest, price[n], limits[n]));
            prop_assert_eq!(purse.has(&price), allowed);
            if allowed {
                purse.pay(&price);
                logs.iter_mut().zip(price).for_each(|(log, tokens)| log.0.push((latest, tokens)));
            }
        }
    }

    #[test]
    fn nobody_and_not_all_together_get_more_than_their_limits(
        steps in proptest::collection::vec((0u64..3_000, 0u8..20, 1u16..600, 0usize..65_000, any::<bool>()), 1..40),
    ) {
        let rules = Rules { answer_broadcast: true, rate: Some(300), ..RULES };
        let mut guard = Guard::new(rules, 1060);
        let hosts = strangers(guard.limits.as_ref().unwrap());
        // Of each host its answers, those to everybody and its bytes; then both of all together. And the latest time of each.
        let (mut logs, mut latest) = ([const { Log(Vec::new()) }; 20 * 3 + 2], [0; 21]);
        let of = |per_second, at_once| Limit { per_second, at_once };
        let all = [of(TOTAL_RATE, TOTAL_RATE), TOTAL_BYTES];
        for (ms, host, times, len, everybody) in steps {
            for whose in [usize::from(host), 20] {
                latest[whose] = latest[whose].max(ms * 1_000_000);
            }
            let cast = Some(if everybody { Cast::Broadcast } else { Cast::Unicast });
            let source = SocketAddr::from((hosts[usize::from(host)], 5000));
            let datagram = Datagram { source, cast, ..long_from("10.0.0.2:5000") };
            let counters = [
                (usize::from(host) * 3, 1, of(300, 300)), (usize::from(host) * 3 + 1, u64::from(everybody), of(10, 10)),
                (usize::from(host) * 3 + 2, len as u64, BYTES), (60, 1, all[0]), (61, len as u64, all[1]),
            ];
            for _ in 0..times {
                if guard.judge(Duration::from_millis(ms), &datagram, false, len).is_ok() {
                    for (log, tokens, limit) in counters {
                        let now = latest[log / 3];
                        prop_assert!(logs[log].allows(now, tokens, limit), "{source} {len} at {ms} ms");
                        match logs[log].0.last_mut() {
                            Some((at, sum)) if *at == now => *sum += tokens,
                            _ => logs[log].0.push((now, tokens)),
                        }
                    }
                }
            }
        }
    }
}
