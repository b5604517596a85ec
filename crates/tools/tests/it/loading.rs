//! Only the servers that a goal needs are offered, and none is connected for that.

use crate::scripted::{Script, Scripted};
use crate::support::{Hub, http};
use nunchi_core::ToolSpec;
use nunchi_tools::{McpServerConfig, McpSource, ToolSource};
use serde_json::json;

const TOPICS: [(&str, &str, &str); 10] = [
    ("news", "headline", "뉴스"),
    ("stocks", "stock", "주가"),
    ("calendar", "meeting", "일정"),
    ("mail", "email", "메일"),
    ("weather", "rain", "날씨"),
    ("maps", "route", "지도"),
    ("notes", "note", "메모"),
    ("shop", "order", "주문"),
    ("database", "table", "데이터베이스"),
    ("music", "song", "음악"),
];

fn definitions(source: &McpSource) -> (usize, usize) {
    let specs: Vec<ToolSpec> = source.tools().iter().map(|tool| tool.spec()).collect();
    let shown = specs.iter().map(|spec| {
        json!({"name": spec.name, "description": spec.description, "parameters": spec.parameters}).to_string()
    });
    (specs.len(), shown.map(|text| text.len()).sum())
}

#[tokio::test]
async fn a_goal_brings_a_tenth_of_thirty_tools() {
    let mut configs = Vec::new();
    let mut servers = Vec::new();
    for (name, english, korean) in TOPICS {
        let tools = ["find", "read", "change"].map(|verb| {
            json!({"name": format!("{verb}_{name}"), "description": format!("{verb} in {name}: {}", "what it does ".repeat(12)),
                "inputSchema": {"type": "object", "required": ["query"], "properties": {
                    "query": {"type": "string", "description": "What to look for, in plain words."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "description": "At most so many."}}}})
        });
        let server = Scripted::start(Script { tools: tools.to_vec(), ..Script::default() }).await;
        configs.push(McpServerConfig {
            intents: vec![name.to_owned()],
            keywords: vec![english.to_owned(), korean.to_owned()],
            ..http(name, &server.url)
        });
        servers.push(server);
    }
    let hub = Hub::new(configs.clone());
    for (name, ..) in TOPICS {
        hub.hub.accept(name).await.unwrap();
    }
    let asked: usize = servers.iter().map(Scripted::requests).sum();
    let hub = hub.again(configs);
    let (all_tools, all_bytes) = definitions(&hub.hub.everything());
    assert_eq!(all_tools, 30);
    for (goal, intents, expected) in [
        ("show me the headline of the day", &[][..], "news"),
        ("내일 일정 알려줘", &[], "calendar"),
        ("what is up", &["music"][..], "music"),
    ] {
        let needed = hub.hub.needed(goal, intents);
        let (tools, bytes) = definitions(&needed);
        let saved = 100.0 - 100.0 * bytes as f64 / all_bytes as f64;
        println!("{goal}: {tools} of {all_tools} tools, {bytes} of {all_bytes} bytes, {saved:.1} % fewer");
        assert_eq!((needed.servers(), tools), (vec![expected.to_owned()], 3), "{goal}");
        assert!(saved >= 83.0, "{goal}: {saved}");
    }
    assert_eq!(definitions(&hub.hub.needed("tell me a joke", &[])), (0, 0));
    let now: usize = servers.iter().map(Scripted::requests).sum();
    assert_eq!(now, asked, "choosing and offering connects nothing");
}
