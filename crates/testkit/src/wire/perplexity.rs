//! Perplexity `/chat/completions`: OpenAI's shape with sources, cumulative messages and a cost; reasoning is `<think>` text.

use super::frame::Event;
use super::{Ask, CREATED};
use crate::turn::{Piece, Source, Stop, Tokens, Turn};
use serde_json::{Value, json};

/// The whole answer.
pub(super) fn body(ask: &Ask, turn: &Turn) -> Value {
    let text = text(turn);
    let mut body = head(ask, turn, "chat.completion", turn.usage.render(usage));
    body["choices"] = json!([choice(&text, "", Some(finish(&turn.stop_reason())))]);
    body
}

/// The stream: every chunk repeats the message so far, the sources and the usage so far.
pub(super) fn events(ask: &Ask, turn: &Turn) -> Vec<Event> {
    let whole = text(turn);
    let mut so_far = String::new();
    let mut events: Vec<Event> = Vec::new();
    for piece in turn.split_text(&whole) {
        so_far.push_str(piece);
        let early = |tokens: Tokens| usage(Tokens { output: tokens.output.min(1), reasoning: 0, ..tokens });
        let mut chunk = head(ask, turn, "chat.completion.chunk", turn.usage.render(early));
        chunk["choices"] = json!([choice(&so_far, piece, None)]);
        events.push(Event::data(&chunk));
    }
    let mut last = head(ask, turn, "chat.completion.done", turn.usage.render(usage));
    last["choices"] = json!([choice(&whole, "", Some(finish(&turn.stop_reason())))]);
    events.push(Event::data(&last));
    events.push(Event::done());
    events
}

fn head(ask: &Ask, turn: &Turn, object: &str, usage: Option<Value>) -> Value {
    let mut head = json!({"id": ask.id("pplx-"), "model": ask.model_of(turn), "created": CREATED});
    if let Some(usage) = usage {
        head["usage"] = usage;
    }
    if !turn.sources.is_empty() {
        head["citations"] = turn.sources.iter().map(|source| Value::from(source.url.as_str())).collect();
        head["search_results"] = turn.sources.iter().map(result).collect();
    }
    head["object"] = object.into();
    head
}

fn result(source: &Source) -> Value {
    json!({
        "title": source.title, "url": source.url, "date": source.date, "last_updated": source.date,
        "snippet": source.quote, "source": "web",
    })
}

fn choice(message: &str, delta: &str, finish: Option<&str>) -> Value {
    json!({
        "index": 0, "message": {"role": "assistant", "content": message},
        "delta": {"role": "assistant", "content": delta}, "finish_reason": finish,
    })
}

fn text(turn: &Turn) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) | Piece::Refusal(text) => text.clone(),
        Piece::Thinking { text, .. } => format!("<think>\n{text}\n</think>\n\n"),
        Piece::RedactedThinking(_) | Piece::ToolCall(_) => String::new(),
    };
    turn.pieces.iter().map(piece).collect()
}

fn finish(stop: &Stop) -> &str {
    match stop {
        Stop::MaxTokens => "length",
        Stop::Other(word) => word,
        _ => "stop",
    }
}

/// Counts and the bill, at sonar's prices: 1 USD a million tokens either way, 5 USD a thousand searches.
fn usage(tokens: Tokens) -> Value {
    let prompt = tokens.prompt();
    let mut usage = json!({
        "prompt_tokens": prompt, "completion_tokens": tokens.output, "total_tokens": prompt + tokens.output,
        "search_context_size": "low",
    });
    let optional = [
        ("citation_tokens", tokens.tool_prompt),
        ("num_search_queries", tokens.searches),
        ("reasoning_tokens", tokens.reasoning),
    ];
    for (field, count) in optional.into_iter().filter(|(_, count)| *count > 0) {
        usage[field] = count.into();
    }
    usage["cost"] = cost(tokens);
    usage
}

fn cost(tokens: Tokens) -> Value {
    let micros = |count: u64| format!("{}.{:06}", count / 1_000_000, count % 1_000_000);
    let dollars = |count: u64| micros(count).parse::<f64>().unwrap_or_default();
    let searches = tokens.searches * 5_000;
    let mut cost = json!({
        "input_tokens_cost": dollars(tokens.prompt()), "output_tokens_cost": dollars(tokens.output),
    });
    let optional = [
        ("citation_tokens_cost", tokens.tool_prompt),
        ("reasoning_tokens_cost", tokens.reasoning),
        ("search_queries_cost", searches),
    ];
    for (field, count) in optional.into_iter().filter(|(_, count)| *count > 0) {
        cost[field] = dollars(count).into();
    }
    cost["total_cost"] = dollars(tokens.prompt() + tokens.generated() + tokens.tool_prompt + searches).into();
    cost
}
