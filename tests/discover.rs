//! `discover` on real LANs: every host once, whatever ways lead to it; interfaces that come; a firewall and NAT in between.

#![cfg(all(target_os = "linux", feature = "lab"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests; the clock here is not the product's"
)]

mod support;

use std::collections::BTreeSet;
use std::net::{ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use halloo::lab::plan::Address;
use halloo::lab::{HostPlan, Plan, Plug};
use halloo::model::{About, Attributes, InstanceId};
use halloo::wire::beacon::{Message, Nonce, Order, Query, Reply, Window, read};
use serde_json::Value;
use support::PATIENCE;
use support::lan::{Host, Lan};
use support::program::{Output, Run, Server, program};

// ---- LANs of the lab -----------------------------------------------------------------------------------------------

/// The program in a host, where nothing is kept.
fn halloo(host: Host<'_>, args: &[&str]) -> Run {
    host.halloo(args).env("HALLOO_SECRET_FILE", "").env("XDG_STATE_HOME", "/dev/null/keeps/nothing")
}

/// Announces `chat` there, under the name of the host.
fn announce(host: Host<'_>) -> Server {
    halloo(host, &["announce", "chat", "--port", "7000", "--name", host.name()]).serve()
}

/// A host on `net` 1 or 2, or on several, with the address that ends so.
fn host(name: &str, nets: &[u8], end: u8) -> HostPlan {
    let plug = |net: &u8| Plug::new(&format!("e{}", net - 1), &format!("net{net}")).address(([10, *net, 0, end], 24));
    nets.iter().map(plug).fold(HostPlan::new(name), HostPlan::plug)
}

fn names(output: &Output) -> Vec<String> {
    let name = |event: &Value| event["name"].as_str().unwrap().to_owned();
    output.events("service").iter().map(name).collect()
}

/// The interfaces of all ways to a service.
fn ifaces(service: &Value) -> BTreeSet<&str> {
    service["paths"].as_array().unwrap().iter().map(|path| path["iface"].as_str().unwrap()).collect()
}

#[test]
fn nine_hosts_on_two_subnets_are_nine_lines() {
    let mut plan = Plan::new().host(host("me", &[1, 2], 1)).host(host("both", &[1, 2], 9));
    for n in 2..6 {
        plan = plan.host(host(&format!("a{n}"), &[1], n)).host(host(&format!("b{n}"), &[2], n));
    }
    let Some(lan) = Lan::of(&plan) else { return };
    let others = ["a2", "a3", "a4", "a5", "b2", "b3", "b4", "b5", "both"];
    let _servers = others.map(|name| announce(lan.host(name)));
    let me = lan.host("me");
    let output = halloo(me, &["discover", "chat", "--json"]).output().expect_code(0);
    assert_eq!(names(&output), others);
    for service in output.events("service") {
        let name = service["name"].as_str().unwrap();
        let expected: &[&str] = match name.as_bytes()[0..2] {
            [b'a', _] => &["e0"],
            [b'b', b'o'] => &["e0", "e1"],
            _ => &["e1"],
        };
        assert_eq!(ifaces(&service), expected.iter().copied().collect(), "{service}");
    }
    let took = output.summary()["elapsed_s"].as_f64().unwrap();
    println!("nine of nine in {took:.3} s");
    let text = halloo(me, &["discover", "chat"]).output().expect_code(0);
    assert_eq!(text.out().lines().count(), 1 + 9, "{text}");
    // It ends when all are there.
    let quick = halloo(me, &["discover", "chat", "--expect", "9", "--json"]).output().expect_code(0);
    println!("nine expected in {:.3} s", quick.summary()["elapsed_s"].as_f64().unwrap());
    let six = halloo(me, &["discover", "-6", "--json"]).output().expect_code(0);
    assert_eq!(names(&six).len(), 9, "{six}");
    assert!(six.events("service").iter().all(|service| service["addr"].as_str().unwrap().starts_with("fe80::")));
    let resolve = ["discover", "chat", "--resolve", "a3", "--print", "addr:port"];
    assert_eq!(halloo(me, &resolve).output().expect_code(0).out(), "10.1.0.3:7000\n");
    let one = halloo(me, &["discover", "--interface", "e1", "-4", "--json"]).output().expect_code(0);
    assert_eq!(names(&one), ["b2", "b3", "b4", "b5", "both"]);
}

#[test]
fn a_host_with_two_addresses_and_one_with_two_interfaces_in_a_subnet_are_one_each() {
    let two = |name: &str, end: u8| {
        let plug = |n: u8| Plug::new(&format!("e{n}"), "net1").address(([10, 1, 0, end + n], 24));
        // The LAN waits until everybody hears everybody, which these two never do: one host does not hear itself.
        HostPlan::new(name).plug(plug(0)).plug(plug(1).down())
    };
    let plan = Plan::new().host(two("me", 1)).host(host("addresses", &[1], 5)).host(two("interfaces", 7));
    let Some(lan) = Lan::of(&plan) else { return };
    let [me, addresses, interfaces] = ["me", "addresses", "interfaces"].map(|name| lan.host(name));
    addresses.add_address("e0", "10.1.0.55/24".parse::<Address>().unwrap()).unwrap();
    for host in [me, interfaces] {
        host.link_up("e1").unwrap();
    }
    let _servers = [announce(addresses), announce(interfaces)];
    // Two expected, since a cable that has just been plugged in loses what is sent at first. By which of the two
    // interfaces an answer comes is a matter of ARP: either answers for both addresses (ip-sysctl, arp_ignore).
    let output = halloo(me, &["discover", "-4", "--expect", "2", "--wait", "20s"]).output().expect_code(0);
    assert_eq!(output.out().lines().count(), 1 + 2, "{output}");
    let output = halloo(me, &["discover", "-4", "--json"]).output().expect_code(0);
    assert_eq!(names(&output), ["addresses", "interfaces"], "{output}");
    assert!(output.events("notice").is_empty(), "{output}");
}

#[test]
fn an_interface_that_comes_is_used_at_once_and_one_that_goes_is_told() {
    let mut me = host("me", &[1, 2], 1);
    me.plugs[1].down = true;
    let plan = Plan::new().host(me).host(host("far", &[2], 2)).host(host("near", &[1], 2));
    let Some(lan) = Lan::of(&plan) else { return };
    let me = lan.host("me");
    let _servers = ["far", "near"].map(|name| announce(lan.host(name)));
    let watch = halloo(me, &["discover", "chat", "--watch", "--json"]).start();
    watch.wait_line(|line| line.contains("\"near\"") && line.contains("\"found\""));
    let skipped = watch.wait_event("skipped");
    assert_eq!((&skipped["iface"], &skipped["reason"]), (&"e1".into(), &"down".into()));
    let began = Instant::now();
    me.link_up("e1").unwrap();
    watch.wait_line(|line| line.contains("\"interface_came\""));
    let noticed = began.elapsed();
    watch.wait_line(|line| line.contains("\"far\"") && line.contains("\"found\""));
    let found = began.elapsed();
    println!("interface: noticed after {noticed:?}, its service found after {found:?}");
    // As long as a busy machine needs; measured far below.
    assert!(found < Duration::from_secs(5), "{found:?}");
    me.link_down("e1").unwrap();
    watch.wait_line(|line| line.contains("\"interface_went\""));
    watch.signal("INT");
    watch.finish().expect_code(0);
}

#[test]
fn who_watches_outlives_the_last_interface() {
    let plan = Plan::new().host(host("me", &[1], 1)).host(host("near", &[1], 2));
    let Some(lan) = Lan::of(&plan) else { return };
    let (me, _server) = (lan.host("me"), announce(lan.host("near")));
    let watch = halloo(me, &["discover", "chat", "--watch", "--json"]).start();
    watch.wait_line(|line| line.contains("\"near\"") && line.contains("\"found\""));
    me.link_down("e0").unwrap();
    watch.wait_line(|line| line.contains("\"interface_went\""));
    watch.wait_line(|line| line.contains("\"near\"") && line.contains("\"stale\""));
    me.link_up("e0").unwrap();
    watch.wait_line(|line| line.contains("\"interface_came\""));
    watch.wait_line(|line| line.contains("\"near\"") && line.contains("\"updated\""));
    watch.signal("INT");
    watch.finish().expect_code(0);
}

#[test]
fn who_gets_another_address_is_told_with_that_one_and_the_old_one_is_left_out() {
    let plan = Plan::new().host(host("me", &[1], 1)).host(host("near", &[1], 2));
    let Some(lan) = Lan::of(&plan) else { return };
    let (me, near) = (lan.host("me"), lan.host("near"));
    // Everybody is asked every 3 s.
    let _server = halloo(near, &["announce", "chat", "--port", "5", "--name", "near", "--ttl", "6s"]).serve();
    let watch = halloo(me, &["discover", "chat", "--watch", "--json", "-4"]).start();
    watch.wait_line(|line| line.contains("\"found\"") && line.contains("\"addr\":\"10.1.0.2\""));
    near.ip("-4 addr flush dev e0").expect_code(0);
    near.ip("addr add 10.1.0.22/24 brd + dev e0").expect_code(0);
    let told = watch.wait_line(|line| line.contains("\"updated\"") && line.contains("\"addr\":\"10.1.0.22\""));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["paths"].as_array().unwrap().len(), 1, "{told}");
    watch.signal("INT");
    watch.finish().expect_code(0);
}

#[test]
fn who_announces_follows_the_interfaces_too() {
    let mut server = host("server", &[1, 2], 2);
    server.plugs[1].down = true;
    let Some(lan) = Lan::of(&Plan::new().host(host("me", &[2], 1)).host(server)) else { return };
    let [me, server] = ["me", "server"].map(|name| lan.host(name));
    let _servers = [announce(server), announce(me)];
    let watch = halloo(me, &["discover", "chat", "--watch", "--json"]).start();
    watch.wait_line(|line| line.contains("\"me\"") && line.contains("\"found\""));
    server.link_up("e1").unwrap();
    // Its announcement is a reason to ask; without it, everybody is asked again after 10 s at the earliest.
    let began = Instant::now();
    watch.wait_line(|line| line.contains("\"server\"") && line.contains("\"found\""));
    println!("announced by a new interface and found after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    watch.signal("INT");
    watch.finish().expect_code(0);
}

#[test]
fn the_socket_that_broadcasts_never_answers_and_nothing_leaves_by_loopback() {
    let Some(lan) = Lan::new() else { return };
    let server = halloo(lan.host("h2"), &["announce", "chat", "--port", "7000", "--name", "h2", "--json"]).serve();
    halloo(lan.host("h1"), &["discover", "--expect", "1"]).output().expect_code(0);
    server.process.wait_line(|line| line.contains("\"broadcast\""));
    let sent = server.stop().expect_code(0).events("sent");
    for event in &sent {
        let src: std::net::SocketAddr = event["src"].as_str().unwrap().parse().unwrap();
        assert_eq!(src.port() == 1061, event["cast"] == "unicast", "{event}");
        assert_eq!(event["iface"], "e0", "{event}");
    }
    let casts: BTreeSet<&str> = sent.iter().map(|event| event["cast"].as_str().unwrap()).collect();
    assert_eq!(casts.into_iter().collect::<Vec<_>>(), ["broadcast", "limited", "multicast", "unicast"]);
}

#[test]
fn many_who_look_at_once_on_one_host_all_find_it() {
    let Some(lan) = Lan::new() else { return };
    let _server = serve(&lan, "h2", &[]);
    let h1 = lan.host("h1");
    let askers: Vec<_> = (0..25).map(|_| h1.halloo(&["discover", "chat", "--interface", "e0"]).start()).collect();
    for asker in askers {
        asker.finish().expect_code(0);
    }
}

#[test]
fn a_service_of_this_host_is_found_by_each_ip_version_and_by_a_chosen_interface() {
    let Some(lan) = Lan::new() else { return };
    let _server = serve(&lan, "h2", &[]);
    for way in [&["-4"][..], &["-6"], &["-4", "--interface", "e0"], &["-6", "--interface", "e0"]] {
        let found = lan.host("h2").run(&[&["discover", "chat", "--json"], way].concat()).expect_code(0);
        assert_eq!(names(&found), ["h2"], "{way:?}: {found}");
    }
}

#[test]
fn an_address_of_another_interface_is_answered_only_to_this_host_itself() {
    let Some(lan) = Lan::new() else { return };
    let server = halloo(lan.host("h1"), &["announce", "chat", "--port", "7000", "--name", "h1", "--json"]).serve();
    let [h1, h2] = ["h1", "h2"].map(|name| lan.host(name));
    // A neighbour on e0 asks for the address that e1 has: the kernel of h1 lets that in (the weak host model).
    Run::new(h2.command("ip", &["route", "add", "10.78.0.1/32", "via", "10.77.0.1"])).output().expect_code(0);
    let ask = |host: Host<'_>, to: &str, nonce: u8| {
        let socket = host.within(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let window = Window::nearest(Duration::from_millis(1));
        let query = Query::to_everybody(Nonce([nonce; 32]), window);
        let mut bytes = Vec::new();
        query.write(0, None, &mut bytes);
        socket.send_to(&bytes, (to, 1061)).unwrap();
        socket
    };
    let answered = |socket: UdpSocket| socket.recv_from(&mut [0; 1_400]).unwrap().1.ip().to_string();
    let through = ask(h2, "10.78.0.1", 1);
    server.process.wait_line(|line| line.contains("\"other_link\""));
    assert_eq!(answered(ask(h2, "10.77.0.1", 2)), "10.77.0.1");
    assert_eq!(answered(ask(h1, "10.78.0.1", 3)), "10.78.0.1");
    through.set_nonblocking(true).unwrap();
    assert!(through.recv_from(&mut [0; 1_400]).is_err(), "it was answered");
    assert_eq!(server.stop().expect_code(0).summary()["ignored"]["other_link"], 1);
}

#[test]
fn an_address_that_answers_for_more_than_can_be_is_named() {
    let Some(lan) = Lan::new() else { return };
    let [h1, h2] = ["h1", "h2"].map(|name| lan.host(name));
    let liar = h2.within(|| UdpSocket::bind("0.0.0.0:1061")).unwrap().unwrap();
    let asking = halloo(h1, &["discover", "chat", "-4", "--interface", "e0", "--json"]).start();
    liar.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 1_400];
    let (len, asker) = liar.recv_from(&mut buffer).unwrap();
    let Ok((Message::Query(query), _)) = read(&buffer[..len]) else { panic!("not a question") };
    for id in 0..300 {
        let about = About {
            id: InstanceId(id),
            name: "lie".parse().unwrap(),
            kind: "chat".parse().unwrap(),
            port: 1,
            advertised: None,
            attributes: Attributes::default(),
            ttl: Duration::from_secs(30),
        };
        let (echo, order) = (query.nonce.echo(), Order { boot: 1, seq: 1 });
        let mut bytes = Vec::new();
        Reply { echo, address: None, order, about, more: false }.write(&query.nonce, None, &mut bytes);
        liar.send_to(&bytes, asker).unwrap();
    }
    let output = asking.finish().expect_code(0);
    let mut notices = output.events("notice");
    notices.retain(|notice| notice["notice"] == "many_of_one");
    let [notice] = &notices[..] else { panic!("{output}") };
    assert!(notice["text"].as_str().unwrap().contains("10.77.0.2 answers for more than 256 services"), "{notice}");
    assert_eq!(names(&output).len(), 256);
}

#[test]
fn what_was_expected_is_told_by_the_same_address_each_time() {
    let plan = Plan::new().host(host("me", &[1, 2], 1)).host(host("both", &[1, 2], 9));
    let Some(lan) = Lan::of(&plan) else { return };
    let _server = announce(lan.host("both"));
    for args in [&["--expect", "1"][..], &["--resolve", "both"]] {
        for run in 0..6 {
            let found = halloo(lan.host("me"), &[&["discover", "chat", "--json"], args].concat()).output();
            let service = found.expect_code(0).events("service").remove(0);
            assert_eq!((&service["addr"], &service["iface"]), (&"10.1.0.9".into(), &"e0".into()), "{run}: {service}");
        }
    }
}

#[test]
fn who_starts_without_a_network_uses_the_first_that_comes() {
    let mut server = host("server", &[1], 2);
    server.plugs[0].down = true;
    let mut watcher = host("watcher", &[1], 3);
    watcher.plugs[0].down = true;
    let Some(lan) = Lan::of(&Plan::new().host(host("me", &[1], 1)).host(server).host(watcher)) else { return };
    let [me, server, watcher] = ["me", "server", "watcher"].map(|name| lan.host(name));
    let args = ["announce", "chat", "--port", "7000", "--name", "late", "--json"];
    let announcing = halloo(server, &args).serve();
    let watch = halloo(watcher, &["discover", "chat", "--watch", "--json"]).start();
    for process in [&announcing.process, &watch] {
        process.wait_line(|line| line.contains("\"no_interface_yet\""));
    }
    // Who looks once has nothing to wait for.
    halloo(watcher, &["discover", "chat"]).output().expect_code(3).says(&["no interface can broadcast"]);
    for host in [server, watcher] {
        host.link_up("e0").unwrap();
    }
    watch.wait_line(|line| line.contains("\"late\"") && line.contains("\"found\""));
    halloo(me, &["discover", "chat", "--expect", "1", "--wait", "20s"]).output().expect_code(0);
    announcing.stop().expect_code(0);
    watch.signal("INT");
    watch.finish().expect_code(0);
}

// ---- a firewall and NAT --------------------------------------------------------------------------------------------

/// What lets in answers to what was sent, and nothing else: to the kernel, an answer from an address that was never
/// asked is none.
const STATEFUL: &str = "table inet wall {\n chain in {\n  type filter hook input priority 0; policy drop;\n  \
                        ct state established accept\n }\n}\n";

/// A host that says that it is elsewhere: what it answers leaves under another address, as out of a container.
const NAT: &str = "table ip nat {\n chain out {\n  type nat hook postrouting priority 100;\n  \
                   udp sport 1061 snat to 10.77.0.99\n }\n}\n";

fn nft(host: Host<'_>, rules: &str) {
    Run::new(host.command("nft", &["-f", "-"])).stdin(rules).output().expect_code(0);
}

fn serve(lan: &Lan, name: &str, more: &[&str]) -> Server {
    let args = [&["announce", "chat", "--port", "7000", "--name", name], more].concat();
    halloo(lan.host(name), &args).serve()
}

#[test]
fn behind_a_stateful_firewall_the_hint_names_the_one_rule_and_the_rule_works() {
    let Some(lan) = Lan::new() else { return };
    let (h1, _servers) = (lan.host("h1"), ["h2", "h3"].map(|name| serve(&lan, name, &[])));
    nft(h1, STATEFUL);
    let silent = h1.run(&["discover", "-4", "--source-port", "4747"]).expect_code(1);
    silent.says(&["note: nobody was found", "udp dport 4747 accept", "--source-port 4747"]);
    let json = h1.run(&["discover", "-4", "--json"]).expect_code(1);
    assert_eq!(json.events("notice")[0]["notice"], "nobody_announces");
    nft(h1, "add rule inet wall in udp dport 4747 accept\n");
    let heard = h1.run(&["discover", "-4", "--source-port", "4747", "--json"]).expect_code(0);
    assert_eq!(names(&heard), ["h2", "h3"]);
    assert!(heard.events("notice").is_empty(), "{heard}");
}

#[test]
fn a_source_port_that_is_taken_is_named_with_the_option_that_takes_it() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let taken = h1.serve(&["listen", ":4747"]);
    h1.run(&["discover", "-4", "--source-port", "4747"]).expect_code(4).says(&[
        "cannot send from 0.0.0.0:4747",
        "in use",
        "--source-port",
    ]);
    taken.stop();
}

#[test]
fn nat_in_between_is_a_mismatch_with_both_addresses_and_an_advertised_address_is_none() {
    let Some(lan) = Lan::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key").display().to_string();
    let h1 = lan.host("h1");
    h1.run(&["secret", &key]).expect_code(0);
    let with_key = ["--secret-file", &key];
    // The address is its own, so that it is answered for; what it signs is the other one.
    lan.host("h2").add_address("e0", "10.77.0.99/24".parse::<Address>().unwrap()).unwrap();
    nft(lan.host("h2"), NAT);
    let server = serve(&lan, "h2", &with_key);
    let args = ["discover", "chat", "-4", "--secret-file", &key, "--interface", "e0"];
    let found = h1.run(&[&args[..], &["--json"]].concat());
    let service = found.events("service").remove(0);
    assert_eq!((&service["trust"], &service["addr"]), (&"mismatch".into(), &"10.77.0.99".into()), "{found}");
    assert_eq!(service["paths"][0]["claimed"], "10.77.0.2", "{found}");
    let text = h1.run(&args);
    text.shows(&["mismatch", "answers from 10.77.0.99, says 10.77.0.2: NAT, container or relay?"]);
    drop(server);
    let _server = serve(&lan, "h2", &[&with_key[..], &["--advertise", "10.77.0.99"]].concat());
    let found = h1.run(&[&args[..], &["--json"]].concat()).expect_code(0);
    assert_eq!(found.events("service")[0]["trust"], "verified", "{found}");
}

#[test]
fn with_a_secret_an_honest_host_is_verified_over_both_ip_versions() {
    let Some(lan) = Lan::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key").display().to_string();
    let h1 = lan.host("h1");
    h1.run(&["secret", &key]).expect_code(0);
    let with_key = ["--secret-file", &key];
    let _server = serve(&lan, "h2", &with_key);
    for family in [&["-6"][..], &["-4"], &[]] {
        let found = h1.run(&[&["discover", "chat", "--json"], &with_key[..], family].concat()).expect_code(0);
        let services = found.events("service");
        assert!(services.iter().all(|service| service["trust"] == "verified") && services.len() == 1, "{found}");
        assert_eq!(found.summary()["ignored"]["relayed"], Value::Null, "an honest LAN: {found}");
    }
}

// ---- what is said where --------------------------------------------------------------------------------------------

#[test]
fn on_standard_output_there_are_services_alone_and_what_is_listened_on_is_what_is_named() {
    let Some(lan) = Lan::with_traps() else { return };
    let h1 = lan.host("h1");
    let _server = serve(&lan, "h2", &[]);
    let found = h1.run(&["discover", "chat"]).expect_code(0);
    assert!(found.out().starts_with("type "), "{found}");
    assert_eq!(found.out().lines().count(), 2, "{found}");
    found.says(&["down0   10.80.0.1 skipped: down"]);
    let notes: Vec<String> = found.err().lines().map(str::to_owned).collect();
    let all: BTreeSet<&String> = notes.iter().collect();
    assert_eq!(all.len(), notes.len(), "a note is there twice: {found}");
    let one = h1.run(&["discover", "chat", "--resolve", "h2", "-4"]).expect_code(0);
    assert!(one.out().lines().nth(1).unwrap().starts_with("chat  h2    10.77.0.2:7000"), "{one}");
    let announcing = h1.serve(&["announce", "chat", "--port", "1", "--name", "n", "--interface", "e1"]);
    let text = announcing.stop().expect_code(0);
    text.says(&["listening on 0.0.0.0:1061 (announce); joined ff02::1 on e1\n"]);
    let everywhere = h1.serve(&["announce", "chat", "--port", "1", "--name", "n"]).stop().expect_code(0);
    for silent in ["on lo", "on down0", "on dead0"] {
        assert!(!everywhere.err().lines().next().unwrap().contains(silent), "{everywhere}");
    }
    assert_eq!(everywhere.out(), "", "{everywhere}");
}

#[test]
fn a_zone_is_a_name_for_people_and_for_scripts_what_every_resolver_takes() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let _server = serve(&lan, "h2", &[]);
    let people = h1.run(&["discover", "-6"]).expect_code(0);
    people.shows(&[&format!("[{}%e0]:7000  e0 ", support::lan::link_local("10.77.0.2"))]);
    let printed = |what| h1.run(&["discover", "-6", "--print", what]).expect_code(0).out().trim().to_owned();
    let address: std::net::SocketAddr = printed("addr:port").parse().unwrap();
    let resolved = h1.within(|| (&*printed("addr"), 7000).to_socket_addrs().map(|mut all| all.next())).unwrap();
    assert_eq!(resolved.unwrap(), Some(address));
}

#[test]
fn the_hint_on_a_loopback_without_groups_is_another_than_the_one_that_was_followed() {
    let Some(lan) = Lan::new() else { return };
    let args = ["discover", "--resolve", "a", "--interface", "lo", "-6", "--wait", "300ms"];
    let output = lan.host("h1").run(&args).expect_code(4);
    output.says(&["-> [ff02::1%lo]:1061 lo: ", "no route to IPv6 groups"]);
    assert!(output.out().is_empty() && !output.err().contains("--interface"), "{output}");
}

// ---- a terminal ----------------------------------------------------------------------------------------------------

#[test]
fn on_a_terminal_a_table_is_kept_up_to_date() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let watch = format!("{} discover chat --watch -4", program().display());
    let mut command = h1.command("script", &["-qefc", &watch, "/dev/null"]);
    command.env("TERM", "xterm");
    let process = Run::new(command).start();
    process.wait_text("nobody yet; Ctrl-C ends", 1);
    let server = serve(&lan, "h2", &[]);
    process.wait_text("10.77.0.2:7000", 1);
    server.stop().expect_code(0);
    // Its row is drawn again as that of one who is gone.
    process.wait_text("unverified, gone", 1);
    process.signal("TERM");
    process.finish();
}

#[test]
fn a_terminal_of_any_width_shows_all_rows_and_none_that_a_service_made_up() {
    let Some(lan) = Lan::new() else { return };
    let h1 = lan.host("h1");
    let fake = format!("k={}chat  real  10.0.0.1:1  eth0  0.1 s  verified", "x".repeat(40));
    let _server = serve(&lan, "h2", &["--attr", &fake, "--attr", "l=你好你好你好你好你好你好你好你好"]);
    for columns in [60, 80, 120] {
        let line = format!("stty cols {columns} rows 24; {} discover chat -4", program().display());
        let shown = Run::new(h1.command("script", &["-qefc", &line, "/dev/null"])).output().expect_code(0);
        let text = shown.out();
        assert!(text.contains("10.77.0.2:7000") && text.contains("unverified"), "{shown}");
        for line in text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.starts_with("-- ")) {
            // No character here is wider than two columns.
            let wide = line.chars().filter(|c| !c.is_ascii()).count();
            assert!(line.chars().count() + wide <= columns, "{columns}: {line}");
            assert!(!line.starts_with("chat  real"), "{line}");
        }
    }
}
