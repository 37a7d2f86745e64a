//! Nothing is lost: the daemon and the store killed at random moments, and a disk that fails them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod chance;
mod deaths;
mod disk;
mod ledger;
#[allow(dead_code)]
#[path = "../../src/store/sample.rs"]
mod sample;
mod small_disk;
#[path = "../support/mod.rs"]
mod support;
mod writer;

use blockspan::{detect, model, store};
