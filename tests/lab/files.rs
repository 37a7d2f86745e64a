//! The files that the instrument is given.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::places;
use crate::scenario::{Authority, Ipv6, Setup};
use crate::world::authority::root_pem;

/// Name of the probing vantage in the configuration.
pub(crate) const VANTAGE: &str = "lab";

/// The defaults of `[detect]` and `[probe]`, which a story's scale divides.
const INTERVAL: f64 = 60.0;
const CONFIRM_AFTER: [f64; 6] = [10.0, 25.0, 45.0, 75.0, 105.0, 135.0];
const SPREAD: f64 = 120.0;
const CONTROL_AGE: f64 = 600.0;

/// Writes `targets.toml`, `blockspan.toml`, `roots.pem` and `resolv.conf`.
pub(crate) fn write(dir: &Path, setup: &Setup, urls: &[&str]) -> Result<()> {
    fs::write(dir.join("resolv.conf"), resolv_conf(setup, places::RESOLVER))?;
    fs::write(dir.join("roots.pem"), root_pem(Authority::Lab)?)?;
    let targets = format!(
        "[[site]]\nid = \"lab-news\"\nname = \"News of the lab\"\ncountry = \"KZ\"\ncategory = \"NEWS\"\nurls = {urls:?}\n"
    );
    fs::write(dir.join("targets.toml"), targets)?;
    fs::write(dir.join("blockspan.toml"), configuration(dir, setup)?)?;
    Ok(())
}

/// The text of `/etc/resolv.conf` that names this resolver.
pub(crate) fn resolv_conf(setup: &Setup, resolver: Ipv4Addr) -> String {
    let address = match setup.ipv6 {
        Ipv6::Nat64 => IpAddr::V6(places::translated(resolver)),
        _ => resolver.into(),
    };
    format!("nameserver {address}\n")
}

fn configuration(dir: &Path, setup: &Setup) -> Result<String> {
    let scaled = |seconds: f64| duration(seconds / setup.scale);
    let timeout = duration(setup.timeout);
    let waits: Vec<String> = CONFIRM_AFTER.iter().map(|seconds| scaled(*seconds)).collect();
    let mut text = format!(
        "[probe]\ninterval = {}\ndns_timeout = {timeout}\ntcp_timeout = {timeout}\ntls_timeout = {timeout}\n\
         http_timeout = {timeout}\nurl_timeout = {}\n\n[detect]\nconfirm_after = [{}]\nspread = {}\n\n",
        scaled(INTERVAL),
        duration(setup.timeout * 5.0),
        waits.join(", "),
        scaled(SPREAD),
    );
    let database = format!("sqlite://{}", dir.join("blockspan.db").display());
    let roots = dir.join("roots.pem");
    write!(text, "[store]\nurl = {database:?}\n\n[tls]\nextra_roots = [{:?}]\n\n", roots.display().to_string())?;
    write!(text, "[network]\nallow_private = {:?}\n\n", places::RANGES)?;
    let way_out = format!("socks5://{}", places::WAY_OUT);
    let via = if setup.through_way_out { way_out.as_str() } else { "direct" };
    write!(text, "[[vantage]]\nid = {VANTAGE:?}\ncountry = \"KZ\"\nasn = 9198\nvia = {via:?}\n")?;
    if setup.interface {
        writeln!(text, "interface = {:?}", crate::sys::DEVICE)?;
    }
    if !setup.resolvers.is_empty() {
        writeln!(text, "resolvers = {:?}", setup.resolvers)?;
    }
    if setup.control_vantage {
        write!(text, "\n[[vantage]]\nid = \"abroad\"\nrole = \"control\"\nvia = {way_out:?}\n")?;
    }
    let (name, address) = places::TRUE_RESOLVER;
    if setup.control_tunnel {
        write!(text, "\n[[vantage]]\nid = \"tunnel\"\nrole = \"control\"\nsource = \"{}\"\n", places::TUNNEL)?;
        writeln!(text, "resolvers = [\"udp://{address}:53\"]")?;
    }
    let mut resolvers = Vec::new();
    if setup.control_resolvers {
        resolvers = vec![format!("https://{name}/dns-query@{address}:443"), format!("tls://{name}@{address}:853")];
    }
    write!(text, "\n[control]\nresolvers = {resolvers:?}\nmax_age = {}\n", scaled(CONTROL_AGE))?;
    if setup.canaries {
        for (host, scope) in [(places::FOREIGN_CANARY.0, "foreign"), (places::DOMESTIC_CANARY.0, "domestic")] {
            let url = format!("https://{host}/");
            write!(text, "\n[[canary]]\nurl = {url:?}\nscope = {scope:?}\n")?;
        }
    }
    write!(text, "\n{}", setup.more)?;
    Ok(text)
}

fn duration(seconds: f64) -> String {
    format!("\"{}ms\"", Duration::from_secs_f64(seconds).as_millis())
}
