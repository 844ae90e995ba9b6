//! Every error, as it is read.

use halloo::model::{Link, TooLong, Unusable};

use super::*;

fn eth0() -> Link {
    Link { index: 2, name: "eth0".into() }
}

fn system(action: Action, on: &str, kind: FaultKind) -> Error {
    Error::System { action, on: on.into(), fault: Fault { kind, code: None } }
}

const KINDS: [FaultKind; 15] = [
    FaultKind::NotPermitted,
    FaultKind::NetworkUnreachable,
    FaultKind::HostUnreachable,
    FaultKind::NetworkDown,
    FaultKind::NoDevice,
    FaultKind::AddressNotAvailable,
    FaultKind::AddressInUse,
    FaultKind::TooLong,
    FaultKind::QueueFull,
    FaultKind::NeighbourUnknown,
    FaultKind::Refused,
    FaultKind::Invalid,
    FaultKind::Unsupported,
    FaultKind::OutOfResources,
    FaultKind::Other,
];

const ACTIONS: [Action; 10] = [
    Action::Open,
    Action::Set("SO_BROADCAST"),
    Action::Bind,
    Action::BindSource,
    Action::Connect,
    Action::Join,
    Action::Route,
    Action::List,
    Action::Wait,
    Action::Receive,
];

fn of_targets() -> impl Iterator<Item = Error> {
    let texts = ["", "1060", "h:x", "10.0.0", "[::1", "10.0.0.7%eth0", "a b:9", "udp://h:9/x", "udp://"];
    texts.into_iter().map(|text| text.parse::<halloo::model::Target>().unwrap_err().into())
}

fn of_records() -> impl Iterator<Item = Error> {
    let (number, why) = (2, || "it is odd".to_owned());
    let errors = [
        RecordError::TooLong { number, len: 70_000, family: Family::V6 },
        RecordError::Hex { number, why: why() },
        RecordError::Recording { number, why: why() },
        RecordError::Escape { text: r"\q".into(), escape: r"\q".into() },
        RecordError::Unreadable { name: "standard input".into(), why: why() },
        RecordError::EmptyInput,
        RecordError::NoRecord,
    ];
    errors.into_iter().map(Error::from)
}

fn others() -> Vec<Error> {
    let address = "10.0.0.255".parse().unwrap();
    let skipped = vec![
        Skipped { link: eth0(), address: None, why: Unusable::Down },
        Skipped { link: Link { index: 4, name: "wg0".into() }, address: None, why: Unusable::PointToPoint },
    ];
    vec![
        TooLong { len: 65_508, family: Family::V4 }.into(),
        Error::Resolve { name: "printer".into(), family: Some(Family::V4), why: "no such name".into() },
        Error::NoSuchInterface { selector: "eth9".into(), available: vec!["lo".into(), "eth0".into()] },
        Error::NothingToBroadcastOn { skipped },
        Error::NotABroadcastAddress { address, chosen: Vec::new(), known: vec![(eth0(), address)] },
        Error::BroadcastForbidden { address, link: Some(eth0()) },
        Error::NotADestination { address: "10.0.0.7:0".into(), why: Unsendable::PortZero },
        Error::NeedsZone { address: "ff02::1".parse().unwrap(), available: vec!["eth0".into(), "eth1".into()] },
        Error::Misuse {
            what: "--connect and --wait exclude each other".into(),
            instead: "leave one of them out".into(),
        },
        Error::Unsupported { what: "SO_REUSEPORT" },
        Error::Input { name: "a\u{1b}[2Jb".into(), why: "no such file".into() },
        Error::Output { name: "standard output".into(), why: "no space left on device".into() },
        Error::ProbeTooLong(TooLong { len: 65_508, family: Family::V4 }),
        Error::NoSource { address: "10.0.0.7".parse().unwrap(), link: Some(eth0()) },
    ]
}

fn all() -> Vec<Error> {
    let of_system = ACTIONS.iter().flat_map(|action| KINDS.map(|kind| system(*action, "10.0.0.7:53", kind)));
    others().into_iter().chain(of_targets()).chain(of_records()).chain(of_system).collect()
}

#[test]
fn every_error_is_sentences_that_a_person_can_read() {
    for error in all() {
        let text = describe(&error);
        let mut lines = text.lines();
        let first = lines.next().unwrap();
        assert!(first.starts_with("halloo: ") && first.len() > 16, "{text}");
        assert!(lines.all(|line| line.starts_with(INDENT) && line.len() > INDENT.len() + 8), "{text}");
        for form in ["Error {", "Error(", "Some(", "None", "Fault", "  \n"] {
            assert!(!text.contains(form), "{form} in {text}");
        }
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(reason(&error).chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        if !matches!(error, Error::System { fault, .. } if fault.kind == FaultKind::Other) {
            assert_ne!(reason(&error), "other", "{error}");
        }
    }
}

#[test]
fn the_cause_is_told_once() {
    let text = describe(&Error::Input { name: "notes.txt".into(), why: "no such file".into() });
    assert_eq!(text.matches("no such file").count(), 1);
    let text = describe(&TargetError::PortAlone { number: 1060 }.into());
    assert_eq!(text, "halloo: 1060 alone is not an address\n        did you mean :1060?");
    let text = describe(&system(Action::Bind, "0.0.0.0:53", FaultKind::AddressInUse));
    assert_eq!(text.matches("in use").count(), 1);
}

#[test]
fn one_byte_too_many_is_explained_with_the_numbers() {
    let expected = "halloo: the payload is 65508 bytes; a UDP datagram over IPv4 carries at most 65507. Nothing was sent.\n        \
                    65535 (IP length) - 20 (IP header) - 8 (UDP header) = 65507; --chunk N cuts a stream into datagrams\n        \
                    halloo learn limit";
    assert_eq!(describe(&TooLong { len: 65_508, family: Family::V4 }.into()), expected);
    assert!(describe(&TooLong { len: 65_528, family: Family::V6 }.into()).contains("- 8 (UDP header) = 65527"));
}

#[test]
fn the_usual_mistakes_have_their_remedy() {
    let says = |error: Error, remedy: &str| {
        let text = describe(&error);
        assert!(text.contains(remedy), "{remedy} not in {text}");
    };
    says("udp://h:9/x".parse::<halloo::model::Target>().unwrap_err().into(), "did you mean h:9?");
    says(system(Action::Bind, "0.0.0.0:53", FaultKind::AddressInUse), "another program has UDP port 53");
    says(system(Action::Bind, "0.0.0.0:53", FaultKind::AddressInUse), "a unicast datagram only one");
    says(system(Action::Bind, "0.0.0.0:53", FaultKind::NotPermitted), "below 1024");
    says(
        system(Action::BindSource, "0.0.0.0:53", FaultKind::AddressInUse),
        "without --from the system takes a free one",
    );
    says(system(Action::BindSource, "0.0.0.0:53", FaultKind::NotPermitted), "below 1024");
    says(system(Action::BindSource, "10.0.0.7:0", FaultKind::AddressNotAvailable), "--from :PORT");
    says(system(Action::Route, "10.0.0.7:53", FaultKind::NotPermitted), "firewall");
    says(system(Action::Route, "255.255.255.255:53", FaultKind::NetworkUnreachable), "halloo broadcast --limited");
    says(system(Action::Connect, "10.0.0.7:53", FaultKind::NetworkUnreachable), "no router is set");
    says(RecordError::EmptyInput.into(), "--empty sends an empty datagram");
    let listing = describe(&others().swap_remove(3));
    assert!(listing.contains("\n        eth0  down\n        wg0   point-to-point, no broadcast\n"), "{listing}");
    says(others().swap_remove(7), "write [ff02::1%eth0] or [ff02::1%eth1]");
}

#[test]
fn the_lesson_of_an_error_is_that_of_its_cause() {
    let lesson = |error: Error| lessons::of_error(&error).map(Shown::lesson);
    let without = |why| Error::NothingToBroadcastOn { skipped: vec![Skipped { link: eth0(), address: None, why }] };
    assert_eq!(lesson(without(Unusable::TooSmall(31))), Some("mask"));
    for why in [Unusable::Down, Unusable::Loopback, Unusable::PointToPoint] {
        assert_eq!(lesson(without(why)), None);
    }
    assert_eq!(lesson(Error::ProbeTooLong(TooLong { len: 65_508, family: Family::V4 })), Some("limit"));
    let broadcast = |why| Error::NotADestination { address: "10.0.0.255:9".into(), why };
    let connected = describe(&broadcast(Unsendable::Connected));
    assert!(connected.ends_with("halloo learn replies") && !connected.contains("a destination is"), "{connected}");
    let several = describe(&broadcast(Unsendable::SeveralInterfaces));
    assert!(several.contains("halloo broadcast --limited") && several.ends_with("halloo learn limited"), "{several}");
}

#[test]
fn a_failed_send_is_one_line() {
    let destination = "[::ffff:255.255.255.255]:9".parse().unwrap();
    for kind in KINDS {
        let fault = Fault { kind, code: Some(1) };
        let text = failed(&Failed { len: 13, destination, link: Some(eth0()), fault, more: 0 });
        assert!(text.starts_with("cannot send 13 B to 255.255.255.255:9 by eth0: "), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
    let unreachable = Fault { kind: FaultKind::NetworkUnreachable, code: None };
    assert!(fault(&unreachable, destination).contains("--limited"));
}

#[test]
fn who_has_chosen_an_interface_is_not_told_to_choose_one() {
    let unreachable = Fault { kind: FaultKind::NetworkUnreachable, code: None };
    let said = |to: &str| fault(&unreachable, to.parse().unwrap());
    let chosen = said("[ff02::1%1]:1061");
    assert!(chosen.contains("no route to IPv6 groups") && !chosen.contains("--interface"), "{chosen}");
    assert!(said("239.1.2.3:1061").contains("--interface NAME"));
}

#[test]
fn a_full_table_of_neighbours_is_told_from_a_full_queue_where_it_can_be() {
    let fault = Fault { kind: FaultKind::QueueFull, code: None };
    let said = |to: &str| super::fault(&fault, to.parse().unwrap());
    assert!(said("10.0.0.7:1061").contains("gc_thresh3") && said("10.0.0.7:1061").contains("--rate"));
    // Everybody and a group have no entry in that table.
    for to in ["255.255.255.255:1061", "[ff02::1]:1061"] {
        assert!(!said(to).contains("gc_thresh3") && said(to).contains("--rate"), "{}", said(to));
    }
}

#[test]
fn what_cannot_be_sent_to_a_neighbour_over_ipv6_may_have_an_address_that_is_too_new() {
    let invalid = Fault { kind: FaultKind::Invalid, code: None };
    let said = |to: &str| fault(&invalid, to.parse().unwrap());
    assert!(said("[fe80::1%2]:52156").contains("that is new is first tried out"));
    assert!(!said("10.0.0.7:0").contains("tried out") && said("10.0.0.7:0").contains("port 0"));
}
