//! Puts the rooms together and keeps them running: start in order, measure in rounds, reload, stop in order.

mod awake;
mod chain;
mod check;
mod conductor;
mod experiments;
mod instrument;
mod journal;
mod life;
mod manager;
mod messages;
mod opinion;
mod reach;
mod recording;
mod reload;
mod sentry;
mod spool;
mod station;
mod surroundings;
mod watch;

pub use chain::chain;
pub use check::check;
pub use instrument::{Instrument, SetupError};
pub use life::{RunError, RunOptions, run, watch_signals};
pub use reach::{CanaryReached, Reached, ResolverReached};
pub use surroundings::{Countries, detector, detector_of_imports, knowledge, whereabouts};
