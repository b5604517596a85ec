//! What agents may use up and do.

use super::layers::{Layers, Origin, Written};
use super::reading::plain;
use nunchi_agent::MemorySettings;
use nunchi_core::{HalfLife, MemoryBounds, NanoUsd, PermissionRule, RunLimits, Verdict};
use std::collections::BTreeMap;
use toml_edit::Value;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// What is learned from conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Learning {
    /// Nothing.
    Off,
    /// What the owner asks to be remembered.
    Asked,
    /// Also what this model finds worth it.
    ByModel(String),
}

/// Memory, as configured.
#[derive(Clone, Debug)]
pub(crate) struct MemoryConfig {
    /// Whether runs know of it.
    pub(crate) enabled: bool,
    pub(crate) learn: Learning,
    pub(crate) settings: MemorySettings,
}

/// Agents, as configured.
#[derive(Clone, Debug)]
pub(crate) struct AgentConfig {
    pub(crate) model: String,
    /// The model that judges answers.
    pub(crate) judge: String,
    pub(crate) limits: RunLimits,
    pub(crate) max_output: u64,
    pub(crate) memory: MemoryConfig,
    /// Most tokens of a conversation's earlier turns; `None`: all of them.
    pub(crate) session_tokens: Option<u64>,
    /// The owner's rules, as written.
    pub(crate) permissions: Vec<PermissionRule>,
}

impl Layers {
    pub(super) fn agent(&mut self) -> AgentConfig {
        let money: NanoUsd = self.decimal("agent.max_usd").parse().unwrap_or(NanoUsd::from_usd(1));
        let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1);
        AgentConfig {
            model: self.text("agent.model"),
            judge: self.text("agent.judge"),
            limits: RunLimits {
                money: (money > NanoUsd::ZERO).then_some(money),
                turns: self.small("agent.max_turns").max(1),
                tool_calls: self.small("agent.max_tool_calls"),
                seconds: seconds(self.time("agent.max_time")),
                parallel: self.small("agent.parallel").max(1),
                patience_seconds: seconds(self.time("agent.patience")),
            },
            max_output: self.count("agent.max_output").max(1),
            memory: self.memory(),
            session_tokens: Some(self.count("agent.session_tokens")).filter(|tokens| *tokens > 0),
            permissions: self.permissions(),
        }
    }

    fn memory(&mut self) -> MemoryConfig {
        let bounds = MemoryBounds {
            facts: self.count("memory.max_facts"),
            turns: self.count("memory.max_turns"),
            history: self.count("memory.max_history"),
            bytes: self.count("memory.max_mb").saturating_mul(1 << 20),
            half_life: HalfLife(
                u32::try_from(self.time("memory.half_life").as_secs() / DAY).unwrap_or(u32::MAX).max(1),
            ),
        };
        MemoryConfig {
            enabled: self.flag_value("memory.enabled"),
            learn: match self.text("memory.learn").as_str() {
                "off" => Learning::Off,
                "model" => Learning::ByModel(self.text("memory.model")),
                _ => Learning::Asked,
            },
            settings: MemorySettings {
                bounds,
                standing_tokens: self.count("memory.standing_tokens"),
                found_tokens: self.count("memory.found_tokens"),
            },
        }
    }

    fn permissions(&mut self) -> Vec<PermissionRule> {
        let written = self.lists.get("permissions").cloned().unwrap_or_default();
        written.iter().filter_map(|(table, origin)| self.permission(table, origin)).collect()
    }

    fn permission(&mut self, table: &Written, origin: &Origin) -> Option<PermissionRule> {
        let text = |key: &str| table.get(key).map(|(value, _)| plain(value));
        let tool = text("tool").filter(|tool| !tool.is_empty());
        if tool.is_none() {
            let (en, ko) = ("a rule needs a tool, or `*`", "도구 이름이나 `*`가 필요합니다");
            self.wrong(origin, "permissions.tool", en, ko);
        }
        let verdict = match text("verdict").as_deref() {
            Some("allow") => Some(Verdict::Allow),
            Some("ask") => Some(Verdict::Ask),
            Some("deny") => Some(Verdict::Deny),
            _ => None,
        };
        if verdict.is_none() {
            let (en, ko) = ("it must be allow, ask or deny", "allow, ask, deny 중 하나여야 합니다");
            self.wrong(origin, "permissions.verdict", en, ko);
        }
        let arguments = match table.get("arguments").map(|(value, _)| value) {
            None => Some(BTreeMap::new()),
            Some(Value::InlineTable(table)) => {
                Some(table.iter().map(|(name, value)| (name.to_owned(), plain(value))).collect())
            }
            Some(_) => None,
        };
        if arguments.is_none() {
            let (en, ko) = ("it must be a table of patterns", "패턴의 표여야 합니다");
            self.wrong(origin, "permissions.arguments", en, ko);
        }
        let (tool, verdict, arguments) = (tool?, verdict?, arguments?);
        let word = table.get("verdict").map(|(value, _)| plain(value)).unwrap_or_default();
        let name = text("name").unwrap_or_else(|| format!("{word} {tool}"));
        Some(PermissionRule { name, tool, arguments, verdict })
    }
}
