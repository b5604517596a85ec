//! Anthropic `/v1/messages`: content blocks, each opened, filled and closed by named events.

use super::Ask;
use super::frame::Event;
use crate::turn::{Piece, Source, Stop, Tokens, Turn};
use serde_json::{Map, Value, json};

/// The whole answer.
pub(super) fn body(ask: &Ask, turn: &Turn) -> Value {
    let content: Vec<Value> = blocks(turn).into_iter().map(|block| block.whole).collect();
    let mut message = message(ask, turn, content.into());
    let stop = turn.stop_reason();
    message["stop_reason"] = stop_reason(&stop).into();
    message["stop_sequence"] = stop_sequence(&stop);
    if let Some(usage) = turn.usage.render(|tokens| usage(tokens, tokens.generated())) {
        message["usage"] = usage;
    }
    message
}

fn message(ask: &Ask, turn: &Turn, content: Value) -> Value {
    json!({
        "id": ask.id("msg_"), "type": "message", "role": "assistant", "model": ask.model_of(turn),
        "content": content, "stop_reason": null, "stop_sequence": null,
    })
}

/// The stream.
pub(super) fn events(ask: &Ask, turn: &Turn) -> Vec<Event> {
    let mut opening = message(ask, turn, json!([]));
    // The first report counts the prompt, and the one token that has been made.
    if let Some(usage) = turn.usage.render(|tokens| usage(tokens, 1)) {
        opening["usage"] = usage;
    }
    let mut events = vec![json!({"type": "message_start", "message": opening})];
    for (index, block) in blocks(turn).into_iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block.opening}));
        if index == 0 {
            events.push(json!({"type": "ping"}));
        }
        let deltas = block.deltas.into_iter();
        events.extend(
            deltas.map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let stop = turn.stop_reason();
    let mut delta = json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(&stop), "stop_sequence": stop_sequence(&stop)},
    });
    if let Some(usage) = turn.usage.render(closing_usage) {
        delta["usage"] = usage;
    }
    events.push(delta);
    let mut events: Vec<Event> = events.iter().map(Event::typed).collect();
    events.push(Event::typed(&json!({"type": "message_stop"})).terminal());
    events
}

/// One content block: as it opens, its deltas, and whole.
struct Block {
    opening: Value,
    deltas: Vec<Value>,
    whole: Value,
}

fn blocks(turn: &Turn) -> Vec<Block> {
    let mut tools = 0;
    let block = |piece: &Piece| match piece {
        Piece::Text(text) | Piece::Refusal(text) => text_block(turn, text),
        Piece::Thinking { text, signature } => thinking_block(turn, text, signature),
        Piece::RedactedThinking(data) => {
            let whole = json!({"type": "redacted_thinking", "data": data});
            Block { opening: whole.clone(), deltas: Vec::new(), whole }
        }
        Piece::ToolCall(call) => {
            tools += 1;
            let id = call.id_or("toolu_", tools - 1);
            // The first delta is empty, as the provider sends it.
            let pieces = [""].into_iter().chain(turn.split_arguments(&call.arguments));
            Block {
                opening: json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}),
                deltas: pieces
                    .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}))
                    .collect(),
                whole: json!({"type": "tool_use", "id": id, "name": call.name, "input": call.value()}),
            }
        }
    };
    turn.pieces.iter().map(block).collect()
}

fn text_block(turn: &Turn, text: &str) -> Block {
    let deltas = turn.split_text(text).into_iter().map(|piece| json!({"type": "text_delta", "text": piece}));
    let cited =
        turn.sources.iter().map(|source| json!({"type": "citations_delta", "citation": citation(source)}));
    let mut opening = json!({"type": "text", "text": ""});
    let mut whole = json!({"type": "text", "text": text});
    if !turn.sources.is_empty() {
        opening["citations"] = json!([]);
        whole["citations"] = turn.sources.iter().map(citation).collect();
    }
    Block { opening, deltas: deltas.chain(cited).collect(), whole }
}

fn thinking_block(turn: &Turn, text: &str, signature: &str) -> Block {
    let mut deltas: Vec<Value> = turn
        .split_text(text)
        .into_iter()
        .map(|piece| json!({"type": "thinking_delta", "thinking": piece}))
        .collect();
    if !signature.is_empty() {
        deltas.push(json!({"type": "signature_delta", "signature": signature}));
    }
    Block {
        opening: json!({"type": "thinking", "thinking": "", "signature": ""}),
        deltas,
        whole: json!({"type": "thinking", "thinking": text, "signature": signature}),
    }
}

fn citation(source: &Source) -> Value {
    json!({
        "type": "web_search_result_location", "cited_text": source.quote, "url": source.url,
        "title": source.title, "encrypted_index": "c2NyaXB0ZWQ=",
    })
}

fn stop_reason(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::StopSequence(_) => "stop_sequence",
        Stop::ToolUse => "tool_use",
        Stop::ContentFilter | Stop::Refusal => "refusal",
        Stop::Pause => "pause_turn",
        Stop::Other(word) => word,
    }
}

fn stop_sequence(stop: &Stop) -> Value {
    match stop {
        Stop::StopSequence(text) => text.as_str().into(),
        _ => Value::Null,
    }
}

fn usage(tokens: Tokens, output: u64) -> Value {
    let mut usage = input_counts(tokens);
    usage.insert(
        "cache_creation".into(),
        json!({
            "ephemeral_5m_input_tokens": tokens.cache_write_5m, "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        }),
    );
    usage.insert("output_tokens".into(), output.into());
    usage.insert("service_tier".into(), "standard".into());
    with_details(usage, tokens)
}

/// The counts of `message_delta`: cumulative, the cache's parts left out.
fn closing_usage(tokens: Tokens) -> Value {
    let mut usage = input_counts(tokens);
    usage.insert("output_tokens".into(), tokens.generated().into());
    with_details(usage, tokens)
}

fn input_counts(tokens: Tokens) -> Map<String, Value> {
    Map::from_iter([
        ("input_tokens".to_owned(), Value::from(tokens.input + tokens.tool_prompt)),
        ("cache_creation_input_tokens".to_owned(), tokens.cache_write().into()),
        ("cache_read_input_tokens".to_owned(), tokens.cache_read.into()),
    ])
}

fn with_details(mut usage: Map<String, Value>, tokens: Tokens) -> Value {
    if tokens.reasoning > 0 {
        let thinking = tokens.reasoning.min(usage["output_tokens"].as_u64().unwrap_or(0));
        usage.insert("output_tokens_details".into(), json!({"thinking_tokens": thinking}));
    }
    if tokens.searches > 0 {
        usage.insert("server_tool_use".into(), json!({"web_search_requests": tokens.searches}));
    }
    usage.into()
}
