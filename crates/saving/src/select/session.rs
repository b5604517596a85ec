//! Chooses the tools of one call within its session: rules, then rank, then what the prompt cache makes of a change.

use super::catalog::{RankedTool, ToolCatalog, ToolQuery};
use super::cut::{CutPolicy, chances, cut};
use super::find::find_tools_definition;
use super::groups::GroupTable;
use super::memory::ExampleMemory;
use super::tokens::definition_tokens;
use nunchi_core::{NanoUsd, Rates, ToolChoice};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Fewer tools are all sent.
pub const FEWEST_TOOLS: usize = 8;

/// A tool that is not sent yet joins only with at least this chance to be the right one; below it `find_tools` serves.
const JOINS_ABOVE: f32 = 0.15;
/// Dropping tools must bring in this many times what it costs, for a dropped tool may be wanted again.
const REGROUP_MARGIN: i64 = 2;

/// What a session has sent, in the order it was sent. Keep it and hand it back with the next call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSession {
    sent: Vec<String>,
    required: BTreeSet<String>,
    #[serde(default)]
    whole: bool,
}

impl ToolSession {
    /// A tool that must be sent from now on: the model found it with `find_tools`.
    pub fn request_tool(&mut self, name: impl Into<String>) {
        self.required.insert(name.into());
    }

    /// The tools sent so far, in their order.
    pub fn sent(&self) -> &[String] {
        &self.sent
    }

    /// Whether the session gets the whole list, because its prefix is kept.
    pub const fn is_whole(&self) -> bool {
        self.whole
    }
}

/// What the prompt cache holds of this session, for pricing a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptCacheState {
    /// The model's rates.
    pub rates: Rates,
    /// Tokens that the next call would read from the cache, tools included; 0 when it has run out.
    pub cached_tokens: u64,
    /// Calls that the session is expected to still make.
    pub remaining_calls: u32,
}

/// One call to choose for.
#[derive(Clone, Copy, Debug)]
pub struct SelectionRequest<'a> {
    /// The human text and its vector.
    pub query: ToolQuery<'a>,
    /// The intent, where a classifier named one.
    pub intent: Option<&'a str>,
    /// The caller's `tool_choice`.
    pub tool_choice: &'a ToolChoice,
    /// Tools that the conversation has called already.
    pub used: &'a [&'a str],
    /// The session so far; `None` for the first call.
    pub session: Option<&'a ToolSession>,
    /// Learned examples.
    pub memory: Option<&'a ExampleMemory>,
    /// Group rules.
    pub groups: Option<&'a GroupTable>,
    /// How many.
    pub cut: CutPolicy,
    /// What a change would cost; `None` when it is not known: then the set only grows.
    pub cache: Option<PromptCacheState>,
}

/// Why a tool is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolReason {
    /// It runs at the provider.
    Builtin,
    /// The conversation called it, or asked for it with `find_tools`.
    Used,
    /// `tool_choice` names it.
    Named,
    /// It ranks high for this text.
    Ranked,
    /// It was sent before, and taking it out would cost more than it saves; or there was no word to choose by.
    Sticky,
}

/// What became of the session's set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectionChange {
    /// The first set of the session.
    First,
    /// The same bytes as before.
    Same,
    /// Tools joined at the end.
    Grown,
    /// Tools left; the lost prompt cache is paid for.
    Regrouped,
    /// All tools: their prefix is read from the provider's cache for less than the chosen ones cost.
    Whole,
}

/// The tools to send.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSelection {
    /// Places in the catalog in the order to send, each with its reason.
    pub tools: Vec<(usize, ToolReason)>,
    /// Whether tools were left out, so that `find_tools` is to be sent after them.
    pub find_tools: bool,
    /// What became of the session's set.
    pub change: SelectionChange,
    /// The session to keep.
    pub session: ToolSession,
    /// How many tools the caller sent.
    pub total_tools: usize,
    /// Tokens of all definitions, estimated.
    pub tokens_before: u64,
    /// Tokens of the definitions to send, `find_tools` included, estimated.
    pub estimated_tokens: u64,
}

/// Chooses. Tools that the conversation used, that `tool_choice` names or that run at the provider are never left out.
pub fn select_tools(catalog: &ToolCatalog, request: &SelectionRequest<'_>) -> ToolSelection {
    let before: Vec<usize> = request
        .session
        .map_or(&[] as &[String], ToolSession::sent)
        .iter()
        .filter_map(|name| catalog.position(name))
        .collect();
    // A text that says nothing ("go on") ranks at random; it gives no reason to break the cache, or to leave a tool out.
    let says_something = !super::words::terms(request.query.text).is_empty();
    if before.is_empty() && !says_something {
        return everything(catalog, request);
    }
    let wanted = wanted_tools(catalog, request);
    let missing = missing_tools(&wanted, &before, says_something);
    let kept: BTreeSet<usize> = wanted.iter().map(|(at, _, _)| *at).collect();
    let dropped: u64 = before.iter().filter(|at| !kept.contains(at)).map(|at| catalog.tokens(*at)).sum();
    let (change, order) = if before.is_empty() {
        (SelectionChange::First, by_name(catalog, kept.into_iter().collect()))
    } else if says_something
        && request.cache.is_some_and(|cache| regrouping_gain(&cache, dropped) > NanoUsd::ZERO)
    {
        (SelectionChange::Regrouped, by_name(catalog, kept.into_iter().collect()))
    } else if missing.is_empty() {
        (SelectionChange::Same, before)
    } else {
        (SelectionChange::Grown, [before, by_name(catalog, missing)].concat())
    };
    let reason = |at: &usize| {
        wanted.iter().find(|(own, _, _)| own == at).map_or(ToolReason::Sticky, |(_, reason, _)| *reason)
    };
    assemble(catalog, request, change, order.iter().map(|at| (*at, reason(at))).collect())
}

fn assemble(
    catalog: &ToolCatalog,
    request: &SelectionRequest<'_>,
    change: SelectionChange,
    tools: Vec<(usize, ToolReason)>,
) -> ToolSelection {
    let find_tools = tools.len() < catalog.len();
    let more = if find_tools { definition_tokens(&find_tools_definition()) } else { 0 };
    let mut required: BTreeSet<String> =
        request.session.map(|session| session.required.clone()).unwrap_or_default();
    required.extend(request.used.iter().map(|name| (*name).to_owned()));
    let sent = tools.iter().filter_map(|(at, _)| catalog.name(*at).map(str::to_owned)).collect();
    ToolSelection {
        find_tools,
        change,
        session: ToolSession { sent, required, whole: false },
        total_tools: catalog.len(),
        tokens_before: (0..catalog.len()).map(|at| catalog.tokens(at)).sum(),
        estimated_tokens: tools.iter().map(|(at, _)| catalog.tokens(*at)).sum::<u64>() + more,
        tools,
    }
}

/// Tools this call should have: place, reason, and the chance to be the right one (1 for those that must stay).
fn wanted_tools(catalog: &ToolCatalog, request: &SelectionRequest<'_>) -> Vec<(usize, ToolReason, f32)> {
    let asked_for = |name: &str| request.session.is_some_and(|session| session.required.contains(name));
    let mut wanted = Vec::new();
    for at in 0..catalog.len() {
        let name = catalog.name(at).unwrap_or_default();
        if matches!(request.tool_choice, ToolChoice::Named(named) if named == name) {
            wanted.push((at, ToolReason::Named, 1.0));
        } else if request.used.contains(&name) || asked_for(name) {
            wanted.push((at, ToolReason::Used, 1.0));
        } else if catalog.is_builtin(at) {
            wanted.push((at, ToolReason::Builtin, 1.0));
        }
    }
    let allowed = request.groups.and_then(|g| g.candidates(catalog, request.intent, request.query.text));
    let allowed = allowed.map(|places| places.into_iter().collect::<BTreeSet<_>>());
    let ranked: Vec<RankedTool> = catalog
        .rank(request.query, request.memory)
        .into_iter()
        .filter(|tool| allowed.as_ref().is_none_or(|allowed| allowed.contains(&tool.index)))
        .collect();
    let kept = cut(&ranked, &request.cut);
    for (tool, chance) in ranked.iter().zip(chances(&ranked)).take(kept) {
        if !wanted.iter().any(|(at, _, _)| *at == tool.index) {
            wanted.push((tool.index, ToolReason::Ranked, chance));
        }
    }
    wanted
}

/// All tools, for a first call without a word to choose by. The session begins with the first call that has one.
fn everything(catalog: &ToolCatalog, request: &SelectionRequest<'_>) -> ToolSelection {
    let all = by_name(catalog, (0..catalog.len()).collect());
    let mut selection = assemble(
        catalog,
        request,
        SelectionChange::First,
        all.into_iter().map(|at| (at, ToolReason::Sticky)).collect(),
    );
    selection.session.sent.clear();
    selection
}

/// All tools, for the rest of the session.
pub(super) fn whole_list(catalog: &ToolCatalog, request: &SelectionRequest<'_>) -> ToolSelection {
    let all = by_name(catalog, (0..catalog.len()).collect());
    let tools = all.into_iter().map(|at| (at, ToolReason::Sticky)).collect();
    let mut selection = assemble(catalog, request, SelectionChange::Whole, tools);
    selection.session.whole = true;
    selection
}

/// Wanted tools the session has not sent: those that must be there, and likely ones.
fn missing_tools(wanted: &[(usize, ToolReason, f32)], before: &[usize], says_something: bool) -> Vec<usize> {
    wanted
        .iter()
        .filter(|(at, _, chance)| {
            !before.contains(at) && (*chance >= 1.0 || says_something && *chance >= JOINS_ABOVE)
        })
        .map(|(at, _, _)| *at)
        .collect()
}

fn by_name(catalog: &ToolCatalog, mut places: Vec<usize>) -> Vec<usize> {
    places.sort_by(|a, b| catalog.name(*a).cmp(&catalog.name(*b)).then(a.cmp(b)));
    places
}

/// What leaving out tools of `dropped` tokens brings over the rest of the session, less twice the prompt cache it loses.
///
/// Tools stand at the head of a prompt, so that every cached token behind them must be written again.
pub fn regrouping_gain(cache: &PromptCacheState, dropped: u64) -> NanoUsd {
    let or_input =
        |rate: NanoUsd| i128::from(if rate > NanoUsd::ZERO { rate.0 } else { cache.rates.input.0 });
    let (read, write) = (or_input(cache.rates.cache_read), or_input(cache.rates.cache_write_5m));
    let each_call = if cache.cached_tokens == 0 { i128::from(cache.rates.input.0) } else { read };
    let saved = i128::from(dropped) * each_call * i128::from(cache.remaining_calls);
    let lost = i128::from(cache.cached_tokens.saturating_sub(dropped)) * (write - read).max(0);
    NanoUsd::saturating_from((saved - lost * i128::from(REGROUP_MARGIN)) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::super::catalog::tests::definitions;
    use super::*;
    use proptest::prelude::*;

    const TOOLS: [(&str, &str); 12] = [
        ("weather", "Weather forecast of a city."),
        ("email", "Sends an e-mail."),
        ("currency", "Converts currencies."),
        ("music", "Plays songs and playlists."),
        ("hotel", "Books hotel rooms."),
        ("papers", "Searches academic papers."),
        ("chess", "Plays chess."),
        ("recipes", "Finds recipes to cook."),
        ("jobs", "Finds job openings."),
        ("cars", "Finds used cars."),
        ("law", "Searches laws."),
        ("garden", "Advice on indoor plants."),
    ];
    const RATES: Rates = Rates {
        input: NanoUsd(3_000_000_000),
        cache_read: NanoUsd(300_000_000),
        cache_write_5m: NanoUsd(3_750_000_000),
        cache_write_1h: NanoUsd(6_000_000_000),
        output: NanoUsd(15_000_000_000),
        reasoning: NanoUsd(15_000_000_000),
    };

    fn request<'a>(text: &'a str, session: Option<&'a ToolSession>) -> SelectionRequest<'a> {
        SelectionRequest {
            query: ToolQuery { text, vector: None },
            intent: None,
            tool_choice: &ToolChoice::Auto,
            used: &[],
            session,
            memory: None,
            groups: None,
            cut: CutPolicy { least: 2, most: 4, mass: 0.9 },
            cache: None,
        }
    }

    fn names<'a>(catalog: &'a ToolCatalog, selection: &ToolSelection) -> Vec<&'a str> {
        selection.tools.iter().filter_map(|(at, _)| catalog.name(*at)).collect()
    }

    #[test]
    fn a_session_is_sticky_and_grows_at_the_end() {
        let catalog = ToolCatalog::new(&definitions(&TOOLS));
        let first = select_tools(&catalog, &request("Will it rain in Seoul?", None));
        assert_eq!(first.change, SelectionChange::First);
        let sent = names(&catalog, &first);
        assert!(sent.contains(&"weather") && sent.is_sorted() && sent.len() <= 4, "{sent:?}");
        assert!(first.find_tools && first.estimated_tokens < first.tokens_before && first.total_tools == 12);
        for text in ["go on", "계속", "and the rain tomorrow?"] {
            let again = select_tools(&catalog, &request(text, Some(&first.session)));
            assert_eq!(
                (again.change, names(&catalog, &again)),
                (SelectionChange::Same, sent.clone()),
                "{text}"
            );
        }
        let next = select_tools(&catalog, &request("play a game of chess", Some(&first.session)));
        let grown = names(&catalog, &next);
        assert!(next.change == SelectionChange::Grown || sent.contains(&"chess"));
        assert!(grown.starts_with(&sent) && grown.contains(&"chess"), "{grown:?}");
    }

    #[test]
    fn what_was_used_named_or_found_stays() {
        let catalog = ToolCatalog::new(&definitions(&TOOLS));
        let mut session = ToolSession::default();
        session.request_tool("law");
        let choice = ToolChoice::Named("cars".to_owned());
        let mut call = request("Will it rain?", Some(&session));
        (call.used, call.tool_choice) = (&["garden"], &choice);
        let selection = select_tools(&catalog, &call);
        for (name, reason) in
            [("law", ToolReason::Used), ("garden", ToolReason::Used), ("cars", ToolReason::Named)]
        {
            let at = catalog.position(name).unwrap();
            assert!(selection.tools.contains(&(at, reason)), "{name} {:?}", selection.tools);
        }
        let later = select_tools(&catalog, &request("play songs", Some(&selection.session)));
        assert!(names(&catalog, &later).contains(&"garden"), "a used tool stays without being named again");
    }

    #[test]
    fn without_a_word_nothing_is_chosen() {
        let catalog = ToolCatalog::new(&definitions(&TOOLS));
        let first = select_tools(&catalog, &request("", None));
        assert_eq!((first.tools.len(), first.find_tools, first.session.sent().len()), (12, false, 0));
        let second = select_tools(&catalog, &request("Will it rain?", Some(&first.session)));
        assert!(second.tools.len() <= 4 && second.change == SelectionChange::First);
        let mut silent = request("...", Some(&second.session));
        silent.cache = Some(PromptCacheState { rates: RATES, cached_tokens: 0, remaining_calls: 50 });
        assert_eq!(select_tools(&catalog, &silent).change, SelectionChange::Same);
    }

    #[test]
    fn groups_restrict_the_rank() {
        let catalog = ToolCatalog::new(&definitions(&TOOLS));
        let table: GroupTable = serde_json::from_str(
            r#"{"groups":[{"name":"fun","tools":["music","chess"]}],"rules":[{"intents":["play"],"groups":["fun"]}]}"#,
        )
        .unwrap();
        let mut call = request("Will it rain?", None);
        (call.groups, call.intent) = (Some(&table), Some("play"));
        assert_eq!(names(&catalog, &select_tools(&catalog, &call)), ["chess", "music"]);
    }

    #[test]
    fn regrouping_must_pay_for_the_cache() {
        let state = |cached_tokens, remaining_calls| PromptCacheState {
            rates: RATES,
            cached_tokens,
            remaining_calls,
        };
        for (cached, calls, dropped, pays) in [
            (50_000, 10, 500, false),
            (2_000, 100, 1_000, true),
            (0, 1, 500, true),
            (0, 0, 500, false),
            (1_000, 100, 0, false),
        ] {
            let gain = regrouping_gain(&state(cached, calls), dropped);
            assert_eq!(gain > NanoUsd::ZERO, pays, "{cached} {calls} {dropped}: {gain}");
        }
        // 1,000 tokens read 100 times at 0.30, less twice 1,000 rewritten at 3.45, a million each.
        assert_eq!(regrouping_gain(&state(2_000, 100), 1_000), NanoUsd(30_000_000 - 6_900_000));
        let catalog = ToolCatalog::new(&definitions(&TOOLS));
        let first = select_tools(&catalog, &request("Will it rain?", None));
        let mut call = request("play a game of chess", Some(&first.session));
        call.cache = Some(state(0, 50));
        let regrouped = select_tools(&catalog, &call);
        assert_eq!(regrouped.change, SelectionChange::Regrouped);
        assert!(names(&catalog, &regrouped).contains(&"chess"));
    }

    proptest! {
        /// Without known rates a set only grows, keeps its prefix, and never loses what was used.
        #[test]
        fn sets_only_grow(texts in prop::collection::vec("[a-z]{2,8}( [a-z]{2,8}){0,4}|rain|chess|cook dinner|환율", 1..8), used in 0..12_usize) {
            let catalog = ToolCatalog::new(&definitions(&TOOLS));
            let mut session = ToolSession::default();
            let name = [TOOLS[used].0];
            for (at, text) in texts.iter().enumerate() {
                let before = session.sent().to_vec();
                let mut call = request(text, Some(&session));
                if at > 0 { call.used = &name; }
                let selection = select_tools(&catalog, &call);
                prop_assert!(selection.session.sent().starts_with(&before));
                prop_assert!(at == 0 || selection.session.sent().contains(&name[0].to_owned()));
                session = selection.session;
            }
        }
    }
}
