//! OpenAI's responses: typed items in, typed items out.

mod decode;
mod encode;
#[cfg(test)]
mod golden;
mod input;
mod item;
mod wire;

use crate::codec::{Codec, Decoder, Embedded, Encoded, Framing};
use crate::openai::{OpenAiChat, bearer, models, read_error};
use crate::secret::Secret;
use decode::ResponsesDecoder;
use http::{HeaderMap, StatusCode};
use nunchi_core::{Dialect, EmbedRequest, ModelError, ModelRequest};

/// The responses API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenAiResponses;

impl Codec for OpenAiResponses {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiResponses
    }

    fn encode(&self, request: &ModelRequest) -> Result<Encoded, ModelError> {
        encode::request(request)
    }

    fn decoder(&self, _request: &ModelRequest) -> Box<dyn Decoder> {
        Box::new(ResponsesDecoder::default())
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn error(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> ModelError {
        read_error(Dialect::OpenAiResponses, status, body)
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

    // Vectors are the same whichever API answers questions.
    fn encode_embed(&self, request: &EmbedRequest) -> Result<Encoded, ModelError> {
        OpenAiChat::openai().encode_embed(request)
    }

    fn decode_embed(&self, body: &[u8]) -> Result<Embedded, ModelError> {
        OpenAiChat::openai().decode_embed(body)
    }
}
