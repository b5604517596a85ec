//! How a table of PostgreSQL names its rows, and who refers to them.

use super::super::rows::{Cell, Row};
use super::{literal, quoted, quoted_table, run, text, value};
use nunchi_core::ToolError;
use tokio_postgres::Client;

/// The columns of a table that hold values of their own, and those of its primary key.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) key: Vec<String>,
}

impl Table {
    pub(super) async fn read(client: &Client, name: &str) -> Result<Self, ToolError> {
        let asked = format!(
            "SELECT a.attname, coalesce(array_position(i.indkey::int2[], a.attnum)::text, '')
             FROM pg_attribute a
             LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
             WHERE a.attrelid = to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
             ORDER BY a.attnum",
            literal(&quoted_table(name))?
        );
        let (rows, _) = run(client, &asked).await?;
        let mut key: Vec<_> = rows
            .iter()
            .filter_map(|row| Some((text(row.get(1)).parse::<usize>().ok()?, text(row.first()))))
            .collect();
        key.sort();
        if key.is_empty() {
            return Err(ToolError::new(
                "sql.untracked",
                "The table has no primary key, so its rows cannot be kept for undoing.",
            )
            .hint("Ask the owner to do it."));
        }
        Ok(Self {
            name: name.to_owned(),
            columns: rows.iter().map(|row| text(row.first())).collect(),
            key: key.into_iter().map(|(_, name)| name).collect(),
        })
    }

    /// The columns as they are asked for.
    pub(super) fn list(&self) -> String {
        list(&self.columns)
    }

    /// What names a row.
    pub(super) fn key_of(&self, row: &Row) -> Vec<(String, Cell)> {
        let value = |name: &String| {
            let at = self.columns.iter().position(|column| column == name)?;
            Some((name.clone(), row.get(at)?.clone()))
        };
        self.key.iter().filter_map(value).collect()
    }
}

pub(super) fn list(columns: &[String]) -> String {
    columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// The condition that a row has this key.
pub(super) fn condition(key: &[(String, Cell)]) -> Result<String, ToolError> {
    let part = |(name, cell): &(String, Cell)| Ok(format!("{} = {}", quoted(name), value(cell)?));
    Ok(key.iter().map(part).collect::<Result<Vec<_>, ToolError>>()?.join(" AND "))
}

/// Whether rows elsewhere would be taken or changed with this one. They may be somebody else's and are not kept.
pub(super) async fn is_referred_to(
    client: &Client,
    table: &str,
    key: &[(String, Cell)],
) -> Result<bool, ToolError> {
    let place = quoted_table(table);
    let asked = format!(
        "SELECT c.conrelid::regclass::text, string_agg(format('c.%I = p.%I', f.attname, t.attname), ' AND ')
         FROM pg_constraint c
         CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (own, other)
         JOIN pg_attribute f ON f.attrelid = c.conrelid AND f.attnum = k.own
         JOIN pg_attribute t ON t.attrelid = c.confrelid AND t.attnum = k.other
         WHERE c.contype = 'f' AND c.confrelid = to_regclass({}) AND c.confdeltype IN ('c', 'n', 'd')
         GROUP BY c.oid, c.conrelid",
        literal(&place)?
    );
    let (links, _) = run(client, &asked).await?;
    let own = key.iter().map(|(name, cell)| Ok(format!("p.{} = {}", quoted(name), value(cell)?)));
    let own = own.collect::<Result<Vec<_>, ToolError>>()?.join(" AND ");
    for link in links {
        let (child, join) = (text(link.first()), text(link.get(1)));
        let asked = format!("SELECT 1 FROM {child} c JOIN {place} p ON {join} WHERE {own} LIMIT 1");
        if !run(client, &asked).await?.0.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
