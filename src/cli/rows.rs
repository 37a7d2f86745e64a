//! Rows of any kind in the formats of `history`: what is not a span goes out as JSON, NDJSON or a table.

use std::io::{self, Write};

use serde::Serialize;

use super::args::HistoryFormat;
use super::fault::Fault;
use crate::export::to_json_line;

/// Writes rows as JSON or NDJSON, and tells whether that is what was asked for.
///
/// # Errors
/// The output cannot be written.
pub(super) fn data<T: Serialize>(rows: &[T], format: HistoryFormat, out: &mut dyn Write) -> io::Result<bool> {
    match format {
        HistoryFormat::Json => to_json_line(rows, out)?,
        HistoryFormat::Ndjson => rows.iter().try_for_each(|row| to_json_line(row, out))?,
        HistoryFormat::Table | HistoryFormat::Chart | HistoryFormat::Csv | HistoryFormat::Parquet => return Ok(false),
    }
    Ok(true)
}

/// Writes rows as data or as a table; `none` is said when there are none, `only` to who asks for another format.
///
/// # Errors
/// The output cannot be written, or the format is another.
pub(super) fn write<T: Serialize>(
    rows: &[T],
    format: HistoryFormat,
    (none, only): (&str, &str),
    out: &mut dyn Write,
    table: impl FnOnce(&[T], &mut dyn Write) -> io::Result<()>,
) -> Result<(), Fault> {
    if data(rows, format, out)? {
        return Ok(());
    }
    match format {
        HistoryFormat::Table if rows.is_empty() => eprintln!("{none}"),
        HistoryFormat::Table => table(rows, out)?,
        _ => return Err(Fault::Usage(only.to_owned())),
    }
    Ok(())
}
