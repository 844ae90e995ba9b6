//! Claims: what a lesson says that a system does, system by system, held against what was observed.

use halloo::model::lesson::{Fact, Observed, Value};

use super::text::{Lang, Text, value_in};

/// What a value should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// This number.
    Is(u64),
    /// At least this number.
    AtLeast(u64),
    /// At most this number.
    AtMost(u64),
    /// These numbers, in this order.
    Are(&'static [u64]),
    /// This text.
    Says(&'static str),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// These texts, in this order.
    Say(&'static [&'static str]),
    /// It happened.
    Yes,
    /// It did not happen.
    No,
    /// The same as what was observed under another name.
    SameAs(&'static str),
    /// Nobody has seen what this system does.
    Unknown,
}

/// A claim about one observed value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// The name of the value.
    pub(crate) of: &'static str,
    /// The claim in words. It may have places for observed values.
    pub(crate) says: Text,
    /// Whether it can be seen only where there is a wire to look at.
    pub(crate) on_wire: bool,
    /// What Linux should show.
    pub(crate) linux: Rule,
    /// What macOS should show.
    pub(crate) macos: Rule,
    /// What Windows should show.
    pub(crate) windows: Rule,
}

impl Claim {
    /// A claim that is the same on every system.
    pub(crate) const fn same(of: &'static str, rule: Rule, says: Text) -> Self {
        Self { of, says, on_wire: false, linux: rule, macos: rule, windows: rule }
    }

    /// A claim about Linux; what others do has not been seen.
    pub(crate) const fn linux(of: &'static str, rule: Rule, says: Text) -> Self {
        Self { of, says, on_wire: false, linux: rule, macos: Rule::Unknown, windows: Rule::Unknown }
    }

    /// The same, where only a look at the wire tells.
    pub(crate) const fn wire(of: &'static str, rule: Rule, says: Text) -> Self {
        Self { on_wire: true, ..Self::linux(of, rule, says) }
    }

    /// What this system should show.
    pub(crate) const fn rule(&self) -> Rule {
        if cfg!(target_os = "linux") {
            self.linux
        } else if cfg!(target_os = "macos") {
            self.macos
        } else if cfg!(windows) {
            self.windows
        } else {
            Rule::Unknown
        }
    }

    /// Holds it against what was observed. `wire` says whether there was one to look at: if so, a value that is missing is
    /// not what was claimed.
    pub(crate) fn judge(&self, observed: &Observed, wire: bool, lang: Lang) -> Fact {
        let rule = self.rule();
        let value = observed.get(self.of);
        let unseen = value.is_none() && self.on_wire && !wire;
        let ok = match rule {
            Rule::Unknown => None,
            _ if unseen => None,
            _ => Some(value.is_some_and(|value| rule.holds(value, observed))),
        };
        Fact {
            name: self.of,
            claim: self.says.fill(observed, lang),
            expected: rule.words(observed, lang),
            observed: value.cloned(),
            ok,
        }
    }
}

impl Rule {
    fn holds(self, value: &Value, observed: &Observed) -> bool {
        let number = |holds: &dyn Fn(u64) -> bool| matches!(value, Value::Number(n) if holds(*n));
        match self {
            Self::Is(wanted) => number(&|n| n == wanted),
            Self::AtLeast(least) => number(&|n| n >= least),
            Self::AtMost(most) => number(&|n| n <= most),
            Self::Are(wanted) => *value == Value::from(wanted.to_vec()),
            Self::Says(wanted) => *value == Value::from(wanted),
            Self::OneOf(any) => any.iter().any(|wanted| *value == Value::from(*wanted)),
            Self::Say(wanted) => *value == Value::from(wanted.to_vec()),
            Self::Yes => *value == Value::Flag(true),
            Self::No => *value == Value::Flag(false),
            Self::SameAs(name) => Some(value) == observed.get(name),
            Self::Unknown => false,
        }
    }

    /// The rule in words; for machines and for those who were surprised.
    fn words(self, observed: &Observed, lang: Lang) -> Option<String> {
        Some(match self {
            Self::Is(n) => n.to_string(),
            Self::AtLeast(n) => format!(">= {n}"),
            Self::AtMost(n) => format!("<= {n}"),
            Self::Are(numbers) => value_in(&Value::from(numbers.to_vec()), lang),
            Self::Says(text) => text.to_owned(),
            Self::OneOf(texts) => texts.join(" | "),
            Self::Say(texts) => texts.join(", "),
            Self::Yes => value_in(&Value::Flag(true), lang),
            Self::No => value_in(&Value::Flag(false), lang),
            Self::SameAs(name) => observed.text(name),
            Self::Unknown => return None,
        })
    }

    /// The numbers that it expects: no text may name them, or it could say what was not observed.
    #[cfg(test)]
    pub(crate) fn numbers(self) -> Vec<u64> {
        match self {
            Self::Is(n) | Self::AtLeast(n) | Self::AtMost(n) => vec![n],
            Self::Are(numbers) => numbers.to_vec(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::text;
    use super::*;

    fn judged(rule: Rule, value: Option<Value>, wire: bool) -> Option<bool> {
        let mut observed = Observed::default();
        if let Some(value) = value {
            observed.put("it", value);
        }
        observed.put("other", 7u64);
        let claim = Claim { on_wire: true, ..Claim::same("it", rule, text("{it}", "{it}")) };
        claim.judge(&observed, wire, Lang::En).ok
    }

    #[test]
    fn each_rule_holds_for_its_values_and_for_no_others() {
        for (rule, good, bad) in [
            (Rule::Is(5), Value::Number(5), Value::Number(6)),
            (Rule::AtLeast(5), Value::Number(6), Value::Number(4)),
            (Rule::AtMost(5), Value::Number(5), Value::Number(6)),
            (Rule::Are(&[5, 3]), Value::from(vec![5u64, 3]), Value::from(vec![3u64, 5])),
            (Rule::Says("x"), Value::from("x"), Value::from("y")),
            (Rule::OneOf(&["x", "y"]), Value::from("y"), Value::from("z")),
            (Rule::Say(&["x", "y"]), Value::from(vec!["x", "y"]), Value::from(vec!["x"])),
            (Rule::Yes, Value::Flag(true), Value::Flag(false)),
            (Rule::No, Value::Flag(false), Value::Number(0)),
            (Rule::SameAs("other"), Value::Number(7), Value::Number(8)),
        ] {
            assert_eq!(judged(rule, Some(good), true), Some(true), "{rule:?}");
            assert_eq!(judged(rule, Some(bad), true), Some(false), "{rule:?}");
        }
    }

    #[test]
    fn what_could_not_be_seen_is_neither_right_nor_wrong_but_what_should_have_been_seen_is_wrong() {
        assert_eq!(judged(Rule::Is(5), None, false), None);
        assert_eq!(judged(Rule::Is(5), None, true), Some(false));
        assert_eq!(judged(Rule::Unknown, Some(Value::Number(5)), true), None);
    }
}
