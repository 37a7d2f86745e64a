//! The sequential test: verdicts of one URL seen from one vantage, one after another, give span events.
//!
//! Pure: time comes with the evidence. The same code serves the daemon, replays and simulations.

mod state;

pub use state::{LastVerdict, SeriesState};
