//! Places that come, go and change, by the table alone.

use super::*;
use crate::engine::broadcast::Form;
use crate::model::interface::Facts;

fn row(index: u32, name: &str, address: Option<(&str, u8)>) -> Facts {
    Facts::plain(index, name, address)
}

fn table(rows: &[Facts]) -> Table {
    let lo = Facts { loopback: true, can_broadcast: false, ..row(1, "lo", Some(("127.0.0.1", 8))) };
    Table::new([&[lo], rows].concat().into_iter().map(Interface::judge).collect())
}

fn choice(interfaces: &[&str]) -> Choice {
    let interfaces = interfaces.iter().map(|name| name.parse().unwrap()).collect();
    Choice { interfaces, form: Form::Directed, mask_derived: false, port: 9 }
}

/// Places of everybody on these interfaces, at the start.
fn everybody(interfaces: &[&str], start: &Table) -> Places {
    let choice = choice(interfaces);
    let mut places = Places::new(broadcast::plan(start, &choice).unwrap().destinations);
    assert!(places.follow(Follows::Everybody(choice, None), start).is_empty());
    places
}

fn to_one(way: Way, start: &Table) -> Places {
    let mut places = Places::new(vec![way.start(start).unwrap()]);
    places.follow(Follows::One(way), start);
    places
}

/// Each turn: the interface with its number, the source, and why it cannot be reached.
fn turns(places: &Places) -> Vec<String> {
    let link =
        |to: &Destination| to.link.as_ref().map_or("-".to_owned(), |link| format!("{}#{}", link.name, link.index));
    let source = |to: &Destination| to.source.map_or("-".to_owned(), |source| source.to_string());
    let turn = |(number, to, why): (usize, &Destination, Option<Unsent>)| {
        format!("{number} {} {} {}", link(to), source(to), why.map_or("reached", Unsent::name))
    };
    places.turns().map(turn).collect()
}

fn count(notices: &[Notice]) -> (usize, usize, usize) {
    let of = |is: fn(&&Notice) -> bool| notices.iter().filter(is).count();
    (
        of(|n| matches!(n, Notice::WayLost { .. })),
        of(|n| matches!(n, Notice::WayBack { .. })),
        of(|n| matches!(n, Notice::InterfaceCame(_))),
    )
}

#[test]
fn a_place_keeps_its_turn_through_everything_that_happens_to_its_interface() {
    let e1 = row(3, "e1", Some(("10.2.0.1", 24)));
    let e0 = row(2, "e0", Some(("10.1.0.1", 24)));
    let mut places = everybody(&[], &table(&[e0.clone(), e1.clone()]));
    let steps = [
        (vec![Facts { up: false, running: false, ..e0.clone() }], "0 e0#2 10.1.0.1 down", (1, 0, 0)),
        (vec![e0.clone()], "0 e0#2 10.1.0.1 reached", (0, 1, 0)),
        (vec![row(2, "e0", None)], "0 e0#2 10.1.0.1 no_address", (1, 0, 0)),
        // Another reason is told as well; the same one is not told again.
        (vec![Facts { running: false, ..e0.clone() }], "0 e0#2 10.1.0.1 no_carrier", (1, 0, 0)),
        (vec![Facts { running: false, mtu: Some(1400), ..e0.clone() }], "0 e0#2 10.1.0.1 no_carrier", (0, 0, 0)),
        // Renumbered, and in the same moment reached again.
        (vec![row(2, "e0", Some(("10.1.0.9", 24)))], "0 e0#2 10.1.0.9 reached", (0, 1, 0)),
        (vec![row(2, "e0", Some(("10.7.0.9", 24)))], "0 e0#2 10.7.0.9 reached", (0, 0, 0)),
        (vec![], "0 e0#2 10.7.0.9 gone", (1, 0, 0)),
        // Made anew, with another number.
        (vec![row(9, "e0", Some(("10.7.0.9", 24)))], "0 e0#9 10.7.0.9 reached", (0, 1, 0)),
        // A subnet too small for everybody.
        (vec![row(9, "e0", Some(("10.7.0.9", 31)))], "0 e0#9 10.7.0.9 no_broadcast", (1, 0, 0)),
    ];
    for (rows, expected, told) in steps {
        let notices = places.rewired(&table(&[&rows[..], std::slice::from_ref(&e1)].concat()));
        assert_eq!(turns(&places), [expected, "1 e1#3 10.2.0.1 reached"]);
        assert_eq!(count(&notices), told, "{expected}");
    }
}

#[test]
fn what_comes_is_used_and_has_a_turn_while_it_exists() {
    let e0 = row(2, "e0", Some(("10.1.0.1", 24)));
    let tap = |n: u32| row(n, &format!("tap{n}"), Some(("10.3.0.1", 24)));
    let mut places = everybody(&[], &table(std::slice::from_ref(&e0)));
    for n in 5..100 {
        assert_eq!(count(&places.rewired(&table(&[e0.clone(), tap(n)]))), (0, 0, 1));
        assert_eq!(turns(&places).len(), 2);
        places.rewired(&table(&[e0.clone(), Facts { up: false, ..tap(n) }]));
        assert_eq!(turns(&places)[1], format!("1 tap{n}#{n} 10.3.0.1 down"));
        assert_eq!(count(&places.rewired(&table(std::slice::from_ref(&e0)))), (1, 0, 0));
        assert_eq!(turns(&places), ["0 e0#2 10.1.0.1 reached"]);
    }
    assert_eq!(places.all().count(), 2, "places of those that are gone are used again");
}

#[test]
fn a_named_interface_that_is_gone_does_not_take_the_others_with_it() {
    let (e0, e1) = (row(2, "e0", Some(("10.1.0.1", 24))), row(3, "e1", Some(("10.2.0.1", 24))));
    let mut places = everybody(&["e0", "e1"], &table(&[e0.clone(), e1]));
    places.rewired(&table(&[e0, row(4, "e2", Some(("10.4.0.1", 24)))]));
    assert_eq!(turns(&places), ["0 e0#2 10.1.0.1 reached", "1 e1#3 10.2.0.1 gone"]);
    places.rewired(&table(&[row(4, "e2", Some(("10.4.0.1", 24)))]));
    assert_eq!(turns(&places), ["0 e0#2 10.1.0.1 gone", "1 e1#3 10.2.0.1 gone"]);
}

#[test]
fn of_two_addresses_each_keeps_its_own_place() {
    let rows = [row(2, "e0", Some(("10.1.0.1", 24))), row(2, "e0", Some(("10.2.0.1", 24)))];
    let mut places = everybody(&[], &table(&rows));
    places.rewired(&table(&rows[1..]));
    assert_eq!(turns(&places), ["0 e0#2 10.1.0.1 no_broadcast", "1 e0#2 10.2.0.1 reached"]);
    places.rewired(&table(&rows));
    assert_eq!(turns(&places), ["0 e0#2 10.1.0.1 reached", "1 e0#2 10.2.0.1 reached"]);
}

#[test]
fn one_address_by_a_named_interface_never_leaves_from_no_address() {
    let way = |to: &str| Way { interface: Some("e0".parse().unwrap()), ..Way::to(to.parse().unwrap()) };
    let e0 = row(2, "e0", Some(("10.1.0.1", 24)));
    let six = row(2, "e0", Some(("fe80::1", 64)));
    let refused = |to: &str, rows: &[Facts]| matches!(way(to).start(&table(rows)), Err(Error::NoSource { .. }));
    assert!(refused("239.1.2.3:9", &[row(2, "e0", None)]));
    assert!(refused("10.1.0.2:9", std::slice::from_ref(&six)));
    assert!(refused("[2001:db8::1]:9", std::slice::from_ref(&e0)));
    assert!(matches!(way("10.1.0.2:9").start(&table(&[])), Err(Error::NoSuchInterface { .. })));
    let mut places = to_one(way("10.1.0.2:9"), &table(std::slice::from_ref(&e0)));
    assert_eq!(turns(&places), ["0 e0#2 10.1.0.1 reached"]);
    for (rows, expected) in [
        (vec![row(2, "e0", None)], "0 e0#2 10.1.0.1 no_address"),
        (vec![row(7, "e0", Some(("10.1.0.9", 24)))], "0 e0#7 10.1.0.9 reached"),
        (vec![Facts { running: false, ..e0.clone() }], "0 e0#7 10.1.0.9 no_carrier"),
        (vec![], "0 e0#7 10.1.0.9 gone"),
    ] {
        places.rewired(&table(&rows));
        assert_eq!(turns(&places), [expected]);
    }
    assert_eq!(way("10.1.0.1:9").lost(&table(&[Facts { running: false, ..e0.clone() }])), None, "this host itself");
    // At the start, too: into a dead cable everything "leaves".
    let dead = table(&[Facts { running: false, ..e0 }]);
    assert_eq!(turns(&to_one(way("10.1.0.2:9"), &dead)), ["0 e0#2 10.1.0.1 no_carrier"]);
}

#[test]
fn a_zone_is_the_interface_of_that_name_and_a_neighbour_is_asked_from_an_address_of_the_link() {
    let rows = |index: u32| {
        [
            row(index, "e0", Some(("10.1.0.1", 24))),
            row(index, "e0", Some(("2001:db8::1", 64))),
            row(index, "e0", Some(("fe80::1", 64))),
        ]
    };
    let way = |to: &str| Way { interface: Some("e0".parse().unwrap()), ..Way::to(to.parse().unwrap()) };
    let source = |to: &str| way(to).start(&table(&rows(2))).unwrap().source.unwrap().to_string();
    assert_eq!(
        ["[fe80::7%2]:9", "[ff02::1%2]:9", "[2001:db8::7]:9", "[ff05::1]:9"].map(source),
        ["fe80::1", "fe80::1", "2001:db8::1", "2001:db8::1"]
    );
    // Linux lists the youngest first. This one came by an advertisement that anybody can forge.
    let forged = [&[row(2, "e0", Some(("fd00:bad::1", 64)))], &rows(2)[..]].concat();
    let still = |to: &str| way(to).start(&table(&forged)).unwrap().source.unwrap().to_string();
    assert_eq!(["[2001:db8::7]:9", "[fe80::7%2]:9"].map(still), ["2001:db8::1", "fe80::1"]);
    // To what lies outside, too; and what is only being tried out is nobody's yet.
    let outside = |to: &str, standing, lasting: &str| {
        let forged = Facts { standing, ..row(2, "e0", Some(("fd00:bad::1", 64))) };
        way(to).start(&table(&[forged, row(2, "e0", Some((lasting, 64)))])).unwrap().source.unwrap().to_string()
    };
    for standing in [Standing::Leased, Standing::Deprecated, Standing::Tentative] {
        assert_eq!(outside("[fd00:ba::7]:9", standing, "fd77::1"), "fd77::1", "{standing:?}");
        assert_eq!(outside("[2001:db8::7]:9", standing, "2001:db8:1::1"), "2001:db8:1::1", "{standing:?}");
    }
    // A router's own address is still the one to use where it is of the destination's kind, and good.
    assert_eq!(outside("[fd99::7]:9", Standing::Leased, "2001:db8:1::1"), "fd00:bad::1");
    assert_eq!(outside("[fd99::7]:9", Standing::Deprecated, "2001:db8:1::1"), "2001:db8:1::1");
    // Of two that are alike, the one with more bits in common; and one that is being tried out rather than none.
    assert_eq!(outside("[fd00:b::7]:9", Standing::Lasting, "fd77::1"), "fd00:bad::1");
    let tried = Facts { standing: Standing::Tentative, ..row(2, "e0", Some(("fd77::1", 64))) };
    assert_eq!(way("[fd99::7]:9").start(&table(&[tried])).unwrap().source.unwrap().to_string(), "fd77::1");
    let mut places = to_one(way("[fe80::7%2]:9"), &table(&rows(2)));
    places.rewired(&table(&rows(5)));
    assert_eq!(places.get(0).unwrap().address.to_string(), "[fe80::7%5]:9");
    assert_eq!(turns(&places), ["0 e0#5 fe80::1 reached"]);
}

#[test]
fn where_the_route_decides_only_what_is_certain_keeps_a_datagram_back() {
    let e0 = row(2, "e0", Some(("10.1.0.1", 24)));
    let dead = |index, name: &str| Facts { running: false, ..row(index, name, Some(("10.2.0.1", 24))) };
    let lost = |to: &str, rows: &[Facts]| Way::to(to.parse().unwrap()).lost(&table(rows));
    assert_eq!(lost("10.1.0.2:9", &[]), Some(Unsent::NoAddress));
    assert_eq!(lost("10.1.0.2:9", &[Facts { up: false, ..e0.clone() }]), Some(Unsent::Down));
    assert_eq!(lost("127.0.0.1:9", &[]), None);
    assert_eq!(lost("10.1.0.1:9", &[Facts { running: false, ..e0.clone() }]), None, "this host itself");
    assert_eq!(lost("10.9.0.2:9", std::slice::from_ref(&e0)), None, "perhaps by a router");
    assert_eq!(lost("10.2.0.7:9", &[e0.clone(), dead(3, "e1")]), Some(Unsent::NoCarrier));
    assert_eq!(lost("10.2.0.7:9", &[row(4, "e2", Some(("10.2.0.9", 24))), dead(3, "e1")]), None, "or by the other");
    assert_eq!(lost("[fe80::7%2]:9", std::slice::from_ref(&e0)), Some(Unsent::NoAddress));
    assert_eq!(lost("[fe80::7%9]:9", std::slice::from_ref(&e0)), Some(Unsent::Gone));
    let from = Way { source: Some("10.1.0.1".parse().unwrap()), ..Way::to("10.9.0.2:9".parse().unwrap()) };
    assert_eq!((from.lost(&table(&[e0])), from.lost(&table(&[dead(2, "e0")]))), (None, Some(Unsent::NoAddress)));
    // The system says at the start that there is no route; that is more exact.
    assert_eq!(turns(&to_one(Way::to("10.1.0.2:9".parse().unwrap()), &table(&[]))), ["0 - - reached"]);
}

#[test]
fn a_ticket_holds_number_and_place() {
    for (number, place) in [(0, 0), (1, 0), (7, MOST - 1), (u64::from(u32::MAX), 3)] {
        assert_eq!(of_ticket(ticket(number, place)), (number, place));
    }
}
