//! Every text of the console, in English and Korean, side by side so that neither is forgotten.

use nunchi_core::{BudgetAction, BudgetWindow, CacheVerdict, Lang, Outcome, Tier};

macro_rules! words {
    ($($name:ident: $en:literal, $ko:literal;)*) => {
        /// The texts of one language.
        pub(crate) struct Words {
            $(pub(crate) $name: &'static str,)*
        }
        const EN: Words = Words { $($name: $en,)* };
        const KO: Words = Words { $($name: $ko,)* };
    };
}

words! {
    actions: "Actions", "작업";
    add_budget: "Add a budget", "예산 추가";
    add_key: "Create a key", "키 만들기";
    admin_note: "Sees and changes everything in this console.", "이 콘솔의 모든 것을 보고 바꿀 수 있습니다.";
    all_models: "All models", "모든 모델";
    allowed_models: "Allowed models", "허용 모델";
    allowed_models_note: "Separated by commas; * stands for anything. Empty means all.", "쉼표로 구분하고 *는 모든 글자를 뜻합니다. 비우면 모두 허용합니다.";
    answer: "Answer", "답변";
    at_percent: "At % of the limit", "한도 대비 %";
    audited: "Compared with a fresh answer", "새 답과 비교";
    audited_note: "One in twenty shared answers is asked anew and compared; your ratings count as well.", "공유한 답 스무 개 가운데 하나는 새로 물어 비교합니다. 평가도 반영됩니다.";
    baseline: "Without Nunchi", "Nunchi가 없었다면";
    baseline_missing: "Name a baseline model in the configuration to see this.", "설정에서 기준 모델을 정하면 볼 수 있습니다.";
    baseline_note: "Every call on the baseline model, nothing cached", "모든 호출을 기준 모델로, 캐시 없이";
    budget_everything: "Every call", "모든 호출";
    budget_scope: "Counts", "대상";
    budget_scope_note: "The key id, tag, task, provider or model name; not needed for every call.", "키 ID, 태그, 작업, 제공자 또는 모델 이름. 모든 호출이면 비워 두세요.";
    budget_scope_of: "Which one", "이름";
    budgets: "Budgets", "예산";
    budgets_empty: "No budget yet", "아직 예산이 없습니다";
    budgets_empty_note: "Nothing limits what may be spent. Add one below.", "지출을 막는 한도가 없습니다. 아래에서 추가하세요.";
    budgets_lead: "Reserved before every call, so parallel calls cannot overspend.", "호출 전에 먼저 예약하므로 동시 호출도 한도를 넘지 못합니다.";
    by_cause: "By cause", "원인별";
    by_day: "By day", "일별";
    by_key: "By key", "키별";
    by_model: "By model", "모델별";
    by_phase: "By phase", "단계별";
    bypassed: "Not looked up", "조회하지 않음";
    byte: "byte", "바이트";
    cache: "Cache", "캐시";
    calls: "Calls", "호출";
    calls_today: "Calls today", "오늘 호출";
    cancel: "Cancel", "취소";
    cause_batch: "Batches", "배치";
    cause_compression: "Shortened results and history", "줄인 결과와 기록";
    cause_exact: "Exact cache", "정확 캐시";
    cause_prompt_cache: "Providers’ prompt caches", "제공자 프롬프트 캐시";
    cause_semantic: "Answers shared by meaning", "의미로 공유한 답";
    cause_tier: "Cheaper models", "더 싼 모델";
    cause_tools: "Tools not sent", "보내지 않은 도구";
    change: "Change", "변경";
    chat: "Chat", "대화";
    chat_empty: "Ask anything", "무엇이든 물어보세요";
    chat_empty_note: "Each answer shows the model that gave it, its tier and what it cost. The conversation stays in this tab.", "답변마다 모델, 등급, 비용이 표시됩니다. 대화는 이 탭에만 남습니다.";
    chat_failed: "The answer broke off.", "답변이 중간에 끊겼습니다.";
    chat_placeholder: "Message", "메시지 입력";
    chat_stopped: "Stopped", "중지됨";
    clear_chat: "New conversation", "새 대화";
    concurrent: "Calls at once", "동시 호출 수";
    copied: "Copied", "복사됨";
    copy: "Copy", "복사";
    cost: "Cost", "비용";
    create: "Create", "만들기";
    created: "Created", "생성";
    day: "Day", "날짜";
    expired: "Expired", "만료됨";
    expires: "Expires", "만료";
    expires_note: "The last day it works. Empty means never.", "마지막 사용일. 비우면 만료되지 않습니다.";
    failed: "failed", "실패";
    failed_title: "This did not work", "처리하지 못했습니다";
    false_hits: "Of those, wrong", "그중 틀림";
    form_stale: "The form is out of date. Please send it again.", "양식이 오래되었습니다. 다시 보내 주세요.";
    from_cache: "From cache", "캐시 응답";
    from_cache_note: "of answers today", "오늘 응답 중";
    held: "Reserved", "예약";
    hit_rate: "Hit rate", "적중률";
    invalid_expires: "This is no day such as 2027-01-31.", "2027-01-31 같은 날짜가 아닙니다.";
    invalid_limit: "The limit must be an amount such as 5 or 0.25, not negative; tokens are whole.", "한도는 5나 0.25처럼 0 이상의 금액이어야 하고, 토큰은 정수여야 합니다.";
    invalid_name: "A name needs 1 to 100 characters.", "이름은 1~100자여야 합니다.";
    invalid_number: "Limits are whole numbers, or empty.", "제한은 정수이거나 비어 있어야 합니다.";
    invalid_scope: "Say which one it counts; keys, users and runs go by their id.", "대상의 이름을 적어 주세요. 키, 사용자, 실행은 ID로 적습니다.";
    invalid_threshold: "A threshold is a whole number from 1 to 100.", "기준은 1~100 사이 정수여야 합니다.";
    joined: "Joined a call under way", "진행 중인 호출에 합류";
    key_made: "Your new key", "새 키";
    key_made_note: "Copy it now: only its fingerprint is stored, so it cannot be shown again.", "지금 복사하세요. 지문만 저장되므로 다시 볼 수 없습니다.";
    key_name_note: "What or who uses it, such as “laptop” or “billing job”.", "어디에 쓰는지 적으세요. 예: 노트북, 정산 작업";
    keys: "Keys", "키";
    keys_empty: "No key yet", "아직 키가 없습니다";
    keys_empty_note: "Create one below and hand it to an OpenAI or Anthropic client.", "아래에서 만들어 OpenAI·Anthropic 클라이언트에 넣으세요.";
    keys_lead: "Hand these to clients in place of your providers’ keys.", "제공자의 키 대신 클라이언트에 나눠 주는 키입니다.";
    language: "Language", "언어";
    last_break: "What broke the prefix", "접두부를 깬 곳";
    last_days: "Last %d days", "최근 %d일";
    last_used: "Last used", "마지막 사용";
    latency: "Latency", "지연";
    limit: "Limit", "한도";
    limits: "Limits", "제한";
    live: "Live", "실시간";
    live_connecting: "Connecting", "연결 중";
    live_empty: "No calls yet", "아직 호출이 없습니다";
    live_empty_note: "Point a client at this address, or start in the chat. Calls appear here by themselves.", "클라이언트를 이 주소에 연결하거나 대화에서 시작해 보세요. 호출은 자동으로 나타납니다.";
    live_lead: "Every call as it happens: what answered, why, and what it cost.", "어떤 모델이 왜 답했고 얼마가 들었는지, 호출마다 바로 보여 줍니다.";
    live_lost: "Reconnecting", "다시 연결 중";
    live_title: "Live calls", "실시간 호출";
    lost: "Lost", "손실";
    model: "Model", "모델";
    name: "Name", "이름";
    name_taken: "Another budget has this name.", "같은 이름의 예산이 이미 있습니다.";
    never: "Never", "없음";
    never_resets: "Never resets", "초기화 없음";
    newest: "Newest calls", "최근 호출";
    no_limits: "None", "없음";
    none: "Nothing", "없음";
    not_admin: "This key may not administer.", "이 키로는 관리할 수 없습니다.";
    not_admin_hint: "`nunchi keys create NAME --admin` makes one that may.", "`nunchi keys create NAME --admin`으로 관리용 키를 만드세요.";
    open_chat: "Open the chat", "대화 열기";
    outcome: "Outcome", "결과";
    overhead: "Spent to save", "절약에 쓴 비용";
    overhead_note: "Classifying, judging, auditing, summarising", "분류, 판정, 감사, 요약";
    own_key: "You", "사용 중";
    per_minute: "Requests a minute", "분당 요청";
    period: "Period", "기간";
    prompt_caches: "Prompt caches by session", "세션별 프롬프트 캐시";
    prompt_caches_empty: "No session has sent a prompt long enough to be cached yet.", "아직 캐시될 만큼 긴 프롬프트를 보낸 세션이 없습니다.";
    rate_bad: "Bad answer", "아쉬운 답";
    rate_good: "Good answer", "좋은 답";
    rated: "Thank you. The router learns from this.", "고맙습니다. 라우터가 배웁니다.";
    read_from_cache: "Read from the cache", "캐시에서 읽음";
    refused_neighbours: "Alike, but refused by the guard", "비슷하지만 가드가 거절";
    remaining: "Remaining", "남은 금액";
    remove: "Remove", "삭제";
    remove_budget_ask: "Remove this budget? Calls are no longer limited by it.", "이 예산을 삭제할까요? 더 이상 호출을 제한하지 않습니다.";
    removed: "Removed.", "삭제했습니다.";
    revoke: "Revoke", "폐기";
    revoke_ask: "Revoke this key? Clients that use it are refused from now on. This cannot be undone.", "이 키를 폐기할까요? 이 키를 쓰는 클라이언트는 바로 거절되며 되돌릴 수 없습니다.";
    revoked: "Revoked", "폐기됨";
    revoked_done: "The key is revoked.", "키를 폐기했습니다.";
    role: "Role", "역할";
    role_admin: "Admin", "관리자";
    role_caller: "Caller", "호출자";
    role_caller_note: "Calls models and nothing else.", "모델만 호출합니다.";
    rotate: "Rotate", "교체";
    rotate_ask: "Give this key a new secret? The present one stops working at once.", "이 키의 비밀값을 바꿀까요? 지금 값은 바로 쓸 수 없게 됩니다.";
    save: "Save", "저장";
    saved: "Saved", "절약";
    saved_done: "Saved.", "저장했습니다.";
    saved_note: "against the baseline", "기준 모델 대비";
    saved_today: "Saved today", "오늘 절약";
    savings: "Savings", "절약";
    savings_lead: "What the baseline model would have cost without any cache, and why it cost less.", "기준 모델로 캐시 없이 썼을 비용과, 덜 쓴 까닭입니다.";
    semantic_off: "Sharing by meaning is off, or the sentence encoder is missing: nunchi models pull fetches it.", "의미 공유가 꺼져 있거나 문장 인코더가 없습니다. nunchi models pull로 받으세요.";
    send: "Send", "보내기";
    session: "Session", "세션";
    shortcuts: "Enter sends, Shift + Enter breaks the line", "Enter로 전송, Shift + Enter로 줄바꿈";
    show_table: "Show as a table", "표로 보기";
    sign_in: "Sign in", "로그인";
    sign_in_label: "Admin key", "관리자 키";
    sign_in_lead: "Paste an admin key. `nunchi up` printed one at its first start.", "관리자 키를 붙여 넣으세요. `nunchi up`을 처음 실행할 때 출력된 키입니다.";
    sign_in_lost: "`nunchi keys create NAME --admin` makes another one.", "`nunchi keys create NAME --admin`으로 새로 만들 수 있습니다.";
    sign_in_often: "Too many tries. Wait a moment.", "시도가 너무 많습니다. 잠시 기다리세요.";
    sign_in_origin: "This form was not sent from the console itself.", "콘솔에서 보낸 양식이 아닙니다.";
    sign_out: "Sign out", "로그아웃";
    skip: "Skip to content", "본문으로 건너뛰기";
    spend: "Spend", "지출";
    spend_empty: "Nothing spent in this period", "이 기간에는 지출이 없습니다";
    spend_empty_note: "Once calls are made, their cost appears here by day, model and phase.", "호출이 시작되면 일·모델·단계별 비용이 여기에 나타납니다.";
    spend_lead: "What was spent, and what it would have cost without routing and caching.", "실제 지출과, 라우팅·캐시가 없었다면 들었을 비용입니다.";
    spent: "Spent", "지출";
    spent_today: "Spent today", "오늘 지출";
    status: "Status", "상태";
    status_active: "Active", "사용 가능";
    stop: "Stop", "중지";
    stored: "Stored", "저장됨";
    stored_answers: "Stored answers", "저장된 답";
    theme: "Light or dark", "밝게 또는 어둡게";
    then: "Then", "동작";
    thinking: "Reasoning", "추론";
    thresholds: "Thresholds", "기준";
    tier: "Tier", "등급";
    time: "Time", "시각";
    tokens: "Tokens", "토큰";
    tokens_per_minute: "Tokens a minute", "분당 토큰";
    unit: "Unit", "단위";
    unit_money: "US dollars", "미국 달러";
    window: "Starts anew", "초기화";
    you: "You", "나";
}

/// The texts of a language.
pub(crate) const fn words(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &EN,
        Lang::Ko => &KO,
    }
}

/// A tier's name.
pub(crate) fn tier(lang: Lang, tier: Tier) -> &'static str {
    match tier {
        Tier::Trivial => lang.pick("trivial", "간단"),
        Tier::Standard => lang.pick("standard", "보통"),
        Tier::Complex => lang.pick("complex", "복잡"),
    }
}

/// What the cache did.
pub(crate) fn cache(lang: Lang, verdict: CacheVerdict) -> &'static str {
    match verdict {
        CacheVerdict::Exact => lang.pick("exact hit", "완전 일치"),
        CacheVerdict::Semantic => lang.pick("semantic hit", "의미 일치"),
        CacheVerdict::Miss => lang.pick("miss", "없음"),
        CacheVerdict::Bypass => lang.pick("bypass", "우회"),
    }
}

/// How a call ended.
pub(crate) fn outcome(lang: Lang, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => lang.pick("answered", "완료"),
        Outcome::Aborted => lang.pick("client left", "중단"),
        Outcome::Cut => lang.pick("cut off", "끊김"),
        Outcome::TimedOut => lang.pick("timed out", "시간 초과"),
        Outcome::Failed => lang.pick("failed", "실패"),
        Outcome::Refused => lang.pick("refused", "거절"),
        Outcome::Crashed => lang.pick("crashed", "비정상 종료"),
    }
}

/// When a budget starts anew.
pub(crate) fn window(lang: Lang, window: BudgetWindow) -> &'static str {
    match window {
        BudgetWindow::Day => lang.pick("every day", "매일"),
        BudgetWindow::Week => lang.pick("every week", "매주"),
        BudgetWindow::Month => lang.pick("every month", "매월"),
        BudgetWindow::Total => lang.pick("never", "초기화 없음"),
    }
}

/// What happens at a threshold.
pub(crate) fn action(lang: Lang, action: BudgetAction) -> &'static str {
    match action {
        BudgetAction::Notify => lang.pick("notify", "알림"),
        BudgetAction::TellModel => lang.pick("tell the model", "모델에 알림"),
        BudgetAction::Downgrade => lang.pick("one tier down", "한 등급 낮춤"),
        BudgetAction::LocalOnly => lang.pick("local models only", "로컬 모델만"),
        BudgetAction::Pause => lang.pick("pause and ask", "멈추고 물음"),
        BudgetAction::Stop => lang.pick("stop", "중지"),
    }
}
