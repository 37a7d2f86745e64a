//! Questions to the vantage's own resolvers.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::Prober;
use super::attempt::cut_short;
use crate::config::ResolverSpec;
use crate::model::{DnsExchange, DnsRole, DnsTransport, Failure, QueryType};
use crate::probe::dns::{self, DnsQuery};
use crate::vantage::Vantage;

/// Time that an exchange may overrun the measurement's deadline before it is given up from outside.
const OVERRUN: Duration = Duration::from_millis(250);

/// One question to be asked.
pub(super) struct Asked<'a> {
    pub(super) hop: u8,
    pub(super) name: &'a str,
    pub(super) query_type: QueryType,
    /// The measurement's beginning and its end.
    pub(super) origin: Instant,
    pub(super) deadline: Instant,
}

/// Asks one resolver. What it does not finish in its time is recorded as silence.
pub(super) async fn own(
    prober: &Prober,
    vantage: &Vantage,
    resolver: &ResolverSpec,
    asked: &Asked<'_>,
) -> Vec<DnsExchange> {
    let started = Instant::now();
    let query = DnsQuery {
        hop: asked.hop,
        name: asked.name,
        query_type: asked.query_type,
        role: DnsRole::Own,
        origin: asked.origin,
        timeout: prober.timeouts.dns_timeout.min(asked.deadline.saturating_duration_since(started)),
    };
    let answered = dns::ask(vantage, resolver, &query, &prober.tls);
    let limit = query.timeout;
    let mut exchanges = match timeout_at((asked.deadline + OVERRUN).into(), answered).await {
        Ok(exchanges) => exchanges,
        Err(_) => vec![DnsExchange {
            hop: asked.hop,
            resolver: resolver.to_string(),
            role: DnsRole::Own,
            transport: transport(resolver),
            name: asked.name.to_owned(),
            query_type: asked.query_type,
            started: started.duration_since(asked.origin).into(),
            elapsed: started.elapsed().into(),
            failure: Some(Failure::GenericTimeout),
            answers: Vec::new(),
        }],
    };
    for exchange in &mut exchanges {
        exchange.failure =
            cut_short(exchange.failure.take(), limit, prober.timeouts.dns_timeout.min(prober.timeouts.url_timeout));
    }
    exchanges
}

/// Every address in answers that match their question, each once; second answers count as well.
pub(super) fn addresses(exchanges: &[DnsExchange]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let answers = exchanges.iter().flat_map(|exchange| &exchange.answers).filter(|answer| answer.matches_question);
    for ip in answers.flat_map(|answer| &answer.addresses) {
        if !found.contains(ip) {
            found.push(*ip);
        }
    }
    found
}

/// The addresses of the first answer to each question that has any, and those that only a later one gave.
pub(super) fn by_answer(exchanges: &[DnsExchange]) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let mut prompt: Vec<IpAddr> = Vec::new();
    for exchange in exchanges {
        let mut answers = exchange.answers.iter().filter(|answer| answer.matches_question);
        prompt
            .extend(answers.find(|answer| !answer.addresses.is_empty()).into_iter().flat_map(|first| &first.addresses));
    }
    let late = addresses(exchanges).into_iter().filter(|ip| !prompt.contains(ip)).collect();
    (prompt, late)
}

fn transport(resolver: &ResolverSpec) -> DnsTransport {
    match resolver {
        ResolverSpec::System | ResolverSpec::Udp(_) => DnsTransport::Udp,
        ResolverSpec::Tcp(_) => DnsTransport::Tcp,
        ResolverSpec::Dot { .. } => DnsTransport::Dot,
        ResolverSpec::Doh { .. } => DnsTransport::Doh,
    }
}
