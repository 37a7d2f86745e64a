//! When each URL is measured next: a plan of due times, spread over the interval and jittered.
//!
//! Pure: the present is an argument, and chance comes as a number between 0 and 1.

mod jitter;
mod plan;

pub use jitter::{Chance, Jitter};
pub use plan::{Due, Plan};
