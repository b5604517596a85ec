//! What was said before in a conversation: its last runs' goals and answers, and whose words they are.

use super::AgentServices;
use super::caller::may_see;
use nunchi_agent::{AgentError, RunOrder, RunState};
use nunchi_core::{Label, Message, Principal, Role, RunFilter, RunStatus};

/// Most runs of a conversation that the next one can look back on; how much of it that is told is the desk's to judge.
const MOST_RUNS: u32 = 100;
/// Longest history, in bytes; the oldest turns are left out first.
const MOST_BYTES: usize = 64 << 10;

/// A conversation so far.
#[derive(Default)]
pub(super) struct Earlier {
    /// Its last turns, the oldest first.
    pub(super) turns: Vec<Message>,
    /// What of it the owner said.
    owner_texts: Vec<String>,
    /// Whether a stranger's text is in it, or may stand in its answers.
    stranger: bool,
}

impl Earlier {
    /// Labels the order that goes on with this conversation.
    pub(super) fn label(self, order: &mut RunOrder) {
        order.owner_texts = self.owner_texts;
        order.stranger |= self.stranger;
    }
}

/// The last turns of a conversation of somebody's.
///
/// # Errors
/// When runs cannot be read.
pub(super) async fn of_session(
    services: &AgentServices,
    principal: &Principal,
    session: &str,
) -> Result<Earlier, AgentError> {
    let (mut earlier, mut bytes) = (Earlier::default(), 0);
    for run in services.runs.runs(done(Some(session))).await? {
        let Some((_, state)) = services.agent.stored(run.id).await? else { continue };
        if !may_see(principal, &state) {
            continue;
        }
        let answer = run.outcome.map(|outcome| outcome.text).unwrap_or_default();
        bytes += run.user_input.len() + answer.len();
        if bytes > MOST_BYTES || answer.trim().is_empty() {
            break;
        }
        earlier.stranger |= state.has_stranger();
        // Who administers sees the runs of every key, whose words are not the owner's.
        if state.order().asked_by == Label::Owner {
            earlier.owner_texts.push(run.user_input.clone());
        }
        earlier.turns.push(Message::text(Role::Assistant, answer));
        earlier.turns.push(Message::text(Role::User, run.user_input));
    }
    earlier.turns.reverse();
    Ok(earlier)
}

/// Whether a stranger's text may stand in a conversation as a client tells it: in whatever is not the client's own, unless a run that
/// saw no stranger's text is known to have answered just that.
///
/// # Errors
/// When runs cannot be read.
pub(super) async fn may_hold_stranger(
    services: &AgentServices,
    principal: &Principal,
    (session, history): (Option<&str>, &[Message]),
) -> Result<bool, AgentError> {
    let mut unknown = Vec::new();
    for turn in history.iter().filter(|turn| turn.role != Role::User) {
        if turn.role != Role::Assistant {
            return Ok(true);
        }
        unknown.push(turn.plain_text());
    }
    if unknown.is_empty() {
        return Ok(false);
    }
    for run in services.runs.runs(done(session)).await? {
        let last = run.outcome.map(|outcome| outcome.text).unwrap_or_default();
        if !unknown.iter().any(|turn| turn.ends_with(&last)) {
            continue;
        }
        let Some((_, state)) = services.agent.stored(run.id).await? else { continue };
        if may_see(principal, &state) && !state.has_stranger() {
            let answers = answers(&state);
            unknown.retain(|turn| !answers.contains(turn));
        }
    }
    Ok(!unknown.is_empty())
}

/// What a run told whoever asked: its answer, and with it what it said before where that was streamed.
fn answers(state: &RunState) -> Vec<String> {
    let before = state.order().history.iter().filter(|turn| turn.role == Role::Assistant).count();
    let said = state.thread().iter().filter(|turn| turn.role == Role::Assistant).skip(before);
    let said: Vec<_> = said.map(Message::plain_text).filter(|text| !text.is_empty()).collect();
    let answer = state.outcome().map(|outcome| outcome.text.clone());
    answer.into_iter().chain([said.join("\n\n")]).filter(|text| !text.trim().is_empty()).collect()
}

fn done(session: Option<&str>) -> RunFilter {
    RunFilter {
        status: Some(RunStatus::Done),
        session: session.map(str::to_owned),
        top: true,
        limit: Some(MOST_RUNS),
        ..RunFilter::default()
    }
}
