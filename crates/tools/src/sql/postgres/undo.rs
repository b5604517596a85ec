//! Takes changes of rows in PostgreSQL back, row by row, and leaves alone what was changed since.

use super::super::rows::{Noted, Restored, Row, RowChange, SqlChange};
use super::super::settings::{DatabaseSettings, SqlCaps, TableAccess};
use super::keys::{condition, is_referred_to, list};
use super::modify::{claim, finish, make_notes};
use super::{begin, quoted, quoted_table, run, value, with};
use nunchi_core::ToolError;
use tokio_postgres::Client;

/// Takes a change back. Noted, it is done; otherwise it is only tried, after those of `before` were tried. The error inside is what an earlier call answered.
pub(in crate::sql) async fn undo(
    address: &str,
    settings: &DatabaseSettings,
    caps: &SqlCaps,
    (before, change): (&[SqlChange], &SqlChange),
    noted: Option<Noted<'_, Restored>>,
) -> Result<Result<Restored, String>, ToolError> {
    with(address, async |client| {
        if noted.is_some() {
            make_notes(client).await?;
        }
        begin(client, caps, true).await?;
        if let Some(noted) = &noted
            && let Some(outcome) = claim(client, noted.key).await?
        {
            return Ok(Err(outcome));
        }
        for earlier in before {
            // What cannot be taken back was said when it was looked at itself.
            let _said_then = put_rows_back(client, settings, earlier).await?;
        }
        let restored = put_rows_back(client, settings, change).await?;
        for row in &restored.rows {
            if now(client, row).await? != row.after {
                let message = format!("{} could not be put back exactly.", row.name());
                return Err(ToolError::new("sql.inexact", message).hint("Correct it with sql_modify."));
            }
        }
        match &noted {
            Some(noted) if !restored.rows.is_empty() => {
                finish(client, noted.key, &(noted.outcome)(&restored)).await?;
            }
            _ => drop(run(client, "ROLLBACK").await?),
        }
        Ok(Ok(restored))
    })
    .await
}

/// Puts the rows of a change back, those that were not changed since.
async fn put_rows_back(
    client: &Client,
    settings: &DatabaseSettings,
    change: &SqlChange,
) -> Result<Restored, ToolError> {
    let mut restored = Restored::default();
    for row in change.rows.iter().rev() {
        run(client, "SAVEPOINT row").await?;
        match one(client, settings, row).await {
            Ok(None) => restored.rows.push(row.reversed()),
            Ok(Some(why)) => restored.conflicts.push(why),
            Err(error) if error.uncertain => return Err(error),
            Err(error) => {
                run(client, "ROLLBACK TO SAVEPOINT row").await?;
                restored.conflicts.push(format!("{}: {}", row.name(), error.message));
            }
        }
        run(client, "RELEASE SAVEPOINT row").await?;
    }
    Ok(restored)
}

/// Puts a row back; says why not.
async fn one(
    client: &Client,
    settings: &DatabaseSettings,
    row: &RowChange,
) -> Result<Option<String>, ToolError> {
    if settings.tables.get(&row.table) != Some(&TableAccess::Write) {
        return Ok(Some(format!("{}: the table may not be changed any more", row.name())));
    }
    let conflict = match (now(client, row).await?, &row.after) {
        (now, after) if now == *after => None,
        (None, _) => Some(format!("{} is gone", row.name())),
        (Some(_), None) => Some(format!("{} exists again; it was left as it is", row.name())),
        (Some(_), Some(_)) => Some(format!("{} has changed since; it was left as it is", row.name())),
    };
    if conflict.is_some() {
        return Ok(conflict);
    }
    if row.before.is_none() && is_referred_to(client, &row.table, &row.key).await? {
        return Ok(Some(format!("{}: other rows refer to it", row.name())));
    }
    let table = quoted_table(&row.table);
    let sql = match (&row.before, &row.after) {
        (None, _) => format!("DELETE FROM {table} WHERE {}", condition(&row.key)?),
        (Some(before), Some(_)) => {
            let mut sets = Vec::new();
            let keys: Vec<_> = row.key.iter().map(|(name, _)| name).collect();
            for (name, cell) in row.columns.iter().zip(before).filter(|(name, _)| !keys.contains(name)) {
                sets.push(format!("{} = {}", quoted(name), value(cell)?));
            }
            format!("UPDATE {table} SET {} WHERE {}", sets.join(", "), condition(&row.key)?)
        }
        (Some(before), None) => {
            let values = before.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            // Also where the server counts the keys itself.
            format!(
                "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
                list(&row.columns),
                values.join(", ")
            )
        }
    };
    match run(client, &sql).await?.1 {
        1 => Ok(None),
        _ => Err(ToolError::new("sql.failed", "it could not be put back")),
    }
}

async fn now(client: &Client, row: &RowChange) -> Result<Option<Row>, ToolError> {
    let sql = format!(
        "SELECT {} FROM {} WHERE {} FOR UPDATE",
        list(&row.columns),
        quoted_table(&row.table),
        condition(&row.key)?
    );
    Ok(run(client, &sql).await?.0.pop())
}
