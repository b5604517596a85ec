//! What runs are told: the standing facts in an order that does not change with their use, then what fits the goal.

use super::keeper::MemoryKeeper;
use crate::prompts::{self, fill};
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    BoxFuture, ContextQuery, ContextSource, ContextText, Fact, FactFilter, FactKind, FactState, Label,
    MemoryError, RankedFact, StorageError, fact_lines, fill_budget,
};

/// Standing facts that are looked at.
const MOST_STANDING: u32 = 500;
/// What fits a goal less than this is not told: by the share of its words, or by meaning.
const LEAST_COVERAGE: f32 = 0.3;
const LEAST_LIKENESS: f32 = 0.55;

impl MemoryKeeper {
    async fn told(&self, query: ContextQuery<'_>) -> Result<Option<ContextText>, StorageError> {
        // Within a day the same question over the same facts gives the same bytes, whatever the hour.
        let at = start_of_day(self.now());
        let standing = self.standing(at).await?;
        let ranked = self.ranked(query.goal, None, at).await.map_err(stored)?;
        let fitting = ranked.into_iter().filter(|found| {
            let fits = found.coverage >= LEAST_COVERAGE || found.likeness >= LEAST_LIKENESS;
            // What a stranger wrote is told to nobody who did not ask for it.
            fits && found.fact.label != Label::Stranger
                && !standing.iter().any(|fact| fact.id == found.fact.id)
                // The conversation itself is before the model already.
                && !(query.session.is_some() && found.fact.source.session.as_deref() == query.session
                    && found.fact.kind == FactKind::Turn)
        });
        let mut found: Vec<Fact> = fill_budget(fitting.collect(), self.parts.settings.found_tokens)
            .into_iter()
            .map(|found| found.fact)
            .collect();
        found.sort_by_key(|fact| fact.id);
        if standing.is_empty() && found.is_empty() {
            return Ok(None);
        }
        let label = standing.iter().chain(&found).map(|fact| fact.label).max().unwrap_or(Label::Owner);
        let mut text = fill(prompts::REMEMBERED, &[("standing", &fact_lines(&standing))]);
        let (facts, turns): (Vec<Fact>, Vec<Fact>) =
            found.into_iter().partition(|fact| fact.kind == FactKind::Fact);
        for (heading, some) in [("## Perhaps of use", facts), ("## Said before", turns)] {
            if !some.is_empty() {
                text.push_str(&format!("\n{heading}\n{}", fact_lines(&some)));
            }
        }
        text.truncate(text.trim_end().len());
        Ok(Some(ContextText { text, label }))
    }

    /// The facts that every run is told: what matters most, in the order in which it was learned.
    async fn standing(&self, at: Timestamp) -> Result<Vec<Fact>, StorageError> {
        let filter = FactFilter {
            kind: Some(FactKind::Fact),
            state: Some(FactState::Active),
            limit: Some(MOST_STANDING),
            ..FactFilter::default()
        };
        let mut facts = self.parts.store.facts(filter).await?;
        facts.retain(|fact| fact.label == Label::Owner && fact.holds(at));
        facts.sort_by(|a, b| b.importance.cmp(&a.importance).then(a.id.cmp(&b.id)));
        let ranked = facts
            .into_iter()
            .map(|fact| RankedFact { fact, score: 0.0, coverage: 0.0, likeness: 0.0 })
            .collect();
        let mut told: Vec<Fact> = fill_budget(ranked, self.parts.settings.standing_tokens)
            .into_iter()
            .map(|ranked| ranked.fact)
            .collect();
        told.sort_by_key(|fact| fact.id);
        Ok(told)
    }
}

impl ContextSource for MemoryKeeper {
    fn context<'a>(
        &'a self,
        query: ContextQuery<'a>,
    ) -> BoxFuture<'a, Result<Option<ContextText>, StorageError>> {
        Box::pin(self.told(query))
    }
}

fn start_of_day(now: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400;
    now.checked_sub(SignedDuration::from_secs(now.as_second().rem_euclid(DAY)))
        .and_then(|day| Timestamp::from_second(day.as_second()))
        .unwrap_or(now)
}

fn stored(error: MemoryError) -> StorageError {
    match error {
        MemoryError::Storage(error) => error,
        other => StorageError::Other(other.to_string()),
    }
}
