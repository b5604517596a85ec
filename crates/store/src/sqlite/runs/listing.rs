//! Lists of runs: by their columns, then by their words, page by page.

use super::super::connection::failure;
use super::saving::unpacked;
use super::{name, parsed, text};
use nunchi_core::{KeyId, RunFilter, RunRecord, StorageError};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use uuid::Uuid;

/// The runs of a page, the newest first. Rows are read one by one until the page is full, so that a search for words needs no limit
/// of its own.
pub(super) fn listed(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRecord>, StorageError> {
    let (sql, values) = query(filter);
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(failure)?;
    let most = filter.limit.map_or(usize::MAX, |limit| limit as usize);
    let mut found = Vec::new();
    while found.len() < most
        && let Some(row) = rows.next().map_err(failure)?
    {
        let run: RunRecord = parsed(row.get_ref(0).and_then(|body| Ok(body.as_str()?)).map_err(failure)?)?;
        if filter.text.is_none() || filter.fits(&run) {
            found.push(run);
        }
    }
    Ok(found)
}

fn query(filter: &RunFilter) -> (String, Vec<Value>) {
    let (mut sql, mut values) = (String::from("SELECT body FROM runs WHERE 1"), Vec::new());
    let blob = |id: Uuid| Value::Blob(id.as_bytes().to_vec());
    let mut only = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    };
    only(" AND owner = ?", filter.owner.map(|key| blob(key.0)));
    only(" AND status = ?", filter.status.map(|status| Value::Text(name(status).into())));
    only(" AND session = ?", filter.session.clone().map(Value::Text));
    only(" AND parent = ?", filter.parent.map(|run| blob(run.0)));
    only(" AND mode = ?", filter.mode.map(|mode| Value::Text(mode.as_str().into())));
    only(" AND door = ?", filter.door.map(|door| Value::Text(door.as_str().into())));
    only(" AND created >= ?", filter.since.map(|since| since.as_microsecond().into()));
    only(" AND wake_at <= ?", filter.wake_by.map(|by| by.as_microsecond().into()));
    let behind = " AND (created, id) < (SELECT created, id FROM runs WHERE id = ?)";
    only(behind, filter.after.map(|run| blob(run.0)));
    if filter.top {
        sql.push_str(" AND parent IS NULL");
    }
    sql.push_str(" ORDER BY created DESC, id DESC");
    (sql, values)
}

/// Fills in whose the runs are that were stored before lists knew it: their states say so. Does nothing where none is left.
pub(in crate::sqlite) fn read_owners(connection: &mut Connection) -> Result<(), StorageError> {
    let transaction = connection.transaction().map_err(failure)?;
    let sql = "SELECT id, body, state FROM runs JOIN run_states USING (id) WHERE mode = ''";
    let mut statement = transaction.prepare(sql).map_err(failure)?;
    let rows = statement
        .query_map([], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failure)?;
    drop(statement);
    for (id, body, state) in rows {
        let mut run: RunRecord = parsed(&body)?;
        run.owner = owner_of(&unpacked(&state)?);
        let owner = run.owner.map(|owner| owner.0.as_bytes().to_vec());
        let sql = "UPDATE runs SET owner = ?, mode = ?, body = ? WHERE id = ?";
        transaction.execute(sql, params![owner, run.mode.as_str(), text(&run)?, id]).map_err(failure)?;
    }
    transaction.commit().map_err(failure)
}

fn owner_of(state: &[u8]) -> Option<KeyId> {
    let state: serde_json::Value = serde_json::from_slice(state).ok()?;
    serde_json::from_value(state.pointer("/order/principal/key")?.clone()).ok()
}
