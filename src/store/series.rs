//! The series of the record and where each one's test stands.

use std::path::Path;

use rusqlite::{Connection, Row};

use super::StoreError;
use crate::detect::SeriesState;
use crate::model::SeriesKey;

/// All series of our own in order of site, URL and vantage. Those of imports are no one's to go on with.
pub(super) fn read_all(connection: &Connection, path: &Path) -> Result<Vec<(SeriesKey, SeriesState)>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading the series", &error);
    let mut query = connection
        .prepare_cached(
            "SELECT id, site, url, vantage, state FROM series WHERE source = 'measured' ORDER BY site, url, vantage",
        )
        .map_err(sqlite)?;
    let mut rows = query.query([]).map_err(sqlite)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        all.push(read(row).map_err(|problem| StoreError::Damaged {
            path: path.to_owned(),
            row: row.get::<_, i64>(0).map_or_else(|_| "a series".to_owned(), |id| format!("series {id}")),
            problem,
        })?);
    }
    Ok(all)
}

/// Which series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those that we measure.
    Ours,
    /// Those of imports too.
    All,
}

/// The row numbers and names of series, in the same order.
pub(super) fn keys(connection: &Connection, path: &Path, whose: Whose) -> Result<Vec<(i64, SeriesKey)>, StoreError> {
    let sqlite = |error: rusqlite::Error| StoreError::sqlite(path, "reading the series", &error);
    let mut query = connection
        .prepare_cached(
            "SELECT id, site, url, vantage FROM series WHERE ?1 OR source = 'measured' ORDER BY site, url, vantage",
        )
        .map_err(sqlite)?;
    let mut rows = query.query([whose == Whose::All]).map_err(sqlite)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let id = row.get(0).map_err(sqlite)?;
        let damaged = |problem| StoreError::Damaged { path: path.to_owned(), row: format!("series {id}"), problem };
        all.push((id, read_key(row).map_err(damaged)?));
    }
    Ok(all)
}

fn read(row: &Row<'_>) -> Result<(SeriesKey, SeriesState), String> {
    let state = serde_json::from_str(text(row, 4)?).map_err(|error| error.to_string())?;
    Ok((read_key(row)?, state))
}

fn read_key(row: &Row<'_>) -> Result<SeriesKey, String> {
    Ok(SeriesKey {
        site: text(row, 1)?.parse().map_err(|error: crate::model::InvalidId| error.to_string())?,
        url: text(row, 2)?.parse().map_err(|error: url::ParseError| error.to_string())?,
        vantage: text(row, 3)?.parse().map_err(|error: crate::model::InvalidId| error.to_string())?,
    })
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, String> {
    let value = row.get_ref(column).map_err(|error| error.to_string())?;
    value.as_str().map_err(|error| error.to_string())
}
