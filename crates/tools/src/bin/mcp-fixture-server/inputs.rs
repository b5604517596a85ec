//! Tools that need answers of their client before they can end, as the newer era does it: the call comes again with them.

use nunchi_core::ContentHash;
use nunchi_tools::{McpAnswer, McpFault, McpLink, OfferedCall};
use serde_json::{Map, Value, json};

/// The tools.
pub(crate) const NAMES: [&str; 9] = [
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
    "test_streaming_elicitation",
];

/// Seals the state that travels over the client. It keeps honest clients honest: these fixtures guard nothing.
const SEAL: &str = "fixture seal";

/// Calls one of them.
pub(crate) fn call(call: &OfferedCall, link: &dyn McpLink) -> Result<McpAnswer, McpFault> {
    let answers = call.inputs.as_ref();
    let answer =
        |name: &str| answers.and_then(|answers| answers.get(name)).filter(|answer| answer.is_object());
    match call.tool.as_str() {
        "test_input_required_result_elicitation" => Ok(match answer("user_name") {
            Some(given) => {
                McpAnswer::text(format!("Hello, {}!", given["content"]["name"].as_str().unwrap_or("friend")))
            }
            None => needs([("user_name", form("What is your name?", "name", "string"))], None),
        }),
        "test_input_required_result_sampling" => Ok(match answer("capital_question") {
            Some(given) => McpAnswer::text(format!("Sampling response: {}", given["content"]["text"])),
            None => needs([("capital_question", sampling("What is the capital of France?"))], None),
        }),
        "test_input_required_result_list_roots" => Ok(match answer("client_roots") {
            Some(given) => McpAnswer::text(format!("Client roots: {}", given["roots"])),
            None => needs([("client_roots", roots())], None),
        }),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            match call.state.as_deref() {
                Some(state) => opened(state).map(|_| McpAnswer::text("Confirmed: state-ok")),
                None => Ok(needs([("confirm", form("Please confirm", "ok", "boolean"))], Some("confirm"))),
            }
        }
        "test_input_required_result_multiple_inputs" => several(call),
        "test_input_required_result_multi_round" => match call.state.as_deref().map(opened).transpose()? {
            None => Ok(needs([("step1", form("Step 1: What is your name?", "name", "string"))], Some("1"))),
            Some(round) if round == "1" => Ok(needs(
                [("step2", form("Step 2: What is your favorite color?", "color", "string"))],
                Some("2"),
            )),
            Some(_) => Ok(McpAnswer::text("Multi-round flow complete")),
        },
        "test_input_required_result_capabilities" => Ok(able(answers, link)),
        _ => Ok(needs([("streaming_elicitation", form("Provide a value", "value", "string"))], None)),
    }
}

fn several(call: &OfferedCall) -> Result<McpAnswer, McpFault> {
    let state = call.state.as_deref().map(opened).transpose()?;
    let names = ["user_name", "greeting", "client_roots"];
    let given =
        |name: &str| call.inputs.as_ref().and_then(|answers| answers.get(name)).is_some_and(Value::is_object);
    if state.is_some() && names.into_iter().all(given) {
        return Ok(McpAnswer::text("All inputs received"));
    }
    let questions = [
        (names[0], form("What is your name?", "name", "string")),
        (names[1], sampling("Generate a greeting")),
        (names[2], roots()),
    ];
    Ok(needs(questions, Some("gather")))
}

/// Asks only what the client says that it can answer.
fn able(answers: Option<&Map<String, Value>>, link: &dyn McpLink) -> McpAnswer {
    let all = [
        ("elicitation", "user_name", form("What is your name?", "name", "string")),
        ("sampling", "greeting", sampling("Generate a greeting")),
        ("roots", "client_roots", roots()),
    ];
    let questions: Vec<_> = all
        .into_iter()
        .filter(|(what, ..)| link.can(what))
        .map(|(_, name, question)| (name, question))
        .collect();
    if answers.is_some() || questions.is_empty() {
        return McpAnswer::text("Nothing more to ask");
    }
    needs(questions, None)
}

pub(crate) fn form(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({"type": "object", "required": [field], "properties": {field: {"type": kind}}});
    json!({"method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

fn sampling(prompt: &str) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 100}})
}

fn roots() -> Value {
    json!({"method": "roots/list"})
}

fn needs<'a>(questions: impl IntoIterator<Item = (&'a str, Value)>, state: Option<&str>) -> McpAnswer {
    let requests = questions.into_iter().map(|(name, question)| (name.to_owned(), question)).collect();
    McpAnswer::Needs { requests, state: state.map(sealed) }
}

fn sealed(state: &str) -> String {
    format!("{state}.{}", ContentHash::of(format!("{SEAL}{state}")))
}

fn opened(sealed_state: &str) -> Result<String, McpFault> {
    let state = sealed_state.split('.').next().unwrap_or_default();
    if sealed(state) == sealed_state {
        return Ok(state.to_owned());
    }
    Err(McpFault::Invalid("the state is not the one that was sent".into()))
}
