//! The list of models.

use crate::shared::garbage;
use nunchi_core::ModelError;
use serde::Deserialize;

#[derive(Deserialize)]
struct List {
    models: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: String,
    /// The same; older servers send the name only.
    model: String,
    /// Where the model really runs, for models of Ollama's cloud.
    remote_host: Option<String>,
}

/// The models that run on the server itself. One that it only hands on to a cloud is left out: whoever lists a server on this machine
/// takes what it has for local and free.
pub(super) fn models(body: &[u8]) -> Result<Vec<String>, ModelError> {
    let list: List =
        serde_json::from_slice(body).map_err(|error| garbage(format!("no list of models: {error}")))?;
    let own = list.models.into_iter().filter(|entry| entry.remote_host.as_deref().is_none_or(str::is_empty));
    let names = own.map(|entry| if entry.model.is_empty() { entry.name } else { entry.model });
    Ok(names.filter(|name| !name.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (body, wanted) in [
            (r#"{"models":[]}"#, Some(vec![])),
            (
                r#"{"models":[{"name":"a:latest","model":"a:latest","size":1},{"name":"b"}]}"#,
                Some(vec!["a:latest", "b"]),
            ),
            (
                r#"{"models":[{"model":"gpt-oss:120b-cloud","remote_host":"https://ollama.com:443"},{"model":"c","remote_host":""}]}"#,
                Some(vec!["c"]),
            ),
            ("{}", None),
            ("[]", None),
        ] {
            assert_eq!(
                models(body.as_bytes()).ok(),
                wanted.map(|names| names.iter().map(|n| (*n).to_owned()).collect()),
                "{body}"
            );
        }
    }
}
