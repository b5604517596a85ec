//! Tools on databases: questions that cannot change anything, and changes that can be taken back row by row.

mod desk;
mod modify_tool;
mod postgres;
mod query_tool;
mod rows;
mod settings;
mod sqlite;
mod statement;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_postgres;

pub use settings::{DatabasePlace, DatabaseSettings, SqlCaps, TableAccess};

use desk::SqlDesk;
use modify_tool::SqlModify;
use nunchi_core::{Tool, ToolError};
use query_tool::SqlQuery;
use std::sync::Arc;

/// The tools on databases; that for changes only where some table may be changed.
pub(crate) fn sql_tools(databases: Vec<DatabaseSettings>, caps: SqlCaps) -> Vec<Arc<dyn Tool>> {
    let writes =
        databases.iter().any(|database| database.tables.values().any(|access| *access == TableAccess::Write));
    let desk = Arc::new(SqlDesk::new(databases, caps));
    let mut tools: Vec<Arc<dyn Tool>> = vec![Arc::new(SqlQuery(Arc::clone(&desk)))];
    if writes {
        tools.push(Arc::new(SqlModify(desk)));
    }
    tools
}

fn described(table: &str, access: TableAccess, columns: &[String]) -> String {
    let only = if access == TableAccess::Read { " [read only]" } else { "" };
    format!("{table} ({}){only}", columns.join(", "))
}

fn wrong_count(changed: u64, wanted: u64) -> ToolError {
    if changed == 0 {
        return ToolError::new("sql.no_rows", "No row fits, so nothing would change.")
            .hint("Look at the rows with sql_query first.");
    }
    ToolError::new("sql.row_count", format!("It would change {changed} rows, not {wanted}."))
        .hint("Correct WHERE, or say the number in `rows`.")
}
