//! A series of datagrams to one destination or to many, whatever is in them: where each goes, what becomes of it, what holds
//! the next ones back, and what a run deserves of which not all left. `attempted = sent + failed + unsent`.
//!
//! Who sends records ([`send`](crate::engine::send)) has one, and who probes ([`ping`](crate::engine::ping)). When the next
//! datagram is due and what counts as an answer is their own.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::brake::Brake;
use crate::engine::broadcast;
use crate::engine::mishaps::Mishaps;
use crate::engine::places::{self, Follows, Places};
use crate::engine::{Next, Out};
use crate::model::event::{Fragments, Notice, Outcome, Refusal, Skipped};
use crate::model::interface::Table;
use crate::model::target::canonical;
use crate::model::{Cast, Destination, Event, Family, Link, Now, Payload, Stats, Verdict};

/// So many leave back to back at most, when more are due; then the network is looked at. RFC 8085 3.1.6 wants bursts bounded.
pub(super) const BURST: usize = 64;

/// A series, and its account.
pub(super) struct Series {
    pub(super) places: Places,
    pub(super) stats: Stats,
    /// The end of the run, whatever is left to do.
    deadline: Option<Duration>,
    /// The first that does not leave ends the run.
    fail_fast: bool,
    /// It has.
    pub(super) cut: bool,
    /// To be told at the start.
    notices: Vec<Notice>,
    /// The same.
    skipped: Vec<Skipped>,
    /// Links whose fragments were told.
    told_fragments: HashSet<u32>,
    /// The port that answers come to, as far as the system told.
    source_port: Option<u16>,
    mishaps: Mishaps,
    pub(super) brake: Brake,
}

impl Series {
    /// A series to these destinations, of which `stats` counts what is more than sent.
    pub(super) fn new(to: broadcast::Plan, deadline: Option<Duration>, fail_fast: bool, stats: Stats) -> Self {
        let broadcast::Plan { destinations, skipped, notices } = to;
        Self {
            places: Places::new(destinations),
            stats: Stats { attempted: Some(0), ..stats },
            deadline,
            fail_fast,
            cut: false,
            notices,
            skipped,
            told_fragments: HashSet::new(),
            source_port: None,
            mishaps: Mishaps::default(),
            brake: Brake::default(),
        }
    }

    /// Its destinations follow the interfaces so.
    pub(super) fn follow(&mut self, follows: Follows, table: &Table) {
        self.notices.extend(self.places.follow(follows, table));
    }

    /// Tells what is to be known before anything is sent.
    pub(super) fn start(&mut self, out: &mut dyn Out) {
        for notice in std::mem::take(&mut self.notices) {
            out.tell(&Event::Notice(notice));
        }
        for skipped in std::mem::take(&mut self.skipped) {
            self.stats.skipped += 1;
            out.tell(&Event::Skipped(skipped));
        }
    }

    // ---- sending -----------------------------------------------------------------------------------------------

    /// So many at once. Where it depends on the one before whether another leaves, it is one.
    pub(super) const fn burst(&self) -> usize {
        if self.fail_fast { 1 } else { BURST }
    }

    /// Sends a datagram to every place that can be reached, all with this number or each with its own; returns to how many.
    pub(super) fn send_to_all<'p>(
        &mut self,
        now: Now,
        number: Option<u64>,
        payload: impl Fn(Family) -> Option<Payload<'p>>,
        out: &mut dyn Out,
    ) -> usize {
        let mut leaves = 0;
        if self.places.any_reached() {
            self.brake.leaves(now);
        }
        for (place, destination, lost) in self.places.turns() {
            let attempted = self.stats.attempted.get_or_insert(0);
            let number = number.unwrap_or(*attempted);
            *attempted += 1;
            if let Some(why) = lost {
                self.stats.stays(why);
                self.brake.stayed(now);
                self.cut |= self.fail_fast;
                continue;
            }
            let Some(payload) = payload(Family::of(destination.address.ip())) else { continue };
            leaves += 1;
            out.send(destination.transmit(payload, places::ticket(number, place)));
        }
        leaves
    }

    /// Says, once for each link, that so many bytes travel in pieces.
    pub(super) fn tell_fragments(&mut self, len: usize, out: &mut dyn Out) {
        for destination in self.places.all() {
            let Some(fragments) = fragments(destination, self.places.link(destination), len) else { continue };
            if self.told_fragments.insert(fragments.link.index) {
                out.tell(&Event::Notice(Notice::Fragments(fragments)));
            }
        }
    }

    /// Sends so many alike to the only place there is. Several places, one that cannot be reached, and one that fails have each
    /// datagram of theirs sent by itself: this sends nothing then, and returns 0.
    pub(super) fn send_run(&mut self, payload: Payload<'_>, count: usize, out: &mut dyn Out) -> usize {
        let Some((place, destination)) = self.places.only().filter(|_| !self.brake.is_on()) else { return 0 };
        let attempted = self.stats.attempted.get_or_insert(0);
        out.send_run(&destination.transmit(payload, places::ticket(*attempted, place)), count);
        *attempted += count as u64;
        count
    }

    /// What became of a datagram, or of several that fared alike; returns the number of the first.
    pub(super) fn sent(&mut self, now: Now, outcome: &Outcome, out: &mut dyn Out) -> Option<u64> {
        let (seq, place) = places::of_ticket(outcome.ticket);
        let cast = self.places.get(place)?.cast;
        match outcome.result {
            Ok(source) => {
                self.brake.sent();
                self.places.left(place, outcome.count, now.run);
                self.source_port = source.map(|source| source.port()).or(self.source_port);
                let takes_sent = out.takes_sent();
                for seq in seq..seq + outcome.count {
                    self.stats.leaves(outcome.len);
                    if takes_sent {
                        out.tell(&outcome.sent(seq, source, cast));
                    }
                }
            }
            Err(fault) => {
                self.mishaps.failed(now, outcome, fault, &mut self.stats, out);
                self.brake.failed(now, out);
                self.cut |= self.fail_fast;
            }
        }
        Some(seq)
    }

    /// The network says that a datagram was not delivered.
    pub(super) fn refused(&mut self, refusal: &Refusal, out: &mut dyn Out) {
        // Nobody refuses a broadcast (RFC 1122 3.2.2), and what was never asked cannot refuse: somebody made that up.
        let asked = |to: &Destination| to.cast == Cast::Unicast && same_address(to.address, refusal.destination);
        if self.places.all().any(asked) && self.stats.refused < self.stats.sent {
            self.stats.refused += 1;
            out.tell(&Event::Refused(refusal.clone(), 0));
        }
    }

    /// The interfaces are others than before.
    pub(super) fn rewired(&mut self, table: &Table, out: &mut dyn Out) {
        for change in self.places.rewired(table) {
            out.tell(&Event::Notice(change));
        }
        self.brake.rewired();
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Whether the run ends now, whatever is left to do.
    pub(super) fn is_out_of_time(&self, now: Now) -> bool {
        self.deadline.is_some_and(|deadline| now.run >= deadline)
    }

    /// The deadline has come: counts what was to leave in so many rounds and has not.
    pub(super) fn runs_out(&mut self, rounds: u64) {
        self.stats.runs_out(rounds.saturating_mul(self.places.turns().count() as u64));
    }

    /// What to wait for, where that is `own` if there is time for it.
    pub(super) fn next(&self, own: Option<Duration>) -> Next {
        own.into_iter().chain(self.deadline).min().map_or(Next::Event, Next::At)
    }

    /// Whether some did not leave.
    pub(super) fn misses_some(&self) -> bool {
        self.stats.failed > 0 || self.stats.not_tried() > 0
    }

    /// What the run deserves where none left, or the first that did not has ended it.
    pub(super) fn verdict_of_none(&self) -> Option<Verdict> {
        let none = self.stats.sent == 0;
        match () {
            () if self.cut || none && self.stats.failed > 0 => Some(Verdict::SystemRefused),
            () if none && self.stats.not_tried() > 0 => Some(Verdict::RefusedToSend),
            () => None,
        }
    }

    /// A broadcast that nobody answers is often answered, and the answers dropped: no firewall can know them for answers,
    /// since they come from addresses that were never asked.
    pub(super) fn tell_silence(&self, probe: bool, out: &mut dyn Out) {
        let to_everybody = self.places.all().all(|to| to.cast != Cast::Unicast);
        if let (true, true, Some(port)) = (to_everybody, self.stats.sent > 0, self.source_port) {
            out.tell(&Event::Notice(Notice::BroadcastSilence { port, probe }));
        }
    }
}

/// The pieces that `len` payload bytes travel in over this interface, where they are more than one. Every piece but the last carries a
/// multiple of 8 bytes (RFC 791 section 3.1, RFC 8200 section 4.5, which adds an 8-byte header to each).
fn fragments(destination: &Destination, link: Option<&Link>, len: usize) -> Option<Fragments> {
    let (link, mtu) = (link?.clone(), destination.mtu?);
    let family = Family::of(destination.address.ip());
    let ip_header = family.headers() - 8;
    let fragment_header = if family == Family::V6 { 8 } else { 0 };
    let whole = len + 8;
    if whole + ip_header <= mtu as usize {
        return None;
    }
    let room = (mtu as usize).checked_sub(ip_header + fragment_header)? / 8 * 8;
    let pieces = if room == 0 { return None } else { whole.div_ceil(room) };
    Some(Fragments { link, mtu, len, pieces })
}

/// Whether two socket addresses are the same host and port, whatever their zone.
pub(super) fn same_address(a: SocketAddr, b: SocketAddr) -> bool {
    let (a, b) = (canonical(a), canonical(b));
    a.ip() == b.ip() && a.port() == b.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_counted_as_the_kernel_cuts_them() {
        let link = Some(Link { index: 2, name: "eth0".into() });
        let pieces = |address: &str, len| {
            let address = address.parse().unwrap();
            let to = Destination { address, source: None, link: None, mtu: Some(1500), cast: Cast::Unicast };
            fragments(&to, link.as_ref(), len).map(|fragments| fragments.pieces)
        };
        assert_eq!([1472, 1473, 65_507].map(|len| pieces("10.0.0.255:9", len)), [None, Some(2), Some(45)]);
        assert_eq!([1452, 1453].map(|len| pieces("[ff02::1]:9", len)), [None, Some(2)]);
    }
}
