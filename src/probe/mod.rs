//! Measuring one URL, layer by layer (DESIGN 3). Knows no verdicts.
//!
//! [`Prober::measure`] is the door: DNS, TCP, TLS and HTTP over a vantage, every step timed, every failure named.
//! Beside it stand those who are asked for a second opinion: canaries, control vantages and helpers.

pub mod dns;

mod canary;
mod control;
mod experiment;
mod foreign;
mod helper;
mod http;
mod measure;
mod outcome;
mod quic;
mod roots;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod wire;

pub use canary::{ask_canaries, ask_canary, for_vantage};
pub use control::control_report;
pub use experiment::{Design, Limits, designs};
pub use foreign::{certificate_record, kept_body, page_title, sha256_hex};
pub use helper::{HelperClient, HelperError};
pub use http::RequestHeaders;
pub use measure::{Extras, ProbeSetupError, Prober, Target};
pub use outcome::last_failure;
pub use roots::{Roots, RootsError};
