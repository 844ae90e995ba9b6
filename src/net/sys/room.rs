//! How long a flush waits for room in a full buffer or queue.

use std::time::Duration;

use crate::net::deadline::Deadline;

/// All the datagrams of one flush together: meanwhile nobody looks whether the run is to end, what has come, or whether it is
/// time for something else. A link of 10 Mbit/s has sent 312 KB by then, which is more than a send buffer holds; a neighbour
/// that does not answer keeps datagrams in it for 3 s (arp(7)), which is too long.
const PATIENCE: Duration = Duration::from_millis(250);

/// The longest rest before a full queue is tried again.
const LONGEST_REST: Duration = Duration::from_millis(8);

/// What is left of the time that one flush waits, from the first moment there is no room.
#[derive(Debug, Default)]
pub(super) struct Room(Option<Deadline>);

impl Room {
    /// How long to wait for room still; `None` when that is over, and what finds none is to fail at once.
    pub(super) fn left(&mut self) -> Option<Duration> {
        let left = self.0.get_or_insert_with(|| Deadline::after(PATIENCE)).left();
        (!left.is_zero()).then_some(left)
    }

    /// Rests before another try, each time 1 ms longer. Says whether there is to be one.
    pub(super) fn rest(&mut self, tries: u32) -> bool {
        let left = self.left();
        if let Some(left) = left {
            std::thread::sleep(Duration::from_millis(tries.into()).min(LONGEST_REST).min(left));
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flush_waits_no_longer_than_it_may_however_often_it_is_asked() {
        let (mut room, began) = (Room::default(), Deadline::after(Duration::from_secs(3600)));
        let before = began.left();
        let rests = (1..).take_while(|tries| room.rest(*tries)).count();
        let waited = before - began.left();
        assert!(rests >= 2 && waited >= PATIENCE, "{rests} in {waited:?}");
        assert_eq!((room.left(), room.rest(1)), (None, false));
        // The next flush has its own.
        assert!(Room::default().left().is_some());
    }
}
