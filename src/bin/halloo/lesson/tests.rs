//! What holds for every lesson, in every language.

use halloo::model::lesson::{Fact, Observed, Status};
use unicode_width::UnicodeWidthStr;

use super::card::Lesson;
use super::cause::Cause;
#[cfg(target_os = "linux")]
use super::claim::Sight;
use super::course::run;
use super::draw::WIDTH;
use super::page::{Guess, LINES, Page, question, wrap};
use super::question::Answer;
use super::stage::Stage;
use super::text::{Lang, Text, text};
use super::{catalogue, page};

/// The record of a lesson on loopback; `None` if it needs more.
fn on_loopback(lesson: &'static Lesson) -> Option<Observed> {
    let stage = Stage::loopback(Cause::of(text("a test", "一次测试")), false);
    let (run, observed) = run(lesson, &stage, Lang::En);
    assert!(run.status != Status::Surprise, "{}: {:?}", lesson.name, run.why);
    observed
}

/// Every text of a lesson, with a name for each.
fn texts(lesson: &Lesson) -> Vec<(&'static str, Text)> {
    let mut texts = vec![
        ("title", lesson.title),
        ("question", lesson.question.asks),
        ("hint", lesson.hint),
        ("claim", lesson.claim),
        ("elsewhere", lesson.elsewhere),
        ("why", lesson.why),
    ];
    texts.extend(lesson.checks.iter().map(|check| ("check", check.says)));
    texts.extend(lesson.question.texts().iter().map(|choice| ("choice", *choice)));
    texts
}

#[test]
fn names_are_unique_and_short() {
    for (at, lesson) in catalogue::ALL.iter().enumerate() {
        assert!(lesson.name.len() <= 11, "{}", lesson.name);
        assert!(catalogue::ALL[..at].iter().all(|other| other.name != lesson.name), "{} twice", lesson.name);
    }
}

#[test]
fn every_text_is_there_in_every_language_with_the_same_places() {
    for lesson in catalogue::ALL {
        for (what, text) in texts(lesson) {
            for lang in Lang::ALL {
                assert!(!text.raw(lang).trim().is_empty(), "{}: no {what} in {lang:?}", lesson.name);
            }
            let sorted = |lang| {
                let mut places = text.places(lang);
                places.sort_unstable();
                places.dedup();
                places
            };
            assert_eq!(sorted(Lang::En), sorted(Lang::Zh), "{}: places of {what}", lesson.name);
            let chinese = text.zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            let name_only = text.en == text.zh && what == "choice";
            assert!(chinese || name_only, "{}: {what} is not translated: {}", lesson.name, text.zh);
        }
    }
}

#[test]
fn no_text_before_the_experiment_has_a_place() {
    for lesson in catalogue::ALL {
        for text in [lesson.title, lesson.question.asks, lesson.hint].iter().chain(lesson.question.texts()) {
            assert!(text.places(Lang::En).is_empty(), "{}: {}", lesson.name, text.en);
        }
    }
}

/// A number in a text that is also an expectation would be a canned result: it would be said whatever happened.
#[test]
fn no_text_behind_the_experiment_names_an_expected_number() {
    for lesson in catalogue::ALL {
        let expected: Vec<u64> = lesson.checks.iter().flat_map(|check| check.linux.numbers()).collect();
        let after = [lesson.claim].into_iter().chain(lesson.checks.iter().map(|check| check.says));
        for text in after {
            for lang in Lang::ALL {
                for number in numbers(text.raw(lang)) {
                    assert!(!expected.contains(&number), "{}: {number} in: {}", lesson.name, text.raw(lang));
                }
            }
        }
        let title = numbers(lesson.title.en).into_iter().chain(numbers(lesson.title.zh));
        assert!(title.into_iter().all(|n| !expected.contains(&n)), "{}: the title gives it away", lesson.name);
    }
}

fn numbers(text: &str) -> Vec<u64> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    digits.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn questions_fit_on_a_page() {
    let stage = Stage::private(false);
    for lesson in catalogue::ALL {
        for lang in Lang::ALL {
            let lines = question(lesson, &stage, lang);
            assert!(lines.len() <= LINES - 2, "{}: {} lines", lesson.name, lines.len());
            check_width(lesson, &lines);
            check_width(lesson, &wrap(lesson.hint.raw(lang), "  : ", "    "));
        }
    }
}

#[test]
fn pages_of_real_records_fit() {
    for lesson in catalogue::ALL {
        let Some(observed) = on_loopback(lesson) else { continue };
        check_page(lesson, &observed);
    }
}

/// The page of a record: that it fits whatever was guessed, that no place in it is empty, and that the question has an
/// answer.
fn check_page(lesson: &'static Lesson, observed: &Observed) {
    let stage = Stage::private(false);
    for lang in Lang::ALL {
        for guess in guesses(lesson, observed) {
            let facts = facts(lesson, observed, lang);
            let page = Page { lesson, stage: &stage, observed, facts: &facts, lang, guess };
            let lines = page.pieces().concat();
            assert!(lines.len() <= LINES, "{} in {lang:?}: {} lines\n{}", lesson.name, lines.len(), lines.join("\n"));
            check_width(lesson, &lines);
        }
        let seen = lesson.checks.iter().filter(|check| observed.get(check.of).is_some()).map(|check| check.says);
        for text in [lesson.claim, lesson.elsewhere, lesson.why].into_iter().chain(seen) {
            let empty: Vec<_> = text.places(lang).into_iter().filter(|place| observed.get(place).is_none()).collect();
            assert!(empty.is_empty(), "{}: {empty:?} in: {}", lesson.name, text.raw(lang));
        }
    }
    assert!(lesson.question.right(observed).is_some(), "{}: its question is not answered", lesson.name);
}

/// Everything that somebody may have said before: nothing, each choice, or the right answer.
fn guesses(lesson: &Lesson, observed: &Observed) -> Vec<Option<Guess>> {
    let choices = (0..lesson.question.texts().len()).map(|place| Answer::Choices(vec![place]));
    let said = choices.chain(lesson.question.right(observed)).map(Guess::Said);
    [None, Some(Guess::Nothing)].into_iter().chain(said.map(Some)).collect()
}

/// Its claims, held against a record that need not have a look at the wire.
fn facts(lesson: &Lesson, observed: &Observed, lang: Lang) -> Vec<Fact> {
    lesson.checks.iter().map(|check| check.judge(observed, false, lang)).collect()
}

/// In a private network every lesson has all that it needs, wires included; and its check turns red where its cause is
/// broken.
#[cfg(target_os = "linux")]
#[test]
fn in_a_private_network_every_lesson_fits_and_holds_and_notices_a_broken_cause() {
    halloo::lab::enclosed(|| {
        let (mut red, mut all) = (0, 0);
        for lesson in catalogue::ALL {
            let (whole, observed) = run(lesson, &Stage::private(false), Lang::En);
            assert_eq!(whole.status, Status::Ok, "{}: {:?}", lesson.name, whole.why);
            for (check, fact) in lesson.checks.iter().zip(&whole.facts) {
                assert!(fact.ok.is_some() || check.needs == Sight::Ipv6, "{}: {} is unseen", lesson.name, check.of);
            }
            check_page(lesson, &observed.unwrap());
            let (broken, observed) = run(lesson, &Stage::private(true), Lang::En);
            assert_eq!(broken.status, Status::Surprise, "{}: nothing is noticed", lesson.name);
            assert!(observed.is_some(), "{}: not a check, but the experiment failed: {:?}", lesson.name, broken.why);
            red += broken.facts.iter().filter(|fact| fact.ok == Some(false)).count();
            all += broken.facts.len();
        }
        // A check that stays green whatever is broken may be one that cannot fail: most must not.
        assert!(4 * red >= 3 * all, "only {red} of {all} checks turn red");
    });
}

fn check_width(lesson: &Lesson, lines: &[String]) {
    for line in lines {
        assert!(line.width() <= WIDTH, "{}: {} columns: {line}", lesson.name, line.width());
    }
}

/// What can be typed as it stands: halloo's own commands, one behind the other or at the same time, and what they write
/// perhaps through a pipe. Nothing leaves this host: what is sent goes to loopback, or not at all.
#[test]
fn what_is_to_be_tried_is_halloo_on_this_host() {
    for lesson in catalogue::ALL {
        for part in lesson.try_this.split(" & ").flat_map(|half| half.split("; ")) {
            let words: Vec<&str> = part.split(" | ").next().unwrap_or_default().split(' ').collect();
            let has = |option: &str| words.contains(&option);
            let is_fine = match words.as_slice() {
                ["halloo", "send", to, ..] => to.starts_with("127."),
                ["halloo", "broadcast", ..] => has("--dry-run"),
                // One that never ends would stay behind.
                ["halloo", "listen" | "echo" | "length", ..] => has("--count") || has("--timeout"),
                other => other == ["halloo", "interfaces"],
            };
            assert!(is_fine, "{}: {part}", lesson.name);
        }
    }
}

#[test]
fn a_headline_is_one_line() {
    for lesson in catalogue::ALL {
        for lang in Lang::ALL {
            let line = page::headline(lesson, &Stage::private(false), lang);
            assert!(line.width() <= WIDTH, "{line}");
        }
    }
}

/// The names of the rows beneath a head in the table of what is answered and what waits.
fn rows_beneath(head: &str) -> Vec<&'static str> {
    let table = include_str!("mod.rs").lines().skip_while(|line| *line != head).skip(2);
    let rows = table.map_while(|line| line.strip_prefix("//! |"));
    rows.flat_map(|row| row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default().split(", "))
        .map(|name| name.trim_matches('`'))
        .collect()
}

#[test]
fn what_is_answered_has_its_lesson_and_what_waits_has_none() {
    let there: Vec<&str> = catalogue::ALL.iter().map(|lesson| lesson.name).collect();
    let mut answered = rows_beneath("//! | asked, shown or claimed | lesson |");
    assert!(there.iter().all(|lesson| answered.contains(lesson)), "{answered:?}");
    answered.retain(|lesson| !there.contains(lesson));
    assert!(answered.is_empty(), "no lesson: {answered:?}");
    let waits = rows_beneath("//! | waits | lesson to come |");
    assert!(!waits.is_empty() && waits.iter().all(|lesson| !there.contains(lesson)), "{waits:?}");
}

#[test]
fn every_lesson_that_an_error_names_is_there() {
    for shown in crate::report::lessons::Shown::ALL {
        let there = catalogue::named(shown.lesson()).is_some();
        assert!(there, "{} is in the table of errors and no lesson", shown.lesson());
    }
}
