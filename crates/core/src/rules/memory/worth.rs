//! What is worth keeping, and what must never be kept.

use crate::rules::mask_secrets;
use regex::Regex;
use std::sync::LazyLock;

use super::terms::search_terms;

/// Longest text of a fact, in characters.
const LONGEST: usize = 1_000;
/// Terms that a fact has at least.
const LEAST_TERMS: usize = 2;

/// A password or the like with its value, in both languages.
const TOLD_SECRET: &str = concat!(
    r"(?i:\b(?:password|passwd|passcode|passphrase|pin(?: code| number)?|api[ _-]?key|secret(?: key)?|access[ _-]?token)\b",
    r"[^.!?\n]{0,20}?(?:\bis\b|:|=)\s*\S)",
    r"|(?:비밀번호|패스워드|암호|인증번호|핀번호|시크릿|비밀\s?키|API\s?키)\s*(?:은|는|이|가)?\s*[:=]?\s*[A-Za-z0-9!@#$%^&*]{3,}",
);

static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(TOLD_SECRET).ok());

/// Whether a text holds a key, a token, a password, a card or resident number.
pub fn holds_secret(text: &str) -> bool {
    let masked = mask_secrets(text);
    let hidden = ["[key]", "[token]", "[resident]", "[card]", "[unmaskable]"];
    hidden.iter().any(|kind| masked.contains(kind) && !text.contains(kind))
        || SECRET.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

/// Why a text is not worth keeping as a fact; `Ok` when it is.
///
/// # Errors
/// What is wrong with it, a few English words.
pub fn worth_keeping(text: &str) -> Result<(), &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.chars().count() > LONGEST {
        return Err("it is longer than 1,000 characters");
    }
    if text.ends_with(['?', '？']) {
        return Err("it is a question");
    }
    if search_terms(text).len() < LEAST_TERMS {
        return Err("it says nothing");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        for text in [
            "My password is hunter2",
            "wifi password: abcd1234",
            "the API key = xyz",
            "비밀번호는 abc123!",
            "집 와이파이 암호 qwer1234",
            "주민번호 900101-1234567",
            "use sk-proj-abcdefghijklmnop1234",
            "PIN is 4411",
        ] {
            assert!(holds_secret(text), "{text}");
        }
        for text in [
            "I forgot my password again",
            "Her e-mail is kim@example.com",
            "비밀번호 관리자를 바꿨다",
            "We pin the version to 1.2",
            "A [key] was left at the desk",
        ] {
            assert!(!holds_secret(text), "{text}");
        }
    }

    #[test]
    fn junk() {
        for text in ["", "  ", "Thanks!", "ok", "What is my name?", "날씨 어때?", "the of", &"x ".repeat(600)]
        {
            assert!(worth_keeping(text).is_err(), "{text}");
        }
        for text in ["My dog is called Rex.", "나는 부산에 산다", "Deploys happen on Friday"] {
            assert_eq!(worth_keeping(text), Ok(()), "{text}");
        }
    }
}
