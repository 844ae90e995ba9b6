//! The page of a lesson: what was guessed, what happened, the drawing, the claims, what to do next.

use halloo::model::lesson::{Fact, Observed};
use unicode_width::UnicodeWidthStr;

use super::card::Lesson;
use super::draw::WIDTH;
use super::question::Answer;
use super::stage::Stage;
use super::text::{Lang, Text, value_in};
use super::words;

/// Lines of a page, so that it stays on a terminal of 24 lines.
#[cfg(test)]
pub(crate) const LINES: usize = 24;

/// What is shown of a lesson that was run.
pub(crate) struct Page<'a> {
    pub(crate) lesson: &'a Lesson,
    pub(crate) stage: &'a Stage,
    pub(crate) observed: &'a Observed,
    pub(crate) facts: &'a [Fact],
    pub(crate) lang: Lang,
    /// What was asked and guessed, if anything was.
    pub(crate) guess: Option<Guess>,
}

/// What somebody said before.
pub(crate) enum Guess {
    /// They wanted only to be shown.
    Nothing,
    /// An answer.
    Said(Answer),
}

impl Page<'_> {
    /// The page, in three pieces: what comes before the drawing, the drawing row by row, and what comes behind.
    pub(crate) fn pieces(&self) -> [Vec<String>; 3] {
        let drawing = (self.lesson.draw)(self.observed, self.lang);
        [self.head(), drawing.lines(), self.foot()]
    }

    fn head(&self) -> Vec<String> {
        let mut lines = vec![headline(self.lesson, self.stage, self.lang)];
        if self.stage.sabotaged() {
            lines.push(format!("  {}", words::in_brackets(self.say(words::BROKEN_ON_PURPOSE), self.lang)));
        }
        lines.extend(self.answers());
        lines.push(String::new());
        lines
    }

    /// Both answers: side by side, or one above the other where they are long.
    fn answers(&self) -> Vec<String> {
        let Some(right) = self.lesson.question.right(self.observed) else { return Vec::new() };
        let in_words = |answer: &Answer| self.lesson.question.words(answer, self.lang);
        let kernel = format!("{}{}", words::label(words::THE_KERNEL, self.lang), in_words(&right));
        let said = match &self.guess {
            None => return wrap(&kernel, "  ", "    "),
            Some(Guess::Nothing) => self.say(words::NOTHING).to_owned(),
            Some(Guess::Said(answer)) if *answer == right => {
                in_words(answer) + &words::aside(self.say(words::RIGHT), self.lang)
            }
            Some(Guess::Said(answer)) => in_words(answer) + &words::aside(self.say(words::NOT_SO), self.lang),
        };
        let said = words::label(words::YOU_SAID, self.lang) + &said;
        let both = format!("  {said}    {kernel}");
        if both.width() <= WIDTH {
            vec![both]
        } else {
            [wrap(&said, "  ", "    "), wrap(&kernel, "  ", "    ")].concat()
        }
    }

    fn foot(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        lines.extend(self.facts.iter().flat_map(|fact| self.fact(fact)));
        lines.push(String::new());
        lines.extend(wrap(&self.claim(), "  ", "  "));
        lines.extend(self.labelled(words::ELSEWHERE, &self.lesson.elsewhere.fill(self.observed, self.lang)));
        lines.extend(self.labelled(words::TRY, self.lesson.try_this));
        lines
    }

    /// What the lesson shows, where it does; a system that surprised has shown something else.
    fn claim(&self) -> String {
        let surprised = self.facts.iter().any(|fact| fact.ok == Some(false));
        if surprised {
            self.say(words::SOMETHING_ELSE).to_owned()
        } else {
            self.lesson.claim.fill(self.observed, self.lang)
        }
    }

    fn fact(&self, fact: &Fact) -> Vec<String> {
        match fact.ok {
            Some(true) => wrap(&fact.claim, &format!("  {}  ", self.say(words::OK)), "      "),
            None => wrap(&fact.claim, &format!("  {}  ", self.say(words::UNSEEN)), "      "),
            Some(false) => wrap(&surprise(fact, self.lang), &format!("  {}  ", self.say(words::SURPRISE)), "      "),
        }
    }

    fn labelled(&self, label: Text, text: &str) -> Vec<String> {
        wrap(text, &format!("  {}", words::label(label, self.lang)), "    ")
    }

    const fn say(&self, text: Text) -> &'static str {
        text.raw(self.lang)
    }
}

/// What was expected and what was seen, in one line.
pub(crate) fn surprise(fact: &Fact, lang: Lang) -> String {
    let seen = fact.observed.as_ref().map_or_else(|| "-".to_owned(), |value| value_in(value, lang));
    let expected = fact.expected.as_deref().unwrap_or("-");
    let [expected, seen] = [(words::EXPECTED, expected), (words::SEEN, &*seen)]
        .map(|(word, value)| format!("{}{value}", words::label(word, lang)));
    format!("{} [{expected}{}{seen}]", fact.claim, words::SEMICOLON.raw(lang))
}

/// Name and title at the left, the stage at the right.
pub(crate) fn headline(lesson: &Lesson, stage: &Stage, lang: Lang) -> String {
    let left = format!("{}  {}", lesson.name, lesson.title.raw(lang));
    let right = stage.name().raw(lang);
    let gap = WIDTH.saturating_sub(left.width() + right.width()).max(2);
    format!("{left}{}{right}", " ".repeat(gap))
}

/// The question, as it is asked before anything is shown.
pub(crate) fn question(lesson: &Lesson, stage: &Stage, lang: Lang) -> Vec<String> {
    let question = &lesson.question;
    let mut lines = vec![headline(lesson, stage, lang), String::new()];
    lines.extend(wrap(question.asks.raw(lang), "  ", "  "));
    lines.extend(question.choices(lang).iter().flat_map(|choice| wrap(choice, "    ", "       ")));
    lines
}

/// A text of ours in lines of the page's width.
pub(crate) fn wrap(text: &str, first: &str, further: &str) -> Vec<String> {
    let options = textwrap::Options::new(WIDTH).initial_indent(first).subsequent_indent(further);
    let paragraphs = text.split('\n').enumerate();
    let lines = paragraphs.flat_map(|(at, paragraph)| {
        let indent = if at == 0 { first } else { further };
        textwrap::wrap(paragraph, options.clone().initial_indent(indent))
    });
    lines.map(std::borrow::Cow::into_owned).collect()
}
