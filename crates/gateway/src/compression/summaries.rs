//! Summaries of older turns by a cheap model, through the gateway itself: metered, booked as overhead, made once for the same turns.

use super::sessions::Applied;
use crate::call::Ask;
use crate::gateway::Gateway;
use futures_util::StreamExt;
use nunchi_core::{
    CacheDirective, CallContext, CompressMode, Message, Model, ModelRequest, NanoUsd, ReplyEvent, Role,
    StopReason, Usage, assemble_reply, cost,
};
use nunchi_saving::{
    content_id, estimate_tokens, history_passages, message_tokens, missing_facts, summary_request,
};
use std::sync::Arc;

/// What such a call is for, in the ledger.
const PURPOSE: &str = "summarise";
/// Summaries that are asked for in one call; the rest of a long conversation is shortened by rule.
const MOST_AT_ONCE: usize = 3;
/// Shortest and longest summary, in tokens.
const LENGTHS: (u64, u64) = (200, 1_500);
/// How a summary begins. Its bytes never change.
const OPENING: &str = "[Summary of earlier turns. recall id history returns the originals.]";

impl Gateway {
    /// The summaries of the frozen turns, one a segment; none where no model is to make them, or where one cannot be had.
    pub(super) async fn summaries(&self, ask: &Ask, applied: &Applied) -> Vec<String> {
        let Some(model) = &self.settings.compress.summarise else { return Vec::new() };
        let turns = &ask.request.messages[applied.instructions.min(ask.request.messages.len())..];
        let mut summaries = Vec::new();
        let mut made = 0;
        for segment in applied.frozen.segments() {
            let Some(own) = turns.get(segment) else { return Vec::new() };
            let id = format!("summary {model} {}", content_id(&history_passages(own).join("\n")));
            if let Some(known) = self.originals.find(self, &ask.context.principal, &id).await {
                summaries.push(known);
                continue;
            }
            made += 1;
            let summary = if made > MOST_AT_ONCE { None } else { self.summarise(ask, model, own).await };
            let Some(summary) = summary else { return Vec::new() };
            self.originals.keep(self, &ask.context.principal, [(id, summary.clone())]);
            summaries.push(summary);
        }
        summaries
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
        price.map_or(NanoUsd::ZERO, |price| cost(&price, &usage, false))
    }

    async fn summarise(&self, ask: &Ask, model: &str, turns: &[Message]) -> Option<String> {
        let tokens: u64 = turns.iter().map(message_tokens).sum();
        let wanted = summary_request(turns, length(tokens));
        let mut request = ModelRequest::new(model, vec![Message::text(Role::User, wanted.prompt)]);
        request.max_output_tokens = Some(wanted.max_output_tokens);
        let context = CallContext {
            phase: Some(Arc::from(PURPOSE)),
            task: Some(Arc::from(PURPOSE)),
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
