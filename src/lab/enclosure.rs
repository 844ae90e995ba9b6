//! A process in a private network, from which no datagram can reach an interface of the machine.

use std::env;
use std::fmt;
use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::parent_id;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::unistd::geteuid;
use thiserror::Error;

use crate::net::child::{self, Place};

pub use crate::net::child::Step;

/// The variable of its environment that tells a process that it is enclosed: the process that enclosed it, and the inode
/// of the network namespace outside.
const MARKER: &str = "HALLOO_ENCLOSED";

/// The network namespace of the calling thread (namespaces(7)).
pub(super) const OWN_NETWORK: &str = "/proc/thread-self/ns/net";

/// Starts `command` in network namespaces of its own, where there is only a loopback interface. That needs no rights: a
/// plain user's process also gets a user namespace, within which it is root, and may build a [`Lan`](super::Lan).
///
/// Root gets the network namespace alone; where that is refused, as in many a container, root goes the plain user's
/// way. A user and group set with [`CommandExt`](std::os::unix::process::CommandExt) are taken on before.
///
/// The process dies with the thread that started it, even if that is killed (PR_SET_PDEATHSIG, prctl(2)). The namespaces
/// have no names, and vanish with the last process in them.
///
/// Before anything of `command` runs it is made sure that its network is not the one of the caller.
///
/// # Errors
/// [`Denied`], with the step that failed, the reason of the system, and what to do about it.
pub fn spawn(mut command: Command) -> Result<Child, Denied> {
    let program = command.get_program().to_string_lossy().into_owned();
    let denied = |step, error| Denied { program: program.clone(), step, error, here: Circumstances::read() };
    let outside = inode().map_err(|error| denied(None, error))?;
    let (reader, writer) = io::pipe().map_err(|error| denied(None, error))?;
    command.env(MARKER, Marker { encloser: std::process::id(), outside }.to_string());
    child::place(&mut command, Place::Private { outside }, Some(writer));
    let spawned = command.spawn();
    // With the command goes our end of the pipe that the child writes to; only so can reading it come to an end.
    drop(command);
    spawned.map_err(|error| denied(told(reader), error))
}

/// The step that the child told before it failed.
fn told(mut reader: PipeReader) -> Option<Step> {
    let mut byte = [0];
    reader.read_exact(&mut byte).ok()?;
    Step::of(byte[0])
}

/// Whether this thread is in the network of an enclosure, or of a host built within one: its process was started by
/// [`spawn`], and its network is not the one outside. A process that such a one has started is not asked for: it has the
/// variable, and another parent.
#[must_use]
pub fn is_enclosed() -> bool {
    let marker = env::var(MARKER).ok().and_then(|text| Marker::parse(&text));
    // The parent is asked of the kernel, not of /proc, which may show the processes of another namespace.
    let by_parent = |marker: &Marker| marker.encloser == parent_id();
    marker.filter(by_parent).is_some_and(|marker| inode().is_ok_and(|own| own != marker.outside))
}

/// The number that tells the network namespace of this thread from all others.
fn inode() -> io::Result<u64> {
    fs::metadata(OWN_NETWORK).map(|metadata| metadata.ino())
}

/// What the [`MARKER`] says.
struct Marker {
    encloser: u32,
    outside: u64,
}

impl Marker {
    fn parse(text: &str) -> Option<Self> {
        let (encloser, outside) = text.split_once('/')?;
        Some(Self { encloser: encloser.parse().ok()?, outside: outside.parse().ok()? })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.encloser, self.outside)
    }
}

/// Why there is no private network. Shown as one line: what failed, and the reason of the system.
#[derive(Debug, Error)]
#[error("{}: {error}", self.what())]
pub struct Denied {
    program: String,
    /// `None`: the program itself did not start.
    step: Option<Step>,
    #[source]
    error: io::Error,
    here: Circumstances,
}

impl Denied {
    /// The error number of the system (errno(3)).
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.error.raw_os_error()
    }

    /// The step that failed; `None` where the program itself did not start.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        self.step
    }

    fn what(&self) -> String {
        let Some(step) = self.step else { return format!("cannot start {}", self.program) };
        let what = match step {
            Step::Mortality => "it cannot be made to die with its parent",
            Step::UserNamespace => "a user namespace is refused",
            Step::Setgroups => "/proc/self/setgroups cannot be written",
            Step::UserMap => "/proc/self/uid_map cannot be written",
            Step::GroupMap => "/proc/self/gid_map cannot be written",
            Step::NetworkNamespace => "a network namespace is refused",
            Step::Check => "the network would not be another one than outside",
            Step::Loopback => "the loopback interface cannot be set up",
            Step::Enter => "the network cannot be entered",
        };
        format!("no private network: {what}")
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match (self.step, self.errno().map(Errno::from_raw)) {
            (_, Some(errno)) if Remedy::is_for_resources(errno) => Remedy::Resources,
            // One process more than the user may have (fork(2)).
            (None, Some(Errno::EAGAIN)) => Remedy::Resources,
            (None, _) => Remedy::Program,
            (Some(Step::UserNamespace), Some(Errno::ENOSPC | Errno::EUSERS)) => self.here.raise("max_user_namespaces"),
            (Some(Step::NetworkNamespace), Some(Errno::ENOSPC)) => self.here.raise("max_net_namespaces"),
            (Some(Step::UserNamespace), Some(Errno::EPERM | Errno::EACCES)) => self.here.allow_user_namespaces(),
            (Some(Step::UserNamespace), _) => Remedy::OtherKernel,
            (Some(_), Some(Errno::EPERM | Errno::EACCES)) => self.here.allow_rights_within(),
            (Some(_), _) => Remedy::Root,
        }
    }
}

/// What to do where there is no private network, or none of this size. Shown as one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// Look whether the program is there.
    Program,
    /// Raise this limit of namespaces (namespaces(7)).
    Raise {
        /// The setting beneath `user.`.
        limit: &'static str,
        /// Or run it as root.
        or_root: bool,
    },
    /// Change a setting of the kernel.
    Set {
        /// The setting with its value.
        setting: &'static str,
        /// Or run it as root.
        or_root: bool,
    },
    /// Give the root of a container its rights.
    Capabilities,
    /// Start a container without its filter of system calls.
    Unfiltered,
    /// Run it outside of whatever confines it.
    Outside,
    /// Be root, since the kernel has no user namespaces.
    OtherKernel,
    /// Be root.
    Root,
    /// Allow it more descriptors, processes or memory (EMFILE, ENFILE, ENOMEM).
    Resources,
}

impl Remedy {
    /// Whether an error says that there are too few descriptors or too little memory.
    pub(super) const fn is_for_resources(errno: Errno) -> bool {
        matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_root = |or_root: bool| if or_root { ", or run it as root" } else { "" };
        match *self {
            Self::Program => f.write_str("look whether this program exists and may be run"),
            Self::Raise { limit, or_root: root } => {
                write!(f, "raise the limit: sudo sysctl -w user.{limit}=10000{}", or_root(root))
            }
            Self::Set { setting, or_root: root } => write!(f, "sudo sysctl -w {setting}{}", or_root(root)),
            Self::Capabilities => f.write_str(
                "this root lacks rights, as in a container: start that with --cap-add SYS_ADMIN --cap-add SETFCAP",
            ),
            Self::Unfiltered => f.write_str("a container forbids it: start it with --security-opt seccomp=unconfined"),
            Self::Outside => {
                f.write_str("a container, a chroot or a security module forbids it: run it outside, or as root")
            }
            Self::OtherKernel => f.write_str("this kernel has no user namespaces: run it as root"),
            Self::Root => f.write_str("run it as root"),
            Self::Resources => {
                f.write_str("'ulimit -n' shows how many files a program may have open, 'ulimit -u' how many processes")
            }
        }
    }
}

/// What the machine says of itself that bears on namespaces.
#[derive(Clone, Debug, Default)]
struct Circumstances {
    root: bool,
    /// Whether this process is under a seccomp filter: system calls that a container forbids.
    filtered: bool,
    /// `kernel.unprivileged_userns_clone`, which Debian added.
    clone: Option<String>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, which Ubuntu added.
    apparmor: Option<String>,
}

impl Circumstances {
    fn read() -> Self {
        let setting = |name: &str| Some(fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().to_owned());
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        Self {
            root: geteuid().is_root(),
            // 2 is SECCOMP_MODE_FILTER (proc_pid_status(5)).
            filtered: status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])),
            clone: setting("unprivileged_userns_clone"),
            apparmor: setting("apparmor_restrict_unprivileged_userns"),
        }
    }

    fn raise(&self, limit: &'static str) -> Remedy {
        Remedy::Raise { limit, or_root: !self.root && limit == "max_user_namespaces" }
    }

    fn allow_user_namespaces(&self) -> Remedy {
        if self.clone.as_deref() == Some("0") {
            return Remedy::Set { setting: "kernel.unprivileged_userns_clone=1", or_root: true };
        }
        if self.apparmor.as_deref() == Some("1") {
            return self.allow_rights_within();
        }
        match () {
            () if self.root => Remedy::Capabilities,
            () if self.filtered => Remedy::Unfiltered,
            () => Remedy::Outside,
        }
    }

    fn allow_rights_within(&self) -> Remedy {
        // To be root within, one who is root outside needs CAP_SETFCAP (user_namespaces(7)).
        if self.root && self.apparmor.as_deref() != Some("1") {
            return Remedy::Capabilities;
        }
        Remedy::Set { setting: "kernel.apparmor_restrict_unprivileged_userns=0", or_root: !self.root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(step: Step, errno: Errno, here: Circumstances) -> String {
        let error = io::Error::from(errno);
        Denied { program: "x".to_owned(), step: Some(step), error, here }.remedy().to_string()
    }

    #[test]
    fn every_cause_has_its_remedy() {
        let plain = Circumstances::default;
        let off = |text: &str| Some(text.to_owned());
        for (step, errno, here, word) in [
            (Step::UserNamespace, Errno::ENOSPC, plain(), "user.max_user_namespaces"),
            (Step::NetworkNamespace, Errno::ENOSPC, plain(), "user.max_net_namespaces"),
            (
                Step::UserNamespace,
                Errno::EPERM,
                Circumstances { clone: off("0"), ..plain() },
                "unprivileged_userns_clone=1",
            ),
            (Step::UserNamespace, Errno::EACCES, Circumstances { apparmor: off("1"), ..plain() }, "apparmor"),
            (Step::UserNamespace, Errno::EPERM, Circumstances { filtered: true, ..plain() }, "seccomp"),
            (Step::UserNamespace, Errno::EPERM, Circumstances { root: true, ..plain() }, "--cap-add SYS_ADMIN"),
            (Step::UserMap, Errno::EPERM, Circumstances { root: true, ..plain() }, "--cap-add SETFCAP"),
            (Step::UserNamespace, Errno::EPERM, plain(), "chroot"),
            (Step::UserNamespace, Errno::EINVAL, plain(), "no user namespaces"),
            (Step::UserMap, Errno::EPERM, plain(), "apparmor_restrict_unprivileged_userns=0"),
            (Step::NetworkNamespace, Errno::EPERM, plain(), "apparmor_restrict_unprivileged_userns=0"),
            (Step::UserMap, Errno::EMFILE, plain(), "ulimit -n"),
        ] {
            let said = remedy(step, errno, here);
            assert!(said.contains(word), "{step:?} {errno}: {said}");
        }
    }

    #[test]
    fn a_marker_is_read_as_it_is_written() {
        let written = Marker { encloser: 7, outside: 4_026_531_840 }.to_string();
        let read = Marker::parse(&written).unwrap();
        assert_eq!((read.encloser, read.outside), (7, 4_026_531_840));
        assert!(Marker::parse("1").is_none() && Marker::parse("").is_none() && Marker::parse("x/y").is_none());
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let denied = spawn(Command::new("/no/such/program")).unwrap_err();
        assert_eq!(denied.errno(), Some(Errno::ENOENT as i32));
        assert!(denied.to_string().starts_with("cannot start /no/such/program: "), "{denied}");
        assert_eq!((denied.step(), denied.remedy()), (None, Remedy::Program));
    }
}
