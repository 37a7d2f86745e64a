//! Data files: spans and measurements as CSV, JSON, NDJSON and Parquet, measurements also as OONI's documents.
//!
//! Pure writers: what comes in goes out, in the order in which it came. JSON is UTF-8; what could drive a terminal
//! or turn the reading order is written as `\uXXXX`, which reads back as the same text.

mod blocks;
mod columns;
mod csv;
mod json;
mod measurement;
mod ooni;
mod scrub;

pub use blocks::{in_blocks, write_in_blocks};
pub use columns::{MeasurementsCsv, MeasurementsParquet, dictionary, spans_parquet};
pub use csv::{SPAN_COLUMNS, formula_safe, spans_csv};
pub use json::{spans_json, spans_ndjson, to_json_line};
pub use measurement::{measurement_json, measurement_with_context_json, measurement_with_networks_json};
pub use ooni::{ProbeNetwork, measurement_ooni};
pub use scrub::scrubbed;
