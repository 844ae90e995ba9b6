//! The announcer without a network: whom it answers, from where, how much, and when it speaks unasked.

use super::*;
use crate::engine::guard::Rules;
use crate::engine::testing::{Said, announcing, at, reply_from};
use crate::model::error::FaultKind;
use crate::model::{Attributes, Fault, InstanceId};
use crate::wire::beacon::{Known, MOST_WINDOW, Places, Window};
use proptest::prelude::*;

const ID: InstanceId = InstanceId(0x1234_5678_9abc_def0);

fn secret() -> Secret {
    Secret::new(&[7; 32]).unwrap()
}

fn announcer(secret: Option<Secret>) -> Announcer {
    let address = "10.0.0.255:1061".parse().unwrap();
    let about = About {
        id: ID,
        name: "pi".parse().unwrap(),
        kind: "chat".parse().unwrap(),
        port: 80,
        advertised: None,
        attributes: Attributes::default(),
        ttl: Duration::from_secs(30),
    };
    Announcer::new(Plan {
        destinations: vec![Destination { address, source: None, link: None, mtu: None, cast: Cast::Broadcast }],
        secret,
        ..announcing(about, [3; 32])
    })
}

fn query(nonce: u8) -> Query {
    Query::to_everybody(Nonce([nonce; 32]), Window::nearest(Duration::from_millis(100)))
}

fn bytes(query: &Query, secret: Option<&Secret>) -> Vec<u8> {
    let mut bytes = Vec::new();
    query.write(0, secret, &mut bytes);
    bytes
}

/// Asks, and waits for the window to pass.
fn ask(announcer: &mut Announcer, ms: u64, asker: &str, payload: &[u8]) -> Said {
    let mut said = Said::default();
    announcer.received(at(ms), &reply_from(asker, payload), &mut said);
    announcer.due(at(ms + 100), &mut said);
    said.sends.retain(|(ticket, ..)| *ticket == ANSWER);
    said
}

/// Hands back what became of all that was to be sent.
fn report(announcer: &mut Announcer, ms: u64, said: &mut Said, fails: bool) {
    for (ticket, destination, bytes) in std::mem::take(&mut said.sends) {
        let fault = Fault { kind: FaultKind::QueueFull, code: None };
        let result = if fails { Err(fault) } else { Ok(None) };
        let outcome = Outcome { ticket, count: 1, len: bytes.len(), destination, link: None, result };
        announcer.sent(at(ms), &outcome, said);
    }
}

#[test]
fn a_question_whose_moment_does_not_come_is_counted() {
    let mut announcer = announcer(None);
    announcer.received(at(0), &reply_from("10.0.0.2:5000", &bytes(&query(1), None)), &mut Said::default());
    announcer.stop(at(0), &mut Said::default());
    assert_eq!(announcer.stats().ignored, [(Ignored::Ended, 1)].into());
    announcer.received(at(0), &reply_from("10.0.0.2:5000", b"x"), &mut Said::default());
    assert_eq!((announcer.stats().received, announcer.stats().unread), (1, 1));
}

#[test]
fn a_question_is_answered_once_within_its_window() {
    let mut announcer = announcer(None);
    let asked = bytes(&query(1), None);
    let mut said = Said::default();
    announcer.received(at(5), &reply_from("10.0.0.2:5000", &asked), &mut said);
    let Next::At(due) = announcer.next() else { panic!("nothing to wait for") };
    assert!((5..105).contains(&due.as_millis()), "{due:?}");
    let said = ask(&mut announcer, 5, "10.0.0.2:5000", &asked);
    assert_eq!(said.ignored, [Ignored::Answered]);
    assert_eq!(said.sends.len(), 1);
    let (_, to, reply) = &said.sends[0];
    assert_eq!(to.to_string(), "10.0.0.2:5000");
    assert!(reply.len() <= asked.len());
    let Ok((Message::Reply(reply), _)) = read(reply) else { panic!("no reply") };
    assert_eq!((reply.echo, reply.address), (Nonce([1; 32]).echo(), "10.0.0.1".parse().ok()));
    // Another asker, and the same one with a new question, have their own.
    assert_eq!(ask(&mut announcer, 300, "10.0.0.3:5000", &asked).sends.len(), 1);
    assert_eq!(ask(&mut announcer, 600, "10.0.0.2:5000", &bytes(&query(2), None)).sends.len(), 1);
}

#[test]
fn copies_of_a_question_from_other_ports_use_up_no_answers() {
    let mut announcer = announcer(Some(secret()));
    let asked = bytes(&query(1), Some(&secret()));
    assert_eq!(ask(&mut announcer, 0, "10.0.0.2:5000", &asked).sends.len(), 1);
    for port in 5001..5400 {
        let said = ask(&mut announcer, 200, &format!("10.0.0.2:{port}"), &asked);
        assert_eq!((said.ignored, said.sends.len()), (vec![Ignored::Answered], 0));
    }
    let next = bytes(&query(2), Some(&secret()));
    assert_eq!(ask(&mut announcer, 300, "10.0.0.2:5000", &next).sends.len(), 1);
}

#[test]
fn what_is_not_signed_takes_nothing_from_who_has_the_secret_and_the_same_address() {
    let mut announcer = announcer(Some(secret()));
    let other = Secret::new(&[8; 32]).unwrap();
    let from = |ms: u64, nonce: u32, secret: Option<&Secret>, announcer: &mut Announcer| {
        let mut asked = Vec::new();
        let nonce = Nonce(std::array::from_fn(|n| nonce.to_be_bytes()[n % 4]));
        Query { nonce, ..query(0) }.write(0, secret, &mut asked);
        let everybody = Datagram { cast: Some(Cast::Broadcast), ..reply_from("10.0.0.2:5000", &asked) };
        announcer.received(at(ms), &everybody, &mut Said::default());
    };
    for n in 0..5_000 {
        from(0, n, None, &mut announcer);
        from(0, n, Some(&other), &mut announcer);
    }
    for n in 5_000..5_100 {
        from(1, n, Some(&secret()), &mut announcer);
    }
    assert_eq!(announcer.pending.len(), 100);
    let ignored = &announcer.stats().ignored;
    assert_eq!((ignored[&Ignored::Unsigned], ignored[&Ignored::BadSignature], ignored.len()), (5_000, 5_000, 2));
}

#[test]
fn moments_are_spread_over_the_window() {
    let mut announcer = announcer(None);
    let mut quarters = [0; 4];
    for n in 0..200u64 {
        let asker = format!("10.0.1.{}:5000", n);
        let start = at(n * 200);
        announcer.received(start, &reply_from(&asker, &bytes(&query(1), None)), &mut Said::default());
        let due = announcer.pending.pop().unwrap().due - start.run;
        quarters[due.as_millis() as usize / 25] += 1;
    }
    assert!(quarters.iter().all(|count| (30..75).contains(count)), "{quarters:?}");
}

#[test]
fn each_reason_for_silence_has_its_counter() {
    let place = |nonce: u8| Nonce([nonce; 32]).place(ID);
    let unsigned = |query: &Query| bytes(query, None);
    let elsewhere = Places::only(place(1) ^ 1);
    let cases = [
        (b"hello".to_vec(), Ignored::Foreign),
        (unsigned(&query(1))[..100].to_vec(), Ignored::Malformed),
        (unsigned(&Query { service_type: "print".parse().ok(), ..query(1) }), Ignored::OtherType),
        (unsigned(&Query { places: elsewhere, ..query(1) }), Ignored::OtherPlace),
        (unsigned(&Query { known: Known::first_of([place(1)]), ..query(1) }), Ignored::Known),
    ];
    for (payload, reason) in cases {
        let mut announcer = announcer(None);
        let said = ask(&mut announcer, 0, "10.0.0.2:5000", &payload);
        assert_eq!((said.ignored, said.sends.len()), (vec![reason], 0));
        assert_eq!(announcer.stats().ignored[&reason], 1);
    }
    let mut goodbye = Vec::new();
    Goodbye { order: Order { boot: 1, seq: 1 }, id: ID }.write(None, &mut goodbye);
    assert_eq!(ask(&mut announcer(None), 0, "10.0.0.2:5000", &goodbye).ignored, [Ignored::WrongKind]);
    let asked = unsigned(&query(1));
    let far = Datagram { on_link: false, ..reply_from("192.0.2.1:5000", &asked) };
    let mut said = Said::default();
    announcer(None).received(at(0), &far, &mut said);
    assert_eq!(said.ignored, [Ignored::OffLink]);
    let through = Datagram { other_link: true, ..reply_from("10.0.0.2:5000", &asked) };
    let mut said = Said::default();
    announcer(None).received(at(0), &through, &mut said);
    assert_eq!(said.ignored, [Ignored::OtherLink]);
    let own = Datagram { origin: Origin::Own, ..through.clone() };
    assert_eq!(announcer(None).asked(at(0), &own), Ok(()));
    let mut routed = announcer(None);
    routed.plan.allow_routed = true;
    routed.received(at(0), &through, &mut Said::default());
    assert_eq!(routed.pending.len(), 1);
    assert_eq!(ask(&mut announcer(None), 0, "10.0.0.2:53", &asked).ignored, [Ignored::RiskyPort]);
    assert_eq!(ask(&mut announcer(None), 0, "10.0.0.2:1061", &asked).ignored, [Ignored::OwnPort]);
}

#[test]
fn with_a_secret_only_those_who_have_it_are_answered() {
    let mut announcer = announcer(Some(secret()));
    let other = Secret::new(&[8; 32]).unwrap();
    let answered = |announcer: &mut Announcer, ms, secret: Option<&Secret>| {
        ask(announcer, ms, "10.0.0.2:5000", &bytes(&query(1), secret))
    };
    assert_eq!(answered(&mut announcer, 0, None).ignored, [Ignored::Unsigned]);
    assert_eq!(answered(&mut announcer, 200, Some(&other)).ignored, [Ignored::BadSignature]);
    let said = answered(&mut announcer, 400, Some(&secret()));
    let (_, seal) = read(&said.sends[0].2).unwrap();
    assert!(seal.is_of(&secret(), Some(&Nonce([1; 32]))) && !seal.is_of(&secret(), Some(&Nonce([2; 32]))));
}

#[test]
fn a_question_of_somebody_who_knows_it_takes_no_answer_from_another() {
    let mut announcer = announcer(None);
    announcer.received(at(0), &reply_from("10.0.0.2:5000", &bytes(&query(1), None)), &mut Said::default());
    // Anybody can send a question that he heard again, under the address of one who asks now.
    let place = Nonce([2; 32]).place(ID);
    let listed = Query { known: Known::first_of([place]), ..query(2) };
    let said = ask(&mut announcer, 0, "10.0.0.2:5000", &bytes(&listed, None));
    assert_eq!((said.sends.len(), &said.ignored[..]), (1, &[Ignored::Known][..]));
}

#[test]
fn it_announces_itself_at_its_pace_and_says_goodbye_once() {
    let mut announcer = announcer(None);
    let mut said = Said::default();
    announcer.start(at(0), &mut said);
    let mut moments = Vec::new();
    while let Next::At(due) = announcer.next() {
        announcer.due(at(due.as_millis() as u64 + 1), &mut said);
        moments.push(due);
    }
    assert!(moments[0] < START_SPREAD);
    assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= ANNOUNCE_EVERY), "{moments:?}");
    announcer.stop(at(20_000), &mut said);
    announcer.stop(at(20_001), &mut said);
    let kinds: Vec<u8> = said.sends.iter().map(|(_, _, bytes)| bytes[4]).collect();
    assert_eq!(kinds, [3, 3, 3, 4]);
    assert_eq!(announcer.next(), Next::Done);
}

#[test]
fn long_windows_of_strangers_do_not_push_out_short_ones() {
    let mut announcer = announcer(None);
    let long = bytes(&Query { window: Window::nearest(MOST_WINDOW), ..query(1) }, None);
    for n in 0..1000u32 {
        let asker = SocketAddr::from((0x0a01_0000u32.wrapping_add(n).to_be_bytes(), 5000)).to_string();
        announcer.received(at(0), &reply_from(&asker, &long), &mut Said::default());
    }
    assert_eq!(announcer.pending.len(), MOST_PENDING);
    let said = ask(&mut announcer, 1, "10.0.0.2:5000", &bytes(&query(2), None));
    assert!(said.sends.iter().any(|(_, to, _)| to.to_string() == "10.0.0.2:5000"));
    assert_eq!(announcer.stats().ignored[&Ignored::Busy], 1000 - MOST_PENDING as u64 + 1);
}

proptest! {
    #[test]
    fn no_reply_is_longer_than_its_question(
        name in "\\PC{1,15}", pairs in proptest::collection::btree_map("[a-z]{1,9}", "[a-z]{0,99}", 0..9), room in 0usize..1400,
    ) {
        let mut announcer = announcer(Some(secret()));
        announcer.plan.about.name = name.parse().unwrap();
        announcer.plan.about.attributes = Attributes::new(pairs.iter().map(|(k, v)| (&**k, &**v))).unwrap();
        let mut asked = Vec::new();
        query(1).write(room, Some(&secret()), &mut asked);
        let said = ask(&mut announcer, 0, "10.0.0.2:5000", &asked);
        // A name of 15 characters and a short type leave room in the shortest question.
        prop_assert_eq!(said.sends.len(), 1);
        prop_assert!(said.sends[0].2.len() <= asked.len());
    }

    /// What came is what was answered, or could not be, or was not to be, by reason, or came behind the end.
    #[test]
    fn every_question_is_in_one_counter(
        steps in proptest::collection::vec((0u64..80, 0u8..4, 0u8..12, 0usize..9, 0u8..4), 1..200), last in 0usize..250,
    ) {
        let mut announcer = announcer(Some(secret()));
        announcer.plan.guard = Guard::new(Rules::of_discovery(Some(20)), 1061);
        let (mut said, mut now) = (Said::default(), 0);
        announcer.start(at(0), &mut said);
        let came = steps.len() as u64;
        for (place, (ms, host, nonce, kind, fails)) in steps.into_iter().enumerate() {
            now += ms;
            announcer.due(at(now), &mut said);
            if place == last {
                announcer.stop(at(now), &mut said);
            }
            let known = Known::first_of((kind == 1).then(|| Nonce([nonce; 32]).place(ID)));
            let other = (kind == 2).then(|| "print".parse().unwrap());
            let query = Query { known, service_type: other, ..query(nonce) };
            let mut payload = bytes(&query, (kind != 3).then(secret).as_ref());
            if kind == 4 {
                payload = b"hello".to_vec();
            }
            let source = format!("10.0.0.{}:{}", host + 2, if kind == 5 { 53 } else { 5000 });
            announcer.received(at(now), &reply_from(&source, &payload), &mut said);
            report(&mut announcer, now, &mut said, fails == 0);
        }
        announcer.stop(at(now), &mut said);
        report(&mut announcer, now, &mut said, false);
        let stats = announcer.stats();
        let (ignored, answered): (u64, _) = (stats.ignored.values().sum(), stats.answered.unwrap());
        prop_assert_eq!(stats.received, answered.sent + answered.failed + ignored);
        prop_assert_eq!(came, stats.received + stats.unread);
        prop_assert!(answered.sent <= stats.sent && answered.failed <= stats.failed);
    }

    #[test]
    fn no_damage_to_a_question_panics_or_gets_more_than_an_answer(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut in 0usize..40, signed: bool,
    ) {
        let secret = signed.then(secret);
        let asked = bytes(&query(1), secret.as_ref());
        let mut damaged = asked.clone();
        for (at, byte) in damage {
            damaged[at.index(asked.len())] = byte;
        }
        damaged.truncate(asked.len() - cut);
        let said = ask(&mut announcer(secret), 0, "10.0.0.2:5000", &damaged);
        prop_assert!(said.sends.len() <= 1 && said.sends.iter().all(|(.., reply)| reply.len() <= damaged.len()));
        // What is cut off is no question, and what is changed is none that is signed.
        prop_assert!(said.sends.is_empty() || cut == 0 && (!signed || damaged == asked));
    }
}
