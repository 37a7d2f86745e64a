//! What rejudgements have done to spans: the part of the journal that tells readers of a correction.

use std::path::Path;

use rusqlite::{Connection, Row};

use super::StoreError;
use crate::model::{Span, SpanId, Timestamp};

/// How a span was corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrectionKind {
    /// It is new, or another one than it was.
    Rejudged,
    /// The evidence no longer bears it.
    Withdrawn,
}

/// A span that a rejudgement has put, changed or withdrawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// When.
    pub at: Timestamp,
    /// By which version of the rules.
    pub ruleset: u32,
    /// Which span.
    pub span_id: SpanId,
    /// How.
    pub kind: CorrectionKind,
    /// The span as it was quoted until then; None when there was none.
    pub before: Option<Span>,
}

/// The corrections made at or after `since`, in order.
pub(super) fn read(
    connection: &Connection,
    path: &Path,
    since: Option<Timestamp>,
) -> Result<Vec<Correction>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading the journal", &error);
    let mut query = connection
        .prepare(
            "SELECT e.seq, e.span, e.kind, r.at, r.ruleset, e.before FROM span_event e \
             JOIN rejudgement r ON r.id = e.rejudgement \
             WHERE e.kind IN ('rejudged', 'withdrawn') AND r.at >= ?1 ORDER BY e.seq",
        )
        .map_err(sqlite)?;
    let mut rows = query.query([since.map_or(i64::MIN, Timestamp::as_unix_ms)]).map_err(sqlite)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let seq: i64 = row.get(0).map_err(sqlite)?;
        let damaged =
            |problem| StoreError::Damaged { path: path.to_owned(), row: format!("journal entry {seq}"), problem };
        all.push(one(row).map_err(damaged)?);
    }
    Ok(all)
}

fn one(row: &Row<'_>) -> Result<Correction, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let id = row.get_ref(1).map_err(said)?.as_blob().map_err(|error| error.to_string())?;
    let kind: String = row.get(2).map_err(said)?;
    let before: Option<String> = row.get(5).map_err(said)?;
    Ok(Correction {
        at: Timestamp::from_unix_ms(row.get(3).map_err(said)?),
        ruleset: row.get(4).map_err(said)?,
        span_id: SpanId(uuid::Uuid::from_slice(id).map_err(|error| error.to_string())?),
        kind: if kind == "withdrawn" { CorrectionKind::Withdrawn } else { CorrectionKind::Rejudged },
        before: before.map(|json| serde_json::from_str(&json)).transpose().map_err(|error| error.to_string())?,
    })
}
