//! How a resolver is written: `system`, `udp://1.2.3.4:53`, `tcp://[2001:db8::1]`, `tls://name@1.2.3.4:853`,
//! `https://name/dns-query@1.2.3.4:443`. The port may be left out.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::fault::{Wrong, clip};
use super::types::ResolverSpec;
use super::url::web_url;

impl FromStr for ResolverSpec {
    type Err = String;

    /// Reads the written form; the error says what was expected.
    fn from_str(text: &str) -> Result<Self, String> {
        resolver(text).map_err(|wrong| {
            let help = wrong.help.map(|help| format!("; {help}")).unwrap_or_default();
            format!("`{}` {}{help}", clip(text), wrong.message)
        })
    }
}

fn not_one(label: &str) -> Wrong {
    Wrong::new("is not a resolver").label(label).expected(
        "\"system\", \"udp://1.2.3.4\", \"tcp://1.2.3.4\", \"tls://name@1.2.3.4\" or \
         \"https://name/dns-query@1.2.3.4\", each with `:PORT` if it is not the usual one",
    )
}

/// Reads the written form of a resolver.
pub(super) fn resolver(text: &str) -> Result<ResolverSpec, Wrong> {
    if text == "system" {
        return Ok(ResolverSpec::System);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(not_one(if text.parse::<IpAddr>().is_ok() { "write `udp://` before it" } else { "no scheme" }));
    };
    match scheme {
        "udp" => Ok(ResolverSpec::Udp(address(rest, 53)?)),
        "tcp" => Ok(ResolverSpec::Tcp(address(rest, 53)?)),
        "tls" => {
            let (name, at) = rest.rsplit_once('@').ok_or_else(|| not_one("no `@ADDRESS` after the name"))?;
            Ok(ResolverSpec::Dot { name: host_name(name)?, address: address(at, 853)? })
        }
        "https" => {
            let (endpoint, at) = text.rsplit_once('@').ok_or_else(|| not_one("no `@ADDRESS` after the URL"))?;
            let url = web_url(endpoint).map_err(|wrong| not_one(&wrong.label))?;
            let port = url.port_or_known_default().unwrap_or(443);
            Ok(ResolverSpec::Doh { url, address: address(at, port)? })
        }
        _ => Err(not_one("unknown scheme")),
    }
}

/// An address with or without a port. A name cannot stand here: it would have to be resolved by the very network
/// that is being watched.
fn address(text: &str, default_port: u16) -> Result<SocketAddr, Wrong> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|text| text.contains(':'));
    let address = match (text.parse::<SocketAddr>(), bare.unwrap_or(text).parse::<IpAddr>()) {
        (Ok(address), _) => address,
        (_, Ok(ip)) if ip.is_ipv4() || bare.is_some() => SocketAddr::new(ip, default_port),
        (_, Ok(_)) => return Err(not_one("write an IPv6 address in [ ]")),
        _ => return Err(not_one("not an IP address (a name cannot stand here)")),
    };
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        return Err(not_one("nobody can be asked at this address"));
    }
    if address.port() == 0 {
        return Err(not_one("port 0"));
    }
    Ok(address)
}

fn host_name(name: &str) -> Result<String, Wrong> {
    match url::Host::parse(name) {
        Ok(url::Host::Domain(host)) => Ok(host),
        Ok(_) => Err(not_one("the name before `@` is an address")),
        Err(_) => Err(not_one("the name before `@` is no host name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_written_form_is_read_and_shown_again() {
        for (text, shown) in [
            ("system", "system"),
            ("udp://192.0.2.1", "udp://192.0.2.1:53"),
            ("udp://[2001:db8::1]:5353", "udp://[2001:db8::1]:5353"),
            ("tcp://[2001:db8::1]", "tcp://[2001:db8::1]:53"),
            ("tls://dns.example@192.0.2.1", "tls://dns.example@192.0.2.1:853"),
            ("https://dns.example/dns-query@192.0.2.1", "https://dns.example/dns-query@192.0.2.1:443"),
            ("https://dns.example:8443/q@[2001:db8::1]", "https://dns.example:8443/q@[2001:db8::1]:8443"),
        ] {
            let spec = resolver(text).unwrap();
            assert_eq!(spec.to_string(), shown);
            assert_eq!(resolver(shown).unwrap(), spec);
        }
    }

    #[test]
    fn bad_forms_say_why() {
        for (text, label) in [
            ("8.8.8.8", "write `udp://` before it"),
            ("dns.google", "no scheme"),
            ("quic://dns.example@192.0.2.1", "unknown scheme"),
            ("udp://dns.google", "not an IP address (a name cannot stand here)"),
            ("udp://2001:db8::1", "write an IPv6 address in [ ]"),
            ("udp://0.0.0.0", "nobody can be asked at this address"),
            ("udp://192.0.2.1:0", "port 0"),
            ("udp://192.0.2.1:70000", "not an IP address (a name cannot stand here)"),
            ("tls://192.0.2.1", "no `@ADDRESS` after the name"),
            ("tls://192.0.2.1@192.0.2.1", "the name before `@` is an address"),
            ("tls://@192.0.2.1", "the name before `@` is no host name"),
            ("https://dns.example/dns-query", "no `@ADDRESS` after the URL"),
            ("https:///dns-query@192.0.2.1", "no host"),
        ] {
            assert_eq!(resolver(text).unwrap_err().label, label, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(udp|tcp|tls|https)://[a-z0-9@:.\\[\\]/]{0,30}|.{0,30}") {
            let _ = resolver(&text);
        }
    }
}
