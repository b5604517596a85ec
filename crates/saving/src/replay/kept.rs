//! What providers keep of prompts: which tokens of a call are read from the prompt cache, and which are written to it.
//!
//! Most servers keep every prompt by itself, in steps of 128 tokens from 1,024 on, for five minutes after the last use. Anthropic
//! keeps what is marked, for five minutes or an hour, and looks for it at the ends of messages before a mark. OpenAI keeps, from
//! GPT-5.6 on, what is marked and the end of the prompt (the end not, where something else alone is marked), for half an hour.
//! Writing is charged where the price list has a price for it. All keep for all calls of an account (source: the providers'
//! manuals).

use super::words::ReplayModel;
use crate::prefix::{PREFIX_LIFE, PrefixKeeping, PromptBytes};
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{CacheTtl, Message, ModelRequest, Part, Role, Usage};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Fewer tokens are not kept.
const LEAST_TOKENS: u64 = 1_024;
/// Bytes between two places at which an automatic cache may cut: about 128 tokens.
const STEP: usize = 512;

/// A prefix that a provider holds.
#[derive(Clone, Copy)]
struct Held {
    until: Timestamp,
    life: SignedDuration,
}

/// The prefixes that providers hold at a moment, by what they begin with.
#[derive(Default)]
pub(super) struct KeptPrefixes(HashMap<u64, Held>);

/// A place at which a prompt is to be kept.
struct Mark {
    end: usize,
    ttl: CacheTtl,
}

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
        let keeping = PrefixKeeping::of(model.dialect, &model.price);
        if model.local || keeping == PrefixKeeping::Nothing || prompt_tokens < LEAST_TOKENS {
            return all;
        }
        let prompt = PromptBytes::of(request);
        let of_bytes = |bytes: usize| {
            let share = u128::from(prompt_tokens) * bytes as u128 / prompt.len().max(1) as u128;
            u64::try_from(share).unwrap_or(prompt_tokens)
        };
        let long_enough = |end: &usize| of_bytes(*end) >= LEAST_TOKENS;
        let (marks, places) = if keeping == PrefixKeeping::Automatic {
            let steps = steps(&prompt);
            let marks = steps.iter().map(|end| Mark { end: *end, ttl: CacheTtl::FiveMinutes }).collect();
            (marks, steps)
        } else {
            (marks(keeping, request, &prompt), ends(&prompt))
        };
        let last = marks.iter().map(|mark| mark.end).max().unwrap_or(0);
        let places: Vec<usize> = places.into_iter().filter(|end| *end <= last && long_enough(end)).collect();
        let names = names(&model.name, &prompt, &places);
        let read = places.iter().zip(&names).rev().find(|(_, name)| self.holds(**name, now));
        let read = read.map_or(0, |(end, _)| *end);
        let mut usage = Usage { cache_read: of_bytes(read), ..Usage::default() };
        let charged = model.price.rates.cache_write_5m.0 > 0;
        let mut from = read;
        for (end, name) in places.iter().zip(&names) {
            let Some(mark) = marks.iter().find(|mark| mark.end == *end) else { continue };
            self.keep(*name, keeping.life(mark.ttl), now);
            let written = if charged { of_bytes(*end).saturating_sub(of_bytes(from)) } else { 0 };
            match mark.ttl {
                CacheTtl::OneHour => usage.cache_write_1h += written,
                CacheTtl::FiveMinutes => usage.cache_write_5m += written,
            }
            from = from.max(*end);
        }
        usage.input = prompt_tokens - usage.prompt_tokens();
        usage
    }

    fn holds(&self, name: u64, now: Timestamp) -> bool {
        self.0.get(&name).is_some_and(|held| held.until > now)
    }

    /// Keeps a prefix from now on; one that is held already for as long as it was first kept, at least.
    fn keep(&mut self, name: u64, life: SignedDuration, now: Timestamp) {
        let before = self.0.get(&name).filter(|held| held.until > now).map_or(PREFIX_LIFE, |held| held.life);
        let life = before.max(life);
        self.0.insert(name, Held { until: now.checked_add(life).unwrap_or(Timestamp::MAX), life });
        if self.0.len() > 1 << 20 {
            self.0.retain(|_, held| held.until > now);
        }
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

/// Where the prompt is to be kept, the earliest place first.
fn marks(keeping: PrefixKeeping, request: &ModelRequest, prompt: &PromptBytes) -> Vec<Mark> {
    let instructs = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let ttl = |message: &Message| {
        message.parts.iter().rev().find_map(|part| match part {
            Part::CachePoint(ttl) => Some(*ttl),
            _ => None,
        })
    };
    let instructions = request.messages.iter().filter(instructs);
    let others = request.messages.iter().filter(|message| !instructs(message));
    let tools = usize::from(!request.tools.is_empty());
    let ends = prompt.ends();
    let mut marks: Vec<Mark> = instructions
        .chain(others)
        .zip(ends.iter().skip(tools))
        .filter_map(|(message, (end, _))| Some(Mark { end: *end, ttl: ttl(message)? }))
        .collect();
    if keeping == PrefixKeeping::Breakpoints && marks.is_empty() {
        marks.push(Mark { end: prompt.len(), ttl: CacheTtl::FiveMinutes });
    }
    marks
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
    use crate::prefix::{MarkPlan, mark_prefix};
    use nunchi_core::Dialect;

    /// All that can be marked.
    const BOTH: MarkPlan = MarkPlan { shared: Some(CacheTtl::FiveMinutes), tail: true };

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
        mark_prefix(&mut asked, BOTH);
        let first = kept.split(&model, &asked, 2_000, at(1));
        assert_eq!((first.input, first.cache_read, first.cache_write_5m), (0, 0, 2_000));
        let mut longer = request(&long, &["one", "two"]);
        mark_prefix(&mut longer, BOTH);
        let second = kept.split(&model, &longer, 2_004, at(2));
        assert!(second.cache_read >= 1_990 && second.cache_write_5m > 0 && second.input == 0, "{second:?}");
    }

    #[test]
    fn an_hour_is_charged_apart_and_lasts() {
        let (mut kept, model) = (KeptPrefixes::default(), model("anthropic/big", Dialect::Anthropic));
        let asked = |text: &str| {
            let mut asked = request(&"x".repeat(8_000), &[text]);
            mark_prefix(&mut asked, MarkPlan { shared: Some(CacheTtl::OneHour), tail: false });
            asked
        };
        let first = kept.split(&model, &asked("one"), 2_000, at(0));
        assert!(first.cache_write_1h > 1_990 && first.cache_write_5m == 0 && first.input > 0, "{first:?}");
        for seconds in [3_000, 6_000] {
            let later = kept.split(&model, &asked("two"), 2_000, at(seconds));
            assert!(later.cache_read > 1_990 && later.cache_write_1h == 0, "{later:?}");
        }
        assert_eq!(
            kept.split(&model, &asked("three"), 2_000, at(9_600)).cache_read,
            0,
            "an hour after the last"
        );
    }

    #[test]
    fn openai_keeps_the_end_of_a_prompt_and_what_is_marked() {
        let mut kept = KeptPrefixes::default();
        let mut model = model("openai/big", Dialect::OpenAiChat);
        model.price.provider = "openai".into();
        let long = "x".repeat(8_000);
        kept.split(&model, &request(&long, &["one"]), 2_000, at(0));
        let other = kept.split(&model, &request(&long, &["two"]), 2_000, at(1));
        assert_eq!((other.cache_read, other.cache_write_5m), (0, 2_000), "only whole prompts were kept");
        let shared = |text: &str| {
            let mut asked = request(&long, &[text]);
            mark_prefix(&mut asked, MarkPlan { shared: Some(CacheTtl::FiveMinutes), tail: false });
            asked
        };
        kept.split(&model, &shared("three"), 2_000, at(2));
        let found = kept.split(&model, &shared("four"), 2_000, at(1_700));
        assert!(found.cache_read > 1_990 && found.cache_write_5m == 0 && found.input > 0, "{found:?}");
    }
}
