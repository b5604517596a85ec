//! Token counts as OpenAI's two dialects write them: prompt tokens include cached ones, completions include reasoning.

use nunchi_core::{NanoUsd, Usage};
use serde_json::{Value, json};

/// `usage` of chat completions.
pub(crate) fn chat_usage(usage: &Usage) -> Value {
    let mut prompt = json!({"cached_tokens": usage.cache_read, "audio_tokens": 0});
    let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
    if written > 0 {
        prompt["cache_write_tokens"] = written.into();
    }
    json!({
        "prompt_tokens": usage.prompt_tokens(),
        "completion_tokens": usage.completion_tokens(),
        "total_tokens": usage.total_tokens(),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

/// `usage` of responses.
pub(crate) fn responses_usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens(),
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.completion_tokens(),
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_tokens(),
    })
}

/// Counts with what the answer cost, where whoever gave it says so: a field of ours, exact dollars as text.
pub(crate) fn with_cost(mut counts: Value, cost: Option<NanoUsd>) -> Value {
    if let Some(cost) = cost {
        counts["cost_usd"] = cost.to_string().into();
    }
    counts
}
