//! A plain client of the crate mdns-sd, for `scripts/bench discover`: `bench-mdns-sd SECONDS` looks for _chat._tcp so long.
//! Each service that has an address is a line when it is first resolved: milliseconds since the start, and its name.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mdns_sd::{ServiceDaemon, ServiceEvent};

fn main() {
    let began = Instant::now();
    let seconds = std::env::args().nth(1).unwrap().parse().unwrap();
    let deadline = began + Duration::from_secs(seconds);
    let daemon = ServiceDaemon::new().unwrap();
    let events = daemon.browse("_chat._tcp.local.").unwrap();
    let mut seen = HashSet::new();
    while let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let ServiceEvent::ServiceResolved(service) = event {
            let again = if seen.insert(service.get_fullname().to_owned()) { "" } else { " again" };
            println!("{} {}{again}", began.elapsed().as_millis(), service.get_fullname());
        }
    }
}
