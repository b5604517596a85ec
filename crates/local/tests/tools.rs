//! The embedded model's calls of tools and answers under a schema, with its real weights.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use futures_util::StreamExt;
use nunchi_core::{
    CallContext, Choice, JsonSchemaFormat, Message, Model, ModelErrorKind, ModelRequest, Part, Principal,
    ReplyEvent, RequestId, ResponseFormat, Role, StopReason, ToolChoice, ToolDefinition, assemble_reply,
};
use nunchi_local::{
    ChatConfig, ChatEngine, DEFAULT_CHAT_WEIGHTS, DEFAULT_ENCODER_WEIGHTS, EncoderEngine, FetchOptions,
    LocalModel, WeightStore, default_weights_dir,
};
use serde_json::{Value, json, value::to_raw_value};
use std::path::PathBuf;
use std::sync::Arc;

fn model() -> LocalModel {
    let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
    let store = Arc::new(WeightStore::new(dir.expect("NUNCHI_WEIGHTS_DIR or HOME is set")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for id in [DEFAULT_CHAT_WEIGHTS, DEFAULT_ENCODER_WEIGHTS] {
        runtime.block_on(store.fetch(id, &FetchOptions::default(), &|_| {})).expect("fetched");
    }
    let config = ChatConfig { threads: 2, ..ChatConfig::new(DEFAULT_CHAT_WEIGHTS) };
    let (engine, _thread) = ChatEngine::start(config, Arc::clone(&store)).expect("starts");
    let (encoder, _thread) =
        EncoderEngine::start(DEFAULT_ENCODER_WEIGHTS, 4, Arc::clone(&store)).expect("starts");
    LocalModel::new(engine, Some(encoder), store, DEFAULT_CHAT_WEIGHTS, 2_048)
}

fn tool(name: &str, description: &str, parameters: &Value) -> ToolDefinition {
    ToolDefinition {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        parameters: Some(to_raw_value(parameters).expect("JSON")),
        strict: None,
        builtin: None,
    }
}

/// What a person says to a model with a calculator and a weather service.
fn request(said: &str) -> ModelRequest {
    let mut request = ModelRequest::new("auto", vec![Message::text(Role::User, said)]);
    request.max_output_tokens = Some(64);
    request.sampling.temperature = Some(0.0);
    let text =
        |name: &str| json!({"type": "object", "required": [name], "properties": {name: {"type": "string"}}});
    request.tools = vec![
        tool("get_weather", "Current weather of a city.", &text("city")),
        tool("calculator", "Exact arithmetic: + - * / ^ %, parentheses.", &text("expression")),
    ];
    request
}

/// The only alternative, and the pieces that arguments came in.
async fn answer(model: &LocalModel, request: &ModelRequest) -> (Choice, usize) {
    let context = CallContext::new(RequestId(Default::default()), Arc::new(Principal::owner()));
    let reply = model.call(request.clone(), context).await.expect("begins");
    let frames: Vec<_> = reply.stream.map(|frame| frame.expect("whole")).collect().await;
    let events: Vec<_> = frames.into_iter().flat_map(|frame| frame.events).collect();
    let pieces = events.iter().filter(|event| matches!(event, ReplyEvent::ToolArguments { .. })).count();
    let mut body = assemble_reply(&events);
    assert_eq!(body.choices.len(), 1);
    (body.choices.remove(0), pieces)
}

/// The tool and the arguments of a call.
fn call(choice: &Choice) -> (&str, Value) {
    let [Part::ToolCall { name, arguments, .. }] = choice.parts.as_slice() else { panic!("{choice:?}") };
    assert_eq!(choice.stop, Some(StopReason::ToolUse));
    (name, serde_json::from_str(arguments).expect("JSON"))
}

#[test]
fn a_tool_is_called_where_one_is_needed_and_its_result_is_answered() {
    let model = model();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut asked = request("What is 17 * 23?");
        let (choice, pieces) = answer(&model, &asked).await;
        assert_eq!(call(&choice), ("calculator", json!({"expression": "17 * 23"})));
        assert!(pieces > 1, "arguments come as they are written");
        asked.messages.push(Message { role: Role::Assistant, parts: choice.parts.clone(), name: None });
        let content = vec![Part::Text("391".to_owned())];
        let found = Part::ToolResult { call_id: "c".to_owned(), content, is_error: false };
        asked.messages.push(Message { role: Role::Tool, parts: vec![found], name: None });
        // A word of the application is no new question.
        asked.messages.push(Message::text(Role::User, "<system-reminder>Left: 9 turns.</system-reminder>"));
        let (choice, _) = answer(&model, &asked).await;
        assert!(choice.parts[0].as_text().is_some_and(|text| text.contains("391")), "{choice:?}");
        assert_eq!(choice.stop, Some(StopReason::EndTurn));
        let (choice, _) = answer(&model, &request("What is the capital of France?")).await;
        assert!(choice.parts[0].as_text().is_some_and(|text| text.contains("Paris")), "{choice:?}");
    });
}

#[test]
fn the_callers_choice_of_tools_is_kept() {
    let model = model();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut asked = request("Hello, Seoul!");
        asked.tool_choice = ToolChoice::Named("get_weather".to_owned());
        assert_eq!(call(&answer(&model, &asked).await.0), ("get_weather", json!({"city": "Seoul"})));
        asked.tool_choice = ToolChoice::Required;
        call(&answer(&model, &asked).await.0);
        asked.tool_choice = ToolChoice::None;
        assert!(answer(&model, &asked).await.0.parts[0].as_text().is_some());
        asked.tool_choice = ToolChoice::Named("unknown".to_owned());
        let context = CallContext::new(RequestId(Default::default()), Arc::new(Principal::owner()));
        let error = model.call(asked, context).await.expect_err("not offered");
        assert_eq!(error.kind, ModelErrorKind::Unsupported);
    });
}

#[test]
fn answers_keep_to_a_schema() {
    let model = model();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let schema = json!({
        "type": "object", "required": ["name", "age", "mood"], "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 1, "maximum": 120},
            "mood": {"enum": ["glad", "sad"]}, "pets": {"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 2},
        },
    });
    for (said, temperature) in [("Describe Kim, who is 40 and glad.", 0.0), ("아무나 지어내 줘", 1.5)]
    {
        let mut asked = ModelRequest::new("auto", vec![Message::text(Role::User, said)]);
        asked.max_output_tokens = Some(200);
        asked.sampling.temperature = Some(temperature);
        let schema = to_raw_value(&schema).expect("JSON");
        let name = "person".to_owned();
        asked.format = ResponseFormat::JsonSchema(JsonSchemaFormat {
            name,
            description: None,
            schema,
            strict: Some(true),
        });
        let (choice, _) = runtime.block_on(answer(&model, &asked));
        let value: Value = serde_json::from_str(choice.parts[0].as_text().expect("text")).expect("JSON");
        assert!(value["age"].as_u64().is_some_and(|age| (1..=120).contains(&age)), "{value}");
        assert!(value["mood"] == "glad" || value["mood"] == "sad", "{value}");
        assert!(value["name"].as_str().is_some_and(|name| name.chars().count() <= 20), "{value}");
        assert_eq!(choice.stop, Some(StopReason::EndTurn));
    }
}
