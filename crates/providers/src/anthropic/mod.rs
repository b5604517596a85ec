//! Anthropic's messages.

mod decode;
mod encode;
mod facts;
mod fit;
mod schema;
mod tuning;
mod turns;
mod usage;
mod wire;

use crate::codec::{Codec, Decoder, Encoded, Framing};
use crate::openai;
use crate::secret::Secret;
use crate::shared::{error_reply, kind_of_status, plain_message};
use decode::MessagesDecoder;
pub(crate) use encode::{BETA, VERSION};
use http::{HeaderMap, HeaderName, StatusCode};
use nunchi_core::{Dialect, ModelError, ModelErrorKind, ModelRequest};
use serde::Deserialize;

/// `/v1/messages`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anthropic;

impl Codec for Anthropic {
    fn dialect(&self) -> Dialect {
        Dialect::Anthropic
    }

    fn encode(&self, request: &ModelRequest) -> Result<Encoded, ModelError> {
        encode::request(request)
    }

    fn decoder(&self, _request: &ModelRequest) -> Box<dyn Decoder> {
        Box::new(MessagesDecoder::default())
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn error(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> ModelError {
        read_error(status, body)
    }

    fn auth(&self, secret: &Secret, headers: &mut HeaderMap) {
        if let Some(value) = secret.header("") {
            headers.insert(HeaderName::from_static("x-api-key"), value);
        }
    }

    fn models_path(&self) -> Option<&'static str> {
        Some("/v1/models")
    }

    fn decode_models(&self, body: &[u8]) -> Result<Vec<String>, ModelError> {
        openai::models(body)
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

/// Anthropic's error object.
#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

fn read_error(status: StatusCode, body: &[u8]) -> ModelError {
    let Ok(ErrorBody { error }) = serde_json::from_slice::<ErrorBody>(body) else {
        let message = plain_message(status, body);
        return error_reply(Dialect::Anthropic, kind_of_status(status), status, &message, body);
    };
    let too_long = error.message.contains("prompt is too long") || error.message.contains("context window");
    let kind = if too_long { ModelErrorKind::ContextTooLong } else { kind_of_error(&error.kind, status) };
    error_reply(Dialect::Anthropic, kind, status, &error.message, body)
}

/// The kind of an error by its name, else by its status.
fn kind_of_error(name: &str, status: StatusCode) -> ModelErrorKind {
    match name {
        "invalid_request_error" => ModelErrorKind::InvalidRequest,
        "authentication_error" | "permission_error" | "billing_error" => ModelErrorKind::UpstreamAuth,
        "not_found_error" => ModelErrorKind::UnknownModel,
        "request_too_large" => ModelErrorKind::ContextTooLong,
        "rate_limit_error" => ModelErrorKind::RateLimited,
        "api_error" | "overloaded_error" | "timeout_error" => ModelErrorKind::UpstreamFailed,
        _ => kind_of_status(status),
    }
}
