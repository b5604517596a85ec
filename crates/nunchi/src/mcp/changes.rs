//! Sees when the tools, skills or facts on offer change, by comparing them with what they were at the last look.

use super::resources::uri;
use crate::toolbox::Toolbox;
use jiff::Timestamp;
use nunchi_core::{BoxFuture, ContentHash, FactFilter, FactId, FactKind, FactState, Memory, canonical_json};
use nunchi_tools::{McpChange, OfferChanges, SkillRegistry};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The newest facts, whose changes are seen; older ones change unnoticed.
const MOST_FACTS: u32 = 500;

/// What was on offer at a look.
#[derive(Clone, Default, PartialEq)]
struct Seen {
    tools: Option<ContentHash>,
    skills: Option<ContentHash>,
    facts: BTreeMap<FactId, Timestamp>,
}

/// Compares looks.
pub(super) struct Changes {
    tools: Toolbox,
    skills: SkillRegistry,
    memory: Arc<dyn Memory>,
    before: Mutex<Option<Seen>>,
}

impl Changes {
    pub(super) fn new(tools: Toolbox, skills: SkillRegistry, memory: Arc<dyn Memory>) -> Self {
        Self { tools, skills, memory, before: Mutex::default() }
    }

    async fn look(&self) -> Seen {
        let specs = self.tools.all().specs();
        let tools = specs.iter().map(|spec| json!([spec.name, spec.description, spec.parameters]));
        let tools = ContentHash::of(canonical_json(&tools.collect()));
        let skills = self.skills.clone();
        let skills = tokio::task::spawn_blocking(move || {
            let usable = skills.usable().into_iter().filter_map(|found| found.skill);
            ContentHash::of(usable.map(|skill| json!(skill).to_string()).collect::<String>())
        });
        let filter = FactFilter {
            kind: Some(FactKind::Fact),
            state: Some(FactState::Active),
            limit: Some(MOST_FACTS),
            ..FactFilter::default()
        };
        // What cannot be read now is looked at again soon.
        let facts = self.memory.facts(filter).await.unwrap_or_default();
        Seen {
            tools: Some(tools),
            skills: skills.await.ok(),
            facts: facts.into_iter().map(|fact| (fact.id, fact.changed)).collect(),
        }
    }
}

impl OfferChanges for Changes {
    fn changes(&self) -> BoxFuture<'_, Vec<McpChange>> {
        Box::pin(async move {
            let now = self.look().await;
            let mut held = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            let before = held.replace(now.clone());
            before.map(|before| between(&before, &now)).unwrap_or_default()
        })
    }
}

fn between(before: &Seen, now: &Seen) -> Vec<McpChange> {
    let mut changes = Vec::new();
    if before.tools != now.tools {
        changes.push(McpChange::Tools);
    }
    if before.skills != now.skills {
        changes.push(McpChange::Prompts);
    }
    if !before.facts.keys().eq(now.facts.keys()) {
        changes.push(McpChange::Resources);
    }
    // One that is gone has changed as well.
    let differs = |(id, changed): &(&FactId, &Timestamp)| now.facts.get(id) != Some(changed);
    changes.extend(before.facts.iter().filter(differs).map(|(id, _)| McpChange::Resource(uri(*id))));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn what_differs_is_told() {
        let fact = |number: u128, second: i64| {
            (FactId(Uuid::from_u128(number)), Timestamp::from_second(second).unwrap_or_default())
        };
        let seen = |tools: &str, facts: &[(FactId, Timestamp)]| Seen {
            tools: Some(ContentHash::of(tools)),
            skills: None,
            facts: facts.iter().copied().collect(),
        };
        let before = seen("a", &[fact(1, 1), fact(2, 1)]);
        assert_eq!(between(&before, &before), []);
        let edited = seen("a", &[fact(1, 1), fact(2, 5)]);
        assert_eq!(between(&before, &edited), [McpChange::Resource(uri(fact(2, 0).0))]);
        let more = seen("b", &[fact(1, 1), fact(2, 1), fact(3, 1)]);
        assert_eq!(between(&before, &more), [McpChange::Tools, McpChange::Resources]);
    }
}
