//! `keys`: virtual keys.

use super::{Desk, budget, escaped};
use crate::cli::KeysCommand;
use crate::config::parse_time;
use crate::failure::Failure;
use crate::render::table;
use http::Method;
use jiff::Timestamp;
use nunchi_core::{Budget, KeyId, VirtualKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A key and, once, its secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) about: VirtualKey,
}

/// Runs a keys command.
pub(crate) async fn keys(desk: &Desk, command: &KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Create { name, budget, models, rpm, tpm, concurrent, expires, admin } => {
            let wish = json!({
                "name": name,
                "role": if *admin { "admin" } else { "caller" },
                "allowed_models": models,
                "limits": { "requests_per_minute": rpm, "tokens_per_minute": tpm, "concurrent": concurrent },
                "expires": expires.as_deref().map(expiry).transpose()?,
            });
            let limit = budget.as_deref().map(split_budget).transpose()?;
            let made: Made = desk.client.json(Method::POST, "/api/keys", &wish).await?;
            if let Some((amount, window)) = limit {
                own_budget(desk, &made.about, &amount, &window).await?;
            }
            desk.show(&made, || shown_once(desk, &made))
        }
        KeysCommand::List => {
            let all: Vec<VirtualKey> = desk.client.get("/api/keys").await?;
            desk.show(&all, || list(desk, &all))
        }
        KeysCommand::Revoke { key } => {
            let id = find(desk, key).await?.id.to_string();
            let gone: VirtualKey = desk.client.delete(&format!("/api/keys/{}", escaped(&id))).await?;
            desk.show(&gone, || {
                desk.lang.pick(
                    format!("Key \"{}\" is revoked.", gone.name),
                    format!("키 \"{}\"을(를) 폐기했습니다.", gone.name),
                )
            })
        }
        KeysCommand::Rotate { key } => {
            let id = find(desk, key).await?.id.to_string();
            let made: Made = desk
                .client
                .json(Method::POST, &format!("/api/keys/{}/rotate", escaped(&id)), &Value::Null)
                .await?;
            desk.show(&made, || shown_once(desk, &made))
        }
    }
}

/// The one key of that name, prefix or id; keys that work come before revoked ones.
pub(crate) async fn find(desk: &Desk, text: &str) -> Result<VirtualKey, Failure> {
    let all: Vec<VirtualKey> = desk.client.get("/api/keys").await?;
    let id: Option<KeyId> = text.parse().ok();
    let fits = |key: &&VirtualKey| {
        key.name == text || key.prefix == text || Some(key.id) == id || text.starts_with(&key.prefix)
    };
    let mut found: Vec<_> = all.iter().filter(fits).collect();
    if found.iter().any(|key| key.revoked.is_none()) {
        found.retain(|key| key.revoked.is_none());
    }
    match found.as_slice() {
        [key] => Ok((*key).clone()),
        [] => Err(Failure::plain(
            "key.unknown",
            format!("there is no key `{text}`"),
            format!("키 `{text}`이(가) 없습니다"),
        )
        .with_hint("`nunchi keys list` shows them.", "`nunchi keys list`로 확인하세요.")),
        _ => Err(Failure::plain(
            "key.ambiguous",
            format!("`{text}` fits several keys"),
            format!("`{text}`에 맞는 키가 여럿입니다"),
        )
        .with_hint("Use the id.", "id를 쓰세요.")),
    }
}

async fn own_budget(desk: &Desk, key: &VirtualKey, amount: &str, window: &str) -> Result<(), Failure> {
    let scope = json!({ "scope": "key", "of": key.id });
    let name = format!("key {} ({})", key.name, key.prefix);
    let stop = ["75=notify".to_owned(), "90=notify".to_owned(), "100=local_only".to_owned()];
    let body = budget::wish(&name, amount, window, &scope, &stop)?;
    let _made: Budget = desk.client.json(Method::PUT, "/api/budgets", &body).await?;
    Ok(())
}

/// `1usd/day` as its two halves, checked before anything is made.
fn split_budget(text: &str) -> Result<(String, String), Failure> {
    let (amount, window) = text.split_once('/').unwrap_or((text, "total"));
    budget::wish("-", amount, window, &json!({ "scope": "everything" }), &[])?;
    Ok((amount.to_owned(), window.to_owned()))
}

fn expiry(text: &str) -> Result<Timestamp, Failure> {
    let fail = || {
        Failure::plain(
            "key.expiry",
            format!("`{text}` is no length of time such as 30d"),
            format!("`{text}`은(는) 30d 같은 기간이 아닙니다"),
        )
    };
    let length = parse_time(text).filter(|length| !length.is_zero()).ok_or_else(fail)?;
    Timestamp::now().checked_add(length).map_err(|_| fail())
}

fn shown_once(desk: &Desk, made: &Made) -> String {
    let name = &made.about.name;
    desk.lang.pick(
        format!("{}\nThis is the only time the key \"{name}\" is shown.", made.key),
        format!("{}\n키 \"{name}\"은(는) 지금만 보입니다.", made.key),
    )
}

fn list(desk: &Desk, all: &[VirtualKey]) -> String {
    let headings = desk.lang.pick(
        ["name", "key", "role", "models", "limits", "made", "state"],
        ["이름", "키", "역할", "모델", "제한", "만든 날", "상태"],
    );
    let day = |at: Timestamp| at.to_zoned(desk.config.time_zone.clone()).strftime("%Y-%m-%d").to_string();
    let now = Timestamp::now();
    let rows = all.iter().map(|key| {
        let limits = [
            key.limits.requests_per_minute.map(|n| format!("{n} rpm")),
            key.limits.tokens_per_minute.map(|n| format!("{n} tpm")),
            key.limits.concurrent.map(|n| format!("{n} at once")),
        ];
        let state = match (key.revoked, key.expires) {
            (Some(at), _) => desk.lang.pick(format!("revoked {}", day(at)), format!("{} 폐기", day(at))),
            (None, Some(at)) if at <= now => {
                desk.lang.pick(format!("expired {}", day(at)), format!("{} 만료", day(at)))
            }
            (None, Some(at)) => desk.lang.pick(format!("until {}", day(at)), format!("{}까지", day(at))),
            (None, None) => desk.lang.pick("works", "사용 중").to_owned(),
        };
        let models =
            if key.allowed_models.is_empty() { "*".to_owned() } else { key.allowed_models.join(", ") };
        let role = format!("{:?}", key.role).to_lowercase();
        let limits = limits.into_iter().flatten().collect::<Vec<_>>().join(", ");
        vec![key.name.clone(), format!("{}…", key.prefix), role, models, limits, day(key.created), state]
    });
    table(&headings, rows)
}
