//! What a new process does between fork and exec to be in a network of its own.
//!
//! There, in the copy of a program that may have had threads, only what a signal handler may call is sound
//! (signal-safety(7)): system calls, on memory that exists already. So all of it is here and in `mortal`. What is used of std
//! keeps to that: `writeln!` formats numbers into an array, [`File`] makes one system call for each write and one
//! when it is dropped, an [`io::Error`] made of a number is a number. A panic would take memory and locks, but std has made
//! every panic in such a child an abort, which the parent sees as its end.
//!
//! [`Command::exec`](CommandExt::exec) would run the same in the program itself, without a fork. Then there is no child to put
//! anywhere, and the first step refuses, before anything has changed.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::mortal::die_with;

/// Room for one line of a uid map: `0 4294967295 1` and a new line.
const MAP_LINE: usize = 32;

/// What the child tried when it failed. The parent reads it as one byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Step {
    /// To die with its parent.
    Mortality = 1,
    /// To make a user namespace.
    UserNamespace,
    /// To give up setgroups(2), without which no plain user may map a group.
    Setgroups,
    /// To be root within, by the map of users.
    UserMap,
    /// The same for groups.
    GroupMap,
    /// To make a network namespace.
    NetworkNamespace,
    /// To see that it really is in another network than its parent.
    Check,
    /// To start the loopback interface.
    Loopback,
    /// To enter a network namespace that exists.
    Enter,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Mortality,
        Self::UserNamespace,
        Self::Setgroups,
        Self::UserMap,
        Self::GroupMap,
        Self::NetworkNamespace,
        Self::Check,
        Self::Loopback,
        Self::Enter,
    ];

    /// The step that was told as this byte.
    pub(crate) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u8 == byte)
    }
}

/// Where the child is to be.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a network namespace of its own, which must not be the one with this inode number.
    Private {
        /// The parent's.
        outside: u64,
    },
    /// In this one.
    Existing(OwnedFd),
}

/// Has the child of `command` go to `place` before it becomes the program, and die with the thread that starts it. When
/// it fails, it writes the [`Step`] as one byte to `report`, and starting it fails with the error of the system.
pub(crate) fn place(command: &mut Command, place: Place, report: Option<PipeWriter>) {
    let parent = std::process::id();
    let go = move || {
        go(&place, parent).map_err(|(step, error)| {
            // If even this fails, the parent has the error, and only not the step.
            let _unheeded = report.as_ref().map(|mut pipe| pipe.write(&[step as u8]));
            error
        })
    };
    // SAFETY: in the child of a fork the closure makes system calls on values that were made before it, or on its own stack;
    // it takes no lock and no memory (see above). With exec(2) alone it runs where everything is allowed, and ends at
    // `die_with`, which finds no parent of this number.
    unsafe { command.pre_exec(go) };
}

type Went = Result<(), (Step, io::Error)>;

fn go(place: &Place, parent: u32) -> Went {
    die_with(parent).map_err(|error| (Step::Mortality, error))?;
    match place {
        Place::Private { outside } => private(*outside),
        Place::Existing(namespace) => enter(namespace).map_err(|error| (Step::Enter, error)),
    }
}

/// prctl(2) is variadic, and reads numbers of this type.
const YES: libc::c_ulong = 1;

fn private(outside: u64) -> Went {
    let at = |step: Step| move |error: io::Error| (step, error);
    // SAFETY: both take nothing and cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    // Root needs no user namespace, unless it lost that right, as in many a container.
    if user != 0 || unshare(libc::CLONE_NEWNET).is_err() {
        // One who changed its user cannot write its own files in /proc until this is set again (prctl(2)).
        // SAFETY: it takes numbers of the type that it reads, and concerns this process alone.
        let _unheeded = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, YES) };
        unshare(libc::CLONE_NEWUSER).map_err(at(Step::UserNamespace))?;
        write_to(c"/proc/self/setgroups", b"deny").map_err(at(Step::Setgroups))?;
        write_map(c"/proc/self/uid_map", user).map_err(at(Step::UserMap))?;
        write_map(c"/proc/self/gid_map", group).map_err(at(Step::GroupMap))?;
        unshare(libc::CLONE_NEWNET).map_err(at(Step::NetworkNamespace))?;
    }
    check(outside).map_err(at(Step::Check))?;
    start_loopback().map_err(at(Step::Loopback))
}

fn enter(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: the descriptor is open, since it is owned. A child of a fork has one thread, which goes there.
    checked(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
}

fn unshare(what: libc::c_int) -> io::Result<()> {
    // SAFETY: it takes a number. A child of a fork has one thread, so no other is left behind.
    checked(unsafe { libc::unshare(what) })
}

/// User or group 0 within is `outside` out there (user_namespaces(7)).
fn write_map(path: &CStr, outside: u32) -> io::Result<()> {
    let mut line = [0; MAP_LINE];
    let mut rest = &mut line[..];
    writeln!(rest, "0 {outside} 1")?;
    let used = MAP_LINE - rest.len();
    write_to(path, &line[..used])
}

fn write_to(path: &CStr, text: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends with a zero and lives as long as the call.
    let descriptor = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    checked(descriptor)?;
    // SAFETY: it was just opened, and nobody else has it.
    let mut file = unsafe { File::from_raw_fd(descriptor) };
    file.write_all(text)
}

/// From here on nobody has to wonder what a mistake within could do to the machine.
fn check(outside: u64) -> io::Result<()> {
    // SAFETY: zeros are a valid stat, which is numbers only.
    let mut facts: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero, and `facts` is a stat of this system.
    checked(unsafe { libc::stat(c"/proc/self/ns/net".as_ptr(), &raw mut facts) })?;
    #[allow(clippy::useless_conversion, reason = "with 32 bits and glibc it is a u32")]
    let inside = u64::from(facts.st_ino);
    if inside == outside { Err(io::Error::from_raw_os_error(libc::EEXIST)) } else { Ok(()) }
}

/// Sets `lo` up; its addresses come by themselves (netdevice(7)).
fn start_loopback() -> io::Result<()> {
    // SAFETY: it takes numbers.
    let descriptor = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    checked(descriptor)?;
    // SAFETY: it was just opened, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: zeros are a valid ifreq: a name that is empty and numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    // The flags fit: IFF_UP is 1 (netdevice(7)). The others of `lo` are not for anybody to set.
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: this request reads an ifreq, which `request` is. Its number has another type with another C library.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) })
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
