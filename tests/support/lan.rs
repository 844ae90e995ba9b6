//! A private LAN: hosts, cables and switches that exist for one test and vanish with it.
//!
//! Every host is a network namespace, every cable a veth pair, every switch a bridge in a namespace of its own. Nothing
//! has a name outside of the test, so that tests cannot meet; nothing needs root, since all of it may live in a user
//! namespace; nothing of it can reach an interface of the machine, since no cable leads there.
//!
//! Each namespace is held by a process that reads a pipe from this one. However the test ends, the pipe ends with it,
//! then the holders, then the namespaces.

use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::peer::{Ear, Greeter};
use super::program::{HALLOO, Output, Process, Run, Server, public_copies};

/// One end of a cable: a host's interface.
struct Plug {
    host: &'static str,
    name: &'static str,
    /// The switch at the other end.
    switch: &'static str,
    addresses: &'static [&'static str],
}

const fn plug(
    host: &'static str,
    name: &'static str,
    switch: &'static str,
    addresses: &'static [&'static str],
) -> Plug {
    Plug { host, name, switch, addresses }
}

/// Two subnets. `h1` and `h3` are on both; `h3` has a second address.
const PLUGS: [Plug; 6] = [
    plug("h1", "e0", "br0", &["10.77.0.1"]),
    plug("h1", "e1", "br1", &["10.78.0.1"]),
    plug("h2", "e0", "br0", &["10.77.0.2"]),
    plug("h3", "e0", "br0", &["10.77.0.3", "10.77.0.33"]),
    plug("h3", "e1", "br1", &["10.78.0.3"]),
    plug("h4", "e1", "br1", &["10.78.0.4"]),
];

/// The hosts.
pub(crate) const HOSTS: [&str; 4] = ["h1", "h2", "h3", "h4"];

/// What `h1` has besides, to be told apart by whoever broadcasts on every interface: lines for `ip -batch` at the
/// switch, in `h1`, and in `h4`, which is at the other end of those two that can be broadcast on.
const TRAPS: (&str, &str, &str) = (
    "link add to-pair type veth peer name pair0 netns {h1}\n\
     link set to-pair up\n\
     link add to-down type veth peer name down0 netns {h1}\n\
     link set to-down up\n\
     link add to-dead type veth peer name dead0 netns {h1}\n\
     link add to-bare type veth peer name bare0 netns {h1}\n\
     link set to-bare up\n",
    "link add plain0 type veth peer name plain0 netns {h4}\n\
     link add odd0 type veth peer name odd0 netns {h4}\n\
     link set pair0 addrgenmode none\n\
     link set dead0 addrgenmode none\n\
     link set bare0 addrgenmode none\n\
     link set plain0 addrgenmode none\n\
     link set odd0 addrgenmode none\n\
     addr add 10.77.0.11/24 brd + dev e0 label e0:lab\n\
     addr add 10.79.0.0/31 dev pair0\n\
     addr add 10.80.0.1/24 brd + dev down0\n\
     addr add 10.82.0.1/24 dev plain0\n\
     addr add 10.83.0.1/24 brd 10.83.0.127 dev odd0\n\
     addr add 10.84.0.1/24 brd + dev dead0\n\
     link set pair0 up\n\
     link set plain0 up\n\
     link set odd0 up\n\
     link set dead0 up\n\
     link set bare0 up\n",
    "link set plain0 addrgenmode none\n\
     link set odd0 addrgenmode none\n\
     addr add 10.82.0.4/24 brd + dev plain0\n\
     addr add 10.83.0.4/24 brd 10.83.0.127 dev odd0\n\
     link set plain0 up\n\
     link set odd0 up\n",
);

/// The two traps that can be broadcast on: broadcast address, and who is there.
const TRAP_SUBNETS: [(&str, [(&str, &str); 2]); 2] = [
    ("10.82.0.255", [("h1", "10.82.0.1"), ("h4", "10.82.0.4")]),
    ("10.83.0.127", [("h1", "10.83.0.1"), ("h4", "10.83.0.4")]),
];

/// The ways to a point-to-point interface; which of them there are differs from kernel to kernel.
const TUNNELS: [&str; 5] = [
    "ip tuntap add dev tun0 mode tun",
    "ip link add tun0 type gre local 10.77.0.1 remote 10.77.0.9",
    "ip link add tun0 type ipip local 10.77.0.1 remote 10.77.0.9",
    "ip link add tun0 type sit local 10.77.0.1 remote 10.77.0.9",
    "ip link add tun0 type wireguard",
];

/// Who builds the LAN, and so what it lives in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Builder {
    /// Root: network namespaces.
    Root,
    /// Whoever runs the test: network namespaces within a user namespace.
    User,
    /// Root in the shape of nobody, to try the way of a plain user: as [`Builder::User`].
    Nobody,
}

/// A user and a group without any rights.
const NOBODY: &str = "65534";

/// What drops the rights of root.
const AS_NOBODY: [&str; 6] = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];

/// A private LAN.
#[derive(Debug)]
pub(crate) struct Lan {
    // Dropped in this order: the hosts first.
    hosts: Vec<Host>,
    switch: Namespace,
    /// Where programs were copied to, for users who cannot enter the checkout.
    _public: Option<tempfile::TempDir>,
}

/// One host of a LAN.
#[derive(Debug)]
pub(crate) struct Host {
    name: &'static str,
    namespace: Namespace,
    halloo: PathBuf,
    peer: PathBuf,
}

/// A namespace and the process that holds it.
#[derive(Debug)]
struct Namespace {
    holder: Child,
    builder: Builder,
}

impl Lan {
    /// The LAN of [`PLUGS`]; or `None` if `HALLOO_NO_LAN=1` says to skip the test, which is then said by name.
    pub(crate) fn new() -> Option<Self> {
        wanted().then(|| Self::or_fail(builder(), false))
    }

    /// The same, with the traps of [`TRAPS`] in `h1`.
    pub(crate) fn with_traps() -> Option<Self> {
        wanted().then(|| Self::or_fail(builder(), true))
    }

    /// The LAN of [`PLUGS`], built without any rights, whoever runs the test.
    pub(crate) fn unprivileged() -> Option<Self> {
        let builder = if is_root() { Builder::Nobody } else { Builder::User };
        wanted().then(|| Self::or_fail(builder, false))
    }

    fn or_fail(builder: Builder, traps: bool) -> Self {
        Self::build(builder, traps).unwrap_or_else(|why| panic!("no private LAN, and so no test: {why}"))
    }

    fn build(builder: Builder, traps: bool) -> Result<Self, String> {
        let switch = Namespace::first(builder)?;
        let test = std::env::current_exe().map_err(|error| error.to_string())?;
        let (public, halloo, peer) = match builder {
            Builder::Nobody => {
                let (directory, [halloo, peer]) = public_copies([Path::new(HALLOO), &test]);
                (Some(directory), halloo, peer)
            }
            Builder::Root | Builder::User => (None, HALLOO.into(), test),
        };
        let mut hosts = Vec::new();
        for name in HOSTS {
            let namespace = switch.another()?;
            hosts.push(Host { name, namespace, halloo: halloo.clone(), peer: peer.clone() });
        }
        let lan = Self { hosts, switch, _public: public };
        lan.wire()?;
        if traps {
            lan.set_traps()?;
        }
        lan.warm_up(&subnets(traps));
        Ok(lan)
    }

    /// The host of this name.
    pub(crate) fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap_or_else(|| panic!("no host {name}"))
    }

    /// Types lines at `ip -batch` at the switches. The end of a cable is named after host and interface: `h1e0`.
    pub(crate) fn ip_at_switch(&self, lines: &str) {
        self.switch.ip(lines).unwrap();
    }

    fn wire(&self) -> Result<(), String> {
        let mut at_switch = String::from("link set lo up\n");
        for bridge in ["br0", "br1"] {
            // Without snooping a multicast goes to everybody, as over a plain switch.
            at_switch += &format!("link add {bridge} type bridge mcast_snooping 0\nlink set {bridge} up\n");
        }
        for Plug { host, name, switch, .. } in &PLUGS {
            let (end, pid) = (format!("{host}{name}"), self.host(host).namespace.pid());
            at_switch += &format!("link add {end} type veth peer name {name} netns {pid}\n");
            at_switch += &format!("link set {end} master {switch} up\n");
        }
        self.switch.ip(&at_switch)?;
        for host in &self.hosts {
            host.namespace.ip(&plugged_in(host.name))?;
        }
        Ok(())
    }

    fn set_traps(&self) -> Result<(), String> {
        let pid = |name| self.host(name).namespace.pid().to_string();
        let filled = |lines: &str| lines.replace("{h1}", &pid("h1")).replace("{h4}", &pid("h4"));
        self.switch.ip(&filled(TRAPS.0))?;
        self.host("h1").namespace.ip(&filled(TRAPS.1))?;
        self.host("h4").namespace.ip(&filled(TRAPS.2))
    }

    /// A freshly built LAN loses its first broadcasts: its interfaces come up, but a queue is attached to each only some
    /// time later, by a worker of the kernel. So a test starts when everybody has heard everybody.
    fn warm_up(&self, subnets: &[Subnet]) {
        let greeters: Vec<Greeter> = self.hosts.iter().map(|host| host.greet(subnets)).collect();
        greeters.iter().for_each(Greeter::wait);
    }
}

/// Who can hear whom.
struct Subnet {
    broadcast: String,
    /// Host and address.
    members: Vec<(&'static str, &'static str)>,
}

fn subnets(traps: bool) -> Vec<Subnet> {
    let plain = ["br0", "br1"].map(|switch| {
        let here = PLUGS.iter().filter(|plug| plug.switch == switch);
        let members: Vec<_> = here.map(|plug| (plug.host, plug.addresses[0])).collect();
        Subnet { broadcast: broadcast(members[0].1), members }
    });
    let trapped = TRAP_SUBNETS.iter().filter(|_| traps);
    let trapped =
        trapped.map(|(broadcast, members)| Subnet { broadcast: (*broadcast).to_owned(), members: members.to_vec() });
    plain.into_iter().chain(trapped).collect()
}

/// What is typed at `ip -batch` in a host, for its cables.
fn plugged_in(host: &str) -> String {
    let mut lines = String::from("link set lo up\n");
    for plug in PLUGS.iter().filter(|plug| plug.host == host) {
        let name = plug.name;
        for address in plug.addresses {
            lines += &format!("addr add {address}/24 brd + dev {name}\n");
        }
        // An IPv6 address that the kernel makes is first tried out for a second or two (RFC 4862 section 5.4). This one
        // is there at once.
        lines += &format!("link set {name} addrgenmode none\n");
        lines += &format!("addr add {}/64 dev {name} nodad\n", link_local(plug.addresses[0]));
        lines += &format!("link set {name} up\n");
    }
    lines
}

/// The link-local address of the interface that has this IPv4 address: `fe80::77:2` for `10.77.0.2`.
pub(crate) fn link_local(address: &str) -> String {
    let mut parts = address.split('.').skip(1);
    let subnet = parts.next().unwrap();
    format!("fe80::{subnet}:{}", parts.last().unwrap())
}

/// The directed broadcast address of the subnet of this IPv4 address; all of them are /24.
fn broadcast(address: &str) -> String {
    format!("{}.255", address.rsplit_once('.').unwrap().0)
}

impl Host {
    /// A command that runs in this host.
    pub(crate) fn command(&self, program: impl AsRef<Path>, args: &[&str]) -> Command {
        let mut command = self.namespace.enter();
        command.args(["setpriv", "--pdeathsig", "KILL", "--"]).arg(program.as_ref()).args(args);
        command
    }

    /// The program under test in this host.
    pub(crate) fn halloo(&self, args: &[&str]) -> Run {
        Run::new(self.command(&self.halloo, args))
    }

    /// The program under test in this host, as a process without any rights, even within its namespace.
    pub(crate) fn halloo_without_rights(&self, args: &[&str]) -> Run {
        let mut command = self.namespace.enter();
        match self.namespace.builder {
            Builder::Root => command.args(AS_NOBODY),
            // A user namespace knows no other user. Without a bounding set its root has no rights either.
            Builder::User | Builder::Nobody => command.args(["setpriv", "--bounding-set=-all", "--inh-caps=-all"]),
        };
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.halloo).args(args);
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
        while !Run::new(self.command("cat", &["/proc/net/udp"])).output().out().contains(&bound) {
            assert!(Instant::now() < deadline, "{program} does not listen on {port}");
            thread::sleep(Duration::from_millis(10));
        }
        process
    }

    /// Starts an independent peer that hears everything on a port in this host.
    pub(crate) fn ear(&self, port: u16) -> Ear {
        Ear::open(port, |args| self.peer_command(args))
    }

    /// Types lines at `ip -batch` in this host: to unplug, to renumber.
    pub(crate) fn ip(&self, lines: &str) {
        self.namespace.ip(lines).unwrap();
    }

    /// Adds a point-to-point interface `tun0`, 10.81.0.1/24, by whatever way this kernel has.
    pub(crate) fn add_tunnel(&self) {
        let mut whys = Vec::new();
        for way in TUNNELS {
            let words: Vec<&str> = way.split(' ').collect();
            let made = Run::new(self.command(words[0], &words[1..])).output();
            if made.code == Some(0) {
                return self.ip("addr add 10.81.0.1/24 dev tun0\nlink set tun0 up\n");
            }
            whys.push(format!("{way}: {}", made.err().trim()));
        }
        panic!("no point-to-point interface, and so no test:\n{}", whys.join("\n"));
    }

    fn peer_command(&self, args: &[String]) -> Command {
        let args: Vec<&str> = args[1..].iter().map(String::as_str).collect();
        self.command(&self.peer, &args)
    }

    /// Shouts on every subnet it is on, and expects everybody else there.
    fn greet(&self, subnets: &[Subnet]) -> Greeter {
        let (mut shouts, mut expected) = (Vec::new(), Vec::new());
        for Subnet { broadcast, members } in subnets {
            let Some((_, own)) = members.iter().find(|(host, _)| *host == self.name) else { continue };
            shouts.push(format!("{broadcast}={own}"));
            let others = members.iter().filter(|(host, _)| *host != self.name);
            expected.extend(others.map(|(_, address)| (*address).to_owned()));
        }
        Greeter::start(&shouts, &expected, |args| self.peer_command(args))
    }
}

impl Namespace {
    /// The first namespace of a LAN; within a user namespace of its own unless root builds it.
    fn first(builder: Builder) -> Result<Self, String> {
        let mut command = match builder {
            Builder::Nobody => as_nobody("unshare"),
            Builder::Root | Builder::User => Command::new("unshare"),
        };
        if builder != Builder::Root {
            command.args(["--user", "--map-root-user"]);
        }
        Self::hold(command, builder)
    }

    /// Another network namespace, within the same user namespace.
    fn another(&self) -> Result<Self, String> {
        let mut command = self.enter();
        command.arg("unshare");
        Self::hold(command, self.builder)
    }

    /// Starts the process that holds it: `command` is `unshare`, short of its last argument.
    fn hold(mut command: Command, builder: Builder) -> Result<Self, String> {
        command.args(["--net", "sh", "-c", "echo ready; exec cat >/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let what = format!("{command:?}");
        let mut holder = command.spawn().map_err(|error| format!("{what}: {error}"))?;
        let mut line = String::new();
        let read = holder.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let namespace = Self { holder, builder };
        match read {
            Some(Ok(_)) if line == "ready\n" => namespace.checked(),
            _ => Err(format!("{what}: {}", namespace.last_words())),
        }
    }

    /// Makes sure that this is not where the test itself lives: from here on nobody has to wonder what a mistake here
    /// could do to the machine.
    fn checked(self) -> Result<Self, String> {
        let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net"));
        // What belongs to another user cannot be read, and is another namespace by that alone.
        match (of("self"), of(&self.pid().to_string())) {
            (Ok(here), Ok(there)) if here == there => Err("unshare did not make a namespace".to_owned()),
            _ => Ok(self),
        }
    }

    fn last_words(mut self) -> String {
        let mut words = String::new();
        // It has ended, or is about to: its standard output has.
        let _unheeded = self.holder.kill();
        if let Some(mut stderr) = self.holder.stderr.take() {
            let _unheeded = stderr.read_to_string(&mut words);
        }
        words.trim().to_owned()
    }

    /// The holder's number. It stays the holder's until this value is dropped, since only then is it waited for.
    fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A command that goes on in this namespace: what is added to it is the program, with its arguments.
    fn enter(&self) -> Command {
        let mut command = match self.builder {
            Builder::Nobody => as_nobody("nsenter"),
            Builder::Root | Builder::User => Command::new("nsenter"),
        };
        // A plain user's path often leads past the programs of the system, and `ip` is one.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command.args(["--target", &self.pid().to_string(), "--net"]);
        if self.builder != Builder::Root {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--");
        command
    }

    fn ip(&self, lines: &str) -> Result<(), String> {
        let mut command = self.enter();
        command.args(["ip", "-batch", "-"]);
        let output = Run::new(command).stdin(lines).output();
        if output.code == Some(0) { Ok(()) } else { Err(format!("{output}\nof:\n{lines}")) }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Both fail if it has ended, and then there is nothing to do.
        let _ended = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}

/// `program`, to be run by nobody.
pub(crate) fn as_nobody(program: &str) -> Command {
    let mut command = Command::new(AS_NOBODY[0]);
    command.args(&AS_NOBODY[1..]).args(["--", program]);
    command
}

/// Whether the test runs as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Root that is not allowed to make a network namespace, as in many a container, goes the way of a plain user.
fn builder() -> Builder {
    if is_root() && Namespace::first(Builder::Root).is_ok() { Builder::Root } else { Builder::User }
}

fn wanted() -> bool {
    let wanted = std::env::var_os("HALLOO_NO_LAN").is_none_or(|value| value != "1");
    if !wanted {
        let thread = thread::current();
        // Not through the macro: the test runner keeps to itself what that prints.
        let _unheeded = writeln!(stderr(), "SKIP {}: HALLOO_NO_LAN=1", thread.name().unwrap_or("a test"));
    }
    wanted
}
