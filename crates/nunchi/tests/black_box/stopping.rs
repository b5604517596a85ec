//! One server a folder, one program a port, and an end that loses nothing.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Turn, Upstream};
use serde_json::json;
use std::io::Read;
use std::net::TcpListener;

#[test]
fn a_taken_port_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = Home::new().run(["up", "--offline", "--json", "--listen", &address]);
    assert_eq!((ran.code, ran.error()["code"].as_str()), (1, Some("server.port_taken")), "{}", ran.err);
    assert!(ran.error()["hint"].as_str().unwrap().contains("--listen"));
}

#[test]
fn one_server_a_folder() {
    let home = Home::new();
    let server = home.up();
    let second = home.run(["up", "--offline", "--json", "--listen", "127.0.0.1:0"]);
    assert_eq!((second.code, second.error()["code"].as_str()), (1, Some("storage.locked")), "{}", second.err);
    server.stop();
    home.up().stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_before_the_server_does() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("one two three four five six").delay_between(150));
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let key = server.first_key();
    let body = json!({ "model": "up/gpt-5-mini", "stream": true, "messages": [{ "role": "user", "content": "go" }] });
    let mut open = server.open("POST", "/v1/chat/completions", &key, &[], &body);
    let mut text = vec![0_u8; 64];
    open.read_exact(&mut text).unwrap();
    server.signal("TERM");
    open.read_to_end(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("six") && text.trim_end().ends_with("data: [DONE]"), "{text}");
    let ran = server.wait();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!home.path("server.json").exists(), "the note is taken away");
    let stats = home.json(&["stats", "--by", "outcome", "--period", "all"]);
    assert_eq!(
        (&stats["groups"][0]["group"], &stats["total"]["calls"]),
        (&json!("ok"), &json!(1)),
        "{stats}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_does_not_wait() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("never ends").hang_after(2));
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let key = server.first_key();
    let body = json!({ "model": "up/gpt-5-mini", "stream": true, "messages": [{ "role": "user", "content": "go" }] });
    let mut open = server.open("POST", "/v1/chat/completions", &key, &[], &body);
    let mut text = vec![0_u8; 64];
    open.read_exact(&mut text).unwrap();
    server.signal("INT");
    // The first one is heard when the port is closed.
    while std::net::TcpStream::connect(server.address).is_ok() {
        std::thread::yield_now();
    }
    let began = std::time::Instant::now();
    server.signal("INT");
    let ran = server.wait();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(began.elapsed().as_secs() < 25, "it did not wait for the stream");
    assert_eq!(home.json(&["budget", "list"])[0]["state"]["held"], 0);
}
