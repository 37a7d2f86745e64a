//! The sequential test: verdicts of one URL seen from one vantage, one after another, give span events.
//!
//! Pure: time comes with the evidence. The same code serves the daemon, replays and simulations. How it decides and
//! with what error rates is told in `docs/detection.md`.

mod pace;
mod params;
mod partial;
mod pulse;
mod sequential;
mod silence;
mod state;
mod trial;

#[cfg(test)]
mod tests;

pub use pace::PaceParams;
pub use params::Params;
pub use pulse::{EVERY, Finding, HALTED, Pulse, Reading};
pub use sequential::Detector;
pub use silence::{Life, Reach, SIGN_OF_LIFE, Silences};
pub use state::{LastVerdict, SeriesState};
pub use trial::{Outcome, Trial};
