//! `mcp …` as written.

use clap::Subcommand;

/// `mcp …`
#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Write a server into nunchi.toml, with an address or, after `--`, a program and its arguments.
    Add {
        /// Its name: lower-case letters, digits and `-`.
        name: String,
        /// Address of a server that speaks Streamable HTTP.
        #[arg(long, conflicts_with = "program")]
        url: Option<String>,
        /// You sign in by OAuth.
        #[arg(long, requires = "url")]
        oauth: bool,
        /// Environment variable that holds a bearer token for it.
        #[arg(long, value_name = "NAME", requires = "url")]
        token_env: Option<String>,
        /// You let its program run with your own rights.
        #[arg(long)]
        trusted: bool,
        /// Believe its hints of what changes nothing.
        #[arg(long)]
        trust_hints: bool,
        /// An intent that needs it. May be repeated.
        #[arg(long, value_name = "INTENT")]
        intent: Vec<String>,
        /// A word in a goal that shows that it is needed. May be repeated.
        #[arg(long, value_name = "WORD")]
        keyword: Vec<String>,
        /// The program and its arguments.
        #[arg(last = true)]
        program: Vec<String>,
    },
    /// All servers and how many of their tools you accepted. Connects none.
    List,
    /// A server's tools, and how they differ from those you accepted; without a name, the accepted tools of all.
    Tools {
        /// The server.
        server: Option<String>,
    },
    /// Accept a server's tools as they are now.
    Accept {
        /// The server.
        server: String,
    },
    /// Call a tool.
    Call {
        /// The server.
        server: String,
        /// The tool, as the server names it.
        tool: String,
        /// Its arguments, as a JSON object.
        #[arg(default_value = "{}")]
        arguments: String,
    },
    /// Sign in to a server in the browser.
    Login {
        /// The server.
        server: String,
    },
    /// Take a server out of nunchi.toml, and forget what you accepted of it.
    Remove {
        /// Its name.
        name: String,
    },
    /// Offer our tools over standard input and output.
    Serve,
}
