//! Rows of typed columns: the flat data files. One list of columns a kind of row gives CSV, Parquet and the data
//! dictionary, so that they cannot differ.

mod dictionary;
mod flat;
mod measurements;
mod parquet;
mod spans;

use std::borrow::Cow;

use crate::model::Timestamp;

pub use dictionary::dictionary;
pub use flat::MeasurementsCsv;
pub use parquet::{MeasurementsParquet, spans_parquet};

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'v> {
    /// Nothing.
    Null,
    /// A text, hostile or not.
    Text(Cow<'v, str>),
    /// An instant in UTC.
    Instant(Timestamp),
    /// A number with a fraction.
    Real(f64),
    /// A whole number.
    Count(i64),
    /// Yes or no.
    Truth(bool),
}

/// What the cells of a column hold, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// JSON in a text: what has parts of its own. Not in CSV.
    Json,
    Instant,
    Real,
    Count,
    Truth,
}

/// A kind of row.
pub(super) trait Rows: 'static {
    /// One of them; it may borrow what it tells of.
    type Row<'a>;

    /// What the file calls one.
    const NAME: &'static str;

    /// The columns, in order.
    const COLUMNS: &'static [Column<Self>];
}

/// A column of rows of `T`.
pub(super) struct Column<T: Rows + ?Sized> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it tells, for the data dictionary.
    pub(super) meaning: &'static str,
    pub(super) cell: for<'r, 'a> fn(&'r T::Row<'a>) -> Value<'r>,
}

/// A short way to write a column.
pub(super) const fn column<T: Rows + ?Sized>(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    cell: for<'r, 'a> fn(&'r T::Row<'a>) -> Value<'r>,
) -> Column<T> {
    Column { name, kind, meaning, cell }
}

impl<'v> Value<'v> {
    pub(super) fn text(text: Option<&'v str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(Cow::Borrowed(text)))
    }

    pub(super) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    pub(super) fn instant(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Null, Self::Instant)
    }

    pub(super) fn real(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Real)
    }

    pub(super) fn count(number: Option<u64>) -> Self {
        number.map_or(Self::Null, |number| Self::Count(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// Texts side by side, as no label and no address holds a semicolon; null when there are none.
    pub(super) fn joined<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<String> = texts.into_iter().map(|text| text.to_string()).collect();
        if texts.is_empty() { Self::Null } else { Self::owned(texts.join(";")) }
    }
}

#[cfg(test)]
mod tests {
    use super::measurements::{Measurements, Row};
    use super::spans::Spans;
    use super::*;
    use crate::cli::fixtures;

    fn fits(kind: Kind, value: &Value<'_>) -> bool {
        matches!(
            (kind, value),
            (_, Value::Null)
                | (Kind::Text | Kind::Json, Value::Text(_))
                | (Kind::Instant, Value::Instant(_))
                | (Kind::Real, Value::Real(_))
                | (Kind::Count, Value::Count(_))
                | (Kind::Truth, Value::Truth(_))
        )
    }

    #[test]
    fn every_cell_is_of_the_kind_of_its_column() {
        let span = fixtures::changing_span();
        for column in Spans::COLUMNS {
            assert!(fits(column.kind, &(column.cell)(&span)), "{}", column.name);
        }
        for (evidence, verdict) in [fixtures::clienthello_swallowed(), fixtures::nxdomain(), fixtures::accessible()] {
            let row = Row::new(&evidence, &verdict);
            for column in Measurements::COLUMNS {
                assert!(fits(column.kind, &(column.cell)(&row)), "{}", column.name);
            }
        }
    }

    #[test]
    fn names_are_not_used_twice() {
        let mut names: Vec<&str> = Measurements::COLUMNS.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Measurements::COLUMNS.len());
    }

    fn cells(evidence: &crate::model::Evidence, verdict: &crate::model::Verdict, name: &str) -> String {
        let row = Row::new(evidence, verdict);
        let column = Measurements::COLUMNS.iter().find(|column| column.name == name).unwrap();
        match (column.cell)(&row) {
            Value::Null => "null".to_owned(),
            Value::Text(text) => text.into_owned(),
            Value::Count(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_failure_stands_where_nothing_of_the_layer_went_well() {
        let (evidence, verdict) = fixtures::clienthello_swallowed();
        let told = |name| cells(&evidence, &verdict, name);
        assert_eq!(told("status"), "blocked");
        assert_eq!(told("dns_failure"), "null");
        assert_eq!(told("tcp_failure"), "null");
        assert_eq!(told("tls_failure"), "generic_timeout_error");
        assert_eq!(told("http_status"), "null");
        let (evidence, verdict) = fixtures::nxdomain();
        assert_eq!(cells(&evidence, &verdict, "dns_failure"), "dns_nxdomain_error");
    }
}
