//! Typed reading of values; what does not fit is noted, and the default stands in so that reading goes on.

use super::field::{Field, Kind};
use super::fields::FIELDS;
use super::layers::{ConfigProblem, Layers, Origin};
use std::time::Duration;
use toml_edit::Value;

impl Layers {
    /// Where a setting comes from.
    pub(crate) fn origin(&self, setting: &str) -> Origin {
        self.values.get(setting).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// The value as text, as `config show` prints it.
    pub(crate) fn shown(&self, setting: &str, default: &str) -> String {
        self.values.get(setting).map_or_else(|| default.to_owned(), |(value, _)| plain(value))
    }

    pub(super) fn text(&mut self, setting: &str) -> String {
        let (value, origin) = self.value(setting);
        match (&value, kind_of(setting)) {
            (Value::String(text), Kind::OneOf(words))
                if !words.contains(&text.value().as_str()) && !text.value().is_empty() =>
            {
                let list = words.join(", ");
                self.wrong(
                    &origin,
                    setting,
                    format!("it must be one of {list}"),
                    format!("{list} 중 하나여야 합니다"),
                );
                default_of(setting).to_owned()
            }
            (Value::String(text), _) => text.value().clone(),
            _ => {
                self.wrong(&origin, setting, "it must be text", "문자열이어야 합니다");
                default_of(setting).to_owned()
            }
        }
    }

    pub(super) fn count(&mut self, setting: &str) -> u64 {
        let (value, origin) = self.value(setting);
        let found = match &value {
            Value::Integer(number) => u64::try_from(*number.value()).ok(),
            Value::String(text) => text.value().parse().ok(),
            _ => None,
        };
        found.unwrap_or_else(|| {
            self.wrong(&origin, setting, "it must be a whole number from 0", "0 이상의 정수여야 합니다");
            default_of(setting).parse().unwrap_or(0)
        })
    }

    /// A decimal number as its text.
    pub(super) fn decimal(&mut self, setting: &str) -> String {
        let (value, origin) = self.value(setting);
        let text = plain(&value);
        if crate::prices::scaled_decimal(&text, 9).is_some() {
            return text;
        }
        self.wrong(&origin, setting, "it must be a decimal number from 0", "0 이상의 소수여야 합니다");
        default_of(setting).to_owned()
    }

    pub(super) fn flag_value(&mut self, setting: &str) -> bool {
        let (value, origin) = self.value(setting);
        let found = match &value {
            Value::Boolean(flag) => Some(*flag.value()),
            Value::String(text) => text.value().parse().ok(),
            _ => None,
        };
        found.unwrap_or_else(|| {
            self.wrong(&origin, setting, "it must be true or false", "true 또는 false여야 합니다");
            default_of(setting) == "true"
        })
    }

    pub(super) fn time(&mut self, setting: &str) -> Duration {
        let (value, origin) = self.value(setting);
        parse_time(&plain(&value)).unwrap_or_else(|| {
            self.wrong(
                &origin,
                setting,
                "it must be a time such as 30s, 5m, 24h or 7d",
                "30s, 5m, 24h, 7d 같은 시간이어야 합니다",
            );
            parse_time(default_of(setting)).unwrap_or_default()
        })
    }

    pub(super) fn texts(&mut self, setting: &str) -> Vec<String> {
        let (value, origin) = self.value(setting);
        texts_of(&value).unwrap_or_else(|| {
            self.wrong(&origin, setting, "it must be a list of texts", "문자열 목록이어야 합니다");
            Vec::new()
        })
    }

    pub(super) fn wrong(
        &mut self,
        origin: &Origin,
        setting: &str,
        en: impl Into<String>,
        ko: impl Into<String>,
    ) {
        self.problems.push(ConfigProblem::new(origin, setting, en, ko));
    }

    /// The same with what helps; texts in English and Korean.
    pub(super) fn wrong_with_hint(
        &mut self,
        origin: &Origin,
        setting: &str,
        [en, ko]: [String; 2],
        [hint_en, hint_ko]: [&str; 2],
    ) {
        self.problems.push(ConfigProblem::new(origin, setting, en, ko).hint(hint_en, hint_ko));
    }

    /// The value written last, or the default.
    fn value(&self, setting: &str) -> (Value, Origin) {
        self.values.get(setting).cloned().unwrap_or_else(|| {
            let default = default_of(setting);
            let value = match kind_of(setting) {
                Kind::Text | Kind::OneOf(_) | Kind::Time | Kind::Decimal => Value::from(default),
                _ => default.parse().unwrap_or_else(|_| Value::from(default)),
            };
            (value, Origin::Default)
        })
    }
}

fn kind_of(setting: &str) -> Kind {
    find(setting).map_or(Kind::Text, |field| field.kind)
}

fn default_of(setting: &str) -> &'static str {
    find(setting).map_or("", |field| field.default)
}

fn find(setting: &str) -> Option<&'static Field> {
    let (section, key) = setting.split_once('.')?;
    FIELDS.iter().find(|field| field.section == section && field.key == key)
}

/// A list of texts, or a single one.
pub(super) fn texts_of(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::String(text) => Some(
            text.value()
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect(),
        ),
        _ => None,
    }
}

/// A value without quotes or decoration.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.value().clone(),
        Value::Float(number) => number.display_repr().trim().to_owned(),
        Value::Integer(number) => number.value().to_string(),
        other => other.to_string().trim().to_owned(),
    }
}

/// `30s`, `5m`, `24h`, `7d`; a bare number means seconds.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}

/// Every setting with its value and where it comes from.
pub(crate) fn shown_settings(layers: &Layers) -> Vec<(String, String, String)> {
    let row = |field: &Field| {
        let setting = format!("{}.{}", field.section, field.key);
        (setting.clone(), layers.shown(&setting, field.default), layers.origin(&setting).to_string())
    };
    FIELDS.iter().map(row).collect()
}
