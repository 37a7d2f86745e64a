//! What others read from the running daemon: the page, the metrics, and whether it is well (DESIGN 8).
//!
//! The daemon tells [`Board`] and [`Metrics`] what happens; [`serve()`] shows them over HTTP, and what the record says
//! beside them ([`Record`]). Nothing here knows the network of a probe.

mod answer;
mod api;
mod app;
mod board;
mod docs;
mod door;
mod feed;
mod fresh;
mod guard;
mod layers;
mod metrics;
mod page;
mod probe;
mod record;
mod routes;
mod seats;
mod server;
mod turns;
mod waiting;

pub mod families;

pub use app::{App, ProbeWish, Readiness, ReloadRequest};
pub use board::{Board, Place, Snapshot};
pub use docs::metrics_markdown;
pub use door::{Door, DoorError};
pub use guard::{Hosts, Reach};
pub use metrics::{InFlight, Metrics, MetricsError};
pub use record::Record;
pub use routes::router;
pub use seats::network_of;
pub use server::{Limits, serve, serve_routes};

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod metrics_tests;
#[cfg(test)]
mod tests;
