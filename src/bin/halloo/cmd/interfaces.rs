//! `halloo interfaces`.

use halloo::model::{Error, Event, Stats, Verdict};
use halloo::net::interfaces;

use crate::args;
use crate::cmd::run::{Output, columns, tell};
use crate::report::{Human, Options, Style, stderr, stdout};

/// Shows the table of interfaces, or the chosen rows of it.
pub(super) fn run(args: &args::Interfaces, output: &Output) -> Result<Verdict, Error> {
    let table = interfaces::list()?;
    let rows = match &args.interface[..] {
        [] => table.rows().iter().collect(),
        chosen => table.select(chosen)?,
    };
    let stats = Stats::default();
    let options = Options { width: columns(), ..output.options(Style::Interfaces) };
    let sink = match output.json {
        true => output.sink(Style::Interfaces),
        false => Box::new(Human::new(options, stdout(), stderr())),
    };
    tell(sink, rows.into_iter().map(Event::Interface).chain([Event::Summary(&stats)]))?;
    Ok(Verdict::Done)
}
