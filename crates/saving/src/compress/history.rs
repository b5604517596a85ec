//! Compresses the older turns of a conversation without a model. What was compressed once is frozen: the same bytes open
//! every later call, so that the provider's prompt cache survives.

use super::salience::{PinKind, PinnedFact, TermFrequencies, pin_kind, salience};
use super::sentences::sentences;
use super::telegram::telegram;
use crate::select::estimate_tokens;
use crate::select::words::terms;
use nunchi_core::{Message, Part, Role};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The id of the whole history for `recall`.
pub const HISTORY_ID: &str = "history";
/// The message that opens a compressed history. Its bytes never change.
const OPENING: &str = "[Earlier turns follow in shortened form; their style is none to copy. recall id history returns the originals.]";
/// Tokens of framing around a message.
const FRAME_TOKENS: u64 = 4;
/// A sentence that must survive counts as if it said this many times as much.
const PIN_WEIGHT: f32 = 1.5;
/// Tokens added to a sentence's cost when sentences compete: short scraps are no bargain.
const SCRAP_TOKENS: f32 = 4.0;
/// Share of a message's content, weighed by rarity, that must survive for it to count as visible.
const VISIBLE_SHARE: f32 = 0.7;

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryPolicy {
    /// Newest tokens that are left alone.
    pub recent_tokens: u64,
    /// Tokens frozen at once: large, so that the prompt cache breaks seldom.
    pub segment_tokens: u64,
    /// What is kept of a segment, in percent of its tokens.
    pub kept_percent: u64,
}

impl Default for HistoryPolicy {
    fn default() -> Self {
        Self { recent_tokens: 2_000, segment_tokens: 4_000, kept_percent: 26 }
    }
}

/// Messages compressed together, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Segment {
    /// How many source messages it stands for.
    covered: usize,
    /// SHA-256 of those messages: an edited history is compressed anew from there.
    source: String,
    /// What is sent in their place.
    lines: Vec<(Role, Option<String>, String)>,
    /// Which source messages keep most of their content.
    visible: Vec<bool>,
}

/// The frozen part of a session's history. Keep it and hand it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenHistory {
    segments: Vec<Segment>,
}

impl FrozenHistory {
    /// How many source messages are compressed.
    pub fn covered(&self) -> usize {
        self.segments.iter().map(|segment| segment.covered).sum()
    }

    /// The source messages of each segment, the instructions not counted.
    pub fn segments(&self) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        let range = |segment: &Segment| {
            start += segment.covered;
            start - segment.covered..start
        };
        self.segments.iter().map(range).collect()
    }

    /// Which compressed messages keep most of their content in sight: what `recall` need not return.
    pub fn visible(&self) -> Vec<bool> {
        self.segments.iter().flat_map(|segment| segment.visible.iter().copied()).collect()
    }
}

/// A history to send.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressedHistory {
    /// System messages, frozen turns, then the recent turns untouched.
    pub messages: Vec<Message>,
    /// The state to keep.
    pub frozen: FrozenHistory,
    /// Tokens of the history as it came, estimated.
    pub tokens_before: u64,
    /// Tokens of the messages to send, estimated.
    pub tokens_after: u64,
    /// The first message that differs from what the last state would have sent: the prompt cache holds up to there.
    pub first_changed: usize,
}

/// Compresses what is older than the policy's recent tokens, a whole segment at a time. Without a full segment nothing changes.
pub fn compress_history(
    messages: &[Message],
    before: &FrozenHistory,
    policy: &HistoryPolicy,
) -> CompressedHistory {
    let instructions = messages.iter().take_while(|message| is_instruction(message)).count();
    let turns = &messages[instructions..];
    let mut frozen = still_valid(turns, before);
    let kept_segments = frozen.segments.len();
    while let Some(end) = next_segment(&turns[frozen.covered()..], policy) {
        let start = frozen.covered();
        match freeze(turns, start, start + end, policy) {
            Some(segment) => frozen.segments.push(segment),
            None => break,
        }
    }
    let mut sent = messages[..instructions].to_vec();
    if !frozen.segments.is_empty() {
        sent.push(Message::text(Role::User, OPENING));
    }
    let mut first_changed = sent.len();
    for (at, segment) in frozen.segments.iter().enumerate() {
        sent.extend(
            segment
                .lines
                .iter()
                .map(|(role, name, text)| Message { name: name.clone(), ..Message::text(*role, text) }),
        );
        if at + 1 == kept_segments {
            first_changed = sent.len();
        }
    }
    if kept_segments == frozen.segments.len() && *before == frozen {
        first_changed = sent.len();
    } else if kept_segments == 0 {
        first_changed = instructions;
    }
    sent.extend_from_slice(&turns[frozen.covered()..]);
    CompressedHistory {
        tokens_before: messages.iter().map(message_tokens).sum(),
        tokens_after: sent.iter().map(message_tokens).sum(),
        messages: sent,
        frozen,
        first_changed,
    }
}

/// The passages of a history for `recall`, one a message; the instructions are left out.
pub fn history_passages(messages: &[Message]) -> Vec<String> {
    let line = |message: &Message| format!("{}: {}", speaker(message), spoken(message));
    messages.iter().skip_while(|message| is_instruction(message)).map(line).collect()
}

/// Tokens of a message, estimated.
pub fn message_tokens(message: &Message) -> u64 {
    FRAME_TOKENS + message.parts.iter().map(part_tokens).sum::<u64>()
}

/// Sentences that must survive: wishes, decisions, figures, and questions that the last turns left open.
pub fn pinned_facts(messages: &[Message]) -> Vec<PinnedFact> {
    let mut pinned = Vec::new();
    for (at, message) in messages.iter().enumerate().filter(|(_, message)| !is_instruction(message)) {
        if message.role == Role::Tool {
            continue;
        }
        let text = message.plain_text();
        let open = |sentence: &str| sentence.ends_with(['?', '？']) && at + 1 == messages.len();
        for sentence in sentences(&text) {
            let kind = if open(sentence) { Some(PinKind::OpenQuestion) } else { pin_kind(sentence) };
            if let Some(kind) = kind {
                pinned.push(PinnedFact { kind, message: at, text: sentence.to_owned() });
            }
        }
    }
    pinned
}

pub(crate) fn is_instruction(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn part_tokens(part: &Part) -> u64 {
    match part {
        Part::Text(text) | Part::Refusal(text) | Part::RedactedThinking(text) => estimate_tokens(text),
        Part::Thinking { text, .. } => estimate_tokens(text),
        Part::ToolCall { name, arguments, .. } => {
            FRAME_TOKENS + estimate_tokens(name) + estimate_tokens(arguments)
        }
        Part::ToolResult { content, .. } => FRAME_TOKENS + content.iter().map(part_tokens).sum::<u64>(),
        Part::Media(_) => 1_000,
        Part::CachePoint(_) => 0,
    }
}

fn speaker(message: &Message) -> &str {
    message.name.as_deref().unwrap_or(match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::System | Role::Developer => "system",
    })
}

/// What a message says, tool calls and results told in words; reasoning is not said.
pub(super) fn spoken(message: &Message) -> String {
    let mut said = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => said.push(text.clone()),
            Part::ToolCall { name, arguments, .. } => said.push(format!("[called {name} {arguments}]")),
            Part::ToolResult { content, is_error, .. } => {
                let text: String = content.iter().filter_map(Part::as_text).collect();
                said.push(format!("[{}: {text}]", if *is_error { "error" } else { "result" }));
            }
            Part::Media(media) => said.push(format!("[{}]", media.name.as_deref().unwrap_or("a file"))),
            Part::Thinking { .. } | Part::RedactedThinking(_) | Part::CachePoint(_) => {}
        }
    }
    said.join(" ")
}

/// The segments whose source messages are still what they were.
fn still_valid(turns: &[Message], before: &FrozenHistory) -> FrozenHistory {
    let mut start = 0;
    let unchanged = before.segments.iter().take_while(|segment| {
        let own = turns.get(start..start + segment.covered);
        start += segment.covered;
        own.is_some_and(|own| source_hash(own) == segment.source)
    });
    FrozenHistory { segments: unchanged.cloned().collect() }
}

fn source_hash(turns: &[Message]) -> String {
    let mut hash = Sha256::new();
    for turn in turns {
        let text = format!("{:?}\u{1f}{}\u{1e}", turn.role, spoken(turn));
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the next segment ends: it is full, leaves the recent tokens alone, and no tool call waits for its result.
fn next_segment(turns: &[Message], policy: &HistoryPolicy) -> Option<usize> {
    let total: u64 = turns.iter().map(message_tokens).sum();
    let spare = total.saturating_sub(policy.recent_tokens);
    let (mut tokens, mut open) = (0, BTreeSet::new());
    for (at, turn) in turns.iter().enumerate() {
        tokens += message_tokens(turn);
        if tokens > spare {
            return None;
        }
        track_calls(turn, &mut open);
        if tokens >= policy.segment_tokens.max(1) && open.is_empty() {
            return Some(at + 1);
        }
    }
    None
}

/// Notes the calls a message opens and the results that close them.
pub(crate) fn track_calls<'a>(turn: &'a Message, open: &mut BTreeSet<&'a str>) {
    for part in &turn.parts {
        match part {
            Part::ToolCall { id, .. } => {
                open.insert(id);
            }
            Part::ToolResult { call_id, .. } => {
                open.remove(call_id.as_str());
            }
            _ => {}
        }
    }
}

/// A sentence that competes for its place.
pub(super) struct Candidate {
    message: usize,
    order: usize,
    text: String,
    worth: f32,
    tokens: u64,
}

/// Compresses the turns of one segment; rarity is judged by all turns up to its end. `None` when that would not be shorter.
fn freeze(turns: &[Message], start: usize, end: usize, policy: &HistoryPolicy) -> Option<Segment> {
    let spoken_turns: Vec<String> = turns[..end].iter().map(spoken).collect();
    let frequencies = TermFrequencies::new(spoken_turns.iter().map(String::as_str));
    let own = &turns[start..end];
    let tokens: u64 = own.iter().map(message_tokens).sum();
    let candidates = candidates(own, &spoken_turns[start..], &speakers(&turns[..end]), &frequencies);
    let kept = choose(candidates, tokens * policy.kept_percent.min(100) / 100);
    let lines = write(own, &kept);
    let written: u64 = lines.iter().map(|(_, _, text)| FRAME_TOKENS + estimate_tokens(text)).sum();
    let visible =
        (0..own.len()).map(|at| is_visible(&spoken_turns[start + at], kept.get(&at), &frequencies)).collect();
    (written < tokens).then(|| Segment { covered: own.len(), source: source_hash(own), lines, visible })
}

/// The names that people go by in a conversation, each once.
pub(super) fn speakers(turns: &[Message]) -> Vec<&str> {
    turns.iter().filter_map(|turn| turn.name.as_deref()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// All sentences of turns that tell something, with what they are worth.
pub(super) fn candidates(
    turns: &[Message],
    spoken_turns: &[String],
    speakers: &[&str],
    frequencies: &TermFrequencies,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (message, text) in spoken_turns.iter().enumerate() {
        for (order, sentence) in sentences(text).into_iter().enumerate() {
            let short = telegram(sentence, speakers);
            let pin = if turns[message].role == Role::Tool { None } else { pin_kind(sentence) };
            let worth =
                salience(sentence, &short, frequencies) * if pin.is_some() { PIN_WEIGHT } else { 1.0 };
            if worth > 0.0 {
                candidates.push(Candidate {
                    message,
                    order,
                    tokens: estimate_tokens(&short) + 1,
                    text: short,
                    worth,
                });
            }
        }
    }
    candidates
}

/// The worthiest sentences for their tokens, within the budget, in their order.
pub(super) fn choose(mut candidates: Vec<Candidate>, budget: u64) -> BTreeMap<usize, Vec<Candidate>> {
    let density = |candidate: &Candidate| candidate.worth / (candidate.tokens as f32 + SCRAP_TOKENS);
    candidates.sort_by(|a, b| {
        density(b).total_cmp(&density(a)).then(a.message.cmp(&b.message)).then(a.order.cmp(&b.order))
    });
    let (mut kept, mut used) = (BTreeMap::<usize, Vec<Candidate>>::new(), 0);
    for candidate in candidates {
        let frame = if kept.contains_key(&candidate.message) { 0 } else { FRAME_TOKENS };
        if used + candidate.tokens + frame <= budget {
            used += candidate.tokens + frame;
            kept.entry(candidate.message).or_default().push(candidate);
        }
    }
    kept.values_mut().for_each(|sentences| sentences.sort_by_key(|sentence| sentence.order));
    kept
}

/// One line a message, in its role; neighbours of one speaker share a message. A tool's results are told by the assistant.
pub(super) fn write(
    own: &[Message],
    kept: &BTreeMap<usize, Vec<Candidate>>,
) -> Vec<(Role, Option<String>, String)> {
    let mut lines: Vec<(Role, Option<String>, String)> = Vec::new();
    for (at, sentences) in kept {
        let message = &own[*at];
        let only_results = message.parts.iter().all(|part| matches!(part, Part::ToolResult { .. }));
        let role = if message.role == Role::Tool || only_results { Role::Assistant } else { message.role };
        let text = sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join("; ");
        match lines.last_mut() {
            Some((last, name, before)) if *last == role && *name == message.name => {
                before.push('\n');
                before.push_str(&text);
            }
            _ => lines.push((role, message.name.clone(), text)),
        }
    }
    lines
}

/// Whether enough of what makes a message special is left.
fn is_visible(text: &str, kept: Option<&Vec<Candidate>>, frequencies: &TermFrequencies) -> bool {
    let content: BTreeSet<String> = terms(&telegram(text, &[])).into_iter().collect();
    let left: BTreeSet<String> =
        kept.into_iter().flatten().flat_map(|sentence| terms(&sentence.text)).collect();
    let rarity = |of: &mut dyn Iterator<Item = &String>| of.map(|term| frequencies.rarity(term)).sum::<f32>();
    rarity(&mut content.intersection(&left)) >= VISIBLE_SHARE * rarity(&mut content.iter())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn say(role: Role, text: &str) -> Message {
        Message::text(role, text)
    }

    pub(crate) fn call(id: &str) -> Message {
        let part = Part::ToolCall {
            id: id.into(),
            name: "search".into(),
            arguments: "{\"q\":\"x\"}".into(),
            signature: None,
        };
        Message { role: Role::Assistant, parts: vec![part], name: None }
    }

    pub(crate) fn result(id: &str, text: &str) -> Message {
        let part =
            Part::ToolResult { call_id: id.into(), content: vec![Part::Text(text.into())], is_error: false };
        Message { role: Role::Tool, parts: vec![part], name: None }
    }

    fn chat(turns: usize) -> Vec<Message> {
        let mut messages = vec![say(Role::System, "Be brief.")];
        for at in 0..turns {
            messages.push(say(
                Role::User,
                &format!(
                    "Oh wow, that is so nice! I went to city{at} with my friend{at} last week. It was fun."
                ),
            ));
            messages.push(call(&format!("c{at}")));
            messages.push(result(
                &format!("c{at}"),
                &format!("There are {at} trains. Nothing else was found in the table of the day."),
            ));
            messages.push(say(
                Role::Assistant,
                "That sounds really great! Is there anything else that I can do for you today?",
            ));
        }
        messages
    }

    const POLICY: HistoryPolicy = HistoryPolicy { recent_tokens: 200, segment_tokens: 400, kept_percent: 25 };

    fn open_calls(messages: &[Message]) -> (usize, usize) {
        let parts = || messages.iter().flat_map(|message| &message.parts);
        let calls: Vec<&String> =
            parts().filter_map(|p| if let Part::ToolCall { id, .. } = p { Some(id) } else { None }).collect();
        let results = parts()
            .filter(|p| matches!(p, Part::ToolResult { call_id, .. } if calls.contains(&call_id)))
            .count();
        let all = parts().filter(|p| matches!(p, Part::ToolResult { .. })).count();
        (calls.len() - results, all - results)
    }

    #[test]
    fn older_turns_shrink_and_recent_ones_stay() {
        let messages = chat(40);
        let short = compress_history(&messages, &FrozenHistory::default(), &POLICY);
        assert!(
            short.tokens_after * 2 < short.tokens_before,
            "{} {}",
            short.tokens_after,
            short.tokens_before
        );
        assert_eq!(short.messages[0], messages[0]);
        assert!(short.messages.ends_with(&messages[messages.len() - 4..]));
        assert_eq!(open_calls(&short.messages), (0, 0));
        let text: String = short.messages.iter().map(Message::plain_text).collect();
        assert!(text.contains("went to city3 with friend3") || text.contains("city3 friend3"), "{text}");
        assert_eq!(short.frozen.visible().len(), short.frozen.covered());
    }

    #[test]
    fn a_short_history_is_left_alone() {
        let messages = chat(2);
        let short = compress_history(&messages, &FrozenHistory::default(), &POLICY);
        assert_eq!((short.messages, short.tokens_after), (messages, short.tokens_before));
    }

    #[test]
    fn an_edited_history_is_compressed_anew() {
        let mut messages = chat(40);
        let first = compress_history(&messages, &FrozenHistory::default(), &POLICY);
        messages[1] = say(Role::User, "Something else altogether was said in Tokyo.");
        let second = compress_history(&messages, &first.frozen, &POLICY);
        assert_eq!(second.first_changed, 1);
        assert!(second.messages.iter().any(|message| message.plain_text().contains("Tokyo")));
    }

    #[test]
    fn facts_are_pinned() {
        let messages = vec![
            say(Role::User, "My name is Minji. Hello!"),
            say(Role::Assistant, "Hi. We agreed to meet on Friday."),
            say(Role::User, "예산은 300만원이야. 어디가 좋을까?"),
        ];
        let kinds: Vec<(PinKind, usize)> =
            pinned_facts(&messages).iter().map(|fact| (fact.kind, fact.message)).collect();
        assert_eq!(
            kinds,
            [(PinKind::Wish, 0), (PinKind::Decision, 1), (PinKind::Figure, 2), (PinKind::OpenQuestion, 2)]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// More turns never change the bytes that were frozen, and never split a call from its result.
        #[test]
        fn frozen_bytes_stay(turns in 5..30_usize, more in 1..20_usize, segment in 50..800_u64) {
            let all = chat(turns + more);
            let policy = HistoryPolicy { segment_tokens: segment, ..POLICY };
            let first = compress_history(&all[..=turns * 4], &FrozenHistory::default(), &policy);
            let second = compress_history(&all, &first.frozen, &policy);
            let frozen = first.messages.len() - (turns * 4 - first.frozen.covered());
            prop_assert_eq!(&second.messages[..frozen], &first.messages[..frozen]);
            prop_assert!(second.first_changed >= frozen || first.frozen.covered() == 0);
            prop_assert_eq!(open_calls(&second.messages), (0, 0));
            prop_assert!(second.tokens_after <= second.tokens_before);
            let back: FrozenHistory = serde_json::from_str(&serde_json::to_string(&second.frozen).unwrap()).unwrap();
            prop_assert_eq!(back, second.frozen);
        }

        #[test]
        fn any_talk_is_safe(texts in prop::collection::vec("(?s).{0,80}", 0..20)) {
            let messages: Vec<Message> = texts.iter().map(|text| say(Role::User, text)).collect();
            let policy = HistoryPolicy { recent_tokens: 0, segment_tokens: 1, kept_percent: 50 };
            let short = compress_history(&messages, &FrozenHistory::default(), &policy);
            prop_assert!(short.tokens_after <= short.tokens_before.max(60) + 60);
            let _ = pinned_facts(&messages);
        }
    }
}
