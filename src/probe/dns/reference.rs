//! The reference: encrypted resolvers out of the censor's reach, asked through hickory-resolver.
//!
//! They go out by this machine's own network and not by a vantage. Their answers are cached, so that a site that
//! is probed every minute does not become a question to them every minute.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RecordType};

use super::connector::Connector;
use super::message::{self, Question, Reading};
use super::{DnsQuery, record, secure, service};
use crate::config::ResolverSpec;
use crate::model::{DnsExchange, DnsRole, DnsTransport, Elapsed, Failure, QueryType};

/// How long an answer is used: as long as any control's at most (DESIGN 3).
const MAX_TTL: Duration = Duration::from_secs(600);

/// How long "no such name" is used. Short, because it makes a site look down for everyone.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(60);

/// Answers kept per resolver: the watched hosts and those that they redirect to, twice (A and AAAA).
const CACHE_ENTRIES: u64 = 1024;

/// hickory's own deadline for one try. Callers give a shorter one for all of it.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);

/// Further tries of a question: a resolver closes idle connections, and the first question on such a one is lost.
const RETRIES: usize = 1;

/// Why the reference cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// Only encrypted resolvers are out of the censor's reach.
    #[error("`{0}` cannot be a control resolver: expected tls:// or https://")]
    NotEncrypted(String),
    /// hickory-resolver refused the configuration.
    #[error("`{resolver}` cannot be used: {reason}")]
    Unusable {
        /// Which one.
        resolver: String,
        /// What it said.
        reason: String,
    },
}

/// The encrypted control resolvers.
pub struct Reference {
    resolvers: Vec<Member>,
}

/// One resolver of the reference: an object each, so that each one's answer is told apart.
struct Member {
    label: String,
    transport: DnsTransport,
    server: SocketAddr,
    resolver: Resolver<Connector>,
    connector: Connector,
}

impl Reference {
    /// Sets up the resolvers; opens no connection yet. `tls` tells whom to trust.
    ///
    /// # Errors
    /// For a resolver that is not DoT or DoH, or that hickory-resolver refuses.
    pub fn new(resolvers: &[ResolverSpec], tls: rustls::ClientConfig) -> Result<Self, ReferenceError> {
        let mut tls = tls;
        // hickory sets the protocols that fit each transport when there are none.
        tls.alpn_protocols.clear();
        let resolvers = resolvers.iter().map(|spec| Member::new(spec, tls.clone())).collect::<Result<_, _>>()?;
        Ok(Self { resolvers })
    }

    /// Asks every resolver for A and AAAA at once: one exchange each, with role `control`. A cached answer shows
    /// as one that took no time.
    pub async fn ask(&self, hop: u8, name: &str, origin: Instant, timeout: Duration) -> Vec<DnsExchange> {
        let questions = self.resolvers.iter().flat_map(|member| {
            QueryType::ALL.iter().map(move |&query_type| {
                let query = DnsQuery { hop, name, query_type, role: DnsRole::Control, origin, timeout };
                async move { member.ask(&query).await }
            })
        });
        join_all(questions).await
    }
}

impl Reference {
    /// The UDP port at which the host `name` speaks HTTP/3, by its HTTPS record at the first resolver that has one.
    pub async fn http3_port(&self, name: &str, timeout: Duration) -> Option<u16> {
        let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()?;
        let ask = async {
            for member in &self.resolvers {
                if let Ok(lookup) = member.resolver.lookup(name.clone(), RecordType::HTTPS).await {
                    return service::http3_port(lookup.answers(), &name);
                }
            }
            None
        };
        tokio::time::timeout(timeout, ask).await.ok().flatten()
    }
}

impl Member {
    fn new(spec: &ResolverSpec, tls: rustls::ClientConfig) -> Result<Self, ReferenceError> {
        let (transport, server, mut connection) = match spec {
            ResolverSpec::Dot { name, address } => {
                (DnsTransport::Dot, *address, ConnectionConfig::tls(Arc::from(name.as_str())))
            }
            ResolverSpec::Doh { url, address } => {
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                (DnsTransport::Doh, *address, ConnectionConfig::https(Arc::from(host), Some(Arc::from(url.path()))))
            }
            other => return Err(ReferenceError::NotEncrypted(other.to_string())),
        };
        connection.port = server.port();
        let config =
            ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, vec![connection])]);
        let connector = Connector::default();
        let mut builder = Resolver::builder_with_config(config, connector.clone());
        let options = builder.options_mut();
        options.timeout = TRY_TIMEOUT;
        options.attempts = RETRIES;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = CACHE_ENTRIES;
        options.positive_max_ttl = Some(MAX_TTL);
        options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
        let resolver = builder
            .with_tls_config(tls)
            .build()
            .map_err(|error| ReferenceError::Unusable { resolver: spec.to_string(), reason: error.to_string() })?;
        Ok(Self { label: spec.to_string(), transport, server, resolver, connector })
    }

    async fn ask(&self, query: &DnsQuery<'_>) -> DnsExchange {
        let started = Instant::now();
        let mut exchange = record::begin(query, &self.label, self.transport, started);
        // A name with its last dot is never completed from a search list.
        let prepared = Question::for_https(query.name, query.query_type).and_then(|question| {
            let name = Name::from_ascii(format!("{}.", query.name.trim_end_matches('.')));
            Ok((question, name.map_err(|_| Failure::Unknown("not a domain name".into()))?))
        });
        let (question, name) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => return DnsExchange { failure: Some(failure), ..exchange },
        };
        let lookup = self.resolver.lookup(name, message::record_type(query.query_type));
        let outcome = tokio::time::timeout(query.timeout, lookup).await;
        exchange.elapsed = started.elapsed().into();
        match outcome {
            Err(_) => exchange.failure = Some(Failure::GenericTimeout),
            Ok(Ok(lookup)) => self.note_answer(&mut exchange, &question, &lookup),
            Ok(Err(error)) => self.note_error(&mut exchange, &error),
        }
        exchange
    }

    fn note_answer(&self, exchange: &mut DnsExchange, question: &Question, lookup: &Lookup) {
        let message = lookup.message();
        // hickory has matched id and question already, and a cached message bears neither.
        let reading = Reading { id_matches: true, question_matches: true, ..question.read_message(message) };
        exchange.failure = reading.failure();
        let raw = message.to_vec().unwrap_or_default();
        exchange.answers.push(record::answer(&reading, self.arrival(exchange.elapsed), &raw));
    }

    fn note_error(&self, exchange: &mut DnsExchange, error: &NetError) {
        exchange.failure = Some(match (error, self.connector.last_error()) {
            (NetError::NoConnections, Some(cause)) => failure(&cause, self.transport),
            _ => failure(error, self.transport),
        });
        let rcode = match error {
            NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code,
            NetError::Dns(DnsError::ResponseCode(code)) => *code,
            _ => return,
        };
        let reading =
            Reading { id_matches: true, question_matches: true, rcode: Some(u16::from(rcode)), ..Reading::default() };
        exchange.answers.push(record::answer(&reading, self.arrival(exchange.elapsed), &[]));
    }

    fn arrival(&self, latency: Elapsed) -> record::Arrival {
        record::Arrival { source: Some(self.server), ip_ttl: None, latency, from_asked: true }
    }
}

/// The failure that an error of hickory means. Its texts are never kept: they may hold addresses.
fn failure(error: &NetError, transport: DnsTransport) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            message::failure_of_rcode(u16::from(none.response_code)).unwrap_or(Failure::DnsNoAnswer)
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            message::failure_of_rcode(u16::from(*code)).unwrap_or(Failure::DnsServerMisbehaving)
        }
        NetError::Timeout => Failure::GenericTimeout,
        NetError::Io(error) => secure::failure(error),
        NetError::RustlsError(error) => secure::failure_of_tls(error),
        NetError::H2(error) => error.get_io().map_or(Failure::HttpRequestFailed, secure::failure),
        NetError::Dns(_) | NetError::Proto(_) | NetError::Truncated | NetError::QueryCaseMismatch => {
            Failure::DnsServerMisbehaving
        }
        NetError::Decode(_) | NetError::ParseInt(_) => Failure::HttpRequestFailed,
        // A status that is not 2xx comes only as text, as does an answer of another media type.
        NetError::Msg(_) if transport == DnsTransport::Doh => Failure::HttpRequestFailed,
        NetError::Busy | NetError::NoConnections => Failure::Unknown("no connection to the resolver".into()),
        _ => Failure::DnsServerMisbehaving,
    }
}
