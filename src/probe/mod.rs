//! Measuring one URL, layer by layer (DESIGN 3). Knows no verdicts.

pub mod address;
pub mod dns;
