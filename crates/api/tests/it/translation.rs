//! Requests of every dialect in our words: whole requests as snapshots.

use crate::support::{World, hello};
use nunchi_core::{Dialect, MediaSource, ModelRequest, Part, Role, in_tool_loop};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

/// The request as the model saw it; its origin is checked and left out of what is shown.
async fn translated(path: &str, body: &Value) -> ModelRequest {
    let world = World::frames(hello());
    let sent = body.to_string();
    let got = world.post(path, sent.clone()).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let (mut request, _) = world.asked();
    let origin = request.origin.take().expect("the body is kept");
    assert_eq!(origin.body, sent.as_bytes());
    request
}

#[tokio::test]
async fn a_rich_chat_request() {
    let body = json!({
        "model": "auto:complex",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]},
            {"role": "developer", "content": "Answer in Korean.", "name": "dev"},
            {"role": "user", "name": "kim", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://a.example/x.png", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0=", "detail": "original"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "video_url", "video_url": {"url": "https://a.example/v.mp4"}},
            ]},
            {"role": "assistant", "content": "Let me look.", "reasoning_content": "Hm.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{ \"x\": 1.0 }"},
                 "extra_content": {"google": {"thought_signature": "gs"}}},
                {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a dog"}]},
            {"role": "assistant", "content": null, "refusal": "No.", "audio": {"id": "audio_1"},
             "thinking_blocks": [
                {"type": "thinking", "thinking": "T", "signature": "S"},
                {"type": "redacted_thinking", "data": "R"},
            ]},
            {"role": "user", "content": "Why?"},
        ],
        "tools": [
            {"type": "function", "function": {
                "name": "look", "description": "Looks.", "strict": true,
                "parameters": {"type": "object", "properties": {"x": {"type": "number"}}},
            }},
            {"type": "function", "function": {"name": "bare"}},
            {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "answer", "description": "An answer.", "strict": true, "schema": {"type": "object"},
        }},
        "temperature": 0.7, "top_p": 0.9, "top_k": 40, "seed": -3, "presence_penalty": 0.1, "frequency_penalty": 0.2,
        "stop": ["END", "\n\n"], "logprobs": true, "top_logprobs": 3, "max_completion_tokens": 500,
        "reasoning_effort": "high", "n": 2, "stream": false, "user": "u-1",
        "stream_options": {"include_usage": true, "include_obfuscation": false},
        "logit_bias": {"50256": -100}, "service_tier": "flex", "metadata": {"a": "b"}, "web_search_options": {},
    });
    insta::assert_debug_snapshot!(translated(CHAT, &body).await);
}

#[tokio::test]
async fn a_rich_responses_request() {
    let body = json!({
        "model": "auto",
        "instructions": "Be kind.",
        "input": [
            {"role": "developer", "content": "Answer in Korean."},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/webp;base64,UklGR", "detail": "low"},
                {"type": "input_image", "file_id": "file-2"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
                {"type": "input_file", "file_url": "https://a.example/a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "enc"},
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "nunchi-redacted:R"},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "Let me look.", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "No."},
            ]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{ \"x\": 1.0 }"},
            {"type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
            {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "a dog"}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"role": "user", "content": "Why?"},
        ],
        "tools": [
            {"type": "function", "name": "look", "description": "Looks.", "strict": false, "parameters": {"type": "object"}},
            {"type": "web_search", "search_context_size": "low"},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]},
        "parallel_tool_calls": true,
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "minimal", "summary": "auto"},
        "max_output_tokens": 500, "temperature": 0.7, "top_p": 0.9, "top_logprobs": 2, "user": "u-1",
        "store": false, "include": ["reasoning.encrypted_content"], "truncation": "auto",
    });
    insta::assert_debug_snapshot!(translated(RESPONSES, &body).await);
}

#[tokio::test]
async fn a_rich_messages_request() {
    let body = json!({
        "model": "auto",
        "max_tokens": 500,
        "system": [
            {"type": "text", "text": "Be kind."},
            {"type": "text", "text": "Answer in Korean.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?", "citations": null},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}},
                {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file-2"}},
                {"type": "document", "title": "A", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                 "context": "from mail", "citations": {"enabled": true}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                {"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                {"type": "redacted_thinking", "data": "R"},
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"x": 1.5}},
                {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a cat"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "cache_control": {"type": "ephemeral"}, "content": [
                    {"type": "text", "text": "broken"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}},
                ]},
                {"type": "text", "text": "And now?"},
            ]},
            {"role": "assistant", "content": [
                {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
            ]},
            {"role": "user", "content": "Why?"},
        ],
        "tools": [
            {"name": "look", "description": "Looks.", "strict": true, "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "output_config": {"effort": "medium", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "stop_sequences": ["END"], "temperature": 0.7, "top_k": 40, "top_p": 0.9,
        "metadata": {"user_id": "u-1"}, "service_tier": "auto", "container": "c",
    });
    insta::assert_debug_snapshot!(translated(MESSAGES, &body).await);
}

/// The same conversation said in three dialects is the same request.
#[tokio::test]
async fn the_dialects_agree() {
    let schema = json!({"type": "object", "properties": {"x": {"type": "integer"}}});
    let chat = json!({
        "model": "m", "max_tokens": 64, "temperature": 0.5, "tool_choice": "required", "parallel_tool_calls": false,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [
                {"type": "text", "text": "Look."},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}},
            ]},
            {"role": "assistant", "content": "Looking.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"x\":1}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": schema}}],
    });
    let responses = json!({
        "model": "m", "max_output_tokens": 64, "temperature": 0.5, "tool_choice": "required", "parallel_tool_calls": false,
        "instructions": "Be kind.",
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "Look."},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0="},
            ]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Looking."}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"x\":1}"},
            {"type": "function_call_output", "call_id": "c1", "output": "a cat"},
        ],
        "tools": [{"type": "function", "name": "look", "description": "Looks.", "parameters": schema}],
    });
    let messages = json!({
        "model": "m", "max_tokens": 64, "temperature": 0.5,
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Look."},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}},
            ]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"x": 1}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "a cat"}]},
        ],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": schema}],
    });
    let chat = format!("{:#?}", translated(CHAT, &chat).await);
    assert_eq!(chat, format!("{:#?}", translated(RESPONSES, &responses).await));
    assert_eq!(chat, format!("{:#?}", translated(MESSAGES, &messages).await));
}

#[tokio::test]
async fn what_a_harness_adds_behind_a_result_does_not_end_the_tool_loop() {
    let noise = "<system-reminder>mind the rules</system-reminder>";
    for (said, open) in [(noise, true), ("no, stop", false)] {
        let chat = json!({"model": "m", "messages": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "user", "content": said},
        ]});
        let messages = json!({"model": "m", "max_tokens": 10, "messages": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "a cat"},
                {"type": "text", "text": said, "cache_control": {"type": "ephemeral"}},
            ]},
        ]});
        for (path, body) in [(CHAT, chat), (MESSAGES, messages)] {
            assert_eq!(in_tool_loop(&translated(path, &body).await), open, "{path}: {said}");
        }
    }
}

#[tokio::test]
async fn the_dialect_of_the_body_is_kept() {
    for (path, dialect) in
        [(CHAT, Dialect::OpenAiChat), (RESPONSES, Dialect::OpenAiResponses), (MESSAGES, Dialect::Anthropic)]
    {
        let world = World::frames(hello());
        world.post(path, crate::rendering::ask(path, true)).await;
        let (request, _) = world.asked();
        assert_eq!(request.origin.unwrap().dialect, dialect);
        assert!(request.stream && request.rest.is_empty());
    }
}

#[tokio::test]
async fn small_words() {
    let user = json!([{"role": "user", "content": "x"}]);
    let chat = |more: Value| {
        let mut body = json!({"model": "m", "messages": user});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let request = translated(CHAT, &chat(json!({"stop": "END", "max_tokens": 5, "logprobs": true}))).await;
    assert_eq!(request.sampling.stop, ["END"]);
    assert_eq!((request.max_output_tokens, request.sampling.top_logprobs), (Some(5), Some(0)));
    let request =
        translated(CHAT, &chat(json!({"tools": null, "stop": null, "n": null, "user": null}))).await;
    assert_eq!((request.choices, request.tools.len()), (1, 0));
    // An unknown level reaches upstreams that may know it.
    let request = translated(CHAT, &chat(json!({"reasoning_effort": "ultra"}))).await;
    assert_eq!(request.reasoning, None);
    assert_eq!(request.rest[0].0, "reasoning_effort");
    let function = json!([
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "done"},
    ]);
    let request = translated(CHAT, &json!({"model": "m", "messages": function})).await;
    assert!(matches!(&request.messages[0].parts[..], [Part::ToolCall { id, .. }] if id == "f"));
    assert!(matches!(&request.messages[1].parts[..], [Part::ToolResult { call_id, .. }] if call_id == "f"));
    let off = json!({"model": "m", "max_tokens": 1, "messages": user, "thinking": {"type": "disabled"}});
    assert_eq!(translated(MESSAGES, &off).await.reasoning.unwrap().budget_tokens, Some(0));
}

#[tokio::test]
async fn base64_is_not_copied_out_of_its_url() {
    let data = "A".repeat(300_000);
    let url = format!("data:image/png;base64,{data}");
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]},
    ]});
    let request = translated(CHAT, &body).await;
    let Part::Media(media) = &request.messages[0].parts[0] else { panic!("media") };
    assert_eq!(media.media_type, "image/png");
    assert_eq!(media.source, MediaSource::Base64(data.into()));
}

/// A conversation stored upstream can be continued only there.
#[tokio::test]
async fn stored_conversations_go_where_they_are_stored() {
    let body = |model: &str| json!({"model": model, "input": "and?", "previous_response_id": "resp_1"});
    for model in ["gpt-5", "openai/gpt-5"] {
        let request = translated(RESPONSES, &body(model)).await;
        assert_eq!(request.rest[0].0, "previous_response_id");
    }
    for model in ["auto", "anthropic/claude", "or/meta/llama"] {
        let got = World::frames(hello()).post(RESPONSES, body(model).to_string()).await;
        assert_eq!(
            (got.status.as_u16(), got.json()["error"]["code"].as_str()),
            (400, Some("request.unsupported_field"))
        );
        assert_eq!(got.json()["error"]["param"], "previous_response_id");
    }
    let reference = json!({"model": "openai/gpt-5", "input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "x"}]});
    assert_eq!(translated(RESPONSES, &reference).await.messages.len(), 1);
}

#[tokio::test]
async fn betas_travel_with_the_body() {
    let world = World::frames(hello());
    let mut request = crate::support::post(MESSAGES, crate::rendering::ask(MESSAGES, false));
    request.headers_mut().append("anthropic-beta", "a-1,b-2".parse().unwrap());
    request.headers_mut().append("anthropic-beta", "c-3".parse().unwrap());
    world.send(request).await;
    let (request, _) = world.asked();
    assert_eq!((request.rest[0].0.as_str(), request.rest[0].1.get()), ("anthropic-beta", "\"a-1,b-2,c-3\""));
    assert_eq!(request.messages[0].role, Role::User);
}
