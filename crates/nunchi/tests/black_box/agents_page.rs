//! The page on agents: its commands run as they stand there, in their order, with its configuration.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Seen, ToolCall, Turn, Upstream};
use serde_json::json;

/// The blocks of a language on the page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let after = page.split(&fence).skip(1);
    after.filter_map(|rest| rest.split("```").next().map(str::to_owned)).collect()
}

/// The words of a command line, as a shell takes them apart.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (_, c) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// The model of the page.
fn plays(seen: &Seen) -> Turn {
    let messages = seen.body["messages"].as_array().expect("messages");
    let turn = messages.iter().filter(|message| message["role"] == "assistant").count();
    let goal =
        messages.iter().find(|message| message["role"] == "user").expect("a goal")["content"].to_string();
    let plan = json!({"questions": [], "nodes": [{"id": "a", "goal": "move it", "done_when": "it is there", "tools": ["move_file"], "after": []}]});
    let met = json!({"goals": [{"id": "a", "met": true, "receipts": [4, 5, 6, 7, 8]}]});
    match (goal.contains("buy milk"), turn) {
        (true, 0) => Turn::tool_calls([ToolCall::new(
            "write_file",
            &json!({"path": "notes.md", "text": "buy milk\n"}),
        )]),
        (true, _) => Turn::text("I wrote it to notes.md."),
        (false, 0) => Turn::text(plan.to_string()),
        (false, 1) => Turn::tool_calls([ToolCall::new("read_file", &json!({"path": "notes.md"}))]),
        (false, 2) => {
            Turn::tool_calls([ToolCall::new("move_file", &json!({"from": "notes.md", "to": "old.md"}))])
        }
        (false, 3) => Turn::text("I moved notes.md to old.md."),
        (false, _) => Turn::text(met.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_commands_do_what_it_says() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/agents.md");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.lines().count() <= 4 * 40, "four screens");
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.respond_with(plays);
    let config = blocks(&page, "toml").concat();
    let tiers = "[tiers]\ntrivial = [\"up/gpt-5-mini\"]\nstandard = [\"up/gpt-5-mini\"]\ncomplex = [\"up/gpt-5-mini\"]\n";
    let home = Home::with_config(&format!("{tiers}{config}\n{}", one_provider(&upstream.base_url())));
    let home = home.variable("UP_KEY", "sk-test");
    for line in blocks(&page, "sh").iter().flat_map(|block| block.lines()) {
        let words = words(line);
        assert_eq!(words[0], "nunchi", "{line}");
        let ran = home.run(&words[1..]);
        assert_eq!(ran.code, 0, "{line}\n{}\n{}", ran.out, ran.err);
        let expected = match line {
            _ if line.contains("buy milk") => "I wrote it to notes.md.",
            "nunchi runs show last" => "write_file",
            "nunchi runs undo last --dry-run" => "Only a look",
            "nunchi runs undo last" => "taken back",
            "nunchi runs undo last --redo" => "done again",
            _ if line.contains("permission move_file") => "needs your approval",
            _ if line.contains("permission delete_file") => "denied",
            "nunchi approvals show last" => "old.md",
            "nunchi approvals approve last" => "I moved notes.md to old.md.",
            "nunchi memory search Busan" => "I live in Busan.",
            _ => "",
        };
        assert!(ran.out.contains(expected), "{line}: {expected}\n{}\n{}", ran.out, ran.err);
    }
    assert_eq!(std::fs::read_to_string(home.path("work/old.md")).expect("the moved file"), "buy milk\n");
}
