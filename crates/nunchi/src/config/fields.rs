//! Every setting there is: its place, kind, default and meaning. Reading, checking and the reference page all use this table.

use super::mcp::MCP_KEYS;

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A whole number from 0.
    Count,
    /// A decimal number.
    Decimal,
    /// Yes or no.
    Flag,
    /// A length of time: `30s`, `5m`, `24h`, `7d`.
    Time,
    /// A list of texts.
    Texts,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// One setting.
pub(super) struct Field {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

const fn field(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Field {
    Field { section, key, kind, default, meaning }
}

/// All settings of the plain sections.
pub(super) const FIELDS: [Field; 101] = [
    field("server", "listen", Kind::Text, "127.0.0.1:8484", "Address and port the server listens on."),
    field("server", "body_limit_mb", Kind::Count, "32", "Largest request body, in MB."),
    field("server", "cors_origins", Kind::Texts, "[]", "Web origins that may call from a browser."),
    field(
        "server",
        "lang",
        Kind::OneOf(&["en", "ko"]),
        "",
        "Language of messages; empty means the system's.",
    ),
    field(
        "server",
        "time_zone",
        Kind::Text,
        "",
        "IANA time zone of budget windows; empty means the system's.",
    ),
    field("server", "shutdown_seconds", Kind::Count, "30", "How long streams may go on after a stop signal."),
    field("server", "workers", Kind::Count, "0", "Threads that serve; 0 means one a core."),
    field(
        "tiers",
        "trivial",
        Kind::Texts,
        "[]",
        "Models for trivial requests, as provider/model; empty means chosen by what is there.",
    ),
    field("tiers", "standard", Kind::Texts, "[]", "Models for standard requests."),
    field("tiers", "complex", Kind::Texts, "[]", "Models for complex requests."),
    field(
        "tiers",
        "default_max_output",
        Kind::Count,
        "8192",
        "Output cap of callers that give none, in tokens; sent upstream.",
    ),
    field(
        "tiers",
        "embedder",
        Kind::Text,
        "",
        "Embedding model behind `auto`; empty means the embedded one.",
    ),
    field(
        "tiers",
        "baseline",
        Kind::Text,
        "",
        "Model that savings are counted against; empty means the first complex one.",
    ),
    field(
        "rules",
        "trivial",
        Kind::Texts,
        "[]",
        "Regular expressions; human text that matches is trivial. Tried before the built-in rules.",
    ),
    field("rules", "standard", Kind::Texts, "[]", "Regular expressions for standard."),
    field("rules", "complex", Kind::Texts, "[]", "Regular expressions for complex."),
    field(
        "route",
        "tier_model",
        Kind::Text,
        "",
        "Model that names the tier where nobody is sure, as provider/model (a small local one); empty means none is asked.",
    ),
    field(
        "route",
        "cascade",
        Kind::OneOf(&["off", "schema", "agreement", "judge"]),
        "off",
        "Whether a cheaper model is tried first where that should pay, and how its answer is checked: by the schema asked for, by a second answer that must agree, or by a judge.",
    ),
    field("route", "judge", Kind::Text, "", "Model that judges cheap answers, as provider/model."),
    field(
        "tools",
        "select",
        Kind::Flag,
        "false",
        "Whether only the tools a question needs are sent, where a caller sends eight or more (`x-nunchi-tools` decides for one request).",
    ),
    field(
        "compress",
        "mode",
        Kind::OneOf(&["off", "results", "history", "auto"]),
        "off",
        "What of a conversation may be sent shorter where that pays: tool results, older turns as well, or whichever costs less (`x-nunchi-compress` decides for one request).",
    ),
    field(
        "compress",
        "summarise",
        Kind::Text,
        "",
        "Model that summarises older turns, as provider/model, or trivial, standard, complex; empty means they are shortened by rule, without a model.",
    ),
    field(
        "compress",
        "on_limit",
        Kind::OneOf(&["refuse", "trim", "summarise"]),
        "refuse",
        "What is done with a prompt that does not fit its model: passed on untouched, oldest turns left out, or shortened.",
    ),
    field("compress", "trim_tokens", Kind::Count, "2000", "Tokens left of a conversation that is trimmed."),
    field(
        "compress",
        "recent_tokens",
        Kind::Count,
        "2000",
        "Newest tokens of a conversation that are left alone.",
    ),
    field(
        "compress",
        "segment_tokens",
        Kind::Count,
        "4000",
        "Tokens shortened at once: large, so that the provider's prompt cache breaks seldom.",
    ),
    field(
        "compress",
        "keep",
        Kind::Time,
        "7d",
        "How long originals of what was shortened are kept for recall, in at most a quarter of the cache's space beside it.",
    ),
    field("cache", "enabled", Kind::Flag, "true", "Whether answers are looked up and stored."),
    field("cache", "ttl", Kind::Time, "24h", "How long an answer is served."),
    field(
        "cache",
        "max_mb",
        Kind::Count,
        "500",
        "Space of stored answers, in MB; the least recently used go first.",
    ),
    field("cache", "store", Kind::OneOf(&["sqlite", "redis"]), "sqlite", "Where answers are kept."),
    field(
        "cache",
        "redis_url_env",
        Kind::Text,
        "REDIS_URL",
        "Environment variable with the address of Redis (`redis://[:password@]host:port/0`).",
    ),
    field("cache", "memory_mb", Kind::Count, "8", "Memory of answers held ready, in MB."),
    field("cache", "scope", Kind::OneOf(&["key", "user", "everyone"]), "key", "Who shares answers."),
    field(
        "cache",
        "fold_case",
        Kind::Flag,
        "true",
        "Whether spacing and the first letter's case are folded in one-line questions.",
    ),
    field(
        "cache",
        "semantic",
        Kind::Flag,
        "true",
        "Whether questions that mean the same share an answer (needs the embedded sentence encoder).",
    ),
    field(
        "cache",
        "semantic_error_rate",
        Kind::Decimal,
        "0.01",
        "Wrong answers accepted, as a share of all look-ups (0.005, 0.01, 0.02 and 0.05 were measured).",
    ),
    field(
        "cache",
        "semantic_strict",
        Kind::Flag,
        "true",
        "Whether only plain questions share answers in which no weighty word stands alone; without it the learned verifier decides alone.",
    ),
    field(
        "cache",
        "across_languages",
        Kind::Flag,
        "false",
        "Whether a Korean and an English question may share an answer.",
    ),
    field(
        "cache",
        "encrypt",
        Kind::Flag,
        "false",
        "Whether stored answers are encrypted; the key lies in the home folder.",
    ),
    field(
        "batch",
        "enabled",
        Kind::Flag,
        "true",
        "Whether calls that can wait go to the providers' Batch APIs, at the batch price.",
    ),
    field(
        "batch",
        "providers",
        Kind::Texts,
        "[]",
        "Providers whose Batch API is used; empty means all that have one.",
    ),
    field(
        "batch",
        "max_size",
        Kind::Count,
        "5",
        "Single calls of one provider that are handed over together.",
    ),
    field("batch", "max_wait", Kind::Time, "2s", "How long the first of them waits for others."),
    field(
        "batch",
        "background_phases",
        Kind::Texts,
        "[]",
        "Phases (`x-nunchi-phase`) whose calls can wait without naming a deadline.",
    ),
    field(
        "batch",
        "least_time",
        Kind::Time,
        "30m",
        "A deadline (`x-nunchi-deadline`) nearer than this means an answer at once.",
    ),
    field(
        "batch",
        "margin",
        Kind::Time,
        "10m",
        "So long before its deadline a call is taken back from its batch and answered live.",
    ),
    field("batch", "longest_wait", Kind::Time, "24h", "How long a call of a background phase waits at most."),
    field(
        "batch",
        "concurrent",
        Kind::Count,
        "4",
        "Lines of batches that are answered by plain calls at once, where there is no Batch API.",
    ),
    field(
        "batch",
        "first_poll",
        Kind::Time,
        "10s",
        "Pause before the first look at a batch; each further one is half as long again.",
    ),
    field("batch", "longest_poll", Kind::Time, "5m", "Longest pause between two looks."),
    field("batch", "keep", Kind::Time, "30d", "How long the answers of jobs and batches are kept."),
    field("batch", "max_file_mb", Kind::Count, "200", "Largest file that can be uploaded, in MB."),
    field(
        "budget",
        "daily_cap_usd",
        Kind::Decimal,
        "5",
        "Daily cap made at the first start; afterwards `nunchi budget` rules.",
    ),
    field(
        "budget",
        "wait",
        Kind::Time,
        "10s",
        "How long a call waits while other calls hold the rest of a budget.",
    ),
    field(
        "limits",
        "chat_per_minute",
        Kind::Count,
        "100",
        "Chat requests of one key in a minute; 0 means no limit.",
    ),
    field("retry", "attempts", Kind::Count, "3", "Attempts at one model before the next one is tried."),
    field(
        "retry",
        "first_pause",
        Kind::Time,
        "2s",
        "First pause between attempts; each further one is twice as long.",
    ),
    field("retry", "longest_wait", Kind::Time, "10s", "A Retry-After up to this long is waited for."),
    field("retry", "breaker_failures", Kind::Count, "5", "Failures in a row that open a circuit breaker."),
    field(
        "retry",
        "breaker_open",
        Kind::Time,
        "30s",
        "How long a breaker stays open before one call may probe.",
    ),
    field("timeouts", "connect", Kind::Time, "10s", "Time to connect to a provider."),
    field("timeouts", "first_byte", Kind::Time, "120s", "Time until a provider begins to answer."),
    field("timeouts", "between_bytes", Kind::Time, "60s", "Longest silence within an answer."),
    field(
        "prices",
        "source",
        Kind::Text,
        "",
        "File or URL whose prices go over the shipped ones, in our format or LiteLLM's; empty means none.",
    ),
    field("prices", "refresh", Kind::Time, "24h", "Time between two readings of the source."),
    field("currency", "code", Kind::Text, "KRW", "Local currency shown beside dollars."),
    field("currency", "per_usd", Kind::Decimal, "1390", "Units of it for one dollar."),
    field(
        "replay",
        "compress",
        Kind::OneOf(&["off", "results", "history", "auto"]),
        "off",
        "What `nunchi replay` takes to be shortened: tool results, older turns where that pays, or both.",
    ),
    field("replay", "batch", Kind::Flag, "false", "Whether it takes what can wait to go to a Batch API."),
    field(
        "replay",
        "prefixes",
        Kind::Flag,
        "true",
        "Whether it takes providers to keep prefixes, and to be asked to.",
    ),
    field(
        "replay",
        "keep_named",
        Kind::Flag,
        "true",
        "Whether it leaves a model that a call names as it is; else every call is routed as `auto`.",
    ),
    field(
        "replay",
        "tiers",
        Kind::OneOf(&["router", "labels"]),
        "router",
        "Who chooses the tiers in it: the router, or the labels of the calls, as one that is never wrong would.",
    ),
    field("local", "enabled", Kind::Flag, "true", "Whether the embedded models are offered."),
    field("local", "chat", Kind::Text, "smollm2-135m-instruct", "Embedded chat model."),
    field("local", "encoder", Kind::Text, "use-multilingual-v3", "Embedded sentence encoder."),
    field("local", "weights", Kind::Text, "", "Folder of weights; empty means the user's cache folder."),
    field("log", "format", Kind::OneOf(&["text", "json"]), "text", "Shape of log lines."),
    field(
        "log",
        "level",
        Kind::Text,
        "info",
        "Least severe level, or a filter such as `info,nunchi_gateway=debug`.",
    ),
    field("agent", "model", Kind::Text, "auto", "Model that agents ask for."),
    field("agent", "judge", Kind::Text, "auto:standard", "Model that judges answers (`eval`)."),
    field(
        "agent",
        "max_usd",
        Kind::Decimal,
        "1",
        "Most money of one run with its sub-agents, in dollars; 0 leaves it to the budgets. Beyond it the run waits for you.",
    ),
    field("agent", "max_turns", Kind::Count, "30", "Most model turns of one run."),
    field("agent", "max_tool_calls", Kind::Count, "100", "Most tool calls of one run."),
    field("agent", "max_time", Kind::Time, "30m", "Longest time at work of one run."),
    field(
        "agent",
        "parallel",
        Kind::Count,
        "10",
        "Sub-agents and reading tools of a run at work at the same time.",
    ),
    field("agent", "patience", Kind::Time, "24h", "How long a run waits for your answer."),
    field("agent", "max_output", Kind::Count, "4096", "Most tokens of one answer of a model."),
    field(
        "memory",
        "learn",
        Kind::OneOf(&["off", "asked", "model"]),
        "asked",
        "What agents learn from conversations: nothing, what you ask them to remember (costs nothing), or also what a model finds worth it.",
    ),
    field("memory", "model", Kind::Text, "auto:trivial", "Model that finds what is worth remembering."),
    field(
        "files",
        "roots",
        Kind::Texts,
        "[\"work\"]",
        "Folders that agents may read and change files in; relative ones lie in the home folder. The first is where plain paths lead; files of the others are written `@name/…`.",
    ),
    field("files", "read_only", Kind::Texts, "[]", "Folders that agents may only read."),
    field(
        "mcp_server",
        "keys",
        Kind::Texts,
        "[]",
        "Names of keys that may use `/mcp` besides the administrators'.",
    ),
    field(
        "mcp_server",
        "hosts",
        Kind::Texts,
        "[]",
        "Names under which `/mcp` may be called; empty means this machine's own, or any where the server listens for others.",
    ),
    field(
        "mcp_server",
        "authorization_servers",
        Kind::Texts,
        "[]",
        "Issuers named in the metadata of `/mcp` for clients that sign in by OAuth at a proxy in front.",
    ),
    field(
        "mcp_server",
        "wait",
        Kind::Time,
        "20s",
        "How long a call over `/mcp` waits for your approval before the client is told to come back.",
    ),
    field(
        "web",
        "hosts",
        Kind::Texts,
        "[]",
        "Hosts that agents may fetch pages from: `example.com`, `*.example.com`, `*` for any; none if empty.",
    ),
    field(
        "web",
        "private_hosts",
        Kind::Texts,
        "[]",
        "Hosts in your own network that may be fetched from, written in full.",
    ),
    field(
        "web",
        "search",
        Kind::OneOf(&["off", "duckduckgo", "searxng", "brave"]),
        "off",
        "Where agents search the web.",
    ),
    field("web", "search_url", Kind::Text, "", "Address of the search engine; needed for searxng."),
    field(
        "web",
        "search_key_env",
        Kind::Text,
        "BRAVE_API_KEY",
        "Environment variable that holds Brave's key.",
    ),
];

/// Keys of a `[[providers]]` table, with their meaning.
const PROVIDER_KEYS: [(&str, &str); 11] = [
    ("name", "Name, the part before `/` of a model."),
    ("dialect", "openai, openai_responses, anthropic, gemini, ollama, perplexity or compatible."),
    ("base_url", "Where it is; may be left out where the dialect has a usual place."),
    ("api_key_env", "Environment variable that holds its API key. The key itself never stands in a file."),
    ("models", "Model ids it has; empty means any id is passed on."),
    ("price_from", "Provider whose prices apply; its own name if left out."),
    ("local", "Whether it runs on your machine and costs nothing."),
    (
        "batch",
        "Whether it has the Batch API of its dialect (openai, openai_responses, anthropic, compatible); if left out, only where base_url is the dialect's usual place.",
    ),
    ("enabled", "Whether it is used."),
    ("headers", "Further request headers, as a table; a value `env:NAME` is taken from the environment."),
    ("timeout", "Time until it begins to answer."),
];

/// Keys of a `[[permissions]]` table, with their meaning.
const PERMISSION_KEYS: [(&str, &str); 4] = [
    ("name", "Name, shown with what the rule decided; its tool and verdict if left out."),
    ("tool", "Which tools of agents, as a pattern with `*`."),
    ("arguments", "Which values of which arguments, as a table of patterns with `*`; all must fit."),
    ("verdict", "allow, ask or deny. Of several rules that fit a call the strictest decides."),
];

/// Keys of a `[[databases]]` table, with their meaning.
const DATABASE_KEYS: [(&str, &str); 6] = [
    ("name", "Name, by which agents call it."),
    ("path", "An SQLite file; a relative one lies in the home folder."),
    ("url_env", "Environment variable that holds the address of a PostgreSQL database."),
    ("read", "Tables that agents may read."),
    ("write", "Tables that agents may read and change; each change asks you first, unless a rule allows it."),
    ("stranger", "Whether somebody else can write what its rows say; they then cannot choose what is done."),
];

/// A list of tables: its name, what it is, its keys with their meaning.
pub(super) type List = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// All lists of tables.
pub(super) const LISTS: [List; 4] = [
    ("providers", "Where models are.", &PROVIDER_KEYS),
    (
        "databases",
        "Databases that agents may use; all other tables are as if they were not there.",
        &DATABASE_KEYS,
    ),
    ("mcp", "Servers whose tools agents may use (Model Context Protocol).", &MCP_KEYS),
    (
        "permissions",
        "What agents may do. What no rule fits runs if it stays inside and can be taken back, and asks otherwise.",
        &PERMISSION_KEYS,
    ),
];

/// The nearest known word, for "did you mean".
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = known
        .map(|candidate| (distance(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (best.0 <= 2.max(word.len() / 3)).then_some(best.1)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(ca != *cb)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}
