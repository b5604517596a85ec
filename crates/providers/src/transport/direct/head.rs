//! The head of a request as bytes, and the head of a reply from bytes (RFC 9112).

use super::body::{BodyDecoder, Chunk, Malformed};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

/// Headers of a reply.
const MOST_HEADERS: usize = 128;

/// A reply's head, and what follows from it.
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) body: BodyDecoder,
    /// Whether the connection may serve another request.
    pub(super) reusable: bool,
    /// Bytes of the head.
    pub(super) length: usize,
}

/// Writes the request line and the headers.
pub(super) fn write_head(request: &Request<Bytes>, host: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    for part in [request.method().as_str(), " ", path, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    let mut line = |name: &str, value: &[u8]| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    let headers = request.headers();
    if !headers.contains_key(HOST) {
        line("host", host.as_bytes());
    }
    for (name, value) in headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        line(name.as_str(), value.as_bytes());
    }
    let length = request.body().len();
    if length > 0 || request.method() == http::Method::POST {
        line("content-length", length.to_string().as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Reads the head of a final reply; `None` until all of it is there. Interim replies (1xx) are read over.
pub(super) fn read_head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut skipped = 0;
    loop {
        let mut slots = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut slots);
        let length = match parsed.parse(&bytes[skipped..]) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed("the reply's head is not HTTP/1.1")),
        };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(Malformed("the reply has no status"))?;
        skipped += length;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Malformed("the server changes the protocol"));
        }
        if !status.is_informational() {
            return head(&parsed, status, skipped).map(Some);
        }
    }
}

fn head(parsed: &httparse::Response<'_, '_>, status: StatusCode, length: usize) -> Result<Head, Malformed> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(header.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err(Malformed("a header is malformed")) };
        headers.append(name, value);
    }
    let body = framing(headers, status)?;
    let says = |word: &str| says(headers, &CONNECTION, word);
    let persistent = if parsed.version == Some(1) { !says("close") } else { says("keep-alive") };
    let reusable = persistent && !matches!(body, BodyDecoder::UntilClose);
    Ok(Head { response, body, reusable, length })
}

/// How the body is framed (RFC 9112, section 6.3).
fn framing(headers: &HeaderMap, status: StatusCode) -> Result<BodyDecoder, Malformed> {
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(BodyDecoder::Done);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // A length beside it does not count.
        return Ok(if says(headers, &TRANSFER_ENCODING, "chunked") {
            BodyDecoder::Chunked(Chunk::START)
        } else {
            BodyDecoder::UntilClose
        });
    }
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let value = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let value: Option<u64> = value.and_then(|text| text.parse().ok());
        let value = value.ok_or(Malformed("the body's length is no number"))?;
        if length.replace(value).is_some_and(|before| before != value) {
            return Err(Malformed("the body has two lengths"));
        }
    }
    Ok(match length {
        Some(0) => BodyDecoder::Done,
        Some(length) => BodyDecoder::Length(length),
        None => BodyDecoder::UntilClose,
    })
}

/// Whether a list header holds a word.
fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(u16, String, bool, usize)>, Malformed> {
        read_head(text.as_bytes()).map(|head| {
            head.map(|head| {
                (head.response.status().as_u16(), format!("{:?}", head.body), head.reusable, head.length)
            })
        })
    }

    #[test]
    fn replies() {
        for (text, status, body, reusable) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 200, "Length(5)", true),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\nconnection: Close\r\n\r\n",
                200,
                "Length(5)",
                false,
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "Done", false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n", 200, "Done", true),
            ("HTTP/1.1 429 \r\n\r\n", 429, "UntilClose", false),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, "Done", true),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n",
                200,
                "Length(1)",
                true,
            ),
        ] {
            assert_eq!(read(text), Ok(Some((status, body.to_owned(), reusable, text.len()))), "{text:?}");
        }
        let chunked =
            read("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\ncontent-length: 3\r\n\r\n");
        assert!(chunked.unwrap().unwrap().1.starts_with("Chunked"));
    }

    #[test]
    fn what_is_not_whole_is_waited_for_and_what_is_wrong_is_refused() {
        for text in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\na: b\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
            assert_eq!(read(text), Ok(None), "{text:?}");
        }
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn requests() {
        let request = Request::post("http://h:1/v1/x?y=1").header("a", "b").header("content-length", "9");
        let request = request.body(Bytes::from_static(b"{}")).unwrap();
        let head = String::from_utf8(write_head(&request, "h:1")).unwrap();
        assert_eq!(head, "POST /v1/x?y=1 HTTP/1.1\r\nhost: h:1\r\na: b\r\ncontent-length: 2\r\n\r\n");
        let request = Request::get("/").header("host", "other").body(Bytes::new()).unwrap();
        assert_eq!(write_head(&request, "h"), b"GET / HTTP/1.1\r\nhost: other\r\n\r\n");
    }
}
