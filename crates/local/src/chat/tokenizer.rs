//! The byte-level BPE vocabulary of a GGUF file.

use super::gguf::Gguf;
use crate::error::LocalError;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

/// How Qwen2 cuts text before merging.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What opens and closes a call.
const MARKS: [&str; 2] = ["<tool_call>", "</tool_call>"];

/// Text to token ids and back.
///
/// Special tokens are deliberately unknown to [`Tokenizer::encode`]: text of a user that looks like one stays text.
pub(super) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Bytes of all tokens, one after the other.
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<u32>,
    specials: Specials,
    /// Marks of calls that are one token, where the family has them.
    marks: Vec<(&'static str, u32)>,
}

/// The tokens that give a chat its form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Specials {
    /// Opens a turn.
    pub(super) start: u32,
    /// Ends a turn.
    pub(super) end: u32,
    /// Ends a text.
    pub(super) end_of_text: Option<u32>,
}

impl Specials {
    /// Whether a token ends the model's turn.
    pub(super) fn ends(self, token: u32) -> bool {
        token == self.end || Some(token) == self.end_of_text
    }
}

fn broken(error: impl std::fmt::Display) -> LocalError {
    LocalError::Format(format!("vocabulary: {error}"))
}

impl Tokenizer {
    /// Builds the tokenizer from the file's vocabulary and merges.
    pub(super) fn load(gguf: &Gguf) -> Result<Self, LocalError> {
        let model = gguf.text("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(broken(format!("kind `{model}`")));
        }
        let tokens = gguf.texts("tokenizer.ggml.tokens")?;
        let find = |text: &str| tokens.iter().position(|t| t == text).and_then(|id| u32::try_from(id).ok());
        let missing = |text: &str| broken(format!("no token {text}"));
        let specials = Specials {
            start: find("<|im_start|>").ok_or_else(|| missing("<|im_start|>"))?,
            end: find("<|im_end|>").ok_or_else(|| missing("<|im_end|>"))?,
            end_of_text: find("<|endoftext|>"),
        };
        let marks = MARKS.iter().filter_map(|mark| Some((*mark, find(mark)?))).collect();
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(tokens.len()));
        for token in &tokens {
            append_bytes(token, &mut bytes);
            ends.push(u32::try_from(bytes.len()).map_err(broken)?);
        }
        let vocabulary: Vocab = tokens.into_iter().zip(0_u32..).collect();
        let merges: Option<Vec<(String, String)>> = gguf
            .texts("tokenizer.ggml.merges")?
            .iter()
            .map(|merge| merge.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())))
            .collect();
        let merges = merges.ok_or_else(|| broken("a merge without a space"))?;
        let bpe = BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(broken)?;
        let mut inner = tokenizers::Tokenizer::new(bpe);
        let (cut, compose) = pre_tokenizer(gguf.text("tokenizer.ggml.pre")?)?;
        inner.with_pre_tokenizer(Some(cut));
        if compose {
            inner.with_normalizer(Some(NFC)).map_err(broken)?;
        }
        Ok(Self { inner, bytes, ends, specials, marks })
    }

    /// The special tokens.
    pub(super) fn specials(&self) -> Specials {
        self.specials
    }

    /// The token of a mark, if the family has one.
    pub(super) fn mark(&self, mark: &str) -> Option<u32> {
        self.marks.iter().find(|(known, _)| *known == mark).map(|(_, token)| *token)
    }

    /// Appends the tokens of plain text.
    pub(super) fn encode(&self, text: &str, out: &mut Vec<u32>) -> Result<(), LocalError> {
        let encoding = self.inner.encode_fast(text, false).map_err(broken)?;
        out.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// The bytes of a token; may be a part of a character.
    pub(super) fn token_bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let end = self.ends.get(id).map_or(0, |end| *end as usize);
        let start = if id == 0 { 0 } else { self.ends.get(id - 1).map_or(0, |end| *end as usize) };
        self.bytes.get(start..end).unwrap_or_default()
    }
}

/// How text is cut into words, and whether it is composed (NFC) first.
fn pre_tokenizer(kind: &str) -> Result<(PreTokenizerWrapper, bool), LocalError> {
    match kind {
        "smollm" => {
            let parts = vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()];
            Ok((Sequence::new(parts).into(), false))
        }
        "qwen2" => {
            let pattern = SplitPattern::Regex(QWEN2.to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(broken)?;
            Ok((Sequence::new(vec![split.into(), ByteLevel::new(false, false, false).into()]).into(), true))
        }
        other => Err(broken(format!("word cutting `{other}`"))),
    }
}

/// GPT-2's alphabet writes every byte as a printable character; this turns it back.
fn append_bytes(token: &str, out: &mut Vec<u8>) {
    for character in token.chars() {
        let code = u32::from(character);
        match code {
            0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => out.push(code as u8),
            // The bytes that have no printable character of their own follow from 256 on, in order.
            0x100..=0x120 => out.push((code - 0x100) as u8),
            0x121..=0x142 => out.push((code - 0x121 + 0x7f) as u8),
            0x143 => out.push(0xad),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::append_bytes;

    #[test]
    fn alphabet_covers_every_byte_once() {
        // The rule by which GPT-2's alphabet was made.
        let printable = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let mut extra = 256;
        for byte in 0..=255_u32 {
            let code = if printable(byte) {
                byte
            } else {
                extra += 1;
                extra - 1
            };
            let mut out = Vec::new();
            append_bytes(&char::from_u32(code).expect("valid").to_string(), &mut out);
            assert_eq!(out, [byte as u8], "{byte:#x}");
        }
    }
}
