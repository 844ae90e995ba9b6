//! A question, of values that cannot be such as no reader accepts.

use std::time::Duration;

use super::{MOST_KNOWN, MOST_WINDOW, Nonce};
use crate::model::service::ServiceType;

/// "Who is there?"
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// The challenge of this round.
    pub nonce: Nonce,
    /// Answers come at a random moment within it.
    pub window: Window,
    /// Only services of this type.
    pub service_type: Option<ServiceType>,
    /// Only instances at these places.
    pub places: Places,
    /// Places that need not answer.
    pub known: Known,
}

impl Query {
    /// A question to everybody: services of any type, at any place, none of them known.
    pub const fn to_everybody(nonce: Nonce, window: Window) -> Self {
        Self { nonce, window, service_type: None, places: Places::ALL, known: Known::NONE }
    }
}

/// The time within which answers come: whole milliseconds, from 1 to [`MOST_WINDOW`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window(Duration);

impl Window {
    /// The shortest: it is sent in whole milliseconds.
    const LEAST: Duration = Duration::from_millis(1);

    /// A window of exactly this time. None where it cannot be sent: too short, too long, or with a part of a millisecond.
    pub fn new(time: Duration) -> Option<Self> {
        let nearest = Self::nearest(time);
        (nearest.0 == time).then_some(nearest)
    }

    /// The window nearest to this time that is not longer, or the shortest.
    pub fn nearest(time: Duration) -> Self {
        let time = time.clamp(Self::LEAST, MOST_WINDOW);
        Self(Duration::from_millis(time.as_millis() as u64))
    }

    /// Its time.
    pub const fn time(self) -> Duration {
        self.0
    }
}

/// Places that are asked: all from one to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Places {
    first: u32,
    last: u32,
}

impl Places {
    /// The whole ring.
    pub const ALL: Self = Self { first: 0, last: u32::MAX };

    /// Those from `first` to `last`, with both. None where `last` is the lower one.
    pub fn new(first: u32, last: u32) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// This one alone.
    pub const fn only(place: u32) -> Self {
        Self { first: place, last: place }
    }

    /// The first.
    pub const fn first(self) -> u32 {
        self.first
    }

    /// The last, which is one of them.
    pub const fn last(self) -> u32 {
        self.last
    }

    /// Whether the place is one of them.
    pub const fn contains(self, place: u32) -> bool {
        self.first <= place && place <= self.last
    }
}

/// Places that are known: at most [`MOST_KNOWN`], ascending.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Known(Vec<u32>);

impl Known {
    /// None at all.
    pub const NONE: Self = Self(Vec::new());

    /// These. None where they are too many, or not ascending.
    pub fn new(places: Vec<u32>) -> Option<Self> {
        (places.len() <= MOST_KNOWN && places.is_sorted()).then_some(Self(places))
    }

    /// The first [`MOST_KNOWN`] of these.
    pub fn first_of(places: impl IntoIterator<Item = u32>) -> Self {
        let mut places: Vec<u32> = places.into_iter().take(MOST_KNOWN).collect();
        places.sort_unstable();
        Self(places)
    }

    /// Them, ascending.
    pub fn places(&self) -> &[u32] {
        &self.0
    }

    /// Whether the place is one of them.
    pub fn contains(&self, place: u32) -> bool {
        self.0.binary_search(&place).is_ok()
    }
}
