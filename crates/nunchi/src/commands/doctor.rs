//! `doctor`: checks everything a user depends on, and says what helps where it does not work.

use super::{Desk, print_json, print_line};
use crate::failure::Failure;
use crate::tls::{read_certificate, valid_until};
use crate::weights;
use nunchi_core::Explain;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Too little room on a disk to go on, in bytes.
const SCARCE: u64 = 64 << 20;

/// So little that it is worth telling.
const LITTLE: u64 = 1 << 30;

/// Days before its end from which a certificate is worth a word.
const SOON: i64 = 14;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    what: String,
    verdict: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn new(what: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict, detail: detail.into(), hint: None }
    }

    fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

/// Runs all checks; fails when one of them does.
pub(crate) async fn doctor(desk: &Desk) -> Result<(), Failure> {
    let mut checks = vec![server(desk), home(desk), clock(desk)];
    checks.extend(tls(desk));
    checks.extend(ledger(desk).await);
    checks.extend(disk(desk));
    checks.extend(weight_checks(desk).await?);
    for provider in &desk.config.providers {
        checks.push(
            reach(desk, &provider.name, &provider.base_url, provider.secret.is_some() || provider.local)
                .await,
        );
    }
    if desk.config.providers.is_empty() {
        let (what, detail) =
            desk.lang.pick(("providers", "none is configured"), ("제공자", "설정된 것이 없습니다"));
        let hint = desk.lang.pick(
            "Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, PERPLEXITY_API_KEY or OLLAMA_HOST.",
            "OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, PERPLEXITY_API_KEY 또는 OLLAMA_HOST를 설정하세요.",
        );
        checks.push(Check::new(what, Verdict::Warn, detail).hint(hint));
    }
    if desk.json {
        print_json(&checks)?;
    } else {
        checks.iter().try_for_each(|check| print_line(&line(check)))?;
    }
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::plain(
        "doctor.failed",
        format!("{failed} check(s) failed"),
        format!("점검 {failed}개가 실패했습니다"),
    ))
}

fn line(check: &Check) -> String {
    let mark = match check.verdict {
        Verdict::Ok => "✔",
        Verdict::Warn => "!",
        Verdict::Fail => "✘",
    };
    let hint = check.hint.as_ref().map(|hint| format!("\n    → {hint}")).unwrap_or_default();
    format!("{mark} {}: {}{hint}", check.what, check.detail)
}

fn server(desk: &Desk) -> Check {
    let what = desk.lang.pick("server", "서버");
    if desk.client.is_remote() {
        let address = desk.home.server().map(|note| note.base()).unwrap_or_default();
        return Check::new(
            what,
            Verdict::Ok,
            desk.lang.pick(format!("runs at {address}"), format!("{address}에서 실행 중")),
        );
    }
    match std::net::TcpListener::bind(desk.config.listening.address) {
        Ok(_) => Check::new(
            what,
            Verdict::Ok,
            desk.lang.pick("not running; its port is free", "꺼져 있고 포트는 비어 있습니다"),
        ),
        Err(error) => Check::new(what, Verdict::Warn, format!("{}: {error}", desk.config.listening.address))
            .hint(desk.lang.pick(
                "Another program listens there; choose another with --listen.",
                "다른 프로그램이 쓰고 있습니다. --listen으로 바꾸세요.",
            )),
    }
}

/// Whether what others send can be read on the way, and until when the certificate is good.
fn tls(desk: &Desk) -> Option<Check> {
    const WHAT: &str = "TLS";
    let lang = desk.lang;
    let Some(files) = &desk.config.listening.tls else {
        let detail = lang.pick(
            "others are served without it, as [server] plain allows",
            "[server] plain 설정에 따라 TLS 없이 외부에 제공합니다",
        );
        return (!desk.config.listening.address.ip().is_loopback())
            .then(|| Check::new(WHAT, Verdict::Warn, detail));
    };
    let certificate = match read_certificate(&files.within(desk.home.path())) {
        Ok(certificate) => certificate,
        Err(failure) => {
            let mut check = Check::new(WHAT, Verdict::Fail, failure.message(lang));
            check.hint = failure.hint(lang);
            return Some(check);
        }
    };
    let shown = files.certificate.display();
    let Some(until) = certificate.cert.first().and_then(|certificate| valid_until(certificate)) else {
        return Some(Check::new(WHAT, Verdict::Warn, shown.to_string()));
    };
    let days = until.duration_since(jiff::Timestamp::now()).as_hours() / 24;
    let day = until.strftime("%Y-%m-%d");
    let detail = lang.pick(format!("{shown}: valid until {day} UTC"), format!("{shown}: {day} UTC까지 유효"));
    let verdict = match days {
        ..0 => Verdict::Fail,
        0..SOON => Verdict::Warn,
        _ => return Some(Check::new(WHAT, Verdict::Ok, detail)),
    };
    let hint = lang.pick(
        "Renew it; the server takes the new files up by itself.",
        "갱신하세요. 서버가 새 파일을 스스로 읽습니다.",
    );
    Some(Check::new(WHAT, verdict, detail).hint(hint))
}

fn home(desk: &Desk) -> Check {
    let probe = desk.home.file(".probe");
    let what = desk.lang.pick("home folder", "홈 폴더");
    let shown = desk.home.path().display().to_string();
    match std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => Check::new(what, Verdict::Ok, shown),
        Err(error) => Check::new(what, Verdict::Fail, format!("{shown}: {error}")).hint(desk.lang.pick(
            "It must be writable and the disk must have room.",
            "쓸 수 있어야 하고 디스크에 여유가 있어야 합니다.",
        )),
    }
}

fn clock(desk: &Desk) -> Check {
    let now = jiff::Timestamp::now();
    let sane = now.as_second() > 1_780_000_000;
    let verdict = if sane { Verdict::Ok } else { Verdict::Fail };
    Check::new(desk.lang.pick("clock", "시계"), verdict, now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// What the server itself says of its parts.
async fn ledger(desk: &Desk) -> Vec<Check> {
    let overview: Value = match desk.client.get("/api/overview").await {
        Ok(overview) => overview,
        Err(failure) => {
            let mut check =
                Check::new(desk.lang.pick("ledger", "장부"), Verdict::Fail, failure.message(desk.lang));
            check.hint = failure.hint(desk.lang);
            return vec![check];
        }
    };
    let mut checks: Vec<_> = overview["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|check| {
            let verdict = if check["ok"] == true { Verdict::Ok } else { Verdict::Fail };
            let text = |field: &str| match check[field].as_str().unwrap_or("?") {
                "ledger" => desk.lang.pick("ledger", "장부").to_owned(),
                "open" => desk.lang.pick("open", "열림").to_owned(),
                other => other.to_owned(),
            };
            Check::new(text("name"), verdict, text("detail"))
        })
        .collect();
    for health in
        overview["health"].as_array().into_iter().flatten().filter(|health| health["breaker"] != "closed")
    {
        let name = format!(
            "{}/{}",
            health["provider"].as_str().unwrap_or("?"),
            health["model"].as_str().unwrap_or("?")
        );
        checks.push(Check::new(
            name,
            Verdict::Warn,
            format!(
                "{} {}",
                desk.lang.pick("circuit breaker", "차단기"),
                health["breaker"].as_str().unwrap_or("?")
            ),
        ));
    }
    checks
}

/// Whether the weights in use are here and are what they should be; reading them takes a moment.
async fn weight_checks(desk: &Desk) -> Result<Vec<Check>, Failure> {
    let local = &desk.config.local;
    if !local.enabled {
        return Ok(Vec::new());
    }
    let store = weights::store(local)?;
    let mut checks = Vec::new();
    for id in [&local.chat, &local.encoder] {
        let what = desk.lang.pick(format!("weights {id}"), format!("가중치 {id}"));
        if !store.has(id) {
            let missing = Check::new(what, Verdict::Warn, desk.lang.pick("not fetched", "없음"));
            let hint =
                desk.lang.pick("`nunchi models pull` fetches them.", "`nunchi models pull`로 받으세요.");
            checks.push(missing.hint(hint));
            continue;
        }
        let (verifier, name) = (Arc::clone(&store), id.clone());
        let verified = tokio::task::spawn_blocking(move || verifier.verify(&name)).await;
        checks.push(match verified.map_err(|error| Failure::system("weights", error))? {
            Ok(()) => Check::new(what, Verdict::Ok, desk.lang.pick("here, hash right", "있음, 해시 일치")),
            Err(error) => {
                let mut wrong = Check::new(what, Verdict::Fail, error.message(desk.lang));
                wrong.hint = error.hint(desk.lang);
                wrong
            }
        });
    }
    Ok(checks)
}

/// Room on the home folder's disk.
fn disk(desk: &Desk) -> Option<Check> {
    let free = free_bytes(desk.home.path())?;
    let what = desk.lang.pick("disk", "디스크");
    let detail = desk.lang.pick(format!("{} MB free", free >> 20), format!("{} MB 남음", free >> 20));
    let verdict = match free {
        0..SCARCE => Verdict::Fail,
        SCARCE..LITTLE => Verdict::Warn,
        _ => return Some(Check::new(what, Verdict::Ok, detail)),
    };
    let hint = desk.lang.pick(
        "Free some space; without any, calls are refused.",
        "공간을 비우세요. 공간이 없으면 호출이 거절됩니다.",
    );
    Some(Check::new(what, verdict, detail).hint(hint))
}

#[cfg(unix)]
fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &std::path::Path) -> Option<u64> {
    None
}

/// Whether a provider's host takes connections, and whether it has a key.
async fn reach(desk: &Desk, name: &str, base_url: &str, has_key: bool) -> Check {
    let Some((host, port)) = host_of(base_url) else {
        return Check::new(name, Verdict::Fail, format!("{base_url} is no address"));
    };
    let connect =
        tokio::time::timeout(Duration::from_secs(3), tokio::net::TcpStream::connect((host.as_str(), port)));
    let reached = match connect.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(desk.lang.pick("no answer in 3 s", "3초 안에 응답 없음").to_owned()),
    };
    match (reached, has_key) {
        (Ok(()), true) => Check::new(name, Verdict::Ok, base_url),
        (Ok(()), false) => {
            Check::new(
                name,
                Verdict::Warn,
                desk.lang.pick("reached, but it has no API key", "연결되지만 API 키가 없습니다"),
            )
            .hint(desk.lang.pick(
                "Set the variable that api_key_env names.",
                "api_key_env가 가리키는 변수를 설정하세요.",
            ))
        }
        (Err(error), _) => Check::new(name, Verdict::Fail, format!("{base_url}: {error}"))
            .hint(desk.lang.pick("Check the network and the base_url.", "네트워크와 base_url을 확인하세요.")),
    }
}

fn host_of(base_url: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(base_url).ok()?;
    Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?))
}
