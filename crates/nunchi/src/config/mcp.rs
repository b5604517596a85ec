//! MCP: the servers whose tools we use, and how we serve ours.

use super::layers::{ConfigProblem, Layers, Origin, Written};
use super::reading::{parse_time, plain, texts_of};
use nunchi_core::Label;
use nunchi_tools::{
    ElicitationPolicy, McpEra, McpInverse, McpOauth, McpSecret, McpServerConfig, McpTransport,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use toml_edit::Value;

/// Keys of a `[[mcp]]` table, with their meaning.
pub(super) const MCP_KEYS: [(&str, &str); 27] = [
    ("name", "Name: lower-case letters, digits and `-`; its tools are called `name__tool`."),
    ("url", "Address of a server that speaks Streamable HTTP."),
    ("command", "Program of a server that speaks over standard input and output."),
    ("args", "Arguments of the program."),
    (
        "env",
        "Environment of the program, as a table; a value `env:NAME` is taken from ours. It inherits no other.",
    ),
    ("folder", "Folder the program starts in."),
    (
        "trusted",
        "Whether the program may run: it runs with your own rights, and does not start without this.",
    ),
    ("enabled", "Whether the server is used."),
    ("headers", "Headers of every request, as a table; a value `env:NAME` is taken from the environment."),
    ("token_env", "Environment variable that holds a bearer token."),
    ("oauth", "Whether you sign in by OAuth (`nunchi mcp login`)."),
    ("client_id", "Client id that was registered with the authorization server before."),
    ("client_secret_env", "Environment variable that holds the secret of that client."),
    (
        "client_metadata_url",
        "Address of a client metadata document, for authorization servers that read one.",
    ),
    ("scopes", "Scopes asked for; empty means those that the server names."),
    ("trust_hints", "Whether `readOnlyHint` and `destructiveHint` are believed."),
    ("read_only", "Tools that you know to change nothing, as patterns with `*`."),
    (
        "undo",
        "How calls are taken back, by tool: `{ create = { tool = \"delete\", arguments = { id = \"{answer.id}\" } } }`; `{arguments.name}` is what was asked.",
    ),
    (
        "output",
        "Whose words its answers are: `stranger` (default), or `tool` where nobody else can write them.",
    ),
    ("tools", "Tools that are offered, as patterns with `*`; empty means all."),
    ("intents", "Intents that need it."),
    (
        "keywords",
        "Words in a goal that show that it is needed; with neither intents nor keywords it is always offered.",
    ),
    ("protocol", "auto, 2025-11-25 or 2026-07-28."),
    (
        "elicitation",
        "What it hears when it asks its user: `decline` (default), or `defaults` for those it proposes.",
    ),
    ("connect_timeout", "Time to connect and to list its tools."),
    ("timeout", "Time for one call."),
    ("max_output_kb", "Longest answer given to the model, in KB."),
];

/// How `/mcp` is served.
#[derive(Clone, Debug)]
pub(crate) struct McpServing {
    /// Names of keys that may use it besides administrators'.
    pub(crate) keys: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) authorization_servers: Vec<String>,
    pub(crate) wait: Duration,
}

/// Reads one table, and notes what is wrong with it.
struct Reader<'a> {
    table: &'a Written,
    origin: &'a Origin,
    variables: &'a BTreeMap<String, String>,
    problems: Vec<ConfigProblem>,
}

impl Layers {
    pub(super) fn mcp_server(&mut self) -> McpServing {
        McpServing {
            keys: self.texts("mcp_server.keys"),
            hosts: self.texts("mcp_server.hosts"),
            authorization_servers: self.texts("mcp_server.authorization_servers"),
            wait: self.time("mcp_server.wait"),
        }
    }

    /// The servers in the files.
    pub(super) fn read_mcp(&mut self, variables: &BTreeMap<String, String>) -> Vec<McpServerConfig> {
        let mut servers: Vec<McpServerConfig> = Vec::new();
        for (table, origin) in self.lists.get("mcp").cloned().unwrap_or_default() {
            let mut reader = Reader { table: &table, origin: &origin, variables, problems: Vec::new() };
            let server = reader.server();
            self.problems.extend(reader.problems);
            let Some(server) = server else { continue };
            if servers.iter().any(|other| other.name == server.name) {
                let setting = format!("mcp.{}", server.name);
                self.wrong(&origin, &setting, "the name is used twice", "이름이 두 번 쓰였습니다");
                continue;
            }
            servers.push(server);
        }
        servers
    }
}

impl Reader<'_> {
    fn server(&mut self) -> Option<McpServerConfig> {
        let name = self.text("name").filter(|name| McpServerConfig::is_name(name));
        if name.is_none() {
            self.wrong(
                "name",
                "it must be made of lower-case letters, digits and `-`, at most 32",
                "소문자, 숫자, `-`로 된 32자 이하의 이름이어야 합니다",
            );
        }
        let transport = self.transport();
        let mut server = McpServerConfig::new(name?, transport?);
        server.enabled = self.flag("enabled", true);
        server.trusted = self.flag("trusted", false);
        server.trust_hints = self.flag("trust_hints", false);
        server.read_only = self.texts("read_only");
        server.undo = self.inverses();
        server.tools = self.texts("tools");
        server.intents = self.texts("intents");
        server.keywords = self.texts("keywords");
        let labels = [("stranger", Label::Stranger), ("tool", Label::Tool)];
        server.output = self.one_of("output", &labels);
        let eras =
            [("auto", McpEra::Auto), ("2025-11-25", McpEra::Handshake), ("2026-07-28", McpEra::Stateless)];
        server.era = self.one_of("protocol", &eras);
        let policies = [("decline", ElicitationPolicy::Decline), ("defaults", ElicitationPolicy::Defaults)];
        server.elicitation = self.one_of("elicitation", &policies);
        server.connect_timeout = self.time("connect_timeout", server.connect_timeout);
        server.call_timeout = self.time("timeout", server.call_timeout);
        let kilobytes = self.text("max_output_kb").and_then(|text| text.parse::<usize>().ok());
        server.max_output_bytes =
            kilobytes.map_or(server.max_output_bytes, |kilobytes| kilobytes.clamp(1, 1_024) * 1_024);
        Some(server)
    }

    fn transport(&mut self) -> Option<McpTransport> {
        match (self.text("url"), self.text("command")) {
            (Some(url), None) => {
                if !(url.starts_with("http://") || url.starts_with("https://")) {
                    self.wrong(
                        "url",
                        "it must begin with http:// or https://",
                        "http:// 또는 https://로 시작해야 합니다",
                    );
                    return None;
                }
                let headers = self.table("headers");
                let bearer = self.variable("token_env");
                let oauth = self.flag("oauth", false).then(|| self.oauth());
                Some(McpTransport::Http { url, headers, bearer, oauth })
            }
            (None, Some(command)) => Some(McpTransport::Stdio {
                command,
                args: self.texts("args"),
                env: self.table("env"),
                folder: self.text("folder").map(PathBuf::from),
            }),
            _ => {
                self.wrong(
                    "url",
                    "it needs either `url` or `command`",
                    "`url`과 `command` 중 하나가 있어야 합니다",
                );
                None
            }
        }
    }

    fn oauth(&mut self) -> McpOauth {
        McpOauth {
            client_id: self.text("client_id"),
            client_secret: self.variable("client_secret_env"),
            client_metadata_url: self.text("client_metadata_url"),
            scopes: self.texts("scopes"),
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.table.get(key).map(|(value, _)| plain(value)).filter(|text| !text.is_empty())
    }

    fn texts(&mut self, key: &str) -> Vec<String> {
        let Some((value, _)) = self.table.get(key) else { return Vec::new() };
        texts_of(value).unwrap_or_else(|| {
            self.wrong(key, "it must be a list of texts", "문자열 목록이어야 합니다");
            Vec::new()
        })
    }

    fn flag(&mut self, key: &str, default: bool) -> bool {
        let Some((value, _)) = self.table.get(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.wrong(key, "it must be true or false", "true 또는 false여야 합니다");
            default
        })
    }

    fn time(&mut self, key: &str, default: Duration) -> Duration {
        let Some(text) = self.text(key) else { return default };
        parse_time(&text).unwrap_or_else(|| {
            self.wrong(key, "it must be a time such as 30s or 5m", "30s, 5m 같은 시간이어야 합니다");
            default
        })
    }

    /// One of some words; the first is the default.
    fn one_of<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> T {
        let written = self.text(key).unwrap_or_else(|| words[0].0.to_owned());
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == written) {
            return *found;
        }
        let list = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        self.wrong(key, &format!("it must be one of {list}"), &format!("{list} 중 하나여야 합니다"));
        words[0].1
    }

    /// A secret from the environment.
    fn variable(&mut self, key: &str) -> Option<McpSecret> {
        let name = self.text(key)?;
        match self.variables.get(&name) {
            Some(value) => Some(McpSecret::new(value.trim())),
            None => {
                self.wrong(
                    key,
                    &format!("there is no variable {name} in the environment"),
                    &format!("환경 변수 {name}이(가) 없습니다"),
                );
                None
            }
        }
    }

    /// A table of texts, of which `env:NAME` comes from the environment.
    fn table(&mut self, key: &str) -> Vec<(String, McpSecret)> {
        let Some((Value::InlineTable(entries), _)) = self.table.get(key) else { return Vec::new() };
        let value_of = |text: &str| match text.strip_prefix("env:") {
            Some(name) => self.variables.get(name).cloned().unwrap_or_default(),
            None => text.to_owned(),
        };
        entries
            .iter()
            .filter_map(|(name, value)| Some((name.to_owned(), McpSecret::new(value_of(value.as_str()?)))))
            .collect()
    }

    fn inverses(&mut self) -> BTreeMap<String, McpInverse> {
        let Some((value, _)) = self.table.get("undo") else { return BTreeMap::new() };
        serde_json::from_value(json_of(value)).unwrap_or_else(|_| {
            self.wrong(
                "undo",
                "it must name a `tool` and its `arguments` for each tool",
                "도구마다 `tool`과 `arguments`를 정해야 합니다",
            );
            BTreeMap::new()
        })
    }

    fn wrong(&mut self, key: &str, en: &str, ko: &str) {
        let origin = self.table.get(key).map_or(self.origin, |(_, origin)| origin);
        self.problems.push(ConfigProblem::new(origin, &format!("mcp.{key}"), en, ko));
    }
}

fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(flag) => (*flag.value()).into(),
        Value::Array(items) => items.iter().map(json_of).collect(),
        Value::InlineTable(fields) => {
            fields.iter().map(|(name, value)| (name.to_owned(), json_of(value))).collect()
        }
        Value::String(text) => text.value().as_str().into(),
        Value::Datetime(time) => time.value().to_string().into(),
    }
}
