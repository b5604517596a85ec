//! The price book: which price applies to a model, changed while calls run.

pub(crate) use nunchi_core::plain_cost as baseline_cost;
use nunchi_core::{ModelPrice, NanoUsd, Rates};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A versioned list of prices.
#[derive(Clone, Debug, Default)]
pub struct PriceCatalog {
    /// Its version, written into every ledger row.
    pub version: String,
    /// Prices by provider and model.
    pub prices: Vec<ModelPrice>,
}

type Prices = BTreeMap<(String, String), Arc<ModelPrice>>;

struct Book {
    version: Arc<str>,
    prices: Prices,
}

/// The prices in force.
pub struct PriceBook {
    book: RwLock<Book>,
}

impl PriceBook {
    /// A book of these prices.
    pub fn new(catalog: PriceCatalog) -> Self {
        Self { book: RwLock::new(Book::of(catalog)) }
    }

    /// The catalog's version.
    pub fn version(&self) -> Arc<str> {
        Arc::clone(&self.read().version)
    }

    /// All prices, by provider and model.
    pub fn list(&self) -> Vec<ModelPrice> {
        self.read().prices.values().map(|price| ModelPrice::clone(price)).collect()
    }

    /// The price of a model: its own line, else the line of the model it is a dated release of.
    pub fn get(&self, provider: &str, model: &str) -> Option<Arc<ModelPrice>> {
        let book = self.read();
        let find = |model: &str| book.prices.get(&(provider.to_owned(), model.to_owned())).map(Arc::clone);
        find(model).or_else(|| find(undated(model)?))
    }

    /// Adds or replaces one price.
    pub fn set(&self, price: ModelPrice) {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        book.prices.insert((price.provider.clone(), price.model.clone()), Arc::new(price));
    }

    /// Replaces all prices.
    pub fn replace(&self, catalog: PriceCatalog) {
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = Book::of(catalog);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn of(catalog: PriceCatalog) -> Self {
        let keyed = |price: ModelPrice| ((price.provider.clone(), price.model.clone()), Arc::new(price));
        Self { version: catalog.version.into(), prices: catalog.prices.into_iter().map(keyed).collect() }
    }
}

/// The name without a release date or `-latest` at its end: `gpt-4o-2024-08-06` is priced as `gpt-4o`.
pub fn undated(model: &str) -> Option<&str> {
    let (name, last) = model.rsplit_once('-')?;
    let number =
        |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if last == "latest" || number(last, 8) || number(last, 3) {
        return Some(name);
    }
    let (name, month) = name.rsplit_once('-')?;
    let (name, year) = name.rsplit_once('-')?;
    (number(last, 2) && number(month, 2) && number(year, 4)).then_some(name)
}

/// A price of nothing, for models on the owner's machine.
pub fn free_price(provider: &str, model: &str) -> ModelPrice {
    ModelPrice {
        provider: provider.to_owned(),
        model: model.to_owned(),
        rates: Rates::default(),
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

#[cfg(test)]
mod tests {
    use super::undated;

    #[test]
    fn dated_names() {
        for (name, base) in [
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
            ("gemini-2.0-flash-001", Some("gemini-2.0-flash")),
            ("chatgpt-4o-latest", Some("chatgpt-4o")),
            ("gpt-5", None),
            ("gpt-5-mini", None),
        ] {
            assert_eq!(undated(name), base, "{name}");
        }
    }
}
