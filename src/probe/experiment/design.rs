//! Which experiments a failed measurement calls for: where it failed decides.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use crate::config::{ExperimentsConfig, ResolverSpec};
use crate::model::{
    AddressOrigin, DnsRole, Experiment, ExperimentKind, Failure, HttpExchange, Measurement, SLOW_TIME, TcpConnect,
    TlsHandshake,
};
use crate::probe::Prober;
use crate::probe::outcome::last_hop;
use crate::vantage::{Inward, Vantage};

/// One experiment to be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Design {
    /// The site's name and an unrelated one at the site's address.
    UnrelatedSni {
        /// Where to.
        address: SocketAddr,
        /// The site's name.
        name: String,
        /// The other one.
        unrelated: String,
    },
    /// The site's name and an unrelated one at the address of a canary, which knows neither: how its server treats
    /// names that it does not serve is the same for both.
    SniElsewhere {
        /// Whose address.
        canary: Url,
        /// The site's name.
        name: String,
        /// The other one.
        unrelated: String,
    },
    /// The site's name asked of an own resolver over datagrams and over TCP.
    OtherResolvers {
        /// Which resolver.
        resolver: ResolverSpec,
        /// The site's name.
        name: String,
    },
    /// The site at an address of the family that fails and at one of the other.
    OtherFamily {
        /// One that fails.
        failing: SocketAddr,
        /// One of the other family.
        other: SocketAddr,
        /// What is visited.
        url: Url,
    },
    /// A clear-text request for the site and for an unrelated host at the address of a canary, which knows neither.
    HostElsewhere {
        /// Whose address.
        canary: Url,
        /// What is asked for.
        url: Url,
        /// The other host.
        unrelated: String,
    },
    /// A clear-text request for the site and for an unrelated host at the site's address.
    OtherHost {
        /// Where to.
        address: SocketAddr,
        /// What is asked for.
        url: Url,
        /// The other host.
        unrelated: String,
    },
}

impl Design {
    /// What is varied.
    pub const fn kind(&self) -> ExperimentKind {
        match self {
            Self::UnrelatedSni { .. } => ExperimentKind::UnrelatedSni,
            Self::SniElsewhere { .. } => ExperimentKind::SniElsewhere,
            Self::OtherResolvers { .. } => ExperimentKind::OtherResolvers,
            Self::OtherFamily { .. } => ExperimentKind::OtherFamily,
            Self::OtherHost { .. } => ExperimentKind::OtherHost,
            Self::HostElsewhere { .. } => ExperimentKind::HostElsewhere,
        }
    }

    /// The canary at whose address it is made.
    pub const fn canary(&self) -> Option<&Url> {
        match self {
            Self::SniElsewhere { canary, .. } | Self::HostElsewhere { canary, .. } => Some(canary),
            _ => None,
        }
    }
}

/// What the choice depends on beside the measurement.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// Which kinds may be made, and with which name.
    pub config: &'a ExperimentsConfig,
    /// The canary whose address may be used, if one may.
    pub canary: Option<&'a Url>,
    /// What answered is not known to be the site's own.
    pub doubtful: bool,
    /// Experiments of the last hour: what was tried before is tried again.
    pub before: &'a [Experiment],
}

/// The experiments, one a kind at most, that may tell why `measurement` failed on the addresses that users of the
/// vantage get. An answer in clear text that is not known to be the site's own is compared at a canary's address only: at
/// the site's own, servers show other pages to other hosts.
pub async fn designs(
    prober: &Prober,
    vantage: &Vantage,
    measurement: &Measurement,
    limits: &Limits<'_>,
) -> Vec<Design> {
    let Some(place) = Place::of(measurement) else {
        let chosen = [slow_greeting(measurement, limits), doubtful_answer(measurement, limits)];
        return chosen.into_iter().flatten().filter(|design| limits.config.kinds.contains(&design.kind())).collect();
    };
    let mut chosen: Vec<Design> = Vec::new();
    let unrelated = || limits.config.unrelated_name.clone();
    if let (Some(address), Host::Domain(name)) = (place.swallowed_hello(limits.before), &place.host)
        && *name != limits.config.unrelated_name
    {
        chosen.push(Design::UnrelatedSni { address, name: name.clone(), unrelated: unrelated() });
        if let Some(canary) = limits.canary.filter(|canary| canary.host_str() != Some(name)) {
            chosen.push(Design::SniElsewhere { canary: canary.clone(), name: name.clone(), unrelated: unrelated() });
        }
    }
    if let Some(exchange) = place.broken_request() {
        let (address, url) = (exchange.address, exchange.url.clone());
        chosen.push(Design::OtherHost { address, url, unrelated: unrelated() });
    }
    if let (Some(label), Host::Domain(name)) = (place.failing_resolver(), &place.host)
        && let Some(resolver) = vantage.resolvers().iter().find(|resolver| resolver.to_string() == label)
        && !vantage.is_tunnel()
    {
        chosen.push(Design::OtherResolvers { resolver: resolver.clone(), name: name.clone() });
    }
    if let Some((failing, other)) = place.other_family(&prober.inward(vantage).await)
        && matches!(place.host, Host::Domain(_))
        && (other.is_ipv4() || prober.has_ipv6(vantage).await)
    {
        chosen.push(Design::OtherFamily { failing, other, url: place.url.clone() });
    }
    chosen.retain(|design| limits.config.kinds.contains(&design.kind()));
    chosen
}

/// A site that answered, only slowly: whether another name is greeted faster at the same address tells throttling by name.
fn slow_greeting(measurement: &Measurement, limits: &Limits<'_>) -> Option<Design> {
    let exchange = measurement.http.last().filter(|exchange| exchange.origin == AddressOrigin::Own)?;
    let carried = |tls: &&TlsHandshake| tls.hop == exchange.hop && tls.address == exchange.address;
    let slow = measurement.tls.iter().find(carried).filter(|tls| tls.is_authentic() && tls.elapsed >= SLOW_TIME)?;
    let (address, name) = (slow.address, slow.server_name.clone());
    let unrelated = limits.config.unrelated_name.clone();
    (name != unrelated).then_some(Design::UnrelatedSni { address, name, unrelated })
}

/// An answer in clear text that may be somebody else's: a canary's address shows whether the name alone calls it forth.
fn doubtful_answer(measurement: &Measurement, limits: &Limits<'_>) -> Option<Design> {
    let first = measurement.http.first().filter(|exchange| exchange.url.scheme() == "http" && limits.doubtful)?;
    let (url, unrelated) = (first.url.clone(), limits.config.unrelated_name.clone());
    let named = matches!(url.host(), Some(Host::Domain(name)) if name != unrelated) && url.port().is_none();
    let canary = limits.canary.filter(|canary| canary.host_str() != url.host_str())?;
    named.then(|| Design::HostElsewhere { canary: canary.clone(), url, unrelated })
}

/// The same request to another host.
pub(super) fn with_host(url: &Url, host: &str) -> Option<Url> {
    let mut other = url.clone();
    other.set_host(Some(host)).ok()?;
    Some(other)
}

/// The hop at which a measurement ended without an answer to users of the vantage.
struct Place<'m> {
    measurement: &'m Measurement,
    hop: u8,
    url: &'m Url,
    host: Host<String>,
}

impl<'m> Place<'m> {
    fn of(measurement: &'m Measurement) -> Option<Self> {
        let hop = last_hop(measurement);
        let answered = |exchange: &HttpExchange| exchange.origin == AddressOrigin::Own && exchange.status.is_some();
        if measurement.http.iter().any(|exchange| exchange.hop == hop && answered(exchange)) {
            return None;
        }
        let url = match hop.checked_sub(1) {
            None => &measurement.url,
            Some(before) => measurement.http.iter().find(|exchange| exchange.hop == before)?.redirect.as_ref()?,
        };
        let host = match url.host()? {
            Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
            address => address.to_owned(),
        };
        Some(Self { measurement, hop, url, host })
    }

    fn tls(&self) -> impl Iterator<Item = &'m TlsHandshake> {
        let hop = self.hop;
        self.measurement.tls.iter().filter(move |tls| tls.hop == hop)
    }

    fn own_tcp(&self) -> impl Iterator<Item = &'m TcpConnect> {
        let hop = self.hop;
        let of_users = move |tcp: &&TcpConnect| tcp.hop == hop && tcp.origin == AddressOrigin::Own && !tcp.bogon;
        self.measurement.tcp.iter().filter(of_users)
    }

    /// An own address at which the ClientHello met silence, a reset or an end, while it was answered at none. The one
    /// that was tried most before is taken again: what proves something must be seen repeatedly at one address.
    fn swallowed_hello(&self, before: &[Experiment]) -> Option<SocketAddr> {
        if self.tls().any(|tls| !tls.chain.is_empty() || tls.alert.is_some()) {
            return None;
        }
        let broken = self
            .tls()
            .filter(|tls| tls.origin == AddressOrigin::Own && tls.failure.as_ref().is_some_and(is_interference));
        let tried = |address: SocketAddr| {
            let same =
                |pair: &&Experiment| pair.kind == ExperimentKind::UnrelatedSni && pair.suspect.address == Some(address);
            before.iter().filter(same).count()
        };
        broken.map(|tls| tls.address).max_by_key(|address| (tried(*address), std::cmp::Reverse(*address)))
    }

    /// A clear-text request that met silence, a reset or an end before any answer.
    fn broken_request(&self) -> Option<&'m HttpExchange> {
        self.measurement.http.iter().find(|exchange| {
            exchange.hop == self.hop
                && exchange.url.scheme() == "http"
                && exchange.origin == AddressOrigin::Own
                && exchange.status.is_none()
                && exchange.failure.as_ref().is_some_and(is_interference)
        })
    }

    /// An own resolver that failed for the name, when none gave an address that could be dialled.
    fn failing_resolver(&self) -> Option<&'m str> {
        if self.own_tcp().next().is_some() {
            return None;
        }
        let own = |role| role == DnsRole::Own;
        let mut asked = self.measurement.dns.iter().filter(|dns| dns.hop == self.hop && own(dns.role));
        asked.find(|dns| !dns.failure.as_ref().is_some_and(Failure::is_local)).map(|dns| dns.resolver.as_str())
    }

    /// An own address of a family all of whose addresses failed, and one of the other family that any resolver gave and
    /// the measurement did not get to.
    fn other_family(&self, inward: &Inward) -> Option<(SocketAddr, SocketAddr)> {
        let failing = self.own_tcp().next()?.address;
        let dialled: Vec<IpAddr> = self.measurement.tcp.iter().map(|tcp| tcp.address.ip()).collect();
        if dialled.iter().any(|ip| ip.is_ipv4() != failing.is_ipv4()) {
            return None;
        }
        let answers = self.measurement.dns.iter().filter(|dns| dns.hop == self.hop).flat_map(|dns| &dns.answers);
        let mut given = answers.filter(|answer| answer.matches_question).flat_map(|answer| answer.addresses.iter());
        let other = given.find(|ip| ip.is_ipv4() != failing.is_ipv4() && !inward.forbids(**ip))?;
        Some((failing, SocketAddr::new(*other, failing.port())))
    }
}

/// What a censor on the path does to a connection, and a server that is well does not.
const fn is_interference(failure: &Failure) -> bool {
    matches!(failure, Failure::GenericTimeout | Failure::TimedOut | Failure::ConnectionReset | Failure::Eof)
}
