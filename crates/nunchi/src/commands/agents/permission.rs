//! `explain-permission`: may a call be made, and which rule says so.

use super::super::Desk;
use crate::cli::ExplainPermission;
use crate::failure::Failure;
use http::Method;
use serde_json::{Value, json};

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
        if judged["verdict"] == "ask" {
            let grant = judged["grant"].to_string();
            text.push_str(&desk.lang.pick(
                format!("\nA rule that would allow it: {grant}"),
                format!("\n허용하려면 이런 규칙이 필요합니다: {grant}"),
            ));
        }
        text
    })
}
