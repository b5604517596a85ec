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
    let mut texts = kept(&own, callers);
    if own.len() == callers.len() {
        let as_they_came: Vec<&str> = own.iter().map(|tool| tool.get()).collect();
        // Tools of one name, or without one, cannot be told apart: they stand in their own order.
        texts = Ok(texts
            .ok()
            .filter(|texts| sorted(texts) == sorted(&as_they_came))
            .unwrap_or(as_they_came.clone()));
        if added.is_empty() && texts.as_ref() == Ok(&as_they_came) {
            return Ok(None);
        }
    }
    let mut sent: Vec<Cow<'_, str>> = Vec::with_capacity(request.tools.len());
    for tool in added {
        sent.push(Cow::Owned(write(tool).ok_or(())?));
    }
    sent.extend(texts?.into_iter().map(Cow::Borrowed));
    Ok(Some(Edit::Set(Cow::Owned(format!("[{}]", sent.join(","))))))
}

fn sorted<'a>(texts: &[&'a str]) -> Vec<&'a str> {
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    texts
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
        assert_eq!(
            kept(anthropic, &["c", "b", "a"]),
            Ok(Some(r#"[{"name":"c"},{"name":"b"},{"name":"a","cache_control":{}}]"#.into())),
            "in the order that is to be sent"
        );
        let twins = r#"{"tools":[{"name":"a","x":1},{"name":"a","x":2}]}"#;
        assert_eq!(kept(twins, &["a", "a"]), Ok(None), "they cannot be told apart");
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
