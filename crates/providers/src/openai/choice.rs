//! The state of one alternative while its pieces come in.

use super::Flavour;
use super::chunk::{Annotation, Delta, Text, WireCall, WireFunction, arguments, list, words};
use super::think::{Spoken, ThinkSplit};
use crate::shared::{garbage, index};
use nunchi_core::{Citation, ModelError, ReplyEvent, StopReason};
use serde_json::value::RawValue;

/// One alternative.
#[derive(Default)]
pub(super) struct ChoiceState {
    tools: Vec<ToolState>,
    refused: bool,
    think: ThinkSplit,
    pub(super) ended: bool,
}

/// One tool call of an alternative; its place in the list is the index that core knows.
struct ToolState {
    /// The index on the wire, where there is one.
    wire: Option<u64>,
    id: String,
    /// Arguments that came before the name.
    held: Option<String>,
}

impl ChoiceState {
    /// Turns a piece into events. `reply` names the reply, for ids that the server left out.
    pub(super) fn delta(
        &mut self,
        flavour: Flavour,
        delta: Delta<'_>,
        reply: &str,
        out: &mut Vec<ReplyEvent>,
    ) -> Result<(), ModelError> {
        let reasoning = delta.reasoning_content.or(delta.reasoning);
        push(out, ReplyEvent::Thinking, words(reasoning));
        if let Some(text) = content(delta.content, out)
            && !text.is_empty()
        {
            self.text(flavour, text, out);
        }
        if let Some(refusal) = words(delta.refusal).filter(|refusal| !refusal.is_empty()) {
            self.refused = true;
            out.push(ReplyEvent::Refusal(refusal));
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call, reply, out)?;
        }
        if let Some(function) = delta.function_call {
            self.call(
                WireCall { index: Some(0), function: Some(function), ..WireCall::default() },
                reply,
                out,
            )?;
        }
        for annotation in list::<Annotation<'_>>(delta.annotations) {
            let Some(source) = annotation.url_citation else { continue };
            out.push(ReplyEvent::Citation(Citation {
                url: source.url.as_str().to_owned(),
                title: source.title.some(),
                quote: source.content.some(),
                date: None,
            }));
        }
        Ok(())
    }

    fn text(&mut self, flavour: Flavour, text: String, out: &mut Vec<ReplyEvent>) {
        if flavour == Flavour::Perplexity {
            out.extend(self.think.push(&text).into_iter().map(spoken));
        } else {
            out.push(ReplyEvent::Text(text));
        }
    }

    fn call(&mut self, call: WireCall<'_>, reply: &str, out: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        let function = call.function.or(call.custom).unwrap_or_default();
        let at = match self.known(call.index, call.id.as_str(), function.name.as_str()) {
            Some(at) => at,
            None => self.begin(call.index, &call.id, reply)?,
        };
        let place = index(at as u64)?;
        self.announce(at, place, &function, out);
        let Some(delta) = arguments(function.arguments).filter(|delta| !delta.is_empty()) else {
            return Ok(());
        };
        match self.tools.get_mut(at).and_then(|tool| tool.held.as_mut()) {
            Some(held) => held.push_str(&delta),
            None => out.push(ReplyEvent::ToolArguments { index: place, delta }),
        }
        Ok(())
    }

    /// The call that a piece belongs to. Servers may leave the index out, or number parallel calls all alike.
    fn known(&self, wire: Option<u64>, id: &str, name: &str) -> Option<usize> {
        let fits =
            |tool: &ToolState| id.is_empty() || tool.id == id || (tool.held.is_some() && name.is_empty());
        match wire {
            Some(_) => self.tools.iter().rposition(|tool| tool.wire == wire).filter(|&at| {
                let tool = &self.tools[at];
                fits(tool) || name.is_empty()
            }),
            None if !id.is_empty() => self.tools.iter().rposition(|tool| tool.id == id),
            None if !name.is_empty() => self.tools.iter().rposition(|tool| tool.held.is_some()),
            None => self.tools.len().checked_sub(1),
        }
    }

    fn begin(&mut self, wire: Option<u64>, id: &Text<'_>, reply: &str) -> Result<usize, ModelError> {
        if let Some(wire) = wire {
            index(wire)?;
        }
        let at = self.tools.len();
        index(at as u64)?;
        let id = id.some().unwrap_or_else(|| format!("call_{reply}_{at}"));
        self.tools.push(ToolState { wire, id, held: Some(String::new()) });
        Ok(at)
    }

    /// Tells of the call once its name is known.
    fn announce(&mut self, at: usize, place: u32, function: &WireFunction<'_>, out: &mut Vec<ReplyEvent>) {
        let Some(name) = function.name.some() else { return };
        let Some(tool) = self.tools.get_mut(at) else { return };
        let Some(held) = tool.held.take() else { return };
        out.push(ReplyEvent::ToolCall { index: place, id: tool.id.clone(), name });
        if !held.is_empty() {
            out.push(ReplyEvent::ToolArguments { index: place, delta: held });
        }
    }

    /// Ends the alternative for a reason in the server's word.
    pub(super) fn end(
        &mut self,
        word: &str,
        matched: Option<&RawValue>,
        out: &mut Vec<ReplyEvent>,
    ) -> Result<(), ModelError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        out.extend(self.think.finish().into_iter().map(spoken));
        if self.tools.iter().any(|tool| tool.held.is_some()) {
            return Err(garbage("a tool call without a name"));
        }
        // vLLM tells which stop text was met.
        let matched = matched.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        out.push(ReplyEvent::End(match (word, matched) {
            ("tool_calls" | "function_call", _) => StopReason::ToolUse,
            ("stop", _) if !self.tools.is_empty() => StopReason::ToolUse,
            ("stop", _) if self.refused => StopReason::Refusal,
            ("stop", Some(text)) => StopReason::StopSequence(text),
            ("stop" | "" | "eos", _) => StopReason::EndTurn,
            ("length" | "max_tokens", _) => StopReason::MaxTokens,
            ("content_filter", _) => StopReason::ContentFilter,
            (other, _) => StopReason::Other(other.to_owned()),
        }));
        Ok(())
    }
}

/// Text of the answer. Mistral mixes thinking parts into the list; those go out as what they are.
fn content(raw: Option<&RawValue>, out: &mut Vec<ReplyEvent>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Part<'a> {
        #[serde(borrow, default)]
        thinking: Option<&'a RawValue>,
    }
    let raw = raw?;
    if raw.get().starts_with('[') {
        for part in list::<Part<'_>>(Some(raw)) {
            push(out, ReplyEvent::Thinking, words(part.thinking));
        }
    }
    words(Some(raw))
}

fn spoken(piece: Spoken) -> ReplyEvent {
    match piece {
        Spoken::Thinking(text) => ReplyEvent::Thinking(text),
        Spoken::Text(text) => ReplyEvent::Text(text),
    }
}

fn push(out: &mut Vec<ReplyEvent>, kind: fn(String) -> ReplyEvent, text: Option<String>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.push(kind(text));
    }
}
