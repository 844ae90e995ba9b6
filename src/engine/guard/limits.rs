//! How much may be answered: tokens that come back with time, and an eye for answers that come back.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Broadcasts, DEFAULT_RATE, is_to_everybody};
use crate::model::Datagram;
use crate::model::event::Ignored;
use crate::model::target::canonical;

/// Answers per second to all sources together, and at once, unless one source may have more: the limit that holds when a
/// flood forges its sources.
pub(super) const TOTAL_RATE: u64 = 10_000;

/// Answered bytes per second and source, and how many at once. A count alone would allow 1,000 answers of 65,507 bytes,
/// which is 524 Mbit/s at a victim.
pub(super) const BYTES: Limit = Limit { per_second: 1 << 20, at_once: 4 << 20 };

/// The same for all sources together, of which there may be 2^32 forged ones: 16 times what one may have. 10,000 answers of
/// 1,472 bytes, the most that fits into one Ethernet packet, are 14.7 MB, so what is not in pieces meets the other limit first.
/// 134 Mbit/s is what a host can be made to send to everybody together, and not 5.2 Gbit/s.
pub(super) const TOTAL_BYTES: Limit = Limit { per_second: 16 << 20, at_once: 64 << 20 };

/// Places for sources, as many for the addresses and ports they talk from, and as many for what those say. Two may share one,
/// and then what is left there; strangers cannot make the tables grow.
const SLOTS: usize = 4_096;

/// Without a datagram for longer than this, an exchange is no loop that harms anybody: that goes round once in as long.
const PAUSE: u64 = 500_000_000;

/// So many times as many answers as to the same bytes are given to whatever bytes, before one is left out.
const WHATEVER: u64 = 100;

/// So many tokens a second, and so many at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) per_second: u64,
    pub(super) at_once: u64,
}

/// What is left of several limits, and at what time. The limits themselves stand elsewhere, once for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purse<const N: usize> {
    /// In billionths of a token, so that a nanosecond at one token a second still counts. 2^32 tokens fit in.
    left: [u64; N],
    at: u64,
}

/// Billionths in a token.
const TOKEN: u64 = 1_000_000_000;

impl<const N: usize> Purse<N> {
    /// One from which nothing is spent.
    pub(super) fn full(limits: &[Limit; N]) -> Self {
        Self { left: limits.map(|limit| limit.at_once.saturating_mul(TOKEN)), at: 0 }
    }

    /// Adds what was earned up to `now`, in nanoseconds. Time that goes back earns nothing, and nothing twice.
    pub(super) fn earn(&mut self, now: u64, limits: &[Limit; N]) {
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        for (left, limit) in self.left.iter_mut().zip(limits) {
            let earned = passed.saturating_mul(limit.per_second);
            *left = left.saturating_add(earned).min(limit.at_once.saturating_mul(TOKEN));
        }
    }

    /// Whether there is enough for every part of a price.
    pub(super) fn has(&self, price: &[u64; N]) -> bool {
        self.left.iter().zip(price).all(|(left, tokens)| *left >= tokens.saturating_mul(TOKEN))
    }

    /// Takes a price that is there.
    pub(super) fn pay(&mut self, price: &[u64; N]) {
        for (left, tokens) in self.left.iter_mut().zip(price) {
            *left = left.saturating_sub(tokens.saturating_mul(TOKEN));
        }
    }
}

/// Datagrams that came without a pause: all of one address and port, or those of it with the same bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchange {
    at: u64,
    /// Answers since the last pause or the last that was left out.
    pub(super) suspicion: u64,
}

impl Exchange {
    /// Whether one more answer may be given. Whoever gets none begins anew: if it was a loop, it has ended.
    fn goes_on(&mut self, now: u64, most: u64) -> bool {
        let before = if now.saturating_sub(self.at) > PAUSE { 0 } else { self.suspicion };
        let goes_on = before < most;
        *self = Self { at: self.at.max(now), suspicion: if goes_on { before + 1 } else { 0 } };
        goes_on
    }
}

/// What a source may have: answers, of those answers to what was sent to everybody, bytes of those, bytes.
const OF_SOURCE: usize = 4;

/// What all may have together: answers, bytes.
const OF_ALL: usize = 2;

/// Every limit, and what is left of each.
#[derive(Debug)]
pub(super) struct Limits {
    keys: RandomState,
    of_source: [Limit; OF_SOURCE],
    of_all: [Limit; OF_ALL],
    /// The most answers to the same bytes without a pause.
    alike: u64,
    pub(super) all: Purse<OF_ALL>,
    pub(super) sources: Box<[Purse<OF_SOURCE>]>,
    /// By address and port.
    pub(super) askers: Box<[Exchange]>,
    /// By address, port and bytes: what goes round with others is seen as well as what goes alone.
    pub(super) questions: Box<[Exchange]>,
}

impl Limits {
    /// Those of a server that gives so many answers a second to one source.
    pub(super) fn new(rate: u32, broadcasts: Broadcasts) -> Self {
        let of = |per_second: u32, at_once: u32| Limit { per_second: per_second.into(), at_once: at_once.into() };
        let Broadcasts { per_second, burst, bytes: (bytes_per_second, bytes_at_once) } = broadcasts;
        let of_source = [of(rate, rate), of(per_second, burst), of(bytes_per_second, bytes_at_once), BYTES];
        let total = TOTAL_RATE.max(rate.into());
        let of_all = [Limit { per_second: total, at_once: total }, TOTAL_BYTES];
        Self {
            keys: RandomState::new(),
            of_source,
            of_all,
            alike: rate.max(DEFAULT_RATE).into(),
            all: Purse::full(&of_all),
            sources: vec![Purse::full(&of_source); SLOTS].into(),
            askers: vec![Exchange::default(); SLOTS].into(),
            questions: vec![Exchange::default(); SLOTS].into(),
        }
    }

    /// Takes what an answer of so many bytes costs, from every limit or from none.
    ///
    /// # Errors
    /// The first limit that has not enough.
    pub(super) fn spend(&mut self, now: Duration, datagram: &Datagram<'_>, reply_len: usize) -> Result<(), Ignored> {
        // 2^64 nanoseconds are 584 years.
        let (now, len) = (u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), reply_len as u64);
        let price = if is_to_everybody(datagram) { [1, 1, len, len] } else { [1, 0, 0, len] };
        let asker = canonical(datagram.source);
        let source = self.place_of(asker.ip());
        self.sources[source].earn(now, &self.of_source);
        self.all.earn(now, &self.of_all);
        if !self.sources[source].has(&price) {
            return Err(Ignored::SourceLimit);
        }
        if !self.all.has(&[1, len]) {
            return Err(Ignored::TotalLimit);
        }
        if !self.goes_on(now, asker, datagram.payload) {
            return Err(Ignored::Loop);
        }
        self.sources[source].pay(&price);
        self.all.pay(&[1, len]);
        Ok(())
    }

    fn goes_on(&mut self, now: u64, asker: SocketAddr, payload: &[u8]) -> bool {
        let (whose, what) = (self.place(asker), self.place((asker, payload)));
        let whatever = self.askers[whose].goes_on(now, self.alike * WHATEVER);
        let alike = self.questions[what].goes_on(now, self.alike);
        whatever && alike
    }

    /// The place of a source.
    pub(super) fn place_of(&self, source: IpAddr) -> usize {
        self.place(network_of(source))
    }

    /// The place of somebody in a table. The key is random, so that nobody can choose whom to share one with.
    fn place(&self, whose: impl Hash) -> usize {
        self.keys.hash_one(whose) as usize % SLOTS
    }
}

/// What shares one place: an IPv4 address; an IPv6 /64, within which a host may take any address it likes. All hosts of a
/// link are in one link-local /64, so there the whole address counts.
fn network_of(source: IpAddr) -> u128 {
    match source {
        IpAddr::V4(a) => a.to_bits().into(),
        IpAddr::V6(a) if a.is_unicast_link_local() => a.to_bits(),
        IpAddr::V6(a) => a.to_bits() >> 64,
    }
}
