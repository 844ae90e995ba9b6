//! Listening, and answering: `listen`, `echo` and `length` are one behaviour with three replies.

use std::time::Duration;

use crate::engine::guard::Guard;
use crate::engine::mishaps::Mishaps;
use crate::engine::told::Told;
use crate::engine::{Engine, Next, Out};
use crate::model::event::{Ignored, Listening, Notice, Outcome, Received, Refusal};
use crate::model::stats::Ending;
use crate::model::{Cast, Cidr, Datagram, Event, Family, LinkName, Now, Payload, Stats, Transmit, Verdict};

/// What an answer is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Base {
    /// The bytes that came (RFC 862).
    Same,
    /// `your data was N bytes long`.
    Length,
}

/// The answer to a datagram.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it is made of.
    pub base: Base,
    /// ASCII letters in upper case; every other byte, and so the length, stays.
    pub upper: bool,
    /// Bytes in front.
    pub prefix: Vec<u8>,
}

/// Which datagrams are let in.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// From one of these blocks, if any are named.
    pub from: Vec<Cidr>,
    /// Addressed so, if anything is named.
    pub only: Option<Only>,
    /// By one of these interfaces, if any are named.
    pub interfaces: Vec<LinkName>,
    /// Not from this host.
    pub no_self: bool,
}

/// To whom datagrams are addressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Only {
    /// One host.
    Unicast,
    /// Everybody: directed and limited broadcast.
    Broadcast,
    /// A group.
    Multicast,
}

/// What ends the run, besides the user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// So many datagrams.
    pub count: Option<u64>,
    /// So long.
    pub deadline: Option<Duration>,
    /// So long without a datagram.
    pub idle: Option<Duration>,
}

/// What to do with what comes.
#[derive(Debug)]
pub struct Plan {
    /// The socket, to be told first.
    pub listening: Listening,
    /// What the user should know, to be told next.
    pub notices: Vec<Notice>,
    /// The answer, and who may have it; `None` answers nothing.
    pub answer: Option<(Answer, Guard)>,
    /// Which datagrams are let in.
    pub filter: Filter,
    /// What ends the run.
    pub ends: Ends,
    /// A datagram that the kernel dropped, or whose output was, makes it [`Verdict::TooFew`].
    pub fail_on_loss: bool,
    /// Datagrams come in trains, and the kernel counts one that it drops as one.
    pub offload: bool,
}

/// Receives, and answers where it should.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    last_heard: Duration,
    over: bool,
    /// What the kernel had dropped when that was last told.
    dropped: u64,
    drops_told: Told,
    mishaps: Mishaps,
    scratch: Vec<u8>,
    stats: Stats,
}

impl Server {
    /// A server by `plan`.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            last_heard: Duration::ZERO,
            over: false,
            dropped: 0,
            drops_told: Told::default(),
            mishaps: Mishaps::default(),
            scratch: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn answer(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) -> Result<(), Ignored> {
        let Some((answer, guard)) = &mut self.plan.answer else { return Ok(()) };
        let family = Family::of(datagram.source.ip());
        let bytes = compose(answer, datagram, &mut self.scratch);
        let own_reply = answer.base == Base::Length && is_length_reply(datagram.payload);
        guard.judge(now.run, datagram, own_reply, bytes.len())?;
        let payload = Payload::new(bytes, family).map_err(|_| Ignored::ReplyTooLong)?;
        out.send(Transmit {
            payload,
            destination: datagram.source,
            // From the address that was asked (RFC 1122 4.1.3.5). The way back is the route's choice.
            source: datagram.local,
            link: None,
            ticket: 0,
        });
        Ok(())
    }

    fn verdict(&self, ending: &Ending) -> Verdict {
        let Ends { count, deadline, idle } = self.plan.ends;
        let wanted = match count {
            Some(count) => count,
            None if deadline.is_some() || idle.is_some() => 1,
            None => 0,
        };
        let lost = ending.kernel_drops.unwrap_or(0) + ending.output_drops.unwrap_or(0);
        let fails = self.stats.received < wanted || (self.plan.fail_on_loss && lost > 0);
        if fails { Verdict::TooFew } else { Verdict::Done }
    }

    fn end(&self) -> Option<Duration> {
        let Ends { deadline, idle, .. } = self.plan.ends;
        let quiet = idle.map(|idle| self.last_heard + idle);
        match (deadline, quiet) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

impl Engine for Server {
    fn start(&mut self, now: Now, out: &mut dyn Out) {
        self.last_heard = now.run;
        out.tell(&Event::Listening(self.plan.listening.clone()));
        for notice in std::mem::take(&mut self.plan.notices) {
            out.tell(&Event::Notice(notice));
        }
    }

    fn received(&mut self, now: Now, datagram: &Datagram<'_>, out: &mut dyn Out) {
        if self.over {
            // Came with the datagram that ended the run. The kernel would have handed it to the next reader.
            self.stats.unread += 1;
            return;
        }
        if !lets_in(&self.plan.filter, datagram) {
            self.stats.filtered += 1;
            return;
        }
        // With several networks, what came earlier may be handed over later.
        self.last_heard = self.last_heard.max(now.run);
        let seq = self.stats.received;
        self.stats.saw(datagram);
        let ignored = self.answer(now, datagram, out).err();
        out.tell(&Event::Received(Received { seq, datagram }));
        if let Some(reason) = ignored {
            *self.stats.ignored.entry(reason).or_default() += 1;
            out.tell(&Event::Ignored(reason, datagram));
        }
        self.over = self.plan.ends.count.is_some_and(|count| self.stats.received >= count);
    }

    fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) {
        match outcome.result {
            Ok(_) => self.stats.leaves(outcome.len),
            // Whoever could not be answered must not end the service for the others (RFC 8085 5.2).
            Err(fault) => self.mishaps.failed(now, outcome, fault, &mut self.stats, out),
        }
    }

    fn refused(&mut self, now: Now, refusal: &Refusal, out: &mut dyn Out) {
        self.mishaps.refused(now, refusal, &mut self.stats, out);
    }

    fn behind(&mut self, now: Now) {
        // What waits to be handed over has broken the quiet, whenever it came.
        self.last_heard = self.last_heard.max(now.run);
    }

    fn dropped(&mut self, now: Now, total: u64, out: &mut dyn Out) {
        if total > self.dropped && self.drops_told.tell(now).is_some() {
            let new = total - std::mem::replace(&mut self.dropped, total);
            out.tell(&Event::Notice(Notice::KernelDrops { new, total, at_least: self.plan.offload }));
        }
    }

    fn due(&mut self, now: Now, _: &mut dyn Out) {
        if self.end().is_some_and(|end| now.run >= end) {
            self.over = true;
        }
    }

    fn next(&self) -> Next {
        match (self.over, self.end()) {
            (true, _) => Next::Done,
            (false, Some(end)) => Next::At(end),
            (false, None) => Next::Event,
        }
    }

    fn stop(&mut self, _: Now, _: &mut dyn Out) {
        self.over = true;
    }

    fn finish(&mut self, now: Now, ending: &Ending, out: &mut dyn Out) {
        self.stats.close(now.run, ending, self.verdict(ending));
        self.stats.drops_at_least = self.plan.offload && ending.kernel_drops.is_some_and(|drops| drops > 0);
        out.tell(&Event::Summary(&self.stats));
    }
}

fn lets_in(filter: &Filter, datagram: &Datagram<'_>) -> bool {
    let source = datagram.source.ip().to_canonical();
    let addressed = |only| match datagram.cast {
        Some(Cast::Unicast) => only == Only::Unicast,
        Some(Cast::Broadcast | Cast::Limited) => only == Only::Broadcast,
        Some(Cast::Multicast) => only == Only::Multicast,
        None => false,
    };
    let by = |interfaces: &[LinkName]| datagram.link.as_ref().is_some_and(|link| interfaces.contains(&link.name));
    (filter.from.is_empty() || filter.from.iter().any(|block| block.contains(source)))
        && filter.only.is_none_or(addressed)
        && (filter.interfaces.is_empty() || by(&filter.interfaces))
        && !(filter.no_self && datagram.is_self())
}

/// What a length server says in front of the number, and behind it.
const LENGTH_REPLY: (&str, &str) = ("your data was ", " bytes long");

/// The answer's bytes: the datagram's own where nothing is changed, else made in `scratch`.
fn compose<'a>(answer: &Answer, datagram: &Datagram<'a>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if answer.base == Base::Same && !answer.upper && answer.prefix.is_empty() {
        return datagram.payload;
    }
    scratch.clear();
    scratch.extend_from_slice(&answer.prefix);
    let changed = scratch.len();
    match answer.base {
        Base::Same => scratch.extend_from_slice(datagram.payload),
        Base::Length => {
            scratch.extend_from_slice(LENGTH_REPLY.0.as_bytes());
            push_decimal(scratch, datagram.wire_len);
            scratch.extend_from_slice(LENGTH_REPLY.1.as_bytes());
        }
    }
    if answer.upper {
        scratch[changed..].make_ascii_uppercase();
    }
    scratch
}

/// Appends `number` in decimal digits, without an allocation for each datagram.
fn push_decimal(bytes: &mut Vec<u8>, number: usize) {
    let start = bytes.len();
    let mut rest = number;
    loop {
        bytes.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    bytes[start..].reverse();
}

/// Whether these bytes end like a length server's answer: two of them must not talk to each other, whatever each puts in
/// front. Read from the end, so that it takes no time for a long datagram.
fn is_length_reply(payload: &[u8]) -> bool {
    let (front, behind) = LENGTH_REPLY;
    let Some(rest) = strip_suffix(payload, behind) else { return false };
    let digits = rest.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    (1..=5).contains(&digits) && strip_suffix(&rest[..rest.len() - digits], front).is_some()
}

/// What stands before `suffix`, in upper case or lower.
fn strip_suffix<'a>(bytes: &'a [u8], suffix: &str) -> Option<&'a [u8]> {
    let (rest, end) = bytes.split_at_checked(bytes.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix.as_bytes()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::guard::{DEFAULT_RATE, Rules};
    use crate::engine::testing::{Said, at, reply_from};
    use crate::model::error::FaultKind;
    use crate::model::event::{Role, Unreachable};
    use crate::model::{Fault, Link, Origin};
    use proptest::prelude::*;

    fn rules(rate: u32) -> Rules {
        Rules::of_server(false, false, Some(rate))
    }

    fn plan(answer: Option<Answer>) -> Plan {
        Plan {
            listening: Listening {
                role: Role::Listen,
                local: "0.0.0.0:1060".parse().unwrap(),
                groups: Vec::new(),
                receive_buffer: (1, None),
            },
            notices: Vec::new(),
            answer: answer.map(|answer| (answer, Guard::new(rules(DEFAULT_RATE), 1060))),
            filter: Filter::default(),
            ends: Ends::default(),
            fail_on_loss: false,
            offload: false,
        }
    }

    fn answer(base: Base) -> Answer {
        Answer { base, upper: false, prefix: Vec::new() }
    }

    /// The sentence about the longest datagram.
    const LONGEST_REPLY: usize = "your data was 65507 bytes long".len();

    /// What a server with this answer says to one datagram.
    fn said_to(answer: Answer, payload: &[u8]) -> Said {
        let mut server = Server::new(plan(Some(answer)));
        let mut said = Said::default();
        server.received(at(0), &reply_from("10.0.0.2:5000", payload), &mut said);
        said
    }

    fn reply_to(answer: Answer, payload: &[u8]) -> Vec<u8> {
        said_to(answer, payload).sends.remove(0).2
    }

    #[test]
    fn length_says_the_number_of_bytes() {
        for (len, text) in [(0, "0"), (1, "1"), (10, "10"), (65_507, "65507")] {
            let expected = format!("your data was {text} bytes long");
            assert_eq!(reply_to(answer(Base::Length), &vec![0xff; len]), expected.as_bytes());
        }
    }

    #[test]
    fn no_sentence_is_longer_than_thirty_bytes_or_its_question() {
        for len in 0..=65_507 {
            let mut scratch = Vec::new();
            let datagram = Datagram { wire_len: len, ..reply_from("10.0.0.2:5000", b"") };
            assert!(compose(&answer(Base::Length), &datagram, &mut scratch).len() <= len.max(LONGEST_REPLY), "{len}");
        }
        let loud = Answer { upper: true, ..answer(Base::Same) };
        assert_eq!(reply_to(loud, "straße".as_bytes()).len(), "straße".len());
    }

    #[test]
    fn off_this_host_a_long_prefix_is_no_answer_to_a_short_question() {
        let long = || Answer { prefix: vec![b'x'; 57], ..answer(Base::Same) };
        assert_eq!(said_to(long(), b"").ignored, [Ignored::ReplyTooLong]);
        assert_eq!(said_to(long(), b"x").sends.len(), 1);
    }

    #[test]
    fn what_comes_behind_the_last_that_was_wanted_is_counted_apart() {
        let mut server = Server::new(Plan { ends: Ends { count: Some(2), ..Ends::default() }, ..plan(None) });
        for _ in 0..5 {
            server.received(at(0), &reply_from("10.0.0.2:5000", b"x"), &mut Said::default());
        }
        assert_eq!((server.stats().received, server.stats().unread), (2, 3));
    }

    #[test]
    fn upper_and_prefix() {
        let loud = Answer { upper: true, prefix: b"you said: ".to_vec(), ..answer(Base::Same) };
        assert_eq!(reply_to(loud, "straße \u{4f60}".as_bytes()), "you said: STRAßE \u{4f60}".as_bytes());
        assert_eq!(reply_to(answer(Base::Same), b""), b"");
    }

    #[test]
    fn a_reply_that_fits_into_no_datagram_is_not_sent_and_is_counted() {
        let said = said_to(Answer { prefix: b"x".to_vec(), ..answer(Base::Same) }, &[0; 65_507]);
        assert!(said.sends.is_empty());
        assert_eq!(said.ignored, [Ignored::ReplyTooLong]);
    }

    #[test]
    fn two_length_servers_do_not_talk() {
        assert_eq!(said_to(answer(Base::Length), b"your data was 12 bytes long").ignored, [Ignored::OwnReply]);
        assert_eq!(said_to(answer(Base::Length), b"LEN: YOUR DATA WAS 12 BYTES LONG").ignored, [Ignored::OwnReply]);
        let twice = b"your data was your data was 12 bytes long";
        assert_eq!(said_to(answer(Base::Length), twice).ignored, [Ignored::OwnReply]);
        for other in ["your data was long", "your data was 123456 bytes long", "12 bytes long", " bytes long"] {
            assert!(said_to(answer(Base::Length), other.as_bytes()).ignored.is_empty(), "{other}");
        }
    }

    #[test]
    fn a_listener_answers_nothing() {
        let mut server = Server::new(plan(None));
        let mut said = Said::default();
        server.received(at(0), &reply_from("10.0.0.2:0", b""), &mut said);
        assert!(said.sends.is_empty() && said.ignored.is_empty());
        assert_eq!(server.stats().received, 1);
    }

    #[test]
    fn refusals_are_told_once_a_minute_and_all_counted() {
        let mut server = Server::new(plan(None));
        let mut said = Said::default();
        let refusal = Refusal { destination: "10.0.0.2:5000".parse().unwrap(), by: None, what: Unreachable::Port };
        for ms in [0, 1, 2, 59_999, 60_000, 60_001] {
            server.refused(at(ms), &refusal, &mut said);
        }
        assert_eq!((said.refused, server.stats().refused), (2, 6));
    }

    #[test]
    fn what_the_kernel_drops_is_told_at_once_and_then_once_a_minute() {
        let mut server = Server::new(plan(None));
        let mut said = Said::default();
        for (ms, total) in [(0, 0), (1000, 5), (2000, 9), (60_999, 9), (61_000, 12), (121_000, 12), (181_000, 13)] {
            server.dropped(at(ms), total, &mut said);
        }
        let told = said.notices.iter().map(|notice| match notice {
            Notice::KernelDrops { new, total, at_least: false } => (*new, *total),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), [(5, 5), (7, 12), (1, 13)]);
    }

    #[test]
    fn of_trains_that_the_kernel_drops_only_the_least_is_known() {
        let at_least = |offload, drops| {
            let (mut server, mut said) = (Server::new(Plan { offload, ..plan(None) }), Said::default());
            server.dropped(at(0), drops, &mut said);
            server.finish(at(1), &Ending { kernel_drops: Some(drops), ..Ending::default() }, &mut said);
            let told = said.notices.iter().any(|notice| matches!(notice, Notice::KernelDrops { at_least: true, .. }));
            assert_eq!(told, server.stats().drops_at_least);
            told
        };
        assert_eq!((at_least(true, 1), at_least(true, 0), at_least(false, 1)), (true, false, false));
    }

    #[test]
    fn a_loss_is_a_failure_only_where_that_was_asked_for() {
        let verdict = |fail_on_loss, kernel_drops, output_drops| {
            let mut server = Server::new(Plan { fail_on_loss, ..plan(None) });
            let ending = Ending { kernel_drops, output_drops, ..Ending::default() };
            server.finish(at(1), &ending, &mut Said::default());
            server.stats().verdict
        };
        for (kernel_drops, output_drops) in [(Some(1), Some(0)), (Some(0), Some(1)), (None, Some(1))] {
            assert_eq!(verdict(true, kernel_drops, output_drops), Verdict::TooFew);
            assert_eq!(verdict(false, kernel_drops, output_drops), Verdict::Done);
        }
        assert_eq!(verdict(true, Some(0), Some(0)), Verdict::Done);
    }

    #[test]
    fn what_is_not_let_in_is_counted() {
        let datagram = reply_from("10.0.0.2:5000", b"x");
        let eth0 = Datagram { link: Some(Link { index: 2, name: "eth0".into() }), ..datagram.clone() };
        let own = Datagram { origin: Origin::Own, ..datagram.clone() };
        let filter = Filter::default;
        let cases = [
            (Filter { from: vec!["10.1.0.0/16".parse().unwrap()], ..filter() }, &datagram, false),
            (Filter { from: vec!["10.0.0.0/16".parse().unwrap()], ..filter() }, &datagram, true),
            (Filter { only: Some(Only::Broadcast), ..filter() }, &datagram, false),
            (Filter { only: Some(Only::Unicast), ..filter() }, &datagram, true),
            (Filter { interfaces: vec!["eth1".into()], ..filter() }, &eth0, false),
            (Filter { interfaces: vec!["eth0".into()], ..filter() }, &eth0, true),
            (Filter { no_self: true, ..filter() }, &own, false),
            (Filter { no_self: true, ..filter() }, &datagram, true),
        ];
        for (filter, datagram, wanted) in cases {
            let mut server = Server::new(Plan { filter, ..plan(None) });
            server.received(at(0), datagram, &mut Said::default());
            assert_eq!((server.stats().received, server.stats().filtered), (wanted.into(), (!wanted).into()));
        }
    }

    #[test]
    fn count_deadline_and_quiet_end_the_run_with_their_codes() {
        let run = |ends, heard: &[u64], until: u64| {
            let mut server = Server::new(Plan { ends, ..plan(None) });
            let mut said = Said::default();
            server.start(at(0), &mut said);
            for time in heard {
                server.received(at(*time), &reply_from("10.0.0.2:5000", b"x"), &mut said);
            }
            server.due(at(until), &mut said);
            let next = server.next();
            server.finish(at(until), &Ending::default(), &mut said);
            (next, server.stats().verdict)
        };
        let ms = |n| Some(Duration::from_millis(n));
        let none = Ends::default;
        assert_eq!(run(Ends { count: Some(2), ..none() }, &[1, 2], 3), (Next::Done, Verdict::Done));
        assert_eq!(run(Ends { count: Some(3), ..none() }, &[1, 2], 3), (Next::Event, Verdict::TooFew));
        assert_eq!(run(Ends { deadline: ms(50), ..none() }, &[], 50), (Next::Done, Verdict::TooFew));
        assert_eq!(run(Ends { deadline: ms(50), ..none() }, &[1], 50), (Next::Done, Verdict::Done));
        assert_eq!(
            run(Ends { idle: ms(50), ..none() }, &[30], 50),
            (Next::At(Duration::from_millis(80)), Verdict::Done)
        );
        assert_eq!(run(none(), &[], 50), (Next::Event, Verdict::Done));
    }

    #[test]
    fn what_waits_in_the_queue_for_longer_than_the_quiet_is_no_quiet() {
        let idle = Some(Duration::from_millis(50));
        let mut server = Server::new(Plan { ends: Ends { idle, ..Ends::default() }, ..plan(None) });
        let mut said = Said::default();
        server.start(at(0), &mut said);
        // It came at 10, and is read at 100; there are more behind it.
        server.received(at(10), &reply_from("10.0.0.2:5000", b"x"), &mut said);
        server.behind(at(100));
        server.due(at(100), &mut said);
        assert_eq!(server.next(), Next::At(Duration::from_millis(150)));
        server.due(at(150), &mut said);
        assert_eq!(server.next(), Next::Done);
    }

    proptest! {
        #[test]
        fn an_echo_is_byte_for_byte(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(reply_to(answer(Base::Same), &payload), payload);
        }

        #[test]
        fn every_length_is_said_and_recognised(len in 0usize..=65_507) {
            let reply = reply_to(answer(Base::Length), &vec![0; len]);
            let expected = format!("your data was {len} bytes long");
            prop_assert_eq!(&reply, expected.as_bytes());
            prop_assert!(is_length_reply(&reply));
            prop_assert!(reply.len() <= len.max(LONGEST_REPLY));
        }

        /// What came is what was answered, or could not be, or was not to be, by reason, or came behind the end.
        #[test]
        fn every_datagram_is_in_one_counter(
            base in prop_oneof![Just(Base::Same), Just(Base::Length)], upper: bool, count in proptest::option::of(1u64..80),
            steps in proptest::collection::vec((0u64..5, 0u8..5, 0usize..9, 0u8..9), 1..100),
        ) {
            let answer = Answer { base, upper, prefix: b">".to_vec() };
            let guard = Guard::new(rules(5), 1060);
            let plan = Plan { answer: Some((answer, guard)), ends: Ends { count, ..Ends::default() }, ..plan(None) };
            let (mut server, mut said) = (Server::new(plan), Said::default());
            let (mut now, came) = (0, steps.len() as u64);
            for (ms, host, kind, fails) in steps {
                now += ms;
                let payload = [&b""[..], b"x", b"hi", b"your data was 9 bytes long", &[0; 65_507]][kind % 5];
                let port = [0, 7, 1060, 5000, 5001, 5002, 5003, 5004, 5005][kind];
                let source = format!("10.0.0.{host}:{port}");
                server.received(at(now), &reply_from(&source, payload), &mut said);
                for (ticket, destination, bytes) in said.sends.drain(..) {
                    let fault = Fault { kind: FaultKind::QueueFull, code: None };
                    let result = if fails == 0 { Err(fault) } else { Ok(None) };
                    let outcome = Outcome { ticket, count: 1, len: bytes.len(), destination, link: None, result };
                    server.sent(at(now), &outcome, &mut Said::default());
                }
            }
            let stats = server.stats();
            let ignored: u64 = stats.ignored.values().sum();
            prop_assert_eq!(stats.received, stats.sent + stats.failed + ignored);
            prop_assert_eq!(came, stats.received + stats.unread);
        }
    }
}
