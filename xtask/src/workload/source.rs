//! Public text, read from the folder of development data.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// A question with a name for its answer.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) text: String,
    pub(crate) answer: String,
}

/// A question with what two models made of it.
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) domain: String,
    pub(crate) weak_right: bool,
    pub(crate) strong_right: bool,
}

/// A request with the tool it needs.
pub(crate) struct ToolUse {
    pub(crate) text: String,
    pub(crate) tool: String,
}

/// What workloads are made of.
pub(crate) struct Source {
    /// Questions in the groups in which they mean the same.
    pub(crate) groups: Vec<Vec<Asked>>,
    /// Sentences of a picture's caption or of news.
    pub(crate) sentences: Vec<String>,
    pub(crate) outcomes: Vec<Outcome>,
    /// Tools with their descriptions, in the order of their names.
    pub(crate) tools: Vec<(String, String)>,
    pub(crate) tool_uses: Vec<ToolUse>,
    /// Turns of long conversations.
    pub(crate) turns: Vec<Vec<String>>,
    /// Sentences that mails might hold.
    pub(crate) mails: Vec<String>,
}

fn lines(data: &Path, name: &str) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(data.join(name)).with_context(|| name.to_owned())?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| name.to_owned())).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Source {
    /// Reads the folder.
    pub(crate) fn read(data: &Path) -> Result<Self> {
        let catalog: Value = serde_json::from_str(
            &std::fs::read_to_string(data.join("tool_catalog.en.json")).context("tool_catalog.en.json")?,
        )?;
        let mut tools: Vec<(String, String)> = catalog
            .as_object()
            .context("the tools")?
            .iter()
            .map(|(name, what)| (name.clone(), text(what)))
            .collect();
        tools.sort();
        let uses = lines(data, "tool_queries.en.jsonl")?;
        let outcomes = lines(data, "routing_outcomes.en.jsonl")?;
        Ok(Self {
            groups: groups(data)?,
            sentences: lines(data, "similarity_train.ko.jsonl")?
                .iter()
                .map(|line| text(&line["a"]))
                .collect(),
            outcomes: outcomes.iter().map(outcome).collect(),
            tools,
            tool_uses: uses
                .iter()
                .map(|line| ToolUse { text: text(&line["query"]), tool: text(&line["tool"]) })
                .collect(),
            turns: turns(data)?,
            mails: lines(data, "pii_spans.en.jsonl")?.iter().map(|line| text(&line["full_text"])).collect(),
        })
    }
}

fn groups(data: &Path) -> Result<Vec<Vec<Asked>>> {
    let mut groups: Vec<(i64, Vec<Asked>)> = Vec::new();
    for line in lines(data, "paraphrase_groups.ko.jsonl")? {
        let number = line["group"].as_i64().context("a group")?;
        let asked = Asked { text: text(&line["text"]), answer: format!("group {number}") };
        match groups.iter_mut().find(|(known, _)| *known == number) {
            Some((_, group)) => group.push(asked),
            None => groups.push((number, vec![asked])),
        }
    }
    Ok(groups.into_iter().map(|(_, group)| group).collect())
}

fn outcome(line: &Value) -> Outcome {
    let right = |name: &str| line[name].as_str() == Some("True") || line[name].as_bool() == Some(true);
    Outcome {
        text: text(&line["prompt"]),
        domain: text(&line["domain"]),
        weak_right: right("mistralai/Mixtral-8x7B-Instruct-v0.1"),
        strong_right: right("gpt-4-1106-preview"),
    }
}

fn turns(data: &Path) -> Result<Vec<Vec<String>>> {
    let text_of =
        std::fs::read_to_string(data.join("conversations.en.json")).context("conversations.en.json")?;
    let all: Value = serde_json::from_str(&text_of)?;
    let mut conversations = Vec::new();
    for one in all.as_array().context("conversations")? {
        let mut turns = Vec::new();
        for number in 1.. {
            let Some(session) = one["conversation"][format!("session_{number}")].as_array() else { break };
            turns.extend(session.iter().map(|turn| text(&turn["text"])).filter(|text| !text.is_empty()));
        }
        conversations.push(turns);
    }
    Ok(conversations)
}

/// Even numbers that are the same in every run (SplitMix64).
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % end.max(1) as u64).unwrap_or(0)
    }

    /// Puts items into another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
