//! What is said about running the model: the context it gets, sampling, thinking.

use super::wire::{Options, Think};
use crate::notes::Notes;
use crate::openai::effort_word;
use nunchi_core::{ModelRequest, ReasoningEffort, prompt_token_bound};

/// The context of a server that nobody configured, on a machine with little memory: the least that can be expected.
const USUAL_CONTEXT: u64 = 4_096;

/// The largest context asked for: few local models were trained on more, and the server holds memory for all of it.
const LARGEST_CONTEXT: u64 = 131_072;

/// The part of the output cap that the context gets room for. The whole cap would be too much: callers name caps far beyond what is
/// answered, and every request would then load the model anew with a larger context.
const ANSWER_ROOM: u64 = 2_048;

/// A token takes two bytes at the least, over a whole prompt: English takes about four, Korean three to four, code three.
const BYTES_PER_TOKEN: u64 = 2;

/// The largest number of tokens to generate that the runners' 32-bit counter holds.
const LARGEST_CAP: u64 = i32::MAX as u64;

pub(super) fn options(request: &ModelRequest) -> Options<'_> {
    let wanted = &request.sampling;
    Options {
        num_ctx: context(request),
        num_predict: request.max_output_tokens.map(|cap| cap.min(LARGEST_CAP)),
        temperature: wanted.temperature,
        top_p: wanted.top_p,
        top_k: wanted.top_k,
        seed: wanted.seed,
        presence_penalty: wanted.presence_penalty,
        frequency_penalty: wanted.frequency_penalty,
        stop: &wanted.stop,
    }
}

/// The context to ask for, when the prompt may not fit the usual one.
///
/// Ollama loads a model with a fixed context, and what does not fit is dropped without a word (by servers that know no `truncate`) or
/// refused. A request with another `num_ctx` loads the model anew, so it is left out where the usual context will do, and else a power
/// of two, so that a growing conversation does so seldom. Ollama itself cuts it down to what the model was trained on.
fn context(request: &ModelRequest) -> Option<u64> {
    let prompt = prompt_token_bound(request).div_ceil(BYTES_PER_TOKEN);
    let answer = request.max_output_tokens.unwrap_or(ANSWER_ROOM).min(ANSWER_ROOM);
    let needed = prompt.saturating_add(answer);
    (needed > USUAL_CONTEXT).then(|| needed.min(LARGEST_CONTEXT).next_power_of_two())
}

/// Whether and how much to think.
///
/// A model that can think does so unless told not to, and one that cannot refuses to be told to: so only `false` is said to every
/// model. Levels are gpt-oss's, which cannot stop thinking altogether.
pub(super) fn think(request: &ModelRequest, notes: &mut Notes) -> Option<Think> {
    let wanted = request.reasoning.as_ref()?;
    if wanted.summary.is_some() {
        notes.add("reasoning.summary", "left out: Ollama shows the reasoning itself");
    }
    let off = match wanted.effort {
        Some(effort) => effort == ReasoningEffort::None,
        None => wanted.budget_tokens == Some(0),
    };
    let levels = has_levels(&request.model);
    if off && levels {
        notes.add("reasoning", "became \"low\": this model cannot stop thinking");
        return Some(Think::Level("low"));
    }
    if off {
        return Some(Think::Switch(false));
    }
    if !levels {
        if wanted.effort.is_some() || wanted.budget_tokens.is_some() {
            notes.add("reasoning", "left out: a model that can think does, as much as it likes");
        }
        return None;
    }
    Some(Think::Level(match effort_word(wanted, notes)? {
        "minimal" => {
            notes.add("reasoning.effort", "became \"low\": this model knows nothing less");
            "low"
        }
        "xhigh" => {
            notes.add("reasoning.effort", "became \"high\": this model knows nothing more");
            "high"
        }
        word => word,
    }))
}

/// Whether the model thinks by levels: gpt-oss, under whatever owner and tag.
fn has_levels(model: &str) -> bool {
    model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase().starts_with("gpt-oss")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{Message, ReasoningRequest, Role};

    #[test]
    fn contexts() {
        for (bytes, cap, wanted) in [
            (10, None, None),
            (10, Some(64_000), None),
            (3_000, Some(100), None),
            (3_400, Some(2_048), None),
            (3_400, Some(8_192), None),
            (3_500, Some(2_048), Some(8_192)),
            (3_500, Some(8_192), Some(8_192)),
            (6_000, Some(100), None),
            (8_000, Some(100), Some(8_192)),
            (20_000, None, Some(16_384)),
            (100_000, None, Some(65_536)),
            (5_000_000, None, Some(131_072)),
        ] {
            let message = Message::text(Role::User, "a".repeat(bytes));
            let request = ModelRequest { max_output_tokens: cap, ..ModelRequest::new("m", vec![message]) };
            assert_eq!(context(&request), wanted, "{bytes} bytes, cap {cap:?}");
        }
    }

    #[test]
    fn thinking() {
        use ReasoningEffort as E;
        let effort = |effort| ReasoningRequest { effort: Some(effort), ..ReasoningRequest::default() };
        let budget = |tokens| ReasoningRequest { budget_tokens: Some(tokens), ..ReasoningRequest::default() };
        let level = |word| Some(Think::Level(word));
        for (model, reasoning, wanted, noted) in [
            ("qwen3", effort(E::None), Some(Think::Switch(false)), 0),
            ("qwen3", budget(0), Some(Think::Switch(false)), 0),
            ("qwen3", effort(E::High), None, 1),
            ("llama3.2", budget(5_000), None, 1),
            ("qwen3", ReasoningRequest::default(), None, 0),
            ("gpt-oss:20b", effort(E::None), level("low"), 1),
            ("gpt-oss", effort(E::Minimal), level("low"), 1),
            ("gpt-oss", effort(E::Low), level("low"), 0),
            ("me/gpt-oss:120b-cloud", effort(E::Medium), level("medium"), 0),
            ("gpt-oss", effort(E::High), level("high"), 0),
            ("gpt-oss", effort(E::Xhigh), level("high"), 1),
            ("gpt-oss", budget(5_000), level("medium"), 1),
            ("gpt-oss", ReasoningRequest::default(), None, 0),
        ] {
            let mut notes = Notes::default();
            let request = ModelRequest { reasoning: Some(reasoning), ..ModelRequest::new(model, Vec::new()) };
            assert_eq!(think(&request, &mut notes), wanted, "{model} {:?}", request.reasoning);
            assert_eq!(notes.into_list().len(), noted, "{model} {:?}", request.reasoning);
        }
        assert_eq!(think(&ModelRequest::new("qwen3", Vec::new()), &mut Notes::default()), None);
    }
}
