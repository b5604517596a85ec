//! A turn written as JSON, so that a prompt can carry it.

use super::{ChunkPlan, Source, Split, Stop, ToolCall, Turn, UsageShape};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The JSON form of a turn; every field may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Spec {
    thinking: Option<String>,
    signature: String,
    text: Option<String>,
    json: Option<Value>,
    refusal: Option<String>,
    tool_calls: Vec<CallSpec>,
    citations: Vec<String>,
    stop: Option<String>,
    model: Option<String>,
    service_tier: Option<String>,
    usage: Option<Value>,
    status: Option<u16>,
    message: Option<String>,
    code: Option<String>,
    retry_after: Option<u64>,
    headers: Map<String, Value>,
    delay_ms: u64,
    first_byte_ms: u64,
    between_ms: u64,
    chunks: Option<Value>,
    deltas: Option<Value>,
    arguments: Option<Value>,
    hang: bool,
    drop: bool,
    garbage: bool,
    cut_after: Option<usize>,
    hang_after: Option<usize>,
    error_after: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallSpec {
    name: String,
    #[serde(default)]
    arguments: Value,
    id: Option<String>,
}

impl Turn {
    /// Reads a turn from JSON, such as `{"text":"Hi","between_ms":20}` or `{"status":429,"retry_after":2}`.
    ///
    /// # Errors
    /// Says what in the JSON was not understood.
    pub fn from_json(value: Value) -> Result<Self, String> {
        let spec: Spec = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let turn = spec.content()?;
        spec.shape(turn)
    }
}

impl Spec {
    /// What is said.
    fn content(&self) -> Result<Turn, String> {
        let mut turn = match self.status {
            Some(status) => Turn::status(status),
            None if self.hang => Turn::hang(),
            None if self.drop => Turn::drop_connection(),
            None => Turn::empty(),
        };
        if let Some(thinking) = &self.thinking {
            turn = turn.then_thinking(thinking, &self.signature);
        }
        if let Some(text) = self.text.clone().or_else(|| self.json.as_ref().map(Value::to_string)) {
            turn = turn.then_text(text);
        }
        if let Some(refusal) = &self.refusal {
            turn.pieces.extend(Turn::refusal(refusal).pieces);
        }
        turn = turn.then_tools(self.tool_calls.iter().map(CallSpec::call));
        turn = turn.citations(self.citations.iter().map(|url| Source::new(url, url)));
        if let Some(usage) = &self.usage {
            turn = turn.usage(if usage == "missing" {
                UsageShape::Missing
            } else {
                UsageShape::Custom(usage.clone())
            });
        }
        if let Some(stop) = &self.stop {
            turn = turn.stop(stop_reason(stop));
        }
        turn.model.clone_from(&self.model);
        turn.service_tier.clone_from(&self.service_tier);
        if let Some(fault) = &mut turn.fault {
            fault.message.clone_from(&self.message);
            fault.code.clone_from(&self.code);
            fault.retry_after = self.retry_after;
        } else if self.message.is_some() || self.code.is_some() || self.retry_after.is_some() {
            return Err("message, code and retry_after need a status".into());
        }
        Ok(turn)
    }

    /// How it goes over the wire.
    fn shape(&self, mut turn: Turn) -> Result<Turn, String> {
        for (name, value) in &self.headers {
            turn = turn.header(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        turn = turn
            .delay_headers(self.delay_ms)
            .delay_first_byte(self.first_byte_ms)
            .delay_between(self.between_ms);
        if let Some(chunks) = &self.chunks {
            turn = turn.chunks(chunk_plan(chunks)?);
        }
        turn.text_split = self.deltas.as_ref().map(split).transpose()?;
        turn.argument_split = self.arguments.as_ref().map(split).transpose()?;
        turn = match (self.cut_after, self.hang_after, self.error_after) {
            (Some(events), _, _) => turn.cut_after(events),
            (_, Some(events), _) => turn.hang_after(events),
            (_, _, Some(events)) => turn.error_after(events, 500),
            _ if self.garbage => turn.garbage_after(0),
            _ => turn,
        };
        Ok(turn)
    }
}

impl CallSpec {
    fn call(&self) -> ToolCall {
        let mut call = match &self.arguments {
            Value::Null => ToolCall::raw(&self.name, "{}"),
            Value::String(text) => ToolCall::raw(&self.name, text),
            value => ToolCall::new(&self.name, value),
        };
        call.id.clone_from(&self.id);
        call
    }
}

fn stop_reason(word: &str) -> Stop {
    match word {
        "end_turn" => Stop::EndTurn,
        "max_tokens" => Stop::MaxTokens,
        "tool_use" => Stop::ToolUse,
        "content_filter" => Stop::ContentFilter,
        "refusal" => Stop::Refusal,
        "pause" => Stop::Pause,
        other => Stop::Other(other.to_owned()),
    }
}

fn chunk_plan(value: &Value) -> Result<ChunkPlan, String> {
    match (value.as_str(), value.as_u64()) {
        (Some("every_byte"), _) => Ok(ChunkPlan::EveryByte),
        (Some("whole"), _) => Ok(ChunkPlan::Whole),
        (Some("events"), _) => Ok(ChunkPlan::PerEvent),
        (Some("inside_characters"), _) => Ok(ChunkPlan::InsideCharacters),
        (_, Some(size)) => Ok(ChunkPlan::Sized(usize::try_from(size).unwrap_or(usize::MAX))),
        _ => {
            Err(format!("chunks: {value} is none of every_byte, whole, events, inside_characters or a size"))
        }
    }
}

fn split(value: &Value) -> Result<Split, String> {
    match (value.as_str(), value.as_u64()) {
        (Some("whole"), _) => Ok(Split::Whole),
        (Some("words"), _) => Ok(Split::Words),
        (Some("characters"), _) => Ok(Split::Characters),
        (_, Some(count)) => Ok(Split::Every(usize::try_from(count).unwrap_or(usize::MAX))),
        _ => Err(format!("{value} is none of whole, words, characters or a number of characters")),
    }
}
