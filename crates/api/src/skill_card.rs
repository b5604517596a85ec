//! Skills as they are listed: what stands for each in a prompt, what it costs there, and what is wrong with it.

use nunchi_core::{BoxFuture, Label, StorageError};
use serde::Serialize;

/// Knows all skills, also those that cannot be used.
pub trait SkillShelf: Send + Sync {
    /// The skills as they are now, by place and name.
    fn skills(&self) -> BoxFuture<'_, Result<Vec<SkillCard>, StorageError>>;
}

/// A skill that was found, usable or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillCard {
    /// Its folder's name.
    pub name: String,
    /// What it does and when to use it; empty when it cannot be read.
    pub description: String,
    /// Where its folder is: `home`, `project` or `pack`.
    pub origin: String,
    /// From where it was added, if it was.
    pub source: Option<String>,
    /// Whose words its text is.
    pub label: Label,
    /// Whether runs can use it.
    pub usable: bool,
    /// Whether another one of its name is used instead.
    pub shadowed: bool,
    /// The line that stands for it in every run's prompt; `None` when it cannot be used.
    pub catalog: Option<String>,
    /// About how many tokens that line has, rather too many.
    pub catalog_tokens: u64,
    /// About how many tokens its instructions have; they are read on use only.
    pub body_tokens: u64,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Words that speak for it.
    pub keywords: Vec<String>,
    /// The intents it serves.
    pub intents: Vec<String>,
    /// What using it usually costs: `low`, `medium` or `high`.
    pub cost: String,
    /// What it is told on use.
    pub params: Vec<SkillCardParam>,
    /// The tools that it wants used, and no others; `None`: it does not say.
    pub allowed_tools: Option<Vec<String>>,
    /// What is wrong with it.
    pub problems: Vec<SkillCardProblem>,
    /// The instructions.
    pub body: String,
}

/// Something a skill is told on use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillCardParam {
    /// Its name.
    pub name: String,
    /// Its value when none is given; `None`: one must be given.
    pub default: Option<String>,
    /// What it is for.
    pub description: String,
}

/// One thing that is wrong with a skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillCardProblem {
    /// What and where, in English.
    pub message: String,
    /// What and where, in Korean.
    pub message_ko: String,
    /// Whether the skill is not used because of it; otherwise it is advice.
    pub severe: bool,
}
