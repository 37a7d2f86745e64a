//! blockspan watches a short list of websites from places where they may be censored and keeps the record:
//! blocked, from when to when, how, and how sure we are.
//!
//! The rooms follow the way of the data, one direction, no way back:
//!
//! ```text
//! config → schedule → probe (over a vantage) → judge → detect → store → serve · cli · export
//! ```
//!
//! `model` holds the words they all speak; `judge` and `detect` are pure; `daemon` puts the rooms together. `helper` is a
//! server beside that way, which gives second opinions to others.

pub mod cli;
pub mod config;
pub mod confine;
pub mod daemon;
pub mod demo;
pub mod detect;
pub mod doctor;
pub mod export;
pub mod helper;
pub mod import;
pub mod judge;
pub mod knowledge;
pub mod language;
pub mod model;
pub mod probe;
pub mod rejudge;
pub mod report;
pub mod rollup;
pub mod schedule;
pub mod serve;
pub mod store;
pub mod timeline;
pub mod vantage;
pub mod webhook;
