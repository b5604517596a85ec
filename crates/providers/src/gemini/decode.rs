//! Reads a reply of `generateContent`, streamed or whole.

use super::facts::facts;
use super::models::bare;
use super::reply::{Call, Candidate, Chunk, Part as Piece, Reply, Source};
use super::usage::WireUsage;
use super::{SIGNATURE_MARK, error};
use crate::codec::Decoder;
use crate::shared::{INDEX_LIMIT, cut, garbage, index, masked, read_object};
use bytes::Bytes;
use nunchi_core::{Citation, Frame, ModelError, ModelErrorKind, ModelRequest, Part, ReplyEvent, StopReason};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};

/// Reads one reply.
pub(super) struct ContentDecoder {
    model: String,
    begun: bool,
    /// Something was said: an error behind that comes too late for another attempt.
    answered: bool,
    /// The answer that is being told.
    current: u32,
    /// The answers by their index.
    told: BTreeMap<u32, Told>,
    /// The ids of tool calls in the conversation and in this reply.
    ids: HashSet<String>,
    /// The sources that were told.
    sources: HashSet<String>,
    usage: WireUsage,
    searches: u64,
}

/// What is known of one answer.
#[derive(Default)]
struct Told {
    calls: u32,
    /// Why it ended. Told at the end of the stream: earlier generations give a reason with every piece.
    stop: Option<StopReason>,
}

impl ContentDecoder {
    pub(super) fn new(request: &ModelRequest) -> Self {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let ids = parts.filter_map(|part| match part {
            Part::ToolCall { id, .. } => Some(id.clone()),
            _ => None,
        });
        Self {
            model: bare(&request.model).to_owned(),
            begun: false,
            answered: false,
            current: 0,
            told: BTreeMap::new(),
            ids: ids.collect(),
            sources: HashSet::new(),
            usage: WireUsage::default(),
            searches: 0,
        }
    }

    fn read(&mut self, data: &[u8]) -> Result<Vec<ReplyEvent>, ModelError> {
        let reply: Reply<'_> = read_object(data, "a reply")?;
        if reply.error.is_some() {
            return Err(error::in_stream(self.answered, data));
        }
        let blocked =
            reply.prompt_feedback.as_ref().is_some_and(|feedback| is_word(feedback.block_reason.as_str()));
        if reply.candidates.is_none() && reply.usage_metadata.is_none() && reply.prompt_feedback.is_none() {
            return Err(garbage("a reply without candidates"));
        }
        let mut out = Vec::with_capacity(3);
        if !std::mem::replace(&mut self.begun, true) {
            let model = reply.model_version.some().unwrap_or_else(|| self.model.clone());
            let id = reply.response_id.as_str().to_owned();
            out.push(ReplyEvent::Start { id, model: bare(&model).to_owned() });
        }
        if blocked {
            self.told.entry(0).or_default().stop = Some(StopReason::ContentFilter);
        }
        for candidate in reply.candidates.unwrap_or_default() {
            self.candidate(candidate, &mut out)?;
        }
        if let Some(usage) = reply.usage_metadata {
            self.usage.update(usage);
            let usage = self.usage.usage(self.searches);
            // Counts that cannot be whole are not told, so that the call is booked by estimate: no prompt has zero tokens, nor has an
            // answer that says something.
            if usage.prompt_tokens() > 0 && (usage.completion_tokens() > 0 || !self.answered) {
                out.push(ReplyEvent::Usage { usage, reported_cost: None, service_tier: None });
            }
        }
        Ok(out)
    }

    fn candidate(&mut self, candidate: Candidate<'_>, out: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        let number = index(candidate.index.unwrap_or(0))?;
        self.told.entry(number).or_default();
        self.turn_to(number, out);
        let before = out.len();
        for piece in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
            self.piece(&piece, out)?;
        }
        self.answered |= out.len() > before;
        if let Some(grounding) = candidate.grounding_metadata {
            self.count_searches(grounding.web_search_queries.map_or(0, |queries| queries.len()));
            for chunk in grounding.grounding_chunks.unwrap_or_default() {
                out.extend(self.cited(chunk));
            }
        }
        for source in candidate.citation_metadata.and_then(|all| all.citation_sources).unwrap_or_default() {
            out.extend(self.source(&source, None));
        }
        let reason = candidate.finish_reason.as_str();
        if is_word(reason) {
            let calls = self.told.get(&number).is_some_and(|told| told.calls > 0);
            let stop = stop_of(reason, calls)
                .ok_or_else(|| self.failed(reason, candidate.finish_message.as_str()))?;
            self.told.entry(number).or_default().stop = Some(stop);
        }
        Ok(())
    }

    fn turn_to(&mut self, number: u32, out: &mut Vec<ReplyEvent>) {
        if self.current != number {
            self.current = number;
            out.push(ReplyEvent::Choice(number));
        }
    }

    fn piece(&mut self, piece: &Piece<'_>, out: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        let signature = piece.thought_signature.some().map(|proof| format!("{SIGNATURE_MARK}{proof}"));
        if let Some(call) = &piece.function_call {
            return self.call(call, signature, out);
        }
        if piece.inline_data.is_some() {
            let detail = "the answer holds a picture or sound, which cannot be handed on";
            return Err(ModelError::new(ModelErrorKind::Unsupported, detail));
        }
        let kind = if piece.thought == Some(true) { ReplyEvent::Thinking } else { ReplyEvent::Text };
        out.extend(piece.text.some().map(kind));
        out.extend(signature.map(ReplyEvent::ThinkingSignature));
        Ok(())
    }

    /// A call, which always comes whole.
    fn call(
        &mut self,
        call: &Call<'_>,
        signature: Option<String>,
        out: &mut Vec<ReplyEvent>,
    ) -> Result<(), ModelError> {
        let told = self.told.entry(self.current).or_default();
        let index = told.calls;
        if u64::from(index) > INDEX_LIMIT {
            return Err(garbage(format!("more than {INDEX_LIMIT} tool calls")));
        }
        told.calls += 1;
        let Some(name) = call.name.some() else { return Err(garbage("a tool call without a name")) };
        let delta = arguments(call.args)?;
        let id = self.id(call.id.as_str());
        out.push(ReplyEvent::ToolCall { index, id, name });
        out.push(ReplyEvent::ToolArguments { index, delta });
        out.extend(signature.map(|signature| ReplyEvent::ToolSignature { index, signature }));
        Ok(())
    }

    /// The id that Gemini gave, or one of our own (older generations give none). No call of the conversation has the same: a result is
    /// matched with its call, and with the call's name, by nothing else.
    fn id(&mut self, given: &str) -> String {
        let mut id = given.to_owned();
        let mut number = self.ids.len();
        while id.is_empty() || self.ids.contains(&id) {
            id = format!("call_{number}");
            number += 1;
        }
        self.ids.insert(id.clone());
        id
    }

    /// Before Gemini 3 a request that searches is charged once, since then every search is.
    fn count_searches(&mut self, queries: usize) {
        let charged = if facts(&self.model).newest { queries } else { queries.min(1) };
        self.searches = self.searches.max(u64::try_from(charged).unwrap_or(u64::MAX));
    }

    fn cited(&mut self, chunk: Chunk<'_>) -> Option<ReplyEvent> {
        if let Some(passage) = chunk.retrieved_context {
            return self.source(&passage, passage.text.some());
        }
        self.source(&chunk.web.or(chunk.maps)?, None)
    }

    /// A source, told once: every piece of a stream may repeat those before.
    fn source(&mut self, source: &Source<'_>, quote: Option<String>) -> Option<ReplyEvent> {
        let url = source.uri.some()?;
        let key = format!("{url} {}", quote.as_deref().unwrap_or_default());
        let new = self.sources.insert(key);
        new.then(|| ReplyEvent::Citation(Citation { url, title: source.title.some(), quote, date: None }))
    }

    /// An answer that broke off for a fault of the model's: what was said, if anything, is no answer.
    fn failed(&self, reason: &str, message: &str) -> ModelError {
        let kind = if self.answered { ModelErrorKind::MidStream } else { ModelErrorKind::UpstreamFailed };
        let colon = if message.is_empty() { "" } else { ": " };
        ModelError::new(kind, masked(&format!("the model failed with {reason}{colon}{message}")))
    }

    /// The ends of all answers, once all have ended.
    fn ends(&mut self) -> Result<Vec<ReplyEvent>, ModelError> {
        if !self.told.contains_key(&0) || self.told.values().any(|told| told.stop.is_none()) {
            return Err(cut());
        }
        let mut out = Vec::with_capacity(2 * self.told.len());
        for (number, told) in std::mem::take(&mut self.told) {
            self.turn_to(number, &mut out);
            out.extend(told.stop.map(ReplyEvent::End));
        }
        Ok(out)
    }
}

impl Decoder for ContentDecoder {
    fn event(&mut self, _event: Option<&str>, data: Bytes) -> Result<Frame, ModelError> {
        self.read(&data).map(Frame::of)
    }

    fn finish(&mut self) -> Result<Frame, ModelError> {
        self.ends().map(Frame::of)
    }

    fn whole(&mut self, body: Bytes) -> Result<Frame, ModelError> {
        let mut events = self.read(&body)?;
        events.extend(self.ends()?);
        Ok(Frame::of(events))
    }
}

/// Whether an enumeration says something: its first value stands for nothing.
fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.ends_with("_UNSPECIFIED")
}

/// Why an answer ended; `None` when the model failed. Gemini says `STOP` for a stop text and for tool calls as well.
fn stop_of(word: &str, calls: bool) -> Option<StopReason> {
    Some(match word {
        "STOP" if calls => StopReason::ToolUse,
        "STOP" => StopReason::EndTurn,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => StopReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => return None,
        other => StopReason::Other(other.to_owned()),
    })
}

/// Arguments as the JSON text that Gemini wrote; a call without any has an empty object.
fn arguments(raw: Option<&RawValue>) -> Result<String, ModelError> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok("{}".to_owned()),
        Some(text) if text.starts_with('{') => Ok(text.to_owned()),
        Some(_) => Err(garbage("the arguments of a tool call are no object")),
    }
}
