//! Measurements of others, judged by our rules and kept as evidence beside our own.
//!
//! Lines are read by one thread, parsed, judged and packed by all cores, and written by one in order. When all are in,
//! the sequential test runs from the beginning over every series that was touched: files need be in no order.

mod lines;
mod ooni;
mod pipeline;

pub use lines::{Input, InputError};
pub use pipeline::{BadLine, Halted, ImportError, Order, Progress, Report, import};
