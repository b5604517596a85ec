//! What was said before in a conversation: its last runs' goals and answers.

use super::AgentServices;
use super::caller::may_see;
use nunchi_agent::AgentError;
use nunchi_core::{Message, Principal, Role, RunFilter, RunStatus};

/// Most runs of a conversation that the next one can look back on; how much of it that is told is the desk's to judge.
const MOST_RUNS: u32 = 100;
/// Longest history, in bytes; the oldest turns are left out first.
const MOST_BYTES: usize = 64 << 10;

/// The last turns of a conversation of somebody's, the oldest first.
///
/// # Errors
/// When runs cannot be read.
pub(crate) async fn of_session(
    services: &AgentServices,
    principal: &Principal,
    session: &str,
) -> Result<Vec<Message>, AgentError> {
    let filter = RunFilter {
        status: Some(RunStatus::Done),
        session: Some(session.to_owned()),
        limit: Some(MOST_RUNS),
        ..RunFilter::default()
    };
    let (mut turns, mut bytes) = (Vec::new(), 0);
    for run in services.runs.runs(filter).await?.into_iter().filter(|run| run.parent.is_none()) {
        let Some((_, state)) = services.agent.stored(run.id).await? else { continue };
        if !may_see(principal, &state) {
            continue;
        }
        let answer = run.outcome.map(|outcome| outcome.text).unwrap_or_default();
        bytes += run.user_input.len() + answer.len();
        if bytes > MOST_BYTES || answer.trim().is_empty() {
            break;
        }
        turns.push(Message::text(Role::Assistant, answer));
        turns.push(Message::text(Role::User, run.user_input));
    }
    turns.reverse();
    Ok(turns)
}
