//! The lab on the real kernel: private networks, as whoever runs the tests and as a user without any rights.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use halloo::lab::enclosed;
use halloo::lab::enclosure::is_enclosed;

#[test]
fn an_enclosed_test_has_only_a_loopback_interface() {
    enclosed(|| {
        assert!(is_enclosed());
        let links = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let names: Vec<_> = links.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
        assert_eq!(names, ["lo"]);
    });
}
