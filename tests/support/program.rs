//! Runs the real program: once to its end, or as a server in the background. Everything has a deadline.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PATIENCE;

/// The program under test, as Cargo built it.
pub(crate) const HALLOO: &str = env!("CARGO_BIN_EXE_halloo");

/// Cargo's variable for it. A test that runs again as somebody else is told by it where the program is for them.
pub(crate) const HALLOO_VARIABLE: &str = "CARGO_BIN_EXE_halloo";

/// The program under test, for whoever runs this test.
pub(crate) fn program() -> PathBuf {
    std::env::var_os(HALLOO_VARIABLE).map_or_else(|| HALLOO.into(), PathBuf::from)
}

/// A command line of the program, ready to run.
pub(crate) fn halloo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
    let mut command = Command::new(program());
    command.args(args);
    Run::new(command)
}

/// `program` and what follows, such that it dies with the thread that starts it, even if that is killed.
pub(crate) fn mortal(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A process to run, with what is fed to it.
#[derive(Debug)]
pub(crate) struct Run {
    command: Command,
    stdin: Option<Vec<u8>>,
}

impl Run {
    /// Runs `command`, with nothing on standard input.
    pub(crate) fn new(command: Command) -> Self {
        Self { command, stdin: None }
    }

    /// Feeds it `bytes` and the end of the input.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sends its standard output somewhere else than into the [`Output`].
    pub(crate) fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Starts it, with a pipe for standard input if anything is to be fed, or if `open` says that the test will.
    fn spawn(mut self, open: bool, piped: bool) -> Process {
        let stdin = if open || self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stderr(Stdio::piped());
        if piped {
            self.command.stdout(Stdio::piped());
        }
        let what = format!("{:?}", self.command);
        let child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {what}: {error}"));
        let mut process = Process::watch(child, what);
        if let Some(bytes) = self.stdin {
            process.feed(bytes);
        }
        process
    }

    /// Runs it to its end.
    pub(crate) fn output(self) -> Output {
        self.spawn(false, true).finish()
    }

    /// Runs it to its end with a standard output that [`Run::stdout`] has set.
    pub(crate) fn output_elsewhere(self) -> Output {
        self.spawn(false, false).finish()
    }

    /// Starts it, with standard input open for [`Process::write`].
    pub(crate) fn start(self) -> Process {
        self.spawn(true, true)
    }

    /// Starts it with a standard output that [`Run::stdout`] has set.
    pub(crate) fn start_elsewhere(self) -> Process {
        self.spawn(false, false)
    }

    /// Starts it and waits until it says where it listens.
    pub(crate) fn serve(self) -> Server {
        Server::from_process(self.spawn(false, true))
    }
}

/// Starts the program as a server on an address with port 0, and waits until it says where it listens.
pub(crate) fn serve(args: &[&str]) -> Server {
    let mut command = mortal(program());
    command.args(args);
    Run::new(command).serve()
}

/// What a process wrote so far, filled by a thread that reads it.
#[derive(Clone, Debug, Default)]
struct Written(Arc<(Mutex<Page>, Condvar)>);

#[derive(Debug, Default)]
struct Page {
    bytes: Vec<u8>,
    ended: bool,
}

impl Written {
    /// What a process writes that has no pipe to us.
    fn nothing() -> Self {
        let written = Self::default();
        written.0.0.lock().unwrap().ended = true;
        written
    }

    fn read_from(mut source: impl Read + Send + 'static) -> Self {
        let written = Self::default();
        let page = written.clone();
        thread::spawn(move || {
            let mut piece = [0; 1 << 16];
            loop {
                let read = source.read(&mut piece);
                if matches!(&read, Err(error) if error.kind() == ErrorKind::Interrupted) {
                    continue;
                }
                let mut locked = page.0.0.lock().unwrap();
                match read {
                    Ok(read) if read > 0 => locked.bytes.extend_from_slice(&piece[..read]),
                    _ => locked.ended = true,
                }
                page.0.1.notify_all();
                if locked.ended {
                    return;
                }
            }
        });
        written
    }

    /// Waits until `found` finds what it looks for, or the end of the stream, or the deadline.
    fn wait<T>(&self, deadline: Instant, mut found: impl FnMut(&Page) -> Option<T>) -> Option<T> {
        let mut locked = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = found(&locked) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if locked.ended || left.is_zero() {
                return None;
            }
            locked = self.0.1.wait_timeout(locked, left).unwrap().0;
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.0.lock().unwrap().bytes.clone()
    }
}

/// A process in the background. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Written,
    stderr: Written,
}

impl Process {
    fn watch(mut child: Child, what: String) -> Self {
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map_or_else(Written::nothing, Written::read_from);
        let stderr = child.stderr.take().map_or_else(Written::nothing, Written::read_from);
        Self { what, child, stdin, stdout, stderr }
    }

    /// Feeds it everything in the background, since it may write before it has read all.
    fn feed(&mut self, bytes: Vec<u8>) {
        let Some(mut stdin) = self.stdin.take() else { return };
        // That it stops reading early is for the test to judge by its output.
        thread::spawn(move || drop(stdin.write_all(&bytes)));
    }

    /// Writes to its standard input.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("standard input is closed");
        stdin.write_all(bytes.as_ref()).and_then(|()| stdin.flush()).unwrap();
    }

    /// Ends its standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by name: `TERM`, `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name, &self.what);
    }

    /// Waits until standard output holds a line for which `is_it`, and returns it.
    pub(crate) fn wait_line(&self, is_it: impl Fn(&str) -> bool) -> String {
        self.wait_lines(1, is_it).remove(0)
    }

    /// Waits until standard output holds so many lines for which `is_it`, and returns those.
    pub(crate) fn wait_lines(&self, count: usize, is_it: impl Fn(&str) -> bool) -> Vec<String> {
        let enough = |page: &Page| {
            let lines: Vec<String> = whole_lines(&page.bytes).filter(|line| is_it(line)).collect();
            (lines.len() >= count).then_some(lines)
        };
        let lines = self.stdout.wait(Instant::now() + PATIENCE, enough);
        lines.unwrap_or_else(|| panic!("{} did not write {count} such lines\n{}", self.what, self.so_far()))
    }

    /// Waits until standard output holds this text so often, in whatever lines.
    pub(crate) fn wait_text(&self, text: &str, times: usize) {
        let enough = |page: &Page| (String::from_utf8_lossy(&page.bytes).matches(text).count() >= times).then_some(());
        let found = self.stdout.wait(Instant::now() + PATIENCE, enough);
        found.unwrap_or_else(|| panic!("{} did not write {text:?}\n{}", self.what, self.so_far()));
    }

    /// Waits until standard error holds a line for which `is_it`, and returns it.
    pub(crate) fn wait_note(&self, is_it: impl Fn(&str) -> bool) -> String {
        let found = |page: &Page| whole_lines(&page.bytes).find(|line| is_it(line));
        let line = self.stderr.wait(Instant::now() + PATIENCE, found);
        line.unwrap_or_else(|| panic!("{} did not note that\n{}", self.what, self.so_far()))
    }

    /// Waits for standard output to hold a JSON object with this event, and returns it.
    pub(crate) fn wait_event(&self, name: &str) -> Value {
        self.wait_events(name, 1).remove(0)
    }

    /// Waits for standard output to hold so many JSON objects with this event, and returns those.
    pub(crate) fn wait_events(&self, name: &str, count: usize) -> Vec<Value> {
        let lines = self.wait_lines(count, |line| is_event(line, name));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many JSON objects with this event standard output holds by now.
    pub(crate) fn events_so_far(&self, name: &str) -> usize {
        whole_lines(&self.stdout.bytes()).filter(|line| is_event(line, name)).count()
    }

    fn so_far(&self) -> String {
        let (stdout, stderr) = (self.stdout.bytes(), self.stderr.bytes());
        format!("stdout:\n{}\nstderr:\n{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
    }

    /// Does something again and again until it ends, and then goes on as [`Process::finish`].
    pub(crate) fn finish_while(mut self, again: impl Fn()) -> Output {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            again();
            thread::sleep(Duration::from_millis(10));
        }
        self.finish()
    }

    /// Sends it a signal again and again until it ends. One that comes soon after the first is the same wish, and only a later
    /// one is a second.
    pub(crate) fn signalled_to_its_end(self, name: &str) -> Output {
        let (id, what) = (self.id(), self.what.clone());
        self.finish_while(|| signal(id, name, &what))
    }

    /// Waits for it to end by itself; kills it and fails the test if it does not. Its standard input stays as it is.
    pub(crate) fn finish(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        let code = self.exit_code(deadline);
        // It has ended, but what it wrote last may still be in the pipes.
        let ended = |page: &Page| page.ended.then_some(());
        self.stdout.wait(deadline, ended);
        self.stderr.wait(deadline, ended);
        Output { what: self.what.clone(), code, stdout: self.stdout.bytes(), stderr: self.stderr.bytes() }
    }

    fn exit_code(&mut self, deadline: Instant) -> Option<i32> {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() >= deadline {
                panic!("{} does not end\n{}", self.what, self.so_far());
            }
            // The end of a process cannot be waited for with a deadline by the standard library alone.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Tells it to end and waits for that.
    pub(crate) fn stop(self) -> Output {
        self.signal("TERM");
        self.finish()
    }
}

fn signal(id: u32, name: &str, what: &str) {
    // The shell has `kill` built in: one program less that must be there.
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {id}")).status().unwrap();
    assert!(sent.success(), "cannot send {name} to {what}");
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended, and then there is nothing to do.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..end].split(|byte| *byte == b'\n');
    lines.map(|line| String::from_utf8_lossy(line).into_owned()).filter(|line| !line.is_empty())
}

/// Whether a line is a JSON object with this event.
pub(crate) fn is_event(line: &str, name: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value["event"] == name)
}

/// A server of the program in the background. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub(crate) process: Process,
    /// Where it listens, as it said itself.
    pub(crate) local: SocketAddr,
}

impl Server {
    /// Waits until the process says where it listens.
    pub(crate) fn from_process(process: Process) -> Self {
        let json = process.what.contains("\"--json\"");
        let local = if json {
            local_in_event(&process.wait_event("listening"))
        } else {
            local_in_line(&process.wait_note(|line| line.contains("listening on ")))
        };
        Self { process, local }
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.local.port()
    }

    /// Where to send to: its own address, or loopback if it listens on all.
    pub(crate) fn address(&self) -> String {
        let mut address = self.local;
        match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => address.set_ip([127, 0, 0, 1].into()),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => address.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        address.to_string()
    }

    /// Tells it to end and waits for that.
    pub(crate) fn stop(self) -> Output {
        self.process.stop()
    }

    /// Waits for it to end by itself.
    pub(crate) fn finish(self) -> Output {
        self.process.finish()
    }
}

fn local_in_event(event: &Value) -> SocketAddr {
    let local = event["local"].as_str().unwrap_or_else(|| panic!("no address in {event}"));
    local.parse().unwrap_or_else(|_| panic!("no address in {event}"))
}

fn local_in_line(line: &str) -> SocketAddr {
    let behind = line.split("listening on ").nth(1).unwrap_or_default();
    let word = behind.split_whitespace().next().unwrap_or_default();
    word.trim_end_matches([',', ';']).parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
}

/// The number with this key in a JSON object.
#[track_caller]
pub(crate) fn number(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {object}"))
}

/// The numbers with these keys.
#[track_caller]
pub(crate) fn numbers<const N: usize>(object: &Value, keys: [&str; N]) -> [u64; N] {
    keys.map(|key| number(object, key))
}

/// All numbers in a JSON object, summed up: a count by reason.
#[track_caller]
pub(crate) fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// What a process wrote, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    what: String,
    /// Its exit code, or `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(crate) stderr: Vec<u8>,
}

impl Output {
    /// Fails the test unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code of {self}");
        self
    }

    /// Standard output as text.
    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap_or_else(|_| panic!("no UTF-8 from {self}"))
    }

    /// Standard error as text.
    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.stderr.clone()).unwrap_or_else(|_| panic!("no UTF-8 from {self}"))
    }

    /// Every JSON object on standard output, where nothing else may stand.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}\nin {self}"));
        self.out().lines().map(parse).collect()
    }

    /// The JSON objects with this event.
    #[track_caller]
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        self.json().into_iter().filter(|event| event["event"] == name).collect()
    }

    /// The summary: the last JSON object, and the only one.
    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        let last = self.json().pop().unwrap_or_else(|| panic!("no summary from {self}"));
        assert_eq!(last["event"], "summary", "the last event of {self}");
        assert_eq!(self.events("summary").len(), 1, "summaries of {self}");
        assert_eq!(last["exit"], Value::from(self.code), "the exit code in the summary of {self}");
        last
    }

    /// The number in front of these words in the last line for people.
    #[track_caller]
    pub(crate) fn summed_up(&self, words: &str) -> u64 {
        let said = self.err();
        let line = said.lines().rfind(|line| line.starts_with("-- "));
        let before = line.and_then(|line| line.split_once(words)).map(|(before, _)| before);
        let number = before.and_then(|before| before.rsplit(' ').next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no number of {words:?} in {self}"))
    }

    /// Fails the test unless each of these stands in standard error.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        let text = self.err();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not said by {self}");
        }
        self
    }

    /// Fails the test unless each of these stands in standard output.
    #[track_caller]
    pub(crate) fn shows(&self, parts: &[&str]) -> &Self {
        let text = self.out();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not shown by {self}");
        }
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stdout, stderr) = (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        write!(f, "{}\ncode: {:?}\nstdout:\n{stdout}\nstderr:\n{stderr}", self.what, self.code)
    }
}

/// A directory that every user may enter, with a copy of each of these programs: a checkout may lie in somebody's home.
pub(crate) fn public_copies<const N: usize>(programs: [&Path; N]) -> (tempfile::TempDir, [PathBuf; N]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copies = programs.map(|program| {
        let copy = directory.path().join(program.file_name().unwrap());
        // Not by this process: a child that another thread forks meanwhile would hold the file open for writing for a
        // moment, and a file that is open for writing cannot be run ("Text file busy").
        let copied = Command::new("install").args(["-m", "755"]).arg(program).arg(&copy).status().unwrap();
        assert!(copied.success(), "cannot copy {}", program.display());
        copy
    });
    (directory, copies)
}
