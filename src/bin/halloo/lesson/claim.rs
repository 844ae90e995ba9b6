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

/// What must be there for a claim to be seen at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sight {
    /// Nothing but the calls of a program: a value that is missing is not what was claimed.
    Calls,
    /// A wire that may be looked at. Where there is one, a value that is missing is not what was claimed.
    Wire,
    /// IPv6, which a host may lack: its lesson leaves the value out then.
    Ipv6,
    /// The kernel's own counts of a connection (TCP_INFO, tcp(7)), which a system may lack: likewise.
    Counts,
}

/// A claim about one observed value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// The name of the value.
    pub(crate) of: &'static str,
    /// The claim in words. It may have places for observed values.
    pub(crate) says: Text,
    /// What it takes to see it.
    pub(crate) needs: Sight,
    /// What Linux should show.
    pub(crate) linux: Rule,
    /// What macOS should show.
    pub(crate) macos: Rule,
    /// What Windows should show.
    pub(crate) windows: Rule,
}

impl Claim {
    /// A claim that is the same on every system. Whoever makes it names in a comment who says so: that we think so is not
    /// enough.
    pub(crate) const fn same(of: &'static str, rule: Rule, says: Text) -> Self {
        Self { macos: rule, windows: rule, ..Self::linux(of, rule, says) }
    }

    /// A claim about Linux; what others do has not been seen.
    pub(crate) const fn linux(of: &'static str, rule: Rule, says: Text) -> Self {
        Self { of, says, needs: Sight::Calls, linux: rule, macos: Rule::Unknown, windows: Rule::Unknown }
    }

    /// The same, where only a look at the wire tells.
    pub(crate) const fn wire(of: &'static str, rule: Rule, says: Text) -> Self {
        Self::linux(of, rule, says).needing(Sight::Wire)
    }

    /// The same, where it takes more than calls to see it.
    pub(crate) const fn needing(self, needs: Sight) -> Self {
        Self { needs, ..self }
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

    /// Holds it against what was observed. `wire` says whether there was one to look at.
    pub(crate) fn judge(&self, observed: &Observed, wire: bool, lang: Lang) -> Fact {
        let rule = self.rule();
        let value = observed.get(self.of);
        let can_be_seen = match self.needs {
            Sight::Calls => true,
            Sight::Wire => wire,
            Sight::Ipv6 | Sight::Counts => false,
        };
        let unseen = value.is_none() && !can_be_seen;
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
            Self::Say(texts) => value_in(&Value::from(texts.to_vec()), lang),
            Self::Yes => value_in(&Value::Flag(true), lang),
            Self::No => value_in(&Value::Flag(false), lang),
            Self::SameAs(name) => value_in(observed.get(name)?, lang),
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

    fn judged(rule: Rule, value: Option<Value>, needs: Sight, wire: bool) -> Option<bool> {
        let mut observed = Observed::default();
        if let Some(value) = value {
            observed.put("it", value);
        }
        observed.put("other", 7u64);
        let claim = Claim::same("it", rule, text("{it}", "{it}")).needing(needs);
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
            (Rule::Say(&["x", "y"]), Value::from(vec!["x", "y"]), Value::from(vec!["x"])),
            (Rule::Yes, Value::Flag(true), Value::Flag(false)),
            (Rule::No, Value::Flag(false), Value::Number(0)),
            (Rule::SameAs("other"), Value::Number(7), Value::Number(8)),
        ] {
            assert_eq!(judged(rule, Some(good), Sight::Calls, false), Some(true), "{rule:?}");
            assert_eq!(judged(rule, Some(bad), Sight::Calls, false), Some(false), "{rule:?}");
        }
    }

    #[test]
    fn what_is_expected_is_written_as_what_was_seen_in_each_language() {
        let mut observed = Observed::default();
        observed.put("other", vec![5u64, 3]);
        let words = |rule: Rule, lang| rule.words(&observed, lang).unwrap();
        for (rule, en, zh) in [
            (Rule::SameAs("other"), "5, 3", "5、3"),
            (Rule::Are(&[5, 3]), "5, 3", "5、3"),
            (Rule::Say(&["x", "y"]), "x, y", "x、y"),
            (Rule::Yes, "yes", "是"),
        ] {
            assert_eq!((&*words(rule, Lang::En), &*words(rule, Lang::Zh)), (en, zh), "{rule:?}");
        }
        assert_eq!(Rule::SameAs("nothing").words(&observed, Lang::En), None);
    }

    #[test]
    fn what_could_not_be_seen_is_neither_right_nor_wrong_but_what_should_have_been_seen_is_wrong() {
        let missing = |needs, wire| judged(Rule::Is(5), None, needs, wire);
        assert_eq!([missing(Sight::Wire, false), missing(Sight::Wire, true)], [None, Some(false)]);
        assert_eq!([missing(Sight::Calls, false), missing(Sight::Calls, true)], [Some(false); 2]);
        for needs in [Sight::Ipv6, Sight::Counts] {
            assert_eq!(missing(needs, true), None, "{needs:?}");
            assert_eq!(judged(Rule::Is(5), Some(Value::Number(6)), needs, false), Some(false), "{needs:?}");
        }
        assert_eq!(judged(Rule::Unknown, Some(Value::Number(5)), Sight::Calls, true), None);
    }
}
