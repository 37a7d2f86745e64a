//! What the tests of the binary share: a directory to run it in, the daemon as a process, a small world on loopback.

// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

pub mod daemon;
pub mod dns;
pub mod http;
pub mod place;
pub mod python;
pub mod world;
