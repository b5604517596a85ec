//! Tools that ask their client in the middle of a call, as the older era does it.

use nunchi_tools::{McpAnswer, McpFault, McpLink, OfferedCall};
use serde_json::{Value, json};

/// Names, descriptions and schemas.
pub(crate) fn declared() -> Vec<(&'static str, &'static str, Value)> {
    let one =
        |name: &str| json!({"type": "object", "required": [name], "properties": {name: {"type": "string"}}});
    let none = json!({"type": "object", "properties": {}});
    vec![
        ("test_sampling", "Asks the client's model", one("prompt")),
        ("test_elicitation", "Asks the client's user", one("message")),
        ("test_elicitation_sep1034_defaults", "Asks with defaults", none.clone()),
        ("test_elicitation_sep1330_enums", "Asks for choices", none),
    ]
}

/// Calls one of them; `None` when it is another tool.
pub(crate) async fn call(call: &OfferedCall, link: &dyn McpLink) -> Option<Result<McpAnswer, McpFault>> {
    let word = |name: &str| call.arguments[name].as_str().unwrap_or_default().to_owned();
    let elicit = |message: String, schema: Value| {
        ("elicitation/create", json!({"mode": "form", "message": message, "requestedSchema": schema}))
    };
    let (method, params) = match call.tool.as_str() {
        "test_sampling" => {
            let message = json!({"role": "user", "content": {"type": "text", "text": word("prompt")}});
            ("sampling/createMessage", json!({"messages": [message], "maxTokens": 100}))
        }
        "test_elicitation" => elicit(word("message"), user()),
        "test_elicitation_sep1034_defaults" => elicit("All have defaults".into(), defaults()),
        "test_elicitation_sep1330_enums" => elicit("Choose".into(), choices()),
        _ => return None,
    };
    let answer = link.ask(method, params).await;
    Some(Ok(match answer {
        Ok(answer) => McpAnswer::text(told(&answer)),
        Err(fault) => McpAnswer::failure(format!("The client did not answer: {fault:?}")),
    }))
}

fn told(answer: &Value) -> String {
    match answer["content"]["text"].as_str().or_else(|| answer["content"][0]["text"].as_str()) {
        Some(text) => format!("LLM response: {text}"),
        None => format!("User response: action={}, content={}", answer["action"], answer["content"]),
    }
}

fn user() -> Value {
    json!({
        "type": "object", "required": ["username", "email"],
        "properties": {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        },
    })
}

fn defaults() -> Value {
    json!({"type": "object", "properties": {
        "name": {"type": "string", "description": "User's name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User's age", "default": 30},
        "score": {"type": "number", "description": "User's score", "default": 95.5},
        "status": {
            "type": "string", "description": "User's status",
            "enum": ["active", "inactive", "pending"], "default": "active",
        },
        "verified": {"type": "boolean", "description": "Whether user is verified", "default": true},
    }})
}

fn choices() -> Value {
    let titled = |word: &str| {
        json!([
            {"const": "value1", "title": format!("First {word}")},
            {"const": "value2", "title": format!("Second {word}")},
            {"const": "value3", "title": format!("Third {word}")},
        ])
    };
    json!({"type": "object", "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": titled("Option")},
        "legacyEnum": {
            "type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}},
    }})
}
