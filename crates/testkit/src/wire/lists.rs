//! Lists of models, and Ollama's version.

use super::CREATED;
use crate::dialect::Dialect;
use serde_json::{Value, json};

/// The list of models in the dialect's shape.
pub(super) fn models(dialect: Dialect, models: &[String]) -> Value {
    let each = |shape: &dyn Fn(&String) -> Value| models.iter().map(shape).collect::<Value>();
    match dialect {
        Dialect::OpenAi | Dialect::Perplexity => {
            let data = each(
                &|id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": dialect.name()}),
            );
            json!({"object": "list", "data": data})
        }
        Dialect::Anthropic => json!({
            "data": each(&|id| {
                json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"})
            }),
            "has_more": false, "first_id": models.first(), "last_id": models.last(),
        }),
        Dialect::Gemini => json!({"models": each(&|id| gemini(id))}),
        Dialect::Ollama => json!({"models": each(&|id| ollama(id))}),
    }
}

fn gemini(id: &str) -> Value {
    let methods: &[&str] =
        if id.contains("embedding") { &["embedContent"] } else { &["generateContent", "countTokens"] };
    json!({
        "name": format!("models/{id}"), "version": "001", "displayName": id,
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536, "supportedGenerationMethods": methods,
    })
}

fn ollama(id: &str) -> Value {
    json!({
        "name": id, "model": id, "modified_at": "2026-01-01T00:00:00Z", "size": 2_019_393_189_u64,
        "digest": "0".repeat(64),
        "details": {
            "parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
            "parameter_size": "3.2B", "quantization_level": "Q4_K_M",
        },
    })
}

/// Ollama's version.
pub(super) fn version() -> Value {
    json!({"version": "0.13.0"})
}
