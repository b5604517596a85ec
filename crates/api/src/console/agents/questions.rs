//! One question of a run to its owner: what is asked, exactly, and the forms that answer it.

use super::super::Console;
use super::super::figures::{ago, moment, time_until, usd};
use super::super::layout::{badge, token, visible};
use super::super::session::Session;
use super::list::title;
use super::names;
use maud::{Markup, html};
use nunchi_core::{Approval, ApprovalSubject, CallToApprove, NanoUsd, Plan, RunRecord};

/// One question with its forms. `run` is the run that asks, where the page is not its own; `back` is where the reader returns to: `approvals` or the id of a run.
pub(super) fn question(
    console: &Console,
    session: &Session,
    asked: &Approval,
    run: Option<&RunRecord>,
    back: &str,
) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let (now, zone) = (console.parts.clock.now(), &console.parts.time_zone);
    html! {
        article.card.question id={ "question-" (asked.id) } data-question=(asked.id) tabindex="-1" aria-labelledby={ "asks-" (asked.id) } {
            div.row.between {
                h2 id={ "asks-" (asked.id) } { (heading(session, &asked.subject)) }
                span.note title=(moment(asked.expires, zone)) {
                    (ago(asked.asked, now, lang)) " · "
                    time datetime=(asked.expires) data-expires=(words.expires_in) data-late=(words.expired) {
                        (words.expires_in.replace("%s", &time_until(asked.expires, now, lang)))
                    }
                }
            }
            @if let Some(run) = run {
                p.note { a href={ "/console/runs/" (run.id) } { (title(&run.user_input, 120)) } " · " (words.spent_so_far) " " (usd(run.totals.cost)) }
            }
            form.answer method="post" action={ "/console/approvals/" (asked.id) } {
                (token(session))
                input type="hidden" name="back" value=(back);
                (subject(console, session, &asked.subject))
                (buttons(session, asked))
            }
        }
    }
}

fn heading(session: &Session, subject: &ApprovalSubject) -> String {
    let (lang, words) = (session.taste.lang, session.taste.words());
    if let ApprovalSubject::Calls(calls) = subject
        && let Some(asked) = node_question(calls)
    {
        return title(&asked, 140);
    }
    match subject {
        ApprovalSubject::Calls(calls) => {
            let mut tools: Vec<_> = calls.iter().map(|call| call.tool.as_str()).collect();
            tools.dedup();
            words.may_call.replace("%s", &tools.join(", "))
        }
        ApprovalSubject::Plan(_) => words.may_plan.to_owned(),
        ApprovalSubject::Limit { limit, .. } => names::limit(lang, *limit).to_owned(),
        ApprovalSubject::Question(_) => words.a_question.to_owned(),
        ApprovalSubject::Fate(call) => words.did_happen.replace("%s", &call.tool),
    }
}

/// What a node of a workflow asks, in the words of its file: nobody knows its tool by name.
fn node_question(calls: &[CallToApprove]) -> Option<String> {
    let [call] = calls else { return None };
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).ok()?;
    let question = arguments["question"].as_str()?;
    (call.tool == "workflow.approve").then(|| question.to_owned())
}

fn subject(console: &Console, session: &Session, subject: &ApprovalSubject) -> Markup {
    let words = session.taste.words();
    match subject {
        ApprovalSubject::Calls(calls) => html! {
            @for one in calls { (call(console, session, one, calls.len() > 1)) }
        },
        ApprovalSubject::Fate(one) => html! { (call(console, session, one, false)) },
        ApprovalSubject::Plan(plan) => goals(session, plan),
        ApprovalSubject::Limit { used, raise, .. } => html! {
            p { (used) @if let Some(raise) = raise { " · " (words.approving_adds) " " (usd(*raise)) } }
        },
        ApprovalSubject::Question(text) => html! { p.said-text { (visible(text)) } },
    }
}

/// A call with its exact arguments, what it would change, and why it is asked about.
fn call(console: &Console, session: &Session, call: &CallToApprove, choose: bool) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let (effect, kind) = names::effect(lang, call.effect);
    html! {
        div.call {
            div.row {
                @if choose { label.inline { input type="checkbox" name="calls" value=(call.hash) checked; span.visually-hidden { (words.this_call) } } }
                code.tool { (call.tool) }
                (badge(effect, kind))
                @let fee = fee(console, &call.tool);
                @if fee > NanoUsd::ZERO { span.badge.warn { (words.costs_more) " " (usd(fee)) } }
                span.note { (call.decision.explain(lang)) }
            }
            pre.arguments tabindex="0" aria-label=(words.arguments) { (visible(&pretty(&call.arguments))) }
            @if let Some(diff) = call.diff.as_deref().filter(|diff| !diff.trim().is_empty()) { (diff_of(words.change, diff)) }
        }
    }
}

/// What one call of a tool costs besides model calls.
fn fee(console: &Console, tool: &str) -> NanoUsd {
    let specs = console.parts.agents.as_ref().map(|agents| agents.desk.tools().specs()).unwrap_or_default();
    specs.iter().find(|spec| spec.name == tool).map_or(NanoUsd::ZERO, |spec| spec.fee)
}

/// JSON over several lines; what is none, as it is.
pub(super) fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(json);
    value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| json.to_owned())
}

/// A diff, each line on the ground of what it does.
pub(super) fn diff_of(name: &str, diff: &str) -> Markup {
    let kind = |line: &str| match line.as_bytes().first() {
        _ if line.starts_with("--- ") || line.starts_with("+++ ") => "place",
        Some(b'+') => "added",
        Some(b'-') => "removed",
        Some(b'@') => "place",
        _ => "kept",
    };
    html! { pre.diff tabindex="0" aria-label=(name) { @for line in diff.trim_end().lines() { span class=(kind(line)) { (visible(line)) "\n" } } } }
}

fn goals(session: &Session, plan: &Plan) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let known: Option<NanoUsd> = plan.nodes.iter().map(|node| node.cost).sum();
    html! {
        ol.goals {
            @for node in &plan.nodes {
                li {
                    span { (visible(&node.goal)) } " "
                    @let (effect, kind) = names::effect(lang, node.effect);
                    (badge(effect, kind))
                    @if let Some(cost) = node.cost { " " span.note { "≤ " (usd(cost)) } }
                    @if !node.done_when.is_empty() { span.why { (visible(&node.done_when)) } }
                }
            }
        }
        @if let Some(most) = known { p.note { (words.at_most_together) " " strong { (usd(most)) } } }
    }
}

fn buttons(session: &Session, asked: &Approval) -> Markup {
    let words = session.taste.words();
    let grant = asked.subject.offered_grant();
    let (yes, no) = match asked.subject {
        ApprovalSubject::Fate(_) => (words.it_happened, words.it_did_not),
        ApprovalSubject::Limit { .. } => (words.go_on, words.stop),
        _ => (words.approve, words.deny),
    };
    html! {
        @if matches!(asked.subject, ApprovalSubject::Question(_)) {
            div.reply {
                label.visually-hidden for={ "text-" (asked.id) } { (words.your_answer) }
                textarea id={ "text-" (asked.id) } name="text" rows="2" placeholder=(words.your_answer) {}
                div.row {
                    button.primary type="submit" name="answer" value="reply" { (words.send) }
                    button type="submit" name="answer" value="deny" { (words.no_answer) }
                }
            }
        } @else {
            div.row.decide {
                button.primary type="submit" name="answer" value="approve" { (yes) }
                @if let Some(rule) = grant {
                    button type="submit" name="answer" value="grant" title=(words.grant_note) { (words.approve_always) }
                    span.note.rule { (words.rule) ": " code { (rule.tool) @for (name, value) in &rule.arguments { " " (name) "=" (value) } } }
                }
                span.grow {}
                label.visually-hidden for={ "reason-" (asked.id) } { (words.why_not) }
                input id={ "reason-" (asked.id) } name="reason" placeholder=(words.why_not) maxlength="2000" autocomplete="off";
                button.danger type="submit" name="answer" value="deny" { (no) }
            }
        }
    }
}
