//! The record: measurements, verdicts, detector states and spans, in one SQLite file.

mod types;

pub use types::{MeasurementFilter, ProbeRecord, SpanFilter, StoredMeasurement};
