//! The price catalog: the one that ships, the owner's own lines, and other people's price files.

mod book_file;
mod decimal;
mod litellm;

pub(crate) use book_file::{PriceFile, PriceLine, read_owner_prices, write_owner_prices};
pub(crate) use decimal::{scaled_decimal, usd_per_million};
pub(crate) use litellm::{Imported, import_litellm};

use nunchi_gateway::PriceCatalog;

/// The catalog that ships with this version.
const SHIPPED: &str = include_str!("../../assets/prices.json");

/// The shipped catalog with the owner's lines over it.
pub(crate) fn catalog(owner: &PriceFile) -> Result<PriceCatalog, String> {
    let shipped = PriceFile::parse(SHIPPED)?;
    let version = match owner.models.len() {
        0 => shipped.version.clone(),
        _ => format!("{}+{}", shipped.version, owner.version),
    };
    let mut prices = shipped.prices()?;
    for own in owner.prices()? {
        prices.retain(|price| (&price.provider, &price.model) != (&own.provider, &own.model));
        prices.push(own);
    }
    Ok(PriceCatalog { version, prices })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::NanoUsd;

    #[test]
    fn the_shipped_catalog_is_whole() {
        let catalog = catalog(&PriceFile::default()).unwrap();
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
