//! Reads replies of chat completions, streamed and whole.

use super::Flavour;
use super::choice::ChoiceState;
use super::chunk::{Answer, Delta, SearchResult, StreamChoice, Text, WholeChoice, list};
use super::error::stream_error;
use super::usage::WireUsage;
use crate::codec::Decoder;
use crate::shared::{cut, garbage, index, read_object};
use bytes::Bytes;
use nunchi_core::{Citation, Dialect, Frame, ModelError, ReplyEvent, ServiceTier};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Sources kept of one reply.
const SOURCE_LIMIT: usize = 1_000;

/// Reads one reply.
pub(super) struct ChatDecoder {
    flavour: Flavour,
    /// The upstream's id of the reply, once it began.
    begun: Option<String>,
    choices: BTreeMap<u32, ChoiceState>,
    /// The alternative that the events so far belong to.
    current: u32,
    /// URLs of the sources given so far.
    sources: Vec<String>,
    /// The service tier that was told last.
    service_tier: Option<ServiceTier>,
    /// `[DONE]` came.
    done: bool,
}

/// One alternative's piece, streamed or whole.
struct Piece<'a> {
    index: u64,
    delta: Option<Delta<'a>>,
    finish: Option<Text<'a>>,
    matched: Option<&'a RawValue>,
}

impl ChatDecoder {
    pub(super) fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            begun: None,
            choices: BTreeMap::new(),
            current: 0,
            sources: Vec::new(),
            service_tier: None,
            done: false,
        }
    }

    fn begin(&mut self, id: &Text<'_>, model: &Text<'_>, out: &mut Vec<ReplyEvent>) {
        if self.begun.is_none() {
            let id = id.as_str().to_owned();
            self.begun = Some(id.clone());
            out.push(ReplyEvent::Start { id, model: model.as_str().to_owned() });
        }
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        let number = index(piece.index)?;
        let mut own = Vec::new();
        let reply = self.begun.as_deref().unwrap_or_default();
        let state = self.choices.entry(number).or_default();
        if let Some(delta) = piece.delta {
            state.delta(self.flavour, delta, reply, &mut own)?;
        }
        if let Some(word) = piece.finish.filter(|word| !word.as_str().is_empty()) {
            state.end(word.as_str(), piece.matched, &mut own)?;
        }
        if !own.is_empty() && std::mem::replace(&mut self.current, number) != number {
            out.push(ReplyEvent::Choice(number));
        }
        if out.is_empty() {
            *out = own;
        } else {
            out.append(&mut own);
        }
        Ok(())
    }

    /// Perplexity repeats all sources in every chunk; each is told once.
    fn sources(&mut self, results: Option<&RawValue>, urls: Option<&RawValue>, out: &mut Vec<ReplyEvent>) {
        let mut found: Vec<Citation> = list::<SearchResult<'_>>(results)
            .into_iter()
            .map(|source| Citation {
                url: source.url.as_str().to_owned(),
                title: source.title.some(),
                quote: source.snippet.some(),
                date: source.date.some(),
            })
            .collect();
        if found.is_empty() {
            let bare = |url: Text<'_>| Citation { url: url.as_str().to_owned(), ..Citation::default() };
            found = list::<Text<'_>>(urls).into_iter().map(bare).collect();
        }
        for citation in found {
            let known = citation.url.is_empty() || self.sources.contains(&citation.url);
            if !known && self.sources.len() < SOURCE_LIMIT {
                self.sources.push(citation.url.clone());
                out.push(ReplyEvent::Citation(citation));
            }
        }
    }

    fn usage(&mut self, usage: Option<&WireUsage<'_>>, tier: &Text<'_>, out: &mut Vec<ReplyEvent>) {
        self.service_tier = ServiceTier::of_word(tier.as_str()).or(self.service_tier);
        if let Some(wire) = usage {
            let (usage, reported_cost) = (wire.usage(self.flavour), wire.cost());
            out.push(ReplyEvent::Usage { usage, reported_cost, service_tier: self.service_tier });
        }
    }

    /// Every alternative that began has ended.
    fn all_ended(&self) -> bool {
        !self.choices.is_empty() && self.choices.values().all(|choice| choice.ended)
    }
}

impl Decoder for ChatDecoder {
    fn event(&mut self, event: Option<&str>, data: Bytes) -> Result<Frame, ModelError> {
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(Frame::default());
        }
        let chunk: Answer<'_, StreamChoice<'_>> = read_object(&data, "a chunk")?;
        if chunk.error.is_some() || event == Some("error") {
            return Err(stream_error(Dialect::OpenAiChat, self.begun.is_some(), &data));
        }
        let mut out = Vec::new();
        let choices = chunk.choices.unwrap_or_default();
        // Azure sends a chunk about the prompt's filter first, without id, model or choices.
        if !choices.is_empty() || !chunk.id.as_str().is_empty() {
            self.begin(&chunk.id, &chunk.model, &mut out);
        }
        self.sources(chunk.search_results, chunk.citations, &mut out);
        for choice in choices {
            let StreamChoice { index, delta, finish_reason: finish, stop_reason: matched } = choice;
            self.piece(Piece { index, delta, finish, matched }, &mut out)?;
        }
        self.usage(chunk.usage.as_ref(), &chunk.service_tier, &mut out);
        Ok(Frame::of(out))
    }

    fn finish(&mut self) -> Result<Frame, ModelError> {
        // OpenAI always ends with [DONE]; of the others some never send it.
        let complete = self.done || (self.flavour != Flavour::OpenAi && self.all_ended());
        if complete { Ok(Frame::default()) } else { Err(cut()) }
    }

    fn whole(&mut self, body: Bytes) -> Result<Frame, ModelError> {
        let answer: Answer<'_, WholeChoice<'_>> = read_object(&body, "the answer")?;
        if answer.error.is_some() {
            return Err(stream_error(Dialect::OpenAiChat, false, &body));
        }
        let choices = answer.choices.filter(|choices| !choices.is_empty());
        let choices = choices.ok_or_else(|| garbage("an answer without choices"))?;
        let mut out = Vec::with_capacity(4);
        self.begin(&answer.id, &answer.model, &mut out);
        self.sources(answer.search_results, answer.citations, &mut out);
        for choice in choices {
            let WholeChoice { index, message, finish_reason, stop_reason: matched } = choice;
            // A whole answer has ended, whatever it says of the reason.
            let finish =
                finish_reason.filter(|word| !word.as_str().is_empty()).unwrap_or_else(|| Text::from("stop"));
            self.piece(Piece { index, delta: Some(message), finish: Some(finish), matched }, &mut out)?;
        }
        self.usage(answer.usage.as_ref(), &answer.service_tier, &mut out);
        self.done = true;
        Ok(Frame::of(out))
    }

    fn done(&self) -> bool {
        self.done
    }
}
