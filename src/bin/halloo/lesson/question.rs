//! Questions: asked before the experiment, answered by it.

use halloo::model::lesson::{Observed, Value};

use super::text::{Lang, Text, value_in};

/// What is asked, and how the record settles it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// A number: the one that was observed under this name.
    Number(&'static str),
    /// Numbers in order: the list that was observed under this name.
    Numbers(&'static str),
    /// One of these; the record says which.
    One(&'static [Text], fn(&Observed) -> Option<usize>),
    /// Any of these; the record says which. The drawing names them by their letters, `a)` and so on.
    Any(&'static [Text], fn(&Observed) -> Vec<usize>),
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    /// In words.
    pub(crate) asks: Text,
    /// What kind of answer.
    pub(crate) ask: Ask,
}

/// An answer that makes sense: somebody's guess, or the record's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// Numbers, in order.
    Numbers(Vec<u64>),
    /// Some of the choices, by their places.
    Choices(Vec<usize>),
}

/// The letters that stand before the choices.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// The letter of a choice.
pub(crate) fn letter(place: usize) -> char {
    LETTERS.chars().nth(place).unwrap_or('?')
}

impl Question {
    /// The choices, each with its letter.
    pub(crate) fn choices(&self, lang: Lang) -> Vec<String> {
        self.texts().iter().enumerate().map(|(at, text)| format!("{}) {}", letter(at), text.raw(lang))).collect()
    }

    /// The choices.
    pub(crate) const fn texts(&self) -> &'static [Text] {
        match self.ask {
            Ask::One(texts, _) | Ask::Any(texts, _) => texts,
            Ask::Number(_) | Ask::Numbers(_) => &[],
        }
    }

    /// How an answer is typed, for the prompt.
    pub(crate) const fn form(&self) -> Text {
        match self.ask {
            Ask::Number(_) => super::words::A_NUMBER,
            Ask::Numbers(_) => super::words::NUMBERS,
            Ask::One(..) => super::words::A_LETTER,
            Ask::Any(..) => super::words::LETTERS,
        }
    }

    /// Reads what was typed; `None` if it is no answer to this question.
    pub(crate) fn read(&self, typed: &str) -> Option<Answer> {
        let words = || typed.split([' ', ',', '、', '，', '\t']).map(str::trim).filter(|word| !word.is_empty());
        match self.ask {
            Ask::Number(_) => typed.trim().parse().ok().map(|number| Answer::Numbers(vec![number])),
            Ask::Numbers(_) => {
                let numbers: Option<Vec<u64>> = words().map(|word| word.parse().ok()).collect();
                numbers.filter(|numbers| !numbers.is_empty()).map(Answer::Numbers)
            }
            Ask::One(texts, _) => {
                let mut chosen = words().flat_map(str::chars).map(|c| place(c, texts.len()));
                match (chosen.next(), chosen.next()) {
                    (Some(Some(place)), None) => Some(Answer::Choices(vec![place])),
                    _ => None,
                }
            }
            Ask::Any(..) if typed.trim() == "-" => Some(Answer::Choices(Vec::new())),
            Ask::Any(texts, _) => {
                let places: Option<Vec<usize>> = words().flat_map(str::chars).map(|c| place(c, texts.len())).collect();
                places.filter(|places| !places.is_empty()).map(sorted)
            }
        }
    }

    /// The right answer: what was observed. `None` if that was not.
    pub(crate) fn right(&self, observed: &Observed) -> Option<Answer> {
        let number = |value: &Value| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        };
        match self.ask {
            Ask::Number(name) => observed.number(name).map(|number| Answer::Numbers(vec![number])),
            Ask::Numbers(name) => observed.list(name).iter().map(number).collect::<Option<_>>().map(Answer::Numbers),
            Ask::One(_, which) => which(observed).map(|place| Answer::Choices(vec![place])),
            Ask::Any(_, which) => Some(sorted(which(observed))),
        }
    }

    /// An answer in words.
    pub(crate) fn words(&self, answer: &Answer, lang: Lang) -> String {
        match answer {
            Answer::Numbers(numbers) => value_in(&Value::from(numbers.clone()), lang),
            Answer::Choices(places) if places.is_empty() => super::words::NONE_OF_THEM.raw(lang).to_owned(),
            Answer::Choices(places) => match (self.ask, places.as_slice()) {
                (Ask::One(texts, _), [place]) => texts.get(*place).map_or("?", |text| text.raw(lang)).to_owned(),
                // Several in words are too long for a line: the drawing has their letters.
                _ => places.iter().map(|place| letter(*place).to_string()).collect::<Vec<_>>().join(" "),
            },
        }
    }
}

fn place(c: char, choices: usize) -> Option<usize> {
    LETTERS.chars().position(|letter| letter == c.to_ascii_lowercase()).filter(|place| *place < choices)
}

fn sorted(mut places: Vec<usize>) -> Answer {
    places.sort_unstable();
    places.dedup();
    Answer::Choices(places)
}

#[cfg(test)]
mod tests {
    use super::super::text::text;
    use super::*;

    const CHOICES: &[Text] = &[text("yes", "是"), text("no", "否"), text("both", "都")];

    fn question(ask: Ask) -> Question {
        Question { asks: text("?", "？"), ask }
    }

    #[test]
    fn what_is_typed_is_read_or_refused() {
        let numbers = question(Ask::Numbers("sizes"));
        assert_eq!(numbers.read("5 3, 0"), Some(Answer::Numbers(vec![5, 3, 0])));
        assert_eq!(numbers.read("five"), None);
        assert_eq!(numbers.read(""), None);
        assert_eq!(question(Ask::Number("n")).read(" 7\n"), Some(Answer::Numbers(vec![7])));
        assert_eq!(question(Ask::Number("n")).read("-7"), None);
        let one = question(Ask::One(CHOICES, |_| Some(1)));
        assert_eq!(one.read("B"), Some(Answer::Choices(vec![1])));
        for wrong in ["d", "ab", "1", ""] {
            assert_eq!(one.read(wrong), None, "{wrong}");
        }
        let any = question(Ask::Any(CHOICES, |_| vec![2, 0]));
        assert_eq!(any.read("c a,a"), Some(Answer::Choices(vec![0, 2])));
        assert_eq!(any.read("-"), Some(Answer::Choices(Vec::new())));
        assert_eq!(any.read("ad"), None);
    }

    #[test]
    fn the_record_has_the_right_answer() {
        let mut observed = Observed::default();
        observed.put("sizes", vec![5u64, 0]);
        let numbers = question(Ask::Numbers("sizes"));
        assert_eq!(numbers.right(&observed), Some(Answer::Numbers(vec![5, 0])));
        assert_eq!(question(Ask::Number("sizes")).right(&observed), None);
        let any = question(Ask::Any(CHOICES, |_| vec![2, 0]));
        assert_eq!(any.right(&observed), any.read("a c"));
        assert_eq!(any.words(&Answer::Choices(vec![0, 2]), Lang::En), "a c");
        let one = question(Ask::One(CHOICES, |_| Some(1)));
        assert_eq!(one.words(&Answer::Choices(vec![1]), Lang::Zh), "否");
        assert_eq!(one.choices(Lang::En), ["a) yes", "b) no", "c) both"]);
    }
}
