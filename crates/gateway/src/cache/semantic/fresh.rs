//! The questions asked latest, which may not be on the disk yet.

use nunchi_core::{CacheKey, StoredQuestion};
use std::collections::{HashMap, VecDeque};

/// Questions kept: more than can wait to be written.
const MOST: usize = 4_096;

/// A bounded memory of questions, the oldest forgotten first.
#[derive(Default)]
pub(super) struct Fresh {
    questions: HashMap<CacheKey, StoredQuestion>,
    order: VecDeque<CacheKey>,
}

impl Fresh {
    pub(super) fn add(&mut self, question: StoredQuestion) {
        if !self.questions.contains_key(&question.key) {
            self.order.push_back(question.key);
        }
        self.questions.insert(question.key, question);
        while self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.questions.remove(&oldest);
        }
    }

    pub(super) fn get(&self, key: CacheKey) -> Option<&StoredQuestion> {
        self.questions.get(&key)
    }

    /// Forgets a question whose answer is gone, or of which the disk knows more.
    pub(super) fn remove(&mut self, key: CacheKey) {
        if self.questions.remove(&key).is_some() {
            self.order.retain(|known| *known != key);
        }
    }
}
