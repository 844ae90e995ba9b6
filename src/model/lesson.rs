//! What an experiment of the course found out: values under names, and what was claimed about them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// One thing that was observed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// A count, a length, a port.
    Number(u64),
    /// Whether something happened.
    Flag(bool),
    /// A payload, an address, the name of an error.
    Text(String),
    /// Several, in the order they were observed.
    List(Vec<Self>),
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Text(text) => f.write_str(text),
            Self::List(values) if values.is_empty() => f.write_str("-"),
            Self::List(values) => {
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<V: Into<Self>> From<Vec<V>> for Value {
    fn from(values: Vec<V>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Everything that one run of an experiment observed, by name, in the order it was put down. What is shown, drawn,
/// judged and marked as the right answer comes from here and from nowhere else.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Observed(Vec<(&'static str, Value)>);

impl Observed {
    /// Puts down a value. One that was put down under the same name before is replaced.
    pub fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// What was put down under this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The number under this name.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether what is under this name happened; what was not observed did not.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Flag(true))
    }

    /// The values of the list under this name; none if there is no list.
    pub fn list(&self, name: &str) -> &[Value] {
        match self.get(name) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    /// What is under this name as text; empty if there is nothing.
    pub fn text(&self, name: &str) -> String {
        self.get(name).map_or_else(String::new, ToString::to_string)
    }

    /// All of it, in order.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// A claim, held against what was observed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fact {
    /// Its name: that of the observed value, in every language the same.
    pub name: &'static str,
    /// What is claimed, in the language of the reader.
    pub claim: String,
    /// What this system should show, as a rule in words or numbers; `None` where nobody knows it for this system.
    pub expected: Option<String>,
    /// What it showed; `None` where it could not be seen, such as a wire without the right to look at it.
    pub observed: Option<Value>,
    /// Whether the two agree; `None` where either is missing.
    pub ok: Option<bool>,
}

/// How a lesson went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// The system does what is claimed.
    Ok,
    /// It does something else.
    Surprise,
    /// The experiment could not be done here.
    Skip,
}

/// A lesson that was run.
#[derive(Clone, Debug)]
pub struct LessonRun {
    /// Its name.
    pub lesson: &'static str,
    /// How it went.
    pub status: Status,
    /// Why it was skipped, or what surprised, in one line.
    pub why: Option<String>,
    /// Its claims.
    pub facts: Vec<Fact>,
    /// What was observed; only where that was asked for.
    pub observed: Option<Observed>,
    /// How long it took.
    pub took: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_down_is_found_by_name_and_once() {
        let mut observed = Observed::default();
        observed.put("sizes", vec![5usize, 3, 0]);
        observed.put("lost", false);
        observed.put("lost", true);
        assert_eq!(observed.text("sizes"), "5, 3, 0");
        assert_eq!(observed.list("sizes").len(), 3);
        assert!(observed.flag("lost") && !observed.flag("never"));
        assert_eq!(observed.number("lost"), None);
        assert_eq!(observed.values().map(|(name, _)| name).collect::<Vec<_>>(), ["sizes", "lost"]);
    }

    #[test]
    fn an_empty_list_can_be_seen() {
        assert_eq!(Value::from(Vec::<u64>::new()).to_string(), "-");
    }
}
