//! What the OpenAI dialects say in the same words.

use crate::problem::Problem;
use crate::wire::{Rest, TextOr, json_of};
use nunchi_core::{CacheTtl, ImageDetail, Json, JsonSchemaFormat, Part, ReasoningEffort, ResponseFormat};

/// Most stop texts of one request.
const MAX_STOPS: usize = 64;

/// A level of thinking.
pub(crate) fn effort(word: &str) -> Option<ReasoningEffort> {
    Some(match word {
        "none" => ReasoningEffort::None,
        "minimal" => ReasoningEffort::Minimal,
        "low" => ReasoningEffort::Low,
        "medium" => ReasoningEffort::Medium,
        "high" => ReasoningEffort::High,
        "xhigh" | "max" => ReasoningEffort::Xhigh,
        _ => return None,
    })
}

/// How closely to look; unknown words are kept for upstreams that know them.
pub(crate) fn image_detail(
    word: Option<String>,
    path: &dyn Fn() -> String,
    rest: &mut Rest,
) -> Option<ImageDetail> {
    let word = word?;
    match word.as_str() {
        "auto" => Some(ImageDetail::Auto),
        "low" => Some(ImageDetail::Low),
        "high" => Some(ImageDetail::High),
        _ => {
            rest.push((path() + ".detail", json_of(&word)));
            None
        }
    }
}

/// A mark for the provider's prompt cache.
pub(crate) fn cache_point(
    kind: Option<String>,
    ttl: Option<String>,
    path: &str,
) -> Result<Option<Part>, Problem> {
    match (kind.as_deref(), ttl.as_deref()) {
        (None | Some("ephemeral"), None | Some("5m")) => Ok(Some(Part::CachePoint(CacheTtl::FiveMinutes))),
        (None | Some("ephemeral"), Some("1h")) => Ok(Some(Part::CachePoint(CacheTtl::OneHour))),
        (None | Some("ephemeral"), Some(ttl)) => {
            Err(Problem::invalid(format!("{path}.ttl"), format!("\"{ttl}\" is neither 5m nor 1h")))
        }
        (Some(kind), _) => {
            Err(Problem::invalid(format!("{path}.type"), format!("\"{kind}\" is not ephemeral")))
        }
    }
}

/// Texts that end generation.
pub(crate) fn sampling_stop(stop: Option<TextOr<String>>, path: &str) -> Result<Vec<String>, Problem> {
    let stops = stop.map(TextOr::into_list).unwrap_or_default();
    if stops.len() > MAX_STOPS {
        return Err(Problem::invalid(path, format!("more than {MAX_STOPS} stop texts")));
    }
    if stops.iter().any(String::is_empty) {
        return Err(Problem::invalid(path, "a stop text is empty"));
    }
    Ok(stops)
}

/// Structured output.
pub(crate) fn json_schema(
    name: Option<String>,
    description: Option<String>,
    schema: Option<Json>,
    strict: Option<bool>,
    path: &str,
) -> Result<ResponseFormat, Problem> {
    let schema = schema.ok_or_else(|| Problem::missing(format!("{path}.schema")))?;
    let name = name.unwrap_or_else(|| "output".into());
    Ok(ResponseFormat::JsonSchema(JsonSchemaFormat { name, description, schema, strict }))
}

/// The schema of a function that takes nothing.
pub(crate) fn no_parameters() -> Json {
    json_of(&serde_json::json!({"type": "object", "properties": {}}))
}
