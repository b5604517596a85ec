//! `budget`: what may be spent, and where that stands.

use super::{Desk, escaped};
use crate::cli::BudgetCommand;
use crate::failure::Failure;
use crate::render::{bar, table, units};
use http::Method;
use nunchi_core::{
    Amount, Budget, BudgetAction, BudgetId, BudgetNotice, BudgetScope, BudgetState, BudgetWindow, NanoUsd,
    Threshold,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
struct Standing {
    budget: Budget,
    state: BudgetState,
}

/// Runs a budget command.
pub(crate) async fn budget(desk: &Desk, command: &BudgetCommand) -> Result<(), Failure> {
    match command {
        BudgetCommand::List => {
            let all: Vec<Standing> = desk.client.get("/api/budgets").await?;
            desk.show_money(&all, &["limit", "spent", "held"], || list(desk, &all))
        }
        BudgetCommand::Set { name, limit, window, scope, at } => {
            let scope = read_scope(scope, desk).await?;
            let body = wish(name, limit, window, &scope, at)?;
            let made: Budget = desk.client.json(Method::PUT, "/api/budgets", &body).await?;
            desk.show(&made, || {
                desk.lang.pick(
                    format!("Budget \"{name}\" is in force."),
                    format!("예산 \"{name}\"이(가) 적용됩니다."),
                )
            })
        }
        BudgetCommand::Remove { name } => {
            let all: Vec<Standing> = desk.client.get("/api/budgets").await?;
            let id: Option<BudgetId> = name.parse().ok();
            let found =
                all.iter().find(|standing| standing.budget.name == *name || Some(standing.budget.id) == id);
            let Some(found) = found else {
                return Err(Failure::plain(
                    "budget.unknown",
                    format!("there is no budget `{name}`"),
                    format!("예산 `{name}`이(가) 없습니다"),
                )
                .with_hint("`nunchi budget list` shows them.", "`nunchi budget list`로 확인하세요."));
            };
            let gone: Value = desk
                .client
                .delete(&format!("/api/budgets/{}", escaped(&found.budget.id.to_string())))
                .await?;
            desk.show(&gone, || {
                desk.lang
                    .pick(format!("Budget \"{name}\" is gone."), format!("예산 \"{name}\"을(를) 지웠습니다."))
            })
        }
        BudgetCommand::Notices => {
            let notices: Vec<BudgetNotice> = desk.client.get("/api/notices").await?;
            desk.show(&notices, || notices_text(desk, &notices))
        }
    }
}

fn list(desk: &Desk, all: &[Standing]) -> String {
    let headings = desk.lang.pick(
        ["budget", "scope", "window", ">limit", ">spent", ">held", ">left", ">%", "", "at"],
        ["예산", "범위", "기간", ">한도", ">사용", ">예약", ">남음", ">%", "", "단계"],
    );
    let rows = all.iter().map(|Standing { budget, state }| {
        let at: Vec<_> =
            budget.thresholds.iter().map(|t| format!("{}={}", t.percent, word(t.action))).collect();
        vec![
            budget.name.clone(),
            scope_text(&budget.scope),
            serde_word(&budget.window),
            units(state, state.limit_units()),
            units(state, state.spent),
            units(state, state.held),
            units(state, state.remaining_units()),
            state.percent().to_string(),
            bar(state.percent()),
            at.join(" "),
        ]
    });
    table(&headings, rows)
}

fn notices_text(desk: &Desk, notices: &[BudgetNotice]) -> String {
    if notices.is_empty() {
        return desk.lang.pick("No threshold was reached.", "도달한 단계가 없습니다.").to_owned();
    }
    let headings = desk
        .lang
        .pick(["when", "budget", ">at %", "action", ">spent"], ["시각", "예산", ">%", "조치", ">사용"]);
    let zone = &desk.config.time_zone;
    let rows = notices.iter().map(|notice| {
        vec![
            notice.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
            notice.state.name.clone(),
            notice.threshold.percent.to_string(),
            word(notice.threshold.action),
            units(&notice.state, notice.state.spent),
        ]
    });
    table(&headings, rows)
}

/// The body of a budget to be set. Without thresholds: tell at 50 and 75, one tier lower at 90, local only at 100.
pub(crate) fn wish(
    name: &str,
    limit: &str,
    window: &str,
    scope: &Value,
    at: &[String],
) -> Result<Value, Failure> {
    let amount = read_amount(limit).ok_or_else(|| bad("limit", limit, "5usd, 0.50usd, 200000tokens"))?;
    let window: BudgetWindow = serde_json::from_value(Value::from(window))
        .map_err(|_| bad("window", window, "day, week, month, total"))?;
    let thresholds = if at.is_empty() {
        usual_thresholds()
    } else {
        at.iter().map(|text| threshold(text)).collect::<Result<_, _>>()?
    };
    let mut body = json!({ "name": name, "window": window, "limit": amount, "thresholds": thresholds });
    if let (Some(body), Some(scope)) = (body.as_object_mut(), scope.as_object()) {
        body.extend(scope.clone());
    }
    Ok(body)
}

/// Tell at 50 and 75 per cent, one tier lower at 90, local models only at 100.
pub(crate) fn usual_thresholds() -> Vec<Threshold> {
    use BudgetAction::{Downgrade, LocalOnly, Notify};
    [(50, Notify), (75, Notify), (90, Downgrade), (100, LocalOnly)]
        .map(|(percent, action)| Threshold { percent, action })
        .to_vec()
}

/// `5usd`, `$5`, `200000tokens`.
pub(crate) fn read_amount(text: &str) -> Option<Amount> {
    let lower = text.trim().to_ascii_lowercase();
    if let Some(number) = lower.strip_suffix("tokens").or_else(|| lower.strip_suffix("token")) {
        return number.trim().replace('_', "").parse().ok().map(Amount::Tokens);
    }
    let money = lower.strip_suffix("usd").unwrap_or(&lower).trim();
    money.parse::<NanoUsd>().ok().filter(|money| *money >= NanoUsd::ZERO).map(Amount::Money)
}

fn threshold(text: &str) -> Result<Threshold, Failure> {
    let fail = || bad("at", text, "75=notify, 90=downgrade, 100=local_only, 100=stop");
    let (percent, action) = text.split_once('=').ok_or_else(fail)?;
    let percent = percent
        .trim()
        .trim_end_matches('%')
        .parse()
        .ok()
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(fail)?;
    let action = serde_json::from_value(Value::from(action.trim().replace('-', "_"))).map_err(|_| fail())?;
    Ok(Threshold { percent, action })
}

/// `everything`, or a kind and a value; keys may be named.
async fn read_scope(text: &str, desk: &Desk) -> Result<Value, Failure> {
    let fail = || bad("scope", text, "everything, key:NAME, session:ID, task:T, tag:T, provider:P, model:M");
    let Some((kind, value)) = text.split_once(':') else {
        return if text == "everything" { Ok(json!({ "scope": "everything" })) } else { Err(fail()) };
    };
    let value =
        if kind == "key" { super::keys::find(desk, value).await?.id.to_string() } else { value.to_owned() };
    let scope = json!({ "scope": kind, "of": value });
    serde_json::from_value::<BudgetScope>(scope.clone()).map(|_| scope).map_err(|_| fail())
}

fn scope_text(scope: &BudgetScope) -> String {
    let value = serde_json::to_value(scope).unwrap_or_default();
    let of = value["of"].as_str().map(|of| format!(":{of}")).unwrap_or_default();
    format!("{}{of}", value["scope"].as_str().unwrap_or("?"))
}

fn word(action: BudgetAction) -> String {
    serde_word(&action)
}

fn serde_word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn bad(what: &str, text: &str, examples: &str) -> Failure {
    Failure::plain(
        "budget.invalid",
        format!("`{text}` is no {what}; it is written like {examples}"),
        format!("`{text}`은(는) {what} 값이 아닙니다. 예: {examples}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_thresholds() {
        assert_eq!(read_amount("5usd"), Some(Amount::Money(NanoUsd::from_usd(5))));
        assert_eq!(read_amount("$0.5"), Some(Amount::Money(NanoUsd(500_000_000))));
        assert_eq!(read_amount("200000tokens"), Some(Amount::Tokens(200_000)));
        for bad in ["-1usd", "lots", "5 eur", "-3tokens"] {
            assert_eq!(read_amount(bad), None, "{bad}");
        }
        assert_eq!(
            threshold("90%=local-only").unwrap(),
            Threshold { percent: 90, action: BudgetAction::LocalOnly }
        );
        for bad in ["0=stop", "101=stop", "50", "50=explode"] {
            assert!(threshold(bad).is_err(), "{bad}");
        }
    }
}
