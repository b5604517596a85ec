//! The contract between the HTTP side and the dialects: how a request is written, how a reply is read.
//!
//! A dialect is a directory with one type that implements [`Codec`]; `provider` picks it by the configured kind. Codecs are pure:
//! no I/O, no clock. `anthropic::Anthropic`, `gemini::Gemini` and `ollama::Ollama` are unit structs.

use crate::secret::Secret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use nunchi_core::{Dialect, EmbedRequest, Frame, ModelError, ModelErrorKind, ModelRequest, Note, Usage};

/// One HTTP request to an upstream, ready to send.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Path (and query) behind the base URL, with a leading slash.
    pub(crate) path: String,
    /// The JSON body.
    pub(crate) body: Bytes,
    /// What could not be said.
    pub(crate) notes: Vec<Note>,
    /// Headers besides credentials, content type and accept.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Encoded {
    /// A request without notes or headers of its own.
    pub(crate) fn new(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { path: path.into(), body: body.into(), notes: Vec::new(), headers: Vec::new() }
    }
}

/// How the pieces of a streamed reply are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON object a line.
    Ndjson,
}

/// Vectors in the order of the inputs, and the tokens read.
pub(crate) type Embedded = (Vec<Vec<f32>>, Usage);

/// One dialect.
pub(crate) trait Codec: Send + Sync {
    /// Its name in core.
    fn dialect(&self) -> Dialect;

    /// Writes the request.
    ///
    /// # Errors
    /// [`ModelErrorKind::Unsupported`] for what cannot be said and changes the answer's meaning; what changes it little is a note.
    fn encode(&self, request: &ModelRequest) -> Result<Encoded, ModelError>;

    /// A reader for the reply to this request.
    fn decoder(&self, request: &ModelRequest) -> Box<dyn Decoder>;

    /// How streams are framed.
    fn framing(&self) -> Framing;

    /// Reads an error reply (status >= 400). `provider`, and `retry_after` from headers, are filled in by the caller where `None`.
    fn error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ModelError;

    /// Adds credentials. Called once, when the provider is built.
    fn auth(&self, secret: &Secret, headers: &mut HeaderMap);

    /// Where models are listed; `None` when the provider has no such list.
    fn models_path(&self) -> Option<&'static str>;

    /// Reads the list of models.
    fn decode_models(&self, body: &[u8]) -> Result<Vec<String>, ModelError>;

    /// Writes an embedding request.
    fn encode_embed(&self, request: &EmbedRequest) -> Result<Encoded, ModelError> {
        Err(ModelError::new(
            ModelErrorKind::Unsupported,
            format!("{} is asked for vectors, but this provider makes none", request.model),
        ))
    }

    /// Reads the vectors.
    fn decode_embed(&self, body: &[u8]) -> Result<Embedded, ModelError> {
        let _ = body;
        Err(ModelError::new(ModelErrorKind::Unsupported, "this provider makes no vectors"))
    }
}

/// Reads one reply. Frames leave `raw` empty: the caller attaches the upstream's bytes.
pub(crate) trait Decoder: Send {
    /// One SSE event or NDJSON line of a streamed reply.
    fn event(&mut self, event: Option<&str>, data: Bytes) -> Result<Frame, ModelError>;

    /// The stream ended, cleanly as far as HTTP goes: [`ModelErrorKind::Cut`] when the dialect's end was not seen.
    fn finish(&mut self) -> Result<Frame, ModelError>;

    /// A whole reply that was not streamed.
    fn whole(&mut self, body: Bytes) -> Result<Frame, ModelError>;

    /// Whether the dialect's last event was seen, so that nothing more is waited for. `false` means: read to the end of the body.
    fn done(&self) -> bool {
        false
    }
}
