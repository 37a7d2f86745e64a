//! `blockspan helper`: a server of the OONI test-helper protocol (ts-017 of the OONI specification). Others send a URL
//! and the addresses that they found; it measures the URL from here and tells what it saw.
//!
//! Measuring is the probe's; here is who may ask (the token and the limiter), and how the answer is written.

mod answer;
mod ask;
mod desk;
mod legacy;
mod life;
mod limiter;
mod metrics;
mod routes;
#[cfg(test)]
mod tests;

pub use desk::DeskError;
pub use life::{Helper, HelperRunError};
