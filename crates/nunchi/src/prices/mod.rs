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

/// The shipped catalog with the lines of the owner's source over it, and the owner's own lines over both.
pub(crate) fn layered(source: &PriceFile, own: &PriceFile) -> Result<PriceCatalog, String> {
    let shipped = PriceFile::parse(SHIPPED)?;
    let mut version = shipped.version.clone();
    let mut prices = shipped.prices()?;
    for file in [source, own].into_iter().filter(|file| !file.models.is_empty()) {
        version = format!("{version}+{}", file.version);
        for line in file.prices()? {
            prices.retain(|price| (&price.provider, &price.model) != (&line.provider, &line.model));
            prices.push(line);
        }
    }
    Ok(PriceCatalog { version, prices })
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
}
