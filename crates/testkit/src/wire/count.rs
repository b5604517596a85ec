//! Token counts of a prompt: the prompt tokens of the turn's usage.

use crate::dialect::Dialect;
use crate::turn::Turn;
use serde_json::{Value, json};

/// The answer of a token counter.
pub(super) fn body(dialect: Dialect, turn: &Turn) -> Value {
    let total = turn.usage.tokens().unwrap_or_default().prompt();
    match dialect {
        Dialect::Gemini => json!({
            "totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}],
        }),
        _ => json!({"input_tokens": total}),
    }
}
