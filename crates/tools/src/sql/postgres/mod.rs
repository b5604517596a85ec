//! PostgreSQL: statements are read and judged before the server sees them, and sent as they were understood.

mod check;
mod keys;
mod modify;
mod query;
mod undo;

pub(super) use modify::{modify, outcome_of};
pub(super) use query::{describe, query};
pub(super) use undo::undo;

use super::rows::{Cell, Row};
use super::settings::SqlCaps;
use futures_util::future::{Either, select};
use nunchi_core::ToolError;
use std::pin::pin;
use std::time::Duration;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a lock of somebody else's is waited for, in milliseconds.
const LOCK_MS: u64 = 5_000;

/// Does something with a connection of its own.
async fn with<T>(
    address: &str,
    work: impl AsyncFnOnce(&Client) -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let mut config: Config = address.parse().map_err(|_| cannot_open("its address is not understood"))?;
    config.connect_timeout(CONNECT).application_name("nunchi");
    let here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
    };
    // A password is not sent in the clear over a network.
    if !config.get_hosts().iter().all(here) {
        return Err(cannot_open(
            "only servers on this machine are reached, as the connection is not encrypted",
        ));
    }
    let connected = tokio::time::timeout(CONNECT, config.connect(NoTls)).await;
    let connected = connected.map_err(|_| cannot_open("it does not answer"))?;
    let (client, connection) = connected.map_err(|error| said(&error))?;
    let work = pin!(work(&client));
    match select(work, pin!(connection)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => {
            Err(ToolError::new("sql.connection", "The connection to the database broke.").uncertain())
        }
    }
}

fn cannot_open(why: &str) -> ToolError {
    ToolError::new("sql.cannot_open", format!("The database cannot be opened: {why}."))
        .hint("The owner must correct the settings.")
}

/// Begins a transaction with its limits. Texts hold no escapes but doubled quotes.
async fn begin(client: &Client, caps: &SqlCaps, writes: bool) -> Result<(), ToolError> {
    let access = if writes { "READ WRITE" } else { "READ ONLY" };
    let begin = format!(
        "BEGIN TRANSACTION {access}; SET LOCAL standard_conforming_strings = on; SET LOCAL search_path = public;
         SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {LOCK_MS};
         SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'",
        caps.statement_ms
    );
    run(client, &begin).await.map(drop)
}

/// Runs statements; gives the rows of all, and how many rows the last one touched.
async fn run(client: &Client, sql: &str) -> Result<(Vec<Row>, u64), ToolError> {
    let messages = client.simple_query(sql).await.map_err(|error| said(&error))?;
    let (mut rows, mut touched) = (Vec::new(), 0);
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                let value = |at| row.get(at).map_or(Cell::Null, |text: &str| Cell::Text(text.to_owned()));
                rows.push((0..row.len()).map(value).collect());
            }
            SimpleQueryMessage::CommandComplete(count) => touched = count,
            _ => {}
        }
    }
    Ok((rows, touched))
}

/// A text as it stands in SQL.
fn literal(text: &str) -> Result<String, ToolError> {
    if text.contains('\0') {
        return Err(ToolError::new("sql.parameters", "A text holds a NUL character.").hint("Leave it out."));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// A value as it stands in SQL. A text takes the type of its place, as a bound one does.
fn value(cell: &Cell) -> Result<String, ToolError> {
    match cell {
        Cell::Null => Ok("NULL".into()),
        // In brackets, so that a minus sign never meets another to make a comment.
        Cell::Integer(value) => Ok(format!("({value})")),
        Cell::Real(bits) => literal(&format!("{:?}", f64::from_bits(*bits))),
        Cell::Text(text) => literal(text),
        Cell::Blob(_) => Err(ToolError::new("sql.parameters", "Bytes are not taken.")),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name, with or without its schema.
fn quoted_table(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn text(cell: Option<&Cell>) -> String {
    match cell {
        Some(Cell::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

/// What the server said, for the model.
fn said(error: &tokio_postgres::Error) -> ToolError {
    let Some(found) = error.as_db_error() else {
        let error = ToolError::new("sql.connection", format!("The database cannot be reached: {error}."));
        return error.hint("Try again later.").uncertain();
    };
    let of = |code: &str, hint: &str| {
        ToolError::new(code, format!("The database says: {}.", found.message())).hint(hint)
    };
    match *found.code() {
        SqlState::QUERY_CANCELED => {
            ToolError::new("sql.too_slow", "It took too long.").hint("Narrow it with WHERE or LIMIT.")
        }
        SqlState::LOCK_NOT_AVAILABLE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE => {
            of("sql.busy", "Somebody else writes to it; try again later.")
        }
        SqlState::INSUFFICIENT_PRIVILEGE | SqlState::READ_ONLY_SQL_TRANSACTION => {
            of("sql.not_allowed", "Use the tables you may use; sql_query without `sql` tells them.")
        }
        _ if found.code().code().starts_with("23") => {
            of("sql.constraint", "Nothing was changed. Correct the values.")
        }
        _ => of("sql.failed", "sql_query without `sql` tells the tables and columns."),
    }
}
