//! Plans: carried out in waves or one by one, checked against receipts, repaired once, told honestly.

use super::stage::{Scenario, Talk, call, says};
use serde_json::{Value, json};

fn plan(nodes: &[Value]) -> nunchi_testkit::Turn {
    says(json!({ "questions": [], "nodes": nodes }).to_string())
}

fn node(id: &str, goal: &str, tools: &[&str], after: &[&str]) -> Value {
    json!({ "id": id, "goal": goal, "done_when": "it is there", "tools": tools, "after": after })
}

#[test]
fn ten_parts_are_done_side_by_side_and_merged() {
    let script = |talk: &Talk| {
        if talk.is_sub_agent() {
            let number = talk
                .goal()
                .split("part ")
                .nth(1)
                .and_then(|rest| rest.split('.').next())
                .unwrap_or("?")
                .to_owned();
            return match talk.turn() {
                0 => call("write_file", json!({"path": format!("part-{number}.txt"), "text": number})),
                _ => says(format!("Part {number} is written.")),
            };
        }
        match talk.turn() {
            0 => {
                let nodes: Vec<_> = (1..=10)
                    .map(|n| {
                        node(&format!("p{n}"), &format!("Write part {n}. Only that."), &["write_file"], &[])
                    })
                    .collect();
                plan(&nodes)
            }
            _ => says("All ten parts are written."),
        }
    };
    Scenario::new("Write ten parts, each to its own file.", "ultrawork", script)
        .check(|ended| {
            assert_eq!(
                (ended.status(), ended.answer()),
                ("done", "All ten parts are written."),
                "{:#}",
                ended.run
            );
            for number in 1..=10 {
                assert_eq!(ended.file(&format!("part-{number}.txt")), Some(number.to_string()));
            }
            assert_eq!(ended.run["sub_agents"].as_array().map(Vec::len), Some(10), "no part was begun twice");
        })
        .plays();
}

#[test]
fn what_the_check_finds_missing_is_repaired() {
    let script = |talk: &Talk| match talk.turn() {
        0 => plan(&[
            node("a", "Write summary.md", &["write_file"], &[]),
            node("b", "Write index.md", &["write_file"], &["a"]),
        ]),
        1 => call("write_file", json!({"path": "summary.md", "text": "short"})),
        2 => says("The summary is written to summary.md."),
        3 => says(
            json!({"goals": [
                {"id": "a", "met": true, "receipts": receipts(talk)},
                {"id": "b", "met": false, "receipts": [], "missing": "index.md is not there"},
            ]})
            .to_string(),
        ),
        4 => call("write_file", json!({"path": "index.md", "text": "- summary.md"})),
        5 => says("summary.md and index.md are written."),
        _ => says(
            json!({"goals": [
                {"id": "a", "met": true, "receipts": receipts(talk)},
                {"id": "b", "met": true, "receipts": receipts(talk)},
            ]})
            .to_string(),
        ),
    };
    Scenario::new("Write summary.md and an index.md that lists it.", "deliberate", script)
        .person(|_| Some(json!({ "answer": "approve" })))
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{:#}", ended.run);
            assert_eq!(ended.file("index.md").as_deref(), Some("- summary.md"));
            assert_eq!(ended.run["outcome"]["unmet"], json!([]), "{:#}", ended.run);
        })
        .plays();
}

/// The numbers of the receipts that the model was shown last.
fn receipts(talk: &Talk) -> Vec<u32> {
    let text = talk.last().to_owned();
    let numbers =
        text.lines().filter_map(|line| line.split_once("write_file").map(|(before, _)| before.to_owned()));
    numbers
        .filter_map(|before| before.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok())
        .collect()
}

#[test]
fn what_cannot_be_repaired_is_told_honestly() {
    let script = |talk: &Talk| {
        match talk.turn() {
        0 => plan(&[node("a", "Read prices.csv", &["read_file"], &[])]),
        1 | 4 => call("read_file", json!({"path": format!("prices{}.csv", talk.turn())})),
        2 | 5 => says("prices.csv is not there, so I cannot tell the prices."),
        _ => says(json!({"goals": [{"id": "a", "met": false, "receipts": [], "missing": "prices.csv does not exist"}]}).to_string()),
    }
    };
    Scenario::new("Research the prices in prices.csv and report them.", "deliberate", script)
        .check(|ended| {
            assert_eq!(ended.status(), "failed", "{:#}", ended.run);
            let unmet = ended.run["outcome"]["unmet"].to_string();
            assert!(unmet.contains("prices.csv does not exist"), "{unmet}");
        })
        .plays();
}

#[test]
fn research_is_delegated_and_its_findings_are_used() {
    let script = |talk: &Talk| {
        if talk.is_sub_agent() {
            return match talk.turn() {
                0 => call("read_file", json!({"path": "vendors.md"})),
                _ => says(json!({"cheapest": "Beta", "price": 40}).to_string()),
            };
        }
        let schema = json!({"type": "object", "required": ["cheapest", "price"], "properties": {"cheapest": {"type": "string"}, "price": {"type": "integer"}}});
        match talk.turn() {
            0 => plan(&[node("a", "Find the cheapest vendor", &["read_file"], &[])]),
            1 => call(
                "delegate",
                json!({"goal": "Find the cheapest vendor in vendors.md.", "tools": ["read_file"], "output_schema": schema}),
            ),
            2 => says("Beta is the cheapest vendor, at 40."),
            _ => says(
                json!({"goals": [{"id": "a", "met": true, "receipts": [first_number(talk)]}]}).to_string(),
            ),
        }
    };
    Scenario::new("Research which vendor in vendors.md is the cheapest and report it.", "deliberate", script)
        .file("vendors.md", "Alpha 50\nBeta 40\n")
        .check(|ended| {
            assert_eq!(
                (ended.status(), ended.answer()),
                ("done", "Beta is the cheapest vendor, at 40."),
                "{:#}",
                ended.run
            );
            assert_eq!(ended.run["sub_agents"].as_array().map(Vec::len), Some(1));
        })
        .plays();
}

/// The first number of the list of receipts that the model was shown.
fn first_number(talk: &Talk) -> u32 {
    let text = talk.last();
    let listed = text.split("succeeded:").nth(1).unwrap_or(text);
    let digits: String =
        listed.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
