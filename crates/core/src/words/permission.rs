//! Permissions: the owner's rules about tools, and what they decide.

use super::ids::{ApprovalId, RunId};
use super::tool::Label;
use crate::explain::Lang;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a rule says of a call, the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It runs.
    Allow,
    /// A person is asked.
    Ask,
    /// It does not run.
    Deny,
}

/// One rule of the owner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionRule {
    /// Its name, shown with what it decided.
    pub name: String,
    /// Which tools, as a pattern with `*`.
    pub tool: String,
    /// Which values of which arguments, as case-sensitive patterns with `*`; all must fit. A list fits as JSON, or by its items; `null`
    /// stands for an argument that is left out.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// What it says.
    pub verdict: Verdict,
}

/// A rule that was granted for good. It is kept when it is taken back, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedRule {
    /// Its number, by which it is taken back.
    pub id: u64,
    /// The rule.
    pub rule: PermissionRule,
    /// By whom, and where; empty where that was not written down.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The question with whose answer it was given.
    pub approval: Option<ApprovalId>,
    /// The run that had asked; `None` for a rule that nobody asked for.
    pub run: Option<RunId>,
    /// Whether it was taken back; then it is in force no more.
    pub revoked: Option<Revocation>,
}

/// Who took a rule back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// By whom, and where.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Why a call was judged as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// The owner's rule of this name.
    Rule(String),
    /// A guarded argument has a value that a stranger may have chosen, and no rule names that very value.
    Stranger(String),
    /// No rule; it reaches outside or cannot be taken back exactly.
    Grave,
    /// No rule; it stays inside and leaves nothing, or can be undone.
    Harmless,
}

/// What was decided of a call, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionDecision {
    /// The verdict.
    pub verdict: Verdict,
    /// What decided.
    pub ground: Ground,
    /// Where the guarded arguments' values came from.
    pub labels: BTreeMap<String, Label>,
}

impl PermissionDecision {
    /// The decision as one sentence.
    pub fn explain(&self, lang: Lang) -> String {
        let verdict = match self.verdict {
            Verdict::Allow => lang.pick("allowed", "허용"),
            Verdict::Ask => lang.pick("needs your approval", "승인 필요"),
            Verdict::Deny => lang.pick("denied", "거부"),
        };
        match (&self.ground, lang) {
            (Ground::Rule(name), Lang::En) => format!("{verdict} by the rule \"{name}\""),
            (Ground::Rule(name), Lang::Ko) => format!("{verdict}: 규칙 \"{name}\""),
            (Ground::Stranger(argument), Lang::En) => {
                format!("{verdict}: `{argument}` may have been chosen by somebody else's text")
            }
            (Ground::Stranger(argument), Lang::Ko) => {
                format!("{verdict}: `{argument}` 값을 남의 글이 골랐을 수 있습니다")
            }
            (Ground::Grave, Lang::En) => format!("{verdict}: it reaches outside or cannot be taken back"),
            (Ground::Grave, Lang::Ko) => format!("{verdict}: 외부에 영향을 주거나 되돌릴 수 없습니다"),
            (Ground::Harmless, Lang::En) => format!("{verdict}: it stays inside and can be taken back"),
            (Ground::Harmless, Lang::Ko) => format!("{verdict}: 내부에 머물고 되돌릴 수 있습니다"),
        }
    }
}
