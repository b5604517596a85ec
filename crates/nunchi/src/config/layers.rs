//! The layers a setting may come from, last wins: files, environment, flags. Each value remembers where it was written.

use super::fields::FIELDS;
use super::lists::{LISTS, List};
use super::spelling::nearest;
use nunchi_core::{Explain, Lang};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml_edit::{Document, Item, Table, Value};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file, and the line.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigProblem {
    /// Where.
    pub(crate) origin: Origin,
    /// The setting, as `section.key`.
    pub(crate) setting: String,
    /// What is wrong, in English and Korean.
    pub(crate) what: [String; 2],
    /// What helps, in English and Korean.
    pub(crate) hint: Option<[String; 2]>,
}

/// Everything that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) Vec<ConfigProblem>);

impl ConfigProblem {
    pub(super) fn new(origin: &Origin, setting: &str, en: impl Into<String>, ko: impl Into<String>) -> Self {
        Self { origin: origin.clone(), setting: setting.to_owned(), what: [en.into(), ko.into()], hint: None }
    }

    pub(super) fn hint(mut self, en: impl Into<String>, ko: impl Into<String>) -> Self {
        self.hint = Some([en.into(), ko.into()]);
        self
    }

    /// One line for people.
    pub(crate) fn line(&self, lang: Lang) -> String {
        let pick = |both: &[String; 2]| lang.pick(both[0].clone(), both[1].clone());
        let hint = self.hint.as_ref().map(|hint| format!(" ({})", pick(hint))).unwrap_or_default();
        format!("{}: {}: {}{hint}", self.origin, self.setting, pick(&self.what))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for ConfigError {}

impl Explain for ConfigError {
    fn code(&self) -> &'static str {
        "config.invalid"
    }

    fn message(&self, lang: Lang) -> String {
        let head = match lang {
            Lang::En => format!("the configuration has {} error(s):", self.0.len()),
            Lang::Ko => format!("설정에 오류가 {}개 있습니다:", self.0.len()),
        };
        let lines = self.0.iter().map(|problem| format!("\n  {}", problem.line(lang)));
        std::iter::once(head).chain(lines).collect()
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = (
            "`nunchi config check` checks it again; docs/reference/config.md lists every setting.",
            "`nunchi config check`로 다시 확인하세요. 모든 설정은 docs/reference/config.md에 있습니다.",
        );
        Some(lang.pick(en, ko).to_owned())
    }
}

/// Values by key, each with the place it was written.
pub(super) type Written = BTreeMap<String, (Value, Origin)>;

/// The values as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    /// Values of the plain sections, by `section.key`.
    pub(super) values: BTreeMap<String, (Value, Origin)>,
    /// Lists of tables (`[[providers]]`), in order.
    pub(super) lists: BTreeMap<&'static str, Vec<(Written, Origin)>>,
    /// `[aliases]` and `[fallbacks]`.
    pub(super) maps: BTreeMap<String, (Value, Origin)>,
    pub(super) problems: Vec<ConfigProblem>,
}

impl Layers {
    /// Reads `nunchi.toml`, `nunchi.<environment>.toml` and the variables; problems are kept for the resolving.
    pub(crate) fn read(
        home: &Path,
        environment: Option<&str>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut layers = Self::default();
        layers.file(&home.join("nunchi.toml"));
        if let Some(name) = environment.filter(|name| !name.is_empty()) {
            layers.file(&home.join(format!("nunchi.{name}.toml")));
        }
        for (name, value) in variables {
            layers.variable(&name, &value);
        }
        layers
    }

    /// Lays a file over all layers so far; what its lists hold replaces what has the same name.
    pub(crate) fn overlay(&mut self, path: &Path) {
        let name = |(table, _): &(Written, Origin)| table.get("name").map(|(value, _)| value.to_string());
        let before = std::mem::take(&mut self.lists);
        self.file(path);
        for (list, tables) in before {
            let own = self.lists.remove(list).unwrap_or_default();
            let names: Vec<_> = own.iter().map(&name).collect();
            let kept = tables.into_iter().filter(|table| !names.contains(&name(table)));
            self.lists.insert(list, kept.chain(own).collect());
        }
    }

    /// Sets a value from a flag of the command line.
    pub(crate) fn flag(&mut self, setting: &str, value: impl Into<String>) {
        let origin = Origin::Environment(format!("--{}", setting.rsplit('.').next().unwrap_or(setting)));
        self.values.insert(setting.to_owned(), (Value::from(value.into()), origin));
    }

    fn file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                let origin = Origin::File(path.to_owned(), 1);
                let what = error.to_string();
                return self.problems.push(ConfigProblem::new(&origin, "file", what.clone(), what));
            }
        };
        let line_of = |offset: usize| text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
        match Document::parse(text.as_str()) {
            Ok(document) => {
                for (section, item) in document.iter() {
                    let origin =
                        Origin::File(path.to_owned(), line_of(item.span().map_or(0, |span| span.start)));
                    self.section(section, item, &origin, &|span| {
                        Origin::File(
                            path.to_owned(),
                            line_of(span.map_or(0, |span: std::ops::Range<usize>| span.start)),
                        )
                    });
                }
            }
            Err(error) => {
                let origin =
                    Origin::File(path.to_owned(), line_of(error.span().map_or(0, |span| span.start)));
                let what = error.message().to_owned();
                self.problems.push(ConfigProblem::new(&origin, "syntax", what.clone(), what));
            }
        }
    }

    fn section(
        &mut self,
        section: &str,
        item: &Item,
        origin: &Origin,
        place: &dyn Fn(Option<std::ops::Range<usize>>) -> Origin,
    ) {
        match (section, item) {
            (_, Item::ArrayOfTables(tables)) if list_of(section).is_some() => {
                for table in tables {
                    self.list_item(section, table, place);
                }
            }
            ("aliases" | "fallbacks", Item::Table(table)) => {
                for (key, item) in table {
                    if let Ok(value) = item.clone().into_value() {
                        self.maps.insert(format!("{section}.{key}"), (value, place(item.span())));
                    }
                }
            }
            (_, Item::Table(table)) if FIELDS.iter().any(|field| field.section == section) => {
                for (key, item) in table {
                    let setting = format!("{section}.{key}");
                    let known = FIELDS.iter().any(|field| field.section == section && field.key == key);
                    match item.clone().into_value() {
                        Ok(value) if known => {
                            self.values.insert(setting, (value, place(item.span())));
                        }
                        _ => {
                            let keys =
                                FIELDS.iter().filter(|field| field.section == section).map(|field| field.key);
                            self.unknown(&place(item.span()), &setting, key, keys);
                        }
                    }
                }
            }
            _ => {
                let lists = LISTS.iter().map(|(list, ..)| *list);
                let sections =
                    FIELDS.iter().map(|field| field.section).chain(lists).chain(["aliases", "fallbacks"]);
                self.unknown(origin, section, section, sections);
            }
        }
    }

    fn list_item(
        &mut self,
        section: &str,
        table: &Table,
        place: &dyn Fn(Option<std::ops::Range<usize>>) -> Origin,
    ) {
        let Some((list, _, keys)) = list_of(section) else { return };
        let mut written = BTreeMap::new();
        for (key, item) in table {
            let origin = place(item.span());
            match item.clone().into_value() {
                Ok(value) if keys.iter().any(|(known, _)| *known == key) => {
                    written.insert(key.to_owned(), (value, origin));
                }
                _ => self.unknown(&origin, &format!("{list}.{key}"), key, keys.iter().map(|(k, _)| *k)),
            }
        }
        self.lists.entry(list).or_default().push((written, place(table.span())));
    }

    fn unknown<'a>(
        &mut self,
        origin: &Origin,
        setting: &str,
        word: &str,
        known: impl Iterator<Item = &'a str>,
    ) {
        let problem = ConfigProblem::new(origin, setting, "there is no such setting", "그런 설정은 없습니다");
        if setting == "providers.api_key" || setting == "providers.key" {
            let (en, ko) = (
                "a key itself never stands in a file; `api_key_env` names the variable that holds it",
                "키 자체는 파일에 적지 않습니다. `api_key_env`에 환경 변수 이름을 적으세요",
            );
            return self.problems.push(problem.hint(en, ko));
        }
        self.problems.push(match nearest(word, known) {
            Some(near) => problem.hint(format!("did you mean `{near}`?"), format!("혹시 `{near}`인가요?")),
            None => problem,
        });
    }

    /// `NUNCHI_SECTION__KEY=value`.
    fn variable(&mut self, name: &str, text: &str) {
        let Some((section, key)) = name.strip_prefix("NUNCHI_").and_then(|rest| rest.split_once("__")) else {
            return;
        };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        let origin = Origin::Environment(name.to_owned());
        if FIELDS.iter().any(|field| field.section == section && field.key == key) {
            let value = text.parse::<Value>().unwrap_or_else(|_| Value::from(text));
            self.values.insert(format!("{section}.{key}"), (value, origin));
        } else {
            self.unknown(&origin, &format!("{section}.{key}"), &key, FIELDS.iter().map(|field| field.key));
        }
    }
}

fn list_of(section: &str) -> Option<&'static List> {
    LISTS.iter().find(|(list, ..)| *list == section)
}
