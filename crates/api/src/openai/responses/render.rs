//! Whole responses.

use super::echo::{Echo, Response};
use super::items::REDACTED;
use super::output::{Content, Item, Summary, annotation, status};
use crate::answer::Head;
use crate::openai::usage::with_cost;
use nunchi_core::{Part, ReplyBody, ServiceTier, StopReason};

/// A whole answer.
pub(super) fn whole(head: &Head, echo: &Echo, reply: &ReplyBody) -> Vec<u8> {
    let Some(choice) = reply.choices.first() else { return Vec::new() };
    let mut output: Vec<Item> = Vec::new();
    for part in &choice.parts {
        add(&mut output, head, part);
    }
    cite(&mut output, reply);
    let stop = choice.stop.as_ref().unwrap_or(&StopReason::EndTurn);
    let (status, details) = status(stop);
    if let Some(last) = output.last_mut() {
        last.set_status(status);
    }
    let mut response = Response::new(head, echo, &reply.model, &output, Some(&reply.usage));
    response.usage = response.usage.map(|counts| with_cost(counts, reply.reported_cost));
    response.service_tier = reply.service_tier.map(ServiceTier::word);
    response.status = status;
    response.incomplete_details = details;
    serde_json::to_vec(&response).unwrap_or_default()
}

/// The id of the n-th output item.
pub(super) fn item_id(prefix: &str, head: &Head, index: usize) -> String {
    format!("{prefix}_{}{index:02}", head.request)
}

fn add(output: &mut Vec<Item>, head: &Head, part: &Part) {
    let index = output.len();
    let id = |prefix| item_id(prefix, head, index);
    let item = match part {
        Part::Text(_) | Part::Refusal(_) => {
            let content = match part {
                Part::Refusal(text) => Content::Refusal { refusal: text.clone() },
                _ => Content::text(part.as_text().unwrap_or("")),
            };
            if let Some(Item::Message { content: before, .. }) = output.last_mut() {
                before.push(content);
                return;
            }
            Item::Message { id: id("msg"), role: "assistant", status: "completed", content: vec![content] }
        }
        Part::Thinking { text, signature } => Item::Reasoning {
            id: id("rs"),
            summary: if text.is_empty() { Vec::new() } else { vec![Summary { text: text.clone() }] },
            encrypted_content: signature.clone(),
        },
        Part::RedactedThinking(data) => Item::Reasoning {
            id: id("rs"),
            summary: Vec::new(),
            encrypted_content: Some(format!("{REDACTED}{data}")),
        },
        Part::ToolCall { id: call_id, name, arguments, .. } => Item::FunctionCall {
            id: id("fc"),
            call_id: call_id.clone(),
            name: name.clone(),
            arguments: if arguments.is_empty() { "{}".into() } else { arguments.clone() },
            status: "completed",
        },
        Part::Media(_) | Part::ToolResult { .. } | Part::CachePoint(_) => return,
    };
    output.push(item);
}

/// Hangs the sources on the last text.
fn cite(output: &mut [Item], reply: &ReplyBody) {
    let last = output.iter_mut().rev().find_map(|item| match item {
        Item::Message { content, .. } => content.iter_mut().rev().find_map(|part| match part {
            Content::OutputText { annotations, .. } => Some(annotations),
            Content::Refusal { .. } => None,
        }),
        _ => None,
    });
    if let Some(annotations) = last {
        annotations.extend(reply.citations.iter().map(annotation));
    }
}
