//! A private LAN, on the lab of the library: two subnets, and traps for whoever broadcasts on every interface.
//!
//! `let Some(lan) = Lan::new() else { return };` is where a test moves house. Here there is no LAN: the test is run again
//! in a private network (see [`enclosed`]), passed or failed by what becomes of it there, and over. There, it has its LAN
//! and goes on. What stands before this line runs in both; nothing behind it can reach an interface of the machine. And
//! nobody needs root.

use std::io::Write;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use halloo::lab::enclosure::is_enclosed;
use halloo::lab::{self, Address, Broadcast, HostPlan, Plan, Plug, enclosed, is_skipped};

use super::PATIENCE;
use super::catcher::Catcher;
use super::program::{HALLOO_VARIABLE, Output, Process, Run, Server, program, public_copies};

/// The ways to a point-to-point interface; which of them there are differs from kernel to kernel, and from user to user.
const TUNNELS: [&str; 6] = [
    "tuntap add dev tun0 mode tun",
    "link add tun0 type vxlan external gpe dstport 4790",
    "link add tun0 type gre local 10.77.0.1 remote 10.77.0.9",
    "link add tun0 type ipip local 10.77.0.1 remote 10.77.0.9",
    "link add tun0 type sit local 10.77.0.1 remote 10.77.0.9",
    "link add tun0 type wireguard",
];

/// A user and a group without any rights.
const NOBODY: u32 = 65534;

/// Two subnets. `h1` and `h3` are on both; `h3` has a second address.
fn two_subnets() -> Plan {
    let on_both = |name, address0, address1| {
        HostPlan::new(name).plug(plug("e0", "br0", address0)).plug(plug("e1", "br1", address1))
    };
    let mut h3 = on_both("h3", "10.77.0.3/24", "10.78.0.3/24");
    h3.plugs[0].addresses.push(address("10.77.0.33/24"));
    Plan::new()
        .host(on_both("h1", "10.77.0.1/24", "10.78.0.1/24"))
        .host(HostPlan::new("h2").plug(plug("e0", "br0", "10.77.0.2/24")))
        .host(h3)
        .host(HostPlan::new("h4").plug(plug("e1", "br1", "10.78.0.4/24")))
}

/// The same with what `h1` has besides. `h4` is at the other end of those two that can be broadcast on.
fn with_traps() -> Plan {
    let mut plan = two_subnets();
    let odd = |text| address(text).broadcast(Broadcast::At([10, 83, 0, 127].into()));
    let [h1, _, _, h4] = &mut plan.hosts[..] else { unreachable!() };
    h1.plugs[0].addresses.push(address("10.77.0.11/24").label("e0:lab"));
    h1.plugs.extend([
        plug("pair0", "pair", "10.79.0.0/31"),
        plug("down0", "down", "10.80.0.1/24").down(),
        plug("dead0", "dead", "10.84.0.1/24").unplugged(),
        Plug::new("bare0", "bare"),
        Plug::new("plain0", "plain").address(address("10.82.0.1/24").broadcast(Broadcast::Unset)),
        Plug::new("odd0", "odd").address(odd("10.83.0.1/24")),
    ]);
    h4.plugs.push(plug("plain0", "plain", "10.82.0.4/24"));
    h4.plugs.push(Plug::new("odd0", "odd").address(odd("10.83.0.4/24")));
    plan
}

/// `h1` and `h2` on one switch.
pub(crate) fn two_hosts() -> Plan {
    let host = |name, text| HostPlan::new(name).plug(plug("e0", "br0", text));
    Plan::new().host(host("h1", "10.77.0.1/24")).host(host("h2", "10.77.0.2/24"))
}

fn plug(interface: &str, switch: &str, text: &str) -> Plug {
    Plug::new(interface, switch).address(address(text))
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// The link-local address of the interface that has this IPv4 address: `fe80::10:77:0:2` for `10.77.0.2`.
pub(crate) fn link_local(address: &str) -> String {
    lab::plan::link_local(address.parse().unwrap()).to_string()
}

/// A private LAN.
#[derive(Debug)]
pub(crate) struct Lan(lab::Lan);

/// One host of a LAN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host<'lan>(&'lan lab::Host);

impl Lan {
    /// The LAN of [`two_subnets`]; or `None` where the test is over: it ran in a private network, or `HALLOO_NO_LAN=1`
    /// says to skip it, which is then said by name.
    #[track_caller]
    pub(crate) fn new() -> Option<Self> {
        Self::of(&two_subnets())
    }

    /// The same, with the traps of [`with_traps`] in `h1`.
    #[track_caller]
    pub(crate) fn with_traps() -> Option<Self> {
        Self::of(&with_traps())
    }

    /// The same, of another plan.
    #[track_caller]
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let mut lan = None;
        enclosed(|| lan = Some(lab::Lan::build(plan)));
        lan.map(|built| Self(built.unwrap_or_else(|why| panic!("no private LAN, and so no test: {why}"))))
    }

    /// The LAN of [`two_subnets`], built without any rights, whoever runs the test: for root, nobody runs it.
    #[track_caller]
    pub(crate) fn unprivileged() -> Option<Self> {
        if is_enclosed() || !is_root() {
            return Self::new();
        }
        if !is_skipped() {
            again_as_nobody();
        }
        None
    }

    /// Pulls the cable of an interface at the switch.
    pub(crate) fn unplug(&self, host: &str, interface: &str) {
        self.0.unplug(host, interface).unwrap();
    }

    /// Plugs it in again.
    pub(crate) fn plug(&self, host: &str, interface: &str) {
        self.0.plug(host, interface).unwrap();
    }

    /// Takes an interface of a host away, with its cable.
    pub(crate) fn take_away(&self, host: &str, interface: &str) {
        self.host(host).ip(&format!("link del {interface}")).expect_code(0);
    }

    /// Gives a host a new interface, plugged into this switch. Its number is one that none had before.
    pub(crate) fn give(&self, host: &str, interface: &str, switch: &str, address: &str) {
        let (host, switches) = (self.host(host), Host(self.0.switches()));
        // Whoever is in a network keeps a name for it: its number.
        let keeper = Run::new(switches.command("sleep", &["60"])).start();
        let port = format!("{switch}-{interface}");
        host.ip(&format!("link add {interface} index 99 type veth peer name {port} netns {}", keeper.id()))
            .expect_code(0);
        switches.ip(&format!("link set {port} master {switch} up")).expect_code(0);
        host.ip(&format!("addr add {address} brd + dev {interface}")).expect_code(0);
        host.ip(&format!("link set {interface} up")).expect_code(0);
    }

    /// The host of this name.
    pub(crate) fn host(&self, name: &str) -> Host<'_> {
        Host(self.0.host(name).unwrap())
    }
}

impl Deref for Host<'_> {
    type Target = lab::Host;

    fn deref(&self) -> &lab::Host {
        self.0
    }
}

impl Host<'_> {
    /// A command of somebody else's that runs in this host.
    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.0.command(program).unwrap();
        // A plain user's path often leads past the programs of the system, and `ip` is one.
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(args).env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command
    }

    /// The program under test in this host.
    pub(crate) fn halloo(&self, args: &[&str]) -> Run {
        let mut command = self.0.command(program()).unwrap();
        command.args(args);
        Run::new(command)
    }

    /// The program under test in this host, as a process without any rights. A user namespace knows no other user, but
    /// without a bounding set its root has no rights either.
    pub(crate) fn halloo_without_rights(&self, args: &[&str]) -> Run {
        let mut command = self.command("setpriv", &["--bounding-set=-all", "--inh-caps=-all", "--"]);
        command.arg(program()).args(args);
        Run::new(command)
    }

    /// Runs the program under test in this host to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.halloo(args).output()
    }

    /// Starts the program under test as a server in this host.
    pub(crate) fn serve(&self, args: &[&str]) -> Server {
        self.halloo(args).serve()
    }

    /// Starts somebody else's program in this host, and waits until a socket here has the UDP port.
    pub(crate) fn on_port(&self, port: u16, program: &str, args: &[&str]) -> Process {
        // In a process namespace of its own, so that what it forks ends with it: ncat leaves a child for every peer.
        let wrapped = [&["--pid", "--fork", "--kill-child", "--", program], args].concat();
        let process = Run::new(self.command("unshare", &wrapped)).start();
        let (deadline, bound) = (Instant::now() + PATIENCE, format!(":{port:04X} "));
        let sockets = || self.within(|| std::fs::read_to_string("/proc/thread-self/net/udp")).unwrap().unwrap();
        while !sockets().contains(&bound) {
            assert!(Instant::now() < deadline, "{program} does not listen on {port}");
            thread::sleep(Duration::from_millis(10));
        }
        process
    }

    /// A plain socket that hears everything on a port in this host.
    pub(crate) fn ear(&self, port: u16) -> Catcher {
        self.within(|| Catcher::on(&format!("0.0.0.0:{port}"))).unwrap()
    }

    /// Runs `ip` in this host.
    pub(crate) fn ip(&self, words: &str) -> Output {
        Run::new(self.command("ip", &words.split(' ').collect::<Vec<_>>())).output()
    }

    /// Adds a point-to-point interface `tun0`, 10.81.0.1/24, by whatever way this kernel has.
    pub(crate) fn add_tunnel(&self) {
        let mut whys = Vec::new();
        for way in TUNNELS {
            let made = self.ip(way);
            if made.code == Some(0) {
                self.ip("addr add 10.81.0.1/24 dev tun0").expect_code(0);
                self.ip("link set tun0 up").expect_code(0);
                return;
            }
            whys.push(made.to_string());
        }
        panic!("no point-to-point interface, and so no test:\n{}", whys.join("\n"));
    }
}

/// `program`, to be run by nobody.
pub(crate) fn as_nobody(program: &str) -> Command {
    let (mut command, nobody) = (Command::new("setpriv"), &*NOBODY.to_string());
    command.args(["--reuid", nobody, "--regid", nobody, "--clear-groups", "--pdeathsig", "KILL", "--", program]);
    command
}

/// Runs this test again as nobody, from where nobody may enter.
#[track_caller]
fn again_as_nobody() {
    let this = std::env::current_exe().unwrap();
    let (_directory, [this, halloo]) = public_copies([&this, &program()]);
    let mut command = as_nobody(this.to_str().unwrap());
    command.args([thread::current().name().unwrap(), "--exact", "--nocapture"]).env(HALLOO_VARIABLE, halloo);
    Run::new(command).output().expect_code(0).shows(&["running 1 test"]);
}

/// The variable that skips tests which need another user.
const NO_ROOT: &str = "HALLOO_NO_ROOT";

/// Whether `HALLOO_NO_ROOT=1` skips a test that needs another user, where there is none: a user namespace of a plain user's has
/// one. Then it says so by name; not asked for, it fails.
#[track_caller]
pub(crate) fn is_skipped_without_root() -> bool {
    if is_root() {
        return false;
    }
    let asked_for = std::env::var_os(NO_ROOT).is_some_and(|value| value == "1");
    assert!(asked_for, "this needs another user, and so root; {NO_ROOT}=1 skips it");
    let line = format!("SKIP {}: {NO_ROOT}=1\n", thread::current().name().unwrap_or("a test"));
    // The runner keeps to itself what the macros print, and this is not to be missed.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    true
}

/// Whether the test runs as root, and can become nobody: within a user namespace there may be no other user.
pub(crate) fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    let has_nobody = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        matches!(numbers[..], [first, _, count] if (first..first + count).contains(&NOBODY))
    };
    // A kernel without user namespaces has no map: everybody is there.
    let users = std::fs::read_to_string("/proc/self/uid_map");
    root && users.map_or(true, |users| users.lines().any(has_nobody))
}
