//! The web tools against a real HTTP server, which answers as the pages and engines do.

use super::{SearchEndpoint, SearchKey, WebCaps, WebSettings, web_tools};
use nunchi_core::{Clock, RunId, Tool, ToolCall, ToolError, ToolOutput};
use nunchi_testkit::ManualClock;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// Answers by path; remembers what was asked.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

type Answer = fn(&str, u16) -> Vec<u8>;

impl Server {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = Arc::clone(&seen);
        // It ends with the test's process.
        let serve = move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut line) = (String::new(), String::new());
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    head.push_str(&line);
                    line.clear();
                }
                let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
                notes.lock().unwrap().push(head);
                // Whoever has heard enough may have left.
                drop(stream.write_all(&answer(&path, port)));
            }
        };
        std::thread::Builder::new().name("server".into()).spawn(serve).unwrap();
        Self { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn pages(path: &str, port: u16) -> Vec<u8> {
    let html = "content-type: text/html; charset=euc-kr\r\n";
    let (korean, ..) =
        encoding_rs::EUC_KR.encode("<title>뉴스</title><body><p>코스피 <a href='/x'>상승</a></p></body>");
    match path {
        "/news" => answer("200 OK", html, korean),
        "/old" => answer("301 Moved", "location: /news\r\n", ""),
        "/loop" => answer("302 Found", "location: /loop\r\n", ""),
        "/inside" => answer("302 Found", &format!("location: http://127.0.0.1:{port}/secret\r\n"), ""),
        "/metadata" => answer("302 Found", "location: http://169.254.169.254/latest\r\n", ""),
        "/file" => answer("302 Found", "location: file:///etc/passwd\r\n", ""),
        "/image" => answer("200 OK", "content-type: image/png\r\n", "\u{89}PNG"),
        "/gone" => answer("404 Not Found", "", "no"),
        "/long" => {
            let text: String = (0..3_000).map(|at| format!("{at} 번째 줄\n")).collect();
            answer("200 OK", "content-type: text/plain; charset=utf-8\r\n", text)
        }
        "/endless" => answer("200 OK", "content-type: text/plain\r\n", "x".repeat(300_000)),
        "/cut" => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec(),
        _ => answer("200 OK", "content-type: text/plain\r\n", "secret"),
    }
}

fn tools(hosts: &[&str], private: Vec<String>, search: Option<SearchEndpoint>) -> Vec<Arc<dyn Tool>> {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let caps = WebCaps { page_bytes: 200_000, request_ms: 5_000, ..WebCaps::default() };
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    web_tools(WebSettings { hosts, private_hosts: private, search, caps }, &clock).unwrap()
}

async fn call(tools: &[Arc<dyn Tool>], tool: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
    let tool = tools.iter().find(|other| other.spec().name == tool).unwrap();
    let name = tool.spec().name;
    tool.run(ToolCall { run: RunId(Uuid::nil()), key: "run.1".into(), tool: name, arguments, expect: None })
        .await
}

#[tokio::test]
async fn pages_are_fetched_from_listed_hosts_only() {
    let server = Server::start(pages);
    let tools =
        tools(&["https://example.com", "http://*"], vec![format!("http://localhost:{}", server.port)], None);
    let fetch = |path: String| call(&tools, "fetch_url", json!({ "url": path }));
    let news = fetch(server.url("/news")).await.unwrap().text;
    assert_eq!(news, format!("{}\n\n# 뉴스\n\n코스피 [상승](/x)", server.url("/news")));
    assert!(fetch(server.url("/old#part")).await.unwrap().text.starts_with(&server.url("/news")));
    for (url, code) in [
        (server.url("/loop"), "web.redirect"),
        (server.url("/inside"), "web.not_allowed"),
        (server.url("/metadata"), "web.not_allowed"),
        (server.url("/file"), "web.not_allowed"),
        (server.url("/image"), "web.content_type"),
        (server.url("/gone"), "web.status"),
        (server.url("/cut"), "web.failed"),
        (format!("http://127.0.0.1:{}/secret", server.port), "web.not_allowed"),
        ("https://elsewhere.com/".to_owned(), "web.not_allowed"),
        ("news".to_owned(), "web.address"),
        ("http://no-such-host.invalid/".to_owned(), "web.failed"),
    ] {
        let error = fetch(url.clone()).await.unwrap_err();
        assert_eq!(error.code, code, "{url}: {error}");
        assert!(!error.message.contains("secret") || url.contains("inside"), "{error}");
    }
    assert!(!server.seen().iter().any(|head| head.starts_with("GET /secret")));
}

#[tokio::test]
async fn a_name_that_resolves_inside_is_not_called() {
    let server = Server::start(pages);
    // `localhost` is a name like any other until it is resolved.
    let tools = tools(&[&format!("http://localhost:{}", server.port)], Vec::new(), None);
    let error = call(&tools, "fetch_url", json!({"url": server.url("/news")})).await.unwrap_err();
    assert_eq!((error.code.as_str(), server.seen().len()), ("web.private", 0), "{error}");
}

#[tokio::test]
async fn long_pages_come_in_parts() {
    let server = Server::start(pages);
    let tools = tools(&[], vec![format!("http://localhost:{}", server.port)], None);
    let (mut from, mut whole) = (0, String::new());
    while from != usize::MAX {
        let part =
            call(&tools, "fetch_url", json!({"url": server.url("/long"), "from": from})).await.unwrap().text;
        let body = part.strip_prefix(&format!("{}\n\n", server.url("/long"))).unwrap();
        let (body, next) = match body.rsplit_once("\n[") {
            Some((body, note)) => {
                let next = note.trim_end_matches(']').rsplit('=').next().unwrap();
                (body.to_owned(), next.parse().unwrap())
            }
            None => (body.to_owned(), usize::MAX),
        };
        whole.push_str(&body);
        from = next;
    }
    assert_eq!(whole, (0..3_000).map(|at| format!("{at} 번째 줄\n")).collect::<String>());
    // Read once, and gone on in.
    assert_eq!(server.seen().len(), 1);
    let beyond = call(&tools, "fetch_url", json!({"url": server.url("/long"), "from": 9_999_999})).await;
    assert_eq!(beyond.unwrap_err().code, "web.range");
    let mut last = call(&tools, "fetch_url", json!({"url": server.url("/endless")})).await.unwrap().text;
    last = call(&tools, "fetch_url", json!({"url": server.url("/endless"), "from": 199_000}))
        .await
        .map_or(last, |output| output.text);
    assert!(last.ends_with("[the page is longer than is fetched]"));
}

fn duck_duck_go(path: &str, _: u16) -> Vec<u8> {
    if path.contains("robot") {
        let page = "<html><body><div class=\"anomaly-modal__mask\"><div class=\"anomaly-modal__modal\"><div class=\"anomaly-modal__title\">Unfortunately, bots use DuckDuckGo too.</div></div></div></body></html>";
        return answer("202 Accepted", "content-type: text/html; charset=UTF-8\r\n", page);
    }
    if path.contains("nothing") {
        return answer(
            "200 OK",
            "content-type: text/html\r\n",
            "<html><body><div class=\"no-results\">No results.</div></body></html>",
        );
    }
    let mut page = String::from(
        r#"<!DOCTYPE html><html><body class="body--html"><div class="serp__results"><div id="links" class="results">
        <div class="result results_links results_links_deep result--ad "><div class="links_main links_deep result__body">
          <h2 class="result__title"><a rel="nofollow" class="result__a" href="https://duckduckgo.com/y.js?ad_domain=shop.example&amp;ad_provider=x">Buy!</a></h2>
          <a class="result__snippet" href="https://duckduckgo.com/y.js?ad_domain=shop.example">Sponsored</a></div></div>"#,
    );
    for at in 1..=12 {
        page.push_str(&format!(
            r#"<div class="result results_links results_links_deep web-result "><div class="links_main links_deep result__body">
            <h2 class="result__title"><a rel="nofollow" class="result__a" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.com%2F{at}%3Fa%3D1%26b%3D2&amp;rut=0f1e">제목 {at} &amp; more</a></h2>
            <div class="result__extras"><a class="result__url" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.com%2F{at}"> example.com/{at} </a></div>
            <a class="result__snippet" href="//duckduckgo.com/l/?uddg=x">Some <b>눈치</b> text {at}</a><div class="clear"></div></div></div>"#
        ));
    }
    page.push_str("</div></div></body></html>");
    answer("200 OK", "content-type: text/html; charset=UTF-8\r\n", page)
}

#[tokio::test]
async fn duck_duck_go_gives_ten_results() {
    let server = Server::start(duck_duck_go);
    let tools = tools(&[], Vec::new(), Some(SearchEndpoint::DuckDuckGo(Some(server.url("/html/")))));
    let told = call(&tools, "web_search", json!({"query": "눈치 a&b"})).await.unwrap().text;
    assert!(
        told.starts_with("1. 제목 1 & more\nhttps://example.com/1?a=1&b=2\nSome 눈치 text 1\n\n2. "),
        "{told}"
    );
    assert!(told.contains("10. 제목 10") && !told.contains("11. ") && !told.contains("Buy!"), "{told}");
    assert!(
        server.seen()[0].starts_with("GET /html/?q=%EB%88%88%EC%B9%98+a%26b HTTP/1.1"),
        "{:?}",
        server.seen()
    );
    let robot = call(&tools, "web_search", json!({"query": "robot"})).await.unwrap_err();
    assert_eq!(robot.code, "search.blocked");
    let nothing = call(&tools, "web_search", json!({"query": "nothing"})).await.unwrap();
    assert_eq!(nothing.text, "Nothing was found. Try other words.");
}

#[tokio::test]
async fn other_engines_by_their_json() {
    let server = Server::start(|path, _| {
        let body = if path.starts_with("/search") {
            r#"{"query":"q","number_of_results":0,"results":[{"url":"https://a.example/","title":"A &amp; B","content":"of <b>A</b>","engine":"x","score":1.0},{"url":"javascript:alert(1)","title":"bad","content":null}]}"#
        } else {
            r#"{"type":"search","web":{"type":"search","results":[{"title":"B","url":"https://b.example/","description":"of <strong>B</strong>","language":"ko"}]}}"#
        };
        answer("200 OK", "content-type: application/json\r\n", body)
    });
    let searxng = tools(&[], Vec::new(), Some(SearchEndpoint::SearXng(server.url(""))));
    let told = call(&searxng, "web_search", json!({"query": "q"})).await.unwrap().text;
    assert_eq!(told, "1. A & B\nhttps://a.example/\nof A");
    let key = SearchKey::new("BSA-very-secret");
    let endpoint = SearchEndpoint::Brave(Some(server.url("/res/v1/web/search")), key);
    assert!(!format!("{endpoint:?}").contains("secret"));
    let brave = tools(&[], Vec::new(), Some(endpoint));
    let told = call(&brave, "web_search", json!({"query": "q"})).await.unwrap().text;
    assert_eq!(told, "1. B\nhttps://b.example/\nof B");
    let seen = server.seen();
    assert!(seen[0].starts_with("GET /search?q=q&format=json "), "{}", seen[0]);
    assert!(seen[1].starts_with("GET /res/v1/web/search?q=q&count=10 "), "{}", seen[1]);
    assert!(seen[1].contains("x-subscription-token: BSA-very-secret"));
}

#[test]
fn nothing_is_offered_that_was_not_allowed() {
    assert!(tools(&[], Vec::new(), None).is_empty());
}
