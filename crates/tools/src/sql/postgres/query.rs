//! Questions to PostgreSQL, in a transaction that may only read.

use super::super::rows::{Cell, Shown};
use super::super::settings::{DatabaseSettings, SqlCaps};
use super::super::statement::must_read;
use super::check::{Checked, check, not_allowed};
use super::{begin, literal, quoted_table, run, said, text, with};
use futures_util::TryStreamExt;
use nunchi_core::ToolError;
use std::pin::pin;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Answers a question.
pub(in crate::sql) async fn query(
    address: &str,
    settings: &DatabaseSettings,
    caps: &SqlCaps,
    sql: &str,
    parameters: &[Cell],
) -> Result<String, ToolError> {
    let checked = check(settings, sql, parameters)?;
    must_read(&checked.statement)?;
    let asked = checked.text(&checked.statement)?;
    with(address, async |client| {
        begin(client, caps, false).await?;
        no_tables_of_its_names(client, &checked).await?;
        run(client, &format!("DECLARE asked NO SCROLL CURSOR FOR {asked}")).await?;
        let fetched = client.simple_query_raw(&format!("FETCH {} FROM asked", caps.shown_rows + 1)).await;
        let mut rows = pin!(fetched.map_err(|error| said(&error))?);
        let mut shown: Option<Shown> = None;
        while let Some(message) = rows.try_next().await.map_err(|error| said(&error))? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    let names: Vec<_> = columns.iter().map(|column| column.name().to_owned()).collect();
                    shown = Some(Shown::new(&names, caps.shown_rows, caps.shown_bytes));
                }
                SimpleQueryMessage::Row(row) => {
                    let cell = |at| row.get(at).map_or(Cell::Null, |text: &str| Cell::Text(text.to_owned()));
                    let cells: Vec<_> = (0..row.len()).map(cell).collect();
                    if shown.as_mut().is_some_and(|shown| !shown.add(&cells)) {
                        break;
                    }
                }
                _ => {}
            }
        }
        // What is left of the transaction goes with the connection.
        Ok(shown.map(Shown::told).unwrap_or_default())
    })
    .await
}

/// A name of the statement's own `WITH` holds in a part of it only; elsewhere it would be the table.
pub(super) async fn no_tables_of_its_names(client: &Client, checked: &Checked) -> Result<(), ToolError> {
    if checked.named.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = checked.named.iter().map(|name| literal(name)).collect::<Result<_, _>>()?;
    let (found, _) =
        run(client, &format!("SELECT relname FROM pg_class WHERE relname IN ({})", names.join(", "))).await?;
    match found.first() {
        None => Ok(()),
        Some(row) => {
            let name = text(row.first());
            Err(not_allowed(format!("`{name}` in WITH is the name of a table.")).hint("Choose another name."))
        }
    }
}

/// The tables that may be used, with their columns.
pub(in crate::sql) async fn describe(
    address: &str,
    settings: &DatabaseSettings,
    caps: &SqlCaps,
) -> Result<String, ToolError> {
    with(address, async |client| {
        begin(client, caps, false).await?;
        let mut lines = Vec::new();
        for (table, access) in &settings.tables {
            let place = literal(&quoted_table(table))?;
            let asked = format!(
                "SELECT a.attname, format_type(a.atttypid, a.atttypmod),
                     EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary
                             AND a.attnum = ANY (i.indkey))
                 FROM pg_attribute a WHERE a.attrelid = to_regclass({place}) AND a.attnum > 0 AND NOT a.attisdropped
                 ORDER BY a.attnum"
            );
            let (rows, _) = run(client, &asked).await?;
            let column = |row: &Vec<Cell>| {
                let key = if text(row.get(2)) == "t" { " KEY" } else { "" };
                format!("{} {}{key}", text(row.first()), text(row.get(1)))
            };
            let columns: Vec<_> = rows.iter().map(column).collect();
            if !columns.is_empty() {
                lines.push(super::super::described(table, *access, &columns));
            }
        }
        Ok(lines.join("\n"))
    })
    .await
}
