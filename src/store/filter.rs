//! Filters as SQL conditions.

use rusqlite::types::Value;

use super::{MeasurementFilter, SpanFilter};

/// A condition and the values of its placeholders.
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Condition {
    fn any() -> Self {
        Self { sql: "true".to_owned(), values: Vec::new() }
    }

    /// `column` is one of `values`; all pass when there are none.
    fn one_of(&mut self, column: &str, values: impl ExactSizeIterator<Item = String>) {
        if values.len() == 0 {
            return;
        }
        let places = vec!["?"; values.len()].join(", ");
        self.sql.push_str(&format!(" AND {column} IN ({places})"));
        self.values.extend(values.map(Value::Text));
    }

    fn and(&mut self, sql: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(sql);
            self.values.push(Value::Integer(value));
        }
    }
}

/// The same rule as [`SpanFilter::lets_through`].
pub(super) fn of_spans(filter: &SpanFilter) -> Condition {
    let mut condition = Condition::any();
    condition.one_of("site", filter.sites.iter().map(ToString::to_string));
    condition.one_of("vantage", filter.vantages.iter().map(ToString::to_string));
    condition.one_of("status", filter.statuses.iter().map(ToString::to_string));
    condition.one_of("source", filter.sources.iter().map(ToString::to_string));
    condition.and("(end_latest IS NULL OR end_latest > ?)", filter.since.map(|since| since.as_unix_ms()));
    condition.and("(start_earliest IS NULL OR start_earliest < ?)", filter.until.map(|until| until.as_unix_ms()));
    condition
}

/// Which series may hold measurements that pass.
pub(super) fn of_series(filter: &MeasurementFilter) -> Condition {
    let mut condition = Condition::any();
    condition.one_of("site", filter.sites.iter().map(ToString::to_string));
    condition.one_of("vantage", filter.vantages.iter().map(ToString::to_string));
    condition
}

/// Which measurements of a series pass, apart from where to begin.
pub(super) fn of_measurements(filter: &MeasurementFilter) -> Condition {
    let mut condition = Condition::any();
    condition.one_of("status", filter.statuses.iter().map(ToString::to_string));
    condition.and("started_at < ?", filter.until.map(|until| until.as_unix_ms()));
    condition
}
