//! Chooses the answer from the prompt, so that a black-box test can steer a server it cannot call.

use crate::reading::Reading;
use crate::schema::minimal_json;
use crate::serve::Seen;
use crate::turn::{Source, ToolCall, Turn, UsageShape};
use serde_json::{Value, json};

/// Chooses the answer from the last text a person wrote. The first rule that fits wins:
///
/// | the text (any case), or the request | the answer |
/// |---|---|
/// | `[[turn: {…}]]` | exactly this turn, see [`Turn::from_json`] |
/// | `fail NNN` (400-599) | that status in the dialect's shape; 429 with `retry-after: 1` |
/// | `hang forever` · `drop the connection` | no answer · a closed connection |
/// | `cut the stream` · `break the stream` · `send garbage` | a stream that is cut · has an error event · has broken JSON, each after 3 events |
/// | a tool result comes last | `The tool said: <result>` |
/// | a tool is forced, or `use the X tool` fits an offered tool, or `weather` and there are tools | a call of it, its arguments the smallest that fit the schema |
/// | `both tools`, `all tools` and there are tools | a parallel call of each |
/// | a JSON Schema or JSON mode is asked for | the smallest JSON that fits |
/// | `refuse` · `cite` | a refusal · an answer with two sources |
/// | `think` | reasoning with a signature, an answer, and reasoning tokens in the usage |
/// | `use the cache` | usage with 1,000 cached prompt tokens |
/// | `no usage` | an answer without usage |
/// | `slow` | ten words, 100 ms apart |
/// | `count to N` | `1 2 … N` |
/// | `say: TEXT` | `TEXT` |
/// | anything else | `Hello from the scripted upstream.` |
pub fn steer(seen: &Seen) -> Turn {
    steer_or(seen, || Turn::text("Hello from the scripted upstream."))
}

/// As [`steer`], with another answer for "anything else".
pub fn steer_or(seen: &Seen, otherwise: impl FnOnce() -> Turn) -> Turn {
    let reading = seen.reading();
    let text = reading.user_text.clone();
    if let Some(turn) = explicit(&text) {
        return turn;
    }
    let lower = text.to_lowercase();
    failure(&lower)
        .or_else(|| tool_turn(&reading, &lower))
        .or_else(|| structured(&reading))
        .or_else(|| answer(&text, &lower))
        .unwrap_or_else(otherwise)
}

/// A turn that the prompt spells out; one that cannot be read is a 400 that says why.
fn explicit(text: &str) -> Option<Turn> {
    let json = text.split_once("[[turn:")?.1;
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
    let turn = match values.next() {
        Some(Ok(value)) => Turn::from_json(value),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("no JSON behind [[turn:".into()),
    };
    Some(turn.unwrap_or_else(|error| {
        Turn::status(400).message(format!("[[turn: …]] was not understood: {error}"))
    }))
}

fn failure(lower: &str) -> Option<Turn> {
    let has = |words: &str| lower.contains(words);
    let status = lower.split_once("fail ").and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    if let Some(status) = status.filter(|status| (400..600).contains(status)) {
        let turn = Turn::status(status);
        return Some(if status == 429 { turn.retry_after(1) } else { turn });
    }
    let long = || Turn::text("one two three four five six seven eight nine ten");
    match () {
        () if has("hang forever") => Some(Turn::hang()),
        () if has("drop the connection") => Some(Turn::drop_connection()),
        () if has("cut the stream") => Some(long().cut_after(3)),
        () if has("break the stream") => Some(long().error_after(3, 500)),
        () if has("send garbage") => Some(long().garbage_after(3)),
        () => None,
    }
}

fn tool_turn(reading: &Reading, lower: &str) -> Option<Turn> {
    if let Some(result) = &reading.tool_result {
        return Some(Turn::text(format!("The tool said: {result}")));
    }
    if reading.no_tools || reading.tools.is_empty() {
        return None;
    }
    let call = |(name, schema): &(String, Value)| ToolCall::new(name, &minimal_json(schema));
    if lower.contains("both tools") || lower.contains("all tools") {
        return Some(Turn::tool_calls(reading.tools.iter().map(call)));
    }
    let wanted = match &reading.forced {
        Some(Some(name)) => reading.tools.iter().find(|(tool, _)| tool == name),
        Some(None) => asked_for(reading, lower).or(reading.tools.first()),
        None => asked_for(reading, lower),
    };
    wanted.map(|tool| Turn::tool_calls([call(tool)]))
}

/// The tool that the text speaks of.
fn asked_for<'a>(reading: &'a Reading, lower: &str) -> Option<&'a (String, Value)> {
    let word =
        lower.split_once("use the ").and_then(|(_, rest)| rest.split_once(" tool")).map(|(word, _)| word);
    let word = word.or_else(|| lower.contains("weather").then_some("weather"))?;
    reading.tools.iter().find(|(name, _)| name.to_lowercase().contains(word))
}

fn structured(reading: &Reading) -> Option<Turn> {
    match &reading.schema {
        Some(schema) => Some(Turn::json(&minimal_json(schema))),
        None => reading.json.then(|| Turn::json(&json!({"ok": true}))),
    }
}

fn answer(text: &str, lower: &str) -> Option<Turn> {
    let has = |words: &str| lower.contains(words);
    let turn = match () {
        () if has("refuse") => Turn::refusal("I cannot help with that."),
        () if has("cite") => Turn::text("Two sources agree [1][2].").citations([
            Source::new("https://example.com/one", "One"),
            Source::new("https://example.com/two", "Two"),
        ]),
        () if has("think") => Turn::thinking("Let me think about it.", "c2lnbmVk")
            .then_text("I thought about it.")
            .usage(UsageShape::Reasoning { input: 12, output: 8, reasoning: 30 }),
        () if has("use the cache") => {
            Turn::text("Cached.").usage(UsageShape::Cached { input: 12, cached: 1_000, output: 8 })
        }
        () if has("no usage") => Turn::text("Nothing counted.").usage(UsageShape::Missing),
        () if has("slow") => {
            Turn::text("one two three four five six seven eight nine ten").delay_between(100)
        }
        () => return counted(lower).or_else(|| Some(Turn::text(text.split_once("say: ")?.1))),
    };
    Some(turn)
}

/// `count to N`
fn counted(lower: &str) -> Option<Turn> {
    let rest = lower.split_once("count to ")?.1;
    let number: u32 = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    let words: Vec<String> = (1..=number.min(100_000)).map(|word| word.to_string()).collect();
    Some(Turn::text(words.join(" ")))
}
