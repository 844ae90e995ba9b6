//! The account that `ping` keeps, on a virtual clock: scenarios in files, a naive model, and ten thousand responders.
//!
//! A scenario, in `tests/scenarios/*.txt`, has two halves with a line `--` between them. Above it stands what happens:
//!
//! - `plan unicast|broadcast [WORDS]` the plan: `count 5`, `interval 1s`, `wait 1s` (these are the defaults), `expect 2`,
//!   `deadline 3s`, `wires 2` (broadcast destinations), and the words `any` (any answer counts) and `flood`.
//! - `a 0-3 after 10ms [WHAT]` the host `a` answers probes 0 to 3, each 10 ms after it left. WHAT is `whole` if nothing is
//!   said; else `corrupt`, `foreign` (another run's), `early` (of a probe not yet sent), `cut` (a byte short), `text` (of
//!   the host's own), `self` (whole, from this very host), or `refused` (no answer: ICMP port unreachable).
//!   A probe with several such lines is answered several times. `a` is who is asked where one host is.
//! - `fails 1-2` the system does not take these probes.
//! - `stop 2s` the user ends the run then.
//!
//! Below it stands all that is told of it, to the letter; what is 0 is left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, SystemTime};

use halloo::engine::ping::{Match, Pinger, Plan};
use halloo::engine::{Engine, Next, Out};
use halloo::model::error::FaultKind;
use halloo::model::event::{Ignored, Notice, Outcome, Refusal, Unreachable};
use halloo::model::stats::Ending;
use halloo::model::{
    Cast, Datagram, Destination, Event, Fault, Now, Origin, Stamp, StampSource, Stats, Transmit, Verdict,
};
use halloo::wire::probe::{Probe, RunId, Seen};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const RUN: RunId = RunId([7; 16]);
const SIZE: usize = 48;

// ---- the world ---------------------------------------------------------------------------------------------------

/// What comes back for a probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Whole,
    Own,
    Corrupt,
    Foreign,
    Early,
    Cut,
    Text,
    Refused,
}

/// Something that comes back, so long after its probe left.
#[derive(Clone, Copy, Debug)]
struct Answer {
    from: SocketAddr,
    after: Duration,
    what: What,
}

/// What was handed to the pinger, and when.
#[derive(Clone, Copy, Debug)]
struct Came {
    at: Duration,
    seq: u32,
    from: SocketAddr,
    what: What,
}

/// The account of a responder, as it was told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Account {
    own: bool,
    from_another: bool,
    since: u32,
    sent: u64,
    received: u64,
    lost: u64,
    in_flight: u64,
    duplicates: u64,
    reordered: u64,
    late: u64,
    corrupt: u64,
    /// The shortest and the longest round trip.
    times: Option<(Duration, Duration)>,
}

/// All that was told.
#[derive(Debug, Default)]
struct Told {
    sends: Vec<(u64, SocketAddr, Vec<u8>)>,
    left: Vec<Duration>,
    replies: Vec<(Option<u32>, bool, bool)>,
    accounts: BTreeMap<SocketAddr, Account>,
    notices: Vec<String>,
    ignored: BTreeMap<Ignored, u64>,
    summary: Option<Stats>,
    progress: u64,
}

impl Out for Told {
    fn send(&mut self, transmit: Transmit<'_>) {
        self.sends.push((transmit.ticket, transmit.destination, transmit.payload.bytes().to_vec()));
    }

    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Reply(reply) => self.replies.push((reply.seq, reply.duplicate, reply.late)),
            Event::Ignored(reason, _) => *self.ignored.entry(*reason).or_default() += 1,
            Event::Notice(notice) => self.notices.push(shown_notice(notice)),
            Event::Progress(progress) => self.progress = progress.sent,
            Event::Summary(stats) => self.summary = Some((*stats).clone()),
            Event::Responder(told) => {
                let account = Account {
                    own: told.own,
                    from_another: told.from_another,
                    since: told.since_seq,
                    sent: told.sent,
                    received: told.received,
                    lost: told.lost,
                    in_flight: told.in_flight,
                    duplicates: told.duplicates,
                    reordered: told.reordered,
                    late: told.late,
                    corrupt: told.corrupt,
                    times: told.latency.figures().map(|figures| (figures.min, figures.max)),
                };
                assert_eq!(told.latency.count(), told.received, "every answer in time has a time, and no other");
                assert!(self.accounts.insert(told.address, account).is_none(), "{} told twice", told.address);
            }
            _ => {}
        }
    }
}

fn shown_notice(notice: &Notice) -> String {
    match notice {
        Notice::SlowedDown { .. } => "slowed down".to_owned(),
        Notice::BroadcastSilence { .. } => "silence".to_owned(),
        Notice::TooFew { expected, answered, late: late @ 1.., .. } => {
            format!("too few: {answered} of {expected}, {late} late")
        }
        Notice::TooFew { expected, answered, elsewhere: 0, .. } => format!("too few: {answered} of {expected}"),
        Notice::TooFew { expected, answered, elsewhere, .. } => {
            format!("too few: {answered} of {expected}, {elsewhere} from another address")
        }
        Notice::NoEcho { answers } => format!("no echo: {answers}"),
        Notice::HeldUp { interval, round_trip } => {
            format!("held up: {}ms instead of {}ms", round_trip.as_millis(), interval.as_millis())
        }
        other => format!("{other:?}"),
    }
}

impl Told {
    fn stats(&self) -> &Stats {
        self.summary.as_ref().unwrap()
    }
}

/// A pinger on a virtual clock, in a network that does as it is told.
struct World<A> {
    pinger: Pinger,
    told: Told,
    now: Duration,
    /// What is under way: by when it comes, then by when it was sent.
    under_way: BTreeMap<(Duration, usize), (u32, Answer, Vec<u8>)>,
    launched: usize,
    came: Vec<Came>,
    answers: A,
    fails: HashSet<u32>,
    target: SocketAddr,
}

/// A run that is over.
#[derive(Debug)]
struct Over {
    told: Told,
    came: Vec<Came>,
    fails: HashSet<u32>,
    end: Duration,
}

impl<A: FnMut(u32) -> Vec<Answer>> World<A> {
    fn new(plan: Plan, answers: A) -> Self {
        Self {
            target: plan.destinations[0].address,
            pinger: Pinger::new(plan),
            told: Told::default(),
            now: Duration::ZERO,
            under_way: BTreeMap::new(),
            launched: 0,
            came: Vec::new(),
            answers,
            fails: HashSet::new(),
        }
    }

    /// Runs it to its end, or until somebody stops it.
    fn run(mut self, stop: Option<Duration>) -> Over {
        self.pinger.start(self.moment(), &mut self.told);
        self.take_sends();
        while let Next::At(due) = self.pinger.next() {
            let arrival = self.under_way.keys().next().map(|(at, _)| *at);
            let next = arrival.map_or(due, |arrival| arrival.min(due)).max(self.now);
            if stop.is_some_and(|stop| stop <= next) {
                self.now = stop.unwrap();
                self.pinger.stop(self.moment(), &mut self.told);
                break;
            }
            self.now = next;
            // As drive.rs: what has come is handed over before the pinger is told the time.
            if arrival == Some(next) {
                self.deliver();
            } else {
                self.pinger.due(self.moment(), &mut self.told);
            }
            self.take_sends();
        }
        let ending = Ending::default();
        self.pinger.finish(self.moment(), &ending, &mut self.told);
        assert!(self.told.sends.is_empty(), "nothing is sent at the end");
        Over { told: self.told, came: self.came, fails: self.fails, end: self.now }
    }

    fn moment(&self) -> Now {
        Now { run: self.now, wall: SystemTime::UNIX_EPOCH + self.now }
    }

    fn take_sends(&mut self) {
        for (ticket, destination, bytes) in std::mem::take(&mut self.told.sends) {
            let Seen::Probe(probe) = Probe::read(&bytes) else { panic!("no probe was sent") };
            let fails = self.fails.contains(&probe.seq);
            let fault = || Fault { kind: FaultKind::Other, code: None };
            let source = Some(SocketAddr::from(([10, 0, 0, 1], 40_000)));
            let result = if fails { Err(fault()) } else { Ok(source) };
            let outcome = Outcome { ticket, count: 1, len: bytes.len(), destination, link: None, result };
            self.pinger.sent(self.moment(), &outcome, &mut self.told);
            // Once for each probe, however many destinations it has.
            if self.told.left.len() == probe.seq as usize {
                self.told.left.push(self.now);
                self.launch(probe.seq, &bytes, fails);
            }
        }
    }

    fn launch(&mut self, seq: u32, bytes: &[u8], fails: bool) {
        for answer in (self.answers)(seq).into_iter().filter(|_| !fails) {
            self.launched += 1;
            let returned = returned(answer.what, seq, bytes);
            self.under_way.insert((self.now + answer.after, self.launched), (seq, answer, returned));
        }
    }

    fn deliver(&mut self) {
        let Some((_, (seq, answer, bytes))) = self.under_way.pop_first() else { return };
        let Answer { from, what, .. } = answer;
        self.came.push(Came { at: self.now, seq, from, what });
        let moment = self.moment();
        if what == What::Refused {
            let refusal = Refusal { destination: self.target, by: Some(from.ip()), what: Unreachable::Port };
            return self.pinger.refused(moment, &refusal, &mut self.told);
        }
        let origin = if what == What::Own { Origin::Own } else { Origin::Foreign };
        self.pinger.received(moment, &datagram(from, origin, &bytes), &mut self.told);
    }
}

/// The bytes of an answer to a probe.
fn returned(what: What, seq: u32, probe: &[u8]) -> Vec<u8> {
    let mut bytes = probe.to_vec();
    match what {
        What::Whole | What::Own | What::Refused => {}
        // Any place will do; all of them are tried in wire/probe.
        What::Corrupt => bytes[seq as usize % SIZE] ^= 0x10,
        What::Foreign => Probe { run: RunId([8; 16]), seq, made: Duration::ZERO }.write(SIZE, &mut bytes),
        What::Early => Probe { run: RUN, seq: seq + 1, made: Duration::ZERO }.write(SIZE, &mut bytes),
        What::Cut => drop(bytes.pop()),
        What::Text => bytes = b"your data was 48 bytes long".to_vec(),
    }
    bytes
}

fn datagram(source: SocketAddr, origin: Origin, payload: &[u8]) -> Datagram<'_> {
    Datagram {
        payload,
        wire_len: payload.len(),
        source,
        destination: None,
        local: None,
        link: None,
        cast: Some(Cast::Unicast),
        origin,
        on_link: true,
        other_link: false,
        ttl: None,
        stamp: Stamp { wall: SystemTime::UNIX_EPOCH, source: StampSource::Kernel },
    }
}

/// Five probes, a second apart, each answered within a second or late.
fn plan(destinations: &[(SocketAddr, Cast)]) -> Plan {
    let to = |(address, cast): &(SocketAddr, Cast)| Destination {
        address: *address,
        source: None,
        link: None,
        mtu: None,
        cast: *cast,
    };
    Plan { size: SIZE, count: Some(5), ..Plan::to(destinations.iter().map(to).collect(), RUN) }
}

fn host(number: u16) -> SocketAddr {
    let [high, low] = (number + 2).to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 1060))
}

fn to_one() -> Plan {
    plan(&[(host(0), Cast::Unicast)])
}

fn to_all(wires: u8) -> Plan {
    let wire = |number| (SocketAddr::from(([10, number, 255, 255], 1060)), Cast::Broadcast);
    plan(&(0..wires).map(wire).collect::<Vec<_>>())
}

// ---- scenarios -----------------------------------------------------------------------------------------------------

/// The upper half of a scenario.
#[derive(Debug)]
struct Scenario {
    plan: Plan,
    rules: Vec<(RangeInclusive<u32>, Answer)>,
    fails: HashSet<u32>,
    stop: Option<Duration>,
}

impl Scenario {
    fn read(text: &str) -> Self {
        let mut scenario = Self { plan: to_one(), rules: Vec::new(), fails: HashSet::new(), stop: None };
        for line in lines(text) {
            scenario.line(&line.split(' ').collect::<Vec<_>>());
        }
        scenario
    }

    fn line(&mut self, words: &[&str]) {
        match *words {
            ["plan", "unicast", ref words @ ..] => planned(&mut self.plan, words),
            ["plan", "broadcast", ref words @ ..] => {
                self.plan = to_all(1);
                planned(&mut self.plan, words);
            }
            ["stop", at] => self.stop = Some(duration(at)),
            ["fails", seqs] => self.fails.extend(numbers(seqs)),
            [name, seqs, "after", after] => self.rule(name, seqs, after, What::Whole),
            [name, seqs, "after", after, kind] => self.rule(name, seqs, after, what(kind)),
            _ => panic!("{words:?} is no line of a scenario"),
        }
    }

    fn rule(&mut self, name: &str, seqs: &str, after: &str, what: What) {
        self.rules.push((numbers(seqs), Answer { from: named(name), after: duration(after), what }));
    }

    fn run(self) -> Over {
        let Self { plan, rules, fails, stop } = self;
        let answers = move |seq: u32| {
            let here = rules.iter().filter(|(seqs, _)| seqs.contains(&seq));
            here.map(|(_, answer)| *answer).collect::<Vec<_>>()
        };
        let mut world = World::new(plan, answers);
        world.fails = fails;
        world.run(stop)
    }
}

/// The lines of a half, single-spaced, without comments.
fn lines(text: &str) -> Vec<String> {
    let single_spaced = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let stripped = text.lines().map(|line| single_spaced(line.split('#').next().unwrap()));
    stripped.filter(|line| !line.is_empty()).collect()
}

fn planned(plan: &mut Plan, words: &[&str]) {
    match *words {
        [] => return,
        ["any", ..] => plan.matching = Match::Any,
        ["flood", ..] => plan.flood = true,
        ["count", "none", ..] => plan.count = None,
        ["count", count, ..] => plan.count = Some(count.parse().unwrap()),
        ["interval", interval, ..] => plan.interval = duration(interval),
        ["wait", wait, ..] => plan.wait = duration(wait),
        ["expect", expect, ..] => plan.expect = Some(expect.parse().unwrap()),
        ["deadline", deadline, ..] => plan.deadline = Some(duration(deadline)),
        ["wires", wires, ..] => plan.destinations = to_all(wires.parse().unwrap()).destinations,
        _ => panic!("{words:?} is no plan"),
    }
    let alone = matches!(words[0], "any" | "flood");
    planned(plan, &words[if alone { 1 } else { 2 }..]);
}

fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(number) => Duration::from_millis(number.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

fn numbers(text: &str) -> RangeInclusive<u32> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    first.parse().unwrap()..=last.parse().unwrap()
}

fn named(name: &str) -> SocketAddr {
    let [letter @ b'a'..=b'z'] = name.as_bytes() else { panic!("{name:?} is no name of a host") };
    host(u16::from(letter - b'a'))
}

fn what(word: &str) -> What {
    match word {
        "whole" => What::Whole,
        "self" => What::Own,
        "corrupt" => What::Corrupt,
        "foreign" => What::Foreign,
        "early" => What::Early,
        "cut" => What::Cut,
        "text" => What::Text,
        "refused" => What::Refused,
        _ => panic!("{word:?} is no answer"),
    }
}

/// What was told, as the lower half of a scenario says it.
fn shown(over: &Over) -> Vec<String> {
    let mut lines = vec![counted("left", over.told.left.iter().map(|at| format!("{}ms", at.as_millis())))];
    lines.extend(over.told.notices.iter().map(|notice| format!("notice {notice}")));
    lines.extend(over.told.accounts.iter().map(|(address, account)| shown_account(*address, account)));
    lines.extend(over.told.ignored.iter().map(|(reason, count)| format!("ignored {} {count}", reason.name())));
    let stats = over.told.stats();
    assert_eq!(stats.ignored, over.told.ignored, "what is told is what is counted");
    lines.push(counted("summary", shown_summary(stats)));
    lines.push(format!("{:?} at {}ms", stats.verdict, over.end.as_millis()));
    lines
}

fn counted(title: &str, words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().fold(title.to_owned(), |line, word| line + " " + &word)
}

fn nonzero<const N: usize>(counters: [(&str, u64); N]) -> impl Iterator<Item = String> {
    counters.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}"))
}

fn shown_account(address: SocketAddr, account: &Account) -> String {
    let SocketAddr::V4(v4) = address else { panic!("{address} has no name") };
    let name = char::from(b'a' + v4.ip().octets()[3] - 2);
    let counters = [
        ("sent", account.sent),
        ("received", account.received),
        ("lost", account.lost),
        ("duplicates", account.duplicates),
        ("reordered", account.reordered),
        ("late", account.late),
        ("corrupt", account.corrupt),
        ("since", account.since.into()),
        ("open", account.in_flight),
    ];
    let mut line = counted(&name.to_string(), nonzero(counters));
    if let Some((min, max)) = account.times {
        write!(line, " in {}-{}ms", min.as_millis(), max.as_millis()).unwrap();
    }
    line += if account.own { " self" } else { "" };
    line += if account.from_another { " another" } else { "" };
    line
}

fn shown_summary(stats: &Stats) -> impl Iterator<Item = String> {
    nonzero([
        ("sent", stats.sent),
        ("failed", stats.failed),
        ("replies", stats.replies.unwrap()),
        ("responders", stats.responders.unwrap()),
        ("lost", stats.lost.unwrap()),
        ("open", stats.in_flight.unwrap()),
        ("duplicates", stats.duplicates.unwrap()),
        ("reordered", stats.reordered.unwrap()),
        ("late", stats.late.unwrap()),
        ("refused", stats.refused),
    ])
}

/// Plays a scenario; what went wrong, if something did.
fn play(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let (happens, expected) = text.split_once("\n--\n").unwrap_or_else(|| panic!("no -- in {}", path.display()));
    let (expected, shown) = (lines(expected), shown(&Scenario::read(happens).run()));
    let both =
        || format!("{}\nexpected\n  {}\ntold\n  {}\n", path.display(), expected.join("\n  "), shown.join("\n  "));
    (expected != shown).then(both)
}

#[test]
fn every_scenario_ends_as_it_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20, "the scenarios are not there");
    let wrong: Vec<String> = paths.iter().filter_map(|path| play(path)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ---- many ----------------------------------------------------------------------------------------------------------

#[test]
fn ten_thousand_responders_have_an_account_each() {
    const RESPONDERS: u16 = 10_000;
    // The seventh probe after its own number is lost: every host loses one of five or none.
    let is_lost = |number: u16, seq: u32| u32::from(number) % 7 == seq;
    let answers = |seq: u32| {
        let all = (0..RESPONDERS).filter(|number| !is_lost(*number, seq));
        all.map(|number| Answer { from: host(number), after: MS * u32::from(number % 900), what: What::Whole })
            .collect()
    };
    let whole = (0..RESPONDERS).filter(|number| number % 7 >= 5).count() as u64;
    // One more is expected than answer everything: the account is looked at with every answer, and the wait is the full one.
    let over = World::new(Plan { expect: Some(whole + 1), ..to_all(2) }, answers).run(None);
    assert_eq!(over.end, 5000 * MS);
    assert_eq!(over.told.accounts.len(), usize::from(RESPONDERS));
    for number in 0..RESPONDERS {
        let account = &over.told.accounts[&host(number)];
        let since = u32::from(number % 7 == 0);
        // Who does not answer the first probe is not yet there; who does not answer a later one has lost it.
        let (sent, lost) = (5 - u64::from(since), u64::from((1..5).contains(&(number % 7))));
        let time = MS * u32::from(number % 900);
        let times = Some((time, time));
        let expected = Account { since, sent, received: sent - lost, lost, times, ..Account::default() };
        assert_eq!(*account, expected, "{}", host(number));
    }
    assert_eq!(over.told.stats().verdict, Verdict::Done, "as many as were expected answered something");
    assert_eq!(over.told.stats().sent, 10);
}

// ---- a naive model -------------------------------------------------------------------------------------------------

/// One host as somebody would keep it who has all the time and memory in the world: every first answer in a list.
#[derive(Debug, Default)]
struct Naive {
    /// Number, when it came, how long it took.
    firsts: Vec<(u32, Duration, Duration)>,
    seen: HashSet<u32>,
    duplicates: u64,
    corrupt: u64,
}

impl Naive {
    fn hear(&mut self, came: &Came, left: &[Duration], asked: bool) {
        match came.what {
            What::Whole if self.seen.insert(came.seq) => {
                self.firsts.push((came.seq, came.at, came.at - left[came.seq as usize]));
            }
            What::Whole => self.duplicates += 1,
            // Of somebody who has not answered anything yet nothing is known.
            What::Corrupt if asked || !self.seen.is_empty() => self.corrupt += 1,
            _ => {}
        }
    }

    fn reordered(&self) -> u64 {
        let behind = |place: usize| self.firsts[..place].iter().any(|earlier| earlier.0 > self.firsts[place].0);
        (0..self.firsts.len()).filter(|place| behind(*place)).count() as u64
    }

    fn account(&self, asked: bool, over: &Over, wait: Duration) -> Account {
        let left = &over.told.left;
        let since = if asked { Some(0) } else { self.seen.iter().min().copied() }.unwrap();
        let sent: HashSet<u32> = (since..left.len() as u32).filter(|seq| !over.fails.contains(seq)).collect();
        let unanswered = sent.difference(&self.seen).copied();
        let (in_flight, lost): (Vec<u32>, Vec<u32>) = unanswered.partition(|seq| left[*seq as usize] + wait > over.end);
        let in_time: Vec<Duration> = self.firsts.iter().map(|first| first.2).filter(|time| *time <= wait).collect();
        Account {
            own: false,
            from_another: false,
            since,
            sent: (sent.len() - in_flight.len()) as u64,
            received: in_time.len() as u64,
            lost: lost.len() as u64,
            in_flight: in_flight.len() as u64,
            duplicates: self.duplicates,
            reordered: self.reordered(),
            late: (self.firsts.len() - in_time.len()) as u64,
            corrupt: self.corrupt,
            times: in_time.iter().min().copied().zip(in_time.iter().max().copied()),
        }
    }
}

/// What the network does to a probe's answers on the way from one host: nothing, an answer, or several.
fn fates() -> impl Strategy<Value = Vec<(u64, What)>> {
    let kind =
        prop_oneof![6 => Just(What::Whole), 1 => Just(What::Corrupt), 1 => Just(What::Foreign), 1 => Just(What::Cut)];
    proptest::collection::vec((0u64..400, kind), 0..4)
}

/// Hosts, each with its fates by probe.
fn hosts() -> impl Strategy<Value = Vec<Vec<Vec<(u64, What)>>>> {
    proptest::collection::vec(proptest::collection::vec(fates(), 12), 1..5)
}

fn by_hosts(hosts: &[Vec<Vec<(u64, What)>>], seq: u32) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (number, fates) in hosts.iter().enumerate() {
        let here = fates[seq as usize].iter();
        answers.extend(here.map(|(ms, what)| Answer {
            from: host(number as u16),
            after: MS * *ms as u32,
            what: *what,
        }));
    }
    answers
}

/// Every host's account as the model has it.
fn modelled(over: &Over, broadcast: bool, wait: Duration) -> BTreeMap<SocketAddr, Account> {
    let mut hosts: HashMap<SocketAddr, Naive> = HashMap::new();
    let asked = |from: SocketAddr| !broadcast && from == host(0);
    if !broadcast {
        hosts.insert(host(0), Naive::default());
    }
    for came in &over.came {
        hosts.entry(came.from).or_default().hear(came, &over.told.left, asked(came.from));
    }
    let known = hosts.into_iter().filter(|(from, naive)| asked(*from) || !naive.seen.is_empty());
    let account = |(from, naive): (SocketAddr, Naive)| {
        let account = naive.account(asked(from), over, wait);
        (from, Account { from_another: !broadcast && !asked(from), ..account })
    };
    known.map(account).collect()
}

fn check_sums(over: &Over) {
    let (accounts, stats) = (&over.told.accounts, over.told.stats());
    for (address, account) in accounts {
        assert_eq!(account.sent, account.received + account.late + account.lost, "{address}: {account:?}");
    }
    let sum = |counter: fn(&Account) -> u64| Some(accounts.values().map(counter).sum::<u64>());
    assert_eq!(stats.replies, sum(|account| account.received));
    assert_eq!(stats.late, sum(|account| account.late));
    assert_eq!(stats.lost, sum(|account| account.lost));
    assert_eq!(stats.in_flight, sum(|account| account.in_flight));
    assert_eq!(stats.duplicates, sum(|account| account.duplicates));
    assert_eq!(stats.reordered, sum(|account| account.reordered));
    assert_eq!(stats.responders, sum(|account| u64::from(account.received + account.late > 0)));
    assert_eq!(over.told.replies.iter().filter(|(_, _, late)| *late).count() as u64, stats.late.unwrap());
    assert_eq!(
        over.told.replies.iter().filter(|(_, duplicate, _)| *duplicate).count() as u64,
        stats.duplicates.unwrap()
    );
    let of = |what: &[What]| over.came.iter().filter(|came| what.contains(&came.what)).count() as u64;
    let ignored = |reason| stats.ignored.get(&reason).copied().unwrap_or(0);
    // What is broken and comes from nobody who is known may be anything.
    let corrupt = accounts.values().map(|account| account.corrupt).sum();
    assert_eq!(ignored(Ignored::Corrupt), corrupt);
    assert_eq!(ignored(Ignored::Foreign), of(&[What::Foreign, What::Cut, What::Corrupt]) - corrupt);
    assert_eq!(stats.received, over.came.len() as u64);
    assert_eq!(over.told.progress, over.told.left.len() as u64);
}

proptest! {
    #[test]
    fn the_account_is_that_of_a_naive_model(
        hosts in hosts(),
        broadcast: bool,
        count in 1u32..12,
        interval in 1u64..60,
        wait in 1u64..300,
        stop in proptest::option::of(0u64..600),
        fails in proptest::collection::hash_set(0u32..12, 0..3),
    ) {
        let (interval, wait) = (MS * interval as u32, MS * wait as u32);
        let plan = if broadcast { to_all(1) } else { to_one() };
        let plan = Plan { count: Some(count), interval, wait, flood: true, ..plan };
        let mut world = World::new(plan, |seq| by_hosts(&hosts, seq));
        world.fails = fails;
        let over = world.run(stop.map(Duration::from_millis));
        prop_assert_eq!(&over.told.accounts, &modelled(&over, broadcast, wait));
        check_sums(&over);
        if broadcast && stop.is_none() {
            prop_assert_eq!(over.end, interval * (count - 1) + wait);
        }
    }
}
