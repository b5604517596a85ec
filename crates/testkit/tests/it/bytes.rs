//! Proves the bytes of each dialect: what was scripted can be read back from them, however they are cut.

use crate::support::{payloads, sse};
use nunchi_testkit::{
    ChunkPlan, Dialect, Endpoint, LineEnd, Source, Split, Stop, Tokens, ToolCall, Turn, UsageShape, wire,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn text(dialect: Dialect, endpoint: Endpoint, turn: &Turn, stream: bool) -> String {
    String::from_utf8(wire(dialect, endpoint, turn, stream).concat()).expect("UTF-8")
}

fn chat(dialect: Dialect, turn: &Turn, stream: bool) -> String {
    text(dialect, Endpoint::Chat, turn, stream)
}

fn body(dialect: Dialect, turn: &Turn) -> Value {
    serde_json::from_str(&chat(dialect, turn, false)).expect("JSON")
}

/// All strings at a JSON pointer, joined over the events.
fn joined(events: &[Value], pointer: &str) -> String {
    events.iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

fn weather() -> Turn {
    Turn::text("Let me look. ")
        .then_tools([
            ToolCall::new("get_weather", &json!({"city": "서울"})).id("call_a"),
            ToolCall::new("get_time", &json!({"zone": "Asia/Seoul"})).id("call_b"),
        ])
        .arguments(Split::Characters)
}

#[test]
fn openai_chat_streams_text_tools_and_usage() {
    let turn = weather().usage(UsageShape::Cached { input: 10, cached: 90, output: 5 });
    let stream = chat(Dialect::OpenAi, &turn, true);
    assert!(stream.ends_with("data: [DONE]\n\n"));
    let events = payloads(&stream);
    assert_eq!(joined(&events, "/choices/0/delta/content"), "Let me look. ");
    for (index, expected) in [(0, "{\"city\":\"서울\"}"), (1, "{\"zone\":\"Asia/Seoul\"}")] {
        let calls = events.iter().filter_map(|event| event.pointer("/choices/0/delta/tool_calls/0"));
        let own: Vec<Value> = calls.filter(|call| call["index"] == index).cloned().collect();
        assert_eq!(joined(&own, "/function/arguments"), expected);
        assert_eq!(own.iter().filter(|call| call["id"].is_string()).count(), 1);
    }
    assert_eq!(joined(&events, "/choices/0/finish_reason"), "tool_calls");
    let last = events.last().expect("a usage chunk");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 100);
    assert_eq!(last["usage"]["prompt_tokens_details"]["cached_tokens"], 90);
    assert_eq!(last["usage"]["total_tokens"], 105);
}

#[test]
fn openai_chat_answers_whole() {
    let answer = body(Dialect::OpenAi, &weather());
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][1]["function"]["name"], "get_time");
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let refused = body(Dialect::OpenAi, &Turn::refusal("No."));
    assert_eq!(refused["choices"][0]["message"]["refusal"], "No.");
    assert_eq!(refused["choices"][0]["message"]["content"], Value::Null);
    let several = body(Dialect::OpenAi, &Turn::text("a").alternatives(["b"]));
    assert_eq!(several["choices"][1]["message"]["content"], "b");
}

#[test]
fn interleaved_tool_calls_take_turns() {
    let events = payloads(&chat(Dialect::OpenAi, &weather().interleaved(), true));
    let calls = events.iter().filter_map(|event| event.pointer("/choices/0/delta/tool_calls/0/index"));
    let order: Vec<u64> = calls.filter_map(Value::as_u64).collect();
    assert_eq!(order[..6], [0, 1, 0, 1, 0, 1]);
}

#[test]
fn responses_number_their_events_and_repeat_the_whole() {
    let turn = Turn::thinking("I wonder.", "enc")
        .then_text("Hello there")
        .then_tools([ToolCall::new("f", &json!({"x": 1}))])
        .usage(UsageShape::Reasoning { input: 10, output: 4, reasoning: 6 });
    let stream = text(Dialect::OpenAi, Endpoint::Responses, &turn, true);
    let events = payloads(&stream);
    for (number, ((name, _), event)) in sse(&stream).iter().zip(&events).enumerate() {
        assert_eq!(event["sequence_number"], number);
        assert_eq!(name.as_deref(), event["type"].as_str());
    }
    let of =
        |kind: &str| -> Vec<Value> { events.iter().filter(|event| event["type"] == kind).cloned().collect() };
    assert_eq!(joined(&of("response.output_text.delta"), "/delta"), "Hello there");
    assert_eq!(joined(&of("response.reasoning_summary_text.delta"), "/delta"), "I wonder.");
    assert_eq!(joined(&of("response.function_call_arguments.delta"), "/delta"), "{\"x\":1}");
    let done: Vec<Value> =
        of("response.output_item.done").iter().map(|event| event["item"].clone()).collect();
    let completed = events.last().expect("the last event");
    assert_eq!(completed["type"], "response.completed");
    assert_eq!(completed["response"]["output"], Value::from(done));
    assert_eq!(completed["response"]["usage"]["output_tokens"], 10);
    assert_eq!(completed["response"]["usage"]["output_tokens_details"]["reasoning_tokens"], 6);
    let whole: Value =
        serde_json::from_str(&text(Dialect::OpenAi, Endpoint::Responses, &turn, false)).expect("JSON");
    assert_eq!(whole, completed["response"]);
}

#[test]
fn responses_cut_short_are_incomplete() {
    let turn = Turn::text("Hel").stop(Stop::MaxTokens);
    let events = payloads(&text(Dialect::OpenAi, Endpoint::Responses, &turn, true));
    let last = events.last().expect("the last event");
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
}

#[test]
fn anthropic_blocks_open_fill_and_close() {
    let turn = Turn::thinking("Hm, hm.", "sig")
        .then_redacted_thinking("opaque")
        .then_text("Hi there")
        .then_tools([ToolCall::new("get_weather", &json!({"city": "Busan"}))])
        .usage(UsageShape::CacheWrite { input: 10, cached: 20, write_5m: 30, write_1h: 40, output: 5 });
    let stream = chat(Dialect::Anthropic, &turn, true);
    let events = payloads(&stream);
    for ((name, _), event) in sse(&stream).iter().zip(&events) {
        assert_eq!(name.as_deref(), event["type"].as_str());
    }
    let mut open = None;
    for event in &events {
        match event["type"].as_str() {
            Some("content_block_start") => assert!(open.replace(event["index"].clone()).is_none()),
            Some("content_block_delta") => assert_eq!(open.as_ref(), Some(&event["index"])),
            Some("content_block_stop") => assert_eq!(open.take().as_ref(), Some(&event["index"])),
            _ => {}
        }
    }
    assert_eq!(joined(&events, "/delta/thinking"), "Hm, hm.");
    assert_eq!(joined(&events, "/delta/signature"), "sig");
    assert_eq!(joined(&events, "/delta/text"), "Hi there");
    assert_eq!(joined(&events, "/delta/partial_json"), "{\"city\":\"Busan\"}");
    assert_eq!(joined(&events, "/delta/stop_reason"), "tool_use");
    let usage = &events[0]["message"]["usage"];
    assert_eq!(usage["input_tokens"], 10);
    assert_eq!(usage["cache_read_input_tokens"], 20);
    assert_eq!(usage["cache_creation_input_tokens"], 70);
    assert_eq!(usage["cache_creation"]["ephemeral_1h_input_tokens"], 40);
    assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], 5);
    let whole = body(Dialect::Anthropic, &turn);
    let kinds: Vec<&str> = whole["content"]
        .as_array()
        .expect("blocks")
        .iter()
        .filter_map(|block| block["type"].as_str())
        .collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "text", "tool_use"]);
}

#[test]
fn gemini_says_the_reason_last() {
    let turn = Turn::thinking("Hm.", "proof")
        .then_text("Hi there")
        .then_tools([ToolCall::new("f", &json!({"x": [1]})).signature("s1")])
        .usage(UsageShape::Counted(Tokens {
            input: 10,
            cache_read: 5,
            output: 3,
            reasoning: 7,
            tool_prompt: 2,
            ..Tokens::default()
        }));
    let stream = chat(Dialect::Gemini, &turn, true);
    assert!(stream.ends_with("\r\n\r\n"));
    let events = payloads(&stream);
    let parts: Vec<Value> =
        events.iter().filter_map(|event| event.pointer("/candidates/0/content/parts/0").cloned()).collect();
    let (thoughts, said): (Vec<Value>, Vec<Value>) =
        parts.into_iter().partition(|part| part["thought"] == true);
    assert_eq!(joined(&thoughts, "/text"), "Hm.");
    assert_eq!(joined(&said, "/text"), "Hi there");
    let last = events.last().expect("the last chunk");
    assert_eq!(last["candidates"][0]["content"]["parts"][0]["functionCall"]["args"], json!({"x": [1]}));
    assert_eq!(last["candidates"][0]["content"]["parts"][0]["thoughtSignature"], "s1");
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let usage = &last["usageMetadata"];
    assert_eq!((&usage["promptTokenCount"], &usage["cachedContentTokenCount"]), (&json!(15), &json!(5)));
    assert_eq!((&usage["candidatesTokenCount"], &usage["thoughtsTokenCount"]), (&json!(3), &json!(7)));
    assert_eq!((&usage["toolUsePromptTokenCount"], &usage["totalTokenCount"]), (&json!(2), &json!(27)));
    assert!(
        events[..events.len() - 1].iter().all(|event| event.pointer("/candidates/0/finishReason").is_none())
    );
    let blocked = body(Dialect::Gemini, &Turn::refusal("no"));
    assert!(blocked.get("candidates").is_none());
    assert_eq!(blocked["promptFeedback"]["blockReason"], "PROHIBITED_CONTENT");
}

#[test]
fn ollama_counts_on_the_last_line() {
    let turn =
        Turn::thinking("Hm.", "").then_text("Hi there").then_tools([ToolCall::new("f", &json!({"x": 1}))]);
    let stream = chat(Dialect::Ollama, &turn, true);
    let lines: Vec<Value> = stream.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(joined(&lines, "/message/content"), "Hi there");
    assert_eq!(joined(&lines, "/message/thinking"), "Hm.");
    assert!(
        lines.iter().any(|line| line["message"]["tool_calls"][0]["function"]["arguments"] == json!({"x": 1}))
    );
    let (last, before) = lines.split_last().expect("lines");
    assert!(before.iter().all(|line| line["done"] == false && line.get("eval_count").is_none()));
    assert_eq!(
        (&last["done"], &last["prompt_eval_count"], &last["eval_count"]),
        (&json!(true), &json!(12), &json!(8))
    );
}

#[test]
fn perplexity_repeats_sources_and_bills() {
    let tokens = Tokens {
        input: 1_000_000,
        output: 500_000,
        reasoning: 10,
        tool_prompt: 20,
        searches: 2,
        ..Tokens::default()
    };
    let turn = Turn::thinking("Hm.", "")
        .then_text("Yes [1].")
        .citations([Source::new("https://a.example/", "A")])
        .usage(UsageShape::Counted(tokens));
    let events = payloads(&chat(Dialect::Perplexity, &turn, true));
    assert!(events.iter().all(|event| event["citations"] == json!(["https://a.example/"])));
    assert_eq!(joined(&events, "/choices/0/delta/content"), "<think>\nHm.\n</think>\n\nYes [1].");
    let usage = &events.last().expect("the last chunk")["usage"];
    assert_eq!((&usage["citation_tokens"], &usage["num_search_queries"]), (&json!(20), &json!(2)));
    assert_eq!(usage["cost"]["total_cost"], json!(1.51003));
}

#[test]
fn usage_can_be_missing_or_odd() {
    for dialect in Dialect::ALL {
        let missing = chat(dialect, &Turn::text("x").usage(UsageShape::Missing), true);
        let counts = ["\"prompt_tokens\"", "input_tokens", "promptTokenCount", "eval_count"];
        assert!(counts.iter().all(|count| !missing.contains(count)), "{missing}");
        let odd = UsageShape::Custom(json!({"odd_count": -1}));
        assert!(chat(dialect, &Turn::text("x").usage(odd), true).contains("\"odd_count\":-1"));
    }
}

#[test]
fn streams_break_where_the_script_says() {
    for dialect in Dialect::ALL {
        let turn = Turn::text("one two three four five six");
        let whole = chat(dialect, &turn, true);
        assert!(whole.starts_with(&chat(dialect, &turn.clone().cut_after(3), true)));
        let open = chat(dialect, &turn.clone().without_last_blank_line(), true);
        assert_eq!(open, whole.trim_end());
        let unfinished = chat(dialect, &turn.clone().without_terminator(), true);
        assert!(whole.starts_with(&unfinished) && unfinished.len() < whole.len());
        let failed = chat(dialect, &turn.clone().error_after(3, 529), true);
        assert!(failed.contains("Overloaded") && failed.len() < whole.len() + 400, "{failed}");
        let spoilt = chat(dialect, &turn.garbage_after(2), true);
        let lines = spoilt
            .lines()
            .filter_map(|line| line.strip_prefix("data: ").or(line.strip_prefix("{").map(|_| line)));
        let broken = lines.filter(|line| *line != "[DONE]" && serde_json::from_str::<Value>(line).is_err());
        assert_eq!(broken.count(), 1);
    }
}

#[test]
fn errors_have_the_providers_shape() {
    let error = |dialect, turn: &Turn| body(dialect, turn)["error"].clone();
    let limited = Turn::status(429).retry_after(7);
    assert_eq!(error(Dialect::OpenAi, &limited)["code"], "rate_limit_exceeded");
    assert_eq!(error(Dialect::Anthropic, &limited)["type"], "rate_limit_error");
    assert_eq!(error(Dialect::Anthropic, &Turn::status(529))["type"], "overloaded_error");
    let gemini = error(Dialect::Gemini, &limited);
    assert_eq!((&gemini["code"], &gemini["status"]), (&json!(429), &json!("RESOURCE_EXHAUSTED")));
    assert_eq!(gemini["details"][1]["retryDelay"], "7s");
    assert!(error(Dialect::Ollama, &limited).is_string());
    assert_eq!(error(Dialect::Perplexity, &Turn::status(401))["code"], 401);
    let long = Turn::status(400).code("context_length_exceeded").message("too long");
    assert_eq!(error(Dialect::OpenAi, &long)["code"], "context_length_exceeded");
}

#[test]
fn line_ends_are_the_scripted_ones() {
    let crlf = chat(Dialect::OpenAi, &Turn::text("a b").line_ends(LineEnd::CrLf), true);
    assert!(crlf.ends_with("data: [DONE]\r\n\r\n"));
    let cr = chat(Dialect::OpenAi, &Turn::text("a b").line_ends(LineEnd::Cr), true);
    assert!(cr.ends_with("data: [DONE]\r\r") && !cr.contains('\n'));
}

#[test]
fn cuts_inside_characters_leave_no_valid_piece() {
    let turn = Turn::text("안녕 하세요").chunks(ChunkPlan::InsideCharacters);
    let pieces = wire(Dialect::OpenAi, Endpoint::Chat, &turn, true);
    assert_eq!(pieces.len(), 6);
    assert!(pieces.iter().all(|piece| std::str::from_utf8(piece).is_err()));
}

fn plans() -> impl Strategy<Value = ChunkPlan> {
    prop_oneof![
        Just(ChunkPlan::EveryByte),
        Just(ChunkPlan::Whole),
        Just(ChunkPlan::InsideCharacters),
        (1_usize..50).prop_map(ChunkPlan::Sized),
        (1_usize..9).prop_map(ChunkPlan::Events),
        prop::collection::vec(0_usize..2_000, 0..20).prop_map(|mut cuts| {
            cuts.sort_unstable();
            ChunkPlan::At(cuts)
        }),
    ]
}

proptest! {
    #[test]
    fn cutting_changes_no_byte(said in ".{0,60}", plan in plans(), which in 0_usize..5, stream: bool) {
        let dialect = Dialect::ALL[which];
        let turn = Turn::text(said).deltas(Split::Every(3));
        let plain = wire(dialect, Endpoint::Chat, &turn, stream).concat();
        let cut = wire(dialect, Endpoint::Chat, &turn.chunks(plan), stream);
        prop_assert!(cut.iter().all(|piece| !piece.is_empty()));
        prop_assert_eq!(cut.concat(), plain);
    }

    #[test]
    fn splitting_loses_no_character(said in ".{0,40}", cuts in prop::collection::vec(0_usize..99, 0..6)) {
        for split in [Split::Whole, Split::Words, Split::Characters, Split::Every(2), Split::At(cuts)] {
            let events = payloads(&chat(Dialect::OpenAi, &Turn::text(said.clone()).deltas(split), true));
            prop_assert_eq!(joined(&events, "/choices/0/delta/content"), said.clone());
        }
    }
}
