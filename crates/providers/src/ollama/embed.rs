//! Embeddings.

use crate::codec::{Embedded, Encoded};
use crate::openai::lenient_count;
use crate::shared::{garbage, read_object};
use bytes::Bytes;
use nunchi_core::{EmbedRequest, ModelError, Usage};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    /// Off: a text that is too long is refused. By default Ollama cuts it and the vector stands for its beginning only.
    truncate: bool,
}

#[derive(Deserialize)]
struct Reply {
    embeddings: Vec<Vec<f32>>,
    #[serde(default, deserialize_with = "lenient_count")]
    prompt_eval_count: u64,
}

pub(super) fn request(request: &EmbedRequest) -> Result<Encoded, ModelError> {
    let body = Body {
        model: &request.model,
        input: &request.inputs,
        dimensions: request.dimensions,
        truncate: false,
    };
    let body = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded::new("/api/embed", Bytes::from(body)))
}

pub(super) fn reply(body: &[u8]) -> Result<Embedded, ModelError> {
    let reply: Reply = read_object(body, "the vectors")?;
    Ok((reply.embeddings, Usage { input: reply.prompt_eval_count, ..Usage::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_testkit::{Dialect, Endpoint, Turn, UsageShape, wire};

    #[test]
    fn asked_for() {
        let ask = |dimensions| {
            let ask = EmbedRequest { model: "m".into(), inputs: vec!["a".into(), "나".into()], dimensions };
            let encoded = request(&ask).unwrap();
            (encoded.path, String::from_utf8(encoded.body.to_vec()).unwrap())
        };
        let path = || "/api/embed".to_owned();
        assert_eq!(ask(None), (path(), r#"{"model":"m","input":["a","나"],"truncate":false}"#.into()));
        let short = r#"{"model":"m","input":["a","나"],"dimensions":64,"truncate":false}"#;
        assert_eq!(ask(Some(64)), (path(), short.into()));
    }

    #[test]
    fn given() {
        let turn = Turn::empty().usage(UsageShape::Plain { input: 7, output: 0 });
        let body = wire(Dialect::Ollama, Endpoint::Embeddings, &turn, false).concat();
        let (vectors, usage) = reply(&body).unwrap();
        let length: f32 = vectors[0].iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
        assert_eq!(usage, Usage { input: 7, ..Usage::default() });
        let (vectors, usage) = reply(br#"{"embeddings":[[0.5,-1],[1,0.25]]}"#).unwrap();
        assert_eq!((vectors, usage.input), (vec![vec![0.5, -1.0], vec![1.0, 0.25]], 0));
        for bad in ["[]", "{}", r#"{"embeddings":[[null]]}"#, r#"{"error":"x"}"#] {
            assert!(reply(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
