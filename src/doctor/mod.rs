//! Looks after everything that blockspan rests on, and says what to do.
//!
//! Each part gathers its facts (files, rows, answers) and then judges them purely, with the time as an argument. Nothing
//! here changes anything.

mod clock;
mod configuration;
mod daemon;
mod place;
mod reach;
mod record;
mod report;
mod spans;

pub use clock::{ClockFacts, Keeping, keeping, offsets, on_clock};
pub use configuration::{Described, loose_secrets, on_configuration};
pub use daemon::{DaemonFacts, Served, look_at, on_daemon};
pub use place::{PlaceFacts, look_at_place, on_place};
pub use reach::{on_no_instrument, on_reach, on_reach_skipped};
pub use record::{Depth, RecordFound, on_record, on_record_skipped};
pub use report::{Area, Check, Draft, Report, State, Summary};
