//! Changes in PostgreSQL: rows are locked and kept, changed, and noted with the call in one transaction.

use super::super::rows::{Cell, Modified, Noted, Row, RowChange, SqlChange, Wish, as_shown};
use super::super::settings::{DatabaseSettings, SqlCaps};
use super::super::statement::must_change;
use super::check::{Checked, check, must_write, table_name};
use super::keys::{Table, is_referred_to};
use super::query::no_tables_of_its_names;
use super::{begin, literal, run, text, with};
use nunchi_core::ToolError;
use sqlparser::ast::{
    AssignmentTarget, FromTable, ObjectName, Statement, TableFactor, TableObject, TableWithJoins,
};
use tokio_postgres::Client;

/// The parts of a change of one table.
struct Parts {
    table: String,
    /// The rows that it is about, as they are asked for; `None` for new rows.
    old_rows: Option<String>,
    /// Columns that it sets.
    sets: Vec<String>,
    deletes: bool,
}

/// Changes rows. Noted, it is made; otherwise it is only tried.
pub(in crate::sql) async fn modify(
    address: &str,
    settings: &DatabaseSettings,
    caps: &SqlCaps,
    wish: Wish<'_>,
    noted: Option<Noted<'_, SqlChange>>,
) -> Result<Modified, ToolError> {
    let checked = check(settings, wish.sql, wish.parameters)?;
    must_change(&checked.statement)?;
    let parts = parts(settings, &checked)?;
    with(address, async |client| {
        if noted.is_some() {
            make_notes(client).await?;
        }
        begin(client, caps, true).await?;
        if let Some(noted) = &noted
            && let Some(outcome) = claim(client, noted.key).await?
        {
            return Ok(Modified::Before(outcome));
        }
        no_tables_of_its_names(client, &checked).await?;
        let rows = change(client, caps, &checked, &parts, wish.rows).await?;
        as_shown(&wish, &rows)?;
        let change = SqlChange { database: settings.name.clone(), rows };
        match &noted {
            Some(noted) => finish(client, noted.key, &(noted.outcome)(&change)).await?,
            // Whatever is checked only at the end is checked now.
            None => drop(run(client, "SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK").await?),
        }
        Ok(Modified::Now(change))
    })
    .await
}

async fn change(
    client: &Client,
    caps: &SqlCaps,
    checked: &Checked,
    parts: &Parts,
    wanted: u64,
) -> Result<Vec<RowChange>, ToolError> {
    let table = Table::read(client, &parts.table).await?;
    if parts.sets.iter().any(|column| table.key.contains(column)) {
        return Err(ToolError::new("sql.key_change", "It changes the key of a row.")
            .hint("Insert a new row and delete the old one."));
    }
    let before = match &parts.old_rows {
        None => Vec::new(),
        Some(from) => {
            let most = caps.changed_rows + 1;
            let asked = format!("SELECT {} FROM {from} LIMIT {most} FOR UPDATE", table.list());
            run(client, &asked).await?.0
        }
    };
    if before.len() > caps.changed_rows {
        let message = format!("It changes more than {} rows.", caps.changed_rows);
        return Err(
            ToolError::new("sql.too_many_rows", message).hint("Narrow it with WHERE, or do it in parts.")
        );
    }
    if parts.deletes {
        for row in &before {
            if is_referred_to(client, &table.name, &table.key_of(row)).await? {
                return Err(ToolError::new("sql.cascade", "Rows of other tables would go with it.")
                    .hint("Change or delete those first."));
            }
        }
    }
    let statement = checked.text(&checked.statement)?;
    let (after, changed) = run(client, &format!("{statement} RETURNING {}", table.list())).await?;
    if changed != wanted {
        return Err(super::super::wrong_count(changed, wanted));
    }
    if after.len() > caps.changed_rows {
        return Err(ToolError::new(
            "sql.too_many_rows",
            format!("It changes more than {} rows.", caps.changed_rows),
        ));
    }
    pair(&table, before, after, parts)
}

/// Puts what stood and what stands together, by their keys.
fn pair(
    table: &Table,
    before: Vec<Row>,
    after: Vec<Row>,
    parts: &Parts,
) -> Result<Vec<RowChange>, ToolError> {
    let of = |key, before, after| RowChange {
        table: table.name.clone(),
        columns: table.columns.clone(),
        key,
        before,
        after,
    };
    if parts.old_rows.is_none() {
        return Ok(after.into_iter().map(|row| of(table.key_of(&row), None, Some(row))).collect());
    }
    let unstable = || {
        ToolError::new("sql.unstable", "The statement changes other rows than its condition finds.")
            .hint("Write the values out instead of random() or the like.")
    };
    if before.len() != after.len() {
        return Err(unstable());
    }
    let change = |row: Row| {
        let key = table.key_of(&row);
        let stands = after.iter().find(|after| table.key_of(after) == key).cloned().ok_or_else(unstable)?;
        Ok(of(key, Some(row), (!parts.deletes).then_some(stands)))
    };
    before.into_iter().map(change).collect()
}

/// Takes a change apart; only plain ones of one table are taken.
fn parts(settings: &DatabaseSettings, checked: &Checked) -> Result<Parts, ToolError> {
    let plain = || {
        ToolError::new("sql.form", "Only a plain change of one table is taken.")
            .hint("Leave out FROM, USING, RETURNING, ON CONFLICT, ORDER BY and LIMIT.")
    };
    let one = |tables: &[TableWithJoins]| match tables {
        [TableWithJoins { relation: TableFactor::Table { name, .. }, joins }] if joins.is_empty() => {
            Some(name.clone())
        }
        _ => None,
    };
    let condition = |selection: &Option<sqlparser::ast::Expr>| match selection {
        Some(selection) => checked.text(selection).map(|text| format!(" WHERE {text}")),
        None => Ok(String::new()),
    };
    match &checked.statement {
        Statement::Update {
            table, assignments, from: None, selection, returning: None, limit: None, ..
        } => {
            let name = one(std::slice::from_ref(table)).ok_or_else(plain)?;
            let mut sets = Vec::new();
            for assignment in assignments {
                match &assignment.target {
                    AssignmentTarget::ColumnName(column) => sets.extend(table_name(column)),
                    AssignmentTarget::Tuple(columns) => sets.extend(columns.iter().filter_map(table_name)),
                }
            }
            let old_rows = format!("{table}{}", condition(selection)?);
            Ok(Parts { table: must_write(settings, &name)?, old_rows: Some(old_rows), sets, deletes: false })
        }
        Statement::Delete(delete)
            if delete.using.is_none()
                && delete.returning.is_none()
                && delete.tables.is_empty()
                && delete.limit.is_none()
                && delete.order_by.is_empty() =>
        {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
            let name = one(tables).ok_or_else(plain)?;
            let from = tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let old_rows = format!("{from}{}", condition(&delete.selection)?);
            Ok(Parts {
                table: must_write(settings, &name)?,
                old_rows: Some(old_rows),
                sets: Vec::new(),
                deletes: true,
            })
        }
        Statement::Insert(insert) if insert.on.is_none() && insert.returning.is_none() => {
            let TableObject::TableName(name) = &insert.table else { return Err(plain()) };
            let name: &ObjectName = name;
            Ok(Parts { table: must_write(settings, name)?, old_rows: None, sets: Vec::new(), deletes: false })
        }
        _ => Err(plain()),
    }
}

/// The notes of calls live in the owner's database, so that a change and its note are one.
pub(super) async fn make_notes(client: &Client) -> Result<(), ToolError> {
    let there = "SELECT to_regclass('public._nunchi_calls') IS NOT NULL";
    if text(run(client, there).await?.0.first().and_then(|row| row.first())) == "t" {
        return Ok(());
    }
    let made = run(
        client,
        "CREATE TABLE IF NOT EXISTS public._nunchi_calls (
         key text PRIMARY KEY, outcome text NOT NULL, made timestamptz NOT NULL DEFAULT now())",
    )
    .await;
    match made {
        Ok(_) => Ok(()),
        // Somebody else made it at the same time, or the owner must.
        Err(error) => match run(client, there).await?.0.first().and_then(|row| row.first()) {
            Some(Cell::Text(there)) if there == "t" => Ok(()),
            _ => Err(ToolError::new("sql.no_notes", format!("Calls cannot be noted. {}", error.message))
                .hint("The owner must create the table public._nunchi_calls (key text PRIMARY KEY, outcome text NOT NULL, made timestamptz NOT NULL DEFAULT now()).")),
        },
    }
}

/// Claims the key of a call; gives what it answered if it was made before. Waits for whoever has just claimed it.
pub(super) async fn claim(client: &Client, key: &str) -> Result<Option<String>, ToolError> {
    let key = literal(key)?;
    let claimed =
        format!("INSERT INTO public._nunchi_calls (key, outcome) VALUES ({key}, '') ON CONFLICT DO NOTHING");
    if run(client, &claimed).await?.1 == 1 {
        return Ok(None);
    }
    let (rows, _) =
        run(client, &format!("SELECT outcome FROM public._nunchi_calls WHERE key = {key}")).await?;
    Ok(Some(text(rows.first().and_then(|row| row.first()))))
}

/// Notes what a call answers, and makes all of it stand.
pub(super) async fn finish(client: &Client, key: &str, outcome: &str) -> Result<(), ToolError> {
    let (key, outcome) = (literal(key)?, literal(outcome)?);
    run(client, &format!("UPDATE public._nunchi_calls SET outcome = {outcome} WHERE key = {key}")).await?;
    run(client, "COMMIT").await.map(drop)
}

/// What a call answered, once nobody is making it any more.
pub(in crate::sql) async fn outcome_of(
    address: &str,
    caps: &SqlCaps,
    key: &str,
) -> Result<Option<String>, ToolError> {
    with(address, async |client| {
        let there = "SELECT to_regclass('public._nunchi_calls') IS NOT NULL";
        if text(run(client, there).await?.0.first().and_then(|row| row.first())) != "t" {
            return Ok(None);
        }
        begin(client, caps, true).await?;
        // The claim goes with the connection.
        claim(client, key).await
    })
    .await
}
