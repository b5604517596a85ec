//! The request of OpenAI's Responses API as written.

use crate::wire::{TextOr, WordOr, wire_object};
use nunchi_core::Json;

wire_object! {
    /// The body.
    Body {
        model: String,
        input: TextOr<Json>,
        instructions: String,
        tools: Vec<Json>,
        tool_choice: WordOr<Choice>,
        parallel_tool_calls: bool,
        text: Text,
        reasoning: Reasoning,
        max_output_tokens: u64,
        temperature: f64,
        top_p: f64,
        top_logprobs: u32,
        stream: bool,
        user: String,
        background: bool,
        previous_response_id: String,
        conversation: Json,
        prompt: Json,
    }
    /// An item of the conversation, of any type.
    Item {
        kind = "type": String,
        id: String,
        status: String,
        role: String,
        content: TextOr<Json>,
        call_id: String,
        name: String,
        arguments: String,
        output: TextOr<Json>,
        summary: Vec<Paragraph>,
        encrypted_content: String,
    }
    /// A paragraph of reasoning.
    Paragraph { kind = "type": String, text: String }
    /// A content part of any type.
    Piece {
        kind = "type": String,
        text: String,
        refusal: String,
        annotations: Json,
        logprobs: Json,
        image_url: String,
        detail: String,
        file_id: String,
        file_data: String,
        file_url: String,
        filename: String,
        input_audio: Audio,
    }
    /// A sound.
    Audio { data: String, format: String }
    /// A tool.
    Tool { kind = "type": String, name: String, description: String, parameters: Json, strict: bool }
    /// `tool_choice` as an object.
    Choice { kind = "type": String, name: String, mode: String, tools: Json }
    /// `text`.
    Text { format: Format }
    /// The shape of the answer.
    Format { kind = "type": String, name: String, description: String, schema: Json, strict: bool }
    /// `reasoning`.
    Reasoning { effort: String, summary: String, generate_summary: String }
}
