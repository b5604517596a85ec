//! The request of chat completions as written.

use crate::wire::{TextOr, WordOr, wire_object};
use nunchi_core::Json;

wire_object! {
    /// The body.
    Body {
        model: String,
        messages: Vec<Turn>,
        tools: Vec<Json>,
        tool_choice: WordOr<Choice>,
        parallel_tool_calls: bool,
        response_format: Format,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        seed: i64,
        presence_penalty: f64,
        frequency_penalty: f64,
        stop: TextOr<String>,
        logprobs: bool,
        top_logprobs: u32,
        max_tokens: u64,
        max_completion_tokens: u64,
        reasoning_effort: String,
        n: u32,
        stream: bool,
        stream_options: StreamOptions,
        user: String,
    }
    /// `stream_options`.
    StreamOptions { include_usage: bool }
    /// A message.
    Turn {
        role: String,
        content: TextOr<Json>,
        name: String,
        refusal: String,
        tool_calls: Vec<Call>,
        tool_call_id: String,
        function_call: Named,
        reasoning_content: String,
        reasoning: String,
        thinking_blocks: Vec<Thought>,
    }
    /// A part of a message's content.
    Piece {
        kind = "type": String,
        text: String,
        refusal: String,
        image_url: WordOr<ImageUrl>,
        input_audio: Audio,
        file: File,
        cache_control: CacheControl,
    }
    /// A picture.
    ImageUrl { url: String, detail: String }
    /// A sound.
    Audio { data: String, format: String }
    /// A document.
    File { file_id: String, file_data: String, filename: String }
    /// Where the provider's prompt cache is to cut; OpenAI-compatible gateways take it from Anthropic.
    CacheControl { kind = "type": String, ttl: String }
    /// A tool call of an earlier answer.
    Call { id: String, kind = "type": String, function: Named, extra_content: Extra }
    /// A function by name, with the arguments it was called with.
    Named { name: String, arguments: String }
    /// What Google's OpenAI-compatible API adds to tool calls.
    Extra { google: GoogleExtra }
    /// Google's part of it.
    GoogleExtra { thought_signature: String }
    /// A reasoning block with its proof, as LiteLLM and others carry it.
    Thought { kind = "type": String, thinking: String, signature: String, data: String }
    /// A tool.
    Tool { kind = "type": String, function: Function, custom: Named, cache_control: CacheControl }
    /// A tool's function.
    Function { name: String, description: String, parameters: Json, strict: bool }
    /// `tool_choice` as an object.
    Choice { kind = "type": String, function: Named, custom: Named, allowed_tools: Allowed }
    /// A choice among some of the tools.
    Allowed { mode: String, tools: Json }
    /// `response_format`.
    Format { kind = "type": String, json_schema: Schema }
    /// A schema for the answer.
    Schema { name: String, description: String, schema: Json, strict: bool }
}
