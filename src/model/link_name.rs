//! The name of an interface.

use std::fmt::{self, Debug, Display, Formatter};
use std::ops::Deref;
use std::str;
use std::sync::Arc;

/// The name of an interface: a text. Every datagram carries one, so a short one is copied, which takes less time than to count
/// who shares it. On Linux all are short (15 bytes, IFNAMSIZ).
#[derive(Clone)]
pub struct LinkName(Form);

/// The longest that is copied: what fits beside its length and the mark of its form into three words.
const SHORT: usize = 22;

#[derive(Clone)]
enum Form {
    Short(u8, [u8; SHORT]),
    Long(Arc<str>),
}

impl Deref for LinkName {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // It was made from a text, and of all of it.
            Form::Short(len, bytes) => str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or_default(),
            Form::Long(text) => text,
        }
    }
}

impl From<&str> for LinkName {
    fn from(text: &str) -> Self {
        if text.len() > SHORT {
            return Self(Form::Long(text.into()));
        }
        let mut bytes = [0; SHORT];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self(Form::Short(text.len() as u8, bytes))
    }
}

impl From<String> for LinkName {
    fn from(text: String) -> Self {
        Self::from(&*text)
    }
}

impl PartialEq for LinkName {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Short(len, bytes), Form::Short(other_len, other)) => (len, bytes) == (other_len, other),
            _ => **self == **other,
        }
    }
}

impl Eq for LinkName {}

impl Debug for LinkName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&**self, f)
    }
}

impl Display for LinkName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_is_the_text_it_was_made_from(text in ".{0,30}", other in ".{0,30}") {
            let name = LinkName::from(&*text);
            prop_assert_eq!(&*name, &*text);
            prop_assert_eq!(name.to_string(), text.clone());
            prop_assert_eq!(name == LinkName::from(other.clone()), text == other);
            prop_assert!(name.clone() == name);
        }
    }

    #[test]
    fn it_is_as_long_as_three_words() {
        assert_eq!(size_of::<LinkName>(), 24);
    }
}
