//! Ollama's own API: `/api/chat`, `/api/embed` and the list of `/api/tags`.

mod decode;
mod embed;
mod encode;
mod error;
#[cfg(test)]
mod golden;
mod messages;
mod options;
#[cfg(test)]
mod socket;
mod tags;
mod wire;

use crate::codec::{Codec, Decoder, Embedded, Encoded, Framing};
use crate::openai;
use crate::secret::Secret;
use decode::ChatDecoder;
use http::{HeaderMap, StatusCode};
use nunchi_core::{Dialect, EmbedRequest, ModelError, ModelRequest};

/// `/api/chat`. A key is sent only when one is configured: a server of one's own wants none, a proxy or Ollama's cloud does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ollama;

impl Codec for Ollama {
    fn dialect(&self) -> Dialect {
        Dialect::Ollama
    }

    fn encode(&self, request: &ModelRequest) -> Result<Encoded, ModelError> {
        encode::request(request)
    }

    fn decoder(&self, request: &ModelRequest) -> Box<dyn Decoder> {
        Box::new(ChatDecoder::new(request))
    }

    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn error(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> ModelError {
        error::read(status, body)
    }

    fn auth(&self, secret: &Secret, headers: &mut HeaderMap) {
        openai::bearer(secret, headers);
    }

    fn models_path(&self) -> Option<&'static str> {
        Some("/api/tags")
    }

    fn decode_models(&self, body: &[u8]) -> Result<Vec<String>, ModelError> {
        tags::models(body)
    }

    fn encode_embed(&self, request: &EmbedRequest) -> Result<Encoded, ModelError> {
        embed::request(request)
    }

    fn decode_embed(&self, body: &[u8]) -> Result<Embedded, ModelError> {
        embed::reply(body)
    }
}
