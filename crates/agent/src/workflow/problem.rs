//! What is wrong with a workflow file, where, in English and Korean.

use nunchi_core::{Explain, Lang, Position};
use serde::Serialize;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkflowProblem {
    /// The file: the workflow's, or that of a prompt.
    pub file: String,
    /// Where it is.
    #[serde(flatten)]
    pub at: Position,
    /// A stable code.
    pub code: &'static str,
    /// What, in English.
    pub message: String,
    /// What, in Korean.
    pub message_ko: String,
}

impl WorkflowProblem {
    /// The sentence with its place.
    pub fn line(&self, lang: Lang) -> String {
        let words = lang.pick(&self.message, &self.message_ko);
        format!("{}:{}: {words} [{}]", self.file, self.at, self.code)
    }
}

/// Everything that is wrong with a workflow file, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowErrors(pub Vec<WorkflowProblem>);

impl fmt::Display for WorkflowErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for WorkflowErrors {}

impl Explain for WorkflowErrors {
    fn code(&self) -> &'static str {
        "workflow.invalid"
    }

    fn message(&self, lang: Lang) -> String {
        let lines: Vec<_> = self.0.iter().map(|problem| problem.line(lang)).collect();
        let count = lines.len();
        let head = lang.pick(
            format!("the workflow has {count} {}", if count == 1 { "error" } else { "errors" }),
            format!("워크플로에 오류가 {count}개 있습니다"),
        );
        format!("{head}\n{}", lines.join("\n"))
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let hint = lang.pick(
            "`nunchi flow check FILE` checks it without running it.",
            "`nunchi flow check FILE`로 실행하지 않고 검사할 수 있습니다.",
        );
        Some(hint.to_owned())
    }
}
