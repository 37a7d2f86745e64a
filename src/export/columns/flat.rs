//! Measurements as CSV: the flat columns, RFC 4180, safe against spreadsheet formulas.

use std::io::{self, Write};

use super::super::csv::{push_instant, push_text};
use super::measurements::{Measurements, Row};
use super::{Column, Kind, Rows, Value};
use crate::model::{Evidence, Verdict};

/// Writes measurements as CSV, one after another.
pub struct MeasurementsCsv<W> {
    out: W,
    line: String,
}

fn columns() -> impl Iterator<Item = &'static Column<Measurements>> {
    Measurements::COLUMNS.iter().filter(|column| column.kind != Kind::Json)
}

impl<W: Write> MeasurementsCsv<W> {
    /// Begins with the names of the columns.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn new(mut out: W) -> io::Result<Self> {
        let names: Vec<&str> = columns().map(|column| column.name).collect();
        write!(out, "{}\r\n", names.join(","))?;
        Ok(Self { out, line: String::new() })
    }

    /// Writes one measurement.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write(&mut self, evidence: &Evidence, verdict: &Verdict) -> io::Result<()> {
        let row = Row::new(evidence, verdict);
        self.line.clear();
        for column in columns() {
            match (column.cell)(&row) {
                Value::Null => self.line.push(','),
                Value::Text(text) => push_text(&mut self.line, &text),
                Value::Instant(at) => push_instant(&mut self.line, ',', Some(at)),
                Value::Real(number) => self.line.push_str(&format!(",{number}")),
                Value::Count(number) => self.line.push_str(&format!(",{number}")),
                Value::Truth(truth) => self.line.push_str(if truth { ",true" } else { ",false" }),
            }
        }
        // Each cell brought the comma before it.
        self.out.write_all(self.line.get(1..).unwrap_or_default().as_bytes())?;
        self.out.write_all(b"\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    #[test]
    fn what_is_written_reads_back_and_no_cell_is_a_formula() {
        let (mut evidence, verdict) = fixtures::accessible();
        let body = evidence.measurement.http.last_mut().and_then(|http| http.body.as_mut()).unwrap();
        body.title = Some("=cmd|' /C calc'!A0, \"quoted\"\r\nand a second line".to_owned());
        let mut out = Vec::new();
        let mut file = MeasurementsCsv::new(&mut out).unwrap();
        file.write(&evidence, &verdict).unwrap();
        file.write(&evidence, &verdict).unwrap();
        let mut reader = csv::ReaderBuilder::new().from_reader(out.as_slice());
        let title = reader.headers().unwrap().iter().position(|name| name == "http_title").unwrap();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(&rows[1][title], "'=cmd|' /C calc'!A0, \"quoted\"\r\nand a second line");
        assert_eq!(&rows[0][0], evidence.measurement.measurement_id.to_string());
    }
}
