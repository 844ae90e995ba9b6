//! What was asked and may still be answered.

use std::collections::VecDeque;

use crate::wire::beacon::{Echo, Nonce};

/// Questions whose answers still count, for each scope: all of a run on a LAN where everybody is seconds late, as behind a
/// long queue. With fewer, every answer would come to a question that is forgotten, and bring on the next one.
const LIVE: usize = 64;

/// A round of queries to one scope, all with one nonce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) nonce: Nonce,
    /// The scope, by its place among all.
    pub(super) walk: usize,
    pub(super) round: u32,
    /// Bytes of the longest query with it: no honest answer has more.
    pub(super) longest: usize,
}

/// The questions of a run, the latest last.
#[derive(Debug, Default)]
pub(super) struct Questions(VecDeque<Question>);

impl Questions {
    /// Adds one, where there are so many scopes; the oldest is forgotten for it where there are enough.
    pub(super) fn ask(&mut self, nonce: Nonce, walk: usize, round: u32, scopes: usize) {
        if self.0.len() >= LIVE * scopes {
            self.0.pop_front();
        }
        self.0.push_back(Question { nonce, walk, round, longest: 0 });
    }

    /// The one that an answer is to.
    pub(super) fn of(&self, echo: Echo) -> Option<Question> {
        self.0.iter().rfind(|question| question.nonce.echo() == echo).copied()
    }

    /// The latest to this scope.
    pub(super) fn latest(&self, walk: usize) -> Option<Question> {
        self.0.iter().rfind(|question| question.walk == walk).copied()
    }

    /// A query of the latest to this scope has so many bytes.
    pub(super) fn leaves(&mut self, walk: usize, bytes: usize) {
        if let Some(question) = self.0.iter_mut().rfind(|question| question.walk == walk) {
            question.longest = question.longest.max(bytes);
        }
    }

    /// No answer counts any more.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
