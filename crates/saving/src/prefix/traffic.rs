//! How often the beginnings of prompts that sessions share are asked for: what of them is warm at the provider, and how soon each
//! is likely to be wanted again.

use super::marks::first_reuse_guess;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{CacheTtl, Dialect, Message, ModelPrice, ModelRequest, Role, ToolDefinition};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Prefixes that are remembered; those asked for longest ago go first.
const MOST: usize = 4_096;
/// Calls after which what was seen counts half: traffic changes over a day.
const MEMORY: f64 = 48.0;
/// A guess counts like so many calls.
const GUESS_WEIGHT: f64 = 2.0;

/// How a provider keeps prefixes, and what it wants to be told. Sources: the providers' manuals, 2026-11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixKeeping {
    /// Not at all, or at the full price.
    Nothing,
    /// By itself, in steps of 128 tokens, for five minutes.
    Automatic,
    /// What is marked, for five minutes or an hour (Anthropic).
    Marked,
    /// What is marked, and by itself the end of a prompt unless it is told not to, for half an hour; writing has a price (OpenAI
    /// from GPT-5.6 on).
    Breakpoints,
}

/// For how long, in the order of what is counted.
const LIVES: [SignedDuration; 3] =
    [SignedDuration::from_mins(5), SignedDuration::from_mins(30), SignedDuration::from_hours(1)];

impl PrefixKeeping {
    /// How a model's provider does it, by its dialect and prices.
    pub fn of(dialect: Dialect, price: &ModelPrice) -> Self {
        let rates = &price.rates;
        match dialect {
            _ if rates.cache_read.0 <= 0 || rates.cache_read >= rates.input => Self::Nothing,
            Dialect::Anthropic => Self::Marked,
            Dialect::OpenAiChat if price.provider == "openai" && rates.cache_write_5m.0 > 0 => {
                Self::Breakpoints
            }
            _ => Self::Automatic,
        }
    }

    /// How long a mark of this kind is kept after its last use.
    pub fn life(self, ttl: CacheTtl) -> SignedDuration {
        match (self, ttl) {
            (Self::Breakpoints, _) => LIVES[1],
            (Self::Marked, CacheTtl::OneHour) => LIVES[2],
            _ => LIVES[0],
        }
    }
}

/// What was seen of one prefix at one model.
#[derive(Clone, Copy, Debug)]
struct Uses {
    last: Timestamp,
    warm_until: Timestamp,
    calls: f64,
    /// Calls that came within each of [`LIVES`] after the one before.
    within: [f64; LIVES.len()],
    /// Calls that went on with a session.
    continued: f64,
    /// Calls that should have found the prefix warm, and those that did.
    expected: f64,
    found: f64,
}

/// A call with a prefix.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrefixUse {
    /// Whether it goes on with a session.
    pub continued: bool,
    /// How long the provider keeps the prefix from now on; `None` where it was not sent or not marked.
    pub kept: Option<SignedDuration>,
    /// Whether the provider read it from its cache; `None` where it was not expected to.
    pub found: Option<bool>,
}

/// What is to be expected of a prefix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefixOutlook {
    /// Whether the provider holds it now.
    pub warm: bool,
    /// How likely any call asks for it again within five minutes, half an hour and an hour, 0 to 1.
    pub within: [f64; 3],
    /// How likely a call of it is followed by another one of the same session, 0 to 1.
    pub continued: f64,
}

impl PrefixOutlook {
    /// How likely it is asked for again while a mark is kept.
    pub fn again(&self, keeping: PrefixKeeping, ttl: CacheTtl) -> f64 {
        let life = keeping.life(ttl);
        LIVES.iter().zip(self.within).find(|(known, _)| **known == life).map_or(0.0, |(_, chance)| chance)
    }
}

/// The prefixes that sessions share, by [`prefix_id`].
#[derive(Debug, Default)]
pub struct PrefixTraffic(HashMap<u64, Uses>);

/// Names the beginning of a prompt at a model: tools in the order to send, then instructions.
pub fn prefix_id<'a>(
    model: &str,
    tools: impl IntoIterator<Item = &'a ToolDefinition>,
    messages: &[Message],
) -> u64 {
    let mut hasher = DefaultHasher::new();
    model.hash(&mut hasher);
    for tool in tools {
        tool.name.hash(&mut hasher);
        tool.description.hash(&mut hasher);
        tool.parameters.as_ref().or(tool.builtin.as_ref()).map(|json| json.get()).hash(&mut hasher);
    }
    for message in messages.iter().filter(|message| matches!(message.role, Role::System | Role::Developer)) {
        message.plain_text().hash(&mut hasher);
    }
    hasher.finish()
}

impl PrefixTraffic {
    /// What is to be expected of a prefix; what was not seen is guessed from the request.
    pub fn outlook(&self, id: u64, request: &ModelRequest, now: Timestamp) -> PrefixOutlook {
        let guess = first_reuse_guess(request);
        let Some(uses) = self.0.get(&id) else {
            return PrefixOutlook { warm: false, within: [guess; 3], continued: guess };
        };
        let chance =
            |seen: f64, of: f64| ((seen + GUESS_WEIGHT * guess) / (of + GUESS_WEIGHT)).clamp(0.0, 1.0);
        // A provider that does not find what it should keep, or does not say so, is not counted on.
        let kept = (uses.found + GUESS_WEIGHT) / (uses.expected + GUESS_WEIGHT);
        PrefixOutlook {
            warm: uses.warm_until > now && kept > 0.5,
            within: uses.within.map(|seen| kept * chance(seen, uses.calls - 1.0)),
            continued: chance(uses.continued, uses.calls),
        }
    }

    /// Counts a call.
    pub fn note(&mut self, id: u64, now: Timestamp, call: PrefixUse) {
        if self.0.len() >= MOST && !self.0.contains_key(&id) {
            self.make_room();
        }
        let fresh = Uses {
            last: now,
            warm_until: Timestamp::MIN,
            calls: 0.0,
            within: [0.0; 3],
            continued: 0.0,
            expected: 0.0,
            found: 0.0,
        };
        let uses = self.0.entry(id).or_insert(fresh);
        if uses.calls > 0.0 {
            let gap = now.duration_since(uses.last);
            for (count, life) in uses.within.iter_mut().zip(LIVES) {
                *count += f64::from(u8::from(gap < life));
            }
        }
        uses.calls += 1.0;
        uses.continued += f64::from(u8::from(call.continued));
        uses.expected += f64::from(u8::from(call.found.is_some()));
        uses.found += f64::from(u8::from(call.found == Some(true)));
        uses.last = uses.last.max(now);
        if let Some(life) = call.kept {
            uses.warm_until = uses.warm_until.max(now.checked_add(life).unwrap_or(Timestamp::MAX));
        }
        if uses.calls > MEMORY {
            uses.calls /= 2.0;
            uses.continued /= 2.0;
            uses.expected /= 2.0;
            uses.found /= 2.0;
            uses.within = uses.within.map(|count| count / 2.0);
        }
    }

    fn make_room(&mut self) {
        let mut silent: Vec<(Timestamp, u64)> = self.0.iter().map(|(id, uses)| (uses.last, *id)).collect();
        silent.sort_unstable();
        for (_, id) in silent.into_iter().take(MOST / 8) {
            self.0.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn request() -> ModelRequest {
        ModelRequest::new("m", vec![Message::text(Role::System, "Be brief."), Message::text(Role::User, "a")])
    }

    #[test]
    fn what_comes_often_is_expected_again() {
        let (mut traffic, request) = (PrefixTraffic::default(), request());
        let unseen = traffic.outlook(1, &request, at(0));
        assert_eq!((unseen.warm, unseen.within), (false, [0.2; 3]));
        for number in 0..200 {
            let found = (number > 0).then_some(true);
            traffic.note(1, at(number * 600), PrefixUse { continued: false, kept: Some(LIVES[1]), found });
        }
        let seen = traffic.outlook(1, &request, at(199 * 600 + 1_799));
        assert!(
            seen.warm && seen.within[0] < 0.05 && seen.within[1] > 0.9 && seen.continued < 0.05,
            "{seen:?}"
        );
        assert!(!traffic.outlook(1, &request, at(199 * 600 + 1_800)).warm);
        assert!(!traffic.outlook(2, &request, at(0)).warm);
        let same = |a: f64, b: f64| (a - b).abs() < f64::EPSILON;
        assert!(same(seen.again(PrefixKeeping::Breakpoints, CacheTtl::FiveMinutes), seen.within[1]));
        assert!(same(seen.again(PrefixKeeping::Marked, CacheTtl::OneHour), seen.within[2]));
    }

    #[test]
    fn what_is_never_found_is_not_counted_on() {
        let (mut traffic, request) = (PrefixTraffic::default(), request());
        for number in 0..12 {
            let found = (number > 0).then_some(false);
            traffic.note(1, at(number), PrefixUse { continued: false, kept: Some(LIVES[0]), found });
        }
        let seen = traffic.outlook(1, &request, at(12));
        assert!(!seen.warm && seen.within[2] < 0.2, "{seen:?}");
    }

    #[test]
    fn a_prefix_is_its_model_tools_and_instructions() {
        let request = request();
        let tool = ToolDefinition {
            name: "t".into(),
            description: None,
            parameters: None,
            strict: None,
            builtin: None,
        };
        let id =
            |model: &str, tools: &[ToolDefinition], messages: &[Message]| prefix_id(model, tools, messages);
        let plain = id("m", &[], &request.messages);
        assert_eq!(plain, id("m", &[], &request.messages[..1]), "what is asked does not count");
        assert_ne!(plain, id("n", &[], &request.messages));
        assert_ne!(plain, id("m", &[tool], &request.messages));
        assert_ne!(plain, id("m", &[], &[]));
    }

    #[test]
    fn old_prefixes_make_room() {
        let mut traffic = PrefixTraffic::default();
        for number in 0..2 * MOST as u64 {
            traffic.note(number, at(number as i64), PrefixUse::default());
        }
        assert!(traffic.0.len() <= MOST && traffic.0.contains_key(&(2 * MOST as u64 - 1)));
    }
}
