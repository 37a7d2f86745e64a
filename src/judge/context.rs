//! What stands beside the measurement: the controls' consensus and the canaries' tally.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::model::{
    AddressFamily, CanaryReport, CanaryResult, CanaryScope, ControlEndpoint, ControlHttp, ControlReport,
    ControlSummary, Failure, Layer, Status,
};

/// What the usable controls agree on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Consensus {
    /// No control could be asked.
    None,
    /// The site answered at least one of them. `trust` is 1 when all got a plain answer; a control that failed lowers
    /// it to 0.7, and so does a site that answered none of them without a server error.
    Works {
        /// Factor on confidence and weight.
        trust: f64,
    },
    /// It answered none.
    Fails,
}

/// No control tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotTried;

/// Factor on a verdict when one of three foreign canaries or more did not answer.
const ONE_MISSING: f64 = 0.5;
/// The same when more did not, or one of two.
const MORE_MISSING: f64 = 0.15;

/// Factor on a verdict when controls disagree.
const DISAGREEMENT: f64 = 0.7;

/// The controls, best one first: reached, then usable, then the latest.
#[derive(Debug, Clone)]
pub(super) struct Controls<'e> {
    /// In order.
    pub reports: Vec<&'e ControlReport>,
}

/// All that a report says, the same in whatever order its parts were observed.
fn unordered(report: &ControlReport) -> String {
    let mut report = report.clone();
    report.endpoints.sort_by_key(|endpoint| format!("{endpoint:?}"));
    report.quic.sort_by_key(|quic| format!("{quic:?}"));
    format!("{report:?}")
}

impl<'e> Controls<'e> {
    pub(super) fn new(reports: &'e [ControlReport]) -> Self {
        let mut reports: Vec<&'e ControlReport> = reports.iter().collect();
        let rank = |report: &ControlReport| match report.reached() {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        };
        reports.sort_by(|a, b| {
            (rank(a), b.at, &a.id).cmp(&(rank(b), a.at, &b.id)).then_with(|| unordered(a).cmp(&unordered(b)))
        });
        Self { reports }
    }

    /// The controls that could be asked.
    pub(super) fn usable(&self) -> impl Iterator<Item = &'e ControlReport> {
        self.reports.iter().copied().filter(|report| report.reached().is_some())
    }

    /// The exchanges of controls that got an answer.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&'e ControlReport, &'e ControlHttp)> {
        let reached = self.reports.iter().copied().filter(|report| report.reached() == Some(true));
        reached.filter_map(|report| report.http.as_ref().map(|http| (report, http)))
    }

    pub(super) fn consensus(&self) -> Consensus {
        let (asked, reached) = (self.usable().count(), self.answers().count());
        let sound = self.answers().any(|(_, http)| http.status.is_some_and(|status| status < 500));
        match (asked, reached) {
            (0, _) => Consensus::None,
            (_, 0) => Consensus::Fails,
            (asked, reached) if asked == reached && sound => Consensus::Works { trust: 1.0 },
            _ => Consensus::Works { trust: DISAGREEMENT },
        }
    }

    /// No control got a page, but one of them got past the layer at which it fails here: they do not fail the same way.
    pub(super) fn gets_past(&self, layer: Layer) -> Option<&'e ControlReport> {
        self.usable().find(|report| match layer {
            Layer::Dns => report.dns.as_ref().is_some_and(|dns| dns.failure.is_none() && !dns.addresses.is_empty()),
            Layer::Tcp => report.endpoints.iter().any(|endpoint| endpoint.tcp_failure.is_none()),
            Layer::Tls => report.endpoints.iter().any(|endpoint| endpoint.tls_tried && endpoint.tls_failure.is_none()),
            Layer::Http | Layer::Quic => false,
        })
    }

    /// At least one usable control tried this address, and none of them got a connection there.
    pub(super) fn fails_at(&self, address: SocketAddr) -> bool {
        let mut tried = self
            .usable()
            .flat_map(|report| &report.endpoints)
            .filter(|endpoint| endpoint.address == address)
            .map(|endpoint| endpoint.tcp_failure.is_some() || (endpoint.tls_tried && endpoint.tls_failure.is_some()))
            .peekable();
        tried.peek().is_some() && tried.all(|failed| failed)
    }

    /// A usable control that gets through at this address, and how far that may be relied on: less when another fails
    /// there. None when none does.
    pub(super) fn gets_through(&self, address: SocketAddr, tls: bool) -> Option<(&'e ControlReport, f64)> {
        let tried = || {
            let ends = self.usable().flat_map(|report| report.endpoints.iter().map(move |endpoint| (report, endpoint)));
            ends.filter(|(_, endpoint)| endpoint.address == address)
        };
        let well = |endpoint: &ControlEndpoint| {
            endpoint.tcp_failure.is_none() && (!tls || endpoint.tls_tried && endpoint.tls_failure.is_none())
        };
        let (report, _) = tried().find(|(_, endpoint)| well(endpoint))?;
        Some((report, if tried().all(|(_, endpoint)| well(endpoint)) { 1.0 } else { DISAGREEMENT }))
    }

    /// As [`Self::gets_through`], for QUIC at any address of the site. `Err` when no control tried.
    pub(super) fn greets_over_quic(&self) -> Result<Option<(&'e ControlReport, f64)>, NotTried> {
        let greeted = |report: &ControlReport| report.quic.iter().any(|quic| quic.failure.is_none());
        let tried = || self.usable().filter(|report| !report.quic.is_empty());
        if tried().next().is_none() {
            return Err(NotTried);
        }
        let trust = if tried().all(greeted) { 1.0 } else { DISAGREEMENT };
        Ok(tried().find(|report| greeted(report)).map(|report| (report, trust)))
    }

    /// A usable control was shown a certificate that proves nothing, too.
    pub(super) fn sees_bad_certificate(&self) -> bool {
        let bad = |failure: &Option<Failure>| {
            matches!(
                failure,
                Some(Failure::SslUnknownAuthority | Failure::SslInvalidCertificate | Failure::SslInvalidHostname)
            )
        };
        self.usable().filter(|report| report.reached() == Some(false)).any(|report| {
            report.endpoints.iter().any(|endpoint| bad(&endpoint.tls_failure))
                || report.http.as_ref().is_some_and(|http| bad(&http.failure))
        })
    }

    /// Addresses that the controls resolved the URL's name to.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        self.usable().filter_map(|report| report.dns.as_ref()).flat_map(|dns| dns.addresses.iter().copied()).collect()
    }

    /// What the best control saw, in short.
    pub(super) fn summary(&self) -> Option<ControlSummary> {
        self.reports.first().map(|report| ControlSummary {
            id: report.id.clone(),
            status: match (report.reached(), report.http.as_ref().and_then(|http| http.status)) {
                (None, _) => Status::Inconclusive,
                (Some(false), _) => Status::Down,
                (Some(true), Some(403 | 429 | 451)) => Status::Denied,
                (Some(true), _) => Status::Accessible,
            },
            at: report.at,
        })
    }
}

/// What the canaries tell of the vantage: (answered, asked) in each scope, and what its own ways can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Canaries<'e> {
    /// Beyond the border.
    pub foreign: (usize, usize),
    /// Within the country.
    pub domestic: (usize, usize),
    /// How many were shown a certificate that is out of date.
    pub out_of_date: usize,
    /// Address families over which a foreign one was reached.
    families: BTreeSet<AddressFamily>,
    /// A foreign one was greeted well over QUIC.
    quic: bool,
    /// The vantage's own resolvers that gave an address for a foreign one that answered.
    resolvers: BTreeSet<&'e str>,
}

impl<'e> Canaries<'e> {
    pub(super) fn new(report: Option<&'e CanaryReport>) -> Self {
        let Some(report) = report else { return Self::default() };
        let out_of_date = |result: &&CanaryResult| result.failure == Some(Failure::SslInvalidCertificate);
        let foreign = || report.results.iter().filter(|result| result.scope == CanaryScope::Foreign);
        let reached = || foreign().filter(|result| result.failure.is_none());
        Self {
            foreign: report.tally(CanaryScope::Foreign),
            domestic: report.tally(CanaryScope::Domestic),
            out_of_date: report.results.iter().filter(out_of_date).count(),
            families: foreign().flat_map(|result| result.families.iter().copied()).collect(),
            quic: foreign().any(|result| result.quic.as_ref().is_some_and(|quic| quic.failure.is_none())),
            resolvers: reached().flat_map(|result| result.resolvers.iter().map(String::as_str)).collect(),
        }
    }

    /// Whether this vantage has a way out for the address's family, so that a failure there may be laid at another's door.
    /// As long as no canary tells, IPv4 is taken to work and IPv6 is not.
    pub(super) fn carries(&self, address: IpAddr) -> bool {
        match AddressFamily::of(address) {
            family if self.families.contains(&family) => true,
            AddressFamily::Ipv4 => self.families.is_empty(),
            AddressFamily::Ipv6 => false,
        }
    }

    /// Whether QUIC gets out of this vantage at all.
    pub(super) const fn quic_works(&self) -> bool {
        self.quic
    }

    /// Whether the own resolver serves other names.
    pub(super) fn served_by(&self, resolver: &str) -> bool {
        self.resolvers.contains(resolver)
    }

    /// The vantage reaches the world: at least one foreign canary answered.
    pub(super) const fn fine(&self) -> bool {
        self.foreign.0 > 0
    }

    /// How far a failure may be laid at the site's door: None when no foreign canary answered. Each that did not answer
    /// either is a sign that the line itself loses packets: bursts in which half of them get through would else make
    /// a hundred false spans a year (`cargo bench --bench detection`).
    pub(super) fn trust(&self) -> Option<f64> {
        let (answered, asked) = self.foreign;
        match asked.saturating_sub(answered) {
            _ if answered == 0 => None,
            0 => Some(1.0),
            1 if asked > 2 => Some(ONE_MISSING),
            _ => Some(MORE_MISSING),
        }
    }

    /// Canaries were asked and none answered.
    pub(super) const fn all_fail(&self) -> bool {
        self.foreign.1 + self.domestic.1 > 0 && self.foreign.0 + self.domestic.0 == 0
    }

    /// Only those within the country answer.
    pub(super) const fn domestic_only(&self) -> bool {
        self.foreign.1 > 0 && self.foreign.0 == 0 && self.domestic.0 > 0
    }
}
