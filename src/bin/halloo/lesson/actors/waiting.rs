//! Waiting for facts: that something came, and that nothing more will come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halloo::net::bare::Bare;

use super::server::Server;
use crate::lesson::stage::{Doing, PATIENCE, Place, Trouble};

/// Waits until something is so, within the usual patience. Says whether it came to be.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) -> bool {
    // How often to look: seldom enough to leave the processor to those who are looked at.
    const STEP: Duration = Duration::from_micros(200);
    let deadline = later(PATIENCE);
    loop {
        if is_so() {
            return true;
        }
        if later(Duration::ZERO) >= deadline {
            return false;
        }
        std::thread::sleep(STEP);
    }
}

#[expect(clippy::disallowed_methods, reason = "a lesson is not an engine: it waits for facts of this moment")]
fn later(by: Duration) -> Instant {
    Instant::now() + by
}

/// What is said last where the point is that something did not come: it arrives behind everything that the same host sent
/// before, so whoever has heard it will not hear what he has not heard by then.
const LAST: &[u8] = b"that was all";

/// Says the last word to these addresses from a place.
pub(crate) fn say_last(place: &Place, to: &[SocketAddr]) -> Result<(), Trouble> {
    let socket = place.within(|| Bare::unbound(true))?.doing("open a socket")?;
    socket.set_broadcast(true).doing("set SO_BROADCAST")?;
    to.iter().try_for_each(|to| socket.send_to(LAST, *to).map(|_| ())).doing("say the last word")
}

/// Waits until each of these has heard the last word as often as it was said to it. If not, nothing can be said of silence.
pub(crate) fn have_heard_last(servers: &[&Server], times: usize) -> Result<(), Trouble> {
    let has = |server: &Server| server.heard().iter().filter(|heard| heard.payload == LAST).count() >= times;
    until(|| servers.iter().all(|server| has(server))).then_some(()).doing("hear the last word")
}
