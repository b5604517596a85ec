//! Golden requests of Gemini, and what is refused.

use super::Gemini;
use crate::codec::Codec;
use crate::testing::{golden, rich_request};
use nunchi_core::{
    JsonSchemaFormat, Message, ModelErrorKind, ModelRequest, ResponseFormat, Role, Sampling, ToolChoice,
    ToolDefinition,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn hi(model: &str) -> ModelRequest {
    ModelRequest::new(model, vec![Message::text(Role::User, "Hi")])
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn body_of(request: &ModelRequest) -> Value {
    serde_json::from_slice(&Gemini.encode(request).unwrap().body).unwrap()
}

fn notes_of(request: &ModelRequest) -> Vec<String> {
    Gemini.encode(request).unwrap().notes.into_iter().map(|note| note.field).collect()
}

fn tool(name: &str, schema: Option<&Value>, builtin: Option<&Value>) -> ToolDefinition {
    ToolDefinition {
        name: name.into(),
        description: None,
        parameters: schema.map(raw),
        strict: None,
        builtin: builtin.map(raw),
    }
}

fn schema() -> ResponseFormat {
    let schema = raw(&json!({"type": "object", "required": ["b", "a"]}));
    ResponseFormat::JsonSchema(JsonSchemaFormat { name: "x".into(), description: None, schema, strict: None })
}

#[test]
fn rich_requests() {
    let rich = |model: &str| rich_request(model);
    golden("rich", "gemini", &Gemini, &rich("gemini-3-flash-preview"));
    golden("rich_refused", "gemini", &Gemini, &rich("gemini-2.5-pro"));
    let earlier = ModelRequest {
        tool_choice: ToolChoice::Auto,
        format: ResponseFormat::JsonObject,
        stream: false,
        ..rich("models/gemini-2.5-flash")
    };
    golden("rich_2_5", "gemini", &Gemini, &earlier);
}

#[test]
fn a_plain_request() {
    let request = hi("gemini-2.5-flash");
    assert_eq!(body_of(&request), json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}));
    for (stream, path) in [
        (false, "/v1beta/models/gemini-2.5-flash:generateContent"),
        (true, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
    ] {
        assert_eq!(Gemini.encode(&ModelRequest { stream, ..request.clone() }).unwrap().path, path);
    }
}

#[test]
fn tools_and_choices() {
    let search = json!({"googleSearch": {}});
    let one = |name: &str| vec![tool(name, None, None)];
    let config = |mode: &str| json!({"functionCallingConfig": {"mode": mode}});
    for (choice, wanted) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::None, config("NONE")),
        (ToolChoice::Required, config("ANY")),
        (
            ToolChoice::Named("f".into()),
            json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}),
        ),
    ] {
        let request = ModelRequest { tools: one("f"), tool_choice: choice.clone(), ..hi("gemini-2.5-pro") };
        let body = body_of(&request);
        assert_eq!(
            (&body["toolConfig"], &body["tools"][0]["functionDeclarations"]),
            (&wanted, &json!([{"name": "f"}])),
            "{choice:?}"
        );
        let without = ModelRequest { tool_choice: choice, ..hi("gemini-2.5-pro") };
        assert_eq!(body_of(&without)["toolConfig"], Value::Null);
    }
    let request = ModelRequest {
        tools: vec![tool("search", None, Some(&search))],
        tool_choice: ToolChoice::Required,
        ..hi("gemini-2.5-pro")
    };
    assert_eq!(
        (&body_of(&request)["tools"], &body_of(&request)["toolConfig"]),
        (&json!([search]), &Value::Null)
    );
    for (schema, kept) in [
        (json!({"type": "object", "properties": {}, "additionalProperties": false, "required": []}), false),
        (json!({}), false),
        (
            json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "null"}}}),
            true,
        ),
        (json!({"type": "object", "additionalProperties": {"type": "string"}}), true),
        (json!({"$ref": "#/$defs/x"}), true),
    ] {
        let request = ModelRequest { tools: vec![tool("f", Some(&schema), None)], ..hi("gemini-2.5-pro") };
        let wanted = if kept { schema.clone() } else { Value::Null };
        assert_eq!(body_of(&request)["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"], wanted);
    }
}

#[test]
fn formats() {
    let with = |model: &str, format: &ResponseFormat, tools: bool, tool_choice| {
        let tools = if tools { vec![tool("f", None, None)] } else { Vec::new() };
        ModelRequest { format: format.clone(), tools, tool_choice, ..hi(model) }
    };
    let (old, new) = ("gemini-2.5-pro", "gemini-3-pro-preview");
    let (object, shaped) = (ResponseFormat::JsonObject, schema());
    let mime = json!("application/json");
    for (model, format, tools, choice, kind, instructed, notes) in [
        (old, &object, false, ToolChoice::Auto, &mime, false, 0),
        (old, &shaped, false, ToolChoice::Auto, &mime, false, 0),
        (new, &shaped, true, ToolChoice::Auto, &mime, false, 0),
        (old, &shaped, true, ToolChoice::None, &mime, false, 1),
        (old, &object, true, ToolChoice::Auto, &Value::Null, true, 1),
        (old, &ResponseFormat::Text, true, ToolChoice::Auto, &Value::Null, false, 0),
    ] {
        let request = with(model, format, tools, choice);
        let body = body_of(&request);
        let config = &body["generationConfig"];
        assert_eq!(&config["responseMimeType"], kind, "{request:?}");
        assert_eq!(body["systemInstruction"].is_object(), instructed, "{request:?}");
        assert_eq!(notes_of(&request).len(), notes, "{request:?}");
        let given = matches!(format, ResponseFormat::JsonSchema(_));
        assert_eq!(config["responseJsonSchema"] == json!({"type": "object", "required": ["b", "a"]}), given);
    }
}

#[test]
fn what_gemini_cannot() {
    let search = json!({"googleSearch": {}});
    let foreign = json!({"type": "web_search_20250305"});
    let stop = |count| Sampling { stop: vec!["x".into(); count], ..Sampling::default() };
    let model = "gemini-2.5-pro";
    for (case, request) in [
        ("stops", ModelRequest { sampling: stop(6), ..hi(model) }),
        ("choices", ModelRequest { choices: 9, ..hi(model) }),
        (
            "schema and tools",
            ModelRequest { format: schema(), tools: vec![tool("f", None, None)], ..hi(model) },
        ),
        ("foreign tool", ModelRequest { tools: vec![tool("s", None, Some(&foreign))], ..hi(model) }),
        ("no tool", ModelRequest { tools: vec![tool("s", None, Some(&json!({})))], ..hi(model) }),
        (
            "both",
            ModelRequest { tools: vec![tool("s", None, Some(&search)), tool("f", None, None)], ..hi(model) },
        ),
        ("name", ModelRequest { tools: vec![tool("1f", None, None)], ..hi(model) }),
        ("letters", ModelRequest { tools: vec![tool("f g", None, None)], ..hi(model) }),
        ("length", ModelRequest { tools: vec![tool(&"f".repeat(129), None, None)], ..hi(model) }),
    ] {
        assert_eq!(Gemini.encode(&request).unwrap_err().kind, ModelErrorKind::Unsupported, "{case}");
    }
    assert_eq!(Gemini.encode(&hi("a/b")).unwrap_err().kind, ModelErrorKind::UnknownModel);
    let most = ModelRequest { sampling: stop(5), choices: 8, ..hi(model) };
    let config = &body_of(&most)["generationConfig"];
    assert_eq!(
        (&config["candidateCount"], config["stopSequences"].as_array().unwrap().len()),
        (&json!(8), 5)
    );
}
