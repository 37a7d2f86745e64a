//! `blockspan demo`: a small world on loopback with a censor in it, watched by the real daemon for about a minute.
//!
//! Nothing is simulated but the network: names are resolved, connections made, certificates checked and spans detected
//! by the same code as in earnest, only at a faster pace.

mod acts;
mod stage;
mod world;

pub use acts::{DemoError, demo};
