//! Every list of tables there is, with the keys of its tables and their meaning.

use super::mcp::MCP_KEYS;

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
    (
        "verdict",
        "allow, ask or deny. Of several rules that fit a call one that denies decides, then one that names values in full, then the strictest.",
    ),
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
