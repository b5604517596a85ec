//! `cache`: stored answers.

use super::{Desk, escaped, json_lines};
use crate::cli::CacheCommand;
use crate::config::parse_time;
use crate::failure::Failure;
use crate::render::{bar, grouped, table, usd};
use http::Method;
use jiff::Timestamp;
use nunchi_core::{CacheEntry, CacheStats, NanoUsd};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Keyed {
    key: String,
    #[serde(flatten)]
    entry: CacheEntry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Figures {
    stored: CacheStats,
    lookups: u64,
    hits: u64,
    joined: u64,
    bypassed: u64,
    skipped_writes: u64,
    semantic: Option<SemanticFigures>,
}

#[derive(Serialize, Deserialize)]
struct PromptCacheReport {
    session: String,
    model: String,
    calls: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
    saved: NanoUsd,
    lost: NanoUsd,
    breaks: Vec<PrefixBreak>,
}

#[derive(Serialize, Deserialize)]
struct PrefixBreak {
    at: Timestamp,
    place: String,
    byte: usize,
    excerpt: String,
    lost_tokens: u64,
}

#[derive(Serialize, Deserialize)]
struct SemanticFigures {
    questions: u64,
    lookups: u64,
    hits: u64,
    refused: u64,
    audited: u64,
    wrong: u64,
}

/// Runs a cache command.
pub(crate) async fn cache(desk: &Desk, command: &CacheCommand) -> Result<(), Failure> {
    match command {
        CacheCommand::List { model, limit } => {
            let entries = entries(desk, model.as_deref(), *limit).await?;
            desk.show(&entries, || list(desk, &entries))
        }
        CacheCommand::Show { key } => {
            let found = find(desk, key).await?;
            let entry: Keyed = desk.client.get(&format!("/api/cache/{}", escaped(&found.key))).await?;
            desk.show(&entry, || show(desk, &entry))
        }
        CacheCommand::Rm { key } => {
            let found = find(desk, key).await?;
            let gone: Value = desk.client.delete(&format!("/api/cache/{}", escaped(&found.key))).await?;
            desk.show(&gone, || removed(desk, &gone))
        }
        CacheCommand::Clear { model: None, older: None, all: false } => {
            Err(Failure::plain("cache.clear_what", "say what is to be removed", "무엇을 지울지 정하세요")
                .with_hint("--model M, --older 7d, or --all", "--model M, --older 7d 또는 --all"))
        }
        CacheCommand::Clear { model, older, .. } => {
            let mut query = Vec::new();
            if let Some(model) = model {
                query.push(format!("model={}", escaped(model)));
            }
            if let Some(older) = older {
                query.push(format!("before={}", escaped(&before(older)?.to_string())));
            }
            let gone: Value = desk.client.delete(&format!("/api/cache?{}", query.join("&"))).await?;
            desk.show(&gone, || removed(desk, &gone))
        }
        CacheCommand::Doctor => {
            let sessions: Vec<PromptCacheReport> = desk.client.get("/api/cache/doctor").await?;
            desk.show(&sessions, || doctor(desk, &sessions))
        }
        CacheCommand::Explain { a, b } => {
            let body = json!({ "a": a, "b": b });
            let report: Value = desk.client.json(Method::POST, "/api/cache/explain", &body).await?;
            desk.show(&report, || report["text"].as_str().unwrap_or_default().to_owned())
        }
        CacheCommand::Calibrate { data, apply, revert } => {
            calibrate(desk, data.as_deref(), *apply, *revert).await
        }
        CacheCommand::Stats => {
            let figures: Figures = desk.client.get("/api/cache/stats").await?;
            desk.show(&with_rate(&figures)?, || stats(desk, &figures))
        }
    }
}

async fn calibrate(desk: &Desk, data: Option<&Path>, apply: bool, revert: bool) -> Result<(), Failure> {
    if revert {
        let done: Value = desk.client.delete("/api/cache/calibrate").await?;
        let said = desk.lang.pick("The shipped scores are in force.", "처음 기준을 씁니다.");
        return desk.show(&done, || said.to_owned());
    }
    let fits = |value: &Value| value["a"].is_string() && value["b"].is_string() && value["same"].is_boolean();
    let shape = r#"{"a": "…", "b": "…", "same": true}"#;
    let pairs = data.map(|path| json_lines(path, shape, fits)).transpose()?;
    let body = json!({ "pairs": pairs.unwrap_or_default(), "apply": apply });
    let found: Calibration = desk.client.json(Method::POST, "/api/cache/calibrate", &body).await?;
    desk.show(&found, || calibration(desk, &found))
}

#[derive(Serialize, Deserialize)]
struct Calibration {
    lookups: u64,
    rows: Vec<CalibrationRow>,
    applied: bool,
}

#[derive(Serialize, Deserialize)]
struct CalibrationRow {
    promise: f64,
    score: Option<f32>,
    shipped: Option<f32>,
    served: f64,
    wrong: f64,
}

fn calibration(desk: &Desk, found: &Calibration) -> String {
    let lang = desk.lang;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let score = |score: Option<f32>| score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"));
    let rows = found.rows.iter().map(|row| {
        vec![
            percent(row.promise),
            score(row.score),
            score(row.shipped),
            percent(row.served),
            percent(row.wrong),
        ]
    });
    let headings = lang.pick(
        [">promise", ">score", ">shipped", ">served", ">wrong"],
        [">약속", ">기준", ">처음 기준", ">제공", ">틀림"],
    );
    let lookups = found.lookups;
    let foot = match (found.applied, lang.pick(true, false)) {
        (true, true) => format!("{lookups} look-ups; in force now."),
        (true, false) => format!("조회 {lookups}개, 적용했습니다."),
        (false, true) => format!("{lookups} look-ups; `--apply` puts these scores in force."),
        (false, false) => format!("조회 {lookups}개. `--apply`로 적용하세요."),
    };
    format!("{}\n{foot}", table(&headings, rows))
}

async fn entries(desk: &Desk, model: Option<&str>, limit: u32) -> Result<Vec<Keyed>, Failure> {
    let model = model.map(|model| format!("&model={}", escaped(model))).unwrap_or_default();
    desk.client.get(&format!("/api/cache?limit={limit}{model}")).await
}

/// The one entry whose key begins so.
async fn find(desk: &Desk, text: &str) -> Result<Keyed, Failure> {
    let mut fits: Vec<_> =
        entries(desk, None, 10_000).await?.into_iter().filter(|entry| entry.key.starts_with(text)).collect();
    match (fits.pop(), fits.is_empty()) {
        (Some(entry), true) => Ok(entry),
        (None, _) => Err(Failure::plain(
            "cache.unknown",
            format!("no stored answer begins with `{text}`"),
            format!("`{text}`(으)로 시작하는 답이 없습니다"),
        )),
        (Some(_), false) => Err(Failure::plain(
            "cache.ambiguous",
            format!("several stored answers begin with `{text}`"),
            format!("`{text}`(으)로 시작하는 답이 여럿입니다"),
        )),
    }
}

fn before(text: &str) -> Result<Timestamp, Failure> {
    let fail = || {
        Failure::plain(
            "cache.age",
            format!("`{text}` is no age such as 24h"),
            format!("`{text}`은(는) 24h 같은 기간이 아닙니다"),
        )
    };
    Timestamp::now().checked_sub(parse_time(text).ok_or_else(fail)?).map_err(|_| fail())
}

fn list(desk: &Desk, entries: &[Keyed]) -> String {
    if entries.is_empty() {
        return desk.lang.pick("Nothing is stored.", "저장된 답이 없습니다.").to_owned();
    }
    let headings = desk.lang.pick(
        ["key", "question", "model", ">hits", ">cost", "stored", "until"],
        ["키", "질문", "모델", ">적중", ">비용", "저장", "만료"],
    );
    let time = |at: Timestamp| at.to_zoned(desk.config.time_zone.clone()).strftime("%m-%d %H:%M").to_string();
    let rows = entries.iter().map(|Keyed { key, entry, .. }| {
        vec![
            key.chars().take(12).collect(),
            entry.preview.clone(),
            format!("{}/{}", entry.provider, entry.model),
            entry.hits.to_string(),
            usd(entry.cost),
            time(entry.created),
            time(entry.expires),
        ]
    });
    table(&headings, rows)
}

fn show(desk: &Desk, Keyed { key, entry, bytes }: &Keyed) -> String {
    let time =
        |at: Timestamp| at.to_zoned(desk.config.time_zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let rows = [
        ("key", key.clone()),
        (desk.lang.pick("question", "질문"), entry.preview.clone()),
        (desk.lang.pick("model", "모델"), format!("{}/{}", entry.provider, entry.model)),
        (desk.lang.pick("tokens", "토큰"), grouped(entry.usage.total_tokens())),
        (desk.lang.pick("cost", "비용"), usd(entry.cost)),
        (desk.lang.pick("bytes", "바이트"), grouped(bytes.unwrap_or(0) as u64)),
        (desk.lang.pick("stored", "저장"), time(entry.created)),
        (desk.lang.pick("until", "만료"), time(entry.expires)),
    ];
    table(&["", ""], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}

fn doctor(desk: &Desk, sessions: &[PromptCacheReport]) -> String {
    if sessions.is_empty() {
        let (en, ko) = (
            "No prompt was long enough for a provider's cache since the server began.",
            "서버가 시작된 뒤로 제공자 캐시에 들어갈 만큼 긴 프롬프트가 없었습니다.",
        );
        return desk.lang.pick(en, ko).to_owned();
    }
    let headings = desk.lang.pick(
        ["session", "model", ">calls", ">prompt tokens", ">cached", ">saved", ">lost", "last break"],
        ["세션", "모델", ">호출", ">프롬프트 토큰", ">캐시", ">절약", ">손실", "마지막 끊김"],
    );
    let rows = sessions.iter().map(|session| {
        let share = (session.cached_tokens * 100).checked_div(session.prompt_tokens).unwrap_or(0);
        let last = session.breaks.last().map_or_else(
            || "-".to_owned(),
            |found| {
                let (place, byte, excerpt) = (&found.place, found.byte, &found.excerpt);
                desk.lang.pick(
                    format!("{place}, byte {byte}: \"{excerpt}\""),
                    format!("{place} {byte}번째 바이트: \"{excerpt}\""),
                )
            },
        );
        vec![
            session.session.clone(),
            session.model.clone(),
            grouped(session.calls),
            grouped(session.prompt_tokens),
            format!("{share} %"),
            usd(session.saved),
            usd(session.lost),
            last,
        ]
    });
    table(&headings, rows)
}

fn removed(desk: &Desk, gone: &Value) -> String {
    let count = gone["removed"].as_u64().unwrap_or(0);
    desk.lang.pick(format!("Removed {count}."), format!("{count}개를 지웠습니다."))
}

/// Per cent of lookups that hit, since the server began.
fn rate(figures: &Figures) -> u64 {
    (figures.hits * 100).checked_div(figures.lookups).unwrap_or(0)
}

fn with_rate(figures: &Figures) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(figures).map_err(|error| Failure::system("JSON", error))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("hit_rate_percent".into(), json!(rate(figures)));
    }
    Ok(value)
}

fn stats(desk: &Desk, figures: &Figures) -> String {
    let mib = |bytes: u64| format!("{} / {} MiB", bytes >> 20, figures.stored.cap_bytes >> 20);
    let full = (figures.stored.stored_bytes * 100).checked_div(figures.stored.cap_bytes).unwrap_or(0);
    let shared = figures.semantic.as_ref().map_or_else(
        || desk.lang.pick("off", "꺼짐").to_owned(),
        |s| {
            let (questions, lookups) = (grouped(s.questions), grouped(s.lookups));
            let (hits, refused) = (grouped(s.hits), grouped(s.refused));
            desk.lang.pick(
                format!("{hits} of {lookups} look-ups; {refused} turned away; {questions} questions"),
                format!("조회 {lookups}번 중 {hits}번; 거절 {refused}; 질문 {questions}개"),
            )
        },
    );
    let audits = figures.semantic.as_ref().map_or_else(
        || "-".to_owned(),
        |s| {
            desk.lang.pick(
                format!("{} of {} that could have been shared, and were compared", s.wrong, s.audited),
                format!("공유할 수 있었으나 비교한 답 {}개 중 {}개", s.audited, s.wrong),
            )
        },
    );
    let rows = [
        (
            desk.lang.pick("hit rate", "적중률"),
            format!("{} {} %  ({} / {})", bar(rate(figures)), rate(figures), figures.hits, figures.lookups),
        ),
        (desk.lang.pick("shared by meaning", "의미로 공유"), shared),
        (desk.lang.pick("false hits", "잘못된 적중"), audits),
        (desk.lang.pick("joined calls", "합류한 호출"), grouped(figures.joined)),
        (desk.lang.pick("bypassed", "우회"), grouped(figures.bypassed)),
        (desk.lang.pick("answers", "저장된 답"), grouped(figures.stored.entries)),
        (desk.lang.pick("size", "크기"), format!("{} {}", bar(full), mib(figures.stored.stored_bytes))),
        (desk.lang.pick("hits of stored answers", "저장된 답의 적중"), grouped(figures.stored.hits)),
        (desk.lang.pick("evicted", "밀려남"), grouped(figures.stored.evicted)),
        (desk.lang.pick("damaged", "손상"), grouped(figures.stored.damaged)),
        (desk.lang.pick("writes skipped", "건너뛴 저장"), grouped(figures.skipped_writes)),
    ];
    table(&["", ""], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}
