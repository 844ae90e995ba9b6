//! `halloo learn`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

use halloo::drive::{Clock, SystemClock};
use halloo::model::lesson::{LessonRun, Status, Tally};
use halloo::model::{Error, Event, Sink, Stats, Verdict};

use crate::args;
use crate::cmd::run::{Output, ToTheEnd, now, to_terminal, written};
use crate::cmd::signals;
use crate::lesson::card::Lesson;
use crate::lesson::catalogue;
use crate::lesson::cause::Cause;
use crate::lesson::course::{self, Course, Desk, Manner};
use crate::lesson::progress::{self, Progress};
use crate::lesson::stage::Stage;
use crate::lesson::text::Lang;
use crate::report::junit::Junit;
use crate::report::{Named, Style, stdout};

/// Shows the list, or teaches or checks lessons: in a private network, or where there is none on loopback.
pub(super) fn run(args: &args::Learn, output: &Output) -> Result<Verdict, Error> {
    if is_enclosed() {
        return on_stage(Stage::private(args.sabotage), args, output);
    }
    match enclosed() {
        Ok(ended) => Ok(ended),
        Err(why) => on_stage(Stage::loopback(why, args.sabotage), args, output),
    }
}

fn on_stage(stage: Stage, args: &args::Learn, output: &Output) -> Result<Verdict, Error> {
    let lang = lang(args);
    let file = progress::file_by(|name| std::env::var_os(name));
    let mut course = Course { stage, progress: Progress::load(file) };
    let Some(lessons) = lessons(args, &course)? else {
        return show(&course.list(lang)).map(|()| Verdict::Done);
    };
    if args.check || args.events || output.json {
        return check(&lessons, &course.stage, args, output);
    }
    teach(&lessons, &mut course, args).map(|runs| verdict(&runs, args.strict))
}

/// Does the work in a private network: in a process of its own, which ends with this one.
///
/// # Errors
/// Why there is none; then the work is done here.
#[cfg(target_os = "linux")]
fn enclosed() -> Result<Verdict, Cause> {
    use halloo::lab::enclosure::spawn;
    // Where it cannot be told what runs here, starting it says why.
    let again = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let mut command = std::process::Command::new(again);
    command.args(std::env::args_os().skip(1));
    let mut child = spawn(command).map_err(Cause::from)?;
    // From here on the work is done there, whatever becomes of it: it is not done here a second time.
    let ended = signals::wait_for(&mut child).ok().flatten();
    // One that ended otherwise has said why itself.
    Ok(ended.and_then(|code| Verdict::of_code(code.try_into().ok()?)).unwrap_or(Verdict::SystemRefused))
}

#[cfg(not(target_os = "linux"))]
fn enclosed() -> Result<Verdict, Cause> {
    Err(crate::lesson::cause::NoNetworks.into())
}

/// Whether this process is the one in the private network.
#[cfg(target_os = "linux")]
fn is_enclosed() -> bool {
    halloo::lab::enclosure::is_enclosed()
}

#[cfg(not(target_os = "linux"))]
const fn is_enclosed() -> bool {
    false
}

/// The lessons that were named; `None` if none was.
fn lessons(args: &args::Learn, course: &Course) -> Result<Option<Vec<&'static Lesson>>, Error> {
    if args.all {
        return Ok(Some(catalogue::ALL.to_vec()));
    }
    if args.lessons.is_empty() {
        return Ok(None);
    }
    let find = |name: &String| if name == "next" { next(course) } else { named(name) };
    args.lessons.iter().map(find).collect::<Result<_, _>>().map(Some)
}

fn named(name: &str) -> Result<&'static Lesson, Error> {
    catalogue::named(name).ok_or_else(|| Error::Misuse {
        what: format!("there is no lesson {name:?}"),
        instead: meant(&name.to_lowercase()),
    })
}

/// What was meant by a name that is no lesson's.
fn meant(name: &str) -> String {
    let names = || catalogue::ALL.iter().map(|lesson| lesson.name);
    let begins = |lesson: &&str| !name.is_empty() && (lesson.starts_with(name) || name.starts_with(lesson));
    let like = || names().find(begins).map(str::to_owned).or_else(|| args::most_like(name, names()));
    match name {
        "list" | "ls" | "lessons" => "did you mean: halloo learn".to_owned(),
        _ => like().map_or_else(|| LISTS.to_owned(), |lesson| format!("did you mean: halloo learn {lesson}")),
    }
}

/// Where the names are.
const LISTS: &str = "halloo learn lists them";

fn next(course: &Course) -> Result<&'static Lesson, Error> {
    let done = || Error::Misuse {
        what: "you have done every lesson".to_owned(),
        instead: "halloo learn lists them; any can be done again by its name".to_owned(),
    };
    course.next().ok_or_else(done)
}

/// The language that was asked for, or that of the locale.
fn lang(args: &args::Learn) -> Lang {
    match args.lang {
        Some(args::Lang::En) => Lang::En,
        Some(args::Lang::Zh) => Lang::Zh,
        None => sys_locale::get_locale().map_or(Lang::En, |locale: String| Lang::of_locale(&locale)),
    }
}

/// Pages, with questions where somebody can answer them.
fn teach(lessons: &[&'static Lesson], course: &mut Course, args: &args::Learn) -> Result<Vec<LessonRun>, Error> {
    let stdin = io::stdin();
    let somebody = stdin.is_terminal() && to_terminal();
    let manner = Manner {
        lang: lang(args),
        ask: somebody && !args.no_ask,
        hint: args.hint,
        why: args.why,
        slow: somebody && args.slow,
    };
    let (mut typed, mut shown) = (stdin.lock(), stdout());
    let mut desk = Desk { typed: &mut typed, shown: &mut shown };
    let mut runs = Vec::new();
    for (at, lesson) in lessons.iter().enumerate() {
        let page = between(at, manner, &mut desk).and_then(|()| course.teach(lesson, manner, &mut desk));
        match page {
            Ok(run) => runs.push(run),
            Err(error) => return written(&error).map(|()| runs),
        }
    }
    written_out(desk.shown.flush()).map(|()| runs)
}

/// What comes between a page and the next question: time to read.
fn between(at: usize, manner: Manner, desk: &mut Desk<'_>) -> io::Result<()> {
    match at {
        0 => Ok(()),
        _ if manner.ask => desk.pause(manner.lang).and_then(|()| writeln!(desk.shown)),
        _ => writeln!(desk.shown),
    }
}

/// One line or object for each lesson.
fn check(lessons: &[&'static Lesson], stage: &Stage, args: &args::Learn, output: &Output) -> Result<Verdict, Error> {
    let output = Output { json: output.json || args.events, ..*output };
    let mut file = args.junit.as_deref().map(junit).transpose()?;
    let mut lines = ToTheEnd::new(output.sink(Style::Learn));
    let mut clock = SystemClock::start();
    let mut runs = Vec::new();
    let asked_to_end = signals::asked();
    for lesson in lessons.iter().take_while(|_| !asked_to_end.load(Ordering::Relaxed)) {
        let (run, observed) = course::run(lesson, stage, lang(args));
        let run = LessonRun { observed: observed.filter(|_| args.events), ..run };
        let told = tell(&mut lines, &Event::Lesson(&run));
        runs.push(run);
        // Whoever reads the lines may have read enough; whoever reads the file has not.
        if told.is_err() && file.is_none() {
            break;
        }
    }
    let mut tally = Tally::default();
    runs.iter().for_each(|run| tally.add(run.status));
    let verdict = verdict(&runs, args.strict);
    let stats = Stats { verdict, lessons: Some(tally), elapsed: clock.now().run, ..Stats::default() };
    // The file first: whether it could be written is in the summary.
    if let Some(Err(error)) = file.as_mut().map(|file| write(file, &runs, &stats)) {
        lines.beside(error);
    }
    // What could not be told is remembered.
    let _remembered = tell(&mut lines, &Event::Summary(&stats));
    Ok(lines.verdict().unwrap_or(verdict))
}

fn tell(sink: &mut impl Sink, event: &Event<'_>) -> io::Result<()> {
    sink.event(now(), event).and_then(|()| sink.flush())
}

type JunitFile = Junit<BufWriter<Named<File>>>;

fn junit(path: &Path) -> Result<JunitFile, Error> {
    let name = path.display().to_string();
    match File::create(path) {
        Ok(file) => Ok(Junit::new(BufWriter::new(Named::new(name, file)))),
        Err(error) => Err(Error::Output { name, why: error.to_string() }),
    }
}

fn write(file: &mut JunitFile, runs: &[LessonRun], stats: &Stats) -> io::Result<()> {
    runs.iter().try_for_each(|run| file.event(now(), &Event::Lesson(run)))?;
    tell(file, &Event::Summary(stats))
}

fn verdict(runs: &[LessonRun], strict: bool) -> Verdict {
    let bad = |run: &LessonRun| run.status == Status::Surprise || (strict && run.status == Status::Skip);
    if runs.iter().any(bad) { Verdict::TooFew } else { Verdict::Done }
}

fn show(lines: &[String]) -> Result<(), Error> {
    let mut stdout = stdout();
    let shown = lines.iter().try_for_each(|line| writeln!(stdout, "{line}"));
    written_out(shown.and_then(|()| stdout.flush()))
}

fn written_out(result: io::Result<()>) -> Result<(), Error> {
    result.or_else(|error| written(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_lesson_is_told_with_the_one_that_was_meant() {
        let near =
            [("boundary", "boundaries"), ("BOUNDARIES", "boundaries"), ("trunc", "truncate"), ("replys", "replies")];
        for (typed, lesson) in near {
            assert_eq!(meant(&typed.to_lowercase()), format!("did you mean: halloo learn {lesson}"), "{typed}");
        }
        assert_eq!(meant("list"), "did you mean: halloo learn");
        assert_eq!((&*meant("xyzzy"), &*meant("")), (LISTS, LISTS));
    }
}
