//! Budgets as their owner states them, and where they stand.

use super::ids::{BudgetId, KeyId, RunId, UserId};
use super::money::NanoUsd;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a budget counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", content = "of", rename_all = "lowercase")]
pub enum BudgetScope {
    /// Every call.
    Everything,
    /// Calls of one user.
    User(UserId),
    /// Calls with one virtual key.
    Key(KeyId),
    /// Calls of one conversation; `*` means each conversation by itself.
    Session(String),
    /// Calls of one run.
    Run(RunId),
    /// Calls of one task.
    Task(String),
    /// Calls with one tag.
    Tag(String),
    /// Calls to one provider.
    Provider(String),
    /// Calls to one model.
    Model(String),
}

/// The stretch of calendar that a budget starts anew with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BudgetWindow {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// For ever.
    Total,
}

/// A limit or a sum, in one of two units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amount {
    /// Money.
    Money(NanoUsd),
    /// Tokens of all classes.
    Tokens(u64),
}

/// What happens when a threshold is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetAction {
    /// Tell the owner.
    Notify,
    /// Tell the model what is left.
    TellModel,
    /// Plan one tier lower.
    Downgrade,
    /// Use free local models only.
    LocalOnly,
    /// Park the run and ask the owner; a call without a run is refused.
    Pause,
    /// Refuse.
    Stop,
}

/// A share of the limit and what happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    /// Per cent of the limit (1 to 100).
    pub percent: u8,
    /// What happens.
    pub action: BudgetAction,
}

/// A budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Its id.
    pub id: BudgetId,
    /// A name for people.
    pub name: String,
    /// What it counts.
    pub scope: BudgetScope,
    /// When it starts anew.
    pub window: BudgetWindow,
    /// How much may be spent in a window.
    pub limit: Amount,
    /// What happens on the way there, ascending by per cent.
    pub thresholds: Vec<Threshold>,
    /// Whether it is in force.
    pub enabled: bool,
}

/// Where a budget stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// The budget.
    pub id: BudgetId,
    /// Its name.
    pub name: String,
    /// Its window.
    pub window: BudgetWindow,
    /// Its limit.
    pub limit: Amount,
    /// Settled spend of this window, in the limit's unit (billionths of a dollar, or tokens).
    pub spent: i64,
    /// Reserved by calls under way, in the same unit.
    pub held: i64,
    /// When it starts anew.
    pub resets: Option<Timestamp>,
}

impl BudgetState {
    /// The limit in its own unit (billionths of a dollar, or tokens).
    pub fn limit_units(&self) -> i64 {
        match self.limit {
            Amount::Money(money) => money.0,
            Amount::Tokens(tokens) => i64::try_from(tokens).unwrap_or(i64::MAX),
        }
    }

    /// Settled spend as per cent of the limit, rounded down; a limit of zero is always used up.
    pub fn percent(&self) -> u64 {
        let limit = i128::from(self.limit_units());
        if limit <= 0 {
            return 100;
        }
        u64::try_from(i128::from(self.spent).max(0) * 100 / limit).unwrap_or(u64::MAX)
    }

    /// What is neither spent nor held (never negative).
    pub fn remaining_units(&self) -> i64 {
        self.limit_units().saturating_sub(self.spent).saturating_sub(self.held).max(0)
    }
}

/// A threshold was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetNotice {
    /// When.
    pub at: Timestamp,
    /// Where the budget stands.
    pub state: BudgetState,
    /// The threshold that was reached.
    pub threshold: Threshold,
}

/// What the budgets of a scope ask of the next call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posture {
    /// The strictest action whose threshold is reached.
    pub action: Option<BudgetAction>,
    /// The budget that asks for it.
    pub because: Option<BudgetState>,
    /// All budgets of the scope, the tightest first.
    pub states: Vec<BudgetState>,
}
