//! The words that the guard knows, in both languages, with what each one means for it.

use super::english;
use super::hangul::{self, is_ending};
use std::collections::HashMap;
use std::sync::LazyLock;

const SOURCE: &str = include_str!("../../data/guard_lexicon.txt");

/// What a known word does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Stop,
    /// Asks for something: who, when, how many.
    Ask,
    /// Turns a sentence into a request.
    Request,
    /// Names a day, week, season or part of the day.
    Date,
    /// Says how many of them: all, only, some.
    Quantifier,
    /// Names a place, company, person, product or language.
    Name,
    /// Negates.
    Negation,
    /// One pole of an axis: on or off, open or close.
    State(bool),
    /// One direction of a comparison.
    Comparison(bool),
    /// Measures.
    Unit,
    /// Marks the argument that follows it.
    Argument,
    /// A synonym that says much.
    Word,
    /// A synonym that says little.
    Light,
}

/// One line of the list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What it does.
    pub(super) kind: Kind,
    /// The name that all its forms share.
    pub(super) concept: &'static str,
}

/// The list, indexed by form.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    entries: Vec<Entry>,
    /// Phrases of English stems or Korean words, joined by spaces.
    phrases: HashMap<String, usize>,
    /// Korean stems that endings may follow.
    stems: HashMap<&'static str, usize>,
}

/// The list, read once. A test checks that every line of it is well formed.
pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::read);

/// The most words of a phrase.
pub(super) const LONGEST_PHRASE: usize = 4;

impl Lexicon {
    fn read() -> Self {
        let mut lexicon = Self::default();
        for line in SOURCE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut fields = line.split('|');
            let (Some(kind), Some(concept), Some(en), Some(ko)) =
                (fields.next().and_then(kind), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let at = lexicon.entries.len();
            lexicon.entries.push(Entry { kind, concept });
            for form in en.split(',').filter(|form| *form != "-") {
                lexicon.phrases.entry(english_phrase(form)).or_insert(at);
            }
            for form in ko.split(',').filter(|form| *form != "-") {
                if let Some(stem) = form.strip_suffix('~') {
                    lexicon.stems.entry(stem).or_insert(at);
                }
                lexicon.phrases.entry(form.trim_end_matches('~').to_owned()).or_insert(at);
            }
        }
        lexicon
    }

    /// The entry of a phrase as it stands.
    pub(super) fn phrase(&self, phrase: &str) -> Option<&Entry> {
        self.phrases.get(phrase).map(|at| &self.entries[*at])
    }

    /// Whether a tail is a noun of its own, as in 실내습도: then it is no ending.
    fn is_noun(&self, tail: &str) -> bool {
        let (noun, _) = hangul::strip_particle(tail);
        let noun = if noun.chars().count() > 1 { noun } else { return false };
        self.phrase(noun).is_some_and(|entry| matches!(entry.kind, Kind::Word | Kind::Name | Kind::Date))
    }

    /// The entry of a Korean word and the tail behind its stem: the word as it stands, its longest known stem before an
    /// ending, or its noun before a particle.
    pub(super) fn korean<'w>(&self, word: &'w str) -> Option<(&Entry, &'w str)> {
        if let Some(entry) = self.phrase(word) {
            return Some((entry, ""));
        }
        let longest = word.char_indices().skip(1).map(|(at, _)| at).collect::<Vec<_>>();
        for at in longest.into_iter().rev() {
            let (stem, tail) = word.split_at(at);
            if let Some(entry) = self.stems.get(stem).filter(|_| is_ending(tail) && !self.is_noun(tail)) {
                return Some((&self.entries[*entry], tail));
            }
        }
        let (noun, _) = hangul::strip_particle(word);
        let entry = self.phrase(noun).filter(|_| noun.len() < word.len())?;
        Some((entry, &word[noun.len()..]))
    }
}

fn english_phrase(form: &str) -> String {
    form.split_whitespace().map(english::stem).collect::<Vec<_>>().join(" ")
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "stop" => Kind::Stop,
        "ask" => Kind::Ask,
        "act" => Kind::Request,
        "date" => Kind::Date,
        "quant" => Kind::Quantifier,
        "name" => Kind::Name,
        "neg" => Kind::Negation,
        "state+" => Kind::State(true),
        "state-" => Kind::State(false),
        "more" => Kind::Comparison(true),
        "less" => Kind::Comparison(false),
        "unit" => Kind::Unit,
        "role" => Kind::Argument,
        "word" => Kind::Word,
        "light" => Kind::Light,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = SOURCE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines.clone() {
            let fields: Vec<_> = line.split('|').collect();
            assert_eq!(fields.len(), 4, "{line}");
            assert!(kind(fields[0]).is_some() && !fields[1].is_empty(), "{line}");
            let forms = fields[2].split(',').chain(fields[3].split(','));
            for form in forms {
                assert!(!form.is_empty() && form.trim() == form, "{line}");
                assert!(form.split(' ').count() <= LONGEST_PHRASE, "{form}");
            }
        }
        assert_eq!(LEXICON.entries.len(), lines.count());
    }

    #[test]
    fn both_languages_meet() {
        for (en, ko) in
            [("seoul", "서울에서"), ("turn on", "켜줘"), ("tomorrow", "내일은"), ("password", "비밀번호를")]
        {
            let english = LEXICON.phrase(&english_phrase(en)).expect(en);
            let (korean, _) = LEXICON.korean(ko).expect(ko);
            assert_eq!((english.kind, english.concept), (korean.kind, korean.concept), "{en} {ko}");
        }
    }
}
