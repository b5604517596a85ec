//! Reads a question: each token becomes a slot value, a content word, or nothing.

mod whole;

use super::amounts;
use super::english;
use super::hangul::{self, Role};
use super::lexicon::{Entry, Kind, LEXICON, LONGEST_PHRASE};
use super::question::{MOST_WORDS, Question, Unshareable, Word};
use super::slot::Slot;
use super::text::{Script, Token, tokens};

/// Reads a text into a question.
pub(super) fn read(text: &str) -> Question {
    let refused = |why| Question { unshareable: Some(why), ..Question::default() };
    let Some(tokens) = tokens(text) else { return refused(Unshareable::TooLong) };
    if tokens.letters == 0 {
        return refused(Unshareable::Empty);
    }
    if tokens.list.iter().any(mixes_scripts) {
        return refused(Unshareable::MixedScripts);
    }
    let mut reader = Reader { tokens: &tokens.list, ..Reader::default() };
    while reader.at < reader.tokens.len() {
        reader.step();
    }
    reader.finish(&tokens)
}

/// Whether a word joins Latin letters with Cyrillic or Greek ones, which look alike.
fn mixes_scripts(token: &Token) -> bool {
    let lookalike = |c: char| ('\u{370}'..='\u{52f}').contains(&c);
    token.script == Script::Other
        && token.text.chars().any(|c| c.is_ascii_alphabetic())
        && token.text.chars().any(lookalike)
}

#[derive(Default)]
struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    question: Question,
    negations: usize,
    /// The role that the next content word takes.
    pending: Role,
    /// Tokens that an earlier one has used up.
    used: Vec<usize>,
    /// Whether a word makes a sentence a request for words: tell, explain.
    requests: bool,
    /// Whether something is ruled out in favour of something else.
    excepts: bool,
    /// How many words stood before the last negation.
    last_negation: Option<usize>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let (at, tokens) = (self.at, self.tokens);
        let token = &tokens[at];
        if self.used.contains(&at) {
            self.at += 1;
            return;
        }
        if let Some(next) = self.fixed_phrase() {
            self.at = next;
            return;
        }
        if let Some(amount) = amounts::read(tokens, at) {
            self.pending = Role::None;
            for (slot, value) in amount.values {
                self.push(slot, value);
            }
            self.at = amount.next;
            return;
        }
        if token.script == Script::Mark {
            self.mark(token);
            self.at += 1;
            return;
        }
        if self.particle(token) || self.negated_verb(token) {
            self.at += 1;
            return;
        }
        self.at = self.phrase().unwrap_or_else(|| {
            self.unknown(token);
            at + 1
        });
    }

    fn mark(&mut self, token: &Token) {
        if token.text == "%" {
            self.push(Slot::Literal, "%".to_owned());
        }
    }

    /// A particle glued to a Latin word, a digit or a quote says the role of the word before.
    fn particle(&mut self, token: &Token) -> bool {
        let Some(role) = hangul::particle(&token.text).filter(|_| token.glued && self.at > 0) else {
            return false;
        };
        if let Some(last) = self.question.words.last_mut().filter(|_| role != Role::None) {
            last.role = role;
        }
        true
    }

    /// `안 가`, `가지마`, `가지 않아`: negation that Korean writes around its verbs.
    fn negated_verb(&mut self, token: &Token) -> bool {
        if token.script != Script::Hangul {
            return false;
        }
        let next = self.tokens.get(self.at + 1).filter(|next| next.script == Script::Hangul);
        if token.text == "안" {
            let verb = next.is_some_and(|next| {
                next.text.ends_with([
                    '다', '요', '해', '돼', '되', '나', '니', '지', '죠', '까', '면', '고', '는', '은', '가',
                    '와', '써', '어', '아', '줘', '함', '됨', '게', '도',
                ]) && !next.text.starts_with("말")
            });
            if verb {
                self.negate();
            }
            return verb;
        }
        for mark in ["지마", "지말", "지않", "지못"] {
            if let Some(at) = token.text.find(mark).filter(|at| *at > 0) {
                self.negate();
                self.korean(&token.text[..at]);
                return true;
            }
        }
        if matches!(token.text.as_str(), "말고" | "말구") {
            let after_verb = self.at > 0 && self.tokens[self.at - 1].text.ends_with('지');
            if after_verb {
                self.negate();
            } else if let Some(last) = self.question.words.last_mut() {
                last.role = Role::Except;
                self.excepts = true;
            }
            return true;
        }
        if let Some(noun) = token.text.strip_suffix("말고").filter(|noun| !noun.is_empty()) {
            self.korean(noun);
            self.excepts = true;
            if let Some(last) = self.question.words.last_mut() {
                last.role = Role::Except;
            }
            return true;
        }
        false
    }

    fn negate(&mut self) {
        self.negations += 1;
        self.last_negation =
            Some(self.tokens[..self.at].iter().filter(|token| token.script != Script::Mark).count());
    }

    /// A phrase of several words that stands for one thing, whatever its words count: `two factor authentication`.
    fn fixed_phrase(&mut self) -> Option<usize> {
        let (at, tokens) = (self.at, self.tokens);
        if tokens[at].script != Script::Latin {
            return None;
        }
        let words =
            tokens[at..].iter().take(LONGEST_PHRASE).take_while(|token| token.script == Script::Latin);
        let stems: Vec<String> = words.map(normal).collect();
        (2..=stems.len()).rev().find_map(|length| {
            let phrase = stems[..length].join(" ");
            let entry = LEXICON.phrase(&phrase).filter(|entry| entry.kind == Kind::Word)?;
            self.known(entry, &phrase, "");
            Some(at + length)
        })
    }

    /// The longest known phrase here; gives the token after it.
    fn phrase(&mut self) -> Option<usize> {
        let (at, tokens) = (self.at, self.tokens);
        if let Some(next) = self.separable() {
            return Some(next);
        }
        let words = tokens[at..].iter().take(LONGEST_PHRASE).take_while(|token| token.script != Script::Mark);
        let stems: Vec<String> = words.map(normal).collect();
        for length in (1..=stems.len()).rev() {
            let phrase = stems[..length].join(" ");
            let last = &tokens[at + length - 1];
            if let Some(entry) = LEXICON.phrase(&phrase) {
                self.known(entry, &phrase, "");
                return Some(at + length);
            }
            if last.script == Script::Hangul && length > 1 {
                let (noun, _) = hangul::strip_particle(&last.text);
                let bare = &phrase[..phrase.len() - (last.text.len() - noun.len())];
                let verb = LEXICON.korean(&last.text).map_or("", |(_, tail)| tail);
                let stem = &phrase[..phrase.len() - verb.len()];
                for short in [bare, stem] {
                    if let Some(entry) = LEXICON.phrase(short).filter(|_| short.len() < phrase.len()) {
                        self.known(entry, short, &phrase[short.len()..]);
                        return Some(at + length);
                    }
                }
            }
        }
        let token = &tokens[at];
        if token.script == Script::Hangul && LEXICON.korean(&token.text).is_some() {
            self.korean(&token.text);
            return Some(at + 1);
        }
        None
    }

    /// `turn the lights on`: a verb whose particle stands apart.
    fn separable(&mut self) -> Option<usize> {
        let (at, tokens) = (self.at, self.tokens);
        let token = &tokens[at];
        if token.script != Script::Latin {
            return None;
        }
        if token.text == "off"
            || (token.text == "on" && tokens[at + 1..].iter().all(|t| t.script == Script::Mark))
        {
            self.state("power", token.text == "on", &token.text);
            return Some(at + 1);
        }
        if !matches!(
            token.text.as_str(),
            "turn" | "switch" | "power" | "shut" | "turned" | "turning" | "switching"
        ) {
            return None;
        }
        let ahead = tokens[at + 1..].iter().take(6).take_while(|token| token.script != Script::Mark);
        let found =
            ahead.enumerate().find(|(_, token)| matches!(token.text.as_str(), "on" | "off" | "up" | "down"));
        let (offset, particle) = found?;
        let axis = if matches!(particle.text.as_str(), "on" | "off") || token.text == "shut" {
            "power"
        } else {
            "raise"
        };
        let up = matches!(particle.text.as_str(), "on" | "up");
        self.used.push(at + 1 + offset);
        self.state(axis, up, &format!("{} {}", token.text, particle.text));
        Some(at + 1)
    }

    fn state(&mut self, axis: &str, pole: bool, stem: &str) {
        let value = format!("{axis}{}", if pole { '+' } else { '-' });
        self.push(Slot::State, value.clone());
        self.word(stem, &value, 8, Role::None);
    }

    fn known(&mut self, entry: &Entry, stem: &str, tail: &str) {
        let role = hangul::tail_role(tail);
        let concept = entry.concept;
        let signed =
            |pole: bool| format!("{}{}", concept.trim_end_matches('*'), if pole { '+' } else { '-' });
        match entry.kind {
            Kind::Stop => {}
            Kind::Request if self.plain_verb(stem) => self.word(stem, "", 9, role),
            Kind::Request => self.requests = true,
            Kind::Ask => {
                self.push(Slot::Asked, concept.to_owned());
                // `언제부터` is not `언제까지`.
                if matches!((role, concept), (Role::From | Role::To, "when")) {
                    let from = role == Role::From;
                    self.push(Slot::Order, format!("{}:when", if from { "from" } else { "to" }));
                }
            }
            Kind::Date => {
                self.push(Slot::Date, concept.to_owned());
                self.word(stem, concept, 10, role);
            }
            Kind::Quantifier => {
                self.push(Slot::Quantifier, concept.to_owned());
            }
            Kind::Name => {
                self.push(Slot::Entity, concept.to_owned());
                self.word(stem, concept, 12, role);
            }
            Kind::Negation => self.negate(),
            Kind::State(pole) => {
                let value = signed(pole);
                let name = if concept.ends_with('*') { String::new() } else { value.clone() };
                self.push(Slot::State, value);
                self.word(stem, &name, 9, role);
            }
            Kind::Comparison(more) => {
                let value = signed(more);
                self.word(stem, &value, 8, Role::None);
                self.push(Slot::Comparison, value);
            }
            Kind::Unit => self.word(stem, concept, 6, role),
            Kind::Argument => {
                self.excepts |= concept == "except";
                self.pending = match concept {
                    "from" => Role::From,
                    "to" => Role::To,
                    "than" => Role::Than,
                    _ => Role::Except,
                };
            }
            Kind::Word => self.word(stem, concept, 10, role),
            Kind::Light => self.word(stem, concept, 5, role),
        }
    }

    /// Whether an English word that mostly opens a request is what the question is about: `how do I find`, `reverse a list`.
    fn plain_verb(&self, stem: &str) -> bool {
        let ambiguous = ["find", "list", "giv", "show", "say", "look up", "teach", "describ"].contains(&stem);
        let opens = self.tokens[self.at].opens
            || self
                .at
                .checked_sub(1)
                .is_some_and(|before| matches!(self.tokens[before].text.as_str(), "please" | "you" | ","));
        ambiguous && !opens
    }

    /// A Korean word that a list may know.
    fn korean(&mut self, word: &str) {
        if let Some((entry, tail)) = LEXICON.korean(word) {
            let stem = &word[..word.len() - tail.len()];
            self.known(entry, stem, tail);
            return;
        }
        if self.compound(word) {
            return;
        }
        let (stem, role) = hangul::stem(word);
        let weight = if stem.chars().count() > 1 { 10 } else { 6 };
        self.word(stem, "", weight, role);
    }

    /// A compound that ends or begins with a known word of two syllables or more: 사용방법 is 사용 and 방법.
    fn compound(&mut self, word: &str) -> bool {
        let cuts: Vec<usize> = word.char_indices().map(|(at, _)| at).collect();
        let Some(inner) = cuts.get(2..cuts.len().saturating_sub(1)).filter(|inner| !inner.is_empty()) else {
            return false;
        };
        for at in inner {
            let (head, tail) = word.split_at(*at);
            let known =
                LEXICON.korean(tail).filter(|(_, rest)| tail.chars().count() - rest.chars().count() > 1);
            if let Some((entry, rest)) =
                known.filter(|(entry, _)| !matches!(entry.kind, Kind::Stop | Kind::Request))
            {
                self.korean(head);
                self.known(entry, &tail[..tail.len() - rest.len()], rest);
                return true;
            }
        }
        false
    }

    fn unknown(&mut self, token: &Token) {
        match token.script {
            Script::Hangul => self.korean(&token.text),
            Script::Latin => {
                let stem = english::stem(&token.text);
                let negated = token.text.ends_with("n't");
                if negated {
                    self.negate();
                    return;
                }
                if token.capital && !token.opens {
                    self.push(Slot::Entity, stem.clone());
                }
                let roman =
                    ["ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"].iter().position(|r| *r == stem);
                if let Some(at) = roman.filter(|_| token.capital) {
                    self.push(Slot::Number, format!("{}", at + 2));
                    return;
                }
                let weight = if stem.len() > 2 { 10 } else { 6 };
                self.word(&stem, "", weight, Role::None);
            }
            Script::Literal => {
                self.push(Slot::Literal, token.text.clone());
                self.word(&token.text, "", 12, Role::None);
            }
            Script::Digits => self.push(Slot::Number, token.text.clone()),
            Script::Other => {
                self.push(Slot::Entity, token.text.clone());
                self.word(&token.text, "", 10, Role::None);
            }
            Script::Mark => {}
        }
    }

    fn push(&mut self, slot: Slot, value: String) {
        self.question.values.push((slot, value));
    }

    fn word(&mut self, stem: &str, concept: &str, weight: u8, role: Role) {
        let pending = std::mem::take(&mut self.pending);
        let role = if pending == Role::None { role } else { pending };
        if self.question.words.len() < MOST_WORDS {
            self.question.words.push(Word {
                stem: stem.to_owned(),
                concept: concept.to_owned(),
                weight,
                role,
            });
        }
    }
}

fn normal(token: &Token) -> String {
    if token.script == Script::Latin { english::stem(&token.text) } else { token.text.clone() }
}

impl Word {
    /// The name it goes by: its concept, else its stem.
    pub(super) fn name(&self) -> &str {
        if self.concept.is_empty() { &self.stem } else { &self.concept }
    }
}
