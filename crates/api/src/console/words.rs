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
    a_question: "A question", "질문";
    a_run: "a run", "실행당";
    about_tokens: "about %d tokens", "약 %d토큰";
    actions: "Actions", "작업";
    activity: "Activity", "활동";
    activity_empty: "No runs in this period", "이 기간에는 실행이 없습니다";
    activity_lead: "How runs went: how many steps they took, which tools they used, and what fails.", "실행이 어떻게 되었는지: 몇 단계가 걸렸고, 어떤 도구를 썼고, 무엇이 실패하는지 보여 줍니다.";
    add_budget: "Add a budget", "예산 추가";
    add_key: "Create a key", "키 만들기";
    admin_note: "Sees and changes everything in this console.", "이 콘솔의 모든 것을 보고 바꿀 수 있습니다.";
    advice: "advice", "권고";
    alike: "%d alike", "비슷한 질문 %d개";
    all: "All", "전체";
    all_models: "All models", "모든 모델";
    allowed_models: "Allowed models", "허용 모델";
    allowed_models_note: "Separated by commas; * stands for anything. Empty means all.", "쉼표로 구분하고 *는 모든 글자를 뜻합니다. 비우면 모두 허용합니다.";
    answer: "Answer", "답변";
    answer_all_ask: "Give this answer to all %d questions?", "질문 %d개에 모두 이렇게 답할까요?";
    answered_done: "Answered. The run goes on.", "답했습니다. 실행이 이어집니다.";
    answered_late: "Too late: it was answered or has expired. Nothing was done.", "늦었습니다. 이미 답했거나 만료되었습니다. 아무것도 하지 않았습니다.";
    approval_keys: "Keys: `j` `k` choose, `a` approves, `d` denies.", "단축키: `j` `k` 이동, `a` 승인, `d` 거부";
    approvals: "Approvals", "승인";
    approvals_empty: "Nothing waits for you", "기다리는 것이 없습니다";
    approvals_empty_note: "When a run needs your word, it stops and asks here.", "실행이 답을 필요로 하면 멈추고 여기에서 묻습니다.";
    approvals_lead: "What runs may not do without you. Only exactly what is shown is approved.", "허락 없이 하지 못하는 일입니다. 보이는 그대로만 승인됩니다.";
    approve: "Approve", "승인";
    approve_all: "Approve all %d", "%d개 모두 승인";
    approve_always: "Approve always", "항상 승인";
    approving_adds: "approving adds", "승인하면 추가:";
    arguments: "Exact arguments", "정확한 인수";
    as_json: "As JSON", "JSON으로 보기";
    ask_to_do: "Ask Nunchi to do something", "Nunchi에게 시킬 일을 적으세요";
    at_most_together: "At most, together:", "모두 합쳐 최대:";
    at_percent: "At % of the limit", "한도 대비 %";
    audited: "Compared with a fresh answer", "새 답과 비교";
    audited_note: "One in twenty answers that could be shared is asked anew and compared; counted since the start.", "공유할 수 있는 답 스무 개 가운데 하나는 새로 물어 비교합니다. 시작한 뒤로 센 값입니다.";
    back: "Back", "뒤로";
    back_to_run: "Back to the run", "실행으로 돌아가기";
    baseline: "Without Nunchi", "Nunchi가 없었다면";
    baseline_missing: "Name a baseline model in the configuration to see this.", "설정에서 기준 모델을 정하면 볼 수 있습니다.";
    baseline_note: "Every call on the baseline model, nothing cached", "모든 호출을 기준 모델로, 캐시 없이";
    begin_run: "Start", "시작";
    broken: "broken", "오류";
    budget_everything: "Every call", "모든 호출";
    budget_scope: "Counts", "대상";
    budget_scope_note: "The key id, tag, task, provider or model name; not needed for every call.", "키 ID, 태그, 작업, 제공자 또는 모델 이름. 모든 호출이면 비워 두세요.";
    budget_scope_of: "Which one", "이름";
    budgets: "Budgets", "예산";
    budgets_empty: "No budget yet", "아직 예산이 없습니다";
    budgets_empty_note: "Nothing limits what may be spent. Add one below.", "지출을 막는 한도가 없습니다. 아래에서 추가하세요.";
    budgets_lead: "Reserved before every call, so parallel calls cannot overspend.", "호출 전에 먼저 예약하므로 동시 호출도 한도를 넘지 못합니다.";
    by_cause: "By cause", "원인별";
    by_class: "By kind of work", "작업 종류별";
    by_day: "By day", "일별";
    by_key: "By key", "키별";
    by_mode: "By mode", "방식별";
    by_model: "By model", "모델별";
    by_phase: "By phase", "단계별";
    by_rules: "rules", "규칙";
    bypassed: "Not looked up", "조회하지 않음";
    byte: "byte", "바이트";
    cache: "Cache", "캐시";
    calls: "Calls", "호출";
    calls_today: "Calls today", "오늘 호출";
    can_undo: "can be undone", "되돌릴 수 있음";
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
    code: "Code", "코드";
    concurrent: "Calls at once", "동시 호출 수";
    copied: "Copied", "복사됨";
    copy: "Copy", "복사";
    cost: "Cost", "비용";
    costs_more: "a fee of", "수수료";
    create: "Create", "만들기";
    created: "Created", "생성";
    day: "Day", "날짜";
    deny: "Deny", "거부";
    deny_all: "Deny all %d", "%d개 모두 거부";
    did_happen: "Did %s happen? Its answer was lost", "%s이(가) 실행되었나요? 결과를 잃었습니다";
    done: "done", "완료";
    edit: "Edit", "수정";
    erase: "Erase", "완전 삭제";
    erase_ask: "Erase this for good? It cannot be brought back.", "완전히 지울까요? 되살릴 수 없습니다.";
    every_mode: "Every mode", "모든 방식";
    expired: "Expired", "만료됨";
    expires: "Expires", "만료";
    expires_in: "expires in %s", "%s 뒤 만료";
    expires_note: "The last day it works. Empty means never.", "마지막 사용일. 비우면 만료되지 않습니다.";
    facts: "Facts", "사실";
    failed: "failed", "실패";
    failed_title: "This did not work", "처리하지 못했습니다";
    failure_rate: "Failure rate", "실패율";
    false_hits: "Of those, wrong", "그중 틀림";
    forget: "Forget", "잊기";
    forgotten: "Forgotten", "잊음";
    form_stale: "The form is out of date. Please send it again.", "양식이 오래되었습니다. 다시 보내 주세요.";
    from_cache: "From cache", "캐시 응답";
    from_cache_note: "of answers today", "오늘 응답 중";
    from_run: "a run", "실행";
    go_on: "Go on", "계속";
    goal: "Goal", "목표";
    grant_note: "Approves, and allows what fits this rule from now on.", "승인하고, 앞으로 이 규칙에 맞는 호출을 허용합니다.";
    granted_by: "Granted by", "허용한 사람";
    granted_done: "Approved, and allowed from now on.", "승인했고 앞으로도 허용합니다.";
    granted_for: "For", "대상";
    group: "Group", "그룹";
    held: "Reserved", "예약";
    hit_rate: "Hit rate", "적중률";
    holds: "Holds", "유효";
    in_every_prompt: "In every prompt", "모든 프롬프트에";
    input: "Input", "입력";
    instructions: "Instructions", "지침";
    intents: "Intents", "의도";
    invalid_expires: "This is no day such as 2027-01-31.", "2027-01-31 같은 날짜가 아닙니다.";
    invalid_limit: "The limit must be an amount such as 5 or 0.25, not negative; tokens are whole.", "한도는 5나 0.25처럼 0 이상의 금액이어야 하고, 토큰은 정수여야 합니다.";
    invalid_name: "A name needs 1 to 100 characters.", "이름은 1~100자여야 합니다.";
    invalid_number: "Limits are whole numbers, or empty.", "제한은 정수이거나 비어 있어야 합니다.";
    invalid_scope: "Say which one it counts; keys, users and runs go by their id.", "대상의 이름을 적어 주세요. 키, 사용자, 실행은 ID로 적습니다.";
    invalid_threshold: "A threshold is a whole number from 1 to 100.", "기준은 1~100 사이 정수여야 합니다.";
    it_did_not: "It did not", "실행되지 않음";
    it_happened: "It happened", "실행됨";
    joined: "Joined a call under way", "진행 중인 호출에 합류";
    judge_model: "Judge by a model", "모델로 평가";
    judge_model_note: "Relevancy, hallucination and toxicity as well; costs a model call.", "적합성·환각·유해성도 평가하며 모델 호출 비용이 듭니다.";
    judge_rules: "Judge by rules", "규칙으로 평가";
    judge_rules_note: "Efficiency, safety and cost, for nothing.", "효율·안전·비용을 무료로 평가합니다.";
    key_made: "Your new key", "새 키";
    key_made_note: "Copy it now: only its fingerprint is stored, so it cannot be shown again.", "지금 복사하세요. 지문만 저장되므로 다시 볼 수 없습니다.";
    key_name_note: "What or who uses it, such as “laptop” or “billing job”.", "어디에 쓰는지 적으세요. 예: 노트북, 정산 작업";
    keys: "Keys", "키";
    keys_empty: "No key yet", "아직 키가 없습니다";
    keys_empty_note: "Create one below and hand it to an OpenAI or Anthropic client.", "아래에서 만들어 OpenAI·Anthropic 클라이언트에 넣으세요.";
    keys_lead: "Hand these to clients in place of your providers’ keys.", "제공자의 키 대신 클라이언트에 나눠 주는 키입니다.";
    keywords: "Keywords", "키워드";
    language: "Language", "언어";
    last_break: "What broke the prefix", "접두부를 깬 곳";
    last_days: "Last %d days", "최근 %d일";
    last_said: "Last asked", "마지막 요청";
    last_used: "Last used", "마지막 사용";
    latency: "Latency", "지연";
    learned: "learned %s", "%s 배움";
    left_alone: "Left alone", "그대로 둔 것";
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
    may_call: "May it use %s?", "%s을(를) 써도 될까요?";
    may_plan: "May it carry out this plan?", "이 계획대로 할까요?";
    mean_steps: "Mean steps", "평균 단계";
    memory: "Memory", "기억";
    memory_add: "Remember a fact", "사실 기억시키기";
    memory_added: "Remembered.", "기억했습니다.";
    memory_edited: "Changed. It is your word now.", "바꾸었습니다. 이제 본인의 말로 기억합니다.";
    memory_empty: "Nothing remembered here", "기억하는 것이 없습니다";
    memory_empty_note: "Facts are learned from conversations with agents. Add one below, or say “remember that …” in a run.", "에이전트와의 대화에서 배웁니다. 아래에서 직접 넣거나, 실행에서 “…을 기억해”라고 말하세요.";
    memory_erased: "Erased for good.", "완전히 지웠습니다.";
    memory_forgotten: "Forgotten. You can bring it back within 30 days.", "잊었습니다. 30일 안에 되살릴 수 있습니다.";
    memory_known: "Known already; its use was counted.", "이미 알고 있습니다. 사용 횟수만 늘렸습니다.";
    memory_lead: "What Nunchi remembers across conversations, whose word it is, and where it came from.", "대화가 끝나도 기억하는 것과, 누구의 말이고 어디서 왔는지 보여 줍니다.";
    memory_restored: "It holds again.", "다시 유효합니다.";
    memory_text: "The fact, as a sentence that will still hold", "나중에도 맞을 한 문장";
    memory_topic: "About (optional), as subject/attribute", "주제(선택), 대상/속성";
    memory_vetoed: "It will never be learned again.", "다시 배우지 않습니다.";
    messages: "Messages", "메시지";
    mode: "Mode", "방식";
    model: "Model", "모델";
    model_turns: "model turns", "모델 호출";
    more: "More", "더 보기";
    most_money: "At most, US$", "최대 비용(US$)";
    name: "Name", "이름";
    name_taken: "Another budget has this name.", "같은 이름의 예산이 이미 있습니다.";
    needed: "needed", "필수";
    never: "Never", "없음";
    never_resets: "Never resets", "초기화 없음";
    newest: "Newest calls", "최근 호출";
    no_answer: "No answer", "답하지 않음";
    no_group: "No group", "그룹 없음";
    no_limits: "None", "없음";
    no_receipt: "Claimed without a receipt", "기록으로 확인되지 않은 주장";
    none: "Nothing", "없음";
    not_admin: "This key may not administer.", "이 키로는 관리할 수 없습니다.";
    not_admin_hint: "`nunchi keys create NAME --admin` makes one that may.", "`nunchi keys create NAME --admin`으로 관리용 키를 만드세요.";
    not_reached: "Not reached", "이루지 못한 것";
    older: "Older runs", "이전 실행";
    older_facts: "Older", "이전";
    on_use: "On use", "쓸 때";
    open: "open", "진행 중";
    open_chat: "Open the chat", "대화 열기";
    open_run: "Open the run", "실행 열기";
    open_sub_agent: "Open the sub-agent’s run", "하위 에이전트 실행 열기";
    outcome: "Outcome", "결과";
    output: "Output", "출력";
    overhead: "Spent to save", "절약에 쓴 비용";
    overhead_note: "Classifying, judging, auditing, summarising", "분류, 판정, 감사, 요약";
    own_key: "You", "사용 중";
    parameters: "Parameters", "매개변수";
    people: "people", "사람";
    per_minute: "Requests a minute", "분당 요청";
    period: "Period", "기간";
    plan: "Plan", "계획";
    prompt_cached: "prompt cached", "프롬프트 캐시";
    prompt_caches: "Prompt caches by session", "세션별 프롬프트 캐시";
    prompt_caches_empty: "No session has sent a prompt long enough to be cached yet.", "아직 캐시될 만큼 긴 프롬프트를 보낸 세션이 없습니다.";
    rate_bad: "Bad answer", "아쉬운 답";
    rate_good: "Good answer", "좋은 답";
    rated: "Thank you. The router learns from this.", "고맙습니다. 라우터가 배웁니다.";
    read_from_cache: "Read from the cache", "캐시에서 읽음";
    receipt: "receipt", "실행 기록";
    redo_done: "Done again", "다시 했습니다";
    redo_look: "Undo the undo", "되돌리기 취소";
    redo_now: "Do it again now", "지금 다시 하기";
    refused: "Refused", "거절";
    refused_neighbours: "Alike, but refused by the guard", "비슷하지만 가드가 거절";
    remaining: "Remaining", "남은 금액";
    remove: "Remove", "삭제";
    remove_budget_ask: "Remove this budget? Calls are no longer limited by it.", "이 예산을 삭제할까요? 더 이상 호출을 제한하지 않습니다.";
    removed: "Removed.", "삭제했습니다.";
    restore: "Bring back", "되살리기";
    resume_run: "Take up again", "다시 이어 하기";
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
    routed: "Answered by", "답한 모델";
    rule: "Rule", "규칙";
    rule_revoke_ask: "Take this permission back? Runs that wait and runs at work ask again from now on.", "이 허용을 거둘까요? 기다리는 실행과 진행 중인 실행도 이제 다시 묻습니다.";
    rule_revoked_done: "Taken back. Such calls ask again.", "거두었습니다. 이런 호출은 다시 묻습니다.";
    rules_granted: "Allowed for good", "계속 허용한 것";
    run_above: "the run above", "상위 실행";
    run_invalid: "Check this field: %s.", "이 항목을 확인하세요: %s.";
    runs: "Runs", "실행";
    runs_empty: "No runs here", "실행이 없습니다";
    runs_empty_note: "Ask for something above, with `nunchi ask`, or with the model `nunchi` from any chat client.", "위에서, `nunchi ask`로, 또는 채팅 클라이언트에서 `nunchi` 모델로 일을 시켜 보세요.";
    runs_lead: "Everything agents did, do, and wait to do, with every step and what it cost.", "에이전트가 한 일, 하는 일, 기다리는 일을 단계와 비용까지 보여 줍니다.";
    said: "Said", "대화 내용";
    save: "Save", "저장";
    saved: "Saved", "절약";
    saved_done: "Saved.", "저장했습니다.";
    saved_note: "against the baseline", "기준 모델 대비";
    saved_today: "Saved today", "오늘 절약";
    savings: "Savings", "절약";
    savings_lead: "What the baseline model would have cost without any cache, and why it cost less.", "기준 모델로 캐시 없이 썼을 비용과, 덜 쓴 까닭입니다.";
    score: "Score", "점수";
    scores: "Scores", "점수";
    scores_empty: "Not judged yet.", "아직 평가하지 않았습니다.";
    search: "Search", "검색";
    semantic_off: "Sharing by meaning is off, or the sentence encoder is missing: nunchi models pull fetches it.", "의미 공유가 꺼져 있거나 문장 인코더가 없습니다. nunchi models pull로 받으세요.";
    send: "Send", "보내기";
    session: "Session", "세션";
    sessions: "Sessions", "대화 기록";
    sessions_empty: "No conversation yet", "아직 대화가 없습니다";
    sessions_empty_note: "Runs with a session belong together: `nunchi ask --session NAME`, or the model `nunchi` from a chat client.", "세션이 있는 실행은 한 대화로 묶입니다: `nunchi ask --session 이름`, 또는 채팅 클라이언트의 `nunchi` 모델.";
    sessions_lead: "Conversations with agents: what was said, which runs did the work, and what it cost.", "에이전트와 나눈 대화: 무엇을 말했고, 어떤 실행이 일했고, 얼마가 들었는지 보여 줍니다.";
    shadowed: "another of this name is used", "같은 이름의 다른 스킬이 쓰임";
    shortcuts: "Enter sends, Shift + Enter breaks the line", "Enter로 전송, Shift + Enter로 줄바꿈";
    show_run: "The run", "실행 보기";
    show_table: "Show as a table", "표로 보기";
    sign_in: "Sign in", "로그인";
    sign_in_label: "Admin key", "관리자 키";
    sign_in_lead: "Paste an admin key. `nunchi up` printed one at its first start.", "관리자 키를 붙여 넣으세요. `nunchi up`을 처음 실행할 때 출력된 키입니다.";
    sign_in_lost: "`nunchi keys create NAME --admin` makes another one.", "`nunchi keys create NAME --admin`으로 새로 만들 수 있습니다.";
    sign_in_often: "Too many tries. Wait a moment.", "시도가 너무 많습니다. 잠시 기다리세요.";
    sign_in_origin: "This form was not sent from the console itself.", "콘솔에서 보낸 양식이 아닙니다.";
    sign_out: "Sign out", "로그아웃";
    skills: "Skills", "스킬";
    skills_empty: "No skill yet", "아직 스킬이 없습니다";
    skills_empty_note: "`nunchi skills new NAME --description TEXT` makes one; `nunchi skills distill RUN` makes one of a run that went well.", "`nunchi skills new 이름 --description 설명`으로 만들거나, 잘 끝난 실행을 `nunchi skills distill 실행`으로 스킬로 만드세요.";
    skills_lead: "Instructions that runs read when they need them. Until then a skill costs its line in the prompt only.", "필요할 때 읽는 지침입니다. 쓰기 전에는 프롬프트의 한 줄 값만 듭니다.";
    skip: "Skip to content", "본문으로 건너뛰기";
    source: "Source", "출처";
    sources: "Sources", "출처";
    spend: "Spend", "지출";
    spend_empty: "Nothing spent in this period", "이 기간에는 지출이 없습니다";
    spend_empty_note: "Once calls are made, their cost appears here by day, model and phase.", "호출이 시작되면 일·모델·단계별 비용이 여기에 나타납니다.";
    spend_lead: "What was spent, and what it would have cost without routing and caching.", "실제 지출과, 라우팅·캐시가 없었다면 들었을 비용입니다.";
    spent: "Spent", "지출";
    spent_so_far: "spent so far:", "지금까지 쓴 비용:";
    spent_today: "Spent today", "오늘 지출";
    status: "Status", "상태";
    status_active: "Active", "사용 가능";
    step: "Step", "단계";
    steps: "Steps", "단계";
    stop: "Stop", "중지";
    stop_run: "Stop the run", "실행 중지";
    stop_run_ask: "Stop this run and its sub-agents? What was done stays done; it can be undone afterwards.", "이 실행과 하위 에이전트를 중지할까요? 이미 한 일은 남으며 나중에 되돌릴 수 있습니다.";
    stored: "Stored", "저장됨";
    stored_answers: "Stored answers", "저장된 답";
    sub_agent: "sub-agent", "하위 에이전트";
    superseded: "Superseded", "대체됨";
    theme: "Light or dark", "밝게 또는 어둡게";
    then: "Then", "동작";
    thinking: "Reasoning", "추론";
    this_call: "This call", "이 호출";
    thresholds: "Thresholds", "기준";
    tier: "Tier", "등급";
    time: "Time", "시각";
    time_at_work: "Time", "시간";
    time_at_work_note: "of all steps; waiting for people not counted", "모든 단계 합계, 사람을 기다린 시간 제외";
    tokens: "Tokens", "토큰";
    tokens_by_day: "Tokens by day", "일별 토큰";
    tokens_per_minute: "Tokens a minute", "분당 토큰";
    tool: "Tool", "도구";
    tool_calls: "tool calls", "도구 호출";
    tool_use: "Use of tools", "도구 사용";
    tools: "Tools", "도구";
    tries: "%d tries", "%d번 시도";
    undo_done: "Undone", "되돌렸습니다";
    undo_done_note: "Your own later changes were left alone. This can be taken back.", "나중에 직접 바꾼 것은 그대로 두었습니다. 다시 취소할 수 있습니다.";
    undo_look: "What an undo would do", "되돌리면 일어날 일";
    undo_look_note: "Nothing has been changed yet.", "아직 아무것도 바꾸지 않았습니다.";
    undo_nothing: "No step of this run has left anything to undo.", "이 실행에는 되돌릴 것이 없습니다.";
    undo_now: "Undo now", "지금 되돌리기";
    undo_run: "Undo …", "되돌리기 …";
    undo_step: "Undo this step …", "이 단계 되돌리기 …";
    unit: "Unit", "단위";
    unit_money: "US dollars", "미국 달러";
    unknown_fate: "Unknown whether it happened", "실행 여부를 알 수 없는 것";
    usable: "Usable", "사용 가능";
    uses: "used %d times", "%d번 사용";
    valid_until: "holds until", "유효 기한";
    veto: "Never learn", "배우지 않기";
    veto_ask: "Take this out and never learn it again?", "이 내용을 빼고 다시는 배우지 않게 할까요?";
    vetoed: "Vetoed", "금지됨";
    when: "When", "언제";
    whole_goal: "The whole goal", "목표 전체 보기";
    why: "Why", "이유";
    why_it_ended: "Why it ended", "끝난 까닭";
    why_not: "Reason, if you deny", "거부하는 이유(선택)";
    window: "Starts anew", "초기화";
    withheld: "%d sentences withheld from the judge", "판정에서 제외한 문장 %d개";
    words_owner: "yours", "내 말";
    words_stranger: "a stranger’s", "낯선 글";
    words_tool: "a tool’s", "도구";
    workflow: "Workflow", "워크플로";
    you: "You", "나";
    your_answer: "Your answer", "답변";
    zero_is_best: "0 is best", "0이 가장 좋음";
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
        CacheVerdict::Audit => lang.pick("checked", "검증"),
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
