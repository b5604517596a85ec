//! The tools of the caller's own body that are still to be sent, byte for byte.

use crate::splice::{Edit, Object};
use nunchi_core::ModelRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How chat completions, responses and Anthropic name a tool.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// The change of `tools` when the request sends fewer than the caller's body holds, in the request's order. `Err` when one of
/// them is not in the body: then it has to be translated.
pub(crate) fn kept_tools(object: &Object<'_>, request: &ModelRequest) -> Result<Option<Edit<'static>>, ()> {
    let Some(own) = object.read::<Vec<&RawValue>>("tools") else {
        return if request.tools.is_empty() { Ok(None) } else { Err(()) };
    };
    if own.len() == request.tools.len() {
        return Ok(None);
    }
    let name_of = |tool: &RawValue| -> Option<String> {
        let named: Named<'_> = serde_json::from_str(tool.get()).ok()?;
        named.function.map(|function| function.name).or(named.name).map(Cow::into_owned)
    };
    let names: Vec<Option<String>> = own.iter().map(|tool| name_of(tool)).collect();
    let mut kept = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        let builtin = tool.builtin.as_ref().map(|json| json.get());
        let at = own.iter().zip(&names).position(|(own, name)| match builtin {
            Some(text) => own.get() == text,
            None => name.as_deref() == Some(&tool.name),
        });
        kept.push(at.and_then(|at| own.get(at)).ok_or(())?.get());
    }
    Ok(Some(Edit::Set(Cow::Owned(format!("[{}]", kept.join(","))))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nunchi_core::ToolDefinition;

    fn kept(body: &str, names: &[&str]) -> Result<Option<String>, ()> {
        let mut request = ModelRequest::new("m", Vec::new());
        request.tools = names
            .iter()
            .map(|name| ToolDefinition {
                name: (*name).to_owned(),
                description: None,
                parameters: None,
                strict: None,
                builtin: None,
            })
            .collect();
        let body = Bytes::copy_from_slice(body.as_bytes());
        let object = Object::scan(&body).unwrap();
        kept_tools(&object, &request).map(|edit| match edit {
            Some(Edit::Set(text)) => Some(text.into_owned()),
            Some(Edit::Remove) | None => None,
        })
    }

    #[test]
    fn bytes_stay_as_they_were() {
        let chat = r#"{"tools": [{"function": {"name":"a", "x": 1.0}}, {"function":{"name":"b"}}]}"#;
        assert_eq!(kept(chat, &["a", "b"]), Ok(None));
        assert_eq!(kept(chat, &["a"]), Ok(Some(r#"[{"function": {"name":"a", "x": 1.0}}]"#.into())));
        let anthropic = r#"{"tools":[{"name":"a","cache_control":{}},{"name":"b"},{"name":"c"}]}"#;
        assert_eq!(
            kept(anthropic, &["c", "a"]),
            Ok(Some(r#"[{"name":"c"},{"name":"a","cache_control":{}}]"#.into()))
        );
        assert_eq!(kept(anthropic, &["d"]), Err(()));
        assert_eq!(kept("{}", &[]), Ok(None));
        assert_eq!(kept("{}", &["a"]), Err(()));
    }
}
