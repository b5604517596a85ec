//! Prompts and resources of every kind.

use super::inputs::form;
use super::tools::PIXEL;
use nunchi_core::BoxFuture;
use nunchi_tools::{
    McpCaller, McpFault, OfferPrompts, OfferResources, OfferedPrompt, OfferedPromptCall, OfferedResource,
    PromptAnswer, PromptArgument, ResourcePage,
};
use serde_json::{Map, Value, json};
use std::future::ready;

/// Prompts.
pub(crate) struct FixturePrompts;

impl OfferPrompts for FixturePrompts {
    fn prompts<'a>(&'a self, _: &'a McpCaller) -> BoxFuture<'a, Vec<OfferedPrompt>> {
        let prompt = |name: &str, arguments| OfferedPrompt {
            name: name.to_owned(),
            description: "A prompt for tests".into(),
            arguments,
        };
        let argument = |name: &str, required| PromptArgument {
            name: name.to_owned(),
            description: "An argument for tests".into(),
            required,
        };
        Box::pin(ready(vec![
            prompt("test_simple_prompt", Vec::new()),
            prompt("test_prompt_with_arguments", vec![argument("arg1", true), argument("arg2", false)]),
            prompt("test_prompt_with_embedded_resource", Vec::new()),
            prompt("test_prompt_with_image", Vec::new()),
            prompt("test_input_required_result_prompt", Vec::new()),
        ]))
    }

    fn prompt<'a>(
        &'a self,
        call: OfferedPromptCall,
        _: &'a McpCaller,
    ) -> BoxFuture<'a, Result<PromptAnswer, McpFault>> {
        Box::pin(ready(filled(&call)))
    }

    fn complete<'a>(&'a self, _: &'a str, _: &'a str, begun: &'a str) -> BoxFuture<'a, Vec<String>> {
        let values = ["Alice", "Bob", "Charlie"].into_iter().filter(|value| value.starts_with(begun));
        Box::pin(ready(values.map(str::to_owned).collect()))
    }
}

fn filled(call: &OfferedPromptCall) -> Result<PromptAnswer, McpFault> {
    let text = |text: String| json!({"role": "user", "content": {"type": "text", "text": text}});
    let word = |name: &str| call.arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let messages = match call.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.".into())],
        "test_prompt_with_arguments" => {
            vec![text(format!("Prompt with arguments: arg1='{}', arg2='{}'", word("arg1"), word("arg2")))]
        }
        "test_prompt_with_embedded_resource" => {
            let uri =
                call.arguments.get("resourceUri").and_then(Value::as_str).unwrap_or("test://static-text");
            let resource =
                json!({"uri": uri, "mimeType": "text/plain", "text": "Resource content for prompt"});
            vec![
                json!({"role": "user", "content": {"type": "resource", "resource": resource}}),
                text("Here is a resource.".into()),
            ]
        }
        "test_prompt_with_image" => vec![
            json!({"role": "user", "content": {"type": "image", "data": PIXEL, "mimeType": "image/png"}}),
            text("Here is an image.".into()),
        ],
        "test_input_required_result_prompt" => {
            let given = call.inputs.as_ref().and_then(|inputs| inputs.get("user_context"));
            let Some(given) = given.filter(|given| given.is_object()) else {
                let question = form("What context should the prompt use?", "context", "string");
                return Ok(PromptAnswer::Needs {
                    requests: Map::from_iter([("user_context".to_owned(), question)]),
                });
            };
            vec![text(format!("Prompt with elicited context: {}", given["content"]["context"]))]
        }
        name => return Err(McpFault::Unknown(format!("prompt \"{name}\""))),
    };
    Ok(PromptAnswer::Messages { description: "A prompt for tests".into(), messages })
}

/// Resources.
pub(crate) struct FixtureResources;

impl OfferResources for FixtureResources {
    fn resources<'a>(
        &'a self,
        _: Option<&'a str>,
        _: &'a McpCaller,
    ) -> BoxFuture<'a, Result<ResourcePage, McpFault>> {
        let resources = vec![
            resource("test://static-text", "text/plain"),
            resource("test://static-binary", "image/png"),
            resource("test://watched-resource", "text/plain"),
        ];
        Box::pin(ready(Ok(ResourcePage { resources, next: None })))
    }

    fn templates(&self) -> Vec<OfferedResource> {
        vec![resource("test://template/{id}/data", "application/json")]
    }

    fn read<'a>(
        &'a self,
        uri: &'a str,
        _: &'a McpCaller,
    ) -> BoxFuture<'a, Result<Option<Vec<Value>>, McpFault>> {
        let text = |mime: &str, text: String| json!({"uri": uri, "mimeType": mime, "text": text});
        let found = match uri {
            "test://static-text" | "test://watched-resource" => {
                Some(text("text/plain", "This is the content of the static text resource.".into()))
            }
            "test://static-binary" => Some(json!({"uri": uri, "mimeType": "image/png", "blob": PIXEL})),
            _ => uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data")).map(|id| {
                let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
                text("application/json", data.to_string())
            }),
        };
        Box::pin(ready(Ok(found.map(|found| vec![found]))))
    }

    fn complete<'a>(
        &'a self,
        _: &'a str,
        (_, begun): (&'a str, &'a str),
        _: &'a McpCaller,
    ) -> BoxFuture<'a, Vec<String>> {
        let values = ["1", "2", "3"].into_iter().filter(|value| value.starts_with(begun));
        Box::pin(ready(values.map(str::to_owned).collect()))
    }
}

fn resource(uri: &str, mime: &str) -> OfferedResource {
    OfferedResource {
        uri: uri.to_owned(),
        name: uri.trim_start_matches("test://").to_owned(),
        description: "A resource for tests".into(),
        mime: mime.to_owned(),
    }
}
