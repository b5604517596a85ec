//! What agents may work on: folders, databases, hosts on the web.

use super::layers::{Layers, Origin, Written};
use super::reading::{plain, texts_of};
use nunchi_core::Label;
use nunchi_tools::{DatabasePlace, DatabaseSettings, SearchEndpoint, SearchKey, TableAccess, WebSettings};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What agents may work on.
#[derive(Clone, Debug)]
pub(crate) struct ToolsConfig {
    /// Folders that agents may change files in.
    pub(crate) folders: Vec<String>,
    /// Folders that they may only read.
    pub(crate) read_only: Vec<String>,
    /// Paths of SQLite files are as written.
    pub(crate) databases: Vec<DatabaseSettings>,
    pub(crate) web: WebSettings,
}

impl Layers {
    pub(super) fn tools(&mut self, variables: &BTreeMap<String, String>) -> ToolsConfig {
        let written = self.lists.get("databases").cloned().unwrap_or_default();
        ToolsConfig {
            folders: self.texts("files.roots"),
            read_only: self.texts("files.read_only"),
            databases: written
                .iter()
                .filter_map(|(table, origin)| self.database(table, origin, variables))
                .collect(),
            web: WebSettings {
                hosts: self.texts("web.hosts"),
                private_hosts: self.texts("web.private_hosts"),
                search: self.search(variables),
                ..WebSettings::default()
            },
        }
    }

    fn database(
        &mut self,
        table: &Written,
        origin: &Origin,
        variables: &BTreeMap<String, String>,
    ) -> Option<DatabaseSettings> {
        let text = |key: &str| table.get(key).map(|(value, _)| plain(value)).filter(|text| !text.is_empty());
        let name = text("name");
        if name.is_none() {
            self.wrong(origin, "databases.name", "a database needs a name", "데이터베이스 이름이 필요합니다");
        }
        let place = match (text("path"), text("url_env")) {
            (Some(path), None) => Some(DatabasePlace::Sqlite(PathBuf::from(path))),
            (None, Some(variable)) => match variables.get(&variable) {
                Some(url) => Some(DatabasePlace::Postgres(url.clone())),
                None => {
                    let (en, ko) =
                        (format!("{variable} is not set"), format!("{variable} 환경 변수가 없습니다"));
                    self.wrong(origin, "databases.url_env", en, ko);
                    None
                }
            },
            _ => {
                let (en, ko) =
                    ("either `path` or `url_env` is needed", "`path`와 `url_env` 중 하나가 필요합니다");
                self.wrong(origin, "databases.path", en, ko);
                None
            }
        };
        let mut tables = BTreeMap::new();
        for (key, access) in [("read", TableAccess::Read), ("write", TableAccess::Write)] {
            let names = table.get(key).and_then(|(value, _)| texts_of(value)).unwrap_or_default();
            tables.extend(names.into_iter().map(|name| (name, access)));
        }
        let stranger = table.get("stranger").and_then(|(value, _)| value.as_bool()).unwrap_or(false);
        let label = if stranger { Label::Stranger } else { Label::Tool };
        Some(DatabaseSettings { name: name?, place: place?, tables, label })
    }

    fn search(&mut self, variables: &BTreeMap<String, String>) -> Option<SearchEndpoint> {
        let url = self.optional("web.search_url");
        let (kind, variable) = (self.text("web.search"), self.text("web.search_key_env"));
        match (kind.as_str(), url) {
            ("duckduckgo", url) => Some(SearchEndpoint::DuckDuckGo(url)),
            ("searxng", Some(url)) => Some(SearchEndpoint::SearXng(url)),
            ("searxng", None) => {
                let origin = self.origin("web.search");
                let (en, ko) = ("web.search_url must be set", "web.search_url을 적으세요");
                self.wrong(&origin, "web.search", en, ko);
                None
            }
            ("brave", url) => match variables.get(&variable) {
                Some(key) => Some(SearchEndpoint::Brave(url, SearchKey::new(key.as_str()))),
                None => {
                    let origin = self.origin("web.search");
                    let (en, ko) =
                        (format!("{variable} is not set"), format!("{variable} 환경 변수가 없습니다"));
                    self.wrong(&origin, "web.search", en, ko);
                    None
                }
            },
            _ => None,
        }
    }
}
