//! What several networks bring is one run.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use super::*;
use crate::engine::guard::{Guard, Rules};
use crate::engine::serve::{Answer, Base, Ends, Filter, Plan, Server};
use crate::engine::testing::reply_from;
use crate::model::error::FaultKind;
use crate::model::event::{Ignored, Listening, Role};
use crate::model::{Error, Fault};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one network brings, and what it says besides.
struct Script {
    number: u16,
    /// So many datagrams, from a port of its own.
    left: u32,
    alarm: Receiver<()>,
    drops: Option<u64>,
    /// Whether it can be waited for.
    breaks: bool,
}

impl Network for Script {
    fn send(&mut self, outbox: &mut Outbox, outcomes: &mut Vec<Outcome>) {
        for (destination, payload, ticket) in outbox.drain() {
            outcomes.push(Outcome { ticket, count: 1, len: payload.len(), destination, link: None, result: Ok(None) });
        }
    }

    fn receive(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.clear();
        while self.left > 0 && !batch.is_full() {
            let source = format!("10.0.0.2:{}", 2000 + self.number);
            assert!(batch.put(&reply_from(&source, &self.left.to_be_bytes())));
            self.left -= 1;
        }
        Ok(())
    }

    fn wait(&mut self, _: Option<Duration>) -> Result<(), Error> {
        if self.breaks {
            let fault = Fault { kind: FaultKind::OutOfResources, code: None };
            return Err(Error::System { action: Action::Wait, on: "it".to_owned(), fault });
        }
        self.alarm.recv_timeout(PATIENCE).expect("nobody ends the run");
        Ok(())
    }

    fn is_woken(&mut self) -> bool {
        false
    }

    fn refresh(&mut self) {}

    fn drops(&mut self) -> Option<u64> {
        self.drops
    }
}

/// Time does not pass.
#[derive(Clone)]
struct Still;

impl Clock for Still {
    fn now(&mut self) -> Now {
        Now { run: Duration::ZERO, wall: SystemTime::UNIX_EPOCH }
    }
}

/// Writes down what it is told, and fails from the given event on.
struct Diary {
    lines: Vec<String>,
    fails_after: usize,
}

impl Sink for Diary {
    fn event(&mut self, _: Now, event: &Event<'_>) -> io::Result<()> {
        self.lines.push(match event {
            Event::Received(received) => format!("received {}", received.seq),
            Event::Listening(_) => "listening".to_owned(),
            Event::Broken(_) => "broken".to_owned(),
            Event::Summary(stats) => format!("summary {:?} {:?}", stats.verdict, stats.kernel_drops),
            Event::Notice(_) => "dropped".to_owned(),
            _ => "other".to_owned(),
        });
        if self.lines.len() > self.fails_after { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server that ends with so many datagrams, and answers if there is a limit to it.
fn server(count: u64, rate: Option<u32>) -> Server {
    let answer = Answer { base: Base::Same, upper: false, prefix: Vec::new() };
    let local = "0.0.0.0:1060".parse().unwrap();
    Server::new(Plan {
        listening: Listening { role: Role::Echo, local, groups: Vec::new(), receive_buffer: (1, None) },
        notices: Vec::new(),
        answer: rate.map(|rate| (answer, Guard::new(Rules::of_server(false, false, Some(rate)), 1060))),
        filter: Filter::default(),
        ends: Ends { count: Some(count), ..Ends::default() },
        fail_on_loss: false,
        offload: false,
    })
}

/// Networks that bring so many each, and what wakes them.
fn networks(brought: &[u32]) -> (Vec<(Script, Batch)>, Vec<Sender<()>>) {
    let network = |(number, left): (usize, &u32)| {
        let (wake, alarm) = channel();
        let script = Script { number: number as u16, left: *left, alarm, drops: Some(1), breaks: false };
        ((script, Batch::new(64)), wake)
    };
    brought.iter().enumerate().map(network).unzip()
}

/// Runs a server over networks to its end.
fn play(
    server: &mut Server,
    (networks, alarms): (Vec<(Script, Batch)>, Vec<Sender<()>>),
    fails_after: usize,
    stop: &Stop,
) -> (Vec<String>, Result<(), Broken>) {
    let mut diary = Diary { lines: Vec::new(), fails_after };
    let wake = || {
        for alarm in &alarms {
            // One that has ended needs none.
            let _unheeded = alarm.send(());
        }
    };
    let ended = run_together(server, networks, &mut diary, Still, stop, &wake);
    (diary.lines, ended)
}

#[test]
fn every_datagram_is_counted_once_and_the_end_is_that_of_all() {
    for (count, brought) in [(4000, &[1000; 4][..]), (1500, &[1000; 4]), (1, &[5, 0, 5]), (7, &[7])] {
        let mut server = server(count, None);
        let (mut lines, ended) = play(&mut server, networks(brought), usize::MAX, &Stop::default());
        assert!(ended.is_ok());
        // That the kernel drops is told when it is first seen.
        lines.retain(|line| line != "dropped");
        let told: Vec<String> = (0..count).map(|seq| format!("received {seq}")).collect();
        let summary = format!("summary Done Some({})", brought.len());
        assert_eq!(lines.len() as u64, count + 2);
        assert_eq!((&*lines[0], &lines[1..=told.len()], lines.last()), ("listening", &told[..], Some(&summary)));
        let stats = server.stats();
        assert_eq!((stats.received, stats.received + stats.unread), (count, brought.iter().sum::<u32>().into()));
    }
}

#[test]
fn a_source_is_given_as_much_by_several_as_by_one() {
    for brought in [&[2000][..], &[1000; 2], &[500; 4], &[1997, 1, 1, 1]] {
        let mut server = server(2000, Some(1000));
        let (_, ended) = play(&mut server, networks(brought), usize::MAX, &Stop::default());
        assert!(ended.is_ok());
        let stats = server.stats();
        assert_eq!((stats.received, stats.sent, stats.failed), (2000, 1000, 0), "{brought:?}");
        assert_eq!(stats.ignored, [(Ignored::SourceLimit, 1000)].into(), "{brought:?}");
    }
}

#[test]
fn one_that_breaks_ends_all_and_is_told_once() {
    let (mut scripts, alarms) = networks(&[3, 0, 3]);
    scripts[1].0.breaks = true;
    let mut server = server(100, None);
    let (lines, ended) = play(&mut server, (scripts, alarms), usize::MAX, &Stop::default());
    assert!(matches!(ended, Err(Broken::Network(_))));
    assert_eq!(lines.iter().filter(|line| *line == "broken").count(), 1);
    assert_eq!(lines.last().unwrap(), "summary SystemRefused Some(3)");
    assert_eq!(lines.iter().filter(|line| line.starts_with("summary")).count(), 1);
    assert_eq!(server.stats().received + server.stats().unread, 6);
}

#[test]
fn an_output_that_breaks_ends_all() {
    let (lines, ended) = play(&mut server(100, None), networks(&[3, 0, 3]), 2, &Stop::default());
    assert!(matches!(ended, Err(Broken::Sink(_))));
    assert!(lines.last().unwrap().starts_with("summary"), "{lines:?}");
}

#[test]
fn who_asks_for_the_end_asks_all_and_drops_nobody_counts_are_unknown() {
    let stop = Stop::default();
    stop.request();
    let (mut scripts, alarms) = networks(&[1, 1]);
    scripts[1].0.drops = None;
    let mut server = server(100, None);
    let (lines, ended) = play(&mut server, (scripts, alarms), usize::MAX, &stop);
    assert!(ended.is_ok());
    assert_eq!(lines.last().unwrap(), "summary TooFew None");
    assert_eq!(server.stats().received + server.stats().unread, 2);
}
