//! Summaries of older turns by a cheap model, through the gateway itself: metered, booked as overhead, made once for the same turns.

use super::sessions::Applied;
use crate::ask::Ask;
use crate::gateway::Gateway;
use futures_util::StreamExt;
use nunchi_core::{
    CacheDirective, CallContext, CompressMode, Message, Model, ModelRequest, NanoUsd, OWN_TASKS, ReplyEvent,
    Role, ServiceTier, StopReason, Usage, assemble_reply, cost,
};
use nunchi_saving::{
    content_id, estimate_tokens, history_passages, message_tokens, missing_facts, summary_request,
};
use std::sync::Arc;

/// What such a call is for, in the ledger.
const PURPOSE: &str = "summarise";
/// Summaries that are asked for at once; a conversation that lacks more is shortened by rule.
const MOST_AT_ONCE: usize = 8;
/// Shortest and longest summary, in tokens.
const LENGTHS: (u64, u64) = (200, 1_500);
/// How a summary begins. Its bytes never change.
const OPENING: &str = "[Summary of earlier turns. recall id history returns the originals.]";

impl Gateway {
    /// The summaries of the frozen turns, one a segment; none where no model is to make them, or where one cannot be had.
    pub(super) async fn summaries(&self, ask: &Ask, applied: &Applied) -> Vec<String> {
        let Some(model) = &self.settings.compress.summarise else { return Vec::new() };
        let turns = &ask.request.messages[applied.instructions.min(ask.request.messages.len())..];
        let segments: Option<Vec<&[Message]>> =
            applied.frozen.segments().into_iter().map(|segment| turns.get(segment)).collect();
        let Some(segments) = segments.filter(|segments| !segments.is_empty()) else { return Vec::new() };
        let name =
            |own: &&[Message]| format!("summary {model} {}", content_id(&history_passages(own).join("\n")));
        let ids: Vec<String> = segments.iter().map(name).collect();
        let known = self.originals.find_many(self, &ask.context.principal, &ids).await;
        if known.iter().filter(|summary| summary.is_none()).count() > MOST_AT_ONCE {
            return Vec::new();
        }
        let missing = segments.iter().zip(&ids).zip(&known).filter(|(_, known)| known.is_none());
        let making = missing.map(|((own, id), _)| async move {
            self.summarise(ask, model, own).await.map(|summary| (id.clone(), summary))
        });
        let made: Vec<(String, String)> =
            futures_util::future::join_all(making).await.into_iter().flatten().collect();
        self.originals.keep(self, &ask.context.principal, made.iter().cloned());
        let find = |(id, known): (&String, Option<String>)| {
            known.or_else(|| made.iter().find(|(own, _)| own == id).map(|(_, summary)| summary.clone()))
        };
        // One that is missing would leave a hole: then all are shortened by rule.
        ids.iter().zip(known).map(find).collect::<Option<Vec<String>>>().unwrap_or_default()
    }

    /// What the summaries that a wish lacks would cost.
    pub(super) fn making(&self, ask: &Ask, kept: &Applied, wish: &Applied) -> NanoUsd {
        let Some(model) = &self.settings.compress.summarise else { return NanoUsd::ZERO };
        let (from, to) = (kept.frozen.covered(), wish.frozen.covered());
        let start = wish.instructions;
        let Some(own) = ask.request.messages.get(start + from..start + to) else { return NanoUsd::ZERO };
        let input = own.iter().map(message_tokens).sum();
        let usage = Usage { input, output: length(input), ..Usage::default() };
        let name = match model.strip_prefix("auto:").and_then(|tier| tier.parse().ok()) {
            Some(tier) => self.routes().tiers.of(tier).first().cloned().unwrap_or_default(),
            None => model.clone(),
        };
        let mut candidates = Vec::new();
        self.add_named(&mut candidates, &name);
        let price = candidates.first().and_then(|candidate| self.price_of(candidate).ok());
        price.map_or(NanoUsd::ZERO, |price| cost(&price, &usage, ServiceTier::Standard))
    }

    async fn summarise(&self, ask: &Ask, model: &str, turns: &[Message]) -> Option<String> {
        let tokens: u64 = turns.iter().map(message_tokens).sum();
        let wanted = summary_request(turns, length(tokens));
        let mut request = ModelRequest::new(model, vec![Message::text(Role::User, wanted.prompt)]);
        request.max_output_tokens = Some(wanted.max_output_tokens);
        let context = CallContext {
            phase: Some(Arc::from(PURPOSE)),
            task: Some(Arc::from(format!("{OWN_TASKS}{PURPOSE}"))),
            cache: CacheDirective::NoStore,
            select_tools: Some(false),
            compress: Some(CompressMode::Off),
            deadline: None,
            ..ask.context.clone()
        };
        let reply = self.call(request, context).await;
        let mut stream =
            reply.inspect_err(|error| tracing::warn!(%error, "no summary could be had")).ok()?.stream;
        let mut events: Vec<ReplyEvent> = Vec::new();
        while let Some(frame) = stream.next().await {
            events.extend(frame.ok()?.events);
        }
        let choice = assemble_reply(&events).choices.into_iter().next()?;
        let text: String = choice.parts.iter().filter_map(nunchi_core::Part::as_text).collect();
        if text.trim().is_empty() || choice.stop != Some(StopReason::EndTurn) {
            return None;
        }
        let mut summary = format!("{OPENING}\n{}", text.trim());
        for fact in missing_facts(&text, &wanted.pinned) {
            summary.push_str("\n- ");
            summary.push_str(&fact.text);
        }
        (estimate_tokens(&summary) < tokens).then_some(summary)
    }
}

fn length(tokens: u64) -> u64 {
    (tokens / 4).clamp(LENGTHS.0, LENGTHS.1)
}
