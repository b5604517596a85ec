//! What a chat client is told when a run waits for a person, and how the next message of the conversation answers it.

use super::AgentServices;
use super::answering::{is_open, may_answer};
use super::caller::may_see;
use super::watch::open_questions;
use http::HeaderMap;
use jiff::Timestamp;
use nunchi_agent::AgentError;
use nunchi_core::{
    Answer, Approval, ApprovalSubject, Lang, Message, Principal, Role, RunFilter, RunId, RunRecord, RunStatus,
};

/// Longest text of one question in a reply, in characters.
const MOST_SHOWN: usize = 2_000;
/// Where the console shows a run; a reply that waits names it, and so the next message finds the run.
const RUN_PAGE: &str = "/console/runs/";

/// Words that say yes, and words that say no.
const YES: [&str; 10] = ["approve", "approved", "yes", "ok", "okay", "승인", "승인해", "네", "예", "응"];
const NO: [&str; 8] = ["deny", "denied", "no", "reject", "거부", "아니", "아니오", "아니요"];

/// Where the caller reached us, as far as their headers tell.
pub(super) fn base_url(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let sound = |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:_".contains(c));
    let Some(host) = text("host").filter(sound) else { return String::new() };
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// What is waited for, and how to answer.
pub(super) fn waits(run: RunId, questions: &[Approval], base: &str, lang: Lang) -> String {
    let head = lang.pick("I need your answer before I go on.", "계속하기 전에 답이 필요합니다.");
    let mut text = format!("{head}\n");
    for question in questions {
        text.push_str(&format!("\n{}\n", asked(question, lang)));
    }
    text.push_str(lang.pick("\nHow to answer:\n", "\n답하는 방법:\n"));
    if let [only] = questions {
        let here = match only.subject {
            ApprovalSubject::Question(_) => lang.pick("- here: just write it", "- 여기: 그대로 적으세요"),
            ApprovalSubject::Plan(_) => lang.pick(
                "- here: `approve`, `deny`, or what should be different",
                "- 여기: `승인`, `거부`, 또는 바꿀 점",
            ),
            _ => lang.pick("- here: `approve` or `deny`", "- 여기: `승인` 또는 `거부`"),
        };
        text.push_str(&format!("{here}\n"));
    }
    text.push_str(&format!("- {}: {base}{RUN_PAGE}{run}\n", lang.pick("console", "콘솔")));
    for question in questions {
        text.push_str(&format!("- `nunchi approvals approve {}`\n", question.id));
    }
    text.trim_end().to_owned()
}

fn asked(question: &Approval, lang: Lang) -> String {
    let text = match &question.subject {
        ApprovalSubject::Question(text) => text.clone(),
        ApprovalSubject::Calls(calls) => {
            let call = |call: &nunchi_core::CallToApprove| {
                let diff = call.diff.as_deref().filter(|diff| !diff.is_empty());
                let diff =
                    diff.map(|diff| format!("\n```diff\n{}\n```", diff.trim_end())).unwrap_or_default();
                format!("**{}** `{}`\n{}{diff}", call.tool, call.arguments, call.decision.explain(lang))
            };
            calls.iter().map(call).collect::<Vec<_>>().join("\n\n")
        }
        ApprovalSubject::Plan(plan) => {
            let title = lang.pick("The plan:", "계획:");
            let goals: Vec<_> = plan
                .nodes
                .iter()
                .enumerate()
                .map(|(at, node)| format!("{}. {}", at + 1, node.goal))
                .collect();
            format!("{title}\n{}", goals.join("\n"))
        }
        ApprovalSubject::Limit { used, raise, .. } => {
            let more = raise.map(|raise| format!(" (+${raise})")).unwrap_or_default();
            match lang {
                Lang::En => format!("A limit is reached: {used}. May I go on?{more}"),
                Lang::Ko => format!("한도에 닿았습니다: {used}. 계속할까요?{more}"),
            }
        }
        ApprovalSubject::Fate(call) => match lang {
            Lang::En => {
                format!("Did this happen? Its answer was lost: **{}** `{}`", call.tool, call.arguments)
            }
            Lang::Ko => {
                format!("이 작업이 실행되었나요? 결과를 잃었습니다: **{}** `{}`", call.tool, call.arguments)
            }
        },
    };
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The one question of a conversation that a message answers.
pub(super) struct Answered {
    pub(super) run: RunRecord,
    pub(super) question: Approval,
    pub(super) answer: Answer,
}

/// What a message answers, if it answers anything: the only open question of the run that this conversation waits for.
///
/// # Errors
/// When runs or questions cannot be read.
pub(super) async fn answered(
    services: &AgentServices,
    principal: &Principal,
    (session, history, said): (Option<&str>, &[Message], &str),
    now: Timestamp,
) -> Result<Option<Answered>, AgentError> {
    let Some(run) = waiting_run(services, principal, session, history).await? else { return Ok(None) };
    let mut open = open_questions(services, &run).await?;
    open.retain(|question| is_open(question, now));
    let [question] = open.as_slice() else { return Ok(None) };
    let answer = answer_of(&question.subject, said).filter(|answer| may_answer(principal, question, answer));
    Ok(answer.map(|answer| Answered { question: question.clone(), answer, run }))
}

fn answer_of(subject: &ApprovalSubject, said: &str) -> Option<Answer> {
    let word = said.trim().trim_end_matches(['.', '!']).to_lowercase();
    match subject {
        ApprovalSubject::Question(_) => Some(Answer::Reply(said.to_owned())),
        _ if YES.contains(&word.as_str()) => Some(Answer::Approve),
        _ if NO.contains(&word.as_str()) => Some(Answer::Deny(None)),
        // Words about a plan are why it is not wanted as it is.
        ApprovalSubject::Plan(_) => Some(Answer::Deny(Some(said.to_owned()))),
        _ => None,
    }
}

async fn waiting_run(
    services: &AgentServices,
    principal: &Principal,
    session: Option<&str>,
    history: &[Message],
) -> Result<Option<RunRecord>, AgentError> {
    let named = history.iter().rev().find(|turn| turn.role == Role::Assistant);
    let mut candidates: Vec<RunId> =
        named.and_then(|turn| named_run(&turn.plain_text())).into_iter().collect();
    if let (true, Some(session)) = (candidates.is_empty(), session) {
        let filter = RunFilter { session: Some(session.to_owned()), limit: Some(20), ..RunFilter::default() };
        let runs = services.runs.runs(filter).await?;
        candidates.extend(runs.iter().find(|run| run.parent.is_none()).map(|run| run.id));
    }
    for id in candidates {
        if let Some((record, state)) = services.agent.stored(id).await?
            && matches!(record.status, RunStatus::Parked | RunStatus::Running)
            && may_see(principal, &state)
        {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// The run whose page a reply of ours named.
fn named_run(text: &str) -> Option<RunId> {
    let (_, rest) = text.rsplit_once(RUN_PAGE)?;
    rest.get(..32)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use nunchi_core::{LimitKind, Plan};

    #[test]
    fn words_answer_what_was_asked() {
        let limit = ApprovalSubject::Limit { limit: LimitKind::Turns, used: String::new(), raise: None };
        let plan = ApprovalSubject::Plan(Plan::default());
        let question = ApprovalSubject::Question("where?".into());
        for (subject, said, answer) in [
            (&limit, "Approve.", Some(Answer::Approve)),
            (&limit, "거부", Some(Answer::Deny(None))),
            (&limit, "what is the weather?", None),
            (&plan, "네", Some(Answer::Approve)),
            (&plan, "without the mail", Some(Answer::Deny(Some("without the mail".into())))),
            (&question, "yes", Some(Answer::Reply("yes".into()))),
        ] {
            assert_eq!(answer_of(subject, said), answer, "{said}");
        }
    }

    #[test]
    fn a_reply_names_its_run() {
        let run = RunId(uuid::Uuid::from_u128(7));
        let text = waits(run, &[], "http://h:1", Lang::Ko);
        assert_eq!(named_run(&text), Some(run));
        assert_eq!(named_run("/console/runs/short"), None);
        assert_eq!(named_run("nothing"), None);
    }

    #[test]
    fn a_host_is_not_trusted_blindly() {
        let mut headers = HeaderMap::new();
        assert_eq!(base_url(&headers), "");
        headers.insert("host", HeaderValue::from_static("localhost:8484"));
        assert_eq!(base_url(&headers), "http://localhost:8484");
        headers.insert("host", HeaderValue::from_static("x](javascript:1)"));
        assert_eq!(base_url(&headers), "");
    }
}
