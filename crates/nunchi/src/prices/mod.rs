//! The price catalog: the one that ships, the owner's own lines, and other people's price files.

mod book_file;
mod decimal;
mod litellm;
mod refresh;

pub(crate) use book_file::{PriceFile, PriceLine, read_prices, write_prices};
pub(crate) use decimal::{scaled_decimal, usd_per_million};
pub(crate) use litellm::{Imported, import_litellm};
pub(crate) use refresh::{PriceRefresh, read_any};

use nunchi_gateway::PriceCatalog;

/// The catalog that ships with this version.
const SHIPPED: &str = include_str!("../../assets/prices.json");

/// The shipped catalog with the lines of the owner's source over it, and the owner's own lines over both; what a line
/// leaves out is what the one under it says.
pub(crate) fn layered(source: &PriceFile, own: &PriceFile) -> Result<PriceCatalog, String> {
    let mut all = PriceFile::parse(SHIPPED)?;
    let mut version = all.version.clone();
    for file in [source, own].into_iter().filter(|file| !file.models.is_empty()) {
        version = format!("{version}+{}", file.version);
        file.models.iter().cloned().for_each(|line| all.lay(line));
    }
    Ok(PriceCatalog { version, prices: all.prices()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::NanoUsd;

    #[test]
    fn the_shipped_catalog_is_whole() {
        let catalog = layered(&PriceFile::default(), &PriceFile::default()).unwrap();
        assert!(catalog.prices.len() > 100);
        let sonnet = catalog.prices.iter().find(|price| price.model == "claude-sonnet-4-5").unwrap();
        assert_eq!(sonnet.rates.input, NanoUsd::from_usd(3));
        assert_eq!(sonnet.rates.output, NanoUsd::from_usd(15));
        assert_eq!(sonnet.rates.cache_read, NanoUsd(300_000_000));
        assert_eq!(sonnet.rates.cache_write_1h, NanoUsd::from_usd(6));
        for price in &catalog.prices {
            assert!(
                price.rates.input > NanoUsd::ZERO || price.rates.output > NanoUsd::ZERO,
                "{}",
                price.model
            );
        }
    }

    #[test]
    fn shipped_service_tiers_are_cheaper_and_dearer() {
        let catalog = layered(&PriceFile::default(), &PriceFile::default()).unwrap();
        let (mut flex, mut priority) = (0, 0);
        for price in &catalog.prices {
            if let Some(rates) = price.flex {
                assert!(
                    rates.input < price.rates.input && rates.output < price.rates.output,
                    "{}",
                    price.model
                );
                flex += 1;
            }
            if let Some(rates) = price.priority {
                assert!(
                    rates.input > price.rates.input && rates.output > price.rates.output,
                    "{}",
                    price.model
                );
                assert!(rates.cache_read > price.rates.cache_read, "{}", price.model);
                priority += 1;
            }
        }
        assert!(flex > 40 && priority > 40, "{flex} {priority}");
        let mini = catalog.prices.iter().find(|price| price.model == "gpt-5-mini").unwrap();
        assert_eq!(mini.priority.unwrap().input, NanoUsd(450_000_000));
        assert_eq!(mini.flex.unwrap().cache_read, NanoUsd(12_500_000));
    }

    /// The price in force of a model, with these lines of the owner.
    fn in_force(model: &str, own: &[&str]) -> nunchi_core::ModelPrice {
        let lines: Vec<_> = own.iter().map(|line| format!("{{\"provider\": \"openai\", {line}}}")).collect();
        let mut file = PriceFile::default();
        for line in lines {
            let text = format!("{{\"version\": \"own\", \"models\": [{line}]}}");
            PriceFile::parse(&text).unwrap().models.into_iter().for_each(|line| file.lay(line));
        }
        let catalog = layered(&PriceFile::default(), &file).unwrap();
        catalog.prices.into_iter().find(|price| price.model == model).unwrap()
    }

    #[test]
    fn a_line_lies_over_the_one_under_it() {
        let shipped = in_force("gpt-5.5", &[]);
        let (tier, usd) = (&shipped.context_tiers[0], NanoUsd::from_usd);
        assert!(tier.above_prompt_tokens > 0 && shipped.tool_use > NanoUsd::ZERO && shipped.batch.is_some());
        let plain = r#""model": "gpt-5.5", "input": "5", "output": "30""#;
        assert_eq!(in_force("gpt-5.5", &[plain]), shipped, "nothing else was said");
        // Twice as dear: long prompts, batches and the cache as well; what is charged by the piece is not.
        let twice = in_force("gpt-5.5", &[r#""model": "gpt-5.5", "input": "10", "output": "60""#]);
        assert_eq!(twice.context_tiers[0].rates.input, usd(20));
        assert_eq!(twice.context_tiers[0].rates.output, usd(90));
        assert_eq!(twice.rates.cache_read, usd(1));
        assert_eq!(twice.batch.unwrap().input, usd(5));
        let (flex, priority) = (twice.flex.unwrap(), twice.priority.unwrap());
        assert_eq!((flex.input, flex.output), (usd(5), usd(30)));
        assert_eq!((priority.input, priority.cache_read), (usd(25), NanoUsd(2_500_000_000)));
        assert_eq!((twice.tool_use, twice.context_window), (shipped.tool_use, shipped.context_window));
        // Cheaper: nothing that was not said becomes cheaper.
        let cheap = in_force("gpt-5.5", &[r#""model": "gpt-5.5", "input": "1", "output": "2""#]);
        assert_eq!(cheap.context_tiers, shipped.context_tiers);
        // A fee that the owner told before stays, and so does what lies under a dated release.
        let fee = r#""model": "gpt-5.5", "input": "5", "output": "30", "tool_use": "0.5""#;
        assert_eq!(in_force("gpt-5.5", &[fee, plain]).tool_use, NanoUsd(500_000_000));
        let dated = in_force("gpt-5.5-2031-01-01", &[&plain.replace("gpt-5.5", "gpt-5.5-2031-01-01")]);
        assert_eq!((dated.context_tiers, dated.tool_use), (shipped.context_tiers, shipped.tool_use));
    }
}
