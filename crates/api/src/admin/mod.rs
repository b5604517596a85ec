//! The admin API under `/api`: what was spent, budgets, keys, cache, memory, prices, models, health. For keys with the admin role, but
//! for feedback, which every key may give on its own requests.

mod budgets;
mod cache;
mod compress;
mod feedback;
mod guard;
mod keys;
mod ledger;
mod memory;
mod overview;
mod prices;
mod read;
mod route;
mod skills;

pub(crate) use guard::Refused;
pub(crate) use read::{Body, Path, Query};

use crate::state::ApiState;
use axum::Router;
use axum::routing::{delete, get, post};

/// All routes.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/overview", get(overview::overview))
        .route("/api/models", get(overview::models))
        .route("/api/calls", get(ledger::calls))
        .route("/api/feedback", post(feedback::feedback))
        .route("/api/route/eval", post(route::eval))
        .route("/api/route/explain", post(route::explain))
        .route("/api/route/train", post(route::train).delete(route::forget))
        .route("/api/compress/explain", post(compress::explain))
        .route("/api/savings", get(ledger::savings))
        .route("/api/stats", get(ledger::stats))
        .route("/api/notices", get(ledger::notices))
        .route("/api/budgets", get(budgets::list).put(budgets::put))
        .route("/api/budgets/{id}", delete(budgets::remove))
        .route("/api/cache", get(cache::list).delete(cache::clear))
        .route("/api/cache/calibrate", post(cache::calibrate).delete(cache::uncalibrate))
        .route("/api/cache/doctor", get(cache::doctor))
        .route("/api/cache/explain", post(cache::explain))
        .route("/api/cache/stats", get(cache::stats))
        .route("/api/cache/{key}", get(cache::show).delete(cache::remove))
        .route("/api/memory", get(memory::list).post(memory::add))
        .route("/api/memory/export", get(memory::export))
        .route("/api/memory/search", get(memory::search))
        .route("/api/memory/stats", get(memory::stats))
        .route("/api/memory/{id}", get(memory::show).put(memory::edit).delete(memory::remove))
        .route("/api/memory/{id}/restore", post(memory::restore))
        .route("/api/memory/{id}/veto", post(memory::veto))
        .route("/api/skills", get(skills::list))
        .route("/api/skills/{name}", get(skills::show))
        .route("/api/prices", get(prices::list).put(prices::put))
        .route("/api/keys", get(keys::list).post(keys::create))
        .route("/api/keys/{id}", delete(keys::revoke))
        .route("/api/keys/{id}/rotate", post(keys::rotate))
}
