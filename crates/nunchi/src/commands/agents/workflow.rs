//! `run FILE`: a workflow is carried out and followed, or only rehearsed.

use super::super::flow::{prompt_of, text_of};
use super::super::{Desk, print_json};
use super::follow::follow;
use super::line;
use crate::cli::RunFile;
use crate::failure::Failure;
use crate::render::table;
use http::Method;
use nunchi_agent::{WorkflowSource, parse_workflow};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// Carries a workflow out.
pub(crate) async fn run(desk: &Desk, flags: &RunFile) -> Result<(), Failure> {
    let name = flags.file.display().to_string();
    let text = text_of(&flags.file).map_err(|error| Failure::system(&name, error))?;
    let body = json!({
        "file": name, "text": text, "prompts": prompts(&flags.file, &name, &text)?, "params": params(flags)?,
        "from": flags.from, "money": flags.max_usd, "session": flags.session, "dry_run": flags.dry_run,
    });
    let answer: Value = desk.client.json(Method::POST, "/api/flows", &body).await?;
    if flags.dry_run {
        return desk.show(&answer, || rehearsed(desk, &answer));
    }
    let id = answer["run_id"].as_str().unwrap_or_default().to_owned();
    follow(desk, &id, 0).await?;
    if desk.json {
        let run: Value = desk.client.get(&format!("/api/runs/{id}")).await?;
        return print_json(&run);
    }
    Ok(())
}

/// The texts of the prompts' files that the workflow names.
fn prompts(file: &Path, name: &str, text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = RefCell::new(BTreeMap::new());
    let prompt = |wanted: &str| {
        let text = prompt_of(folder, wanted)?;
        read.borrow_mut().insert(wanted.to_owned(), text.clone());
        Ok(text)
    };
    // Which tools there are is known where it runs.
    parse_workflow(&WorkflowSource { name, text, prompt: &prompt }, None)
        .map_err(|errors| Failure::Explained(Box::new(errors)))?;
    Ok(read.into_inner())
}

fn params(flags: &RunFile) -> Result<Map<String, Value>, Failure> {
    let pairs = flags.param.iter().map(|pair| match pair.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), Value::String(value.to_owned()))),
        None => Err(Failure::plain(
            "param.invalid",
            format!("`{pair}` is not name=value"),
            format!("`{pair}`은(는) 이름=값 형식이 아닙니다"),
        )),
    });
    pairs.collect()
}

fn rehearsed(desk: &Desk, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = answer["nodes"].as_array().into_iter().flatten().map(|node| {
        let what =
            if node["arguments"].is_null() { text(&node["title"]) } else { node["arguments"].to_string() };
        let because = text(&node["because"][usize::from(desk.lang == nunchi_core::Lang::Ko)]);
        vec![text(&node["node"]), text(&node["kind"]), line(&what, 60), text(&node["effect"]), because]
    });
    let headings = desk
        .lang
        .pick(["node", "kind", "what", "effect", "permission"], ["노드", "종류", "내용", "효과", "허가"]);
    let head = desk.lang.pick("Only a look; nothing was done.", "미리 보기입니다. 아무것도 하지 않았습니다.");
    format!("{head}\n{}", table(&headings, rows))
}
