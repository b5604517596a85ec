//! Near misses: a question with one slot edited, so that its answer changes while its vector hardly does.

use super::hash;

/// Swaps, Korean: what is found, what takes its place. The first rule of a form is used.
const KOREAN: &[(&str, &str)] = &[
    // numbers
    ("하나만", "셋만"), ("두 개", "다섯 개"), ("두개", "다섯개"), ("세 개", "두 개"), ("세개", "두개"), ("네 개", "여섯 개"),
    ("네개", "여섯개"), ("삼십", "오십"), ("이십", "사십"), ("십분", "이십분"), ("한 시간", "두 시간"), ("한시간", "세시간"),
    ("두 시", "네 시"), ("세 시", "다섯 시"), ("일곱", "아홉"), ("여섯", "여덟"), ("한 달", "두 달"), ("한달", "석달"),
    ("하루", "이틀"), ("일주일", "이주일"),
    // dates and times
    ("오늘", "내일"), ("내일", "모레"), ("모레", "어제"), ("어제", "오늘"), ("이번주", "다음주"), ("이번 주", "다음 주"),
    ("다음주", "지난주"), ("다음 주", "지난 주"), ("지난주", "다음주"), ("지난 주", "이번 주"), ("저번주", "다음주"),
    ("이번달", "다음달"), ("이번 달", "지난 달"), ("다음달", "이번달"), ("올해", "작년"), ("작년", "내년"), ("내년", "올해"),
    ("월요일", "목요일"), ("화요일", "금요일"), ("수요일", "토요일"), ("금요일", "화요일"), ("토요일", "월요일"),
    ("주말", "평일"), ("평일", "주말"), ("아침", "저녁"), ("저녁", "아침"), ("점심", "저녁"), ("오전", "오후"), ("오후", "오전"),
    ("새벽", "점심"), ("여름", "겨울"), ("겨울", "여름"), ("봄", "가을"), ("가을", "봄"), ("매일", "매달"), ("매주", "매일"),
    // names of places, people and services
    ("서울", "부산"), ("부산", "대구"), ("제주", "강릉"), ("관악구", "송파구"), ("일본", "중국"), ("한국", "미국"), ("중국", "일본"),
    ("네이버", "구글"), ("지메일", "아웃룩"), ("아웃룩", "지메일"), ("한메일", "네이트"), ("네이트", "드림위즈"),
    ("카카오톡", "텔레그램"), ("쿠팡", "옥션"), ("페이스북", "트위터"), ("인스타그램", "틱톡"), ("배달의 민족", "요기요"),
    ("아버지", "어머니"), ("어머니", "아버지"), ("엄마", "아빠"), ("아빠", "엄마"), ("할아버지", "할머니"), ("할머니", "할아버지"),
    ("남자친구", "여자친구"), ("여자친구", "남자친구"), ("친구", "동료"), ("동생", "사촌"), ("교수님", "조교님"), ("상사", "후배"),
    // things
    ("가습기", "제습기"), ("제습기", "가습기"), ("냉장고", "오븐"), ("세탁기", "건조기"), ("에어컨", "난로"), ("보일러", "에어컨"),
    ("선풍기", "에어컨"), ("티비", "라디오"), ("청소기", "식기세척기"), ("공기 청정기", "안마 의자"), ("전자레인지", "밥솥"),
    ("거실", "안방"), ("안방", "거실"), ("부엌", "베란다"), ("화장실", "현관"), ("조명", "커튼"), ("알람", "타이머"),
    ("축구", "야구"), ("골프", "테니스"), ("영화", "연극"), ("드라마", "뉴스"), ("스터디", "동아리"), ("회식", "회의"), ("병원", "은행"),
    ("생일", "제사"), ("결혼식", "장례식"), ("시험", "발표"), ("논문", "보고서"), ("태풍", "지진"), ("미세먼지", "자외선"),
    ("황사", "우박"), ("습도", "풍속"), ("온도", "습도"), ("비가", "눈이"), ("눈이", "비가"), ("우산", "모자"), ("장화", "구두"),
    ("커피", "녹차"), ("첨부파일", "제목"), ("용량", "속도"), ("비밀번호", "아이디"), ("회사", "학교"), ("학교", "회사"), ("학회", "세미나"),
    // opposites and comparisons
    ("켜", "꺼"), ("끄지", "켜지"), ("꺼", "켜"), ("높이", "낮추"), ("낮추", "높이"), ("올리", "내리"), ("내리", "올리"), ("열", "닫"),
    ("보내", "받아"), ("더 큰", "더 작은"), ("더 크", "더 작"), ("더 많", "더 적"), ("더 빠", "더 느"), ("빠른", "느린"), ("많이", "적게"),
    ("긴", "짧은"), ("실내", "실외"), ("실외", "실내"), ("국내", "해외"), ("추가", "삭제"),
    ("삭제", "복구"), ("시작", "종료"), ("종료", "시작"), ("먼저", "나중에"), ("부터", "까지"), ("밝", "어둡"), ("최대", "최소"),
    ("최소", "최대"), ("위쪽", "아래쪽"), ("앞", "뒤"), ("전에", "후에"),
    // negation
    ("지마", "도록 해"), ("지 마", "도록 해"), ("하지 말고", "하고"), ("면 안 돼", "면 돼"), ("면 안돼", "면 돼"), ("면 안됩니다", "면 됩니다"),
    ("있어?", "없어?"), ("해줘", "하지 마"), ("해주세요", "하지 마세요"), ("할 수 있", "할 수 없"),
    // what is asked
    ("언제", "어디서"), ("어디", "언제"), ("누구", "무엇"), ("누가", "언제"), ("왜", "언제"), ("어떻게", "왜"), ("몇 시", "어디"),
    ("얼마나", "언제"), ("얼마", "어디"), ("방법", "이유"), ("가격", "무게"), ("날짜", "장소"), ("장소", "날짜"), ("시간", "장소"),
    ("모든", "일부"), ("전부", "일부"), ("전체", "일부"),
];

const ENGLISH: &[(&str, &str)] = &[
    ("turn on", "turn off"), ("turn off", "turn on"), ("enable", "disable"), ("disable", "enable"), ("increase", "decrease"),
    ("open", "close"), ("close", "open"), ("add", "remove"), ("remove", "add"), ("delete", "restore"), ("start", "stop"),
    ("stop", "start"), ("today", "tomorrow"), ("tomorrow", "yesterday"), ("monday", "thursday"), ("friday", "tuesday"),
    ("next week", "last week"), ("next", "last"), ("morning", "evening"), ("one", "three"), ("two", "five"), ("three", "two"),
    ("ten", "twenty"), ("bigger", "smaller"), ("larger", "smaller"), ("taller", "shorter"), ("faster", "slower"),
    ("cheapest", "most expensive"), ("best", "worst"), ("highest", "lowest"), ("largest", "smallest"), ("before", "after"),
    ("with", "without"), ("should i", "should i not"), ("can i", "can't i"), ("when", "where"), ("where", "when"), ("who", "when"),
    ("why", "when"), ("how do i", "why do i"), ("how many", "which"), ("how much", "how long"), ("all", "some"), ("seoul", "busan"),
    ("tokyo", "osaka"), ("paris", "london"), ("python", "ruby"), ("iphone", "android phone"), ("windows", "linux"), ("korean", "german"),
    ("french", "italian"), ("spanish", "dutch"), ("apple", "sony"), ("google", "yahoo"), ("dog", "rabbit"), ("cat", "parrot"),
    ("car", "boat"), ("email", "fax"), ("password", "username"), ("chicken", "salmon"), ("rice", "pasta"), ("hotel", "hostel"),
    ("flight", "ferry"), ("kitchen", "garage"), ("bedroom", "attic"), ("january", "august"), ("march", "june"), ("am", "pm"),
    ("north", "south"), ("left", "right"), ("buy", "sell"), ("win", "lose"), ("import", "export"), ("upload", "download"),
];

/// Up to `most` near misses of a text, the same ones in every run.
pub fn near_misses(text: &str, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let korean = text.chars().any(|c| ('가'..='힣').contains(&c));
    if korean {
        for (from, to) in KOREAN {
            if text.contains(from) && !text.contains(to) {
                found.push(text.replacen(from, to, 1));
            }
        }
    } else {
        let lower = text.to_lowercase();
        for (from, to) in ENGLISH {
            let at = lower.match_indices(from).map(|(at, _)| at).find(|at| {
                let border = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                border(lower[..*at].chars().next_back()) && border(lower[at + from.len()..].chars().next())
            });
            if let Some(at) = at.filter(|_| lower.len() == text.len()) {
                found.push(format!("{}{to}{}", &text[..at], &text[at + from.len()..]));
            }
        }
    }
    found.extend(other_digits(text));
    found.sort_by_key(|edited| hash(edited));
    found.dedup();
    found.retain(|edited| edited != text);
    found.truncate(most);
    found
}

/// The first number made another.
fn other_digits(text: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let length = text[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - start);
    let value: u64 = text[start..start + length].parse().ok()?;
    Some(format!("{}{}{}", &text[..start], value + 1 + hash(text) % 3, &text[start + length..]))
}
