//! Plans: what a run means to do, as a graph of goals.

use super::money::NanoUsd;
use super::tool::EffectClass;
use serde::{Deserialize, Serialize};

/// A directed acyclic graph of goals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The goals; each stands behind those it builds on.
    pub nodes: Vec<PlanNode>,
}

/// One goal of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanNode {
    /// Its name within the plan.
    pub id: String,
    /// What is to be reached.
    pub goal: String,
    /// How one can tell that it is.
    pub done_when: String,
    /// The tools it needs.
    pub tools: Vec<String>,
    /// The goals whose results it needs.
    pub after: Vec<String>,
    /// The gravest effect of its tools.
    pub effect: EffectClass,
    /// What it will cost at most, where prices are known.
    pub cost: Option<NanoUsd>,
}
