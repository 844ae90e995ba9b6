//! The asker among real responders on a scripted LAN, and among liars.

mod watching;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::*;
use crate::engine::announce::{self, Announcer};
use crate::engine::testing::{announcing, at, reply_from};
use crate::model::error::FaultKind;
use crate::model::event::Sent;
use crate::model::{About, Attributes, Fault, Link, Names, Transmit, Trust, Verdict};
use crate::wire::beacon::{Draws, Order, Secret, Window};
use proptest::prelude::*;

// ---- a LAN ----------------------------------------------------------------------------------------------------------

/// Everything that an engine says.
#[derive(Debug, Default)]
struct Said {
    sends: Vec<(SocketAddr, Vec<u8>)>,
    changes: Vec<(u64, Change, Service)>,
    ignored: Vec<Ignored>,
    notices: Vec<Notice>,
    /// What left: its number, where to, by which interface, to whom.
    sent: Vec<(u64, SocketAddr, Option<Link>, Cast)>,
    /// The interface of each failure that was told.
    failed: Vec<Option<Link>>,
    now: u64,
}

impl Out for Said {
    fn send(&mut self, transmit: Transmit<'_>) {
        self.sends.push((transmit.destination, transmit.payload.bytes().to_vec()));
    }

    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Service(change, service) => self.changes.push((self.now, *change, (*service).clone())),
            Event::Ignored(reason, _) => self.ignored.push(*reason),
            Event::Notice(notice) => self.notices.push(notice.clone()),
            Event::Sent(Sent { seq, destination, link, cast, .. }) => {
                self.sent.push((*seq, *destination, link.clone(), *cast));
            }
            Event::Failed(failed) => self.failed.push(failed.link.clone()),
            _ => {}
        }
    }
}

impl Said {
    /// When this first happened to the service.
    fn when(&self, id: u64, change: Change) -> Option<u64> {
        let found = self.changes.iter().find(|(_, what, service)| *what == change && service.about.id.0 == id);
        found.map(|(when, ..)| *when)
    }

    fn count(&self, change: Change) -> usize {
        self.changes.iter().filter(|(_, what, _)| *what == change).count()
    }

    fn service(&self, id: u64) -> Option<&Service> {
        self.changes.iter().rev().map(|(.., service)| service).find(|service| service.about.id.0 == id)
    }
}

/// A host: its responder, and the subnets it is on.
struct Host {
    engine: Announcer,
    number: u8,
    subnets: Vec<u8>,
}

/// The asker on subnets 1 and 2, and hosts. Time goes by milliseconds.
struct Lan {
    asker: Discoverer,
    said: Said,
    hosts: Vec<Host>,
    now: u64,
    /// What the wall clock is ahead.
    ahead: Duration,
    /// Everything that hosts sent, to be used against them.
    captured: Vec<(String, Vec<u8>)>,
}

fn key(byte: u8) -> Secret {
    Secret::new(&[byte; 32]).unwrap()
}

fn link(subnet: u8) -> Link {
    Link { index: u32::from(subnet) + 1, name: format!("eth{subnet}").into() }
}

fn to_all(subnet: u8) -> Destination {
    let address = SocketAddr::from(([10, 0, subnet, 255], 1061));
    Destination { address, source: None, link: Some(link(subnet)), mtu: None, cast: Cast::Broadcast }
}

fn asking(secret: Option<Secret>) -> Plan {
    let to = vec![to_all(1), to_all(2)];
    Plan { kind: "chat".parse().ok(), secret, ..Plan::to(to, Draws::new([9; 32])) }
}

fn about(id: u64) -> About {
    About {
        id: InstanceId(id),
        name: format!("host {id}").parse().unwrap(),
        kind: "chat".parse().unwrap(),
        port: 80,
        advertised: None,
        attributes: Attributes::default(),
        ttl: Duration::from_secs(30),
    }
}

/// A host whose instance is its number.
fn host(number: u8, subnets: &[u8], secret: Option<Secret>) -> Host {
    host_of(about(number.into()), number, subnets, secret)
}

fn host_of(about: About, number: u8, subnets: &[u8], secret: Option<Secret>) -> Host {
    let destinations = subnets.iter().map(|subnet| to_all(*subnet)).collect();
    let engine = Announcer::new(announce::Plan { destinations, secret, ..announcing(about, [number; 32]) });
    Host { engine, number, subnets: subnets.to_vec() }
}

impl Lan {
    fn new(plan: Plan, hosts: Vec<Host>) -> Self {
        let mut lan = Self {
            asker: Discoverer::new(plan),
            said: Said::default(),
            hosts,
            now: 0,
            ahead: Duration::ZERO,
            captured: Vec::new(),
        };
        lan.asker.start(at(0), &mut lan.said);
        lan.pass();
        lan
    }

    fn time(&self) -> Now {
        let now = at(self.now);
        Now { wall: now.wall + self.ahead, ..now }
    }

    /// Lets time pass until this moment, or the end of the run. Returns whether it ended.
    fn until(&mut self, end: u64) -> bool {
        while self.now < end && self.asker.next() != Next::Done {
            self.now += 1;
            self.pass();
        }
        self.asker.next() == Next::Done
    }

    /// One millisecond: what is due is done, what is sent arrives.
    fn pass(&mut self) {
        let now = self.time();
        self.said.now = self.now;
        if matches!(self.asker.next(), Next::At(due) if due <= now.run) {
            self.asker.due(now, &mut self.said);
        }
        for (to, bytes) in std::mem::take(&mut self.said.sends) {
            let source = "10.0.1.1:5000".parse().ok();
            let outcome =
                Outcome { ticket: 0, count: 1, len: bytes.len(), destination: to, link: None, result: Ok(source) };
            self.asker.sent(now, &outcome, &mut self.said);
            self.query(to, &bytes);
        }
        for place in 0..self.hosts.len() {
            let mut said = Said::default();
            let host = &mut self.hosts[place];
            if matches!(host.engine.next(), Next::At(due) if due <= now.run) {
                host.engine.due(now, &mut said);
            }
            self.host_said(place, said);
        }
    }

    fn query(&mut self, to: SocketAddr, bytes: &[u8]) {
        let SocketAddr::V4(v4) = to else { return };
        let subnet = v4.ip().octets()[2];
        let asker = format!("10.0.{subnet}.1:5000");
        for place in 0..self.hosts.len() {
            let mut said = Said::default();
            let host = &mut self.hosts[place];
            if host.subnets.contains(&subnet) {
                let local = SocketAddr::from(([10, 0, subnet, host.number], 0)).ip();
                let cast = Some(Cast::Broadcast);
                let datagram = Datagram { local: Some(local), cast, ..reply_from(&asker, bytes) };
                host.engine.received(at(self.now), &datagram, &mut said);
            }
            self.host_said(place, said);
        }
    }

    fn host_said(&mut self, place: usize, said: Said) {
        for (to, bytes) in said.sends {
            let SocketAddr::V4(v4) = to else { continue };
            let subnet = v4.ip().octets()[2];
            let source = format!("10.0.{subnet}.{}:1061", self.hosts[place].number);
            self.captured.push((source.clone(), bytes.clone()));
            self.hear(&source, &bytes);
        }
    }

    /// The asker hears this.
    fn hear(&mut self, source: &str, bytes: &[u8]) {
        let subnet = source.split('.').nth(2).and_then(|part| part.parse().ok()).unwrap_or(1);
        let datagram = Datagram { link: Some(link(subnet)), ..reply_from(source, bytes) };
        self.asker.received(self.time(), &datagram, &mut self.said);
    }

    fn finish(&mut self) {
        self.asker.finish(self.time(), &Ending::default(), &mut self.said);
    }

    fn start_hosts(&mut self) {
        for place in 0..self.hosts.len() {
            let mut said = Said::default();
            self.hosts[place].engine.start(at(self.now), &mut said);
            self.host_said(place, said);
        }
    }
}

/// Nine hosts: four on each of two subnets, one on both.
fn nine(secret: Option<&Secret>) -> Vec<Host> {
    let subnets = |number| match number {
        2..=5 => vec![1],
        6..=9 => vec![2],
        _ => vec![1, 2],
    };
    (2..=10).map(|number| host(number, &subnets(number), secret.cloned())).collect()
}

/// An answer of instance `id` to the round that is being asked on a way.
fn answer(lan: &Lan, way: usize, id: u64, address: &str, secret: Option<&Secret>) -> Vec<u8> {
    let asked = lan.asker.questions.latest(way).unwrap();
    let mut bytes = Vec::new();
    let order = Order { boot: id as u32, seq: 1 };
    let (echo, address) = (asked.nonce.echo(), address.parse().ok());
    Reply { echo, address, order, about: about(id), more: false }.write(&asked.nonce, secret, &mut bytes);
    bytes
}

/// The start that a host's answers speak of: whoever hears them can read it.
fn boot_of(lan: &Lan, source: &str) -> u32 {
    let (_, bytes) = lan.captured.iter().find(|(from, _)| from == source).unwrap();
    let Ok((Message::Reply(reply), _)) = read(bytes) else { panic!("not a reply") };
    reply.order.boot
}

// ---- a quiet LAN ----------------------------------------------------------------------------------------------------

#[test]
fn nine_hosts_on_two_subnets_are_nine_services() {
    for secret in [None, Some(key(1))] {
        let mut lan = Lan::new(asking(secret.clone()), nine(secret.as_ref()));
        assert!(lan.until(600), "it takes more than 0.6 s");
        lan.finish();
        assert_eq!((lan.said.count(Change::Found), lan.said.count(Change::Listed)), (9, 9));
        assert!(lan.said.changes.iter().all(|(when, change, _)| *change == Change::Listed || *when <= 150));
        let trust = if secret.is_some() { Trust::Verified } else { Trust::Unverified };
        assert!(lan.said.changes.iter().all(|(.., service)| service.trust == trust));
        let both = lan.said.service(10).unwrap();
        let ways: BTreeSet<&str> = both.paths.iter().filter_map(|path| Some(&*path.link.as_ref()?.name)).collect();
        assert_eq!(ways.into_iter().collect::<Vec<_>>(), ["eth1", "eth2"]);
        let stats = lan.asker.stats();
        assert_eq!((stats.responders, stats.duplicates, stats.verdict), (Some(9), Some(0), Verdict::Done));
        assert_eq!((stats.received, stats.ignored.len()), (10, 0));
    }
}

#[test]
fn every_question_is_told_with_where_it_went_or_that_it_did_not() {
    let limited = |subnet| {
        let address = "255.255.255.255:1061".parse().unwrap();
        Destination { address, cast: Cast::Limited, ..to_all(subnet) }
    };
    let (one, other) = ([to_all(1), limited(1)], [to_all(2), limited(2)]);
    let mut asker = Discoverer::new(Plan { destinations: [&one[..], &other].concat(), ..asking(None) });
    let mut said = Said::default();
    let outcome = |to: &Destination, result| {
        let (destination, link) = (to.address, to.link.clone());
        Outcome { ticket: 0, count: 1, len: 192, destination, link, result }
    };
    for to in &one {
        asker.sent(at(1), &outcome(to, Ok("10.0.1.1:5000".parse().ok())), &mut said);
    }
    let expected = [(0, &one[0]), (1, &one[1])].map(|(seq, to)| (seq, to.address, to.link.clone(), to.cast));
    assert_eq!(said.sent, expected);
    // Of two interfaces that fail both are named, each once.
    let fault = Fault { kind: FaultKind::NetworkDown, code: None };
    for to in one.iter().chain(&other) {
        asker.sent(at(2), &outcome(to, Err(fault)), &mut said);
    }
    assert_eq!(said.failed, [Some(link(1)), Some(link(2))]);
    assert_eq!((said.sent.len(), asker.stats().sent, asker.stats().failed), (2, 2, 4));
}

#[test]
fn an_answer_that_comes_twice_is_a_duplicate_and_one_that_comes_late_is_late() {
    let mut lan = Lan::new(asking(None), vec![host(2, &[1], None)]);
    lan.until(120);
    let (source, bytes) = lan.captured[0].clone();
    lan.hear(&source, &bytes);
    let counted = |lan: &Lan| (lan.asker.stats().replies, lan.asker.stats().duplicates, lan.asker.stats().late);
    assert_eq!(counted(&lan), (Some(1), Some(1), Some(0)));
    let another = answer(&lan, 0, 9, "10.0.1.9", None);
    lan.until(300);
    lan.hear("10.0.1.9:1061", &another);
    assert_eq!(counted(&lan), (Some(2), Some(1), Some(1)));
    assert!(lan.said.when(9, Change::Found).is_some());
}

#[test]
fn where_everybody_is_seconds_late_everybody_is_found() {
    let plan = Plan { expect: Some(1), deadline: Some(Duration::from_secs(10)), ..asking(None) };
    let mut lan = Lan::new(plan, Vec::new());
    let first = answer(&lan, 0, 9, "10.0.1.9", None);
    lan.until(3_000);
    assert!(lan.asker.rounds() > 20, "it has asked again meanwhile");
    lan.hear("10.0.1.9:1061", &first);
    assert!(lan.said.when(9, Change::Found).is_some() && lan.until(3_001));
}

#[test]
fn it_ends_early_with_as_many_as_expected_and_late_with_fewer() {
    let mut lan = Lan::new(Plan { expect: Some(9), ..asking(None) }, nine(None));
    assert!(!lan.until(149) && lan.until(151), "all were there after 100 ms, and the question is heard out");
    let plan = Plan { expect: Some(10), deadline: Some(Duration::from_secs(5)), ..asking(None) };
    let mut lan = Lan::new(plan, nine(None));
    assert!(!lan.until(4_990) && lan.until(5_010));
    lan.finish();
    assert_eq!(lan.asker.stats().verdict, Verdict::TooFew);
    // One answer on each way: who is known is silent.
    assert_eq!(lan.asker.stats().replies, Some(10));
    assert!(lan.asker.rounds() < 60, "{} rounds", lan.asker.rounds());
}

#[test]
fn nobody_there_is_too_few() {
    let mut lan = Lan::new(asking(None), Vec::new());
    assert!(lan.until(650));
    lan.finish();
    assert_eq!((lan.asker.stats().verdict, lan.asker.rounds()), (Verdict::TooFew, 8));
    let [Notice::ServicesMissing(missing)] = &lan.said.notices[..] else { panic!("{:?}", lan.said.notices) };
    assert_eq!((missing.found, missing.expected, missing.asked, missing.port), (0, 1, 1061, 5000));
}

fn named(name: &str) -> Names {
    Names::One(name.parse().unwrap())
}

#[test]
fn who_has_another_name_answers_once_and_is_told_of_where_nobody_is_found() {
    let plan = Plan { names: named("Host 2"), expect: Some(1), deadline: Some(Duration::from_secs(5)), ..asking(None) };
    let mut lan = Lan::new(plan, nine(None));
    assert!(!lan.until(4_990) && lan.until(5_010), "it goes on asking for who is missing");
    // One answer on each way: they need not answer again although they are not wanted.
    assert_eq!(lan.captured.len(), 10);
    lan.finish();
    assert!(lan.said.changes.is_empty() && lan.asker.services().is_empty());
    let Stats { filtered, received, replies, responders, verdict, .. } = lan.asker.stats();
    assert_eq!((*filtered, *received, *replies, *responders), (10, 0, Some(0), Some(0)));
    assert_eq!(*verdict, Verdict::TooFew);
    let [Notice::ServicesMissing(missing)] = &lan.said.notices[..] else { panic!("{:?}", lan.said.notices) };
    assert_eq!((missing.other_names, missing.nearly.as_ref().map(|name| name.text())), (9, Some("host 2")));
}

#[test]
fn of_several_only_the_one_of_that_name_is_told_and_counts() {
    let mut lan = Lan::new(Plan { names: named("host 10"), expect: Some(1), ..asking(None) }, nine(None));
    assert!(lan.until(160));
    lan.finish();
    let ids: BTreeSet<u64> = lan.said.changes.iter().map(|(.., service)| service.about.id.0).collect();
    assert_eq!((ids.into_iter().collect::<Vec<_>>(), lan.said.count(Change::Listed)), (vec![10], 1));
    assert_eq!((lan.asker.stats().responders, lan.asker.stats().verdict), (Some(1), Verdict::Done));
}

#[test]
fn services_of_another_type_are_silent_and_ignored_if_not() {
    let plan = Plan { kind: "print".parse().ok(), ..asking(None) };
    let mut lan = Lan::new(plan, nine(None));
    let foreign = answer(&lan, 0, 77, "10.0.1.77", None);
    lan.hear("10.0.1.77:1061", &foreign);
    // Longer than any question: no responder of this protocol says that.
    let asked = lan.asker.questions.latest(0).unwrap();
    let value = "v".repeat(150);
    let about = About { attributes: Attributes::new([("k", &*value)]).unwrap(), ..about(78) };
    let (echo, order) = (asked.nonce.echo(), Order { boot: 1, seq: 1 });
    let mut long = Vec::new();
    Reply { echo, address: None, order, about, more: false }.write(&asked.nonce, None, &mut long);
    lan.hear("10.0.1.78:1061", &long);
    lan.until(650);
    assert_eq!((lan.said.changes.len(), &*lan.said.ignored), (0, &[Ignored::OtherType, Ignored::ReplyTooLong][..]));
}

// ---- liars ----------------------------------------------------------------------------------------------------------

#[test]
fn with_a_secret_a_lie_is_counted_and_never_verified() {
    let mut lan = Lan::new(asking(Some(key(1))), vec![host(2, &[1], Some(key(1)))]);
    let unsigned = answer(&lan, 0, 50, "10.0.1.50", None);
    let wrong_key = answer(&lan, 0, 51, "10.0.1.51", Some(&key(2)));
    let mut lie = |source: &str, bytes: &[u8]| {
        lan.said.ignored.clear();
        lan.hear(source, bytes);
        lan.said.ignored.first().copied()
    };
    assert_eq!(lie("10.0.1.50:1061", &unsigned), None);
    assert_eq!(lie("10.0.1.51:1061", &wrong_key), Some(Ignored::BadSignature));
    assert!(lan.until(600));
    let (source, genuine) = lan.captured[0].clone();
    let mut lie = |source: &str, bytes: &[u8]| {
        lan.asker.doing = Doing::Everybody;
        lan.said.ignored.clear();
        lan.hear(source, bytes);
        lan.said.ignored.first().copied()
    };
    // Every bit changed, the answer passed on from elsewhere, our own question come back, an older run's answer.
    for bit in 0..genuine.len() * 8 {
        let mut changed = genuine.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let said = lie(&source, &changed);
        let counted =
            [Ignored::BadSignature, Ignored::Malformed, Ignored::Foreign, Ignored::Unsigned, Ignored::WrongKind];
        assert!(said.is_some_and(|said| counted.contains(&said)), "bit {bit}: {said:?}");
    }
    assert_eq!(lie("10.0.1.66:1061", &genuine), Some(Ignored::Relayed));
    let mut question = Vec::new();
    let query = Query::to_everybody(Nonce([1; 32]), Window::nearest(WINDOW));
    query.write(0, Some(&key(1)), &mut question);
    assert_eq!(lie("10.0.1.66:1061", &question), Some(Ignored::WrongKind));
    let mut other = Lan::new(Plan { draws: Draws::new([8; 32]), ..asking(Some(key(1))) }, Vec::new());
    other.hear(&source, &genuine);
    assert_eq!(other.said.ignored, [Ignored::Foreign]);
    lan.finish();
    let verified: Vec<&Service> =
        lan.asker.services().into_iter().filter(|service| service.trust == Trust::Verified).collect();
    assert_eq!(verified.len(), 1);
    assert_eq!((verified[0].about.id.0, verified[0].paths.len()), (2, 1));
    assert_eq!(lan.asker.stats().responders, Some(1));
}

const WINDOW: Duration = Duration::from_millis(100);

#[test]
fn nobody_elsewhere_makes_a_watcher_ask() {
    let mut lan = Lan::new(Plan { watch: true, ..asking(None) }, Vec::new());
    lan.until(2_000);
    let sent = lan.asker.stats().sent;
    let mut hint = Vec::new();
    Announce { order: Order { boot: 7, seq: 1 }, about: about(7) }.write(None, &mut hint);
    let far = Datagram { on_link: false, link: Some(link(1)), ..reply_from("203.0.113.9:1061", &hint) };
    lan.asker.received(lan.time(), &far, &mut lan.said);
    assert_eq!(lan.said.ignored, [Ignored::OffLink]);
    lan.until(6_000);
    assert_eq!(lan.asker.stats().sent, sent);
    // A neighbour does.
    lan.hear("10.0.1.9:1061", &hint);
    lan.until(8_000);
    assert!(lan.asker.stats().sent > sent);
}

#[test]
fn an_answer_from_another_network_is_a_mismatch_even_where_the_address_is_the_one_it_signed() {
    let mut lan = Lan::new(asking(Some(key(1))), Vec::new());
    // The host has that address too, on a network that the asker is not on: somebody carried the question there.
    let carried = answer(&lan, 0, 2, "192.168.50.2", Some(&key(1)));
    let far = Datagram { on_link: false, link: Some(link(1)), ..reply_from("192.168.50.2:1061", &carried) };
    lan.asker.received(lan.time(), &far, &mut lan.said);
    assert_eq!(lan.said.service(2).unwrap().trust, Trust::Mismatch);
    assert_eq!(lan.asker.stats().responders, Some(0));
}

#[test]
fn an_answer_passed_on_is_a_mismatch_until_the_service_itself_is_heard() {
    let mut lan = Lan::new(asking(Some(key(1))), Vec::new());
    let genuine = answer(&lan, 0, 2, "10.0.1.2", Some(&key(1)));
    lan.hear("10.0.1.66:1061", &genuine);
    let shown = lan.said.service(2).unwrap();
    assert_eq!((shown.trust, shown.paths[0].claimed), (Trust::Mismatch, "10.0.1.2".parse().ok()));
    assert_eq!(lan.asker.stats().responders, Some(0));
    lan.hear("10.0.1.2:1061", &genuine);
    let shown = lan.said.service(2).unwrap();
    assert_eq!((shown.trust, shown.paths.len(), shown.paths[0].claimed), (Trust::Verified, 1, None));
    // A host that says itself by which address it is to be used, and is heard from that one, is no mismatch.
    let asked = lan.asker.questions.latest(0).unwrap();
    let (nonce, order) = (asked.nonce, Order { boot: 1, seq: 1 });
    let about = About { advertised: "10.0.1.9".parse().ok(), ..about(3) };
    let mut bytes = Vec::new();
    let address = "172.17.0.2".parse().ok();
    Reply { echo: nonce.echo(), address, order, about, more: false }.write(&nonce, Some(&key(1)), &mut bytes);
    lan.hear("10.0.1.9:1061", &bytes);
    assert_eq!(lan.said.service(3).unwrap().trust, Trust::Verified);
}

#[test]
fn a_forger_cannot_silence_the_one_it_imitates() {
    // It answers first with the genuine instance, unsigned: the genuine one must still be asked, and replaces it.
    let mut lan = Lan::new(asking(Some(key(1))), vec![host(2, &[1], Some(key(1)))]);
    let forged = answer(&lan, 0, 2, "10.0.1.66", None);
    lan.hear("10.0.1.66:1061", &forged);
    assert_eq!(lan.said.service(2).unwrap().trust, Trust::Unverified);
    assert!(lan.until(700));
    let shown = lan.said.service(2).unwrap();
    assert_eq!((shown.trust, shown.paths.len()), (Trust::Verified, 1));
    assert_eq!(shown.paths[0].source.to_string(), "10.0.1.2:1061");
    let again = answer(&lan, 0, 2, "10.0.1.66", None);
    lan.asker.doing = Doing::Everybody;
    lan.hear("10.0.1.66:1061", &again);
    assert_eq!(lan.said.ignored, [Ignored::Unsigned]);
}

#[test]
fn ten_thousand_forged_services_hide_nobody_and_take_bounded_memory() {
    for secret in [None, Some(key(1))] {
        let late = host(2, &[1], secret.clone());
        let mut lan = Lan::new(asking(secret.clone()), Vec::new());
        for id in 0..10_000u64 {
            // From 100 addresses, in the middle of the run.
            let address = format!("10.0.1.{}", 100 + id % 100);
            let forged = answer(&lan, 0, 1_000 + id, &address, None);
            lan.hear(&format!("{address}:1061"), &forged);
        }
        lan.hosts.push(late);
        lan.until(10_000);
        lan.finish();
        assert!(lan.said.when(2, Change::Found).is_some(), "the genuine one is hidden");
        let count = lan.asker.services().len();
        let most = if secret.is_some() { 1_024 + 1 } else { 10_001 };
        assert_eq!(count, most);
        let believed = if secret.is_some() { 1 } else { 10_001 };
        assert_eq!(lan.asker.stats().responders, Some(believed));
    }
}

#[test]
fn one_forger_fills_no_table() {
    let mut lan = Lan::new(asking(None), Vec::new());
    for id in 0..5_000u64 {
        let forged = answer(&lan, 0, id, "10.0.1.66", None);
        lan.hear("10.0.1.66:1061", &forged);
    }
    assert_eq!(lan.asker.services().len(), 256);
    assert_eq!(lan.asker.stats().ignored[&Ignored::TooMany], 5_000 - 256);
    let [Notice::ManyOfOne { address, kept: 256 }] = lan.said.notices[..] else { panic!("{:?}", lan.said.notices) };
    assert_eq!(address.to_string(), "10.0.1.66");
}

/// A run in which somebody answers each question with new services, and late, for as long as it asks.
fn lied_to(plan: Plan) -> Lan {
    let mut lan = Lan::new(plan, vec![host(2, &[1], None)]);
    for n in 0u64.. {
        for way in 0..2 {
            let address = format!("10.0.{}.{}", way + 1, 100 + n % 100);
            let forged = answer(&lan, way, 1_000 + 2 * n + way as u64, &address, None);
            lan.hear(&format!("{address}:1061"), &forged);
        }
        if lan.until(lan.now + 40) {
            break;
        }
    }
    lan.finish();
    lan
}

#[test]
fn a_stranger_keeps_no_run_going_and_it_is_said_that_somebody_did() {
    let lan = lied_to(asking(None));
    assert!(lan.now <= 15_001, "it took {} ms", lan.now);
    let cut = lan.said.notices.iter().filter(|notice| matches!(notice, Notice::CutShort { secret: false, .. })).count();
    assert_eq!((cut, lan.said.notices.len()), (1, 1));
    assert!(lan.asker.stats().sent < 200, "{} questions", lan.asker.stats().sent);
    assert!(lan.said.when(2, Change::Found).is_some());
    // Whoever says how long gets that, and who has a secret is not kept up.
    let lan = lied_to(Plan { deadline: Some(Duration::from_secs(30)), ..asking(None) });
    assert_eq!((lan.now, lan.said.notices.len()), (30_000, 0));
    let lan = lied_to(asking(Some(key(1))));
    assert!(lan.now < 1_500, "{} ms", lan.now);
    assert!(matches!(&lan.said.notices[..], [Notice::ServicesMissing(missing)] if missing.unsigned > 0));
}

/// How often a run tells of two responders with one instance, when so many instances are answered for by two, twice each.
fn clashes_of(instances: u64) -> (usize, usize) {
    let mut lan = Lan::new(asking(None), Vec::new());
    for (id, boot) in (1..=instances).flat_map(|id| [1, 2, 1, 2].map(|boot| (id, boot))) {
        let asked = lan.asker.questions.latest(0).unwrap();
        let (nonce, order) = (asked.nonce, Order { boot, seq: 1 });
        let mut bytes = Vec::new();
        let address = format!("10.0.1.{boot}");
        let reply = Reply { echo: nonce.echo(), address: address.parse().ok(), order, about: about(id), more: false };
        reply.write(&nonce, None, &mut bytes);
        lan.hear(&format!("{address}:1061"), &bytes);
    }
    let clashes = lan.said.notices.iter().filter(|notice| matches!(notice, Notice::IdClash(..))).count();
    (clashes, lan.asker.services().len())
}

#[test]
fn two_of_one_instance_are_told_once_and_of_many_instances_a_few() {
    assert_eq!(clashes_of(1), (1, 1));
    assert_eq!(clashes_of(100), (8, 100));
}

proptest! {
    #[test]
    fn no_answer_panics_and_none_is_verified_without_the_secret(
        id: u64, source: SocketAddr, whose: u8, damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut lan = Lan::new(asking(Some(key(1))), Vec::new());
        // Signed with another secret, not at all, or rightly and then changed.
        let signed_with = [Some(key(2)), None, Some(key(1))];
        let signed_with = signed_with[usize::from(whose) % 3].clone();
        let rightly = signed_with.is_some() && whose % 3 == 2;
        let genuine = answer(&lan, 0, id, "10.0.1.2", signed_with.as_ref());
        let mut bytes = genuine.clone();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        prop_assume!(!rightly || bytes != genuine);
        let datagram = Datagram { source, ..reply_from("10.0.1.2:1061", &bytes) };
        lan.asker.received(lan.time(), &datagram, &mut lan.said);
        prop_assert!(lan.asker.services().iter().all(|service| service.trust == Trust::Unverified));
    }
}

#[test]
fn who_waits_asks_until_somebody_is_there_or_the_end() {
    let waiting = || Plan { deadline: Some(Duration::from_secs(5)), ..asking(None) };
    let mut lan = Lan::new(waiting(), Vec::new());
    assert!(!lan.until(4_900), "it ended at {} ms", lan.now);
    assert!(lan.until(5_010));
    // Who comes meanwhile is found, and then the wait is over.
    let mut lan = Lan::new(waiting(), Vec::new());
    lan.until(1_000);
    lan.hosts.push(host(2, &[1], None));
    assert!(lan.until(4_900), "it still asks");
    assert_eq!(lan.asker.services().len(), 1);
}
