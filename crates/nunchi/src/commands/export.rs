//! Writes the ledger's rows as JSON lines, the oldest first.

use super::{Desk, escaped};
use crate::failure::Failure;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{CallId, CallRecord};
use serde_json::json;
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

/// Rows asked for at once.
const PAGE: usize = 10_000;

/// Writes the rows of a period to a new file.
pub(super) async fn export(
    desk: &Desk,
    file: &Path,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::system(&file.display().to_string(), error);
    let rows = rows(desk, since, until).await?;
    let mut writer = std::io::BufWriter::new(std::fs::File::create_new(file).map_err(failed)?);
    for row in rows.iter().rev() {
        let line = serde_json::to_string(row).map_err(|error| Failure::system("JSON", error))?;
        writeln!(writer, "{line}").map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    let (count, shown) = (rows.len(), file.display());
    desk.show(&json!({ "calls": count, "file": file }), || {
        desk.lang.pick(
            format!("{count} calls were written to {shown}."),
            format!("호출 {count}건을 {shown}에 썼습니다."),
        )
    })
}

/// All rows of a period, the newest first.
async fn rows(
    desk: &Desk,
    since: Option<Timestamp>,
    mut until: Option<Timestamp>,
) -> Result<Vec<CallRecord>, Failure> {
    let (mut rows, mut known) = (Vec::new(), HashSet::<CallId>::new());
    loop {
        let mut path = format!("/api/calls?limit={PAGE}");
        for (key, time) in [("since", since), ("until", until)] {
            if let Some(time) = time {
                path.push_str(&format!("&{key}={}", escaped(&time.to_string())));
            }
        }
        let page: Vec<CallRecord> = desk.client.get(&path).await?;
        let (full, before) = (page.len() == PAGE, rows.len());
        // Rows of the very same moment may stand on two pages.
        let oldest = page.last().map(|row| row.started);
        rows.extend(page.into_iter().filter(|row| known.insert(row.id)));
        let Some(oldest) = oldest.filter(|_| full && rows.len() > before) else { return Ok(rows) };
        until = Some(oldest.checked_add(SignedDuration::from_millis(1)).unwrap_or(oldest));
    }
}
