//! OpenAI's chat completions and embeddings, and the servers that speak the same with a difference: Perplexity and compatible ones.

mod breakpoints;
mod choice;
mod chunk;
mod common;
mod decode;
mod embed;
mod encode;
mod error;
#[cfg(test)]
mod golden;
mod messages;
mod think;
mod usage;
mod wire;

pub(crate) use chunk::Text;
pub(crate) use common::{is_shared, shared_fields};
pub(crate) use encode::effort_word;
pub(crate) use error::{read_error, stream_error};
pub(crate) use messages::base64_text;
pub(crate) use usage::lenient_count;
pub(crate) use wire::Shown;

use crate::codec::{Codec, Decoder, Embedded, Encoded, Framing};
use crate::secret::Secret;
use crate::shared::garbage;
use decode::ChatDecoder;
use http::{HeaderMap, StatusCode, header};
use nunchi_core::{Dialect, EmbedRequest, ModelError, ModelRequest};
use serde::Deserialize;

/// What differs between the servers that speak this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    /// OpenAI itself.
    OpenAi,
    /// Perplexity: no tools, one choice, always usage, `<think>` text and sources.
    Perplexity,
    /// vLLM, llama.cpp, OpenRouter, DeepSeek, LiteLLM and the like: older field names, lenient reading.
    Compatible,
}

/// Chat completions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenAiChat(Flavour);

impl OpenAiChat {
    pub(crate) const fn openai() -> Self {
        Self(Flavour::OpenAi)
    }

    pub(crate) const fn perplexity() -> Self {
        Self(Flavour::Perplexity)
    }

    pub(crate) const fn compatible() -> Self {
        Self(Flavour::Compatible)
    }
}

impl Codec for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiChat
    }

    fn encode(&self, request: &ModelRequest) -> Result<Encoded, ModelError> {
        encode::request(self.0, request)
    }

    fn decoder(&self, _request: &ModelRequest) -> Box<dyn Decoder> {
        Box::new(ChatDecoder::new(self.0))
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn error(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> ModelError {
        read_error(Dialect::OpenAiChat, status, body)
    }

    fn auth(&self, secret: &Secret, headers: &mut HeaderMap) {
        bearer(secret, headers);
    }

    fn models_path(&self) -> Option<&'static str> {
        Some("/models")
    }

    fn decode_models(&self, body: &[u8]) -> Result<Vec<String>, ModelError> {
        models(body)
    }

    fn encode_embed(&self, request: &EmbedRequest) -> Result<Encoded, ModelError> {
        if self.0 == Flavour::Perplexity {
            return Err(crate::shared::unsupported("Perplexity makes no vectors"));
        }
        embed::request(request)
    }

    fn decode_embed(&self, body: &[u8]) -> Result<Embedded, ModelError> {
        embed::reply(body)
    }
}

/// `Authorization: Bearer …`
pub(crate) fn bearer(secret: &Secret, headers: &mut HeaderMap) {
    if let Some(value) = secret.header("Bearer ") {
        headers.insert(header::AUTHORIZATION, value);
    }
}

/// `{"data":[{"id":…}]}`, or the bare list that some compatible servers send.
pub(crate) fn models(body: &[u8]) -> Result<Vec<String>, ModelError> {
    #[derive(Deserialize)]
    struct Entry {
        id: String,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Wrapped { data: Vec<Entry> },
        Bare(Vec<Entry>),
    }
    let list: List =
        serde_json::from_slice(body).map_err(|error| garbage(format!("no list of models: {error}")))?;
    let (List::Wrapped { data } | List::Bare(data)) = list;
    Ok(data.into_iter().map(|entry| entry.id).collect())
}

/// Whether OpenAI runs this model with hidden reasoning: it then refuses sampling parameters and `max_tokens`.
pub(crate) fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let o_series = name.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let five = name.strip_prefix("gpt-").is_some_and(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse::<u32>().is_ok_and(|major| major >= 5)
    });
    o_series || (five && !name.contains("-chat")) || name.starts_with("codex-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_reason() {
        for (model, yes) in [
            ("o1", true),
            ("o4-mini-2025-04-16", true),
            ("gpt-5", true),
            ("gpt-5.2-mini", true),
            ("openai/gpt-5-nano", true),
            ("gpt-5-chat-latest", false),
            ("gpt-4o", false),
            ("gpt-4.1", false),
            ("gpt-oss-120b", false),
            ("olmo-2", false),
            ("codex-mini-latest", true),
        ] {
            assert_eq!(reasons(model), yes, "{model}");
        }
    }

    #[test]
    fn lists_of_models() {
        for body in [r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#, r#"[{"id":"a"},{"id":"b"}]"#] {
            assert_eq!(models(body.as_bytes()).unwrap(), ["a", "b"]);
        }
        assert!(models(b"{}").is_err());
    }
}
