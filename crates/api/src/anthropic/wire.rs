//! The request of Anthropic's Messages API as written.

use crate::wire::{TextOr, wire_object};
use nunchi_core::Json;

wire_object! {
    /// The body.
    Body {
        model: String,
        messages: Vec<Turn>,
        system: TextOr<Json>,
        max_tokens: u64,
        metadata: Metadata,
        stop_sequences: Vec<String>,
        stream: bool,
        temperature: f64,
        top_k: u64,
        top_p: f64,
        tools: Vec<Json>,
        tool_choice: Choice,
        thinking: Thinking,
        output_config: OutputConfig,
        output_format: Format,
    }
    /// `metadata`.
    Metadata { user_id: String }
    /// A message.
    Turn { role: String, content: TextOr<Json> }
    /// A content block of any type.
    Block {
        kind = "type": String,
        text: String,
        source: Source,
        title: String,
        id: String,
        name: String,
        input: Json,
        tool_use_id: String,
        content: Json,
        is_error: bool,
        thinking: String,
        signature: String,
        data: String,
        cache_control: CacheControl,
    }
    /// Where the bytes of a picture or document are.
    Source {
        kind = "type": String,
        media_type: String,
        data: String,
        url: String,
        file_id: String,
        content: Json,
    }
    /// Where the prompt cache is to cut.
    CacheControl { kind = "type": String, ttl: String }
    /// A tool.
    Tool {
        kind = "type": String,
        name: String,
        description: String,
        input_schema: Json,
        strict: bool,
    }
    /// `tool_choice`.
    Choice { kind = "type": String, name: String, disable_parallel_tool_use: bool }
    /// `thinking`.
    Thinking { kind = "type": String, budget_tokens: u64 }
    /// `output_config`.
    OutputConfig { effort: String, format: Format }
    /// The shape of the answer.
    Format { kind = "type": String, schema: Json, name: String }
}
