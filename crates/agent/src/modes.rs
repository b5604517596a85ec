//! Modes: effect policies of the one machine, and the rules by which `auto` becomes one of them.

use crate::order::RunOrder;
use nunchi_core::{EffectClass, Mode};
use regex::Regex;
use std::sync::LazyLock;

/// What a mode does and leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModePolicy {
    /// Plans before it acts.
    pub(crate) plans: bool,
    /// Asks the owner what changes the plan, and shows the model a tool for questions.
    pub(crate) interviews: bool,
    /// From which effect on a plan needs the owner's consent as a whole; calls are judged one by one anyway.
    pub(crate) consent_from: Option<EffectClass>,
    /// Gives the plan's goals to sub-agents, side by side.
    pub(crate) waves: bool,
    /// Checks the goals against receipts before it answers.
    pub(crate) verifies: bool,
    /// Model turns that are usual: fewest and most.
    pub(crate) usual_turns: (u32, u32),
}

/// The policy of a mode; `auto` must be resolved before.
pub(crate) const fn policy(mode: Mode) -> ModePolicy {
    let reflexive = ModePolicy {
        plans: false,
        interviews: false,
        consent_from: None,
        waves: false,
        verifies: false,
        usual_turns: (1, 3),
    };
    match mode {
        Mode::Auto | Mode::Reflexive => reflexive,
        Mode::Deliberate => ModePolicy {
            plans: true,
            interviews: true,
            consent_from: Some(EffectClass::Compensable),
            verifies: true,
            usual_turns: (4, 12),
            ..reflexive
        },
        // Nobody sits in front of it: each grave call is parked by itself.
        Mode::Autonomous => ModePolicy { plans: true, verifies: true, usual_turns: (4, 12), ..reflexive },
        Mode::Ultrawork => ModePolicy {
            plans: true,
            consent_from: Some(EffectClass::Compensable),
            waves: true,
            usual_turns: (4, 30),
            ..reflexive
        },
    }
}

/// Words that ask for something to be done in the world.
static DEEDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:send|e-?mail|write|save|create|delete|remove|rename|move|update|change|edit|fix|book|order|buy|sell|schedule|remind|deploy|install|refactor|migrate|post|publish|file|organi[sz]e|research|investigate)\b|보내|써\s*줘|작성|저장|만들어|삭제|지워|옮겨|바꿔|수정|고쳐|예약|주문|사\s*줘|팔아|등록|알려\s*줘야|설치|배포|게시|정리|조사",
    )
    .ok()
});

/// Words that ask for the same of several things.
static MANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:each of|every one of|in parallel|side by side|for all of|all (?:of )?the (?:following|\d+))\b|각각|각자|동시에|병렬|하나씩|모두에\s*대해|마다")
        .ok()
});

/// Lines that begin as items of a list.
static ITEMS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^\s*(?:[-*•]|\d+[.)])\s+\S").ok());

/// Whether a text asks for something to be done in the world.
pub(crate) fn asks_for_deed(goal: &str) -> bool {
    DEEDS.as_ref().is_some_and(|deeds| deeds.is_match(goal))
}

/// Chooses a mode for an order that leaves it open, by rules alone.
pub fn choose_mode(order: &RunOrder) -> Mode {
    let found = |pattern: &LazyLock<Option<Regex>>| {
        pattern.as_ref().map_or(0, |pattern| pattern.find_iter(&order.goal).take(10).count())
    };
    if order.mode != Mode::Auto {
        return order.mode;
    }
    if order.scheduled {
        return Mode::Autonomous;
    }
    let items = found(&ITEMS);
    if order.tools.is_empty() || order.is_sub_agent() {
        return Mode::Reflexive;
    }
    if items >= 4 || (items >= 3 && found(&MANY) > 0) || found(&MANY) >= 2 {
        return Mode::Ultrawork;
    }
    let long = order.goal.chars().count() > 400;
    let deeds = found(&DEEDS);
    if deeds >= 2 || items >= 2 || (deeds == 1 && long) { Mode::Deliberate } else { Mode::Reflexive }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{RunId, ToolSpec};
    use serde_json::json;

    #[test]
    fn auto_is_resolved_by_rules() {
        assert!(DEEDS.is_some() && MANY.is_some() && ITEMS.is_some());
        for (goal, mode) in [
            ("What is a monad?", Mode::Reflexive),
            ("안녕, 잘 지냈어?", Mode::Reflexive),
            ("What does notes/a.md say?", Mode::Reflexive),
            ("Send kim the report", Mode::Reflexive),
            ("Research the three vendors, write a summary and send it to kim", Mode::Deliberate),
            ("회의록을 작성해서 팀에 보내줘", Mode::Deliberate),
            ("Summarise:\n- a\n- b\n- c\n- d", Mode::Ultrawork),
            ("다음 회사를 각각 조사해줘\n1. 가\n2. 나\n3. 다", Mode::Ultrawork),
        ] {
            let mut order = RunOrder::new(RunId(uuid::Uuid::nil()), goal);
            order.tools = vec![ToolSpec::new("t", "", json!({}))];
            assert_eq!(choose_mode(&order), mode, "{goal}");
            order.scheduled = true;
            assert_eq!(choose_mode(&order), Mode::Autonomous);
            order.mode = Mode::Ultrawork;
            assert_eq!(choose_mode(&order), Mode::Ultrawork);
        }
    }
}
