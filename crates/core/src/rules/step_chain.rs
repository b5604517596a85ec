//! The hash chain over a run's steps: what was recorded cannot be changed, left out or reordered unnoticed.

use super::canonical_json::canonical_json;
use crate::words::{ContentHash, StepRecord};
use serde_json::Value;

/// Where a chain breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record of step {number} does not fit the chain")]
pub struct ChainBreak {
    /// The number of the first step that does not fit.
    pub number: u32,
}

/// Links a step to the one before: sets its `previous` and its `hash`.
pub fn seal_step(mut step: StepRecord, previous: ContentHash) -> StepRecord {
    step.previous = previous;
    step.hash = link(&step);
    step
}

/// Checks a whole chain, from the first step on.
///
/// # Errors
/// The first step whose number, link or content is not what the chain says.
pub fn verify_steps(steps: &[StepRecord]) -> Result<(), ChainBreak> {
    let mut previous = ContentHash::default();
    for (expected, step) in (1..).zip(steps) {
        if step.number != expected || step.previous != previous || step.hash != link(step) {
            return Err(ChainBreak { number: expected });
        }
        previous = step.hash;
    }
    Ok(())
}

fn link(step: &StepRecord) -> ContentHash {
    // A record is plain data, so it always has a JSON form.
    let mut value = serde_json::to_value(step).unwrap_or(Value::Null);
    if let Some(members) = value.as_object_mut() {
        members.remove("hash");
    }
    ContentHash::of(format!("{}{}", step.previous, canonical_json(&value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{NanoUsd, RunId, StepId, StepKind, StepStatus, Usage};
    use uuid::Uuid;

    fn chain(length: u32) -> Vec<StepRecord> {
        let mut previous = ContentHash::default();
        let step = |number| StepRecord {
            id: StepId(Uuid::from_u128(u128::from(number))),
            run: RunId(Uuid::nil()),
            number,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind: StepKind::Tool,
            tool: Some("read_file".into()),
            why: "act".into(),
            input: format!("{{\"n\":{number}}}"),
            output: "가".into(),
            arguments: None,
            usage: Usage::default(),
            cost: NanoUsd(1),
            latency_us: 5,
            status: StepStatus::Ok,
            code: None,
            undo: None,
            previous: ContentHash::default(),
            hash: ContentHash::default(),
        };
        (1..=length)
            .map(|number| {
                let sealed = seal_step(step(number), previous);
                previous = sealed.hash;
                sealed
            })
            .collect()
    }

    #[test]
    fn a_chain_survives_its_storage() {
        let steps = chain(5);
        let text = serde_json::to_string(&steps).unwrap();
        assert_eq!(verify_steps(&serde_json::from_str::<Vec<_>>(&text).unwrap()), Ok(()));
    }

    #[test]
    fn tampering_is_seen() {
        for at in 0..5_usize {
            let broken = Err(ChainBreak { number: u32::try_from(at).unwrap() + 1 });
            let mut changed = chain(5);
            changed[at].output.push('!');
            assert_eq!(verify_steps(&changed), broken);
            if at < 4 {
                let mut shorter = chain(5);
                shorter.remove(at);
                assert_eq!(verify_steps(&shorter), broken);
                let mut swapped = chain(5);
                swapped.swap(at, at + 1);
                assert_eq!(verify_steps(&swapped), broken);
            }
        }
    }
}
