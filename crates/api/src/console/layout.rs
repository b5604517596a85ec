//! The frame around every page: navigation, language, theme; and small pieces that pages share.

use super::session::{Session, Taste};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::borrow::Cow;

/// A page of the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Live,
    Runs,
    Approvals,
    Sessions,
    Memory,
    Skills,
    Activity,
    Spend,
    Savings,
    Budgets,
    Keys,
    Chat,
}

impl Place {
    const ALL: [Self; 12] = [
        Self::Live,
        Self::Chat,
        Self::Runs,
        Self::Approvals,
        Self::Sessions,
        Self::Memory,
        Self::Skills,
        Self::Activity,
        Self::Spend,
        Self::Savings,
        Self::Budgets,
        Self::Keys,
    ];

    /// Whether this server has it.
    const fn is_there(self, frame: &Frame) -> bool {
        match self {
            Self::Runs | Self::Approvals | Self::Activity | Self::Sessions => frame.agents,
            Self::Memory => frame.memory,
            Self::Skills => frame.skills,
            _ => true,
        }
    }

    /// Whether a rule stands above it in the navigation: what agents do, and what is spent, are apart.
    const fn begins_group(self) -> bool {
        matches!(self, Self::Runs | Self::Spend)
    }

    /// Whether a phone shows it at once; the others are behind one button.
    const fn is_near(self) -> bool {
        matches!(self, Self::Live | Self::Chat | Self::Runs | Self::Approvals)
    }

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Live => "/",
            Self::Runs => "/console/runs",
            Self::Approvals => "/console/approvals",
            Self::Sessions => "/console/sessions",
            Self::Memory => "/console/memory",
            Self::Skills => "/console/skills",
            Self::Activity => "/console/activity",
            Self::Spend => "/console/spend",
            Self::Savings => "/console/savings",
            Self::Budgets => "/console/budgets",
            Self::Keys => "/console/keys",
            Self::Chat => "/console/chat",
        }
    }

    const fn name(self, taste: Taste) -> &'static str {
        let words = super::words::words(taste.lang);
        match self {
            Self::Live => words.live,
            Self::Runs => words.runs,
            Self::Approvals => words.approvals,
            Self::Sessions => words.sessions,
            Self::Memory => words.memory,
            Self::Skills => words.skills,
            Self::Activity => words.activity,
            Self::Spend => words.spend,
            Self::Savings => words.savings,
            Self::Budgets => words.budgets,
            Self::Keys => words.keys,
            Self::Chat => words.chat,
        }
    }

    /// Strokes of a 24 by 24 icon.
    const fn icon(self) -> &'static str {
        match self {
            Self::Live => "M3 12h4l3-8 4 16 3-8h4",
            Self::Runs => "M5 6h9M5 12h14M9 18h10",
            Self::Approvals => "M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM8.5 12l2.5 2.5 4.5-5",
            Self::Sessions => "M4 5h12v8H8l-4 3zM8 17h8l4 3v-9h-1",
            Self::Memory => "M5 6c0-4 14-4 14 0v12c0 4-14 4-14 0zM5 6c0 4 14 4 14 0M5 12c0 4 14 4 14 0",
            Self::Skills => "M12 3l2.6 5.6 6 .7-4.4 4.2 1.2 6-5.4-3-5.4 3 1.2-6L3.4 9.3l6-.7z",
            Self::Activity => "M4 19l5-6 4 3 7-9M15 7h5v5",
            Self::Spend => "M4 20V10M10 20V4M16 20v-7M21 20H3",
            Self::Savings => "M12 3v13M7 11l5 5 5-5M5 21h14",
            Self::Budgets => "M4 16a8 8 0 1 1 16 0M12 16l4-5M4 20h16",
            Self::Keys => "M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8M11 12l9-9M16 7l3 3",
            Self::Chat => "M4 5h16v11H10l-5 4v-4H4z",
        }
    }
}

/// What the frame needs of the server.
#[derive(Clone)]
pub(super) struct Frame {
    /// Names the present assets, so that browsers never mix old and new ones.
    pub(super) version: String,
    /// Whether there are agents.
    pub(super) agents: bool,
    /// Whether anything is remembered.
    pub(super) memory: bool,
    /// Whether there can be skills.
    pub(super) skills: bool,
}

fn icon(strokes: &'static str) -> Markup {
    html! {
        svg.icon viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" { path d=(strokes) {} }
    }
}

/// The brand: two eyes that look to the side, since that is what nunchi is.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" {
            rect.ground width="32" height="32" rx="9" {}
            ellipse.eye cx="10.5" cy="16" rx="4.5" ry="6" {}
            ellipse.eye cx="21.5" cy="16" rx="4.5" ry="6" {}
            circle.pupil cx="12.5" cy="15" r="2.2" {}
            circle.pupil cx="23.5" cy="15" r="2.2" {}
        }
    }
}

/// A whole document.
fn document(frame: &Frame, taste: Taste, title: &str, body: &Markup, scripts: &[&str]) -> Markup {
    let asset = |name: &str| format!("/console/assets/{name}?v={}", frame.version);
    html! {
        (DOCTYPE)
        html lang=(taste.lang.pick("en", "ko")) data-theme=[taste.theme] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Nunchi" }
                link rel="icon" type="image/svg+xml" href=(asset("mark.svg"));
                link rel="stylesheet" href=(asset("console.css"));
                script defer src=(asset("console.js")) {}
                @for script in scripts { script defer src=(asset(script)) {} }
            }
            (body)
        }
    }
}

/// A page for a signed-in administrator, named as its place.
pub(super) fn page(frame: &Frame, session: &Session, place: Place, content: &Markup) -> Response {
    titled(frame, session, (place, place.name(session.taste)), content)
}

/// A page with a title of its own.
pub(super) fn titled(
    frame: &Frame,
    session: &Session,
    (place, title): (Place, &str),
    content: &Markup,
) -> Response {
    let (taste, words) = (session.taste, session.taste.words());
    let body = html! {
        body {
            a.skip href="#content" { (words.skip) }
            header.side {
                a.brand href="/" { (mark()) span { "Nunchi" } small lang="ko" { "눈치" } }
                (navigation(frame, taste, place))
                div.tools {
                    (switches(taste))
                    form.leave method="post" action="/console/sign-out" {
                        (token(session))
                        span.who { (session.principal.name) }
                        button.quiet type="submit" title=(words.sign_out) aria-label=(words.sign_out) {
                            (icon("M14 4H5v16h9M10 12h11M17 8l4 4-4 4"))
                        }
                    }
                }
            }
            main #content tabindex="-1" class=[(place == Place::Chat).then_some("wide")] { (content) }
            (ask_dialog(taste))
        }
    };
    let scripts: &[&str] = match place {
        Place::Chat => &["chat.js"],
        Place::Runs => &["runs.js", "questions.js"],
        Place::Approvals => &["questions.js"],
        _ => &[],
    };
    document(frame, taste, title, &body, scripts).into_response()
}

/// The way to all pages. A phone shows those that are needed most, and the others over the page when they are asked for.
fn navigation(frame: &Frame, taste: Taste, place: Place) -> Markup {
    let links = || Place::ALL.into_iter().filter(|link| link.is_there(frame));
    let link = |link: Place, class: &str| {
        html! {
            a class=(class) href=(link.path()) aria-current=[(link == place).then_some("page")] {
                (icon(link.icon())) span { (link.name(taste)) }
            }
        }
    };
    let class = |link: Place| match (link.is_near(), link.begins_group()) {
        (true, true) => "group",
        (true, false) => "",
        (false, true) => "far group",
        (false, false) => "far",
    };
    html! {
        nav aria-label="Nunchi" {
            @for to in links() { (link(to, class(to))) }
            button.more type="button" popovertarget="more" aria-current=[(!place.is_near()).then_some("true")] {
                (icon("M5 12h.01M12 12h.01M19 12h.01")) span { (taste.words().more) }
            }
        }
        div #more popover { @for to in links().filter(|link| !link.is_near()) { (link(to, "")) } }
    }
}

/// A page for someone who is not signed in.
pub(super) fn bare(frame: &Frame, taste: Taste, title: &str, content: &Markup) -> Response {
    let body = html! {
        body.bare {
            div.corner { (switches(taste)) }
            main #content { a.brand href="/" { (mark()) span { "Nunchi" } small lang="ko" { "눈치" } } (content) }
        }
    };
    document(frame, taste, title, &body, &[]).into_response()
}

/// Language and theme.
fn switches(taste: Taste) -> Markup {
    let words = taste.words();
    let (other, name) = taste.lang.pick(("ko", "한국어"), ("en", "English"));
    html! {
        div.switches {
            a.quiet.lang href={ "?lang=" (other) } hreflang=(other) lang=(other) title=(words.language) { (name) }
            button.quiet type="button" data-theme-switch title=(words.theme) aria-label=(words.theme) {
                (icon("M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18"))
            }
        }
    }
}

/// What asks before something cannot be undone; the script opens it.
fn ask_dialog(taste: Taste) -> Markup {
    let words = taste.words();
    html! {
        dialog #ask aria-labelledby="ask-text" {
            form method="dialog" {
                p #ask-text {}
                div.row.end {
                    button value="no" { (words.cancel) }
                    button.danger value="yes" {}
                }
            }
        }
    }
}

/// The hidden field that shows that a form is ours.
pub(super) fn token(session: &Session) -> Markup {
    html! { input type="hidden" name="form_token" value=(session.form_token); }
}

/// A page's heading and what it is about.
pub(super) fn heading(title: &str, lead: &str, aside: Option<Markup>) -> Markup {
    html! {
        div.heading {
            div { h1 { (title) } p.lead { (marked(lead)) } }
            @if let Some(aside) = aside { (aside) }
        }
    }
}

/// One figure with its name.
pub(super) fn tile(name: &str, figure: &str, note: &str, kind: &str) -> Markup {
    html! {
        div class={ "card tile " (kind) } {
            dt { (name) }
            dd { strong { (figure) } @if !note.is_empty() { span { (note) } } }
        }
    }
}

/// What stands where nothing is yet.
pub(super) fn empty(title: &str, note: &str, more: Option<Markup>) -> Markup {
    html! {
        div.empty { (mark()) h2 { (title) } p { (marked(note)) } @if let Some(more) = more { (more) } }
    }
}

/// A message after something was done, or went wrong.
pub(super) fn notice(text: &str, hint: Option<&str>, bad: bool) -> Markup {
    html! {
        div class={ "notice " (if bad { "bad" } else { "good" }) } role=(if bad { "alert" } else { "status" }) {
            strong { (text) } @if let Some(hint) = hint { " " span { (marked(hint)) } }
        }
    }
}

/// Text as it is read, with a name for each letter that a reader cannot see: those that turn the direction of text, those of
/// no width, and controls. What is approved must be what is seen.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |letter: char| {
        matches!(letter, '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
            || (letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
    };
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if hidden(letter) {
            out.push_str(&format!("⟨U+{:04X}⟩", u32::from(letter)));
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// Text for an address.
pub(super) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Text with `code` between back-ticks.
pub(super) fn marked(text: &str) -> Markup {
    html! {
        @for (index, piece) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// A small word on a coloured ground.
pub(super) fn badge(text: &str, kind: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (text) } }
}

/// A form that was not sent by our own page.
pub(super) fn refused(taste: Taste, text: &str) -> Response {
    let body = html! {
        (DOCTYPE)
        html lang=(taste.lang.pick("en", "ko")) {
            head { meta charset="utf-8"; title { "Nunchi" } }
            body { p role="alert" { (text) } p { a href="/" { "Nunchi" } } }
        }
    };
    (StatusCode::FORBIDDEN, body).into_response()
}

/// The icon of the browser's tab, in a file of its own.
pub(super) fn mark_file() -> String {
    const STYLE: &str = "<style>.ground{fill:#17594d}.eye{fill:#fff}.pupil{fill:#17211e}</style>";
    let drawn = mark().into_string().replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    let at = drawn.find('>').map_or(0, |end| end + 1);
    html! { (PreEscaped(&drawn[..at])) (PreEscaped(STYLE)) (PreEscaped(&drawn[at..])) }.into_string()
}

/// Headers of every page: nothing but our own files may run, be shown or be asked; nothing is kept by caches.
pub(super) async fn guarded(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
        form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // `no-referrer` would make browsers hide the origin of our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_named() {
        for (text, shown) in [
            ("plain 한글 👩‍💻\n\ttext", "plain 한글 👩‍💻\n\ttext"),
            ("pay \u{202E}001\u{202C} won", "pay ⟨U+202E⟩001⟨U+202C⟩ won"),
            ("a\u{200B}b\u{1b}[2J\u{E0041}", "a⟨U+200B⟩b⟨U+001B⟩[2J⟨U+E0041⟩"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
