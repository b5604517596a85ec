//! What can go wrong with MCP servers.

use nunchi_core::{Explain, Lang, RetryClass, ToolError};

/// Why a server or one of its tools cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McpError {
    /// No server of this name is configured.
    #[error("there is no MCP server \"{0}\"")]
    Unknown(String),
    /// It is switched off.
    #[error("the MCP server \"{0}\" is switched off")]
    Disabled(String),
    /// It is a program that the owner has not allowed to run.
    #[error("the program of the MCP server \"{0}\" may not run on this machine")]
    Untrusted(String),
    /// It could not be connected.
    #[error("the MCP server \"{server}\" cannot be reached: {detail}")]
    Unreachable {
        /// The server.
        server: String,
        /// What the system said.
        detail: String,
    },
    /// It failed before and is left alone for a while.
    #[error("the MCP server \"{server}\" failed and is tried again in {seconds} s: {detail}")]
    Waiting {
        /// The server.
        server: String,
        /// How long.
        seconds: u64,
        /// How it failed.
        detail: String,
    },
    /// It wants somebody to sign in.
    #[error("the MCP server \"{0}\" wants you to sign in")]
    LoginNeeded(String),
    /// Signing in failed.
    #[error("signing in to the MCP server \"{server}\" failed: {detail}")]
    LoginFailed {
        /// The server.
        server: String,
        /// Why.
        detail: String,
    },
    /// It has no such tool, or none that the owner accepted.
    #[error("the MCP server \"{server}\" has no tool \"{tool}\" that you accepted")]
    NotAccepted {
        /// The server.
        server: String,
        /// The tool.
        tool: String,
    },
    /// The tool is not what was accepted.
    #[error("the tool \"{tool}\" of the MCP server \"{server}\" has changed since you accepted it")]
    Changed {
        /// The server.
        server: String,
        /// The tool.
        tool: String,
    },
    /// It breaks the protocol or its limits.
    #[error("the MCP server \"{server}\" does not keep to the protocol: {detail}")]
    Hostile {
        /// The server.
        server: String,
        /// In which way.
        detail: String,
    },
    /// The accepted tools cannot be read or written.
    #[error("what you accepted of MCP servers cannot be kept: {0}")]
    Store(String),
}

impl McpError {
    /// The error for a model that called a tool. Nothing has happened.
    pub(crate) fn refusal(&self) -> ToolError {
        let error = ToolError::new(self.code(), self.message(Lang::En));
        match self.hint(Lang::En) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl Explain for McpError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "mcp.unknown_server",
            Self::Disabled(_) => "mcp.disabled",
            Self::Untrusted(_) => "mcp.untrusted",
            Self::Unreachable { .. } => "mcp.unreachable",
            Self::Waiting { .. } => "mcp.backing_off",
            Self::LoginNeeded(_) => "mcp.login_needed",
            Self::LoginFailed { .. } => "mcp.login_failed",
            Self::NotAccepted { .. } => "mcp.tool_not_accepted",
            Self::Changed { .. } => "mcp.tool_changed",
            Self::Hostile { .. } => "mcp.broken_protocol",
            Self::Store(_) => "mcp.store",
        }
    }

    fn message(&self, lang: Lang) -> String {
        if lang == Lang::En {
            return self.to_string();
        }
        match self {
            Self::Unknown(server) => format!("\"{server}\" MCP 서버가 없습니다"),
            Self::Disabled(server) => format!("\"{server}\" MCP 서버가 꺼져 있습니다"),
            Self::Untrusted(server) => {
                format!("\"{server}\" MCP 서버의 프로그램은 이 컴퓨터에서 실행할 수 없습니다")
            }
            Self::Unreachable { server, detail } => {
                format!("\"{server}\" MCP 서버에 연결할 수 없습니다: {detail}")
            }
            Self::Waiting { server, seconds, detail } => {
                format!("\"{server}\" MCP 서버가 실패하여 {seconds}초 뒤에 다시 시도합니다: {detail}")
            }
            Self::LoginNeeded(server) => format!("\"{server}\" MCP 서버에 로그인해야 합니다"),
            Self::LoginFailed { server, detail } => {
                format!("\"{server}\" MCP 서버에 로그인하지 못했습니다: {detail}")
            }
            Self::NotAccepted { server, tool } => {
                format!("\"{server}\" MCP 서버에 승인된 도구 \"{tool}\"이(가) 없습니다")
            }
            Self::Changed { server, tool } => {
                format!("\"{server}\" MCP 서버의 도구 \"{tool}\"이(가) 승인 이후 바뀌었습니다")
            }
            Self::Hostile { server, detail } => {
                format!("\"{server}\" MCP 서버가 규약을 지키지 않습니다: {detail}")
            }
            Self::Store(detail) => format!("MCP 서버 승인 내용을 저장할 수 없습니다: {detail}"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Unknown(_) => {
                ("`nunchi mcp list` shows those there are.", "`nunchi mcp list`로 목록을 볼 수 있습니다.")
            }
            Self::Disabled(_) => {
                ("Set `enabled = true` in its [[mcp]] table.", "[[mcp]] 항목에 `enabled = true`를 적으세요.")
            }
            Self::Untrusted(_) => (
                "It would run with your own rights. If you trust it, set `trusted = true` in its [[mcp]] table.",
                "사용자 권한으로 실행됩니다. 믿는다면 [[mcp]] 항목에 `trusted = true`를 적으세요.",
            ),
            Self::LoginNeeded(server) => {
                return Some(match lang {
                    Lang::En => format!("Run `nunchi mcp login {server}`."),
                    Lang::Ko => format!("`nunchi mcp login {server}`을(를) 실행하세요."),
                });
            }
            Self::NotAccepted { server, .. } | Self::Changed { server, .. } => {
                return Some(match lang {
                    Lang::En => format!(
                        "The owner sees the difference with `nunchi mcp tools {server}` and accepts it with `nunchi mcp accept {server}`."
                    ),
                    Lang::Ko => format!(
                        "`nunchi mcp tools {server}`로 차이를 보고 `nunchi mcp accept {server}`로 승인하세요."
                    ),
                });
            }
            _ => return None,
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Unreachable { .. } | Self::Waiting { .. } => RetryClass::Again,
            _ => RetryClass::Stop,
        }
    }
}
