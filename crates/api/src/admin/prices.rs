//! The prices in force.

use super::guard::{Admin, Refused};
use axum::Json;
use nunchi_core::ModelPrice;
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
pub(crate) async fn put(admin: Admin, Json(prices): Json<Vec<ModelPrice>>) -> Result<Json<usize>, Refused> {
    let negative = |price: &ModelPrice| price.rates.input.0 < 0 || price.rates.output.0 < 0;
    if let Some(price) = prices.iter().find(|price| negative(price)) {
        return Err(
            admin.invalid("rates", format!("{}/{} has a negative price", price.provider, price.model))
        );
    }
    let count = prices.len();
    prices.into_iter().for_each(|price| admin.services.gateway.prices().set(price));
    Ok(Json(count))
}
