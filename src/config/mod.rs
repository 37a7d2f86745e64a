//! What to measure, how, and from where: `targets.toml` and `blockspan.toml` (DESIGN 6).
//!
//! [`load()`] is the door. The files are walked with the places of their values, one file here per section of theirs,
//! so that every fault is told at once with the line it stands in.

mod canary;
mod control;
mod date;
mod detect;
mod document;
mod duration;
mod experiments;
mod fault;
mod helper;
mod include;
mod keep;
mod knowledge;
mod list;
mod load;
mod log;
mod network;
mod probe;
mod render;
mod report;
mod resolver;
mod settings;
mod source;
mod suggest;
mod summary;
mod targets;
#[cfg(test)]
mod tests;
mod throttling;
mod token;
mod types;
mod unique;
mod url;
mod value;
mod vantage;
mod webhook;

pub use date::parse_bracket;
pub use duration::parse_duration;
pub use fault::{Also, ConfigErrors, ConfigFault};
pub use load::{DEFAULT_CONFIG, DEFAULT_TARGETS, HelperOverrides, Loaded, Overrides, Paths, load, load_helper};
pub use source::Place;
pub use token::{Token, TokenError};
pub use types::{
    CanaryConfig, Config, ControlConfig, DetectConfig, ExperimentsConfig, FingerprintsConfig, HelperConfig,
    HelperServiceConfig, KnownFile, LogConfig, NetworkConfig, ProbeConfig, ResolverSpec, Role, ServeConfig,
    StoreConfig, StoreUrl, SummaryConfig, ThrottlingConfig, TlsConfig, VantageConfig, Via, WebhookConfig,
};
pub use url::parse_url;
pub use webhook::webhook_key;
