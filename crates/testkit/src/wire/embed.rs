//! Embeddings: a unit vector that depends on nothing but the text.

use super::Ask;
use crate::dialect::Dialect;
use crate::turn::Turn;
use base64::Engine;
use serde_json::{Value, json};

/// Length of a vector when the request does not say.
const DIMENSIONS: usize = 8;

/// The unit vector that the scripted servers give to a text.
pub fn embedding(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a as a seed and a 64-bit mixer behind it: equal texts, equal vectors, on every machine.
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let high = u16::try_from(mixed >> 48).unwrap_or(u16::MAX);
        f32::from(high) / 32_768.0 - 1.0
    };
    let raw: Vec<f32> = (0..dimensions).map(|_| next()).collect();
    let length = raw.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    raw.into_iter().map(|value| value / length).collect()
}

/// The answer of an embedding endpoint; without a request it answers one text, `scripted`.
pub(super) fn body(dialect: Dialect, ask: &Ask, turn: &Turn) -> Value {
    let vectors = |dimensions: usize| -> Vec<Vec<f32>> {
        inputs(dialect, &ask.body).iter().map(|text| embedding(text, dimensions)).collect()
    };
    let tokens = turn.usage.tokens().unwrap_or_default().prompt();
    match dialect {
        Dialect::Gemini => {
            let first = ask.body["requests"].get(0).unwrap_or(&ask.body);
            let values = vectors(size(&first["outputDimensionality"]));
            let list: Vec<Value> = values.iter().map(|vector| json!({"values": vector})).collect();
            if ask.body["requests"].is_array() {
                json!({"embeddings": list})
            } else {
                json!({"embedding": list[0]})
            }
        }
        Dialect::Ollama => json!({
            "model": ask.model_of(turn), "embeddings": vectors(size(&ask.body["dimensions"])),
            "total_duration": 14_143_917, "load_duration": 1_019_500, "prompt_eval_count": tokens,
        }),
        _ => {
            let base64 = ask.body["encoding_format"] == "base64";
            let list =
                vectors(size(&ask.body["dimensions"])).into_iter().enumerate().map(|(index, vector)| {
                    let value = if base64 { Value::from(packed(&vector)) } else { json!(vector) };
                    json!({"object": "embedding", "index": index, "embedding": value})
                });
            json!({
                "object": "list", "data": list.collect::<Value>(), "model": ask.model_of(turn),
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            })
        }
    }
}

/// The wanted length; the scripted one when nothing sensible is asked.
fn size(value: &Value) -> usize {
    value
        .as_u64()
        .and_then(|wanted| usize::try_from(wanted).ok())
        .filter(|wanted| (1..=4096).contains(wanted))
        .unwrap_or(DIMENSIONS)
}

fn packed(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The texts of the request.
fn inputs(dialect: Dialect, body: &Value) -> Vec<String> {
    let gemini = |request: &Value| {
        let parts = request["content"]["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>()
    };
    match (dialect, &body["input"]) {
        (Dialect::Gemini, _) => match body["requests"].as_array() {
            Some(requests) => requests.iter().map(gemini).collect(),
            None => vec![gemini(body)],
        },
        (_, Value::String(text)) => vec![text.clone()],
        // A list of token ids is one text; a list of texts (or of lists of ids) is many.
        (_, Value::Array(list)) if list.first().is_some_and(Value::is_number) => {
            vec![body["input"].to_string()]
        }
        (_, Value::Array(list)) => {
            list.iter().map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned)).collect()
        }
        _ => vec!["scripted".into()],
    }
}
