//! The format is as written down, and whatever comes is read or refused.

use super::*;
use crate::model::Family;
use crate::model::service::{self, Attributes, ServiceError, ServiceName, ServiceType};
use proptest::prelude::*;

use fits::as_far_as_it_fits;

mod fits;

const NONCE: Nonce = Nonce([0x5a; 32]);

fn secret() -> Secret {
    Secret::new(&[0x11; 32]).unwrap()
}

fn about() -> About {
    About {
        id: InstanceId(0x0123_4567_89ab_cdef),
        name: "kitchen pi!".parse().unwrap(),
        kind: "chat".parse().unwrap(),
        port: 1061,
        advertised: None,
        attributes: Attributes::new([("version", "1.4.2"), ("os", "linux"), ("room", "lab-2")]).unwrap(),
        ttl: Duration::from_secs(30),
    }
}

fn reply() -> Reply {
    let address = "10.77.0.2".parse().ok();
    Reply { echo: NONCE.echo(), address, order: Order { boot: 0xdead_beef, seq: 7 }, about: about(), more: false }
}

fn query(known: Vec<u32>) -> Query {
    let window = Window::new(Duration::from_millis(100)).unwrap();
    let known = Known::new(known).unwrap();
    Query { service_type: "chat".parse().ok(), known, ..Query::to_everybody(NONCE, window) }
}

fn write(message: &Message, room: usize, secret: Option<&Secret>) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Query(query) => query.write(room, secret, &mut out),
        Message::Reply(reply) => reply.write(&NONCE, secret, &mut out),
        Message::Announce(announce) => announce.write(secret, &mut out),
        Message::Goodbye(goodbye) => goodbye.write(secret, &mut out),
    }
    out
}

fn nonce_of(message: &Message) -> Option<&'static Nonce> {
    matches!(message, Message::Reply(_)).then_some(&NONCE)
}

fn every_message() -> [Message; 4] {
    let Reply { order, about, .. } = reply();
    let id = about.id;
    [
        Message::Query(query(vec![1, 2, 9])),
        Message::Reply(reply()),
        Message::Announce(Announce { order, about }),
        Message::Goodbye(Goodbye { order, id }),
    ]
}

#[test]
fn a_goodbye_byte_by_byte() {
    let goodbye = Goodbye { order: Order { boot: 1, seq: 300 }, id: InstanceId(0x0123_4567_89ab_cdef) };
    let expected = [
        b"HLO1\x04\x00\x00\x15".as_slice(), // magic, kind 4, no flags, 21 bytes of body
        b"\xa3",                            // a map of 3 pairs
        b"\x62id\x48\x01\x23\x45\x67\x89\xab\xcd\xef",
        b"\x61b\x01",
        b"\x61q\x19\x01\x2c",
    ];
    assert_eq!(write(&Message::Goodbye(goodbye), 0, None), expected.concat());
}

#[test]
fn a_query_byte_by_byte() {
    let asked = Query { places: Places::new(0x10, 0xff).unwrap(), service_type: None, ..query(vec![0x11, 0xee]) };
    let bytes = write(&Message::Query(asked), 0, None);
    let expected = [
        b"HLO1\x01\x00\x00\xb8".as_slice(), // magic, kind 1, no flags, 184 bytes of body
        b"\xa6",
        b"\x61n\x58\x20",
        &[0x5a; 32],
        b"\x61w\x18\x64",
        b"\x62lo\x10",
        b"\x62hi\x18\xff",
        b"\x62kn\x48\x00\x00\x00\x11\x00\x00\x00\xee",
        b"\x63pad\x58\x74",
        &[0; 0x74],
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(bytes.len(), LEAST_QUERY);
}

#[test]
fn a_reply_byte_by_byte() {
    let bytes = write(&Message::Reply(reply()), 0, Some(&secret()));
    let expected = [
        b"HLO1\x02\x01\x00\x70".as_slice(), // magic, kind 2, a MAC follows, 112 bytes of body
        b"\xaa",
        b"\x61e\x48\x5a\x5a\x5a\x5a\x5a\x5a\x5a\x5a",
        b"\x61a\x44\x0a\x4d\x00\x02",
        b"\x62id\x48\x01\x23\x45\x67\x89\xab\xcd\xef",
        b"\x61b\x1a\xde\xad\xbe\xef",
        b"\x61q\x07",
        b"\x62nm\x6bkitchen pi!",
        b"\x61t\x64chat",
        b"\x61p\x19\x04\x25",
        b"\x62at\xa3\x62os\x65linux\x64room\x65lab-2\x67version\x651.4.2",
        b"\x63ttl\x18\x1e",
    ]
    .concat();
    assert_eq!(bytes[..120], expected);
    assert_eq!(bytes[120..], secret().seal(&[b"halloo1 reply", &NONCE.0, &expected]));
}

#[test]
fn places_as_in_the_documentation() {
    let nonce = Nonce(std::array::from_fn(|n| n as u8 + 1));
    let [x, y, z] = [0x0102_0304_0506_0708u64, 0x090a_0b0c_0d0e_0f10, 0x1112_1314_1516_1718];
    let (u, v) = (0x0123_4567, 0x89ab_cdef);
    let mixed = x.wrapping_add(u).wrapping_mul(y.wrapping_add(v)).wrapping_add(z);
    assert_eq!(nonce.place(InstanceId(0x0123_4567_89ab_cdef)), (mixed >> 32) as u32);
    // The number itself, for whoever writes this in another language.
    assert_eq!(nonce.place(InstanceId(0x0123_4567_89ab_cdef)), 0x49bd_8a36);
}

#[test]
fn the_table_of_sizes_is_right() {
    let key = secret();
    let v6 = Message::Reply(Reply { address: "fd77::2".parse().ok(), ..reply() });
    let bare = Message::Reply(Reply { about: About { attributes: Attributes::default(), ..about() }, ..reply() });
    let known = (0..MOST_KNOWN as u32).map(|n| n * 1_000_000).collect();
    let [_, short, announce, goodbye] = every_message();
    let messages = [Message::Query(query(vec![])), Message::Query(query(known)), short, v6, bare, announce, goodbye];
    let sizes = |secret| messages.each_ref().map(|message| write(message, 0, secret).len().to_string()).join(" | ");
    let source = include_str!("mod.rs");
    assert!(source.contains(&format!("//! | without a secret | {} |", sizes(None))), "{}", sizes(None));
    assert!(source.contains(&format!("//! | with one | {} |", sizes(Some(&key)))), "{}", sizes(Some(&key)));
}

#[test]
fn the_longest_query_fits_and_so_does_the_longest_room() {
    let service_type = "x".repeat(ServiceType::MOST).parse().ok();
    let places = Places::new(1 << 20, u32::MAX - 1).unwrap();
    let long = Query { service_type, places, ..query(vec![u32::MAX; MOST_KNOWN]) };
    for room in 0..2_000 {
        let bytes = write(&Message::Query(long.clone()), room, Some(&secret()));
        assert!((LEAST_QUERY..=MOST_BYTES).contains(&bytes.len()));
        let bytes = write(&Message::Query(query(vec![])), room, Some(&secret()));
        assert!(bytes.len() >= room.min(MOST_ROOM) && bytes.len() <= MOST_BYTES, "{room}: {}", bytes.len());
        assert!(read(&bytes).is_ok());
    }
}

#[test]
fn attributes_are_left_out_until_it_fits() {
    let mut out = Vec::new();
    let value = "v".repeat(100);
    let attributes = Attributes::new([("a", &*value), ("b", &*value)]).unwrap();
    let mut long = Reply { about: About { attributes, ..about() }, ..reply() };
    assert!(long.write_within(LEAST_QUERY + 20, &NONCE, None, &mut out));
    assert!(long.more && long.about.attributes.len() == 1 && out.len() <= LEAST_QUERY + 20);
    assert!(!long.write_within(60, &NONCE, None, &mut out));
}

/// The service that takes the most bytes.
fn longest_about() -> About {
    let keys: Vec<String> = (10..26).map(|n| format!("{n}{}", "k".repeat(Attributes::MOST_KEY - 2))).collect();
    let value = "v".repeat(Attributes::MOST_VALUE);
    About {
        name: "n".repeat(ServiceName::MOST).parse().unwrap(),
        kind: "t".repeat(ServiceType::MOST).parse().unwrap(),
        port: u16::MAX,
        advertised: "fd00::9".parse().ok(),
        attributes: Attributes::new(keys.iter().map(|key| (&**key, &*value))).unwrap(),
        ttl: Duration::from_secs(65_535),
        ..about()
    }
}

#[test]
fn the_longest_of_every_kind_is_read_as_far_as_it_fits() {
    let order = Order { boot: u32::MAX, seq: u32::MAX };
    let address = "fd00::2".parse().ok();
    for secret in [None, Some(secret())] {
        let announce = Message::Announce(Announce { order, about: longest_about() });
        let reply = Reply { echo: NONCE.echo(), address, order, about: longest_about(), more: false };
        for message in [announce, Message::Reply(reply)] {
            let bytes = write(&message, 0, secret.as_ref());
            assert!((1_100..=MOST_BYTES).contains(&bytes.len()), "{} bytes", bytes.len());
            let (read, _) = read(&bytes).unwrap();
            let (about, more) = match read {
                Message::Announce(announce) => (announce.about, true),
                Message::Reply(reply) => (reply.about, reply.more),
                other => panic!("{other:?}"),
            };
            let whole = longest_about();
            assert!(more && (3..6).contains(&about.attributes.len()), "{} attributes", about.attributes.len());
            assert!(about.attributes.pairs().eq(whole.attributes.pairs().take(about.attributes.len())));
            assert_eq!(about, About { attributes: about.attributes.clone(), ..whole });
        }
    }
}

#[test]
fn who_fits_into_no_question_is_told_so_before_he_waits_for_one() {
    let key = secret();
    let bytes = |about: &About, family, secret| match check_findable(about, family, secret) {
        Ok(()) => 0,
        Err(ServiceError::Long { answer, question: LEAST_QUERY, .. }) => answer,
        Err(other) => panic!("{other:?}"),
    };
    let whole = longest_about();
    // As in the documentation of `LEAST_QUERY`, and 3 more for the mark that attributes are left out.
    let none = Attributes::default();
    assert_eq!(bytes(&About { attributes: none.clone(), ..whole.clone() }, None, Some(&key)), 233);
    assert_eq!(bytes(&whole, None, Some(&key)), 236);
    assert_eq!(bytes(&whole, Some(Family::V4), Some(&key)), 224);
    assert_eq!(bytes(&whole, None, None), 204);
    let plain = About { advertised: None, attributes: none, ..whole.clone() };
    assert_eq!((bytes(&plain, None, Some(&key)), bytes(&plain, None, None)), (213, 0));
    // What always fits, whatever else it says: the figures of the README. The type has 32 bytes, the name the rest.
    let of = |sum: usize, advertised| {
        let name = "n".repeat(sum - 32).parse().unwrap();
        About { name, advertised, ..whole.clone() }
    };
    for (sum, advertised, secret) in
        [(71, None, Some(&key)), (83, whole.advertised, None), (51, whole.advertised, Some(&key)), (95, None, None)]
    {
        assert_eq!(bytes(&of(sum, advertised), None, secret), 0, "{sum}");
        // With all three, a name is so short by then that its length takes a byte less: one more fits.
        if sum == 71 || sum == 83 {
            assert_eq!(bytes(&of(sum + 1, advertised), None, secret), LEAST_QUERY + 1, "{sum}");
        }
    }
    let shorter = About { name: "n".repeat(ServiceName::MOST - 21).parse().unwrap(), ..plain };
    assert_eq!(bytes(&shorter, None, Some(&key)), 0);
    // Of the longest answer, which the longest question makes room for.
    assert_eq!((attributes_told(&whole, None, Some(&key)), attributes_told(&about(), None, Some(&key))), (4, 3));
}

#[test]
fn what_is_of_another_protocol_is_foreign_and_what_is_wrong_is_broken() {
    let good = write(&every_message()[3], 0, None);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        read(&bytes).map(|(message, _)| message).err()
    };
    assert_eq!(read(b"").err(), Some(Unreadable::Foreign));
    assert_eq!(read(b"HLO1\x04\0\0").err(), Some(Unreadable::Foreign));
    assert_eq!(with(3, b'2'), Some(Unreadable::Foreign));
    assert_eq!(with(4, 9), Some(Unreadable::Foreign));
    assert_eq!(with(5, 0x10), Some(Unreadable::Foreign));
    assert_eq!(with(5, 0x02), None);
    assert_eq!(with(5, WITH_MAC), Some(Unreadable::Broken));
    assert_eq!(with(7, 0), Some(Unreadable::Broken));
}

/// A goodbye with `extra` pairs before its own, each written out in CBOR.
fn goodbye_and(extra: &[&[u8]]) -> Vec<u8> {
    let own = b"\x62id\x48\x01\x23\x45\x67\x89\xab\xcd\xef\x61b\x01\x61q\x02";
    let mut body = vec![0xb8, 3 + extra.len() as u8];
    extra.iter().for_each(|pair| body.extend_from_slice(pair));
    body.extend_from_slice(own);
    let mut bytes = b"HLO1\x04\x00".to_vec();
    bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

#[test]
fn unknown_keys_are_skipped_within_the_limits() {
    let ok: [&[u8]; 5] =
        [b"\x61x\xf6", b"\x61x\x82\x01\x20", b"\x61x\xa1\x61y\xa1\x61z\x00", b"\x61x\xfb12345678", b""];
    for extra in ok {
        let extras: &[&[u8]] = if extra.is_empty() { &[] } else { &[extra] };
        assert!(read(&goodbye_and(extras)).is_ok(), "{extra:02x?}");
    }
    let bad: [(&str, &[u8]); 8] = [
        ("depth", b"\x61x\xa1\x61y\xa1\x61z\x81\x00"),
        ("an array without end", b"\x61x\x9f\x01\xff"),
        ("a map without end", b"\x61x\xbf\xff"),
        ("a text without end", b"\x61x\x7f\x61a\xff"),
        ("a tag", b"\x61x\xc1\x00"),
        ("a key that is no text", b"\x01\x01"),
        ("a nested key twice", b"\x61x\xa2\x61y\x01\x61y\x02"),
        ("a claim of 2^64 - 1 items", b"\x61x\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (what, extra) in bad {
        assert_eq!(read(&goodbye_and(&[extra])).err(), Some(Unreadable::Broken), "{what}");
    }
    assert_eq!(read(&goodbye_and(&[b"\x61b\x01"])).err(), Some(Unreadable::Broken), "a key twice");
    let many: Vec<Vec<u8>> = (b'A'..=b'Z').map(|c| vec![0x61, c, 0x00]).collect();
    let many: Vec<&[u8]> = many.iter().map(|pair| &**pair).collect();
    assert!(read(&goodbye_and(&many[..21])).is_ok());
    assert_eq!(read(&goodbye_and(&many[..22])).err(), Some(Unreadable::Broken), "too many keys");
}

#[test]
fn only_the_secret_and_the_nonce_prove_a_message() {
    let key = secret();
    let other = Secret::new(&[0x12; 32]).unwrap();
    for message in every_message() {
        let nonce = nonce_of(&message);
        let bytes = write(&message, 0, Some(&key));
        let (_, seal) = read(&bytes).unwrap();
        assert!(seal.is_of(&key, nonce) && !seal.is_of(&other, nonce));
        assert!(!seal.is_of(&key, Some(&Nonce([9; 32]))));
        let bare = write(&message, 0, None);
        let (_, seal) = read(&bare).unwrap();
        assert!(!seal.is_there() && !seal.is_of(&key, nonce));
    }
}

/// An address that somebody can answer from.
fn any_host() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>().prop_map(|ip| ip.to_canonical()).prop_filter("nobody's", |ip| service::is_of_one_host(*ip))
}

/// Addresses that mean something, bare and within an IPv6 one; seldom drawn by chance.
fn any_odd_address() -> impl Strategy<Value = IpAddr> {
    let odd =
        ["0.0.0.0", "127.0.0.1", "127.9.9.9", "224.0.0.1", "239.1.2.3", "255.255.255.255", "10.0.0.1", "169.254.0.1"];
    let four = prop::sample::select(odd.map(|text| text.parse::<std::net::Ipv4Addr>().unwrap()).to_vec());
    let six = prop::sample::select(["::", "::1", "ff02::1", "ff0e::1", "fe80::1", "fd00::1"].to_vec());
    prop_oneof![
        any::<IpAddr>(),
        four.clone().prop_map(IpAddr::V4),
        four.prop_map(|four| IpAddr::V6(four.to_ipv6_mapped())),
        six.prop_map(|text| text.parse().unwrap()),
    ]
}

fn any_about() -> impl Strategy<Value = About> {
    let texts = ("\\PC{1,15}", "[a-z0-9][a-z0-9._-]{0,31}");
    let pairs = prop_oneof![
        4 => proptest::collection::btree_map("[!-<>-~]{1,32}", "\\PC{0,40}", 0..6),
        1 => proptest::collection::btree_map("[!-<>-~]{1,32}", "[a-z]{100,200}", 0..=Attributes::MOST),
    ];
    let advertised = proptest::option::of(any::<IpAddr>().prop_filter_map("nobody's", |ip| service::address(ip).ok()));
    let numbers = (any::<u64>(), 1u16.., 1u64..=65_535, advertised);
    (texts, pairs, numbers).prop_map(|((name, kind), pairs, (id, port, ttl, advertised))| About {
        id: InstanceId(id),
        name: name.parse().unwrap(),
        kind: kind.parse().unwrap(),
        port,
        advertised,
        attributes: Attributes::new(pairs.iter().map(|(key, value)| (&**key, &**value))).unwrap(),
        ttl: Duration::from_secs(ttl),
    })
}

/// Times around the limits of a window, and others.
fn any_time() -> impl Strategy<Value = Duration> {
    let limit = prop::sample::select(vec![0, 1, 2, 23, 24, 255, 256, 9_999, 10_000, 10_001]);
    prop_oneof![
        limit.prop_map(Duration::from_millis),
        (0u64..=10_001).prop_map(Duration::from_millis),
        (0u64..12_000_000_000).prop_map(Duration::from_nanos),
        any::<u64>().prop_map(Duration::from_nanos),
    ]
}

/// Places, and the ends of the ring.
fn any_place() -> impl Strategy<Value = u32> {
    prop_oneof![4 => any::<u32>(), 1 => prop::sample::select(vec![0, 1, u32::MAX - 1, u32::MAX])]
}

/// As many places as can be listed, more, and fewer.
fn any_places() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        proptest::collection::vec(any_place(), 0..20),
        proptest::collection::vec(any_place(), MOST_KNOWN - 1..=MOST_KNOWN + 1),
    ]
}

/// Whatever can be built.
fn any_query() -> impl Strategy<Value = Query> {
    let service_type = proptest::option::of("[a-z0-9][a-z0-9._-]{0,31}");
    let ends = (any_place(), any_place());
    let query = (any::<[u8; 32]>(), any_time(), service_type, ends, any_places());
    query.prop_map(|(nonce, window, service_type, (a, b), known)| Query {
        nonce: Nonce(nonce),
        window: Window::nearest(window),
        service_type: service_type.map(|service_type| service_type.parse().unwrap()),
        places: Places::new(a.min(b), a.max(b)).unwrap(),
        known: Known::first_of(known),
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    let order = || any::<(u32, u32)>().prop_map(|(boot, seq)| Order { boot, seq });
    let query = any_query().prop_map(Message::Query);
    let reply = (any::<Echo>(), proptest::option::of(any_host()), order(), any_about(), any::<bool>());
    let reply = reply
        .prop_map(|(echo, address, order, about, more)| Message::Reply(Reply { echo, address, order, about, more }));
    let announce = (order(), any_about()).prop_map(|(order, about)| Message::Announce(Announce { order, about }));
    let goodbye =
        (order(), any::<u64>()).prop_map(|(order, id)| Message::Goodbye(Goodbye { order, id: InstanceId(id) }));
    prop_oneof![query, reply, announce, goodbye]
}

proptest! {
    #[test]
    fn what_is_written_reads_back(message in any_message(), with_secret: bool, room in 0usize..1_500) {
        let key = with_secret.then(secret);
        let bytes = write(&message, room, key.as_ref());
        prop_assert!(bytes.len() <= MOST_BYTES);
        let (read_back, seal) = read(&bytes).unwrap();
        prop_assert_eq!(seal.is_there(), with_secret);
        prop_assert_eq!(&read_back, &as_far_as_it_fits(message, &read_back));
        prop_assert_eq!(write(&read_back, room, key.as_ref()), bytes);
    }

    #[test]
    fn what_no_reader_accepts_cannot_be_built_and_everything_else_reads_back(
        query in any_query(), time in any_time(), (first, last) in (any_place(), any_place()), known in any_places(),
        sorted: bool, with_secret: bool,
    ) {
        let mut known = known;
        if sorted {
            known.sort_unstable();
        }
        let (window, places) = (Window::new(time), Places::new(first, last));
        let whole_ms = time.as_nanos() % 1_000_000 == 0;
        prop_assert_eq!(window.is_some(), whole_ms && (1..=10_000).contains(&time.as_millis()));
        prop_assert_eq!(places.is_some(), first <= last);
        let listed = Known::new(known.clone());
        prop_assert_eq!(listed.is_some(), known.len() <= MOST_KNOWN && known.is_sorted());
        let query = Query {
            window: window.unwrap_or(query.window),
            places: places.unwrap_or(query.places),
            known: listed.unwrap_or_else(|| query.known.clone()),
            ..query
        };
        let bytes = write(&Message::Query(query.clone()), 0, with_secret.then(secret).as_ref());
        prop_assert_eq!(read(&bytes).map(|(message, _)| message), Ok(Message::Query(query)));
    }

    #[test]
    fn a_piece_of_a_message_is_none(message in any_message(), with_secret: bool, cut in 1usize..2_000) {
        let bytes = write(&message, 0, with_secret.then(secret).as_ref());
        let kept = bytes.len() - cut.min(bytes.len());
        prop_assert!(read(&bytes[..kept]).is_err());
    }

    #[test]
    fn an_address_that_nobody_can_be_reached_at_is_never_read(
        advertised in any_odd_address(), claimed in any_odd_address(), port in prop_oneof![Just(0), any::<u16>()],
    ) {
        let sent = Reply { address: Some(claimed), about: About { advertised: Some(advertised), port, ..about() }, ..reply() };
        let host = |ip: IpAddr| !(ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::from([255; 4]));
        let (used, from) = (advertised.to_canonical(), claimed.to_canonical());
        let bytes = write(&Message::Reply(sent), 0, None);
        match read(&bytes) {
            Ok((Message::Reply(read), _)) => {
                prop_assert!(host(used) && !used.is_loopback() && host(from) && port != 0);
                prop_assert_eq!((read.about.advertised, read.address), (Some(used), Some(from)));
            }
            Ok(_) => prop_assert!(false),
            Err(why) => {
                prop_assert_eq!(why, Unreadable::Broken);
                prop_assert!(!host(used) || used.is_loopback() || !host(from) || port == 0);
            }
        }
    }

    #[test]
    fn a_changed_bit_proves_nothing(message in any_message(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = write(&message, 0, Some(&secret()));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok((changed, seal)) = read(&bytes) {
            prop_assert!(!seal.is_of(&secret(), nonce_of(&changed)));
        }
    }

    #[test]
    fn no_bytes_panic(kind in 0u8..6, flags: u8, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = b"HLO1".to_vec();
        bytes.extend_from_slice(&[kind, flags]);
        bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&body);
        let _ = read(&bytes);
        let _ = read(&body);
    }

    #[test]
    fn no_damage_to_a_body_panics(
        message in any_message(), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = write(&message, 0, None);
        for (at, byte) in damage {
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = byte;
        }
        let _ = read(&bytes);
    }

    #[test]
    fn places_spread(nonce: [u8; 32], ids: [u64; 2]) {
        let places = ids.map(|id| Nonce(nonce).place(InstanceId(id)));
        prop_assert!(ids[0] == ids[1] || places[0] != places[1], "one case in four thousand million");
    }
}
