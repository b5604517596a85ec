//! Looks after the providers' prompt caches: notices what broke a session's prefix, and marks prefixes where reuse will pay.

use crate::ask::Ask;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{CallRecord, Clock, Dialect, ModelPrice, ModelRequest, NanoUsd, mask_secrets};
use nunchi_saving::{
    PREFIX_LIFE, PrefixKeeping, PrefixOutlook, PrefixTraffic, PrefixUse, PromptBytes, SHORTEST_PREFIX,
    SeenPrompt, conversation_name, mark_prefix, plan_marks, prefix_id, prefix_is_marked, reuse_chance,
};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a token, roughly.
const BYTES_PER_TOKEN: usize = 4;
/// Sessions that are looked after; those that were silent longest go first.
const MOST_SESSIONS: usize = 1_000;
/// Breaks that are kept of a session.
const MOST_BREAKS: usize = 8;

/// What broke a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrefixBreak {
    /// When.
    pub at: Timestamp,
    /// `tools`, `system`, `message 3` …
    pub place: String,
    /// The first differing byte of that place (behind the first 16 KB of a prompt: to within 64).
    pub byte: usize,
    /// What stands there now, masked.
    pub excerpt: String,
    /// Tokens that had to be read anew, estimated.
    pub lost_tokens: u64,
}

/// How a session gets on with its provider's prompt cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PromptCacheReport {
    /// The session, or the beginning of its first question where it has no name.
    pub session: String,
    /// The model that answered last.
    pub model: String,
    /// Calls with a prompt long enough to be cached.
    pub calls: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Those among them that were read from the cache.
    pub cached_tokens: u64,
    /// What the cache saved, less what writing it cost.
    pub saved: NanoUsd,
    /// What the breaks cost.
    pub lost: NanoUsd,
    /// The latest breaks, the last one last.
    pub breaks: Vec<PrefixBreak>,
}

struct Session {
    seen: SeenPrompt,
    last: Timestamp,
    /// Calls that went on where the one before ended while the provider still kept it.
    reused: u32,
    report: PromptCacheReport,
}

/// What was noticed of a request before it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    session: u64,
    /// Calls of the session, this one included, and those that went on where the one before ended.
    calls: u64,
    reused: u32,
    lost_tokens: u64,
}

/// The beginning of a prompt as it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentPrefix {
    id: u64,
    /// How long the provider keeps it.
    kept: Option<SignedDuration>,
    /// Whether the provider should hold it.
    warm: bool,
    /// Whether it bears marks that not every model of the name may know.
    pub(crate) daring: bool,
}

/// The sessions' prefixes, and those that sessions share.
pub(crate) struct PromptCache {
    sessions: Mutex<HashMap<u64, Session>>,
    traffic: Mutex<PrefixTraffic>,
    clock: Arc<dyn Clock>,
}

impl PromptCache {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { sessions: Mutex::default(), traffic: Mutex::default(), clock }
    }

    /// Compares a prompt with the one before it in its session; `None` for one that no provider would cache.
    pub(crate) fn look(&self, ask: &Ask) -> Option<Look> {
        // The bound is never below the bytes of the prompt's text.
        if ask.prompt_bound < SHORTEST_PREFIX as u64 {
            return None;
        }
        let prompt = PromptBytes::of(&ask.request);
        if prompt.len() < SHORTEST_PREFIX {
            return None;
        }
        let id = ask.conversation()?;
        let now = self.clock.now();
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(&id) else {
            make_room(&mut sessions);
            let name = conversation_name(&ask.request, &ask.context);
            let report = PromptCacheReport { session: name, calls: 1, ..PromptCacheReport::default() };
            sessions.insert(id, Session { seen: prompt.seen(), last: now, reused: 0, report });
            return Some(Look { session: id, calls: 1, reused: 0, lost_tokens: 0 });
        };
        let alive = now.duration_since(session.last) < PREFIX_LIFE;
        let difference = prompt.differs(&session.seen);
        let mut lost_tokens = 0;
        match difference {
            Some(found) if alive => {
                lost_tokens = ((session.seen.len() - found.kept) / BYTES_PER_TOKEN) as u64;
                let excerpt = mask_secrets(&found.excerpt).into_owned();
                let (place, byte) = (found.place, found.byte);
                session.report.breaks.push(PrefixBreak { at: now, place, byte, excerpt, lost_tokens });
                if session.report.breaks.len() > MOST_BREAKS {
                    session.report.breaks.remove(0);
                }
            }
            None if alive => session.reused += 1,
            _ => {}
        }
        session.report.calls += 1;
        session.seen = prompt.seen();
        session.last = now;
        Some(Look { session: id, calls: session.report.calls, reused: session.reused, lost_tokens })
    }

    /// What is to be expected of a prefix of this request.
    pub(crate) fn outlook(&self, prefix: u64, request: &ModelRequest) -> PrefixOutlook {
        self.traffic().outlook(prefix, request, self.clock.now())
    }

    /// Counts a call that could have had this prefix, but was sent another one.
    pub(crate) fn note_other(&self, prefix: u64, continued: bool) {
        self.traffic().note(prefix, self.clock.now(), PrefixUse { continued, ..PrefixUse::default() });
    }

    /// Marks what the provider of a model is to keep, unless the caller has marked it by himself, or reuse is too unlikely to pay
    /// for the writing.
    pub(crate) fn mark(
        &self,
        look: Look,
        request: &mut ModelRequest,
        (dialect, price): (Dialect, &ModelPrice),
    ) -> SentPrefix {
        let keeping = PrefixKeeping::of(dialect, price);
        let id = prefix_at(price, request);
        let outlook = self.outlook(id, request);
        let plan =
            plan_marks(keeping, price, &outlook, reuse_chance(outlook.continued, look.calls, look.reused));
        let ours = !prefix_is_marked(request);
        if ours {
            mark_prefix(request, plan);
        }
        let daring = ours && keeping == PrefixKeeping::Breakpoints && plan.shared.is_some();
        let automatic = (keeping == PrefixKeeping::Automatic).then_some(PREFIX_LIFE);
        let kept = plan.shared.map(|ttl| keeping.life(ttl)).or(automatic);
        SentPrefix { id, kept, warm: outlook.warm, daring }
    }

    /// Counts what a call of the session used.
    pub(crate) fn note(
        &self,
        look: Look,
        sent: Option<SentPrefix>,
        (record, price): (&CallRecord, &ModelPrice),
    ) {
        if let Some(sent) = sent {
            let found = sent.warm.then_some(record.usage.cache_read > 0);
            let call = PrefixUse { continued: look.reused > 0, kept: sent.kept, found };
            self.traffic().note(sent.id, self.clock.now(), call);
        }
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(&look.session) else { return };
        let report = &mut session.report;
        report.model = format!("{}/{}", record.provider, record.model);
        report.prompt_tokens += record.usage.prompt_tokens();
        report.cached_tokens += record.usage.cache_read;
        report.saved += record.saved.prompt_cache;
        let a_million = (price.rates.input - price.rates.cache_read).0.max(0);
        let lost = i128::from(look.lost_tokens) * i128::from(a_million) / 1_000_000;
        report.lost += NanoUsd(i64::try_from(lost).unwrap_or(i64::MAX));
    }

    /// All sessions, those that lost most first.
    pub(crate) fn report(&self) -> Vec<PromptCacheReport> {
        let mut reports: Vec<_> = self.sessions().values().map(|session| session.report.clone()).collect();
        reports.sort_by(|a, b| (b.lost, b.saved, &a.session).cmp(&(a.lost, a.saved, &b.session)));
        reports
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traffic(&self) -> MutexGuard<'_, PrefixTraffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The prefix of a request as it stands, at the model of a price.
fn prefix_at(price: &ModelPrice, request: &ModelRequest) -> u64 {
    prefix_id(&model_of(price), &request.tools, &request.messages)
}

/// A model's name for prefixes: providers that share prices share no cache, but their models seldom share a prefix either.
pub(crate) fn model_of(price: &ModelPrice) -> String {
    format!("{}/{}", price.provider, price.model)
}

fn make_room(sessions: &mut HashMap<u64, Session>) {
    if sessions.len() < MOST_SESSIONS {
        return;
    }
    let mut silent: Vec<(Timestamp, u64)> =
        sessions.iter().map(|(id, session)| (session.last, *id)).collect();
    silent.sort_unstable();
    for (_, id) in silent.into_iter().take(MOST_SESSIONS / 10) {
        sessions.remove(&id);
    }
}
