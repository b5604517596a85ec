//! Providers: those in the file, and those whose keys stand in the environment.

use super::layers::{ConfigProblem, Layers, Origin, Written};
use super::reading::{parse_time, plain, texts_of};
use super::resolved::Config;
use nunchi_providers::{ProviderKind, Secret};
use std::collections::BTreeMap;
use std::time::Duration;
use toml_edit::Value;

/// A provider as configured.
#[derive(Clone, Debug)]
pub(crate) struct ProviderEntryConfig {
    pub(crate) name: String,
    pub(crate) kind: ProviderKind,
    pub(crate) base_url: String,
    pub(crate) secret: Option<Secret>,
    pub(crate) models: Vec<String>,
    pub(crate) price_from: String,
    pub(crate) local: bool,
    /// Whether it has a Batch API; `None` leaves it to its kind and place.
    pub(crate) batch: Option<bool>,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) origin: Origin,
}

/// Dialects by the name used in the file.
const KINDS: [(&str, ProviderKind); 7] = [
    ("openai", ProviderKind::OpenAi),
    ("openai_responses", ProviderKind::OpenAiResponses),
    ("anthropic", ProviderKind::Anthropic),
    ("gemini", ProviderKind::Gemini),
    ("ollama", ProviderKind::Ollama),
    ("perplexity", ProviderKind::Perplexity),
    ("compatible", ProviderKind::Compatible),
];

/// Variables that bring a provider by themselves.
const KEYS: [(&str, &str, ProviderKind); 4] = [
    ("OPENAI_API_KEY", "openai", ProviderKind::OpenAi),
    ("ANTHROPIC_API_KEY", "anthropic", ProviderKind::Anthropic),
    ("GEMINI_API_KEY", "gemini", ProviderKind::Gemini),
    ("PERPLEXITY_API_KEY", "perplexity", ProviderKind::Perplexity),
];

impl Layers {
    /// The providers in the file, then those of the environment that are not named there.
    pub(super) fn read_providers(
        &mut self,
        variables: &BTreeMap<String, String>,
    ) -> Vec<ProviderEntryConfig> {
        let mut providers: Vec<ProviderEntryConfig> = Vec::new();
        let written = self.lists.get("providers").cloned().unwrap_or_default();
        for (table, origin) in &written {
            if let Some(provider) = self.read_provider(table, origin, variables) {
                if providers.iter().any(|other| other.name == provider.name) {
                    let setting = format!("providers.{}", provider.name);
                    self.wrong(origin, &setting, "the name is used twice", "이름이 두 번 쓰였습니다");
                    continue;
                }
                providers.push(provider);
            }
        }
        for (variable, name, kind) in KEYS {
            let value = variables.get(variable).filter(|value| !value.trim().is_empty());
            if let Some(value) = value.filter(|_| providers.iter().all(|provider| provider.name != name)) {
                providers.push(ProviderEntryConfig::of_environment(
                    variable,
                    name,
                    kind,
                    Some(Secret::new(value.as_str())),
                ));
            }
        }
        if let Some(host) = variables.get("OLLAMA_HOST").filter(|host| !host.trim().is_empty())
            && providers.iter().all(|provider| provider.name != "ollama")
        {
            let mut ollama =
                ProviderEntryConfig::of_environment("OLLAMA_HOST", "ollama", ProviderKind::Ollama, None);
            ollama.base_url = ollama_base_url(host.trim());
            providers.push(ollama);
        }
        providers
    }

    fn read_provider(
        &mut self,
        table: &Written,
        origin: &Origin,
        variables: &BTreeMap<String, String>,
    ) -> Option<ProviderEntryConfig> {
        let text = |key: &str| table.get(key).map(|(value, _)| plain(value));
        let flag = |key: &str, default: bool| {
            table.get(key).and_then(|(value, _)| value.as_bool()).unwrap_or(default)
        };
        if !flag("enabled", true) {
            return None;
        }
        let mut missing =
            |key: &str, en: &str, ko: &str| self.wrong(origin, &format!("providers.{key}"), en, ko);
        let name = text("name").filter(|name| !name.is_empty() && !name.contains('/'));
        if name.is_none() {
            missing("name", "a provider needs a name without `/`", "`/`가 없는 이름이 필요합니다");
        }
        let dialect = text("dialect").unwrap_or_default();
        let kind = KINDS.iter().find(|(word, _)| *word == dialect).map(|(_, kind)| *kind);
        if kind.is_none() {
            let words = KINDS.map(|(word, _)| word).join(", ");
            missing("dialect", &format!("it must be one of {words}"), &format!("{words} 중 하나여야 합니다"));
        }
        let (name, kind) = (name?, kind?);
        let base_url = text("base_url").or_else(|| kind.default_base_url().map(str::to_owned));
        let known_url =
            base_url.as_deref().is_some_and(|url| url.starts_with("http://") || url.starts_with("https://"));
        if !known_url {
            missing(
                "base_url",
                "it must begin with http:// or https://",
                "http:// 또는 https://로 시작해야 합니다",
            );
        }
        let batch = table.get("batch").and_then(|(value, _)| value.as_bool());
        if batch == Some(true) && !kind.has_batches() {
            missing("batch", "this dialect has no Batch API", "이 방식에는 배치 API가 없습니다");
        }
        let secret = self.secret(table, variables);
        let headers = self.headers(table, variables);
        let local = flag("local", kind == ProviderKind::Ollama);
        Some(ProviderEntryConfig {
            price_from: text("price_from")
                .unwrap_or_else(|| usual_price_list(kind, base_url.as_deref(), &name)),
            name,
            kind,
            base_url: base_url?,
            secret,
            models: table.get("models").and_then(|(value, _)| texts_of(value)).unwrap_or_default(),
            local,
            batch,
            headers,
            first_byte: text("timeout").as_deref().and_then(parse_time),
            origin: origin.clone(),
        })
    }

    fn secret(&mut self, table: &Written, variables: &BTreeMap<String, String>) -> Option<Secret> {
        let (value, origin) = table.get("api_key_env")?;
        let name = plain(value);
        let is_name =
            name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_name || name.is_empty() {
            let problem = ConfigProblem::new(
                origin,
                "providers.api_key_env",
                "it must name an environment variable, in capital letters",
                "대문자로 된 환경 변수 이름이어야 합니다",
            );
            let problem =
                problem.hint("a key itself never stands in a file", "키 자체는 파일에 적지 않습니다");
            self.problems.push(problem);
            return None;
        }
        variables.get(&name).map(|value| Secret::new(value.as_str()))
    }

    fn headers(&mut self, table: &Written, variables: &BTreeMap<String, String>) -> Vec<(String, Secret)> {
        let Some((Value::InlineTable(headers), _)) = table.get("headers") else { return Vec::new() };
        let value_of = |text: &str| match text.strip_prefix("env:") {
            Some(name) => variables.get(name).cloned().unwrap_or_default(),
            None => text.to_owned(),
        };
        headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Secret::new(value_of(value.as_str()?)))))
            .collect()
    }
}

/// Whose prices apply when nothing is said: the real provider's at its usual place, else those under the entry's own name.
fn usual_price_list(kind: ProviderKind, base_url: Option<&str>, name: &str) -> String {
    let real = KEYS
        .iter()
        .find(|(_, _, known)| *known == kind || kind == ProviderKind::OpenAiResponses)
        .map(|(_, name, _)| *name);
    let at_home = base_url.is_some() && base_url == kind.default_base_url();
    real.filter(|_| at_home).unwrap_or(name).to_owned()
}

/// What Ollama's own variable means for a client: the port may be missing, and an address to listen on is no address to call.
fn ollama_base_url(host: &str) -> String {
    if host.contains("://") {
        return host.to_owned();
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() && !name.ends_with(':') => (name, port),
        _ => (host, "11434"),
    };
    let name = match name {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        name => name,
    };
    format!("http://{name}:{port}")
}

impl Config {
    /// Ollama at its usual place, unless it is configured: it may be started at any time.
    pub(crate) fn usual_ollama(&self) -> Option<ProviderEntryConfig> {
        let named = self.providers.iter().any(|provider| provider.name == "ollama");
        let usual =
            || ProviderEntryConfig::of_environment("OLLAMA_HOST", "ollama", ProviderKind::Ollama, None);
        (self.local.enabled && !named).then(usual)
    }
}

impl ProviderEntryConfig {
    fn of_environment(variable: &str, name: &str, kind: ProviderKind, secret: Option<Secret>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            base_url: kind.default_base_url().unwrap_or_default().to_owned(),
            secret,
            models: Vec::new(),
            price_from: name.to_owned(),
            local: kind == ProviderKind::Ollama,
            batch: None,
            headers: Vec::new(),
            first_byte: None,
            origin: Origin::Environment(variable.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ollama_base_url;

    #[test]
    fn what_ollamas_variable_means() {
        for (host, url) in [
            ("nas:9000", "http://nas:9000"),
            ("nas", "http://nas:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            (":11434", "http://127.0.0.1:11434"),
            ("[::]:1", "http://[::1]:1"),
            ("[fe80::1]", "http://[fe80::1]:11434"),
            ("https://nas", "https://nas"),
        ] {
            assert_eq!(ollama_base_url(host), url, "{host}");
        }
    }
}
