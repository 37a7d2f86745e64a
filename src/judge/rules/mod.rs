//! The rules, a file for each idea. `table.rs` puts them in order.

pub(super) mod authentic;
pub(super) mod cleartext;
pub(super) mod dns;
pub(super) mod experiments;
pub(super) mod gates;
pub(super) mod interception;
pub(super) mod layers;
pub(super) mod page_elsewhere;
pub(super) mod rest;
pub(super) mod site;
pub(super) mod throttle;
pub(super) mod vantage;
