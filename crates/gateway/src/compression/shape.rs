//! How a request differs from what the caller sent: shortened parts, tools that the gateway answers itself, rounds of such answers.

use super::decide::Circumstances;
use super::draft::Draft;
use crate::ask::Ask;
use crate::gateway::Gateway;
use crate::plan::Candidate;
use crate::rounds::HiddenTools;
use crate::tool_selection::Chosen;
use nunchi_core::{
    CompressMode, ContextUse, ConversationChanges, Dialect, Message, ModelPrice, ModelRequest, Note,
    ReplacedRun, ToolChoice,
};
use nunchi_saving::definition_tokens;

/// How a request is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    changes: ConversationChanges,
    /// Tools that the gateway answers itself.
    pub(crate) hidden: HiddenTools,
    /// Tokens left out by shortening, less those of the tool to recall; estimated.
    pub(crate) saved_tokens: i64,
    /// Which older turns are in sight although they are shortened.
    pub(crate) visible: Vec<bool>,
    pub(crate) notes: Vec<Note>,
    pub(crate) context: Option<ContextUse>,
}

impl Gateway {
    /// How the request is sent; `None` as it came.
    pub(crate) async fn shape(
        &self,
        ask: &Ask,
        candidate: Option<&Candidate>,
        chosen: Option<&Chosen>,
    ) -> Option<Shape> {
        let candidate = candidate?;
        let price = self.price_of(candidate).ok()?;
        let dialect = self.parts.providers[candidate.entry].dialect;
        let mode = ask.context.compress.unwrap_or(self.settings.compress.mode);
        let left_out = chosen.is_some_and(Chosen::leaves_out);
        let offered = HiddenTools::offered(&ask.request);
        let mut shape = Shape::default();
        let draft = match mode {
            CompressMode::Off => None,
            _ => Some(self.shorten(ask, mode, (&price, dialect), offered.recall.is_some(), &mut shape).await),
        };
        let saved = u64::try_from(shape.saved_tokens).unwrap_or(0);
        if let Some(limit) = self.near_limit(ask, &price, saved, draft.as_ref()) {
            shape.context = Some(limit.used);
            shape.notes.push(limit.note);
            if let Some(changes) = limit.cut {
                shape.changes = changes;
            }
        }
        let lossy = draft.as_ref().is_some_and(Draft::lossy) || !shape.changes.runs.is_empty();
        shape.hidden =
            HiddenTools { recall: offered.recall.filter(|_| lossy), find: offered.find.filter(|_| left_out) };
        if !shape.hidden.is_empty() {
            let covered = shape.changes.runs.first().map_or(0, |run| run.at + run.removed);
            let resumed = self.resumed(ask, covered).await;
            shape.changes.runs.extend(resumed);
        }
        shape.changes.own_tools = shape.hidden.definitions().len();
        let recall = shape.hidden.definition_of_recall().map_or(0, |tool| definition_tokens(&tool));
        shape.saved_tokens = shape.saved_tokens.saturating_sub_unsigned(recall);
        (!shape.is_nothing()).then_some(shape)
    }

    /// Shortens what pays; what was left out is kept.
    async fn shorten(
        &self,
        ask: &Ask,
        mode: CompressMode,
        (price, dialect): (&ModelPrice, Dialect),
        recallable: bool,
        shape: &mut Shape,
    ) -> Draft {
        let id = ask.exact_conversation();
        let now = self.parts.clock.now();
        let mut session = id.map(|id| self.compression.get(id)).unwrap_or_default();
        let at = Circumstances {
            mode,
            recallable,
            price,
            session: &session,
            cached_tokens: session.cached_tokens(now, dialect),
            free_only: false,
        };
        let decision = self.decide(ask, &at).await;
        let draft = decision.draft;
        let came: u64 = ask.request.messages.iter().map(nunchi_saving::message_tokens).sum();
        shape.saved_tokens = i64::try_from(came).unwrap_or(i64::MAX).saturating_sub_unsigned(draft.tokens);
        shape.notes = decision.notes;
        shape.notes.extend(said(&draft, came, !decision.summaries.is_empty()));
        shape.visible = draft.applied.visible();
        shape.changes = draft.changes.clone();
        self.originals.keep(self, &ask.context.principal, draft.originals.clone());
        if let Some(id) = id {
            session.note(&draft);
            self.compression.put(id, session, now);
        }
        draft
    }
}

/// What is told to the caller.
fn said(draft: &Draft, came: u64, summarised: bool) -> Option<Note> {
    let (results, turns) = (draft.changes.results.len(), draft.applied.covered());
    let what = match (results, turns) {
        (0, 0) => return None,
        (results, 0) => format!("{results} tool results shortened"),
        (0, turns) => format!("{turns} older messages shortened"),
        (results, turns) => format!("{turns} older messages and {results} tool results shortened"),
    };
    let how = if summarised { ", summarised by a model" } else { "" };
    let what = format!("{what}{how}: about {} tokens in place of {came}", draft.tokens);
    Some(Note { field: "compress".into(), what })
}

impl Shape {
    /// A request that is sent as it came after all.
    pub(crate) fn as_it_came(shaped: Option<&Self>, why: Note) -> Self {
        let context = shaped.and_then(|shape| shape.context);
        Self { context, notes: vec![why], ..Self::default() }
    }

    fn is_nothing(&self) -> bool {
        self.changes == ConversationChanges::default() && self.notes.is_empty() && self.context.is_none()
    }

    /// Whether anything of what is sent differs from what came.
    pub(crate) fn changes_anything(&self) -> bool {
        self.changes != ConversationChanges::default()
    }

    /// Puts the changes into a request that holds the caller's messages, and the tools chosen for it.
    pub(crate) fn apply(&self, request: &mut ModelRequest) {
        if !self.changes_anything() {
            return;
        }
        request.messages = self.changes.apply(&request.messages);
        let mut tools = self.hidden.definitions();
        tools.append(&mut request.tools);
        request.tools = tools;
        if self.changes.no_more_tools {
            request.tool_choice = ToolChoice::None;
        }
        request.changes = Some(self.changes.clone());
    }

    /// Adds a round: what the model said, and the answers to its calls. `came` counts the caller's messages.
    pub(crate) fn add_round(&mut self, came: usize, round: Vec<Message>) {
        match self.changes.runs.last_mut() {
            Some(run) if run.at == came => run.messages.extend(round),
            _ => self.changes.runs.push(ReplacedRun { at: came, removed: 0, messages: round }),
        }
    }

    /// Lets the model call the gateway's tools no more.
    pub(crate) fn end_rounds(&mut self, callers_tools: bool) {
        if callers_tools {
            self.hidden = HiddenTools::default();
            self.changes.own_tools = 0;
        } else {
            self.changes.no_more_tools = true;
        }
    }
}
