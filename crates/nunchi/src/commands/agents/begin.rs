//! `ask --mode`: a run is begun and followed to its end, or until it waits for a person.

use super::super::{Desk, print_json};
use super::follow::follow;
use crate::cli::Ask;
use crate::failure::Failure;
use http::Method;
use serde_json::{Value, json};

/// Begins a run and follows it.
pub(crate) async fn begin(desk: &Desk, goal: &str, flags: &Ask) -> Result<(), Failure> {
    let body = json!({
        "goal": goal,
        "mode": flags.mode.map_or("auto", crate::cli::ModeArg::name),
        "session": flags.session,
        "model": Some(&flags.model).filter(|model| *model != "auto"),
        "money": flags.max_usd,
        "turns": flags.turns,
        "tools": (!flags.tools.is_empty()).then_some(&flags.tools),
    });
    let run: Value = desk.client.json(Method::POST, "/api/runs", &body).await?;
    let id = run["run_id"].as_str().unwrap_or_default().to_owned();
    follow(desk, &id, 0).await?;
    if desk.json {
        let run: Value = desk.client.get(&format!("/api/runs/{id}")).await?;
        return print_json(&run);
    }
    Ok(())
}
