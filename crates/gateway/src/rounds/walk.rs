//! The rounds of one request: each is an attempt with its own hold and its own row; the caller hears one answer, with the tokens of all.

use super::screen::{Heard, HiddenCall, Screen};
use crate::attempt::{Begun, Pursuit};
use crate::meter::{Ending, Reading};
use nunchi_core::{
    CallRecord, CallSummary, Message, ModelError, ModelErrorKind, NanoUsd, Part, Role, StopReason, Usage,
};
use std::sync::Arc;

/// Rounds of one request; the attempt behind the last one may not call the gateway's tools.
const MOST_ROUNDS: u32 = 3;
/// An answer with less left of its cap is not worth another round, in tokens.
const SMALLEST_REST: u64 = 32;

/// The rounds so far.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// How many were answered.
    pub(crate) made: u32,
    /// Why the answer ends before the model was done, if so.
    pub(crate) early: Option<StopReason>,
    /// Whether the calls under way only look for tools.
    pub(crate) finding: bool,
    /// Tokens of the earlier attempts.
    pub(crate) usage: Usage,
    cost: NanoUsd,
    baseline: NanoUsd,
    estimated: bool,
}

impl Rounds {
    fn add(&mut self, record: &CallRecord) {
        self.usage += record.usage;
        self.cost += record.cost;
        self.baseline += record.baseline_cost;
        self.estimated |= record.usage_estimated;
    }

    /// What the caller is told of all attempts, the last one being `record`.
    pub(crate) fn summary(&self, record: &CallRecord) -> CallSummary {
        let mut summary = record.summary();
        if self.made > 0 {
            summary.usage += self.usage;
            summary.usage_estimated |= self.estimated;
            summary.cost += self.cost;
            let baseline = self.baseline + record.baseline_cost;
            summary.saved = NanoUsd((baseline - summary.cost).0.max(0));
        }
        summary
    }
}

impl Pursuit {
    /// Asks the model again, if all it wants are answers that the gateway has; `None` when the answer ends here.
    pub(crate) async fn another_round(
        &mut self,
        reading: &Reading,
        ending: &Ending,
    ) -> Result<Option<Begun>, ModelError> {
        let Some(screen) = &self.screen else { return Ok(None) };
        if !matches!(ending, Ending::Whole) || reading.ended == 0 {
            return Ok(None);
        }
        match screen.heard() {
            Heard::Answer => Ok(None),
            Heard::Mixed(calls, own) => {
                self.keep_mixed(&calls, &own).await;
                Ok(None)
            }
            Heard::Round(..) if self.rounds.made >= MOST_ROUNDS => Ok(None),
            Heard::Round(..) if self.rest_of_cap(reading) < SMALLEST_REST => {
                self.rounds.early = Some(StopReason::MaxTokens);
                Ok(None)
            }
            Heard::Round(calls, parts) => self.go_round(reading, &calls, parts).await.map(Some),
        }
    }

    async fn keep_mixed(&mut self, calls: &[HiddenCall], own: &[String]) {
        let gateway = Arc::clone(&self.gateway);
        if let Some(shape) = &self.shape {
            gateway.keep_mixed(&self.ask, shape, self.chosen.as_mut(), calls, own).await;
        }
    }

    /// What the caller's cap leaves for the next attempt, in tokens.
    fn rest_of_cap(&self, reading: &Reading) -> u64 {
        let now = reading.usage.map_or(0, |usage| usage.completion_tokens());
        self.cap.saturating_sub(self.rounds.usage.completion_tokens()).saturating_sub(now)
    }

    async fn go_round(
        &mut self,
        reading: &Reading,
        calls: &[HiddenCall],
        parts: Vec<Part>,
    ) -> Result<Begun, ModelError> {
        let gateway = Arc::clone(&self.gateway);
        let gone = || ModelError::new(ModelErrorKind::ClientGone, "");
        let (Some(open), Some(candidate)) = (self.open.take(), self.answering.clone()) else {
            return Err(gone());
        };
        let finds = |call: &HiddenCall| {
            self.shape.as_ref().is_some_and(|shape| shape.hidden.find.as_deref() == Some(&call.name))
        };
        self.rounds.finding = calls.iter().all(finds);
        let record = self.booked_round(open, reading);
        self.rounds.add(&record);
        gateway.book(record).await;
        let Some(shape) = &mut self.shape else { return Err(gone()) };
        let came = &self.ask.request.messages;
        let answers = gateway.answer_hidden(&self.ask, came, shape, self.chosen.as_mut(), calls).await;
        shape.add_round(came.len(), vec![Message { role: Role::Assistant, parts, name: None }, answers]);
        self.rounds.made += 1;
        if self.rounds.made == MOST_ROUNDS {
            shape.end_rounds(!self.ask.request.tools.is_empty());
        }
        let hidden = shape.hidden.clone();
        self.screen = self.screen.take().map(|screen: Screen| screen.next(hidden));
        let flight = Arc::clone(&self.flight);
        let begun = tokio::select! {
            begun = self.try_candidate(&candidate, false) => Some(begun),
            () = flight.abandoned() => None,
        };
        match begun {
            Some(begun) => begun,
            None => {
                self.abandon().await;
                Err(gone())
            }
        }
    }
}
