//! Some LANs as data, with names for what they show. None has a default route, unless it says so.

use super::plan::{HostPlan, Plan, Plug};

/// The switch of the subnet 10.9.0.0/24.
pub const OFFICE: &str = "office";
/// The switch of the subnet 10.8.0.0/24.
pub const ATTIC: &str = "attic";

/// A host with one interface `e0`.
fn host(name: &str, switch: &str, address: [u8; 4], prefix: u8) -> HostPlan {
    HostPlan::new(name).plug(Plug::new("e0", switch).address((address, prefix)))
}

fn lan(names: &[&str]) -> Plan {
    let hosts = (1..).zip(names).map(|(number, name)| host(name, OFFICE, [10, 9, 0, number], 24));
    Plan { hosts: hosts.collect() }
}

/// `alice` 10.9.0.1, `bob` 10.9.0.2 and `carol` 10.9.0.3 on one LAN of prefix 24, each on `e0`.
#[must_use]
pub fn three() -> Plan {
    lan(&["alice", "bob", "carol"])
}

/// The same with `dave` 10.9.0.4 and `erin` 10.9.0.5.
#[must_use]
pub fn five() -> Plan {
    lan(&["alice", "bob", "carol", "dave", "erin"])
}

/// The LAN of [`three`], and `dave` 10.8.0.4 on another one. `multi` is on both: 10.9.0.9 on `e0`, 10.8.0.9 on `e1`.
#[must_use]
pub fn two_subnets() -> Plan {
    three().host(host("dave", ATTIC, [10, 8, 0, 4], 24)).host(multi())
}

fn multi() -> HostPlan {
    host("multi", OFFICE, [10, 9, 0, 9], 24).plug(Plug::new("e1", ATTIC).address(([10, 8, 0, 9], 24)))
}

/// The two subnets of [`two_subnets`] with a router: `multi` forwards, and is everybody's default route.
#[must_use]
pub fn routed() -> Plan {
    let mut plan = two_subnets();
    for host in &mut plan.hosts {
        let router = if host.name == "dave" { [10, 8, 0, 9] } else { [10, 9, 0, 9] };
        host.gateway = (host.name != "multi").then_some(router.into());
        host.forwards = host.name == "multi";
    }
    plan
}

/// Wrong and odd masks: the LAN of [`three`], but `carol` takes her prefix for 25, so that her broadcast address is
/// 10.9.0.127. And `dave` 10.9.1.0 and `erin` 10.9.1.1 on a cable of their own with the prefix 31, without any broadcast
/// address.
#[must_use]
pub fn masks() -> Plan {
    Plan::new()
        .host(host("alice", OFFICE, [10, 9, 0, 1], 24))
        .host(host("bob", OFFICE, [10, 9, 0, 2], 24))
        .host(host("carol", OFFICE, [10, 9, 0, 3], 25))
        .host(host("dave", "pair", [10, 9, 1, 0], 31))
        .host(host("erin", "pair", [10, 9, 1, 1], 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topology_can_be_built() {
        for plan in [three(), five(), two_subnets(), routed(), masks()] {
            assert_eq!(plan.check(), Ok(()));
        }
    }
}
