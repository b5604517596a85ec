//! Turns a conversation into the tokens a model family was trained on (ChatML).

use super::tokenizer::Tokenizer;
use super::words::{ChatMessage, ChatRole};
use crate::error::LocalError;

/// What the families say about themselves when the caller gives no instructions.
pub(super) fn default_instructions(architecture: &str) -> &'static str {
    match architecture {
        "qwen2" => "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        _ => "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    }
}

/// The prompt's tokens, up to where the model's turn begins.
pub(super) fn prompt_tokens(
    tokenizer: &Tokenizer,
    messages: &[ChatMessage],
    default_instructions: &str,
) -> Result<Vec<u32>, LocalError> {
    let mut tokens = Vec::new();
    let mut turn = |role: &str, text: Option<&str>| -> Result<(), LocalError> {
        tokens.push(tokenizer.specials().start);
        match text {
            Some(text) => {
                tokenizer.encode(&format!("{role}\n{text}"), &mut tokens)?;
                tokens.push(tokenizer.specials().end);
                tokenizer.encode("\n", &mut tokens)
            }
            None => tokenizer.encode(&format!("{role}\n"), &mut tokens),
        }
    };
    if messages.first().is_none_or(|m| m.role != ChatRole::System) {
        turn(ChatRole::System.as_str(), Some(default_instructions))?;
    }
    for message in messages {
        turn(message.role.as_str(), Some(&message.text))?;
    }
    turn(ChatRole::Assistant.as_str(), None)?;
    Ok(tokens)
}
