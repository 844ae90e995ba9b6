//! An error as sentences: what failed, on what and why, then what to do now.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use halloo::model::error::{Action, Fault, FaultKind, Unsendable};
use halloo::model::event::{Failed, Skipped};
use halloo::model::target::{DISCOVERY_PORT, canonical};
use halloo::model::{Error, Family, RecordError, TargetError};

use super::escape::{Name, harmless};
use super::lessons::{self, Shown};
use super::words::{self, WhyUnusable};

/// The lines beneath the first stand under its text.
const INDENT: &str = "        ";

/// The error that ends a run, for standard error: `halloo: <what, on what, why>` and, on further lines, what to do now.
/// No newline at the end; safe for a terminal.
pub(crate) fn describe(error: &Error) -> String {
    let mut hints = hints(error);
    hints.extend(lessons::of_error(error).map(Shown::command));
    with_hints(&sentence(error), &hints)
}

/// A record that cannot be sent, in the same form.
pub(crate) fn record(error: &RecordError) -> String {
    describe(&Error::Record(error.clone()))
}

fn with_hints(sentence: &str, hints: &[String]) -> String {
    let mut text = format!("halloo: {}", harmless(sentence));
    for hint in hints {
        // Writing to a string does not fail.
        let _done = write!(text, "\n{INDENT}{}", harmless(hint));
    }
    text
}

fn sentence(error: &Error) -> String {
    match error {
        Error::TooLong(_) | Error::ProbeTooLong(_) => format!("{error}. Nothing was sent."),
        _ => error.to_string(),
    }
}

/// What kind of error ends the run, for JSON.
pub(crate) const fn reason(error: &Error) -> &'static str {
    match error {
        Error::TooLong(_) | Error::ProbeTooLong(_) => "too_long",
        Error::Record(error) => record_reason(error),
        Error::Target(_) => "bad_address",
        Error::Resolve { .. } => "unresolved",
        Error::NoSuchInterface { .. } => "no_such_interface",
        Error::NothingToBroadcastOn { .. } => "nothing_to_broadcast_on",
        Error::NotABroadcastAddress { .. } => "not_a_broadcast_address",
        Error::BroadcastForbidden { .. } => "broadcast_forbidden",
        Error::NotADestination { .. } => "not_a_destination",
        Error::NoSource { .. } => "no_address",
        Error::NeedsZone { .. } => "needs_zone",
        Error::System { fault, .. } => words::fault(fault.kind),
        Error::Service(_) => "bad_service",
        Error::Secret { .. } => "secret",
        Error::Command { .. } => "command",
        Error::Misuse { .. } => "misuse",
        Error::Unsupported { .. } => "unsupported",
        Error::Input { .. } => "input",
        Error::Output { .. } => "output",
        _ => "other",
    }
}

/// What is wrong with a record, for JSON.
pub(crate) const fn record_reason(error: &RecordError) -> &'static str {
    match error {
        RecordError::TooLong { .. } => "too_long",
        RecordError::Hex { .. } => "bad_hex",
        RecordError::Recording { .. } => "bad_recording",
        RecordError::Escape { .. } => "bad_escape",
        RecordError::Unreadable { .. } => "input",
        RecordError::EmptyInput | RecordError::NoRecord => "no_record",
    }
}

/// A failed send as a sentence without a full stop: `cannot send 13 B to 10.0.0.7:1060 by eth0: <why>; <what to do>`.
pub(crate) fn failed(failed: &Failed) -> String {
    let Failed { len, destination, link, .. } = failed;
    let by = link.as_ref().map_or(String::new(), |link| format!(" by {}", Name(&link.name)));
    format!("cannot send {len} B to {}{by}: {}", canonical(*destination), why(failed))
}

/// Why it failed, and how many more did of which no line tells.
pub(crate) fn why(failed: &Failed) -> String {
    format!("{}{}", fault(&failed.fault, failed.destination), more(failed.more))
}

/// How many more there were of which no line tells.
pub(crate) fn more(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" ({count} more since it was last told)") }
}

/// An interface was chosen, and still there is no way: nothing that could be added to the command helps over IPv6.
const NO_GROUPS: &str = "that interface has no route to IPv6 groups, which is usual of loopback; -4 goes over IPv4";

/// Why one send failed, and what to do, in one line.
pub(crate) fn fault(fault: &Fault, destination: SocketAddr) -> String {
    let by_chosen_interface = matches!(destination, SocketAddr::V6(v6) if v6.scope_id() != 0);
    let destination = canonical(destination).ip();
    let hint = match fault.kind {
        FaultKind::NetworkUnreachable if by_chosen_interface && destination.is_multicast() => Some(NO_GROUPS),
        kind => of_sending(kind, Some(destination)),
    };
    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
    let lesson = lessons::of_failure(*fault, destination).map_or_else(String::new, Shown::behind);
    format!("{fault}{hint}{lesson}")
}

fn hints(error: &Error) -> Vec<String> {
    match error {
        Error::TooLong(too_long) => vec![cut_up(too_long.family)],
        Error::ProbeTooLong(too_long) => {
            let family = too_long.family;
            vec![format!("{}; write --size {} or less", arithmetic(family), family.max_payload())]
        }
        Error::Record(record) => of_record(record),
        Error::Target(target) => vec![of_target(target)],
        Error::Resolve { name, .. } => {
            vec![format!("a numeric address needs no name server; 'getent ahosts {name}' asks the same resolver")]
        }
        Error::NoSuchInterface { .. } => one("'halloo interfaces' lists them with their numbers and addresses"),
        Error::NothingToBroadcastOn { skipped } => of_skipped(skipped),
        Error::NotABroadcastAddress { known, .. } => {
            let mut lines = one("the broadcast addresses are:");
            lines.extend(known.iter().map(|(link, address)| format!("  {:<7} {address}", Name(&link.name))));
            lines.push("to one host: 'halloo send HOST'; without --to, every usable interface".to_owned());
            lines
        }
        Error::BroadcastForbidden { .. } => one("without --no-broadcast it is sent, to every host there"),
        Error::NotADestination { why: Unsendable::Connected, .. } => {
            one("without --connect it is sent, and --wait shows every answer, from whichever address")
        }
        Error::NotADestination { why: Unsendable::SeveralInterfaces, .. } => {
            one("'halloo broadcast --limited' sends it out of each of them")
        }
        Error::NotADestination { .. } => {
            one("a destination is one host, a broadcast address or a multicast group, with a port from 1 to 65535")
        }
        Error::NoSource { .. } => {
            one("'halloo interfaces' shows which interface has which address; --interface names one that has")
        }
        Error::NeedsZone { address, available } => {
            let forms: Vec<_> = available.iter().map(|name| format!("[{address}%{name}]")).collect();
            if forms.is_empty() { Vec::new() } else { vec![format!("write {}", forms.join(" or "))] }
        }
        Error::System { action, on, fault } => of_system(*action, on, fault.kind),
        Error::Misuse { instead, .. } | Error::Secret { instead, .. } | Error::Command { instead, .. } => {
            instead.lines().map(str::to_owned).collect()
        }
        Error::Input { .. } => one("no datagram was made of it; '--file PATH' reads a file, '--stdin' standard input"),
        _ => Vec::new(),
    }
}

fn one(hint: &str) -> Vec<String> {
    vec![hint.to_owned()]
}

/// Where the limit comes from.
const fn arithmetic(family: Family) -> &'static str {
    match family {
        Family::V4 => "65535 (IP length) - 20 (IP header) - 8 (UDP header) = 65507",
        Family::V6 => "65535 (IPv6 payload length, without its header) - 8 (UDP header) = 65527",
    }
}

/// The same, for records.
fn cut_up(family: Family) -> String {
    format!("{}; --chunk N cuts a stream into datagrams", arithmetic(family))
}

fn of_record(error: &RecordError) -> Vec<String> {
    match error {
        RecordError::TooLong { family, .. } => vec![cut_up(*family)],
        RecordError::Hex { .. } => {
            one("two digits make a byte; spaces, colons and hyphens may stand between: 48 61:6c-6c 6f6f")
        }
        RecordError::Recording { .. } => {
            one("--jsonl reads what 'halloo listen --json' prints, or objects with data or data_b64, one on a line")
        }
        RecordError::Escape { .. } => {
            one(r#"the escapes are \n \r \t \0 \\ \" \' \xNN \u{...}; without -e, a backslash is a backslash"#)
        }
        RecordError::EmptyInput | RecordError::NoRecord => one("--empty sends an empty datagram"),
        RecordError::Unreadable { .. } => Vec::new(),
    }
}

fn of_target(error: &TargetError) -> String {
    match error {
        TargetError::Empty => "write HOST:PORT, [IPV6%ZONE]:PORT, HOST or :PORT".to_owned(),
        TargetError::PortAlone { number } => format!("did you mean :{number}?"),
        TargetError::Port { .. } => "write HOST:PORT, such as 10.0.0.7:1060, or HOST alone for port 1060".to_owned(),
        TargetError::Ipv4 { .. } => "'halloo interfaces' shows the addresses of this host".to_owned(),
        TargetError::Ipv6 { .. } => "an IPv6 address with a port stands in brackets: [fe80::1%eth0]:1060".to_owned(),
        TargetError::Zone { .. } => "--interface NAME chooses the interface for any address".to_owned(),
        TargetError::Name { .. } => {
            "a host name has letters, digits, hyphens and dots; an address is HOST:PORT".to_owned()
        }
        TargetError::Url { address, .. } if address.is_empty() => "write HOST:PORT, such as 10.0.0.7:1060".to_owned(),
        TargetError::Url { address, .. } => format!("did you mean {address}?"),
    }
}

fn of_skipped(skipped: &[Skipped]) -> Vec<String> {
    let width = skipped.iter().map(|skipped| skipped.link.name.len()).max().unwrap_or(0);
    let line = |skipped: &Skipped| {
        let address = skipped.address.map_or(String::new(), |address| format!("{address}  "));
        format!("{:<width$}  {address}{}", Name(&skipped.link.name), WhyUnusable(skipped.why))
    };
    let mut lines: Vec<_> = skipped.iter().map(line).collect();
    lines.push("'halloo interfaces' shows all of them; --interface NAME names one".to_owned());
    lines
}

fn of_system(action: Action, on: &str, kind: FaultKind) -> Vec<String> {
    let address = on.parse::<SocketAddr>().ok();
    let hint = match (action, kind) {
        (Action::Bind, _) => return of_binding(kind, address),
        (Action::BindSource, _) => return of_source(kind, address),
        (Action::Connect | Action::Route, _) => of_sending(kind, address.map(|a| a.ip()).or_else(|| on.parse().ok())),
        (Action::Open, FaultKind::NotPermitted) => {
            Some("a sandbox or a security module forbids sockets to this program")
        }
        (Action::Open, FaultKind::Unsupported) => Some("this IP version is switched off on this host"),
        (Action::Set(_), FaultKind::NotPermitted) => Some("the option needs rights (CAP_NET_ADMIN or CAP_NET_RAW)"),
        (Action::Join, FaultKind::NoDevice | FaultKind::NetworkDown | FaultKind::AddressNotAvailable) => {
            Some("--interface NAME chooses where the group is joined; 'halloo interfaces' shows which are up")
        }
        (Action::Join, FaultKind::OutOfResources | FaultKind::QueueFull) => {
            Some("a socket may join so many groups: sysctl net.ipv4.igmp_max_memberships")
        }
        (_, FaultKind::OutOfResources) => Some("'ulimit -n' shows how many descriptors a process may have"),
        _ => None,
    };
    hint.map_or_else(Vec::new, one)
}

fn of_binding(kind: FaultKind, local: Option<SocketAddr>) -> Vec<String> {
    match kind {
        FaultKind::AddressInUse if local.is_some_and(|local| local.port() == DISCOVERY_PORT) => vec![
            format!(
                "another program has UDP port {DISCOVERY_PORT}: 'ss -ulpn' shows which; 'halloo announce' shares it with those of the same user alone"
            ),
            "--discovery-port N is another one, which has to be the same on every host".to_owned(),
        ],
        FaultKind::AddressInUse => {
            let port = local.map_or("that port".to_owned(), |local| format!("UDP port {}", local.port()));
            vec![
                format!("another program has {port}: 'ss -ulpn' shows which; port 0 takes a free one"),
                "--share shares it with programs that share it too: a broadcast reaches all of them, a unicast datagram only one".to_owned(),
            ]
        }
        FaultKind::NotPermitted => one(
            "ports below 1024 need rights: take a higher one, or allow them with 'sysctl -w net.ipv4.ip_unprivileged_port_start=0' (as root)",
        ),
        FaultKind::AddressNotAvailable => {
            one("'halloo interfaces' shows the addresses of this host; 0.0.0.0 or [::] listens on all of them")
        }
        FaultKind::NoDevice | FaultKind::Invalid => {
            one("a link-local IPv6 address needs its interface, [fe80::1%eth0]; 'halloo interfaces' lists them")
        }
        FaultKind::Unsupported => one("this IP version is switched off on this host"),
        _ => Vec::new(),
    }
}

/// What differs from binding where the address is the one to send from, and need not be said.
fn of_source(kind: FaultKind, local: Option<SocketAddr>) -> Vec<String> {
    match kind {
        FaultKind::AddressInUse => vec![
            "'ss -ulpn' shows which program has that port; without --from the system takes a free one (of discover, --source-port)".to_owned(),
            "send, broadcast and ping share it by --share with programs that share it too".to_owned(),
        ],
        FaultKind::AddressNotAvailable => one(
            "'halloo interfaces' shows the addresses of this host; with --from :PORT, or without it, the system takes one",
        ),
        _ => of_binding(kind, local),
    }
}

/// Why there is no room for a datagram that needs no neighbour's address.
const QUEUE: &str = "it leaves faster than the link takes it: a lower --rate, or a larger --send-buffer";

/// What to do when a datagram cannot leave.
fn of_sending(kind: FaultKind, destination: Option<IpAddr>) -> Option<&'static str> {
    let everybody = destination.is_some_and(|address| matches!(address, IpAddr::V4(v4) if v4.is_broadcast()));
    let group = destination.is_some_and(|address| address.is_multicast());
    let link_local = destination.is_some_and(|address| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    Some(match kind {
        FaultKind::NotPermitted => {
            "a firewall or a security module of this host forbids it ('nft list ruleset'); SO_BROADCAST is set where it is needed"
        }
        FaultKind::NetworkUnreachable if everybody => {
            "255.255.255.255 needs a route; 'halloo broadcast --limited' sends it out of each interface without one"
        }
        FaultKind::NetworkUnreachable if group => "--interface NAME sends to a group without a route",
        FaultKind::NetworkUnreachable => "no subnet of this host holds that address and no router is set ('ip route')",
        FaultKind::HostUnreachable => {
            "nobody answers for that address on its subnet: is the host on, is the address right?"
        }
        FaultKind::NetworkDown | FaultKind::NoDevice => "'halloo interfaces' shows which interfaces are up",
        FaultKind::AddressNotAvailable => "'halloo interfaces' shows the addresses of this host",
        FaultKind::TooLong => {
            "longer than the interface's MTU with --dont-fragment ('halloo interfaces' shows it; 28 B of it are headers, 48 B over IPv6), \
             or than the send buffer: send less, or raise --send-buffer"
        }
        FaultKind::QueueFull if everybody || group => QUEUE,
        FaultKind::QueueFull => {
            "it leaves faster than the link takes it (a lower --rate, a larger --send-buffer), or, where many neighbours are \
             asked, the kernel's table of them is full: 'ip -s neigh' lists it, sysctl net.ipv4.neigh.default.gc_thresh3 (IPv6: \
             net.ipv6...) is its size"
        }
        FaultKind::NeighbourUnknown => {
            "somebody asks from addresses that nobody may have: 'ip neigh' lists them as FAILED and INCOMPLETE; whom the system \
             knows is answered all the same"
        }
        FaultKind::Refused => "no program there has the port open; 'halloo echo' on that host opens one",
        FaultKind::Invalid if group => {
            "over IPv6, an address that is new is first tried out for a second or two; no group can be sent to from it until then"
        }
        // What is sent to a neighbour leaves from this host's own link-local address.
        FaultKind::Invalid if link_local => {
            "an IPv6 address that is new is first tried out for a second or two, and nothing leaves from it until then; nor can \
             port 0 be sent to"
        }
        FaultKind::Invalid => "port 0 and addresses of another IP version than the source's cannot be sent to",
        FaultKind::Unsupported => "this IP version is switched off on this host",
        FaultKind::OutOfResources => "'ulimit -n' shows how many descriptors a process may have",
        FaultKind::AddressInUse | FaultKind::Other => return None,
    })
}

#[cfg(test)]
mod tests;
