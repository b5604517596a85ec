//! Embeddings.

use super::usage::lenient_count;
use crate::codec::{Embedded, Encoded};
use crate::shared::garbage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use nunchi_core::{EmbedRequest, ModelError, Usage};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Entry>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    /// Little-endian 32-bit floats in base64, which some servers send whatever was asked.
    Packed(String),
}

#[derive(Default, Deserialize)]
struct Tokens {
    #[serde(default, deserialize_with = "lenient_count")]
    prompt_tokens: u64,
}

pub(super) fn request(request: &EmbedRequest) -> Result<Encoded, ModelError> {
    let body = Body {
        model: &request.model,
        input: &request.inputs,
        dimensions: request.dimensions,
        encoding_format: "float",
    };
    let body = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded::new("/embeddings", Bytes::from(body)))
}

pub(super) fn reply(body: &[u8]) -> Result<Embedded, ModelError> {
    let mut list: List =
        serde_json::from_slice(body).map_err(|error| garbage(format!("the vectors: {error}")))?;
    if list.data.iter().all(|entry| entry.index.is_some()) {
        list.data.sort_by_key(|entry| entry.index);
    }
    let vectors = list.data.into_iter().map(|entry| numbers(entry.embedding)).collect::<Result<_, _>>()?;
    let usage = Usage { input: list.usage.unwrap_or_default().prompt_tokens, ..Usage::default() };
    Ok((vectors, usage))
}

fn numbers(vector: Vector) -> Result<Vec<f32>, ModelError> {
    let packed = match vector {
        Vector::Numbers(numbers) => return Ok(numbers),
        Vector::Packed(text) => STANDARD.decode(text).map_err(|_| garbage("a vector that is not base64"))?,
    };
    let (numbers, rest) = packed.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(garbage("a vector whose bytes are no 32-bit numbers"));
    }
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_send_a_vector() {
        let packed = STANDARD.encode([0.5_f32.to_le_bytes(), (-1.0_f32).to_le_bytes()].concat());
        let body = format!(
            r#"{{"data":[{{"index":1,"embedding":"{packed}"}},{{"index":0,"embedding":[1,0.25]}}],"usage":{{"prompt_tokens":7,"total_tokens":7}}}}"#
        );
        let (vectors, usage) = reply(body.as_bytes()).unwrap();
        assert_eq!(vectors, [vec![1.0, 0.25], vec![0.5, -1.0]]);
        assert_eq!(usage.input, 7);
        assert!(reply(br#"{"data":[{"embedding":"AAA="}]}"#).is_err());
        assert!(reply(b"[]").is_err());
    }
}
