//! Whatever comes in whatever order, streams are well formed and say what was said.

use crate::rendering::ask;
use crate::support::{World, start};
use nunchi_core::{Citation, Frame, ReplyEvent, StopReason};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// A reply in any order; tool calls are cut anywhere and take turns.
fn replies() -> impl Strategy<Value = Vec<ReplyEvent>> {
    let step = prop_oneof![
        4 => "[a-z한\"\\\\ ]{0,6}".prop_map(Step::Text),
        2 => "[a-z]{1,4}".prop_map(Step::Thinking),
        1 => Just(Step::Signature),
        1 => Just(Step::Redacted),
        1 => "[a-z]{1,4}".prop_map(Step::Refusal),
        1 => Just(Step::Citation),
        2 => Just(Step::Call),
        5 => (0_usize..4, 1_usize..6).prop_map(|(call, length)| Step::Arguments(call, length)),
    ];
    (prop::collection::vec(step, 0..30), any::<bool>()).prop_map(|(steps, finish)| play(&steps, finish))
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Thinking(String),
    Signature,
    Redacted,
    Refusal(String),
    Citation,
    Call,
    Arguments(usize, usize),
}

/// The arguments of the n-th call.
fn arguments(call: usize) -> String {
    format!("{{\"n\":{call},\"t\":\"{{한}}\"}}")
}

/// Turns steps into events; with `finish`, calls are completed before the end.
fn play(steps: &[Step], finish: bool) -> Vec<ReplyEvent> {
    let mut events = vec![start()];
    let mut told: Vec<String> = Vec::new();
    let more = |told: &mut Vec<String>, call: usize, length: usize| {
        let rest: String = arguments(call).chars().skip(told[call].chars().count()).take(length).collect();
        told[call].push_str(&rest);
        ReplyEvent::ToolArguments { index: u32::try_from(call).unwrap(), delta: rest }
    };
    for step in steps {
        events.push(match step {
            Step::Text(text) => ReplyEvent::Text(text.clone()),
            Step::Thinking(text) => ReplyEvent::Thinking(text.clone()),
            Step::Signature => ReplyEvent::ThinkingSignature("sig".into()),
            Step::Redacted => ReplyEvent::RedactedThinking("red".into()),
            Step::Refusal(text) => ReplyEvent::Refusal(text.clone()),
            Step::Citation => {
                ReplyEvent::Citation(Citation { url: "https://a".into(), ..Citation::default() })
            }
            Step::Call => {
                let index = u32::try_from(told.len()).unwrap();
                told.push(String::new());
                ReplyEvent::ToolCall { index, id: format!("c{index}"), name: format!("f{index}") }
            }
            Step::Arguments(call, length) if *call < told.len() => more(&mut told, *call, *length),
            Step::Arguments(..) => continue,
        });
    }
    for call in 0..if finish { told.len() } else { 0 } {
        events.push(more(&mut told, call, usize::MAX));
    }
    events.push(ReplyEvent::End(StopReason::EndTurn));
    events
}

fn stream_of(path: &str, events: &[ReplyEvent]) -> Vec<Value> {
    let frames = events.iter().map(|event| Frame::of(vec![event.clone()])).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { World::frames(frames).post(path, ask(path, true)).await.events() })
}

/// What was said: text and refusals, reasoning, arguments by call.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thinking: String,
    calls: BTreeMap<String, String>,
}

fn said(events: &[ReplyEvent]) -> Said {
    let mut said = Said::default();
    for event in events {
        match event {
            ReplyEvent::Text(text) | ReplyEvent::Refusal(text) => said.text += text,
            ReplyEvent::Thinking(text) => said.thinking += text,
            ReplyEvent::ToolCall { id, .. } => drop(said.calls.insert(id.clone(), String::new())),
            ReplyEvent::ToolArguments { index, delta } => {
                *said.calls.entry(format!("c{index}")).or_default() += delta
            }
            _ => {}
        }
    }
    said
}

fn str_of<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// Reads Anthropic events as a client does, insisting on their order.
fn read_messages(events: &[Value]) -> Said {
    let mut said = Said::default();
    let mut open: Option<(u64, Value)> = None;
    let mut next = 0;
    assert_eq!(str_of(&events[0], "/type"), "message_start");
    for event in &events[1..] {
        let index = event["index"].as_u64();
        match str_of(event, "/type") {
            "content_block_start" => {
                assert!(open.is_none(), "a block begins inside another");
                assert_eq!(index, Some(next));
                next += 1;
                let block = event["content_block"].clone();
                if block["type"] == "tool_use" {
                    said.calls.insert(str_of(&block, "/id").to_owned(), String::new());
                }
                open = Some((next - 1, block));
            }
            "content_block_delta" => {
                let (at, block) = open.as_ref().expect("a delta belongs to an open block");
                assert_eq!(index, Some(*at));
                said.text += str_of(event, "/delta/text");
                said.thinking += str_of(event, "/delta/thinking");
                if block["type"] == "tool_use" {
                    *said.calls.get_mut(str_of(block, "/id")).unwrap() +=
                        str_of(event, "/delta/partial_json");
                }
            }
            "content_block_stop" => assert_eq!(open.take().map(|(at, _)| at), index),
            "message_delta" | "message_stop" => assert!(open.is_none()),
            other => panic!("{other}"),
        }
    }
    assert_eq!(str_of(events.last().unwrap(), "/type"), "message_stop");
    said
}

/// Reads response events as a client does, insisting on their numbers, and on the last event repeating the whole.
fn read_responses(events: &[Value]) -> Said {
    let mut said = Said::default();
    let mut items: Vec<(bool, String)> = Vec::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"].as_u64(), Some(number as u64));
        let at = event["output_index"].as_u64().map(|at| usize::try_from(at).unwrap());
        let delta = str_of(event, "/delta");
        match str_of(event, "/type") {
            "response.output_item.added" => {
                assert_eq!(at, Some(items.len()));
                items.push((true, str_of(event, "/item/id").to_owned()));
                if event["item"]["type"] == "function_call" {
                    said.calls.insert(str_of(event, "/item/call_id").to_owned(), String::new());
                }
            }
            "response.output_item.done" => {
                let (open, id) = &mut items[at.unwrap()];
                assert!(std::mem::replace(open, false));
                assert_eq!(str_of(event, "/item/id"), id);
                if event["item"]["type"] == "function_call" {
                    let call = said.calls.get_mut(str_of(&event["item"], "/call_id")).unwrap();
                    call.push_str(str_of(&event["item"], "/arguments"));
                }
            }
            "response.output_text.delta" | "response.refusal.delta" => said.text += delta,
            "response.reasoning_summary_text.delta" => said.thinking += delta,
            _ => {}
        }
        if let (Some(at), Some(id)) = (at, event["item_id"].as_str()) {
            assert!(items[at].0 && items[at].1 == id, "an event for an item that is not open");
        }
    }
    let last = events.last().unwrap();
    assert_eq!(str_of(last, "/type"), "response.completed");
    assert!(items.iter().all(|(open, _)| !open));
    assert_eq!(last["response"]["output"].as_array().unwrap().len(), items.len());
    said
}

fn read_chat(events: &[Value]) -> Said {
    let mut said = Said::default();
    for choice in events.iter().filter_map(|event| event.pointer("/choices/0")) {
        said.text += str_of(choice, "/delta/content");
        said.text += str_of(choice, "/delta/refusal");
        said.thinking += str_of(choice, "/delta/reasoning_content");
        for list in ["/delta/annotations", "/delta/thinking_blocks"] {
            let entries = choice.pointer(list).and_then(Value::as_array).into_iter().flatten();
            entries.for_each(|entry| assert!(entry["index"].is_u64(), "{entry}"));
        }
        for call in choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
            // OpenAI's Python SDK insists on both in every delta.
            assert!(call["index"].is_u64() && call["function"].is_object());
            *said.calls.entry(format!("c{}", call["index"])).or_default() +=
                str_of(call, "/function/arguments");
        }
    }
    assert_eq!(events.iter().filter(|event| event["choices"][0]["finish_reason"] == "stop").count(), 1);
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_are_well_formed(events in replies()) {
        let wanted = said(&events);
        prop_assert_eq!(&read_chat(&stream_of("/v1/chat/completions", &events)), &wanted);
        prop_assert_eq!(&read_messages(&stream_of("/v1/messages", &events)), &wanted);
        // A response fills in the arguments of a call that has none.
        let mut filled = wanted;
        filled.calls.values_mut().filter(|call| call.is_empty()).for_each(|call| call.push_str("{}"));
        prop_assert_eq!(&read_responses(&stream_of("/v1/responses", &events)), &filled);
    }
}
