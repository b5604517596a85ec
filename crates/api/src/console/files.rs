//! The console's own style sheet, scripts and icon, built into the binary.

use super::Console;
use super::layout::mark_file;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

/// The files, and the digest that names their present state.
pub(super) struct Files {
    icon: String,
    version: String,
}

impl Files {
    pub(super) fn new() -> Self {
        let mut files = Self { icon: mark_file(), version: String::new() };
        let mut digest = Sha256::new();
        for name in ["console.css", "console.js", "chat.js", "questions.js", "runs.js", "mark.svg"] {
            if let Some((_, text)) = files.find(name) {
                digest.update(text);
            }
        }
        files.version = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        files
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    fn find(&self, name: &str) -> Option<(&'static str, &str)> {
        match name {
            "console.css" => Some(("text/css; charset=utf-8", include_str!("assets/console.css"))),
            "console.js" => Some(("text/javascript; charset=utf-8", include_str!("assets/console.js"))),
            "chat.js" => Some(("text/javascript; charset=utf-8", include_str!("assets/chat.js"))),
            "questions.js" => Some(("text/javascript; charset=utf-8", include_str!("assets/questions.js"))),
            "runs.js" => Some(("text/javascript; charset=utf-8", include_str!("assets/runs.js"))),
            "mark.svg" => Some(("image/svg+xml", &self.icon)),
            _ => None,
        }
    }
}

/// `GET /console/assets/{name}`
pub(super) async fn show(
    State(console): State<Console>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some((kind, text)) = console.files.find(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let version = console.files.version();
    let tag = format!("\"{version}\"");
    let named = query.as_deref().and_then(|query| query.strip_prefix("v=")) == Some(version);
    let keep = if named { "public, max-age=31536000, immutable" } else { "no-cache" };
    let about = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, keep.to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, kind)], text.to_owned()).into_response()
}
