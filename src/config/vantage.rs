//! `[[vantage]]`: the places that measurements are taken from.

use std::net::IpAddr;

use super::document::{At, Fields};
use super::fault::Wrong;
use super::resolver::resolver;
use super::types::{ControlConfig, ResolverSpec, Role, VantageConfig, Via};
use super::unique::Unique;
use super::value::{country, id, one_of, parsed, whole};
use crate::model::{CountryCode, VantageId};

/// Longest name of a network interface on Linux (IFNAMSIZ less the closing zero).
const LONGEST_INTERFACE: usize = 15;

/// The SOCKS port that IANA assigned.
const SOCKS_PORT: u16 = 1080;

/// The vantage of a configuration without vantages: this machine, place unknown.
pub(super) fn default() -> Vec<VantageConfig> {
    let Ok(id) = "local".parse::<VantageId>() else { return Vec::new() };
    vec![VantageConfig {
        id,
        role: Role::Probe,
        country: CountryCode::UNKNOWN,
        asn: None,
        via: Via::Direct { interface: None, source: None },
        resolvers: vec![ResolverSpec::System],
    }]
}

/// Reads all vantages. `ids` holds the helpers' already.
pub(super) fn read(root: &mut Fields<'_>, control: &ControlConfig, ids: &mut Unique) -> Vec<VantageConfig> {
    let mut headers = Vec::new();
    let vantages = root.each("vantage", |fields| {
        headers.push(fields.span());
        read_one(fields, control, ids)
    });
    let Some(vantages) = vantages else { return default() };
    let all_read = vantages.len() == headers.len();
    if let Some(first) = headers.first()
        && all_read
        && vantages.iter().all(|vantage| vantage.role == Role::Control)
    {
        let wrong = Wrong::new("no vantage measures: all of them are controls")
            .label("a control, like every other")
            .help("add one that measures, for example: [[vantage]] with `id = \"local\"`");
        root.doc.fault(first, wrong);
    }
    if headers.is_empty() { default() } else { vantages }
}

fn read_one(fields: &mut Fields<'_>, control: &ControlConfig, ids: &mut Unique) -> Option<VantageConfig> {
    let doc = fields.doc;
    let id = fields.required("id", "id = \"almaty-kt\"", id::<VantageId>);
    if let Some(id) = &id {
        ids.claim(doc, id.value.as_str(), &id.span);
        if is_imported(id.value.as_str()) {
            let wrong = Wrong::new(format!("`{}` is the name of an imported network", id.value))
                .label("`import ooni` calls its vantages so")
                .help("take another pseudonym, and say the network with `asn` and `country`");
            doc.fault(&id.span, wrong);
        }
    }
    let role = fields.or("role", Role::Probe, one_of(&[("probe", Role::Probe), ("control", Role::Control)]));
    let country = fields.or("country", CountryCode::UNKNOWN, country);
    let asn = fields.optional("asn", whole(1..=u32::MAX)).map(|at| at.value);
    let via = read_via(fields);
    let resolvers = match fields.filled_list("resolvers", parsed(resolver)) {
        Some(resolvers) => checked(fields, &via, resolvers),
        None => default_resolvers(fields, &via, role, control),
    };
    Some(VantageConfig { id: id?.value, role, country, asn, via, resolvers })
}

/// Whether it is a name that only imports give: `AS9198-KZ`.
fn is_imported(id: &str) -> bool {
    let parts = id.strip_prefix("AS").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(number, country)| number.parse::<u32>().is_ok() && country.parse::<CountryCode>().is_ok())
}

fn read_via(fields: &mut Fields<'_>) -> Via {
    let via = fields.or("via", Via::Direct { interface: None, source: None }, parsed(via));
    let interface = fields.optional("interface", parsed(interface));
    let source = fields.optional("source", parsed(source));
    match via {
        Via::Direct { .. } => {
            Via::Direct { interface: interface.map(|at| at.value), source: source.map(|at| at.value) }
        }
        Via::Socks5 { .. } => {
            let places = [("interface", interface.map(|at| at.span)), ("source", source.map(|at| at.span))];
            for (key, span) in places {
                if let Some(span) = span {
                    let wrong = Wrong::new(format!("`{key}` does not go with a SOCKS5 proxy"))
                        .label("the proxy chooses its own way out")
                        .help("leave it out, or write `via = \"direct\"`");
                    fields.doc.fault(&span, wrong);
                }
            }
            via
        }
    }
}

/// Names resolved past the tunnel would be resolved by the wrong network, and UDP does not pass through it.
fn checked(fields: &Fields<'_>, via: &Via, resolvers: Vec<At<ResolverSpec>>) -> Vec<ResolverSpec> {
    let mut specs = Vec::new();
    for at in resolvers {
        let tunnelled = !matches!(at.value, ResolverSpec::System | ResolverSpec::Udp(_));
        if matches!(via, Via::Socks5 { .. }) && !tunnelled {
            let wrong = Wrong::new("this resolver cannot be asked through a SOCKS5 proxy")
                .label("it would be asked past the tunnel")
                .expected("\"tcp://…\", \"tls://…\" or \"https://…\", or no `resolvers` at all");
            fields.doc.fault(&at.span, wrong);
        } else if specs.contains(&at.value) {
            fields.doc.fault(&at.span, Wrong::new("the same resolver twice").label("already in the list"));
        } else {
            specs.push(at.value);
        }
    }
    specs
}

/// A control must not take its reference from the resolvers that may be lying, so it too gets the encrypted ones.
fn default_resolvers(fields: &Fields<'_>, via: &Via, role: Role, control: &ControlConfig) -> Vec<ResolverSpec> {
    let tunnelled = matches!(via, Via::Socks5 { .. });
    if tunnelled && control.resolvers.is_empty() {
        let wrong = Wrong::new("a SOCKS5 vantage without resolvers takes those of [control], and there are none")
            .label("no resolver for this vantage")
            .help("add a line such as: resolvers = [\"https://dns.quad9.net/dns-query@9.9.9.9\"]");
        fields.doc.fault(&fields.span(), wrong);
    }
    if (tunnelled || role == Role::Control) && !control.resolvers.is_empty() {
        control.resolvers.clone()
    } else {
        vec![ResolverSpec::System]
    }
}

fn via(text: &str) -> Result<Via, Wrong> {
    let not_one = || {
        Wrong::new("is not a way out")
            .expected("\"direct\" or \"socks5://HOST:PORT\", for example \"socks5://127.0.0.1:9050\"")
    };
    if text == "direct" {
        return Ok(Via::Direct { interface: None, source: None });
    }
    let Some((scheme, rest)) = text.split_once("://") else { return Err(not_one()) };
    if scheme == "socks5h" {
        return Err(not_one().label("write `socks5`: names are always resolved through it"));
    }
    if scheme != "socks5" {
        return Err(not_one().label("unknown scheme"));
    }
    if rest.contains('@') {
        return Err(not_one().label("proxies with a password are not supported"));
    }
    // A scheme that the URL standard knows, so that the host is checked and written as in any other URL.
    let url = url::Url::parse(&format!("http://{rest}")).map_err(|error| not_one().label(error.to_string()))?;
    if url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || rest.is_empty()
        || rest.starts_with('/')
    {
        return Err(not_one().label("only a host and a port can stand here"));
    }
    let Some(host) = url.host_str() else { return Err(not_one().label("no host")) };
    let port = match url.port() {
        Some(0) => return Err(not_one().label("port 0")),
        Some(port) => port,
        None if rest.trim_end_matches('/').ends_with(":80") => 80,
        None => SOCKS_PORT,
    };
    Ok(Via::Socks5 { proxy: format!("{host}:{port}") })
}

fn interface(text: &str) -> Result<String, Wrong> {
    let expected = format!("the name of a network interface, 1 to {LONGEST_INTERFACE} bytes, for example \"wg0\"");
    if text.len() > LONGEST_INTERFACE {
        return Err(Wrong::new("is too long").label(format!("{} bytes", text.len())).expected(expected));
    }
    let usable = text.chars().all(|c| c.is_ascii_graphic() && c != '/' && c != ':');
    if text.is_empty() || !usable || text == "." || text == ".." {
        return Err(Wrong::new("is not the name of an interface").expected(expected));
    }
    Ok(text.to_owned())
}

fn source(text: &str) -> Result<IpAddr, Wrong> {
    let not_one =
        || Wrong::new("is not a source address").expected("an IP address of this machine, for example \"10.0.0.2\"");
    let ip: IpAddr = text.parse().map_err(|_| not_one())?;
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(not_one().label("nothing can be bound to it"));
    }
    Ok(ip)
}
