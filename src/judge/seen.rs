//! One measurement, put in order: hop by hop, address by address. The order of the records does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use url::Url;

use super::knowledge::Knowledge;
use super::resolution::Resolution;
use crate::model::{AddressOrigin, DnsRole, Failure, HttpExchange, Measurement, TcpConnect, TlsHandshake};

/// What happened at one address of one hop.
#[derive(Debug, Clone)]
pub(super) struct Path<'e> {
    /// Where to.
    pub address: SocketAddr,
    /// Users of the vantage's own resolvers get this address.
    pub own: bool,
    /// The address cannot be public.
    pub bogon: bool,
    /// The connection attempt.
    pub tcp: Option<&'e TcpConnect>,
    /// The TLS handshake.
    pub tls: Option<&'e TlsHandshake>,
    /// The exchange, if this address carried it.
    pub http: Option<&'e HttpExchange>,
    /// The peer proved to be the site.
    pub authentic: bool,
}

/// One position in the redirect chain.
#[derive(Debug, Clone)]
pub(super) struct Hop<'e> {
    /// Position; 0 is the URL itself.
    pub index: u8,
    /// The host's name or address.
    pub host: String,
    /// Whether TLS belongs to it.
    pub https: bool,
    /// What the vantage's own resolvers said.
    pub own: Resolution<'e>,
    /// What the encrypted resolvers said.
    pub reference: Resolution<'e>,
    /// Every address tried.
    pub paths: Vec<Path<'e>>,
    /// The exchange.
    pub exchange: Option<&'e HttpExchange>,
}

/// One measurement in order.
#[derive(Debug, Clone)]
pub(super) struct Seen<'e> {
    /// The redirect chain; never empty.
    pub hops: Vec<Hop<'e>>,
}

impl<'e> Seen<'e> {
    pub(super) fn new(measurement: &'e Measurement, knowledge: &Knowledge) -> Self {
        let indices: BTreeSet<u8> = std::iter::once(0)
            .chain(measurement.dns.iter().map(|dns| dns.hop))
            .chain(measurement.tcp.iter().map(|tcp| tcp.hop))
            .chain(measurement.tls.iter().map(|tls| tls.hop))
            .chain(measurement.http.iter().map(|http| http.hop))
            .collect();
        let mut hops: Vec<Hop<'e>> = Vec::with_capacity(indices.len());
        for index in indices {
            let came_by = match hops.last() {
                None => Some(&measurement.url),
                Some(before) => before.exchange.and_then(|exchange| exchange.redirect.as_ref()),
            };
            hops.push(Hop::new(measurement, knowledge, index, came_by));
            if hops.last().is_some_and(Hop::is_final) {
                break;
            }
        }
        Self { hops }
    }

    /// The last hop.
    pub(super) fn last(&self) -> Option<&Hop<'e>> {
        self.hops.last()
    }

    /// The answer at the end of the chain.
    pub(super) fn answer(&self) -> Option<&'e HttpExchange> {
        self.last().filter(|hop| hop.is_final()).and_then(|hop| hop.exchange)
    }

    /// The first hop that an ordinary user of this network does not get past.
    pub(super) fn stuck(&self) -> Option<&Hop<'e>> {
        self.hops.iter().find(|hop| !hop.is_passed_by_own())
    }

    /// The first redirect in clear text (or over TLS that proves nothing) that leads away from the site: anyone on the
    /// path may have written it.
    pub(super) fn unproven_departure(&self) -> Option<(&Hop<'e>, &Hop<'e>)> {
        let pairs = self.hops.iter().zip(self.hops.iter().skip(1));
        pairs.into_iter().find(|(from, to)| !from.answer_is_authentic() && !same_site(&from.host, &to.host))
    }

    /// The final answer, if it is the site's own beyond doubt and reached as any user reaches it.
    pub(super) fn authentic_own_answer(&self) -> Option<&'e HttpExchange> {
        let last = self.last().filter(|hop| hop.answer_is_authentic())?;
        let undisturbed = self.stuck().is_none() && self.unproven_departure().is_none();
        self.answer().filter(|_| undisturbed && last.is_passed_by_own())
    }

    /// An authentic server answered, though perhaps only by an address that the control gave, or without an end.
    pub(super) fn is_authentic_anywhere(&self) -> bool {
        self.last().is_some_and(|hop| hop.is_final() && hop.answer_is_authentic())
    }

    /// Every path of every hop.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&Hop<'e>, &Path<'e>)> {
        self.hops.iter().flat_map(|hop| hop.paths.iter().map(move |path| (hop, path)))
    }
}

impl<'e> Hop<'e> {
    fn new(measurement: &'e Measurement, knowledge: &Knowledge, index: u8, came_by: Option<&Url>) -> Self {
        let side =
            |role| Resolution::new(measurement.dns.iter().filter(move |dns| dns.hop == index && dns.role == role));
        let (own, reference) = (side(DnsRole::Own), side(DnsRole::Control));
        let mut paths = paths_of(measurement, knowledge, index, &own);
        let exchange = best(measurement.http.iter().filter(|http| http.hop == index), |http| {
            let proven = paths.iter().any(|path| path.address == http.address && path.own && path.authentic);
            (!is_answered(http), !proven, http.started)
        });
        if let Some(exchange) = exchange {
            for path in paths.iter_mut().filter(|path| path.address == exchange.address) {
                path.http = Some(exchange);
            }
        }
        let url = exchange.map(|exchange| &exchange.url).or(came_by);
        let tls = paths.iter().find_map(|path| path.tls);
        let asked = measurement.dns.iter().filter(|dns| dns.hop == index).map(|dns| dns.name.as_str()).min();
        let host = url
            .and_then(Url::host_str)
            .or(tls.map(|tls| tls.server_name.as_str()))
            .or(asked)
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let https = url.map_or(tls.is_some(), |url| url.scheme() == "https");
        Self { index, host, https, own, reference, paths, exchange }
    }

    /// The chain ends here with a whole answer.
    pub(super) fn is_final(&self) -> bool {
        self.exchange.is_some_and(|exchange| is_answered(exchange) && exchange.redirect.is_none())
    }

    fn carrier(&self) -> Option<&Path<'e>> {
        self.paths.iter().find(|path| path.http.is_some())
    }

    /// The exchange went over TLS that proves the site.
    pub(super) fn answer_is_authentic(&self) -> bool {
        self.https && self.carrier().is_some_and(|path| path.authentic)
    }

    /// Users of the vantage's own resolvers get an answer here. A proven server at one of their addresses is enough,
    /// whichever address carried the exchange. An exchange without a connection record counts by its own origin.
    fn is_passed_by_own(&self) -> bool {
        let Some(exchange) = self.exchange.filter(|exchange| is_answered(exchange)) else { return false };
        if self.https {
            self.answer_is_authentic() && self.paths.iter().any(|path| path.own && path.authentic)
        } else {
            match self.carrier() {
                Some(path) => path.own,
                None => exchange.origin == AddressOrigin::Own,
            }
        }
    }

    /// The exchange went by an address that only the control gave, and there the site proved itself.
    pub(super) fn is_proven_elsewhere(&self) -> bool {
        self.exchange.is_some_and(is_answered)
            && self.answer_is_authentic()
            && !self.paths.iter().any(|path| path.own && path.authentic)
    }
}

fn is_answered(exchange: &HttpExchange) -> bool {
    let endless = matches!(
        exchange.failure,
        Some(
            Failure::HttpTooManyRedirects
                | Failure::HttpInvalidRedirectLocationHost
                | Failure::HttpUnexpectedRedirectUrl
        )
    );
    exchange.status.is_some() && (exchange.failure.is_none() || endless)
}

fn paths_of<'e>(measurement: &'e Measurement, knowledge: &Knowledge, index: u8, own: &Resolution<'e>) -> Vec<Path<'e>> {
    let mut by_address: BTreeMap<SocketAddr, (Vec<&'e TcpConnect>, Vec<&'e TlsHandshake>)> = BTreeMap::new();
    for tcp in measurement.tcp.iter().filter(|tcp| tcp.hop == index) {
        by_address.entry(tcp.address).or_default().0.push(tcp);
    }
    for tls in measurement.tls.iter().filter(|tls| tls.hop == index) {
        by_address.entry(tls.address).or_default().1.push(tls);
    }
    let proves = |tls: &TlsHandshake| tls.is_authentic() && knowledge.known_ca(tls).is_none();
    let path = |(address, (tcps, tlss)): (SocketAddr, (Vec<&'e TcpConnect>, Vec<&'e TlsHandshake>))| {
        let origin_is_own = tcps.iter().map(|tcp| tcp.origin).chain(tlss.iter().map(|tls| tls.origin));
        let own_origin = origin_is_own.into_iter().any(|origin| origin == AddressOrigin::Own);
        let tls = best(tlss.into_iter(), |tls| (!proves(tls), tls.started));
        Path {
            address,
            own: own_origin && !own.is_late(canonical(address.ip())),
            bogon: knowledge.is_bogon(address.ip()) || tcps.iter().all(|tcp| tcp.bogon) && !tcps.is_empty(),
            tcp: best(tcps.into_iter(), |tcp| (tcp.failure.is_some(), tcp.started)),
            tls,
            http: None,
            authentic: tls.is_some_and(proves),
        }
    };
    by_address.into_iter().map(path).collect()
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The record with the smallest key; records with the same key are told apart by all they hold, so that the choice
/// never depends on their order.
fn best<'e, T: std::fmt::Debug, K: Ord>(records: impl Iterator<Item = &'e T>, key: impl Fn(&T) -> K) -> Option<&'e T> {
    records.min_by(|a, b| key(a).cmp(&key(b)).then_with(|| format!("{a:?}").cmp(&format!("{b:?}"))))
}

/// Whether two hosts are one site: the same name, or names under one registered domain (by the Public Suffix List).
pub(super) fn same_site(a: &str, b: &str) -> bool {
    let registered = |host: &str| -> Option<String> {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        psl::domain_str(host).filter(|_| !address).map(str::to_owned)
    };
    let bare = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    let (a, b) = (bare(a), bare(b));
    a == b || registered(&a).is_some_and(|domain| registered(&b) == Some(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_what_lies_under_one_registered_domain() {
        assert!(same_site("rus.azattyq.org", "www.azattyq.org"));
        assert!(same_site("News.gov.kz", "www.news.gov.kz."));
        assert!(!same_site("news.gov.kz", "stop.gov.kz"));
        assert!(!same_site("one.github.io", "two.github.io") && !same_site("one.github.io", "github.io"));
        assert!(same_site("10.1.2.3", "10.1.2.3") && !same_site("10.1.2.3", "11.1.2.3"));
        assert!(!same_site("[2a02:6b8::1]", "[2a02:6b8::2]") && same_site("localhost", "localhost"));

        assert!(same_site("ratel.kz", "www.ratel.kz"));
        assert!(same_site("www.ratel.kz", "m.ratel.kz"));
        assert!(!same_site("ratel.kz", "wildratel.kz"));
        assert!(!same_site("ratel.kz", "kz"));
        assert!(!same_site("fergana.news", "fergana.media"));
    }
}
