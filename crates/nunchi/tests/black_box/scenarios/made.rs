//! What the owner has made: skills that are read on use, workflows that go on from where they failed.

use super::stage::{Scenario, Talk, call, says};
use serde_json::{Value, json};

const REPORT: &str = "---
name: weekly-report
description: Writes the weekly report of a team. Use it when somebody asks for a weekly report.
metadata:
  nunchi-params: team
---
Write `report-{{team}}.md` with exactly one line: `Team {{team}}: all is well.`
";

#[test]
fn a_skill_is_read_on_use_with_its_parameter() {
    let script = |talk: &Talk| match talk.turn() {
        0 => {
            assert!(talk.text().contains("weekly-report"), "a line of the catalog is in the prompt");
            assert!(!talk.text().contains("exactly one line"), "the body is not, until it is used");
            call("use_skill", json!({"name": "weekly-report", "params": {"team": "blue"}}))
        }
        1 => call("write_file", json!({"path": "report-blue.md", "text": "Team blue: all is well.\n"})),
        _ => says("The weekly report is written to report-blue.md."),
    };
    Scenario::new("Write the weekly report of team blue.", "reflexive", script)
        .prepare(|home| {
            std::fs::create_dir_all(home.path("skills/weekly-report")).expect("a folder");
            home.write("skills/weekly-report/SKILL.md", REPORT);
        })
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{:#}", ended.run);
            assert_eq!(ended.file("report-blue.md").as_deref(), Some("Team blue: all is well.\n"));
            assert_eq!(ended.done("use_skill"), 1);
        })
        .plays();
}

const GROUPED: &str = "---
name: sales-figures
description: Works sales figures out.
allowed-tools: calculator
metadata:
  nunchi-group: sales
  nunchi-keywords: sales, 매출
---
Add them up.
";

#[test]
fn a_group_of_skills_takes_no_tool_away() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("write_file", json!({"path": "sales.md", "text": "42\n"})),
        _ => says("The sales are written to sales.md."),
    };
    Scenario::new("Write 42 as our sales to sales.md.", "reflexive", script)
        .prepare(|home| {
            std::fs::create_dir_all(home.path("packs/office/skills/sales-figures")).expect("a folder");
            home.write("packs/office/skills/sales-figures/SKILL.md", GROUPED);
        })
        .check(|ended| {
            assert_eq!((ended.status(), ended.done("write_file")), ("done", 1), "{:#}", ended.run);
            let first = &ended.upstream.requests()[0].body["tools"];
            let names: Vec<_> =
                first.as_array().expect("tools").iter().map(|tool| &tool["function"]["name"]).collect();
            // All are sent here, since the provider's cache keeps them for less than a choice costs.
            assert!(
                names.contains(&&json!("calculator")) && names.contains(&&json!("write_file")),
                "{names:?}"
            );
        })
        .plays();
}

const FLOW: &str = "name = \"publish\"
[nodes.draft]
tool = \"write_file\"
args = { path = \"draft.md\", text = \"a draft\" }
next = \"look\"
[nodes.look]
tool = \"read_file\"
args = { path = \"draft.md\" }
next = \"style\"
[nodes.style]
tool = \"read_file\"
args = { path = \"style.md\" }
next = \"final\"
[nodes.final]
tool = \"write_file\"
args = { path = \"final.md\", text = \"{{ nodes.look.text }} in {{ nodes.style.text }}\" }
";

#[test]
fn a_workflow_goes_on_from_its_third_node() {
    Scenario::new("unused: a workflow needs no model", "reflexive", |_: &Talk| says("no model is asked"))
        .flow(json!({ "file": "publish.toml", "text": FLOW }))
        .then(|stage, run| {
            assert_eq!(stage.run(run)["status"], "failed", "style.md is missing: {:#}", stage.run(run));
            stage.write("style.md", "plain style");
            let next = stage.post(&format!("/api/runs/{run}/resume"), &json!({ "from": "style" }));
            let id = next["id"].as_str().expect("an id").to_owned();
            let ended = stage.stopped(&id);
            assert_eq!(ended["status"], "done", "{ended:#}");
            let steps = ended["steps"].as_array().expect("steps");
            let wrote =
                |step: &&Value| step["input"].as_str().is_some_and(|input| input.contains("draft.md"));
            assert_eq!(steps.iter().filter(wrote).count(), 0, "what was done is not done again");
            assert!(stage.file("final.md").is_some_and(|text| text.contains("plain style")));
        })
        .check(|ended| {
            assert_eq!(ended.done("write_file"), 1, "{:#}", ended.run);
            assert_eq!(ended.upstream.calls(), 0, "no model was needed");
        })
        .plays();
}
