//! Whether the whole list of tools is sent or the chosen few: by what each is expected to cost with the provider's prompt cache.
//!
//! A list that every session sends is read from the cache at a tenth of its price or less. The few that one question needs are
//! another list every time, mostly too short to be kept, and sometimes the one that is needed is not among them.

use super::catalog::ToolCatalog;
use super::session::{SelectionRequest, ToolSelection, select_tools, whole_list};
use crate::compress::message_tokens;
use crate::prefix::{PrefixKeeping, PrefixOutlook, prefix_id, shared_token_rate};
use nunchi_core::{ModelPrice, ModelRequest, Role};

/// How often the tool that is needed is not among the chosen: measured on public requests.
const LEFT_OUT: f64 = 0.07;
/// Shorter prefixes are not kept by any provider, in tokens.
const LEAST_TOKENS: u64 = 1_024;

/// What sending the whole list would meet at the provider.
#[derive(Clone, Copy, Debug)]
pub struct ListPrefix<'a> {
    /// How the provider keeps prefixes.
    pub keeping: PrefixKeeping,
    /// The model's price.
    pub price: &'a ModelPrice,
    /// What is to be expected of the whole list with its instructions.
    pub outlook: PrefixOutlook,
    /// Tokens of the instructions.
    pub instructions: u64,
    /// Tokens of the conversation behind them.
    pub conversation: u64,
}

impl<'a> ListPrefix<'a> {
    /// What a request's list would meet at a model.
    pub fn of(
        request: &ModelRequest,
        keeping: PrefixKeeping,
        price: &'a ModelPrice,
        outlook: PrefixOutlook,
    ) -> Self {
        let tokens = |instructs: bool| {
            let messages = request.messages.iter();
            let of = messages.filter(|m| matches!(m.role, Role::System | Role::Developer) == instructs);
            of.map(message_tokens).sum()
        };
        Self { keeping, price, outlook, instructions: tokens(true), conversation: tokens(false) }
    }
}

/// Names the prefix of a request that is sent with all its tools, in the order of their names.
pub fn whole_list_id(model: &str, request: &ModelRequest) -> u64 {
    let mut tools: Vec<_> = request.tools.iter().collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    prefix_id(model, tools, &request.messages)
}

/// Chooses tools, or sends all of them in the order of their names where that is expected to cost less. A session stays with
/// what it began with; which it is stands in [`ToolSelection::change`].
pub fn choose_or_send_all(
    catalog: &ToolCatalog,
    request: &SelectionRequest<'_>,
    prefix: Option<&ListPrefix<'_>>,
) -> ToolSelection {
    if request.session.is_some_and(|session| session.is_whole()) {
        return whole_list(catalog, request);
    }
    let chosen = select_tools(catalog, request);
    let begun = request.session.is_some_and(|session| !session.sent().is_empty());
    match prefix {
        Some(prefix) if !begun && chosen.find_tools && whole_list_pays(prefix, &chosen) => {
            whole_list(catalog, request)
        }
        _ => chosen,
    }
}

/// Whether the whole list costs a call less than the chosen few.
fn whole_list_pays(prefix: &ListPrefix<'_>, chosen: &ToolSelection) -> bool {
    let whole = chosen.tokens_before + prefix.instructions;
    if whole < LEAST_TOKENS {
        return false;
    }
    let few = chosen.estimated_tokens + prefix.instructions;
    #[expect(clippy::cast_precision_loss, reason = "a comparison of prices")]
    let [whole, few, conversation, input] =
        [whole as f64, few as f64, prefix.conversation as f64, prefix.price.rates.input.0 as f64];
    // The few are read again by their own session alone.
    let own = PrefixOutlook { warm: false, within: [prefix.outlook.continued; 3], ..prefix.outlook };
    let kept = chosen.estimated_tokens + prefix.instructions >= LEAST_TOKENS;
    let rate_of_few = if kept { shared_token_rate(prefix.keeping, prefix.price, &own) } else { input };
    let searched = LEFT_OUT * (few + conversation) * input;
    whole * shared_token_rate(prefix.keeping, prefix.price, &prefix.outlook) < few * rate_of_few + searched
}

#[cfg(test)]
mod tests {
    use super::super::catalog::ToolQuery;
    use super::super::catalog::tests::definitions;
    use super::super::cut::CutPolicy;
    use super::super::session::{SelectionChange, ToolSession};
    use super::*;
    use nunchi_core::{NanoUsd, Rates, ToolChoice};

    fn price() -> ModelPrice {
        let rates = Rates {
            input: NanoUsd(2_000_000_000),
            cache_read: NanoUsd(100_000_000),
            cache_write_5m: NanoUsd(2_500_000_000),
            ..Rates::default()
        };
        ModelPrice {
            provider: "openai".into(),
            model: "m".into(),
            rates,
            context_tiers: Vec::new(),
            batch: None,
            flex: None,
            priority: None,
            tool_use: NanoUsd::ZERO,
            request: NanoUsd::ZERO,
            context_window: None,
            max_output: None,
        }
    }

    fn catalog(number: usize, words: usize) -> ToolCatalog {
        let what = format!("Forecasts of the weather. {}", "More about what it does. ".repeat(words));
        let names: Vec<String> = (1..=number).map(|at| format!("tool_{:02}", number - at)).collect();
        let tools: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), what.as_str())).collect();
        ToolCatalog::new(&definitions(&tools))
    }

    fn request(session: Option<&ToolSession>) -> SelectionRequest<'_> {
        SelectionRequest {
            query: ToolQuery { text: "Will it rain?", vector: None },
            intent: None,
            tool_choice: &ToolChoice::Auto,
            used: &[],
            session,
            memory: None,
            groups: None,
            cut: CutPolicy::default(),
            cache: None,
        }
    }

    fn prefix(price: &ModelPrice, warm: bool, again: f64) -> ListPrefix<'_> {
        let outlook = PrefixOutlook { warm, within: [again; 3], continued: 0.0 };
        let keeping = PrefixKeeping::Breakpoints;
        ListPrefix { keeping, price, outlook, instructions: 500, conversation: 100 }
    }

    #[test]
    fn a_warm_list_is_sent_whole_and_a_cold_one_is_not() {
        let (price, catalog) = (price(), catalog(30, 15));
        let change = |warm, again| {
            choose_or_send_all(&catalog, &request(None), Some(&prefix(&price, warm, again))).change
        };
        assert_eq!(change(true, 0.0), SelectionChange::Whole);
        assert_eq!(change(false, 0.95), SelectionChange::Whole, "others will read what is written now");
        assert_eq!(change(false, 0.2), SelectionChange::First);
        let unknown = choose_or_send_all(&catalog, &request(None), None);
        assert_eq!(unknown.change, SelectionChange::First);
        let short = self::catalog(12, 0);
        let few = choose_or_send_all(
            &short,
            &request(None),
            Some(&ListPrefix { instructions: 0, ..prefix(&price, true, 1.0) }),
        );
        assert_eq!(few.change, SelectionChange::First, "no provider keeps so short a prefix");
    }

    #[test]
    fn a_session_stays_with_what_it_began_with() {
        let (price, catalog) = (price(), catalog(30, 15));
        let (warm, cold) = (prefix(&price, true, 1.0), prefix(&price, false, 0.0));
        let whole = choose_or_send_all(&catalog, &request(None), Some(&warm));
        let names: Vec<_> = whole.tools.iter().filter_map(|(at, _)| catalog.name(*at)).collect();
        assert!(names.len() == 30 && names.is_sorted() && !whole.find_tools);
        let later = choose_or_send_all(&catalog, &request(Some(&whole.session)), Some(&cold));
        assert_eq!((later.change, &later.tools), (SelectionChange::Whole, &whole.tools));
        let few = choose_or_send_all(&catalog, &request(None), Some(&cold));
        let later = choose_or_send_all(&catalog, &request(Some(&few.session)), Some(&warm));
        assert_eq!((later.change, &later.tools), (SelectionChange::Same, &few.tools));
    }
}
