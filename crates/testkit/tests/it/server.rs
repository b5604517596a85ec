//! Proves the servers over real sockets: bytes arrive as cut, breaks are seen, requests are kept and checked.

use crate::support::{Got, client, payloads, post, request, send};
use nunchi_testkit::{
    ChunkPlan, Dialect, Endpoint, FixedAnswer, ToolCall, Turn, Upstream, embedding, steer, wire,
};
use serde_json::{Value, json};

fn ask(text: &str, stream: bool) -> Value {
    json!({"model": "gpt-5-mini", "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// A path and a valid small request of each dialect.
fn usual(upstream: &Upstream, text: &str, stream: bool) -> (String, Value) {
    let origin = upstream.origin();
    let (path, body) = match upstream.dialect() {
        Dialect::OpenAi => ("/v1/chat/completions".to_owned(), ask(text, stream)),
        Dialect::Perplexity => ("/chat/completions".to_owned(), ask(text, stream)),
        Dialect::Ollama => ("/api/chat".to_owned(), ask(text, stream)),
        Dialect::Anthropic => {
            let mut body = ask(text, stream);
            body["max_tokens"] = 100.into();
            ("/v1/messages".to_owned(), body)
        }
        Dialect::Gemini => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let body = json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
            (format!("/v1beta/models/gemini-2.5-flash:{verb}"), body)
        }
    };
    (format!("{origin}{path}"), body)
}

async fn call(upstream: &Upstream, text: &str, stream: bool) -> Got {
    let (url, body) = usual(upstream, text, stream);
    post(&url, &body).await
}

#[tokio::test]
async fn every_dialect_answers_both_ways() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::start(dialect).await;
        for stream in [false, true] {
            let got = call(&upstream, "Hi", stream).await;
            assert_eq!(got.status, 200, "{dialect:?}: {}", got.text());
            let text = got.text();
            assert!(text.contains("Hello"), "{dialect:?}: {text}");
            let length = got.header("content-length").map(str::to_owned);
            assert_eq!(length, (!stream).then(|| text.len().to_string()), "{dialect:?}");
        }
        assert_eq!(upstream.calls(), 2);
        assert_eq!(upstream.last_request().last_user_text(), "Hi");
        assert!(upstream.requests().iter().all(|seen| seen.finished && !seen.aborted && seen.status == 200));
    }
}

#[tokio::test]
async fn every_byte_arrives_as_it_was_cut() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::start(dialect).await;
        upstream.script([Turn::text("안녕하세요").chunks(ChunkPlan::EveryByte)]);
        let got = call(&upstream, "Hi", true).await;
        assert!(got.pieces.len() > 100 && got.pieces.iter().all(|piece| piece.len() == 1), "{dialect:?}");
    }
    let upstream = Upstream::start(Dialect::Anthropic).await;
    let turn = Turn::text("one two three").chunks(ChunkPlan::Events(2)).model("claude-haiku-4-5");
    upstream.script([turn.clone()]);
    let got = call(&upstream, "Hi", true).await;
    assert_eq!(got.pieces, wire(Dialect::Anthropic, Endpoint::Chat, &turn, true));
}

#[tokio::test]
async fn scripts_run_in_order_and_then_fall_back() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.script([Turn::status(429).retry_after(2), Turn::status(500).header("x-odd", "1")]);
    upstream.always(Turn::text("after"));
    let limited = call(&upstream, "Hi", true).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("2")));
    assert_eq!(limited.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(limited.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(call(&upstream, "Hi", false).await.header("x-odd"), Some("1"));
    assert_eq!(call(&upstream, "Hi", false).await.json()["choices"][0]["message"]["content"], "after");
    upstream.respond_with(|seen| Turn::text(seen.last_user_text().to_uppercase()));
    assert_eq!(call(&upstream, "loud", false).await.json()["choices"][0]["message"]["content"], "LOUD");
    assert_eq!((upstream.calls(), upstream.turns_left()), (4, 0));
}

#[tokio::test]
async fn usage_comes_in_a_stream_only_when_asked_for() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    assert!(!call(&upstream, "Hi", true).await.text().contains("usage"));
    let mut body = ask("Hi", true);
    body["stream_options"] = json!({"include_usage": true});
    let events = payloads(&post(&usual(&upstream, "", true).0, &body).await.text());
    assert_eq!(events.last().expect("a chunk")["usage"]["total_tokens"], 20);
}

#[tokio::test]
async fn cut_streams_break_without_an_end() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::start(dialect).await;
        upstream.script([Turn::text("one two three four").cut_after(3), Turn::text("x").cut_after(0)]);
        let cut = call(&upstream, "Hi", true).await;
        assert!(cut.broken && cut.pieces.len() == 3, "{dialect:?}: {} pieces", cut.pieces.len());
        assert!(call(&upstream, "Hi", false).await.broken);
        assert!(upstream.requests().iter().all(|seen| seen.finished && !seen.aborted));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed() {
    let upstream = Upstream::start(Dialect::Anthropic).await;
    let turns =
        [Turn::text("one two").hang_after(2), Turn::hang(), Turn::text("a b c d").delay_between(60_000)];
    for (index, turn) in turns.into_iter().enumerate() {
        upstream.script([turn]);
        let (url, body) = usual(&upstream, "Hi", true);
        let http = client();
        let pending = http.request(request("POST", &url, &body));
        let response = tokio::select! {
            response = pending => Some(response.expect("headers")),
            () = upstream.wait_until(|seen| index == 1 && seen.len() == 2) => None,
        };
        drop((response, http));
        upstream.wait_until(|seen| seen.get(index).is_some_and(|seen| seen.aborted)).await;
    }
}

#[tokio::test]
async fn connections_can_be_dropped_and_refused() {
    let mut upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.script([Turn::drop_connection()]);
    let (url, body) = usual(&upstream, "Hi", false);
    assert!(client().request(request("POST", &url, &body)).await.is_err());
    upstream.stop().await;
    assert!(client().request(request("POST", &url, &body)).await.is_err());
    assert_eq!(upstream.calls(), 1);
    let again = Upstream::start_at(Dialect::OpenAi, upstream.address()).await.expect("the same port");
    assert_eq!(call(&again, "Hi", false).await.status, 200);
}

#[tokio::test]
async fn keys_are_wanted_where_the_provider_wants_them() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.require_key("sk-test");
    assert_eq!(call(&upstream, "Hi", false).await.status, 200);
    upstream.require_key("sk-other");
    let refused = call(&upstream, "Hi", false).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    let gemini = Upstream::start(Dialect::Gemini).await;
    gemini.require_key("g");
    assert_eq!(call(&gemini, "Hi", false).await.status, 401);
    let (url, body) = usual(&gemini, "Hi", false);
    assert_eq!(post(&format!("{url}?key=g"), &body).await.status, 200);
}

#[tokio::test]
async fn requests_a_provider_would_refuse_are_refused() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let url = usual(&upstream, "", false).0;
    let mut odd = ask("Hi", false);
    odd["surprise"] = 1.into();
    let unknown = post(&url, &odd).await;
    assert_eq!((unknown.status, upstream.violations().len()), (400, 1));
    let stray = json!({"model": "m", "messages": [{"role": "tool", "tool_call_id": "x", "content": "1"}]});
    assert_eq!(post(&url, &stray).await.status, 400);
    assert_eq!(post(&url, &json!("text")).await.status, 400);
    upstream.lenient();
    assert_eq!(post(&url, &odd).await.status, 200);
    let anthropic = Upstream::start(Dialect::Anthropic).await;
    let (url, mut body) = usual(&anthropic, "Hi", false);
    body["max_tokens"] = Value::Null;
    assert_eq!(post(&url, &body).await.json()["error"]["type"], "invalid_request_error");
    assert_eq!(post(&format!("{}/v2/nothing", anthropic.origin()), &body).await.status, 404);
}

fn numbers(list: &Value) -> Vec<f32> {
    serde_json::from_value(list.clone()).expect("a list of numbers")
}

#[tokio::test]
async fn lists_counts_and_vectors_have_their_shapes() {
    let openai = Upstream::start(Dialect::OpenAi).await;
    openai.models(["a", "b"]);
    let listed = send("GET", &format!("{}/models", openai.base_url()), &Value::Null).await.json();
    assert_eq!(listed["data"][1]["id"], "b");
    let body = json!({"model": "e", "input": ["안녕", "hello"], "dimensions": 4});
    let vectors = post(&format!("{}/embeddings", openai.base_url()), &body).await.json();
    assert_eq!(numbers(&vectors["data"][1]["embedding"]), embedding("hello", 4));
    let packed = json!({"model": "e", "input": "hello", "encoding_format": "base64"});
    let packed = post(&format!("{}/embeddings", openai.base_url()), &packed).await.json();
    assert_eq!(packed["data"][0]["embedding"].as_str().map(str::len), Some(44));
    let ollama = Upstream::start(Dialect::Ollama).await;
    let tags = send("GET", &format!("{}/api/tags", ollama.origin()), &Value::Null).await.json();
    assert_eq!(tags["models"][0]["name"], "llama3.2:latest");
    let anthropic = Upstream::start(Dialect::Anthropic).await;
    let counted = post(&format!("{}/v1/messages/count_tokens", anthropic.origin()), &ask("Hi", false)).await;
    assert_eq!(counted.status, 400, "stream is unknown there");
    let counted = json!({"model": "c", "messages": [{"role": "user", "content": "Hi"}]});
    let counted = post(&format!("{}/v1/messages/count_tokens", anthropic.origin()), &counted).await.json();
    assert_eq!(counted, json!({"input_tokens": 12}));
    let gemini = Upstream::start(Dialect::Gemini).await;
    let text = |text: &str| json!({"model": "models/e", "content": {"parts": [{"text": text}]}});
    let batch = format!("{}/v1beta/models/gemini-embedding-001:batchEmbedContents", gemini.origin());
    let vectors = post(&batch, &json!({"requests": [text("a"), text("b")]})).await.json();
    assert_eq!(numbers(&vectors["embeddings"][1]["values"]), embedding("b", 8));
}

#[tokio::test]
async fn gemini_without_sse_streams_an_array() {
    let gemini = Upstream::start(Dialect::Gemini).await;
    let (url, body) = usual(&gemini, "Hi", true);
    let got = post(url.trim_end_matches("?alt=sse"), &body).await;
    assert_eq!(got.header("content-type"), Some("application/json"));
    let chunks = got.json();
    assert_eq!(chunks.as_array().map(Vec::len), Some(5));
}

#[tokio::test]
async fn prompts_steer() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.respond_with(steer);
    assert_eq!(call(&upstream, "please fail 503", false).await.status, 503);
    let spelled =
        call(&upstream, "[[turn: {\"text\":\"as told ]]\",\"headers\":{\"x-a\":\"b\"}}]]", false).await;
    assert_eq!(spelled.json()["choices"][0]["message"]["content"], "as told ]]");
    assert_eq!(spelled.header("x-a"), Some("b"));
    assert_eq!(call(&upstream, "[[turn: {\"txt\":1}]]", false).await.status, 400);
    let url = usual(&upstream, "", false).0;
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let mut body = ask("Use the weather tool.", false);
    body["tools"] =
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]);
    let call = post(&url, &body).await.json()["choices"][0]["message"].clone();
    assert_eq!(call["tool_calls"][0]["function"]["arguments"], "{\"city\":\"Seoul\"}");
    let result =
        json!({"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "21 degrees"});
    body["messages"].as_array_mut().expect("messages").extend([call, result]);
    let said = post(&url, &body).await.json();
    assert_eq!(said["choices"][0]["message"]["content"], "The tool said: 21 degrees");
    let mut shaped = ask("json please", false);
    shaped["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": parameters}});
    let said = post(&url, &shaped).await.json();
    assert_eq!(said["choices"][0]["message"]["content"], "{\"city\":\"Seoul\"}");
}

#[tokio::test]
async fn the_script_can_be_set_over_http() {
    let upstream = Upstream::start(Dialect::Ollama).await;
    let turns = json!([{"text": "first", "usage": {"eval_count": 3}}, {"status": 500, "message": "boom"}]);
    assert_eq!(post(&format!("{}/__script", upstream.origin()), &turns).await.status, 200);
    assert_eq!(call(&upstream, "Hi", false).await.json()["eval_count"], 3);
    assert_eq!(call(&upstream, "Hi", false).await.json(), json!({"error": "boom"}));
    let seen = send("GET", &format!("{}/__seen", upstream.origin()), &Value::Null).await.json();
    assert_eq!((&seen["calls"], &seen["requests"][0]["body"]["model"]), (&json!(2), &json!("gpt-5-mini")));
    send("DELETE", &format!("{}/__seen", upstream.origin()), &Value::Null).await;
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn odd_bodies_come_as_scripted() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.script([
        Turn::html(502),
        Turn::garbage(),
        Turn::text("x").content_type("text/plain"),
        Turn::tool_calls([ToolCall::raw("f", "{broken")]),
    ]);
    let page = call(&upstream, "Hi", false).await;
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    assert!(serde_json::from_str::<Value>(&call(&upstream, "Hi", false).await.text()).is_err());
    assert_eq!(call(&upstream, "Hi", true).await.header("content-type"), Some("text/plain"));
    let broken = call(&upstream, "Hi", false).await.json();
    assert_eq!(broken["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{broken");
}

#[tokio::test]
async fn the_fixed_answer_is_the_rendered_one() {
    let fixed = FixedAnswer::start(([127, 0, 0, 1], 0).into(), 1024).await.expect("a port");
    let origin = format!("http://{}", fixed.address());
    let got = post(&format!("{origin}/v1/chat/completions"), &ask("Hi", false)).await;
    assert!((900..1150).contains(&got.text().len()), "{}", got.text().len());
    assert_eq!(got.json()["object"], "chat.completion");
    assert_eq!(post(&format!("{origin}/v1/messages"), &ask("Hi", false)).await.json()["type"], "message");
    assert_eq!(send("GET", &format!("{origin}/v1/models"), &Value::Null).await.json()["object"], "list");
}
