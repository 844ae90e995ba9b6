//! `halloo interfaces`.

use halloo::model::{Error, Event, Stats, Verdict};
use halloo::net::interfaces;

use crate::args;
use crate::cmd::run::{Output, tell};
use crate::report::Style;

/// Shows the table of interfaces, or the chosen rows of it.
pub(super) fn run(args: &args::Interfaces, output: &Output) -> Result<Verdict, Error> {
    let table = interfaces::list()?;
    let rows = match &args.interface[..] {
        [] => table.rows().iter().collect(),
        chosen => table.select(chosen)?,
    };
    let stats = Stats::default();
    tell(output.sink(Style::Interfaces), rows.into_iter().map(Event::Interface).chain([Event::Summary(&stats)]))?;
    Ok(Verdict::Done)
}
