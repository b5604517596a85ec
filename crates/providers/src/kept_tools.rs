//! The tools of the caller's own body that are still to be sent, byte for byte, behind those that the gateway adds.

use crate::splice::{Edit, Object};
use nunchi_core::{ModelRequest, ToolDefinition};
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

/// The change of `tools` when the request sends other tools than the caller's body holds, in the request's order. `Err` when one
/// of them is neither in the body nor the gateway's own: then the request has to be translated. `write` writes the gateway's own.
pub(crate) fn kept_tools(
    object: &Object<'_>,
    request: &ModelRequest,
    write: impl Fn(&ToolDefinition) -> Option<String>,
) -> Result<Option<Edit<'static>>, ()> {
    let added = request.changes.as_ref().map_or(0, |changes| changes.own_tools);
    let (added, callers) = request.tools.split_at(added.min(request.tools.len()));
    let own = object.read::<Vec<&RawValue>>("tools").unwrap_or_default();
    if added.is_empty() && own.len() == callers.len() {
        return Ok(None);
    }
    let mut sent: Vec<Cow<'_, str>> = Vec::with_capacity(request.tools.len());
    for tool in added {
        sent.push(Cow::Owned(write(tool).ok_or(())?));
    }
    if own.len() == callers.len() {
        sent.extend(own.iter().map(|tool| Cow::Borrowed(tool.get())));
    } else {
        let kept: Result<Vec<&str>, ()> = kept(&own, callers);
        sent.extend(kept?.into_iter().map(Cow::Borrowed));
    }
    Ok(Some(Edit::Set(Cow::Owned(format!("[{}]", sent.join(","))))))
}

/// The caller's own text of these tools.
fn kept<'a>(own: &[&'a RawValue], tools: &[ToolDefinition]) -> Result<Vec<&'a str>, ()> {
    let name_of = |tool: &RawValue| -> Option<String> {
        let named: Named<'_> = serde_json::from_str(tool.get()).ok()?;
        named.function.map(|function| function.name).or(named.name).map(Cow::into_owned)
    };
    let names: Vec<Option<String>> = own.iter().map(|tool| name_of(tool)).collect();
    let text = |tool: &ToolDefinition| {
        let builtin = tool.builtin.as_ref().map(|json| json.get());
        let at = own.iter().zip(&names).position(|(own, name)| match builtin {
            Some(text) => own.get() == text,
            None => name.as_deref() == Some(&tool.name),
        });
        at.and_then(|at| own.get(at)).map(|raw| raw.get()).ok_or(())
    };
    tools.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nunchi_core::{ConversationChanges, ToolDefinition};

    fn kept(body: &str, names: &[&str]) -> Result<Option<String>, ()> {
        with_added(0, body, names)
    }

    fn with_added(own_tools: usize, body: &str, names: &[&str]) -> Result<Option<String>, ()> {
        let mut request = ModelRequest::new("m", Vec::new());
        request.changes = Some(ConversationChanges { own_tools, ..ConversationChanges::default() });
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
        kept_tools(&object, &request, |tool| Some(format!("\"{}\"", tool.name))).map(|edit| match edit {
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
    #[test]
    fn tools_of_the_gateway_stand_in_front() {
        let body = r#"{"tools":[{"name":"a", "x":1.0},{"name":"b"}]}"#;
        assert_eq!(
            with_added(1, body, &["g", "a", "b"]),
            Ok(Some(r#"["g",{"name":"a", "x":1.0},{"name":"b"}]"#.into()))
        );
        assert_eq!(with_added(1, body, &["g", "b"]), Ok(Some(r#"["g",{"name":"b"}]"#.into())));
        assert_eq!(with_added(1, "{}", &["g"]), Ok(Some(r#"["g"]"#.into())));
        assert_eq!(with_added(1, body, &["g", "c"]), Err(()));
    }
}
