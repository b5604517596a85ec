//! `/openapi.json`: what the HTTP surface offers, in OpenAPI 3.1.
//!
//! Bodies of the three dialects are described as far as Nunchi acts on them; they are open to further fields.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// An address: method, path, tag, summary, request schema, response schema, whether it may stream, whether a key is asked.
struct Route {
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    request: Option<&'static str>,
    response: Option<&'static str>,
    streams: bool,
    open: bool,
}

const fn call(
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    schemas: (&'static str, &'static str),
) -> Route {
    Route {
        method: "post",
        path,
        tag,
        summary,
        request: Some(schemas.0),
        response: Some(schemas.1),
        streams: true,
        open: false,
    }
}

const fn look(
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    response: Option<&'static str>,
) -> Route {
    Route { method: "get", path, tag, summary, request: None, response, streams: false, open: false }
}

/// The routes of the dialects and of health; the administration adds its own.
const ROUTES: [Route; 11] = [
    call(
        "/v1/chat/completions",
        "openai",
        "Answer a conversation (OpenAI chat completions)",
        ("ChatRequest", "ChatCompletion"),
    ),
    call(
        "/v1/responses",
        "openai",
        "Answer a conversation (OpenAI responses)",
        ("ResponsesRequest", "Response"),
    ),
    Route {
        streams: false,
        ..call("/v1/embeddings", "openai", "Turn texts into vectors", ("EmbeddingsRequest", "Embeddings"))
    },
    look("/v1/models", "openai", "List the models that the key may call", Some("Models")),
    look("/v1/models/{id}", "openai", "Show one model; the id may hold slashes", Some("Model")),
    call(
        "/v1/messages",
        "anthropic",
        "Answer a conversation (Anthropic messages)",
        ("MessagesRequest", "Message"),
    ),
    Route {
        streams: false,
        ..call(
            "/v1/messages/count_tokens",
            "anthropic",
            "Count the tokens of a prompt",
            ("MessagesRequest", "TokenCount"),
        )
    },
    Route { open: true, ..look("/healthz", "health", "Whether the process lives", None) },
    Route {
        open: true,
        ..look("/readyz", "health", "Whether requests should come here, and what says no", Some("Readiness"))
    },
    Route { open: true, ..look("/metrics", "health", "Metrics in the Prometheus text format", None) },
    Route { open: true, ..look("/openapi.json", "health", "This description", None) },
];

/// Files, batches and jobs: method, address, summary. A key sees its own only.
const BATCHES: [(&str, &str, &str); 11] = [
    ("post", "/v1/files", "Upload a file for batches (multipart)"),
    ("get", "/v1/files", "List the key's files"),
    ("get", "/v1/files/{id}", "Show a file"),
    ("delete", "/v1/files/{id}", "Remove a file; the answers of a batch go with the batch"),
    ("get", "/v1/files/{id}/content", "Read a file, or the answers or errors of a batch"),
    ("post", "/v1/batches", "Hand in a file whose lines are requests, to be answered within a day"),
    ("get", "/v1/batches", "List the key's batches"),
    ("get", "/v1/batches/{id}", "Show how a batch gets on"),
    ("post", "/v1/batches/{id}/cancel", "End a batch; what is answered stays answered"),
    ("get", "/api/jobs/{id}", "Show a call made with `Prefer: respond-async`, and its answer"),
    ("delete", "/api/jobs/{id}", "End such a call, if its answer was not begun"),
];

/// The administration: method, address, summary. Keys with the admin role only.
const ADMIN: [(&str, &str, &str); 42] = [
    ("get", "/api/overview", "What is going on: spend, calls, health"),
    ("get", "/api/models", "Models and how they are doing"),
    ("get", "/api/calls", "Ledger rows, the newest first"),
    ("post", "/api/feedback", "Say whether an answer was good; any key, on its own requests"),
    ("post", "/api/route/eval", "Measure the router on labelled texts, or on feedback"),
    ("post", "/api/compress/explain", "What of a recorded request would be sent shorter, and why not"),
    ("post", "/api/route/explain", "How a text would be routed, and why"),
    ("post", "/api/route/train", "Fit the router to feedback; a worse model is refused"),
    ("delete", "/api/route/train", "Go back to the router that ships"),
    ("get", "/api/savings", "What was saved, by cause"),
    ("get", "/api/stats", "Sums by provider, model, session, phase, task, key, tier, day"),
    ("get", "/api/notices", "Budget thresholds that were reached"),
    ("get", "/api/budgets", "Budgets and where they stand"),
    ("put", "/api/budgets", "Add or change a budget"),
    ("delete", "/api/budgets/{id}", "Remove a budget"),
    ("get", "/api/cache", "Stored answers"),
    ("delete", "/api/cache", "Remove stored answers"),
    ("post", "/api/cache/calibrate", "Measure from which score on answers may be shared; perhaps apply it"),
    ("delete", "/api/cache/calibrate", "Go back to the shipped scores"),
    ("get", "/api/cache/doctor", "How sessions get on with the providers' prompt caches"),
    ("post", "/api/cache/explain", "Why two questions do or do not share an answer"),
    ("get", "/api/cache/stats", "Figures of the answer cache"),
    ("get", "/api/cache/{key}", "Show one stored answer"),
    ("delete", "/api/cache/{key}", "Remove one stored answer"),
    ("get", "/api/memory", "What is remembered, learned last first"),
    ("post", "/api/memory", "Remember a fact as the owner's word"),
    ("get", "/api/memory/export", "Everything that is remembered, one JSON object a line"),
    ("get", "/api/memory/search", "What fits a question best"),
    ("get", "/api/memory/stats", "How much is remembered"),
    ("get", "/api/memory/{id}", "Show one fact"),
    ("put", "/api/memory/{id}", "Put other words in place of a fact's"),
    ("delete", "/api/memory/{id}", "Take a fact out; with ?erase=true for good"),
    ("post", "/api/memory/{id}/veto", "Take a fact out and never learn it again"),
    ("post", "/api/memory/{id}/restore", "Bring a fact back"),
    ("get", "/api/skills", "Skills: catalog line, tokens, group, problems"),
    ("get", "/api/skills/{name}", "Show one skill"),
    ("get", "/api/prices", "Prices in force"),
    ("put", "/api/prices", "Set a price"),
    ("get", "/api/keys", "Virtual keys, without their secrets"),
    ("post", "/api/keys", "Make a virtual key; its secret is shown once"),
    ("delete", "/api/keys/{id}", "Revoke a virtual key"),
    ("post", "/api/keys/{id}/rotate", "Give a virtual key a new secret"),
];

/// Runs of agents: method, address, summary. A key sees its own runs only, one with the admin role all.
const AGENTS: [(&str, &str, &str); 21] = [
    ("get", "/api/runs", "Runs, the newest first, by status, mode, session, owner, origin, time, text"),
    ("post", "/api/runs", "Have an agent do something; `wait` answers once it has ended or waits for people"),
    ("get", "/api/runs/metrics", "Mean steps, use of tools, failures by kind of work, tokens by day"),
    ("get", "/api/runs/{id}", "A run with its steps, plan, open questions and sub-agents"),
    ("get", "/api/runs/{id}/events", "A run as it happens (server-sent events); first what it did so far"),
    ("get", "/api/runs/{id}/ws", "The same over a WebSocket"),
    ("post", "/api/runs/{id}/cancel", "Stop a run and its sub-agents"),
    ("post", "/api/runs/{id}/resume", "Take up a run that stopped as it was"),
    ("get", "/api/runs/{id}/scores", "What was made of a run, the newest judgement first"),
    ("post", "/api/eval", "Judge a run, or a question with its answer: scores from 0 to 1 with reasons"),
    ("post", "/api/runs/{id}/undo", "Take back what a run or one of its steps did; `dry_run` only tells"),
    ("get", "/api/approvals", "What runs ask people"),
    ("post", "/api/approvals", "One answer to many questions"),
    ("get", "/api/approvals/{id}", "One question"),
    ("post", "/api/approvals/{id}", "Approve, deny or reply; perhaps grant a rule for good"),
    ("get", "/api/permissions", "The rules about tools in force, and who granted them; admin"),
    ("post", "/api/permissions", "Add a rule; admin"),
    ("delete", "/api/permissions/{id}", "Take a granted rule back; admin"),
    ("post", "/api/permissions/explain", "Which rule would decide a call, and how; admin"),
    ("get", "/api/sessions", "Conversations with their runs"),
    ("get", "/api/sessions/{id}", "What was said in a conversation"),
];

/// The headers that a call understands.
const HEADERS: [(&str, &str); 13] = [
    ("x-nunchi-session", "The conversation the call belongs to."),
    ("x-nunchi-phase", "What the call is for: plan, act, verify, or a pipeline's phase."),
    ("x-nunchi-task", "The piece of work it belongs to."),
    ("x-nunchi-tag", "Labels, separated by commas; the header may be repeated."),
    ("x-nunchi-agent", "The kind of agent that asks; part of the cache key."),
    ("x-nunchi-context", "Digest of context outside the prompt; part of the cache key."),
    ("x-nunchi-cache", "default, no-store, no-cache or only-if-cached."),
    ("x-nunchi-tools", "default, auto (send only the tools the question needs) or all."),
    (
        "x-nunchi-compress",
        "default, off, results, history or auto: what of the conversation may be sent shorter.",
    ),
    ("x-nunchi-cache-ttl", "How long a stored answer may live, in seconds."),
    ("x-nunchi-deadline", "The answer is not needed before this time (RFC 3339)."),
    ("prefer", "respond-async: answer 202 with a job at once; its answer is fetched later."),
    ("x-request-id", "The caller's own id; returned as it came."),
];

/// Answers the description.
pub(crate) async fn openapi() -> Response {
    Json(document()).into_response()
}

/// The whole document.
pub(crate) fn document() -> Value {
    let mut paths = Map::new();
    for route in &ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation(route);
    }
    for (method, path, summary) in ADMIN {
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        let has_body = matches!(method, "put" | "post")
            && !["/restore", "/rotate", "/veto"].iter().any(|end| path.ends_with(end));
        entry[method] = plain("admin", (path, summary), has_body);
    }
    for (method, path, summary) in AGENTS {
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        let bare = path.ends_with("/cancel") || path.ends_with("/resume");
        entry[method] = plain("agents", (path, summary), method == "post" && !bare);
    }
    for (method, path, summary) in BATCHES {
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        entry[method] = plain("batches", (path, summary), method == "post" && !path.ends_with("/cancel"));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Nunchi", "version": env!("CARGO_PKG_VERSION"),
            "description": "An LLM gateway that speaks OpenAI's and Anthropic's dialects.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": schemas(),
        },
        "security": [{"bearer": []}, {"apiKey": []}],
    })
}

/// An address whose bodies are not described further.
fn plain(tag: &str, (path, summary): (&str, &str), has_body: bool) -> Value {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let open = json!({"application/json": {"schema": {}}});
    let failed = json!({"description": "A failure", "content": {"application/json": {"schema": reference("OpenAiError")}}});
    let mut operation = json!({
        "tags": [tag], "summary": summary, "parameters": parameters,
        "responses": {"200": {"description": "Done", "content": open}, "default": failed},
    });
    if has_body {
        operation["requestBody"] = json!({"required": true, "content": open});
    }
    operation
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    if route.path.ends_with("{id}") {
        parameters.push(json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}));
    }
    if route.request.is_some() {
        parameters.extend(HEADERS.iter().map(|(name, what)| {
            json!({"name": name, "in": "header", "required": false, "description": what, "schema": {"type": "string"}})
        }));
    }
    let mut content = Map::new();
    if let Some(schema) = route.response {
        content.insert("application/json".into(), json!({"schema": reference(schema)}));
    }
    if route.streams {
        content.insert("text/event-stream".into(), json!({"schema": {"type": "string"}}));
    }
    let error = if route.tag == "anthropic" { "AnthropicError" } else { "OpenAiError" };
    let failed =
        json!({"description": "A failure", "content": {"application/json": {"schema": reference(error)}}});
    let mut operation = json!({
        "tags": [route.tag], "summary": route.summary, "parameters": parameters,
        "responses": {"200": {"description": "Done", "content": content}, "default": failed},
    });
    if let Some(schema) = route.request {
        let content = json!({"application/json": {"schema": reference(schema)}});
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    if route.open {
        operation["security"] = json!([]);
    }
    operation
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// An open object with some of its fields.
fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": true})
}

fn schemas() -> Value {
    let text = || json!({"type": "string"});
    let count = || json!({"type": "integer", "minimum": 0});
    let number = || json!({"type": "number"});
    let flag = || json!({"type": "boolean"});
    let list = || json!({"type": "array", "items": {"type": "object"}});
    let text_or_list = || json!({"oneOf": [{"type": "string"}, {"type": "array"}]});
    let error = object(
        &["message", "type"],
        json!({
            "message": text(), "type": text(), "param": {"type": ["string", "null"]}, "code": text(), "hint": text(),
            "upstream": {"type": "object"},
        }),
    );
    json!({
        "ChatRequest": object(&["model", "messages"], json!({
            "model": text(), "messages": list(), "tools": list(), "tool_choice": {}, "response_format": {"type": "object"},
            "stream": flag(), "stream_options": {"type": "object"}, "max_completion_tokens": count(), "max_tokens": count(),
            "temperature": number(), "top_p": number(), "n": count(), "stop": text_or_list(), "seed": {"type": "integer"},
            "presence_penalty": number(), "frequency_penalty": number(), "logprobs": flag(), "top_logprobs": count(),
            "reasoning_effort": text(), "parallel_tool_calls": flag(), "user": text(),
        })),
        "ChatCompletion": object(&["id", "object", "choices"], json!({
            "id": text(), "object": {"const": "chat.completion"}, "created": count(), "model": text(), "choices": list(),
            "usage": {"type": "object"}, "citations": {"type": "array", "items": {"type": "string"}},
        })),
        "ResponsesRequest": object(&["model"], json!({
            "model": text(), "input": text_or_list(), "instructions": text(), "tools": list(), "tool_choice": {},
            "text": {"type": "object"}, "reasoning": {"type": "object"}, "max_output_tokens": count(),
            "temperature": number(), "top_p": number(), "stream": flag(), "parallel_tool_calls": flag(), "user": text(),
        })),
        "Response": object(&["id", "object", "status", "output"], json!({
            "id": text(), "object": {"const": "response"}, "status": text(), "model": text(), "output": list(),
            "usage": {"type": "object"},
        })),
        "MessagesRequest": object(&["model", "messages"], json!({
            "model": text(), "messages": list(), "system": text_or_list(), "max_tokens": count(), "tools": list(),
            "tool_choice": {"type": "object"}, "thinking": {"type": "object"}, "stop_sequences": list(), "stream": flag(),
            "temperature": number(), "top_k": count(), "top_p": number(), "metadata": {"type": "object"},
        })),
        "Message": object(&["id", "type", "role", "content"], json!({
            "id": text(), "type": {"const": "message"}, "role": {"const": "assistant"}, "model": text(), "content": list(),
            "stop_reason": {"type": ["string", "null"]}, "usage": {"type": "object"},
        })),
        "TokenCount": object(&["input_tokens"], json!({"input_tokens": count()})),
        "EmbeddingsRequest": object(&["model", "input"], json!({
            "model": text(), "input": text_or_list(), "encoding_format": {"enum": ["float", "base64"]}, "dimensions": count(),
        })),
        "Embeddings": object(&["object", "data"], json!({"object": {"const": "list"}, "data": list(), "model": text()})),
        "Models": object(&["data"], json!({"object": {"const": "list"}, "data": list()})),
        "Model": object(&["id"], json!({"id": text(), "object": {"const": "model"}, "owned_by": text()})),
        "Readiness": object(&["status", "checks"], json!({"status": text(), "checks": list()})),
        "OpenAiError": object(&["error"], json!({"error": error.clone()})),
        "AnthropicError": object(&["type", "error"], json!({
            "type": {"const": "error"}, "error": error, "request_id": text(),
        })),
    })
}

/// The description of all routes as JSON text, for the reference pages.
pub fn openapi_document() -> String {
    serde_json::to_string_pretty(&document()).unwrap_or_default()
}
