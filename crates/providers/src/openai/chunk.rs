//! Replies of chat completions as they are read, streamed or whole. Lenient: a field of an odd type counts as absent.

use super::usage::WireUsage;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A chunk (with [`StreamChoice`]) or a whole reply (with [`WholeChoice`]).
#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub(super) struct Answer<'a, C> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    pub(super) choices: Option<Vec<C>>,
    #[serde(borrow)]
    pub(super) usage: Option<WireUsage<'a>>,
    /// What it was served in; several chunks say it.
    #[serde(borrow, default)]
    pub(super) service_tier: Text<'a>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    /// Perplexity: URLs.
    #[serde(borrow)]
    pub(super) citations: Option<&'a RawValue>,
    /// Perplexity: URLs with titles and dates.
    #[serde(borrow)]
    pub(super) search_results: Option<&'a RawValue>,
}

/// An alternative in a chunk. Perplexity's `message`, the text so far, is left unread.
#[derive(Deserialize)]
pub(super) struct StreamChoice<'a> {
    #[serde(default)]
    pub(super) index: u64,
    #[serde(borrow)]
    pub(super) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) stop_reason: Option<&'a RawValue>,
}

/// An alternative in a whole reply.
#[derive(Deserialize)]
pub(super) struct WholeChoice<'a> {
    #[serde(default)]
    pub(super) index: u64,
    #[serde(borrow)]
    pub(super) message: Delta<'a>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) stop_reason: Option<&'a RawValue>,
}

/// What is said: a piece in a stream, all of it in a whole reply.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    /// DeepSeek, vLLM.
    #[serde(borrow)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    /// OpenRouter, Groq, newer vLLM.
    #[serde(borrow)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<WireCall<'a>>>,
    /// The form before `tool_calls`.
    #[serde(borrow)]
    pub(super) function_call: Option<WireFunction<'a>>,
    #[serde(borrow)]
    pub(super) annotations: Option<&'a RawValue>,
}

/// A tool call, or a piece of one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireCall<'a> {
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) function: Option<WireFunction<'a>>,
    /// A tool whose argument is free text.
    #[serde(borrow)]
    pub(super) custom: Option<WireFunction<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireFunction<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    /// JSON text as a string; some servers send the object itself.
    #[serde(borrow, alias = "input")]
    pub(super) arguments: Option<&'a RawValue>,
}

/// A source at the foot of a text.
#[derive(Deserialize)]
pub(super) struct Annotation<'a> {
    #[serde(borrow)]
    pub(super) url_citation: Option<UrlCitation<'a>>,
}

#[derive(Deserialize)]
pub(super) struct UrlCitation<'a> {
    #[serde(borrow, default)]
    pub(super) url: Text<'a>,
    #[serde(borrow, default)]
    pub(super) title: Text<'a>,
    /// OpenRouter.
    #[serde(borrow, default)]
    pub(super) content: Text<'a>,
}

/// A source as Perplexity lists them.
#[derive(Deserialize)]
pub(super) struct SearchResult<'a> {
    #[serde(borrow, default)]
    pub(super) url: Text<'a>,
    #[serde(borrow, default)]
    pub(super) title: Text<'a>,
    #[serde(borrow, default)]
    pub(super) date: Text<'a>,
    #[serde(borrow, default)]
    pub(super) snippet: Text<'a>,
}

/// A list that is there and has the form expected, else nothing.
pub(super) fn list<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Vec<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// A string, the pieces of a list of text parts, or nothing.
pub(super) fn words(raw: Option<&RawValue>) -> Option<String> {
    let text = raw?.get();
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    #[derive(Deserialize)]
    struct TextPart {
        #[serde(default)]
        text: String,
    }
    let parts: Vec<TextPart> = serde_json::from_str(text).ok()?;
    Some(parts.into_iter().map(|part| part.text).collect())
}

/// Arguments as JSON text, whether they came as a string or as the value itself.
pub(super) fn arguments(raw: Option<&RawValue>) -> Option<String> {
    let text = raw?.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'n' => None,
        _ => Some(text.to_owned()),
    }
}

/// Text that is borrowed where it needs no unescaping; null, and what is no text, is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, unless it is empty.
    pub(crate) fn some(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.clone().into_owned())
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }
}
