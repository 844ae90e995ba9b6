//! The lab on the real kernel: private networks, as whoever runs the tests and as a user without any rights.

#![cfg(all(target_os = "linux", feature = "lab"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests; the sockets and the clock here are not the product's"
)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write, stderr};
use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::num::NonZeroU8;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use halloo::lab::enclosure::{self, is_enclosed};
use halloo::lab::packet::{Body, Packet};
use halloo::lab::tables::{self, Table};
use halloo::lab::{Deaf, Host, HostPlan, LabError, Lan, Loss, Plan, Plug, Tap, Way};
use halloo::lab::{enclosed, is_skipped, lose, lose_nothing, topology};

const PORT: u16 = 1060;

/// "No such process" (errno(3)).
const ESRCH: i32 = 3;

/// How long anything may take that takes milliseconds on a machine that is not busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// A socket in `host`, on any port, that may broadcast.
fn mouth(host: &Host) -> UdpSocket {
    let socket = host.within(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    socket.set_broadcast(true).unwrap();
    socket
}

/// A socket in `host` that hears everything on [`PORT`] by IPv4, and gives up after a while.
fn ear(host: &Host) -> UdpSocket {
    patient(host.within(|| UdpSocket::bind(("0.0.0.0", PORT))).unwrap().unwrap())
}

fn patient(socket: UdpSocket) -> UdpSocket {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn say(socket: &UdpSocket, text: &str, to: &str) {
    assert_eq!(socket.send_to(text.as_bytes(), (to, PORT)).unwrap(), text.len());
}

/// The next that `ear` hears is this. Says from whom.
fn hears(ear: &UdpSocket, expected: &str) -> SocketAddr {
    let mut buffer = [0; 100];
    let (length, from) = ear.recv_from(&mut buffer).unwrap_or_else(|error| panic!("{expected} was not heard: {error}"));
    assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
    from
}

fn host<'l>(lan: &'l Lan, name: &str) -> &'l Host {
    lan.host(name).unwrap()
}

fn says(packet: &Packet, text: &str) -> bool {
    packet.udp().is_some_and(|udp| udp.payload == text.as_bytes())
}

/// Says why a test does nothing. Not through the macro: the runner keeps to itself what that prints. And in one piece.
fn skip(why: &str) {
    let line = format!("SKIP {}: {why}\n", thread::current().name().unwrap_or("a test"));
    let _unheeded = stderr().write_all(line.as_bytes());
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

// The enclosure.

#[test]
fn an_enclosed_test_has_only_a_loopback_interface_and_it_works() {
    enclosed(|| {
        assert!(is_enclosed());
        let links = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let names: Vec<_> = links.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
        assert_eq!(names, ["lo"]);
        let socket = patient(UdpSocket::bind(("127.0.0.1", PORT)).unwrap());
        say(&socket, "to myself", "127.0.0.1");
        hears(&socket, "to myself");
    });
}

#[test]
fn a_failure_inside_is_a_failure_outside_with_its_words() {
    if is_skipped() {
        return;
    }
    let result = catch_unwind(|| enclosed(|| panic!("on purpose")));
    let why = result.expect_err("a panic inside must come out");
    if is_enclosed() {
        std::panic::resume_unwind(why);
    }
    let why = why.downcast::<String>().unwrap();
    assert!(why.contains("on purpose") && why.contains("enclosed, failed"), "{why}");
}

#[test]
fn a_test_that_cannot_be_found_again_has_not_passed() {
    if is_skipped() {
        return;
    }
    let named = thread::Builder::new().name("no such test".to_owned());
    let why = named.spawn(|| enclosed(|| ())).unwrap().join().expect_err("nothing ran");
    let why = why.downcast::<String>().unwrap();
    assert!(why.contains("no test is called no such test"), "{why}");
}

/// What is below runs in processes of its own, told by this variable which part to play.
const PART: &str = "HALLOO_TEST_LAB";

/// The name of the test that plays the parts.
const PLAYER: &str = "play_a_part";

/// A command that plays a part, by this very binary.
fn player(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([PLAYER, "--exact", "--ignored", "--nocapture"]).env(PART, part);
    command
}

#[test]
#[ignore = "a part of other tests"]
fn play_a_part() {
    // Who runs ignored tests has no part for it.
    let Ok(part) = std::env::var(PART) else { return };
    match part.split_once(' ').unwrap_or((&part, "")) {
        ("enclosed?", "") => println!("enclosed: {}", is_enclosed()),
        ("hold", path) => enclosed(|| hold_a_lan(Path::new(path))),
        ("limit", name) => with_limit_zero(name),
        ("chroot", path) => within_chroot(path),
        ("denied", "") => tell_denial(),
        ("skip", "") => enclosed(|| panic!("it was not skipped")),
        _ => panic!("there is no part {part:?}"),
    }
}

#[test]
fn a_part_that_is_misspelt_is_not_passed_over() {
    let misspelt = player("enclosed").output().unwrap();
    assert!(!misspelt.status.success());
}

/// A test that would fail enclosed is skipped, which is said by its name; and so is one of the lab itself.
#[test]
fn without_a_lan_on_request_a_test_is_skipped_by_name() {
    let text = output(player("skip").env("HALLOO_NO_LAN", "1"));
    assert!(text.contains("SKIP play_a_part: HALLOO_NO_LAN=1"), "{text}");
    let denied = player("skip").env("HALLOO_NO_LAN", "0").output().unwrap();
    assert!(!denied.status.success());
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

#[test]
fn a_variable_alone_encloses_nobody() {
    let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
    for marker in ["1".to_owned(), format!("{}/{own}", std::process::id()), "0/1".to_owned()] {
        let text = output(player("enclosed?").env("HALLOO_ENCLOSED", &marker));
        assert!(text.contains("enclosed: false"), "{marker}: {text}");
    }
}

/// Runs a part in an enclosure with a user namespace, whoever runs the test.
fn in_user_namespace(part: &str) -> String {
    let directory = public_copy();
    let mut command = Command::new(directory.path().join("lab"));
    command.args([PLAYER, "--exact", "--ignored", "--nocapture"]).env(PART, part).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if is_root() {
        command.uid(65534).gid(65534);
    }
    let child = enclosure::spawn(command).unwrap_or_else(|denied| panic!("{denied}: {}", denied.remedy()));
    let output = child.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{part}: {text}");
    text
}

/// A directory that everybody may enter, with a copy of this binary, `lab`.
fn public_copy() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    // By another process: a program cannot start while somebody has it open to write, such as a child that another test
    // is just starting.
    output(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(directory.path().join("lab")));
    directory
}

/// The part that tries to enclose something without any rights, as a plain user does.
fn tell_denial() {
    let Err(denied) = enclosure::spawn(Command::new("true")) else { return println!("not denied") };
    println!("denied: {denied}\nremedy: {}", denied.remedy());
}

/// What drops the rights of the root of a user namespace.
const DROP: [&str; 4] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"];

/// Plays the last part behind other words of a command.
fn denied_behind(words: &[&str]) -> String {
    let player = player("denied");
    let all: Vec<&OsStr> =
        words.iter().map(OsStr::new).chain([player.get_program()]).chain(player.get_args()).collect();
    let (program, args) = all.split_first().unwrap();
    output(Command::new(program).args(args).env(PART, "denied"))
}

/// Sets a limit of this user namespace, and of no other.
fn with_limit_zero(name: &str) {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    assert_ne!(map.split_whitespace().last(), Some("4294967295"), "this is the user namespace of the machine");
    fs::write(format!("/proc/sys/user/{name}"), "0").unwrap();
    // With rights, root needs no user namespace.
    let words = if name == "max_user_namespaces" { &DROP[..] } else { &[] };
    println!("{}", denied_behind(words));
}

#[test]
fn limits_of_the_machine_are_told_with_their_names() {
    if is_skipped() {
        return;
    }
    for (limit, step) in [
        ("max_user_namespaces", "a user namespace is refused"),
        ("max_net_namespaces", "a network namespace is refused"),
    ] {
        let text = in_user_namespace(&format!("limit {limit}"));
        let reason = format!("denied: no private network: {step}: No space left on device (os error 28)");
        assert!(text.contains(&reason), "{text}");
        assert!(text.contains(&format!("remedy: raise the limit: sudo sysctl -w user.{limit}=")), "{text}");
    }
}

/// In a mount namespace of its own the whole tree is mounted again; who has that for a root may make no user namespace.
fn within_chroot(path: &str) {
    let script = format!("mount --rbind / {path} && exec chroot {path} \"$@\"");
    let words = [&["unshare", "--mount", "sh", "-c", &script, "sh"], &DROP[..]].concat();
    println!("{}", denied_behind(&words));
}

#[test]
fn a_user_namespace_that_is_not_permitted_is_told() {
    if is_skipped() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let text = in_user_namespace(&format!("chroot {}", directory.path().display()));
    let reason = "denied: no private network: a user namespace is refused: Operation not permitted (os error 1)";
    assert!(text.contains(reason), "{text}");
    assert!(text.contains("remedy: this root lacks rights"), "{text}");
}

#[test]
fn everything_works_as_a_user_without_any_rights() {
    if is_skipped() {
        return;
    }
    if !is_root() {
        return skip("not root, so all the other tests here are those of a user without any rights");
    }
    let directory = public_copy();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
    command.arg(directory.path().join("lab")).args(["--skip", "everything_works_as_a_user"]).current_dir("/");
    let text = output(&mut command);
    assert!(text.contains("test result: ok."), "{text}");
    let times = text.lines().filter(|line| line.starts_with("build and warm-up")).collect::<String>();
    println!("as a plain user: {times}");
}

// What is left.

/// Builds a LAN with a process in a host, writes into a file what there is, and waits to be killed.
fn hold_a_lan(path: &Path) {
    let lan = Lan::build(&topology::three()).unwrap();
    let mut sleeper = host(&lan, "bob").command("sleep").unwrap().arg("60").spawn().unwrap();
    let inodes: Vec<String> = lan.hosts().iter().map(|host| host.within(own_network).unwrap().to_string()).collect();
    let whole = path.with_extension("part");
    fs::write(&whole, format!("{} {} {}", std::process::id(), sleeper.id(), inodes.join(" "))).unwrap();
    fs::rename(whole, path).unwrap();
    sleeper.wait().unwrap();
}

fn own_network() -> u64 {
    fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
}

/// The network namespaces that some process is in, or holds by a descriptor.
fn networks() -> BTreeSet<u64> {
    let links = |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = BTreeSet::new();
    for process in links(PathBuf::from("/proc")) {
        for link in links(process.join("fd")).chain([process.join("ns/net")]) {
            let target = fs::read_link(link).unwrap_or_default();
            let target = target.to_string_lossy();
            found.extend(target.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']')?.parse::<u64>().ok()));
        }
    }
    found
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_killed_leaves_no_namespace_and_no_process() {
    if is_skipped() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("held");
    // Not enclosed itself: it starts the one that is. So this kills the parent of who built the LAN.
    let mut holder = player(&format!("hold {}", path.display())).stdout(Stdio::null()).spawn().unwrap();
    wait_until("no LAN was built", || path.exists());
    let held = fs::read_to_string(&path).unwrap();
    let numbers: Vec<u64> = held.split(' ').map(|number| number.parse().unwrap()).collect();
    let (processes, inodes) = numbers.split_at(2);
    let held = |networks: BTreeSet<u64>| inodes.iter().filter(|inode| networks.contains(inode)).count();
    // Another user namespace's cannot be looked into; then there is only the end to see.
    assert!(held(networks()) == 3 || !is_root());
    holder.kill().unwrap();
    holder.wait().unwrap();
    // They are gone, or wait for whoever inherited them.
    let gone = |process: &u64| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status.is_empty() || status.contains("State:\tZ")
    };
    wait_until("a process is left", || processes.iter().all(gone));
    wait_until("a namespace is left", || held(networks()) == 0);
}

// The LAN.

#[test]
fn the_first_broadcast_is_heard_fifty_times_in_a_row() {
    enclosed(|| {
        let mut times = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            let lan = Lan::build(&topology::three()).unwrap();
            times.push(start.elapsed());
            let ears: Vec<_> = lan.hosts().iter().map(ear).collect();
            say(&mouth(&lan.hosts()[2]), "hello", "10.9.0.255");
            ears.iter().for_each(|ear| assert_eq!(hears(ear, "hello").ip(), IpAddr::from([10, 9, 0, 3])));
        }
        times.sort();
        println!("build and warm-up of three hosts: median {:?}, longest {:?}", times[25], times[49]);
    });
}

#[test]
fn the_first_multicast_of_ipv6_is_heard_fifty_times_in_a_row() {
    enclosed(|| {
        for _ in 0..50 {
            let lan = Lan::build(&topology::three()).unwrap();
            let ear = |host: &Host| patient(host.within(|| UdpSocket::bind(("::", PORT))).unwrap().unwrap());
            let ears: Vec<_> = lan.hosts().iter().map(ear).collect();
            let alice = host(&lan, "alice");
            let (own, index) = (alice.link_local("e0").unwrap(), alice.index("e0").unwrap());
            let mouth = alice.within(|| UdpSocket::bind(SocketAddrV6::new(own, 0, 0, index))).unwrap().unwrap();
            let everybody = SocketAddrV6::new("ff02::1".parse().unwrap(), PORT, 0, index);
            mouth.send_to(b"hello", everybody).unwrap();
            ears.iter().for_each(|ear| assert_eq!(hears(ear, "hello").ip(), IpAddr::from(own)));
        }
    });
}

#[test]
fn a_host_without_its_cable_hears_nothing_and_is_not_told() {
    enclosed(|| {
        let lan = Lan::build(&topology::three()).unwrap();
        let (alice, bob, carol) = (mouth(host(&lan, "alice")), ear(host(&lan, "bob")), ear(host(&lan, "carol")));
        lan.unplug("bob", "e0").unwrap();
        say(&alice, "without bob", "10.9.0.255");
        hears(&carol, "without bob");
        // What he sends comes back to himself, as always, and to nobody else; and no error tells him.
        say(&mouth(host(&lan, "bob")), "alone", "10.9.0.255");
        hears(&bob, "alone");
        lan.plug("bob", "e0").unwrap();
        say(&alice, "with bob", "10.9.0.255");
        hears(&bob, "with bob");
        hears(&carol, "with bob");
        assert!(matches!(lan.unplug("bob", "e7"), Err(LabError::Unknown { what: "interface", .. })));
        assert!(matches!(lan.unplug("rob", "e0"), Err(LabError::Unknown { what: "host", .. })));
    });
}

#[test]
fn who_does_not_hear_whom_is_named() {
    enclosed(|| {
        let lan = Lan::build(&topology::three()).unwrap();
        for port in ["alice.e0", "bob.e0"] {
            // Isolated ports of a bridge do not see each other.
            let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
            let mut ip = lan.switches().command("ip").unwrap();
            output(ip.env("PATH", path).args(["link", "set", port, "type", "bridge_slave", "isolated", "on"]));
        }
        let error = lan.settle().unwrap_err();
        let deaf = |hearer: &str, speaker: &str| Deaf { hearer: hearer.to_owned(), speaker: speaker.to_owned() };
        let LabError::Deaf { pairs, .. } = &error else { panic!("{error}") };
        assert_eq!(pairs, &[deaf("alice e0", "bob e0"), deaf("bob e0", "alice e0")]);
        assert_eq!(error.to_string(), "in 10s alice e0 did not hear bob e0, bob e0 did not hear alice e0");
    });
}

#[test]
fn threads_come_back_from_a_host_even_when_they_panic() {
    enclosed(|| {
        let lan = Lan::build(&topology::three()).unwrap();
        let (home, bob) = (own_network(), host(&lan, "bob"));
        let there = bob.within(own_network).unwrap();
        assert_ne!(home, there);
        assert_eq!(own_network(), home);
        assert!(catch_unwind(AssertUnwindSafe(|| bob.within(|| panic!("on purpose")))).is_err());
        assert_eq!(own_network(), home);
        let process = bob.command("stat").unwrap().args(["-Lc", "%i", "/proc/self/ns/net"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&process.stdout).trim(), there.to_string());
        // Without a fork there is nobody to put there: it is this process that would go.
        let refused = bob.command("true").unwrap().exec();
        assert_eq!((refused.raw_os_error(), own_network()), (Some(ESRCH), home));
    });
}

#[test]
fn masks_are_as_wrong_as_planned() {
    enclosed(|| {
        let lan = Lan::build(&topology::masks()).unwrap();
        let [alice, bob, carol] =
            ["alice", "bob", "carol"].map(|name| (ear(host(&lan, name)), mouth(host(&lan, name))));
        say(&alice.1, "for prefix 24", "10.9.0.255");
        say(&carol.1, "for prefix 25", "10.9.0.127");
        say(&alice.1, "for all", "10.9.0.255");
        say(&mouth(host(&lan, "alice")), "to carol", "10.9.0.3");
        hears(&bob.0, "for prefix 24");
        hears(&bob.0, "for all");
        hears(&carol.0, "for prefix 25");
        hears(&carol.0, "to carol");
        // A subnet of two has no broadcast address: this is erin.
        let erin = ear(host(&lan, "erin"));
        say(&mouth(host(&lan, "dave")), "to the other one", "10.9.1.1");
        hears(&erin, "to the other one");
    });
}

#[test]
fn a_host_is_changed_while_it_runs() {
    enclosed(|| {
        let odd = HostPlan::new("odd").plug(Plug::new("e0", "s").unplugged()).plug(Plug::new("e1", "s").down());
        let plan =
            Plan::new().host(odd).host(HostPlan::new("bob").plug(Plug::new("e0", "s").address(([10, 1, 0, 2], 24))));
        let lan = Lan::build(&plan).unwrap();
        let (odd, bob) = (host(&lan, "odd"), ear(host(&lan, "bob")));
        odd.add_address("e1", ([10, 1, 0, 1], 24)).unwrap();
        odd.link_up("e1").unwrap();
        lan.settle().unwrap();
        say(&mouth(odd), "hello", "10.1.0.255");
        assert_eq!(hears(&bob, "hello").ip(), IpAddr::from([10, 1, 0, 1]));
        odd.remove_address("e1", ([10, 1, 0, 1], 24)).unwrap();
        let unreachable = mouth(odd).send_to(b"hello", ("10.1.0.255", PORT)).unwrap_err();
        assert_eq!(unreachable.kind(), std::io::ErrorKind::NetworkUnreachable);
        odd.link_down("e1").unwrap();
        lan.settle().unwrap();
    });
}

#[test]
fn a_plan_with_a_mistake_is_not_built() {
    let twice = Plan::new().host(HostPlan::new("bob")).host(HostPlan::new("bob"));
    assert!(matches!(Lan::build(&twice), Err(LabError::Plan(_))));
}

// The wire.

#[test]
fn a_tap_sees_a_broadcast_and_not_what_is_for_others() {
    enclosed(|| {
        let lan = Lan::build(&topology::three()).unwrap();
        let [mut alice, mut bob, mut carol] =
            ["alice", "bob", "carol"].map(|name| Tap::open(host(&lan, name), Some("e0")).unwrap());
        let mouth = mouth(host(&lan, "alice"));
        let _bob = ear(host(&lan, "bob"));
        say(&mouth, "to all", "10.9.0.255");
        say(&mouth, "to bob", "10.9.0.2");
        let way = |tap: &mut Tap, text: &str| {
            let frames = tap.wait_for(PATIENCE, |frame| says(&frame.packet, text)).unwrap();
            frames.last().unwrap().way
        };
        assert_eq!((way(&mut alice, "to all"), way(&mut alice, "to bob")), (Way::Out, Way::Out));
        assert_eq!((way(&mut bob, "to all"), way(&mut bob, "to bob")), (Way::Broadcast, Way::ToUs));
        say(&mouth, "the end", "10.9.0.255");
        let seen = carol.wait_for(PATIENCE, |frame| says(&frame.packet, "the end")).unwrap();
        assert!(seen.iter().any(|frame| says(&frame.packet, "to all") && frame.way == Way::Broadcast));
        assert!(!seen.iter().any(|frame| says(&frame.packet, "to bob")));
        // To send to bob, alice had to ask everybody where he is.
        assert!(
            seen.iter().any(|frame| matches!(&frame.packet, Packet::Arp(arp) if arp.target.octets() == [10, 9, 0, 2]))
        );
        assert_eq!(carol.missed(), 0);
        let nothing = carol.wait_for(Duration::ZERO, |frame| says(&frame.packet, "to bob"));
        assert!(matches!(nothing, Err(LabError::NotSeen { .. })));
    });
}

#[test]
fn fragments_are_seen_and_loopback_only_once() {
    enclosed(|| {
        let lan = Lan::build(&topology::three()).unwrap();
        let bob = host(&lan, "bob");
        let (mut wire, mut lo) = (Tap::open(bob, Some("e0")).unwrap(), Tap::open(bob, Some("lo")).unwrap());
        let long = "x".repeat(3000);
        say(&mouth(host(&lan, "alice")), &long, "10.9.0.255");
        let is_last = |packet: &Packet| packet.ip().is_some_and(|ip| ip.fragment.is_some_and(|place| !place.more));
        let seen = wire.wait_for(PATIENCE, |frame| is_last(&frame.packet)).unwrap();
        let places: Vec<_> = seen.iter().filter_map(|frame| frame.packet.ip()?.fragment).collect();
        // 1500 bytes hold an IP header of 20 and 1480 others.
        assert_eq!(places.iter().map(|place| place.offset).collect::<Vec<_>>(), [0, 1480, 2960]);
        let (first, rest) =
            (seen[seen.len() - 3].packet.udp().unwrap(), &seen[seen.len() - 2].packet.ip().unwrap().body);
        assert_eq!((first.length, first.payload.len()), (3000, 1472));
        assert!(matches!(rest, Body::Rest(bytes) if bytes.len() == 1480));
        let own = ear(bob);
        say(&mouth(bob), "to myself", "127.0.0.1");
        hears(&own, "to myself");
        let seen = lo.take().unwrap();
        assert_eq!(seen.iter().filter(|frame| says(&frame.packet, "to myself")).count(), 1);
    });
}

#[test]
fn a_router_forwards_and_says_what_is_too_long() {
    enclosed(|| {
        let lan = Lan::build(&topology::routed()).unwrap();
        let (alice, dave) = (host(&lan, "alice"), ear(host(&lan, "dave")));
        let mouth = mouth(alice);
        say(&mouth, "hello", "10.8.0.4");
        assert_eq!(hears(&dave, "hello").ip(), IpAddr::from([10, 9, 0, 1]));
        host(&lan, "multi").set_mtu("e1", 600).unwrap();
        let mut tap = Tap::open(alice, Some("e0")).unwrap();
        // Linux finds out the MTU of a path (ip(7), IP_MTU_DISCOVER): this leaves whole, with "don't fragment".
        say(&mouth, &"x".repeat(1000), "10.8.0.4");
        let seen = tap.wait_for(PATIENCE, |frame| frame.packet.icmp().is_some()).unwrap();
        let icmp = seen.last().unwrap().packet.icmp().unwrap();
        assert_eq!((icmp.kind, icmp.code, icmp.mtu), (3, 4, Some(600)));
        let about = icmp.about.as_ref().unwrap();
        assert!(matches!(&about.body, Body::Udp(udp) if udp.destination == PORT && udp.length == 1000));
    });
}

// Loss, on the loopback interface of the machine: that needs no enclosure and no rights.

/// Sends so many datagrams that begin with their number, and says which arrive; and how many the kernel dropped.
fn arrive(loss: Loss, count: u8) -> (Vec<u8>, u64) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    lose(&receiver, loss).unwrap();
    for number in 0..count {
        sender.send_to(&[number], receiver.local_addr().unwrap()).unwrap();
    }
    // Over loopback what is sent is there, or dropped.
    receiver.set_nonblocking(true).unwrap();
    let (mut numbers, mut buffer) = (Vec::new(), [0; 10]);
    while receiver.recv(&mut buffer).is_ok() {
        numbers.push(buffer[0]);
    }
    let table = tables::read(Table::Udp).unwrap();
    let entry = table.iter().find(|entry| entry.local == receiver.local_addr().unwrap()).unwrap();
    (numbers, entry.drops.unwrap())
}

#[test]
fn loss_is_what_was_asked_for_and_the_kernel_counts_it() {
    let every = |of, is| Loss::Every { byte: 0, of: NonZeroU8::new(of).unwrap(), is };
    assert_eq!(arrive(every(3, 0), 7), (vec![1, 2, 4, 5], 3));
    assert_eq!(arrive(every(4, 1), 6), (vec![0, 2, 3, 4], 2));
    let beyond = Loss::Every { byte: 1, of: NonZeroU8::MIN, is: 0 };
    assert_eq!(arrive(beyond, 3), (vec![0, 1, 2], 0), "what has no such byte is not lost");
    assert_eq!(arrive(Loss::Random { percent: 0 }, 100).1, 0);
    assert_eq!(arrive(Loss::Random { percent: 100 }, 100), (vec![], 100));
    assert_eq!(arrive(Loss::Random { percent: 255 }, 1), (vec![], 1));
    let (arrived, dropped) = arrive(Loss::Random { percent: 30 }, 250);
    assert_eq!(arrived.len() as u64 + dropped, 250);
    // Of 250 with 30 %, 75 are lost on average, with a deviation of 7.2: this is more than six of them away.
    assert!((30..=120).contains(&dropped), "{dropped} of 250");
}

#[test]
fn loss_ends() {
    let socket = patient(UdpSocket::bind("127.0.0.1:0").unwrap());
    let to = socket.local_addr().unwrap();
    lose(&socket, Loss::Random { percent: 100 }).unwrap();
    socket.send_to(b"lost", to).unwrap();
    lose_nothing(&socket).unwrap();
    socket.send_to(b"heard", to).unwrap();
    hears(&socket, "heard");
    assert!(lose_nothing(&socket).is_err());
}

/// A TCP socket takes a filter from who has rights in its network: everybody in an enclosure.
#[test]
fn tcp_sends_again_what_was_lost() {
    enclosed(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        lose(&receiver, Loss::Random { percent: 20 }).unwrap();
        let sent = vec![b'x'; 100_000];
        let expected = sent.clone();
        let writer = thread::spawn(move || sender.write_all(&sent));
        let mut got = Vec::new();
        receiver.read_to_end(&mut got).unwrap();
        writer.join().unwrap().unwrap();
        assert!(got == expected, "{} bytes", got.len());
    });
}
