//! The queue of questions to people, and what the owner has granted for good.

use super::super::connection::failure;
use super::super::ledger::SqliteLedger;
use super::{bodies, grants, parsed, text};
use jiff::Timestamp;
use nunchi_core::{
    Answer, AnswerError, Approval, ApprovalId, ApprovalState, ApprovalStore, BoxFuture, GrantedRule,
    PermissionRule, RunId, StorageError, answer_approval,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};

impl ApprovalStore for SqliteLedger {
    fn ask(&self, approval: Approval) -> BoxFuture<'_, Result<Approval, StorageError>> {
        Box::pin(self.writer.work(move |connection| {
            if let Some(stored) = find(connection, approval.id)? {
                return Ok(stored);
            }
            let sql = "INSERT INTO approvals (id, run, open, body) VALUES (?, ?, ?, ?)";
            let open = i64::from(approval.state == ApprovalState::Open);
            let values = params![approval.id.0.as_bytes(), approval.run.0.as_bytes(), open, text(&approval)?];
            connection.execute(sql, values).map_err(failure)?;
            Ok(approval)
        }))
    }

    fn answer(
        &self,
        id: ApprovalId,
        answer: Answer,
        by: String,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Approval, AnswerError>, StorageError>> {
        Box::pin(self.writer.work(move |connection| {
            let transaction = connection.transaction().map_err(failure)?;
            let Some(question) = find(&transaction, id)? else {
                return Err(StorageError::NotFound(format!("question {id}")));
            };
            let before = question.state.clone();
            let answered = answer_approval(&question, answer.clone(), &by, at);
            if let Ok(question) = &answered {
                let sql = "UPDATE approvals SET open = 0, body = ? WHERE id = ?";
                transaction.execute(sql, params![text(question)?, id.0.as_bytes()]).map_err(failure)?;
                // The same answer a second time brings no rule back that was revoked meanwhile.
                if let (ApprovalState::Open, Answer::ApproveAndGrant(rule)) = (&before, &answer) {
                    grants::grant(&transaction, rule, question)?;
                }
            }
            transaction.commit().map_err(failure)?;
            Ok(answered)
        }))
    }

    fn approvals(
        &self,
        run: Option<RunId>,
        open: bool,
    ) -> BoxFuture<'_, Result<Vec<Approval>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let run = run.map(|run| Value::Blob(run.0.as_bytes().to_vec()));
            let sql = match (run.is_some(), open) {
                (false, false) => "SELECT body FROM approvals ORDER BY id",
                (false, true) => "SELECT body FROM approvals WHERE open = 1 ORDER BY id",
                (true, false) => "SELECT body FROM approvals WHERE run = ? ORDER BY id",
                (true, true) => "SELECT body FROM approvals WHERE run = ? AND open = 1 ORDER BY id",
            };
            bodies(connection, sql, run)
        }))
    }

    fn rules(&self) -> BoxFuture<'_, Result<Vec<PermissionRule>, StorageError>> {
        let sql = "SELECT rule FROM grants WHERE revoked_at IS NULL ORDER BY number";
        Box::pin(self.read(move |connection| bodies(connection, sql, None)))
    }

    fn grants(&self, revoked: bool) -> BoxFuture<'_, Result<Vec<GrantedRule>, StorageError>> {
        Box::pin(self.read(move |connection| grants::listed(connection, revoked)))
    }

    fn revoke(
        &self,
        grant: u64,
        by: String,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<GrantedRule, StorageError>> {
        Box::pin(self.writer.work(move |connection| grants::revoke(connection, grant, &by, at)))
    }
}

fn find(connection: &Connection, id: ApprovalId) -> Result<Option<Approval>, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT body FROM approvals WHERE id = ?").map_err(failure)?;
    let body =
        statement.query_row([id.0.as_bytes()], |row| row.get::<_, String>(0)).optional().map_err(failure)?;
    body.map(|body| parsed(&body)).transpose()
}
