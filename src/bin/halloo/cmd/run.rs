//! What every command shares: where its output goes, the run itself, its signals and its end.

use std::io::{self, IsTerminal, Write};

use halloo::drive::{self, Clock, Stop, SystemClock};
use halloo::engine::Engine;
use halloo::model::error::Broken;
use halloo::model::{Error, Event, Now, Sink, Stats, Verdict};
use halloo::net::{Batch, Fanout};

use crate::args::Args;
use crate::cmd::signals;
use crate::report::{Human, Json, Options, Style, failure, wrapped};

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
        Options { quiet: self.quiet, verbose: self.verbose, notes_width: notes_columns(), ..Options::new(style) }
    }

    /// The report of a command: lines for people, or JSON.
    pub(super) fn sink(&self, style: Style) -> Box<dyn Sink> {
        self.sink_to(style, io::stdout(), io::stderr())
    }

    /// The same where standard output is another program's: everything to standard error, and as JSON nothing twice.
    pub(super) fn sink_aside(&self, style: Style) -> Box<dyn Sink> {
        if self.json {
            Box::new(Json::new(io::stderr(), io::sink()))
        } else {
            self.sink_to(style, io::stderr(), io::stderr())
        }
    }

    /// The same, to other writers.
    pub(super) fn sink_to(
        &self,
        style: Style,
        data: impl Write + 'static,
        notes: impl Write + 'static,
    ) -> Box<dyn Sink> {
        if self.json {
            Box::new(Json::new(data, notes))
        } else {
            Box::new(Human::new(self.options(style), data, notes))
        }
    }

    /// Says why there is no run, or why nothing more can be told of it.
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
pub(super) fn tell<'e>(mut sink: Box<dyn Sink>, events: impl IntoIterator<Item = Event<'e>>) -> Result<(), Error> {
    let now = now();
    let told = events.into_iter().try_for_each(|event| sink.event(now, &event)).and_then(|()| sink.flush());
    told.or_else(written)
}

/// A reader who has left has read enough; anything else is an error.
pub(super) fn written(error: io::Error) -> Result<(), Error> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::Output { name: "the output".to_owned(), why: error.to_string() }),
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
pub(super) fn columns() -> Option<usize> {
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

/// Runs an engine to its end.
///
/// # Errors
/// What broke the run, unless that was the reader of the output who left: then the code is by the result.
pub(super) fn run(
    engine: &mut impl Engine,
    network: &mut Fanout,
    setup: Setup,
    mut sink: Box<dyn Sink>,
) -> Result<(), Error> {
    let Setup { batch, stop } = setup;
    match drive::run(engine, network, batch, sink.as_mut(), &mut SystemClock::start(), &stop) {
        Ok(()) => Ok(()),
        Err(Broken::Sink(error)) => written(error),
        // Told in its place, before the summary, which has its verdict.
        Err(Broken::Network(_)) => Ok(()),
    }
}
