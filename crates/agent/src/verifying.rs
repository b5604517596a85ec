//! Verification: each goal of the plan is checked against receipts, repaired once, and reported honestly.

use crate::guards::parse_json;
use crate::machine::Machine;
use crate::prompts::{self, fill};
use crate::record::Draft;
use crate::state::Phase;
use nunchi_core::{EffectClass, PlanNode, StepKind, StepStatus};
use serde::Deserialize;

/// What the model replies.
#[derive(Deserialize)]
struct Verified {
    goals: Vec<VerifiedGoal>,
}

#[derive(Deserialize)]
struct VerifiedGoal {
    id: String,
    met: bool,
    #[serde(default)]
    receipts: Vec<u32>,
    #[serde(default)]
    missing: String,
}

impl Machine {
    /// Has the goals checked before this answer is given.
    pub(crate) fn ask_to_verify(&mut self, answer: String) {
        self.state.answer = answer;
        self.state.phase = Phase::Verify;
        let lines: Vec<_> = self
            .state
            .receipts
            .iter()
            .filter(|receipt| receipt.run == self.state.order.id)
            .map(|receipt| format!("- {}: {}", receipt.number, receipt.tool))
            .collect();
        let receipts = if lines.is_empty() { "(none)".to_owned() } else { lines.join("\n") };
        self.say_to_model(fill(prompts::VERIFY, &[("receipts", &receipts)]));
        self.call_model();
    }

    pub(crate) fn verify_replied(&mut self, text: &str) {
        let verified = parse_json(text)
            .and_then(|value| serde_json::from_value::<Verified>(value).map_err(|error| error.to_string()));
        let verified = match verified {
            Ok(verified) => verified,
            Err(problem) if self.state.chances.corrections > 0 => {
                return self.correct("verify.unusable", &problem);
            }
            // Then nothing is verified, and the answer says so.
            Err(_) => Verified { goals: Vec::new() },
        };
        let nodes = self.state.plan.as_ref().map(|plan| plan.nodes.clone()).unwrap_or_default();
        let unmet: Vec<_> =
            nodes.iter().filter_map(|node| self.what_is_missing(node, &verified.goals)).collect();
        if unmet.is_empty() {
            self.state.unmet.clear();
            let answer = std::mem::take(&mut self.state.answer);
            return self.finish_done(answer);
        }
        let draft = Draft::new(StepKind::Guard, "verify").input(unmet.join("\n"));
        self.record(draft.status(StepStatus::Failed, "goals.unmet"));
        if self.state.chances.repairs > 0 {
            self.state.chances.repairs -= 1;
            self.state.chances.corrections = 1;
            self.state.phase = Phase::Act;
            self.say_to_model(fill(prompts::REPAIR, &[("unmet", &format!("- {}", unmet.join("\n- ")))]));
            return self.call_model();
        }
        let none_met = unmet.len() == nodes.len();
        self.state.unmet = unmet;
        let answer = std::mem::take(&mut self.state.answer);
        if none_met { self.fail("goals.unmet", answer) } else { self.finish_done(answer) }
    }

    /// Why a goal is not met, whatever the model says: a goal with tools needs the receipt of a call that fits it.
    fn what_is_missing(&self, node: &PlanNode, goals: &[VerifiedGoal]) -> Option<String> {
        let Some(goal) = goals.iter().find(|goal| goal.id == node.id) else {
            return Some(format!("{}: {} (not verified)", node.id, node.goal));
        };
        if !goal.met {
            return Some(format!("{}: {} ({})", node.id, node.goal, goal.missing));
        }
        let shows = |number: &u32| {
            self.state.receipts.iter().any(|receipt| {
                let own = receipt.run == self.state.order.id && receipt.number == *number;
                let delegated = receipt.tool == crate::offers::DELEGATE;
                let fits = node.effect == EffectClass::ReadOnly || receipt.effect > EffectClass::ReadOnly;
                own && (delegated || (fits && node.tools.contains(&receipt.tool)))
            })
        };
        let proven = node.tools.is_empty() || goal.receipts.iter().any(shows);
        (!proven).then(|| format!("{}: {} (no receipt shows it)", node.id, node.goal))
    }
}
