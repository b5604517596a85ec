//! Turns a conversation into the tokens a model family was trained on: turns as ChatML, tools as Hermes wrote them.

use super::tokenizer::Tokenizer;
use super::words::{ChatCall, ChatMessage, ChatRequest, ChatRole, ChatTool, WantedCall};
use crate::error::LocalError;
use serde_json::Value;

/// A model family: what it was told and shown when it was trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Trained on tools.
    Qwen2,
    /// Not trained on tools: it is shown what a call is, and how a result becomes an answer.
    SmolLm,
}

/// What SmolLM is told where tools come in.
const SHOWN_INSTRUCTIONS: &str =
    "You are a helpful assistant. You call a tool, and then tell the user what it has found.";

impl Family {
    /// The family of an architecture.
    pub(super) fn of(architecture: &str) -> Self {
        if architecture == "qwen2" { Self::Qwen2 } else { Self::SmolLm }
    }

    /// How much likelier a word of the person is made in the arguments of a call.
    pub(super) fn quoting_bonus(self) -> f32 {
        match self {
            Self::Qwen2 => 1.0,
            Self::SmolLm => 3.0,
        }
    }

    /// The caller's instructions; without what they say of tools where that only leads a small model astray.
    fn instructions(self, text: &str, tools_offered: bool) -> String {
        if self == Self::Qwen2 || !tools_offered {
            return text.to_owned();
        }
        let kept: Vec<&str> = text.split("\n\n").filter(|part| !part.contains("tool")).collect();
        if kept.is_empty() { self.default_instructions().to_owned() } else { kept.join("\n\n") }
    }

    /// What the family says about itself when the caller gives no instructions.
    fn default_instructions(self) -> &'static str {
        match self {
            Self::Qwen2 => "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
            Self::SmolLm => "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        }
    }
}

/// The prompt's tokens, up to where the model's turn goes on.
pub(super) fn prompt_tokens(
    tokenizer: &Tokenizer,
    family: Family,
    request: &ChatRequest,
) -> Result<Vec<u32>, LocalError> {
    let mut prompt = Prompt { tokenizer, tokens: Vec::new() };
    let asked = request.messages.iter().rposition(ChatMessage::is_said).unwrap_or(0);
    let found = |message: &ChatMessage| message.role == ChatRole::Tool;
    let tools = request.call.is_some() || request.messages.iter().skip(asked).any(found);
    let call = request.call.as_ref().map(|WantedCall { tool, .. }| tool);
    if tools && family == Family::SmolLm {
        prompt.shown(call)?;
        // Whatever else was said only leads so small a model astray.
        let rest = request.messages[asked..].iter().filter(|m| m.role != ChatRole::User || m.is_said());
        prompt.turns(&rest.cloned().collect::<Vec<_>>())?;
    } else {
        let (instructions, rest) = match request.messages.split_first() {
            Some((first, rest)) if first.role == ChatRole::System => {
                (family.instructions(&first.text, request.offered), rest)
            }
            _ => (family.default_instructions().to_owned(), request.messages.as_slice()),
        };
        let listed = call.map(listed).unwrap_or_default();
        prompt.turn("system", &format!("{instructions}{listed}"))?;
        prompt.turns(rest)?;
    }
    prompt.open("assistant")?;
    if let Some(tool) = call {
        prompt.marked("<tool_call>")?;
        prompt.text(&format!("\n{{\"name\": {}, \"arguments\":", Value::from(tool.name.as_str())))?;
    }
    Ok(prompt.tokens)
}

struct Prompt<'t> {
    tokenizer: &'t Tokenizer,
    tokens: Vec<u32>,
}

impl Prompt<'_> {
    fn text(&mut self, text: &str) -> Result<(), LocalError> {
        self.tokenizer.encode(text, &mut self.tokens)
    }

    /// A mark of the template: one token where the family has it.
    fn marked(&mut self, mark: &str) -> Result<(), LocalError> {
        match self.tokenizer.mark(mark) {
            Some(token) => {
                self.tokens.push(token);
                Ok(())
            }
            None => self.text(mark),
        }
    }

    fn open(&mut self, role: &str) -> Result<(), LocalError> {
        self.tokens.push(self.tokenizer.specials().start);
        self.text(&format!("{role}\n"))
    }

    fn close(&mut self) -> Result<(), LocalError> {
        self.tokens.push(self.tokenizer.specials().end);
        self.text("\n")
    }

    fn turn(&mut self, role: &str, text: &str) -> Result<(), LocalError> {
        self.tokens.push(self.tokenizer.specials().start);
        self.text(&format!("{role}\n{text}"))?;
        self.close()
    }

    fn turns(&mut self, messages: &[ChatMessage]) -> Result<(), LocalError> {
        let mut rest = messages;
        while let Some((message, after)) = rest.split_first() {
            rest = after;
            match message.role {
                ChatRole::System => self.turn("system", &message.text)?,
                ChatRole::User => self.turn("user", &message.text)?,
                ChatRole::Assistant if message.calls.is_empty() => self.turn("assistant", &message.text)?,
                ChatRole::Assistant => self.calls(&message.text, &message.calls)?,
                ChatRole::Tool => {
                    // The answers of calls made together stand in one turn.
                    let more = rest.iter().take_while(|m| m.role == ChatRole::Tool).count();
                    let results = std::iter::once(message).chain(&rest[..more]);
                    let texts: Vec<String> = results
                        .map(|result| format!("<tool_response>\n{}\n</tool_response>", result.text))
                        .collect();
                    rest = &rest[more..];
                    self.turn("user", &texts.join("\n"))?;
                }
            }
        }
        Ok(())
    }

    fn calls(&mut self, text: &str, calls: &[ChatCall]) -> Result<(), LocalError> {
        self.open("assistant")?;
        self.text(text)?;
        for (at, call) in calls.iter().enumerate() {
            if at > 0 || !text.is_empty() {
                self.text("\n")?;
            }
            self.marked("<tool_call>")?;
            let name = Value::from(call.name.as_str());
            self.text(&format!("\n{{\"name\": {name}, \"arguments\": {}}}\n", call.arguments))?;
            self.marked("</tool_call>")?;
        }
        self.close()
    }

    /// Two calls and what was made of their results, for a family that never saw any.
    fn shown(&mut self, tool: Option<&ChatTool>) -> Result<(), LocalError> {
        let told = tool.map(|tool| format!("\nThe tool {}: {}", tool.name, tool.description));
        self.turn("system", &format!("{SHOWN_INSTRUCTIONS}{}", told.unwrap_or_default()))?;
        let call = |name: &str, arguments: &str| {
            let call = ChatCall { name: name.to_owned(), arguments: arguments.to_owned() };
            ChatMessage { role: ChatRole::Assistant, text: String::new(), calls: vec![call] }
        };
        let said = ChatMessage::new;
        let shop = "Shop Lyon: open 9:00 to 17:30, closed on Monday";
        self.turns(&[
            said(ChatRole::User, "What is 6 plus 9 times 4?"),
            call("calculator", "{\"expression\": \"6 + 9 * 4\"}"),
            said(ChatRole::Tool, "42"),
            said(ChatRole::Assistant, "6 + 9 * 4 = 42"),
            said(ChatRole::User, "When does the shop in Lyon open?"),
            call("find", "{\"query\": \"shop Lyon opening time\"}"),
            said(ChatRole::Tool, shop),
            said(ChatRole::Assistant, shop),
        ])
    }
}

/// The tool as Hermes and Qwen2.5 were shown tools behind their instructions.
fn listed(tool: &ChatTool) -> String {
    let (name, description) = (Value::from(tool.name.as_str()), Value::from(tool.description.as_str()));
    let parameters = &tool.parameters;
    format!(
        "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function \
         signatures within <tools></tools> XML tags:\n<tools>\n{{\"type\": \"function\", \"function\": {{\"name\": {name}, \
         \"description\": {description}, \"parameters\": {parameters}}}}}\n</tools>\n\nFor each function call, return a json \
         object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{{\"name\": \
         <function-name>, \"arguments\": <args-json-object>}}\n</tool_call>"
    )
}
