//! What people are asked, and what their answers lead to. A late answer is none.

use crate::calls::Stage;
use crate::effect::{Effect, EffectId, Work};
use crate::machine::Machine;
use crate::offers::APPROVE;
use crate::record::Draft;
use crate::state::Phase;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    Answer, AnswerError, Approval, ApprovalId, ApprovalState, ApprovalSubject, CallToApprove, ContentHash,
    LimitKind, NanoUsd, StepKind, StepStatus, ToolError, ToolOutput, answer_approval, canonical_json,
    decide_permission, offer_grant,
};
use serde_json::Value;

impl Machine {
    /// Puts a question to people.
    pub(crate) fn ask(&mut self, subject: ApprovalSubject, batch: &str) -> EffectId {
        let effect = self.state.next_effect;
        let patience = SignedDuration::from_secs(i64::from(self.state.limits.patience_seconds));
        let approval = Approval {
            id: ApprovalId(self.derived_id(&format!("question {effect}"))),
            run: self.state.order.id,
            session: self.state.order.session.clone(),
            subject,
            batch: batch.to_owned(),
            asked: self.at,
            expires: self.at.checked_add(patience).unwrap_or(Timestamp::MAX),
            state: ApprovalState::Open,
        };
        self.record(
            Draft::new(StepKind::Asked, subject_name(&approval.subject))
                .input(subject_text(&approval.subject)),
        );
        self.perform(Work::Ask(Box::new(approval)))
    }

    /// Asks about all calls of the turn that need it, at once.
    pub(crate) fn ask_for_calls(&mut self) {
        let waiting: Vec<_> = (0..self.state.calls.len())
            .filter(|at| self.state.calls[*at].stage == Stage::NeedsApproval)
            .collect();
        let calls: Vec<_> = waiting.iter().map(|at| self.to_approve(*at)).collect();
        let mut tools: Vec<_> = calls.iter().map(|call| call.tool.as_str()).collect();
        tools.dedup();
        let batch = tools.join(",");
        let id = self.ask(ApprovalSubject::Calls(calls), &batch);
        for at in waiting {
            self.state.calls[at].stage = Stage::Asking(id);
        }
    }

    /// A call as people see it.
    pub(crate) fn to_approve(&self, at: usize) -> CallToApprove {
        let call = &self.state.calls[at];
        let spec = self.spec_of(&call.tool);
        let owner = (&self.state.owner_texts, self.state.stranger);
        let decide = || decide_permission(&self.state.order.rules, &spec, &call.arguments, owner.0, owner.1);
        CallToApprove {
            hash: call.hash,
            tool: call.tool.clone(),
            arguments: canonical_json(&call.arguments),
            diff: call.diff.clone(),
            effect: spec.effect,
            decision: call.decision.clone().unwrap_or_else(decide),
            // A consent is given to what has come of a run so far: no rule says that beforehand.
            grant: offer_grant(&spec, &call.arguments).filter(|_| call.tool != APPROVE),
        }
    }

    /// The model's own question to the owner.
    pub(crate) fn ask_user(&mut self, at: usize) {
        let question =
            self.state.calls[at].arguments.get("question").and_then(Value::as_str).unwrap_or_default();
        let id = self.ask(ApprovalSubject::Question(question.to_owned()), "ask_user");
        self.state.calls[at].stage = Stage::Asking(id);
    }

    /// A limit is reached: the owner may raise it. A sub-agent ends, and its parent decides.
    pub(crate) fn breach(&mut self, limit: LimitKind, needed: NanoUsd) {
        let used = self.state.used(limit);
        self.ask_beyond(limit, needed, used);
    }

    /// A budget of the owner's stands in the way.
    pub(crate) fn budget_breached(&mut self, sentence: String) {
        self.ask_beyond(LimitKind::Budget, NanoUsd::ZERO, sentence);
    }

    fn ask_beyond(&mut self, limit: LimitKind, needed: NanoUsd, used: String) {
        let draft = Draft::new(StepKind::Guard, "limit").input(used.clone());
        self.record(draft.status(StepStatus::Refused, limit_code(limit)));
        if self.state.order.is_sub_agent() {
            return self.fail(limit_code(limit), used);
        }
        let own = self.state.order.limits.money.unwrap_or_default();
        let raise = (limit == LimitKind::Money).then(|| own.max(needed));
        self.ask(ApprovalSubject::Limit { limit, used, raise }, "limit");
    }

    pub(crate) fn answered(&mut self, effect: EffectId, answer: Answer, by: &str, answered: Timestamp) {
        let Some(Work::Ask(approval)) = self.state.pending.get(&effect) else { return };
        let approval = approval.clone();
        match answer_approval(&approval, answer.clone(), by, answered) {
            Ok(_) => {}
            Err(AnswerError::Expired(_)) => return self.expired(effect, *approval),
            Err(AnswerError::Answered(_) | AnswerError::Unfit) => return,
        }
        self.close_question(effect);
        let text = serde_json::to_string(&answer).unwrap_or_default();
        self.record(Draft::new(StepKind::Answered, format!("by {by}")).input(text));
        match approval.subject {
            ApprovalSubject::Calls(_) => self.calls_answered(effect, answer),
            ApprovalSubject::Plan(_) => self.plan_answered(answer),
            ApprovalSubject::Limit { limit, raise, used } => match answer {
                Answer::Deny(_) => self.fail(limit_code(limit), used),
                _ => self.beyond(limit, raise),
            },
            ApprovalSubject::Question(_) => match answer {
                Answer::Reply(text) => self.question_answered(effect, Some(text)),
                _ => self.question_answered(effect, None),
            },
            ApprovalSubject::Fate(_) => self.fate_answered(effect, matches!(answer, Answer::Approve)),
        }
    }

    /// Time has passed: questions that nobody answered in time are answered by nobody.
    pub(crate) fn expire_questions(&mut self) {
        let late = |(id, work): (&EffectId, &Work)| match work {
            Work::Ask(approval) if approval.expires <= self.at => Some((*id, (**approval).clone())),
            _ => None,
        };
        for (id, approval) in self.state.pending.iter().filter_map(late).collect::<Vec<_>>() {
            if !self.state.status.is_final() {
                self.expired(id, approval);
            }
        }
    }

    fn expired(&mut self, effect: EffectId, approval: Approval) {
        self.close_question(effect);
        let draft = Draft::new(StepKind::Answered, "nobody answered in time");
        self.record(draft.status(StepStatus::Refused, "approval.expired"));
        let lang = self.state.order.lang;
        let nobody = lang.pick("nobody answered in time", "제때 답한 사람이 없습니다").to_owned();
        match approval.subject {
            ApprovalSubject::Calls(_) => {
                self.end_asked(
                    effect,
                    &ToolError::new("approval.expired", "Nobody approved it in time; it was not done."),
                );
            }
            ApprovalSubject::Plan(_) => self.fail("approval.expired", nobody),
            ApprovalSubject::Limit { limit, used, .. } => self.fail(limit_code(limit), used),
            ApprovalSubject::Question(_) => self.question_answered(effect, None),
            ApprovalSubject::Fate(call) => {
                self.state.uncertain.push(format!("{} {}", call.tool, call.arguments));
                let error = ToolError::new("tool.fate_unknown", "Nobody knows whether it happened.");
                self.end_asked(effect, &error.hint("Do not repeat it; say so in your answer."));
            }
        }
    }

    /// Takes a question off the list, also when it is just being put.
    fn close_question(&mut self, effect: EffectId) {
        self.state.pending.remove(&effect);
        self.effects.push(Effect::Abort(effect));
    }

    fn calls_answered(&mut self, effect: EffectId, answer: Answer) {
        let reason = match &answer {
            Answer::Deny(Some(reason)) => format!("A person said no: {reason}"),
            _ => "A person said no.".to_owned(),
        };
        let approved = |hash: &ContentHash| match &answer {
            Answer::Approve | Answer::ApproveAndGrant(_) => true,
            Answer::ApproveSome(hashes) => hashes.contains(hash),
            Answer::Deny(_) | Answer::Reply(_) => false,
        };
        for at in self.asked_calls(effect) {
            let hash = self.state.calls[at].hash;
            if approved(&hash) {
                self.state.calls[at].stage = Stage::Approved;
            } else {
                self.state.refused.insert(hash);
                self.refuse_call(
                    at,
                    &ToolError::new("approval.denied", reason.clone()).hint("Do not ask again."),
                );
            }
        }
        self.advance_calls();
    }

    fn beyond(&mut self, limit: LimitKind, raise: Option<NanoUsd>) {
        let (own, limits) = (self.state.order.limits, &mut self.state.limits);
        match limit {
            LimitKind::Money => limits.money = limits.money.map(|money| money + raise.unwrap_or_default()),
            LimitKind::Turns => limits.turns = limits.turns.saturating_add(own.turns),
            LimitKind::ToolCalls => limits.tool_calls = limits.tool_calls.saturating_add(own.tool_calls),
            LimitKind::Time => limits.seconds = limits.seconds.saturating_add(own.seconds),
            // The owner has changed the budget, or wants it tried again.
            LimitKind::Budget => {}
        }
        if self.state.flow.is_some() {
            return self.advance_flow();
        }
        self.call_model();
    }

    /// Words of the owner's (or none) for a question of the model's, of the plan's, or of the loop guard's.
    fn question_answered(&mut self, effect: EffectId, text: Option<String>) {
        self.state.owner_texts.extend(text.clone());
        if let Some(at) = self.call_at(&Stage::Asking(effect)) {
            match text {
                Some(text) => self.call_succeeded(at, ToolOutput::text(text), 0),
                None => {
                    let error = ToolError::new("question.unanswered", "The owner gave no answer.");
                    self.refuse_call(at, &error.hint("Decide yourself, or say what is missing."));
                }
            }
            return self.advance_calls();
        }
        match (self.state.phase, text) {
            (Phase::Plan, text) => self.interviewed(text),
            (_, Some(text)) => {
                self.state.window.clear();
                self.say_to_model(text);
                self.call_model();
            }
            (_, None) => {
                let words = self.state.order.lang.pick(
                    "it went round in circles and nobody said how to go on",
                    "같은 자리를 맴돌았고, 어떻게 할지 말해 준 사람이 없습니다",
                );
                self.fail("loop.unresolved", words.to_owned());
            }
        }
    }

    fn fate_answered(&mut self, effect: EffectId, happened: bool) {
        let Some(at) = self.call_at(&Stage::Asking(effect)) else { return };
        if happened {
            self.call_succeeded(at, ToolOutput::text("A person has seen that it happened."), 0);
        } else {
            let error = ToolError::new("tool.did_not_happen", "A person has seen that it did not happen.");
            self.refuse_call(at, &error.hint("Calling again is safe."));
        }
        self.advance_calls();
    }

    fn end_asked(&mut self, effect: EffectId, error: &ToolError) {
        for at in self.asked_calls(effect) {
            self.refuse_call(at, error);
        }
        self.advance_calls();
    }

    fn asked_calls(&self, effect: EffectId) -> Vec<usize> {
        let asked = |at: &usize| self.state.calls[*at].stage == Stage::Asking(effect);
        (0..self.state.calls.len()).filter(asked).collect()
    }

    /// What a parked run waits for, for people.
    pub(crate) fn waiting_for(&self) -> String {
        let name = |work: &Work| match work {
            Work::Ask(approval) => Some(subject_name(&approval.subject)),
            _ => None,
        };
        let names: Vec<_> = self.state.pending.values().filter_map(name).collect();
        names.join(", ")
    }
}

fn subject_name(subject: &ApprovalSubject) -> &'static str {
    match subject {
        ApprovalSubject::Calls(_) => "approval.calls",
        ApprovalSubject::Plan(_) => "approval.plan",
        ApprovalSubject::Limit { limit, .. } => limit_code(*limit),
        ApprovalSubject::Question(_) => "question",
        ApprovalSubject::Fate(_) => "approval.fate",
    }
}

fn subject_text(subject: &ApprovalSubject) -> String {
    let call = |call: &nunchi_core::CallToApprove| format!("{} {}", call.tool, call.arguments);
    match subject {
        ApprovalSubject::Calls(calls) => calls.iter().map(call).collect::<Vec<_>>().join("\n"),
        ApprovalSubject::Plan(plan) => {
            plan.nodes.iter().map(|node| format!("{}: {}", node.id, node.goal)).collect::<Vec<_>>().join("\n")
        }
        ApprovalSubject::Limit { used, .. } => used.clone(),
        ApprovalSubject::Question(question) => question.clone(),
        ApprovalSubject::Fate(unknown) => call(unknown),
    }
}

/// The code of a limit.
pub(crate) const fn limit_code(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::Money => "limit.money",
        LimitKind::Budget => "budget.exhausted",
        LimitKind::Turns => "limit.turns",
        LimitKind::ToolCalls => "limit.tool_calls",
        LimitKind::Time => "limit.time",
    }
}
