//! Measuring one URL: per hop DNS, then every address TCP and TLS, then one GET; beside them QUIC (DESIGN 3).

mod aside;
mod attempt;
mod family;
mod gate;
mod greeting;
mod hop;
mod http3;
mod plan;
mod question;
mod round;

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use ipnet::IpNet;
use url::Url;

pub use self::aside::Extras;
pub(super) use self::attempt::cut_short;
use self::family::Ipv6Check;
use self::gate::Gates;
use self::http3::Http3Memory;
use self::round::Round;
use super::dns::{self, DnsQuery, Reference, ReferenceError};
use super::roots::{Roots, RootsError};
use crate::config::{Config, ProbeConfig, ResolverSpec};
use crate::model::{DnsExchange, DnsRole, Measurement, MeasurementId, QueryType, SiteId, Timestamp, Trigger};
use crate::vantage::{Inward, Vantage};

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The site that the URL belongs to.
    pub site: SiteId,
    /// The URL; `http` or `https`.
    pub url: Url,
}

/// Why a prober cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProbeSetupError {
    /// The trusted roots cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// A control resolver cannot be used.
    #[error(transparent)]
    Reference(Box<ReferenceError>),
}

/// Makes measurements. One serves all vantages and any number of measurements at once.
pub struct Prober {
    timeouts: ProbeConfig,
    allow_private: Vec<IpNet>,
    roots: Roots,
    /// For encrypted resolvers: every check enforced.
    tls: Arc<rustls::ClientConfig>,
    reference: Option<Reference>,
    ipv6: Ipv6Check,
    gates: Gates,
    /// For QUIC, which would else keep TCP waiting at an address while it meets silence there.
    quic_gates: Gates,
    http3: Http3Memory,
}

impl Prober {
    /// A prober with the bounds, roots and control resolvers of `config`. Opens no connection.
    ///
    /// # Errors
    /// When an extra root cannot be read, or a control resolver is none.
    pub fn new(config: &Config) -> Result<Self, ProbeSetupError> {
        let roots = Roots::load(&config.tls.extra_roots)?;
        let tls = roots.client_config()?;
        let reference = match config.control.resolvers.as_slice() {
            [] => None,
            resolvers => Some(
                Reference::new(resolvers, tls.clone()).map_err(|error| ProbeSetupError::Reference(Box::new(error)))?,
            ),
        };
        Ok(Self {
            timeouts: config.probe.clone(),
            allow_private: config.network.allow_private.clone(),
            roots,
            tls: Arc::new(tls),
            reference,
            ipv6: Ipv6Check::default(),
            gates: Gates::default(),
            quic_gates: Gates::default(),
            http3: Http3Memory::default(),
        })
    }

    /// The trusted roots, for other clients.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The configured bounds.
    pub(super) const fn bounds(&self) -> &ProbeConfig {
        &self.timeouts
    }

    /// Which addresses must not be dialled from `vantage` at the moment.
    pub async fn inward(&self, vantage: &Vantage) -> Inward {
        if vantage.is_tunnel() {
            Inward::of_tunnel(&self.allow_private)
        } else {
            Inward::now(&self.allow_private).await
        }
    }

    /// Whether `vantage` has a way to the IPv6 internet.
    pub(super) async fn has_ipv6(&self, vantage: &Vantage) -> bool {
        self.ipv6.available(vantage).await
    }

    /// Waits for a place among the connections to `address`.
    pub(super) async fn enter(&self, address: std::net::SocketAddr) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.gates.enter(address).await
    }

    /// Whom encrypted resolvers must prove themselves to.
    pub(super) const fn resolver_tls(&self) -> &Arc<rustls::ClientConfig> {
        &self.tls
    }

    /// Asks one of a vantage's own resolvers for both kinds of addresses of `name`: one exchange or more of each kind.
    pub async fn ask_resolver(&self, vantage: &Vantage, resolver: &ResolverSpec, name: &str) -> Vec<DnsExchange> {
        let origin = Instant::now();
        let timeout = self.timeouts.dns_timeout;
        let asked = QueryType::ALL.iter().map(|&query_type| async move {
            let query = DnsQuery { hop: 0, name, query_type, role: DnsRole::Own, origin, timeout };
            dns::ask(vantage, resolver, &query, &self.tls).await
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Asks every control resolver for both kinds of addresses of `name`, in the order of the configuration.
    pub async fn ask_reference(&self, name: &str) -> Vec<DnsExchange> {
        match &self.reference {
            Some(reference) => reference.ask(0, name, Instant::now(), self.timeouts.dns_timeout).await,
            None => Vec::new(),
        }
    }

    /// Measures `target` from `vantage`. Never fails: every failure is in the record. Takes at most the configured
    /// time for a whole URL and a second; dropping the future ends everything at once.
    pub async fn measure(&self, target: &Target, vantage: &Vantage, trigger: Trigger) -> Measurement {
        self.measure_with(target, vantage, trigger, &Extras::default()).await
    }

    /// The same with what another asks for beyond the URL.
    pub async fn measure_with(
        &self,
        target: &Target,
        vantage: &Vantage,
        trigger: Trigger,
        extras: &Extras,
    ) -> Measurement {
        // Before its time begins: where nothing is known of the network yet, this asks.
        let inward = self.inward(vantage).await;
        let started_at = Timestamp::now();
        let origin = Instant::now();
        let seen = Round::new(self, vantage, trigger, (extras, inward), origin).await.run(&target.url).await;
        Measurement {
            measurement_id: MeasurementId::new(),
            site: target.site.clone(),
            url: target.url.clone(),
            vantage: vantage.id().clone(),
            trigger,
            started_at,
            elapsed: origin.elapsed().into(),
            dns: seen.dns,
            tcp: seen.tcp,
            tls: seen.tls,
            http: seen.http,
            quic: seen.quic,
        }
    }
}
