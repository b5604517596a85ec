//! Sampling, thinking and the shape of the answer, in what this model takes.

use super::facts::{Facts, Style};
use super::wire::{GenerationConfig, ThinkingConfig};
use crate::notes::Notes;
use crate::shared::unsupported;
use nunchi_core::{ModelError, ModelRequest, ReasoningEffort, ReasoningRequest, ResponseFormat};

/// Gemini takes at most this many stop texts.
const STOP_LIMIT: usize = 5;

/// Gemini gives at most this many answers.
const CHOICE_LIMIT: u32 = 8;

/// Gemini tells at most this many alternatives of a token.
const LOGPROB_LIMIT: u32 = 20;

const REASONING: &str = "reasoning";

/// Everything but the conversation and the tools.
pub(super) fn config<'a>(
    request: &'a ModelRequest,
    facts: Facts,
    notes: &mut Notes,
) -> Result<GenerationConfig<'a>, ModelError> {
    let sampling = &request.sampling;
    if sampling.stop.len() > STOP_LIMIT {
        return Err(unsupported(format!("Gemini takes {STOP_LIMIT} stop texts at most")));
    }
    if request.choices > CHOICE_LIMIT {
        return Err(unsupported(format!("Gemini gives {CHOICE_LIMIT} answers at most")));
    }
    let temperature = sampling.temperature.map(|value| value.clamp(0.0, 2.0));
    if temperature != sampling.temperature {
        notes.add("temperature", "cut to the range of 0 to 2");
    }
    let mut config = GenerationConfig {
        max_output_tokens: request.max_output_tokens,
        temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        seed: sampling.seed.map(|seed| fitting_seed(seed, notes)),
        stop_sequences: &sampling.stop,
        candidate_count: (request.choices > 1).then_some(request.choices),
        thinking_config: request.reasoning.as_ref().and_then(|wish| think(request, wish, facts, notes)),
        ..GenerationConfig::default()
    };
    extras(request, facts, &mut config, notes);
    match &request.format {
        ResponseFormat::Text => {}
        ResponseFormat::JsonObject => config.response_mime_type = Some("application/json"),
        ResponseFormat::JsonSchema(format) => {
            if format.description.is_some() {
                notes.add("response_format.description", "left out: Gemini takes the schema only");
            }
            config.response_mime_type = Some("application/json");
            config.response_json_schema = Some(&format.schema);
        }
    }
    Ok(config)
}

/// What only some models take; the others refuse the whole request for it.
fn extras(request: &ModelRequest, facts: Facts, config: &mut GenerationConfig<'_>, notes: &mut Notes) {
    let sampling = &request.sampling;
    if facts.extras {
        config.presence_penalty = sampling.presence_penalty;
        config.frequency_penalty = sampling.frequency_penalty;
        config.response_logprobs = sampling.top_logprobs.map(|_| true);
        config.logprobs = sampling.top_logprobs.map(|count| count.min(LOGPROB_LIMIT));
        if config.logprobs != sampling.top_logprobs {
            notes.add("top_logprobs", format!("Gemini tells {LOGPROB_LIMIT} at most"));
        }
        return;
    }
    // Zero is what is done without the parameter.
    let wanted = |value: Option<f64>| value.is_some_and(|value| value != 0.0);
    for (field, wanted) in [
        ("presence_penalty", wanted(sampling.presence_penalty)),
        ("frequency_penalty", wanted(sampling.frequency_penalty)),
        ("top_logprobs", sampling.top_logprobs.is_some()),
    ] {
        if wanted {
            notes.add(field, "left out: this model has no such parameter");
        }
    }
}

/// Gemini's seeds have 32 bits.
fn fitting_seed(seed: i64, notes: &mut Notes) -> i32 {
    i32::try_from(seed).unwrap_or_else(|_| {
        notes.add("seed", "folded into 32 bits");
        i32::try_from(seed.rem_euclid(1 << 31)).unwrap_or_default()
    })
}

fn think(
    request: &ModelRequest,
    wish: &ReasoningRequest,
    facts: Facts,
    notes: &mut Notes,
) -> Option<ThinkingConfig> {
    let off = match wish.budget_tokens {
        Some(budget) => budget == 0,
        None => wish.effort == Some(ReasoningEffort::None),
    };
    let shown = ThinkingConfig { include_thoughts: !off, ..ThinkingConfig::default() };
    let unasked = wish.effort.is_none() && wish.budget_tokens.is_none();
    match facts.thinking {
        Style::None => {
            if !off {
                notes.add(REASONING, "left out: this model does not think");
            }
            None
        }
        _ if unasked => Some(shown),
        Style::Level { minimal, medium } => {
            let thinking_level = Some(level(wish, off, minimal, medium, notes));
            Some(ThinkingConfig { thinking_level, ..shown })
        }
        Style::Budget { off: true, .. } if off => Some(ThinkingConfig { thinking_budget: Some(0), ..shown }),
        Style::Budget { least, .. } if off => {
            notes.add(REASONING, "this model always thinks; it is asked for little");
            Some(ThinkingConfig { thinking_budget: Some(least), ..shown })
        }
        Style::Budget { least, most, .. } => {
            let thinking_budget = Some(budget(request, wish, least, most, notes));
            Some(ThinkingConfig { thinking_budget, ..shown })
        }
    }
}

fn level(wish: &ReasoningRequest, off: bool, minimal: bool, medium: bool, notes: &mut Notes) -> &'static str {
    let least = if minimal { "minimal" } else { "low" };
    if off {
        notes.add(REASONING, "this model always thinks; it is asked for little");
        return least;
    }
    let effort = wish.effort.unwrap_or_else(|| {
        notes.add("reasoning.budget_tokens", "became a level: this model takes no budget");
        match wish.budget_tokens.unwrap_or_default() {
            0..=4_096 => ReasoningEffort::Low,
            4_097..=12_288 => ReasoningEffort::Medium,
            _ => ReasoningEffort::High,
        }
    });
    let (word, exact) = match effort {
        ReasoningEffort::None | ReasoningEffort::Minimal => (least, minimal),
        ReasoningEffort::Low => ("low", true),
        ReasoningEffort::Medium if medium => ("medium", true),
        ReasoningEffort::Medium => ("high", false),
        ReasoningEffort::High => ("high", true),
        ReasoningEffort::Xhigh => ("high", false),
    };
    if !exact {
        notes.add("reasoning.effort", format!("became \"{word}\", the nearest there is"));
    }
    word
}

fn budget(request: &ModelRequest, wish: &ReasoningRequest, least: u64, most: u64, notes: &mut Notes) -> u64 {
    if let Some(wanted) = wish.budget_tokens {
        let fitting = wanted.clamp(least, most);
        if fitting != wanted {
            notes.add("reasoning.budget_tokens", format!("{wanted} became {fitting}"));
        }
        return fitting;
    }
    let wanted = match wish.effort.unwrap_or(ReasoningEffort::Medium) {
        ReasoningEffort::None | ReasoningEffort::Minimal => 512,
        ReasoningEffort::Low => 1_024,
        ReasoningEffort::Medium => 8_192,
        ReasoningEffort::High => 24_576,
        ReasoningEffort::Xhigh => most,
    };
    // Thinking counts against the output cap; a fifth of it stays for the answer.
    let cap = request.max_output_tokens.map_or(most, |cap| cap / 5 * 4);
    wanted.min(cap).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::super::facts::facts;
    use super::*;
    use nunchi_core::Sampling;

    fn wish(effort: Option<ReasoningEffort>, budget_tokens: Option<u64>) -> ModelRequest {
        let reasoning = Some(ReasoningRequest { effort, budget_tokens, summary: None });
        ModelRequest { reasoning, ..ModelRequest::new("m", Vec::new()) }
    }

    #[test]
    fn every_wish_on_every_generation() {
        use ReasoningEffort as E;
        let pro = "gemini-2.5-pro";
        let budget = |budget, include_thoughts| {
            Some(ThinkingConfig { thinking_budget: Some(budget), thinking_level: None, include_thoughts })
        };
        let level = |level, include_thoughts| {
            Some(ThinkingConfig { thinking_budget: None, thinking_level: Some(level), include_thoughts })
        };
        let shown = Some(ThinkingConfig { include_thoughts: true, ..ThinkingConfig::default() });
        for (model, effort, tokens, cap, wanted, notes) in [
            ("gemini-2.0-flash", Some(E::High), None, None, None, 1),
            ("gemini-2.0-flash", Some(E::None), None, None, None, 0),
            (pro, None, None, None, shown, 0),
            (pro, Some(E::None), None, None, budget(128, false), 1),
            (pro, None, Some(0), None, budget(128, false), 1),
            (pro, Some(E::Low), None, None, budget(1_024, true), 0),
            (pro, Some(E::High), None, Some(10_000), budget(8_000, true), 0),
            (pro, Some(E::High), None, Some(100), budget(128, true), 0),
            (pro, Some(E::Xhigh), None, None, budget(32_768, true), 0),
            (pro, Some(E::Low), Some(5_000), None, budget(5_000, true), 0),
            (pro, None, Some(99_999), None, budget(32_768, true), 1),
            ("gemini-2.5-flash", Some(E::None), None, None, budget(0, false), 0),
            ("gemini-2.5-flash", Some(E::Medium), None, None, budget(8_192, true), 0),
            ("gemini-2.5-flash-lite", None, Some(100), None, budget(512, true), 1),
            ("gemini-3-pro-preview", Some(E::None), None, None, level("low", false), 1),
            ("gemini-3-pro-preview", Some(E::Minimal), None, None, level("low", true), 1),
            ("gemini-3-pro-preview", Some(E::Medium), None, None, level("high", true), 1),
            ("gemini-3.1-pro-preview", Some(E::Medium), None, None, level("medium", true), 0),
            ("gemini-3-flash-preview", Some(E::None), None, None, level("minimal", false), 1),
            ("gemini-3-flash-preview", Some(E::Minimal), None, None, level("minimal", true), 0),
            ("gemini-3-flash-preview", Some(E::Xhigh), None, None, level("high", true), 1),
            ("gemini-3-flash-preview", None, Some(2_000), None, level("low", true), 1),
            ("gemini-3-flash-preview", Some(E::High), Some(9), None, level("high", true), 0),
        ] {
            let request = ModelRequest { max_output_tokens: cap, ..wish(effort, tokens) };
            let mut said = Notes::default();
            let got = config(&request, facts(model), &mut said).unwrap().thinking_config;
            assert_eq!((got, said.into_list().len()), (wanted, notes), "{model} {effort:?} {tokens:?}");
        }
    }

    #[test]
    fn sampling() {
        let all = Sampling {
            temperature: Some(3.0),
            seed: Some(-1 - (1 << 40)),
            presence_penalty: Some(0.5),
            frequency_penalty: Some(0.0),
            top_logprobs: Some(50),
            ..Sampling::default()
        };
        for (model, wanted, fields) in [
            (
                "gemini-2.0-flash",
                r#"{"temperature":2.0,"seed":2147483647,"presencePenalty":0.5,"frequencyPenalty":0.0,"responseLogprobs":true,"logprobs":20}"#,
                vec!["temperature", "seed", "top_logprobs"],
            ),
            (
                "gemini-2.5-pro",
                r#"{"temperature":2.0,"seed":2147483647}"#,
                vec!["temperature", "seed", "presence_penalty", "top_logprobs"],
            ),
        ] {
            let request = ModelRequest { sampling: all.clone(), ..ModelRequest::new("m", Vec::new()) };
            let mut notes = Notes::default();
            let text = serde_json::to_string(&config(&request, facts(model), &mut notes).unwrap()).unwrap();
            assert_eq!(text, wanted, "{model}");
            let said: Vec<String> = notes.into_list().into_iter().map(|note| note.field).collect();
            assert_eq!(said, fields, "{model}");
        }
    }
}
