//! What a response object repeats of its request, and the object itself.

use super::output::Item;
use super::wire::Body;
use crate::answer::Head;
use crate::openai::usage::responses_usage;
use crate::wire::Rest;
use nunchi_core::{Json, ReasoningEffort, ReasoningRequest, ResponseFormat, Usage};
use serde::Serialize;
use serde_json::{Value, json};

/// Fields that we do not act on but repeat as they came.
const REPEATED: [&str; 3] = ["max_tool_calls", "metadata", "truncation"];

/// What is repeated.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    instructions: Option<String>,
    previous_response_id: Option<String>,
    max_output_tokens: Option<u64>,
    parallel_tool_calls: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_logprobs: Option<u32>,
    user: Option<String>,
    repeated: Rest,
    pub(super) format: Option<ResponseFormat>,
    pub(super) reasoning: Option<ReasoningRequest>,
    pub(super) tool_choice: Option<Json>,
    pub(super) tools: Vec<Json>,
}

impl Echo {
    /// Keeps the plain fields.
    pub(super) fn of_body(&mut self, body: &Body) {
        self.instructions.clone_from(&body.instructions);
        self.previous_response_id.clone_from(&body.previous_response_id);
        self.max_output_tokens = body.max_output_tokens;
        self.parallel_tool_calls = body.parallel_tool_calls;
        self.temperature = body.temperature;
        self.top_p = body.top_p;
        self.top_logprobs = body.top_logprobs;
        self.user.clone_from(&body.user);
    }

    /// Keeps what we do not act on.
    pub(super) fn of_rest(&mut self, rest: &Rest) {
        self.repeated = rest.iter().filter(|(name, _)| REPEATED.contains(&name.as_str())).cloned().collect();
    }

    fn repeated(&self, name: &str, usual: Value) -> Value {
        let found = self.repeated.iter().find(|(field, _)| field == name);
        found.and_then(|(_, value)| serde_json::from_str(value.get()).ok()).unwrap_or(usual)
    }

    fn text(&self) -> Value {
        let format = match &self.format {
            None | Some(ResponseFormat::Text) => json!({"type": "text"}),
            Some(ResponseFormat::JsonObject) => json!({"type": "json_object"}),
            Some(ResponseFormat::JsonSchema(schema)) => json!({
                "type": "json_schema", "name": schema.name, "description": schema.description,
                "schema": schema.schema, "strict": schema.strict,
            }),
        };
        json!({"format": format})
    }

    fn reasoning(&self) -> Value {
        let wish = self.reasoning.as_ref();
        let effort = wish.and_then(|wish| wish.effort).map(|effort| match effort {
            ReasoningEffort::None => "none",
            ReasoningEffort::Minimal => "minimal",
            ReasoningEffort::Low => "low",
            ReasoningEffort::Medium => "medium",
            ReasoningEffort::High => "high",
            ReasoningEffort::Xhigh => "xhigh",
        });
        json!({"effort": effort, "summary": wish.and_then(|wish| wish.summary.as_deref())})
    }
}

/// The response object.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    id: String,
    object: &'static str,
    created_at: i64,
    pub(super) status: &'static str,
    background: bool,
    pub(super) error: Option<Value>,
    pub(super) incomplete_details: Option<Value>,
    instructions: Option<&'a str>,
    max_output_tokens: Option<u64>,
    max_tool_calls: Value,
    model: &'a str,
    pub(super) output: &'a [Item],
    parallel_tool_calls: bool,
    previous_response_id: Option<&'a str>,
    reasoning: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'static str>,
    store: Value,
    temperature: Option<f64>,
    text: Value,
    tool_choice: Value,
    tools: &'a [Json],
    top_logprobs: u32,
    top_p: Option<f64>,
    truncation: Value,
    pub(super) usage: Option<Value>,
    user: Option<&'a str>,
    metadata: Value,
}

impl<'a> Response<'a> {
    /// A response in a state, with the output so far.
    pub(super) fn new(
        head: &'a Head,
        echo: &'a Echo,
        upstream_model: &'a str,
        output: &'a [Item],
        usage: Option<&Usage>,
    ) -> Self {
        let choice = echo.tool_choice.as_ref().and_then(|choice| serde_json::from_str(choice.get()).ok());
        Self {
            id: format!("resp_{}", head.request),
            object: "response",
            created_at: head.created,
            status: "in_progress",
            background: false,
            error: None,
            incomplete_details: None,
            instructions: echo.instructions.as_deref(),
            max_output_tokens: echo.max_output_tokens,
            max_tool_calls: echo.repeated("max_tool_calls", Value::Null),
            model: if head.model.is_empty() { upstream_model } else { &head.model },
            output,
            parallel_tool_calls: echo.parallel_tool_calls.unwrap_or(true),
            previous_response_id: echo.previous_response_id.as_deref(),
            reasoning: echo.reasoning(),
            service_tier: None,
            // Nothing is stored, whatever was asked for.
            store: false.into(),
            temperature: echo.temperature,
            text: echo.text(),
            tool_choice: choice.unwrap_or_else(|| "auto".into()),
            tools: &echo.tools,
            top_logprobs: echo.top_logprobs.unwrap_or(0),
            top_p: echo.top_p,
            truncation: echo.repeated("truncation", "disabled".into()),
            usage: usage.map(responses_usage),
            user: echo.user.as_deref(),
            metadata: echo.repeated("metadata", json!({})),
        }
    }
}
