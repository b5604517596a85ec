//! Thinking and sampling: what the caller wants, in what this model takes.

use super::facts::{Facts, Style};
use super::wire::Thinking;
use crate::notes::Notes;
use nunchi_core::{Message, ModelRequest, Part, ReasoningEffort, ReasoningRequest, Role, ToolChoice};

/// The least budget that is taken.
pub(super) const LEAST_BUDGET: u64 = 1_024;

/// Parameters that depend on the model and on each other.
#[derive(Debug, Default)]
pub(super) struct Tuning {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
}

/// Fits the request to the model; `cap` is the output cap that is sent.
pub(super) fn tune(request: &ModelRequest, facts: Facts, cap: u64, notes: &mut Notes) -> Tuning {
    let mut tuning = Tuning::default();
    if let Some(wish) = &request.reasoning {
        (tuning.thinking, tuning.effort) = think(request, wish, facts, cap, notes);
    }
    sample(request, facts, &mut tuning, notes);
    let wanted = &request.sampling;
    let unknown = [
        ("seed", wanted.seed.is_some()),
        ("presence_penalty", wanted.presence_penalty.is_some()),
        ("frequency_penalty", wanted.frequency_penalty.is_some()),
        ("top_logprobs", wanted.top_logprobs.is_some()),
    ];
    for (field, _) in unknown.into_iter().filter(|(_, wanted)| *wanted) {
        notes.add(field, "left out: Anthropic has no such parameter");
    }
    tuning
}

type Thought = (Option<Thinking>, Option<&'static str>);

fn think(
    request: &ModelRequest,
    wish: &ReasoningRequest,
    facts: Facts,
    cap: u64,
    notes: &mut Notes,
) -> Thought {
    const FIELD: &str = "reasoning";
    let off = match wish.budget_tokens {
        Some(budget) => budget == 0,
        None => wish.effort == Some(ReasoningEffort::None),
    };
    let forced = !request.tools.is_empty()
        && matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
    let clash = "left out: the model cannot think when a tool is forced";
    match facts.thinking {
        Style::None => {
            if !off {
                notes.add(FIELD, "left out: this model does not think");
            }
            (None, None)
        }
        Style::Always if off => {
            notes.add(FIELD, "this model always thinks; it is asked for little");
            (None, Some("low"))
        }
        Style::Always => adaptive(wish, facts, notes),
        Style::Adaptive if off => (Some(Thinking::Disabled), None),
        Style::Adaptive if forced => {
            notes.add(FIELD, clash);
            (Some(Thinking::Disabled), None)
        }
        Style::Adaptive => adaptive(wish, facts, notes),
        Style::Budget | Style::Either if off => (None, None),
        Style::Budget | Style::Either if forced => {
            notes.add(FIELD, clash);
            (None, None)
        }
        Style::Either if wish.budget_tokens.is_none() => adaptive(wish, facts, notes),
        Style::Budget | Style::Either => {
            let effort = wish.effort.filter(|_| facts.effort && wish.budget_tokens.is_some());
            (budget(request, wish, cap, notes), effort.map(|effort| word(effort, facts, notes)))
        }
    }
}

/// The model decides; effort says roughly how much.
fn adaptive(wish: &ReasoningRequest, facts: Facts, notes: &mut Notes) -> Thought {
    let effort = match (wish.effort, wish.budget_tokens) {
        (Some(effort), _) => Some(word(effort, facts, notes)),
        (None, Some(budget)) => {
            let word = match budget {
                0..=4_096 => "low",
                4_097..=12_288 => "medium",
                _ => "high",
            };
            notes.add(
                "reasoning.budget_tokens",
                format!("{budget} tokens became the effort \"{word}\": the model takes no budget"),
            );
            Some(word)
        }
        (None, None) => None,
    };
    // Models differ in whether they show their thinking unasked.
    let display = wish.summary.as_ref().map(|_| "summarized");
    (Some(Thinking::Adaptive { display }), effort)
}

fn word(effort: ReasoningEffort, facts: Facts, notes: &mut Notes) -> &'static str {
    match effort {
        ReasoningEffort::None | ReasoningEffort::Minimal => {
            notes.add("reasoning.effort", "became \"low\", the least there is");
            "low"
        }
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
        ReasoningEffort::Xhigh => facts.most,
    }
}

/// A budget below the output cap, of which it is a part.
fn budget(request: &ModelRequest, wish: &ReasoningRequest, cap: u64, notes: &mut Notes) -> Option<Thinking> {
    const FIELD: &str = "reasoning";
    if cap <= LEAST_BUDGET {
        notes.add(FIELD, format!("left out: thinking takes more than {LEAST_BUDGET} output tokens"));
        return None;
    }
    if loop_without_thinking(&request.messages) {
        notes.add(FIELD, "left out: the tool calls being answered came without their thinking blocks");
        return None;
    }
    let budget_tokens = match (wish.budget_tokens, wish.effort) {
        (Some(budget), _) => {
            let fitting = budget.clamp(LEAST_BUDGET, cap - 1);
            if fitting != budget {
                notes.add("reasoning.budget_tokens", format!("{budget} became {fitting}"));
            }
            fitting
        }
        (None, effort) => {
            let wanted = match effort.unwrap_or(ReasoningEffort::Medium) {
                ReasoningEffort::None | ReasoningEffort::Minimal => LEAST_BUDGET,
                ReasoningEffort::Low => 2_048,
                ReasoningEffort::Medium => 8_192,
                ReasoningEffort::High => 16_384,
                ReasoningEffort::Xhigh => 32_768,
            };
            // A fifth of the cap stays for the answer.
            wanted.min(cap / 5 * 4).max(LEAST_BUDGET)
        }
    };
    Some(Thinking::Enabled { budget_tokens })
}

/// Whether tool results are being answered whose calls lack the thinking that must stand before them.
fn loop_without_thinking(messages: &[Message]) -> bool {
    let calls = messages.iter().rev().take_while(|message| message.role != Role::User);
    let Some(last) = calls.filter(|message| message.role == Role::Assistant).last() else { return false };
    let called = last.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let thought = last.parts.iter().any(|part| {
        matches!(part, Part::RedactedThinking(_))
            || matches!(part, Part::Thinking { signature: Some(proof), .. } if super::turns::is_own(proof))
    });
    called && !thought
}

fn sample(request: &ModelRequest, facts: Facts, tuning: &mut Tuning, notes: &mut Notes) {
    let wanted = &request.sampling;
    let thinks = matches!(tuning.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive { .. }));
    let why = match () {
        () if !facts.samples => "left out: this model takes no sampling parameters",
        () if thinks => "left out: it cannot be set while the model thinks",
        () => "",
    };
    if why.is_empty() {
        tuning.temperature = wanted.temperature.map(|value| value.clamp(0.0, 1.0));
        if tuning.temperature != wanted.temperature {
            notes.add("temperature", "cut to the range of 0 to 1");
        }
        tuning.top_k = wanted.top_k;
        tuning.top_p = wanted.top_p;
        if facts.one_sampler && tuning.temperature.is_some() && tuning.top_p.is_some() {
            tuning.top_p = None;
            notes.add("top_p", "left out: this model takes either temperature or top_p");
        }
        return;
    }
    if wanted.temperature.is_some_and(|value| (value - 1.0).abs() > f64::EPSILON) {
        notes.add("temperature", why);
    }
    // A thinking model takes a top_p that hardly cuts.
    tuning.top_p = wanted.top_p.filter(|value| facts.samples && (0.95..=1.0).contains(value));
    if wanted.top_p.is_some_and(|value| value < 0.99) && tuning.top_p.is_none() {
        notes.add("top_p", why);
    }
    if wanted.top_k.is_some() {
        notes.add("top_k", why);
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::facts;
    use super::*;
    use nunchi_core::{Sampling, ToolDefinition};

    fn wish(effort: Option<ReasoningEffort>, budget_tokens: Option<u64>) -> ModelRequest {
        let reasoning = Some(ReasoningRequest { effort, budget_tokens, summary: None });
        ModelRequest { reasoning, ..ModelRequest::new("m", Vec::new()) }
    }

    fn tuned(model: &str, request: &ModelRequest, cap: u64) -> (Thought, usize) {
        let mut notes = Notes::default();
        let tuning = tune(request, facts(model), cap, &mut notes);
        ((tuning.thinking, tuning.effort), notes.into_list().len())
    }

    #[test]
    fn every_wish_on_every_generation() {
        use ReasoningEffort as E;
        let enabled = |budget_tokens| Some(Thinking::Enabled { budget_tokens });
        let adaptive = Some(Thinking::Adaptive { display: None });
        for (model, effort, budget, cap, wanted, notes) in [
            ("claude-3-5-haiku", Some(E::High), None, 4_096, (None, None), 1),
            ("claude-3-5-haiku", Some(E::None), None, 4_096, (None, None), 0),
            ("claude-sonnet-4-5", Some(E::Low), None, 4_096, (enabled(2_048), None), 0),
            ("claude-sonnet-4-5", Some(E::High), None, 5_000, (enabled(4_000), None), 0),
            ("claude-sonnet-4-5", Some(E::Minimal), None, 1_100, (enabled(1_024), None), 0),
            ("claude-sonnet-4-5", Some(E::Low), None, 1_024, (None, None), 1),
            ("claude-sonnet-4-5", None, Some(500), 4_096, (enabled(1_024), None), 1),
            ("claude-sonnet-4-5", None, Some(5_000), 4_096, (enabled(4_095), None), 1),
            ("claude-sonnet-4-5", None, Some(0), 4_096, (None, None), 0),
            ("claude-opus-4-6", Some(E::Medium), None, 4_096, (adaptive, Some("medium")), 0),
            ("claude-opus-4-6", Some(E::Xhigh), None, 4_096, (adaptive, Some("max")), 0),
            ("claude-opus-4-6", None, Some(2_000), 4_096, (enabled(2_000), None), 0),
            ("claude-opus-5", Some(E::Xhigh), None, 4_096, (adaptive, Some("xhigh")), 0),
            ("claude-opus-5", None, Some(20_000), 4_096, (adaptive, Some("high")), 1),
            ("claude-opus-5", None, Some(0), 4_096, (Some(Thinking::Disabled), None), 0),
            ("claude-fable-5", None, Some(0), 4_096, (None, Some("low")), 1),
            ("claude-fable-5", None, None, 4_096, (adaptive, None), 0),
        ] {
            let got = tuned(model, &wish(effort, budget), cap);
            assert_eq!(got, (wanted, notes), "{model} {effort:?} {budget:?} {cap}");
        }
        assert_eq!(tuned("claude-opus-5", &ModelRequest::new("m", Vec::new()), 9), ((None, None), 0));
    }

    #[test]
    fn forced_tools_and_foreign_loops_do_not_think() {
        let tool = ToolDefinition {
            name: "f".into(),
            description: None,
            parameters: None,
            strict: None,
            builtin: None,
        };
        let forced = ModelRequest {
            tools: vec![tool],
            tool_choice: ToolChoice::Required,
            ..wish(Some(ReasoningEffort::High), None)
        };
        assert_eq!(tuned("claude-sonnet-4-5", &forced, 9_000), ((None, None), 1));
        assert_eq!(tuned("claude-sonnet-5", &forced, 9_000), ((Some(Thinking::Disabled), None), 1));
        let call =
            Part::ToolCall { id: "a".into(), name: "f".into(), arguments: "{}".into(), signature: None };
        let result = Part::ToolResult { call_id: "a".into(), content: Vec::new(), is_error: false };
        let message = |role, parts| Message { role, parts, name: None };
        let mut looped = wish(Some(ReasoningEffort::Low), None);
        looped.messages = vec![
            Message::text(Role::User, "go"),
            message(Role::Assistant, vec![call]),
            message(Role::Tool, vec![result]),
        ];
        assert_eq!(tuned("claude-sonnet-4-5", &looped, 9_000), ((None, None), 1));
        let thought = Part::Thinking { text: String::new(), signature: Some("proof".into()) };
        looped.messages[1].parts.insert(0, thought);
        assert_eq!(tuned("claude-sonnet-4-5", &looped, 9_000).1, 0);
    }

    #[test]
    fn samplers() {
        for (model, temperature, top_p, top_k, reasons, wanted, notes) in [
            ("claude-3-7-sonnet", Some(1.5), Some(0.5), Some(4), false, (Some(1.0), Some(0.5), Some(4)), 1),
            ("claude-sonnet-4-5", Some(0.5), Some(0.5), None, false, (Some(0.5), None, None), 1),
            ("claude-sonnet-4-5", Some(0.5), Some(0.96), Some(4), true, (None, Some(0.96), None), 2),
            ("claude-sonnet-4-5", Some(1.0), None, None, true, (None, None, None), 0),
            ("claude-sonnet-5", Some(0.0), Some(0.5), Some(4), false, (None, None, None), 3),
            ("claude-sonnet-5", Some(1.0), Some(1.0), None, false, (None, None, None), 0),
        ] {
            let mut request = wish(Some(ReasoningEffort::Low), None);
            request.reasoning = request.reasoning.filter(|_| reasons);
            request.sampling = Sampling { temperature, top_p, top_k, ..Sampling::default() };
            let mut said = Notes::default();
            let got = tune(&request, facts(model), 4_096, &mut said);
            let said = said.into_list();
            let got = (got.temperature, got.top_p, got.top_k);
            assert_eq!((got, said.len()), (wanted, notes), "{model} {said:?}");
        }
    }
}
