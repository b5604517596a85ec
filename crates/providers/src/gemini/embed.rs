//! Embeddings: all texts in one call.

use super::models::resource;
use super::usage::WireUsage;
use crate::codec::{Embedded, Encoded};
use crate::shared::{garbage, read_object};
use nunchi_core::{EmbedRequest, ModelError};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Body<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Text<'a>; 1],
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    embeddings: Vec<Vector>,
    usage_metadata: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Vector {
    values: Vec<f32>,
}

pub(super) fn request(request: &EmbedRequest) -> Result<Encoded, ModelError> {
    let model = resource(&request.model)?;
    let one = |text| One {
        model: &model,
        content: Content { parts: [Text { text }] },
        output_dimensionality: request.dimensions,
    };
    let body = Body { requests: request.inputs.iter().map(|text| one(text)).collect() };
    let body = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded::new(format!("/v1beta/{model}:batchEmbedContents"), body))
}

pub(super) fn reply(body: &[u8]) -> Result<Embedded, ModelError> {
    let reply: Reply = read_object(body, "the vectors")?;
    let vectors = reply.embeddings.into_iter().map(|vector| unit(vector.values)).collect();
    Ok((vectors, reply.usage_metadata.unwrap_or_default().usage(0)))
}

/// A vector of length one: Gemini gives shortened ones as they were cut.
fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length.is_normal() && (length - 1.0).abs() > 1e-4 {
        values.iter_mut().for_each(|value| *value /= length);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_testkit::{Dialect, Endpoint, Turn, wire};
    use serde_json::{Value, json};

    #[test]
    fn asked_for() {
        for (model, dimensions, extra) in [
            ("gemini-embedding-001", None, json!({})),
            ("models/gemini-embedding-001", Some(768), json!({"outputDimensionality": 768})),
        ] {
            let ask =
                EmbedRequest { model: model.into(), inputs: vec!["a".into(), "나".into()], dimensions };
            let encoded = request(&ask).unwrap();
            assert_eq!(encoded.path, "/v1beta/models/gemini-embedding-001:batchEmbedContents");
            let one = |text: &str| {
                let mut one =
                    json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}});
                one.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
                one
            };
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            assert_eq!(body, json!({"requests": [one("a"), one("나")]}));
        }
    }

    #[test]
    fn given() {
        let single = wire(Dialect::Gemini, Endpoint::Embeddings, &Turn::empty(), false).concat();
        assert!(reply(&single).is_err(), "one vector is not a batch");
        let text = br#"{"embeddings":[{"values":[3,-4]},{"values":[0,0]},{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}"#;
        let (vectors, usage) = reply(text).unwrap();
        assert_eq!((vectors, usage.input), (vec![vec![0.6, -0.8], vec![0.0, 0.0], vec![1.0]], 7));
        for bad in ["[]", "{}", r#"{"embeddings":[{"values":[null]}]}"#, r#"{"embeddings":[{}]}"#] {
            assert!(reply(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
