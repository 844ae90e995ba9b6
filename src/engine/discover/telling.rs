//! What a search tells of what it has found, and how often: whoever answers decides neither how many lines there are nor how
//! many of one kind.

use std::net::SocketAddr;
use std::time::Duration;

use super::Discoverer;
use super::turns::Turn;
use crate::engine::Out;
use crate::model::Event;
use crate::model::event::Notice;
use crate::model::service::{Change, InstanceId, Service};

/// So many instances are told of that two responders have: more say nothing else.
const MOST_CLASHES: u32 = 8;

impl Discoverer {
    /// Says that two responders have one instance. A few times are enough to see that something is wrong with the LAN: whoever
    /// makes instances up could have it said as often as he likes.
    pub(super) fn tell_of_clash(&mut self, id: InstanceId, one: SocketAddr, other: SocketAddr, out: &mut dyn Out) {
        if self.clashes_told < MOST_CLASHES {
            self.clashes_told += 1;
            out.tell(&Event::Notice(Notice::IdClash(id, one, other)));
        }
    }

    /// Says once that an address has more services than are kept of one: among those left out there may be true ones.
    pub(super) fn tell_of_crowd(&mut self, source: SocketAddr, out: &mut dyn Out) {
        if self.crowd_told {
            return;
        }
        if let Some((address, kept)) = self.found.crowd(source) {
            self.crowd_told = true;
            out.tell(&Event::Notice(Notice::ManyOfOne { address, kept }));
        }
    }

    /// Tells what an answer changed, unless that happens too often. A new path is told at once: there are few, and its line has
    /// nothing else.
    pub(super) fn tell_change(&mut self, now: Duration, id: InstanceId, change: Change, out: &mut dyn Out) {
        let turn = if change == Change::Path { Turn::Now } else { self.turns.turn(now, id, change) };
        match turn {
            Turn::Now => self.tell(id, change, out),
            Turn::Later => {}
            Turn::Merged => self.merged(),
        }
    }

    /// Tells what became of those whose turn comes until then.
    pub(super) fn tell_later(&mut self, now: Duration, until: Duration, out: &mut dyn Out) {
        while let Some(id) = self.turns.take(until) {
            match self.turns.settle(now, id, self.found.is_named(id)) {
                Some(change) => self.tell(id, change, out),
                None => self.merged(),
            }
        }
    }

    fn merged(&mut self) {
        self.stats.merged = self.stats.merged.map(|n| n + 1);
    }

    pub(super) fn tell_gone(&mut self, service: &Service, out: &mut dyn Out) {
        self.turns.forget(service.about.id);
        out.tell(&Event::Service(Change::Gone, service));
    }

    pub(super) fn tell(&self, id: InstanceId, change: Change, out: &mut dyn Out) {
        if let Some(service) = self.found.get(id) {
            out.tell(&Event::Service(change, service));
        }
    }
}
