//! Tests that run in a private network.

use std::env;
use std::io::{Write, stderr, stdout};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::enclosure::{is_enclosed, spawn};

/// Runs a test in a private network (see [`spawn`]), without any rights: `test` may send what it likes, and build a
/// [`Lan`](super::Lan).
///
/// It is to be the whole of a `#[test]`, or of the main function of a documentation example. The process of the test
/// cannot be enclosed itself, since it has threads. So this starts the same test binary again, enclosed, told to run this
/// one test; there, `enclosed` just runs `test`. What `test` captures from outside exists twice, once in each process. A
/// panic that `#[should_panic]` expects stays in there, so the two do not go together.
///
/// A test that cannot have its private network fails. On a machine that refuses such networks, `HALLOO_NO_LAN=1` in the
/// environment skips it, by name: see [`is_skipped`].
///
/// ```
/// use halloo::lab::{Lan, enclosed, topology};
///
/// enclosed(|| {
///     let lan = Lan::build(&topology::three()).unwrap();
///     let bob = lan.host("bob").unwrap();
///     let socket = bob.within(|| std::net::UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
///     assert_eq!(socket.local_addr().unwrap().ip().to_string(), "0.0.0.0");
/// });
/// ```
///
/// # Panics
/// When `test` panics, with its output; when there is no private network, with the reason and the remedy; when the
/// test cannot be found again, which is when this is called from a thread that the test itself has started.
#[track_caller]
pub fn enclosed(test: impl FnOnce()) {
    if is_enclosed() {
        return test();
    }
    if is_skipped() {
        return;
    }
    if let Err(why) = rerun() {
        fail(&why);
    }
}

/// The variable that skips tests which need a private network.
const NO_LAN: &str = "HALLOO_NO_LAN";

/// Whether `HALLOO_NO_LAN=1` is in the environment, which skips every test that needs a private network. Then it says so
/// on stderr, with the name of the test that runs on this thread. For tests that need one without [`enclosed()`], which
/// asks by itself; the first line of such a test is:
///
/// ```
/// if halloo::lab::is_skipped() {
///     return;
/// }
/// ```
#[must_use]
pub fn is_skipped() -> bool {
    let skipped = env::var_os(NO_LAN).is_some_and(|value| value == "1");
    if skipped {
        let thread = thread::current();
        let line = format!("SKIP {}: {NO_LAN}=1\n", thread.name().unwrap_or("a test"));
        // The runner keeps to itself what the macros print, and this is not to be missed. In one piece: others write too.
        let _unheeded = stderr().write_all(line.as_bytes());
    }
    skipped
}

#[expect(clippy::panic, reason = "a test fails by a panic, and this function is for tests only")]
#[track_caller]
fn fail(why: &str) {
    panic!("{why}");
}

fn rerun() -> Result<(), String> {
    let thread = thread::current();
    let name =
        thread.name().ok_or("enclosed() was called from a thread without a name, which is not that of a test")?;
    let binary = env::current_exe().map_err(|error| format!("this test does not know its own program: {error}"))?;
    let mut command = Command::new(binary);
    match name {
        // An example of the documentation, or a test without the usual runner: the same again.
        "main" => command.args(env::args_os().skip(1)),
        name => command.args([name, "--exact", "--nocapture", "--include-ignored"]),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = spawn(command).map_err(|denied| format!("{denied}\n{}", denied.remedy()))?;
    let output = child.wait_with_output().map_err(|error| format!("the enclosed test is lost: {error}"))?;
    pass_on(&output);
    judge(&output, name)
}

/// The runner keeps what a test writes through the macros, and shows it if the test fails. For what is written here it
/// has no such way, so this is shown only to who asked to see everything.
fn pass_on(output: &Output) {
    let wanted = |argument: String| matches!(&*argument, "--nocapture" | "--no-capture" | "--show-output");
    if env::args().any(wanted) {
        // A test does not fail because nobody reads its output.
        let _unheeded = stdout().write_all(text(output).as_bytes());
    }
}

fn judge(output: &Output, name: &str) -> Result<(), String> {
    if !output.status.success() {
        return Err(format!("{name}, enclosed, failed: {}\n{}", output.status, text(output)));
    }
    let ran = String::from_utf8_lossy(&output.stdout).lines().any(|line| line == "running 1 test");
    if name != "main" && !ran {
        return Err(format!("no test is called {name}, so nothing ran enclosed:\n{}", text(output)));
    }
    Ok(())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
