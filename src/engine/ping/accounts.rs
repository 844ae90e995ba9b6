//! An account of each address that answers, in memory that strangers cannot make grow.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::seen::{Seen, Sight};
use crate::model::{Latency, Link};

/// Responders told apart, so that strangers cannot make the table grow.
pub const MOST_RESPONDERS: usize = 65_536;

/// Responders with a histogram of their times. It takes at most 36 KiB (2 digits, waits of up to an hour), so all of them
/// take 18 MiB; who comes later has a sample of 256 bytes.
const MOST_HISTOGRAMS: usize = 512;

/// Numbers that all accounts together remember to have been answered: 16 MiB, a bit each. That is the full reach for 128
/// responders (2^20 each), and still 2048 probes for each of 65,536.
const MOST_REMEMBERED: usize = 1 << 27;

/// Memory that answers, whoever forges them, can make a run take, in bytes: 16 MiB to remember numbers, 18 MiB of
/// histograms, and for each of 65,536 responders less than 896 bytes: its account, its first 32 times, and its place in a
/// table that is at worst half empty and copied as it grows; 56 MiB.
pub const MOST_MEMORY: usize = (16 + 18 + 56) << 20;

/// What is known of one address.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) link: Option<Link>,
    pub(super) own: bool,
    pub(super) from_another: bool,
    /// The first probe of its time.
    pub(super) since: u32,
    /// Probes that had left before that one.
    before: u64,
    seen: Seen,
    /// Where to look for the oldest probe that it has not answered, if its answers do not say which they answer.
    pub(super) open: u32,
    highest: Option<u32>,
    pub(super) received: u64,
    pub(super) late: u64,
    pub(super) duplicates: u64,
    pub(super) reordered: u64,
    pub(super) corrupt: u64,
    pub(super) latency: Latency,
}

/// What one answer is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) duplicate: bool,
    pub(super) late: bool,
}

impl Account {
    /// Of an address whose time begins with this probe, before which so many had left.
    pub(super) fn new(own: bool, from_another: bool, since: u32, before: u64) -> Self {
        Self {
            link: None,
            own,
            from_another,
            since,
            before,
            seen: Seen::default(),
            open: since,
            highest: None,
            received: 0,
            late: 0,
            duplicates: 0,
            reordered: 0,
            corrupt: 0,
            latency: Latency::default(),
        }
    }

    /// Probes that it has answered.
    pub(super) const fn answered(&self) -> u64 {
        self.received + self.late
    }

    /// Probes of its time, when so many have left in all.
    pub(super) const fn asked(&self, left: u64) -> u64 {
        left.saturating_sub(self.before)
    }

    /// Probes that it can still answer in time, where those from `first` on are young enough for that, and `left_since` says
    /// how many left from one on. What it no longer remembers it cannot answer either: that is lost already.
    pub(super) fn in_flight(&self, first: u32, left_since: impl Fn(u32) -> u64) -> u64 {
        let first = first.max(self.since).max(self.seen.floor());
        left_since(first).saturating_sub(self.seen.count_from(first))
    }

    /// Takes an answer; `None` if it is so far behind that nobody remembers whether it is the first.
    fn judge(&mut self, seq: u32, round_trip: Duration, wait: Duration) -> Option<Judged> {
        let duplicate = match self.seen.insert(seq) {
            Sight::First => false,
            Sight::Again => true,
            Sight::Forgotten => return None,
        };
        let late = !duplicate && round_trip > wait;
        if duplicate {
            self.duplicates += 1;
            return Some(Judged { duplicate, late });
        }
        self.reordered += u64::from(self.highest.is_some_and(|highest| seq < highest));
        self.highest = self.highest.max(Some(seq));
        if late {
            self.late += 1;
        } else {
            self.received += 1;
            self.latency.add(round_trip);
        }
        Some(Judged { duplicate, late })
    }
}

/// All of them, with what they add up to.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_address: HashMap<SocketAddr, Box<Account>>,
    /// Those of others than this host.
    others: u64,
    /// Probes of their time that they have not answered.
    missing: u64,
}

impl Accounts {
    pub(super) fn get(&self, address: SocketAddr) -> Option<&Account> {
        self.by_address.get(&address).map(|account| &**account)
    }

    pub(super) fn get_mut(&mut self, address: SocketAddr) -> Option<&mut Account> {
        self.by_address.get_mut(&address).map(|account| &mut **account)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_address.values().map(|account| &**account)
    }

    /// The addresses, in order.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = self.by_address.keys().copied().collect();
        addresses.sort_unstable();
        addresses
    }

    /// Answers that are missing so far.
    pub(super) const fn missing(&self) -> u64 {
        self.missing
    }

    /// A probe leaves: everybody has one more to answer.
    pub(super) const fn probe_leaves(&mut self) {
        self.missing += self.others;
    }

    /// It did not leave after all.
    pub(super) const fn probe_stays(&mut self) {
        self.missing = self.missing.saturating_sub(self.others);
    }

    pub(super) fn is_full(&self) -> bool {
        self.by_address.len() >= MOST_RESPONDERS
    }

    /// Opens an account, when so many probes have left. It takes its share of the memory.
    pub(super) fn open(&mut self, address: SocketAddr, mut account: Account, left: u64) {
        let count = self.by_address.len() + 1;
        let reach = reach(count);
        if count > 1 && reach < self::reach(count - 1) {
            self.by_address.values_mut().for_each(|account| account.seen.shorten(reach));
        }
        account.seen = Seen::reaching(reach);
        if count > MOST_HISTOGRAMS {
            account.latency = Latency::sampled();
        }
        if !account.own {
            self.others += 1;
            self.missing += account.asked(left);
        }
        self.by_address.insert(address, Box::new(account));
    }

    /// Takes an answer to a probe before which `before` had left. `None` without an account, or if nobody remembers
    /// whether it is the first.
    pub(super) fn judge(
        &mut self,
        address: SocketAddr,
        (seq, before): (u32, impl FnOnce() -> u64),
        round_trip: Duration,
        wait: Duration,
    ) -> Option<(Judged, &mut Account)> {
        let account = self.by_address.get_mut(&address)?;
        let judged = account.judge(seq, round_trip, wait)?;
        let mut more = 0;
        if seq < account.since {
            // An earlier probe's answer that comes later shows that it was there earlier.
            let before = before();
            more = account.before - before;
            (account.since, account.before) = (seq, before);
        }
        if !account.own {
            self.missing = (self.missing + more).saturating_sub(u64::from(!judged.duplicate));
        }
        Some((judged, account))
    }
}

/// How far back each of so many accounts remembers. Their number is rounded up to a power of two, so that the memory of
/// those that are there has to be shortened for one in so many that come.
fn reach(accounts: usize) -> u32 {
    let share = MOST_REMEMBERED / accounts.next_power_of_two();
    u32::try_from(share).unwrap_or(u32::MAX).min(Seen::REACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(1);

    #[test]
    fn all_together_never_remember_more_than_the_budget() {
        let sums = (1..=MOST_RESPONDERS).map(|count| count * reach(count) as usize);
        assert!(sums.max() <= Some(MOST_REMEMBERED));
        assert_eq!([1, 128, 129, MOST_RESPONDERS].map(reach), [1 << 20, 1 << 20, 1 << 19, 1 << 11]);
    }

    #[test]
    fn what_nobody_remembers_is_no_answer() {
        let mut accounts = Accounts::default();
        let address = |number: usize| SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 1060));
        for number in 0..256 {
            accounts.open(address(number), Account::new(false, false, 0, 0), 600_000);
        }
        let mut judge = |seq: u32| {
            let judged = accounts.judge(address(0), (seq, || seq.into()), Duration::ZERO, WAIT);
            judged.map(|(judged, _)| judged.duplicate)
        };
        assert_eq!([600_000, 600_000 - (1 << 19), 600_000].map(&mut judge), [Some(false), Some(false), Some(true)]);
        assert_eq!(judge(600_000 - (1 << 19) - 1), None);
        assert_eq!(accounts.get(address(0)).unwrap().answered(), 2);
        assert_eq!(accounts.missing(), 256 * 600_000 - 2);
    }
}
