//! What a call costs, and the most it can cost: exact integer arithmetic over prices a million tokens.

use crate::words::{ModelPrice, NanoUsd, Rates, ServiceTier, Usage};

/// Tokens a rate is quoted for.
const PER: i128 = 1_000_000;
/// Searches of a deep research (Perplexity's manual shows 18 to 30).
const DEEP_RESEARCH_USES: u64 = 50;

/// The cost of a call, rounded up once at the end to a billionth of a dollar. A service tier without rates costs what the standard one does.
pub fn cost(price: &ModelPrice, usage: &Usage, tier: ServiceTier) -> NanoUsd {
    let rates = in_tier(price, tier, &rates_for(price, usage.prompt_tokens()));
    let classes = [
        (usage.input, rates.input),
        (usage.cache_read, rates.cache_read),
        (usage.cache_write_5m, rates.cache_write_5m),
        (usage.cache_write_1h, rates.cache_write_1h),
        (usage.output, rates.output),
        (usage.reasoning, rates.reasoning),
    ];
    let tokens =
        classes.iter().map(|(tokens, rate)| times(*tokens, *rate)).fold(0_i128, i128::saturating_add);
    let fees = i128::from(price.request.0).saturating_add(times(usage.tool_uses, price.tool_use));
    NanoUsd::saturating_from(div_ceil(tokens).saturating_add(fees))
}

/// What the same tokens would cost in a service tier with no cache of any kind.
pub fn plain_cost(price: &ModelPrice, usage: &Usage, tier: ServiceTier) -> NanoUsd {
    let plain = Usage { input: usage.prompt_tokens(), output: usage.completion_tokens(), ..Usage::default() };
    cost(price, &plain, tier)
}

/// The most a call can cost whose prompt is at most `prompt_bound` tokens and each of whose `choices` answers is at most
/// `output_cap` tokens, tool uses at the provider left out ([`most_tool_uses`]).
///
/// Never less than in the standard tier, which is served where there is no room in another one.
pub fn upper_bound(
    price: &ModelPrice,
    prompt_bound: u64,
    output_cap: u64,
    choices: u32,
    tier: ServiceTier,
) -> NanoUsd {
    let reachable = price.context_tiers.iter().filter(|long| prompt_bound > long.above_prompt_tokens);
    let all = std::iter::once(&price.rates).chain(reachable.map(|long| &long.rates));
    let (mut input, mut output) = (NanoUsd::ZERO, NanoUsd::ZERO);
    for rates in all.map(|rates| highest(*rates, in_tier(price, tier, rates))) {
        input =
            input.max(rates.input).max(rates.cache_read).max(rates.cache_write_5m).max(rates.cache_write_1h);
        output = output.max(rates.output).max(rates.reasoning);
    }
    let generated = output_cap.saturating_mul(u64::from(choices));
    let tokens = times(prompt_bound, input).saturating_add(times(generated, output));
    NanoUsd::saturating_from(div_ceil(tokens).saturating_add(i128::from(price.request.0)))
}

/// How often tools at the provider can be charged for in a call that asks for so many uses. Perplexity and some models of OpenAI search unasked: once, or as often
/// as a deep research takes.
pub fn most_tool_uses(price: &ModelPrice, asked: u64) -> u64 {
    let unasked = match price.provider.as_str() {
        "perplexity" if price.model.contains("deep-research") => DEEP_RESEARCH_USES,
        "perplexity" => 1,
        // OpenAI's search models search before every answer.
        "openai" if price.model.contains("-search-") => 1,
        _ => 0,
    };
    asked.saturating_add(unasked)
}

/// The rates of a prompt of that length.
fn rates_for(price: &ModelPrice, prompt_tokens: u64) -> Rates {
    let above = price.context_tiers.iter().rfind(|tier| prompt_tokens > tier.above_prompt_tokens);
    above.map_or(price.rates, |tier| tier.rates)
}

/// The rates of a service tier, where the standard ones for a prompt of that length are `standard`; those themselves where the tier has none.
fn in_tier(price: &ModelPrice, tier: ServiceTier, standard: &Rates) -> Rates {
    price.tier_rates(tier).map_or(*standard, |own| grown(own, &price.rates, standard))
}

/// A service tier's rates of a long prompt: as much dearer as the standard ones (`from`, `to`), which is how providers quote them.
fn grown(own: Rates, from: &Rates, to: &Rates) -> Rates {
    let grow = |rate: NanoUsd, from: NanoUsd, to: NanoUsd| match from.0 {
        ..=0 => rate.max(to),
        _ if from == to => rate,
        divisor => {
            let product = i128::from(rate.0).saturating_mul(i128::from(to.0));
            NanoUsd::saturating_from((product + i128::from(divisor) - 1).div_euclid(i128::from(divisor)))
        }
    };
    Rates {
        input: grow(own.input, from.input, to.input),
        cache_read: grow(own.cache_read, from.cache_read, to.cache_read),
        cache_write_5m: grow(own.cache_write_5m, from.cache_write_5m, to.cache_write_5m),
        cache_write_1h: grow(own.cache_write_1h, from.cache_write_1h, to.cache_write_1h),
        output: grow(own.output, from.output, to.output),
        reasoning: grow(own.reasoning, from.reasoning, to.reasoning),
    }
}

fn times(amount: u64, rate: NanoUsd) -> i128 {
    i128::from(amount).saturating_mul(i128::from(rate.0))
}

fn div_ceil(per_million: i128) -> i128 {
    per_million.saturating_add(PER - 1).div_euclid(PER)
}

/// A price that no call of any of these models exceeds; `None` for no models.
pub fn dearest(prices: impl IntoIterator<Item = ModelPrice>) -> Option<ModelPrice> {
    prices.into_iter().map(flattened).reduce(|one, other| ModelPrice {
        rates: highest(one.rates, other.rates),
        batch: highest_of((one.batch, one.rates), (other.batch, other.rates)),
        flex: highest_of((one.flex, one.rates), (other.flex, other.rates)),
        priority: highest_of((one.priority, one.rates), (other.priority, other.rates)),
        tool_use: one.tool_use.max(other.tool_use),
        request: one.request.max(other.request),
        ..one
    })
}

/// The higher of two prices' rates in a service tier, where a price without any has its standard ones.
fn highest_of(one: (Option<Rates>, Rates), other: (Option<Rates>, Rates)) -> Option<Rates> {
    (one.0.is_some() || other.0.is_some())
        .then(|| highest(one.0.unwrap_or(one.1), other.0.unwrap_or(other.1)))
}

/// The price with the highest of its rates for calls of any length.
fn flattened(price: ModelPrice) -> ModelPrice {
    let any_length = |tier: ServiceTier| {
        let long = price.context_tiers.iter().map(|long| in_tier(&price, tier, &long.rates));
        long.fold(in_tier(&price, tier, &price.rates), highest)
    };
    ModelPrice {
        rates: any_length(ServiceTier::Standard),
        batch: price.batch.map(|_| any_length(ServiceTier::Batch)),
        flex: price.flex.map(|_| any_length(ServiceTier::Flex)),
        priority: price.priority.map(|_| any_length(ServiceTier::Priority)),
        context_tiers: Vec::new(),
        ..price
    }
}

fn highest(one: Rates, other: Rates) -> Rates {
    Rates {
        input: one.input.max(other.input),
        cache_read: one.cache_read.max(other.cache_read),
        cache_write_5m: one.cache_write_5m.max(other.cache_write_5m),
        cache_write_1h: one.cache_write_1h.max(other.cache_write_1h),
        output: one.output.max(other.output),
        reasoning: one.reasoning.max(other.reasoning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::ContextTier;
    use proptest::prelude::*;

    fn rates(input: i64, output: i64) -> Rates {
        let usd = |cents: i64| NanoUsd(cents * 10_000_000);
        Rates {
            input: usd(input),
            cache_read: usd(input / 10),
            cache_write_5m: usd(input * 5 / 4),
            cache_write_1h: usd(input * 2),
            output: usd(output),
            reasoning: usd(output),
        }
    }

    fn price() -> ModelPrice {
        ModelPrice {
            provider: "p".into(),
            model: "m".into(),
            rates: rates(300, 1_500),
            context_tiers: vec![ContextTier { above_prompt_tokens: 200_000, rates: rates(600, 2_250) }],
            batch: Some(rates(150, 750)),
            flex: Some(rates(150, 700)),
            priority: Some(rates(600, 3_000)),
            tool_use: NanoUsd(10_000_000),
            request: NanoUsd::ZERO,
            context_window: None,
            max_output: None,
        }
    }

    #[test]
    fn a_bill() {
        let usage = Usage {
            input: 1_000,
            cache_read: 2_000,
            output: 100,
            reasoning: 50,
            tool_uses: 1,
            ..Usage::default()
        };
        // 1000 x 3 + 2000 x 0.3 + 150 x 15 dollars a million, and one search at a cent.
        assert_eq!(
            cost(&price(), &usage, ServiceTier::Standard),
            NanoUsd(3_000_000 + 600_000 + 2_250_000 + 10_000_000)
        );
        let long = Usage { input: 200_001, ..Usage::default() };
        assert_eq!(cost(&price(), &long, ServiceTier::Standard), NanoUsd(200_001 * 6_000));
        let batch = Usage { input: 1_000, ..Usage::default() };
        assert_eq!(cost(&price(), &batch, ServiceTier::Batch), NanoUsd(1_500_000));
        // A long prompt is twice as dear in a batch as well, and its answer half as much again.
        let long = Usage { input: 200_001, output: 10, ..Usage::default() };
        assert_eq!(cost(&price(), &long, ServiceTier::Batch), NanoUsd(200_001 * 3_000 + 10 * 11_250));
    }

    #[test]
    fn fractions_round_up_once() {
        let mut cheap = price();
        cheap.rates = Rates { input: NanoUsd(37_500_000), ..Rates::default() };
        assert_eq!(cost(&cheap, &Usage { input: 1, ..Usage::default() }, ServiceTier::Standard), NanoUsd(38));
        assert_eq!(cost(&cheap, &Usage { input: 2, ..Usage::default() }, ServiceTier::Standard), NanoUsd(75));
    }

    #[test]
    fn service_tiers() {
        let usage = Usage { input: 1_000, cache_read: 1_000, output: 100, ..Usage::default() };
        let standard = cost(&price(), &usage, ServiceTier::Standard);
        assert_eq!(standard, NanoUsd(3_000_000 + 300_000 + 1_500_000));
        assert_eq!(cost(&price(), &usage, ServiceTier::Flex), NanoUsd(1_500_000 + 150_000 + 700_000));
        assert_eq!(cost(&price(), &usage, ServiceTier::Priority), NanoUsd(6_000_000 + 600_000 + 3_000_000));
        assert_eq!(plain_cost(&price(), &usage, ServiceTier::Priority), NanoUsd(12_000_000 + 3_000_000));
        // A long prompt is twice as dear, and its answer half as much again.
        let long = Usage { input: 200_001, output: 10, ..Usage::default() };
        assert_eq!(cost(&price(), &long, ServiceTier::Priority), NanoUsd(200_001 * 12_000 + 10 * 45_000));
        // What has no rates costs the standard ones.
        let bare = ModelPrice { flex: None, priority: None, batch: None, ..price() };
        for tier in [ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch] {
            assert_eq!(cost(&bare, &usage, tier), standard);
        }
    }

    #[test]
    fn what_is_held_in_a_service_tier() {
        let bound = |tier| upper_bound(&price(), 1_000, 100, 1, tier);
        // Writing a cache for an hour is the dearest that a prompt can do: twice the rate.
        assert_eq!(bound(ServiceTier::Standard), NanoUsd(6_000_000 + 1_500_000));
        assert_eq!(bound(ServiceTier::Priority), NanoUsd(12_000_000 + 3_000_000));
        assert_eq!(bound(ServiceTier::Flex), bound(ServiceTier::Standard), "there may be no room");
        // An owner's price that makes no sense is held all the same.
        let odd = ModelPrice { priority: Some(rates(1, 1)), ..price() };
        assert_eq!(upper_bound(&odd, 1_000, 100, 1, ServiceTier::Priority), bound(ServiceTier::Standard));
    }

    #[test]
    fn words_of_service_tiers() {
        for tier in [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch] {
            assert_eq!(ServiceTier::of_word(tier.word()), Some(tier));
        }
        assert_eq!(ServiceTier::of_word("auto"), None);
    }

    proptest! {
        #[test]
        fn nothing_costs_more_than_its_bound(
            classes in proptest::array::uniform4(0_u64..120_000),
            output in 0_u64..50_000, reasoning in 0_u64..50_000, slack in 0_u64..1_000, choices in 1_u32..4,
            tier in proptest::sample::select(&[ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch][..]),
            (priced_in, priced_out) in (1_i64..2_000, 1_i64..9_000),
        ) {
            let [input, cache_read, cache_write_5m, cache_write_1h] = classes;
            let usage = Usage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, tool_uses: 0 };
            let cap = (output + reasoning).div_ceil(u64::from(choices));
            let own = Some(rates(priced_in, priced_out));
            let any = ModelPrice { flex: own, priority: own, batch: own, ..price() };
            for price in [price(), any] {
                let bound = upper_bound(&price, usage.prompt_tokens() + slack, cap, choices, tier);
                // Whatever tier was asked for, the standard one may be served.
                let dearest = cost(&price, &usage, tier).max(cost(&price, &usage, ServiceTier::Standard));
                prop_assert!(dearest <= bound);
            }
            let other = ModelPrice { rates: rates(100, 4_000), priority: None, flex: own, ..price() };
            let dearest = dearest([other.clone(), price()]).unwrap();
            let either = cost(&price(), &usage, tier).max(cost(&other, &usage, tier));
            prop_assert!(either <= cost(&dearest, &usage, tier));
        }
    }
}
