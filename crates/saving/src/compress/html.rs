//! HTML to text: scripts, styles and navigation go; headings, links, lists and table cells stay readable. One pass, no tree.

/// Elements left out with all they hold.
const DROPPED: [&str; 14] = [
    "script", "style", "nav", "footer", "aside", "noscript", "svg", "head", "iframe", "template", "form",
    "button", "select", "canvas",
];
/// Elements that stand on lines of their own.
const BLOCKS: [&str; 24] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "br",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "blockquote",
    "pre",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "dt",
    "dd",
    "figure",
    "hr",
];

/// Whether a text is an HTML page or a piece of one.
pub(crate) fn is_html(text: &str) -> bool {
    let head: String = text.trim_start().chars().take(400).collect::<String>().to_ascii_lowercase();
    head.starts_with("<!doctype html")
        || head.starts_with("<html")
        || (head.starts_with('<')
            && ["<body", "<div", "<table", "<article", "<section", "<p>"]
                .iter()
                .any(|tag| head.contains(tag)))
}

/// The readable text of a page.
pub(crate) fn html_text(html: &str) -> String {
    let mut page = Page { out: String::with_capacity(html.len() / 4), link: None };
    if let Some(title) = element(html, "title") {
        page.out.push_str(&format!("# {}\n", squeeze(&decode(title))));
    }
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        page.text(&rest[..at]);
        let tag_text = &rest[at..];
        if let Some(comment) = tag_text.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let Some(end) = tag_end(tag_text) else {
            page.text(tag_text);
            rest = "";
            break;
        };
        let (tag, after) = tag_text.split_at(end + 1);
        rest = page.tag(tag, after);
    }
    page.text(rest);
    tidy(&page.out)
}

struct Page {
    out: String,
    link: Option<String>,
}

impl Page {
    fn text(&mut self, text: &str) {
        let text = squeeze(&decode(text));
        if self.out.ends_with([' ', '\n']) {
            self.out.push_str(text.trim_start())
        } else {
            self.out.push_str(&text)
        }
    }

    /// Takes one tag; gives back what is still to read.
    fn tag<'a>(&mut self, tag: &str, after: &'a str) -> &'a str {
        let inner = tag.trim_matches(['<', '>', '/', ' ']);
        let closing = tag.starts_with("</");
        let name: String =
            inner.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        if !closing && DROPPED.contains(&name.as_str()) && !tag.ends_with("/>") {
            return after_element(after, &name);
        }
        match name.as_str() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" if !closing => {
                let level = name.as_bytes().get(1).map_or(1, |digit| usize::from(digit - b'0'));
                self.out.push_str(&format!("\n{} ", "#".repeat(level)));
            }
            "li" if !closing => self.out.push_str("\n- "),
            "td" | "th" if closing => self.out.push_str(" | "),
            "a" if closing => {
                if let Some(link) = self.link.take() {
                    self.out.push_str(&format!(" ({link})"));
                }
            }
            "a" => {
                self.link =
                    attribute(tag, "href").filter(|link| link.starts_with("http") || link.starts_with('/'))
            }
            "img" => {
                if let Some(text) = attribute(tag, "alt").filter(|text| !text.trim().is_empty()) {
                    self.out.push_str(&format!("[{text}]"));
                }
            }
            name if BLOCKS.contains(&name) => self.out.push('\n'),
            _ => {}
        }
        after
    }
}

/// Where a tag ends, quotes respected.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if at > 0 => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // An unclosed quote: the first bracket must do.
    tag.find('>')
}

/// What follows the end of an element; all of the rest belongs to one that is never closed.
fn after_element<'a>(rest: &'a str, name: &str) -> &'a str {
    let close = format!("</{name}");
    let bytes = rest.as_bytes();
    let found = (0..bytes.len().saturating_sub(close.len() - 1))
        .find(|&at| bytes[at] == b'<' && bytes[at..at + close.len()].eq_ignore_ascii_case(close.as_bytes()));
    found.map_or("", |at| rest[at..].find('>').map_or("", |end| &rest[at + end + 1..]))
}

fn element<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let open = html.find(&format!("<{name}"))?;
    let start = open + html[open..].find('>')? + 1;
    let end = start + html[start..].find(&format!("</{name}"))?;
    Some(&html[start..end])
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.to_ascii_lowercase().find(&format!(" {name}="))? + name.len() + 2;
    let value = tag.get(at..)?;
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let value = match quote {
        Some(quote) => value[1..].split(quote).next()?,
        None => value.split([' ', '>']).next()?,
    };
    Some(decode(value))
}

/// The character references that pages use in text.
fn decode(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let decoded = end.and_then(|end| Some((reference(&rest[1..end])?, end)));
        match decoded {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

fn reference(name: &str) -> Option<char> {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "middot" => Some('·'),
        "hellip" => Some('…'),
        "mdash" | "ndash" => Some('-'),
        "copy" => Some('©'),
        name => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(hex) => number(hex, 16),
            None => number(name.strip_prefix('#')?, 10),
        },
    }
}

fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

/// Lines without blanks at their ends, empty ones and empty list items left out.
fn tidy(text: &str) -> String {
    let line = |line: &str| line.trim().trim_end_matches(" |").trim().to_owned();
    let kept: Vec<String> = text
        .lines()
        .map(line)
        .filter(|line| !matches!(line.as_str(), "" | "-" | "|" | "#" | "##" | "###"))
        .collect();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_reads() {
        let page = r#"<!DOCTYPE html><html><head><title>News &amp; more</title><style>p{a>b}</style></head><body><nav><a href="/x">Home</a></nav>
            <h1>Rates  rise</h1><p>By <a href="https://e.org/kim">Kim</a>, 3&nbsp;May.</p><script>if(a<b){}</script><!-- no -->
            <ul><li>One<li>둘</ul><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><img alt="A chart" src=x></body></html>"#;
        assert!(is_html(page) && !is_html("a < b and c > d"));
        assert_eq!(
            html_text(page),
            "# News & more\n# Rates rise\nBy Kim (https://e.org/kim), 3 May.\n- One\n- 둘\na | b\n1 | 2\n[A chart]"
        );
    }

    #[test]
    fn broken_pages_end() {
        for (page, text) in [
            ("<p>a", "a"),
            ("<p>a < b", "a\n< b"),
            ("<script>never closed", ""),
            ("<a href='x>y</a>", "y"),
            ("&#x110000;&bogus;", "&#x110000;&bogus;"),
        ] {
            assert_eq!(html_text(page).replace(' ', ""), text.replace([' ', '\n'], ""), "{page}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in "(?s)(<[a-z/!\"' =-]{0,12}>?|.|&#?[a-z0-9]{0,5};?){0,60}") {
            let _ = (is_html(&text), html_text(&text));
        }
    }
}
