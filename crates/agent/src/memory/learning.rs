//! Learns from a conversation that has ended: what was said is kept, what was asked for is remembered, and a model may propose
//! more, of which only what the conversation itself supports is taken.

use super::keeper::MemoryKeeper;
use super::said::asked_to_remember;
use crate::prompts;
use futures_util::StreamExt;
use nunchi_core::{
    Explain, Fact, FactFilter, FactKind, FactSource, FactWish, JsonSchemaFormat, Label, Lang, Memory,
    MemoryError, Message, Model, ModelError, ModelRequest, Remembered, ResponseFormat, Role, RunId, Sampling,
    assemble_reply, holds_secret, holds_terms, mask_secrets, reads_as_order,
};
use serde::Deserialize;
use std::fmt::Write;
use std::time::Duration;

/// Turns of one conversation that are learned from at once, the last ones.
const MOST_TURNS: usize = 200;
/// Characters of a turn that are kept, and of what was said around it.
const TURN_CHARS: usize = 2_000;
const AROUND_CHARS: usize = 400;
/// Characters of a conversation that a model is shown, its end.
const SHOWN_CHARS: usize = 24_000;
/// Facts that one conversation may give.
const MOST_FACTS: usize = 12;
/// Longest reply, in tokens.
const REPLY_TOKENS: u64 = 1_200;
/// Longest wait for a model.
const PATIENCE: Duration = Duration::from_secs(120);
/// The share of a proposed fact's words that its turn must have: less is made up.
const SUPPORT: f32 = 0.5;
/// What stands in place of a turn that held a secret.
const LEFT_OUT: &str = "(left out: it held a secret)";
/// The importance of something that was said.
const TURN_IMPORTANCE: u8 = 30;

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
pub struct SaidTurn {
    /// Who said it, for people: `owner`, `assistant`, a tool's name.
    pub who: String,
    /// What.
    pub text: String,
    /// Whose word it is.
    pub label: Label,
}

/// A conversation from its beginning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// Its name.
    pub session: Option<String>,
    /// The run that ended.
    pub run: Option<RunId>,
    /// What was said, the first turn first.
    pub turns: Vec<SaidTurn>,
}

/// What was learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LearnReport {
    /// Turns that were kept.
    pub turns: usize,
    /// Facts, new and known ones.
    pub facts: Vec<Remembered>,
    /// What was not taken, and why: a code.
    pub refused: Vec<(String, &'static str)>,
}

/// What a model proposes.
#[derive(Debug, Deserialize)]
struct Proposals {
    #[serde(default)]
    facts: Vec<Proposal>,
}

#[derive(Debug, Deserialize)]
struct Proposal {
    text: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    attribute: String,
    turn: usize,
    #[serde(default)]
    importance: u8,
}

const SCHEMA: &str = r#"{"type":"object","required":["facts"],"additionalProperties":false,"properties":{"facts":{"type":"array","items":{"type":"object","required":["text","subject","attribute","turn","importance"],"additionalProperties":false,"properties":{"text":{"type":"string"},"subject":{"type":"string"},"attribute":{"type":"string"},"turn":{"type":"integer"},"importance":{"type":"integer"}}}}}}"#;

impl MemoryKeeper {
    /// Learns from a conversation; with a model (and its name) more than what was asked for. What was learned from it before is
    /// not learned again. A model that fails costs only its own proposals.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn learn(
        &self,
        conversation: &Conversation,
        model: Option<(&dyn Model, &str)>,
    ) -> Result<LearnReport, MemoryError> {
        let new = self.first_new_turn(conversation).await?;
        let mut report = LearnReport::default();
        if new >= conversation.turns.len() {
            return Ok(report);
        }
        report.turns = self.keep_conversation(conversation, new).await?;
        for (at, turn) in conversation.turns.iter().enumerate().skip(new) {
            if turn.label != Label::Owner {
                continue;
            }
            for text in asked_to_remember(&turn.text) {
                let importance = Fact::LASTING;
                let wish = wish(conversation, at, text, Label::Owner, importance);
                self.take(wish, &mut report).await?;
            }
        }
        if let Some((model, name)) = model {
            match self.proposals(conversation, new, model, name).await {
                Ok(proposals) => self.take_proposals(conversation, proposals, &mut report).await?,
                Err(error) => tracing::info!(%error, "no model proposes what to remember"),
            }
        }
        Ok(report)
    }

    /// The first turn that was not learned from.
    async fn first_new_turn(&self, conversation: &Conversation) -> Result<usize, MemoryError> {
        let least = conversation.turns.len().saturating_sub(MOST_TURNS);
        let Some(session) = conversation.session.clone() else { return Ok(least) };
        let filter = FactFilter {
            kind: Some(FactKind::Turn),
            session: Some(session),
            limit: Some(MOST_TURNS as u32),
            ..FactFilter::default()
        };
        let known = self.parts.store.facts(filter).await?;
        let after =
            known.iter().filter_map(|fact| fact.source.turn).max().map_or(0, |last| last as usize + 1);
        Ok(after.max(least))
    }

    async fn keep_conversation(&self, conversation: &Conversation, new: usize) -> Result<usize, MemoryError> {
        let turns = &conversation.turns;
        let wishes = (new..turns.len()).map(|at| {
            let near = [at.checked_sub(2), at.checked_sub(1), Some(at + 1)];
            let around: Vec<String> = near
                .into_iter()
                .flatten()
                .filter_map(|near| turns.get(near))
                .filter(|turn| !holds_secret(&turn.text))
                .map(|turn| cut(&turn.text, AROUND_CHARS))
                .collect();
            let turn = &turns[at];
            // Its place is kept, so that it is not learned from again.
            let said =
                if holds_secret(&turn.text) { LEFT_OUT.to_owned() } else { cut(&turn.text, TURN_CHARS) };
            let text = format!("{}: {said}", turn.who);
            let around = around.join("\n");
            FactWish {
                kind: FactKind::Turn,
                around,
                ..wish(conversation, at, text, turn.label, TURN_IMPORTANCE)
            }
        });
        Ok(self.keep_turns(wishes.collect()).await?.len())
    }

    /// Remembers; a refusal is noted, a failure of the store ends it.
    async fn take(&self, wish: FactWish, report: &mut LearnReport) -> Result<(), MemoryError> {
        let text = wish.text.clone();
        match self.remember(wish).await {
            Ok(remembered) => report.facts.push(remembered),
            Err(MemoryError::Storage(error)) => return Err(error.into()),
            Err(refused) => report.refused.push((mask_secrets(&text).into_owned(), refused.code())),
        }
        Ok(())
    }

    async fn take_proposals(
        &self,
        conversation: &Conversation,
        proposals: Vec<Proposal>,
        report: &mut LearnReport,
    ) -> Result<(), MemoryError> {
        for proposal in proposals.into_iter().take(MOST_FACTS) {
            let Proposal { text, subject, attribute, turn: at, importance } = proposal;
            let Some(turn) = conversation.turns.get(at) else {
                report.refused.push((text, "memory.no_source"));
                continue;
            };
            if holds_terms(&turn.text, &text) < SUPPORT {
                report.refused.push((text, "memory.unsupported"));
                continue;
            }
            // Another's order is nothing to be known: only the owner says what holds from now on.
            if turn.label != Label::Owner && reads_as_order(&text) {
                report.refused.push((text, "memory.order"));
                continue;
            }
            // What the owner did not say is at best a tool's word, however it is put.
            let importance = importance.min(Fact::LASTING - 10);
            let topic = format!("{subject}/{attribute}");
            let wish =
                FactWish { topic: Some(topic), ..wish(conversation, at, text, turn.label, importance) };
            self.take(wish, report).await?;
        }
        Ok(())
    }

    /// Asks a model, in structured output; metered like every call.
    async fn proposals(
        &self,
        conversation: &Conversation,
        new: usize,
        model: &dyn Model,
        name: &str,
    ) -> Result<Vec<Proposal>, ModelError> {
        let messages = vec![
            Message::text(Role::System, prompts::MEMORY.trim_end()),
            Message::text(Role::User, shown(conversation, new)),
        ];
        let mut request = ModelRequest::new(name, messages);
        request.max_output_tokens = Some(REPLY_TOKENS);
        request.sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
        if let Ok(schema) = serde_json::value::RawValue::from_string(SCHEMA.to_owned()) {
            let format =
                JsonSchemaFormat { name: "facts".into(), description: None, schema, strict: Some(true) };
            request.format = ResponseFormat::JsonSchema(format);
        }
        let mut context = self.context();
        context.run = conversation.run;
        context.session = conversation.session.as_deref().map(std::sync::Arc::from);
        let answer = async {
            let mut stream = model.call(request, context).await?.stream;
            let mut events = Vec::new();
            while let Some(frame) = stream.next().await {
                events.extend(frame?.events);
            }
            Ok::<_, ModelError>(assemble_reply(&events))
        };
        let Ok(body) = tokio::time::timeout(PATIENCE, answer).await else { return Ok(Vec::new()) };
        let parts = body?.choices.into_iter().next().map(|choice| choice.parts).unwrap_or_default();
        let text = Message { role: Role::Assistant, parts, name: None }.plain_text();
        Ok(read_proposals(&text).unwrap_or_else(|| {
            tracing::info!("a model's proposals of what to remember are no JSON");
            Vec::new()
        }))
    }
}

/// The first JSON object of a text.
fn read_proposals(text: &str) -> Option<Vec<Proposal>> {
    let from = text.find('{')?;
    let mut values = serde_json::Deserializer::from_str(&text[from..]).into_iter::<Proposals>();
    values.next()?.ok().map(|proposals| proposals.facts)
}

/// The end of a conversation as a model sees it: numbered, with whose word each line is; secrets masked.
fn shown(conversation: &Conversation, new: usize) -> String {
    let mut lines = Vec::new();
    let mut left = SHOWN_CHARS;
    // Two turns before the new ones tell what those are about.
    let from = new.saturating_sub(2);
    for (at, turn) in conversation.turns.iter().enumerate().skip(from).rev() {
        let whose = match turn.label {
            Label::Owner => "owner",
            Label::Tool => "assistant or tool",
            Label::Stranger => "stranger",
        };
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _written = writeln!(line, "[{at}, {whose}] {}", cut(&mask_secrets(&turn.text), TURN_CHARS));
        let length = line.chars().count();
        if length > left {
            break;
        }
        left -= length;
        lines.push(line);
    }
    lines.reverse();
    lines.concat()
}

fn wish(conversation: &Conversation, at: usize, text: String, label: Label, importance: u8) -> FactWish {
    FactWish {
        kind: FactKind::Fact,
        text,
        topic: None,
        source: FactSource {
            run: conversation.run,
            step: None,
            session: conversation.session.clone(),
            turn: u32::try_from(at).ok(),
        },
        label: Some(label),
        importance,
        around: String::new(),
        valid_until: None,
    }
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// A refusal in words, for logs.
impl LearnReport {
    /// One line for people.
    pub fn summary(&self, lang: Lang) -> String {
        let new = self.facts.iter().filter(|remembered| !remembered.known).count();
        let known = self.facts.len() - new;
        let (turns, refused) = (self.turns, self.refused.len());
        lang.pick(
            format!("{turns} turns kept; {new} new facts, {known} known, {refused} refused"),
            format!("대화 {turns}개 보관, 새 사실 {new}개, 이미 아는 것 {known}개, 거절 {refused}개"),
        )
    }
}
