//! What kind of work a goal asks for, by its words: enough to tell which kinds fail often.

/// Kinds of work, each with the words that tell of it; one word is of one kind only. Korean words are stems.
const CLASSES: [(&str, &[&str]); 9] = [
    ("remind", &["remind", "reminder", "schedule", "alarm", "calendar", "알림", "알려줘야", "예약", "일정"]),
    (
        "send",
        &["send", "mail", "email", "e-mail", "reply", "forward", "notify", "보내", "메일", "회신", "전달"],
    ),
    ("delete", &["delete", "remove", "clean", "drop", "삭제", "지워", "제거"]),
    (
        "change",
        &[
            "change", "update", "edit", "fix", "rename", "move", "replace", "refactor", "수정", "바꿔",
            "변경", "고쳐", "옮겨",
        ],
    ),
    (
        "write",
        &["write", "create", "draft", "make", "add", "save", "compose", "작성", "만들", "써", "저장", "추가"],
    ),
    ("summarise", &["summarise", "summarize", "summary", "digest", "요약", "정리"]),
    (
        "research",
        &[
            "research",
            "find",
            "search",
            "compare",
            "investigate",
            "look",
            "collect",
            "조사",
            "찾아",
            "검색",
            "비교",
        ],
    ),
    ("calculate", &["calculate", "compute", "count", "sum", "convert", "계산", "환산", "세어", "합계"]),
    ("translate", &["translate", "translation", "번역"]),
];

/// Words that begin questions.
const ASKING: [&str; 14] =
    ["what", "why", "how", "who", "when", "where", "which", "is", "are", "does", "do", "can", "무엇", "왜"];

/// The kind of work that a goal asks for.
pub(super) fn task_class(goal: &str) -> &'static str {
    let lower = goal.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|w| !w.is_empty()).collect();
    let asks = words.first().is_some_and(|first| ASKING.contains(first));
    // English says first what is to be done, Korean last.
    let english = CLASSES.iter().filter_map(|(class, stems)| {
        let place = words.iter().position(|word| stems.contains(word))?;
        Some((place, class))
    });
    let korean = CLASSES.iter().filter_map(|(class, stems)| {
        let place =
            stems.iter().filter(|stem| !stem.is_ascii()).filter_map(|stem| lower.rfind(*stem)).max()?;
        Some((place, class))
    });
    let found = korean.max_by_key(|(place, _)| *place).or_else(|| english.min_by_key(|(place, _)| *place));
    match found {
        Some((_, class)) if !asks => class,
        _ if asks || lower.trim_end().ends_with('?') => "question",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::task_class;

    #[test]
    fn goals_are_classed_by_their_words() {
        for (goal, class) in [
            ("Send kim the report", "send"),
            ("회의록을 작성해서 팀에 보내줘", "send"),
            ("Write notes.md with a reminder to call Kim", "write"),
            ("회의록을 정리해서 notes.md에 써 줘", "write"),
            ("이 문서를 요약해줘", "summarise"),
            ("What does write_file do?", "question"),
            ("오늘 날씨 어때?", "question"),
            ("Rename the folder", "change"),
            ("Hello there", "other"),
            ("두 회사를 비교해줘", "research"),
            ("", "other"),
        ] {
            assert_eq!(task_class(goal), class, "{goal}");
        }
    }
}
