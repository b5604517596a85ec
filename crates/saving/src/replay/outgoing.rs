//! What of a request is sent: the tools that the question needs, shortened results and older turns, marks for the prompt cache.

use super::texts::{Meanings, tools_digest};
use super::words::{ReplayModel, ReplayPolicy};
use crate::compress::{
    CompressionPlan, FrozenHistory, HistoryPolicy, ResultPolicy, compress_history, compress_result,
    compression_verdict, message_tokens,
};
use crate::conversation::{conversation_of, used_tools};
use crate::prefix::{
    PREFIX_LIFE, PrefixKeeping, PrefixTraffic, PrefixUse, PromptBytes, SHORTEST_PREFIX, SeenPrompt,
    mark_prefix, plan_marks, prefix_id, prefix_is_marked, reuse_chance,
};
use crate::select::{
    ConceptVectors, CutPolicy, FEWEST_TOOLS, ListPrefix, SelectionRequest, ToolCatalog, ToolQuery,
    ToolSession, asking_part, choose_or_send_all, whole_list_id,
};
use crate::sharing::meaning_text;
use jiff::Timestamp;
use nunchi_core::{CallContext, CompressMode, ModelRequest, NanoUsd, Part, human_text};
use std::collections::HashMap;

/// A `recall` brings back so much of what was left out, in percent of the history; measured on long conversations.
const RECALLED_PERCENT: u64 = 6;
/// One call in so many asks for a `recall`: what it needs is out of sight; measured on the same.
const CALLS_A_RECALL: u32 = 3;

/// What was sent last of a session.
struct Session {
    seen: SeenPrompt,
    last: Timestamp,
    calls: u64,
    reused: u32,
}

/// What sessions were sent.
#[derive(Default)]
pub(super) struct Outbox {
    catalogs: HashMap<u64, ToolCatalog>,
    tool_sessions: HashMap<u64, ToolSession>,
    histories: HashMap<u64, (FrozenHistory, u32)>,
    sessions: HashMap<u64, Session>,
    traffic: PrefixTraffic,
    concepts: Option<Option<ConceptVectors>>,
}

/// What shortening did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shortened {
    /// Whether anything was left out.
    pub(super) any: bool,
    /// Tokens that a `recall` of this call brings back; 0 where nothing can be out of sight.
    pub(super) recallable: u64,
}

impl Outbox {
    /// Leaves out the tools that a question does not need; tells whether any was.
    pub(super) fn select(
        &mut self,
        (policy, model): (&ReplayPolicy, &ReplayModel),
        meanings: &Meanings,
        (request, context): (&mut ModelRequest, &CallContext),
        now: Timestamp,
    ) -> bool {
        let wanted = context.select_tools.unwrap_or(policy.select_tools);
        if !wanted || request.tools.len() < FEWEST_TOOLS {
            return false;
        }
        let Some((text, id)) = human_text(request).zip(conversation_of(request, context)) else {
            return false;
        };
        let digest = tools_digest(request);
        if !self.catalogs.contains_key(&digest) {
            let catalog = self.catalog(request, meanings);
            self.catalogs.insert(digest, catalog);
        }
        let catalog = &self.catalogs[&digest];
        let vector = meanings.get(meaning_text(asking_part(&text)).as_ref());
        let used = used_tools(request);
        let whole = whole_list_id(&model.name, request);
        let keeping = match policy.keep_prefixes && !model.local {
            true => PrefixKeeping::of(model.dialect, &model.price),
            false => PrefixKeeping::Nothing,
        };
        let outlook = self.traffic.outlook(whole, request, now);
        let prefix = ListPrefix::of(request, keeping, &model.price, outlook);
        let selection = choose_or_send_all(
            catalog,
            &SelectionRequest {
                query: ToolQuery { text: &text, vector: vector.map(Vec::as_slice) },
                intent: None,
                tool_choice: &request.tool_choice,
                used: &used,
                session: self.tool_sessions.get(&id),
                memory: None,
                groups: None,
                cut: CutPolicy::default(),
                cache: None,
            },
            Some(&prefix),
        );
        if selection.find_tools {
            let continued = self.tool_sessions.contains_key(&id);
            self.traffic.note(whole, now, PrefixUse { continued, ..PrefixUse::default() });
        }
        self.tool_sessions.insert(id, selection.session);
        let all = std::mem::take(&mut request.tools);
        request.tools = selection.tools.iter().filter_map(|(at, _)| all.get(*at).cloned()).collect();
        request.tools.len() < all.len()
    }

    fn catalog(&mut self, request: &ModelRequest, meanings: &Meanings) -> ToolCatalog {
        let rows = |texts: &[String]| -> Option<Vec<Vec<f32>>> {
            texts.iter().map(|text| meanings.get(meaning_text(text).as_ref()).cloned()).collect()
        };
        let concepts = self
            .concepts
            .get_or_insert_with(|| rows(ConceptVectors::texts()).and_then(ConceptVectors::new))
            .as_ref();
        let mut catalog = ToolCatalog::new(&request.tools);
        if let Some(vectors) = rows(catalog.texts()) {
            catalog.set_vectors(vectors, concepts);
        }
        catalog
    }

    /// Shortens tool results, and older turns where that pays over the rest of the session.
    pub(super) fn shorten(
        &mut self,
        policy: &ReplayPolicy,
        model: &ReplayModel,
        (request, context): (&mut ModelRequest, &CallContext),
        now: Timestamp,
    ) -> Shortened {
        let mut done = Shortened::default();
        if policy.compress != CompressMode::Off {
            done.any |= shorten_results(request);
        }
        let older = matches!(policy.compress, CompressMode::History | CompressMode::Auto);
        let Some(id) = conversation_of(request, context).filter(|_| older) else {
            return done;
        };
        let alive = self.sessions.get(&id).is_some_and(|s| now.duration_since(s.last) < PREFIX_LIFE);
        let (frozen, calls) = self.histories.entry(id).or_default();
        *calls += 1;
        let short = compress_history(&request.messages, frozen, &HistoryPolicy::default());
        if short.frozen.covered() == 0 {
            return done;
        }
        let sum = |messages: &[nunchi_core::Message]| messages.iter().map(message_tokens).sum::<u64>();
        let recalled = short.tokens_before * RECALLED_PERCENT / 100;
        let plan = CompressionPlan {
            rates: model.price.rates,
            tokens_before: short.tokens_before,
            tokens_after: short.tokens_after,
            unchanged_tokens: sum(&short.messages[..short.first_changed.min(short.messages.len())]),
            cached_tokens: if alive && policy.keep_prefixes { short.tokens_before } else { 0 },
            // A session that has made so many calls is taken to make as many again.
            remaining_calls: (*calls).max(1),
            recall_tokens: recalled * u64::from(*calls) / u64::from(CALLS_A_RECALL),
            making: NanoUsd::ZERO,
        };
        // What is frozen already stays so: its bytes open every later call.
        let fresh = frozen.covered() == 0;
        if !fresh || compression_verdict(&plan).pays {
            *frozen = short.frozen;
            request.messages = short.messages;
            done = Shortened { any: true, recallable: recalled };
        }
        done
    }

    /// Marks a prompt for the provider's cache where that pays, and remembers it.
    pub(super) fn mark(
        &mut self,
        model: &ReplayModel,
        came: &ModelRequest,
        (outgoing, context): (&mut ModelRequest, &CallContext),
        now: Timestamp,
    ) {
        let prompt = PromptBytes::of(came);
        let Some(id) = conversation_of(came, context).filter(|_| prompt.len() >= SHORTEST_PREFIX) else {
            return;
        };
        let before = self.sessions.remove(&id);
        let mut session = Session { seen: prompt.seen(), last: now, calls: 1, reused: 0 };
        if let Some(before) = before {
            let alive = now.duration_since(before.last) < PREFIX_LIFE;
            session.calls = before.calls + 1;
            session.reused = before.reused + u32::from(alive && prompt.differs(&before.seen).is_none());
        }
        let keeping = PrefixKeeping::of(model.dialect, &model.price);
        let shared = prefix_id(&model.name, &outgoing.tools, &outgoing.messages);
        let outlook = self.traffic.outlook(shared, came, now);
        let reuse = reuse_chance(outlook.continued, session.calls, session.reused);
        let plan = plan_marks(keeping, &model.price, &outlook, reuse);
        if !prefix_is_marked(came) {
            mark_prefix(outgoing, plan);
        }
        let automatic = (keeping == PrefixKeeping::Automatic).then_some(PREFIX_LIFE);
        let kept = plan.shared.map(|ttl| keeping.life(ttl)).or(automatic);
        let found = outlook.warm.then_some(true);
        self.traffic.note(shared, now, PrefixUse { continued: session.reused > 0, kept, found });
        self.sessions.insert(id, session);
    }
}

/// Whether this call asks for a `recall`, by a draw that is even from 0 to 1.
pub(super) fn recalls(shortened: Shortened, draw: f64) -> bool {
    shortened.recallable > 0 && draw < 1.0 / f64::from(CALLS_A_RECALL)
}

fn shorten_results(request: &mut ModelRequest) -> bool {
    let mut any = false;
    let parts = request.messages.iter_mut().flat_map(|message| &mut message.parts);
    for part in parts {
        let Part::ToolResult { content, .. } = part else { continue };
        for inner in content {
            if let Part::Text(text) = inner {
                let short = compress_result(text, &ResultPolicy::default());
                any |= short.tokens_after < short.tokens_before;
                *text = short.text;
            }
        }
    }
    any
}
