//! A port that another user wants: nobody takes a datagram from a server by binding its port as well.
//!
//! Linux lets two sockets have one UDP port when both set SO_REUSEADDR, whoever they belong to, and then the later one gets
//! every unicast datagram; with SO_REUSEPORT it asks that both belong to one user (socket(7)). So halloo sets SO_REUSEPORT,
//! where `--share` asks for it, and SO_REUSEADDR never.

#![cfg(all(target_os = "linux", feature = "lab"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod support;

use std::io::ErrorKind;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};
use support::catcher::Catcher;
use support::lan::{as_nobody, is_skipped_without_root};
use support::program::{Output, Run, Server, public_copies, serve};

/// Tells the test, run again as somebody else, which port to take.
const VICTIM: &str = "HALLOO_TEST_VICTIM";

/// What a thief may set before he binds.
const TRICKS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

/// A socket at an address, with SO_REUSEADDR and SO_REUSEPORT as said.
fn bind(address: SocketAddr, (reuse_address, reuse_port): (bool, bool)) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_reuse_address(reuse_address)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Every way to a port, at the victim's address and at all addresses: those that led there.
fn thefts(victim: SocketAddr) -> Vec<String> {
    let everywhere = SocketAddr::new([0, 0, 0, 0].into(), victim.port());
    let ways = [victim, everywhere].into_iter().flat_map(|address| TRICKS.map(|trick| (address, trick)));
    let taken = ways.filter(|(address, trick)| match bind(*address, *trick) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{address} {trick:?}");
            false
        }
    });
    taken.map(|(address, (reuse_address, reuse_port))| format!("{address} {reuse_address} {reuse_port}")).collect()
}

/// Somebody else tries every way to the port of a victim: this test program, run again as nobody, since the kernel asks whom a
/// socket belongs to.
fn somebody_else_tries(victim: SocketAddr) -> Output {
    let this = std::env::current_exe().unwrap();
    let (_directory, [this]) = public_copies([&this]);
    let mut command = as_nobody(this.to_str().unwrap());
    command.args(["the_thief", "--exact", "--ignored", "--nocapture"]).env(VICTIM, victim.to_string());
    Run::new(command).output()
}

/// The thief's part. Who runs ignored tests has no victim for it.
#[test]
#[ignore = "a part of another test"]
fn the_thief() {
    let Ok(victim) = std::env::var(VICTIM) else { return };
    let taken = thefts(victim.parse().unwrap());
    assert!(taken.is_empty(), "taken: {taken:?}");
}

/// Asks a hundred times, and is answered by the server itself each time.
fn is_served(server: Server) {
    let client = Catcher::new();
    for _ in 0..100 {
        assert_eq!(client.ask("mine?", &server.address()), (b"mine?".to_vec(), server.local));
    }
    assert_eq!(server.stop().expect_code(0).summary()["received"], 100);
}

fn serving(flags: &[&str]) -> Server {
    serve(&[&["echo", "127.0.0.1:0", "--json", "-q"], flags].concat())
}

#[test]
fn another_user_takes_no_port_whether_it_is_shared_or_not() {
    if is_skipped_without_root() {
        return;
    }
    for flags in [&[][..], &["--share"], &["--threads", "2"]] {
        let server = serving(flags);
        somebody_else_tries(server.local).expect_code(0).shows(&["running 1 test"]);
        is_served(server);
    }
    // The thief is able to: this is the option that halloo never sets.
    let careless = bind(at_loopback(), (true, false)).unwrap();
    let victim = careless.local_addr().unwrap().as_socket().unwrap();
    somebody_else_tries(victim).expect_code(101).says(&[&format!("{victim} true false")]);
}

#[test]
fn one_s_own_programs_take_no_port_unless_it_is_shared_and_they_share_it() {
    let server = serving(&[]);
    assert_eq!(thefts(server.local), [""; 0]);
    is_served(server);
    let server = serving(&["--share"]);
    // Only where all share it, at the very same address.
    let shared = TRICKS.map(|trick| bind(server.local, trick).is_ok());
    assert_eq!(shared, TRICKS.map(|(_, reuse_port)| reuse_port));
    is_served(server);
}

fn at_loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}
