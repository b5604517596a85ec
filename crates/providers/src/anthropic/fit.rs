//! The caller's own body with model, cap and stream as the gateway decided, and with what another model than the one asked for refuses
//! taken out.

use super::encode::{DEFAULT_MAX_TOKENS, tool};
use super::facts::{Facts, Style};
use super::tuning::{Tuning, tune};
use super::turns::conversation;
use super::wire::Thinking;
use crate::changed_turns::{Form, changed_turns};
use crate::kept_tools::kept_tools;
use crate::notes::Notes;
use crate::splice::{Edit, Object};
use bytes::Bytes;
use nunchi_core::{Message, ModelRequest, Note, ToolDefinition};

type Edits = Vec<(&'static str, Edit<'static>)>;

/// The changed body and what was taken out; `None` when it is no JSON object.
pub(super) fn spliced(request: &ModelRequest, facts: Facts, body: &Bytes) -> Option<(Bytes, Vec<Note>)> {
    let object = Object::scan(body)?;
    let mut edits = Edits::new();
    let asked: Option<String> = object.read("model");
    if asked.as_ref() != Some(&request.model) {
        edits.push(("model", Edit::string(&request.model)));
    }
    if object.read::<bool>("stream").unwrap_or(false) != request.stream {
        edits.push(("stream", Edit::bool(request.stream)));
    }
    let tool = |own: &ToolDefinition| serde_json::to_string(&tool(own).ok()?).ok();
    edits.extend(kept_tools(&object, request, tool).ok()?.map(|edit| ("tools", edit)));
    let write = |added: &[Message]| {
        let written = conversation(added, &mut Notes::default()).ok()?;
        written.turns.iter().map(|turn| serde_json::to_string(turn).ok()).collect()
    };
    edits.extend(changed_turns(&object, request, Form::Anthropic, write).ok()?);
    if request.changes.as_ref().is_some_and(|changes| changes.no_more_tools) {
        edits.push(("tool_choice", Edit::Set(r#"{"type":"none"}"#.into())));
    }
    let given_cap = object.read::<u64>("max_tokens");
    let cap = request.max_output_tokens.or(given_cap).unwrap_or(DEFAULT_MAX_TOKENS);
    if given_cap != Some(cap) {
        edits.push(("max_tokens", Edit::number(cap)));
    }
    let mut notes = Notes::default();
    // `provider/model` names the model that was asked for.
    let asked = asked.unwrap_or_default();
    let other = asked.rsplit('/').next() != request.model.rsplit('/').next();
    if other || given_cap != Some(cap) {
        let mut said = Notes::default();
        let tuning = tune(request, facts, cap, &mut said);
        let before = edits.len();
        thinking(&object, facts, cap, other, &tuning, &mut edits);
        if other {
            samplers(&object, facts, &tuning, &mut edits);
        }
        if edits.len() > before {
            notes = said;
        }
    }
    Some((object.with(&edits), notes.into_list()))
}

/// Puts another `thinking` in place of one that the model refuses.
fn thinking(object: &Object<'_>, facts: Facts, cap: u64, other: bool, tuning: &Tuning, edits: &mut Edits) {
    #[derive(serde::Deserialize)]
    struct Given {
        #[serde(rename = "type")]
        kind: String,
        budget_tokens: Option<u64>,
    }
    let Some(given) = object.read::<Given>("thinking") else { return };
    let style = facts.thinking;
    let refused = match given.kind.as_str() {
        "enabled" if other && matches!(style, Style::None | Style::Adaptive | Style::Always) => true,
        "enabled" => given.budget_tokens.is_some_and(|budget| budget >= cap),
        "adaptive" => other && matches!(style, Style::None | Style::Budget),
        _ => other && style == Style::Always,
    };
    if !refused {
        return;
    }
    match tuning.thinking.and_then(|thinking| serde_json::to_string(&thinking).ok()) {
        Some(text) => edits.push(("thinking", Edit::Set(text.into()))),
        None => edits.push(("thinking", Edit::Remove)),
    }
    if let (Some(effort), Some(Thinking::Adaptive { .. }) | None) = (tuning.effort, tuning.thinking) {
        edits.extend(config(object, &[("effort", Edit::string(effort))]));
    }
}

/// Takes out the parameters of an older generation.
fn samplers(object: &Object<'_>, facts: Facts, tuning: &Tuning, edits: &mut Edits) {
    for (name, kept) in [
        ("temperature", tuning.temperature.is_some()),
        ("top_p", tuning.top_p.is_some()),
        ("top_k", tuning.top_k.is_some()),
    ] {
        if !kept && object.get(name).is_some() {
            edits.push((name, Edit::Remove));
        }
    }
    if !facts.effort && !edits.iter().any(|(name, _)| *name == "output_config") {
        edits.extend(config(object, &[("effort", Edit::Remove)]));
    }
}

/// `output_config` with changes.
fn config(object: &Object<'_>, changes: &[(&str, Edit<'_>)]) -> Option<(&'static str, Edit<'static>)> {
    const NAME: &str = "output_config";
    let given = Bytes::copy_from_slice(object.get(NAME).unwrap_or(b"{}"));
    let changed = Object::scan(&given)?.with(changes);
    (changed != given)
        .then(|| String::from_utf8(changed.to_vec()).ok())
        .flatten()
        .map(|text| (NAME, Edit::Set(text.into())))
}
