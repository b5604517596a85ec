//! Reads `multipart/form-data`, as far as an upload needs it.

use bytes::Bytes;

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) data: Bytes,
}

/// The fields of a form; `None` when the bytes are none.
pub(super) fn parts(content_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|pair| pair.trim().strip_prefix("boundary="))?;
    let mark = format!("--{}", boundary.trim_matches('"'));
    let next = format!("\r\n{mark}");
    let mut at = find(body, mark.as_bytes(), 0)? + mark.len();
    let mut parts = Vec::new();
    loop {
        match body.get(at..at + 2)? {
            b"--" => return Some(parts),
            b"\r\n" => at += 2,
            _ => return None,
        }
        let head = find(body, b"\r\n\r\n", at)?;
        let end = find(body, next.as_bytes(), head + 2)?;
        let text = std::str::from_utf8(&body[at..head]).ok()?;
        parts.push(Part {
            name: parameter(text, "name")?,
            file_name: parameter(text, "filename"),
            data: body.slice((head + 4).min(end)..end),
        });
        at = end + next.len();
    }
}

/// A quoted parameter of a part's `Content-Disposition`.
fn parameter(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let pair = line.split(';').skip(1).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(pair.trim_matches('"').to_owned())
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let first = *what.first()?;
    let mut at = from;
    while let Some(step) = body.get(at..)?.iter().position(|&byte| byte == first) {
        at += step;
        if body[at..].starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
            --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\nContent-Type: text/plain\r\n\r\n{}\r\n{}\n\r\n--x--\r\n";
        let found = parts("multipart/form-data; boundary=\"x\"", &Bytes::from(body)).unwrap();
        assert_eq!(found[0], Part { name: "purpose".into(), file_name: None, data: "batch".into() });
        assert_eq!(found[1].file_name.as_deref(), Some("a.jsonl"));
        assert_eq!(&found[1].data[..], b"{}\r\n{}\n");
        assert_eq!(parts("application/json", &Bytes::from(body)), None);
        assert_eq!(parts("multipart/form-data; boundary=y", &Bytes::from(body)), None);
        assert_eq!(parts("multipart/form-data; boundary=x", &Bytes::from(&body[..90])), None);
    }
}
