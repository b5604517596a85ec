//! What a provider would charge for: answers and their tokens, live and in batches apart.

use crate::turn::Tokens;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Answers of one kind, and their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Requests answered with a success.
    pub answers: u64,
    /// Prompt tokens that the answers claim.
    pub input_tokens: u64,
    /// Generated tokens that the answers claim.
    pub output_tokens: u64,
}

/// Everything that was charged for since the server started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Billed {
    /// Batches accepted, whatever became of them.
    pub batches: u64,
    /// Answers given at once. One that was broken on purpose counts: it was generated.
    pub live: Bill,
    /// Answers given in batches.
    pub batch: Bill,
    /// How often a last user text was answered, live and in batches together; kept unless requests are forgotten.
    pub texts: BTreeMap<String, u64>,
}

impl Bill {
    pub(crate) fn add(&mut self, tokens: Option<Tokens>) {
        let tokens = tokens.unwrap_or_default();
        self.answers += 1;
        self.input_tokens += tokens.prompt() + tokens.tool_prompt;
        self.output_tokens += tokens.generated();
    }

    fn json(self) -> Value {
        json!({"answers": self.answers, "input_tokens": self.input_tokens, "output_tokens": self.output_tokens})
    }
}

impl Billed {
    pub(crate) fn json(&self) -> Value {
        json!({
            "batches": self.batches, "live": self.live.json(), "batch": self.batch.json(), "texts": self.texts,
        })
    }
}
