//! The course: its list, one lesson with a question before it, and the check of many.

use std::io::{self, BufRead, Write};

use halloo::drive::{Clock, SystemClock};
use halloo::model::lesson::{Fact, LessonRun, Observed, Status};

use super::card::{Chapter, Lesson, Needs};
use super::cause::Cause;
use super::page::{self, Guess, Page};
use super::progress::{Mark, Progress};
use super::question::Answer;
use super::stage::{Stage, Trouble};
use super::text::Lang;
use super::{catalogue, words};
use crate::report::escape::harmless;

/// How lessons are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// The language.
    pub(crate) lang: Lang,
    /// Ask before showing.
    pub(crate) ask: bool,
    /// Help with the question.
    pub(crate) hint: bool,
    /// One more page.
    pub(crate) why: bool,
    /// One row of the drawing at a time.
    pub(crate) slow: bool,
}

/// The course, on a stage.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) stage: Stage,
    pub(crate) progress: Progress,
}

/// Where the one who learns sits.
pub(crate) struct Desk<'a> {
    /// What is typed.
    pub(crate) typed: &'a mut dyn BufRead,
    /// What is shown.
    pub(crate) shown: &'a mut dyn Write,
}

impl Desk<'_> {
    /// Shows what was written so far, and waits for a line; `None` at the end of the input. What is no UTF-8 is no answer,
    /// and no error.
    fn line(&mut self) -> io::Result<Option<String>> {
        self.shown.flush()?;
        let mut typed = Vec::new();
        let read = self.typed.read_until(b'\n', &mut typed)?;
        Ok((read > 0).then(|| String::from_utf8_lossy(&typed).trim().to_owned()))
    }

    /// Waits until somebody has read enough.
    ///
    /// # Errors
    /// Those of the terminal.
    pub(crate) fn pause(&mut self, lang: Lang) -> io::Result<()> {
        write!(self.shown, "\n  {} ", words::in_brackets(words::PRESS_ENTER.raw(lang), lang))?;
        self.line().map(drop)
    }
}

/// Does the experiment of a lesson, and judges it.
pub(crate) fn run(lesson: &'static Lesson, stage: &Stage, lang: Lang) -> (LessonRun, Option<Observed>) {
    let mut clock = SystemClock::start();
    let result = match stage.why_not_private() {
        Some(why) if lesson.needs == Needs::Lan => Err(Trouble::Skip(why.clone())),
        _ => (lesson.run)(stage),
    };
    let took = clock.now().run;
    let run = |status, why, facts| LessonRun { lesson: lesson.name, status, why, facts, observed: None, took };
    match result {
        Ok(observed) => {
            let facts = judge(lesson, &observed, stage, lang);
            let wrong = facts.iter().find(|fact| fact.ok == Some(false));
            let status = if wrong.is_some() { Status::Surprise } else { Status::Ok };
            (run(status, wrong.map(|fact| page::surprise(fact, lang)), facts), Some(observed))
        }
        Err(Trouble::Skip(why)) => (run(Status::Skip, Some(why.raw(lang).to_owned()), Vec::new()), None),
        // Nothing was found out, and that is a surprise too: it is said to be of that kind.
        Err(Trouble::Failed(why)) => {
            let why = format!("{}{why}", words::label(words::BROKE_DOWN, lang));
            (run(Status::Surprise, Some(why), Vec::new()), None)
        }
    }
}

fn judge(lesson: &Lesson, observed: &Observed, stage: &Stage, lang: Lang) -> Vec<Fact> {
    lesson.checks.iter().map(|claim| claim.judge(observed, stage.has_wire(), lang)).collect()
}

impl Course {
    /// The list by chapter, with what was learnt, the stage, and what is next.
    pub(crate) fn list(&self, lang: Lang) -> Vec<String> {
        let mut lines = vec![self.stage_line(lang), String::new()];
        for chapter in Chapter::ALL {
            lines.push(chapter.title().raw(lang).to_owned());
            lines.extend(catalogue::of(chapter).map(|lesson| self.row(lesson, lang)));
        }
        lines.push(String::new());
        lines.push(words::LEGEND.raw(lang).to_owned());
        lines.push(match self.next() {
            Some(lesson) => format!("{}halloo learn {}", words::label(words::NEXT, lang), lesson.name),
            None => words::ALL_DONE.raw(lang).to_owned(),
        });
        lines
    }

    fn stage_line(&self, lang: Lang) -> String {
        let done = catalogue::ALL.iter().filter(|lesson| self.progress.mark(lesson.name).is_some()).count();
        let name = self.stage.name().raw(lang);
        let aside = |why: &Cause| words::aside(&harmless(why.raw(lang)), lang);
        let why = self.stage.why_not_private().map_or_else(String::new, aside);
        format!("{done}/{} {}  {name}{why}", catalogue::ALL.len(), words::LESSONS.raw(lang))
    }

    fn row(&self, lesson: &Lesson, lang: Lang) -> String {
        let mark = match self.progress.mark(lesson.name) {
            Some(Mark::Right(_)) => "+",
            Some(Mark::Wrong(_)) => "-",
            Some(Mark::Seen) => ".",
            None => " ",
        };
        let core = if lesson.core { "*" } else { " " };
        let width = catalogue::ALL.iter().map(|lesson| lesson.name.len()).max().unwrap_or_default();
        format!("  {mark} {:<width$} {core} {}", lesson.name, lesson.title.raw(lang))
    }

    /// Why a lesson cannot be played here, if it cannot.
    fn cannot(&self, lesson: &Lesson) -> Option<&Cause> {
        self.stage.why_not_private().filter(|_| lesson.needs == Needs::Lan)
    }

    /// The first lesson of the core track that has no mark and can be played here, then the first of all.
    pub(crate) fn next(&self) -> Option<&'static Lesson> {
        let open = |lesson: &&&Lesson| self.progress.mark(lesson.name).is_none() && self.cannot(lesson).is_none();
        let core = catalogue::ALL.iter().filter(|lesson| lesson.core).find(open);
        core.or_else(|| catalogue::ALL.iter().find(open)).copied()
    }

    /// One lesson: the question, the experiment, the page. Returns how it went.
    ///
    /// # Errors
    /// Those of the terminal.
    pub(crate) fn teach(
        &mut self,
        lesson: &'static Lesson,
        manner: Manner,
        desk: &mut Desk<'_>,
    ) -> io::Result<LessonRun> {
        let lang = manner.lang;
        // Nobody is asked what cannot be shown.
        let asks = manner.ask && self.cannot(lesson).is_none();
        let guess = if asks { Some(self.ask(lesson, manner, desk)?) } else { None };
        let (run, observed) = run(lesson, &self.stage, lang);
        match observed {
            Some(observed) => {
                let page = Page { lesson, stage: &self.stage, observed: &observed, facts: &run.facts, lang, guess };
                show(&page, manner, desk)?;
                self.keep(lesson, page.guess.as_ref(), &observed, lang, desk)?;
                Ok(LessonRun { observed: Some(observed), ..run })
            }
            None => {
                let why = &harmless(run.why.as_deref().unwrap_or_default());
                let word = if run.status == Status::Skip { words::SKIPPED } else { words::SURPRISE };
                writeln!(desk.shown, "{}", page::headline(lesson, &self.stage, lang))?;
                write_lines(desk.shown, &page::wrap(why, &format!("  {}", words::label(word, lang)), "    "))?;
                Ok(run)
            }
        }
    }

    /// Asks, until there is an answer or none is wanted.
    fn ask(&self, lesson: &Lesson, manner: Manner, desk: &mut Desk<'_>) -> io::Result<Guess> {
        let lang = manner.lang;
        write_lines(desk.shown, &page::question(lesson, &self.stage, lang))?;
        if manner.hint {
            let label = format!("  {}", words::label(words::HINT, lang));
            write_lines(desk.shown, &page::wrap(lesson.hint.raw(lang), &label, "    "))?;
        }
        let form = lesson.question.form().raw(lang);
        let ways = format!("{form}{}{}", words::SEMICOLON.raw(lang), words::EMPTY_LEAVES_OUT.raw(lang));
        let prompt = words::in_brackets(&ways, lang);
        loop {
            write!(desk.shown, "  {prompt} > ")?;
            let Some(typed) = desk.line()? else {
                // The end of the input left the cursor behind the prompt.
                writeln!(desk.shown, "\n")?;
                return Ok(Guess::Nothing);
            };
            if typed.is_empty() {
                writeln!(desk.shown)?;
                return Ok(Guess::Nothing);
            }
            if let Some(answer) = lesson.question.read(&typed) {
                writeln!(desk.shown)?;
                return Ok(Guess::Said(answer));
            }
            let (word, text) = match &*typed {
                "?" | "？" => (words::HINT, lesson.hint.raw(lang)),
                _ => (words::ASK_AGAIN, form),
            };
            write_lines(desk.shown, &page::wrap(text, &format!("  {}", words::label(word, lang)), "    "))?;
        }
    }

    /// Keeps the mark. That it cannot be kept is said, and is no reason not to learn.
    fn keep(
        &mut self,
        lesson: &Lesson,
        guess: Option<&Guess>,
        observed: &Observed,
        lang: Lang,
        desk: &mut Desk<'_>,
    ) -> io::Result<()> {
        let mark = match guess {
            // Whoever looks at pages without questions is not taking the course.
            None => return Ok(()),
            Some(Guess::Nothing) => Mark::Seen,
            Some(Guess::Said(answer)) => mark(lesson, answer, observed),
        };
        match self.progress.keep(lesson.name, mark) {
            Ok(()) => Ok(()),
            Err(why) => {
                let file = self.progress.file().map(|file| format!("{}: ", file.display())).unwrap_or_default();
                let label = format!("  {}", words::label(words::NOT_KEPT, lang));
                write_lines(desk.shown, &page::wrap(&harmless(&format!("{file}{why}")), &label, "    "))
            }
        }
    }
}

fn mark(lesson: &Lesson, answer: &Answer, observed: &Observed) -> Mark {
    let words = lesson.question.words(answer, Lang::En);
    if lesson.question.right(observed).as_ref() == Some(answer) { Mark::Right(words) } else { Mark::Wrong(words) }
}

/// Shows a page; slowly, if that is wanted, one row of the drawing for each line that is typed.
fn show(page: &Page<'_>, manner: Manner, desk: &mut Desk<'_>) -> io::Result<()> {
    let [head, drawing, foot] = page.pieces();
    write_lines(desk.shown, &head)?;
    if manner.slow {
        writeln!(desk.shown, "   {}", words::in_brackets(words::PRESS_ENTER.raw(manner.lang), manner.lang))?;
    }
    for row in &drawing {
        writeln!(desk.shown, "{row}")?;
        if manner.slow {
            desk.line()?;
        }
    }
    write_lines(desk.shown, &foot)?;
    if manner.why {
        let label = format!("  {}", words::label(words::WHY, manner.lang));
        writeln!(desk.shown)?;
        write_lines(desk.shown, &page::wrap(&page.lesson.why.fill(page.observed, manner.lang), &label, "    "))?;
    }
    Ok(())
}

fn write_lines(out: &mut dyn Write, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}
