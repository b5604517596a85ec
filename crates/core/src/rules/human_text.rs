//! What the person said last, without the noise that agents and editors wrap around it.

use crate::chat::{Message, ModelRequest, Part, Role};
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Blocks that harnesses add to user turns, by tag name.
static NOISE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let tags = [
        "system-reminder",
        "system_reminder",
        "environment_details",
        "environment_context",
        "user_instructions",
        "context",
        "attached_files",
        "open_files",
        "open_and_recently_viewed_files",
        "user_info",
        "project_layout",
        "rules",
        "git_status",
        "local-command-stdout",
        "command-message",
        "command-name",
        "editor_context",
        "timestamp",
    ];
    let blocks: Vec<_> = tags.iter().map(|tag| format!(r"<{tag}\b[^>]*>.*?</{tag}>")).collect();
    Regex::new(&format!("(?is){}", blocks.join("|"))).ok()
});

/// The last text a person wrote, stripped of harness blocks; `None` when the turn holds none (a tool loop's turn).
pub fn human_text(request: &ModelRequest) -> Option<String> {
    request.messages.iter().rev().filter(|message| message.role == Role::User).find_map(said)
}

/// What a person said in a turn, if anything.
fn said(message: &Message) -> Option<String> {
    let text: String = message.parts.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n");
    let stripped = NOISE.as_ref().map_or(Cow::Borrowed(text.as_str()), |noise| noise.replace_all(&text, ""));
    let stripped = stripped.trim();
    (!stripped.is_empty()).then(|| stripped.to_owned())
}

/// Whether the conversation is inside a tool loop: the last turn holds tool results. Instructions and harness blocks behind them
/// are no turn.
pub fn in_tool_loop(request: &ModelRequest) -> bool {
    let last = request.messages.iter().rev().find(|message| match message.role {
        Role::System | Role::Developer => false,
        Role::User => holds_more_than_text(message) || said(message).is_some(),
        Role::Assistant | Role::Tool => true,
    });
    last.is_some_and(|message| {
        message.role == Role::Tool || message.parts.iter().any(|part| matches!(part, Part::ToolResult { .. }))
    })
}

fn holds_more_than_text(message: &Message) -> bool {
    message.parts.iter().any(|part| !matches!(part, Part::Text(_) | Part::CachePoint(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_stripped() {
        let text = "<system-reminder>never mind\nthis</system-reminder>\nFix it <context a=\"b\">x</context>";
        let request = ModelRequest::new("m", vec![Message::text(Role::User, text)]);
        assert_eq!(human_text(&request).as_deref(), Some("Fix it"));
        assert!(!in_tool_loop(&request));
    }

    #[test]
    fn a_turn_of_noise_only_is_passed_over() {
        let noise = Message::text(Role::User, "<context>x</context>");
        let request = ModelRequest::new("m", vec![Message::text(Role::User, "hello"), noise]);
        assert_eq!(human_text(&request).as_deref(), Some("hello"));
    }
    #[test]
    fn a_harness_does_not_end_a_tool_loop() {
        let result = Part::ToolResult { call_id: "c".into(), content: Vec::new(), is_error: false };
        let result = Message { role: Role::Tool, parts: vec![result], name: None };
        let loops = |behind: Vec<Message>| {
            let turns = [Message::text(Role::User, "hello"), result.clone()];
            in_tool_loop(&ModelRequest::new("m", turns.into_iter().chain(behind).collect()))
        };
        let noise = Message::text(Role::User, "<system-reminder>mind the rules</system-reminder>");
        let rule = Message::text(Role::Developer, "be brief");
        assert!(loops(vec![]) && loops(vec![noise.clone()]) && loops(vec![rule, noise.clone()]));
        let words = Message::text(Role::User, "<context>x</context> no, stop");
        let answer = Message::text(Role::Assistant, "done");
        assert!(!loops(vec![words]) && !loops(vec![answer, noise]));
    }
}
