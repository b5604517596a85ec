//! Results of tools that are too long for a model: it is shown the beginning, and looks the rest up by words or page by page.

use crate::effect::Work;
use crate::recall::fitting_places;
use crate::state::RunState;
use nunchi_core::{ToolSpec, rough_tokens};
use serde::Deserialize;
use serde_json::json;

/// Looks up what a result was not shown whole.
pub(crate) const RECALL_RESULT: &str = "recall_result";
/// Longest page, in bytes: an answer of the tool is never cut itself.
const PAGE: usize = 8 * 1024;
/// Length from which on lines no longer join a passage, in bytes; longer lines are divided.
const PASSAGE: usize = 400;
/// Most tokens of the passages of one answer, a rough estimate.
const MOST_TOKENS: u64 = 1_200;

/// What the model asks for.
#[derive(Debug, Deserialize)]
pub(crate) struct ResultWish {
    /// Which result.
    pub(crate) id: String,
    /// Words of what is looked for.
    query: Option<String>,
    /// From 1 on, where there is no query.
    page: Option<usize>,
}

/// What the model is told of the tool.
pub(crate) fn recall_result_spec() -> ToolSpec {
    let parameters = json!({
        "type": "object", "required": ["id"], "additionalProperties": false,
        "properties": {
            "id": {"type": "string", "minLength": 1, "description": "As the shortened result names it."},
            "query": {"type": "string", "minLength": 1, "description": "Words of what you look for."},
            "page": {"type": "integer", "minimum": 1, "description": "Without a query: which part of the whole."},
        },
    });
    ToolSpec::new(RECALL_RESULT, "Look up in a result that was shown shortened.", parameters)
}

/// A result as the model is shown it; `kept` is the id of the whole.
pub(crate) fn shown(text: &str, most: usize, kept: Option<&str>) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let (head, rest) = text.split_at(text.floor_char_boundary(most));
    let more =
        kept.map(|id| format!("; {RECALL_RESULT} with the id {id} finds them by words or page by page"));
    format!("{head}\n[{} bytes left out{}]", rest.len(), more.unwrap_or_default())
}

/// The longest answer of a call that its run's model is shown whole, in bytes. `None` where no model could ask for the rest.
pub(crate) fn shown_whole(state: &RunState, work: &Work) -> Option<usize> {
    let (Work::RunTool(call) | Work::CheckFate(call)) = work else { return None };
    let order = &state.order;
    if order.workflow.is_some() || order.call.is_some() {
        return None;
    }
    order.tools.iter().find(|spec| spec.name == call.tool).map(|spec| spec.max_output_bytes)
}

/// What a kept text answers to a wish.
pub(crate) fn recalled(text: &str, wish: &ResultWish) -> String {
    let pages = divided(text, PAGE);
    let Some(query) = &wish.query else {
        let page = wish.page.unwrap_or(1);
        return match pages.get(page.saturating_sub(1)) {
            Some(part) => format!("[page {page} of {}]\n{part}", pages.len()),
            None => format!("It has {} pages.", pages.len()),
        };
    };
    let passages = divided(text, PASSAGE);
    let fitting = fitting_places(&passages, query, MOST_TOKENS);
    let (mut found, mut last) = (Vec::new(), None);
    for at in (0..passages.len()).filter(|at| fitting[*at]) {
        if last.is_some_and(|last: usize| last + 1 < at) {
            found.push("[…]");
        }
        found.push(passages[at].trim_end_matches('\n'));
        last = Some(at);
    }
    if found.is_empty() {
        return format!("Nothing in it has these words. It has {} pages; name one instead.", pages.len());
    }
    debug_assert!(rough_tokens(&found.join("\n")) < 2 * MOST_TOKENS, "it fits into an answer");
    found.join("\n")
}

/// A text in parts of at most `most` bytes, each as many whole lines as it holds; what a line is too long for ends at a space.
fn divided(text: &str, most: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end = if rest.len() <= most { rest.len() } else { rest.floor_char_boundary(most) };
        let whole = end == rest.len();
        let head = &rest[..end];
        let end = match head.rfind('\n').or_else(|| head.rfind(' ')).filter(|_| !whole) {
            Some(at) => at + 1,
            None => end,
        };
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(query: Option<&str>, page: Option<usize>) -> ResultWish {
        ResultWish { id: "x".into(), query: query.map(str::to_owned), page }
    }

    fn log() -> String {
        let line = |at: usize| match at {
            7_000 => "2026-03-04 pump 7 failed: valve stuck at 한강 2공장".to_owned(),
            at => format!("2026-03-04 pump {} is fine, pressure {}", at % 9, at * 7 % 101),
        };
        (0..9_000).map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn pages_are_the_whole_text_and_each_fits_into_an_answer() {
        let endless = "가".repeat(50_000);
        for text in [log(), endless] {
            let parts = divided(&text, PAGE);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= PAGE));
        }
        let text = log();
        let last = divided(&text, PAGE).len();
        assert!(recalled(&text, &wish(None, Some(last))).contains("pump 8 is fine"));
        assert_eq!(recalled(&text, &wish(None, Some(last + 1))), format!("It has {last} pages."));
        assert!(
            recalled(&text, &wish(None, None)).starts_with(&format!("[page 1 of {last}]\n2026-03-04 pump 0"))
        );
    }

    #[test]
    fn words_find_the_passage_that_was_left_out() {
        let text = log();
        let cut = shown(&text, 16 * 1024, Some("ab12"));
        assert!(
            !cut.contains("한강") && cut.ends_with("with the id ab12 finds them by words or page by page]")
        );
        for query in ["Which valve was stuck?", "한강 공장에서 무슨 일이?"] {
            let found = recalled(&text, &wish(Some(query), None));
            assert!(found.contains("pump 7 failed: valve stuck at 한강 2공장"), "{query}: {found}");
            assert!(found.len() < 16 * 1024);
        }
        assert!(recalled(&text, &wish(Some("zebra"), None)).starts_with("Nothing in it"));
    }
}
