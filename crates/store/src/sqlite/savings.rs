//! What was saved, by cause, in one pass over the rows.

use super::connection::failure;
use super::rows::Bound;
use nunchi_core::{NanoUsd, Saved, Savings, StorageError};
use rusqlite::{Connection, params_from_iter};

/// Calls that were made in order to save: the gateway's own ([`nunchi_core::OWN_TASKS`]), and those that checked an answer which could
/// have been served.
const OVERHEAD: &str = "task LIKE 'nunchi/%' OR cache = 'audit'";

/// Sums the rows that meet a condition.
pub(super) fn savings(
    connection: &Connection,
    condition: &str,
    values: Vec<Bound>,
) -> Result<Savings, StorageError> {
    let own = "saved_prompt_cache + saved_tools + saved_compression + saved_batch";
    let sum = |what: &str| format!("coalesce(sum({what}), 0)");
    let columns = [
        "count(*)".to_owned(),
        sum("baseline"),
        sum("cost"),
        sum("(cache = 'exact') * (baseline - cost)"),
        sum("(cache = 'semantic') * (baseline - cost)"),
        sum(&format!("(cache NOT IN ('exact', 'semantic')) * (baseline - cost - ({own}))")),
        sum("saved_prompt_cache"),
        sum("saved_tools"),
        sum("saved_compression"),
        sum("saved_batch"),
        sum(&format!("({OVERHEAD}) * cost")),
    ];
    let sql = format!("SELECT {} FROM calls WHERE {condition}", columns.join(", "));
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    statement
        .query_row(params_from_iter(values), |row| {
            let money = |at: usize| row.get(at).map(NanoUsd);
            Ok(Savings {
                calls: row.get::<_, i64>(0)?.unsigned_abs(),
                baseline: money(1)?,
                spent: money(2)?,
                exact: money(3)?,
                semantic: money(4)?,
                tier: money(5)?,
                other: Saved {
                    prompt_cache: money(6)?,
                    tools: money(7)?,
                    compression: money(8)?,
                    batch: money(9)?,
                },
                overhead: row.get::<_, Option<i64>>(10)?.map(NanoUsd).unwrap_or_default(),
            })
        })
        .map_err(failure)
}
