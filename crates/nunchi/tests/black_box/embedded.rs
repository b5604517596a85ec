//! An agent on the embedded model alone, with its real weights: nothing configured, nothing paid.

use crate::support::Home;
use serde_json::{Value, json};

/// A home that knows nothing but the embedded model.
fn home() -> Home {
    let home = Home::new().with_encoder().variable("NUNCHI_AGENT__MAX_OUTPUT", "64");
    let pulled = home.run(["models", "pull", nunchi_local::DEFAULT_CHAT_WEIGHTS]);
    assert_eq!(pulled.code, 0, "{}", pulled.err);
    home
}

fn steps<'r>(run: &'r Value, kind: &str) -> Vec<&'r Value> {
    let steps = run["steps"].as_array().expect("steps");
    steps.iter().filter(|step| step["kind"] == kind && step["status"] == "ok").collect()
}

#[test]
fn a_run_without_need_of_a_tool_ends_with_an_answer() {
    let home = home();
    let run =
        home.json(&["ask", "--mode", "reflexive", "What is the capital of France? Answer in one word."]);
    assert_eq!(run["status"], "done", "{run:#}");
    assert_eq!(run["total_cost_usd"], "0.00");
    assert!(run["outcome"]["text"].as_str().is_some_and(|text| text.contains("Paris")), "{run:#}");
    assert_eq!(steps(&run, "model")[0]["tool"], nunchi_local::DEFAULT_CHAT_WEIGHTS);
    assert!(steps(&run, "tool").is_empty(), "{run:#}");
}

#[test]
fn a_run_calls_the_tool_it_needs_and_answers_with_its_result() {
    let home = home();
    let run = home.json(&["ask", "--mode", "reflexive", "What is 17 * 23?"]);
    assert_eq!(run["status"], "done", "{run:#}");
    let calls = steps(&run, "tool");
    assert_eq!(calls.len(), 1, "{run:#}");
    assert_eq!(calls[0]["tool"], "calculator");
    assert!(run["outcome"]["text"].as_str().is_some_and(|text| text.contains("391")), "{run:#}");
    assert_eq!(run["total_cost_usd"], "0.00");
}

/// The texts of all server-sent events of a stream, at a pointer into their JSON.
fn deltas(body: &str, pointer: &str) -> Vec<String> {
    let events = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    events.filter_map(|event| Some(event.pointer(pointer)?.as_str()?.to_owned())).collect()
}

#[test]
fn calls_and_schemas_are_served_in_every_dialect() {
    let home = home();
    let server = home.up();
    let key = server.first_key();
    let model = format!("embedded/{}", nunchi_local::DEFAULT_CHAT_WEIGHTS);
    let city = json!({"type": "object", "required": ["city", "unit"], "additionalProperties": false,
        "properties": {"city": {"type": "string", "maxLength": 40}, "unit": {"enum": ["celsius", "kelvin"]}}});
    let text = "What is the weather in Paris in celsius?";
    let said = json!([{"role": "user", "content": text}]);
    let fits = |arguments: &str| {
        let value: Value = serde_json::from_str(arguments).unwrap_or_else(|e| panic!("{e}: {arguments}"));
        assert_eq!(value["city"], "Paris", "{value}");
        assert!(value["unit"] == "celsius" || value["unit"] == "kelvin", "{value}");
    };

    let function = json!({"name": "get_weather", "description": "Weather of a city", "parameters": city});
    let mut body = json!({"model": model, "messages": said, "max_tokens": 60,
        "tools": [{"type": "function", "function": function}]});
    let got = server.post("/v1/chat/completions", &key, &body).json();
    let choice = &got["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{got:#}");
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "get_weather", "{got:#}");
    fits(call["arguments"].as_str().expect("arguments"));
    body["stream"] = json!(true);
    body["tool_choice"] = json!({"type": "function", "function": {"name": "get_weather"}});
    let streamed = server.post("/v1/chat/completions", &key, &body).body;
    let pieces = deltas(&streamed, "/choices/0/delta/tool_calls/0/function/arguments");
    assert!(pieces.len() > 1, "{streamed}");
    fits(&pieces.concat());

    let tool = json!({"name": "get_weather", "description": "Weather of a city", "input_schema": city});
    let body = json!({"model": model, "messages": said, "max_tokens": 60, "tools": [tool],
        "tool_choice": {"type": "any"}});
    let got = server.post("/v1/messages", &key, &body).json();
    assert_eq!(got["stop_reason"], "tool_use", "{got:#}");
    fits(&got["content"][0]["input"].to_string());

    let format = json!({"type": "json_schema", "name": "weather", "schema": city, "strict": true});
    let body = json!({"model": model, "input": text, "max_output_tokens": 60, "text": {"format": format}});
    let got = server.post("/v1/responses", &key, &body).json();
    let answer = got.pointer("/output/0/content/0/text").and_then(Value::as_str);
    let value: Value = serde_json::from_str(answer.unwrap_or_else(|| panic!("{got:#}"))).expect("JSON");
    assert!(value["unit"] == "celsius" || value["unit"] == "kelvin", "{value}");
    let body = json!({"model": model, "messages": said, "max_tokens": 200, "stream": true,
        "response_format": {"type": "json_schema", "json_schema": {"name": "weather", "schema": city}}});
    let streamed = server.post("/v1/chat/completions", &key, &body).body;
    let whole = deltas(&streamed, "/choices/0/delta/content").concat();
    assert!(serde_json::from_str::<Value>(&whole).is_ok_and(|v| v["city"].is_string()), "{streamed}");
    server.stop();
}

const FLOW: &str = "name = \"capital\"
[nodes.read]
tool = \"read_file\"
args = { path = \"trip.txt\" }
next = \"answer\"
[nodes.answer]
prompt = \"{{ nodes.read.text }} Which country is that? Answer in one word.\"
";

/// Where so small a model chooses badly, a workflow chooses; what the tool found is the model's to answer from.
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
