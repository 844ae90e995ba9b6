//! Which names are wanted; patterns for names, as a shell has them: `*` is any text, `?` one character.

use crate::model::ServiceName;

/// The names that are wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Names {
    /// Every one.
    #[default]
    All,
    /// This one.
    One(ServiceName),
    /// Those that fit.
    Like(Glob),
}

impl Names {
    /// Whether this one is wanted.
    pub fn fits(&self, name: &ServiceName) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == name,
            Self::Like(glob) => glob.fits(name.text()),
        }
    }

    /// Whether it would be, were upper and lower case the same.
    pub fn nearly_fits(&self, name: &ServiceName) -> bool {
        let lower = name.text().to_lowercase();
        match self {
            Self::All => true,
            Self::One(one) => one.text().to_lowercase() == lower,
            Self::Like(glob) => Glob::new(&glob.pattern().to_lowercase()).fits(&lower),
        }
    }

    /// The name or the pattern, as it was written, if not every name is wanted.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::One(one) => Some(one.text().to_owned()),
            Self::Like(glob) => Some(glob.pattern()),
        }
    }
}

/// A pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob(Vec<char>);

impl Glob {
    /// Every text is a pattern; one without `*` and `?` fits itself alone.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.chars().collect())
    }

    /// The pattern as it was written.
    pub fn pattern(&self) -> String {
        self.0.iter().collect()
    }

    /// Whether all of `text` fits. It takes at most as many steps as the product of both lengths.
    pub fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut in_text) = (0, 0);
        // Where to go on when what was tried does not fit: behind the last star, one character later each time.
        let mut star = None;
        while in_text < text.len() {
            match self.0.get(at) {
                Some('*') => {
                    star = Some((at, in_text));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == text[in_text] => {
                    at += 1;
                    in_text += 1;
                }
                _ => {
                    let Some((place, taken)) = star else { return false };
                    star = Some((place, taken + 1));
                    at = place + 1;
                    in_text = taken + 1;
                }
            }
        }
        self.0[at..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_itself_and_a_pattern_many() {
        let name = |text: &str| text.parse::<ServiceName>().unwrap();
        let (one, like) = (Names::One(name("pi*")), Names::Like(Glob::new("pi*")));
        assert!(one.fits(&name("pi*")) && !one.fits(&name("pi2")) && !one.fits(&name("Pi*")));
        assert!(like.fits(&name("pi2")) && !like.fits(&name("Pi2")) && Names::All.fits(&name("x")));
        assert!(one.nearly_fits(&name("Pi*")) && !one.nearly_fits(&name("Pi2")) && like.nearly_fits(&name("Pi2")));
        assert_eq!((one.text(), like.text(), Names::All.text()), (Some("pi*".into()), Some("pi*".into()), None));
    }

    #[test]
    fn stars_and_question_marks() {
        let fits = |pattern, text| Glob::new(pattern).fits(text);
        for (pattern, text) in
            [("", ""), ("*", ""), ("*", "a"), ("a*", "abc"), ("*c", "abcabc"), ("a?c*e", "abcdee"), ("é?", "éx")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("?", ""), ("a", "A"), ("a*b", "abc"), ("*ab", "ba"), ("a?", "a")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(30), &"a".repeat(29)));
    }
}
