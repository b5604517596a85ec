//! Gemini `generateContent` and `streamGenerateContent`.

use super::Ask;
use super::frame::Event;
use crate::turn::{Piece, Source, Stop, Tokens, ToolCall, Turn};
use serde_json::{Value, json};

/// The whole answer.
pub(super) fn body(ask: &Ask, turn: &Turn) -> Value {
    if let Some(blocked) = blocked(ask, turn) {
        return blocked;
    }
    let parts = turn.pieces.iter().flat_map(|piece| parts(piece, |text| vec![text])).collect();
    let mut candidates = vec![closing(turn, candidate(0, parts))];
    for (index, text) in turn.alternatives.iter().enumerate() {
        let mut other = candidate(index + 1, vec![json!({"text": text})]);
        other["finishReason"] = "STOP".into();
        candidates.push(other);
    }
    chunk(ask, turn, candidates, turn.usage.render(usage))
}

/// The stream.
pub(super) fn events(ask: &Ask, turn: &Turn) -> Vec<Event> {
    if let Some(blocked) = blocked(ask, turn) {
        return vec![Event::data(&blocked).terminal()];
    }
    let early = |tokens: Tokens| {
        let prompt = tokens.prompt();
        json!({"promptTokenCount": prompt, "totalTokenCount": prompt})
    };
    let mut pieces: Vec<Value> =
        turn.pieces.iter().flat_map(|piece| parts(piece, |text| turn.split_text(text))).collect();
    let last = pieces.pop().unwrap_or_else(|| json!({"text": ""}));
    let part =
        |part| Event::data(&chunk(ask, turn, vec![candidate(0, vec![part])], turn.usage.render(early)));
    let mut events: Vec<Event> = pieces.into_iter().map(part).collect();
    for (index, text) in turn.alternatives.iter().enumerate() {
        let mut other = candidate(index + 1, vec![json!({"text": text})]);
        other["finishReason"] = "STOP".into();
        events.push(Event::data(&chunk(ask, turn, vec![other], turn.usage.render(early))));
    }
    let end = closing(turn, candidate(0, vec![last]));
    events.push(Event::data(&chunk(ask, turn, vec![end], turn.usage.render(usage))).terminal());
    events
}

/// A prompt that is refused has no candidate at all.
fn blocked(ask: &Ask, turn: &Turn) -> Option<Value> {
    turn.all_refusal()?;
    let mut answer = chunk(ask, turn, Vec::new(), turn.usage.render(usage));
    let answer_fields = answer.as_object_mut()?;
    answer_fields.shift_remove("candidates");
    answer_fields.insert("promptFeedback".into(), json!({"blockReason": "PROHIBITED_CONTENT"}));
    Some(answer)
}

fn chunk(ask: &Ask, turn: &Turn, candidates: Vec<Value>, usage: Option<Value>) -> Value {
    let mut chunk = json!({"candidates": candidates});
    if let Some(usage) = usage {
        chunk["usageMetadata"] = usage;
    }
    chunk["modelVersion"] = ask.model_of(turn).into();
    chunk["responseId"] = ask.id("").into();
    chunk
}

fn candidate(index: usize, parts: Vec<Value>) -> Value {
    json!({"content": {"parts": parts, "role": "model"}, "index": index})
}

/// Adds what only the last chunk of a candidate says.
fn closing(turn: &Turn, mut candidate: Value) -> Value {
    candidate["finishReason"] = finish(&turn.stop_reason()).into();
    if !turn.sources.is_empty() {
        candidate["groundingMetadata"] = grounding(&turn.sources, &turn.all_text());
    }
    candidate
}

/// The parts of a piece; tool calls always come whole.
fn parts<'a>(piece: &'a Piece, split: impl Fn(&'a str) -> Vec<&'a str>) -> Vec<Value> {
    match piece {
        Piece::Text(text) | Piece::Refusal(text) => {
            split(text).into_iter().map(|text| json!({"text": text})).collect()
        }
        Piece::Thinking { text, signature } => {
            let mut parts: Vec<Value> =
                split(text).into_iter().map(|text| json!({"text": text, "thought": true})).collect();
            if !signature.is_empty() {
                parts.push(json!({"text": "", "thoughtSignature": signature}));
            }
            parts
        }
        Piece::RedactedThinking(data) => vec![json!({"text": "", "thoughtSignature": data})],
        Piece::ToolCall(call) => vec![function_call(call)],
    }
}

fn function_call(call: &ToolCall) -> Value {
    let mut function = json!({"name": call.name, "args": call.value()});
    if let Some(id) = &call.id {
        function["id"] = id.as_str().into();
    }
    let mut part = json!({"functionCall": function});
    if let Some(signature) = &call.signature {
        part["thoughtSignature"] = signature.as_str().into();
    }
    part
}

fn grounding(sources: &[Source], text: &str) -> Value {
    let chunks: Vec<Value> =
        sources.iter().map(|source| json!({"web": {"uri": source.url, "title": source.title}})).collect();
    let all: Vec<usize> = (0..sources.len()).collect();
    json!({
        "webSearchQueries": ["scripted query"],
        "groundingChunks": chunks,
        "groundingSupports": [{
            "segment": {"startIndex": 0, "endIndex": text.len(), "text": text}, "groundingChunkIndices": all,
        }],
    })
}

fn finish(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn | Stop::StopSequence(_) | Stop::ToolUse | Stop::Pause => "STOP",
        Stop::MaxTokens => "MAX_TOKENS",
        Stop::ContentFilter | Stop::Refusal => "SAFETY",
        Stop::Other(word) => word,
    }
}

/// Counts that are zero are left out, as the provider does.
fn usage(tokens: Tokens) -> Value {
    let prompt = tokens.prompt();
    let mut usage = json!({"promptTokenCount": prompt});
    let optional = [
        ("cachedContentTokenCount", tokens.cache_read),
        ("candidatesTokenCount", tokens.output),
        ("thoughtsTokenCount", tokens.reasoning),
        ("toolUsePromptTokenCount", tokens.tool_prompt),
    ];
    for (field, count) in optional.into_iter().filter(|(_, count)| *count > 0) {
        usage[field] = count.into();
    }
    usage["totalTokenCount"] = (prompt + tokens.tool_prompt + tokens.generated()).into();
    usage["promptTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": prompt}]);
    usage
}
