//! How an error speaks to a person: a stable code, a message and, apart from it, a hint, in their language.

use serde::{Deserialize, Serialize};

/// A language that messages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

impl Lang {
    /// Reads a POSIX locale (`ko_KR.UTF-8`) or an HTTP `Accept-Language` value; anything but Korean is English.
    pub fn from_tag(tag: &str) -> Self {
        let tag = tag.trim_start().as_bytes();
        let korean = tag.len() >= 2 && tag[..2].eq_ignore_ascii_case(b"ko");
        if korean && !tag.get(2).is_some_and(u8::is_ascii_alphabetic) { Self::Ko } else { Self::En }
    }

    /// Picks the text of this language.
    pub fn pick<T>(self, en: T, ko: T) -> T {
        match self {
            Self::En => en,
            Self::Ko => ko,
        }
    }
}

/// What a caller of the failed operation may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// The same operation may succeed when it is tried again.
    Again,
    /// Another candidate may succeed; this one will not.
    Next,
    /// Nothing but a change by the caller or the owner helps.
    Stop,
}

/// An error that a user can read.
pub trait Explain: std::error::Error {
    /// A stable, dotted, lower-case code such as `budget.exhausted`.
    fn code(&self) -> &'static str;
    /// What happened, as one sentence without the hint.
    fn message(&self, lang: Lang) -> String;
    /// What the reader can do about it.
    fn hint(&self, lang: Lang) -> Option<String>;
    /// Whether trying again makes sense.
    fn retry_class(&self) -> RetryClass {
        RetryClass::Stop
    }
}

#[cfg(test)]
mod tests {
    use super::Lang;

    #[test]
    fn locale_tags() {
        for (tag, lang) in [
            ("ko_KR.UTF-8", Lang::Ko),
            ("ko", Lang::Ko),
            ("ko-KR,ko;q=0.9,en;q=0.8", Lang::Ko),
            ("en_US", Lang::En),
            ("kok-IN", Lang::En),
            ("", Lang::En),
            ("C", Lang::En),
        ] {
            assert_eq!(Lang::from_tag(tag), lang, "{tag}");
        }
    }
}
