//! `halloo learn`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::refused::Mistake;
use super::{OUTPUT, values};

/// Learn what a datagram is: each lesson asks, does the experiment on real sockets, and shows both answers.
///
/// Without a LESSON, the list of lessons, what you have done, and what is next. On Linux the experiments run in a private
/// network of their own, without root; where that is not allowed, on loopback, and what needs a LAN is skipped with its
/// cause. Nothing is ever sent to the network of this machine.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Learn {
    /// Lessons by name; next is the first that you have not done
    #[arg(value_name = "LESSON")]
    pub(crate) lessons: Vec<String>,
    /// All lessons, in order
    #[arg(long, conflicts_with = "lessons")]
    pub(crate) all: bool,

    /// Do not ask before showing; without a terminal nothing is asked anyway
    #[arg(long, help_heading = PAGE)]
    pub(crate) no_ask: bool,
    /// Help with the question
    #[arg(long, help_heading = PAGE)]
    pub(crate) hint: bool,
    /// One more page, for those who ask why
    #[arg(long, help_heading = PAGE)]
    pub(crate) why: bool,
    /// One line of the drawing at a time: Enter goes on
    #[arg(long, help_heading = PAGE)]
    pub(crate) slow: bool,
    /// The language [default: by LC_ALL, LC_MESSAGES or LANG, else en]
    #[arg(long, value_name = "LANG", help_heading = PAGE)]
    pub(crate) lang: Option<Lang>,

    /// Only check that this system does what the lessons say: one line each, ok, SURPRISE or skip; a surprise is exit code 1
    #[arg(long, help_heading = CHECK)]
    pub(crate) check: bool,
    /// With --check: a lesson that cannot be done here is exit code 1, too
    #[arg(long, requires = "check", help_heading = CHECK)]
    pub(crate) strict: bool,
    /// With --check: also write the result to this file, as JUnit XML
    #[arg(long, value_name = "FILE", requires = "check", value_parser = values::output_file(), help_heading = CHECK)]
    pub(crate) junit: Option<PathBuf>,
    /// Break the cause of what each lesson shows, to see that its check notices
    #[arg(long, help_heading = CHECK)]
    pub(crate) sabotage: bool,
    /// Print everything that was observed, as JSON
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) events: bool,
}

const PAGE: &str = "Page";
const CHECK: &str = "Check";

/// A language of the course.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Lang {
    /// English
    En,
    /// Chinese
    Zh,
}

impl Learn {
    /// What clap cannot check.
    pub(super) fn check(&self, json: bool) -> Result<(), Mistake> {
        let named = self.all || !self.lessons.is_empty();
        let alone =
            [(self.check, "--check"), (self.events, "--events"), (json, "--json"), (self.sabotage, "--sabotage")];
        let pages = [(self.no_ask, "--no-ask"), (self.hint, "--hint"), (self.why, "--why"), (self.slow, "--slow")];
        if let (true, Some((_, flag))) = (self.check || json, pages.iter().find(|(given, _)| *given)) {
            return Err(
                Mistake::new(format!("{flag} is about pages, and a check shows none")).hint("leave one of them out")
            );
        }
        match alone.iter().find(|(given, _)| *given && !named) {
            Some((_, flag)) => {
                Err(Mistake::new(format!("{flag} needs lessons to run")).hint("write their names, or --all"))
            }
            None => Ok(()),
        }
    }
}

/// They are parsed by a test.
pub(super) const EXAMPLES: &str = "\
EXAMPLES
  # the list of lessons, and what is next
  halloo learn
  # a lesson: a question first, then the experiment
  halloo learn boundaries
  # the first lesson that you have not done
  halloo learn next
  # every page, without questions
  halloo learn --all --no-ask
  # does this system do what the lessons say?
  halloo learn --all --check";
