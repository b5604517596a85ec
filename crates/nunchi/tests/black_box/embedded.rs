//! An agent on the embedded model alone, with its real weights: nothing configured, nothing paid.

use crate::support::Home;
use serde_json::Value;
use std::path::PathBuf;

/// A home that knows nothing but the embedded model.
fn home() -> Home {
    let shared = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from);
    let shared = shared.or_else(nunchi_local::default_weights_dir).expect("a folder for weights");
    let home = Home::new().variable("NUNCHI_LOCAL__WEIGHTS", shared.to_str().expect("UTF-8"));
    let home = home.variable("NUNCHI_AGENT__MAX_OUTPUT", "64");
    let pulled = home.run(["models", "pull", nunchi_local::DEFAULT_CHAT_WEIGHTS]);
    assert_eq!(pulled.code, 0, "{}", pulled.err);
    home
}

#[test]
fn a_run_on_the_embedded_model_ends_with_an_answer() {
    let home = home();
    let run =
        home.json(&["ask", "--mode", "reflexive", "What is the capital of France? Answer in one word."]);
    assert_eq!(run["status"], "done", "{run:#}");
    assert_eq!(run["total_cost_usd"], "0.00");
    assert!(run["outcome"]["text"].as_str().is_some_and(|text| text.contains("Paris")), "{run:#}");
    let steps = run["steps"].as_array().expect("steps");
    let by = |step: &&Value| step["kind"] == "model" && step["status"] == "ok";
    let answered = steps.iter().find(by).expect("a model call");
    assert_eq!(answered["tool"], nunchi_local::DEFAULT_CHAT_WEIGHTS);
    // It knows no tools, and the record says that it was asked without them.
    assert!(steps.iter().any(|step| step["code"] == "model.toolless"), "{run:#}");
}

const FLOW: &str = "name = \"capital\"
[nodes.read]
tool = \"read_file\"
args = { path = \"trip.txt\" }
next = \"answer\"
[nodes.answer]
prompt = \"{{ nodes.read.text }} Which country is that? Answer in one word.\"
";

/// The model cannot choose a tool, so a workflow does; what the tool found is the model's to answer from.
#[test]
fn a_workflow_gives_it_what_a_tool_has_found() {
    let home = home();
    std::fs::create_dir_all(home.path("work")).expect("a folder");
    home.write("work/trip.txt", "Our trip goes to Paris, the capital of France.");
    home.write("capital.toml", FLOW);
    let file = home.path("capital.toml");
    let run = home.json(&["run", file.to_str().expect("UTF-8")]);
    assert_eq!(run["status"], "done", "{run:#}");
    let steps = run["steps"].as_array().expect("steps");
    let tools = steps.iter().filter(|step| step["kind"] == "tool" && step["status"] == "ok").count();
    assert_eq!(tools, 1, "{run:#}");
    // Whether it answers well is another matter for so small a model.
    assert!(run["outcome"]["text"].as_str().is_some_and(|text| !text.trim().is_empty()), "{run:#}");
    assert_eq!(run["sub_agents"][0]["status"], "done", "{run:#}");
    assert_eq!(run["total_cost_usd"], "0.00");
}
