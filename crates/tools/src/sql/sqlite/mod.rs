//! SQLite files: opened anew for each call, with nothing allowed but what the owner granted.

mod modify;
mod query;
mod table;
mod undo;

pub(super) use modify::{modify, outcome_of};
pub(super) use query::{describe, query};
pub(super) use undo::undo;

use super::rows::Cell;
use super::settings::{DatabaseSettings, SqlCaps, TableAccess};
use nunchi_core::ToolError;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ToSql};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long another writer is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;
/// Functions that reach out of the database.
const REACHING: [&str; 5] = ["load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"];

fn open(path: &Path, writes: bool) -> Result<Connection, ToolError> {
    let access = if writes { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let opened = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = opened.map_err(|error| said(&error))?;
    let set = || {
        connection.busy_timeout(BUSY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        if !writes {
            connection.pragma_update(None, "query_only", true)?;
        }
        Ok(())
    };
    set().map_err(|error: rusqlite::Error| said(&error))?;
    Ok(connection)
}

/// Does something with the model's own SQL, under the owner's rights and a time limit.
fn guarded<T>(
    connection: &Connection,
    settings: &Arc<DatabaseSettings>,
    caps: &SqlCaps,
    writes: bool,
    work: impl FnOnce(&Connection) -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let rights = Arc::clone(settings);
    let judge = move |context: AuthContext<'_>| judge(&rights, writes, &context);
    let end = Instant::now() + Duration::from_millis(caps.statement_ms);
    let set = connection
        .authorizer(Some(judge))
        .and_then(|()| connection.progress_handler(STEPS, Some(move || Instant::now() > end)));
    set.map_err(|error| said(&error))?;
    let done = work(connection);
    let unset = connection
        .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
        .and_then(|()| connection.progress_handler(0, None::<fn() -> bool>));
    unset.map_err(|error| said(&error))?;
    done
}

fn judge(rights: &DatabaseSettings, writes: bool, context: &AuthContext<'_>) -> Authorization {
    let granted = |table: &str| rights.access(table);
    // What stands in a view that the owner granted is granted with it.
    let through = context.accessor.and_then(granted);
    let allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. } => granted(table_name).or(through).is_some(),
        AuthAction::Function { function_name } => {
            !REACHING.iter().any(|name| name.eq_ignore_ascii_case(function_name))
        }
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => writes && granted(table_name) == Some(TableAccess::Write),
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Real(bits) => ToSqlOutput::Owned(Value::Real(f64::from_bits(*bits))),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Integer(value),
        ValueRef::Real(value) => Cell::Real(value.to_bits()),
        // Text that is no UTF-8 is kept as the bytes it is.
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Blob(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    }
}

fn bind(statement: &mut Statement<'_>, parameters: &[Cell]) -> Result<(), ToolError> {
    let wanted = statement.parameter_count();
    if wanted != parameters.len() {
        let message =
            format!("The statement takes {wanted} parameters, and {} were given.", parameters.len());
        return Err(ToolError::new("sql.parameters", message).hint("Write one ? for each value."));
    }
    for (at, value) in parameters.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value).map_err(|error| said(&error))?;
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What SQLite said, for the model.
fn said(error: &rusqlite::Error) -> ToolError {
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    let of = |code: &str, hint: &str| ToolError::new(code, format!("The database says: {text}.")).hint(hint);
    match error.sqlite_error_code() {
        _ if text.starts_with("not authorized") => {
            of("sql.not_allowed", "Use the tables you may use; sql_query without `sql` tells them.")
        }
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            of("sql.not_allowed", "Use the tables you may use; sql_query without `sql` tells them.")
        }
        Some(ErrorCode::OperationInterrupted) => {
            ToolError::new("sql.too_slow", "It took too long.").hint("Narrow it with WHERE or LIMIT.")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            of("sql.busy", "Somebody else writes to it; try again later.")
        }
        Some(ErrorCode::ConstraintViolation) => {
            of("sql.constraint", "Nothing was changed. Correct the values.")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::NotADatabase) => {
            of("sql.cannot_open", "The owner must correct the settings.")
        }
        _ => of("sql.failed", "sql_query without `sql` tells the tables and columns."),
    }
}
