//! What a run adds up to.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::Datagram;
use crate::model::error::FaultKind;
use crate::model::event::{Ignored, Unsent};
use crate::model::lesson::Tally;
use crate::model::target::canonical;

/// What became of a run. Its number is the exit code, a promise to scripts.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// 0: done; where answers were asked for, enough came.
    #[default]
    Done,
    /// 1: too few answers, or nothing received, before the deadline; something lost where that was not to be; a lesson that is
    /// not as it says.
    TooFew,
    /// 2: what was typed makes no sense.
    Usage,
    /// 3: refused before anything was sent: too long, no interface can broadcast, a bad record.
    RefusedToSend,
    /// 4: the system refused.
    SystemRefused,
    /// 5: the peer refused (ICMP unreachable).
    PeerRefused,
    /// 6: some interfaces or datagrams went, some did not.
    Partly,
}

impl Verdict {
    /// All of them, by their codes.
    const ALL: [Self; 7] = [
        Self::Done,
        Self::TooFew,
        Self::Usage,
        Self::RefusedToSend,
        Self::SystemRefused,
        Self::PeerRefused,
        Self::Partly,
    ];

    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The verdict with this exit code.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.code() == code)
    }
}

/// Distinct socket addresses, counted exactly up to [`Peers::MOST`], so that strangers cannot make it grow.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    all: HashSet<SocketAddr>,
    /// The last one that was seen: it is sooner known again than looked for.
    last: Option<SocketAddr>,
}

impl Peers {
    /// The most that are told apart. A hash set of 65,536 addresses of 32 bytes takes about 4 MiB.
    pub const MOST: usize = 65_536;

    /// Counts one more, if it is new.
    pub fn see(&mut self, peer: SocketAddr) {
        if self.last != Some(peer) && self.all.len() < Self::MOST {
            self.all.insert(peer);
            self.last = Some(peer);
        }
    }

    /// How many were seen, at least.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether none was seen.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether there may have been more than are counted.
    pub fn is_full(&self) -> bool {
        self.all.len() >= Self::MOST
    }
}

/// How a run ended, apart from what its engine knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending {
    /// Datagrams that the kernel dropped at our sockets, where it tells.
    pub kernel_drops: Option<u64>,
    /// Received datagrams of which nothing was written, because the reader of the output was too slow; `None` where the
    /// run waits for its reader.
    pub output_drops: Option<u64>,
    /// Datagrams that were still in the queue when the engine had ended.
    pub unread: u64,
    /// What broke the run deserves, if something did.
    pub broken: Option<Verdict>,
}

impl Ending {
    /// The end of a run over several networks, each of which ended so. What is told of the run alone, as `output_drops`, is
    /// not added up, and unknown here.
    pub fn of_all(endings: &[Self]) -> Self {
        Self {
            kernel_drops: endings.iter().map(|ending| ending.kernel_drops).sum(),
            output_drops: None,
            unread: endings.iter().map(|ending| ending.unread).sum(),
            broken: endings.iter().find_map(|ending| ending.broken),
        }
    }
}

/// What became of the answers of a server: `received = sent + failed` and all that is ignored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Answered {
    /// Those that the system took.
    pub sent: u64,
    /// Those that it did not take.
    pub failed: u64,
}

/// The counters of a run. What a command does not count, or the system does not tell, is `None`, never 0.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Datagrams that the system took.
    pub sent: u64,
    /// Their payload bytes.
    pub sent_bytes: u64,
    /// Of those, and of [`Stats::failed`], the answers of a server that does more than answer: it tells the answers from what
    /// it says by itself. `None` elsewhere.
    pub answered: Option<Answered>,
    /// Datagrams that were to leave: `attempted = sent + failed + unsent`. `None` where nothing is sent by a schedule.
    pub attempted: Option<u64>,
    /// Datagrams that the system did not take.
    pub failed: u64,
    /// The same by kind.
    pub failed_by: BTreeMap<FaultKind, u64>,
    /// Datagrams that were not sent, which is no failure, by reason.
    pub unsent: BTreeMap<Unsent, u64>,
    /// Interfaces left out, each with its reason told.
    pub skipped: u64,
    /// Datagrams received, answers included.
    pub received: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Who sent them.
    pub peers: Peers,
    /// Received datagrams that the buffer was too small for.
    pub truncated: u64,
    /// Received datagrams that a filter of the user's left out; they are not in `received`.
    pub filtered: u64,
    /// Datagrams that were in the queue when the run ended, and were not looked at any more, by no filter either; they are not
    /// in `received`.
    pub unread: u64,
    /// Received datagrams that got no answer, by reason; they are in `received`.
    pub ignored: BTreeMap<Ignored, u64>,
    /// Datagrams that the kernel dropped at our socket.
    pub kernel_drops: Option<u64>,
    /// Whether those are the least there were: a train of datagrams counts as one.
    pub drops_at_least: bool,
    /// Received datagrams of which nothing was written, because the reader of the output was too slow; they are in
    /// `received`.
    pub output_drops: Option<u64>,
    /// Answers seen before.
    pub duplicates: Option<u64>,
    /// Answers after their own deadline.
    pub late: Option<u64>,
    /// Probes that were never answered, summed over the responders.
    pub lost: Option<u64>,
    /// Probes that could still have been answered in time when the run ended, likewise: neither answered nor lost.
    pub in_flight: Option<u64>,
    /// Answers behind that of a later probe, likewise.
    pub reordered: Option<u64>,
    /// Answers that count: neither this host's own nor seen before. `None` where none was asked for.
    pub replies: Option<u64>,
    /// Addresses that gave them.
    pub responders: Option<u64>,
    /// Changes of services that have no line of their own, because one of the same service waited already: that says what
    /// became of both. `None` where no services are looked for.
    pub merged: Option<u64>,
    /// ICMP messages that say a datagram was not delivered.
    pub refused: u64,
    /// How long the run took.
    pub elapsed: Duration,
    /// What it deserves.
    pub verdict: Verdict,
    /// Lessons of the course, by how they went.
    pub lessons: Option<Tally>,
    /// The exit code of the program that ran beneath, which then is that of the run.
    pub command: Option<u8>,
}

impl Stats {
    /// The exit code.
    pub fn exit(&self) -> u8 {
        self.command.unwrap_or(self.verdict.code())
    }

    /// Counts a datagram that came.
    pub fn saw(&mut self, datagram: &Datagram<'_>) {
        self.received += 1;
        self.bytes += datagram.wire_len as u64;
        self.peers.see(canonical(datagram.source));
        self.truncated += u64::from(datagram.is_truncated());
    }

    /// Counts a datagram of so many bytes that left.
    pub const fn leaves(&mut self, len: usize) {
        self.sent += 1;
        self.sent_bytes += len as u64;
    }

    /// Counts a datagram that the system did not take.
    pub fn fails(&mut self, kind: FaultKind) {
        self.failed += 1;
        *self.failed_by.entry(kind).or_default() += 1;
    }

    /// Counts a datagram that is not tried.
    pub fn stays(&mut self, why: Unsent) {
        *self.unsent.entry(why).or_default() += 1;
    }

    /// Counts so many datagrams that were to leave and for which the deadline left no time.
    pub fn runs_out(&mut self, owed: u64) {
        if owed > 0 {
            self.attempted = self.attempted.map(|n| n.saturating_add(owed));
            *self.unsent.entry(Unsent::Deadline).or_default() += owed;
        }
    }

    /// Datagrams that were not tried.
    pub fn not_tried(&self) -> u64 {
        self.unsent.values().sum()
    }

    /// Closes the account of a run that took so long, ended so and deserves `verdict` if nothing broke it.
    pub fn close(&mut self, elapsed: Duration, ending: &Ending, verdict: Verdict) {
        self.elapsed = elapsed;
        self.kernel_drops = ending.kernel_drops;
        self.output_drops = ending.output_drops;
        self.unread += ending.unread;
        self.verdict = ending.broken.unwrap_or(verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_as_promised() {
        let all = [
            Verdict::Done,
            Verdict::TooFew,
            Verdict::Usage,
            Verdict::RefusedToSend,
            Verdict::SystemRefused,
            Verdict::PeerRefused,
            Verdict::Partly,
        ];
        assert_eq!(all.map(Verdict::code), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_end_of_a_run_is_the_sum_of_those_of_its_networks() {
        let ending = |kernel_drops, unread, broken| Ending { kernel_drops, unread, broken, output_drops: Some(9) };
        let told = |endings: &[Ending]| {
            let Ending { kernel_drops, output_drops, unread, broken } = Ending::of_all(endings);
            assert_eq!(output_drops, None);
            (kernel_drops, unread, broken)
        };
        let (done, refused) = (ending(Some(3), 4, None), ending(Some(0), 0, Some(Verdict::SystemRefused)));
        assert_eq!(told(&[done, refused, done]), (Some(6), 8, Some(Verdict::SystemRefused)));
        // What one does not tell, nobody knows.
        assert_eq!(told(&[done, ending(None, 1, None)]), (None, 5, None));
        assert_eq!(told(&[]), (Some(0), 0, None));
    }

    #[test]
    fn a_million_strangers_do_not_make_the_count_grow() {
        let mut peers = Peers::default();
        for n in 0..100_000u32 {
            peers.see(SocketAddr::from((n.to_be_bytes(), 9)));
        }
        assert_eq!(peers.len(), Peers::MOST);
        assert!(peers.is_full());
    }
}
