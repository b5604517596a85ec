//! Conversations of agents, for tests of what is done to them.

use crate::bench::Bench;
use nunchi_core::{
    CallContext, CompressMode, Message, ModelRequest, Part, ReplyEvent, Role, StopReason, ToolDefinition,
    Usage,
};
use nunchi_gateway::Settings;
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};

pub(crate) fn say(role: Role, text: &str) -> Message {
    Message::text(role, text)
}

pub(crate) fn called(id: &str, name: &str) -> Message {
    let part = Part::ToolCall { id: id.into(), name: name.into(), arguments: "{}".into(), signature: None };
    Message { role: Role::Assistant, parts: vec![part], name: None }
}

pub(crate) fn result(id: &str, text: &str) -> Message {
    let part =
        Part::ToolResult { call_id: id.into(), content: vec![Part::Text(text.into())], is_error: false };
    Message { role: Role::Tool, parts: vec![part], name: None }
}

/// A log whose lines are alike; only the whole one tells how long request 17 took: 7,700 ms and the job's number.
pub(crate) fn log(number: usize) -> String {
    let took = |at: usize| if at == 17 { 7_700 + number } else { at % 7 };
    let line = |at| format!("10:00:{at:02} INFO request {at} of job {number} was served in {} ms", took(at));
    (0..60).map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn tool(name: &str) -> ToolDefinition {
    ToolDefinition {
        name: name.into(),
        description: Some(format!("Does {name}.")),
        parameters: serde_json::from_str(r#"{"type":"object"}"#).ok(),
        strict: None,
        builtin: None,
    }
}

/// So many turns of an agent that reads logs; it ends in a question.
pub(crate) fn session(turns: usize) -> Vec<Message> {
    let mut messages = vec![say(Role::System, "You read logs."), say(Role::User, "Look at job 0.")];
    for at in 0..turns {
        let id = format!("c{at}");
        messages.push(called(&id, "read_log"));
        messages.push(result(&id, &log(at)));
        messages.push(say(Role::Assistant, &format!("Job {at} is fine.")));
        messages.push(say(Role::User, &format!("Look at job {}.", at + 1)));
    }
    messages
}

pub(crate) fn request(messages: Vec<Message>) -> ModelRequest {
    let mut request = ModelRequest::new("cloud/m", messages);
    request.stream = true;
    request.max_output_tokens = Some(500);
    request.tools = vec![tool("read_log")];
    request
}

pub(crate) fn context(mode: CompressMode) -> CallContext {
    CallContext { compress: Some(mode), ..owner_context() }
}

/// An answer that calls tools: name and arguments of each.
pub(crate) fn calls(calls: &[(&str, &str)], usage: Usage) -> ScriptedReply {
    let start = ReplyEvent::Start { id: "scripted-reply".into(), model: "scripted-1".into() };
    let mut events = vec![start];
    for (index, (name, arguments)) in (0..).zip(calls) {
        events.push(ReplyEvent::ToolCall { index, id: format!("h{index}"), name: (*name).to_owned() });
        events.push(ReplyEvent::ToolArguments { index, delta: (*arguments).to_owned() });
    }
    events.push(ReplyEvent::Usage { usage, reported_cost: None, service_tier: None });
    events.push(ReplyEvent::End(StopReason::ToolUse));
    ScriptedReply::events(events)
}

/// The texts of all tool results of a request.
pub(crate) fn results(request: &ModelRequest) -> Vec<(String, String)> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let text = |part: &Part| match part {
        Part::ToolResult { call_id, content, .. } => {
            Some((call_id.clone(), content.iter().filter_map(Part::as_text).collect()))
        }
        _ => None,
    };
    parts.filter_map(text).collect()
}

/// Conversations are shortened early, so that those of tests can be small.
pub(crate) fn short_segments(settings: &mut Settings) {
    settings.compress.history.recent_tokens = 600;
    settings.compress.history.segment_tokens = 1_000;
}

pub(crate) fn agent_bench() -> Bench {
    Bench::with(MemoryLedger::new(), short_segments)
}
