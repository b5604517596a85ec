//! What a plain statement is about, where its form leaves no doubt: "my birthday is …", "나는 …에 산다".

use super::terms::search_terms;
use regex::Regex;
use std::sync::LazyLock;

/// Attributes of which a person or thing has one at a time. Of others ("my brother is …") many things may hold at once.
const SINGLE: &str = "name nickname birthday age address home city country phone number e-mail email mail job title employer \
    company boss manager spouse wife husband partner dog cat car favorite favourite deadline day date time room desk size \
    height weight version port host password model language currency timezone zone timetable budget plan goal \
    이름 별명 생일 나이 주소 집 전화번호 번호 이메일 메일 직업 직함 회사 상사 배우자 아내 남편 개 강아지 고양이 차 마감 마감일 날짜 요일 시간 방 \
    자리 키 몸무게 버전 언어 통화 시간대 예산 계획 목표 좋아하는";

/// Form and subject: the group `what` names the attribute, or the fixed one stands for it.
const FORMS: [(&str, Option<&str>); 7] = [
    (
        r"(?i)^(?:i|we) (?:now |currently )?(?:live|reside|moved|have moved|am living)\b.{0,20}? (?:in|to|at) ",
        Some("home"),
    ),
    (
        r"(?i)^(?:i|we)(?:'ve| have)? (?:now |currently )?(?:work|joined|am working|started working)\b.{0,12}? (?:at|for|with)? ?",
        Some("work"),
    ),
    (r"(?i)^(?:please )?call me |^my name is |^i am called ", Some("name")),
    (
        r"^(?:나는|난|저는|전|우리는|저희는)?.*(?:에|에서) (?:살|사는|산다|거주)|^(?:나는|난|저는|전|우리는)?.*(?:으로|로) 이사",
        Some("home"),
    ),
    (r"^(?:나를|저를|날|절) .*(?:라고|로) 불러", Some("name")),
    (
        r"(?i)^(?P<who>my|our|the|[\p{L}]+'s) (?P<what>[^.,;:]{1,50}?) (?:is|are|will be|has changed to|changed to|is called) ",
        None,
    ),
    (r"^(?P<who>내|나의|제|저의|우리|저희)? ?(?P<what>[가-힣A-Za-z0-9 ]{1,30}?)(?:은|는|이|가) ", None),
];

static PATTERNS: LazyLock<Vec<(Regex, Option<&'static str>)>> =
    LazyLock::new(|| FORMS.iter().filter_map(|(form, what)| Some((Regex::new(form).ok()?, *what))).collect());

/// The topic of a statement as `subject/attribute`; `None` when its form does not tell.
pub(super) fn topic_of(text: &str) -> Option<String> {
    let text = text.trim();
    PATTERNS.iter().find_map(|(pattern, fixed)| {
        let found = pattern.captures(text)?;
        if let Some(what) = fixed {
            return Some(format!("owner/{what}"));
        }
        let what = found.name("what")?.as_str();
        let single = what.split_whitespace().any(|word| {
            let word = word.trim_end_matches("'s").to_lowercase();
            SINGLE.split_ascii_whitespace().any(|known| known == word)
        });
        let attribute = search_terms(what).join(" ");
        if !single || attribute.is_empty() {
            return None;
        }
        let who = found.name("who").map_or("", |who| who.as_str()).to_lowercase();
        let subject = match who.as_str() {
            "my" | "our" | "내" | "나의" | "제" | "저의" | "우리" | "저희" => "owner".to_owned(),
            "the" | "" => "it".to_owned(),
            other => other.trim_end_matches("'s").to_owned(),
        };
        Some(format!("{subject}/{attribute}"))
    })
}

/// The topic of a fact: the given one in the form in which topics are compared, else the one its text tells.
pub fn fact_topic(text: &str, given: Option<&str>) -> Option<String> {
    given.and_then(plain_topic).or_else(|| topic_of(text))
}

/// A topic as a model gave it, in the form in which topics are compared.
fn plain_topic(topic: &str) -> Option<String> {
    let (subject, attribute) = topic.split_once('/')?;
    let owner = ["owner", "the owner", "user", "the user", "me", "i", "소유자", "사용자", "나"];
    let is_owner = owner.contains(&subject.trim().to_lowercase().as_str());
    let subject = if is_owner { "owner".to_owned() } else { search_terms(subject).join(" ") };
    let attribute = search_terms(attribute).join(" ");
    (!subject.is_empty() && !attribute.is_empty()).then(|| format!("{subject}/{attribute}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_their_topics() {
        for (text, topic) in [
            ("My birthday is May 3", Some("owner/birthday")),
            ("my dog's name is Rex", Some("owner/dog name")),
            ("I live in Busan", Some("owner/home")),
            ("I moved last week to Seoul", Some("owner/home")),
            ("Call me Ishmael", Some("owner/name")),
            ("The deploy day is Friday", Some("it/deploy day")),
            ("Minji's favourite colour is blue", Some("minji/favourit colour")),
            ("나는 부산에 산다", Some("owner/home")),
            ("저는 서울로 이사했어요", Some("owner/home")),
            ("내 생일은 5월 3일이야", Some("owner/생일")),
            ("배포 요일은 금요일이다", Some("it/배포 요일")),
            ("My brother is tall", None),
            ("I like tea", None),
            ("내 동생은 키가 크다", None),
        ] {
            assert_eq!(topic_of(text).as_deref(), topic, "{text}");
        }
        assert_eq!(PATTERNS.len(), FORMS.len());
        assert_eq!(plain_topic("The Owner/Home city").as_deref(), Some("owner/home city"));
        assert_eq!(plain_topic("nothing"), None);
    }
}
