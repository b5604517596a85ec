//! The prices in force.

use super::guard::{Admin, Refused};
use super::read::Body;
use axum::Json;
use nunchi_core::{ModelPrice, Rates};
use serde::Serialize;

/// The catalog.
#[derive(Debug, Serialize)]
pub(crate) struct Catalog {
    version: String,
    prices: Vec<ModelPrice>,
}

/// `GET /api/prices`
pub(crate) async fn list(admin: Admin) -> Json<Catalog> {
    let book = admin.services.gateway.prices();
    Json(Catalog { version: book.version().as_ref().to_owned(), prices: book.list() })
}

/// `PUT /api/prices`: in force until the server restarts; the command line also writes them to the home folder.
pub(crate) async fn put(admin: Admin, Body(prices): Body<Vec<ModelPrice>>) -> Result<Json<usize>, Refused> {
    if let Some(price) = prices.iter().find(|price| negative(price)) {
        return Err(
            admin.invalid("rates", format!("{}/{} has a negative price", price.provider, price.model))
        );
    }
    let count = prices.len();
    prices.into_iter().for_each(|price| admin.services.gateway.prices().set(price));
    Ok(Json(count))
}

/// Whether any rate or fee of a line is below zero.
fn negative(price: &ModelPrice) -> bool {
    let below = |rates: &Rates| {
        [
            rates.input,
            rates.cache_read,
            rates.cache_write_5m,
            rates.cache_write_1h,
            rates.output,
            rates.reasoning,
        ]
        .iter()
        .any(|rate| rate.0 < 0)
    };
    below(&price.rates)
        || [&price.batch, &price.flex, &price.priority].into_iter().flatten().any(below)
        || price.context_tiers.iter().any(|tier| below(&tier.rates))
        || price.tool_use.0 < 0
        || price.request.0 < 0
}
