//! `[control]`: who is asked for a second opinion.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::document::{Doc, Fields, Node};
use super::duration::{DAY, MINUTE, length};
use super::fault::Wrong;
use super::network::{beside, readable};
use super::resolver::resolver;
use super::types::{ControlConfig, HelperConfig, ResolverSpec};
use super::unique::Unique;
use super::url::web_url;
use super::value::{id, parsed, raw_text, text};
use crate::model::ControlId;

/// Longest token, in bytes.
const LONGEST_TOKEN: usize = 8192;
/// Characters of a token that others must bring, at the least.
const SHORTEST_OWN_TOKEN: usize = 16;

impl Default for ControlConfig {
    fn default() -> Self {
        Self { resolvers: default_resolvers(), helpers: Vec::new(), max_age: 10 * MINUTE }
    }
}

/// Cloudflare's and Quad9's DNS over HTTPS.
fn default_resolvers() -> Vec<ResolverSpec> {
    [("https://cloudflare-dns.com/dns-query", [1, 1, 1, 1]), ("https://dns.quad9.net/dns-query", [9, 9, 9, 9])]
        .into_iter()
        .filter_map(|(url, ip)| {
            let address = SocketAddr::new(IpAddr::from(ip), 443);
            Url::parse(url).ok().map(|url| ResolverSpec::Doh { url, address })
        })
        .collect()
}

/// Reads the section. `ids` are shared with the vantages: a control vantage is a control too.
pub(super) fn read(fields: &mut Fields<'_>, ids: &mut Unique) -> ControlConfig {
    let default = ControlConfig::default();
    let resolvers = fields.list("resolvers", encrypted);
    let helpers = fields.each("helpers", |helper| read_helper(helper, ids));
    let max_age = fields.or("max_age", default.max_age, length(Duration::from_secs(1), DAY));
    ControlConfig {
        resolvers: match resolvers {
            Some(resolvers) => resolvers.into_iter().map(|at| at.value).collect(),
            None => default.resolvers,
        },
        helpers: helpers.unwrap_or_default(),
        max_age,
    }
}

fn encrypted(node: &Node<'_>) -> Result<ResolverSpec, Wrong> {
    match resolver(raw_text(node)?)? {
        spec @ (ResolverSpec::Dot { .. } | ResolverSpec::Doh { .. }) => Ok(spec),
        _ => Err(Wrong::new("is not encrypted")
            .label("its answers can be forged on the way")
            .expected("\"tls://name@1.2.3.4\" or \"https://name/dns-query@1.2.3.4\"")),
    }
}

fn read_helper(fields: &mut Fields<'_>, ids: &mut Unique) -> Option<HelperConfig> {
    let named = fields.optional("id", id::<ControlId>);
    let url = fields.required("url", "url = \"https://helper.example/\"", parsed(web_url));
    let doc = fields.doc;
    let token_file = fields.optional("token_file", |node| token_file(doc, node, check_token));
    let url = url?;
    if let Some(token_file) = &token_file
        && url.value.scheme() == "http"
        && !is_local(&url.value)
    {
        doc.warn(&token_file.span, "the token travels in clear text: the helper's URL is not https");
    }
    let (id, span) = match named {
        Some(named) => (named.value, named.span),
        None => match url.value.host_str().unwrap_or("").parse::<ControlId>() {
            Ok(id) => (id, url.span.clone()),
            Err(_) => {
                let wrong = Wrong::new("this helper's host cannot serve as its id").help("add an `id`");
                doc.fault(&url.span, wrong);
                return None;
            }
        },
    };
    ids.claim(doc, id.as_str(), &span);
    Some(HelperConfig { id, url: url.value, token_file: token_file.map(|at| at.value) })
}

/// Reads the path of a file that holds a token, and looks whether it is one by `check`: [`check_token`], or
/// [`check_own_token`] where others must bring it here.
pub(super) fn token_file(
    doc: Doc<'_>,
    node: &Node<'_>,
    check: fn(&[u8]) -> Result<(), Wrong>,
) -> Result<PathBuf, Wrong> {
    let path = beside(doc, &text(node)?);
    doc.findings.reading(&path);
    check(&readable(&path)?)?;
    Ok(path)
}

/// Whether a file's bytes are a token that nobody comes upon: how often someone tries is not counted.
pub(super) fn check_own_token(bytes: &[u8]) -> Result<(), Wrong> {
    check_token(bytes)?;
    if bytes.trim_ascii().len() < SHORTEST_OWN_TOKEN {
        return Err(Wrong::new("names a file with a token that can be guessed")
            .expected(format!("{SHORTEST_OWN_TOKEN} characters or more, as `openssl rand -base64 24` makes them")));
    }
    Ok(())
}

/// Whether a file's bytes are a token.
pub(super) fn check_token(bytes: &[u8]) -> Result<(), Wrong> {
    let token = bytes.trim_ascii();
    if token.is_empty() {
        Err(Wrong::new("names an empty file").expected("a file that holds the token"))
    } else if token.len() > LONGEST_TOKEN || !token.iter().all(u8::is_ascii_graphic) {
        Err(Wrong::new("names a file that holds no token").expected("one line of printable ASCII without blanks"))
    } else {
        Ok(())
    }
}

pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
