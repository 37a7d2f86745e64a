//! What the resolvers of one side (the vantage's own, or the encrypted reference) said of one name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{DnsAnswer, DnsExchange, DnsTransport, Elapsed, Failure, QueryType};

/// What one resolver said of a name, A and AAAA together.
#[derive(Debug, Clone)]
pub(super) struct Lookup<'e> {
    /// The resolver as configured.
    pub resolver: &'e str,
    /// What its users get: the addresses of the first answer to each question.
    pub addresses: BTreeSet<IpAddr>,
    /// The CNAME chains of those answers.
    pub names: BTreeSet<&'e str>,
    /// Addresses that only a later answer to the same question gave: users never get them.
    pub late: BTreeSet<IpAddr>,
    /// Why there are no addresses.
    pub failure: Option<Failure>,
    /// The answer that says so, if one came.
    pub refusal: Option<&'e DnsAnswer>,
    /// How long the question took whose failure this is.
    pub elapsed: Elapsed,
    /// A datagram question that got two different answers, the first one first.
    pub conflict: Option<(&'e DnsAnswer, &'e DnsAnswer)>,
}

/// What all resolvers of one side said of a name.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolution<'e> {
    /// One for each resolver, by its name.
    pub lookups: Vec<Lookup<'e>>,
}

impl<'e> Resolution<'e> {
    /// Digests the exchanges of one side and hop.
    pub(super) fn new(exchanges: impl Iterator<Item = &'e DnsExchange>) -> Self {
        let mut by_resolver: BTreeMap<&'e str, Vec<&'e DnsExchange>> = BTreeMap::new();
        for exchange in exchanges {
            by_resolver.entry(&exchange.resolver).or_default().push(exchange);
        }
        Self { lookups: by_resolver.into_iter().map(|(resolver, of_it)| Lookup::new(resolver, of_it)).collect() }
    }

    /// All addresses that users of these resolvers get.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        self.lookups.iter().flat_map(|lookup| lookup.addresses.iter().copied()).collect()
    }

    /// Whether users only get this address after a first, different answer has already been taken.
    pub(super) fn is_late(&self, address: IpAddr) -> bool {
        self.lookups.iter().any(|lookup| lookup.late.contains(&address))
            && !self.lookups.iter().any(|lookup| lookup.addresses.contains(&address))
    }

    /// The most telling failure, when no resolver gave any address.
    pub(super) fn failure(&self) -> Option<(&Lookup<'e>, &Failure)> {
        if self.lookups.iter().any(|lookup| !lookup.addresses.is_empty()) {
            return None;
        }
        self.lookups
            .iter()
            .filter_map(|lookup| lookup.failure.as_ref().map(|failure| (lookup, failure)))
            .min_by_key(|(_, failure)| rank(failure))
    }

    /// The lookup that gave `address` to its users.
    pub(super) fn giver(&self, address: IpAddr) -> Option<&Lookup<'e>> {
        self.lookups.iter().find(|lookup| lookup.addresses.contains(&address))
    }
}

impl<'e> Lookup<'e> {
    fn new(resolver: &'e str, exchanges: Vec<&'e DnsExchange>) -> Self {
        let mut lookup = Self {
            resolver,
            addresses: BTreeSet::new(),
            names: BTreeSet::new(),
            late: BTreeSet::new(),
            failure: None,
            refusal: None,
            elapsed: Elapsed::default(),
            conflict: None,
        };
        let mut failures: Vec<(QueryType, Failure, Elapsed, Option<&'e DnsAnswer>)> = Vec::new();
        let mut conflicts: Vec<(QueryType, Elapsed, (&'e DnsAnswer, &'e DnsAnswer))> = Vec::new();
        for exchange in exchanges {
            let answers = answers_in_order(exchange);
            let first = taken(&answers);
            lookup.names.extend(first.iter().flat_map(|answer| answer.cnames.iter().map(String::as_str)));
            match first.filter(|answer| !answer.addresses.is_empty()) {
                Some(answer) => lookup.addresses.extend(&answer.addresses),
                None => failures.push((exchange.query_type, failure_of(exchange, first), exchange.elapsed, first)),
            }
            for answer in &answers {
                lookup.late.extend(&answer.addresses);
            }
            if exchange.transport == DnsTransport::Udp {
                conflicts.extend(conflict(&answers).map(|pair| (exchange.query_type, exchange.started, pair)));
            }
        }
        lookup.late = &lookup.late - &lookup.addresses;
        lookup.conflict = conflicts
            .into_iter()
            .min_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| format!("{:?}", a.2).cmp(&format!("{:?}", b.2))))
            .map(|(_, _, pair)| pair);
        if lookup.addresses.is_empty() {
            // A name without AAAA is ordinary: whatever the A question met tells more.
            let ordinary =
                |kind: QueryType, failure: &Failure| kind == QueryType::Aaaa && *failure == Failure::DnsNoAnswer;
            failures.sort_by(|a, b| {
                (ordinary(a.0, &a.1), rank(&a.1)).cmp(&(ordinary(b.0, &b.1), rank(&b.1))).then_with(|| {
                    (&a.0, &a.1, &a.2)
                        .cmp(&(&b.0, &b.1, &b.2))
                        .then_with(|| format!("{:?}", a.3).cmp(&format!("{:?}", b.3)))
                })
            });
            if let Some((_, failure, elapsed, refusal)) = failures.into_iter().next() {
                lookup.failure = Some(failure);
                lookup.refusal = refusal;
                lookup.elapsed = elapsed;
            }
        }
        lookup
    }
}

/// The readable answers that match the question, in order of arrival.
fn answers_in_order(exchange: &DnsExchange) -> Vec<&DnsAnswer> {
    let mut answers: Vec<&DnsAnswer> =
        exchange.answers.iter().filter(|answer| answer.matches_question && answer.rcode.is_some()).collect();
    answers.sort_by(|a, b| a.latency.cmp(&b.latency).then_with(|| format!("{a:?}").cmp(&format!("{b:?}"))));
    answers
}

/// The answer that a stub resolver takes: the first; an empty one without an error (a truncated datagram looks so)
/// gives way to one with addresses.
fn taken<'e>(answers: &[&'e DnsAnswer]) -> Option<&'e DnsAnswer> {
    let first = *answers.first()?;
    if first.rcode == Some(0) && first.addresses.is_empty() {
        return answers.iter().copied().find(|answer| !answer.addresses.is_empty()).or(Some(first));
    }
    Some(first)
}

fn failure_of(exchange: &DnsExchange, answer: Option<&DnsAnswer>) -> Failure {
    match (answer.and_then(|answer| answer.rcode), &exchange.failure) {
        (Some(0), _) => Failure::DnsNoAnswer,
        (Some(2), _) => Failure::DnsServfail,
        (Some(3), _) => Failure::DnsNxdomain,
        (Some(5), _) => Failure::DnsRefused,
        (_, Some(failure)) => failure.clone(),
        (Some(_), None) => Failure::DnsServerMisbehaving,
        (None, None) => Failure::DnsNoAnswer,
    }
}

/// Two answers that say different things: another code, or no address in common.
fn conflict<'e>(answers: &[&'e DnsAnswer]) -> Option<(&'e DnsAnswer, &'e DnsAnswer)> {
    let (&first, rest) = answers.split_first()?;
    let differs = |other: &DnsAnswer| {
        if first.addresses.is_empty() || other.addresses.is_empty() {
            let empty = |answer: &DnsAnswer| answer.addresses.is_empty();
            // An empty answer without an error may be a truncated one; it contradicts nothing.
            let truncated = |answer: &DnsAnswer| answer.rcode == Some(0) && empty(answer);
            return empty(first) != empty(other) && !truncated(first) && !truncated(other);
        }
        !first.addresses.iter().any(|address| other.addresses.contains(address))
    };
    rest.iter().copied().find(|other| differs(other)).map(|other| (first, other))
}

/// Which of several failures tells most; the smallest.
fn rank(failure: &Failure) -> u8 {
    match failure {
        Failure::DnsNxdomain => 0,
        Failure::DnsRefused => 1,
        Failure::DnsBogon => 2,
        Failure::DnsNoAnswer => 3,
        Failure::DnsServfail => 4,
        failure if failure.is_timeout() => 5,
        _ => 6,
    }
}
