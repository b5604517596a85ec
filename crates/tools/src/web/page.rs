//! What a page says, as text a model can read.

use super::client::Fetched;
use encoding_rs::{EUC_KR, Encoding, UTF_8};
use htmd::HtmlToMarkdown;
use nunchi_core::ToolError;
use regex::Regex;
use std::sync::LazyLock;

/// What no reader looks for in a page.
const SKIPPED: [&str; 14] = [
    "script", "style", "noscript", "template", "svg", "iframe", "nav", "footer", "aside", "form", "button",
    "select", "dialog", "head",
];
/// Tags without an end, and those that end by themselves.
const SHALLOW: [&str; 28] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
    "p", "li", "dt", "dd", "td", "th", "tr", "thead", "tbody", "tfoot", "option", "optgroup", "rp", "rt",
    "colgroup",
];
/// Deepest nesting that is walked; no page that a person wrote comes near.
const DEEPEST: usize = 400;
/// Stack for walking a page, in bytes.
const STACK: usize = 32 * 1024 * 1024;
/// How far into a page its character set is looked for, in bytes.
const HEAD: usize = 4 * 1024;

static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"</?([A-Za-z][A-Za-z0-9-]*)[^<>]*>").ok());
static CHARSET: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)"#).ok());
static TITLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?is)<title[^>]*>(.*?)</title>").ok());
static BLANK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[ \t]*\n([ \t]*\n)+").ok());

/// The text of what was fetched.
pub(super) fn text_of(fetched: &Fetched) -> Result<String, ToolError> {
    let kind = fetched.content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let html = matches!(kind.as_str(), "text/html" | "application/xhtml+xml")
        || (kind.is_empty() && fetched.body.trim_ascii_start().starts_with(b"<"));
    let plain = kind.starts_with("text/")
        || kind.ends_with("json")
        || kind.ends_with("xml")
        || matches!(kind.as_str(), "" | "application/javascript" | "application/yaml" | "application/toml");
    if !html && !plain {
        let message = format!("It is {kind} with {} bytes and no text.", fetched.body.len());
        return Err(ToolError::new("web.content_type", message).hint("Look for a page with the text."));
    }
    let text = decoded(&fetched.content_type, &fetched.body, html);
    Ok(if html { markdown(text) } else { text })
}

/// By the mark before it, the header, the page's own word, or by what fits.
fn decoded(content_type: &str, body: &[u8], html: bool) -> String {
    if let Some((encoding, _)) = Encoding::for_bom(body) {
        return encoding.decode(body).0.into_owned();
    }
    let named = |text: &str| {
        let found = CHARSET.as_ref()?.captures(text)?;
        Encoding::for_label(found.get(1)?.as_str().as_bytes())
    };
    let head = String::from_utf8_lossy(&body[..body.len().min(HEAD)]);
    let said = named(content_type).or_else(|| html.then(|| named(&head)).flatten());
    match said {
        Some(encoding) => encoding.decode_without_bom_handling(body).0.into_owned(),
        // A body that was cut may end within a letter.
        None if std::str::from_utf8(body).is_ok_and(|_| true) || valid_but_for_its_end(body) => {
            UTF_8.decode_without_bom_handling(body).0.into_owned()
        }
        None => EUC_KR.decode_without_bom_handling(body).0.into_owned(),
    }
}

fn valid_but_for_its_end(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_err_and(|error| error.error_len().is_none())
}

/// HTML as Markdown, with the title first.
fn markdown(html: String) -> String {
    let title = TITLE.as_ref().and_then(|title| title.captures(&html)).and_then(|found| found.get(1));
    let title = title.map(|title| unescaped(title.as_str()).split_whitespace().collect::<Vec<_>>().join(" "));
    let body = if depth(&html) > DEEPEST { Some(stripped(&html)) } else { walked(html) };
    let body = body.unwrap_or_default();
    let body = BLANK.as_ref().map_or(body.clone(), |blank| blank.replace_all(&body, "\n\n").into_owned());
    match title.filter(|title| !title.is_empty()) {
        Some(title) => format!("# {title}\n\n{}", body.trim()),
        None => body.trim().to_owned(),
    }
}

/// The walk follows the page's nesting on the stack, so it has a stack of its own. `None` when it failed.
fn walked(html: String) -> Option<String> {
    let walk = move || {
        let stripped = stripped(&html);
        HtmlToMarkdown::builder().skip_tags(SKIPPED.to_vec()).build().convert(&html).unwrap_or(stripped)
    };
    let thread = std::thread::Builder::new().name("markdown".into()).stack_size(STACK).spawn(walk).ok()?;
    thread.join().ok()
}

/// How deep tags are open at once, at most.
fn depth(html: &str) -> usize {
    let Some(tag) = TAG.as_ref() else { return usize::MAX };
    let (mut now, mut deepest) = (0_usize, 0);
    for found in tag.captures_iter(html) {
        let whole = &found[0];
        let name = found[1].to_ascii_lowercase();
        if SHALLOW.contains(&name.as_str()) {
            continue;
        }
        if whole.starts_with("</") {
            now = now.saturating_sub(1);
        } else {
            now += 1;
            deepest = deepest.max(now);
        }
    }
    deepest
}

/// The text between the tags.
fn stripped(html: &str) -> String {
    TAG.as_ref().map_or_else(String::new, |tag| unescaped(&tag.replace_all(html, " ")))
}

/// The few names that matter in a title.
fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#39;", "'").replace("&nbsp;", " ").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content_type: &str, body: &[u8]) -> Result<String, String> {
        let url = "https://example.com/".parse().unwrap();
        let fetched = Fetched { url, content_type: content_type.into(), body: body.to_vec(), cut: false };
        text_of(&fetched).map_err(|error| error.code)
    }

    #[test]
    fn a_page_becomes_markdown() {
        let html = r#"<!doctype html><html><head><title>Tom &amp;
            Jerry</title><style>p{}</style></head><body><nav><a href="/">Home</a></nav>
            <h2>눈치</h2><p>One <b>two</b> <a href="https://a.example/x">three</a>.</p><ul><li>a</li><li>b</li></ul>
            <table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table><script>alert(1)</script></body></html>"#;
        let told = text("text/html; charset=utf-8", html.as_bytes()).unwrap();
        assert!(
            told.starts_with("# Tom & Jerry\n\n## 눈치\n\nOne **two** [three](https://a.example/x)."),
            "{told}"
        );
        assert!(told.contains("| 1"), "{told}");
        assert!(!told.contains("alert") && !told.contains("Home") && !told.contains("p{}"), "{told}");
    }

    #[test]
    fn korean_character_sets() {
        let (body, ..) = EUC_KR.encode("<html><body><p>한국어 신문</p></body></html>");
        let (meta, ..) = EUC_KR
            .encode("<html><head><meta charset=\"ks_c_5601-1987\"></head><body>한국어 신문</body></html>");
        for (content_type, body) in [
            ("text/html; charset=euc-kr", &body),
            ("text/html;charset=\"CP949\"", &body),
            ("text/html", &body),
            ("text/html", &meta),
        ] {
            let told = text(content_type, body).unwrap_or_default();
            assert!(told.contains("한국어 신문"), "{content_type}: {told}");
        }
        assert_eq!(text("text/plain", "한국어".as_bytes()).unwrap(), "한국어");
        assert_eq!(text("application/json", br#"{"a":1}"#).unwrap(), r#"{"a":1}"#);
        assert_eq!(text("image/png", b"\x89PNG"), Err("web.content_type".into()));
    }

    #[test]
    fn a_hostile_page_is_only_text() {
        for open in ["<div>", "<b>", "<font a=1>", "<ul><li>", "<table><tr><td>", "<a><p>", "<b><p>"] {
            let html = format!("<html><body>{}deep inside", open.repeat(200_000 / open.len()));
            let told = text("text/html", html.as_bytes()).unwrap();
            assert!(told.ends_with("deep inside"), "{open}");
        }
    }
}
