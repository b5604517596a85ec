//! The names of modes, states, kinds of steps and effects, in English and Korean.

use nunchi_core::{
    EffectClass, Lang, LimitKind, Mode, RunDoor, RunOrigin, RunStatus, ScoreName, StepKind, StepStatus,
    UndoStatus,
};

pub(super) fn mode(lang: Lang, mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => lang.pick("auto", "자동"),
        Mode::Reflexive => lang.pick("reflexive", "즉답"),
        Mode::Deliberate => lang.pick("deliberate", "숙고"),
        Mode::Autonomous => lang.pick("autonomous", "자율"),
        Mode::Ultrawork => lang.pick("ultrawork", "집중 병렬"),
    }
}

/// Where a run came from, if not from the owner's own places: the program of somebody else's agent.
pub(super) fn stranger(origin: &RunOrigin) -> Option<String> {
    let named = origin.client.as_ref().map_or_else(|| "MCP".to_owned(), |client| format!("MCP · {client}"));
    (origin.door == RunDoor::Mcp).then_some(named)
}

pub(super) fn status(lang: Lang, status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => lang.pick("running", "실행 중"),
        RunStatus::Parked => lang.pick("waits for you", "답변 대기"),
        RunStatus::Done => lang.pick("done", "완료"),
        RunStatus::Failed => lang.pick("failed", "실패"),
        RunStatus::Cancelled => lang.pick("cancelled", "취소됨"),
    }
}

pub(super) const fn status_kind(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "tint",
        RunStatus::Parked => "warn",
        RunStatus::Done => "good",
        RunStatus::Failed => "bad",
        RunStatus::Cancelled => "plain",
    }
}

/// The word of a status in an address.
pub(super) const fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Parked => "parked",
        RunStatus::Done => "done",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    }
}

pub(super) fn step(lang: Lang, kind: StepKind) -> &'static str {
    match kind {
        StepKind::Message => lang.pick("asked", "요청"),
        StepKind::Model => lang.pick("model", "모델"),
        StepKind::Tool => lang.pick("tool", "도구"),
        StepKind::Asked => lang.pick("question", "질문"),
        StepKind::Answered => lang.pick("answer", "답변"),
        StepKind::Delegated => lang.pick("sub-agent", "하위 에이전트"),
        StepKind::Guard => lang.pick("guard", "안전장치"),
        StepKind::Undo => lang.pick("undo", "되돌리기"),
    }
}

/// The class of a step's bar.
pub(super) const fn step_class(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Message => "message",
        StepKind::Model => "model",
        StepKind::Tool => "tool",
        StepKind::Asked | StepKind::Answered => "asked",
        StepKind::Delegated => "delegated",
        StepKind::Guard | StepKind::Undo => "guard",
    }
}

/// What is wrong with a step; nothing when it went well.
pub(super) fn step_status(lang: Lang, status: StepStatus) -> Option<(&'static str, &'static str)> {
    match status {
        StepStatus::Ok => None,
        StepStatus::Failed => Some((lang.pick("failed", "실패"), "bad")),
        StepStatus::Refused => Some((lang.pick("refused", "거절"), "warn")),
        StepStatus::Uncertain => Some((lang.pick("unknown", "확인 불가"), "warn")),
    }
}

pub(super) fn effect(lang: Lang, effect: EffectClass) -> (&'static str, &'static str) {
    match effect {
        EffectClass::ReadOnly => (lang.pick("reads only", "읽기만"), "plain"),
        EffectClass::Reversible => (lang.pick("can be undone", "되돌릴 수 있음"), "good"),
        EffectClass::Compensable => (lang.pick("can be made good", "보상할 수 있음"), "warn"),
        EffectClass::Final => (lang.pick("cannot be undone", "되돌릴 수 없음"), "bad"),
    }
}

pub(super) fn limit(lang: Lang, limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::Money => lang.pick("The run’s money is used up", "실행에 준 돈을 다 썼습니다"),
        LimitKind::Budget => lang.pick("A budget does not admit more", "예산이 더 허용하지 않습니다"),
        LimitKind::Turns => lang.pick("The model turns are used up", "모델 호출 횟수를 다 썼습니다"),
        LimitKind::ToolCalls => lang.pick("The tool calls are used up", "도구 호출 횟수를 다 썼습니다"),
        LimitKind::Time => lang.pick("The time is used up", "시간을 다 썼습니다"),
    }
}

pub(super) fn undo(lang: Lang, status: UndoStatus) -> (&'static str, &'static str) {
    match status {
        UndoStatus::Undone => (lang.pick("undone", "되돌림"), "good"),
        UndoStatus::Partly => (lang.pick("partly", "일부만"), "warn"),
        UndoStatus::Conflict => (lang.pick("left alone", "그대로 둠"), "warn"),
        UndoStatus::Impossible => (lang.pick("impossible", "불가능"), "bad"),
        UndoStatus::Already => (lang.pick("undone before", "이미 되돌림"), "plain"),
    }
}

pub(super) fn score(lang: Lang, score: ScoreName) -> &'static str {
    match score {
        ScoreName::Relevancy => lang.pick("Relevancy", "적합성"),
        ScoreName::Hallucination => lang.pick("Hallucination", "환각"),
        ScoreName::Toxicity => lang.pick("Toxicity", "유해성"),
        ScoreName::Correctness => lang.pick("Correctness", "정확성"),
        ScoreName::Efficiency => lang.pick("Efficiency", "효율"),
        ScoreName::Safety => lang.pick("Safety", "안전"),
        ScoreName::Cost => lang.pick("Cost", "비용"),
    }
}

/// What a run waits for, in words; codes that are not known are shown as they are.
pub(super) fn reason(lang: Lang, reason: &str) -> String {
    let known = |code: &str| match code {
        "approval.calls" => lang.pick("approval of a call", "호출 승인"),
        "approval.plan" => lang.pick("consent to its plan", "계획 동의"),
        "approval.fate" => lang.pick("word on a lost answer", "잃은 결과 확인"),
        "question" => lang.pick("an answer", "답변"),
        "limit.money" => lang.pick("more money", "추가 비용"),
        "budget.exhausted" => lang.pick("a budget", "예산"),
        "limit.turns" => lang.pick("more turns", "추가 호출"),
        "limit.tool_calls" => lang.pick("more tool calls", "추가 도구 호출"),
        "run.cancelled" => lang.pick("stopped by a person", "사람이 중지함"),
        "limit.time" => lang.pick("more time", "추가 시간"),
        _ => "",
    };
    let name = |code: &str| match known(code) {
        "" => code.to_owned(),
        name => name.to_owned(),
    };
    reason.split(", ").map(name).collect::<Vec<_>>().join(", ")
}
