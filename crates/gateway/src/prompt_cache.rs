//! Looks after the providers' prompt caches: notices what broke a session's prefix, and marks prefixes where reuse will pay.

use crate::call::Ask;
use crate::conversation::identity;
use jiff::Timestamp;
use nunchi_core::{CallRecord, Clock, Dialect, ModelPrice, ModelRequest, NanoUsd, mask_secrets};
use nunchi_saving::{
    PREFIX_LIFE, PromptBytes, SHORTEST_PREFIX, SeenPrompt, first_reuse_guess, mark_prefix, marking_pays,
    prefix_is_marked, reuse_chance,
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
    /// How likely this prompt's prefix is asked for again while it is kept, 0 to 1.
    reuse: f64,
    lost_tokens: u64,
}

/// The sessions' prefixes.
pub(crate) struct PromptCache {
    sessions: Mutex<HashMap<u64, Session>>,
    clock: Arc<dyn Clock>,
}

impl PromptCache {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { sessions: Mutex::default(), clock }
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
        let (id, name) = identity(ask)?;
        let now = self.clock.now();
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(&id) else {
            make_room(&mut sessions);
            let report = PromptCacheReport { session: name, calls: 1, ..PromptCacheReport::default() };
            sessions.insert(id, Session { seen: prompt.seen(), last: now, reused: 0, report });
            return Some(Look { session: id, reuse: first_reuse_guess(&ask.request), lost_tokens: 0 });
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
        let reuse = reuse_chance(&ask.request, session.report.calls, session.reused);
        Some(Look { session: id, reuse, lost_tokens })
    }

    /// Counts what a call of the session used.
    pub(crate) fn note(&self, look: Look, record: &CallRecord, price: &ModelPrice) {
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
}

impl Look {
    /// Marks what an Anthropic model may keep, unless the caller has marked it by himself, or reuse is too unlikely to pay for
    /// the writing.
    pub(crate) fn mark(&self, request: &mut ModelRequest, dialect: Dialect, price: &ModelPrice) {
        if dialect == Dialect::Anthropic && !prefix_is_marked(request) && marking_pays(price, self.reuse) {
            mark_prefix(request);
        }
    }
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
