//! What was shortened in each session. It may be lost without harm: then it is decided anew, as if no prompt cache were left.

use super::draft::Draft;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{Dialect, Usage};
use nunchi_saving::FrozenHistory;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sessions that are remembered; those that were silent longest go first.
const MOST: usize = 2_000;
/// How long a provider keeps a prefix that is not asked for.
const LIFE: SignedDuration = SignedDuration::from_mins(5);

/// What of a conversation is sent shortened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Instructions at its head.
    pub(super) instructions: usize,
    /// The messages whose tool results are: from, to.
    pub(super) results: (usize, usize),
    /// The older turns that are.
    pub(super) frozen: FrozenHistory,
}

impl Applied {
    pub(super) const fn new(instructions: usize, results: (usize, usize), frozen: FrozenHistory) -> Self {
        Self { instructions, results, frozen }
    }

    pub(super) const fn results(&self) -> (usize, usize) {
        self.results
    }

    /// How many older messages are.
    pub(super) fn covered(&self) -> usize {
        self.frozen.covered()
    }

    /// Which of those keep most of their content in sight.
    pub(super) fn visible(&self) -> Vec<bool> {
        self.frozen.visible()
    }
}

/// A session so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(super) applied: Applied,
    /// Tokens of the last prompt, estimated.
    pub(super) sent_tokens: u64,
    /// Tokens of it that the provider said it has cached.
    reported_tokens: u64,
    /// Whether it was sent with a tool to recall.
    pub(super) recallable: bool,
    pub(super) calls: u32,
    pub(super) recalls: u32,
    at: Option<Timestamp>,
}

impl Session {
    /// Notes what is being sent.
    pub(super) fn note(&mut self, draft: &Draft) {
        self.applied = draft.applied.clone();
        self.sent_tokens = draft.tokens;
        self.recallable = draft.lossy();
        self.calls = self.calls.saturating_add(1);
    }

    /// Tokens of the last prompt that the provider may still hold. Anthropic's models hold only what they were told to, and say so;
    /// others hold every prompt for a while.
    pub(super) fn cached_tokens(&self, now: Timestamp, dialect: Dialect) -> u64 {
        if self.at.is_none_or(|at| now.duration_since(at) >= LIFE) {
            return 0;
        }
        if dialect == Dialect::Anthropic { self.reported_tokens } else { self.sent_tokens }
    }
}

/// The sessions, by identity.
#[derive(Default)]
pub(crate) struct CompressionSessions(Mutex<HashMap<u64, Session>>);

impl CompressionSessions {
    pub(super) fn get(&self, id: u64) -> Session {
        self.known().get(&id).cloned().unwrap_or_default()
    }

    pub(super) fn put(&self, id: u64, session: Session, now: Timestamp) {
        let mut known = self.known();
        if known.len() >= MOST && !known.contains_key(&id) {
            let mut silent: Vec<_> = known.iter().map(|(id, session)| (session.at, *id)).collect();
            silent.sort_unstable();
            silent.into_iter().take(MOST / 8).for_each(|(_, id)| {
                known.remove(&id);
            });
        }
        known.insert(id, Session { at: Some(now), ..session });
    }

    /// Notes what of a prompt the provider has cached.
    pub(crate) fn note_cached(&self, id: u64, usage: &Usage) {
        if let Some(session) = self.known().get_mut(&id) {
            session.reported_tokens = usage.prompt_tokens().saturating_sub(usage.input);
        }
    }

    /// Notes that the model asked for an original.
    pub(crate) fn note_recall(&self, id: u64) {
        if let Some(session) = self.known().get_mut(&id) {
            session.recalls = session.recalls.saturating_add(1);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
