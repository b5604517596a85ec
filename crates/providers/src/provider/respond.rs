//! Chooses how a successful reply is read: as a stream or whole, by what the upstream says it is.

use super::WHOLE_LIMIT;
use super::stream::Replies;
use crate::codec::{Codec, Decoder, Framing};
use crate::shared::garbage;
use crate::transport::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use nunchi_core::{Dialect, Frame, ModelError, ModelRequest, RawFrame, ReplyStream};
use std::sync::Arc;

/// Reads a reply with a success status. One that is not streamed is read whole here, so that its failures come before the reply.
pub(super) async fn read(
    codec: &dyn Codec,
    request: &ModelRequest,
    provider: &Arc<str>,
    head: &Parts,
    body: Body,
) -> Result<ReplyStream, ModelError> {
    let mut decoder = codec.decoder(request);
    if let Some(framing) = framing(codec, request.stream, head)? {
        return Ok(Box::pin(Replies::new(body, framing, decoder, codec.dialect(), Arc::clone(provider))));
    }
    let body = body.whole(WHOLE_LIMIT).await?;
    let frame = whole_frame(codec.dialect(), &mut *decoder, body)?;
    Ok(Box::pin(stream::iter([Ok(frame)])))
}

/// Reads a reply that was not streamed.
pub(crate) fn whole_frame(
    dialect: Dialect,
    decoder: &mut dyn Decoder,
    body: Bytes,
) -> Result<Frame, ModelError> {
    check_text(&body)?;
    let mut frame = decoder.whole(body.clone())?;
    attach_raw(&mut frame, dialect, None, body);
    Ok(frame)
}

/// How the reply is framed; `None` for a whole body. What the upstream declares wins over what was asked: compatible servers
/// ignore `stream` both ways.
fn framing(codec: &dyn Codec, asked: bool, head: &Parts) -> Result<Option<Framing>, ModelError> {
    let declared = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "text/event-stream" => Ok(Some(Framing::Sse)),
        "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => Ok(Some(Framing::Ndjson)),
        "text/html" | "application/xhtml+xml" => Err(garbage("an HTML page instead of an answer")),
        "application/json" if !(asked && codec.framing() == Framing::Ndjson) => Ok(None),
        _ => Ok(asked.then(|| codec.framing())),
    }
}

/// Raw frames are handed on and stored as text.
pub(super) fn check_text(data: &[u8]) -> Result<(), ModelError> {
    std::str::from_utf8(data).map(|_| ()).map_err(|_| garbage("the answer is not UTF-8"))
}

/// Keeps the upstream's bytes for callers of the same dialect.
pub(super) fn attach_raw(frame: &mut Frame, dialect: Dialect, event: Option<&str>, data: Bytes) {
    if frame.raw.is_none() {
        frame.raw = Some(RawFrame { dialect, event: event.map(str::to_owned), data });
    }
}
