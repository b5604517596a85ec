//! Turns a scripted answer into the bytes a provider would send. Pure: no socket, no clock.

mod anthropic;
mod count;
mod embed;
mod errors;
mod frame;
mod gemini;
mod headers;
mod lists;
mod ollama;
mod openai_chat;
mod openai_responses;
mod perplexity;

use crate::dialect::{Dialect, Endpoint};
use crate::turn::{Ending, Fault, LineEnd, Turn};
use bytes::Bytes;
pub use embed::embedding;
use frame::{Event, Framing};
use serde_json::Value;

/// When the fictional answers were made: a fixed second, so that bytes repeat.
pub(crate) const CREATED: u64 = 1_767_225_600;

/// What a request asks, as far as it shapes the answer.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// OpenAI chat: whether `stream_options.include_usage` was set.
    pub(crate) usage_in_stream: bool,
    /// Gemini: a stream without `alt=sse` is a JSON array.
    pub(crate) array: bool,
    /// The request.
    pub(crate) body: Value,
    /// The models to list.
    pub(crate) models: Vec<String>,
    /// Number of the request, for ids.
    pub(crate) serial: u64,
}

impl Ask {
    /// The request that [`wire`] pretends to have received.
    pub(crate) fn plain(dialect: Dialect, endpoint: Endpoint, stream: bool) -> Self {
        let models: Vec<String> = dialect.models().iter().map(|&model| model.to_owned()).collect();
        Self {
            endpoint,
            model: models[0].clone(),
            stream,
            usage_in_stream: true,
            array: false,
            body: Value::Null,
            models,
            serial: 1,
        }
    }

    /// The model that the answer names.
    pub(crate) fn model_of<'a>(&'a self, turn: &'a Turn) -> &'a str {
        turn.model.as_deref().unwrap_or(&self.model)
    }

    /// The service tier that the answer names: the one asked for, if the turn does not say another.
    pub(crate) fn service_tier_of<'a>(&'a self, turn: &'a Turn) -> &'a str {
        let asked = self.body.get("service_tier").and_then(Value::as_str);
        let asked = asked.filter(|tier| matches!(*tier, "flex" | "priority"));
        turn.service_tier.as_deref().or(asked).unwrap_or("default")
    }

    /// An id with the dialect's prefix.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}scripted{:08}", self.serial)
    }
}

/// What happens after the last write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The body ends as HTTP says.
    Clean,
    /// The connection drops.
    Cut,
    /// Nothing more comes.
    Silence,
}

/// A whole response, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) writes: Vec<Bytes>,
    pub(crate) close: Close,
}

/// The body of a scripted answer, write by write, without any server; up to the break where the turn has one.
pub fn wire(dialect: Dialect, endpoint: Endpoint, turn: &Turn, stream: bool) -> Vec<Bytes> {
    render(dialect, &Ask::plain(dialect, endpoint, stream), turn).writes
}

/// Renders a response.
pub(crate) fn render(dialect: Dialect, ask: &Ask, turn: &Turn) -> Response {
    let streamed = ask.stream && matches!(ask.endpoint, Endpoint::Chat | Endpoint::Responses);
    let fault = match (&turn.fault, &turn.ending) {
        (Some(fault), _) => Some(fault),
        (None, Ending::Error(_, fault)) if !streamed => Some(fault),
        _ => None,
    };
    let status = fault.map_or(200, |fault| fault.status);
    let headers = headers::of(dialect, ask, turn, fault, streamed && fault.is_none());
    let (events, close) = match (&turn.raw, fault) {
        (Some(raw), _) => whole(raw.clone(), &turn.ending),
        (None, Some(fault)) => (vec![errors::body(dialect, fault, ask).into()], Close::Clean),
        (None, None) if streamed => stream(dialect, ask, turn),
        (None, None) => whole(body(dialect, ask, turn).into(), &turn.ending),
    };
    Response { status, headers, writes: turn.chunks.apply(events), close }
}

/// A body that is no stream: halved where it is to break.
fn whole(body: Bytes, ending: &Ending) -> (Vec<Bytes>, Close) {
    let half = body.slice(..body.len() / 2);
    match ending {
        Ending::Cut(_) => (vec![half], Close::Cut),
        Ending::Hang(_) => (vec![half], Close::Silence),
        Ending::Garbage(_) => (vec![half], Close::Clean),
        _ => (vec![body], Close::Clean),
    }
}

/// A streamed body: the dialect's events, broken as scripted, framed.
fn stream(dialect: Dialect, ask: &Ask, turn: &Turn) -> (Vec<Bytes>, Close) {
    let mut events = match (dialect, ask.endpoint) {
        (Dialect::OpenAi, Endpoint::Responses) => openai_responses::events(ask, turn),
        (Dialect::OpenAi, _) => openai_chat::events(ask, turn),
        (Dialect::Anthropic, _) => anthropic::events(ask, turn),
        (Dialect::Gemini, _) => gemini::events(ask, turn),
        (Dialect::Ollama, _) => ollama::events(ask, turn),
        (Dialect::Perplexity, _) => perplexity::events(ask, turn),
    };
    let close = break_events(dialect, ask, &mut events, &turn.ending);
    let framing = match dialect {
        Dialect::Ollama => Framing::Lines,
        Dialect::Gemini if ask.array => Framing::Array,
        _ => Framing::Sse,
    };
    let usual =
        if matches!(dialect, Dialect::Gemini | Dialect::Perplexity) { LineEnd::CrLf } else { LineEnd::Lf };
    let mut framed = frame::frame(framing, turn.line_end.unwrap_or(usual), &events, close == Close::Clean);
    if turn.ending == Ending::NoLastBlankLine
        && let Some(last) = framed.last_mut()
    {
        *last = last.slice(..last.trim_ascii_end().len());
    }
    (framed, close)
}

fn break_events(dialect: Dialect, ask: &Ask, events: &mut Vec<Event>, ending: &Ending) -> Close {
    match ending {
        Ending::Cut(count) => {
            events.truncate(*count);
            return Close::Cut;
        }
        Ending::Hang(count) => {
            events.truncate(*count);
            return Close::Silence;
        }
        Ending::Error(count, fault) => {
            events.truncate(*count);
            events.extend(errors::events(dialect, ask, fault, events.len()));
        }
        Ending::Garbage(at) => {
            if let Some(event) = events.get_mut(*at) {
                event.spoil();
            }
        }
        Ending::NoTerminator => events.retain(|event| !event.last),
        Ending::Whole | Ending::NoLastBlankLine => {}
    }
    Close::Clean
}

/// A body that is no stream.
fn body(dialect: Dialect, ask: &Ask, turn: &Turn) -> String {
    let value = match (ask.endpoint, dialect) {
        (Endpoint::Models, _) => lists::models(dialect, &ask.models),
        (Endpoint::Version, _) => lists::version(),
        (Endpoint::CountTokens, _) => count::body(dialect, turn),
        (Endpoint::Embeddings, _) => embed::body(dialect, ask, turn),
        (Endpoint::Responses, _) => openai_responses::body(ask, turn),
        (Endpoint::Chat, Dialect::OpenAi) => openai_chat::body(ask, turn),
        (Endpoint::Chat, Dialect::Anthropic) => anthropic::body(ask, turn),
        (Endpoint::Chat, Dialect::Gemini) => gemini::body(ask, turn),
        (Endpoint::Chat, Dialect::Ollama) => ollama::body(ask, turn),
        (Endpoint::Chat, Dialect::Perplexity) => perplexity::body(ask, turn),
        // Batches have state: the server writes what they answer.
        (_, _) => Value::Null,
    };
    value.to_string()
}

/// The error body of a status, for requests that never reach a turn.
pub(crate) fn refuse(dialect: Dialect, ask: &Ask, fault: Fault) -> Response {
    render(dialect, ask, &Turn { fault: Some(fault), ..Turn::default() })
}
