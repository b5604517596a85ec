//! Google's Gemini API: `generateContent`, `streamGenerateContent`, `batchEmbedContents` and the list of models.

mod decode;
mod embed;
mod encode;
mod error;
mod facts;
#[cfg(test)]
mod golden;
mod media;
mod models;
#[cfg(test)]
mod replies;
mod reply;
#[cfg(test)]
mod socket;
mod tuning;
mod turns;
mod usage;
mod wire;

use crate::codec::{Codec, Decoder, Embedded, Encoded, Framing};
use crate::secret::Secret;
use decode::ContentDecoder;
use http::{HeaderMap, HeaderName, StatusCode};
use nunchi_core::{Dialect, EmbedRequest, ModelError, ModelRequest};

/// Put before a thought signature of Gemini's on its way to the client, so that no other provider is sent a proof that is not its own.
pub(crate) const SIGNATURE_MARK: &str = "gemini:";

/// `/v1beta/models/…`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gemini;

impl Codec for Gemini {
    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }

    fn encode(&self, request: &ModelRequest) -> Result<Encoded, ModelError> {
        encode::request(request)
    }

    fn decoder(&self, request: &ModelRequest) -> Box<dyn Decoder> {
        Box::new(ContentDecoder::new(request))
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn error(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> ModelError {
        error::read(status, body)
    }

    fn auth(&self, secret: &Secret, headers: &mut HeaderMap) {
        if let Some(value) = secret.header("") {
            headers.insert(HeaderName::from_static("x-goog-api-key"), value);
        }
    }

    fn models_path(&self) -> Option<&'static str> {
        // The longest page there is: the usual one holds 50.
        Some("/v1beta/models?pageSize=1000")
    }

    fn decode_models(&self, body: &[u8]) -> Result<Vec<String>, ModelError> {
        models::names(body)
    }

    fn encode_embed(&self, request: &EmbedRequest) -> Result<Encoded, ModelError> {
        embed::request(request)
    }

    fn decode_embed(&self, body: &[u8]) -> Result<Embedded, ModelError> {
        embed::reply(body)
    }
}
