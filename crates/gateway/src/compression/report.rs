//! What would be shortened of a request, part by part, and why not. Nothing is called or spent.

use super::decide::Circumstances;
use super::draft::{Draft, result_texts, shortened};
use super::sessions::Session;
use crate::gateway::Gateway;
use crate::plan::Judgement;
use crate::rounds::HiddenTools;
use nunchi_core::{CallContext, CompressMode, ModelError, ModelRequest, SpendScope};
use nunchi_saving::{CompressionReach, compression_reach, estimate_tokens, message_tokens};
use serde::Serialize;

/// A part of a conversation that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportedPart {
    /// The message's place in the conversation, instructions included, from 1.
    pub message: usize,
    /// How many messages it is.
    pub messages: usize,
    /// `json`, `log`, `diff`, `html`, `text`, `binary`, or `older turns`.
    pub kind: String,
    /// Tokens as it came, estimated.
    pub tokens_before: u64,
    /// Tokens as it would be sent, estimated.
    pub tokens_after: u64,
    /// The id of the original, where something would be left out.
    pub recall_id: Option<String>,
    /// Why it would be sent as it came.
    pub why_not: Option<String>,
}

/// What would be shortened of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompressionReport {
    /// The mode that was asked about.
    pub mode: CompressMode,
    /// The model whose prices decide.
    pub model: String,
    /// Tokens of the conversation as it came, estimated.
    pub tokens_before: u64,
    /// Tokens as it would be sent, estimated.
    pub tokens_after: u64,
    /// Its parts: tool results, and older turns.
    pub parts: Vec<ReportedPart>,
    /// What a caller would be told.
    pub notes: Vec<String>,
}

impl Gateway {
    /// What would be shortened of a request if it were the first of its session that is looked at.
    pub async fn explain_compression(
        &self,
        request: ModelRequest,
        context: CallContext,
        mode: CompressMode,
    ) -> Result<CompressionReport, ModelError> {
        let ask = self.estimate(request, context);
        let posture = self.parts.ledger.posture(&SpendScope::of(&ask.context, "", ""), ask.started);
        let plan = self.plan(&ask, &posture, Judgement::default())?;
        let candidate = &plan.candidates[0];
        let price = self.price_of(candidate)?;
        let recallable = HiddenTools::offered(&ask.request).recall.is_some();
        let session = Session::default();
        let at = Circumstances {
            mode,
            recallable,
            price: &price,
            session: &session,
            cached_tokens: 0,
            free_only: true,
        };
        let reach = compression_reach(&ask.request.messages, &self.settings.compress.history);
        let decided = match mode {
            CompressMode::Off => None,
            _ => Some(self.decide(&ask, &at).await),
        };
        let came = ask.request.messages.iter().map(message_tokens).sum();
        let (draft, notes) = decided
            .map_or_else(|| (Draft::default(), Vec::new()), |decision| (decision.draft, decision.notes));
        let parts = parts(&ask.request, &draft, &reach, recallable, mode);
        Ok(CompressionReport {
            mode,
            model: candidate.full_name(),
            tokens_before: came,
            tokens_after: if mode == CompressMode::Off { came } else { draft.tokens },
            parts,
            notes: notes.into_iter().map(|note| format!("{}: {}", note.field, note.what)).collect(),
        })
    }
}

fn parts(
    request: &ModelRequest,
    draft: &Draft,
    reach: &CompressionReach,
    recallable: bool,
    mode: CompressMode,
) -> Vec<ReportedPart> {
    let covered = draft.changes.runs.first();
    let mut parts = Vec::new();
    if let Some(run) = covered {
        let own = &request.messages[run.at..run.at + run.removed];
        parts.push(ReportedPart {
            message: run.at + 1,
            messages: run.removed,
            kind: "older turns".to_owned(),
            tokens_before: own.iter().map(message_tokens).sum(),
            tokens_after: run.messages.iter().map(message_tokens).sum(),
            recall_id: Some(nunchi_saving::HISTORY_ID.to_owned()),
            why_not: None,
        });
    }
    let start = covered.map_or(0, |run| run.at + run.removed);
    for (at, message) in request.messages.iter().enumerate().skip(start) {
        for (call_id, text) in result_texts(message) {
            let sent = draft.changes.short_of(call_id, text);
            let short = shortened(text);
            let before = estimate_tokens(text);
            let after = sent.map_or(before, estimate_tokens);
            let kind = short.as_ref().map_or("text".to_owned(), |short| kind_name(short.kind));
            let recall_id =
                short.as_ref().and_then(|short| short.recall_id.clone()).filter(|_| sent.is_some());
            let why_not = match (sent, &short) {
                (Some(_), _) => None,
                (None, None) => Some("nothing would be won"),
                (None, Some(_)) if mode == CompressMode::Off => Some("the mode is off"),
                (None, Some(_)) if at < reach.results_from => Some("a cache mark of the caller covers it"),
                (None, Some(_)) if at >= reach.results_to => Some("too fresh: it must age first"),
                (None, Some(short)) if short.recall_id.is_some() && !recallable => {
                    Some("the model could not recall the rest: the request allows no further tools")
                }
                (None, Some(_)) => Some("it would cost more than it saves"),
            };
            parts.push(ReportedPart {
                message: at + 1,
                messages: 1,
                kind,
                tokens_before: before,
                tokens_after: after,
                recall_id,
                why_not: why_not.map(str::to_owned),
            });
        }
    }
    parts
}

fn kind_name(kind: nunchi_saving::ResultKind) -> String {
    format!("{kind:?}").to_lowercase()
}
