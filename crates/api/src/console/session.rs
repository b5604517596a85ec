//! Who looks at the console: the signed-in key in a cookie, the language and theme they chose, and what guards a form.
//!
//! The cookie holds the key itself, out of reach of scripts: no replica needs to know another's sessions, a restart signs nobody
//! out, and a revoked or expired key ends its session at once, since every request asks the key ring anew.

use super::Console;
use super::words::{Words, words};
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use nunchi_core::{AccessRole, Lang, Principal};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::sync::Arc;

/// The cookie with the key.
const SESSION: &str = "nunchi_session";
/// The cookie with the language.
const LANG: &str = "nunchi_lang";
/// The cookie with the theme; the page's script sets it.
const THEME: &str = "nunchi_theme";
/// How long a browser keeps the session, in seconds: 30 days.
const SESSION_SECONDS: u32 = 30 * 24 * 60 * 60;
/// How long a browser keeps the language, in seconds: a year.
const LANG_SECONDS: u32 = 365 * 24 * 60 * 60;
/// Where one signs in.
pub(super) const SIGN_IN: &str = "/console/sign-in";

/// How a reader wants pages to be.
#[derive(Clone, Copy)]
pub(super) struct Taste {
    pub(super) lang: Lang,
    /// `light` or `dark` where they chose; else the system's.
    pub(super) theme: Option<&'static str>,
}

impl Taste {
    pub(super) fn words(self) -> &'static Words {
        words(self.lang)
    }

    fn of(headers: &HeaderMap, usual: Lang) -> Self {
        let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let asked = asked.filter(|tag| !tag.trim_start().starts_with('*'));
        let theme = match cookie(headers, THEME) {
            Some("light") => Some("light"),
            Some("dark") => Some("dark"),
            _ => None,
        };
        Self { lang: cookie(headers, LANG).or(asked).map_or(usual, Lang::from_tag), theme }
    }
}

impl FromRequestParts<Console> for Taste {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, console.parts.lang))
    }
}

/// A signed-in administrator.
pub(super) struct Session {
    pub(super) taste: Taste,
    pub(super) principal: Arc<Principal>,
    /// `Bearer nk-…`, marked as sensitive so that it cannot print itself.
    pub(super) authorization: HeaderValue,
    /// What every form carries.
    pub(super) form_token: String,
}

impl FromRequestParts<Console> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        Self::of(&parts.headers, console).ok_or_else(|| turned_away(&parts.method, &parts.headers))
    }
}

impl Session {
    fn of(headers: &HeaderMap, console: &Console) -> Option<Self> {
        let secret = cookie(headers, SESSION)?;
        let principal = console.parts.gateway.keys().authenticate(secret).ok()?;
        if principal.role != AccessRole::Admin {
            return None;
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {secret}")).ok()?;
        authorization.set_sensitive(true);
        let digest = Sha256::new().chain_update("nunchi form ").chain_update(secret).finalize();
        let form_token = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Some(Self { taste: Taste::of(headers, console.parts.lang), principal, authorization, form_token })
    }

    /// Whether the key is still good.
    pub(super) fn still_holds(&self, console: &Console) -> bool {
        let secret = self.authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        secret.is_some_and(|secret| console.parts.gateway.keys().authenticate(secret).is_ok())
    }
}

/// A page is led to the sign-in; a script is told.
fn turned_away(method: &Method, headers: &HeaderMap) -> Response {
    let script = headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
    if script || (method != Method::GET && method != Method::POST) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Redirect::to(SIGN_IN).into_response()
}

/// The fields of a form.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// No fields.
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Fields to show a form with.
    pub(super) fn shown(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The first field of a name, trimmed; empty when it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim()).unwrap_or_default()
    }

    /// All fields of a name, trimmed.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }
}

/// A form sent from the console itself by a signed-in administrator.
pub(super) struct Sent {
    pub(super) session: Session,
    pub(super) fields: Fields,
}

impl FromRequest<Console> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let session = Session::of(request.headers(), console)
            .ok_or_else(|| turned_away(request.method(), request.headers()))?;
        let stranger = !from_here(request.headers());
        let fields = read(request, console).await?;
        if stranger || fields.text("form_token") != session.form_token {
            return Err(super::layout::refused(session.taste, session.taste.words().form_stale));
        }
        Ok(Self { session, fields })
    }
}

/// Reads a form; the body's size is limited by the router.
pub(super) async fn read(request: Request, console: &Console) -> Result<Fields, Response> {
    let form = Form::<Vec<(String, String)>>::from_request(request, console).await;
    form.map(|Form(fields)| Fields(fields)).map_err(IntoResponse::into_response)
}

/// Whether a browser says that its own page of ours sent this. Browsers say so with every request that changes something.
pub(super) fn from_here(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (origin, host) = (text(header::ORIGIN), text(header::HOST));
    let origin = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// Whether the browser came over TLS, as far as a proxy in front tells.
fn over_tls(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

/// The cookie that signs in; `None` when the secret cannot stand in a cookie, and so cannot be one of ours.
pub(super) fn sign_in_cookie(secret: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    let plain = secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let secure = if over_tls(headers) { "; Secure" } else { "" };
    let text =
        format!("{SESSION}={secret}; Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Strict{secure}");
    let mut value = plain.then(|| HeaderValue::try_from(text).ok())??;
    value.set_sensitive(true);
    Some(value)
}

/// The cookie that signs out.
pub(super) const fn sign_out_cookie() -> HeaderValue {
    HeaderValue::from_static("nunchi_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
}

/// The cookie that keeps a language.
pub(super) fn lang_cookie(lang: Lang) -> Option<HeaderValue> {
    let tag = lang.pick("en", "ko");
    HeaderValue::try_from(format!("{LANG}={tag}; Path=/; Max-Age={LANG_SECONDS}; SameSite=Lax")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn cookies_are_found() {
        let sent = headers(&[("cookie", "a=1; nunchi_session=nk-x; nunchi_lang=ko")]);
        assert_eq!(cookie(&sent, SESSION), Some("nk-x"));
        assert_eq!(cookie(&sent, "nunchi"), None);
        assert!(Taste::of(&sent, Lang::En).lang == Lang::Ko);
        assert!(Taste::of(&headers(&[("accept-language", "ko-KR,en;q=0.5")]), Lang::En).lang == Lang::Ko);
        assert!(Taste::of(&headers(&[("accept-language", "*")]), Lang::Ko).lang == Lang::Ko);
        assert_eq!(Taste::of(&headers(&[("cookie", "nunchi_theme=\"><script>")]), Lang::En).theme, None);
    }

    #[test]
    fn only_our_own_pages_may_send_forms() {
        for (pairs, ours) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://h"), ("host", "h")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "http://h:1"), ("host", "h:1")], true),
            (&[("origin", "http://h:2"), ("host", "h:1")], false),
            (&[("origin", "null"), ("host", "h")], false),
            (&[("host", "h")], false),
            (&[], false),
        ] {
            assert_eq!(from_here(&headers(pairs)), ours, "{pairs:?}");
        }
    }

    #[test]
    fn a_secret_cannot_break_out_of_its_cookie() {
        let plain = HeaderMap::new();
        for bad in ["nk-a; Domain=x", "nk-a\r\nset-cookie: b", "nk-한"] {
            assert!(sign_in_cookie(bad, &plain).is_none(), "{bad}");
        }
        let value = sign_in_cookie("nk-aB_9-", &plain).unwrap();
        let text = value.to_str().unwrap();
        assert!(
            text.contains("HttpOnly") && text.contains("SameSite=Strict") && !text.contains("Secure"),
            "{text}"
        );
        let tls = headers(&[("x-forwarded-proto", "https")]);
        assert!(sign_in_cookie("nk-a", &tls).unwrap().to_str().unwrap().ends_with("; Secure"));
    }
}
