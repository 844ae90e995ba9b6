//! Runs that go on: who comes, who goes, and who only says so.

use super::*;

fn watching(secret: Option<Secret>) -> Plan {
    Plan { watch: true, ..asking(secret) }
}

#[test]
fn a_host_that_vanishes_is_stale_and_then_gone_within_its_time() {
    let mut lan = Lan::new(watching(Some(key(1))), nine(Some(&key(1))));
    lan.until(5_000);
    lan.hosts.remove(0);
    lan.until(60_000);
    let (stale, gone) = (lan.said.when(2, Change::Stale).unwrap(), lan.said.when(2, Change::Gone).unwrap());
    assert!((10_000..11_500).contains(&stale), "stale after {stale} ms");
    // Last heard within the first 100 ms; its time is 30 s.
    assert!((30_000..30_200).contains(&gone), "gone after {gone} ms");
    assert_eq!((lan.said.count(Change::Stale), lan.said.count(Change::Gone)), (1, 1));
    assert_eq!(lan.asker.services().len(), 8);
}

#[test]
fn a_host_that_comes_back_is_told() {
    let mut lan = Lan::new(watching(None), nine(None));
    lan.until(5_000);
    let away = lan.hosts.remove(0);
    lan.until(15_000);
    lan.hosts.push(away);
    lan.until(25_000);
    let told: Vec<Change> =
        lan.said.changes.iter().filter(|(.., s)| s.about.id.0 == 2).map(|(_, change, _)| *change).collect();
    assert_eq!(told, [Change::Found, Change::Stale, Change::Updated]);
}

#[test]
fn a_goodbye_is_asked_about_and_believed_only_if_nobody_answers() {
    for secret in [None, Some(key(1))] {
        let mut lan = Lan::new(watching(secret.clone()), nine(secret.as_ref()));
        lan.until(3_000);
        // Forged for host 3, which is there; true of host 2.
        let mut forged = Vec::new();
        let boot = boot_of(&lan, "10.0.1.3:1061");
        Goodbye { order: Order { boot, seq: u32::MAX }, id: InstanceId(3) }.write(None, &mut forged);
        lan.hear("10.0.1.66:1061", &forged);
        let mut leaving = lan.hosts.remove(0);
        let mut said = Said::default();
        leaving.engine.stop(at(lan.now), &mut said);
        for (_, bytes) in said.sends {
            lan.hear("10.0.1.2:40000", &bytes);
        }
        lan.until(9_000);
        let gone = lan.said.when(2, Change::Gone).unwrap();
        assert!(gone < 3_700, "gone after {gone} ms");
        assert_eq!(lan.said.when(3, Change::Gone), None);
        assert_eq!(lan.said.ignored.contains(&Ignored::Unsigned), secret.is_some());
        lan.until(12_000);
        assert_eq!((lan.said.count(Change::Stale), lan.asker.services().len()), (0, 8));
    }
}

#[test]
fn a_true_goodbye_said_again_after_a_restart_removes_nobody() {
    let mut lan = Lan::new(watching(Some(key(1))), vec![host(2, &[1], Some(key(1)))]);
    lan.until(3_000);
    let mut said = Said::default();
    lan.hosts[0].engine.stop(at(3_000), &mut said);
    let goodbye = said.sends.remove(0).1;
    // Back at once: the same instance, another start.
    lan.hosts[0].engine = host(2, &[1], Some(key(1))).engine;
    lan.hear("10.0.1.2:40000", &goodbye);
    lan.until(12_000);
    lan.hear("10.0.1.66:40000", &goodbye);
    lan.until(20_000);
    assert_eq!((lan.said.count(Change::Gone), lan.asker.services().len()), (0, 1));
}

#[test]
fn an_announcement_is_a_reason_to_ask_and_no_more() {
    let mut lan = Lan::new(watching(Some(key(1))), Vec::new());
    lan.until(3_000);
    let mut announced = Vec::new();
    let order = Order { boot: 1, seq: 1 };
    Announce { order, about: about(2) }.write(Some(&key(1)), &mut announced);
    lan.hear("10.0.1.2:40000", &announced);
    lan.until(5_000);
    assert_eq!(lan.said.changes.len(), 0);
    lan.hosts.push(host(3, &[1], Some(key(1))));
    lan.start_hosts();
    lan.until(9_000);
    let found = lan.said.when(3, Change::Found).unwrap();
    assert!(found < 6_000, "found after {found} ms");
    assert_eq!(lan.said.service(3).unwrap().trust, Trust::Verified);
}

#[test]
fn a_flood_of_hints_buys_few_questions_and_hides_nobody() {
    let mut lan = Lan::new(watching(None), vec![host(2, &[1], None)]);
    lan.until(2_000);
    let before = lan.asker.stats().sent;
    for id in 100..5_100u64 {
        let mut announced = Vec::new();
        Announce { order: Order { boot: 1, seq: 1 }, about: about(id) }.write(None, &mut announced);
        lan.hear("10.0.1.66:40000", &announced);
        lan.until(1_901 + id);
    }
    let asked = lan.asker.stats().sent - before;
    assert!((4..=8).contains(&asked), "{asked} questions in 5 s: two follow-ups of two rounds on two ways are 8");
    // Whoever is new is found by the next, and makes hints worth following again.
    lan.hosts.push(host(3, &[1], None));
    lan.start_hosts();
    lan.until(9_000);
    assert!(lan.said.when(3, Change::Found).is_some());
    lan.hosts.push(host(4, &[1], None));
    lan.start_hosts();
    lan.until(10_000);
    assert!(lan.said.when(4, Change::Found).is_some());
}

#[test]
fn among_many_hints_are_asked_after_one_by_one_and_few_of_them() {
    let mut lan = Lan::new(watching(None), Vec::new());
    for id in 0..1_500u64 {
        let address = format!("10.0.1.{}", 10 + id % 100);
        let known = answer(&lan, 0, 10_000 + id, &address, None);
        lan.hear(&format!("{address}:1061"), &known);
    }
    lan.until(4_000);
    let before = lan.asker.stats().sent;
    for id in 0..100u64 {
        let mut announced = Vec::new();
        Announce { order: Order { boot: 1, seq: 1 }, about: about(id) }.write(None, &mut announced);
        lan.hear("10.0.1.66:40000", &announced);
    }
    lan.until(4_900);
    assert_eq!(lan.asker.stats().sent - before, 2 * 2 * HINT_QUERIES as u64);
}

#[test]
fn a_short_time_to_live_is_kept_as_far_as_asking_every_three_seconds_can() {
    let short = About { ttl: Duration::from_secs(2), ..about(2) };
    let mut lan = Lan::new(watching(None), vec![host_of(short, 2, &[1], None), host(3, &[1], None)]);
    lan.until(5_000);
    assert_eq!(lan.said.count(Change::Stale), 0);
    lan.hosts.remove(0);
    lan.until(20_000);
    let (stale, gone) = (lan.said.when(2, Change::Stale).unwrap(), lan.said.when(2, Change::Gone).unwrap());
    // Asked at 6 s, and once more at 9 s.
    assert!((6_000..7_000).contains(&stale), "stale after {stale} ms");
    assert!((9_000..10_000).contains(&gone), "gone after {gone} ms");
    assert_eq!((lan.said.count(Change::Stale), lan.said.count(Change::Gone)), (1, 1));
}

#[test]
fn who_proves_nothing_does_not_say_how_often_others_are_asked() {
    let mut lan = Lan::new(watching(Some(key(1))), vec![host(2, &[1], Some(key(1)))]);
    let asked = lan.asker.questions.latest(0).unwrap();
    let (nonce, order) = (asked.nonce, Order { boot: 1, seq: 1 });
    let about = About { ttl: Duration::from_secs(1), ..about(9) };
    let mut forged = Vec::new();
    Reply { echo: nonce.echo(), address: None, order, about, more: false }.write(&nonce, None, &mut forged);
    lan.hear("10.0.1.66:1061", &forged);
    lan.until(1_500);
    let before = lan.asker.rounds();
    lan.until(9_900);
    assert_eq!((lan.asker.rounds(), lan.asker.services().len()), (before, 2));
}

#[test]
fn a_host_that_slept_asks_again_at_once() {
    for jump in [3_600, 5] {
        let mut lan = Lan::new(watching(None), nine(None));
        lan.until(2_000);
        let replies = lan.asker.stats().replies;
        lan.ahead = Duration::from_secs(jump);
        lan.until(5_000);
        assert!(lan.said.notices.iter().any(|notice| matches!(notice, Notice::ClockJumped)));
        assert_eq!(lan.asker.stats().replies, replies.map(|n| n + 10));
        assert_eq!(lan.said.count(Change::Gone) + lan.said.count(Change::Stale), 0);
    }
    // What vanished meanwhile is stale as soon as it has not answered, and gone when it was asked once more: the first time
    // the network of a host that wakes may not be there yet.
    let mut lan = Lan::new(watching(None), nine(None));
    lan.until(2_000);
    lan.ahead = Duration::from_secs(3_600);
    lan.hosts.remove(0);
    lan.until(9_000);
    assert!(lan.said.when(2, Change::Stale).is_some_and(|stale| stale < 5_000));
    assert!(lan.said.when(2, Change::Gone).is_some_and(|gone| gone < 8_000));
}

#[test]
fn after_sleep_an_age_is_the_time_since_the_answer() {
    let mut lan = Lan::new(watching(None), vec![host(2, &[1], None), host(3, &[1], None)]);
    lan.until(2_000);
    lan.hosts.remove(0);
    lan.ahead = Duration::from_secs(3_600);
    let age = |lan: &Lan, id: u64| {
        let services = lan.asker.services();
        services.iter().find(|service| service.about.id.0 == id).unwrap().age(lan.time()).as_millis()
    };
    // It looks at the clock within 2 s, and the answer comes within 100 ms.
    lan.until(5_000);
    let answered = age(&lan, 3);
    assert!((900..3_000).contains(&answered), "{answered} ms");
    // Who does not answer was last heard before the sleep.
    assert!(age(&lan, 2) > 3_604_800);
    lan.until(5_300);
    assert_eq!(age(&lan, 3), answered + 300);
}

#[test]
fn a_clock_that_is_set_back_loses_nobody() {
    let mut lan = Lan::new(watching(None), nine(None));
    lan.ahead = Duration::from_secs(100);
    lan.until(2_000);
    lan.ahead = Duration::ZERO;
    lan.until(40_000);
    assert_eq!(lan.said.count(Change::Gone) + lan.said.count(Change::Stale), 0);
}

#[test]
fn a_new_interface_is_asked_at_once() {
    let plan = Plan { destinations: vec![to_all(1)], ..watching(None) };
    let mut lan = Lan::new(plan, nine(None));
    lan.until(2_000);
    assert_eq!(lan.asker.services().len(), 5);
    lan.asker.readdress(at(2_000), vec![to_all(1), to_all(2)]);
    lan.until(2_200);
    assert_eq!(lan.asker.services().len(), 9);
}

#[test]
fn where_the_last_interface_goes_it_waits_for_one_that_comes() {
    let mut lan = Lan::new(watching(None), nine(None));
    lan.until(2_000);
    lan.asker.readdress(lan.time(), Vec::new());
    let sent = lan.asker.stats().sent;
    assert!(!lan.until(8_000), "it ended at {} ms", lan.now);
    assert_eq!((lan.said.count(Change::Stale), lan.asker.stats().sent), (9, sent));
    lan.asker.readdress(lan.time(), vec![to_all(1), to_all(2)]);
    lan.until(8_200);
    assert_eq!((lan.said.count(Change::Updated), lan.asker.services().len()), (9, 9));
    // Those of an interface that stays away are gone when their time is over.
    lan.asker.readdress(lan.time(), Vec::new());
    lan.until(60_000);
    assert_eq!((lan.said.count(Change::Gone), lan.asker.services().len()), (9, 0));
    assert!(!lan.until(60_100));
}

/// What is told of instance 2, which has this name now.
fn renamed(lan: &mut Lan, name: &str) -> Option<Change> {
    lan.said.changes.clear();
    renames(lan, name);
    lan.said.changes.first().map(|(_, change, _)| *change)
}

/// Instance 2 answers, with this name.
fn renames(lan: &mut Lan, name: &str) {
    answers(lan, About { name: name.parse().unwrap(), ..about(2) });
}

/// Instance 2 answers so.
fn answers(lan: &mut Lan, about: About) {
    let nonce = lan.asker.questions.latest(1).unwrap().nonce;
    let order = Order { boot: 2, seq: lan.now as u32 };
    let mut bytes = Vec::new();
    Reply { echo: nonce.echo(), address: None, order, about, more: false }.write(&nonce, None, &mut bytes);
    lan.hear("10.0.2.2:1061", &bytes);
}

#[test]
fn who_takes_the_wanted_name_is_found_and_who_gives_it_up_is_gone() {
    let mut lan = Lan::new(Plan { names: named("blue"), ..watching(None) }, Vec::new());
    let told: Vec<Option<Change>> = ["red", "blue", "green", "black"]
        .into_iter()
        .map(|name| {
            lan.until(lan.now + 10);
            renamed(&mut lan, name)
        })
        .collect();
    assert_eq!(told, [None, Some(Change::Found), Some(Change::Gone), None]);
    // Nobody is told to be stale or gone who was never told to be there, nor asked after when he says goodbye.
    lan.until(5_000);
    let sent = lan.asker.stats().sent;
    let mut goodbye = Vec::new();
    Goodbye { order: Order { boot: 2, seq: u32::MAX }, id: InstanceId(2) }.write(None, &mut goodbye);
    lan.hear("10.0.2.2:40000", &goodbye);
    lan.until(9_000);
    assert_eq!(lan.asker.stats().sent, sent);
    lan.until(60_000);
    assert_eq!((lan.said.changes.len(), lan.asker.services().len()), (0, 0));
}

/// The addresses that the service answered from, and the one that is told first.
fn addresses(lan: &Lan, id: u64) -> (Vec<String>, String) {
    let services = lan.asker.services();
    let service = services.iter().find(|service| service.about.id.0 == id).unwrap();
    let sources = service.paths.iter().map(|path| path.source.ip().to_string()).collect();
    (sources, service.path().unwrap().source.ip().to_string())
}

#[test]
fn an_address_that_a_host_has_given_up_is_dropped_and_its_new_one_is_told() {
    for secret in [None, Some(key(1))] {
        let mut lan = Lan::new(watching(secret.clone()), vec![host(2, &[1], secret.clone()), host(3, &[1], secret)]);
        lan.until(5_000);
        lan.hosts[0].number = 22;
        lan.until(15_000);
        assert_eq!(addresses(&lan, 2), (vec!["10.0.1.2".into(), "10.0.1.22".into()], "10.0.1.2".into()));
        // Once may be chance: the old one has been silent in two askings of everybody, the second at 20 s.
        lan.until(22_000);
        assert_eq!(addresses(&lan, 2), (vec!["10.0.1.22".into()], "10.0.1.22".into()));
        let told: Vec<Change> =
            lan.said.changes.iter().filter(|(.., s)| s.about.id.0 == 2).map(|(_, change, _)| *change).collect();
        assert_eq!(told, [Change::Found, Change::Path, Change::Updated]);
        assert_eq!(lan.said.service(2).unwrap().paths.len(), 1);
        assert_eq!(lan.said.changes.iter().filter(|(.., s)| s.about.id.0 == 3).count(), 1);
    }
}

#[test]
fn who_comes_back_with_another_address_is_not_told_by_the_old_one_for_long() {
    let mut lan = Lan::new(watching(None), vec![host(2, &[1], None)]);
    lan.until(5_000);
    let mut away = lan.hosts.remove(0);
    lan.until(15_000);
    away.number = 22;
    lan.hosts.push(away);
    lan.until(22_000);
    assert_eq!(addresses(&lan, 2), (vec!["10.0.1.22".into()], "10.0.1.22".into()));
    assert_eq!(lan.said.count(Change::Gone), 0);
}

#[test]
fn of_two_ways_the_one_that_is_silent_is_dropped_and_who_is_silent_on_all_keeps_them() {
    let mut lan = Lan::new(watching(None), vec![host(10, &[1, 2], None)]);
    lan.until(5_000);
    assert_eq!(addresses(&lan, 10).0.len(), 2);
    lan.hosts[0].subnets = vec![2];
    lan.until(15_000);
    assert_eq!(addresses(&lan, 10).0.len(), 2, "one silence may be chance");
    lan.until(22_000);
    assert_eq!(addresses(&lan, 10).0, ["10.0.2.10"]);
    lan.hosts.clear();
    lan.until(45_000);
    assert_eq!(addresses(&lan, 10).0, ["10.0.2.10"]);
}

#[test]
fn who_watches_to_an_end_at_which_nobody_is_there_has_found_too_few() {
    let verdict = |deadline, hosts| {
        let mut lan = Lan::new(Plan { deadline, ..watching(None) }, hosts);
        assert_eq!(lan.until(2_000), deadline.is_some());
        lan.finish();
        let told = lan.said.notices.iter().any(|notice| matches!(notice, Notice::ServicesMissing(_)));
        (lan.asker.stats().verdict, told)
    };
    let end = Some(Duration::from_secs(1));
    assert_eq!(verdict(end, Vec::new()), (Verdict::TooFew, true));
    assert_eq!(verdict(end, vec![host(2, &[1], None)]), (Verdict::Done, false));
    assert_eq!(verdict(None, Vec::new()), (Verdict::Done, false));
}

/// Instance 2 answers, with this port of its service.
fn moves_to(lan: &mut Lan, port: u16) {
    answers(lan, About { port, ..about(2) });
}

#[test]
fn who_says_something_else_all_the_time_is_told_once_a_second_and_with_the_last_word() {
    let mut lan = Lan::new(watching(None), Vec::new());
    lan.until(1_000);
    for port in 1..=4_990 {
        moves_to(&mut lan, port);
        lan.until(lan.now + 1);
    }
    let lines_and_merged = |lan: &Lan| (lan.said.changes.len() as u64, lan.asker.stats().merged.unwrap());
    let (lines, merged) = lines_and_merged(&lan);
    // Four at once, and one a second.
    assert_eq!((lines, merged), (8, 4_981), "the last word is not told yet");
    lan.until(7_000);
    assert_eq!(lan.said.service(2).unwrap().about.port, 4_990);
    assert_eq!(lines_and_merged(&lan), (9, 4_981));
    // Then it is as free as before.
    lan.until(15_000);
    lan.said.changes.clear();
    (1..=4).for_each(|port| moves_to(&mut lan, port));
    assert_eq!(lan.said.changes.len(), 4);
}

#[test]
fn who_takes_and_gives_up_the_wanted_name_all_the_time_is_told_once_a_second_as_it_is_then() {
    for (last, told_last) in [("blue", Change::Found), ("red", Change::Gone)] {
        let mut lan = Lan::new(Plan { names: named("blue"), ..watching(None) }, Vec::new());
        lan.until(1_000);
        for n in 0..3_000 {
            renames(&mut lan, ["blue", "red"][n % 2]);
            lan.until(lan.now + 1);
        }
        renames(&mut lan, last);
        lan.until(8_000);
        let mut told: Vec<Change> = lan.said.changes.iter().map(|(_, change, _)| *change).collect();
        assert!(told.len() <= 8, "{told:?}");
        told.retain(|change| *change != Change::Updated);
        let turns = [Change::Found, Change::Gone].into_iter().cycle();
        assert!(told.iter().copied().eq(turns.take(told.len())), "{told:?}");
        assert_eq!(told.last(), Some(&told_last));
    }
}

#[test]
fn what_is_to_be_told_later_is_told_at_the_end() {
    let mut lan = Lan::new(watching(None), Vec::new());
    (1..=9).for_each(|port| moves_to(&mut lan, port));
    assert_eq!(lan.said.changes.len(), 4);
    lan.finish();
    let told: Vec<Change> = lan.said.changes.iter().map(|(_, change, _)| *change).collect();
    assert_eq!(told[4..], [Change::Updated, Change::Listed]);
    assert_eq!(lan.said.service(2).unwrap().about.port, 9);
    assert_eq!(lan.asker.stats().merged, Some(4));
}
