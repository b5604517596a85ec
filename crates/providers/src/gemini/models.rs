//! Names of models: in lists, and as the path of a request.

use crate::shared::garbage;
use nunchi_core::{ModelError, ModelErrorKind};
use serde::Deserialize;

/// What the names of Google's own models begin with.
const PREFIX: &str = "models/";

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    models: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    supported_generation_methods: Option<Vec<String>>,
}

/// The models that answer or make vectors; those for pictures, video and live sound speak another dialect.
pub(super) fn names(body: &[u8]) -> Result<Vec<String>, ModelError> {
    let list: List =
        serde_json::from_slice(body).map_err(|error| garbage(format!("no list of models: {error}")))?;
    let usable = |entry: &Entry| {
        let methods = entry.supported_generation_methods.as_ref();
        methods.is_none_or(|methods| {
            let spoken = ["generateContent", "embedContent", "batchEmbedContents"];
            methods.iter().any(|method| spoken.contains(&method.as_str()))
        })
    };
    Ok(list.models.into_iter().filter(usable).map(|entry| bare(&entry.name).to_owned()).collect())
}

/// A model's name without what all names begin with.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The name of a model's resource: `models/gemini-2.5-pro`, `tunedModels/mine`. It becomes a part of the path, so it holds nothing
/// that would lead elsewhere.
pub(super) fn resource(model: &str) -> Result<String, ModelError> {
    let (kind, name) = match model.split_once('/') {
        Some((kind @ ("models" | "tunedModels"), name)) => (kind, name),
        None => ("models", model),
        Some(_) => ("", ""),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(fits) {
        let detail = format!("Gemini has no model named \"{model}\"");
        return Err(ModelError::new(ModelErrorKind::UnknownModel, detail));
    }
    Ok(format!("{kind}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources() {
        for (model, wanted) in [
            ("gemini-2.5-pro", Some("models/gemini-2.5-pro")),
            ("models/gemini-2.5-pro", Some("models/gemini-2.5-pro")),
            ("tunedModels/my_own-1", Some("tunedModels/my_own-1")),
            ("", None),
            ("models/", None),
            ("models/models/x", None),
            ("../v1/files", None),
            ("google/gemini-2.5-pro", None),
            ("x?key=1", None),
            ("x:countTokens", None),
            ("가", None),
        ] {
            assert_eq!(resource(model).ok().as_deref(), wanted, "{model}");
        }
    }

    #[test]
    fn lists() {
        let body = br#"{"models":[
            {"name":"models/a","supportedGenerationMethods":["generateContent","countTokens"]},
            {"name":"models/b","supportedGenerationMethods":["embedContent"]},
            {"name":"models/c","supportedGenerationMethods":["predict"]},
            {"name":"tunedModels/d"}]}"#;
        assert_eq!(names(body).unwrap(), ["a", "b", "tunedModels/d"]);
        assert_eq!(names(b"{}").unwrap(), Vec::<String>::new());
        for bad in ["", "1", r#"{"models":[{}]}"#, r#"{"models":{}}"#] {
            assert_eq!(names(bad.as_bytes()).unwrap_err().kind, ModelErrorKind::Garbage, "{bad}");
        }
    }
}
