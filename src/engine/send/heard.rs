//! Which answers were heard, so that a duplicate is not taken for an answer.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;

/// Responders and answers are told apart up to so many, so that strangers cannot make the tables grow.
const MOST_TOLD_APART: usize = 65_536;

/// Which answers were heard.
#[derive(Default)]
pub(super) struct Heard {
    keys: RandomState,
    by_responder: HashMap<SocketAddr, Answered>,
    by_content: HashMap<(SocketAddr, u64), u64>,
}

/// The answers of one responder.
#[derive(Clone, Copy, Default)]
pub(super) struct Answered {
    /// All of them.
    pub(super) count: u64,
    /// Those that came before the last datagram left.
    pub(super) before_last: u64,
    /// Which datagram was the last when the latest of them came.
    last: u64,
}

impl Heard {
    /// Counts an answer of this responder, when so many datagrams have left; returns what was before it.
    pub(super) fn count(&mut self, responder: SocketAddr, datagrams: u64) -> Answered {
        if self.by_responder.len() >= MOST_TOLD_APART && !self.by_responder.contains_key(&responder) {
            // Not told apart any more, so not counted as a new one either.
            return Answered { count: 1, ..Answered::default() };
        }
        let answered = self.by_responder.entry(responder).or_default();
        if answered.last < datagrams {
            *answered = Answered { before_last: answered.count, last: datagrams, ..*answered };
        }
        answered.count += 1;
        Answered { count: answered.count - 1, ..*answered }
    }

    /// The same answers of this responder before this one.
    pub(super) fn same(&mut self, responder: SocketAddr, payload: &[u8]) -> u64 {
        let key = (responder, self.keys.hash_one(payload));
        if self.by_content.len() >= MOST_TOLD_APART && !self.by_content.contains_key(&key) {
            return 0;
        }
        let count = self.by_content.entry(key).or_default();
        *count += 1;
        *count - 1
    }
}
