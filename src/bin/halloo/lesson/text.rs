//! Sentences in the languages of the course, with what was observed in their places.

use halloo::model::lesson::{Observed, Value};

/// A language of the course.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lang {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl Lang {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The language of a locale such as `zh_CN.UTF-8`; English for all that the course does not speak.
    pub(crate) fn of_locale(locale: &str) -> Self {
        let language = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") { Self::Zh } else { Self::En }
    }
}

/// A text in every language. `{name}` stands for what was observed under that name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    /// In English.
    pub(crate) en: &'static str,
    /// In Chinese.
    pub(crate) zh: &'static str,
}

/// The same text in both languages, each written as a whole.
pub(crate) const fn text(en: &'static str, zh: &'static str) -> Text {
    Text { en, zh }
}

impl Text {
    /// As it is written in this language.
    pub(crate) const fn raw(self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Zh => self.zh,
        }
    }

    /// With what was observed in its places; `?` stands where nothing was.
    pub(crate) fn fill(self, observed: &Observed, lang: Lang) -> String {
        let mut filled = String::new();
        let mut rest = self.raw(lang);
        while let Some((before, behind)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
            filled.push_str(&observed.get(name).map_or_else(|| "?".to_owned(), |value| value_in(value, lang)));
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }

    /// The names in its places.
    #[cfg(test)]
    pub(crate) fn places(self, lang: Lang) -> Vec<&'static str> {
        let behind_braces = self.raw(lang).split('{').skip(1);
        behind_braces.filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }
}

/// A value in the words of a language.
pub(crate) fn value_in(value: &Value, lang: Lang) -> String {
    match (value, lang) {
        (Value::Flag(flag), Lang::Zh) => if *flag { "是" } else { "否" }.to_owned(),
        (Value::List(values), Lang::Zh) if !values.is_empty() => {
            values.iter().map(|value| value_in(value, lang)).collect::<Vec<_>>().join("、")
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_the_words_of_the_language() {
        let mut observed = Observed::default();
        observed.put("sizes", vec![5u64, 3]);
        observed.put("late", true);
        let text = text("{sizes} bytes, late: {late}, {nothing}", "{sizes} 字节");
        assert_eq!(text.fill(&observed, Lang::En), "5, 3 bytes, late: yes, ?");
        assert_eq!(text.fill(&observed, Lang::Zh), "5、3 字节");
        assert_eq!(text.places(Lang::En), ["sizes", "late", "nothing"]);
    }

    #[test]
    fn a_locale_chooses_the_language() {
        for (locale, lang) in [("zh_CN.UTF-8", Lang::Zh), ("zh-Hant", Lang::Zh), ("zh", Lang::Zh), ("C", Lang::En)] {
            assert_eq!(Lang::of_locale(locale), lang, "{locale}");
        }
        assert_eq!(Lang::of_locale("en_US.UTF-8"), Lang::En);
        assert_eq!(Lang::of_locale(""), Lang::En);
    }
}
