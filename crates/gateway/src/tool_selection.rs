//! Sends only the tools that a question needs: chosen by meaning and words, the same ones again for the rest of a session.

use crate::ask::Ask;
use crate::gateway::Gateway;
use crate::plan::Candidate;
use crate::prompt_cache::model_of;
use jiff::Timestamp;
use nunchi_core::{CallContext, ModelPrice, ModelRequest, TaskName, ToolDefinition};
use nunchi_saving::{
    ConceptVectors, CutPolicy, FEWEST_TOOLS, ListPrefix, PrefixKeeping, SelectionChange, SelectionRequest,
    ToolCatalog, ToolQuery, ToolSession, asking_part, choose_or_send_all, find_tools_answer,
    find_tools_query, used_tools, whole_list_id,
};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Lists of tools that are kept ready, and sessions; those used longest ago go first.
const MOST_CATALOGS: usize = 64;
const MOST_SESSIONS: usize = 2_000;
/// Tools that one search names.
const MOST_FOUND: usize = 5;
/// Texts embedded at once in the background.
const BATCH: usize = 32;

/// The tools to send instead of all.
pub(crate) struct Chosen {
    /// Places in the request's list, in the order to send.
    kept: Vec<usize>,
    /// How many the caller sent.
    all: usize,
    /// Whether all are sent because the provider's cache keeps them.
    whole: bool,
    /// Tokens of the definitions that are left out, estimated.
    pub(crate) saved_tokens: u64,
}

#[derive(Default)]
struct Known {
    catalogs: HashMap<u64, (Arc<ToolCatalog>, Timestamp)>,
    sessions: HashMap<u64, (ToolSession, Timestamp)>,
}

/// Lists of tools and what sessions were sent of them.
#[derive(Default)]
pub(crate) struct ToolChooser {
    known: Mutex<Known>,
    concepts: OnceLock<Option<ConceptVectors>>,
}

impl Gateway {
    /// The tools to send, by what `candidate` charges for them; `None` where they are sent as they came.
    pub(crate) async fn choose_tools(&self, ask: &Ask, candidate: Option<&Candidate>) -> Option<Chosen> {
        let wanted = ask.context.select_tools.unwrap_or(self.settings.select_tools);
        if !wanted || ask.request.tools.len() < FEWEST_TOOLS {
            return None;
        }
        let text = ask.human()?;
        let catalog = self.catalog(&ask.request.tools, &ask.context);
        let vector = match &self.cache.semantic {
            Some(semantic) => semantic.embed(asking_part(text), &ask.context).await,
            None => None,
        };
        let vector = vector.map(|vector| vector.unpack());
        let id = ask.conversation()?;
        let session = self.tools.known().sessions.get(&id).map(|(session, _)| session.clone());
        let mut used = used_tools(&ask.request);
        used.extend(ask.context.keep_tools.iter().map(String::as_str));
        let price = candidate.and_then(|candidate| self.price_of(candidate).ok());
        let whole = candidate.zip(price.as_deref()).map(|(at, price)| self.whole_list(ask, at, price));
        let selection = choose_or_send_all(
            &catalog,
            &SelectionRequest {
                query: ToolQuery { text, vector: vector.as_deref() },
                intent: None,
                tool_choice: &ask.request.tool_choice,
                used: &used,
                session: session.as_ref(),
                memory: None,
                groups: None,
                cut: CutPolicy::default(),
                cache: None,
            },
            whole.as_ref().map(|(_, prefix)| prefix),
        );
        if let Some((id, _)) = whole.filter(|_| selection.find_tools) {
            self.prompt_cache.note_other(id, session.is_some());
        }
        let sent: u64 = selection.tools.iter().map(|(at, _)| catalog.tokens(*at)).sum();
        let now = self.parts.clock.now();
        let mut known = self.tools.known();
        make_room(&mut known.sessions, MOST_SESSIONS);
        known.sessions.insert(id, (selection.session, now));
        Some(Chosen {
            kept: selection.tools.into_iter().map(|(at, _)| at).collect(),
            all: selection.total_tools,
            whole: selection.change == SelectionChange::Whole,
            saved_tokens: selection.tokens_before.saturating_sub(sent),
        })
    }

    /// The prefix of a prompt with all its tools, in the order of their names, and what it would meet at a model.
    fn whole_list<'p>(
        &self,
        ask: &Ask,
        candidate: &Candidate,
        price: &'p ModelPrice,
    ) -> (u64, ListPrefix<'p>) {
        let id = whole_list_id(&model_of(price), &ask.request);
        let keeping = PrefixKeeping::of(self.parts.providers[candidate.entry].dialect, price);
        let outlook = self.prompt_cache.outlook(id, &ask.request);
        let prefix = ListPrefix::of(&ask.request, keeping, price, outlook);
        (id, prefix)
    }

    /// Answers the model's search for a tool that was left out; what it finds is sent from then on.
    pub(crate) async fn find_more(&self, ask: &Ask, chosen: &mut Chosen, arguments: &str) -> String {
        let catalog = self.catalog(&ask.request.tools, &ask.context);
        let query = find_tools_query(arguments);
        let vector = match &self.cache.semantic {
            Some(semantic) => semantic.embed(&query, &ask.context).await,
            None => None,
        };
        let vector = vector.map(|vector| vector.unpack());
        let query = ToolQuery { text: &query, vector: vector.as_deref() };
        let (found, text) = find_tools_answer(&catalog, query, None, MOST_FOUND);
        let mut known = self.tools.known();
        let mut session = ask.conversation().and_then(|id| known.sessions.get_mut(&id));
        for tool in found {
            if !chosen.kept.contains(&tool.index) {
                chosen.kept.push(tool.index);
                chosen.saved_tokens = chosen.saved_tokens.saturating_sub(catalog.tokens(tool.index));
            }
            if let Some((session, _)) = &mut session {
                session.request_tool(tool.name);
            }
        }
        text
    }

    /// The list of tools, ready to be ranked: by words at once, by meaning once the encoder has read it.
    fn catalog(&self, tools: &[ToolDefinition], context: &CallContext) -> Arc<ToolCatalog> {
        let id = digest(tools);
        let now = self.parts.clock.now();
        let catalog = {
            let mut known = self.tools.known();
            if let Some((catalog, used)) = known.catalogs.get_mut(&id) {
                *used = now;
                return Arc::clone(catalog);
            }
            let catalog = Arc::new(ToolCatalog::new(tools));
            make_room(&mut known.catalogs, MOST_CATALOGS);
            known.catalogs.insert(id, (Arc::clone(&catalog), now));
            catalog
        };
        if let Some(gateway) = self.me.upgrade().filter(|gateway| gateway.cache.semantic.is_some()) {
            let (catalog, context) = (ToolCatalog::clone(&catalog), context.clone());
            let reading = async move { gateway.read_catalog(id, catalog, &context).await };
            self.parts.spawn.spawn(TaskName::ToolIndex, Box::pin(reading));
        }
        catalog
    }

    async fn read_catalog(&self, id: u64, mut catalog: ToolCatalog, context: &CallContext) {
        if self.tools.concepts.get().is_none() {
            let rows = self.meanings(ConceptVectors::texts(), context).await;
            // Whoever was first has set the same.
            let _set = self.tools.concepts.set(rows.and_then(ConceptVectors::new));
        }
        let Some(vectors) = self.meanings(catalog.texts(), context).await else { return };
        let concepts = self.tools.concepts.get().and_then(Option::as_ref);
        if catalog.set_vectors(vectors, concepts)
            && let Some((known, _)) = self.tools.known().catalogs.get_mut(&id)
        {
            *known = Arc::new(catalog);
        }
    }

    async fn meanings(&self, texts: &[String], context: &CallContext) -> Option<Vec<Vec<f32>>> {
        let semantic = self.cache.semantic.as_ref()?;
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            vectors.extend(semantic.embed_many(batch, context).await?);
        }
        Some(vectors)
    }
}

impl ToolChooser {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chosen {
    /// Whether any tool is left out.
    pub(crate) const fn leaves_out(&self) -> bool {
        self.kept.len() < self.all
    }

    /// Leaves the other tools out.
    pub(crate) fn apply(&self, request: &mut ModelRequest) {
        let tools = std::mem::take(&mut request.tools);
        request.tools = self.kept.iter().filter_map(|at| tools.get(*at).cloned()).collect();
    }

    /// What is told to the caller.
    pub(crate) fn note(&self) -> String {
        let (all, less) = (self.all, self.saved_tokens);
        if self.whole {
            return format!(
                "all {all} tools sent: the provider's cache keeps them for less than a choice costs"
            );
        }
        format!("{} of {all} tools sent, about {less} tokens less", self.kept.len())
    }
}

fn digest(tools: &[ToolDefinition]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for tool in tools {
        tool.name.hash(&mut hasher);
        tool.description.hash(&mut hasher);
        tool.parameters.as_ref().map(|json| json.get()).hash(&mut hasher);
        tool.builtin.as_ref().map(|json| json.get()).hash(&mut hasher);
    }
    hasher.finish()
}

fn make_room<T>(known: &mut HashMap<u64, (T, Timestamp)>, most: usize) {
    if known.len() < most {
        return;
    }
    let mut used: Vec<(Timestamp, u64)> = known.iter().map(|(id, (_, at))| (*at, *id)).collect();
    used.sort_unstable();
    for (_, id) in used.into_iter().take(most / 8) {
        known.remove(&id);
    }
}
