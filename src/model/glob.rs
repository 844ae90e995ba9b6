//! Patterns for names, as a shell has them: `*` is any text, `?` one character.

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
