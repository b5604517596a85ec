//! `remember`: keeps a fact for later conversations.

use super::undoing::{Back, undo};
use super::{refused, text_of};
use nunchi_core::{
    BoxFuture, Deed, EffectClass, FactFilter, FactKind, FactSource, FactWish, Label, Memory, Remembered,
    Tool, ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec, UndoCall, Undone,
};
use serde_json::json;
use std::sync::Arc;

/// The importance of what a model thinks worth keeping.
const IMPORTANCE: u8 = 60;
/// Facts among which a lost call is looked for.
const LOOKED_AT: u32 = 200;

/// The tool.
pub(super) struct Remember(pub(super) Arc<dyn Memory>);

impl Remember {
    async fn remember(&self, call: ToolCall) -> Result<ToolOutput, ToolError> {
        let topic = call.arguments.get("about").and_then(serde_json::Value::as_str).map(str::to_owned);
        let wish = FactWish {
            kind: FactKind::Fact,
            text: text_of(&call.arguments, "text").to_owned(),
            topic,
            source: FactSource { run: Some(call.run), ..FactSource::default() },
            label: Some(Label::Tool),
            importance: IMPORTANCE,
            ..FactWish::default()
        };
        let remembered = self.0.remember(wish).await.map_err(|error| refused(&error))?;
        Ok(told(&remembered))
    }

    async fn look_for(&self, call: ToolCall) -> ToolFate {
        let filter = FactFilter { limit: Some(LOOKED_AT), ..FactFilter::default() };
        let Ok(facts) = self.0.facts(filter).await else { return ToolFate::Unknown };
        let text = text_of(&call.arguments, "text").trim();
        let made = facts.iter().find(|fact| fact.source.run == Some(call.run) && fact.text == text);
        let Some(made) = made else { return ToolFate::DidNot };
        let superseded: Vec<_> =
            facts.iter().filter(|fact| fact.superseded_by == Some(made.id)).map(|fact| fact.id).collect();
        ToolFate::Happened(told(&Remembered { fact: made.clone(), known: false, superseded }))
    }
}

fn told(remembered: &Remembered) -> ToolOutput {
    let Remembered { fact, known, superseded } = remembered;
    if *known {
        // Nothing was added, so there is nothing to take back.
        return ToolOutput::text(format!("Known already as [{}]: {}", fact.id, fact.text));
    }
    let mut text = format!("Remembered as [{}].", fact.id);
    if !superseded.is_empty() {
        let old: Vec<String> = superseded.iter().map(ToString::to_string).collect();
        text.push_str(&format!(" It takes the place of [{}].", old.join("], [")));
    }
    let undo = Back::Forget { id: fact.id, instead: superseded.clone() }.record();
    ToolOutput { text, undo, ..ToolOutput::default() }
}

impl Tool for Remember {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({
            "type": "object", "required": ["text"], "additionalProperties": false,
            "properties": {
                "text": {"type": "string", "maxLength": 1000, "description": "One sentence that will still be true later, with names instead of pronouns."},
                "about": {"type": "string", "maxLength": 200, "description": "subject/attribute, such as owner/home city: a new value takes the old one's place."},
            },
        });
        ToolSpec {
            effect: EffectClass::Reversible,
            guarded: vec!["text".into()],
            deeds: vec![Deed::Write],
            ..ToolSpec::new(
                "remember",
                "Keep a fact about the owner or their work for later conversations. No secrets, no tasks, nothing in passing.",
                parameters,
            )
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(self.remember(call))
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        Box::pin(async move { undo(&*self.0, order).await })
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        Box::pin(self.look_for(call))
    }
}
