//! What a scenario file says: who answers what, what the censor does and when, what must be seen.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::expect::{Check, Story, Witness};
use crate::places::Place;
pub(crate) use crate::rule::{Act, Answer, Ends, Lead, NamePattern, Rule, Throttle, Trigger};

/// One scenario file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What happens, in a sentence or two.
    pub(crate) about: String,
    /// What the instrument still lacks to say what an honest expert would: its test is reported as ignored, with this
    /// reason. The witness runs all the same.
    #[serde(default)]
    pub(crate) awaits: Option<String>,
    /// The sites, and what hosts the censor has.
    #[serde(default, rename = "host")]
    pub(crate) hosts: Vec<Host>,
    /// What the ISP's resolver does not answer truly.
    #[serde(default, rename = "lie")]
    pub(crate) lies: Vec<Lie>,
    /// What the censor does on the path.
    #[serde(default, rename = "censor")]
    pub(crate) rules: Vec<Rule>,
    /// How the instrument is set up.
    #[serde(default)]
    pub(crate) setup: Setup,
    /// What an ordinary client must see, which proves that the scenario does what it says.
    pub(crate) witness: Option<Witness>,
    /// One measurement by `blockspan check`, and what it must say.
    pub(crate) check: Option<Check>,
    /// More URLs of the same site, measured after it one by one.
    #[serde(default)]
    pub(crate) check_also: Vec<Check>,
    /// A run of the daemon, and the spans that it must record.
    pub(crate) story: Option<Story>,
}

impl Scenario {
    /// Somebody interferes with what the vantage sees of the world.
    pub(crate) fn has_a_censor(&self) -> bool {
        !self.rules.is_empty() || !self.lies.is_empty()
    }

    /// Reads a scenario file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let read = toml::from_str(&text).map_err(anyhow::Error::from).and_then(Self::sound);
        read.with_context(|| format!("scenario {}", path.display()))
    }

    /// Refuses rules that would never do anything.
    fn sound(self) -> Result<Self> {
        self.rules.iter().try_for_each(Rule::sound)?;
        Ok(self)
    }

    /// Whether anything in it has an IPv6 address.
    pub(crate) fn speaks_ipv6(&self) -> bool {
        self.setup.ipv6 != Ipv6::None || self.hosts.iter().any(|host| host.address6.is_some())
    }
}

/// Whether something that lasts `from` … `until` holds at `now`. All in seconds since the start of the scenario; an
/// absent end is open.
pub(crate) fn holds(from: Option<f64>, until: Option<f64>, now: f64) -> bool {
    from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until)
}

/// A web server. Its address says where it stands: 198.18.2.x in the ISP, 198.19.x.y in the world.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    pub(crate) address: Ipv4Addr,
    /// A second address of the same machine.
    #[serde(default)]
    pub(crate) address6: Option<Ipv6Addr>,
    /// Whether it speaks HTTP/3 too, and says so (Alt-Svc).
    #[serde(default)]
    pub(crate) quic: bool,
    /// Names that resolve to it and that its certificate bears. Without names it makes a certificate for whatever
    /// name the client asks for, as an intercepting box does.
    #[serde(default)]
    pub(crate) names: Vec<String>,
    /// Whether the names are in the DNS at all (default yes).
    #[serde(default = "yes")]
    pub(crate) published: bool,
    /// Only the resolver of this place (`isp`, `abroad`) is given this address: the site has many edges, or one resolver
    /// still holds what was true before. Default: all are.
    #[serde(default)]
    pub(crate) resolves_for: Option<Place>,
    /// Whether it speaks TLS on port 443 (default yes).
    #[serde(default = "yes")]
    pub(crate) https: bool,
    /// How it speaks TLS.
    #[serde(default)]
    pub(crate) speaks: Speaks,
    /// Who signs its certificates.
    #[serde(default)]
    pub(crate) authority: Authority,
    /// What is wrong with its certificates.
    #[serde(default)]
    pub(crate) certificate: Certificate,
    /// What port 80 does.
    #[serde(default)]
    pub(crate) http: PlainHttp,
    #[serde(default)]
    pub(crate) page: Page,
    /// Other pages, for clients that come from there or name that host; the first that fits.
    #[serde(default)]
    pub(crate) page_for: Vec<PageFor>,
    /// What is wrong with it.
    pub(crate) fault: Option<Fault>,
}

fn yes() -> bool {
    true
}

/// Who signs a host's certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Authority {
    /// The lab's own, which the instrument trusts.
    #[default]
    Lab,
    /// One that bears the name of Kazakhstan's interception authority (and another key).
    KazakhName,
    /// One that nobody knows.
    Stranger,
}

/// What is wrong with a host's certificates. All but `Good` are the host's own fault and show from everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Certificate {
    /// Nothing.
    #[default]
    Good,
    /// Its time ended ten days ago.
    Expired,
    /// Its time begins in ten days.
    NotYetValid,
    /// It is for `another.lab`.
    WrongName,
    /// It is signed by its own key.
    SelfSigned,
    /// It is signed by an intermediate authority that the host sends along, as most are.
    Intermediate,
    /// The host forgets to send the intermediate authority's certificate.
    NoIntermediate,
    /// The time of the intermediate authority's certificate ended ten days ago.
    ExpiredIntermediate,
}

/// How a host speaks TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Speaks {
    /// TLS 1.2 and 1.3.
    #[default]
    Modern,
    /// TLS 1.0 and nothing newer, and knows no extensions: it answers with a ServerHello of TLS 1.0.
    Tls10,
    /// Nothing newer than TLS 1.1, and reads which versions the client has: alert `protocol_version`.
    Tls11,
    /// TLS 1.2 with RSA key exchange only: alert `handshake_failure` for a client that does without.
    RsaKeyExchange,
}

/// What a host does on port 80.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PlainHttp {
    /// Redirects to https.
    #[default]
    Redirect,
    /// Serves the same page.
    Page,
    /// Nothing listens.
    Closed,
}

/// What a host answers to every request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Bytes that follow the body (a host's page only).
    pub(crate) fill: usize,
    /// Bytes of what was announced that never come, from the end (a host's page only).
    pub(crate) missing: usize,
    /// Redirects from path to path before the page comes (a host's page only).
    pub(crate) redirects: u32,
    /// How the body is coded for clients that accept it (a host's page only).
    pub(crate) coding: Option<Coding>,
}

/// A Content-Encoding (RFC 9110 8.4.1, RFC 7932).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Coding {
    Gzip,
    Br,
}

/// A page for clients that come from one place, or for one host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageFor {
    /// `vantage`, `isp` or `abroad` (where the way out is). Default: anywhere.
    pub(crate) from: Option<Place>,
    /// For requests that name this host: a server that many sites share. Default: any.
    pub(crate) host: Option<String>,
    pub(crate) page: Page,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            status: 200,
            headers: BTreeMap::from([("content-type".into(), "text/html; charset=utf-8".into())]),
            body: "<!doctype html><title>Evening news of the lab</title><h1>News</h1><p>All is well.</p>".into(),
            fill: 0,
            missing: 0,
            redirects: 0,
            coding: None,
        }
    }
}

/// A host's own failure: it shows from everywhere, the way out included.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) how: FaultKind,
    pub(crate) from: Option<f64>,
    pub(crate) until: Option<f64>,
}

/// How a host fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FaultKind {
    /// Nothing comes back at all.
    Unreachable,
    /// Connections are refused.
    Closed,
    /// Connections are accepted and nothing is ever said.
    Silent,
    /// Connections are accepted and reset as soon as something is said.
    Resets,
    /// The same, for half of all connections, without a pattern.
    Overloaded,
}

/// What the ISP's resolver says of a name instead of the truth.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lie {
    pub(crate) name: NamePattern,
    pub(crate) answer: Answer,
    pub(crate) from: Option<f64>,
    pub(crate) until: Option<f64>,
}

/// How the instrument is set up. The default is a vantage with all helpers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Setup {
    /// The vantage goes through the way out instead of directly.
    pub(crate) through_way_out: bool,
    /// The vantage is bound to its interface.
    pub(crate) interface: bool,
    /// Resolvers of the vantage, in the configuration's notation; none: the default.
    pub(crate) resolvers: Vec<String>,
    /// With a control vantage behind the way out.
    pub(crate) control_vantage: bool,
    /// With a control vantage behind a tunnel that carries every protocol, QUIC too.
    pub(crate) control_tunnel: bool,
    /// With encrypted control resolvers.
    pub(crate) control_resolvers: bool,
    pub(crate) canaries: bool,
    /// Time scale of a story: 10 means that interval, waits and spread are a tenth of the defaults.
    pub(crate) scale: f64,
    /// Seconds that the instrument waits at each layer.
    pub(crate) timeout: f64,
    /// What the vantage has of IPv6: `false`, `true`, `"broken"` or `"nat64"`.
    pub(crate) ipv6: Ipv6,
    /// More of the configuration, as it stands in the file.
    pub(crate) more: String,
    /// `"up"`, or `"down"`: the way out and the encrypted resolver answer nobody.
    pub(crate) control: Control,
    /// Days by which the vantage's clock is ahead of the world's (negative: behind). A process cannot have a clock of its
    /// own, so it is the world's certificates that are issued around another day.
    pub(crate) clock_off_days: i64,
}

/// What the vantage has of IPv6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BoolOrWord")]
pub(crate) enum Ipv6 {
    /// No address and no route.
    #[default]
    None,
    /// Both, and it works.
    Works,
    /// Both, but every packet vanishes at its uplink.
    Broken,
    /// Nothing else: its provider's resolver makes IPv6 addresses of IPv4 ones (DNS64, RFC 6147), and its router
    /// translates what goes there (NAT64, RFC 6146).
    Nat64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BoolOrWord {
    Bool(bool),
    Word(String),
}

impl TryFrom<BoolOrWord> for Ipv6 {
    type Error = String;

    fn try_from(said: BoolOrWord) -> Result<Self, String> {
        match said {
            BoolOrWord::Bool(false) => Ok(Self::None),
            BoolOrWord::Bool(true) => Ok(Self::Works),
            BoolOrWord::Word(word) if word == "broken" => Ok(Self::Broken),
            BoolOrWord::Word(word) if word == "nat64" => Ok(Self::Nat64),
            BoolOrWord::Word(word) => Err(format!("ipv6 = {word:?}: expected false, true, \"broken\" or \"nat64\"")),
        }
    }
}

/// Whether the controls are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Control {
    #[default]
    Up,
    Down,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            through_way_out: false,
            interface: false,
            resolvers: Vec::new(),
            control_vantage: true,
            control_tunnel: false,
            control_resolvers: true,
            canaries: true,
            scale: 10.0,
            timeout: 2.0,
            ipv6: Ipv6::None,
            more: String::new(),
            control: Control::Up,
            clock_off_days: 0,
        }
    }
}
