//! What to measure, how, and from where: `targets.toml` and `blockspan.toml` (DESIGN 6).

mod types;

pub use types::{
    CanaryConfig, Config, ControlConfig, DetectConfig, HelperConfig, NetworkConfig, ProbeConfig, ResolverSpec, Role,
    ServeConfig, StoreConfig, StoreUrl, TlsConfig, VantageConfig, Via,
};
