//! What the owner has granted for good: who did, when, with which answer, and whether it was taken back.

use super::super::connection::failure;
use super::super::rows::{time, uuid};
use super::{parsed, text};
use jiff::Timestamp;
use nunchi_core::{
    Approval, ApprovalId, ApprovalState, GrantedRule, PermissionRule, Revocation, RunId, StorageError,
};
use rusqlite::{Connection, Row, params};

const COLUMNS: &str =
    "SELECT number, rule, granted_by, at, approval, run, revoked_by, revoked_at FROM grants";

/// Writes down the rule that an answer grants, unless it is in force already.
pub(super) fn grant(
    connection: &Connection,
    rule: &PermissionRule,
    question: &Approval,
) -> Result<(), StorageError> {
    let ApprovalState::Answered { by, at, .. } = &question.state else { return Ok(()) };
    // A rule that nobody asked for is a question of no run.
    let run = Some(question.run).filter(|run| !run.0.is_nil());
    let sql = "INSERT OR IGNORE INTO grants (rule, granted_by, at, approval, run) VALUES (?, ?, ?, ?, ?)";
    let values = params![
        text(rule)?,
        by,
        at.as_microsecond(),
        question.id.0.as_bytes(),
        run.map(|run| run.0.as_bytes().to_vec()),
    ];
    connection.execute(sql, values).map(drop).map_err(failure)
}

/// The rules, the oldest first.
pub(super) fn listed(connection: &Connection, revoked: bool) -> Result<Vec<GrantedRule>, StorageError> {
    let only = if revoked { "" } else { "WHERE revoked_at IS NULL" };
    let mut statement =
        connection.prepare_cached(&format!("{COLUMNS} {only} ORDER BY number")).map_err(failure)?;
    let rows = statement.query_map([], read).map_err(failure)?;
    rows.map(|granted| granted.map_err(failure)?).collect()
}

/// Takes a rule back; the first to do so stands in the record.
pub(super) fn revoke(
    connection: &mut Connection,
    grant: u64,
    by: &str,
    at: Timestamp,
) -> Result<GrantedRule, StorageError> {
    let gone = || StorageError::NotFound(format!("granted rule {grant}"));
    let number = i64::try_from(grant).map_err(|_| gone())?;
    let sql = "UPDATE grants SET revoked_by = ?, revoked_at = ? WHERE number = ? AND revoked_at IS NULL";
    connection.execute(sql, params![by, at.as_microsecond(), number]).map_err(failure)?;
    listed(connection, true)?.into_iter().find(|granted| granted.id == grant).ok_or_else(gone)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<GrantedRule, StorageError>> {
    let rule: String = row.get(1)?;
    let by: Option<String> = row.get(6)?;
    let at = time(row, 3)?;
    let revoked = match by {
        Some(by) => Some(Revocation { by, at: time(row, 7)? }),
        None => None,
    };
    let (id, by) = (row.get::<_, i64>(0)?, row.get(2)?);
    let (approval, run) = (uuid(row, 4)?.map(ApprovalId), uuid(row, 5)?.map(RunId));
    let id = u64::try_from(id).unwrap_or(0);
    Ok(parsed(&rule).map(|rule| GrantedRule { id, rule, by, at, approval, run, revoked }))
}
