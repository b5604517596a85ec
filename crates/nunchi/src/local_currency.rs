//! Amounts in the owner's currency beside those in billionths of a dollar, in what commands print as JSON. The dollars are what
//! counts; the others say with which rate, and of which day, they were made.

use crate::config::Rate;
use nunchi_core::NanoUsd;
use serde::Serialize;
use serde_json::{Map, Value};

/// The value as JSON. Where an object holds amounts in these fields, a field named after the currency tells them in it, with the
/// rate. Counts of tokens stay alone.
pub(crate) fn with_local(value: &impl Serialize, fields: &[&str], rate: &Rate) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(value)?;
    add(&mut value, fields, rate);
    Ok(value)
}

fn add(value: &mut Value, fields: &[&str], rate: &Rate) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| add(item, fields, rate)),
        Value::Object(map) => {
            map.values_mut().for_each(|value| add(value, fields, rate));
            let of = |field: &str| {
                let amount = map.get(field)?;
                let nanos = amount.as_i64().or_else(|| amount.get("money")?.as_i64())?;
                Some((field.to_owned(), Value::from(amount_text(NanoUsd(nanos), rate))))
            };
            let tokens = map.get("limit").is_some_and(|limit| limit.get("tokens").is_some());
            let mut local: Map<_, _> =
                fields.iter().filter(|_| !tokens).filter_map(|field| of(field)).collect();
            if local.is_empty() {
                return;
            }
            local.insert("per_usd".into(), thousandths(rate.currency.milli_units_per_usd).into());
            local.insert("as_of".into(), rate.as_of.map_or(Value::Null, |day| day.to_string().into()));
            map.insert(rate.currency.code.to_lowercase(), local.into());
        }
        _ => {}
    }
}

/// An exact product, rounded to ten-thousandths of the unit: a call often costs less than one won.
fn amount_text(amount: NanoUsd, rate: &Rate) -> String {
    let product = i128::from(amount.0) * i128::from(rate.currency.milli_units_per_usd);
    let unit = i128::from(NanoUsd::PER_USD) / 10;
    let rounded = (product.abs() + unit / 2) / unit;
    let sign = if product < 0 && rounded > 0 { "-" } else { "" };
    trimmed(&format!("{sign}{}.{:04}", rounded / 10_000, rounded % 10_000))
}

fn thousandths(number: i64) -> String {
    trimmed(&format!("{}.{:03}", number / 1_000, number % 1_000))
}

fn trimmed(text: &str) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_api::Currency;
    use serde_json::json;

    fn won() -> Rate {
        let currency = Currency { code: "KRW".into(), milli_units_per_usd: 1_390_500 };
        Rate { currency, as_of: Some(jiff::civil::date(2026, 11, 20)) }
    }

    #[test]
    fn amounts_are_rounded_once() {
        for (nanos, text) in [
            (0, "0"),
            (NanoUsd::PER_USD, "1390.5"),
            (-NanoUsd::PER_USD / 1_000, "-1.3905"),
            (100, "0.0001"),
            (10, "0"),
            (-10, "0"),
            (i64::MAX, "12825098817246.5658"),
        ] {
            assert_eq!(amount_text(NanoUsd(nanos), &won()), text);
        }
    }

    #[test]
    fn dollars_stay_and_tokens_stay_alone() {
        let value = json!({
            "groups": [{"group": "a", "cost": 2_000_000_000, "calls": 7}],
            "budgets": [
                {"limit": {"money": 1_000_000_000}, "spent": 500_000_000},
                {"limit": {"tokens": 1_000}, "spent": 500},
            ],
        });
        let shown = with_local(&value, &["cost", "limit", "spent"], &won()).unwrap();
        let of = |mut amounts: Value| {
            amounts["per_usd"] = "1390.5".into();
            amounts["as_of"] = "2026-11-20".into();
            amounts
        };
        assert_eq!((&shown["groups"][0]["cost"], shown.get("krw")), (&json!(2_000_000_000), None));
        assert_eq!(shown["groups"][0]["krw"], of(json!({"cost": "2781"})));
        assert_eq!(shown["budgets"][0]["krw"], of(json!({"limit": "1390.5", "spent": "695.25"})));
        assert_eq!(shown["budgets"][1], json!({"limit": {"tokens": 1_000}, "spent": 500}));
    }
}
