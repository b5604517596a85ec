//! What a question does as a whole: its act, what it asks for, its arguments, its language.

use super::Reader;
use crate::guard::hangul::Role;
use crate::guard::question::{Question, Tongue};
use crate::guard::slot::Slot;
use crate::guard::text::{Script, Token, Tokens};

impl Reader<'_> {
    /// Adds what only the whole question tells, and gives the question.
    pub(super) fn finish(mut self, tokens: &Tokens) -> Question {
        for quoted in &tokens.quoted {
            self.push(Slot::Literal, quoted.clone());
        }
        if self.negations % 2 == 1 {
            self.push(Slot::Polarity, "negated".to_owned());
        }
        self.order();
        let act = self.act(tokens);
        self.push(Slot::Act, act.to_owned());
        self.asked();
        // `서울 강수량은?` asks what.
        if act == "ask" && !self.question.values.iter().any(|(slot, _)| *slot == Slot::Asked) {
            self.push(Slot::Asked, "what".to_owned());
        }
        let mut question = self.question;
        question.values.sort();
        question.values.dedup();
        question.letters = u32::try_from(tokens.letters).unwrap_or(u32::MAX);
        let of = |script: Script| -> usize {
            tokens
                .list
                .iter()
                .filter(|token| token.script == script)
                .map(|token| token.text.chars().count())
                .sum()
        };
        let (hangul, latin, other) = (of(Script::Hangul), of(Script::Latin), of(Script::Other));
        question.tongue = match () {
            () if other > hangul + latin => Tongue::Other,
            // A Korean sentence is Korean however many Latin names it holds.
            () if hangul * 3 >= latin && hangul > 0 => Tongue::Korean,
            () => Tongue::Latin,
        };
        question
    }

    /// What the text does: asks, asks to choose, orders or forbids.
    fn act(&mut self, tokens: &Tokens) -> &'static str {
        let chooses = |slot: &Slot, value: &str| *slot == Slot::Asked && value == "choice";
        let choice =
            self.question.values.iter().any(|(slot, value)| chooses(slot, value)) || alternatives(tokens) > 1;
        self.question.values.retain(|(slot, value)| !chooses(slot, value));
        let asks = self.asks(tokens);
        let words = tokens.list.iter().filter(|token| token.script != Script::Mark).count();
        let forbids = self.last_negation.is_some_and(|at| at + 3 >= words);
        match () {
            () if choice && asks => "choose",
            () if asks => "ask",
            () if forbids => "forbid",
            () if self.negations > 0 || self.excepts => "instead",
            () => "do",
        }
    }

    /// Whether the text wants an answer in words: it asks for something, wants to be told, or ends with a question mark and
    /// is no polite command.
    fn asks(&self, tokens: &Tokens) -> bool {
        if self.requests || self.question.values.iter().any(|(slot, _)| *slot == Slot::Asked) {
            return true;
        }
        let words: Vec<&str> =
            tokens.list.iter().filter(|t| t.script != Script::Mark).map(|t| t.text.as_str()).collect();
        let polite_korean = words.last().is_some_and(|last| {
            ["줄래", "줄래요", "주실래요", "주시겠어요", "주겠니", "주시겠습니까", "줄까"]
                .iter()
                .any(|end| last.ends_with(end))
        });
        let first = words.first().copied().unwrap_or("");
        let modal = matches!(first, "can" | "could" | "would" | "will");
        let polite_english = modal && words.get(1) == Some(&"you");
        if polite_korean || polite_english {
            return false;
        }
        let asking_end = words.last().is_some_and(|last| {
            ["니", "까", "나요", "가요", "냐", "는지", "을지", "ㄹ지", "인가", "는가", "은가", "던가"]
                .iter()
                .any(|end| last.ends_with(end))
        });
        let auxiliary = modal
            || matches!(
                first,
                "is" | "are"
                    | "was"
                    | "were"
                    | "do"
                    | "does"
                    | "did"
                    | "has"
                    | "have"
                    | "should"
                    | "may"
                    | "am"
                    | "isn't"
                    | "aren't"
            );
        asking_end || auxiliary || tokens.list.iter().any(|token| token.text == "?")
    }

    /// Arguments by role.
    fn order(&mut self) {
        let mut found = Vec::new();
        for word in &self.question.words {
            let role = match word.role {
                Role::From => "from",
                Role::To => "to",
                Role::Than => "than",
                Role::Except => "except",
                _ => continue,
            };
            found.push(format!("{role}:{}", word.name()));
        }
        for value in found {
            self.push(Slot::Order, value);
        }
    }

    /// `the date`, `the place`, `the price`: a noun that says what a vague question word asks for.
    fn asked(&mut self) {
        let has = |concept: &str| self.question.words.iter().any(|word| word.concept == concept);
        let asked: Vec<&str> = self
            .question
            .values
            .iter()
            .filter(|(slot, _)| *slot == Slot::Asked)
            .map(|(_, v)| v.as_str())
            .collect();
        // `오늘이야 내일이야?` asks when.
        let choice = self.question.values.iter().any(|(slot, value)| *slot == Slot::Act && value == "choose");
        let dates = if choice {
            self.question.values.iter().filter(|(slot, _)| *slot == Slot::Date).count()
        } else {
            0
        };
        let vague = asked.iter().all(|asked| matches!(*asked, "what" | "how" | "which"));
        let named = match () {
            () if !vague => None,
            () if has("date") || has("deadline") || has("birthday") => Some("when"),
            () if dates > 1 => Some("when"),
            () if choice => Some("which"),
            () if has("exist") => Some("where"),
            () if has("price") => Some("how_much"),
            () if has("time") && asked.contains(&"what") => Some("when"),
            () => None,
        };
        let values = &mut self.question.values;
        if let Some(named) = named {
            values.retain(|(slot, _)| *slot != Slot::Asked);
            values.push((Slot::Asked, named.to_owned()));
        } else if !vague {
            values.retain(|(slot, value)| {
                *slot != Slot::Asked || !matches!(value.as_str(), "what" | "which" | "how")
            });
        } else if asked_both(values) {
            values.retain(|(slot, value)| *slot != Slot::Asked || value == "how");
        }
    }
}

/// How many Korean words end like a question: `국악이 좋아, 뉴스가 좋아?` gives a choice.
fn alternatives(tokens: &Tokens) -> usize {
    let marks = tokens.list.iter().filter(|token| token.text == "?").count();
    let endings =
        ["이야", "인가", "인가요", "인지", "니", "나요", "을까", "일까", "입니까", "이니", "건가요"];
    let ends = |token: &&Token| {
        token.script == Script::Hangul && endings.iter().any(|end| token.text.ends_with(end))
    };
    marks.max(tokens.list.iter().filter(ends).count())
}

/// Whether both a vague word and `how` are asked: `what is the way` asks how.
fn asked_both(values: &[(Slot, String)]) -> bool {
    let has = |name: &str| values.iter().any(|(slot, value)| *slot == Slot::Asked && value == name);
    has("how") && (has("what") || has("which"))
}
