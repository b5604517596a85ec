//! The model name `nunchi`: a chat request that an agent answers, in any dialect.

use super::AgentServices;
use super::caller::{label_of, may_begin, may_see, status_of};
use super::history::may_hold_stranger;
use super::parked::{answered, base_url};
use super::reply::{Telling, stream};
use super::watch::RunWatch;
use crate::failure::Failure;
use crate::problem::Problem;
use crate::state::ApiState;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use nunchi_agent::{AgentError, RunRequest};
use nunchi_core::{
    CacheVerdict, CallContext, Label, Lang, Message, Mode, ModelRequest, Note, Part, Principal, Reply,
    ReplyInfo, ResponseFormat, Role, RunDoor, RunFilter, RunId, Sampling, Served, mask_secrets,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The name that every mode's begins with.
pub(super) const NAME: &str = "nunchi";
/// What can be asked for: the agent, and the agent in one mode.
pub(crate) const MODELS: [&str; 5] =
    [NAME, "nunchi:reflexive", "nunchi:deliberate", "nunchi:autonomous", "nunchi:ultrawork"];
/// Most fields of a body that are named as left out.
const MOST_NAMED: usize = 10;
/// How long after its first try a request may be sent again: an SDK waits 10 minutes for an answer.
const RETRIED_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Runs among which a repeated request is looked for.
const MOST_SEARCHED: u32 = 50;

/// Whether a model name asks for the agent.
pub(crate) fn is_agent(model: &str) -> bool {
    mode_of(model).is_some()
}

fn mode_of(model: &str) -> Option<Mode> {
    match model.strip_prefix(NAME)? {
        "" => Some(Mode::Auto),
        rest => {
            let named = rest.strip_prefix(':')?;
            let modes = [Mode::Auto, Mode::Reflexive, Mode::Deliberate, Mode::Autonomous, Mode::Ultrawork];
            modes.into_iter().find(|mode| mode.as_str() == named)
        }
    }
}

/// A conversation, taken apart.
struct Conversation {
    /// The application's instructions.
    system: String,
    /// What was said before, pictures of the last message included.
    history: Vec<Message>,
    /// The text of the last message.
    goal: String,
}

/// Has an agent answer. The run goes on when the client leaves.
///
/// # Errors
/// When the request makes no sense to an agent, or the run cannot be stored.
pub(crate) async fn reply(
    state: &ApiState,
    services: &AgentServices,
    headers: &HeaderMap,
    (asked, context): (ModelRequest, CallContext),
    lang: Lang,
) -> Result<(Reply, RunId), Failure> {
    may_begin(&context.principal).map_err(|error| Failure::of_model(&error, lang))?;
    let notes = left_out(&asked, &context, headers);
    let streams = asked.stream;
    let request = context.request;
    let conversation = take_apart(&asked.messages).map_err(|problem| Failure::of_problem(&problem, lang))?;
    let found = begin(state, services, headers, (asked, conversation), &context).await;
    let (run, after) = found.map_err(|error| Failure::new(status_of(&error), &error, lang))?;
    let served =
        Served { request, cache: CacheVerdict::Bypass, reason: format!("run {run}"), budgets: Vec::new() };
    let info =
        ReplyInfo { model: NAME.to_owned(), notes, served: Some(Arc::new(served)), ..ReplyInfo::default() };
    let watch = RunWatch::begin(services.clone(), run, after);
    let telling = Telling { services: services.clone(), run, base: base_url(headers), streams };
    Ok((Reply { info, stream: stream(telling, watch) }, run))
}

/// The run that answers: one that waited for this very message, one that a client asks for again, or a new one. With it, the
/// number of the last step that need not be told.
async fn begin(
    state: &ApiState,
    services: &AgentServices,
    headers: &HeaderMap,
    (asked, conversation): (ModelRequest, Conversation),
    context: &CallContext,
) -> Result<(RunId, u32), AgentError> {
    let Conversation { system, history, goal } = conversation;
    let (principal, session) = (&context.principal, context.session.as_deref());
    let now = state.parts.clock.now();
    if let Some(found) = answered(services, principal, (session, &history, &goal), now).await? {
        let after = found.run.totals.steps;
        let by = format!("{} (chat)", principal.name);
        services.agent.answer(found.question.id, found.answer, &by).await?;
        return Ok((found.run.id, after));
    }
    if is_repeated(headers)
        && let Some(run) = begun_before(services, principal, (session, &history, &goal), now).await?
    {
        return Ok((run, 0));
    }
    let held = may_hold_stranger(services, principal, (session, &history)).await?;
    let mut request = RunRequest::new(goal);
    request.origin.door = RunDoor::Chat;
    request.mode = mode_of(&asked.model).unwrap_or_default();
    request.session = session.map(str::to_owned);
    request.history = history;
    request.principal = Some(Arc::clone(principal));
    request.asked_by = label_of(principal);
    request.output_schema = schema(&asked.format);
    let stranger = request.asked_by != Label::Owner;
    let mut order = services.desk.order(request).await?;
    order.stranger |= held;
    if stranger {
        order.owner_texts.clear();
    }
    if !system.is_empty() {
        let gap = if order.context.is_empty() { "" } else { "\n\n" };
        order.context = format!("{}{gap}{system}", order.context);
    }
    if let Some(cap) = asked.max_output_tokens {
        order.max_output_tokens = order.max_output_tokens.min(cap.max(1));
    }
    Ok((services.agent.start(order).await?, 0))
}

/// SDKs that lost a connection send their request again and say so; the first one's run must not be done twice.
fn is_repeated(headers: &HeaderMap) -> bool {
    let count = headers.get("x-stainless-retry-count").and_then(|value| value.to_str().ok());
    count.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count > 0)
}

/// The newest run of this key with this goal in this very conversation, if it was begun a short while ago.
async fn begun_before(
    services: &AgentServices,
    principal: &Principal,
    (session, history, goal): (Option<&str>, &[Message], &str),
    now: Timestamp,
) -> Result<Option<RunId>, AgentError> {
    let filter = RunFilter {
        session: session.map(str::to_owned),
        door: Some(RunDoor::Chat),
        since: now.checked_sub(RETRIED_WITHIN).ok(),
        top: true,
        limit: Some(MOST_SEARCHED),
        ..RunFilter::default()
    };
    let masked = mask_secrets(goal);
    for run in services.runs.runs(filter).await? {
        if run.user_input == *masked
            && run.session.as_deref() == session
            && let Some((_, state)) = services.agent.stored(run.id).await?
            && may_see(principal, &state)
            && state.order().said_before() == history
        {
            return Ok(Some(run.id));
        }
    }
    Ok(None)
}

fn take_apart(messages: &[Message]) -> Result<Conversation, Problem> {
    let texts = |wanted: [Role; 2]| messages.iter().filter(move |turn| wanted.contains(&turn.role));
    let system: Vec<_> = texts([Role::System, Role::Developer]).map(Message::plain_text).collect();
    let mut history: Vec<Message> = messages
        .iter()
        .filter(|turn| !matches!(turn.role, Role::System | Role::Developer))
        .cloned()
        .collect();
    let last = history.pop().filter(|turn| turn.role == Role::User);
    let Some(last) = last.filter(|turn| !turn.plain_text().trim().is_empty()) else {
        return Err(Problem::invalid(
            "messages",
            "the last one must be a user's text: it says what is to be done",
        ));
    };
    let goal = last.plain_text();
    let beside: Vec<Part> = last.parts.into_iter().filter(|part| matches!(part, Part::Media(_))).collect();
    if !beside.is_empty() {
        history.push(Message { role: Role::User, parts: beside, name: None });
    }
    Ok(Conversation { system: system.join("\n\n"), history, goal })
}

fn schema(format: &ResponseFormat) -> Option<Value> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(json!({"type": "object"})),
        ResponseFormat::JsonSchema(format) => serde_json::from_str(format.schema.get()).ok(),
    }
}

/// What of a request an agent does not heed.
fn left_out(asked: &ModelRequest, context: &CallContext, headers: &HeaderMap) -> Vec<Note> {
    let note = |field: &str, what: &str| Note { field: field.to_owned(), what: what.to_owned() };
    let mut notes = Vec::new();
    if !asked.tools.is_empty() {
        notes.push(note("tools", "left out: the agent uses its own tools"));
    }
    if asked.choices > 1 {
        notes.push(note("n", "left out: a run has one answer"));
    }
    if asked.sampling != Sampling::default() {
        notes.push(note("sampling", "left out: the agent chooses"));
    }
    if asked.reasoning.is_some() {
        notes.push(note("reasoning", "left out: the agent chooses"));
    }
    if context.deadline.is_some() || headers.contains_key("prefer") {
        notes.push(note("deadline", "left out: POST /api/runs begins a run without waiting for it"));
    }
    notes.extend(asked.rest.iter().take(MOST_NAMED).map(|(name, _)| note(name, "left out")));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_agent() {
        assert!(MODELS.into_iter().all(is_agent));
        for other in ["auto", "nunchi2", "nunchi:fast", "openai/nunchi", ""] {
            assert!(!is_agent(other), "{other}");
        }
        assert_eq!(mode_of("nunchi:deliberate"), Some(Mode::Deliberate));
    }

    #[test]
    fn a_conversation_is_taken_apart() {
        let turn = |role, text: &str| Message::text(role, text);
        let parts = take_apart(&[
            turn(Role::System, "Be brief."),
            turn(Role::User, "hi"),
            turn(Role::Assistant, "hello"),
            turn(Role::User, "do it"),
        ])
        .ok()
        .unwrap();
        assert_eq!(
            (parts.system.as_str(), parts.goal.as_str(), parts.history.len()),
            ("Be brief.", "do it", 2)
        );
        assert!(take_apart(&[turn(Role::User, "hi"), turn(Role::Assistant, "hello")]).is_err());
        assert!(take_apart(&[turn(Role::User, " ")]).is_err());
    }
}
