//! `mcp`: servers of others: written down, looked at, accepted, called.

use crate::cli::McpCommand;
use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use crate::mcp::mcp_hub;
use crate::render::table;
use crate::runtime::SystemClock;
use nunchi_core::{BoxFuture, Lang};
use nunchi_tools::{McpConsent, McpHub, McpInventory, McpServerConfig, ToolChange};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

/// How long a person may take to sign in.
const SIGN_IN: Duration = Duration::from_secs(300);

/// Longest request that a browser may come back with, in bytes.
const MAX_REQUEST: u64 = 16 * 1024;

/// What these commands have at hand: no server and no ledger, only the home folder.
struct Place<'a> {
    home: &'a Home,
    lang: Lang,
    json: bool,
}

impl Place<'_> {
    fn show(&self, value: &Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { super::print_json(value) } else { super::print_line(&text()) }
    }
}

/// Runs an mcp command.
pub(crate) async fn mcp(
    home: &Home,
    config: &Config,
    command: &McpCommand,
    (lang, json): (Lang, bool),
) -> Result<(), Failure> {
    let place = Place { home, lang, json };
    match command {
        McpCommand::Add { .. } => return add(&place, config, command),
        McpCommand::Remove { name } => remove_table(&home.file("nunchi.toml"), name)?,
        _ => {}
    }
    let browser = Browser::listen(lang).await?;
    let hub = mcp_hub(home, config, Arc::new(SystemClock::start()), Some(Arc::new(browser)))?;
    let outcome = with_hub(&place, &hub, command).await;
    hub.close().await;
    outcome
}

async fn with_hub(place: &Place<'_>, hub: &McpHub, command: &McpCommand) -> Result<(), Failure> {
    match command {
        McpCommand::List => list(place, hub).await,
        McpCommand::Tools { server: Some(server) } => {
            let inventory = hub.inspect(server).await?;
            place.show(&inventory_json(&inventory), || inventory_text(&inventory, place.lang))
        }
        McpCommand::Tools { server: None } => accepted(place, hub).await,
        McpCommand::Accept { server } => {
            let changes = hub.accept(server).await?;
            place.show(&json!({"server": server, "changes": changes}), || {
                let told: String = changes.iter().map(change_text).collect();
                let end = place.lang.pick(
                    format!("Accepted: {server}, {} change(s).", changes.len()),
                    format!("승인함: {server}, 변경 {}개", changes.len()),
                );
                format!("{told}{end}")
            })
        }
        McpCommand::Call { server, tool, arguments } => {
            let arguments: Value =
                serde_json::from_str(arguments).ok().filter(Value::is_object).ok_or_else(|| {
                    Failure::plain(
                        "mcp.arguments",
                        "the arguments must be a JSON object",
                        "인수는 JSON 객체여야 합니다",
                    )
                })?;
            let called = hub.call(server, tool, arguments).await;
            let output = called.map_err(|error| Failure::Explained(Box::new(error)))?;
            place.show(&json!({"text": output.text}), || output.text.clone())
        }
        McpCommand::Login { server } => {
            hub.sign_in(server).await?;
            place.show(&json!({"server": server, "signed_in": true}), || {
                place.lang.pick(format!("Signed in: {server}"), format!("로그인함: {server}"))
            })
        }
        McpCommand::Remove { name } => {
            hub.forget(name)?;
            place.show(&json!({"removed": name}), || {
                place.lang.pick(format!("Removed {name}."), format!("{name}을(를) 지웠습니다."))
            })
        }
        McpCommand::Add { .. } | McpCommand::Serve => Ok(()),
    }
}

async fn list(place: &Place<'_>, hub: &McpHub) -> Result<(), Failure> {
    let all = hub.status().await;
    let shown: Vec<_> = all
        .iter()
        .map(|one| {
            json!({"name": one.name, "place": one.place, "enabled": one.enabled, "trusted": one.trusted,
                "accepted": one.accepted})
        })
        .collect();
    place.show(&json!({"servers": shown}), || {
        let headings =
            place.lang.pick(["server", "place", "state", ">accepted"], ["서버", "위치", "상태", ">승인"]);
        let state = |enabled: bool, trusted: bool| match (enabled, trusted) {
            (false, _) => place.lang.pick("off", "꺼짐"),
            (true, false) => place.lang.pick("not trusted", "신뢰 안 함"),
            (true, true) => place.lang.pick("ready", "준비됨"),
        };
        let rows = all.iter().map(|one| {
            let state = state(one.enabled, one.trusted).to_owned();
            vec![one.name.clone(), one.place.clone(), state, one.accepted.to_string()]
        });
        table(&headings, rows)
    })
}

/// The accepted tools of all servers, as our agents see them.
async fn accepted(place: &Place<'_>, hub: &McpHub) -> Result<(), Failure> {
    let mut specs = Vec::new();
    for one in hub.status().await {
        specs.extend(hub.specs(&one.name)?);
    }
    let shown: Vec<_> = specs
        .iter()
        .map(|spec| json!({"name": spec.name, "effect": spec.effect, "output": spec.output, "description": spec.description}))
        .collect();
    place.show(&json!({"tools": shown}), || {
        let headings = place.lang.pick(["tool", "effect", "says"], ["도구", "효과", "설명"]);
        let rows = specs.iter().map(|spec| {
            let effect = json!(spec.effect).as_str().unwrap_or_default().to_owned();
            vec![spec.name.clone(), effect, spec.description.lines().next().unwrap_or_default().to_owned()]
        });
        table(&headings, rows)
    })
}

fn inventory_json(inventory: &McpInventory) -> Value {
    json!({"tools": inventory.tools, "changes": inventory.changes, "refused": inventory.refused})
}

fn inventory_text(inventory: &McpInventory, lang: Lang) -> String {
    let headings = lang.pick(["tool", "read only", "says"], ["도구", "읽기 전용", "설명"]);
    let rows = inventory.tools.iter().map(|tool| {
        let first = tool.description.lines().next().unwrap_or_default().to_owned();
        vec![tool.name.clone(), tool.read_only.to_string(), first]
    });
    let mut text = table(&headings, rows);
    for reason in &inventory.refused {
        text += &lang.pick(format!("\nrefused: {reason}"), format!("\n거부됨: {reason}"));
    }
    if !inventory.changes.is_empty() {
        text += lang.pick("\n\nNot as accepted:\n", "\n\n승인된 것과 다름:\n");
        text.extend(inventory.changes.iter().map(change_text));
    }
    text
}

fn change_text(change: &ToolChange) -> String {
    let mark = match change {
        ToolChange::Added { .. } => "+",
        ToolChange::Changed { .. } => "~",
        ToolChange::Removed { .. } => "-",
    };
    let diff: String = change.diff().lines().map(|line| format!("    {line}\n")).collect();
    format!("{mark} {}\n{diff}", change.tool())
}

/// Writes a `[[mcp]]` table; what else stands in the file stays as it is.
fn add(place: &Place<'_>, config: &Config, command: &McpCommand) -> Result<(), Failure> {
    let McpCommand::Add { name, url, oauth, token_env, trusted, trust_hints, intent, keyword, program } =
        command
    else {
        return Ok(());
    };
    if !McpServerConfig::is_name(name) {
        return Err(Failure::plain(
            "mcp.name",
            "a name is made of lower-case letters, digits and `-`, at most 32",
            "이름은 소문자, 숫자, `-`로 된 32자 이하여야 합니다",
        ));
    }
    if config.mcp.iter().any(|server| server.name == *name) {
        return Err(Failure::plain(
            "mcp.exists",
            format!("there is a server \"{name}\" already"),
            format!("\"{name}\" 서버가 이미 있습니다"),
        ));
    }
    let mut table = Table::new();
    table["name"] = value(name);
    match (url, program.split_first()) {
        (Some(url), None) => table["url"] = value(url),
        (None, Some((command, args))) => {
            table["command"] = value(command);
            table["args"] = value(args.iter().collect::<Array>());
        }
        _ => {
            return Err(Failure::plain(
                "mcp.place",
                "name an address with --url, or a program after --",
                "--url로 주소를, 또는 -- 뒤에 프로그램을 적으세요",
            ));
        }
    }
    for (key, set) in [("oauth", oauth), ("trusted", trusted), ("trust_hints", trust_hints)] {
        if *set {
            table[key] = value(true);
        }
    }
    if let Some(variable) = token_env {
        table["token_env"] = value(variable);
    }
    for (key, words) in [("intents", intent), ("keywords", keyword)] {
        if !words.is_empty() {
            table[key] = value(words.iter().collect::<Array>());
        }
    }
    append_table(&place.home.file("nunchi.toml"), table)?;
    place.show(&json!({"added": name}), || {
        place.lang.pick(
            format!("Added {name}. Look at its tools with `nunchi mcp tools {name}`, then `nunchi mcp accept {name}`. A running server sees it after a restart."),
            format!("{name}을(를) 추가했습니다. `nunchi mcp tools {name}`로 도구를 보고 `nunchi mcp accept {name}`로 승인하세요. 실행 중인 서버는 다시 시작해야 합니다."),
        )
    })
}

fn document(path: &Path) -> Result<DocumentMut, Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|error| Failure::system("nunchi.toml", error))?,
    };
    text.parse().map_err(|error| Failure::system("nunchi.toml", error))
}

fn write(path: &Path, document: &DocumentMut) -> Result<(), Failure> {
    let draft = path.with_extension("toml.new");
    std::fs::write(&draft, document.to_string())
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|error| Failure::system("nunchi.toml", error))
}

fn append_table(path: &Path, table: Table) -> Result<(), Failure> {
    let mut document = document(path)?;
    let item = document.entry("mcp").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(tables) = item.as_array_of_tables_mut() else {
        return Err(Failure::plain(
            "config.invalid",
            "`mcp` is no [[mcp]] table",
            "`mcp`가 [[mcp]] 항목이 아닙니다",
        ));
    };
    tables.push(table);
    write(path, &document)
}

fn remove_table(path: &Path, name: &str) -> Result<(), Failure> {
    let mut document = document(path)?;
    if let Some(tables) = document.get_mut("mcp").and_then(Item::as_array_of_tables_mut) {
        tables.retain(|table| table.get("name").and_then(Item::as_str) != Some(name));
        let empty = tables.is_empty();
        if empty {
            document.remove("mcp");
        }
        write(path, &document)?;
    }
    Ok(())
}

/// Waits on a loopback address for the browser that comes back from the authorization server.
struct Browser {
    listener: tokio::net::TcpListener,
    port: u16,
    lang: Lang,
}

impl Browser {
    async fn listen(lang: Lang) -> Result<Self, Failure> {
        let failed = |error| Failure::system("a loopback address", error);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port, lang })
    }

    /// The path that a browser asked for, once one comes with an answer.
    async fn answer(&self) -> std::io::Result<String> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let mut head = Vec::new();
            let (mut reading, mut writing) = stream.into_split();
            let mut limited = (&mut reading).take(MAX_REQUEST);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                if limited.read_buf(&mut head).await? == 0 {
                    break;
                }
            }
            let text = self.lang.pick("You may close this page.", "이 창을 닫아도 됩니다.");
            let reply = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
            writing.write_all(reply.as_bytes()).await?;
            let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
            if path.starts_with("/callback?") {
                return Ok(path);
            }
        }
    }
}

impl McpConsent for Browser {
    fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    fn visit<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let told = self.lang.pick("Open this in your browser:", "브라우저에서 여세요:");
            eprintln!("{told}\n{url}");
            let answered = tokio::time::timeout(SIGN_IN, self.answer()).await;
            match answered {
                Ok(Ok(path)) => Ok(format!("http://127.0.0.1:{}{path}", self.port)),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("nobody signed in in time".into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nunchi.toml");
        let before = "# mine\n[server]\nlang = \"ko\" # keep\n";
        std::fs::write(&path, before).unwrap();
        let mut table = Table::new();
        table["name"] = value("a");
        append_table(&path, table.clone()).unwrap();
        table["name"] = value("b");
        append_table(&path, table).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.starts_with(before) && written.matches("[[mcp]]").count() == 2, "{written}");
        remove_table(&path, "a").unwrap();
        remove_table(&path, "b").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), before.trim());
    }
}
