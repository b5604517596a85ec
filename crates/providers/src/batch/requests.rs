//! Writes the requests of a batch, each as it would be sent live, and never streamed.

use crate::codec::{Codec, Encoded};
use crate::splice::{Edit, Object};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use memchr::memchr2;
use nunchi_core::{BatchItem, BatchLimits, CallId, ModelError, ModelErrorKind, ModelRequest};
use serde::de::IgnoredAny;
use std::collections::HashSet;

/// Requests that are encoded without letting others run.
const STRIDE: usize = 32;

/// The encoded requests of a batch.
pub(super) struct Requests {
    /// What was given to begin with, and behind it all requests as `write` put them.
    pub(super) text: BytesMut,
    /// The path they would be sent to live.
    pub(super) path: String,
    /// The headers they would be sent with live, each once.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Encodes all requests behind `head`; `write` appends each, given its id.
///
/// # Errors
/// `InvalidRequest` for a batch that the provider would not take as a whole, and what the codec says of a request.
pub(super) async fn encode(
    codec: &dyn Codec,
    items: Vec<BatchItem>,
    limits: BatchLimits,
    head: &str,
    write: impl Fn(&mut BytesMut, CallId, &Encoded) + Send,
) -> Result<Requests, ModelError> {
    check(&items, limits)?;
    let mut out = Requests { text: BytesMut::from(head), path: String::new(), headers: Vec::new() };
    for (at, item) in items.into_iter().enumerate() {
        if at % STRIDE == STRIDE - 1 {
            tokio::task::yield_now().await;
        }
        let id = item.id;
        let encoded = one(codec, item.request).map_err(|mut error| {
            error.detail = format!("request {id} of the batch: {}", error.detail);
            error
        })?;
        write(&mut out.text, id, &encoded);
        if out.text.len() > limits.bytes {
            return Err(refused(format!("a batch takes at most {} bytes", limits.bytes)));
        }
        out.path = encoded.path;
        for header in encoded.headers {
            if !out.headers.contains(&header) {
                out.headers.push(header);
            }
        }
    }
    Ok(out)
}

fn check(items: &[BatchItem], limits: BatchLimits) -> Result<(), ModelError> {
    if items.is_empty() || items.len() > limits.items {
        return Err(refused(format!("a batch takes 1 to {} requests, not {}", limits.items, items.len())));
    }
    let mut ids = HashSet::with_capacity(items.len());
    match items.iter().find(|item| !ids.insert(item.id)) {
        Some(item) => Err(refused(format!("the request {} is in the batch twice", item.id))),
        None => Ok(()),
    }
}

/// Encodes one request as live calls do, on one line and without `stream`.
pub(super) fn one(codec: &dyn Codec, mut request: ModelRequest) -> Result<Encoded, ModelError> {
    request.stream = false;
    let mut encoded = codec.encode(&request)?;
    encoded.body = one_line(unstreamed(&encoded.body));
    // One broken request would have the whole batch refused.
    let valid = serde_json::from_slice::<IgnoredAny>(&encoded.body);
    valid.map_err(|error| refused(format!("its body is no JSON: {error}")))?;
    Ok(encoded)
}

/// The body without `stream`: batches do not know it.
fn unstreamed(body: &Bytes) -> Bytes {
    match Object::scan(body) {
        Some(object) => object.with(&[("stream", Edit::Remove)]),
        None => body.clone(),
    }
}

/// The body on one line. In valid JSON, line ends stand only between tokens.
fn one_line(body: Bytes) -> Bytes {
    if memchr2(b'\n', b'\r', &body).is_none() {
        return body;
    }
    body.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
}

fn refused(detail: String) -> ModelError {
    ModelError::new(ModelErrorKind::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anthropic::Anthropic;
    use crate::openai::OpenAiChat;
    use crate::responses::OpenAiResponses;
    use crate::testing::rich_request;
    use nunchi_core::{Dialect, Origin};
    use serde_json::Value;

    #[test]
    fn a_request_is_the_live_one_without_its_stream() {
        let codecs: [(&dyn Codec, &str); 4] = [
            (&OpenAiChat::openai(), "gpt-4.1"),
            (&OpenAiChat::compatible(), "gpt-4.1"),
            (&OpenAiResponses, "gpt-4.1"),
            (&Anthropic, "claude-sonnet-4-5"),
        ];
        for (codec, model) in codecs {
            for stream in [false, true] {
                let request = ModelRequest { stream, ..rich_request(model) };
                let live = codec.encode(&ModelRequest { stream: false, ..request.clone() }).unwrap();
                let batched = one(codec, request).unwrap();
                let mut wanted: Value = serde_json::from_slice(&live.body).unwrap();
                wanted.as_object_mut().unwrap().remove("stream");
                assert_eq!(serde_json::from_slice::<Value>(&batched.body).unwrap(), wanted, "{model}");
                assert_eq!(
                    (batched.path, batched.notes, batched.headers),
                    (live.path, live.notes, live.headers)
                );
            }
        }
    }

    #[test]
    fn a_body_in_several_lines_becomes_one() {
        let own = "{\r\n \"model\":\"m\",\n\"stream\":true,\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"가\\n나\"}]}\n";
        let origin = |body: &'static str| Origin { dialect: Dialect::OpenAiChat, body: body.into() };
        let request = ModelRequest { origin: Some(origin(own)), ..ModelRequest::new("m", Vec::new()) };
        let body = one(&OpenAiChat::compatible(), request.clone()).unwrap().body;
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            "{   \"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"가\\n나\"}]} "
        );
        let broken =
            ModelRequest { origin: Some(origin("{\"model\":\"m\",\"messages\":[nothing]}")), ..request };
        assert!(one(&OpenAiChat::compatible(), broken).is_err());
    }
}
