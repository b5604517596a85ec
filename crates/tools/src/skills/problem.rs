//! What is wrong with a skill, where, in English and Korean.

use nunchi_core::{Lang, Position};
use serde::Serialize;

/// One thing that is wrong with a skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillProblem {
    /// Where in `SKILL.md`.
    #[serde(flatten)]
    pub at: Position,
    /// A stable code.
    pub code: &'static str,
    /// What, in English.
    pub message: String,
    /// What, in Korean.
    pub message_ko: String,
    /// Whether the skill is not used because of it; otherwise it is advice.
    pub severe: bool,
}

impl SkillProblem {
    pub(crate) fn severe(
        at: Position,
        code: &'static str,
        message: impl Into<String>,
        message_ko: impl Into<String>,
    ) -> Self {
        Self { at, code, message: message.into(), message_ko: message_ko.into(), severe: true }
    }

    pub(crate) fn advice(self) -> Self {
        Self { severe: false, ..self }
    }

    /// The sentence with its place.
    pub fn line(&self, lang: Lang) -> String {
        format!("SKILL.md:{}: {} [{}]", self.at, lang.pick(&self.message, &self.message_ko), self.code)
    }
}
