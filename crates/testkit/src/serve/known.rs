//! The top-level fields that each provider knows; it refuses others by name.

use crate::dialect::{Dialect, Endpoint};
use serde_json::Value;

const OPENAI_CHAT: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

const OPENAI_RESPONSES: &[&str] = &[
    "access_programs",
    "background",
    "context_management",
    "conversation",
    "image",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

const OPENAI_EMBEDDINGS: &[&str] = &["dimensions", "encoding_format", "input", "model", "user"];

const ANTHROPIC: &[&str] = &[
    "billing_policy",
    "cache_control",
    "compaction",
    "container",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "thread",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "user_profile_id",
    "workspace_id",
];

/// The counter takes a prompt, and nothing about generation.
const ANTHROPIC_COUNT: &[&str] = &[
    "cache_control",
    "context_management",
    "mcp_servers",
    "messages",
    "model",
    "output_config",
    "output_format",
    "speed",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    "user_profile_id",
    "workspace_id",
];

/// Gemini takes both spellings of a field.
const GEMINI: &[&str] = &[
    "cachedContent",
    "cached_content",
    "contents",
    "generationConfig",
    "generation_config",
    "model",
    "safetySettings",
    "safety_settings",
    "serviceTier",
    "store",
    "systemInstruction",
    "system_instruction",
    "toolConfig",
    "tool_config",
    "tools",
];

/// The provider's words for the first field it does not know. Ollama and Perplexity ignore such fields.
pub(super) fn unknown_field(dialect: Dialect, endpoint: Endpoint, body: &Value) -> Option<String> {
    let known = match (dialect, endpoint) {
        (Dialect::OpenAi, Endpoint::Chat) => OPENAI_CHAT,
        (Dialect::OpenAi, Endpoint::Responses) => OPENAI_RESPONSES,
        (Dialect::OpenAi, Endpoint::Embeddings) => OPENAI_EMBEDDINGS,
        (Dialect::Anthropic, Endpoint::CountTokens) => ANTHROPIC_COUNT,
        (Dialect::Anthropic, _) => ANTHROPIC,
        (Dialect::Gemini, Endpoint::Chat) => GEMINI,
        _ => return None,
    };
    let field = body.as_object()?.keys().find(|field| !known.contains(&field.as_str()))?;
    Some(match dialect {
        Dialect::Anthropic => format!("{field}: Extra inputs are not permitted"),
        Dialect::Gemini => {
            format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field.")
        }
        _ => format!("Unrecognized request argument supplied: {field}"),
    })
}
