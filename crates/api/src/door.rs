//! The door: who asks, and what their headers say about the call.

use crate::failure::Failure;
use crate::problem::Problem;
use crate::state::ApiState;
use http::{HeaderMap, HeaderName, header};
use nunchi_core::{CacheDirective, CallContext, CompressMode, Lang, Principal, RequestId};
use std::sync::Arc;

/// Longest value of a label header, in bytes.
const MAX_LABEL: usize = 256;
/// Most tags of a call.
const MAX_TAGS: usize = 32;
/// Longest life a caller may give an answer, in seconds: a year.
const MAX_TTL: u64 = 365 * 24 * 60 * 60;

/// Recognises the caller's key.
pub(crate) fn principal(
    state: &ApiState,
    headers: &HeaderMap,
    lang: Lang,
) -> Result<Arc<Principal>, Failure> {
    let secret = bearer(headers).or_else(|| text(headers, "x-api-key")).unwrap_or("");
    state.parts.keys.authenticate(secret.trim()).map_err(|refused| {
        let status = if refused.code().starts_with("key.") { 401 } else { 503 };
        Failure::new(status, refused.as_ref(), lang)
    })
}

/// Everything about the call that is not in its body.
pub(crate) fn context(
    headers: &HeaderMap,
    request: RequestId,
    principal: Arc<Principal>,
) -> Result<CallContext, Problem> {
    let mut context = CallContext::new(request, principal);
    context.session = label(headers, "x-nunchi-session")?;
    context.phase = label(headers, "x-nunchi-phase")?;
    context.task = label(headers, "x-nunchi-task")?;
    context.agent = label(headers, "x-nunchi-agent")?;
    context.context_digest = label(headers, "x-nunchi-context")?;
    context.tags = tags(headers)?;
    context.cache = cache(headers)?;
    context.cache_ttl_seconds = ttl(headers)?;
    context.select_tools = select_tools(headers)?;
    context.compress = compress(headers)?;
    context.deadline = deadline(headers)?;
    Ok(context)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret)
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A header's text; UTF-8 is taken as it is.
fn read<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(HeaderName::from_static(name)) else { return Ok(None) };
    let value = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Problem::Header { name, detail: "it is not UTF-8".into() })?;
    Ok(Some(value.trim()))
}

fn label(headers: &HeaderMap, name: &'static str) -> Result<Option<Arc<str>>, Problem> {
    let Some(value) = read(headers, name)?.filter(|value| !value.is_empty()) else { return Ok(None) };
    check_label(name, value)?;
    Ok(Some(Arc::from(value)))
}

fn check_label(name: &'static str, value: &str) -> Result<(), Problem> {
    if value.len() > MAX_LABEL {
        return Err(Problem::Header { name, detail: format!("longer than {MAX_LABEL} bytes") });
    }
    if value.chars().any(char::is_control) {
        return Err(Problem::Header { name, detail: "it holds a control character".into() });
    }
    Ok(())
}

fn tags(headers: &HeaderMap) -> Result<Arc<[String]>, Problem> {
    let name = "x-nunchi-tag";
    let mut tags: Vec<String> = Vec::new();
    for value in headers.get_all(name) {
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| Problem::Header { name, detail: "it is not UTF-8".into() })?;
        for tag in value.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            check_label(name, tag)?;
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
    }
    if tags.len() > MAX_TAGS {
        return Err(Problem::Header { name, detail: format!("more than {MAX_TAGS} tags") });
    }
    Ok(tags.into())
}

fn cache(headers: &HeaderMap) -> Result<CacheDirective, Problem> {
    let name = "x-nunchi-cache";
    match read(headers, name)?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "default") => Ok(CacheDirective::Default),
        Some("no-store") => Ok(CacheDirective::NoStore),
        Some("no-cache") => Ok(CacheDirective::NoCache),
        Some("only-if-cached") => Ok(CacheDirective::OnlyIfCached),
        Some(other) => Err(Problem::Header {
            name,
            detail: format!("\"{other}\" is none of default, no-store, no-cache, only-if-cached"),
        }),
    }
}

fn select_tools(headers: &HeaderMap) -> Result<Option<bool>, Problem> {
    let name = "x-nunchi-tools";
    match read(headers, name)?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "default") => Ok(None),
        Some("auto") => Ok(Some(true)),
        Some("all") => Ok(Some(false)),
        Some(other) => {
            Err(Problem::Header { name, detail: format!("\"{other}\" is none of default, auto, all") })
        }
    }
}

fn compress(headers: &HeaderMap) -> Result<Option<CompressMode>, Problem> {
    let name = "x-nunchi-compress";
    match read(headers, name)?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "default") => Ok(None),
        Some(word) => word.parse().map(Some).map_err(|other| Problem::Header {
            name,
            detail: format!("\"{other}\" is none of default, off, results, history, auto"),
        }),
    }
}

fn ttl(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let name = "x-nunchi-cache-ttl";
    let Some(value) = read(headers, name)? else { return Ok(None) };
    match value.parse() {
        Ok(seconds) if (1..=MAX_TTL).contains(&seconds) => Ok(Some(seconds)),
        _ => Err(Problem::Header {
            name,
            detail: format!("\"{value}\" is no whole number of seconds from 1 to {MAX_TTL}"),
        }),
    }
}

fn deadline(headers: &HeaderMap) -> Result<Option<jiff::Timestamp>, Problem> {
    let name = "x-nunchi-deadline";
    let Some(value) = read(headers, name)? else { return Ok(None) };
    value.parse().map(Some).map_err(|_| Problem::Header {
        name,
        detail: format!("\"{value}\" is no time like 2026-11-21T18:00:00Z"),
    })
}
