//! What every command shares: where its output goes, the run itself, its signals and its end.

use std::io::{self, ErrorKind, IsTerminal, Write};

use halloo::drive::{self, Clock, Stop, SystemClock};
use halloo::engine::Engine;
use halloo::model::{Error, Event, Now, Sink, Stats, Verdict};
use halloo::net::{Batch, Fanout, Waker};

use crate::args::Args;
use crate::cmd::signals;
use crate::report::{Human, Json, Options, Queue, Style, failure, not_written, stderr, stdout, wrapped};

/// Where output goes, and how much of it.
pub(super) struct Output {
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
}

impl Output {
    /// JSON, whatever else was typed.
    pub(super) const JSON: Self = Self { json: true, quiet: false, verbose: false };

    pub(super) const fn new(args: &Args) -> Self {
        Self { json: args.json, quiet: args.quiet, verbose: args.verbose }
    }

    /// The lines for people in the layout of a command.
    pub(super) fn options(&self, style: Style) -> Options {
        let (width, notes_width) = (columns(), notes_columns());
        Options { quiet: self.quiet, verbose: self.verbose, width, notes_width, ..Options::new(style) }
    }

    /// The report of a command: lines for people, or JSON.
    pub(super) fn sink(&self, style: Style) -> Box<dyn Sink + Send> {
        self.sink_to(style, stdout(), stderr())
    }

    /// The same, by a queue: then nobody waits for the readers.
    pub(super) fn queued(&self, style: Style, queue: &mut Queue) -> Box<dyn Sink + Send> {
        self.sink_to(style, queue.inlet(stdout()), queue.inlet(stderr()))
    }

    /// The same where standard output is another program's: everything to standard error, and as JSON nothing twice.
    pub(super) fn queued_aside(&self, style: Style, queue: &mut Queue) -> Box<dyn Sink + Send> {
        if self.json {
            Box::new(Json::new(queue.inlet(stderr()), io::sink()))
        } else {
            let options = Options { width: notes_columns(), ..self.options(style) };
            Box::new(Human::new(options, queue.inlet(stderr()), queue.inlet(stderr())))
        }
    }

    /// The same, to other writers.
    pub(super) fn sink_to(
        &self,
        style: Style,
        data: impl Write + Send + 'static,
        notes: impl Write + Send + 'static,
    ) -> Box<dyn Sink + Send> {
        if self.json {
            Box::new(Json::new(data, notes))
        } else {
            Box::new(Human::new(self.options(style), data, notes))
        }
    }

    /// Says why there is no run.
    pub(super) fn fail(&self, error: &Error) -> Verdict {
        self.fail_to(error, io::stdout(), io::stderr())
    }

    /// The same where standard output is another program's.
    pub(super) fn fail_aside(&self, error: &Error) -> Verdict {
        self.fail_to(error, io::stderr(), io::sink())
    }

    fn fail_to(&self, error: &Error, data: impl Write, notes: impl Write) -> Verdict {
        let verdict = error.verdict();
        let skipped = if let Error::NothingToBroadcastOn { skipped } = error { skipped.len() as u64 } else { 0 };
        let stats = Stats { verdict, skipped, ..Stats::default() };
        let told = match self.json {
            true => self.tell_failure(&mut Json::new(data, notes), error, &stats),
            // Without a run there is nothing to sum up for a person.
            false => writeln!(io::stderr(), "{}", wrapped(&failure::describe(error), notes_columns())),
        };
        // There is nowhere left to say that this could not be said.
        drop(told);
        verdict
    }

    fn tell_failure(&self, sink: &mut impl Sink, error: &Error, stats: &Stats) -> io::Result<()> {
        if let Error::NothingToBroadcastOn { skipped } = error {
            for skipped in skipped {
                sink.event(now(), &Event::Skipped(skipped.clone()))?;
            }
        }
        sink.event(now(), &Event::Broken(error))?;
        sink.event(now(), &Event::Summary(stats))?;
        sink.flush()
    }
}

/// Tells events that no engine tells.
///
/// # Errors
/// Output that cannot be written, unless its reader has left.
pub(super) fn tell<'e>(
    mut sink: Box<dyn Sink + Send>,
    events: impl IntoIterator<Item = Event<'e>>,
) -> Result<(), Error> {
    let now = now();
    let told = events.into_iter().try_for_each(|event| sink.event(now, &event)).and_then(|()| sink.flush());
    told.or_else(|error| written(&error))
}

/// A reader who has left has read enough; anything else is an error.
pub(super) fn written(error: &io::Error) -> Result<(), Error> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(not_written(error)),
    }
}

/// This moment, outside a run.
pub(super) fn now() -> Now {
    SystemClock::start().now()
}

/// Whether standard output is read by a person.
pub(super) fn to_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How many characters stand in a line of standard output, if that is a terminal.
fn columns() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into())
}

/// The same of standard error.
pub(crate) fn notes_columns() -> Option<usize> {
    terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| width.0.into())
}

/// Whether standard error is read by a person.
pub(super) fn notes_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// How a run is set up.
pub(super) struct Setup {
    /// The receive buffers.
    pub(super) batch: Batch,
    /// Ends the run on a signal.
    pub(super) stop: Stop,
}

impl Setup {
    /// A run that ends in order on SIGINT and SIGTERM. They are left alone where the run cannot take long: setting them
    /// up costs more than such a run.
    pub(super) fn new(network: &mut Fanout, batch: Batch, may_take_long: bool) -> Result<Self, Error> {
        let stop = Stop::default();
        if may_take_long {
            signals::watch(stop.clone(), network.waker()?);
        }
        Ok(Self { batch, stop })
    }
}

/// Runs an engine to its end. Returns the verdict of output that could not be written, which has been told; where that was
/// the reader of it who left, the code is by the result.
pub(super) fn run(
    engine: &mut impl Engine,
    network: &mut Fanout,
    setup: Setup,
    sink: Box<dyn Sink + Send>,
) -> Option<Verdict> {
    let Setup { batch, stop } = setup;
    let mut sink = ToTheEnd::new(sink);
    // What broke it was told in its place, before the summary, which has its verdict.
    let _told = drive::run(engine, network, batch, &mut sink, &mut SystemClock::start(), &stop);
    sink.verdict()
}

/// The same without waiting for whoever reads what `sink` writes to the queue.
///
/// # Errors
/// The system has no thread to spare.
pub(super) fn run_queued(
    engine: &mut impl Engine,
    network: &mut Fanout,
    setup: Setup,
    (queue, sink): (Queue, Box<dyn Sink + Send>),
) -> Result<Option<Verdict>, Error> {
    let waker = network.waker()?;
    let sink = queue.start(sink, move || waker.wake()).map_err(|error| not_written(&error))?;
    Ok(run(engine, network, setup, Box::new(sink)))
}

/// The same over several networks, by a thread for each, until a signal or the engine ends it. `slot` is how many bytes a
/// receive buffer has.
///
/// # Errors
/// The system has no means to wait, or no thread to spare.
pub(super) fn run_together(
    engine: &mut (impl Engine + Send),
    mut networks: Vec<Fanout>,
    slot: usize,
    (queue, sink): (Queue, Box<dyn Sink + Send>),
) -> Result<Option<Verdict>, Error> {
    let (stop, waker) = (Stop::default(), Waker::of_all(&mut networks)?);
    signals::watch(stop.clone(), waker.clone());
    let failed = waker.clone();
    let sink = queue.start(sink, move || failed.wake()).map_err(|error| not_written(&error))?;
    let networks = networks.into_iter().map(|network| (network, Batch::new(slot))).collect();
    let mut sink = ToTheEnd::new(Box::new(sink));
    // As above.
    let _told = drive::run_together(engine, networks, &mut sink, SystemClock::start(), &stop, &|| waker.wake());
    Ok(sink.verdict())
}

/// Tells the end of a run to the writers that still work, where another has failed: why, and the summary with that verdict.
pub(super) struct ToTheEnd {
    inner: Box<dyn Sink + Send>,
    /// The first failure.
    failed: Option<Failed>,
    /// When something was last told.
    now: Now,
}

/// A writer that failed.
enum Failed {
    /// Whoever read it has left, and has read enough.
    ReaderLeft,
    /// It is to be told.
    For(Error),
    /// It was told.
    Told(Verdict),
}

impl ToTheEnd {
    pub(super) fn new(inner: Box<dyn Sink + Send>) -> Self {
        Self { inner, failed: None, now: now() }
    }

    /// Another writer has failed, which is not one of those that this tells.
    pub(super) fn beside(&mut self, error: io::Error) {
        let _remembered = self.remember(error);
    }

    /// The verdict of output that could not be written; `None` where all could be, or the reader of it left.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        match self.failed.as_ref()? {
            Failed::ReaderLeft => None,
            Failed::For(error) => Some(error.verdict()),
            Failed::Told(verdict) => Some(*verdict),
        }
    }

    fn remember(&mut self, error: io::Error) -> io::Error {
        let failed = || written(&error).map_or_else(Failed::For, |()| Failed::ReaderLeft);
        self.failed.get_or_insert_with(failed);
        error
    }

    /// Says why, once. That it cannot be said where it happened is known.
    fn say_why(&mut self) {
        if let Some(Failed::For(error)) = &self.failed {
            let _known = self.inner.event(self.now, &Event::Broken(error));
            self.failed = Some(Failed::Told(error.verdict()));
        }
    }

    fn sum_up(&mut self, stats: &Stats) -> io::Result<()> {
        if self.failed.is_none() {
            // What stands before it first: the summary is not told twice to a writer that works.
            match self.inner.flush().and_then(|()| self.inner.event(self.now, &Event::Summary(stats))) {
                Ok(()) => return Ok(()),
                Err(error) => self.remember(error),
            };
        }
        self.say_why();
        let stats = Stats { verdict: self.verdict().unwrap_or(stats.verdict), ..stats.clone() };
        self.inner.event(self.now, &Event::Summary(&stats))
    }
}

impl Sink for ToTheEnd {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        self.now = now;
        match event {
            Event::Summary(stats) => self.sum_up(stats),
            event => self.inner.event(now, event).map_err(|error| self.remember(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(|error| self.remember(error))
    }

    fn takes_sent(&self) -> bool {
        self.inner.takes_sent()
    }

    fn drops(&self) -> Option<u64> {
        self.inner.drops()
    }
}

impl Drop for ToTheEnd {
    /// The summary itself may be what could not be written.
    fn drop(&mut self) {
        self.say_why();
    }
}
