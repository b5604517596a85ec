//! The tools that come with the product, by what the owner gave them to work on.

use crate::calculator::Calculator;
use crate::files::{FileCaps, FileDesk, FileRoot, file_tools};
use crate::notify::Notify;
use crate::remind::Remind;
use crate::sql::{DatabaseSettings, SqlCaps, sql_tools};
use crate::time::TimeTool;
use crate::web::{WebSettings, web_tools};
use jiff::tz::TimeZone;
use nunchi_core::{Clock, Explain, Lang, Notifier, PermissionRule, Tool, Verdict};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What the owner gave the tools. What is left out is not offered: without folders there are no tools on files.
#[derive(Clone, Debug)]
pub struct BuiltinSettings {
    /// Folders; the first is where relative paths begin.
    pub roots: Vec<FileRoot>,
    /// Folders within them that no tool enters, such as the product's own.
    pub closed: Vec<PathBuf>,
    /// Where what stood in files is kept for undoing. Only the product may use it.
    pub undo_folder: PathBuf,
    /// Limits of the tools on files.
    pub file_caps: FileCaps,
    /// Databases, each under a name of its own.
    pub databases: Vec<DatabaseSettings>,
    /// Limits of the tools on databases.
    pub sql_caps: SqlCaps,
    /// What is allowed on the web.
    pub web: WebSettings,
    /// The zone that times are told in.
    pub zone: TimeZone,
}

/// What the tools work through.
#[derive(Clone)]
pub struct BuiltinPorts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tells the owner; without it there is no tool for that.
    pub notifier: Option<Arc<dyn Notifier>>,
}

/// Why the tools cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum BuiltinError {
    /// A folder, or the store of what is kept for undoing, cannot be opened.
    #[error("the folders of the file tools cannot be opened: {0}")]
    Files(std::io::Error),
    /// A host or an address of a search engine is not understood.
    #[error("not understood: {0}")]
    Web(String),
}

impl Explain for BuiltinError {
    fn code(&self) -> &'static str {
        match self {
            Self::Files(_) => "tools.folders",
            Self::Web(_) => "tools.web",
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Files(error), Lang::En) => {
                format!("The folders of the file tools cannot be opened: {error}")
            }
            (Self::Web(text), Lang::En) => format!("\"{text}\" is no host and no address of a search engine"),
            (Self::Web(text), Lang::Ko) => format!("\"{text}\"은(는) 호스트도 검색 엔진 주소도 아닙니다"),
            (Self::Files(error), Lang::Ko) => format!("파일 도구의 폴더를 열 수 없습니다: {error}"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let hint = match self {
            Self::Files(_) => lang.pick(
                "Check that every folder under [tools] exists and that its name stands there once.",
                "[tools]의 폴더가 모두 있고 이름이 겹치지 않는지 확인하세요.",
            ),
            Self::Web(_) => lang.pick(
                "Write hosts like example.com, *.example.com or http://localhost:8080.",
                "호스트는 example.com, *.example.com, http://localhost:8080처럼 쓰세요.",
            ),
        };
        Some(hint.to_owned())
    }
}

/// The built-in tools.
///
/// # Errors
/// When something the owner named cannot be opened; the store of what is kept for undoing is made if it is missing.
pub fn builtin_tools(
    settings: BuiltinSettings,
    ports: BuiltinPorts,
) -> Result<Vec<Arc<dyn Tool>>, BuiltinError> {
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    if !settings.roots.is_empty() {
        let desk = FileDesk::open(settings.roots, settings.closed, &settings.undo_folder, settings.file_caps);
        tools.extend(file_tools(&Arc::new(desk.map_err(BuiltinError::Files)?)));
    }
    if !settings.databases.is_empty() {
        tools.extend(sql_tools(settings.databases, settings.sql_caps));
    }
    let web = web_tools(settings.web, &ports.clock);
    tools.extend(web.map_err(|bad| BuiltinError::Web(bad.0))?);
    tools.push(Arc::new(Calculator));
    let (clock, zone) = (ports.clock, settings.zone);
    tools.push(Arc::new(TimeTool { clock: Arc::clone(&clock), zone: zone.clone() }));
    if let Some(notifier) = ports.notifier {
        tools.push(Arc::new(Notify(Arc::clone(&notifier))));
        tools.push(Arc::new(Remind { notifier, clock, zone }));
    }
    Ok(tools)
}

/// The rules that are in force unless the owner says otherwise: files are not deleted, and the owner may be told
/// things.
pub fn builtin_rules() -> Vec<PermissionRule> {
    let rule = |tool: &str, verdict| PermissionRule {
        name: format!("built-in: {tool}"),
        tool: tool.to_owned(),
        arguments: BTreeMap::new(),
        verdict,
    };
    vec![rule("delete_file", Verdict::Deny), rule("sql_modify", Verdict::Ask), rule("notify", Verdict::Allow)]
}
