//! `permissions`: the rules about tools, and taking granted ones back. `explain-permission`: may a call be made, and which rule says
//! so.

use super::super::Desk;
use super::short;
use crate::cli::{ExplainPermission, PermissionsCommand};
use crate::failure::Failure;
use crate::render::table;
use http::Method;
use serde_json::{Value, json};

/// Runs a permissions command.
pub(crate) async fn permissions(desk: &Desk, command: &PermissionsCommand) -> Result<(), Failure> {
    match command {
        PermissionsCommand::List { all } => {
            let rules: Value = desk.client.get(&format!("/api/permissions?revoked={all}")).await?;
            desk.show(&rules["rules"], || list(desk, &rules["rules"]))
        }
        PermissionsCommand::Revoke { id } => {
            let rule: Value = desk.client.delete(&format!("/api/permissions/{id}")).await?;
            desk.show(&rule, || {
                let name = rule["name"].as_str().unwrap_or_default();
                desk.lang.pick(
                    format!("Taken back: {name}. Such calls ask again."),
                    format!("거두었습니다: {name}. 이런 호출은 다시 묻습니다."),
                )
            })
        }
    }
}

fn list(desk: &Desk, rules: &Value) -> String {
    let lang = desk.lang;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = rules.as_array().into_iter().flatten().map(|rule| {
        let arguments = rule["arguments"].as_object().into_iter().flatten();
        let arguments: String =
            arguments.map(|(name, pattern)| format!(" {name}={}", text(pattern))).collect();
        let who = match (rule["id"].as_u64(), rule["revoked"].is_object()) {
            (None, _) => lang.pick("the configuration", "설정").to_owned(),
            (Some(_), false) => text(&rule["by"]),
            (Some(_), true) => {
                let by = text(&rule["revoked"]["by"]);
                lang.pick(format!("taken back by {by}"), format!("{by}이(가) 거둠"))
            }
        };
        vec![
            rule["id"].as_u64().map(|id| id.to_string()).unwrap_or_default(),
            text(&rule["verdict"]),
            format!("{}{arguments}", text(&rule["tool"])),
            who,
            text(&rule["at"]).get(..16).unwrap_or_default().replace('T', " "),
            short(&text(&rule["run"])).to_owned(),
        ]
    });
    let headings = lang.pick(
        [">id", "says", "calls", "by", "at (UTC)", "run"],
        [">id", "판정", "호출", "누가", "시각(UTC)", "실행"],
    );
    table(&headings, rows)
}

/// Judges a call without making it.
pub(crate) async fn explain_permission(desk: &Desk, flags: &ExplainPermission) -> Result<(), Failure> {
    let arguments: Value = match &flags.arguments {
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Failure::plain(
                "arguments.invalid",
                format!("the arguments are no JSON: {error}"),
                format!("인자가 JSON이 아닙니다: {error}"),
            )
            .with_hint(
                "nunchi explain-permission write_file '{\"path\": \"notes.md\"}'",
                "nunchi explain-permission write_file '{\"path\": \"notes.md\"}'",
            )
        })?,
        None => json!({}),
    };
    let call = json!({
        "tool": flags.tool, "arguments": arguments, "stranger": flags.stranger,
        "owner_texts": flags.said.iter().collect::<Vec<_>>(),
    });
    let judged: Value = desk.client.json(Method::POST, "/api/permissions/explain", &call).await?;
    desk.show(&judged, || {
        let mut text = format!("{}: {}", flags.tool, judged["explained"].as_str().unwrap_or_default());
        for (argument, label) in judged["labels"].as_object().into_iter().flatten() {
            text.push_str(&format!("\n  {argument}: {}", label.as_str().unwrap_or_default()));
        }
        if judged["verdict"] == "ask" && judged["grant"].is_object() {
            let grant = judged["grant"].to_string();
            text.push_str(&desk.lang.pick(
                format!("\nA rule that would allow it: {grant}"),
                format!("\n허용하려면 이런 규칙이 필요합니다: {grant}"),
            ));
        }
        text
    })
}
