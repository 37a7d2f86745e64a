//! Whole exchanges against real servers on loopback.

mod encrypted;
mod servers;
mod streams;
mod system;
mod udp;

use std::time::{Duration, Instant};

use super::DnsQuery;
use crate::config::{ResolverSpec, Role, VantageConfig, Via};
use crate::model::{CountryCode, DnsExchange, DnsRole, QueryType};
use crate::vantage::Vantage;

/// Long enough for a busy machine; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// For tests that wait for silence.
const SHORT: Duration = Duration::from_millis(400);

fn vantage_via(via: Via) -> Vantage {
    Vantage::new(&VantageConfig {
        id: "test".parse().unwrap(),
        role: Role::Probe,
        country: CountryCode::UNKNOWN,
        asn: None,
        via,
        resolvers: vec![ResolverSpec::System],
    })
}

fn direct() -> Vantage {
    vantage_via(Via::Direct { interface: None, source: None })
}

fn query(timeout: Duration) -> DnsQuery<'static> {
    DnsQuery {
        hop: 0,
        name: "site.example",
        query_type: QueryType::A,
        role: DnsRole::Own,
        origin: Instant::now(),
        timeout,
    }
}

async fn ask(resolver: ResolverSpec, timeout: Duration) -> Vec<DnsExchange> {
    super::ask(&direct(), &resolver, &query(timeout), &servers::trusting_nobody()).await
}

#[test]
fn exchanges_can_run_in_tasks_of_their_own() {
    fn sendable<T: Send>(_: &T) {}
    fn shareable<T: Send + Sync>() {}
    shareable::<super::Reference>();
    shareable::<Vantage>();
    let (vantage, tls) = (direct(), servers::trusting_nobody());
    let query = query(PATIENCE);
    sendable(&super::ask(&vantage, &ResolverSpec::System, &query, &tls));
    sendable(&vantage.connect(([127, 0, 0, 1], 9).into(), PATIENCE));
}
