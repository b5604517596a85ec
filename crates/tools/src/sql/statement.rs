//! What a statement is, read before any database sees it.

use nunchi_core::ToolError;
use sqlparser::ast::{Query, SetExpr, SqliteOnConflict, Statement};
use sqlparser::dialect::Dialect;
use sqlparser::parser::Parser;

/// Longest statement in bytes.
const LONGEST: usize = 20_000;

/// Reads exactly one statement.
pub(super) fn one_statement(dialect: &dyn Dialect, sql: &str) -> Result<Statement, ToolError> {
    if sql.len() > LONGEST {
        return Err(ToolError::new("sql.statement", format!("The statement is over {LONGEST} bytes.")));
    }
    let statements = Parser::parse_sql(dialect, sql).map_err(|error| {
        ToolError::new("sql.statement", format!("The statement is not understood: {error}."))
            .hint("Write plain SQL, one statement.")
    })?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([statement]) => Ok(statement),
        Err(several) => {
            let message = format!("There are {} statements.", several.len());
            Err(ToolError::new("sql.statement", message).hint("Give exactly one."))
        }
    }
}

/// Refuses what is no plain question.
pub(super) fn must_read(statement: &Statement) -> Result<(), ToolError> {
    let plain = match statement {
        Statement::Query(query) => is_plain(query),
        _ => false,
    };
    if plain {
        return Ok(());
    }
    Err(ToolError::new("sql.not_a_query", "Only SELECT is allowed here.").hint("Use sql_modify for changes."))
}

/// Whether a question neither changes nor locks rows.
pub(super) fn is_plain(query: &Query) -> bool {
    query.locks.is_empty() && !writes(&query.body)
}

fn writes(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_some(),
        SetExpr::Query(query) => !query.locks.is_empty() || writes(&query.body),
        SetExpr::SetOperation { left, right, .. } => writes(left) || writes(right),
        SetExpr::Values(_) | SetExpr::Table(_) => false,
        _ => true,
    }
}

/// Refuses what is no plain change: what replaces rows silently would take away more than can be kept.
pub(super) fn must_change(statement: &Statement) -> Result<(), ToolError> {
    let replaces = |or: &Option<SqliteOnConflict>| matches!(or, Some(SqliteOnConflict::Replace));
    match statement {
        Statement::Insert(insert) if insert.replace_into || replaces(&insert.or) => Err(replacing()),
        Statement::Update { or, .. } if replaces(or) => Err(replacing()),
        Statement::Insert(_) | Statement::Update { .. } | Statement::Delete(_) => Ok(()),
        _ => Err(ToolError::new("sql.not_a_change", "Only INSERT, UPDATE and DELETE are allowed here.")
            .hint("Use sql_query to read; the owner changes tables themselves.")),
    }
}

fn replacing() -> ToolError {
    ToolError::new("sql.replace", "REPLACE removes rows without naming them.").hint("Use UPDATE or INSERT.")
}
