//! What providers keep of prompts: which tokens of a call are read from the prompt cache, and which are written to it.
//!
//! OpenAI, Gemini and most compatible servers keep every prompt by itself, in steps of 128 tokens from 1,024 on. Anthropic keeps
//! what is marked, and looks for it at the ends of messages before a mark. Writing is charged where the price list has a price
//! for it. All keep a prefix for about five minutes after its last use, for all calls of an account (source: the providers'
//! manuals).

use super::words::ReplayModel;
use crate::prefix::{PREFIX_LIFE, PromptBytes};
use jiff::Timestamp;
use nunchi_core::{Dialect, Message, ModelRequest, Part, Role, Usage};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Fewer tokens are not kept.
const LEAST_TOKENS: u64 = 1_024;
/// Bytes between two places at which an automatic cache may cut: about 128 tokens.
const STEP: usize = 512;

/// The prefixes that providers hold at a moment, by what they begin with.
#[derive(Default)]
pub(super) struct KeptPrefixes(HashMap<u64, Timestamp>);

impl KeptPrefixes {
    /// Splits a prompt's tokens into those read anew, those read from the provider's cache and those written to it, and
    /// remembers what is kept from now on.
    pub(super) fn split(
        &mut self,
        model: &ReplayModel,
        request: &ModelRequest,
        prompt_tokens: u64,
        now: Timestamp,
    ) -> Usage {
        let all = Usage { input: prompt_tokens, ..Usage::default() };
        if model.local || model.price.rates.cache_read.0 <= 0 || prompt_tokens < LEAST_TOKENS {
            return all;
        }
        let prompt = PromptBytes::of(request);
        let of_bytes = |bytes: usize| {
            let share = u128::from(prompt_tokens) * bytes as u128 / prompt.len().max(1) as u128;
            u64::try_from(share).unwrap_or(prompt_tokens)
        };
        let marked = model.dialect == Dialect::Anthropic;
        let cuts = if marked { ends(&prompt) } else { steps(&prompt) };
        let last_mark = if marked { marked_end(request, &prompt) } else { prompt.len() };
        let cuts: Vec<usize> =
            cuts.into_iter().filter(|cut| *cut <= last_mark && of_bytes(*cut) >= LEAST_TOKENS).collect();
        let names = names(&model.name, &prompt, &cuts);
        let read = cuts.iter().zip(&names).rev().find(|(_, name)| self.holds(**name, now));
        let read = read.map_or(0, |(cut, _)| of_bytes(*cut));
        let until = now.checked_add(PREFIX_LIFE).unwrap_or(Timestamp::MAX);
        self.0.extend(names.iter().map(|name| (*name, until)));
        if self.0.len() > 1 << 20 {
            self.0.retain(|_, until| *until > now);
        }
        let charged = model.price.rates.cache_write_5m.0 > 0;
        let written = cuts.last().map_or(0, |cut| of_bytes(*cut)).saturating_sub(read);
        let written = if charged { written } else { 0 };
        Usage {
            input: prompt_tokens - read - written,
            cache_read: read,
            cache_write_5m: written,
            ..Usage::default()
        }
    }

    fn holds(&self, name: u64, now: Timestamp) -> bool {
        self.0.get(&name).is_some_and(|until| *until > now)
    }
}

/// Where an automatic cache may cut.
fn steps(prompt: &PromptBytes) -> Vec<usize> {
    (1..=prompt.len() / STEP).map(|step| step * STEP).collect()
}

/// Where the tools and the messages end.
fn ends(prompt: &PromptBytes) -> Vec<usize> {
    prompt.ends().into_iter().map(|(end, _)| end).collect()
}

/// The end of the last message that is marked, in bytes; 0 without a mark.
fn marked_end(request: &ModelRequest, prompt: &PromptBytes) -> usize {
    let instructs = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let marked = |message: &&Message| message.parts.iter().any(|part| matches!(part, Part::CachePoint(_)));
    let instructions = request.messages.iter().filter(instructs);
    let others = request.messages.iter().filter(|message| !instructs(message));
    let tools = usize::from(!request.tools.is_empty());
    let ends = prompt.ends();
    let places = instructions.chain(others).zip(ends.iter().skip(tools));
    places.filter(|(message, _)| marked(message)).map(|(_, (end, _))| *end).max().unwrap_or(0)
}

/// Names of the prefixes that end at the cuts.
fn names(model: &str, prompt: &PromptBytes, cuts: &[usize]) -> Vec<u64> {
    let mut hasher = DefaultHasher::new();
    model.hash(&mut hasher);
    let mut from = 0;
    cuts.iter()
        .map(|cut| {
            hasher.write(&prompt.bytes()[from..*cut]);
            from = *cut;
            hasher.clone().finish()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::model;
    use super::*;
    use crate::prefix::mark_prefix;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn request(system: &str, turns: &[&str]) -> ModelRequest {
        let turns = turns.iter().map(|text| Message::text(Role::User, *text));
        let messages = std::iter::once(Message::text(Role::System, system)).chain(turns).collect();
        ModelRequest::new("auto", messages)
    }

    #[test]
    fn automatic_caches_keep_whole_steps_for_five_minutes() {
        let mut kept = KeptPrefixes::default();
        let dear = model("openai/dear", Dialect::OpenAiChat);
        let mut model = model("openai/big", Dialect::OpenAiChat);
        model.price.rates.cache_write_5m.0 = 0;
        let long = "x".repeat(8_000);
        let asked = |text: &str| request(&long, &[text]);
        let first = kept.split(&model, &asked("one"), 2_000, at(0));
        assert_eq!((first.input, first.cache_read), (2_000, 0));
        let second = kept.split(&model, &asked("two"), 2_000, at(60));
        assert!(second.cache_read > 1_850 && second.cache_read + second.input == 2_000, "{second:?}");
        assert_eq!(second.cache_write_5m, 0);
        assert_eq!(kept.split(&model, &asked("three"), 2_000, at(400)).cache_read, 0, "it has run out");
        let other = ReplayModel { name: "openai/small".into(), ..model.clone() };
        assert_eq!(kept.split(&other, &asked("four"), 2_000, at(401)).cache_read, 0, "another model's");
        assert_eq!(kept.split(&model, &asked("short"), 1_000, at(402)).cache_read, 0, "too short");
        let written = kept.split(&dear, &asked("five"), 2_000, at(403));
        assert!(written.cache_write_5m > 1_850 && written.cache_read == 0, "it has a price: {written:?}");
    }

    #[test]
    fn anthropic_keeps_what_is_marked_and_charges_the_writing() {
        let (mut kept, model) = (KeptPrefixes::default(), model("anthropic/big", Dialect::Anthropic));
        let long = "x".repeat(8_000);
        let mut asked = request(&long, &["one"]);
        assert_eq!(kept.split(&model, &asked, 2_000, at(0)).input, 2_000, "nothing is marked");
        mark_prefix(&mut asked);
        let first = kept.split(&model, &asked, 2_000, at(1));
        assert_eq!((first.input, first.cache_read, first.cache_write_5m), (0, 0, 2_000));
        let mut longer = request(&long, &["one", "two"]);
        mark_prefix(&mut longer);
        let second = kept.split(&model, &longer, 2_004, at(2));
        assert!(second.cache_read >= 1_990 && second.cache_write_5m > 0 && second.input == 0, "{second:?}");
    }
}
